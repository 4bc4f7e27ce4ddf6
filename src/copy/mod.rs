//! The copy engine: makes everything below a manifest exist at the target, then the manifest.
//!
//! Owns the order that no reader ever sees half an image by: blobs, then the manifests that need them, then the index;
//! the tag is the caller's, last. Never re-serialises, never knows HTTP.

mod ledger;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, TryStreamExt as _};

use crate::digest::Digest;
use crate::error::{Error, Side};
use crate::manifest::{DEEPEST, Descriptor, Manifest};
use crate::meter::{BlobFate, Meter};
use crate::registry::{At, Pushed, Sent};
use crate::store::{Store, StoredBlob};

pub use ledger::Ledger;

/// Whether the target is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Write,
    /// The same way, stopped before each write: what is missing is counted.
    DryRun,
}

/// How the target looked before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// The tag was not there: most likely nothing of the image is. Manifests are not asked for before they are sent.
    Empty,
    /// The tag was there with other content: parts may be the same.
    Different,
}

/// The copy of one image.
pub struct Copy<'a> {
    /// Where it is read.
    pub source: &'a Store,
    /// Where it is written.
    pub target: &'a Store,
    /// What the run knows to be at its targets.
    pub ledger: &'a Ledger,
    /// Counts it.
    pub meter: &'a Meter,
    /// Whether it writes.
    pub mode: Mode,
    /// How the target looked.
    pub before: Before,
    /// Content sizes of the image manifests walked, by digest.
    pub sizes: &'a Mutex<BTreeMap<Digest, u64>>,
}

impl Copy<'_> {
    /// Makes everything that `manifest` lists exist at the target.
    pub fn below<'b>(&'b self, manifest: &'b Manifest, depth: usize) -> BoxFuture<'b, Result<(), Error>> {
        async move {
            if depth > DEEPEST {
                return Err(self.bad(&manifest.digest, format!("indexes are nested more than {DEEPEST} deep")));
            }
            if !manifest.is_index() {
                let size = manifest.content_size();
                self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(manifest.digest.clone(), size);
            }
            if manifest.foreign_layers() > 0 {
                self.meter.notice(format!(
                    "{} non-distributable layers stay where their urls say; registries do not hold them",
                    manifest.foreign_layers()
                ));
            }
            // A blob or child listed twice is one blob.
            let mut listed = HashSet::new();
            let work = FuturesUnordered::new();
            for child in manifest.children().filter(|child| listed.insert(&child.digest)) {
                work.push(self.child(child, depth + 1).boxed());
            }
            for blob in manifest.blobs().into_iter().filter(|blob| listed.insert(&blob.digest)) {
                work.push(self.blob(blob).boxed());
            }
            work.try_collect::<()>().await
        }
        .boxed()
    }

    /// Makes one child manifest, and everything below it, exist at the target; once in a run.
    async fn child(&self, descriptor: &Descriptor, depth: usize) -> Result<(), Error> {
        let at = At::Digest(&descriptor.digest);
        let once = self.ledger.manifest(self.target.account(), &self.target.repository(), &descriptor.digest);
        once.get_or_try_init(|| async {
            // A registry took it only with everything below it, so what is there is whole.
            if self.before == Before::Different && self.target.head_manifest(at).await?.is_some() {
                return Ok(());
            }
            let manifest = self.fetch(descriptor).await?;
            self.below(&manifest, depth).await?;
            self.put(at, &manifest).await?;
            Ok(())
        })
        .await
        .copied()
    }

    /// A child's manifest, as its descriptor says.
    async fn fetch(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let manifest = self.source.get_manifest(At::Digest(&descriptor.digest)).await?;
        let length = manifest.bytes.len() as u64;
        if length != descriptor.size {
            let problem = format!("its descriptor says {} bytes, there are {length}", descriptor.size);
            return Err(self.bad(&descriptor.digest, problem));
        }
        Ok(manifest)
    }

    /// Makes one blob exist at the target; once in a run.
    async fn blob(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let entry = self.ledger.blob(self.target.account(), &descriptor.digest);
        let mut holders = entry.lock().await;
        let here = self.target.repository();
        if holders.contains(&here) {
            self.meter.blob(BlobFate::Present);
            return Ok(());
        }
        if let Some(limit) = self.target.largest_blob().filter(|limit| descriptor.size > *limit) {
            self.meter.notice(format!(
                "the layer {} has {} GB, and the target documents {} GB as its largest: the push may be refused; rebuild \
                 the image with smaller layers, or mirror it to another registry",
                descriptor.digest.short(),
                descriptor.size / 1_000_000_000,
                limit / 1_000_000_000
            ));
        }
        if self.mode == Mode::DryRun {
            let there = self.target.head_blob(descriptor).await?.is_some();
            self.meter.blob(if there { BlobFate::Present } else { BlobFate::Missing(descriptor.size) });
            holders.push(here);
            return Ok(());
        }
        let neighbour = (self.source.account() == self.target.account()).then(|| self.source.repository());
        let from = holders.first().cloned().or(neighbour).filter(|from| *from != here);
        let source = StoredBlob { store: self.source, descriptor };
        let sent = self.target.push_blob(descriptor, from.as_deref(), &source).await?;
        self.meter.blob(match sent {
            Sent::Present => BlobFate::Present,
            Sent::Mounted => BlobFate::Mounted,
            Sent::Uploaded => BlobFate::Sent,
        });
        holders.push(here);
        Ok(())
    }

    /// Writes a manifest. Where the registry says that parts are missing, which it was believed to have, these are sent
    /// once more and the manifest too; once.
    pub async fn put(&self, at: At<'_>, manifest: &Manifest) -> Result<Option<Pushed>, Error> {
        if self.mode == Mode::DryRun {
            return Ok(None);
        }
        let error = match self.target.put_manifest(at, manifest).await {
            Ok(pushed) => return Ok(Some(pushed)),
            Err(error) => error,
        };
        let Some(refusal) = error.refusal().filter(|refusal| {
            matches!(refusal.code.as_deref(), Some("MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN"))
        }) else {
            return Err(error);
        };
        let missing: Vec<Digest> = refusal.missing.clone();
        let is_missing = |descriptor: &&Descriptor| missing.is_empty() || missing.contains(&descriptor.digest);
        for blob in manifest.blobs().into_iter().filter(is_missing) {
            self.ledger.forget_blob(self.target.account(), &blob.digest);
            self.blob(blob).await?;
        }
        for child in manifest.children().filter(is_missing) {
            self.ledger.forget_manifest(self.target.account(), &self.target.repository(), &child.digest);
            let child_manifest = self.fetch(child).await?;
            self.below(&child_manifest, 1).await?;
            Box::pin(self.put(At::Digest(&child.digest), &child_manifest)).await?;
        }
        self.target.put_manifest(at, manifest).await.map(Some)
    }

    fn bad(&self, digest: &Digest, problem: String) -> Error {
        Error::Content { side: Side::Source, object: self.source.object(At::Digest(digest)), problem }
    }
}
