//! The bound on the manifests that an image, and all images of a run together, hold in memory.
//!
//! Owns the sums over both ends, attachments included. What does not fit beside the others is refused, where its size is known
//! before a byte of it is read or a pull is spent on it, and the image is begun again once it is the one that may be large. Meanwhile it has nothing that another may wait for: no room, and by `waits` no
//! turn and no pull of its own. So the large one, which may wait for any of these, gets them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::error::violation::Violation;
use crate::oci::manifest::MOST_TOGETHER;

/// Bytes that each image may hold, whatever the others do: an index with sixteen platforms, their attestations and signatures.
const SHARE: u64 = 64 * 1024;

/// Bytes that the images of a run may hold together beyond their shares, but for the one that may be large.
const COMMON: u64 = 8 * 1024 * 1024;

/// What the images of a run hold together.
#[derive(Debug)]
pub struct RunManifests {
    /// Bytes beyond the shares.
    common: AtomicU64,
    /// All bytes, and the most that it ever was.
    held: AtomicU64,
    most_held: AtomicU64,
    /// Held by the image that may be large.
    large: Arc<Semaphore>,
}

impl Default for RunManifests {
    fn default() -> Self {
        let (common, held, most_held) = Default::default();
        Self { common, held, most_held, large: Arc::new(Semaphore::new(1)) }
    }
}

impl RunManifests {
    /// The most bytes that were ever held at once.
    pub fn most_held(&self) -> u64 {
        self.most_held.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |taken: u64| Some(taken + bytes).filter(|taken| *taken <= COMMON);
        self.common.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

/// Bytes of manifests, and of lists of them, that an image holds.
#[derive(Debug, Default)]
pub struct ManifestBudget {
    /// None for what is no image of a run: one at a time is at work.
    run: Option<Arc<RunManifests>>,
    held: AtomicU64,
    /// Of what was said to come, bytes that have not come yet: room is kept for them.
    expected: AtomicU64,
    /// Both: what counts against the run.
    counted: AtomicU64,
    /// Whether something was refused that would fit if the image were the large one.
    was_refused: AtomicBool,
    large: OnceCell<Option<OwnedSemaphorePermit>>,
}

impl ManifestBudget {
    /// That of an image of a run.
    pub fn within(run: Arc<RunManifests>) -> Self {
        let mut budget = Self::default();
        budget.run = Some(run);
        budget
    }

    /// So many bytes are known to come: room for them is kept. Fails where there is none for all of them now, as when they came.
    pub fn expect(&self, bytes: u64) -> Result<(), Violation> {
        // More is refused when it comes.
        let bytes = bytes.min(MOST_TOGETHER);
        self.count(bytes)?;
        self.expected.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// So many bytes more have come. Fails where they are more than an image may have, or than there is room for now; then they
    /// do not count.
    pub fn reserve(&self, bytes: usize) -> Result<(), Violation> {
        let bytes = bytes as u64;
        let before = self.held.fetch_add(bytes, Relaxed);
        let held = if before + bytes > MOST_TOGETHER {
            Err(Violation::ManifestsTooLarge { limit: MOST_TOGETHER })
        } else {
            let mut kept = 0;
            let _ = self.expected.fetch_update(Relaxed, Relaxed, |expected| {
                kept = expected.min(bytes);
                Some(expected - kept)
            });
            self.count(bytes - kept).inspect_err(|_| {
                self.expected.fetch_add(kept, Relaxed);
            })
        };
        if held.is_err() {
            self.held.fetch_sub(bytes, Relaxed);
        } else if let Some(run) = &self.run {
            let held = run.held.fetch_add(bytes, Relaxed) + bytes;
            run.most_held.fetch_max(held, Relaxed);
        }
        held
    }

    /// They were let go: asked for once more, or no longer needed.
    pub fn release(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.held.fetch_sub(bytes, Relaxed);
        if let Some(run) = &self.run {
            run.held.fetch_sub(bytes, Relaxed);
        }
        self.discount(bytes);
    }

    /// Fails where something was refused, whoever has taken it for less than a failure.
    pub fn check(&self) -> Result<(), Violation> {
        if self.was_refused.load(Relaxed) { Err(Violation::ManifestsCrowded) } else { Ok(()) }
    }

    /// What `work` gives. Where there was no room for its manifests it is begun again, with all the room that an image may have.
    /// `waits` gives up, until what it gives is dropped, whatever else other images wait for.
    pub async fn with_room<'a, T, W>(
        &self,
        work: impl Fn() -> BoxFuture<'a, Result<T, Error>>,
        waits: impl FnOnce() -> W,
    ) -> Result<T, Error> {
        let worked = work().await;
        // Another image may have read for this one, and been refused.
        if self.check().is_ok() && !worked.as_ref().is_err_and(Error::is_crowded) {
            return worked;
        }
        let Some(run) = &self.run else { return worked };
        // What it held went with its work.
        self.release_all();
        let waits = waits();
        // It is never closed.
        self.large.get_or_init(async || Arc::clone(&run.large).acquire_owned().await.ok()).await;
        drop(waits);
        self.was_refused.store(false, Relaxed);
        work().await
    }

    fn release_all(&self) {
        self.discount(self.expected.swap(0, Relaxed));
        self.release(usize::try_from(self.held.load(Relaxed)).unwrap_or(usize::MAX));
    }

    fn count(&self, bytes: u64) -> Result<(), Violation> {
        let before = self.counted.fetch_add(bytes, Relaxed);
        let bounded = self.run.as_ref().filter(|_| !self.large.initialized());
        if bounded.is_none_or(|run| run.take(beyond_share(before, before + bytes))) {
            return Ok(());
        }
        self.counted.fetch_sub(bytes, Relaxed);
        self.was_refused.store(true, Relaxed);
        Err(Violation::ManifestsCrowded)
    }

    fn discount(&self, bytes: u64) {
        let before = self.counted.fetch_sub(bytes, Relaxed);
        if let Some(run) = self.run.as_ref().filter(|_| !self.large.initialized()) {
            run.common.fetch_sub(beyond_share(before.saturating_sub(bytes), before), Relaxed);
        }
    }
}

impl Drop for ManifestBudget {
    fn drop(&mut self) {
        self.release_all();
    }
}

/// How much of the bytes from `before` to `after` is beyond an image's share.
fn beyond_share(before: u64, after: u64) -> u64 {
    after.saturating_sub(before.max(SHARE))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::future::{FutureExt as _, join_all};

    use super::{COMMON, ManifestBudget, RunManifests, SHARE};
    use crate::error::object::Object;
    use crate::error::violation::Violation;
    use crate::error::{Error, Side};
    use crate::oci::manifest::MOST_TOGETHER;

    const ALL: usize = 16 << 20;

    fn refused(violation: Violation) -> Error {
        Error::of_manifests(Side::Source, Object::directory(Path::new("x")), violation)
    }

    #[test]
    fn what_was_refused_or_released_does_not_count() {
        assert_eq!(ALL as u64, MOST_TOGETHER);
        let budget = ManifestBudget::default();
        budget.reserve(ALL - 1).unwrap();
        assert!(budget.reserve(2).is_err() && budget.reserve(1).is_ok() && budget.reserve(1).is_err());
        budget.release(ALL);
        budget.reserve(ALL).unwrap();
    }

    #[test]
    fn whatever_images_hold_comes_back() {
        let run = Arc::new(RunManifests::default());
        let share = usize::try_from(SHARE).unwrap();
        let one = ManifestBudget::within(Arc::clone(&run));
        for bytes in [share - 5, 10, 1_000_000] {
            one.reserve(bytes).unwrap();
        }
        assert_eq!(run.common.load(Relaxed), 1_000_005);
        one.release(1_000_000);
        one.release(10);
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (0, SHARE - 5));
        one.reserve(5_000_000).unwrap();
        assert_eq!(ManifestBudget::within(Arc::clone(&run)).reserve(5_000_000), Err(Violation::ManifestsCrowded));
        drop(one);
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (0, 0));
        assert_eq!(run.most_held(), SHARE - 5 + 5_000_000);
    }

    #[test]
    fn room_is_kept_for_what_is_known_to_come_and_what_comes_takes_it() {
        let run = Arc::new(RunManifests::default());
        let share = usize::try_from(SHARE).unwrap();
        let [one, other, third] = [(); 3].map(|()| ManifestBudget::within(Arc::clone(&run)));
        one.expect(SHARE + COMMON - 1000).unwrap();
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (COMMON - 1000, 0));
        other.expect(SHARE + 1001).unwrap_err();
        assert!(other.check().is_err());
        other.reserve(share + 1000).unwrap();
        third.reserve(share).unwrap();
        assert_eq!(third.reserve(1), Err(Violation::ManifestsCrowded));
        one.reserve(share + 5_000_000).unwrap();
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (COMMON, 3 * SHARE + 5_001_000));
        // Read once more, and more than was said.
        one.release(1_000_000);
        third.reserve(1_000_000).unwrap();
        assert_eq!(one.reserve(8_000_000), Err(Violation::ManifestsCrowded));
        drop(one);
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (1_001_000, 2 * SHARE + 1_001_000));
        drop((other, third));
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (0, 0));
    }

    /// Images that want as much as one may have, in pieces as they come from a network: all get it, one after the other, and
    /// together they never hold more than the bound.
    #[tokio::test]
    async fn however_many_images_are_large_a_run_holds_a_bounded_part_of_them() {
        let images = 64;
        let run = Arc::new(RunManifests::default());
        let read = |budget: Arc<ManifestBudget>| {
            async move {
                for _ in 0..(ALL / 16_384) {
                    budget.reserve(16_384).map_err(refused)?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            .boxed()
        };
        let all = join_all((0..images).map(|_| async {
            let budget = Arc::new(ManifestBudget::within(Arc::clone(&run)));
            budget.with_room(|| read(Arc::clone(&budget)), || ()).await
        }))
        .await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        let most = run.most_held();
        assert!(most <= images * SHARE + COMMON + MOST_TOGETHER, "{most}");
        assert!(most >= MOST_TOGETHER);
        assert_eq!((run.common.load(Relaxed), run.held.load(Relaxed)), (0, 0));
    }

    /// A refusal that somebody on the way took for less than a failure is none the less one.
    #[tokio::test]
    async fn a_refusal_that_was_passed_over_begins_the_work_again() {
        let run = Arc::new(RunManifests::default());
        let other = ManifestBudget::within(Arc::clone(&run));
        other.reserve(8 << 20).unwrap();
        let budget = ManifestBudget::within(run);
        let work = || async { Ok(budget.reserve(1 << 20).is_ok()) }.boxed();
        assert!(budget.with_room(work, || ()).await.unwrap());
        assert!(budget.check().is_ok());
    }
}
