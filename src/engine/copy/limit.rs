//! How many parts of images are worked on at once, over all images of a run.
//!
//! Owns the bound on what is held in memory for them. How many requests a host gets is not decided here but there. Deadlock-free:
//! every manifest holds one reserved permit, so one of its parts can always proceed.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Permits that all images share. With the reserved ones of as many images as are under way these are more than hosts take
/// requests, so that they do not wait for us. A part on its way takes some 10 KiB, and a manifest about as much: 300
/// images of 16 platforms, all of whose parts were on their way, took 90 MiB.
const MAX_IN_FLIGHT: usize = 96;

/// The limit of a run.
pub struct InFlightLimit(Semaphore);

impl Default for InFlightLimit {
    fn default() -> Self {
        Self(Semaphore::new(MAX_IN_FLIGHT))
    }
}

/// The permit that one manifest has besides the shared ones.
pub(crate) struct ReservedPermit(Semaphore);

impl Default for ReservedPermit {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl InFlightLimit {
    /// Waits for a permit: a shared one, or else the manifest's reserved one. It is given back when dropped.
    pub(crate) async fn enter<'a>(&'a self, reserved: &'a ReservedPermit) -> Option<SemaphorePermit<'a>> {
        let permit = tokio::select! {
            biased;
            permit = self.0.acquire() => permit,
            permit = reserved.0.acquire() => permit,
        };
        // Neither is ever closed.
        permit.ok()
    }
}
