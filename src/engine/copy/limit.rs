//! How many parts of images are worked on at once, over all images of a run.
//!
//! Owns the bound on what is held in memory for them. How many requests a host gets is not decided here but there. Never
//! makes anybody wait for good: besides the places that all share, each manifest has one of its own, so that whatever
//! waits for it, and whoever holds the shared ones meanwhile, one of its parts goes on.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Places that all images share. With the own ones of as many images as are under way these are more than hosts take
/// requests, so that they do not wait for us. A part on its way takes some 10 KiB, and a manifest about as much: 300
/// images of 16 platforms, all of whose parts were on their way, took 90 MiB.
const PARTS: usize = 96;

/// The room of a run.
pub struct InFlightLimit(Semaphore);

impl Default for InFlightLimit {
    fn default() -> Self {
        Self(Semaphore::new(PARTS))
    }
}

/// The place of one manifest's own.
pub(crate) struct Own(Semaphore);

impl Default for Own {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl InFlightLimit {
    /// Waits for a place: a shared one, or else the manifest's own. It is given back when dropped.
    pub(crate) async fn enter<'a>(&'a self, own: &'a Own) -> Option<SemaphorePermit<'a>> {
        let place = tokio::select! {
            biased;
            place = self.0.acquire() => place,
            place = own.0.acquire() => place,
        };
        // Neither is ever closed.
        place.ok()
    }
}
