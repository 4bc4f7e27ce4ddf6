//! Bringing attachments along: after the image they hang on, before the tag that makes it visible.
//!
//! Owns that the target lists them afterwards: by its own referrers API where it has one, else by a fallback index. Never a
//! reason to fail the image: a target that cannot keep such a list, or does not take a type that was given up, is said.

use std::collections::BTreeMap;

use futures_util::future::FutureExt as _;

use crate::engine::attachments::{Found, Place, TargetList, Unlisted, not_listed, why_left_behind};
use crate::engine::copy::fallback_list::{FallbackList, SETTLE};
use crate::engine::copy::limit::ReservedPermit;
use crate::engine::copy::order::Claim;
use crate::engine::copy::{Copy, NamingManifest};
use crate::engine::options::{OnConflict, TargetState};
use crate::engine::outcome::{AttachmentOutcome, Outcome};
use crate::engine::size::check_attachments;
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Manifest, PackedManifest};
use crate::store::content::TagOrDigest;
use crate::sync::{LockExt as _, few_at_once};

/// Attachments of one image that are copied at once, where the run has room for as many.
const ATTACHED_AT_ONCE: usize = 64;

/// Lists of one image that are written at once: each waits [`SETTLE`] long, most of its time.
const LISTS_AT_ONCE: usize = 256;

/// How often what was sent may be sent again until the target is taken not to list it.
const IN_VAIN: usize = 4;

impl Copy<'_> {
    /// Copies what was found. Nearest first: an attachment's own attachments need it as their subject. Then whatever was
    /// written, of the image too, and names a subject is listed under it.
    pub async fn attach(&self, mut found: Vec<Found>) -> Result<Vec<AttachmentOutcome>, Error> {
        // What there was no room for, and whoever asked could do without, may have been an attachment.
        let crowded = |violation| Error::of_manifests(Side::Source, self.source.object(self.root.0), violation);
        self.meter.manifest_budget().check().map_err(crowded)?;
        let read = check_attachments(self.source, TagOrDigest::Digest(self.root.1), &found, self.options).await?;
        self.read.locked().extend(read);
        found.sort_by(|a, b| (a.depth, &a.manifest.digest).cmp(&(b.depth, &b.manifest.digest)));
        let mut reports = Vec::new();
        let mut unlisted: BTreeMap<&Digest, Vec<&PackedManifest>> = BTreeMap::new();
        let mut sent: BTreeMap<&Digest, Vec<&PackedManifest>> = BTreeMap::new();
        let own = self.take_unlisted();
        for NamingManifest { subject, manifest } in &own {
            let at = TagOrDigest::Digest(&manifest.digest);
            if self.is_dry_run() || self.lists(at, manifest, subject).await? {
                continue;
            }
            unlisted.entry(subject).or_default().push(manifest);
        }
        for level in found.chunk_by(|a, b| a.depth == b.depth) {
            let copied = self.attach_level(level).await?;
            for (attachment, copied) in level.iter().zip(copied) {
                let Some((result, listed)) = copied else { continue };
                if let Some(subject) = &attachment.names {
                    let kept = match (listed, result) {
                        (false, _) => Some(&mut unlisted),
                        (true, Outcome::Copied) => Some(&mut sent),
                        (true, _) => None,
                    };
                    if let Some(by_subject) = kept {
                        by_subject.entry(subject).or_default().push(&attachment.manifest);
                    }
                }
                reports.push(report(attachment, result));
            }
        }
        if self.is_dry_run() {
            for (subject, manifests) in unlisted {
                self.announce_list(subject, &manifests, &mut reports).await?;
            }
            return Ok(reports);
        }
        for (subject, manifests) in sent.into_iter().filter(|(_, manifests)| manifests.len() > 1) {
            let lost = self.lost_from_list(subject, manifests).await?;
            if !lost.is_empty() {
                unlisted.entry(subject).or_default().extend(lost);
            }
        }
        // What an earlier run brought it has tried to list.
        let is_news = |subject: &Digest| {
            let was_sent = |report: &AttachmentOutcome| report.subject == *subject && report.result == Outcome::Copied;
            self.before != TargetState::Same || reports.iter().any(was_sent)
        };
        let lists =
            unlisted.into_iter().map(|(subject, manifests)| self.list(subject, manifests, is_news(subject)).boxed());
        few_at_once(LISTS_AT_ONCE, lists).await?;
        Ok(reports)
    }

    /// Copies attachments that do not hang on each other: how each ended, in their order. Each is a part like those of an
    /// image: what waits for its turn is a pointer.
    async fn attach_level(&self, level: &[Found]) -> Result<Vec<Option<(Outcome, bool)>>, Error> {
        let reserved = &ReservedPermit::default();
        let copies = level.iter().enumerate().map(|(number, attachment)| {
            async move {
                let _permit = self.shared.limit.enter(reserved).await;
                Ok((number, self.attach_one(attachment).await?))
            }
            .boxed()
        });
        let mut ended = few_at_once(ATTACHED_AT_ONCE, copies).await?;
        ended.sort_unstable_by_key(|(number, _)| *number);
        Ok(ended.into_iter().map(|(_, result)| result).collect())
    }

    /// Of several manifests that were sent at once, and that the target has said to list under `subject`, those that it does
    /// not because it has no such list. A registry that reads its list, adds to it and writes it loses one of two that come
    /// together (olareg 0.1.2 does): what is not listed is sent again, one after the other.
    async fn lost_from_list<'b>(
        &self,
        subject: &Digest,
        mut manifests: Vec<&'b PackedManifest>,
    ) -> Result<Vec<&'b PackedManifest>, Error> {
        let mut settle = SETTLE;
        for _ in 0..IN_VAIN {
            let Some(listed) = self.target.referrers(subject).await? else { return Ok(manifests) };
            manifests.retain(|manifest| !listed.iter().any(|entry| entry.digest == manifest.digest));
            if manifests.is_empty() {
                return Ok(manifests);
            }
            for manifest in &manifests {
                self.put(TagOrDigest::Digest(&manifest.digest), &self.open(manifest)?).await?;
            }
            tokio::time::sleep(settle).await;
            settle *= 2;
        }
        let digests: Vec<&Digest> = manifests.iter().map(|manifest| &manifest.digest).collect();
        let unlisted = Unlisted::NotKept("it has said that it lists them, and does not".to_owned());
        self.meter.warn(not_listed(subject, &digests, &unlisted));
        Ok(Vec::new())
    }

    /// What a copy would do about the list of `subject`, which is to name `manifests`: those that it lacks would be listed.
    async fn announce_list(
        &self,
        subject: &Digest,
        manifests: &[&PackedManifest],
        reports: &mut [AttachmentOutcome],
    ) -> Result<(), Error> {
        let digests: Vec<&Digest> = manifests.iter().map(|manifest| &manifest.digest).collect();
        match TargetList::read(self.target, subject).await? {
            TargetList::Unlisted(unlisted) => self.meter.warn(not_listed(subject, &digests, &unlisted)),
            TargetList::Entries(listed) => {
                let lacks = |digest: &Digest| !listed.iter().any(|entry| entry.digest == *digest);
                let is_lost = |report: &&mut AttachmentOutcome| {
                    report.subject == *subject && digests.contains(&&report.digest) && lacks(&report.digest)
                };
                for report in reports.iter_mut().filter(is_lost) {
                    report.result = Outcome::WouldCopy;
                }
            }
        }
        Ok(())
    }

    /// Copies one attachment; how it ended, and whether the target lists it by itself (or need not). None where it is left
    /// behind.
    async fn attach_one(&self, attachment: &Found) -> Result<Option<(Outcome, bool)>, Error> {
        let Place::Tag(tag) = &attachment.place else { return self.bring_attachment(attachment, None).await };
        let mut state = self.shared.attachment_tags.lock(self.target, tag).await;
        let (digest, source) = (&attachment.manifest.digest, self.source.object(TagOrDigest::Tag(tag)));
        let claim = Claim { number: self.number, digest: digest.clone(), source: source.to_string() };
        let over = match state.rival(&claim) {
            Some(rival) => {
                let (first, second) = if rival.number < self.number { (rival, &claim) } else { (&claim, rival) };
                self.meter.warn(two_claims(tag, first, second));
                if rival.number < self.number {
                    return Ok(Some((Outcome::Kept, true)));
                }
                Some(rival.digest.clone())
            }
            None => None,
        };
        let brought = self.bring_attachment(attachment, over.as_ref()).await?;
        if matches!(brought, Some((Outcome::Copied | Outcome::WouldCopy | Outcome::Unchanged, _))) {
            state.claim(claim);
        }
        Ok(brought)
    }

    /// The same, whoever else brings something there; what it takes the place `over` of is this run's own.
    async fn bring_attachment(
        &self,
        attachment: &Found,
        over: Option<&Digest>,
    ) -> Result<Option<(Outcome, bool)>, Error> {
        let manifest = &self.open(&attachment.manifest)?;
        let at = attachment.at();
        let present = self.find(at).await?;
        if present.as_ref() == Some(&manifest.digest) {
            if self.before == TargetState::Same {
                // Looked through like the image itself: a signature whose layer is gone proves nothing.
                self.below(manifest, 1).await?;
            }
            let listed = match &manifest.subject {
                Some(subject) => self.lists(at, &attachment.manifest, &subject.digest).await?,
                None => true,
            };
            return Ok(Some((Outcome::Unchanged, listed)));
        }
        if let (Some(present), Place::Tag(tag)) =
            (present.as_ref().filter(|present| over != Some(*present)), &attachment.place)
        {
            if self.options.on_conflict != OnConflict::Overwrite {
                self.meter.notice(format!(
                    "the target's `{tag}` is {present}, the source's {}; the target's is kept (`on-conflict`)",
                    manifest.digest
                ));
                return Ok(Some((Outcome::Kept, true)));
            }
            self.meter.warn(format!("the target's `{tag}` was {present} and follows the source now"));
        }
        // What an earlier run has left behind is no news.
        if self.is_dry_run()
            && self.before == TargetState::Same
            && let Some(reason) = why_left_behind(self.source, manifest).await?
        {
            self.meter.warn(format!("{} of {} is not at the target: {reason}", manifest.digest, attachment.subject));
            return Ok(None);
        }
        // Not the image: the choice of its children is not one of the attachment's.
        match self.below(manifest, 1).await {
            Err(error) if error.is_absent() && matches!(error, Error::Registry { side: Side::Source, .. }) => {
                self.meter.warn(left_behind(attachment, &error));
                return Ok(None);
            }
            result => result?,
        }
        match self.put(at, manifest).await {
            Ok(None) => Ok(Some((Outcome::WouldCopy, true))),
            Ok(Some(pushed)) => Ok(Some((Outcome::Copied, pushed.lists_referrers || manifest.subject.is_none()))),
            Err(error) if manifest.is_withdrawn() && error.is_not_taken() => {
                self.meter.warn(format!(
                    "{}, attached to {}, is left behind: it is of a type that was given up before OCI 1.1, and the target \
                     does not take it ({})",
                    manifest.digest,
                    attachment.subject,
                    error.refusal().map(ToString::to_string).unwrap_or_default()
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the target lists by itself, under `subject`, what it has at `at`.
    async fn lists(&self, at: TagOrDigest<'_>, manifest: &PackedManifest, subject: &Digest) -> Result<bool, Error> {
        match self.target.referrers(subject).await? {
            Some(listed) if listed.iter().any(|entry| entry.digest == manifest.digest) => Ok(true),
            // It keeps a list of its own, and lost this entry: pushed again, it is listed again.
            Some(_) if !self.is_dry_run() => {
                Ok(self.put(at, &self.open(manifest)?).await?.is_some_and(|pushed| pushed.lists_referrers))
            }
            _ => Ok(false),
        }
    }

    pub(super) fn open(&self, manifest: &PackedManifest) -> Result<Manifest, Error> {
        manifest.open().map_err(|problem| self.bad(&manifest.digest, problem))
    }

    /// Adds `manifests` to the fallback index of `subject` at the target. Where the target cannot keep one, that is said:
    /// what is attached is there, and the image is whole.
    async fn list(&self, subject: &Digest, manifests: Vec<&PackedManifest>, is_news: bool) -> Result<(), Error> {
        let list = FallbackList { target: self.target, tags: &self.shared.attachment_tags, meter: self.meter };
        if let Some(unlisted) = list.add(subject, &manifests, is_news).await? {
            let digests: Vec<&Digest> = manifests.iter().map(|manifest| &manifest.digest).collect();
            self.meter.warn(not_listed(subject, &digests, &unlisted));
        }
        Ok(())
    }
}

/// That two sources of one image have different attachments under one tag. It is said in the same words whichever comes first.
fn two_claims(tag: &str, first: &Claim, second: &Claim) -> String {
    format!(
        "`{tag}` is {} at {} and {} at {}: the target has the first, which stands before the other in the list",
        first.digest, first.source, second.digest, second.source
    )
}

/// That the source lists an attachment of which it has not all.
fn left_behind(attachment: &Found, error: &Error) -> String {
    let (digest, subject) = (&attachment.manifest.digest, &attachment.subject);
    format!("{digest}, attached to {subject}, is left behind: the source itself does not have all of it ({error})")
}

fn report(attachment: &Found, result: Outcome) -> AttachmentOutcome {
    AttachmentOutcome {
        subject: attachment.subject.clone(),
        digest: attachment.manifest.digest.clone(),
        kind: attachment.kind,
        artifact_type: attachment.artifact_type.clone(),
        tag: match &attachment.place {
            Place::Tag(tag) => Some(tag.clone()),
            Place::Referrer => None,
        },
        result,
    }
}
