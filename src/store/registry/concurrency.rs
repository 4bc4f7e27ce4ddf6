//! How many requests a host gets at once.
//!
//! Owns a limit for each class of requests, so that a manifest never waits behind a layer. A limit doubles with each round
//! of good answers until the host first sheds load; then it halves, and from there on grows by one a round (TCP's slow
//! start and congestion avoidance). Never decides what is sent.
//!
//! Deadlock-free within one registry: a writer may wait for a reader's permit, never the reverse.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::sync::LockExt as _;

/// Which limit a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Manifests, HEADs, the opening of uploads, small blobs that go.
    Small,
    /// Blob bodies that come.
    Read,
    /// Small blobs that are opened before a permit to write them is held. Apart from [`Self::Read`]: these wait for a
    /// writer's permit, and writers wait for a reader's.
    Early,
    /// Large blobs that go.
    Write,
}

pub(crate) struct Concurrency {
    small: Arc<AdaptiveLimit>,
    read: Arc<AdaptiveLimit>,
    early: Arc<AdaptiveLimit>,
    write: Arc<AdaptiveLimit>,
    /// When the host last shed load.
    overloaded: Mutex<Option<Instant>>,
    /// Whether it ever did: then the limits grow slowly.
    shed: AtomicBool,
}

/// How long the refusals of one moment keep coming.
const BURST: Duration = Duration::from_secs(1);

impl Concurrency {
    /// `gentle`: for a host that is known to shed load early. `most`: of all requests together, at least three.
    pub(crate) fn new(gentle: bool, most: Option<usize>) -> Self {
        let (small, write, write_max) = if gentle { (16, 4, 8) } else { (32, 8, 16) };
        let limits = match most {
            // As many readers as a line is filled by: each has some hundred KiB under way.
            None => [(small, 64), (16, 16), (16, 16), (write, write_max)],
            // Parts that add up to it. Nothing is opened early where there is no room for it.
            Some(most) => {
                let part = |of: usize| (most / of).max(1);
                let (read, write, early) = (part(4).min(16), part(4).min(write_max), (most / 8).min(16));
                let small = most.saturating_sub(read + write + early).clamp(1, 64);
                [(small, small), (read, read), (early, early), (write, write)]
            }
        };
        let [small, read, early, write] = limits.map(|(start, most)| AdaptiveLimit::new(start.min(most), most));
        Self { small, read, early, write, overloaded: Mutex::default(), shed: AtomicBool::new(false) }
    }

    fn limit(&self, class: RequestClass) -> &Arc<AdaptiveLimit> {
        match class {
            RequestClass::Small => &self.small,
            RequestClass::Read => &self.read,
            RequestClass::Early => &self.early,
            RequestClass::Write => &self.write,
        }
    }

    /// Waits for a permit of `class`.
    pub(crate) async fn acquire(&self, class: RequestClass) -> Permit {
        let limit = Arc::clone(self.limit(class));
        // The semaphore is never closed.
        let permit = Arc::clone(&limit.permits).acquire_owned().await.ok();
        Permit { permit, limit }
    }

    /// A permit of `class`, where one is free now.
    pub(crate) fn try_acquire(&self, class: RequestClass) -> Option<Permit> {
        let limit = Arc::clone(self.limit(class));
        let permit = Arc::clone(&limit.permits).try_acquire_owned().ok()?;
        Some(Permit { permit: Some(permit), limit })
    }

    /// How many blobs are being read at the moment.
    pub(crate) fn readers(&self) -> usize {
        self.read.current.load(Relaxed).saturating_sub(self.read.permits.available_permits())
    }

    /// The host answered well.
    pub(crate) fn on_success(&self, class: RequestClass) {
        self.limit(class).on_success(!self.shed.load(Relaxed));
    }

    /// The host sheds load. What was on its way together is refused together and counts once.
    pub(crate) fn on_overload(&self) {
        let mut overloaded = self.overloaded.locked();
        if overloaded.is_some_and(|when| when.elapsed() < BURST) {
            return;
        }
        *overloaded = Some(Instant::now());
        self.shed.store(true, Relaxed);
        for limit in [&self.small, &self.read, &self.early, &self.write] {
            limit.on_overload();
        }
    }
}

struct AdaptiveLimit {
    permits: Arc<Semaphore>,
    /// Permits there are, taken or free.
    current: AtomicUsize,
    max: usize,
    /// Permits to take away as they are given back.
    owed: AtomicUsize,
    successes: AtomicUsize,
}

impl AdaptiveLimit {
    fn new(start: usize, max: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(start)),
            current: AtomicUsize::new(start),
            max,
            owed: AtomicUsize::new(0),
            successes: AtomicUsize::new(0),
        })
    }

    /// One permit more for each good answer (`fast`), or for as many of them as there are permits.
    fn on_success(&self, fast: bool) {
        let now = self.current.load(Relaxed);
        if now < self.max && (self.successes.fetch_add(1, Relaxed) + 1 >= now || fast) {
            self.successes.store(0, Relaxed);
            self.current.fetch_add(1, Relaxed);
            self.permits.add_permits(1);
        }
    }

    fn on_overload(&self) {
        let Ok(now) = self.current.fetch_update(Relaxed, Relaxed, |now| (now > 1).then_some(now - now / 2)) else {
            return;
        };
        let less = now / 2;
        self.successes.store(0, Relaxed);
        let taken = self.permits.forget_permits(less);
        self.owed.fetch_add(less - taken, Relaxed);
    }
}

/// Allows one request; given back when dropped.
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    limit: Arc<AdaptiveLimit>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let paid = self.limit.owed.fetch_update(Relaxed, Relaxed, |owed| owed.checked_sub(1)).is_ok();
        if paid && let Some(permit) = self.permit.take() {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Concurrency, Relaxed, RequestClass};

    #[tokio::test]
    async fn a_limit_doubles_until_the_host_sheds_load_and_never_passes_its_maximum() {
        let concurrency = Concurrency::new(true, None);
        for answers in [16, 32, 100] {
            for _ in 0..answers {
                concurrency.on_success(RequestClass::Small);
            }
        }
        assert_eq!(concurrency.small.current.load(Relaxed), 64);
        assert_eq!(concurrency.small.permits.available_permits(), 64);
    }

    #[test]
    fn the_parts_add_up_to_no_more_than_is_allowed_and_none_is_missing() {
        for most in 3..200 {
            let concurrency = Concurrency::new(false, Some(most));
            let limits = [&concurrency.small, &concurrency.read, &concurrency.early, &concurrency.write];
            assert!(limits.map(|limit| limit.max).iter().sum::<usize>() <= most, "{most}");
            assert!([limits[0], limits[1], limits[3]].iter().all(|limit| limit.current.load(Relaxed) > 0), "{most}");
        }
        let concurrency = Concurrency::new(false, Some(8));
        for _ in 0..1000 {
            concurrency.on_success(RequestClass::Small);
            concurrency.on_success(RequestClass::Early);
        }
        assert_eq!((concurrency.small.current.load(Relaxed), concurrency.early.current.load(Relaxed)), (3, 1));
    }

    #[tokio::test]
    async fn a_limit_halves_at_once_and_grows_slowly_after() {
        let concurrency = Concurrency::new(true, None);
        let taken = futures_util::future::join_all((0..16).map(|_| concurrency.acquire(RequestClass::Small))).await;
        concurrency.on_overload();
        concurrency.on_overload();
        assert_eq!(concurrency.small.current.load(Relaxed), 8, "the same burst");
        assert_eq!(concurrency.small.owed.load(Relaxed), 8);
        drop(taken);
        assert_eq!(concurrency.small.permits.available_permits(), 8);
        for _ in 0..7 {
            concurrency.on_success(RequestClass::Small);
        }
        assert_eq!(concurrency.small.permits.available_permits(), 8);
        concurrency.on_success(RequestClass::Small);
        assert_eq!(concurrency.small.permits.available_permits(), 9);
        for _ in 0..20 {
            concurrency.small.on_overload();
        }
        assert_eq!(concurrency.small.permits.available_permits(), 1, "never to a standstill");
    }
}
