//! Who has what: the run-wide table of blobs and manifests that are known to be at a target, or on their way there.
//!
//! Owns that nothing is sent twice in a run, whichever images need it, and that a blob one repository of an account has
//! is linked into the next instead of sent. Never trusts an old run: it starts empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::digest::Digest;

/// The table of a run.
#[derive(Default)]
pub struct Ledger {
    blobs: Mutex<HashMap<BlobKey, Arc<BlobEntry>>>,
    manifests: Mutex<HashMap<ManifestKey, Arc<OnceCell<()>>>>,
}

/// A blob of an account.
type BlobKey = (usize, Digest);

/// A manifest of one repository of an account.
type ManifestKey = (usize, Arc<str>, Digest);

/// The repositories of one account that have one blob. Who holds the lock is bringing it somewhere.
pub(super) type BlobEntry = AsyncMutex<Vec<Arc<str>>>;

impl Ledger {
    pub(super) fn blob(&self, account: usize, digest: &Digest) -> Arc<BlobEntry> {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(blobs.entry((account, digest.clone())).or_default())
    }

    /// The place where a manifest's copy to one repository happens once.
    pub(super) fn manifest(&self, account: usize, repository: &Arc<str>, digest: &Digest) -> Arc<OnceCell<()>> {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(manifests.entry((account, Arc::clone(repository), digest.clone())).or_default())
    }

    /// A registry says that it lacks what it was believed to have.
    pub(super) fn forget_blob(&self, account: usize, digest: &Digest) {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&(account, digest.clone()));
    }

    /// The same for a manifest.
    pub(super) fn forget_manifest(&self, account: usize, repository: &Arc<str>, digest: &Digest) {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        manifests.remove(&(account, Arc::clone(repository), digest.clone()));
    }
}
