//! The two ends of a copy, whatever they are.
//!
//! Owns the few calls that copying needs of an end: manifests by tag or digest, blobs. What is above knows neither HTTP
//! nor files; what is below knows nothing of copying. Never writes to a source.

pub mod blob;
pub mod content;
pub mod created;
pub mod layout;
pub mod mirrors;
pub mod place;
pub mod registry;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::counts::BlobPush;
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::blob::{BlobPushRequest, BlobSource, BlobStream};
use crate::store::content::{AccountId, Listing, ManifestPush, OnFailure, Origin, TagOrDigest};
use crate::store::layout::Layout;
use crate::store::mirrors::source::MirrorSource;
use crate::store::registry::repository::Repository;

/// Where an image is read.
#[derive(Clone)]
pub enum Source {
    /// A repository of a registry.
    Registry(Repository),
    /// An OCI image layout in a directory.
    Layout(Layout),
    /// An image that is read from mirrors, its own registry last.
    Mirrors(MirrorSource),
}

/// Where an image is written. A mirror is none: it is only read from.
#[derive(Clone)]
pub enum Target {
    /// A repository of a registry.
    Registry(Repository),
    /// An OCI image layout in a directory.
    Layout(Layout),
}

impl Source {
    /// The manifest's descriptor, or none where it is not there.
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        match self {
            Self::Registry(repository) => repository.head_manifest(at).await,
            Self::Layout(layout) => layout.head_manifest(at).await,
            Self::Mirrors(mirrors) => mirrors.head_manifest(at).await,
        }
    }

    /// The manifest, its bytes checked.
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        match self {
            Self::Registry(repository) => repository.get_manifest(at).await,
            Self::Layout(layout) => layout.get_manifest(at).await,
            Self::Mirrors(mirrors) => mirrors.get_manifest(at).await,
        }
    }

    /// The manifest of this digest, which `at` was resolved to. A cache may know an image by its digest only once its tag
    /// was pulled (zot#2584, Nexus proxies): then it is asked for by the tag, and is taken where the digest is the same.
    pub async fn get_resolved(&self, digest: &Digest, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        match (self.get_manifest(TagOrDigest::Digest(digest)).await, at) {
            (Err(error), TagOrDigest::Tag(_)) if error.is_absent() => match self.get_manifest(at).await {
                Ok(manifest) if manifest.digest == *digest => Ok(manifest),
                _ => Err(error),
            },
            (result, _) => result,
        }
    }

    /// The descriptors of what names `subject` as its subject, as far as this end lists it.
    pub async fn referrers(&self, subject: &Digest) -> Result<Listing, Error> {
        match self {
            Self::Registry(repository) => {
                let listed = repository.referrers(subject).await?;
                Ok(Listing { is_whole: listed.is_some(), entries: listed.unwrap_or_default() })
            }
            Self::Layout(layout) => Ok(Listing { entries: layout.referrers(subject).await?, is_whole: true }),
            Self::Mirrors(mirrors) => mirrors.referrers(subject).await,
        }
    }

    /// The manifest under `tag`, by which an attachment is found; none where there is none, as is most often so.
    pub async fn find_attachment(&self, tag: &str) -> Result<Option<Manifest>, Error> {
        if let Self::Registry(repository) = self {
            return repository.find_attachment(tag, false).await;
        }
        let found = self.head_manifest(TagOrDigest::Tag(tag)).await?;
        let Some(found) = found else { return Ok(None) };
        self.get_resolved(&found.digest, TagOrDigest::Tag(tag)).await.map(Some)
    }

    /// The same for a tag under which a list of attachments is kept.
    pub async fn find_list(&self, tag: &str) -> Result<Option<Manifest>, Error> {
        match self {
            Self::Registry(repository) => repository.find_attachment(tag, true).await,
            Self::Layout(_) | Self::Mirrors(_) => present(self.get_manifest(TagOrDigest::Tag(tag)).await),
        }
    }

    /// The blob's size, or none where it is not there.
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self {
            Self::Registry(repository) => repository.blob_size(descriptor).await,
            Self::Layout(layout) => layout.head_blob(descriptor).await,
            Self::Mirrors(mirrors) => mirrors.head_blob(descriptor).await,
        }
    }

    /// Starts to read a blob; it is checked on its way.
    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        match self {
            Self::Registry(repository) => {
                let stream = repository.read_blob(descriptor).await?;
                Ok(blob::checked(stream, descriptor, self.object(TagOrDigest::Digest(&descriptor.digest))))
            }
            Self::Layout(layout) => {
                let stream = layout.read_blob(descriptor).await?;
                Ok(blob::checked(stream, descriptor, self.object(TagOrDigest::Digest(&descriptor.digest))))
            }
            Self::Mirrors(mirrors) => mirrors.read_blob(descriptor).await,
        }
    }

    /// Where blobs can be linked from one repository to another: the same for all repositories of one account. None where
    /// that is not known: mirrors without their original.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Registry(repository) => Some(repository.account()),
            Self::Layout(layout) => Some(layout.account()),
            Self::Mirrors(mirrors) => mirrors.account(),
        }
    }

    /// The repository's name within its account.
    pub fn repository(&self) -> Arc<str> {
        match self {
            Self::Registry(repository) => Arc::clone(repository.name()),
            Self::Layout(layout) => Arc::clone(layout.name()),
            Self::Mirrors(mirrors) => mirrors.repository(),
        }
    }

    /// Whose content is read here. Without an account, the registry is in the name.
    pub fn origin(&self) -> Origin {
        let repository = match self {
            Self::Mirrors(mirrors) if mirrors.account().is_none() => mirrors.full_name(),
            _ => self.repository(),
        };
        (self.account(), repository)
    }

    /// What counts the requests to this end, and hears what is to be known.
    pub fn meter(&self) -> &Meter {
        match self {
            Self::Registry(repository) => repository.meter(),
            Self::Layout(layout) => layout.meter(),
            Self::Mirrors(mirrors) => mirrors.meter(),
        }
    }

    /// How `at` of this end is called in messages.
    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        match self {
            Self::Registry(repository) => repository.object(at),
            Self::Layout(layout) => layout.object(at),
            Self::Mirrors(mirrors) => mirrors.object(at),
        }
    }

    /// Counts a manifest that another image has read, and this one holds too.
    pub fn hold(&self, manifest: &Manifest) -> Result<(), Error> {
        let failed = |violation| {
            Error::of_manifests(Side::Source, self.object(TagOrDigest::Digest(&manifest.digest)), violation)
        };
        self.meter().manifest_budget().reserve(manifest.bytes.len()).map_err(failed)
    }

    /// Keeps room for these manifests below the one at `at`.
    pub fn expect(&self, at: TagOrDigest<'_>, manifests: &[&Descriptor]) -> Result<(), Error> {
        let failed = |violation| Error::of_manifests(Side::Source, self.object(at), violation);
        let bytes = manifests.iter().fold(0, |sum: u64, manifest| sum.saturating_add(manifest.size));
        self.meter().manifest_budget().expect(bytes).map_err(failed)
    }
}

impl Target {
    /// The manifest's descriptor, or none where it is not there.
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        match self {
            Self::Registry(repository) => repository.head_manifest(at).await,
            Self::Layout(layout) => layout.head_manifest(at).await,
        }
    }

    /// The descriptor of `tag`, one of `count` that the run asks this end for; none where it is not there.
    pub async fn head_one_of(&self, count: usize, tag: &str) -> Result<Option<Descriptor>, Error> {
        match self {
            Self::Registry(repository) => repository.head_one_of(count, tag).await,
            Self::Layout(layout) => layout.head_manifest(TagOrDigest::Tag(tag)).await,
        }
    }

    /// Whether this end is known to have no such tag, without asking.
    pub fn is_known_to_lack(&self, tag: &str) -> bool {
        self.registry().is_some_and(|repository| repository.is_known_to_lack(tag))
    }

    /// The manifest, its bytes checked.
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        match self {
            Self::Registry(repository) => repository.get_manifest(at).await,
            Self::Layout(layout) => layout.get_manifest(at).await,
        }
    }

    /// Writes the manifest's bytes as they are.
    pub async fn put_manifest(
        &self,
        at: TagOrDigest<'_>,
        manifest: &Manifest,
        on_failure: OnFailure,
    ) -> Result<ManifestPush, Error> {
        match self {
            Self::Registry(repository) => repository.put_manifest(at, manifest, on_failure).await,
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
            Self::Registry(repository) => repository.blob_size(descriptor).await,
            Self::Layout(layout) => layout.head_blob(descriptor).await,
        }
    }

    /// The same of a blob that ought to be there, before it is said to be missing.
    pub async fn find_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self {
            Self::Registry(repository) => repository.expected_blob_size(descriptor).await,
            Self::Layout(layout) => layout.head_blob(descriptor).await,
        }
    }

    /// Makes a blob exist here.
    pub async fn push_blob(&self, request: BlobPushRequest<'_>) -> Result<BlobPush, Error> {
        match self {
            Self::Registry(repository) => repository.push_blob(request).await,
            Self::Layout(layout) => layout.push_blob(request.descriptor, request.source).await,
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
        self.registry().and_then(Repository::largest_blob)
    }

    /// Where blobs can be linked from one repository to another: the same for all repositories of one account.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Registry(repository) => repository.account(),
            Self::Layout(layout) => layout.account(),
        }
    }

    /// The repository's name within its account.
    pub fn repository(&self) -> &Arc<str> {
        match self {
            Self::Registry(repository) => repository.name(),
            Self::Layout(layout) => layout.name(),
        }
    }

    /// What a tag is called among all that have this end's account and repository.
    pub fn name_of(&self, tag: &str) -> Box<str> {
        match self {
            Self::Registry(_) => tag.into(),
            Self::Layout(layout) => layout.name_of(tag).text().into(),
        }
    }

    /// The tag that stands for an image without one; none where it is there under its digest.
    pub fn tag_of(&self, digest: &Digest) -> Option<String> {
        match self {
            Self::Registry(_) => None,
            Self::Layout(layout) => layout.tag_of(digest),
        }
    }

    /// How `at` of this end is called in messages.
    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        match self {
            Self::Registry(repository) => repository.object(at),
            Self::Layout(layout) => layout.object(at),
        }
    }
}

/// An answer, none where it is "not there".
pub fn present<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A blob of a source, read and checked as often as its copy needs.
pub struct StoredBlob<'a> {
    /// Where it is.
    pub store: &'a Source,
    /// Which it is.
    pub descriptor: &'a Descriptor,
}

impl BlobSource for StoredBlob<'_> {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        self.store.read_blob(self.descriptor).boxed()
    }

    fn open_early(&self) -> Option<BoxFuture<'_, Result<BlobStream, Error>>> {
        let Source::Registry(repository) = self.store else { return None };
        let stream = repository.read_blob_early(self.descriptor)?;
        let object = self.store.object(TagOrDigest::Digest(&self.descriptor.digest));
        Some(async move { Ok(blob::checked(stream.await?, self.descriptor, object)) }.boxed())
    }

    fn has_another(&self) -> bool {
        match self.store {
            Source::Registry(_) | Source::Layout(_) => false,
            Source::Mirrors(mirrors) => mirrors.has_another(self.descriptor),
        }
    }
}

impl StoredBlob<'_> {
    /// The whole blob, where it is small: at most `limit` bytes.
    pub async fn bytes(&self, limit: u64) -> Result<bytes::Bytes, Error> {
        use futures_util::TryStreamExt as _;
        if self.descriptor.size > limit {
            return Err(Error::Content {
                side: crate::error::Side::Source,
                object: self.store.object(TagOrDigest::Digest(&self.descriptor.digest)),
                problem: format!("it has {} bytes, more than the {limit} that are read", self.descriptor.size),
            });
        }
        loop {
            let pieces: Result<Vec<bytes::Bytes>, Error> = self.open().await?.try_collect().await;
            match pieces {
                Ok(pieces) => return Ok(pieces.concat().into()),
                Err(_) if self.has_another() => {}
                Err(error) => return Err(error),
            }
        }
    }
}
