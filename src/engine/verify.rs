//! Verify: reads back what a copy wrote, and compares two sides in depth.
//!
//! Owns the proof that a digest at the target is the one at the source. Never writes.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::engine::attachments::{self, Found, Place};
use crate::engine::options::{Attachments, ChildSelection};
use crate::error::{Error, Side};
use crate::oci::digest::Digest;
use crate::oci::manifest::{DEEPEST, Descriptor, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::{Source, Target};

/// How long a registry may take to show what it has accepted (GHCR lags behind what was pushed).
const LAG: Duration = Duration::from_secs(30);

/// Children, blobs and subjects of one manifest that are asked for at once: an index may have thousands.
const AT_ONCE: usize = 16;

/// Asks the target whether `at` is `digest` now, patient with a registry that lags.
pub async fn read_back(target: &Target, at: TagOrDigest<'_>, digest: &Digest, patience: Duration) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        let found = target.head_manifest(at).await?.map(|descriptor| descriptor.digest);
        if found.as_ref() == Some(digest) {
            return Ok(());
        }
        if started.elapsed() + pause > LAG.min(patience) {
            return Err(Error::DigestMismatch {
                side: Side::Target,
                object: target.object(at),
                expected: digest.clone(),
                actual: found
                    .map_or_else(|| "nothing: 404 after a push that was accepted".to_owned(), |d| d.to_string()),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Everything below `manifest` that the target lacks or has with another size, a sentence each.
///
/// `children`: the children that were chosen, where not all were. A HEAD for each manifest and blob; the bytes behind them were hashed by the registry when it took them.
pub fn differences<'a>(
    source: &'a Source,
    target: &'a Target,
    manifest: &'a Manifest,
    children: Option<&'a ChildSelection>,
    depth: usize,
) -> BoxFuture<'a, Result<Vec<String>, Error>> {
    async move {
        let mut found = Vec::new();
        if depth > DEEPEST {
            return Ok(found);
        }
        let mut listed = HashSet::new();
        let chosen = |child: &&Descriptor| children.is_none_or(|chosen| chosen.contains(&child.digest));
        let children: Vec<&Descriptor> =
            manifest.children().filter(chosen).filter(|child| listed.insert(&child.digest)).collect();
        let blobs: Vec<&Descriptor> =
            manifest.blobs(false).into_iter().filter(|blob| listed.insert(&blob.digest)).collect();
        let children = children.into_iter().map(|child| child_differences(source, target, child, depth).boxed());
        let blobs = blobs.into_iter().map(|blob| blob_differences(target, blob).boxed());
        found.extend(few_at_once(children.chain(blobs)).await?);
        found.sort();
        Ok(found)
    }
    .boxed()
}

/// Attachments of `manifest` and of its children that the target lacks, or has and does not list, a sentence each.
pub async fn missing_attachments(
    source: &Source,
    target: &Target,
    manifest: &Manifest,
    children: Option<&ChildSelection>,
    which: Attachments,
) -> Result<Vec<String>, Error> {
    let listed = manifest.children().map(|child| &child.digest);
    let chosen = listed.filter(|digest| children.is_none_or(|chosen| chosen.contains(*digest)));
    let subjects: BTreeSet<&Digest> = std::iter::once(&manifest.digest).chain(chosen).collect();
    let searches = subjects.into_iter().map(|subject| attachments::search(source, subject, which, 0));
    let mut found: Vec<Found> = few_at_once(searches).await?;
    found.sort_by(|a, b| (&a.subject, &a.manifest.digest).cmp(&(&b.subject, &b.manifest.digest)));
    let by_subject = found.chunk_by(|a, b| a.subject == b.subject);
    let mut missing = few_at_once(by_subject.map(|attachments| missing_of_one(target, attachments).boxed())).await?;
    if let Some(subject) = manifest.subject.as_ref().filter(|_| which != Attachments::None) {
        let listed = attachments::listed(&target.to_source(), &subject.digest).await?;
        if !listed.iter().any(|entry| entry.digest == manifest.digest) {
            missing.push(format!("its subject is {}, and no list says so: nobody finds it", subject.digest));
        }
    }
    Ok(missing)
}

/// What all of `work` finds, a few at once: what waits for its turn has not been made.
async fn few_at_once<'a, T>(
    mut work: impl Iterator<Item = BoxFuture<'a, Result<Vec<T>, Error>>> + Send,
) -> Result<Vec<T>, Error> {
    let (mut found, mut going) = (Vec::new(), FuturesUnordered::new());
    loop {
        going.extend(work.by_ref().take(AT_ONCE - going.len()));
        match going.next().await {
            Some(result) => found.extend(result?),
            None => return Ok(found),
        }
    }
}

/// The same for attachments of one subject, whose list at the target is read once.
async fn missing_of_one(target: &Target, attachments: &[Found]) -> Result<Vec<String>, Error> {
    let readable = target.to_source();
    let readable = &readable;
    let list = OnceCell::new();
    let list = &list;
    let missing = try_join_all(attachments.iter().map(|found| async move {
        let at = match &found.place {
            Place::Referrer => TagOrDigest::Digest(&found.manifest.digest),
            Place::Tag(tag) => TagOrDigest::Tag(tag),
        };
        let there = target.head_manifest(at).await?.is_some_and(|there| there.digest == found.manifest.digest);
        let problem = if !there {
            "is missing"
        } else if found.place == Place::Referrer
            && !list
                .get_or_try_init(|| attachments::listed(readable, &found.subject))
                .await?
                .iter()
                .any(|entry| entry.digest == found.manifest.digest)
        {
            "is there, and no list says so: nobody finds it"
        } else {
            return Ok::<_, Error>(None);
        };
        Ok(Some(format!("{} {} of {} {problem}", found.kind.name(), found.manifest.digest, found.subject)))
    }))
    .await?;
    Ok(missing.into_iter().flatten().collect())
}

async fn child_differences(
    source: &Source,
    target: &Target,
    child: &Descriptor,
    depth: usize,
) -> Result<Vec<String>, Error> {
    if target.head_manifest(TagOrDigest::Digest(&child.digest)).await?.is_none() {
        let platform = child.platform.as_ref().map(|platform| format!(" ({platform})")).unwrap_or_default();
        return Ok(vec![format!("manifest {}{platform} is missing", child.digest)]);
    }
    let manifest = source.get_manifest(TagOrDigest::Digest(&child.digest)).await?;
    differences(source, target, &manifest, None, depth + 1).await
}

async fn blob_differences(target: &Target, blob: &Descriptor) -> Result<Vec<String>, Error> {
    Ok(match target.head_blob(blob).await? {
        None => vec![format!("blob {} is missing", blob.digest)],
        Some(size) if size != blob.size => {
            vec![format!("blob {} has {size} bytes, the source {}", blob.digest, blob.size)]
        }
        Some(_) => Vec::new(),
    })
}
