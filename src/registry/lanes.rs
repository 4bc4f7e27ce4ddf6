//! How many requests a host gets at once.
//!
//! Three lanes, so that a manifest never waits behind a layer, and so that a copy within one registry cannot starve
//! itself: who writes waits for nobody but readers. A lane widens while the host answers well and halves when it sheds
//! load (additive increase, multiplicative decrease). Never decides what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which lane a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Manifests, HEADs, the opening of uploads.
    Small,
    /// Blob bodies that come.
    Read,
    /// Blob bodies that go.
    Write,
}

pub(super) struct Lanes {
    small: Arc<Width>,
    read: Arc<Width>,
    write: Arc<Width>,
}

impl Lanes {
    /// `gentle` for hosts known to shed load early (GHCR: registries.md §8).
    pub(super) fn new(gentle: bool) -> Self {
        let (write, widest) = if gentle { (4, 8) } else { (8, 16) };
        Self { small: Width::new(16, 64), read: Width::new(8, 16), write: Width::new(write, widest) }
    }

    fn width(&self, lane: Lane) -> &Arc<Width> {
        match lane {
            Lane::Small => &self.small,
            Lane::Read => &self.read,
            Lane::Write => &self.write,
        }
    }

    /// Waits for a place in `lane`.
    pub(super) async fn enter(&self, lane: Lane) -> Place {
        let width = Arc::clone(self.width(lane));
        // The semaphore is never closed.
        let permit = Arc::clone(&width.places).acquire_owned().await.ok();
        Place { permit, width }
    }

    /// The host answered well.
    pub(super) fn widen(&self, lane: Lane) {
        self.width(lane).widen();
    }

    /// The host sheds load.
    pub(super) fn narrow(&self) {
        for width in [&self.small, &self.read, &self.write] {
            width.narrow();
        }
    }
}

struct Width {
    places: Arc<Semaphore>,
    /// Places there are, taken or free.
    now: AtomicUsize,
    widest: usize,
    /// Places to take away as they become free.
    owed: AtomicUsize,
    good: AtomicUsize,
}

impl Width {
    fn new(start: usize, widest: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(start)),
            now: AtomicUsize::new(start),
            widest,
            owed: AtomicUsize::new(0),
            good: AtomicUsize::new(0),
        })
    }

    fn widen(&self) {
        let now = self.now.load(Relaxed);
        // One place more for a whole width of good answers.
        if now < self.widest && self.good.fetch_add(1, Relaxed) + 1 >= now {
            self.good.store(0, Relaxed);
            self.now.fetch_add(1, Relaxed);
            self.places.add_permits(1);
        }
    }

    fn narrow(&self) {
        let now = self.now.load(Relaxed);
        let less = now / 2;
        if less == 0 {
            return;
        }
        self.good.store(0, Relaxed);
        self.now.fetch_sub(less, Relaxed);
        let taken = self.places.forget_permits(less);
        self.owed.fetch_add(less - taken, Relaxed);
    }
}

/// A place in a lane, given back when dropped.
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    width: Arc<Width>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let paid = self.width.owed.fetch_update(Relaxed, Relaxed, |owed| owed.checked_sub(1)).is_ok();
        if paid && let Some(permit) = self.permit.take() {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Lanes, Relaxed};

    #[tokio::test]
    async fn a_lane_halves_at_once_and_widens_slowly() {
        let lanes = Lanes::new(false);
        let taken = futures_util::future::join_all((0..16).map(|_| lanes.enter(Lane::Small))).await;
        lanes.narrow();
        assert_eq!(lanes.small.now.load(Relaxed), 8);
        assert_eq!(lanes.small.owed.load(Relaxed), 8);
        drop(taken);
        assert_eq!(lanes.small.places.available_permits(), 8);
        for _ in 0..7 {
            lanes.widen(Lane::Small);
        }
        assert_eq!(lanes.small.places.available_permits(), 8);
        lanes.widen(Lane::Small);
        assert_eq!(lanes.small.places.available_permits(), 9);
        for _ in 0..20 {
            lanes.narrow();
        }
        assert_eq!(lanes.small.places.available_permits(), 1, "never to a standstill");
    }
}
