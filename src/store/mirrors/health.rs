//! What became of each place that a run tried to read from.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::observe::counts::EndpointStatus;
use crate::sync::LockExt as _;

/// What a run remembers of mirrors' hosts.
#[derive(Default)]
pub struct Hosts(Mutex<HashMap<String, Known>>);

/// What is remembered of one host.
#[derive(Clone, Copy, Default)]
pub struct Known {
    pub unreachable: u32,
    pub untrusted: bool,
    pub unreadable: bool,
}

impl Hosts {
    pub fn get(&self, host: &str) -> Known {
        self.0.locked().get(host).copied().unwrap_or_default()
    }

    /// Adds what happened to what is known; before and after.
    pub fn learn(&self, host: &str, class: EndpointStatus) -> (Known, Known) {
        let mut hosts = self.0.locked();
        let known = hosts.entry(host.to_owned()).or_default();
        let before = *known;
        match class {
            EndpointStatus::Unreachable => known.unreachable += 1,
            EndpointStatus::Lying => known.untrusted = true,
            EndpointStatus::NotReadable => known.unreadable = true,
            _ => {}
        }
        (before, *known)
    }
}

/// A failure without the name of the place, which stands beside it.
pub fn reason(error: &Error) -> String {
    let reason = match error {
        Error::Registry { cause, .. } => cause.to_string(),
        Error::DigestMismatch { expected, actual, .. } => format!("the digest is {actual}, not {expected}"),
        Error::Content { problem, .. } => problem.clone(),
        other => other.to_string(),
    };
    crate::text::sanitise::one_line(&reason, 1_000)
}

/// What a failure says about the place.
pub fn classify(error: &Error) -> EndpointStatus {
    match error {
        Error::DigestMismatch { .. } => EndpointStatus::Lying,
        Error::Registry { cause, .. } => classify_cause(cause),
        _ => EndpointStatus::Broken,
    }
}

pub fn classify_cause(cause: &Cause) -> EndpointStatus {
    match cause {
        Cause::Connection { .. } => EndpointStatus::Unreachable,
        Cause::Login(failure) if failure.cause.is_connection() => EndpointStatus::Unreachable,
        Cause::Login(_) => EndpointStatus::NotReadable,
        Cause::Protocol(_) => EndpointStatus::Broken,
        Cause::OutOfPatience { last: inner, .. } | Cause::Elsewhere { failure: inner, .. } => classify_cause(inner),
        Cause::Token { refusal, .. } => match classify_cause(refusal) {
            // A token service refuses what it does not know in many ways.
            EndpointStatus::Absent | EndpointStatus::Broken => EndpointStatus::NotReadable,
            other => other,
        },
        Cause::Refused(refusal) | Cause::Interrupted(refusal) => match refusal.status {
            _ if refusal.sheds_load() => EndpointStatus::Busy,
            401 | 403 => EndpointStatus::NotReadable,
            404 | 410 => EndpointStatus::Absent,
            408 | 425 | 499..=599 => EndpointStatus::Busy,
            _ => EndpointStatus::Broken,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::classify;
    use crate::error::action::Action;
    use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
    use crate::error::object::Object;
    use crate::error::violation::Violation;
    use crate::error::{Error, Side};
    use crate::observe::counts::EndpointStatus;

    #[test]
    fn what_a_failure_says_about_a_place() {
        let refused = |status| Cause::Refused(ErrorResponse { status, ..ErrorResponse::default() });
        let limited = Cause::Refused(ErrorResponse {
            status: 403,
            message: "API rate limit exceeded".to_owned(),
            ..ErrorResponse::default()
        });
        let token = |cause| Cause::Token {
            service: "t".to_owned(),
            refusal: Box::new(cause),
            with_credential: false,
            kept_back: None,
        };
        let broken = Cause::Connection { kind: ConnectionFailure::Dns, detail: String::new() };
        for (cause, class) in [
            (refused(401), EndpointStatus::NotReadable),
            (refused(403), EndpointStatus::NotReadable),
            (limited, EndpointStatus::Busy),
            (refused(404), EndpointStatus::Absent),
            (refused(429), EndpointStatus::Busy),
            (refused(503), EndpointStatus::Busy),
            (refused(400), EndpointStatus::Broken),
            (token(refused(403)), EndpointStatus::NotReadable),
            (token(refused(503)), EndpointStatus::Busy),
            (token(Cause::Protocol(Violation::WebPage)), EndpointStatus::NotReadable),
            (token(broken.clone()), EndpointStatus::Unreachable),
            (broken.clone(), EndpointStatus::Unreachable),
            (Cause::OutOfPatience { waited: Duration::ZERO, last: Box::new(broken) }, EndpointStatus::Unreachable),
            (Cause::Protocol(Violation::WebPage), EndpointStatus::Broken),
        ] {
            let words = format!("{cause:?}");
            let error = Error::Registry {
                side: Side::Source,
                action: Action::Get,
                object: Object::directory(std::path::Path::new("x")),
                cause,
            };
            assert_eq!(classify(&error), class, "{words}");
        }
    }
}
