//! What must hold for any header and any refusal of a registry, a part of `crate::properties`.

#![allow(clippy::missing_panics_doc, reason = "to panic is what these are for")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use url::{Host, Url};

use crate::credentials::login::Login;
use crate::error::cause::Cause;
use crate::http::retry::{Retry, classify};
use crate::properties::assertions::{assert_safe, assert_sentence};
use crate::secret::{Credential, Secret};
use crate::store::registry::auth::Auth;
use crate::store::registry::auth::known::Scheme;
use crate::store::registry::auth::realm::{self, Trust};
use crate::store::registry::error_response;
use crate::store::registry::paging::next_page;
use crate::store::registry::quirks::is_known_token_service;
use crate::store::registry::retry::{RetryBudget, Timeouts};
use crate::store::registry::server::Server;

fn values<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = HeaderValue> {
    lines.filter_map(|line| HeaderValue::from_bytes(line).ok())
}

/// The first line is a registry's address, the others are its challenges.
///
/// Whatever way they ask for, a credential is shown to nobody but the registry's own token service, over TLS, and nothing
/// inside a network is contacted because somebody outside named it.
pub fn challenge(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(registry) = lines.next().and_then(|line| Url::parse(str::from_utf8(line).ok()?).ok()) else { return };
    if !matches!(registry.scheme(), "http" | "https") {
        return;
    }
    let mut headers = HeaderMap::new();
    for value in values(lines) {
        headers.append(WWW_AUTHENTICATE, value);
    }
    let credential = Credential { username: "ann".to_owned(), password: Secret::new("secret") };
    let auth = Auth::new(
        "registry",
        Arc::new(Server::fixed(registry.clone())),
        Some(Login::given("registry-auth", &credential)),
        None,
        Vec::new(),
    );
    let Some(Scheme::Bearer { realm, service }) = auth.challenge(&headers).map(|asked| asked.scheme) else { return };
    let plain = realm.scheme() == "http";
    let trust = realm::judge(&realm, &registry, &[]);
    if matches!(trust, Trust::Never(_)) {
        return;
    }
    assert!(realm.scheme() == "https" || plain && registry.scheme() == "http", "{realm} is asked without TLS");
    assert!(realm.username().is_empty() && realm.password().is_none(), "{realm} brings a user name of its own");
    let at_home = realm.host() == registry.host();
    assert!(at_home || !is_inside(&realm) || is_inside(&registry), "{registry} made {realm} be contacted");
    if trust == Trust::Own && !at_home {
        let labels = |url: &Url| match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let shared = labels(&realm).iter().zip(labels(&registry)).take_while(|(a, b)| **a == *b).count();
        let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
        let is_known = is_known_token_service(&host(&registry), &host(&realm));
        assert!(!plain && (shared >= 2 || is_known), "{realm} sees the credential of {registry}");
    }
    let asked = crate::store::registry::auth::token::token_address(
        &realm,
        service.as_deref(),
        &["repository:a/b:pull".to_owned()],
    );
    assert_eq!(asked.origin(), realm.origin());
    let scopes: Vec<String> = asked.query_pairs().filter(|(k, _)| k == "scope").map(|(_, v)| v.into_owned()).collect();
    assert_eq!(scopes, ["repository:a/b:pull"], "the registry chose the scope of {asked}");
}

/// Whether only somebody inside a network could mean this address.
fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast()
        }
        Some(Host::Ipv6(v6)) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some_and(|v4| v4.is_private() || v4.is_loopback() || v4.is_link_local())
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Each line is a value of `Link`; after them comes one that names a next page.
///
/// No listing ends early because of what stands before that: the next page is found, or the listing fails.
pub fn link(data: &[u8]) {
    let Ok(current) = Url::parse("https://registry.example/v2/a/b/referrers/sha256:0?n=1") else { return };
    let mut headers = HeaderMap::new();
    for value in values(data.split(|byte| *byte == b'\n')) {
        headers.append(LINK, value);
    }
    let _ = next_page(&headers, &current);
    headers.append(LINK, HeaderValue::from_static("</v2/a/b/next?last=1,2;3>; title=\", <x>\"; rel=\"next\""));
    match next_page(&headers, &current) {
        Ok(Some(_)) => {}
        Ok(None) => panic!("the listing would end here: {headers:?}"),
        Err(problem) => assert_sentence(&problem.to_string(), 300),
    }
    // An address that the first page's server wrote comes out as it went in.
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = current.join(&text)
        && matches!(address.scheme(), "http" | "https")
        && let Ok(value) = HeaderValue::from_str(&format!("<{address}>; rel=next"))
    {
        let headers = HeaderMap::from_iter([(LINK, value)]);
        assert_eq!(next_page(&headers, &current), Ok(Some(address)));
    }
}

/// The first line is a status, the second a `Retry-After`, the third a request's id, the rest a body.
///
/// What a person reads of it is short and safe, a wait is bounded, and nobody sleeps past their patience.
pub fn retry_after(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let status = str::from_utf8(part()).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(429);
    let (header, id, body) = (part(), part(), part());
    let mut headers = HeaderMap::new();
    for (name, value) in [(RETRY_AFTER, header), (HeaderName::from_static("x-request-id"), id)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let refusal = error_response::parse(status, &headers, body, &[]);
    assert_safe(&refusal.message, 400);
    assert_sentence(&refusal.to_string(), 700);
    assert!(refusal.missing.len() <= 50);
    for (text, most) in [(&refusal.code, 60), (&refusal.request_id, 80)] {
        assert_safe(text.as_deref().unwrap_or_default(), most);
    }
    let week = Duration::from_secs(7 * 24 * 3600);
    assert!(refusal.retry_after.is_none_or(|wait| wait <= week));
    if header.len() < 19
        && let Some(seconds) = str::from_utf8(header).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        && let Ok(seconds) = seconds.parse()
    {
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(seconds).min(week)));
    }
    if HeaderValue::from_bytes(header).is_ok()
        && let Some(date) = str::from_utf8(header).ok().and_then(|text| httpdate::parse_http_date(text.trim()).ok())
        && let Ok(until) = date.duration_since(SystemTime::now())
    {
        let wait = refusal.retry_after.unwrap_or_default();
        assert!(wait <= until && wait + Duration::from_secs(60) >= until.min(week), "{wait:?} of {until:?}");
    }
    let cause = Cause::Refused(refusal);
    let verdict = classify(&cause);
    for limit in [Duration::from_secs(3), Duration::from_secs(600)] {
        match RetryBudget::new(&Timeouts::patient(limit)).next(cause.clone(), false) {
            Ok(wait) => {
                assert!(verdict != Retry::Never);
                assert!(wait <= limit + (limit / 4).min(Duration::from_secs(5)), "{wait:?} is more than {limit:?}");
            }
            Err(cause) => assert_sentence(&cause.to_string(), 800),
        }
    }
}
