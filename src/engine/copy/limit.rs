//! How many parts of images are worked on at once, over all images of a run, and how many attachments wait for their turn.
//!
//! Owns the bound on what is held in memory for them. How many requests a host gets is not decided here but there. Deadlock-free:
//! every manifest holds one reserved permit, so one of its parts can always proceed.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

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

/// Bytes that the attachments of each image may take. Those of sixteen platforms, a signature and an SBOM each, take half of it.
const FREE: usize = 256 * 1024;

/// The limit of a run on what attachments take that are found and not yet copied.
pub struct AttachmentLimit(Semaphore);

impl Default for AttachmentLimit {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl AttachmentLimit {
    /// That of an image.
    pub fn quota(&self) -> AttachmentQuota<'_> {
        AttachmentQuota { limit: self, held: AtomicUsize::new(0), enlarged: OnceCell::new() }
    }
}

/// What the attachments of one image take. One image at a time may go past [`FREE`]; it has that until it ends.
pub struct AttachmentQuota<'a> {
    limit: &'a AttachmentLimit,
    held: AtomicUsize,
    enlarged: OnceCell<Option<SemaphorePermit<'a>>>,
}

impl AttachmentQuota<'_> {
    /// So many bytes more are held.
    pub fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    /// Whether the image must wait before it finds more.
    pub fn is_full(&self) -> bool {
        self.held.load(Relaxed) > FREE && !self.enlarged.initialized()
    }

    /// Waits until no other image has more than its share. To be called by whoever holds nothing that another image waits for.
    pub async fn enlarge(&self) {
        // It is never closed.
        self.enlarged.get_or_init(async || self.limit.0.acquire().await.ok()).await;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::{AttachmentLimit, FREE};

    #[tokio::test]
    async fn one_image_at_a_time_has_more_attachments_than_its_share() {
        let limit = AttachmentLimit::default();
        let (one, other, small) = (limit.quota(), limit.quota(), limit.quota());
        small.hold(FREE);
        assert!(!small.is_full());
        one.hold(FREE + 1);
        other.hold(FREE + 1);
        assert!(one.is_full() && other.is_full());
        one.enlarge().await;
        one.enlarge().await;
        assert!(!one.is_full(), "however much it is");
        assert!(other.enlarge().now_or_never().is_none() && other.is_full());
        drop(one);
        tokio::time::timeout(Duration::from_secs(5), other.enlarge()).await.unwrap();
        assert!(!other.is_full());
    }
}
