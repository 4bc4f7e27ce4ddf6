//! What is worth another attempt, and when that is made.
//!
//! Owns the one set of failures that pass, and the one back-off, for registries and for the services that log in to them. How
//! long to go on is decided by those who ask.

use std::time::Duration;

use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};

/// A wait longer than this is said in the log.
pub const WORTH_SAYING: Duration = Duration::from_secs(3);

/// How often a host that has never answered is tried: a mistyped name must not cost minutes.
pub const ATTEMPTS_NEVER_ANSWERED: u32 = 3;

/// The wait when GitHub's secondary limit names none: two minutes have worked where seconds have not.
const SECONDARY_LIMIT: Duration = Duration::from_secs(120);

/// The first back-off of our own, and the shortest wait: GHCR names microseconds, which from all sides at once would be a
/// hammer.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(500);

/// The longest back-off of our own.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// The same where a limit on the rate was met: requests are let in again as time passes, and whoever sleeps longer than it
/// takes leaves some of them to nobody.
const LONGEST_AT_A_LIMIT: Duration = Duration::from_secs(2);

/// What to do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would fail the same way.
    Never,
    /// Again after the server's wait, or after a back-off.
    Backoff,
    /// The server sheds load: again, after minutes if it names no time, and with less at once.
    Throttled,
}

/// Judges a failure. Codes decide before statuses, because proxies and registries disagree about statuses.
pub fn classify(cause: &Cause) -> Retry {
    match cause {
        Cause::Refused(refusal) => classify_response(refusal),
        Cause::Token { refusal, .. } | Cause::Elsewhere { failure: refusal, .. } => classify(refusal),
        Cause::Connection { kind: ConnectionFailure::Tls(_), .. }
        | Cause::Login(_)
        | Cause::Protocol(_)
        | Cause::OutOfPatience { .. } => Retry::Never,
        Cause::Interrupted(_) | Cause::Connection { .. } => Retry::Backoff,
    }
}

fn classify_response(refusal: &ErrorResponse) -> Retry {
    match refusal.status {
        _ if refusal.is_quota() => Retry::Never,
        _ if refusal.sheds_load() => Retry::Throttled,
        408 | 425 | 499 | 500 | 502 | 504 | 520..=527 => Retry::Backoff,
        _ => Retry::Never,
    }
}

/// How long the server says to wait after `cause`: not at all is said by those that do not know.
pub fn told(cause: &Cause) -> Option<Duration> {
    let wait = cause.refusal()?.retry_after.filter(|wait| !wait.is_zero())?;
    Some(wait.max(SHORTEST_BACKOFF))
}

/// For how long nobody should ask the server anything after `cause`: as it says itself, or for a moment where it limits the
/// rate and names no time, because what comes at once is refused too.
pub fn rest(cause: &Cause) -> Option<Duration> {
    let limits_rate = cause.refusal().is_some_and(ErrorResponse::limits_rate);
    told(cause).or(limits_rate.then_some(SHORTEST_BACKOFF))
}

/// How long to wait after `cause`, when so many attempts have failed, without what [`spread`] adds.
pub fn pause(cause: &Cause, attempts: u32) -> Duration {
    if let Some(wait) = told(cause) {
        return wait;
    }
    let own = backoff(attempts);
    match cause.refusal() {
        Some(refusal) if refusal.status == 403 => SECONDARY_LIMIT,
        Some(refusal) if refusal.status == 429 => own.min(LONGEST_AT_A_LIMIT),
        _ => own,
    }
}

/// `wait`, and up to a quarter more, so that many waiters do not come back as one.
pub fn spread(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness the wait is merely not spread.
    let _ = getrandom::getrandom(&mut byte);
    wait + wait.mul_f64(f64::from(byte[0]) / 1024.0).min(Duration::from_secs(5))
}

/// The first one, doubled each time.
fn backoff(attempt: u32) -> Duration {
    SHORTEST_BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::{Retry, classify};
    use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse, TlsFailure};
    use crate::error::violation::Violation;

    fn refused(status: u16, message: &str) -> Cause {
        Cause::Refused(ErrorResponse { status, message: message.to_owned(), ..ErrorResponse::default() })
    }

    fn broken(kind: ConnectionFailure) -> Cause {
        Cause::Connection { kind, detail: String::new() }
    }

    #[test]
    fn what_is_tried_again() {
        for (cause, expected) in [
            (refused(429, ""), Retry::Throttled),
            (refused(503, "Egress is over the account limit"), Retry::Throttled),
            (
                refused(403, "permission_denied: … You have exceeded a secondary rate limit. Please wait"),
                Retry::Throttled,
            ),
            (refused(403, "API rate limit exceeded for installation"), Retry::Throttled),
            (refused(403, "permission_denied: write_package"), Retry::Never),
            (refused(429, "You have reached your unauthenticated pull rate limit."), Retry::Never),
            (refused(500, ""), Retry::Backoff),
            (refused(502, ""), Retry::Backoff),
            (refused(522, ""), Retry::Backoff),
            (refused(404, ""), Retry::Never),
            (refused(401, ""), Retry::Never),
            (broken(ConnectionFailure::Tls(TlsFailure::Certificate)), Retry::Never),
            (broken(ConnectionFailure::Broken), Retry::Backoff),
            (Cause::Protocol(Violation::WebPage), Retry::Never),
        ] {
            assert_eq!(classify(&cause), expected, "{cause:?}");
        }
    }
}
