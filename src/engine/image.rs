//! One image's way: resolve, copy, verify.
//!
//! Owns the order of the stages for one image, and that whatever happens becomes a report entry. Never ends the run:
//! a failed image is a result, not an early exit.

mod attesting;
mod looking;
mod settled;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use futures_util::future::{FutureExt as _, try_join_all};
use futures_util::stream;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use crate::engine::answers::Answers;
use crate::engine::attachments;
use crate::engine::copy::Copy;
use crate::engine::copy::fan_out::Subscriber;
use crate::engine::copy::root::RootChoice;
use crate::engine::ends::{self, Endpoint, Way};
use crate::engine::job::Job;
use crate::engine::known::Known;
use crate::engine::options::{
    Check, ChildSelection, Mode, OnConflict, Operation, Options, Platforms, TargetState, UnchangedDetail,
};
use crate::engine::outcome::{ImageOutcome, Outcome, TargetTag, Verification};
use crate::engine::pulls::Pulls;
use crate::engine::resolve::{self, Resolved, Root};
use crate::engine::session::Session;
use crate::engine::signatures;
use crate::engine::size;
use crate::engine::tag::{self, Tag, Written};
use crate::engine::verify;
use crate::error::Error;
use crate::observe::counts::Traffic;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::oci::platform::Platform;
use crate::oci::reference::ImageReference;
use crate::policy::Policy;
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target};
use crate::sync::LockExt as _;

/// One image while it is worked on. What is known of it survives a cancellation.
pub struct ImageTask<'a> {
    session: &'a Session<'a>,
    job: &'a Job,
    /// Its place among the images of the run.
    number: usize,
    meter: Arc<Meter>,
    started: Instant,
    /// What became of the tag, or of the digest where there is no tag.
    tag: Mutex<Tag>,
    known: Mutex<Known>,
    /// Where a copy goes, or why that cannot be opened.
    way: Option<Result<Way<'a>, Error>>,
    /// Its part of the pulls that its source bills.
    pulls: Pulls,
    /// What its source has answered about what hangs on it.
    answers: Answers,
    /// Whether what the target has unchanged lacks an attestation, once that was asked.
    unattested: OnceCell<bool>,
}

/// What is needed of a source once it is resolved.
#[derive(Clone, Copy)]
enum Need {
    /// What it is.
    Digest,
    /// All of it.
    Manifest,
}

impl<'a> ImageTask<'a> {
    /// Nothing is contacted yet.
    pub fn new(session: &'a Session<'a>, job: &'a Job, number: usize) -> Self {
        let mut image = Self {
            session,
            job,
            number,
            meter: Arc::new(Meter::of_image(session.events.clone(), job.source.to_string())),
            started: Instant::now(),
            tag: Mutex::new(Tag::Untouched),
            known: Mutex::new(Known::new(job)),
            way: None,
            pulls: Pulls::default(),
            answers: Answers::default(),
            unattested: OnceCell::new(),
        };
        if let Operation::Copy(_) = job.options.operation {
            image.way = Some(Way::open(session, job, &image.meter));
            image.pulls = Pulls::begin(session, job, &image.meter, number);
        }
        image
    }

    /// Does what is to be done with the image.
    pub async fn work(&self) -> Result<Outcome, Error> {
        let budget = self.meter.manifest_budget();
        let worked = budget.with_room(|| self.attempt().boxed(), || self.pulls.step_back()).await;
        match self.pulls.end(worked, &self.meter) {
            Err(error) if error.absent_tag().is_some() || error.absent_repository().is_some() => {
                let Session { registries, shared, .. } = self.session;
                Err(Box::pin(shared.near.told(registries, &self.meter, error)).await)
            }
            worked => worked,
        }
    }

    /// The same as far as there is room for its manifests beside those of other images.
    async fn attempt(&self) -> Result<Outcome, Error> {
        self.answers.clear();
        match self.job.options.operation {
            // The largest of all: most of a run's images wait for their turn.
            Operation::Copy(_) => match &self.way {
                Some(Ok(way)) => {
                    let outcome = Box::pin(self.copy(way)).await?;
                    Box::pin(self.attested(&way.target.store, outcome)).await
                }
                Some(Err(error)) => Err(error.clone()),
                None => Err(Error::input("target", "is missing")),
            },
            Operation::Inspect => self.inspect().await,
            Operation::Verify => self.verify().await,
            Operation::Access => self.find_target().await,
        }
    }

    /// The report entry, once the work has ended so.
    pub fn report(&self, result: Result<Outcome, Error>) -> ImageOutcome {
        let Known { image, effect } = std::mem::replace(&mut *self.known(), Known::new(self.job));
        let mut notices = self.job.notices.clone();
        notices.extend(self.meter.notices());
        let (result, error) = match result {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::Failed, Some(error)),
        };
        notices.extend(effect.iter().flat_map(|effect| effect.sentences(result)));
        // A failure says nothing about the target that is not known.
        let digest = image.digest.filter(|_| result != Outcome::Failed || self.tag().is_there());
        let requirement = self.job.options.requirement.as_ref().filter(|wanted| wanted.is_asked());
        let before = requirement.filter(|_| result == Outcome::Unchanged).map(|_| Verification::Before);
        ImageOutcome {
            digest,
            result,
            policy: self.policy(),
            verified: image.verified.or(before),
            traffic: self.meter.traffic(),
            blobs: self.meter.blobs(),
            manifests_missing: self.meter.manifests_missing(),
            wrote: self.written() > 0 || !matches!(self.tag(), Tag::Untouched | Tag::Unattested),
            notices,
            target_has_login: self.has_login(),
            sites: self.meter.sites(),
            served_by: self.meter.served_by(),
            state: error.as_ref().and_then(|_| self.state()),
            error: error.map(Box::new),
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..image
        }
    }

    /// The policy that it is held against.
    fn policy(&self) -> Option<Arc<Policy>> {
        let wanted = self.job.options.requirement.as_ref().filter(|wanted| wanted.is_asked());
        wanted.and_then(|wanted| wanted.policy.clone())
    }

    /// What it has cost so far.
    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// Whether there is a credential for the target's registry.
    fn has_login(&self) -> bool {
        let target = self.job.target.as_ref().and_then(ImageReference::registry);
        target.is_some_and(|target| self.session.registries.credentials().for_target(target).is_some())
    }

    /// Blobs and manifests that the target took.
    fn written(&self) -> u64 {
        let blobs = self.meter.blobs();
        blobs.sent + blobs.mounted + self.meter.manifests()
    }

    fn tag(&self) -> Tag {
        *self.tag.locked()
    }

    fn set_tag(&self, state: Tag) {
        *self.tag.locked() = state;
    }

    /// What was and what was not written; nothing of what never writes.
    fn state(&self) -> Option<String> {
        if !matches!(self.job.options.operation, Operation::Copy(_)) {
            return None;
        }
        let blobs = self.meter.blobs();
        let written = Written {
            blobs: blobs.sent + blobs.mounted,
            manifests: self.meter.manifests(),
            bytes: self.meter.traffic().bytes_written,
        };
        Some(self.tag().sentence(self.job.target.as_ref().and_then(ImageReference::tag), written))
    }

    async fn copy(&self, Way { target, reader }: &Way<'_>) -> Result<Outcome, Error> {
        let asked = self.never_moves(target).await?;
        let settled = self.settled(asked.as_ref());
        let mut standing = match settled {
            Some(found) => match self.settle(target, found).await? {
                ControlFlow::Break(outcome) => return Ok(outcome),
                ControlFlow::Continue(standing) => Some(standing),
            },
            None => None,
        };
        let source = ends::source(self.session, self.job, &self.meter).await?;
        if self.job.options.platforms != Platforms::All {
            self.pulls.turn(&source).await;
        }
        // Where only the source's digest names the target, the target can be asked once that is known.
        let early = target.tag.as_deref().map(TagOrDigest::Tag).or(target.digest.as_ref().map(TagOrDigest::Digest));
        let (resolved, found) = match &asked {
            Some(found) => (self.resolve_settled(&source, settled, standing.as_mut()).await?, Ok(found.clone())),
            None => self.find_both(&source, (&target.store, early), reader).await?,
        };
        self.note(&resolved, standing.as_ref());
        if standing.is_none() {
            self.job.check_expected_digest(&resolved)?;
        }
        let resolved = self.as_before(resolved, target, found.as_ref().ok().and_then(Option::as_ref)).await?;
        let wanted = resolved.root.digest().clone();
        let stands_in = target.store.tag_of(&wanted);
        let (target_at, found) = self.find_wanted(target, (&wanted, stands_in.as_deref()), (early, found)).await?;
        let compared = self.compare(&target.store, target_at, found, &resolved).await?;
        if self.must_be_admitted(compared, &resolved)
            || matches!(compared, ControlFlow::Break(Outcome::Unchanged))
                && self.is_vouched_for(&target.store, (&resolved.named, &wanted)).await?
        {
            self.admit(&source, &resolved).await?;
        }
        let before = match compared {
            ControlFlow::Break(outcome) => return Ok(outcome),
            ControlFlow::Continue(before) => before,
        };
        // Where the same image is only looked through (`check: deep`), nothing is sent as a rule.
        if let Some(repository) = target.store.registry().filter(|_| before != TargetState::Same) {
            self.session.gate.before_write(repository, before).await?;
        }
        let Resolved { root, chosen, children, smaller, .. } = resolved;
        self.pulls.root(&source, &root).await?;
        let read = read_root(&source, root, reader);
        let (root, ()) = tokio::try_join!(read, self.expect_blobs(&target.store, before).map(Ok))?;
        let below = ChildSelection::among(children.as_ref(), &root);
        // Before a pull is set aside, and spent, for what there is no room for.
        source.store.expect(source.at(), &below)?;
        self.pulls.below(&source, below.len()).await?;
        let read = size::check(&source.store, source.at(), &root, children.as_ref(), &self.job.options).await?;
        let (tell, subjects) = unbounded_channel();
        let copy = Copy {
            source: &source.store,
            target: &target.store,
            shared: self.session.shared,
            reader,
            answers: &self.answers,
            meter: &self.meter,
            read: Mutex::new(read),
            options: &self.job.options,
            before,
            children: children.as_ref(),
            refused: Mutex::default(),
            may_rewrite: smaller.is_some(),
            subjects: Mutex::new(Some(tell)),
            unlisted: Mutex::default(),
            sizes: Mutex::default(),
            lost: Mutex::default(),
            seen: Mutex::default(),
            was_hidden: OnceCell::new(),
            root: (target_at, &wanted),
            number: self.number,
        };
        self.transfer(copy, subjects, target_at, (&root, smaller.as_deref()), chosen.as_ref()).await
    }

    /// Sends what the target lacks: what is below the root, the attachments, the tag.
    async fn transfer(
        &self,
        mut copy: Copy<'_>,
        mut subjects: UnboundedReceiver<Digest>,
        target_at: TagOrDigest<'_>,
        (root, smaller): (&Manifest, Option<&Manifest>),
        chosen: Option<&Platform>,
    ) -> Result<Outcome, Error> {
        copy.check_directory(root).await?;
        let quota = self.session.shared.attachments.quota();
        let subjects = stream::poll_fn(move |context| subjects.poll_recv(context));
        // Beside what is below, not within: it may have to wait for another image, and others wait for what is below.
        let search = attachments::search(copy.source, subjects, copy.options.attachments, (&quota, copy.answers));
        let copied = tokio::try_join!(copy.whole(root), search);
        self.known().describe(root, chosen, copy.children, |digest| copy.size_of(digest));
        let ((), mut found) = copied?;
        if copy.was_hidden().await {
            copy.before = TargetState::Same;
        }
        let mut pushed = None;
        let mut root = copy.choose_root(root, smaller);
        if copy.before != TargetState::Same && (!found.is_empty() || root.root.subject.is_some()) {
            // Attachments name their subject by digest: it must be there before them, the tag after them. So must what is an
            // attachment itself before it is listed.
            pushed = copy.put_root(None, &mut root).await?;
        }
        // What hangs on an index that was rewritten names one that is not there.
        if let Some(replaced) = root.replaced {
            attachments::leave(&mut found, replaced);
        }
        copy.note_subject(root.root, pushed);
        let attachments = copy.attach(found).await?;
        self.known().image.attachments = self.session.shared.reported.within(attachments, &self.meter);
        if copy.before == TargetState::Same {
            return Ok(self.deep_check_result());
        }
        if copy.options.operation == Operation::Copy(Mode::DryRun) {
            return Ok(Outcome::WouldCopy);
        }
        let tag = match target_at {
            TagOrDigest::Tag(tag) => Some(tag),
            TagOrDigest::Digest(_) => None,
        };
        self.publish(&copy, tag, root).await
    }

    /// Lets the image in, if it is signed as it should be.
    async fn admit(&self, source: &Endpoint<Source>, resolved: &Resolved) -> Result<(), Error> {
        let from = (&source.store, source.at());
        let verified = signatures::admit(self.session, self.job, &self.answers, from, resolved).await?;
        self.known().image.verified = verified;
        Ok(())
    }

    /// Whether the signature is to be looked at: of what is copied, and of what is at the target and was not checked.
    fn must_be_admitted(&self, compared: ControlFlow<Outcome, TargetState>, resolved: &Resolved) -> bool {
        match compared {
            ControlFlow::Continue(_) => true,
            ControlFlow::Break(outcome) => outcome == Outcome::Unchanged && self.is_due(Some(&resolved.named)),
        }
    }

    /// Compares what the target has with what it is to have: how it looks before the copy, or how the image ends where
    /// nothing is to be copied.
    async fn compare(
        &self,
        target: &Target,
        at: TagOrDigest<'_>,
        found: Option<Digest>,
        resolved: &Resolved,
    ) -> Result<ControlFlow<Outcome, TargetState>, Error> {
        let wanted = resolved.root.digest();
        let Some(actual) = found else { return Ok(ControlFlow::Continue(TargetState::Absent)) };
        if actual == *wanted {
            if self.job.options.check == Check::Quick && self.is_unchanged(target, resolved).await? {
                return Ok(ControlFlow::Break(Outcome::Unchanged));
            }
            return Ok(ControlFlow::Continue(TargetState::Same));
        }
        match self.job.options.on_conflict {
            OnConflict::Overwrite => {
                self.notice_replaced(&actual);
                Ok(ControlFlow::Continue(TargetState::Different))
            }
            OnConflict::Keep => {
                self.known().image.digest = Some(actual);
                Ok(ControlFlow::Break(Outcome::Kept))
            }
            OnConflict::Fail => {
                let (reference, written_in) = (target.object(at), self.job.options.conflict_in);
                Err(Error::Conflict { reference, actual, wanted: wanted.clone(), written_in })
            }
        }
    }

    /// Where the image `wanted` goes, by its tag or by what stands in for one, and what is there: as it was `found` where it was
    /// asked for already.
    async fn find_wanted<'t>(
        &self,
        target: &'t Endpoint<Target>,
        (wanted, stands_in): (&'t Digest, Option<&'t str>),
        (early, found): (Option<TagOrDigest<'_>>, Result<Option<Digest>, Error>),
    ) -> Result<(TagOrDigest<'t>, Option<Digest>), Error> {
        Ok(match (target.tag.as_deref(), early) {
            (Some(tag), _) => (TagOrDigest::Tag(tag), found?),
            (None, Some(TagOrDigest::Digest(asked))) if asked == wanted => (TagOrDigest::Digest(wanted), found?),
            // Pushed by digest, and the digest of one platform is not the one that the reference names.
            (None, _) => {
                let at = stands_in.map_or(TagOrDigest::Digest(wanted), TagOrDigest::Tag);
                (at, self.target_digest(&target.store, at).await?)
            }
        })
    }

    /// What the source is, and what the target has where it is to go, as far as that can be asked yet: side by side.
    async fn find_both(
        &self,
        source: &Endpoint<Source>,
        (target, early): (&Target, Option<TagOrDigest<'_>>),
        reader: &Subscriber<'_>,
    ) -> Result<(Resolved, Result<Option<Digest>, Error>), Error> {
        let Options { platforms, on_conflict, .. } = &*self.job.options;
        match early {
            // It will be copied: its manifest is needed, not only its digest.
            Some(TagOrDigest::Tag(tag))
                if *on_conflict == OnConflict::Overwrite
                    && *platforms == Platforms::All
                    && !self.pulls.may_end()
                    && !reader.has_others()
                    && target.is_known_to_lack(tag) =>
            {
                self.known().image.target_tag = TargetTag::Absent;
                Ok((self.resolve(source, Need::Manifest).await?, Ok(None)))
            }
            Some(early) => {
                let resolved = self.resolve(source, Need::Digest);
                let (resolved, found) = tokio::join!(resolved, self.target_digest(target, early));
                self.known().image.target_tag = TargetTag::of(found.as_ref().ok());
                Ok((resolved?, found))
            }
            None => Ok((self.resolve(source, Need::Digest).await?, Ok(None))),
        }
    }

    /// What the source stands for, as the first image of the run that has it was told.
    async fn resolve(&self, source: &Endpoint<Source>, need: Need) -> Result<Resolved, Error> {
        let (store, at, platforms) = (&source.store, source.at(), &self.job.options.platforms);
        let ask = |digest: Option<Digest>| {
            async move {
                match (need, &digest) {
                    (Need::Manifest, None) => resolve::fetched(store, at).await,
                    _ => resolve::source(store, at, digest.as_ref(), platforms).await,
                }
            }
            .boxed()
        };
        match &self.job.shared_source {
            Some(place) if self.job.source.digest().is_none() => self.session.shared.sources.resolve(place, ask).await,
            _ => ask(None).await,
        }
    }

    /// What the target has under `at`.
    async fn target_digest(&self, target: &Target, at: TagOrDigest<'_>) -> Result<Option<Digest>, Error> {
        match self.job.options.on_conflict {
            OnConflict::Overwrite => resolve::overwritten(target, at, self.job.same_repository_count).await,
            OnConflict::Keep | OnConflict::Fail => resolve::target(target, at).await,
        }
    }

    /// Makes visible what is whole at the target, and reads it back.
    async fn publish(&self, copy: &Copy<'_>, tag: Option<&str>, mut root: RootChoice<'_>) -> Result<Outcome, Error> {
        if let Some(actual) =
            tag::set_since(copy.target, tag, &root.root.digest, (&self.job.options, copy.before)).await?
        {
            self.meter.notice(format!(
                "the tag was not there when the image was begun; another has set it to {actual} since"
            ));
            self.known().image.digest = Some(actual);
            return Ok(Outcome::Kept);
        }
        self.set_tag(Tag::Unknown);
        copy.put_root(tag, &mut root).await.inspect_err(|error| {
            // Refused is refused; no answer, and a server's failure, is no knowledge.
            if error.is_declined() {
                self.set_tag(Tag::Untouched);
            }
        })?;
        self.note_root(&root);
        // In a layout, what has no tag is found by an entry of its own.
        if let (Target::Layout(layout), None) = (copy.target, tag) {
            layout.add_referrer(root.root).await?;
        }
        self.set_tag(Tag::Written);
        let read = verify::read_back(copy.target, root.at(tag), &root.root.digest, self.job.options.patience).await;
        if let Err(Error::Moved { .. }) = &read {
            self.set_tag(Tag::Moved);
        }
        read.map(|()| Outcome::Copied)
    }

    /// Notes that the root is another one than was resolved.
    fn note_root(&self, root: &RootChoice<'_>) {
        if root.replaced.is_some() {
            let (mut known, digest) = (self.known(), &root.root.digest);
            known.image.digest = Some(digest.clone());
            known.effect = known.effect.take().map(|effect| effect.rewritten(digest));
        }
    }

    /// What an earlier run has made of `subset: auto` at this target: where the smaller index is there, that is what is
    /// wanted.
    async fn as_before(
        &self,
        resolved: Resolved,
        target: &Endpoint<Target>,
        by_tag: Option<&Digest>,
    ) -> Result<Resolved, Error> {
        let Some(smaller) = resolved.smaller.as_ref().map(|smaller| smaller.digest.clone()) else {
            return Ok(resolved);
        };
        let is_there = match target.tag {
            Some(_) => by_tag == Some(&smaller),
            None => target.store.head_manifest(TagOrDigest::Digest(&smaller)).await?.is_some(),
        };
        if !is_there {
            return Ok(resolved);
        }
        let resolved = resolved.rewritten();
        self.known().record(&resolved);
        Ok(resolved)
    }

    /// Says that a tag moves, and from where: that is how it is moved back.
    fn notice_replaced(&self, actual: &Digest) {
        let dry_run = self.job.options.operation == Operation::Copy(Mode::DryRun);
        self.known().image.replaced = Some(actual.clone());
        let verb = if dry_run { "would replace" } else { "replaces" };
        self.meter.notice(format!("{verb} {actual}, which the target's tag pointed at"));
    }

    /// Whether a target with the right digest has the children that were chosen too; with no choice, the index speaks
    /// for them.
    async fn is_unchanged(&self, target: &Target, resolved: &Resolved) -> Result<bool, Error> {
        let chosen = resolved.children.iter().flat_map(|chosen| &chosen.kept);
        let chosen = chosen.map(|digest| target.head_manifest(TagOrDigest::Digest(digest)));
        let unchanged = try_join_all(chosen).await?.iter().all(Option::is_some);
        if unchanged {
            self.describe_unchanged(target, resolved.root.digest(), Some(resolved)).await?;
        }
        Ok(unchanged)
    }

    /// Learns what an image is made of that the target has and keeps, where that is wanted; of what was `resolved`, if it was.
    async fn describe_unchanged(
        &self,
        target: &Target,
        digest: &Digest,
        resolved: Option<&Resolved>,
    ) -> Result<(), Error> {
        if self.job.options.unchanged >= UnchangedDetail::Platforms {
            let root = target.get_manifest(TagOrDigest::Digest(digest)).await?;
            let chosen = resolved.and_then(|resolved| resolved.chosen.as_ref());
            let children = resolved.and_then(|resolved| resolved.children.as_ref());
            self.known().describe(&root, chosen, children, |_| None);
        }
        Ok(())
    }

    /// How a deep check of an unchanged tag ended.
    fn deep_check_result(&self) -> Outcome {
        if self.written() > 0 {
            Outcome::Copied
        } else if self.meter.blobs().missing + self.meter.manifests_missing() > 0
            || self.known().image.attachments.iter().any(|it| it.result == Outcome::WouldCopy)
        {
            Outcome::WouldCopy
        } else {
            Outcome::Unchanged
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.locked()
    }
}

/// The manifest that is copied, once for all targets that it goes to.
async fn read_root(source: &Endpoint<Source>, root: Root, reader: &Subscriber<'_>) -> Result<Manifest, Error> {
    let digest = root.digest().clone();
    let read = root.manifest(&source.store, source.at()).boxed();
    match &source.store {
        // Asked again for each image: its report names the mirror that served it.
        Source::Mirrors(_) => read.await,
        Source::Registry(_) | Source::Layout(_) => {
            reader.manifest(&digest, read, |manifest| source.store.hold(manifest)).await
        }
    }
}
