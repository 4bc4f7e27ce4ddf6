//! What the blobs of a run may take of memory, all hosts together.
//!
//! Owns the bounds. Nothing here waits: what finds no room goes another way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Blobs up to this size in bytes count as small requests: they are over before a large one has begun.
pub(super) const SMALL_BYTES: u64 = 1024 * 1024;

/// The most memory that small blobs take which wait to be sent, in KiB: one of the largest, or many as they are. What finds no
/// room is read as it is sent.
const SMALL_BLOBS: usize = 1024;

/// The most that comes at once in small blobs over the connections that all requests share, in KiB, and the most that goes, which
/// has been read or is read as it is sent: about what a line of 1 Gbit/s and 75 ms holds. What is more has connections of its own,
/// which a host may limit each by itself, and which take memory too. Below
/// [`CONNECTION_WINDOW`](crate::http::clients::CONNECTION_WINDOW): blobs that nobody reads for a while leave room for what is
/// read, a manifest that others wait for.
const ONE_WAY: usize = 9 * 1024;

/// The same of both ways together: an image first comes and then goes, a list does both at once. Three hundred tags over TLS take
/// some 30 MiB of memory with this, and 31.3 at most in eighteen runs; with 18 MiB more than 32 in one of ten, and as long.
const BOTH_WAYS: usize = 13 * 1024;

/// The bounds of a run.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Spans of blobs that are read ahead of their turn.
    spans: Arc<Semaphore>,
    /// Small blobs that wait to be sent, in KiB.
    small_blobs: Arc<Semaphore>,
    /// Small blobs that come over shared connections, in KiB.
    coming: Arc<Semaphore>,
    /// Those that go.
    going: Arc<Semaphore>,
    /// Both.
    shared: Arc<Semaphore>,
}

/// Room that was given; given back when dropped.
pub(crate) type Room = OwnedSemaphorePermit;

/// Room for what goes over a shared connection: of its way, and of both.
pub(crate) type SharedRoom = (Room, Room);

impl Memory {
    /// With so many spans at once.
    pub(crate) fn new(spans: usize) -> Self {
        let [spans, small_blobs, coming, going, shared] =
            [spans, SMALL_BLOBS, ONE_WAY, ONE_WAY, BOTH_WAYS].map(|most| Arc::new(Semaphore::new(most)));
        Self { spans, small_blobs, coming, going, shared }
    }

    /// For one more span of a blob.
    pub(crate) fn span(&self) -> Option<Room> {
        Arc::clone(&self.spans).try_acquire_owned().ok()
    }

    /// For a small blob of so many bytes that waits to be sent.
    pub(crate) fn small_blob(&self, bytes: u64) -> Option<Room> {
        kibibytes(&self.small_blobs, bytes)
    }

    /// For one that comes over a shared connection.
    pub(crate) fn coming(&self, bytes: u64) -> Option<SharedRoom> {
        Some((kibibytes(&self.coming, bytes)?, kibibytes(&self.shared, bytes)?))
    }

    /// For one that goes over a shared connection.
    pub(crate) fn going(&self, bytes: u64) -> Option<SharedRoom> {
        Some((kibibytes(&self.going, bytes)?, kibibytes(&self.shared, bytes)?))
    }
}

fn kibibytes(of: &Arc<Semaphore>, bytes: u64) -> Option<Room> {
    Arc::clone(of).try_acquire_many_owned(u32::try_from(bytes.div_ceil(1024)).ok()?).ok()
}
