//! What a registry says is attached to a digest: the referrers API (distribution-spec, "Listing Referrers").
//!
//! Owns telling "there is no such API here" from "the listing failed": only the first may be answered by other means,
//! because a listing that fails must never look like an image without signatures.

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::paging::next_page;
use crate::store::registry::repository::{Purpose, Repository};
use crate::store::registry::send::Request;
use crate::text::sanitise;

/// Pages of one listing, and entries of all its pages: a bound for a server that never ends.
const MOST_PAGES: usize = 100;

const MOST_ENTRIES: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

impl Repository {
    /// Everything that names `subject` as its subject; none where the registry has no referrers API.
    pub async fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, Error> {
        let mut known = Some(self.host.observed.referrers.lock().await);
        match known.as_deref() {
            Some(Some(false)) => return Ok(None),
            Some(Some(true)) => known = None,
            _ => {}
        }
        let failed = |cause| {
            self.error("GET referrers", self.object(crate::store::content::TagOrDigest::Digest(subject)), cause)
        };
        let mut found: Vec<Descriptor> = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{subject}")));
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { return Ok(Some(found)) };
            let mut call = Request::new(Method::GET, url.clone(), self.scopes(), "referrers");
            call.headers.insert(ACCEPT, HeaderValue::from_static(OCI_IMAGE_INDEX_MEDIA_TYPE));
            // GHCR answered with a redirect to its web interface (artifacthub/hub#4785): that is no API.
            call.follow_redirects = false;
            let response = match self.send(&call).await {
                Ok(response) => response,
                Err(Cause::Refused(refusal)) if found.is_empty() && matches!(refusal.status, 300..=399 | 404 | 405) => {
                    // A registry that has listed before has lost this one repository; that is no reason to stop asking.
                    // Nor does a repository that is not there say anything about the others.
                    let absent = refusal.code.as_deref() == Some("NAME_UNKNOWN");
                    if let Some(known) = known.as_deref_mut().filter(|_| !absent) {
                        *known = Some(false);
                    }
                    return Ok(None);
                }
                Err(cause) => return Err(failed(cause)),
            };
            // A web interface that answers every path with its page.
            let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if found.is_empty() && content_type.is_some_and(|value| value.starts_with("text/html")) {
                if let Some(known) = known.as_deref_mut() {
                    *known = Some(false);
                }
                return Ok(None);
            }
            if let Some(mut known) = known.take() {
                *known = Some(true);
            }
            next = next_page(response.headers(), &url).map_err(|violation| failed(Cause::Protocol(violation)))?;
            if next.as_ref().is_some_and(|next| !self.is_home(next)) {
                return Err(failed(Cause::Protocol(Violation::NextPageElsewhere)));
            }
            let bytes = self.small_body(response).await.map_err(failed)?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                failed(Cause::Protocol(Violation::ListingUnreadable(sanitise::line(&error.to_string(), 200))))
            })?;
            found.extend(page.manifests.unwrap_or_default());
            if found.len() > MOST_ENTRIES {
                return Err(failed(Cause::Protocol(Violation::TooManyEntries { limit: MOST_ENTRIES })));
            }
        }
        Err(failed(Cause::Protocol(Violation::TooManyPages { limit: MOST_PAGES })))
    }

    /// What this end's requests need. The scope of the job, not of the single request: one token serves it all.
    pub(crate) fn scopes(&self) -> Scopes {
        match self.purpose {
            Purpose::Read => Scopes::pull(&self.name),
            Purpose::Write => Scopes::push(&self.name),
        }
    }
}
