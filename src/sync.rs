//! What is shared between tasks: locks, what is asked once, what is done a few at a time.
//!
//! Never waits for more than a moment under a lock, and never holds one across an await.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;

/// Locks whose holder panicked are as good as others: in the program a panic ends the process, in tests it is the failure.
pub trait LockExt<T: ?Sized> {
    /// Locks, whatever became of those that held it before.
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T: ?Sized> LockExt<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a sum of what the outside names, which may be any number: it ends at the largest there is, and does not begin anew.
pub fn add_up(sum: &AtomicU64, more: u64) {
    let _ = sum.fetch_update(Relaxed, Relaxed, |sum| Some(sum.saturating_add(more)));
}

/// Takes off such a sum, which may have ended early.
pub fn take_off(sum: &AtomicU64, less: u64) {
    let _ = sum.fetch_update(Relaxed, Relaxed, |sum| Some(sum.saturating_sub(less)));
}

/// What all of `work` gives, in the order in which it ends, `at_once` at a time: what waits for its turn has not been made.
///
/// `buffer_unordered` is that too, but over what borrows from the caller the compiler takes its future for no `Send`
/// (rust-lang/rust#102211).
pub async fn few_at_once<'a, T, E>(
    at_once: usize,
    mut work: impl Iterator<Item = BoxFuture<'a, Result<T, E>>> + Send,
) -> Result<Vec<T>, E> {
    let (mut done, mut going) = (Vec::new(), FuturesUnordered::new());
    loop {
        going.extend(work.by_ref().take(at_once - going.len()));
        match going.next().await {
            Some(result) => done.push(result?),
            None => return Ok(done),
        }
    }
}

/// What is asked once for each key: the first that wants it asks, the others wait for the answer. Where the first fails or
/// is cancelled, one of the others asks.
#[derive(Debug)]
pub struct OnceMap<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> OnceMap<K, V> {
    /// The answer for `key`, or the place where it will be.
    pub fn entry(&self, key: K) -> Arc<OnceCell<V>> {
        Arc::clone(self.0.locked().entry(key).or_default())
    }

    /// Asks again next time. Those that wait already get the old answer.
    pub fn forget<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.locked().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::OnceMap;

    #[tokio::test]
    async fn what_is_asked_once_is_asked_again_after_a_failure_and_when_it_is_forgotten() {
        let map: OnceMap<&str, u32> = OnceMap::default();
        let failed = map.entry("a").get_or_try_init(|| async { Err::<u32, ()>(()) }).await.is_err();
        assert!(failed && map.entry("a").get().is_none());
        for (answer, expected) in [(1, 1), (2, 1)] {
            assert_eq!(*map.entry("a").get_or_init(|| async { answer }).await, expected);
        }
        assert_eq!(map.entry("a").get().copied(), Some(1));
        map.forget("a");
        assert_eq!(*map.entry("a").get_or_init(|| async { 3 }).await, 3);
    }
}
