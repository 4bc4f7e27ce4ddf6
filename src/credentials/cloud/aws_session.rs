//! A session of an AWS role, which an identity is exchanged for at AWS's Security Token Service.
//!
//! Source: AWS STS API Reference, `AssumeRoleWithWebIdentity`: a request that is not signed.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use tokio::time::Instant;

use crate::credentials::cloud::ask::{Exchange, Question, usable};
use crate::credentials::cloud::leased::mask;
use crate::credentials::cloud::words::between;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ErrorResponse};
use crate::error::login::{Claims, LoginReason, LoginStep};
use crate::error::violation::Violation;
use crate::secret::Secret;

/// The word of AWS's type.
pub const WORD: &str = "aws-ecr";

/// The name that the session has in AWS's own log.
const SESSION_NAME: &str = "mirror-image";

/// How long a session is good that does not say.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A clock that differs by more is no clock.
const MOST_SKEW: Duration = Duration::from_secs(24 * 3600);

/// What requests are signed with.
#[derive(Clone, Debug)]
pub struct Session {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub token: Option<Secret>,
    /// Until when it is good; none where it has no end.
    pub until: Option<Instant>,
    /// How far AWS's clock is ahead of this machine's, or behind it.
    pub clock: Clock,
}

/// The difference between two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// It is not known.
    #[default]
    Unknown,
    /// The other one is ahead.
    Ahead(Duration),
    /// The other one is behind.
    Behind(Duration),
}

impl Clock {
    /// As an answer's date shows it.
    pub fn of(date: Option<SystemTime>) -> Self {
        match date.map(|date| date.duration_since(SystemTime::now())) {
            Some(Ok(ahead)) if ahead < MOST_SKEW => Self::Ahead(ahead),
            Some(Err(behind)) if behind.duration() < MOST_SKEW => Self::Behind(behind.duration()),
            _ => Self::Unknown,
        }
    }

    /// What the other clock shows now.
    pub fn now(self) -> SystemTime {
        let now = SystemTime::now();
        match self {
            Self::Unknown => Some(now),
            Self::Ahead(by) => now.checked_add(by),
            Self::Behind(by) => now.checked_sub(by),
        }
        .unwrap_or(now)
    }
}

/// How long from `date`, or from now, until a time that is written as RFC 3339 has it.
pub fn lifetime(expiration: &str, date: Option<SystemTime>) -> Option<Duration> {
    let until = humantime::parse_rfc3339(expiration.trim()).ok()?;
    until.duration_since(date.unwrap_or_else(SystemTime::now)).ok()
}

/// Exchanges an identity for a session of `role`.
pub async fn assume(
    (region, domain): (&str, &str),
    role: &str,
    (identity, claims): (&Secret, &Claims),
    exchange: &Exchange<'_>,
) -> Result<Session, Box<LoginFailure>> {
    let question = Question::to(WORD, LoginStep::Exchange, Method::POST, &format!("https://sts.{region}.{domain}/"))?
        .form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", SESSION_NAME),
            ("WebIdentityToken", identity.expose()),
        ])
        .hiding(&[identity])
        .showing(claims)
        .judged(judge);
    let answer = question.ask(exchange).await?;
    let text = String::from_utf8_lossy(&answer.body);
    let part = |name: &str| match between(&text, name).filter(|part| !part.is_empty()) {
        Some(part) => usable(part, &question),
        None => Err(question.failed(Cause::Protocol(Violation::TokenMissing))),
    };
    let (secret_access_key, token) = (part("SecretAccessKey")?, part("SessionToken")?);
    mask(exchange, &secret_access_key);
    mask(exchange, &token);
    let lifetime = between(&text, "Expiration").and_then(|until| lifetime(until, answer.date)).unwrap_or(LIFETIME);
    Ok(Session {
        access_key_id: part("AccessKeyId")?.expose().to_owned(),
        secret_access_key,
        token: Some(token),
        until: Instant::now().checked_add(lifetime),
        clock: Clock::of(answer.date),
    })
}

/// AWS answers the same for a role that is not there and for one that does not trust the identity.
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.code.as_deref() {
        Some("AccessDenied") => LoginReason::Identity,
        Some("InvalidIdentityToken" | "ValidationError") => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Clock, lifetime};

    #[test]
    fn times_are_told_by_the_services_clock() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(lifetime("2001-09-09T02:46:40Z", Some(date)), Some(Duration::from_secs(3600)));
        assert_eq!(lifetime("2001-09-09T00:46:40Z", Some(date)), None);
        assert_eq!(lifetime("soon", None), None);
        let hour = Duration::from_secs(3600);
        let Clock::Behind(by) = Clock::of(Some(SystemTime::now() - hour)) else { panic!("behind") };
        assert!(by >= hour);
        assert!(Clock::Behind(by).now() <= SystemTime::now() - hour + Duration::from_secs(60));
        assert_eq!(Clock::of(None), Clock::Unknown);
    }
}
