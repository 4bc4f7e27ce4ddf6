//! What hangs on a digest: signatures, SBOMs, attestations, and any artifact that names it as its subject.
//!
//! Owns finding them at the source: by the referrers API, by the fallback tag where there is no such API
//! (distribution-spec, "Referrers Tag Schema"), and by cosign's computed tags, each asked for by itself: that a cache does not
//! list a tag is no proof that it is not there. A listing of referrers that fails is an error, never "none": an image without
//! its signature breaks clusters. What is listed and cannot be had is said. Never writes.

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, FutureExt as _, try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::engine::options::Attachments;
use crate::error::{Error, Side};
use crate::oci::artifact::{Kind, bundle, cosign_tags};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::content::{Listing, TagOrDigest};
use crate::store::{Source, StoredBlob, Target, present};

/// How long a chain of attachments of attachments may be: a signed SBOM needs two.
const DEEPEST: usize = 4;

/// Attachments of one digest that are fetched at once.
const AT_ONCE: usize = 16;

/// The largest sigstore bundle that is read to learn what it holds, in bytes.
const LARGEST_BUNDLE: u64 = 4 * 1024 * 1024;

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
            .map(|(manifest, kind)| found(Place::Referrer, kind, manifest))
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

/// Leaves out what is attached to `subject`, and what is attached to that and to nothing else.
pub fn leave(found: &mut Vec<Found>, subject: &Digest) {
    let mut gone = vec![subject.clone()];
    while let Some(subject) = gone.pop() {
        let left: Vec<Found> = found.extract_if(.., |attachment| attachment.subject == subject).collect();
        let stays = |digest: &Digest| found.iter().any(|attachment| attachment.manifest.digest == *digest);
        gone.extend(left.into_iter().map(|attachment| attachment.manifest.digest).filter(|digest| !stays(digest)));
    }
}

/// Whether anything seems to be attached to `subject`; what it is, is not looked at.
async fn has_any(source: &Source, subject: &Digest, which: Attachments) -> Result<bool, Error> {
    if !listed(source, subject).await?.is_empty() {
        return Ok(true);
    }
    for (tag, _) in wanted_tags(subject, which) {
        if source.find_attachment(&tag).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is listed as attached to `subject`, whether it is or not.
async fn listed(source: &Source, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
    let Listing { mut entries, is_whole } = source.referrers(subject).await?;
    if !is_whole && let Some(list) = get_fallback(source, subject).await? {
        entries.extend_from_slice(list.entries());
    }
    Ok(entries)
}

/// What a target lists as attached to something.
pub enum TargetList {
    /// The list, whether what it names is there or not.
    Entries(Vec<Descriptor>),
    /// It keeps no such list; why.
    NotKept(String),
}

impl TargetList {
    /// That of `subject`. What may not be read, and a fallback tag that answers with the image itself, is no list that lacks
    /// something: a copy can do no more there, and has said so.
    pub async fn read(target: &Target, subject: &Digest) -> Result<Self, Error> {
        if let Some(listed) = target.referrers(subject).await? {
            return Ok(Self::Entries(listed));
        }
        let tag = subject.fallback_tag();
        match present(target.get_manifest(TagOrDigest::Tag(&tag)).await) {
            Ok(Some(found)) if found.digest == *subject => Ok(Self::NotKept(answers_itself(&tag))),
            Ok(Some(list)) => Ok(Self::Entries(list.entries().to_vec())),
            Ok(None) => Ok(Self::Entries(Vec::new())),
            Err(error) if error.is_declined() => Ok(Self::NotKept(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

/// Why a target keeps no list under `tag` that resolves it as a digest.
pub fn answers_itself(tag: &str) -> String {
    format!("it answers `{tag}` with the image itself")
}

/// That `attached` are at the target, which for this `reason` does not list them under `subject`.
pub fn not_listed(subject: &Digest, attached: &[&Digest], reason: &str) -> String {
    let digests: Vec<&str> = attached.iter().map(|digest| digest.as_str()).collect();
    format!(
        "the target keeps no list of what is attached to {subject} ({reason}): {} is there, and nobody finds it who does not \
         know its digest",
        digests.join(", ")
    )
}

/// The manifests that name `subject` as their subject, and what each is.
async fn referrers(source: &Source, subject: &Digest) -> Result<Vec<(Manifest, Kind)>, Error> {
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
    let found: Vec<Option<(Manifest, Kind)>> = stream::iter(listed)
        .map(|digest| async move { referrer(source, subject, &digest).await })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// One referrer; none where there is none, which is said unless it is attached to something else.
async fn referrer(source: &Source, subject: &Digest, digest: &Digest) -> Result<Option<(Manifest, Kind)>, Error> {
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
    let kind = kind_of(source, &manifest).await;
    Ok(Some((manifest, kind)))
}

/// What an attachment is: by its marks, and where it has none by what is in it.
async fn kind_of(source: &Source, manifest: &Manifest) -> Kind {
    if let Some(kind) = Kind::of(manifest) {
        return kind;
    }
    let Some(bundle) = bundle(manifest) else { return Kind::Signature };
    // What cannot be read now fails, if it must, where it is copied.
    let bytes = StoredBlob { store: source, descriptor: bundle }.bytes(LARGEST_BUNDLE).await;
    bytes.map_or(Kind::Signature, |bytes| Kind::of_bundle(&bytes))
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

/// The tags under which cosign keeps what is wanted.
fn wanted_tags(subject: &Digest, which: Attachments) -> impl Iterator<Item = (String, Kind)> {
    let is_wanted = move |kind| which == Attachments::All || kind == Kind::Signature;
    cosign_tags(subject).filter(move |(_, kind)| is_wanted(*kind))
}

/// The manifests under cosign's tags.
async fn tagged(source: &Source, subject: &Digest, which: Attachments) -> Result<Vec<(String, Kind, Manifest)>, Error> {
    let found = try_join_all(wanted_tags(subject, which).map(|(tag, kind)| async move {
        let manifest = source.find_attachment(&tag).await?;
        Ok::<_, Error>(manifest.map(|manifest| (tag, kind, manifest)))
    }))
    .await?;
    Ok(found.into_iter().flatten().collect())
}
