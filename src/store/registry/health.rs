//! What a run remembers of a host that does not do one kind of work: each image of a list would wait as long and hear the same.
//!
//! Owns when a kind of work is given up, and that one good answer ends it. Never waits.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::cause::Cause;
use crate::sync::LockExt as _;

/// How long what was given up is not asked for again by the images that come after.
pub const GIVEN_UP: Duration = Duration::from_secs(30);

/// What is asked of a host. One kind may hang while the others are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Whatever is answered from what it has at hand: manifests, whether something is there, the opening of an upload.
    Answer,
    /// A blob's bytes.
    Read,
    /// A list of referrers.
    List,
    /// To take a blob's bytes.
    Upload,
}

/// How many pieces of work must have used up their patience, one after the other with no good answer in between: one alone may
/// be the fault of what was asked for.
const PROOF: u32 = 2;

/// A failure that stands for whoever comes after, for [`GIVEN_UP`] at a time.
#[derive(Default)]
pub(crate) struct GivenUp(Option<(Instant, Cause)>);

impl GivenUp {
    /// `cause` stands from now on.
    pub(crate) fn set(&mut self, cause: &Cause) {
        self.0 = Some((Instant::now() + GIVEN_UP, cause.clone()));
    }

    /// The failure that stands. When its time is over one request is let through, to find out for all.
    pub(crate) fn standing(&mut self) -> Option<Cause> {
        let (until, cause) = self.0.as_mut()?;
        if *until <= Instant::now() {
            *until = Instant::now() + GIVEN_UP;
            return None;
        }
        Some(cause.clone())
    }
}

/// The memory of one host.
#[derive(Default)]
pub(crate) struct Health([Mutex<Memory>; 4]);

#[derive(Default)]
struct Memory {
    /// When something good last came.
    good: Option<Instant>,
    /// How often patience was used up since.
    spent: u32,
    /// The last failure.
    given_up: GivenUp,
}

impl Health {
    fn of(&self, work: Work) -> &Mutex<Memory> {
        let [answer, read, list, upload] = &self.0;
        match work {
            Work::Answer => answer,
            Work::Read => read,
            Work::List => list,
            Work::Upload => upload,
        }
    }

    /// When it last did so.
    pub(crate) fn last_good(&self, work: Work) -> Option<Instant> {
        self.of(work).locked().good
    }

    /// It did what was asked, or said that it will not.
    pub(crate) fn good(&self, work: Work) {
        *self.of(work).locked() = Memory { good: Some(Instant::now()), ..Memory::default() };
    }

    /// It was waited for as long as patience lasts, `waited`, and in all of that time nothing good came for anybody.
    pub(crate) fn ran_out(&self, work: Work, waited: Duration, cause: &Cause) {
        let mut memory = self.of(work).locked();
        if memory.good.is_some_and(|when| when.elapsed() < waited) {
            return;
        }
        memory.spent += 1;
        if memory.spent >= PROOF {
            memory.given_up.set(cause);
        }
    }

    /// Why it is not asked now.
    pub(crate) fn given_up(&self, work: Work) -> Option<Cause> {
        self.of(work).locked().given_up.standing()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GIVEN_UP, Health, Work};
    use crate::error::cause::{Cause, ConnectionFailure};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn timeout() -> Cause {
        Cause::Connection { kind: ConnectionFailure::Timeout, detail: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_used_up_two_patiences_is_given_up_and_tried_by_one_now_and_then() {
        let health = Health::default();
        health.good(Work::Answer);
        tokio::time::advance(PATIENCE).await;
        health.ran_out(Work::Read, PATIENCE, &timeout());
        assert_eq!(health.given_up(Work::Read), None, "it may have been that one blob");
        health.ran_out(Work::Read, PATIENCE, &timeout());
        assert_eq!(health.given_up(Work::Read), Some(timeout()));
        assert_eq!(health.given_up(Work::Answer), None, "manifests still come");
        tokio::time::advance(GIVEN_UP).await;
        assert_eq!(health.given_up(Work::Read), None, "one finds out");
        assert_eq!(health.given_up(Work::Read), Some(timeout()), "for all");
        health.good(Work::Read);
        assert_eq!(health.given_up(Work::Read), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_was_good_to_another_meanwhile_is_not_given_up() {
        let health = Health::default();
        for _ in 0..5 {
            tokio::time::advance(PATIENCE / 2).await;
            health.good(Work::Upload);
            tokio::time::advance(PATIENCE / 2).await;
            health.ran_out(Work::Upload, PATIENCE, &timeout());
        }
        assert_eq!(health.given_up(Work::Upload), None);
    }
}
