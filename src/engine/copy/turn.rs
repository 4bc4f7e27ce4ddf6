//! Whose turn it is to bring what several images need.
//!
//! Owns that an image which waits for what another one brings goes on with its own source where the other's stands still.
//! Not within one source: what hangs there would hang once more. Never fails an image.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::MutexGuard;

use crate::engine::copy::Copy;
use crate::engine::copy::ledger::Blob;
use crate::oci::digest::Digest;
use crate::store::content::AccountId;

/// How often it is looked at whether another source stands still.
const LOOK: Duration = Duration::from_secs(1);

impl Copy<'_> {
    /// How long a source may stand still before others do without it: as a follower of a download does.
    fn still(&self) -> Duration {
        (self.options.patience / 30).max(Duration::from_secs(3))
    }

    /// Waits until `blob` may be brought: with the right to be the first; without where it is there already, or where whoever
    /// has that right gets nothing.
    pub(super) async fn turn<'b>(&self, blob: &'b Blob, key: &(AccountId, Digest)) -> Option<MutexGuard<'b, ()>> {
        let mut first = std::pin::pin!(blob.first_push.lock());
        let origin = self.source.origin();
        loop {
            tokio::select! {
                biased;
                first = &mut first => return Some(first),
                () = tokio::time::sleep(LOOK) => {
                    let readings = &self.shared.ledger.readings;
                    if blob.mount_source.get().is_some() || readings.stand_still(Some(key), &origin, self.still()) {
                        return None;
                    }
                }
            }
        }
    }

    /// What `shared` gives; none where it is another image that is at it, which gets nothing from its source. `began`: whether
    /// it is this one.
    pub(super) async fn unless_another_stands_still<T>(
        &self,
        shared: impl Future<Output = T>,
        began: &AtomicBool,
        key: Option<&(AccountId, Digest)>,
    ) -> Option<T> {
        let mut shared = std::pin::pin!(shared);
        let origin = self.source.origin();
        loop {
            tokio::select! {
                biased;
                result = &mut shared => return Some(result),
                () = tokio::time::sleep(LOOK) => {
                    if !began.load(Relaxed) && self.shared.ledger.readings.stand_still(key, &origin, self.still()) {
                        return None;
                    }
                }
            }
        }
    }
}
