//! What a registry says when it says no.
//!
//! Owns reading an error answer: the specification's JSON, GHCR's waits hidden in a sentence, pages of a proxy. Pure
//! but for reading a bounded body. Everything taken from it is sanitised, and what was sent as a secret is taken out:
//! servers and proxies repeat requests in their errors.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::error::cause::ErrorResponse;
use crate::http::body::BoundedBody;
use crate::http::message::{LONGEST_WAIT, retry_after, words_of_server};
use crate::oci::digest::Digest;
use crate::secret::Secret;
use crate::store::registry::quota::has_no_pulls;

/// How much of an error body is read.
const LARGEST_BODY: usize = 64 * 1024;

/// How long a body is read at most: what it says is worth no more.
const LONGEST_READING: Duration = Duration::from_secs(10);

/// How much of a registry's sentence is shown.
const LONGEST_MESSAGE: usize = 400;

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    detail: serde_json::Value,
}

/// Token services answer in their own shapes: `{"details": "…"}`, `{"error": …, "error_description": …}`.
#[derive(Deserialize)]
struct Loose {
    #[serde(alias = "details", alias = "error_description", alias = "error")]
    message: String,
}

/// Reads the refusal out of an answer to a request that carried `secrets` and was to be answered within `limit`.
pub(crate) async fn read(response: Response, secrets: &[Secret], limit: Duration) -> ErrorResponse {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut pieces = BoundedBody::new(reqwest::Body::from(response), LARGEST_BODY);
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(piece)) = pieces.next().await {
            body.extend_from_slice(&piece);
        }
    };
    // A body that breaks off or does not end says no more than the status does.
    let _ = tokio::time::timeout(limit.min(LONGEST_READING), read).await;
    parse(status, &headers, &body, secrets)
}

pub(crate) fn parse(status: u16, headers: &HeaderMap, body: &[u8], secrets: &[Secret]) -> ErrorResponse {
    let safe = |text: &str, limit| words_of_server(text, secrets, limit);
    let request_id = request_id(headers).map(|id| safe(id, 80));
    let challenges = headers.contains_key(WWW_AUTHENTICATE);
    let has_no_pulls = has_no_pulls(headers);
    let mut refusal = ErrorResponse { status, request_id, challenges, has_no_pulls, ..ErrorResponse::default() };
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(body) {
        let mut messages = Vec::new();
        for entry in envelope.errors.iter().take(50) {
            if refusal.code.is_none() {
                refusal.code = entry.code.as_deref().map(|code| safe(code, 60)).filter(|code| !code.is_empty());
            }
            if let Some(digest) = missing_digest(&entry.detail) {
                refusal.missing.push(digest);
            }
            if let Some(message) = &entry.message
                && !messages.contains(message)
            {
                messages.push(message.clone());
            }
        }
        refusal.message = messages.join("; ");
    } else if let Ok(loose) = serde_json::from_slice::<Loose>(body) {
        refusal.message = loose.message;
    } else {
        let text = String::from_utf8_lossy(body);
        // A proxy's or a status page: its markup says nothing to a reader.
        refusal.message = if text.trim_start().starts_with('<') {
            "a web page, not a registry's answer".to_owned()
        } else {
            text.into_owned()
        };
    }
    refusal.retry_after = retry_after(headers, SystemTime::now()).or_else(|| wait_in(&refusal.message));
    refusal.message = safe(&refusal.message, LONGEST_MESSAGE);
    refusal
}

fn request_id(headers: &HeaderMap) -> Option<&str> {
    ["x-github-request-id", "x-request-id", "x-amzn-requestid", "docker-request-id"]
        .iter()
        .find_map(|name| headers.get(*name))
        .and_then(|value| value.to_str().ok())
}

/// `MANIFEST_BLOB_UNKNOWN` names the digest as `detail`, as `detail.digest` or as `detail.Digest`.
fn missing_digest(detail: &serde_json::Value) -> Option<Digest> {
    let text = detail.as_str().or_else(|| ["digest", "Digest"].iter().find_map(|key| detail.get(*key)?.as_str()))?;
    text.parse().ok()
}

/// GHCR tells its wait in the sentence only: `retry-after: 10.305464ms, allowed: 2000/minute`, a Go duration
/// (chainguard-images/images#173).
fn wait_in(message: &str) -> Option<Duration> {
    let start = message.to_ascii_lowercase().find("retry-after:")? + "retry-after:".len();
    let rest = message.get(start..)?.trim_start();
    let end = rest.find([',', ' ', ';']).unwrap_or(rest.len());
    go_duration(rest.get(..end)?)
}

/// A Go duration: `1m2s`, `10.3ms`, `150µs`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match rest.get(..unit_end)? {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number * seconds;
        rest = rest.get(unit_end..)?;
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty()).map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue};

    use super::{LONGEST_MESSAGE, go_duration, parse, read};
    use crate::secret::Secret;

    #[test]
    fn go_durations_are_read_and_nonsense_is_not() {
        for (text, expected) in [
            ("10.305464ms", Some(Duration::from_nanos(10_305_464))),
            ("1m2s", Some(Duration::from_secs(62))),
            ("150µs", Some(Duration::from_micros(150))),
            ("1h0m0.5s", Some(Duration::from_millis(3_600_500))),
            ("", None),
            ("5", None),
            ("s", None),
            ("99999999999999999999999h", None),
        ] {
            assert_eq!(go_duration(text), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_read_for_as_long_as_the_request_allows() {
        let piece = || Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(b"no"));
        let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(piece(), move |next| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Some((next, piece()))
        }));
        let response = http::Response::builder().status(403).body(body).unwrap();
        let started = tokio::time::Instant::now();
        let refusal = read(response.into(), &[], Duration::from_secs(2)).await;
        assert_eq!((refusal.status, refusal.message.as_str()), (403, "nononononono"));
        assert_eq!(started.elapsed(), Duration::from_secs(2), "by a clock that moves only where nothing else does");
    }

    #[test]
    fn a_wait_is_found_in_the_sentence() {
        let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"retry-after: 2s, allowed: 2000/minute"}]}"#;
        let refusal = parse(429, &HeaderMap::new(), body, &[]);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(refusal.code.as_deref(), Some("TOOMANYREQUESTS"));
    }

    #[test]
    fn every_shape_of_body_gives_one_safe_sentence() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let unknown = format!(
            r#"{{"errors":[{{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":{{"digest":"{digest}"}}}},
                {{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":"{digest}"}}]}}"#
        );
        let refusal = parse(400, &HeaderMap::new(), unknown.as_bytes(), &[]);
        assert_eq!(refusal.missing.len(), 2);
        assert_eq!(refusal.message, "blob unknown");
        for (body, expected) in [
            ("<html><h1>502</h1>", "a web page, not a registry's answer"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            ("slow down\n", "slow down"),
            ("", ""),
        ] {
            assert_eq!(parse(502, &HeaderMap::new(), body.as_bytes(), &[]).message, expected);
        }
        assert!(!parse(400, &HeaderMap::new(), b"::set-output name=x::y", &[]).message.starts_with("::"));
    }

    #[test]
    fn what_was_sent_is_not_repeated_not_even_in_part() {
        let secrets = [Secret::new("hunter2-hunter2")];
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("of-hunter2-hunter2"));
        let body = r#"{"errors":[{"code":"BAD hunter2-hunter2","message":"no hunter2-hunter2 here"}]}"#;
        let refusal = parse(400, &headers, body.as_bytes(), &secrets);
        assert_eq!(refusal.to_string(), "400 BAD ***: no *** here (request of-***)");
        // The limit falls into the middle of it.
        let long = format!("{}hunter2-hunter2", "x".repeat(LONGEST_MESSAGE - 10));
        let refusal = parse(400, &headers, long.as_bytes(), &secrets);
        assert!(!refusal.message.contains("hunter"), "{}", refusal.message);
    }
}
