//! The first request to a host goes alone: its answer says whether the host wants to be asked with a token.
//!
//! Owns whose turn that is. Thirty requests that begin together would each be answered 401 with the same challenge. Whoever
//! waits does so for one answer; where none comes, it failed for all that waited, and the next one goes alone.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use crate::error::cause::{Cause, ConnectionFailure};

#[derive(Default)]
pub(crate) struct FirstRequest {
    is_answered: AtomicBool,
    /// Locked while one goes alone; when the last that did failed, and how.
    going: Mutex<Option<(Instant, Cause)>>,
}

/// The turn of the request that goes alone.
pub(crate) struct Turn<'a> {
    first: &'a FirstRequest,
    going: MutexGuard<'a, Option<(Instant, Cause)>>,
}

impl FirstRequest {
    /// The turn of a request that is to go alone; none where one was answered, or is not within `longest`. Fails where the
    /// one that was waited for did.
    pub(crate) async fn turn(&self, longest: Duration) -> Result<Option<Turn<'_>>, Cause> {
        if self.is_answered.load(Relaxed) {
            return Ok(None);
        }
        let arrived = Instant::now();
        let Ok(going) = timeout(longest, self.going.lock()).await else { return Ok(None) };
        if self.is_answered.load(Relaxed) {
            return Ok(None);
        }
        if let Some((_, cause)) = going.as_ref().filter(|(when, _)| *when > arrived) {
            return Err(cause.clone());
        }
        Ok(Some(Turn { first: self, going }))
    }
}

impl Turn<'_> {
    /// An answer came, and what it teaches is known.
    pub(crate) fn answered(self) {
        self.first.is_answered.store(true, Relaxed);
    }

    /// None came. Where the host itself was not reached, those that waited need not try as well; an answer that is late or
    /// breaks may be about this request alone, and they go.
    pub(crate) fn failed(mut self, cause: &Cause) {
        use ConnectionFailure::{Dns, Refused, Tls};
        match cause {
            Cause::Connection { kind: Dns | Refused | Tls(_), .. } => {
                *self.going = Some((Instant::now(), cause.clone()));
            }
            _ => self.answered(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::FirstRequest;
    use crate::error::cause::{Cause, ConnectionFailure};

    const LONGEST: Duration = Duration::from_secs(60);

    /// One of many requests: how many go alone, and what becomes of it.
    async fn request(first: &FirstRequest, alone: &AtomicUsize, is_answered: bool) -> Result<(), Cause> {
        let Some(turn) = first.turn(LONGEST).await? else { return Ok(()) };
        alone.fetch_add(1, Relaxed);
        sleep(Duration::from_secs(1)).await;
        if is_answered {
            turn.answered();
            return Ok(());
        }
        let cause = Cause::Connection { kind: ConnectionFailure::Refused, detail: String::new() };
        turn.failed(&cause);
        Err(cause)
    }

    #[tokio::test(start_paused = true)]
    async fn one_goes_alone_and_its_answer_or_failure_is_that_of_all_that_wait() {
        let (first, alone) = (FirstRequest::default(), AtomicUsize::new(0));
        for (is_answered, went_alone) in [(false, 1), (true, 2), (true, 2)] {
            let ended = join_all((0..30).map(|_| request(&first, &alone, is_answered))).await;
            assert!(ended.iter().all(|ended| ended.is_ok() == is_answered));
            assert_eq!(alone.load(Relaxed), went_alone);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_that_of_one_request_alone() {
        let first = FirstRequest::default();
        let turn = first.turn(LONGEST).await.ok().flatten().unwrap();
        let waiting = async { first.turn(LONGEST).await };
        let late = async {
            sleep(Duration::from_secs(1)).await;
            turn.failed(&Cause::Connection { kind: ConnectionFailure::Timeout, detail: String::new() });
        };
        let (waited, ()) = tokio::join!(waiting, late);
        assert!(waited.is_ok_and(|turn| turn.is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_given_up_lets_the_next_go_and_none_waits_longer_than_it_may() {
        let (first, alone) = (FirstRequest::default(), AtomicUsize::new(0));
        let turn = first.turn(LONGEST).await;
        assert!(first.turn(Duration::from_secs(1)).await.is_ok_and(|turn| turn.is_none()));
        drop(turn);
        assert!(request(&first, &alone, true).await.is_ok());
        assert_eq!(alone.load(Relaxed), 1);
    }
}
