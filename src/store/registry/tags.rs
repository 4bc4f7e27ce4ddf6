//! Which tags a repository has: one listing instead of many questions (distribution-spec, "Listing Tags").
//!
//! Owns when a listing may be believed, and when it is worth its request. It is a short cut and no more: where it is refused,
//! too long, or may have been cut short, nothing is known and each tag is asked for by itself. Never says that a tag is
//! there; that is for a HEAD. A repository that the registry does not know has most likely no blobs either, which saves a HEAD
//! for each small one. Never says that an attachment is not: what a cache has not fetched yet it does not list
//! (goharbor/harbor#15513, project-zot/zot#4081), so the tags that attachments are found by are asked for one by one.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use reqwest::{Method, Response};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::present;
use crate::store::registry::learned::Tags;
use crate::store::registry::paging::next_page;
use crate::store::registry::quirks::ToldBy;
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::Request;

/// How long blobs wait to hear whether the repository is known.
const SHORT_CUT: Duration = Duration::from_secs(5);

/// Pages that are read: beyond them it is cheaper, and always right, to ask for the tags that matter.
const MOST_PAGES: usize = 4;

/// The largest page that is believed, in bytes: a thousand tags of 128 characters, and again as much. More is a registry that
/// does not page, and a listing that is not worth its memory.
const LARGEST_PAGE: usize = 256 * 1024;

#[derive(Deserialize)]
struct Page {
    // GHCR answers `null` where it has none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// Whether a whole listing of this repository, made once in a run, does not have `tag`. `false` where it has it, and
    /// where nothing is known.
    async fn lacks_tag(&self, tag: &str) -> bool {
        let known = &self.observed.tags;
        known.get_or_init(|| self.all_tags()).await.as_ref().is_some_and(|tags| !tags.contains(tag))
    }

    /// The same as [`Repository::head_manifest`] for one of `count` tags of this repository that a run asks for.
    ///
    /// Where the first is not there, the others most likely are not either, and one listing says so for all that are not under
    /// way by then; where it is there, a listing would be a request too many for a run that changes nothing. Such a run would wait
    /// a round trip for the first: beside it as many are asked for as the registry gets at once in the beginning. Where there are
    /// no more, no listing is worth its request.
    pub async fn head_one_of(&self, count: usize, tag: &str) -> Result<Option<Descriptor>, Error> {
        let ask = || self.head_manifest(TagOrDigest::Tag(tag));
        let at_first = self.host.concurrency.at_first();
        if count <= at_first {
            return ask().await;
        }
        let probe = &self.observed.probe_tag;
        let mut own = None;
        if !probe.initialized() && (1..at_first).contains(&self.observed.probes.fetch_add(1, Relaxed)) {
            match ask().await {
                // It waits for the listing, which is made before anything is written.
                Ok(None) => own = Some(Ok(None)),
                found => return found,
            }
        }
        let absent = probe
            .get_or_init(|| async {
                if own.is_none() {
                    own = Some(ask().await);
                }
                let absent = matches!(own, Some(Ok(None)));
                // Listed before anything is written: in between a repository may be there without a tag.
                if absent {
                    self.lacks_tag(tag).await;
                }
                absent
            })
            .await;
        if let Some(found) = own {
            return found;
        }
        if *absent && self.lacks_tag(tag).await {
            return Ok(None);
        }
        ask().await
    }

    /// Whether the registry did not know this repository when that was first asked, before the first blob was sent. `false`
    /// where nothing is known, and where that says nothing of blobs.
    pub(crate) async fn was_unknown(&self) -> bool {
        let ask = async {
            if self.host.quirks.blobs_are_told != ToldBy::HeadOrTags {
                return false;
            }
            if let Some(listed) = self.observed.tags.get() {
                return listed.as_ref().is_some_and(HashSet::is_empty);
            }
            let mut url = self.url("tags/list");
            url.query_pairs_mut().append_pair("n", "1");
            let asked = timeout(SHORT_CUT.min(self.limits.answer), self.ask_for_tags(&url)).await;
            asked.is_ok_and(|answered| answered.is_err_and(|cause| is_unknown(&cause)))
        };
        *self.observed.was_unknown.get_or_init(|| ask).await
    }

    /// Whether a listing that was made already says that `tag` is not there.
    pub fn is_known_to_lack(&self, tag: &str) -> bool {
        let listed = self.observed.tags.get().and_then(Option::as_ref);
        listed.is_some_and(|tags| !tags.contains(tag))
    }

    /// The manifest under `tag`, by which an attachment is found; none where there is none. Asked for once in a run.
    ///
    /// By HEAD where there is `likely` none, if one has found something in this repository: there are registries whose HEAD
    /// never does, and of them only a GET learns that there is nothing.
    pub async fn find_attachment(&self, tag: &str, likely: bool) -> Result<Option<Manifest>, Error> {
        let at = TagOrDigest::Tag(tag);
        let by_head = !likely && self.observed.heads_find.load(Relaxed);
        let known = self.observed.attachment_tags.entry(tag.into());
        let mut own = None;
        let digest = known
            .get_or_try_init(|| async {
                if by_head {
                    return Ok(self.head_manifest(at).await?.map(|found| found.digest));
                }
                own = present(self.get_manifest(at).await)?;
                Ok::<_, Error>(own.as_ref().map(|found| found.digest.clone()))
            })
            .await?;
        let Some(digest) = digest else { return Ok(None) };
        if own.is_some() {
            return Ok(own);
        }
        match present(self.get_manifest(TagOrDigest::Digest(digest)).await)? {
            Some(manifest) => Ok(Some(manifest)),
            // A registry that knows it by its tag only.
            None => self.get_manifest(at).await.map(Some),
        }
    }

    /// What was written under `tag` is asked for anew by whoever reads it.
    pub(crate) fn forget_attachment(&self, tag: &str) {
        self.observed.attachment_tags.forget(tag);
    }

    /// All tags, where they come in the time that one answer may take: a short cut is not waited for.
    async fn all_tags(&self) -> Tags {
        timeout(self.limits.answer, self.all_pages()).await.ok()?
    }

    /// Once: a short cut is not waited for.
    async fn ask_for_tags(&self, url: &Url) -> Result<Response, Cause> {
        let mut call = Request::new(Method::GET, url.clone(), self.scopes(), "tags");
        call.follow_redirects = false;
        let _permit = self.acquire(call.class, &mut RetryBudget::new(&self.limits)).await;
        self.send_once(&call, 1).await
    }

    async fn all_pages(&self) -> Tags {
        let size = self.host.quirks.tags_per_page;
        let first = |last: Option<&str>| {
            let mut url = self.url("tags/list");
            url.query_pairs_mut().append_pair("n", &size.to_string()).extend_pairs(last.map(|last| ("last", last)));
            url
        };
        let mut url = first(None);
        let mut found = HashSet::new();
        for _ in 0..MOST_PAGES {
            let response = match self.ask_for_tags(&url).await {
                Ok(response) => response,
                // A repository that is not there has no tags.
                Err(cause) => return (is_unknown(&cause) && found.is_empty()).then(HashSet::new),
            };
            let next = next_page(response.headers(), &url).ok()?;
            let bytes = self.small_body(response).await.ok()?;
            // It stays for the run, and is not of this image.
            self.meter.manifest_budget().release(bytes.len());
            if bytes.len() > LARGEST_PAGE {
                return None;
            }
            let page: Page = serde_json::from_slice(&bytes).ok()?;
            let tags = page.tags.unwrap_or_default();
            let last = tags.last().cloned();
            let known = found.len();
            found.extend(tags);
            url = match (next, last) {
                (Some(next), _) => next,
                // The end, asked for by name below.
                (None, None) => return (known > 0).then_some(found),
                // It knows no `last`, and gave the same page once more.
                (None, Some(_)) if found.len() == known => return None,
                (None, Some(last)) if may_be_cut(found.len()) => first(Some(&last)),
                (None, Some(_)) => return Some(found),
            };
            if !self.is_home(&url) {
                return None;
            }
        }
        None
    }
}

/// Whether the registry says that it knows no such repository.
fn is_unknown(cause: &Cause) -> bool {
    cause.refusal().is_some_and(|refusal| refusal.code.as_deref() == Some("NAME_UNKNOWN"))
}

/// Whether a listing of so many tags may be one page of more, from a registry that does not say so: pages are round
/// numbers. Then what comes after its last tag is asked for by name.
fn may_be_cut(count: usize) -> bool {
    count.is_multiple_of(50)
}
