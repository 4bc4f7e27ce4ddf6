//! One end of a copy, whatever it is.
//!
//! Owns the few calls that copying needs of an end: manifests by tag or digest, blobs. What is above knows neither HTTP
//! nor files; what is below knows nothing of copying.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::blob::{self, BlobSource, BlobStream};
use crate::digest::Digest;
use crate::error::Error;
use crate::layout::Layout;
use crate::manifest::{Descriptor, Manifest};
use crate::registry::{At, Odds, Pushed, Repository, Sent};

/// One end of a copy.
#[derive(Clone)]
pub enum Store {
    /// A repository of a registry.
    Registry(Repository),
    /// An OCI image layout in a directory.
    Layout(Layout),
}

impl Store {
    /// The manifest's descriptor, or none where it is not there.
    pub async fn head_manifest(&self, at: At<'_>) -> Result<Option<Descriptor>, Error> {
        match self {
            Self::Registry(repository) => repository.head_manifest(at).await,
            Self::Layout(layout) => layout.head_manifest(at).await,
        }
    }

    /// The manifest, its bytes checked.
    pub async fn get_manifest(&self, at: At<'_>) -> Result<Manifest, Error> {
        match self {
            Self::Registry(repository) => repository.get_manifest(at).await,
            Self::Layout(layout) => layout.get_manifest(at).await,
        }
    }

    /// Writes the manifest's bytes as they are.
    pub async fn put_manifest(&self, at: At<'_>, manifest: &Manifest) -> Result<Pushed, Error> {
        match self {
            Self::Registry(repository) => repository.put_manifest(at, manifest).await,
            Self::Layout(layout) => layout.put_manifest(at, manifest).await,
        }
    }

    /// The descriptors of what names `subject` as its subject; none where this end keeps no such list.
    pub async fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, Error> {
        match self {
            Self::Registry(repository) => repository.referrers(subject).await,
            Self::Layout(layout) => layout.referrers(subject).await.map(Some),
        }
    }

    /// The blob's size, or none where it is not there.
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self {
            Self::Registry(repository) => repository.head_blob(descriptor).await,
            Self::Layout(layout) => layout.head_blob(descriptor).await,
        }
    }

    /// Starts to read a blob, unchecked.
    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        match self {
            Self::Registry(repository) => repository.read_blob(descriptor).await,
            Self::Layout(layout) => layout.read_blob(descriptor).await,
        }
    }

    /// Makes the blob exist here, from `from`, a repository of the same account that has it, or from `source`.
    pub async fn push_blob(
        &self,
        descriptor: &Descriptor,
        from: Option<&str>,
        odds: Odds,
        source: &dyn BlobSource,
    ) -> Result<Sent, Error> {
        match self {
            Self::Registry(repository) => repository.push_blob(descriptor, from, odds, source).await,
            Self::Layout(layout) => layout.push_blob(descriptor, source).await,
        }
    }

    /// The repository, where this end is a registry.
    pub fn registry(&self) -> Option<&Repository> {
        match self {
            Self::Registry(repository) => Some(repository),
            Self::Layout(_) => None,
        }
    }

    /// The largest blob that this end takes, where that is known.
    pub fn largest_blob(&self) -> Option<u64> {
        match self {
            Self::Registry(repository) => repository.largest_blob(),
            Self::Layout(_) => None,
        }
    }

    /// Where blobs can be linked from one repository to another: the same for all repositories of one account.
    pub fn account(&self) -> usize {
        match self {
            Self::Registry(repository) => repository.account(),
            Self::Layout(layout) => layout.account(),
        }
    }

    /// The repository's name within its account.
    pub fn repository(&self) -> Arc<str> {
        match self {
            Self::Registry(repository) => Arc::clone(repository.name()),
            Self::Layout(layout) => Arc::clone(layout.name()),
        }
    }

    /// How `at` of this end is called in messages.
    pub fn object(&self, at: At<'_>) -> String {
        match self {
            Self::Registry(repository) => repository.object(at),
            Self::Layout(layout) => layout.object(at),
        }
    }
}

/// A blob of a store, read and checked as often as its copy needs.
pub struct StoredBlob<'a> {
    /// Where it is.
    pub store: &'a Store,
    /// Which it is.
    pub descriptor: &'a Descriptor,
}

impl BlobSource for StoredBlob<'_> {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        async {
            let stream = self.store.read_blob(self.descriptor).await?;
            let object = self.store.object(At::Digest(&self.descriptor.digest));
            Ok(blob::checked(stream, self.descriptor, object))
        }
        .boxed()
    }
}

impl StoredBlob<'_> {
    /// The whole blob, where it is small: at most `limit` bytes.
    pub async fn bytes(&self, limit: u64) -> Result<bytes::Bytes, Error> {
        use futures_util::TryStreamExt as _;
        if self.descriptor.size > limit {
            return Err(Error::Content {
                side: crate::error::Side::Source,
                object: self.store.object(At::Digest(&self.descriptor.digest)),
                problem: format!("it has {} bytes, more than the {limit} that are read", self.descriptor.size),
            });
        }
        let pieces: Vec<bytes::Bytes> = self.open().await?.try_collect().await?;
        Ok(pieces.concat().into())
    }
}
