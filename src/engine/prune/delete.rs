//! What goes of one repository, deleted.
//!
//! Owns the order, and the last look before: the tags are asked for once more, and where one has moved, come or gone, nothing
//! is deleted. A manifest that is deleted takes every tag with it, so it is only for what no tag that stays reaches; a tag whose
//! manifest stays goes alone, if it still names that, and what it named is put back where a registry takes that for more: a run
//! that is to end does not end in between. Stops at the first failure.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::engine::prune::graph::{Doomed, State};
use crate::engine::prune::read;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;
use crate::store::content::{OnFailure, TagOrDigest};
use crate::store::registry::deletion::Deletion;
use crate::store::registry::repository::Repository;

/// Another way to delete manifests, where a registry has one of its own.
pub trait Remover: Send + Sync {
    /// Deletes the manifest, and every tag that names it; a sentence where that fails.
    fn remove<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Removal, String>>;
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It was deleted.
    Done,
    /// It is not there, or not for this credential.
    Unseen,
}

/// Why no more was deleted.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The registry's, or the network's.
    Failed(Box<Error>),
    /// In one sentence.
    Said(String),
}

/// What was deleted.
#[derive(Clone, Debug, Default)]
pub struct Deleted {
    /// Tags that are gone.
    pub tags: BTreeSet<String>,
    /// Tags that stay because the registry deletes no tag by itself.
    pub left: BTreeSet<String>,
    /// How many manifests are gone.
    pub manifests: usize,
    /// Why not all is.
    pub stopped: Option<Stop>,
}

/// Deletes `doomed`, which was decided on by `state`; what is gone is in `deleted` at every moment. `undivided` is held while
/// something may have to be put back.
pub async fn delete(
    repository: &Repository,
    decided: (&State, &Doomed),
    remover: Option<&dyn Remover>,
    undivided: &Mutex<()>,
    deleted: &mut Deleted,
) {
    if let Err(stop) = all(repository, decided, remover, undivided, deleted).await {
        deleted.stopped = Some(stop);
    }
}

async fn all(
    repository: &Repository,
    (state, doomed): (&State, &Doomed),
    remover: Option<&dyn Remover>,
    undivided: &Mutex<()>,
    deleted: &mut Deleted,
) -> Result<(), Stop> {
    let names = read::names(repository).await?;
    let now = read::tags(repository, &names).await?;
    if now != state.tags {
        let moved = now.iter().find(|(tag, digest)| state.tags.get(*tag) != Some(digest)).map(|(tag, _)| tag);
        let gone = state.tags.keys().find(|tag| !now.contains_key(*tag));
        let tag = moved.or(gone).map_or("", String::as_str);
        return Err(Stop::Said(format!(
            "the tag `{tag}` has moved while this run was under way: nothing was deleted here"
        )));
    }
    for digest in &doomed.manifests {
        match remover {
            Some(remover) => {
                let removal = remover.remove(digest).await.map_err(Stop::Said)?;
                if removal == Removal::Unseen && !repository.is_gone(TagOrDigest::Digest(digest)).await? {
                    let problem = "is there, and is not shown to this credential by whoever deletes it";
                    return Err(Stop::Said(format!("{digest} {problem}")));
                }
            }
            None => manifest(repository, doomed, digest).await?,
        }
        deleted.manifests += 1;
        deleted.tags.extend(doomed.tags_of(digest).map(str::to_owned));
    }
    for (tag, digest) in &doomed.aliases {
        let _whole = undivided.lock().await;
        match remover {
            None if alias(repository, state, doomed, tag, digest).await? == Deletion::Done => {
                deleted.tags.insert(tag.clone());
            }
            _ => {
                deleted.left.insert(tag.clone());
            }
        }
    }
    Ok(())
}

/// A manifest with all of its tags, none of which stays.
async fn manifest(repository: &Repository, doomed: &Doomed, digest: &Digest) -> Result<(), Stop> {
    let at = TagOrDigest::Digest(digest);
    let Err(error) = repository.delete_manifest(at).await else { return Ok(()) };
    let mut tags = doomed.tags_of(digest).peekable();
    // Artifact Registry wants the tags deleted before.
    if !error.is_declined() || error.is_denied() || tags.peek().is_none() {
        return Err(error.into());
    }
    for tag in tags {
        named(repository, tag, digest).await?;
        if repository.delete_tag(tag).await.map_err(|_| error.clone())? == Deletion::Unsupported {
            return Err(error.into());
        }
    }
    Ok(repository.delete_manifest(at).await?)
}

/// A tag alone. Its manifest is read before and looked for after: a registry that deletes it too gets it back.
async fn alias(
    repository: &Repository,
    state: &State,
    doomed: &Doomed,
    tag: &str,
    digest: &Digest,
) -> Result<Deletion, Stop> {
    let at = TagOrDigest::Digest(digest);
    let manifest = named(repository, tag, digest).await?;
    let result = repository.delete_tag(tag).await;
    let (deletion, there) = match (result, repository.head_manifest(at).await) {
        (Ok(deletion), there) => (deletion, there),
        // What has become of it is what counts.
        (Err(error), Ok(Some(_))) => return Err(error.into()),
        (Err(_), there) => (Deletion::Done, there),
    };
    match there {
        Ok(Some(_)) => Ok(deletion),
        there => {
            restore(repository, state, doomed, &manifest).await?;
            let why = there.err().map_or_else(String::new, |error| format!(" ({error})"));
            Err(Stop::Said(format!(
                "the registry has deleted the image of `{tag}` with the tag, or does not say{why}: it was put back, with every \
                 tag of it that stays; leave its aliases to `prune-keep`, and run with `check: deep`"
            )))
        }
    }
}

/// What `tag` names, if that is still `digest`: the last look at all tags is as long ago as the deletions before this one took.
async fn named(repository: &Repository, tag: &str, digest: &Digest) -> Result<Manifest, Stop> {
    let manifest = repository.get_manifest(TagOrDigest::Tag(tag)).await?;
    repository.meter.manifest_budget().release(manifest.bytes.len());
    if manifest.digest == *digest {
        return Ok(manifest);
    }
    Err(Stop::Said(format!("the tag `{tag}` has moved while this run deleted others: it was left as it is")))
}

async fn restore(repository: &Repository, state: &State, doomed: &Doomed, manifest: &Manifest) -> Result<(), Error> {
    let digest = &manifest.digest;
    repository.put_manifest(TagOrDigest::Digest(digest), manifest, OnFailure::Wait).await?;
    let stays = |tag: &&String| !doomed.aliases.contains_key(*tag);
    let tags = state.tags.iter().filter(|(_, named)| *named == digest).map(|(tag, _)| tag).filter(stays);
    for tag in tags {
        repository.put_manifest(TagOrDigest::Tag(tag), manifest, OnFailure::Wait).await?;
    }
    Ok(())
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}
