//! What is common to the answers of registries and of the services that log in to them: how a secret is sent, how long to wait,
//! what of a server's words may be shown.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::secret::Secret;
use crate::text::sanitise;

/// The longest wait that is believed: more than any patience, and nothing that arithmetic could trip over.
pub const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A header that no log of the HTTP library shows.
pub fn secret_header(value: &Secret) -> Result<HeaderValue, Cause> {
    let mut header = HeaderValue::from_str(value.expose()).map_err(|_| Cause::Protocol(Violation::HeaderUnsafe))?;
    header.set_sensitive(true);
    Ok(header)
}

/// What a server says, at most `limit` of it, without `secrets`: servers and proxies repeat requests in their errors.
pub fn words_of_server<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>, limit: usize) -> String {
    // First whole, because what is dropped may have parted a secret; then without it; then cut.
    let text = sanitise::one_line(text, usize::MAX);
    sanitise::one_line(&secrets.into_iter().fold(text, |text, secret| secret.hide(&text)), limit)
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3). A date is by the server's clock, which the answer's
/// own `Date` tells; ours may be another.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default().min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

    use super::retry_after;

    #[test]
    fn a_wait_is_found_in_the_header() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (header, expected) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(header));
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs()), expected, "{header}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 10:00:00 GMT"));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 10:00:05 GMT"));
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(5)), "by the server's clock");
    }
}
