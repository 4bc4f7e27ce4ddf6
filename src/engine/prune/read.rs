//! A repository, read as far as deciding needs it: every tag, and every manifest that one reaches.
//!
//! Owns that it is whole or a failure. Every manifest is fetched and hashes to its name; that one is not there is proven by
//! the registry's own answer; a listing that broke off, an answer that is no tag, a tag that names nothing is a failure. Never
//! writes.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::FutureExt as _;

use crate::engine::prune::graph::{Node, State};
use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, is_index_type};
use crate::oci::reference::is_tag;
use crate::store::content::TagOrDigest;
use crate::store::registry::repository::Repository;
use crate::sync::few_at_once;
use crate::text::sanitise;

/// Manifests that are asked for at once.
const AT_ONCE: usize = 16;

/// Manifests of one repository: more take minutes, and as many requests.
const MOST_MANIFESTS: usize = 100_000;

/// A manifest, as far as it points at others.
struct Read {
    digest: Digest,
    node: Node,
    uncertain: Vec<Digest>,
    indexes: Vec<Digest>,
}

/// A repository that is being read.
struct Reading<'a> {
    repository: &'a Repository,
    state: State,
    /// What was named and is not there.
    absent: BTreeSet<Digest>,
    /// What an index lists under a type of its own: it may be a blob.
    uncertain: BTreeSet<Digest>,
    /// What is called an index where it is named: were it not there, nobody would know what it reaches.
    indexes: BTreeSet<Digest>,
}

/// The names of all tags.
pub async fn names(repository: &Repository) -> Result<BTreeSet<String>, Error> {
    let names = repository.list_tags().await?;
    // It would be asked for as it stands.
    if let Some(other) = names.iter().find(|name| !is_tag(name)) {
        let problem = format!("`{}` is no tag", sanitise::one_line(other, 80));
        let cause = Cause::Protocol(Violation::ListingUnreadable(problem));
        return Err(repository.error(Action::GetTags, repository.place(), cause));
    }
    Ok(names.into_iter().map(String::from).collect())
}

/// What each tag names: by its manifest's own bytes, whatever a header says.
pub async fn tags(repository: &Repository, names: &BTreeSet<String>) -> Result<BTreeMap<String, Digest>, Error> {
    let mut reading = Reading::new(repository);
    reading.roots(names).await?;
    Ok(reading.state.tags)
}

/// The repository with these tags and with what is `kept` without one, and with everything that is attached to what `unwanted`
/// reaches.
pub async fn whole(
    repository: &Repository,
    names: &BTreeSet<String>,
    unwanted: &BTreeSet<String>,
    kept: &BTreeSet<Digest>,
) -> Result<State, Error> {
    let mut reading = Reading::new(repository);
    reading.roots(names).await?;
    let untagged = kept.iter().filter(|digest| reading.is_unknown(digest)).cloned().collect();
    reading.fetch(untagged).await?;
    let mut looked_at = BTreeSet::new();
    loop {
        reading.below().await?;
        let reached = reading.state.reached(unwanted);
        let ask = |subject: &Digest| {
            let subject = subject.clone();
            async move { Ok((subject.clone(), repository.referrers(&subject).await?)) }.boxed()
        };
        let listed = few_at_once(AT_ONCE, reached.difference(&looked_at).map(ask)).await?;
        if listed.is_empty() {
            return Ok(reading.state);
        }
        let mut found = BTreeSet::new();
        for (subject, referrers) in listed {
            found.extend(referrers.unwrap_or_default().into_iter().map(|entry| entry.digest));
            looked_at.insert(subject);
        }
        found.retain(|digest| reading.is_unknown(digest));
        reading.fetch(found).await?;
    }
}

impl<'a> Reading<'a> {
    fn new(repository: &'a Repository) -> Self {
        let (state, absent, uncertain, indexes) = Default::default();
        Self { repository, state, absent, uncertain, indexes }
    }

    fn is_unknown(&self, digest: &Digest) -> bool {
        !self.state.manifests.contains_key(digest) && !self.absent.contains(digest)
    }

    fn learn(&mut self, read: Read) {
        self.uncertain.extend(read.uncertain);
        self.indexes.extend(read.indexes);
        self.state.manifests.insert(read.digest, read.node);
    }

    async fn roots(&mut self, names: &BTreeSet<String>) -> Result<(), Error> {
        let repository = self.repository;
        let ask = |tag: &String| {
            let tag = tag.clone();
            async move { Ok((get(repository, TagOrDigest::Tag(&tag)).await?, tag)) }.boxed()
        };
        for (read, tag) in few_at_once(AT_ONCE, names.iter().map(ask)).await? {
            self.state.tags.insert(tag, read.digest.clone());
            self.learn(read);
        }
        Ok(())
    }

    /// Reads everything that what was read points at, until nothing is left.
    async fn below(&mut self) -> Result<(), Error> {
        loop {
            let named = self.state.manifests.values().flat_map(|node| node.children.iter().chain(&node.subject));
            let left: BTreeSet<Digest> = named.filter(|digest| self.is_unknown(digest)).cloned().collect();
            if left.is_empty() {
                return Ok(());
            }
            self.fetch(left).await?;
        }
    }

    async fn fetch(&mut self, digests: BTreeSet<Digest>) -> Result<(), Error> {
        let repository = self.repository;
        if self.state.manifests.len() + self.absent.len() + digests.len() > MOST_MANIFESTS {
            let cause = Cause::Protocol(Violation::TooManyEntries { limit: MOST_MANIFESTS });
            return Err(repository.error(Action::GetManifest, repository.place(), cause));
        }
        let ask = |digest: Digest| {
            let (may_be_blob, is_index) = (self.uncertain.contains(&digest), self.indexes.contains(&digest));
            async move {
                match get(repository, TagOrDigest::Digest(&digest)).await {
                    Ok(read) => Ok((digest, Some(read))),
                    Err(error) if error.is_absent() && !is_index => Ok((digest, None)),
                    // Its bytes are what they should be, and are no manifest: it points at nothing.
                    Err(Error::Content { .. }) if may_be_blob && !is_index => Ok((digest, None)),
                    Err(error) => Err(error),
                }
            }
            .boxed()
        };
        for (digest, read) in few_at_once(AT_ONCE, digests.into_iter().map(ask)).await? {
            match read {
                Some(read) => self.learn(read),
                None => drop(self.absent.insert(digest)),
            }
        }
        Ok(())
    }
}

/// A manifest, asked for and let go: of a hundred thousand there is room for what they point at.
async fn get(repository: &Repository, at: TagOrDigest<'_>) -> Result<Read, Error> {
    let manifest = repository.get_manifest(at).await?;
    repository.meter.manifest_budget().release(manifest.bytes.len());
    let such = |is: fn(&Descriptor) -> bool| {
        let named = manifest.children().chain(&manifest.subject);
        named.filter(|named| is(named)).map(|named| named.digest.clone()).collect()
    };
    Ok(Read {
        digest: manifest.digest.clone(),
        node: Node::of(&manifest),
        uncertain: such(|named| !named.is_manifest()),
        indexes: such(|named| is_index_type(&named.media_type)),
    })
}
