//! All tags of a repository (distribution-spec, "Listing Tags"), for whoever selects among them.
//!
//! Owns that a listing is whole or a failure: a list that was cut short without a word would select other tags than there
//! are. Registries page in their own ways: `Link` relative, absolute or opaque, a page size that is refused or not looked at,
//! `null` for none, the same page again. Never follows a page to another host: the path that it names is asked for at this
//! one, where a registry behind a proxy names its inner address. The short cut that may be cut short is in `tags`.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::oci::reference::{LONGEST_TAG, is_tag};
use crate::store::registry::paging::next_page;
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::Request;
use crate::text::sanitise;

/// Tags of one repository; the largest known ones have some 100,000.
const MOST_TAGS: usize = 500_000;

/// Pages of one listing: of the smallest that registries give, as many as there may be tags.
const MOST_PAGES: usize = 10_000;

/// Pages in a row without a tag that is new: a registry that gives the same page again never ends.
const MOST_EMPTY_PAGES: usize = 3;

/// What is asked for where a registry refuses its usual page (google/go-containerregistry#1963).
const SMALL_PAGE: usize = 100;

/// Pages that are looked through for a tag that may have been meant.
const PAGES_FOR_A_LOOK: usize = 5;

#[derive(Deserialize)]
struct Page {
    // GHCR answers `null` where it has none.
    #[serde(default)]
    tags: Option<Vec<Box<str>>>,
}

/// How many tags are asked for at once.
/// What a look at the tags of a repository has found.
pub enum Look {
    /// Tags, or none.
    Tags(Vec<Box<str>>),
    /// There is no such repository, in the registry's own words.
    NoRepository(String),
    /// Nothing.
    NoAnswer,
}

#[derive(Clone, Copy)]
enum PageSize {
    Of(usize),
    /// As many as the registry likes.
    Any,
}

impl Repository {
    /// Every tag.
    pub async fn list_tags(&self) -> Result<HashSet<Box<str>>, Error> {
        let failed = |cause| self.error(Action::GetTags, self.place(), cause);
        let mut size = PageSize::Of(self.host.quirks.tags_per_page);
        let mut url = self.tags_url(size, None);
        let mut tags: HashSet<Box<str>> = HashSet::new();
        let mut empty = 0;
        for number in 0..MOST_PAGES {
            let (page, next) = match self.tags_page(url.clone()).await {
                Ok(page) => page,
                Err(cause) if tags.is_empty() && refuses_size(&cause) => {
                    let PageSize::Of(asked) = size else { return Err(failed(cause)) };
                    size = if asked > SMALL_PAGE { PageSize::Of(SMALL_PAGE) } else { PageSize::Any };
                    url = self.tags_url(size, None);
                    continue;
                }
                Err(cause) => return Err(failed(cause)),
            };
            let (count, last) = (page.len(), page.last().cloned());
            let known = tags.len();
            // What is longer is no tag and can only be there to fill the memory.
            tags.extend(page.into_iter().filter(|tag| tag.len() <= LONGEST_TAG));
            if tags.len() > MOST_TAGS {
                return Err(failed(Cause::Protocol(Violation::TooManyEntries { limit: MOST_TAGS })));
            }
            empty = if tags.len() == known { empty + 1 } else { 0 };
            url = match (next, last) {
                (Some(next), _) if empty < MOST_EMPTY_PAGES && next != url => next,
                (Some(_), _) => return Err(failed(Cause::Protocol(Violation::TooManyPages { limit: number + 1 }))),
                // It knows no `last`, and gave the same page once more; or there is nothing behind it.
                (None, _) if empty > 0 => return Ok(tags),
                (None, Some(last)) if may_be_cut(count) => self.tags_url(size, Some(&last)),
                (None, _) => return Ok(tags),
            };
        }
        Err(failed(Cause::Protocol(Violation::TooManyPages { limit: MOST_PAGES })))
    }

    /// As many tags as come in so much time, for a person to look among: less than all is no failure, and none is told apart
    /// from no answer.
    pub async fn some_tags(&self, time: Duration) -> Look {
        let until = Instant::now() + time;
        let (mut tags, mut url) = (Vec::new(), self.tags_url(PageSize::Of(self.host.quirks.tags_per_page), None));
        let mut is_answered = false;
        for _ in 0..PAGES_FOR_A_LOOK {
            let page = match tokio::time::timeout_at(until, self.tags_page(url.clone())).await {
                Ok(Ok(page)) => page,
                Ok(Err(Cause::Refused(refusal))) if !is_answered && refusal.is_without_repository() => {
                    return Look::NoRepository(refusal.to_string());
                }
                Ok(Err(_)) | Err(_) => break,
            };
            is_answered = true;
            tags.extend(page.0.into_iter().filter(|tag| is_tag(tag)));
            match page.1 {
                Some(next) if next != url => url = next,
                _ => break,
            }
        }
        if is_answered { Look::Tags(tags) } else { Look::NoAnswer }
    }

    fn tags_url(&self, size: PageSize, last: Option<&str>) -> Url {
        let mut url = self.url("tags/list");
        {
            let mut query = url.query_pairs_mut();
            if let PageSize::Of(count) = size {
                query.append_pair("n", &count.to_string());
            }
            query.extend_pairs(last.map(|last| ("last", last)));
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        url
    }

    /// One page, and where the next one is. One that breaks off is asked for again.
    async fn tags_page(&self, url: Url) -> Result<(Vec<Box<str>>, Option<Url>), Cause> {
        let mut call = Request::new(Method::GET, url, self.scopes(), "tags");
        call.stays_home = true;
        let mut budget = RetryBudget::new(&self.limits);
        loop {
            let response = self.send(&call).await?;
            let next = next_page(response.headers(), &call.url).map_err(Cause::Protocol)?;
            let bytes = match self.small_body(response).await {
                Ok(bytes) => bytes,
                Err(cause @ Cause::Connection { .. }) => {
                    self.pause(&mut budget, cause, "tags").await?;
                    continue;
                }
                Err(cause) => return Err(cause),
            };
            // It is no manifest, and is not kept.
            self.meter.manifest_budget().release(bytes.len());
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                Cause::Protocol(Violation::ListingUnreadable(sanitise::one_line(&error.to_string(), 200)))
            })?;
            return Ok((page.tags.unwrap_or_default(), next.map(|next| self.at_home(&next))));
        }
    }

    /// The same path and query at this registry.
    fn at_home(&self, url: &Url) -> Url {
        let mut home = self.host.base().clone();
        home.set_path(url.path());
        home.set_query(url.query());
        home
    }
}

/// Whether a registry refuses to give so many tags at once.
fn refuses_size(cause: &Cause) -> bool {
    cause.refusal().is_some_and(|refusal| matches!(refusal.status, 400 | 413 | 422))
}

/// Whether so many tags may be one page of more, from a registry that does not say so: pages are round numbers. Then what
/// comes after its last tag is asked for by name.
fn may_be_cut(count: usize) -> bool {
    count > 0 && count.is_multiple_of(50)
}
