//! For how long a request to a registry is tried again; which failure is worth it: [`crate::http::retry`].
//!
//! Owns the one policy for every request to a registry. The budget is lack of progress: as long as something moves it is
//! full again. A wait that is longer than what is left of it fails at once: nothing is gained by sleeping.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::cause::Cause;
use crate::http::retry::{ATTEMPTS_NEVER_ANSWERED, Retry, classify, pause, spread, told};
use crate::store::registry::health::Work;

/// The longest wait for an endpoint with alternatives.
const LONGEST_WAIT_WITH_ALTERNATIVES: Duration = Duration::from_secs(10);

/// How long one endpoint is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// How long to go on trying while nothing moves.
    pub(crate) patience: Duration,
    /// How long the head of an answer may take.
    pub(crate) answer: Duration,
    /// How long a body may stand still.
    pub(crate) stall: Duration,
    /// There is another endpoint to ask: no connection is tried twice, and a busy registry once more at most.
    pub(crate) has_alternatives: bool,
}

impl Timeouts {
    /// Time-outs for an endpoint without alternatives.
    pub(crate) fn patient(patience: Duration) -> Self {
        // A registry may verify a large blob before it answers the last request of an upload; those wait longer (see
        // `upload`).
        Self {
            patience,
            answer: Duration::from_secs(60).min(patience),
            stall: Duration::from_secs(30).min(patience / 2),
            has_alternatives: false,
        }
    }

    /// Time-outs for an endpoint with alternatives: a mirror.
    pub(crate) fn with_alternatives(patience: Duration) -> Self {
        Self {
            patience: LONGEST_WAIT_WITH_ALTERNATIVES.min(patience),
            answer: Duration::from_secs(15).min(patience),
            stall: Duration::from_secs(10).min(patience / 2),
            has_alternatives: true,
        }
    }

    /// How long the whole of a small body may take, because a byte now and then is no answer, and how long a large one may
    /// stand still: registries stop reading while they move what they have. Not all of the patience, so that there is another
    /// attempt.
    pub(crate) fn body(&self) -> Duration {
        (self.stall * 2).min(self.patience / 2)
    }
}

/// The budget of one piece of work.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    limit: Duration,
    /// What is waited for, where that is remembered of a host.
    work: Option<Work>,
    has_alternatives: bool,
    /// When progress was last made.
    since: Instant,
    attempts: u32,
}

impl RetryBudget {
    pub(crate) fn new(limits: &Timeouts) -> Self {
        Self {
            limit: limits.patience,
            work: None,
            has_alternatives: limits.has_alternatives,
            since: Instant::now(),
            attempts: 0,
        }
    }

    /// The same for work that is remembered of a host, where it is waited for in vain.
    pub(crate) fn of(limits: &Timeouts, work: Work) -> Self {
        Self { work: Some(work), ..Self::new(limits) }
    }

    /// What was waited for in vain, and how long, where `cause` ended it after most of the patience there was. With
    /// alternatives, and where the host asks for a longer wait, it was given up early.
    pub(crate) fn ran_out(&self, cause: &Cause) -> Option<(Work, Duration)> {
        let Cause::OutOfPatience { waited, .. } = cause else { return None };
        let work = self.work.filter(|_| !self.has_alternatives && *waited >= self.limit / 2)?;
        Some((work, *waited))
    }

    /// How many attempts have failed since something moved.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Something moved: the budget is full again.
    pub(crate) fn progress(&mut self) {
        self.progress_at(Instant::now());
    }

    /// Something last moved then.
    pub(crate) fn progress_at(&mut self, when: Instant) {
        self.since = self.since.max(when);
        self.attempts = 0;
    }

    /// Does not count time that was spent waiting for a permit.
    pub(crate) fn exclude_wait(&mut self, queued: Duration) {
        self.since += queued;
    }

    /// Whether it lasts until then.
    pub(crate) fn lasts_until(&self, when: Instant) -> bool {
        self.since.checked_add(self.limit).is_none_or(|end| end >= when)
    }

    /// How long nothing has moved, where that is longer than is waited for.
    pub(crate) fn is_over(&self) -> Option<Duration> {
        Some(self.since.elapsed()).filter(|waited| *waited > self.limit)
    }

    /// How long to wait before the next attempt, or the failure to give up with.
    ///
    /// `never_answered`: the host has never answered in this run.
    pub(crate) fn next(&mut self, cause: Cause, never_answered: bool) -> Result<Duration, Cause> {
        if classify(&cause) == Retry::Never {
            return Err(cause);
        }
        self.attempts += 1;
        if self.has_alternatives && (self.attempts > 1 || cause.refusal().is_none()) {
            return Err(cause);
        }
        // A token that is refused as often as it is renewed is not the right one.
        let is_unauthorized = matches!(&cause, Cause::Interrupted(refusal) if refusal.status == 401);
        if is_unauthorized && self.attempts >= ATTEMPTS_NEVER_ANSWERED {
            return Err(cause);
        }
        let waited = self.since.elapsed();
        // A token service was tried as often already.
        let attempts = if matches!(cause, Cause::Token { .. }) { ATTEMPTS_NEVER_ANSWERED } else { self.attempts };
        if never_answered && cause.is_connection() && attempts >= ATTEMPTS_NEVER_ANSWERED {
            return Err(cause);
        }
        let wait = pause(&cause, self.attempts);
        if waited.saturating_add(wait) > self.limit {
            return Err(Cause::OutOfPatience { waited, last: Box::new(cause) });
        }
        // What the host has named holds for all that ask it, and its limit on requests at once spreads them.
        Ok(if told(&cause).is_some() { wait } else { spread(wait) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RetryBudget, Timeouts};
    use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};

    fn broken(kind: ConnectionFailure) -> Cause {
        Cause::Connection { kind, detail: String::new() }
    }

    #[test]
    fn nothing_sleeps_past_the_budget() {
        let mut patience = RetryBudget::new(&Timeouts::patient(Duration::from_secs(60)));
        let hour =
            ErrorResponse { status: 429, retry_after: Some(Duration::from_secs(3600)), ..ErrorResponse::default() };
        assert!(matches!(patience.next(Cause::Refused(hour), false), Err(Cause::OutOfPatience { .. })));
        let minute =
            ErrorResponse { status: 429, retry_after: Some(Duration::from_secs(50)), ..ErrorResponse::default() };
        let wait = patience.next(Cause::Refused(minute), false).expect("within the budget");
        assert!(wait >= Duration::from_secs(50) && wait <= Duration::from_secs(55));
    }

    #[test]
    fn a_mirror_is_waited_for_once_and_not_long() {
        let busy = |wait| {
            Cause::Refused(ErrorResponse {
                status: 429,
                retry_after: Some(Duration::from_secs(wait)),
                ..ErrorResponse::default()
            })
        };
        let with_alternatives = || RetryBudget::new(&Timeouts::with_alternatives(Duration::from_secs(300)));
        let mut patience = with_alternatives();
        assert!(patience.next(busy(9), false).is_ok() && patience.next(busy(1), false).is_err());
        assert!(with_alternatives().next(busy(11), false).is_err());
        assert!(with_alternatives().next(broken(ConnectionFailure::Timeout), false).is_err());
    }

    #[test]
    fn a_host_that_never_answered_is_tried_three_times() {
        let mut patience = RetryBudget::new(&Timeouts::patient(Duration::from_secs(600)));
        assert!(patience.next(broken(ConnectionFailure::Refused), true).is_ok());
        assert!(patience.next(broken(ConnectionFailure::Refused), true).is_ok());
        assert!(patience.next(broken(ConnectionFailure::Refused), true).is_err());
        let mut patience = RetryBudget::new(&Timeouts::patient(Duration::from_secs(600)));
        for _ in 0..4 {
            assert!(patience.next(broken(ConnectionFailure::Broken), false).is_ok());
        }
    }
}
