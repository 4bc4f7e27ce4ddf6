//! One image's way: resolve, copy, verify.
//!
//! Owns the order of the stages for one image, and that whatever happens becomes a report entry. Never ends the run:
//! a failed image is a result, not an early exit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::try_join_all;

use crate::engine::copy::Copy;
use crate::engine::copy::fan_out::Subscriber;
use crate::engine::job::Job;
use crate::engine::options::{
    Check, ChildSelection, Command, Mode, OnConflict, OwnAttachments, Platforms, TargetState,
};
use crate::engine::outcome::{AttachmentOutcome, ImageOutcome, Outcome, PlatformOutcome};
use crate::engine::resolve::{self, Resolved};
use crate::engine::session::Session;
use crate::engine::verify;
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::oci::reference::ImageReference;
use crate::store::Store;
use crate::store::content::TagOrDigest;
use crate::store::layout::Layout;
use crate::store::registry::repository::Purpose;

/// One image while it is worked on. What is known of it survives a cancellation.
pub struct Image<'a> {
    run: &'a Session<'a>,
    job: &'a Job,
    meter: Arc<Meter>,
    started: Instant,
    /// What became of the tag, or of the digest where there is no tag.
    tag: Mutex<Tag>,
    known: Mutex<Known>,
}

/// One end of the copy.
struct End {
    store: Store,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// What became of the target's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// Nothing was sent.
    Untouched,
    /// It was sent, and no answer came yet.
    Unknown,
    /// The target took it.
    Written,
}

/// What is known so far.
#[derive(Default)]
struct Known {
    source_digest: Option<Digest>,
    digest: Option<Digest>,
    media_type: Option<String>,
    platforms: Vec<PlatformOutcome>,
    is_container: bool,
    attachments: Vec<AttachmentOutcome>,
}

impl<'a> Image<'a> {
    /// Nothing is contacted yet.
    pub fn new(run: &'a Session<'a>, job: &'a Job) -> Self {
        Self {
            run,
            job,
            meter: Arc::new(Meter::new(run.events.clone())),
            started: Instant::now(),
            tag: Mutex::new(Tag::Untouched),
            known: Mutex::default(),
        }
    }

    /// Does what the run's command says.
    pub async fn work(&self) -> Result<Outcome, Error> {
        match self.run.command {
            Command::Copy => self.copy().await,
            Command::Inspect => self.inspect().await,
            Command::Verify => self.verify().await,
            Command::Access => self.look_for().await,
        }
    }

    /// The report entry, once the work has ended so.
    pub fn report(&self, result: Result<Outcome, Error>) -> ImageOutcome {
        let known = std::mem::take(&mut *self.known());
        let mut notices = self.job.notices.clone();
        notices.extend(self.meter.notices());
        let (result, error) = match result {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::Failed, Some(error)),
        };
        // A failure says nothing about the target that is not known.
        let digest = known.digest.filter(|_| result != Outcome::Failed || self.tag() == Tag::Written);
        ImageOutcome {
            source_digest: known.source_digest,
            digest,
            media_type: known.media_type,
            platforms: known.platforms,
            is_container: known.is_container,
            attachments: known.attachments,
            result,
            traffic: self.meter.traffic(),
            blobs: self.meter.blobs(),
            wrote: self.written() > 0 || self.tag() != Tag::Untouched,
            notices,
            sites: self.meter.sites(),
            served_by: self.meter.served_by(),
            state: error.as_ref().map(|_| self.state()),
            error,
            duration: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..ImageOutcome::new(self.job.source.clone(), self.job.target.clone())
        }
    }

    /// Blobs and manifests that the target took.
    fn written(&self) -> u64 {
        let blobs = self.meter.blobs();
        blobs.sent + blobs.mounted + self.meter.manifests()
    }

    fn tag(&self) -> Tag {
        *self.tag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_tag(&self, state: Tag) {
        *self.tag.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// What was and what was not written.
    fn state(&self) -> String {
        let blobs = self.meter.blobs();
        let (blobs, manifests) = (blobs.sent + blobs.mounted, self.meter.manifests());
        let name = match self.job.target.as_ref().and_then(ImageReference::tag) {
            Some(tag) => format!("the tag `{tag}`"),
            None => "the image".to_owned(),
        };
        match self.tag() {
            Tag::Untouched => {}
            Tag::Unknown => {
                return format!("all of the image is at the target; whether {name} was written is not known");
            }
            Tag::Written => return format!("{name} was written to the target"),
        }
        if blobs + manifests == 0 {
            return if self.meter.traffic().bytes_written > 0 {
                // Its answer did not come, or was not waited for.
                format!("nothing is known to have been written whole; {name} was not touched")
            } else {
                "nothing was written".to_owned()
            };
        }
        let count = |(number, noun): (u64, &str)| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let written = [(blobs, "blob"), (manifests, "manifest")].into_iter().filter(|(number, _)| *number > 0);
        let written: Vec<String> = written.map(count).collect();
        let verb = if blobs + manifests == 1 { "was" } else { "were" };
        format!("{} {verb} written; {name} was not touched, and the next run goes on from there", written.join(" and "))
    }

    async fn copy(&self) -> Result<Outcome, Error> {
        let End { store: source, tag: source_tag, digest: source_digest } =
            self.end(Side::Source, &self.job.source).await?;
        let Some(reference) = &self.job.target else {
            return Err(Error::input("target", "is missing"));
        };
        let End { store: target, tag: target_tag, .. } = self.end(Side::Target, reference).await?;
        let reader = self.run.readers.join(&self.job.source.to_string(), target.account());

        let source_at = at(source_tag.as_deref(), source_digest.as_ref());
        // Where only the source's digest names the target, the target can be asked once that is known.
        let early = target_tag.as_deref().map(TagOrDigest::Tag).or_else(|| reference.digest().map(TagOrDigest::Digest));
        let (resolved, found) = self.look((&source, source_at), (&target, early), &reader).await?;
        self.learn(&resolved);
        self.expect(&resolved)?;
        let wanted = resolved.root.digest().clone();
        let (target_at, found) = match (target_tag.as_deref(), early) {
            (Some(tag), _) => (TagOrDigest::Tag(tag), found?),
            (None, Some(TagOrDigest::Digest(asked))) if *asked == wanted => (TagOrDigest::Digest(&wanted), found?),
            // Pushed by digest, and the digest of one platform is not the one that the reference names.
            (None, _) => (TagOrDigest::Digest(&wanted), self.present(&target, TagOrDigest::Digest(&wanted)).await?),
        };

        let before = if found.as_ref() == Some(&wanted) {
            if self.run.check == Check::Quick && self.is_unchanged(&target, &resolved).await? {
                return Ok(Outcome::Unchanged);
            }
            TargetState::Same
        } else if let Some(actual) = found {
            match self.job.on_conflict {
                OnConflict::Overwrite => self.replaces(&actual),
                OnConflict::Keep => {
                    self.known().digest = Some(actual);
                    return Ok(Outcome::Kept);
                }
                OnConflict::Fail => {
                    return Err(Error::Conflict { reference: target.object(target_at), actual, wanted });
                }
            }
            TargetState::Different
        } else {
            TargetState::Empty
        };

        // Where the same image is only looked through (`check: deep`), nothing is sent as a rule.
        if let Some(repository) = target.registry().filter(|_| before != TargetState::Same) {
            self.run.gate.before_write(repository, before == TargetState::Different, &self.meter).await?;
        }
        let Resolved { root, chosen, only, .. } = resolved;
        let root = match &source {
            // Who served it is told for each image.
            Store::MirrorSource(_) => root.manifest(&source).await?,
            Store::Registry(_) | Store::Layout(_) => reader.manifest(&wanted, root.manifest(&source)).await?,
        };
        let (sizes, found) = (Mutex::new(BTreeMap::new()), Mutex::default());
        let copy = Copy {
            source: &source,
            target: &target,
            ledger: self.run.ledger,
            reader: &reader,
            room: self.run.room,
            meter: &self.meter,
            mode: if self.run.dry_run { Mode::DryRun } else { Mode::Write },
            before,
            only: only.as_ref(),
            foreign_layers: self.run.foreign_layers,
            own_attachments: match self.job.on_conflict {
                OnConflict::Overwrite => OwnAttachments::Replace,
                OnConflict::Keep | OnConflict::Fail => OwnAttachments::Keep,
            },
            attachments: self.run.attachments,
            found: &found,
            sizes: &sizes,
        };
        let below = tokio::try_join!(copy.below(&root, 0), copy.look_for_attachments(&root.digest));
        let size = |digest: &Digest| sizes.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied();
        self.describe(&root, chosen.as_ref(), only.as_ref(), size);
        below?;
        let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        if before != TargetState::Same && !found.is_empty() {
            // Attachments name their subject by digest: it must be there before them, the tag after them.
            copy.put(TagOrDigest::Digest(&root.digest), &root).await?;
        }
        let attachments = copy.attach(found).await?;
        self.known().attachments = attachments;
        if before == TargetState::Same {
            return Ok(self.repaired());
        }
        if self.run.dry_run {
            return Ok(Outcome::WouldCopy);
        }
        self.publish(&copy, target_at, &root).await
    }

    /// What the source is, and what the target has where it is to go, as far as that can be asked yet: side by side.
    async fn look(
        &self,
        (source, source_at): (&Store, TagOrDigest<'_>),
        (target, early): (&Store, Option<TagOrDigest<'_>>),
        reader: &Subscriber<'_>,
    ) -> Result<(Resolved, Result<Option<Digest>, Error>), Error> {
        let platforms = &self.job.platforms;
        match early {
            // It will be copied: its manifest is needed, not only its digest.
            Some(TagOrDigest::Tag(tag))
                if self.job.on_conflict == OnConflict::Overwrite
                    && *platforms == Platforms::All
                    && !reader.has_others()
                    && target.is_known_to_lack(tag) =>
            {
                Ok((resolve::fetched(source, source_at).await?, Ok(None)))
            }
            Some(early) => {
                let (resolved, found) =
                    tokio::join!(resolve::source(source, source_at, platforms), self.present(target, early));
                Ok((resolved?, found))
            }
            None => Ok((resolve::source(source, source_at, platforms).await?, Ok(None))),
        }
    }

    /// What the target has under `at`.
    async fn present(&self, target: &Store, at: TagOrDigest<'_>) -> Result<Option<Digest>, Error> {
        match self.job.on_conflict {
            OnConflict::Overwrite => resolve::overwritten(target, at, self.job.same_repository_count).await,
            OnConflict::Keep | OnConflict::Fail => resolve::target(target, at).await,
        }
    }

    /// Makes visible what is whole at the target, and reads it back.
    async fn publish(&self, copy: &Copy<'_>, at: TagOrDigest<'_>, root: &Manifest) -> Result<Outcome, Error> {
        self.set_tag(Tag::Unknown);
        copy.put(at, root).await.inspect_err(|error| {
            // Refused is refused; no answer, and a server's failure, is no knowledge.
            if error.is_declined() {
                self.set_tag(Tag::Untouched);
            }
        })?;
        // In a layout, what has no tag is found by an entry of its own.
        if let (Store::Layout(layout), TagOrDigest::Digest(_)) = (copy.target, at) {
            layout.add_referrer(root).await?;
        }
        self.set_tag(Tag::Written);
        verify::read_back(copy.target, at, &root.digest, self.run.patience).await?;
        Ok(Outcome::Copied)
    }

    /// Says that a tag moves, and from where: that is how it is moved back.
    fn replaces(&self, actual: &Digest) {
        let verb = if self.run.dry_run { "would replace" } else { "replaces" };
        self.meter.notice(format!("{verb} {actual}, which the target's tag pointed at"));
    }

    /// Whether a target with the right digest has the children that were chosen too; with no choice, the index speaks
    /// for them.
    async fn is_unchanged(&self, target: &Store, resolved: &Resolved) -> Result<bool, Error> {
        let chosen = resolved.only.iter().flatten().map(|digest| target.head_manifest(TagOrDigest::Digest(digest)));
        let unchanged = try_join_all(chosen).await?.iter().all(Option::is_some);
        if unchanged && self.run.describe_unchanged {
            let root = target.get_manifest(TagOrDigest::Digest(resolved.root.digest())).await?;
            self.describe(&root, resolved.chosen.as_ref(), resolved.only.as_ref(), |_| None);
        }
        Ok(unchanged)
    }

    /// How a deep check of an unchanged tag ended.
    fn repaired(&self) -> Outcome {
        if self.written() > 0 {
            Outcome::Copied
        } else if self.meter.blobs().missing + self.meter.manifests_missing() > 0
            || self.known().attachments.iter().any(|it| it.result == Outcome::WouldCopy)
        {
            Outcome::WouldCopy
        } else {
            Outcome::Unchanged
        }
    }

    async fn inspect(&self) -> Result<Outcome, Error> {
        let End { store: source, tag, digest } = self.end(Side::Source, &self.job.source).await?;
        let source_at = at(tag.as_deref(), digest.as_ref());
        let resolved = match &self.job.platforms {
            // The bytes are what is inspected: no HEAD first.
            Platforms::All => {
                let manifest = source.get_manifest(source_at).await?;
                Resolved::whole(resolve::Root::Fetched(Box::new(manifest)))
            }
            some => resolve::source(&source, source_at, some).await?,
        };
        self.learn(&resolved);
        self.expect(&resolved)?;
        let mut chosen = resolved.chosen.clone();
        let root = resolved.root.manifest(&source).await?;
        if chosen.is_none() && !root.is_index() {
            chosen = resolve::platform_of_image(&source, &root).await?;
        }
        self.describe(&root, chosen.as_ref(), None, |_| (!root.is_index()).then(|| root.content_size()));
        Ok(Outcome::Inspected)
    }

    async fn verify(&self) -> Result<Outcome, Error> {
        let End { store: source, tag, digest } = self.end(Side::Source, &self.job.source).await?;
        let Some(reference) = &self.job.target else {
            return Err(Error::input("target", "is missing; `verify` compares a source with a target"));
        };
        let End { store: target, tag: target_tag, .. } = self.end(Side::Target, reference).await?;
        let resolved = resolve::source(&source, at(tag.as_deref(), digest.as_ref()), &self.job.platforms).await?;
        self.learn(&resolved);
        self.expect(&resolved)?;
        let wanted = resolved.root.digest().clone();
        // The tag is what people pull by; the digest only where there is no tag.
        let target_at = target_tag.as_deref().map_or(TagOrDigest::Digest(&wanted), TagOrDigest::Tag);
        let different = |differences| Error::Different { reference: target.object(target_at), differences };
        match resolve::target(&target, target_at).await? {
            Some(found) if found == wanted => {}
            Some(found) => return Err(different(vec![format!("it is {found}, the source is {wanted}")])),
            None => return Err(different(vec![format!("it does not exist; the source is {wanted}")])),
        }
        let chosen = resolved.chosen.clone();
        let root = resolved.root.clone().manifest(&source).await?;
        self.describe(&root, chosen.as_ref(), resolved.only.as_ref(), |_| None);
        let only = resolved.only.as_ref();
        let (mut differences, attachments) = tokio::try_join!(
            verify::differences(&source, &target, &root, only, 0),
            verify::missing_attachments(&source, &target, &root, only, self.run.attachments)
        )?;
        differences.extend(attachments);
        if differences.is_empty() { Ok(Outcome::Verified) } else { Err(different(differences)) }
    }

    /// Finds the image at the target, by which the package can be asked for; one that is not there, or that this
    /// credential may not read, is no failure.
    async fn look_for(&self) -> Result<Outcome, Error> {
        let Some(reference) = &self.job.target else {
            return Err(Error::input("target", "is missing; `access` is about a target"));
        };
        if reference.registry().is_none() {
            return Ok(Outcome::Checked);
        }
        let End { store: target, tag, digest } = self.end(Side::Target, reference).await?;
        match target.head_manifest(at(tag.as_deref(), digest.as_ref())).await {
            Ok(found) => self.known().digest = found.map(|descriptor| descriptor.digest),
            Err(error) if error.is_denied() => {}
            Err(error) => return Err(error),
        }
        Ok(Outcome::Checked)
    }

    /// One end: where it is, and what of it is named.
    async fn end(&self, side: Side, reference: &ImageReference) -> Result<End, Error> {
        let writes = side == Side::Target && self.run.command == Command::Copy && !self.run.dry_run;
        let meter = Arc::clone(&self.meter);
        let (tag, digest) = (reference.tag().map(str::to_owned), reference.digest().cloned());
        match reference {
            ImageReference::Registry(reference) => {
                let purpose = if writes { Purpose::Write } else { Purpose::Read };
                if side == Side::Source
                    && let Some(mirrored) =
                        self.run.mirrors.store(self.run.registries, reference, self.job.end(Side::Target), &meter)?
                {
                    return Ok(End { store: Store::MirrorSource(mirrored), tag, digest });
                }
                let repository = self.run.registries.open(side, reference, purpose, meter)?;
                Ok(End { store: Store::Registry(repository), tag, digest })
            }
            ImageReference::Layout(reference) if side == Side::Target => {
                let store = Store::Layout(Layout::create(side, &reference.directory, meter)?);
                Ok(End { store, tag, digest })
            }
            ImageReference::Layout(reference) => {
                let layout = Layout::open(side, &reference.directory, meter)?;
                let digest = match (&tag, digest) {
                    (None, None) => Some(layout.default_root().await?.digest),
                    (_, digest) => digest,
                };
                Ok(End { store: Store::Layout(layout), tag, digest })
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, resolved: &Resolved) {
        for notice in &resolved.notices {
            self.meter.notice(notice.clone());
        }
        let mut known = self.known();
        known.source_digest = Some(resolved.named.clone());
        known.digest = Some(resolved.root.digest().clone());
        if let Some(platform) = &resolved.chosen {
            let digest = resolved.root.digest().clone();
            known.platforms = vec![PlatformOutcome { platform: platform.to_string(), digest, size: None }];
        }
    }

    /// `expected-digest` names the image as its publisher does: the index, or the one platform that is wanted.
    fn expect(&self, resolved: &Resolved) -> Result<(), Error> {
        match &self.job.expected_digest {
            Some(expected) if *expected != resolved.named && expected != resolved.root.digest() => {
                Err(Error::Unexpected {
                    reference: Object::from(&self.job.source),
                    expected: expected.clone(),
                    actual: resolved.named.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn describe(
        &self,
        root: &Manifest,
        chosen: Option<&crate::oci::platform::Platform>,
        only: Option<&ChildSelection>,
        size: impl Fn(&Digest) -> Option<u64>,
    ) {
        let mut known = self.known();
        known.media_type = Some(root.media_type.clone());
        known.is_container = root.is_container();
        known.platforms = match chosen {
            Some(platform) if !root.is_index() => vec![PlatformOutcome {
                platform: platform.to_string(),
                digest: root.digest.clone(),
                size: size(&root.digest),
            }],
            _ => resolve::platforms(root, only, size),
        };
    }
}

/// The place that a reference's tag and digest name: the digest decides where both are given.
fn at<'a>(tag: Option<&'a str>, digest: Option<&'a Digest>) -> TagOrDigest<'a> {
    match (digest, tag) {
        (Some(digest), _) => TagOrDigest::Digest(digest),
        (None, Some(tag)) => TagOrDigest::Tag(tag),
        // A parsed reference has one or the other.
        (None, None) => TagOrDigest::Tag("latest"),
    }
}
