//! What hangs on a digest: signatures, SBOMs, attestations, and any artifact that names it as its subject.
//!
//! Owns finding them at the source: by the referrers API, by the fallback tag where there is no such API
//! (distribution-spec, "Referrers Tag Schema"), and by cosign's computed tags; where a repository's tags can be listed at
//! once, only those that are there are asked for. A listing of referrers that fails is an error, never "none": an image
//! without its signature breaks clusters. Never writes.

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, FutureExt as _, try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::engine::options::Attachments;
use crate::error::{Error, Side};
use crate::oci::artifact::{Kind, cosign_tags};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::Source;
use crate::store::content::TagOrDigest;

/// How long a chain of attachments of attachments may be: a signed SBOM needs two.
const DEEPEST: usize = 4;

/// Attachments of one digest that are fetched at once.
const AT_ONCE: usize = 16;

/// How many attachments one digest may have.
const MOST: usize = 1_000;

/// One attachment of the source.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is attached to.
    pub subject: Digest,
    /// How far from the image: 0 for what hangs on the image itself.
    pub depth: usize,
    /// How it is found again.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// Its manifest.
    pub manifest: Manifest,
}

/// How an attachment is tied to its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its `subject` field.
    Referrer,
    /// By a tag made of the subject's digest.
    Tag(String),
}

/// Everything attached to `subject` at the source, and what is attached to that, nearest first.
pub fn search<'a>(
    source: &'a Source,
    subject: &'a Digest,
    which: Attachments,
    depth: usize,
) -> BoxFuture<'a, Result<Vec<Found>, Error>> {
    async move {
        if which == Attachments::None {
            return Ok(Vec::new());
        }
        if depth >= DEEPEST {
            // Asked only of what hangs that far from an image.
            if has_any(source, subject, which).await? {
                source.meter().notice(format!(
                    "attachments of attachments are followed {DEEPEST} deep; what may hang on those is left behind"
                ));
            }
            return Ok(Vec::new());
        }
        let (referrers, tagged) = try_join(referrers(source, subject), tagged(source, subject, which)).await?;
        let found = |place, kind, manifest| Found { subject: subject.clone(), depth, place, kind, manifest };
        let mut all: Vec<Found> = referrers
            .into_iter()
            .map(|manifest| found(Place::Referrer, Kind::of(&manifest), manifest))
            .chain(tagged.into_iter().map(|(tag, kind, manifest)| found(Place::Tag(tag), kind, manifest)))
            .filter(|found| which == Attachments::All || found.kind == Kind::Signature)
            .collect();
        // What is both a referrer and under a tag is asked for once.
        let digests: BTreeSet<Digest> = all.iter().map(|found| found.manifest.digest.clone()).collect();
        let deeper = try_join_all(digests.iter().map(|digest| search(source, digest, which, depth + 1))).await?;
        all.extend(deeper.into_iter().flatten());
        Ok(all)
    }
    .boxed()
}

/// Whether anything seems to be attached to `subject`; what it is, is not looked at.
async fn has_any(source: &Source, subject: &Digest, which: Attachments) -> Result<bool, Error> {
    if !listed(source, subject).await?.is_empty() {
        return Ok(true);
    }
    for (tag, _) in wanted_tags(subject, which) {
        if !source.lacks_tag(&tag).await && source.head_manifest(TagOrDigest::Tag(&tag)).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is listed as attached to `subject`, whether it is or not.
pub async fn listed(source: &Source, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
    match source.referrers(subject).await? {
        Some(listed) => Ok(listed),
        None if source.lacks_tag(&subject.fallback_tag()).await => Ok(Vec::new()),
        None => Ok(get_fallback(source, subject).await?.map(|index| index.entries().to_vec()).unwrap_or_default()),
    }
}

/// The manifests that name `subject` as their subject.
async fn referrers(source: &Source, subject: &Digest) -> Result<Vec<Manifest>, Error> {
    let listed = listed(source, subject).await?;
    // The same referrer may be listed twice.
    let listed: BTreeSet<Digest> = listed.into_iter().map(|entry| entry.digest).collect();
    if listed.len() > MOST {
        return Err(Error::Content {
            side: Side::Source,
            object: source.object(TagOrDigest::Digest(subject)),
            problem: format!("more than {MOST} attachments refer to it"),
        });
    }
    let manifests: Vec<Manifest> = stream::iter(listed)
        .map(|digest| async move { source.get_manifest(TagOrDigest::Digest(&digest)).await })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    // A list is not authenticated by the subject's digest; only the referrer's own word counts.
    let names_it = |manifest: &Manifest| manifest.subject.as_ref().is_some_and(|named| named.digest == *subject);
    Ok(manifests.into_iter().filter(names_it).collect())
}

/// The index under the fallback tag; none where there is none, or where the tag is something else.
///
/// GitLab answers `sha256-<hex>` with the image of that digest itself (oras-project/oras-go#1396): its children are no
/// referrers.
pub async fn get_fallback(store: &Source, subject: &Digest) -> Result<Option<Manifest>, Error> {
    let tag = subject.fallback_tag();
    match store.get_manifest(TagOrDigest::Tag(&tag)).await {
        Ok(manifest) if manifest.is_index() && manifest.digest != *subject => Ok(Some(manifest)),
        Ok(_) => Ok(None),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tags under which cosign keeps what is wanted.
fn wanted_tags(subject: &Digest, which: Attachments) -> impl Iterator<Item = (String, Kind)> {
    let is_wanted = move |kind| which == Attachments::All || kind == Kind::Signature;
    cosign_tags(subject).into_iter().filter(move |(_, kind)| is_wanted(*kind))
}

/// The manifests under cosign's tags.
async fn tagged(source: &Source, subject: &Digest, which: Attachments) -> Result<Vec<(String, Kind, Manifest)>, Error> {
    let found = try_join_all(wanted_tags(subject, which).map(|(tag, kind)| async move {
        if source.lacks_tag(&tag).await {
            return Ok(None);
        }
        let Some(descriptor) = source.head_manifest(TagOrDigest::Tag(&tag)).await? else { return Ok::<_, Error>(None) };
        let manifest = source.get_manifest(TagOrDigest::Digest(&descriptor.digest)).await?;
        Ok(Some((tag, kind, manifest)))
    }))
    .await?;
    Ok(found.into_iter().flatten().collect())
}
