//! What a source says hangs on a digest, asked, and kept for who asks next.
//!
//! Owns that one image asks nothing twice: who checks its signatures, who looks for its attachments and who copies them share
//! the answers. Kept is what a check has asked, until it is used: an image without a policy keeps nothing. Never takes a listing
//! that failed for "none".

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use crate::error::{Error, Side};
use crate::oci::artifact::{Kind, bundle};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest, PackedManifest};
use crate::store::content::{Listing, TagOrDigest};
use crate::store::{Source, StoredBlob};
use crate::sync::LockExt as _;

/// How many attachments one digest may have.
const MOST: usize = 1_000;

/// The largest sigstore bundle that is read to learn what it holds, in bytes.
const LARGEST_BUNDLE: u64 = 4 * 1024 * 1024;

/// The largest blob that is kept for who copies it, and what all that an image keeps may take, in bytes.
const LARGEST_KEPT: u64 = 64 * 1024;

const MOST_KEPT: u64 = 1024 * 1024;

/// The answers of one image's source.
#[derive(Default)]
pub struct Answers {
    listed: Mutex<HashMap<Digest, BTreeSet<Digest>>>,
    tags: Mutex<HashMap<String, Option<PackedManifest>>>,
    /// By subject and by its own digest.
    referrers: Mutex<HashMap<(Digest, Digest), Referrer>>,
    blobs: Mutex<HashMap<Digest, Bytes>>,
    kept: AtomicU64,
}

/// A referrer that was asked for; none where it is none.
type Referrer = Option<(PackedManifest, Kind)>;

/// Whether an answer is kept for who asks next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Yes,
    /// It was asked for the last time.
    No,
}

impl Answers {
    /// Forgets all: what it has is counted no more.
    pub fn clear(&self) {
        self.listed.locked().clear();
        self.tags.locked().clear();
        self.referrers.locked().clear();
        self.blobs.locked().clear();
        self.kept.store(0, Relaxed);
    }

    /// What is listed as naming `subject` as its subject.
    pub async fn listed(&self, source: &Source, subject: &Digest, keep: Keep) -> Result<BTreeSet<Digest>, Error> {
        let known = self.listed.locked().remove(subject);
        let listed = match known {
            Some(listed) => listed,
            None => referrers(source, subject).await?,
        };
        if keep == Keep::Yes {
            self.listed.locked().insert(subject.clone(), listed.clone());
        }
        Ok(listed)
    }

    /// The manifest under a tag that is made of a digest.
    pub async fn tagged(&self, source: &Source, tag: &str, keep: Keep) -> Result<Option<Manifest>, Error> {
        let known = self.tags.locked().remove(tag);
        let manifest = match known {
            Some(known) => known.map(|packed| open(source, &packed)).transpose()?,
            None => source.find_attachment(tag).await?,
        };
        if keep == Keep::Yes {
            self.tags.locked().insert(tag.to_owned(), manifest.clone().map(PackedManifest::from));
        }
        Ok(manifest)
    }

    /// One referrer; none where there is none, which is said unless it is attached to something else.
    pub async fn referrer(
        &self,
        source: &Source,
        subject: &Digest,
        digest: &Digest,
        keep: Keep,
    ) -> Result<Option<(Manifest, Kind)>, Error> {
        let key = (subject.clone(), digest.clone());
        let known = self.referrers.locked().remove(&key);
        let found = match known {
            Some(known) => known.map(|(packed, kind)| Ok((open(source, &packed)?, kind))).transpose()?,
            None => match referrer(source, subject, digest).await? {
                Some(manifest) => {
                    let kind = self.kind_of(source, &manifest).await;
                    Some((manifest, kind))
                }
                None => None,
            },
        };
        if keep == Keep::Yes {
            let packed = found.as_ref().map(|(manifest, kind)| (manifest.clone().into(), *kind));
            self.referrers.locked().insert(key, packed);
        }
        Ok(found)
    }

    /// A small blob, at most `limit` bytes.
    pub async fn blob(&self, source: &Source, descriptor: &Descriptor, limit: u64) -> Result<Bytes, Error> {
        if let Some(known) = self.held(&descriptor.digest) {
            return Ok(known);
        }
        let bytes = StoredBlob { store: source, descriptor }.bytes(limit).await?;
        let size = bytes.len() as u64;
        if size <= LARGEST_KEPT && self.kept.fetch_add(size, Relaxed) + size <= MOST_KEPT {
            self.blobs.locked().insert(descriptor.digest.clone(), bytes.clone());
        }
        Ok(bytes)
    }

    /// A blob that was read before.
    pub fn held(&self, digest: &Digest) -> Option<Bytes> {
        self.blobs.locked().get(digest).cloned()
    }

    /// What an attachment is: by its marks, and where it has none by what is in it.
    async fn kind_of(&self, source: &Source, manifest: &Manifest) -> Kind {
        if let Some(kind) = Kind::of(manifest) {
            return kind;
        }
        let Some(bundle) = bundle(manifest) else { return Kind::Signature };
        // What cannot be read now fails, if it must, where it is copied.
        let bytes = self.blob(source, bundle, LARGEST_BUNDLE).await;
        bytes.map_or(Kind::Signature, |bytes| Kind::of_bundle(&bytes))
    }
}

/// A manifest that was kept, read again.
pub fn open(source: &Source, packed: &PackedManifest) -> Result<Manifest, Error> {
    packed.open().map_err(|problem| Error::Content {
        side: Side::Source,
        object: source.object(TagOrDigest::Digest(&packed.digest)),
        problem,
    })
}

/// What is listed as attached to `subject`, whether it is or not.
pub async fn entries(source: &Source, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
    let Listing { mut entries, is_whole } = source.referrers(subject).await?;
    if !is_whole && let Some(list) = get_fallback(source, subject).await? {
        entries.extend_from_slice(list.entries());
    }
    Ok(entries)
}

/// What is listed as naming `subject` as its subject.
async fn referrers(source: &Source, subject: &Digest) -> Result<BTreeSet<Digest>, Error> {
    // The same referrer may be listed twice.
    let listed: BTreeSet<Digest> = entries(source, subject).await?.into_iter().map(|entry| entry.digest).collect();
    if listed.len() > MOST {
        return Err(too_many(source, subject, MOST, "refer to it"));
    }
    Ok(listed)
}

/// One referrer; none where there is none, which is said unless it is attached to something else.
async fn referrer(source: &Source, subject: &Digest, digest: &Digest) -> Result<Option<Manifest>, Error> {
    let manifest = match source.get_manifest(TagOrDigest::Digest(digest)).await {
        Ok(manifest) => manifest,
        // Clean-ups delete manifests without a tag and leave the list of them (dataaxiom/ghcr-cleanup-action#114).
        Err(error) if error.is_absent() => {
            source.meter().warn(format!(
                "the source lists {digest} as attached to {subject}, and does not have it: it was deleted there"
            ));
            return Ok(None);
        }
        Err(Error::Content { problem, .. }) => {
            source.meter().warn(format!("{digest}, attached to {subject}, {problem}: it is left behind"));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // A list is not authenticated by the subject's digest; only the referrer's own word counts.
    if manifest.subject.as_ref().is_none_or(|named| named.digest != *subject) {
        return Ok(None);
    }
    Ok(Some(manifest))
}

/// The index under the fallback tag; none where there is none, or where the tag is something else.
///
/// GitLab answers `sha256-<hex>` with the image of that digest itself (oras-project/oras-go#1396): its children are no
/// referrers.
async fn get_fallback(source: &Source, subject: &Digest) -> Result<Option<Manifest>, Error> {
    let found = source.find_list(&subject.fallback_tag()).await?;
    Ok(found.filter(|manifest| is_list_of(manifest, subject)))
}

/// Whether what is under the fallback tag of `subject` is a list.
pub fn is_list_of(manifest: &Manifest, subject: &Digest) -> bool {
    manifest.is_index() && manifest.digest != *subject
}

/// That there are more than are read.
pub fn too_many(source: &Source, subject: &Digest, most: usize, what: &str) -> Error {
    Error::Content {
        side: Side::Source,
        object: source.object(TagOrDigest::Digest(subject)),
        problem: format!("more than {most} attachments {what}"),
    }
}
