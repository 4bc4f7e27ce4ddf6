//! What a repository has in place of the tag that is not there, and which repository was meant in place of one that is not.
//!
//! Owns that this is found out on failure only, once for each repository and run, in bounded time, and that not finding it
//! out is no failure. Of repositories it names only those that the run reads too: no registry tells of the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::job::Job;
use crate::error::cause::Instead;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::Purpose;
use crate::store::registry::tag_list::Look;
use crate::sync::OnceMap;
use crate::text::nearest::{alike, nearest};

/// How long the tags of a repository are worth for a hint.
const LONGEST: Duration = Duration::from_secs(10);

/// Tags that are named.
const NAMED: usize = 3;

/// What is known of names in place of those that are not there.
#[derive(Default)]
pub struct Near {
    /// The tags of the repositories that were asked for theirs.
    tags: OnceMap<String, Look>,
    /// The repositories that the run reads.
    repositories: BTreeSet<String>,
}

impl Near {
    /// Nothing is asked yet.
    pub fn new(jobs: &[Job]) -> Self {
        let mut repositories = BTreeSet::new();
        // One by one: what is collected is all held at first, and ten thousand images may be of one repository.
        repositories.extend(jobs.iter().filter_map(|job| job.end(Side::Source)).map(Reference::name));
        Self { tags: OnceMap::default(), repositories }
    }

    /// `error`, with what may have been meant where it is about a name that is not there.
    pub async fn told(&self, registries: &Registries, meter: &Arc<Meter>, error: Error) -> Error {
        // What a mirror lacks, the registry itself may have.
        if !meter.sites().is_empty() {
            return error;
        }
        if let Some(repository) = error.absent_repository() {
            let near = self.repository(repository);
            return error.with_instead(Instead::NoRepository { answer: None, near });
        }
        let Some((repository, tag)) = error.absent_tag() else { return error };
        let asked = self.tags.entry(repository.name());
        let instead = match asked.get_or_init(|| tags(registries, meter, repository)).await {
            Look::Tags(tags) => match alike(tag, tags.iter().map(AsRef::as_ref), NAMED) {
                near if near.is_empty() => Instead::NoTag,
                near => Instead::Tags(near),
            },
            Look::NoRepository(answer) => {
                Instead::NoRepository { answer: Some(answer.clone()), near: self.repository(repository) }
            }
            Look::NoAnswer => Instead::Unknown,
        };
        error.with_instead(instead)
    }

    /// The repository of the same registry that may have been meant.
    fn repository(&self, absent: &Reference) -> Option<String> {
        let name = absent.name();
        let host = format!("{}/", absent.registry());
        let others = self.repositories.iter().filter(|other| **other != name && other.starts_with(&host));
        nearest(&name, others.map(String::as_str)).map(str::to_owned)
    }
}

async fn tags(registries: &Registries, meter: &Arc<Meter>, repository: &Reference) -> Look {
    match registries.open(Side::Source, repository, Purpose::Read, Arc::clone(meter)) {
        Ok(opened) => opened.some_tags(LONGEST).await,
        Err(_) => Look::NoAnswer,
    }
}
