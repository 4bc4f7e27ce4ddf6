//! When images were made: what ages, and the newest by time, are told by.
//!
//! Asks for those tags alone that it is given, and for no more than so many: each costs up to three requests, and where pulls
//! are billed a pull or two.

use std::time::SystemTime;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::Error;
use crate::plan::list::tags::Times;
use crate::store::content::TagOrDigest;
use crate::store::registry::repository::Repository;
use crate::store::{Source, created};

/// The most tags of an entry whose times are asked for.
const MOST: usize = 1_000;

/// Tags whose times are asked for at once.
const AT_ONCE: usize = 8;

/// When the image under each tag was made.
pub async fn of(repository: &Repository, tags: &[String]) -> Result<Times, Error> {
    if tags.len() > MOST {
        return Err(Error::Rules {
            object: repository.place(),
            problem: format!(
                "the rules ask for the times of {} tags, and at most {MOST} are asked for; narrow them by patterns or by \
                 `newest`",
                tags.len()
            ),
        });
    }
    let source = Source::Registry(repository.clone());
    let times = tags.iter().map(|tag| {
        let source = &source;
        async move { Ok::<_, Error>((tag.clone(), of_tag(source, tag).await?)) }
    });
    stream::iter(times).buffer_unordered(AT_ONCE).try_collect().await
}

async fn of_tag(source: &Source, tag: &str) -> Result<Option<SystemTime>, Error> {
    let root = source.get_manifest(TagOrDigest::Tag(tag)).await?;
    created::of(source, &root).await
}
