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

/// The most that comes at once in small blobs over the connections that all requests share, in KiB: about what a line of
/// 1 Gbit/s and 65 ms holds. With all three bounds, three hundred tags over TLS take some 29.5 MiB of memory, and 31.4 at most in
/// thirty runs; with 9 MiB here and for what goes, up to 34, and as long. What is more has connections of its own, which a host may limit each by itself, and which take memory too. Below
/// [`CONNECTION_WINDOW`](crate::http::clients::CONNECTION_WINDOW): blobs that nobody reads for a while leave room for what is
/// read, a manifest that others wait for.
const COMING: usize = 8 * 1024;

/// The same of what goes: it has been read, or is read as it is sent. With 16 MiB the soak took 32.4 MiB of memory, with 11 30.8.
const GOING: usize = 8 * 1024;

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
}

/// Room that was given; given back when dropped.
pub(crate) type Room = OwnedSemaphorePermit;

impl Memory {
    /// With so many spans at once.
    pub(crate) fn new(spans: usize) -> Self {
        let [spans, small_blobs, coming, going] =
            [spans, SMALL_BLOBS, COMING, GOING].map(|most| Arc::new(Semaphore::new(most)));
        Self { spans, small_blobs, coming, going }
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
    pub(crate) fn coming(&self, bytes: u64) -> Option<Room> {
        kibibytes(&self.coming, bytes)
    }

    /// For one that goes over a shared connection.
    pub(crate) fn going(&self, bytes: u64) -> Option<Room> {
        kibibytes(&self.going, bytes)
    }
}

fn kibibytes(of: &Arc<Semaphore>, bytes: u64) -> Option<Room> {
    Arc::clone(of).try_acquire_many_owned(u32::try_from(bytes.div_ceil(1024)).ok()?).ok()
}
