//! What is where: the run-wide table of blobs and manifests that are known to be at a target, or on their way there.
//!
//! Owns that nothing is sent twice in a run, whichever images need it, and that a blob one repository of an account has
//! is linked into the next instead of sent, if what it is for was seen to have it too: a manifest may name any digest, of a
//! private layer as well. Deadlock-free: an entry for a blob waits on nothing; an entry for a manifest
//! waits only on entries below it. Never trusts an old run: it starts empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::engine::copy::readings::Readings;
use crate::oci::digest::Digest;
use crate::store::content::{AccountId, Origin};
use crate::sync::{LockExt as _, OnceMap};

/// The table of a run.
#[derive(Default)]
pub struct Ledger {
    blobs: Mutex<HashMap<BlobKey, Arc<Blob>>>,
    manifests: OnceMap<ManifestKey, ()>,
    /// What is being read for the first that needs it.
    pub(crate) readings: Arc<Readings>,
}

/// A blob of an account.
type BlobKey = (AccountId, Digest);

/// A manifest of one repository of an account.
type ManifestKey = (AccountId, Arc<str>, Digest);

/// Something that happens once: a caller that comes meanwhile waits, and takes over where it failed.
pub(crate) type Once = Arc<OnceCell<()>>;

/// One blob of one account. A run of thousands of images has many of these, and they stay.
#[derive(Default)]
pub(crate) struct Blob {
    /// Held while the first copy is brought. The others wait for it, because theirs are linked from it then.
    pub(crate) first_push: AsyncMutex<()>,
    /// The first repository that had it, or in a dry run would be sent it: the others have it linked from there. Set while
    /// [`Self::first_push`] is held, so that the next caller finds it.
    pub(crate) mount_source: OnceLock<Arc<str>>,
    /// Where it was seen to be by those who read it. An image that is read elsewhere gets nothing of it unasked.
    origins: Mutex<Vec<Origin>>,
    /// Repositories that have it (nothing more) or are being brought it.
    repositories: Mutex<Vec<(Arc<str>, Option<Once>)>>,
}

impl Blob {
    /// Whether it was seen at `origin`.
    pub(crate) fn was_seen_at(&self, origin: &Origin) -> bool {
        self.origins.locked().contains(origin)
    }

    /// It was seen at `origin`.
    pub(crate) fn seen_at(&self, origin: Origin) {
        let mut origins = self.origins.locked();
        if !origins.contains(&origin) {
            origins.reserve_exact(1);
            origins.push(origin);
        }
    }

    /// Its push to `repository`, which happens once; none where that is over.
    pub(crate) fn push_once(&self, repository: &Arc<str>) -> Option<Once> {
        let mut repositories = self.repositories();
        if let Some((_, once)) = repositories.iter().find(|(name, _)| name == repository) {
            return once.clone();
        }
        let once = Once::default();
        repositories.reserve_exact(1);
        repositories.push((Arc::clone(repository), Some(Arc::clone(&once))));
        Some(once)
    }

    /// It has come to `repository`.
    pub(crate) fn mark_present(&self, repository: &Arc<str>) {
        for (_, once) in self.repositories().iter_mut().filter(|(name, _)| name == repository) {
            *once = None;
        }
    }

    fn repositories(&self) -> MutexGuard<'_, Vec<(Arc<str>, Option<Once>)>> {
        self.repositories.locked()
    }
}

impl Ledger {
    /// The entry of a blob.
    pub(crate) fn blob(&self, account: AccountId, digest: &Digest) -> Arc<Blob> {
        Arc::clone(self.blobs().entry((account, digest.clone())).or_default())
    }

    /// Whether a repository of the account has the blob.
    pub(crate) fn has(&self, account: AccountId, digest: &Digest) -> bool {
        self.blobs().get(&(account, digest.clone())).is_some_and(|blob| blob.mount_source.get().is_some())
    }

    /// Makes the entry of a blob; whether it is the first that the run hears of it.
    pub(crate) fn first_seen(&self, account: AccountId, digest: &Digest) -> bool {
        let mut blobs = self.blobs();
        let known = blobs.len();
        blobs.entry((account, digest.clone())).or_default();
        blobs.len() > known
    }

    /// The place where a manifest's copy to one repository happens once.
    pub(crate) fn manifest(&self, account: AccountId, repository: &Arc<str>, digest: &Digest) -> Once {
        self.manifests.entry((account, Arc::clone(repository), digest.clone()))
    }

    /// A registry says that it lacks what it was believed to have.
    pub(crate) fn forget_blob(&self, account: AccountId, digest: &Digest) {
        self.blobs().remove(&(account, digest.clone()));
    }

    /// The same for a manifest.
    pub(crate) fn forget_manifest(&self, account: AccountId, repository: &Arc<str>, digest: &Digest) {
        self.manifests.forget(&(account, Arc::clone(repository), digest.clone()));
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<BlobKey, Arc<Blob>>> {
        self.blobs.locked()
    }
}
