//! What a registry says is attached to a digest: the referrers API (distribution-spec, "Listing Referrers").
//!
//! Owns telling "there is no such API here" from "the listing failed": only the first may be answered by other means,
//! because a listing that fails must never look like an image without signatures.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LINK};
use serde::Deserialize;
use url::Url;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::store::registry::auth::Scopes;
use crate::store::registry::send::Call;
use crate::store::registry::{Purpose, Repository};
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
        let mut known = Some(self.host.learned.referrers.lock().await);
        match known.as_deref() {
            Some(Some(false)) => return Ok(None),
            Some(Some(true)) => known = None,
            _ => {}
        }
        let failed = |cause| {
            self.error("GET referrers", self.object(crate::store::registry::manifests::At::Digest(subject)), cause)
        };
        let mut found: Vec<Descriptor> = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{subject}")));
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { return Ok(Some(found)) };
            let mut call = Call::new(Method::GET, url.clone(), self.scopes(), "referrers");
            call.headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
            // GHCR answered with a redirect to its web interface (artifacthub/hub#4785): that is no API.
            call.follows = false;
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
            next = next_page(response.headers(), &url).map_err(|problem| failed(Cause::Protocol(problem)))?;
            if next.as_ref().is_some_and(|next| !self.is_home(next)) {
                return Err(failed(Cause::Protocol("its next page is on another host".to_owned())));
            }
            let bytes = self.small_body(response).await.map_err(failed)?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                failed(Cause::Protocol(sanitise::line(&format!("the listing cannot be read: {error}"), 200)))
            })?;
            found.extend(page.manifests.unwrap_or_default());
            if found.len() > MOST_ENTRIES {
                return Err(failed(Cause::Protocol(format!("the listing has more than {MOST_ENTRIES} entries"))));
            }
        }
        Err(failed(Cause::Protocol(format!("the listing has more than {MOST_PAGES} pages"))))
    }

    /// What this end's requests need. The scope of the job, not of the single request: one token serves it all.
    pub(crate) fn scopes(&self) -> Scopes {
        match self.purpose {
            Purpose::Read => Scopes::pull(&self.name),
            Purpose::Write => Scopes::push(&self.name),
        }
    }
}

/// The address of the next page: `Link: <…>; rel="next"` (RFC 8288), relative or absolute; none on the last page.
///
/// A next page that is named and cannot be asked for is an error: taken for none, it would cut the list short.
pub(crate) fn next_page(headers: &HeaderMap, current: &Url) -> Result<Option<Url>, String> {
    for value in headers.get_all(LINK) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut rest = value.as_ref();
        while let Some((address, after)) = rest.split_once('<').and_then(|(_, link)| link.split_once('>')) {
            let (parameters, others) = split_unquoted(after, ',');
            if is_next(parameters) {
                let problem = |_| format!("its next page has no address: `{}`", sanitise::line(address, 200));
                return current.join(address).map(Some).map_err(problem);
            }
            rest = others;
        }
    }
    Ok(None)
}

/// Whether a link's parameters say `rel=next`, among other relations perhaps.
fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, others) = split_unquoted(parameters, ';');
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if key.trim().eq_ignore_ascii_case("rel") {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        parameters = others;
    }
    false
}

/// `text` before and after the first `separator` that is in no quoted string.
fn split_unquoted(text: &str, separator: char) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => return (&text[..at], &text[at + separator.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, LINK};
    use url::Url;

    use super::next_page;

    #[test]
    fn the_next_page_is_found_in_every_form_of_link() {
        let current = Url::parse("https://r.example/v2/a/referrers/sha256:0?n=1").unwrap();
        for (link, expected) in [
            ("</v2/a/x?last=b>; rel=\"next\"", Some("https://r.example/v2/a/x?last=b")),
            ("<https://r.example/y>; rel=next", Some("https://r.example/y")),
            ("</p>; rel=\"prev\", </n>; title=\"t\"; rel=\"next\"", Some("https://r.example/n")),
            ("</n?last=1,2;3>; rel=next", Some("https://r.example/n?last=1,2;3")),
            ("</p>; title=\"a, b; rel=next\", </n>;REL = \"last NEXT\"", Some("https://r.example/n")),
            ("</p>; title=\"a \\\", <x>; rel=next\"; rel=prev", None),
            ("<x>; rel=\"prev\"", None),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]);
            let found = next_page(&headers, &current).expect(link);
            assert_eq!(found.map(String::from).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn a_next_page_that_cannot_be_asked_for_does_not_end_the_list() {
        let current = Url::parse("https://r.example/v2/a/referrers/sha256:0").unwrap();
        let mut headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static("<https://[x]/>; rel=next"))]);
        assert_eq!(next_page(&headers, &current), Err("its next page has no address: `https://[x]/`".to_owned()));
        headers.insert(LINK, HeaderValue::from_bytes(b"</n>; title=\"\xff\"; rel=next").unwrap());
        assert_eq!(next_page(&headers, &current).unwrap().map(String::from).as_deref(), Some("https://r.example/n"));
    }
}
