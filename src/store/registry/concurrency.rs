//! How many requests a host gets at once.
//!
//! Lanes, so that a manifest never waits behind a layer, and so that a copy within one registry cannot starve itself: who
//! writes waits for nobody but readers. A lane doubles with each round of good answers until the host first sheds load;
//! then it halves, and from there on widens by one a round (TCP's slow start and congestion avoidance). Never decides what
//! is sent.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which lane a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Manifests, HEADs, the opening of uploads, small blobs that go.
    Small,
    /// Blob bodies that come.
    Read,
    /// Small blobs that are asked for before there is a place to write them. Apart from the readers, because who writes waits
    /// for a reader's place, and these wait for a writer's.
    Early,
    /// Large blobs that go.
    Write,
}

pub(crate) struct Concurrency {
    small: Arc<AdaptiveLimit>,
    read: Arc<AdaptiveLimit>,
    early: Arc<AdaptiveLimit>,
    write: Arc<AdaptiveLimit>,
    /// When the lanes were last narrowed.
    narrowed: Mutex<Option<Instant>>,
    /// Whether they ever were.
    shed: AtomicBool,
}

/// How long the refusals of one moment keep coming.
const BURST: Duration = Duration::from_secs(1);

impl Concurrency {
    /// `gentle`: for a host that is known to shed load early.
    pub(crate) fn new(gentle: bool) -> Self {
        let (small, write, widest) = if gentle { (16, 4, 8) } else { (32, 8, 16) };
        Self {
            small: AdaptiveLimit::new(small, 64),
            // As many as a line is filled by: each has some hundred KiB under way.
            read: AdaptiveLimit::new(16, 16),
            early: AdaptiveLimit::new(16, 16),
            write: AdaptiveLimit::new(write, widest),
            narrowed: Mutex::default(),
            shed: AtomicBool::new(false),
        }
    }

    fn width(&self, lane: RequestClass) -> &Arc<AdaptiveLimit> {
        match lane {
            RequestClass::Small => &self.small,
            RequestClass::Read => &self.read,
            RequestClass::Early => &self.early,
            RequestClass::Write => &self.write,
        }
    }

    /// Waits for a place in `lane`.
    pub(crate) async fn enter(&self, lane: RequestClass) -> Permit {
        let width = Arc::clone(self.width(lane));
        // The semaphore is never closed.
        let permit = Arc::clone(&width.places).acquire_owned().await.ok();
        Permit { permit, width }
    }

    /// A place in `lane` that is free now.
    pub(crate) fn try_enter(&self, lane: RequestClass) -> Option<Permit> {
        let width = Arc::clone(self.width(lane));
        let permit = Arc::clone(&width.places).try_acquire_owned().ok()?;
        Some(Permit { permit: Some(permit), width })
    }

    /// How many bodies come at the moment.
    pub(crate) fn readers(&self) -> usize {
        self.read.now.load(Relaxed).saturating_sub(self.read.places.available_permits())
    }

    /// The host answered well.
    pub(crate) fn widen(&self, lane: RequestClass) {
        self.width(lane).widen(!self.shed.load(Relaxed));
    }

    /// The host sheds load. What was on its way together is refused together and counts once.
    pub(crate) fn narrow(&self) {
        let mut narrowed = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        if narrowed.is_some_and(|when| when.elapsed() < BURST) {
            return;
        }
        *narrowed = Some(Instant::now());
        self.shed.store(true, Relaxed);
        for width in [&self.small, &self.read, &self.early, &self.write] {
            width.narrow();
        }
    }
}

struct AdaptiveLimit {
    places: Arc<Semaphore>,
    /// Places there are, taken or free.
    now: AtomicUsize,
    widest: usize,
    /// Places to take away as they become free.
    owed: AtomicUsize,
    good: AtomicUsize,
}

impl AdaptiveLimit {
    fn new(start: usize, widest: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(start)),
            now: AtomicUsize::new(start),
            widest,
            owed: AtomicUsize::new(0),
            good: AtomicUsize::new(0),
        })
    }

    /// One place more for each good answer (`fast`), or for a whole width of them.
    fn widen(&self, fast: bool) {
        let now = self.now.load(Relaxed);
        if now < self.widest && (self.good.fetch_add(1, Relaxed) + 1 >= now || fast) {
            self.good.store(0, Relaxed);
            self.now.fetch_add(1, Relaxed);
            self.places.add_permits(1);
        }
    }

    fn narrow(&self) {
        let Ok(now) = self.now.fetch_update(Relaxed, Relaxed, |now| (now > 1).then_some(now - now / 2)) else {
            return;
        };
        let less = now / 2;
        self.good.store(0, Relaxed);
        let taken = self.places.forget_permits(less);
        self.owed.fetch_add(less - taken, Relaxed);
    }
}

/// A place in a lane, given back when dropped.
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    width: Arc<AdaptiveLimit>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let paid = self.width.owed.fetch_update(Relaxed, Relaxed, |owed| owed.checked_sub(1)).is_ok();
        if paid && let Some(permit) = self.permit.take() {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Concurrency, Relaxed, RequestClass};

    #[tokio::test]
    async fn a_lane_doubles_until_the_host_sheds_load_and_never_passes_its_widest() {
        let lanes = Concurrency::new(true);
        for answers in [16, 32, 100] {
            for _ in 0..answers {
                lanes.widen(RequestClass::Small);
            }
        }
        assert_eq!(lanes.small.now.load(Relaxed), 64);
        assert_eq!(lanes.small.places.available_permits(), 64);
    }

    #[tokio::test]
    async fn a_lane_halves_at_once_and_widens_slowly_after() {
        let lanes = Concurrency::new(true);
        let taken = futures_util::future::join_all((0..16).map(|_| lanes.enter(RequestClass::Small))).await;
        lanes.narrow();
        lanes.narrow();
        assert_eq!(lanes.small.now.load(Relaxed), 8, "the same burst");
        assert_eq!(lanes.small.owed.load(Relaxed), 8);
        drop(taken);
        assert_eq!(lanes.small.places.available_permits(), 8);
        for _ in 0..7 {
            lanes.widen(RequestClass::Small);
        }
        assert_eq!(lanes.small.places.available_permits(), 8);
        lanes.widen(RequestClass::Small);
        assert_eq!(lanes.small.places.available_permits(), 9);
        for _ in 0..20 {
            lanes.small.narrow();
        }
        assert_eq!(lanes.small.places.available_permits(), 1, "never to a standstill");
    }
}
