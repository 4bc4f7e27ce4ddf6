//! The bound on the manifests that one image may hold in memory.
//!
//! Owns the sum over both ends, attachments included. Never waits: more than any image has is refused.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::violation::Violation;
use crate::oci::manifest::MOST_TOGETHER;

/// Bytes of manifests, and of lists of them, that an image holds.
#[derive(Debug, Default)]
pub struct ManifestBudget {
    reserved_bytes: AtomicU64,
}

impl ManifestBudget {
    /// So many bytes more have come. Fails where they are more together than any image has; then they do not count.
    pub fn reserve(&self, bytes: usize) -> Result<(), Violation> {
        let before = self.reserved_bytes.fetch_add(bytes as u64, Relaxed);
        if before + bytes as u64 > MOST_TOGETHER {
            self.release(bytes);
            return Err(Violation::ManifestsTooLarge { limit: MOST_TOGETHER });
        }
        Ok(())
    }

    /// They were let go: asked for once more, or no longer needed.
    pub fn release(&self, bytes: usize) {
        self.reserved_bytes.fetch_sub(bytes as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::ManifestBudget;
    use crate::oci::manifest::MOST_TOGETHER;

    #[test]
    fn what_was_refused_or_released_does_not_count() {
        let budget = ManifestBudget::default();
        let all = usize::try_from(MOST_TOGETHER).unwrap();
        budget.reserve(all - 1).unwrap();
        assert!(budget.reserve(2).is_err() && budget.reserve(1).is_ok() && budget.reserve(1).is_err());
        budget.release(all);
        budget.reserve(all).unwrap();
    }
}
