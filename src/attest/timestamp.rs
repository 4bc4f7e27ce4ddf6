//! The time at which a signature was there, by a timestamp authority (RFC 3161).
//!
//! Never reads a time: whoever verifies the signature does.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use url::Url;

use crate::credentials::cloud::ask::{Exchange, Question};
use crate::error::cause::{Cause, LoginFailure};
use crate::error::login::{LoginStep, SIGSTORE};
use crate::error::violation::Violation;

/// `TimeStampReq` up to the hash: version 1, and what is hashed with SHA-256.
const BEFORE: [u8; 24] = [
    0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
    0x01, 0x05, 0x00, 0x04, 0x20,
];

/// The same behind it: the authority's certificate is wanted too.
const BEHIND: [u8; 3] = [0x01, 0x01, 0xff];

/// The answer about `signature`, as it is stored.
pub(super) async fn of(
    authority: &Url,
    signature: &[u8],
    exchange: &Exchange<'_>,
) -> Result<Vec<u8>, Box<LoginFailure>> {
    let mut question = Question::new(SIGSTORE, LoginStep::Timestamp, Method::POST, authority.clone());
    question.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/timestamp-query"));
    question.headers.insert(ACCEPT, HeaderValue::from_static("application/timestamp-reply"));
    let hash = ring::digest::digest(&ring::digest::SHA256, signature);
    question.body = [&BEFORE[..], hash.as_ref(), &BEHIND].concat();
    let answer = question.ask(exchange).await?.body;
    if is_granted(&answer) {
        return Ok(answer);
    }
    Err(question.failed(Cause::Protocol(Violation::Unsigned("a timestamp"))))
}

/// Whether a `TimeStampResp` says so: its status is 0, or 1 for one that is not quite what was asked for.
fn is_granted(answer: &[u8]) -> bool {
    let inside = |bytes: &'_ [u8]| match bytes {
        [0x30, long, ..] if *long > 0x80 => Some(2 + usize::from(long & 0x7f)),
        [0x30, _, ..] => Some(2),
        _ => None,
    };
    let status = inside(answer).and_then(|from| answer.get(from..));
    let status = status.and_then(|status| status.get(inside(status)?..));
    matches!(status, Some([0x02, 0x01, 0 | 1, ..]))
}

#[cfg(test)]
mod tests {
    use super::is_granted;

    #[test]
    fn only_an_answer_that_grants_a_timestamp_is_one() {
        for (answer, granted) in [
            (&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00][..], true),
            (&[0x30, 0x82, 0x01, 0x05, 0x30, 0x03, 0x02, 0x01, 0x01], true),
            (&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02], false),
            (&[0x30, 0xff, 0x30], false),
            (b"<html>", false),
            (&[], false),
        ] {
            assert_eq!(is_granted(answer), granted, "{answer:?}");
        }
    }
}
