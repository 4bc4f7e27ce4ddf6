//! Which blobs of a run are being read, and whether their sources give anything.
//!
//! Owns that a source which is not asked for more does not stand still: then its target does. Never ends a reading.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use crate::error::Error;
use crate::oci::digest::Digest;
use crate::store::blob::{BlobSource, BlobStream};
use crate::store::content::{AccountId, Origin};
use crate::sync::LockExt as _;

/// The blobs of a run that are being read, for the first target of an account that gets them.
#[derive(Default)]
pub(crate) struct Readings(Mutex<Vec<Reading>>);

struct Reading {
    number: u64,
    blob: (AccountId, Digest),
    origin: Origin,
    /// Since when its source is waited for.
    waits_since: Option<Instant>,
}

impl Readings {
    fn begin(self: &Arc<Self>, blob: (AccountId, Digest), origin: Origin) -> Watch {
        let mut readings = self.0.locked();
        let number = readings.last().map_or(0, |last| last.number + 1);
        readings.push(Reading { number, blob, origin, waits_since: Some(Instant::now()) });
        Watch { readings: Arc::clone(self), number }
    }

    /// Whether something is being read elsewhere than at `origin`, this `blob` where one is named, and has stood still for so
    /// long wherever it is read.
    pub(super) fn stand_still(&self, blob: Option<&(AccountId, Digest)>, origin: &Origin, still: Duration) -> bool {
        let readings = self.0.locked();
        let is_still = |reading: &Reading| {
            reading.origin != *origin && reading.waits_since.is_some_and(|since| since.elapsed() >= still)
        };
        match blob {
            Some(blob) => {
                let mut of_blob = readings.iter().filter(|reading| reading.blob == *blob).peekable();
                of_blob.peek().is_some() && of_blob.all(is_still)
            }
            None => readings.iter().any(is_still),
        }
    }
}

/// One of them, as long as this is held.
struct Watch {
    readings: Arc<Readings>,
    number: u64,
}

impl Watch {
    fn waits(&self, waits: bool) {
        let mut readings = self.readings.0.locked();
        let Some(reading) = readings.iter_mut().find(|reading| reading.number == self.number) else { return };
        reading.waits_since = if waits { reading.waits_since.or_else(|| Some(Instant::now())) } else { None };
    }

    fn watch(self, mut pieces: BlobStream) -> BlobStream {
        self.waits(false);
        stream::poll_fn(move |context| {
            let polled = pieces.poll_next_unpin(context);
            self.waits(polled.is_pending());
            polled
        })
        .boxed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.readings.0.locked().retain(|reading| reading.number != self.number);
    }
}

/// A blob of the source, of which others see whether it moves.
pub(super) struct WatchedBlob<'a, S> {
    pub(super) inner: S,
    pub(super) readings: &'a Arc<Readings>,
    pub(super) blob: (AccountId, Digest),
    pub(super) origin: Origin,
}

impl<S: BlobSource> WatchedBlob<'_, S> {
    fn watched<'b>(
        &'b self,
        opening: BoxFuture<'b, Result<BlobStream, Error>>,
    ) -> BoxFuture<'b, Result<BlobStream, Error>> {
        async move {
            let watch = self.readings.begin(self.blob.clone(), self.origin.clone());
            Ok(watch.watch(opening.await?))
        }
        .boxed()
    }
}

impl<S: BlobSource> BlobSource for WatchedBlob<'_, S> {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        self.watched(self.inner.open())
    }

    fn open_early(&self) -> Option<BoxFuture<'_, Result<BlobStream, Error>>> {
        Some(self.watched(self.inner.open_early()?))
    }

    fn has_another(&self) -> bool {
        self.inner.has_another()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::stream::{self, StreamExt as _};

    use super::Readings;
    use crate::oci::digest::Digest;
    use crate::store::content::{AccountId, Origin};

    const STILL: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_reading_stands_still_where_its_source_is_waited_for_and_not_where_its_target_is() {
        let readings = Arc::new(Readings::default());
        let blob = |name: &str| (AccountId::Registry(0), Digest::of(name.as_bytes()));
        let origin = |number| -> Origin { (Some(AccountId::Registry(number)), "library/app".into()) };
        let stands_still = |name: &str, mine| readings.stand_still(Some(&blob(name)), &origin(mine), STILL);
        let watch = readings.begin(blob("a"), origin(1));
        assert!(!stands_still("a", 2), "not yet");
        tokio::time::advance(STILL).await;
        assert!(stands_still("a", 2) && readings.stand_still(None, &origin(2), STILL));
        assert!(!stands_still("a", 1), "the same source is no better");
        assert!(!stands_still("b", 2));
        let pieces = stream::iter([Ok(bytes::Bytes::from_static(b"x"))]).chain(stream::pending()).boxed();
        let mut pieces = watch.watch(pieces);
        assert!(pieces.next().await.is_some());
        tokio::time::advance(STILL).await;
        assert!(!stands_still("a", 2), "nobody asks it for more");
        let next = tokio::time::timeout(STILL, pieces.next()).await;
        assert!(next.is_err() && stands_still("a", 2));
        let other = readings.begin(blob("a"), origin(3));
        assert!(!stands_still("a", 2), "another one is at it");
        drop((other, pieces));
        assert!(!stands_still("a", 2) && !readings.stand_still(None, &origin(2), STILL));
    }
}
