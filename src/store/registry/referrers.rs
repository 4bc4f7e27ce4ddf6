//! What a registry says is attached to a digest: the referrers API (distribution-spec, "Listing Referrers").
//!
//! Owns telling "there is no such API here" from "the listing failed": only the first may be answered by other means,
//! because a listing that fails must never look like an image without signatures. Never takes anything but an OCI index for
//! an answer: there are registries that answer 200 with something else (sigstore/sigstore-js#1187), and registries that
//! refuse what they do not know with 400, 401, 403, 405, 406 or 501 (google/go-containerregistry#1543, #1962;
//! goharbor/harbor#18305).

use std::collections::HashSet;

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::violation::Violation;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::store::content::TagOrDigest;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::health::{GIVEN_UP, Work};
use crate::store::registry::learned::ReferrersApi;
use crate::store::registry::paging::next_page;
use crate::store::registry::repository::{Purpose, Repository};
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::Request;
use crate::text::sanitise;

/// Pages of one listing, and entries of all its pages: a bound for a server that never ends.
const MOST_PAGES: usize = 100;

const MOST_ENTRIES: usize = 10_000;

/// How many new entries of a listing count as progress.
const PACE: usize = 100;

/// The media type of an answer (distribution-spec, "Listing Referrers": the header must be set to it).
const INDEX: &str = OCI_IMAGE_INDEX_MEDIA_TYPE;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    media_type: Option<String>,
    /// None where there is no such field; `null` is how some write an empty list.
    #[serde(default, deserialize_with = "list_or_null")]
    manifests: Option<Vec<Descriptor>>,
}

fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Descriptor>>, D::Error> {
    Option::<Vec<Descriptor>>::deserialize(deserializer).map(|list| Some(list.unwrap_or_default()))
}

/// What came of asking for a page.
enum Answer {
    Page {
        entries: Vec<Descriptor>,
        next: Option<Url>,
    },
    /// There is no such API, in the whole repository or as far as this digest tells.
    NoApi {
        in_repository: bool,
    },
}

impl Repository {
    /// Everything that names `subject` as its subject; none where the repository has no referrers API.
    pub async fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, Error> {
        let failed = |cause| self.error(Action::GetReferrers, self.object(TagOrDigest::Digest(subject)), cause);
        let mut known = Some(self.observed.referrers.lock().await);
        match known.as_deref() {
            Some(ReferrersApi::Absent) => return Ok(None),
            Some(ReferrersApi::Present) => known = None,
            // Those that waited for the one that asked have waited as long as it.
            Some(ReferrersApi::Silent(when, cause)) if when.elapsed() < GIVEN_UP => return Err(failed(cause.clone())),
            Some(ReferrersApi::Silent(..) | ReferrersApi::Unknown) | None => {}
        }
        let mut pace = RetryBudget::new(&self.limits);
        let (mut listed, mut judged) = (0, 0);
        let mut digests = HashSet::new();
        let mut found: Vec<Descriptor> = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{subject}")));
        for number in 0..MOST_PAGES {
            let Some(url) = next.take() else { return Ok(Some(found)) };
            let answer = self.referrers_page(url, number == 0).await.inspect_err(|cause| {
                if let (Some(known), Cause::OutOfPatience { .. }) = (known.as_deref_mut(), cause) {
                    *known = ReferrersApi::Silent(Instant::now(), cause.clone());
                }
            });
            let entries = match answer.map_err(failed)? {
                Answer::Page { entries, next: after } => {
                    next = after;
                    entries
                }
                // A repository that has listed before has lost this one; that is no reason to stop asking.
                Answer::NoApi { in_repository } => {
                    if let Some(known) = known.as_deref_mut().filter(|_| in_repository) {
                        *known = ReferrersApi::Absent;
                    }
                    return Ok(None);
                }
            };
            if let Some(mut known) = known.take() {
                *known = ReferrersApi::Present;
            }
            listed += entries.len();
            // Each once: a registry may say the same over and over.
            found.extend(entries.into_iter().filter(|entry| digests.insert(entry.digest.clone())));
            if listed > MOST_ENTRIES {
                return Err(failed(Cause::Protocol(Violation::TooManyEntries { limit: MOST_ENTRIES })));
            }
            // Pages that bring little, one after the other, keep no run alive.
            if found.len() >= judged + PACE {
                judged = found.len();
                pace.progress();
            }
            if let Some(waited) = pace.is_over() {
                let detail = format!("less than {PACE} entries of the list in that time");
                let last = Box::new(Cause::Connection { kind: ConnectionFailure::Stalled, detail });
                return Err(failed(Cause::OutOfPatience { waited, last }));
            }
        }
        Err(failed(Cause::Protocol(Violation::TooManyPages { limit: MOST_PAGES })))
    }

    /// One page; only of the first something else may come. One that breaks off is asked for again.
    async fn referrers_page(&self, url: Url, is_first: bool) -> Result<Answer, Cause> {
        let mut call = Request::new(Method::GET, url, self.scopes(), "referrers");
        call.headers.insert(ACCEPT, HeaderValue::from_static(INDEX));
        // GHCR answered with a redirect to its web interface (artifacthub/hub#4785): that is no API.
        call.stays_home = true;
        call.work = Work::List;
        let mut budget = RetryBudget::of(&self.limits, Work::List);
        loop {
            let response = match self.send(&call).await {
                Ok(response) => response,
                Err(Cause::Refused(refusal)) if is_first && means_no_api(&refusal) => {
                    return Ok(self.without_api(&refusal));
                }
                Err(Cause::Protocol(Violation::RedirectWithoutLocation | Violation::TooManyRedirects { .. }))
                    if is_first =>
                {
                    return Ok(Answer::NoApi { in_repository: false });
                }
                Err(cause) => return Err(cause),
            };
            // A web interface that answers every path with its page.
            if is_first && is_page(response.headers()) {
                return Ok(Answer::NoApi { in_repository: true });
            }
            match self.read_page(response, is_first).await {
                Err(cause @ Cause::Connection { .. }) => self.pause(&mut budget, cause, "referrers").await?,
                result => return result,
            }
        }
    }

    async fn read_page(&self, response: Response, is_first: bool) -> Result<Answer, Cause> {
        let headers = response.headers().clone();
        let next = next_page(&headers, response.url()).map_err(Cause::Protocol)?;
        if next.as_ref().is_some_and(|next| !self.is_home(next)) {
            return Err(Cause::Protocol(Violation::NextPageElsewhere));
        }
        let bytes = self.small_body(response).await?;
        let is_index = media_type(&headers) == INDEX;
        let unreadable =
            |problem: &str| Cause::Protocol(Violation::ListingUnreadable(sanitise::one_line(problem, 200)));
        let page = match serde_json::from_slice::<Page>(&bytes) {
            Ok(page) => page,
            Err(_) if is_first && !is_index => return Ok(Answer::NoApi { in_repository: false }),
            Err(error) => return Err(unreadable(&error.to_string())),
        };
        match page.manifests {
            // What is listed is found, whatever the list calls itself; that nothing is, only an index proves.
            Some(entries) if is_index || page.media_type.as_deref() == Some(INDEX) || !entries.is_empty() => {
                Ok(Answer::Page { entries, next })
            }
            _ if is_first => Ok(Answer::NoApi { in_repository: false }),
            _ => Err(unreadable("it is no OCI index")),
        }
    }

    /// The refusal for which there is no API. A 401 or 403 leaves open whether there is one: that is said.
    fn without_api(&self, refusal: &ErrorResponse) -> Answer {
        if matches!(refusal.status, 401 | 403) {
            self.meter.warn(format!(
                "{} refuses to list what refers to an image ({refusal}): attachments are looked for under their tags only",
                self.place()
            ));
        }
        // 400 may be of this digest's algorithm; a repository or a manifest that is not there says nothing of others.
        let in_repository = match refusal.status {
            300..=399 | 405 | 406 | 501 => true,
            404 => !matches!(refusal.code.as_deref(), Some("NAME_UNKNOWN" | "MANIFEST_UNKNOWN")),
            _ => false,
        };
        Answer::NoApi { in_repository }
    }

    /// What this end's requests need. The scope of the job, not of the single request: one token serves it all.
    pub(crate) fn scopes(&self) -> Scopes {
        match self.purpose {
            Purpose::Read => Scopes::pull(&self.name),
            Purpose::Write => Scopes::push(&self.name),
        }
    }
}

/// Whether a refusal is how a registry answers that has no referrers API. With a challenge it is a credential that is
/// missing: then nothing is known.
fn means_no_api(refusal: &ErrorResponse) -> bool {
    match refusal.status {
        300..=399 | 400 | 404 | 405 | 406 | 501 => true,
        401 | 403 => !refusal.challenges,
        _ => false,
    }
}

/// Whether an answer is a page for people, whatever was asked for.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    media_type(headers) == "text/html"
}

/// The media type of an answer without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
