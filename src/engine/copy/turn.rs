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
        let (readings, origin) = (&self.shared.ledger.readings, self.source.origin());
        let is_over = || blob.mount_source.get().is_some() || readings.stand_still(Some(key), &origin, self.still());
        unless(blob.first_push.lock(), is_over).await
    }

    /// What `shared` gives; none where it is another image that is at it, which gets nothing from its source. `began`: whether
    /// it is this one.
    pub(super) async fn unless_another_stands_still<T>(
        &self,
        shared: impl Future<Output = T>,
        began: &AtomicBool,
        key: Option<&(AccountId, Digest)>,
    ) -> Option<T> {
        let (readings, origin) = (&self.shared.ledger.readings, self.source.origin());
        // By its place: what is moved into another future is in both.
        unless(std::pin::pin!(shared), || !began.load(Relaxed) && readings.stand_still(key, &origin, self.still()))
            .await
    }
}

/// What `awaited` gives; none where it is not worth to wait for any longer.
async fn unless<T>(awaited: impl Future<Output = T>, is_over: impl Fn() -> bool) -> Option<T> {
    let mut awaited = std::pin::pin!(awaited);
    loop {
        tokio::select! {
            biased;
            given = &mut awaited => return Some(given),
            () = tokio::time::sleep(LOOK) => {
                if is_over() {
                    return None;
                }
            }
        }
    }
}
