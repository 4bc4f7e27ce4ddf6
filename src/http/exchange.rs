//! One request and its answer, told to the debug log; a second sending where nothing is heard of the first.
//!
//! Owns what of them is told: method and address, attempt, status, connection, time, and of the headers those that explain what
//! the program does next. Never a query (a signed address is a credential), a user name, a body, a header that is not well-formed.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Extensions;
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::time::{Instant, timeout};
use tracing::{Level, debug};
use url::Url;

use crate::error::cause::{Cause, ConnectionFailure};
use crate::http::challenge;
use crate::http::failure::classify;
use crate::oci::digest::Digest;

/// Sends `request` and waits for the head of the answer.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    if !tracing::enabled!(Level::DEBUG) {
        return request.send().await;
    }
    let (client, request) = request.build_split();
    let request = request?;
    let exchange = Exchange::begin(request.method(), request.url());
    let answer = client.execute(request).await;
    match &answer {
        Ok(response) => exchange.answered(response.status(), response.headers(), response.extensions()),
        Err(error) => exchange.failed(&classify(error)),
    }
    answer
}

tokio::task_local! {
    /// Which attempt the requests that are sent meanwhile belong to.
    static ATTEMPT: u32;
}

/// What `requests` sends is told as this attempt, counted from one.
pub async fn as_attempt<T>(attempt: u32, requests: impl Future<Output = T>) -> T {
    ATTEMPT.scope(attempt, requests).await
}

/// Sends `request` and waits at most `limit` for the head of the answer.
pub async fn answer(request: RequestBuilder, limit: Duration) -> Result<Response, Cause> {
    match timeout(limit, send(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(Cause::Connection { kind: ConnectionFailure::Timeout, detail: format!("{} s", limit.as_secs()) }),
    }
}

/// How long nothing is heard of a request before it is sent once more: longer than a connection may take to come up.
const UNHEARD: Duration = Duration::from_secs(12);

/// Sends a `request` that only reads as [`answer`] does; where nothing is heard of it, `again` is sent beside it, and who answers
/// first has answered.
///
/// Where a server ends an HTTP/2 connection after so many requests, the HTTP library now and then loses one of those that are
/// being handed to it: it is sent nowhere, and waits until the time is over. What is put into tokio's channel in the moment in
/// which that is closed and emptied stays in it as long as there is a sender, and the waiting request is one.
pub async fn answer_of_two(
    request: RequestBuilder,
    again: impl FnOnce() -> Result<RequestBuilder, Cause>,
    limit: Duration,
) -> Result<Response, Cause> {
    let mut first = pin!(answer(request, limit));
    if let Ok(answered) = timeout(UNHEARD, &mut first).await {
        return answered;
    }
    // In a box: it would take room in every request, and hardly one has it.
    let second = Box::pin(answer(again()?, limit));
    match select(first, second).await {
        Either::Left((answered, _)) | Either::Right((answered @ Ok(_), _)) => answered,
        Either::Right((Err(_), first)) => first.await,
    }
}

/// A request under way. Dropped without an answer, it was given up: that is told too.
pub struct Exchange {
    /// Method and address.
    request: String,
    since: Instant,
    is_over: bool,
}

impl Exchange {
    /// To be called when the request is sent.
    pub fn begin(method: &Method, url: &Url) -> Self {
        let again = ATTEMPT.try_with(|attempt| *attempt).ok().filter(|attempt| *attempt > 1);
        let again = again.map_or_else(String::new, |attempt| format!(" (attempt {attempt})"));
        Self { request: format!("{method} {}{again}", address(url)), since: Instant::now(), is_over: false }
    }

    /// The head of the answer is here.
    pub fn answered(mut self, status: StatusCode, headers: &HeaderMap, extensions: &Extensions) {
        let connection = connection(extensions).unwrap_or_default();
        self.end(format_args!("{}{}{connection}", status.as_u16(), described(headers)));
    }

    /// No answer comes, because of `reason`.
    pub fn failed(mut self, reason: &dyn std::fmt::Display) {
        self.end(format_args!("{reason}"));
    }

    fn end(&mut self, how: std::fmt::Arguments<'_>) {
        self.is_over = true;
        debug!("{}: {how} ({} ms)", self.request, self.since.elapsed().as_millis());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(format_args!("no answer, given up"));
        }
    }
}

/// The connection that an answer came over, by the port at this end: what comes over the same one was not connected anew.
fn connection(extensions: &Extensions) -> Option<String> {
    Some(format!(", connection {}", extensions.get::<HttpInfo>()?.local_addr().port()))
}

/// Scheme, host, port and path. A path with anything escaped but a slash is left out: a server may lead to an address
/// that repeats what it was sent, in a spelling that would not be recognised.
fn address(url: &Url) -> String {
    let plain = url.path().replace("%2F", "/");
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._:@".contains(&byte));
    let path = if is_plain { url.path() } else { "/…" };
    format!("{}{path}{}", url.origin().ascii_serialization(), if url.query().is_some() { "?…" } else { "" })
}

/// The headers that explain what happens next, those that are well-formed.
fn described(headers: &HeaderMap) -> String {
    let mut text = String::new();
    let mut add = |name: &HeaderName, value: Option<String>| {
        if headers.contains_key(name) {
            let _ = write!(text, ", {name} {}", value.as_deref().unwrap_or("malformed"));
        }
    };
    let value = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<u64>().ok().map(|number| number.to_string());
    let date = |text: &str| httpdate::parse_http_date(text).ok().map(httpdate::fmt_http_date);
    add(&header::CONTENT_LENGTH, value(&header::CONTENT_LENGTH).and_then(number));
    let digest = HeaderName::from_static("docker-content-digest");
    add(&digest, value(&digest).and_then(|text| text.parse().ok()).map(|digest: Digest| digest.to_string()));
    add(&header::RETRY_AFTER, value(&header::RETRY_AFTER).and_then(|text| number(text).or_else(|| date(text))));
    add(&header::LOCATION, value(&header::LOCATION).and_then(host));
    add(&header::WWW_AUTHENTICATE, value(&header::WWW_AUTHENTICATE).and_then(schemes));
    add(&header::LINK, Some("present".to_owned()));
    text
}

/// The host that a `Location` leads to.
fn host(location: &str) -> Option<String> {
    match Url::parse(location) {
        Ok(url) => Some(format!("at {}", url.host()?)),
        Err(url::ParseError::RelativeUrlWithoutBase) if !location.starts_with("//") => {
            Some("at the same host".to_owned())
        }
        Err(_) => None,
    }
}

/// The schemes that are offered, and the hosts of the token services.
fn schemes(text: &str) -> Option<String> {
    let offered = challenge::parse(text);
    let offered: Vec<String> = offered
        .iter()
        .map(|one| {
            let realm = one.parameter("realm").and_then(|realm| Url::parse(realm).ok());
            let realm = realm.as_ref().and_then(Url::host).map_or_else(String::new, |host| format!(" by {host}"));
            let known = ["Basic", "Bearer", "Digest", "Negotiate", "NTLM"];
            let scheme = known.iter().find(|known| one.is(known)).unwrap_or(&"another scheme");
            format!("{scheme}{realm}")
        })
        .collect();
    (!offered.is_empty()).then(|| offered.join(" or "))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use url::Url;

    use super::{address, described};

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (url, expected) in [
            ("https://ann:hunter2@a.io:5000/v2/b/manifests/1.0", "https://a.io:5000/v2/b/manifests/1.0"),
            ("https://a.io/v2/b/blobs/sha256:00?token=hunter2", "https://a.io/v2/b/blobs/sha256:00?…"),
            ("https://a.io/orgs/o/packages/container/a%2Fb", "https://a.io/orgs/o/packages/container/a%2Fb"),
            ("https://a.io/hunter%202/x", "https://a.io/…"),
            ("https://a.io/hunter=2", "https://a.io/…"),
        ] {
            assert_eq!(address(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn headers_are_shown_that_explain_what_happens_next() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (name, value, expected) in [
            ("content-length", "12", ", content-length 12"),
            ("docker-content-digest", digest.as_str(), &format!(", docker-content-digest {digest}")),
            ("docker-content-digest", "hunter2", ", docker-content-digest malformed"),
            ("retry-after", "7", ", retry-after 7"),
            ("retry-after", "Sat, 28 Nov 2026 12:00:00 GMT", ", retry-after Sat, 28 Nov 2026 12:00:00 GMT"),
            ("retry-after", "hunter2", ", retry-after malformed"),
            ("location", "https://u:hunter2@cdn.io/x?sig=hunter2", ", location at cdn.io"),
            ("location", "/v2/hunter2", ", location at the same host"),
            ("location", "//hunter2/x", ", location malformed"),
            (
                "www-authenticate",
                r#"Bearer realm="https://t.io/token?x=hunter2",service="hunter2""#,
                ", www-authenticate Bearer by t.io",
            ),
            ("www-authenticate", r#"Basic realm="hunter2""#, ", www-authenticate Basic"),
            ("www-authenticate", r#"hunter2 realm="x""#, ", www-authenticate another scheme"),
            ("link", "<https://x/hunter2>; rel=next", ", link present"),
            ("set-cookie", "hunter2", ""),
        ] {
            let headers: HeaderMap =
                [(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())].into_iter().collect();
            assert_eq!(described(&headers), expected, "{name}: {value}");
        }
    }
}
