//! The copy engine: makes everything below a manifest exist at the target, then the manifest.
//!
//! Owns the order that no reader ever sees half an image by: blobs, then the manifests that need them, then the index;
//! the tag is the caller's, last. Never re-serialises, never knows HTTP.

pub mod attach;
pub mod fallback_list;
pub mod fan_out;
pub mod ledger;
pub mod limit;
pub mod order;
mod readings;
pub mod root;
mod turn;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::answers::Answers;
use crate::engine::copy::fan_out::{SharedBlob, Subscriber};
use crate::engine::copy::ledger::Blob;
use crate::engine::copy::limit::ReservedPermit;
use crate::engine::copy::readings::WatchedBlob;
use crate::engine::options::{ChildSelection, ForeignLayers, Mode, Operation, Options, TargetState};
use crate::engine::resolve;
use crate::engine::session::Shared;
use crate::engine::size::Read;
use crate::error::{Error, Side};
use crate::observe::counts::BlobPush;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{DEEPEST, Descriptor, Manifest, PackedManifest, is_index_type, wrong_size};
use crate::store::blob::BlobPushRequest;
use crate::store::content::{ManifestPush, OnFailure, Presence, TagOrDigest};
use crate::store::registry::repository::Repository;
use crate::store::{Source, StoredBlob, Target};
use crate::sync::LockExt as _;

/// What a manifest lists.
enum Part<'a> {
    Child(&'a Descriptor),
    /// Whether this image is the one that announced it.
    Blob(&'a Descriptor, bool),
    BlobWithoutSize(&'a Digest),
}

/// Where a blob of an image is to come from.
enum Way {
    /// Linked from this repository of the target's account, else as in [`Self::Ask`].
    Link(Arc<str>),
    /// Sent, where the target does not have it.
    Ask,
    /// Read at its source, whatever the target has.
    Read,
}

impl Way {
    fn link(&self) -> Option<&Arc<str>> {
        match self {
            Self::Link(from) => Some(from),
            Self::Ask | Self::Read => None,
        }
    }
}

/// A manifest that names a subject.
pub struct NamingManifest {
    subject: Digest,
    manifest: PackedManifest,
}

/// The copy of one image.
pub struct Copy<'a> {
    /// Where it is read.
    pub source: &'a Source,
    /// Where it is written.
    pub target: &'a Target,
    /// What the images of the run know of each other.
    pub shared: &'a Shared,
    /// This image among those that read the same source.
    pub reader: &'a Subscriber<'a>,
    /// What the source has answered about attachments.
    pub answers: &'a Answers,
    /// Counts it.
    pub meter: &'a Meter,
    /// How it is wanted.
    pub options: &'a Options,
    /// What is below the image and has been read before it was begun to be copied.
    pub read: Mutex<Read>,
    /// How the target looked.
    pub before: TargetState,
    /// What is copied of the index, and of the indexes in it; all of them where there is no choice.
    pub children: Option<&'a ChildSelection>,
    /// The refusal of an index in the index of which not all is copied, where there is another way.
    pub refused: Mutex<Option<Error>>,
    /// Whether there is another way: a smaller index.
    pub may_rewrite: bool,
    /// Where it is told what may have attachments; none once all is told.
    pub subjects: Mutex<Option<UnboundedSender<Digest>>>,
    /// Manifests of the image itself that name a subject, and may not be listed under it.
    pub unlisted: Mutex<Vec<NamingManifest>>,
    /// Content sizes of the image manifests walked, by digest.
    pub sizes: Mutex<BTreeMap<Digest, u64>>,
    /// Blobs that the target has said it has, or has linked, and then said that it lacks.
    pub lost: Mutex<HashSet<Digest>>,
    /// What it has said of blobs.
    pub seen: Mutex<Seen>,
    /// Whether it has had the image all along, once that was asked.
    pub was_hidden: OnceCell<bool>,
    /// Where the image goes, and what it is.
    pub root: (TagOrDigest<'a>, &'a Digest),
    /// Its place among the images of the run.
    pub number: usize,
}

/// What a target has said of the blobs of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    #[default]
    Nothing,
    /// It had each that it was asked for.
    All,
    /// It lacked one.
    Gap,
}

impl Copy<'_> {
    /// Notes a manifest of the image itself, written with this answer or found there, that its subject's list must name: the
    /// duty of whoever pushes it (distribution-spec, "Pushing Manifests with Subject").
    pub fn note_subject(&self, manifest: &Manifest, pushed: Option<ManifestPush>) {
        let Some(subject) = &manifest.subject else { return };
        if !pushed.is_some_and(|pushed| pushed.lists_referrers) {
            let manifest = manifest.clone().into();
            self.unlisted.locked().push(NamingManifest { subject: subject.digest.clone(), manifest });
        }
    }

    fn take_unlisted(&self) -> Vec<NamingManifest> {
        std::mem::take(&mut *self.unlisted.locked())
    }

    /// The content size of an image manifest that was walked.
    pub fn size_of(&self, digest: &Digest) -> Option<u64> {
        self.sizes.locked().get(digest).copied()
    }

    fn note_seen(&self, is_there: bool) {
        let mut seen = self.seen.locked();
        *seen = match *seen {
            Seen::Nothing | Seen::All if is_there => Seen::All,
            _ => Seen::Gap,
        };
    }

    /// Whether the target has had the image all along, though a HEAD found nothing: of some registries none ever does (Nexus:
    /// crazy-max/diun#1614). Only a GET proves that; it is asked for where a first copy would be strange, because every blob was
    /// there and no HEAD has found any manifest, and not of every target that lacks a tag.
    pub async fn was_hidden(&self) -> bool {
        let heads_find = self.target.registry().is_none_or(Repository::heads_find);
        if self.before != TargetState::Absent || heads_find || *self.seen.locked() != Seen::All {
            return false;
        }
        let (at, digest) = self.root;
        let ask = || async { self.target.get_manifest(at).await.is_ok_and(|found| found.digest == *digest) };
        *self.was_hidden.get_or_init(ask).await
    }

    /// Whether the target has the manifest at `at`, asked as hard as it matters.
    async fn is_there(&self, at: TagOrDigest<'_>) -> Result<bool, Error> {
        Ok(match self.before {
            TargetState::Absent => self.was_hidden().await && resolve::target(self.target, at).await?.is_some(),
            TargetState::Different | TargetState::Same => self.find(at).await?.is_some(),
        })
    }

    /// What the target has at `at`: where the image is there already, all of it is to be found.
    async fn find(&self, at: TagOrDigest<'_>) -> Result<Option<Digest>, Error> {
        match self.before {
            TargetState::Same => resolve::target(self.target, at).await,
            TargetState::Absent | TargetState::Different => {
                Ok(self.target.head_manifest(at).await?.map(|descriptor| descriptor.digest))
            }
        }
    }

    fn is_dry_run(&self) -> bool {
        self.options.operation != Operation::Copy(Mode::Write)
    }

    /// Says of a directory that has an index and only some of what it lists which platforms it has: `docker save` and `ctr
    /// images export` write what was pulled.
    pub async fn check_directory(&self, root: &Manifest) -> Result<(), Error> {
        let Source::Layout(_) = self.source else { return Ok(()) };
        let (mut here, mut missing) = (Vec::new(), 0);
        let chosen = |child: &&Descriptor| self.children.is_none_or(|chosen| chosen.has(&root.digest, &child.digest));
        for child in root.children().filter(chosen) {
            match (self.source.head_blob(child).await?, &child.platform) {
                (None, _) => missing += 1,
                (Some(_), Some(platform)) if !platform.is_unknown() => here.push(platform.to_string()),
                (Some(_), _) => {}
            }
        }
        if missing == 0 || here.is_empty() {
            return Ok(());
        }
        let here = here.join(",");
        Err(self.bad(
            &root.digest,
            format!(
                "{missing} of the manifests that this index lists are not in the directory, as `docker save` writes it: it has \
                 {here} alone; set `platforms: {here}`"
            ),
        ))
    }

    /// Makes everything that `manifest` lists exist at the target.
    pub fn below<'b>(&'b self, manifest: &'b Manifest, depth: usize) -> BoxFuture<'b, Result<(), Error>> {
        async move {
            if depth > DEEPEST {
                return Err(self.bad(&manifest.digest, format!("indexes are nested more than {DEEPEST} deep")));
            }
            if !manifest.is_index() {
                let size = manifest.content_size();
                self.sizes.locked().insert(manifest.digest.clone(), size);
            }
            let include_foreign = self.options.foreign_layers == ForeignLayers::Include;
            if manifest.foreign_layers() > 0 && !include_foreign {
                self.meter.notice(format!(
                    "{} non-distributable layers stay where their urls say (`foreign-layers: include` sends them too)",
                    manifest.foreign_layers()
                ));
            }
            // A blob or child listed twice is one blob.
            let mut listed = HashSet::new();
            let chosen =
                |child: &&Descriptor| self.children.is_none_or(|chosen| chosen.has(&manifest.digest, &child.digest));
            let children: Vec<&Descriptor> =
                manifest.children().filter(chosen).filter(|child| listed.insert(&child.digest)).collect();
            let blobs: Vec<&Descriptor> =
                manifest.blobs(include_foreign).into_iter().filter(|blob| listed.insert(&blob.digest)).collect();
            // All at once, before the first of them moves: what is to be done is known then.
            let blobs: Vec<(&Descriptor, bool)> = blobs.into_iter().map(|blob| (blob, self.announce(blob))).collect();
            if !manifest.blobs_without_size().is_empty() {
                self.meter.notice(
                    "this is a Docker schema 1 manifest; few registries still take one, and converting it would change \
                     its digest"
                        .to_owned(),
                );
            }
            let parts = children
                .into_iter()
                .map(Part::Child)
                .chain(blobs.into_iter().map(|(blob, announced)| Part::Blob(blob, announced)))
                .chain(manifest.blobs_without_size().iter().map(Part::BlobWithoutSize));
            let reserved = ReservedPermit::default();
            stream::iter(parts)
                // Before there is anything to hold: what waits for its turn is a pointer.
                .then(|part| self.shared.limit.enter(&reserved).map(move |permit| Ok((part, permit))))
                .try_for_each_concurrent(None, |(part, permit)| async move {
                    let _permit = permit;
                    match part {
                        Part::Child(child) => self.child(child, depth + 1).await,
                        Part::Blob(blob, announced) if manifest.is_index() => {
                            self.entry(blob, announced, depth + 1).await
                        }
                        Part::Blob(blob, announced) => self.announced_blob(blob, announced).await,
                        Part::BlobWithoutSize(digest) => self.blob_without_size(digest).await,
                    }
                })
                .await
        }
        .boxed()
    }

    /// Makes one child manifest, and everything below it, exist at the target; once in a run. What only may be a manifest
    /// is asked for as one, and is a blob where it is none.
    async fn child(&self, descriptor: &Descriptor, depth: usize) -> Result<(), Error> {
        let mut fetched = None;
        if !descriptor.is_manifest() {
            fetched = Box::pin(self.manifest_or_blob(descriptor)).await?;
            if fetched.is_none() {
                return Ok(());
            }
        }
        // Whoever brings this child: another image of the run may have done so, and failed before what hangs on it.
        self.may_have_attachments(&descriptor.digest);
        let once = self.shared.ledger.manifest(self.target.account(), self.target.repository(), &descriptor.digest);
        let began = AtomicBool::new(false);
        let copied = once.get_or_try_init(|| {
            began.store(true, Relaxed);
            self.copy_child(descriptor, depth, fetched.clone()).boxed()
        });
        match self.unless_another_stands_still(copied, &began, None).await {
            Some(copied) => copied.map(drop),
            None => self.copy_child(descriptor, depth, fetched.clone()).boxed().await,
        }
    }

    /// The same, whatever other images do.
    async fn copy_child(&self, descriptor: &Descriptor, depth: usize, fetched: Option<Manifest>) -> Result<(), Error> {
        let at = TagOrDigest::Digest(&descriptor.digest);
        let mut present = self.is_there(at).await?;
        // A registry took an image only with its blobs, so what is there is whole, unless it lost a part since.
        // Not so an index: GHCR takes one without its children.
        if present && self.before == TargetState::Different && !is_index_type(&descriptor.media_type) {
            return Ok(());
        }
        let manifest = match fetched {
            Some(manifest) => manifest,
            None => self.fetch(descriptor).await?,
        };
        self.below(&manifest, depth).await?;
        // Seen from below.
        present = present || (self.before == TargetState::Absent && self.is_there(at).await?);
        let pushed = if present { Ok(None) } else { self.put(at, &manifest).await };
        let pushed = match pushed {
            Err(error) if self.may_rewrite && self.is_partial(&manifest) && error.may_miss_children() => {
                self.refused.locked().get_or_insert(error);
                return Ok(());
            }
            pushed => pushed?,
        };
        if !present && pushed.is_none() {
            self.meter.manifest_missing();
            if self.before == TargetState::Same {
                self.meter.notice(format!("the target lacks the manifest {}; it would be sent", manifest.digest));
            }
        }
        self.note_subject(&manifest, pushed);
        Ok(())
    }

    /// The manifest of what may be one; where it is none, the blob is brought.
    async fn manifest_or_blob(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        match self.fetch(descriptor).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_no_manifest() => {
                self.announced_blob(descriptor, self.announce(descriptor)).await.map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Has what hangs on `subject` looked for.
    fn may_have_attachments(&self, subject: &Digest) {
        // That nobody listens means that the search has failed, or that none is wanted.
        let _ = self.subjects.locked().as_ref().map(|subjects| subjects.send(subject.clone()));
    }

    /// Everything below the root, what may have attachments being told on the way.
    pub async fn whole(&self, root: &Manifest) -> Result<(), Error> {
        self.may_have_attachments(&root.digest);
        let result = self.below(root, 0).await;
        *self.subjects.locked() = None;
        result
    }

    /// A child's manifest. Published indexes have wrong sizes in them, and whoever pulls them goes by the digest
    /// (containerd#2401: `k8s.gcr.io/coredns:1.1.3`): that is said, and the index stays as it is.
    async fn fetch(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let read = self.read.locked().remove(&descriptor.digest);
        let get = async {
            match read {
                Some(read) => self.open(&read),
                None => self.source.get_manifest(TagOrDigest::Digest(&descriptor.digest)).await,
            }
        };
        let manifest =
            self.reader.manifest(&descriptor.digest, get.boxed(), |manifest| self.source.hold(manifest)).await?;
        if manifest.bytes.len() as u64 != descriptor.size {
            self.meter.notice(wrong_size("the index", &manifest, descriptor.size));
        }
        Ok(manifest)
    }

    /// Says that a blob is to be sent, where no other image of the run has said so.
    fn announce(&self, descriptor: &Descriptor) -> bool {
        let news = !self.is_dry_run() && self.shared.ledger.first_seen(self.target.account(), &descriptor.digest);
        if news {
            self.meter.expect_bytes(descriptor.size);
        }
        news
    }

    /// An entry of an index under a blob's type, which may be a manifest all the same.
    async fn entry(&self, descriptor: &Descriptor, announced: bool, depth: usize) -> Result<(), Error> {
        // In a dry run nothing is read that would show which it is: the source is asked.
        if self.is_dry_run() && self.source.head_blob(descriptor).await?.is_none() {
            return Box::pin(self.child(descriptor, depth)).await;
        }
        match self.announced_blob(descriptor, announced).await {
            Err(error) if error.is_absent() => Box::pin(self.child(descriptor, depth)).await,
            result => result,
        }
    }

    /// A blob, which this image has announced or another one.
    async fn announced_blob(&self, descriptor: &Descriptor, announced: bool) -> Result<(), Error> {
        if self.blob(descriptor).await? != BlobPush::Uploaded && announced {
            self.meter.expect_fewer_bytes(descriptor.size);
        }
        Ok(())
    }

    async fn blob_without_size(&self, digest: &Digest) -> Result<(), Error> {
        let mut descriptor = Descriptor::new("", digest.clone(), 0);
        let size = self.source.head_blob(&descriptor).await?;
        descriptor.size = size.ok_or_else(|| self.bad(digest, "its registry does not have this layer".to_owned()))?;
        self.blob(&descriptor).await.map(drop)
    }

    /// Makes one blob exist at the target; once in a run.
    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobPush, Error> {
        let blob = &self.shared.ledger.blob(self.target.account(), &descriptor.digest);
        let here = self.target.repository();
        // A caller that did not push the blob itself reports it as already present.
        let mut push = BlobPush::Exists;
        if let Some(once) = blob.push_once(here) {
            let (began, brought) = (AtomicBool::new(false), &mut push);
            let bring = async || {
                began.store(true, Relaxed);
                *brought = self.bring(descriptor, blob, here).await?;
                Ok(())
            };
            let key = (self.target.account(), descriptor.digest.clone());
            match self.unless_another_stands_still(once.get_or_try_init(bring), &began, Some(&key)).await {
                Some(pushed) => pushed.map(drop)?,
                None => push = Box::pin(self.bring(descriptor, blob, here)).await?,
            }
            blob.mark_present(here);
        }
        self.meter.blob(push);
        Ok(push)
    }

    /// Brings a blob that no image of this run has brought here.
    async fn bring(&self, descriptor: &Descriptor, blob: &Blob, here: &Arc<str>) -> Result<BlobPush, Error> {
        if let Some(limit) = self.target.largest_blob().filter(|limit| descriptor.size > *limit) {
            self.meter.notice(format!(
                "the layer {} has {} GB, and the target documents {} GB as its largest: the push may be refused; rebuild \
                 the image with smaller layers, or mirror it to another registry",
                descriptor.digest.short(),
                descriptor.size / 1_000_000_000,
                limit / 1_000_000_000
            ));
        }
        let mut broken = None;
        if self.is_dry_run() || self.before == TargetState::Same {
            let there = match self.before {
                TargetState::Same => self.target.find_blob(descriptor).await?,
                TargetState::Absent | TargetState::Different => self.target.head_blob(descriptor).await?,
            };
            if there == Some(descriptor.size) {
                // That another was the first is as good.
                let _ = blob.mount_source.set(Arc::clone(here));
                self.reader.settled();
                self.note_seen(true);
                return Ok(BlobPush::Exists);
            }
            self.note_seen(false);
            if self.is_dry_run() {
                // The first would be sent it; the others would have it linked.
                let first = blob.mount_source.set(Arc::clone(here)).is_ok();
                return Ok(if first { BlobPush::Missing(descriptor.size) } else { BlobPush::Mounted });
            }
            broken = there;
        }
        let key = (self.target.account(), descriptor.digest.clone());
        let mut first = self.turn(blob, &key).await;
        if blob.mount_source.get().is_some() {
            // Links into several repositories need not wait for each other.
            first = None;
        }
        let is_lost = broken.is_some() || self.lost.locked().contains(&descriptor.digest);
        let way = if is_lost { Way::Read } else { self.way(descriptor, blob).await };
        let from = way.link().filter(|from| *from != here);
        let held = self.answers.held(&descriptor.digest);
        let stored = StoredBlob { store: self.source, descriptor };
        let inner = SharedBlob::new(stored, held, self.reader, &self.shared.ledger);
        let readings = &self.shared.ledger.readings;
        let source = WatchedBlob { inner, readings, blob: key, origin: self.source.origin() };
        let presence = match (&way, self.before) {
            (Way::Read, _) => Presence::Void,
            (_, TargetState::Absent) => Presence::Unlikely,
            (_, TargetState::Different | TargetState::Same) => Presence::Possible,
        };
        let request = BlobPushRequest { descriptor, mount_from: from.map(AsRef::as_ref), presence, source: &source };
        let push = self.target.push_blob(request).await?;
        if let Some(has) = broken {
            self.expect_mended(descriptor, has).await?;
        }
        if push == BlobPush::Uploaded || push == BlobPush::Mounted {
            blob.seen_at(self.source.origin());
        }
        self.note_seen(push == BlobPush::Exists);
        let _ = blob.mount_source.set(Arc::clone(here));
        self.reader.settled();
        drop(first);
        Ok(push)
    }

    /// Where a blob is to come from. What the run knows to be at the target counts only for an image whose own source is known
    /// to have it: that costs one HEAD where it was not seen there before. Where it is not there, the image is read as if it
    /// were the only one, and fails as it would then.
    async fn way(&self, descriptor: &Descriptor, blob: &Blob) -> Way {
        let Some(known) = blob.mount_source.get() else {
            let is_neighbour = self.source.account() == Some(self.target.account());
            return if is_neighbour { Way::Link(self.source.repository()) } else { Way::Ask };
        };
        let origin = self.source.origin();
        if !blob.was_seen_at(&origin) {
            if !self.source.head_blob(descriptor).await.is_ok_and(|size| size == Some(descriptor.size)) {
                return Way::Read;
            }
            blob.seen_at(origin);
        }
        Way::Link(Arc::clone(known))
    }

    /// A registry that has a blob need not look at what it is sent under that name (distribution keeps what it has).
    async fn expect_mended(&self, descriptor: &Descriptor, has: u64) -> Result<(), Error> {
        if self.target.head_blob(descriptor).await? == Some(descriptor.size) {
            return Ok(());
        }
        let object = self.target.object(TagOrDigest::Digest(&descriptor.digest));
        Err(Error::NotRepaired { object, expected: descriptor.size, actual: has })
    }

    /// Writes a manifest. Where the registry says that parts are missing, which it was believed to have, these are sent
    /// once more and the manifest too; once.
    pub async fn put(&self, at: TagOrDigest<'_>, manifest: &Manifest) -> Result<Option<ManifestPush>, Error> {
        if self.is_dry_run() {
            return Ok(None);
        }
        let is_dispensable = manifest.is_withdrawn() || (self.may_rewrite && self.is_partial(manifest));
        let on_failure = if is_dispensable { OnFailure::GiveUp } else { OnFailure::Wait };
        let error = match self.target.put_manifest(at, manifest, on_failure).await {
            Ok(pushed) => return Ok(Some(pushed)),
            Err(error) => error,
        };
        let Some(missing) = error.misses_parts() else { return Err(error) };
        // What was left out on purpose is not what the registry lost.
        if self.is_partial(manifest) {
            return Err(error);
        }
        Box::pin(self.send_again(manifest, missing)).await?;
        self.target.put_manifest(at, manifest, on_failure).await.map(Some)
    }

    /// Sends what the target was believed to have: `missing` of what `manifest` lists, or all of it where none is named.
    async fn send_again(&self, manifest: &Manifest, missing: &[Digest]) -> Result<(), Error> {
        let is_missing = |descriptor: &&Descriptor| missing.is_empty() || missing.contains(&descriptor.digest);
        let (account, repository) = (self.target.account(), self.target.repository());
        let include_foreign = self.options.foreign_layers == ForeignLayers::Include;
        for blob in manifest.blobs(include_foreign).into_iter().filter(is_missing) {
            // Where none is named, the registry is asked for each; one that is named is not there, whatever was said before: a
            // mount may be answered as if it had linked what it has not.
            if missing.is_empty() && self.target.head_blob(blob).await? == Some(blob.size) {
                continue;
            }
            self.shared.ledger.forget_blob(account, &blob.digest);
            self.lost.locked().insert(blob.digest.clone());
            self.blob(blob).await.map(drop)?;
        }
        for child in manifest.children().filter(is_missing) {
            self.shared.ledger.forget_manifest(account, repository, &child.digest);
            let child_manifest = match self.fetch(child).await {
                Ok(manifest) => manifest,
                Err(error) if !child.is_manifest() && error.is_no_manifest() => {
                    self.shared.ledger.forget_blob(account, &child.digest);
                    self.blob(child).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.below(&child_manifest, 1).await?;
            self.put(TagOrDigest::Digest(&child.digest), &child_manifest).await?;
        }
        Ok(())
    }

    /// Whether parts of an index were left out on purpose.
    fn is_partial(&self, manifest: &Manifest) -> bool {
        self.children.is_some_and(|chosen| chosen.partial.contains(&manifest.digest))
    }

    fn bad(&self, digest: &Digest, problem: String) -> Error {
        Error::Content { side: Side::Source, object: self.source.object(TagOrDigest::Digest(digest)), problem }
    }
}
