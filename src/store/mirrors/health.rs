//! What became of each place that a run tried to read from.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::error::cause::Cause;
use crate::observe::counts::SiteClass;

/// What a run remembers of mirrors' hosts.
#[derive(Default)]
pub struct Hosts(Mutex<HashMap<String, Known>>);

/// What is remembered of one host.
#[derive(Clone, Copy, Default)]
pub struct Known {
    pub unreachable: u32,
    pub lying: bool,
    pub unreadable: bool,
}

impl Hosts {
    pub fn get(&self, host: &str) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied().unwrap_or_default()
    }

    /// Adds what happened to what is known; before and after.
    pub fn learn(&self, host: &str, class: SiteClass) -> (Known, Known) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.entry(host.to_owned()).or_default();
        let before = *known;
        match class {
            SiteClass::Unreachable => known.unreachable += 1,
            SiteClass::Lying => known.lying = true,
            SiteClass::NotReadable => known.unreadable = true,
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
    crate::text::sanitise::line(&reason, 1_000)
}

/// What a failure says about the place.
pub fn classify(error: &Error) -> SiteClass {
    match error {
        Error::DigestMismatch { .. } => SiteClass::Lying,
        Error::Registry { cause, .. } => classify_cause(cause),
        _ => SiteClass::Broken,
    }
}

pub fn classify_cause(cause: &Cause) -> SiteClass {
    match cause {
        Cause::Connection { .. } => SiteClass::Unreachable,
        Cause::Protocol(_) => SiteClass::Broken,
        Cause::Patience { last, .. } => classify_cause(last),
        Cause::Token { refusal, .. } => match classify_cause(refusal) {
            // A token service refuses what it does not know in many ways.
            SiteClass::Absent | SiteClass::Broken => SiteClass::NotReadable,
            other => other,
        },
        Cause::Refused(refusal) => match refusal.status {
            401 | 403 => SiteClass::NotReadable,
            404 | 410 => SiteClass::Absent,
            408 | 425 | 429 | 499..=599 => SiteClass::Busy,
            _ => SiteClass::Broken,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::classify;
    use crate::error::cause::{Cause, ConnectionFailure, Refusal};
    use crate::error::{Error, Side};
    use crate::observe::counts::SiteClass;

    #[test]
    fn what_a_failure_says_about_a_place() {
        let refused = |status| Cause::Refused(Refusal { status, ..Refusal::default() });
        let token = |cause| Cause::Token { service: "t".to_owned(), refusal: Box::new(cause), with_credential: false };
        let broken = Cause::Connection { kind: ConnectionFailure::Dns, detail: String::new() };
        for (cause, class) in [
            (refused(401), SiteClass::NotReadable),
            (refused(403), SiteClass::NotReadable),
            (refused(404), SiteClass::Absent),
            (refused(429), SiteClass::Busy),
            (refused(503), SiteClass::Busy),
            (refused(400), SiteClass::Broken),
            (token(refused(403)), SiteClass::NotReadable),
            (token(refused(503)), SiteClass::Busy),
            (token(Cause::Protocol(String::new())), SiteClass::NotReadable),
            (token(broken.clone()), SiteClass::Unreachable),
            (broken.clone(), SiteClass::Unreachable),
            (Cause::Patience { waited: Duration::ZERO, last: Box::new(broken) }, SiteClass::Unreachable),
            (Cause::Protocol(String::new()), SiteClass::Broken),
        ] {
            let words = format!("{cause:?}");
            let error = Error::Registry { side: Side::Source, action: "GET", object: String::new(), cause };
            assert_eq!(classify(&error), class, "{words}");
        }
    }
}
