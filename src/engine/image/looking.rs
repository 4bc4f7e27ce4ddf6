//! What is looked at without writing: what a source is, whether a target is it, what a target has.

use crate::engine::behind::Verdict;
use crate::engine::ends::{self, Endpoint};
use crate::engine::image::{ImageTask, Need};
use crate::engine::options::{Mode, Operation, Options, Platforms, TargetState};
use crate::engine::outcome::Outcome;
use crate::engine::resolve::{self, Resolved, Root};
use crate::engine::verify::{self, Comparison};
use crate::error::{Error, Pin};
use crate::oci::digest::Digest;
use crate::store::Target;
use crate::store::content::TagOrDigest;

impl ImageTask<'_> {
    /// What the source is.
    pub(super) async fn inspect(&self) -> Result<Outcome, Error> {
        let source = ends::source(self.session, self.job, &self.meter).await?;
        let resolved = match &self.job.options.platforms {
            // The bytes are what is inspected: no HEAD first.
            Platforms::All => {
                let manifest = source.store.get_manifest(source.at()).await?;
                Resolved::whole(Root::Fetched(Box::new(manifest)))
            }
            Platforms::One(_) | Platforms::Several(..) => self.resolve(&source, Need::Digest).await?,
        };
        self.known().record(&resolved);
        self.job.check_expected_digest(&resolved)?;
        self.admit(&source, &resolved).await?;
        let mut chosen = resolved.chosen.clone();
        let root = resolved.root.manifest(&source.store, source.at()).await?;
        if chosen.is_none() && !root.is_index() {
            chosen = resolve::platform_of_image(&source.store, &root).await?;
        }
        self.known().describe(&root, chosen.as_ref(), None, |_| (!root.is_index()).then(|| root.content_size()));
        Ok(Outcome::Inspected)
    }

    /// Whether the target is what the source is.
    pub(super) async fn verify(&self) -> Result<Outcome, Error> {
        let mut source = ends::source(self.session, self.job, &self.meter).await?;
        let target =
            ends::target(self.session, self.job, &self.meter, "is missing; `verify` compares a source with a target")?;
        let is_locked = self.locked().is_some();
        let stays = self.stays_as(&target).await?;
        let resolved = match &stays {
            None => self.resolve(&source, Need::Digest).await?,
            Some(wanted) => {
                let at = TagOrDigest::Digest(wanted);
                resolve::source(&source.store, at, None, &self.job.options.platforms).await?
            }
        };
        // What the target's tag was asked for already.
        let immovable = stays.clone().filter(|_| !is_locked);
        source.digest = stays.or(source.digest);
        self.known().record(&resolved);
        if immovable.is_some() {
            // The tag was not asked for.
            self.known().image.source_digest = None;
        }
        self.job.check_expected_digest(&resolved)?;
        // What a lock says was held against the policy is not looked at again, as a copy does not.
        if !self.job.options.requirement.as_ref().is_some_and(|wanted| wanted.was_checked(&resolved.named)) {
            self.admit(&source, &resolved).await?;
        }
        let by_tag = match (&immovable, &target.tag) {
            (Some(found), _) => Some(found.clone()),
            (None, Some(tag)) => resolve::target(&target.store, TagOrDigest::Tag(tag)).await?,
            (None, None) => None,
        };
        let resolved = self.as_before(resolved, &target, by_tag.as_ref()).await?;
        let wanted = resolved.root.digest().clone();
        // The tag is what people pull by; the digest only where there is no tag.
        let stands_in = target.store.tag_of(&wanted);
        let named = target.tag.as_deref().or(stands_in.as_deref());
        let target_at = named.map_or(TagOrDigest::Digest(&wanted), TagOrDigest::Tag);
        let different = |differences| Error::Different { reference: target.store.object(target_at), differences };
        let found = match &target.tag {
            Some(_) => by_tag,
            None => resolve::target(&target.store, target_at).await?,
        };
        if found.as_ref() != Some(&wanted) {
            let (behind, verdict) = verify::judge(self.job, (&source.store, source.at()), resolved.root).await?;
            self.known().image.behind = Some(Box::new(behind));
            let why = match verdict {
                Verdict::Late(why) => why,
                Verdict::Young(why) => {
                    self.meter.notice(why);
                    self.known().image.digest = found;
                    return Ok(Outcome::Behind);
                }
            };
            let how = found.map_or_else(|| "it does not exist;".to_owned(), |found| format!("it is {found},"));
            let by = if is_locked { "the lock has" } else { "the source is" };
            return Err(different(std::iter::once(format!("{how} {by} {wanted}")).chain(why).collect()));
        }
        let chosen = resolved.chosen.clone();
        let root = match resolved.root.clone().manifest(&source.store, source.at()).await {
            Err(error) if is_locked && error.is_absent() => return Ok(self.verified_by_lock(wanted)),
            // That it came from there nobody says.
            Err(error) if immovable.is_some() && error.is_absent() => {
                return Err(different(vec![format!("it is {wanted}, which the source does not have")]));
            }
            root => root?,
        };
        let children = resolved.children.as_ref();
        self.known().describe(&root, chosen.as_ref(), children, |_| None);
        let attachments = self.job.options.attachments;
        let quota = self.session.shared.attachments.quota();
        let (source, target, answers) = (&source.store, &target.store, &self.answers);
        let comparison = Comparison { source, target, attachments, children, quota, answers };
        let differences = comparison.differences(&root).await?;
        if differences.is_empty() { Ok(Outcome::Verified) } else { Err(different(differences)) }
    }

    /// The target has what the lock says, of which the source has nothing to compare it with.
    fn verified_by_lock(&self, digest: Digest) -> Outcome {
        self.known().image.digest = Some(digest);
        self.meter.notice(
            "the source has it no more: the target has the digest that the lock has, and what is below it was compared with \
             nothing"
                .to_owned(),
        );
        Outcome::Verified
    }

    /// What the target is to have, wherever the source's tag has moved; none where the source decides.
    async fn stays_as(&self, target: &Endpoint<Target>) -> Result<Option<Digest>, Error> {
        match self.locked() {
            Some(locked) => Ok(Some(locked.clone())),
            None => self.immovable(target).await,
        }
    }

    /// What a lock says that the target is to have, wherever the source's tag has moved.
    fn locked(&self) -> Option<&Digest> {
        let Options { source_tag, expected_digest, pin, .. } = &*self.job.options;
        let held = expected_digest.as_ref().filter(|_| matches!(pin, Pin::Lock(_) | Pin::Frozen(_)));
        source_tag.line().or(held)
    }

    /// What the target has under a tag that does not move: it stays that, wherever the source's has moved. Nothing where the
    /// list says itself what it is, and of some platforms, of which the source has nothing under the target's digest.
    async fn immovable(&self, target: &Endpoint<Target>) -> Result<Option<Digest>, Error> {
        let Options { source_tag, platforms, expected_digest, .. } = &*self.job.options;
        let is_whole = *platforms == Platforms::All && expected_digest.is_none() && self.job.source.digest().is_none();
        match &target.tag {
            Some(tag) if source_tag.is_immutable() && is_whole => {
                resolve::target(&target.store, TagOrDigest::Tag(tag)).await
            }
            _ => Ok(None),
        }
    }

    /// Finds the image at the target, by which the package can be asked for; one that is not there, or that this
    /// credential may not read, is no failure.
    pub(super) async fn find_target(&self) -> Result<Outcome, Error> {
        if self.job.target.as_ref().is_some_and(|reference| reference.registry().is_none()) {
            return Ok(Outcome::Checked);
        }
        let target = ends::target(self.session, self.job, &self.meter, "is missing; `access` is about a target")?;
        match target.store.head_manifest(target.at()).await {
            Ok(found) => self.known().image.digest = found.map(|descriptor| descriptor.digest),
            Err(error) if error.is_denied() => {}
            Err(error) => return Err(error),
        }
        Ok(Outcome::Checked)
    }

    /// Where the tag is not there, what is may be nothing at all: that is found out before the first blob asks.
    pub(super) async fn expect_blobs(&self, target: &Target, before: TargetState) {
        let is_new = before == TargetState::Absent && self.job.options.operation != Operation::Copy(Mode::DryRun);
        if let Some(repository) = target.registry().filter(|_| is_new) {
            repository.was_unknown().await;
        }
    }
}
