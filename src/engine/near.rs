//! Which tags a repository has in place of the one that is not there.
//!
//! Owns that this is found out on failure only, once for each repository and run, in bounded time, and that not finding it
//! out is no failure.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::store::registry::registries::Registries;
use crate::store::registry::repository::Purpose;
use crate::sync::OnceMap;
use crate::text::nearest::alike;

/// How long the tags of a repository are worth for a hint.
const LONGEST: Duration = Duration::from_secs(10);

/// Tags that are named.
const NAMED: usize = 3;

/// The tags of the repositories that were asked for theirs.
#[derive(Default)]
pub struct NearTags(OnceMap<String, Vec<Box<str>>>);

impl NearTags {
    /// `error`, with the tags that may have been meant where it is about one that is not there.
    pub async fn told(&self, registries: &Registries, meter: &Arc<Meter>, error: Error) -> Error {
        let Some((repository, tag)) = error.absent_tag() else { return error };
        // What a mirror lacks, the registry itself may have.
        if !meter.sites().is_empty() {
            return error;
        }
        let asked = self.0.entry(repository.name());
        let tags = asked.get_or_init(|| tags(registries, meter, repository)).await;
        let near = alike(tag, tags.iter().map(AsRef::as_ref), NAMED);
        error.with_near(near)
    }
}

async fn tags(registries: &Registries, meter: &Arc<Meter>, repository: &Reference) -> Vec<Box<str>> {
    match registries.open(Side::Source, repository, Purpose::Read, Arc::clone(meter)) {
        Ok(opened) => opened.some_tags(LONGEST).await,
        Err(_) => Vec::new(),
    }
}
