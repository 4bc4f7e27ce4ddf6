//! What kind of failure it is, in one word and in a few: for a headline, and for a row among many.
//!
//! Owns which failures are told together because the cause is the same. The whole sentence is the error's own.

use serde::Serialize;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure, TlsFailure};
use crate::error::failure::Failure;
use crate::error::login::SIGSTORE;
use crate::text::sanitise::one_line;

/// Characters of a few words; the whole is in the failure's sentence.
const FEW: usize = 120;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Access was refused.
    Denied,
    /// There is no such repository, tag or digest.
    Absent,
    /// The image has no such platform.
    Platform,
    /// Too much was asked for.
    Throttled,
    /// No answer came.
    Unreachable,
    /// The registry fails: 500 and above.
    Failing,
    /// The registry refused for another reason.
    Refused,
    /// The answer breaks the specification or a rule of this program.
    Unusable,
    /// Content is not what its digest or descriptor says.
    Broken,
    /// It is larger than it may be.
    TooLarge,
    /// The source is not the digest that was expected.
    Unexpected,
    /// The source is not signed as a policy wants.
    Unsigned,
    /// The rules of a list and what the repository has do not agree.
    Rules,
    /// The target's tag is another digest, and is to stay.
    Conflict,
    /// `verify` found the two sides different.
    Different,
    /// The run was cancelled.
    Cancelled,
    /// An input is of no use.
    Input,
    /// Something on this machine.
    Local,
}

impl Kind {
    /// How it is said after a number: `2 denied`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Absent => "absent",
            Self::Platform => "without the platform",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Failing => "failing registry",
            Self::Refused => "refused",
            Self::Unusable => "unusable answer",
            Self::Broken => "broken",
            Self::TooLarge => "too large",
            Self::Unexpected => "not the expected digest",
            Self::Unsigned => "not signed as wanted",
            Self::Rules => "against its rules",
            Self::Conflict => "in conflict",
            Self::Different => "different",
            Self::Cancelled => "cancelled",
            Self::Input => "bad input",
            Self::Local => "local fault",
        }
    }
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Registry { .. } => of_registry(&Failure::of(self)),
            Self::DigestMismatch { .. } | Self::Content { .. } | Self::NotRepaired { .. } | Self::Lost { .. } => {
                Kind::Broken
            }
            Self::Rules { .. } => Kind::Rules,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Unexpected { .. } => Kind::Unexpected,
            Self::Unsigned { .. } => Kind::Unsigned,
            Self::Conflict { .. } | Self::Moved { .. } => Kind::Conflict,
            Self::Platform { .. } => Kind::Platform,
            Self::OutOfPulls { .. } => Kind::Throttled,
            Self::Different { .. } => Kind::Different,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Input { .. } | Self::SeveralImages { .. } => Kind::Input,
            Self::Local(_) => Kind::Local,
        }
    }

    /// Why, in a few words that are the same for all images with the same cause.
    pub fn why(&self) -> String {
        let words = match self {
            Self::Registry { .. } => registry(&Failure::of(self)),
            Self::DigestMismatch { side, .. } => format!("the {side}'s content does not have its digest"),
            Self::Content { problem, .. } | Self::Rules { problem, .. } => problem.clone(),
            Self::NotRepaired { .. } => "the registry keeps a broken layer".to_owned(),
            Self::TooLarge { what, .. } => format!("the {what} is larger than `size-limit` allows"),
            Self::Unexpected { .. } => "the source is not the expected digest".to_owned(),
            Self::Unsigned { unsigned, .. } => match &unsigned.policy {
                Some(policy) => format!("not signed as policy `{policy}` wants"),
                None => "no policy is for it".to_owned(),
            },
            Self::Conflict { .. } => "the tag is another digest at the target".to_owned(),
            Self::Moved { .. } => "the tag was moved meanwhile".to_owned(),
            Self::Lost { .. } => "the registry lost what it accepted".to_owned(),
            Self::Platform { wanted, .. } => format!("no platform `{wanted}`"),
            Self::OutOfPulls { .. } => "the budget of pulls is used up".to_owned(),
            Self::Different { .. } => "the target differs from its source".to_owned(),
            Self::SeveralImages { object, .. } => format!("`{object}` has several images"),
            Self::Cancelled { .. } | Self::Input { .. } | Self::Local(_) => self.to_string(),
        };
        one_line(&words, FEW)
    }
}

fn of_registry(failure: &Failure<'_>) -> Kind {
    match failure.cause {
        Some(Cause::Connection { .. }) => Kind::Unreachable,
        Some(Cause::Login(failure)) if failure.cause.is_connection() => Kind::Unreachable,
        Some(Cause::Login(_)) => Kind::Denied,
        Some(Cause::Protocol(_)) => Kind::Unusable,
        // What these hold of an answer is looked at through all that wraps it.
        Some(
            Cause::Refused(_)
            | Cause::Interrupted(_)
            | Cause::Token { .. }
            | Cause::Elsewhere { .. }
            | Cause::OutOfPatience { .. },
        )
        | None => of_answer(failure),
    }
}

fn of_answer(failure: &Failure<'_>) -> Kind {
    match failure.status() {
        _ if failure.throttles() => Kind::Throttled,
        401 | 403 => Kind::Denied,
        _ if failure.is_absence() => Kind::Absent,
        500.. => Kind::Failing,
        _ => Kind::Refused,
    }
}

fn registry(failure: &Failure<'_>) -> String {
    let host = failure.host;
    match failure.cause {
        Some(Cause::Connection { kind, .. }) => return connection(*kind, host),
        Some(Cause::Login(failure)) if failure.provider == SIGSTORE => {
            return format!("not attested for want of {} from {}", failure.step, failure.service);
        }
        Some(Cause::Login(failure)) => {
            return format!("`{host}`: no login by {} ({})", failure.service, failure.provider);
        }
        Some(Cause::Protocol(violation)) => return format!("`{host}`: {violation}"),
        _ => {}
    }
    let answer = match failure.code() {
        "" => failure.status().to_string(),
        code => format!("{} {code}", failure.status()),
    };
    match of_registry(failure) {
        Kind::Denied if failure.is_anonymous() => format!("`{host}` was given no credential"),
        Kind::Denied if failure.is_unknown() => format!("`{host}` refused the login"),
        Kind::Denied => format!("`{host}` denies it: {answer}"),
        Kind::Absent => format!("not at `{host}`: {answer}"),
        Kind::Throttled => format!("`{host}` throttles: {answer}"),
        Kind::Failing => format!("`{host}` fails: {answer}"),
        _ => format!("`{host}` refuses it: {answer}"),
    }
}

fn connection(kind: ConnectionFailure, host: &str) -> String {
    match kind {
        ConnectionFailure::Dns => format!("`{host}` has no address"),
        ConnectionFailure::Refused => format!("nothing listens at `{host}`"),
        ConnectionFailure::Tls(TlsFailure::Expired) => format!("the certificate of `{host}` is out of date"),
        ConnectionFailure::Tls(TlsFailure::WrongName) => format!("the certificate of `{host}` is for another name"),
        ConnectionFailure::Tls(TlsFailure::Certificate) => format!("the certificate of `{host}` is not trusted"),
        ConnectionFailure::Tls(TlsFailure::AuthorityAsServer) => {
            format!("the certificate of `{host}` is an authority's own")
        }
        ConnectionFailure::Tls(TlsFailure::PlainHttp) => format!("`{host}` does not speak TLS"),
        ConnectionFailure::Tls(TlsFailure::SpokenTo) => format!("`{host}` speaks TLS, and is spoken to without"),
        ConnectionFailure::Tls(TlsFailure::Handshake) => format!("TLS with `{host}` failed"),
        ConnectionFailure::Timeout | ConnectionFailure::Stalled => format!("`{host}` did not answer in time"),
        ConnectionFailure::Broken => format!("the connection to `{host}` broke"),
    }
}
