//! What a run may take of the pulls that a registry bills: at Docker Hub a GET of a manifest is one, a HEAD is none.
//!
//! Owns the count: what is left, what is set aside for images that were begun, and whose turn it is to set more aside. Never
//! gives out more than there is, and never lets what stands later in the list take what an earlier image needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::sync::LockExt as _;

/// How many pulls a run may take of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullLimit {
    /// As many as the registry says are left.
    Left,
    /// So many.
    Count(u64),
}

/// What is done where there are too few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The image is left for another run.
    Leave,
    /// The registry is asked until it gives pulls back.
    Wait,
}

/// What a registry says of the pulls of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many are left now.
    pub left: u64,
    /// How many there are in all.
    pub most: Option<u64>,
    /// In how long.
    pub window: Option<Duration>,
}

/// What a run has come to of an account's pulls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What the registry says of them; of what is left, the least that it said.
    pub quota: Quota,
    /// Those that were taken, by what was read: an image, or a repository whose tags are looked through.
    pub taken: BTreeMap<String, u64>,
    /// Images that were not looked at, or not to the end, because none was left.
    pub lacking: BTreeSet<String>,
}

/// The pulls of one account at one registry.
#[derive(Debug)]
pub struct PullBudget {
    limit: Option<PullLimit>,
    shortage: Shortage,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the registry has answered about a manifest, and whether it bills pulls.
    is_heard: bool,
    bills: bool,
    /// What it said of them, and the least of what it said is left.
    quota: Option<Quota>,
    /// Those that were taken, by what was read, and the images that lack some.
    taken: BTreeMap<String, u64>,
    lacking: BTreeSet<String>,
    /// Not set aside; none where it is not known, or without end.
    left: Option<u64>,
    most: Option<u64>,
    /// Set aside for images, and not taken yet.
    held: u64,
    /// Images that may still want something set aside.
    begun: BTreeSet<usize>,
    /// The image whose turn it is: what has something set aside, and waits for more, is one at a time.
    at_turn: Option<usize>,
    /// An image could not be given what it needs: no later one is given any.
    is_short: bool,
    /// What was set aside, by source: its targets may read it together, and then wait for each other.
    sources: HashMap<String, Share>,
}

/// What was set aside for one source.
#[derive(Debug, Default)]
struct Share {
    held: Arc<AtomicU64>,
    /// Images at work: begun, not ended, and not stepped back.
    images: usize,
}

impl State {
    /// How many there are still; none where there is no end of them. Only a limit makes `left` known.
    fn end(&self) -> Option<u64> {
        self.left.filter(|_| self.bills)
    }

    /// Image `number` has had set aside what it needs, or waits for nothing now: it is the turn of others.
    fn wants_no_more(&mut self, number: usize) {
        self.begun.remove(&number);
        self.at_turn = self.at_turn.filter(|at| *at != number);
    }

    /// Whether an account ever has so many `pulls`, besides the one by which it was learnt how many these are.
    fn is_possible(&self, pulls: u64) -> bool {
        self.most.is_none_or(|most| pulls < most)
    }
}

impl PullBudget {
    /// `bills`: whether the registry is known to.
    pub fn new(limit: Option<PullLimit>, shortage: Shortage, bills: bool) -> Self {
        let left = match limit {
            Some(PullLimit::Count(count)) => Some(count),
            Some(PullLimit::Left) | None => None,
        };
        let state = State { bills, left, most: left, ..State::default() };
        Self { limit, shortage, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Whether a GET of a manifest is a pull here.
    pub fn bills(&self) -> bool {
        self.state().bills
    }

    /// What has come of the account's pulls, where the registry speaks of them.
    pub fn pulled(&self) -> Option<Pulled> {
        let state = self.state();
        Some(Pulled { quota: state.quota?, taken: state.taken.clone(), lacking: state.lacking.clone() })
    }

    /// One was billed for `source`.
    pub fn billed(&self, source: &str) {
        let mut state = self.state();
        match state.taken.get_mut(source) {
            Some(taken) => *taken += 1,
            None => drop(state.taken.insert(source.to_owned(), 1)),
        }
    }

    /// The image `source` is left, or fails, because none is left for it.
    pub fn lacks(&self, source: &str) {
        self.state().lacking.insert(source.to_owned());
    }

    /// Whether the registry is to be asked before a pull is taken: it has not said yet how many are left.
    pub fn is_to_be_asked(&self) -> bool {
        self.limit.is_some() && !self.state().is_heard
    }

    /// Whether to wait for so many `pulls`: they may come back, unless there are never so many.
    pub fn waits_for(&self, pulls: u64) -> bool {
        let may_wait = self.shortage == Shortage::Wait && self.limit == Some(PullLimit::Left);
        may_wait && self.state().is_possible(pulls)
    }

    /// An answer about a manifest; only those of registries with a quota name one.
    pub fn hear(&self, quota: Option<Quota>) {
        let mut state = self.state();
        state.is_heard = true;
        let Some(quota) = quota else { return };
        state.bills = true;
        // Answers come in another order than they were counted in.
        let left = state.quota.map_or(quota.left, |before| before.left.min(quota.left));
        state.quota = Some(Quota { left, ..quota });
        if self.limit == Some(PullLimit::Left) && state.left.is_none() {
            (state.left, state.most) = (Some(quota.left), quota.most);
        }
        // Later answers do not know of all that is under way; this count does. Where they name less still, somebody else of the
        // account, or of the address, takes pulls too.
        let held = state.held;
        state.left = state.left.map(|left| left.min(quota.left.saturating_sub(held)));
    }

    /// The registry has refused a pull, because none is left: what was set aside is gone too, whoever has taken it.
    pub fn used_up(&self) {
        let mut state = self.state();
        (state.is_heard, state.bills, state.held) = (true, true, 0);
        state.left = self.limit.map(|_| 0);
        state.quota = state.quota.map(|quota| Quota { left: 0, ..quota });
        for share in state.sources.values() {
            share.held.store(0, Relaxed);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The same while it is waited for what comes back. Without a quota there is no end of them any more.
    pub fn hear_again(&self, quota: Option<Quota>) {
        let mut state = self.state();
        let held = state.held;
        state.quota = quota;
        state.left = quota.map(|quota| quota.left.saturating_sub(held));
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes one, of those in `held` first. Gives how many are left where there is none.
    pub fn take(&self, held: Option<&Arc<AtomicU64>>) -> Result<(), u64> {
        let mut state = self.state();
        let Some(left) = state.end() else { return Ok(()) };
        if let Some(held) = held.filter(|held| held.load(Relaxed) > 0) {
            held.fetch_sub(1, Relaxed);
            state.held -= 1;
            return Ok(());
        }
        state.left = Some(left.checked_sub(1).ok_or(left)?);
        Ok(())
    }

    /// One that was taken was not billed: the registry has refused.
    pub fn give_back(&self) {
        let mut state = self.state();
        if let Some(left) = state.end() {
            state.left = Some(left + 1);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether there is an end of them.
    pub fn ends(&self) -> bool {
        self.state().end().is_some()
    }

    /// Whether there may be an end of them: then nothing is read before it is known to be needed.
    pub fn may_end(&self) -> bool {
        self.limit.is_some()
    }

    /// Image `number` of the run, in the order of the list, is begun. Gives what is set aside for its source.
    pub fn begin(&self, number: usize, source: &str) -> Arc<AtomicU64> {
        let mut state = self.state();
        state.begun.insert(number);
        let share = state.sources.entry(source.to_owned()).or_default();
        share.images += 1;
        Arc::clone(&share.held)
    }

    /// Waits until no image before `number` may still want something set aside, and no other has its turn.
    pub async fn turn(&self, number: usize) {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if state.end().is_none() {
                    return;
                }
                let is_first = state.begun.first().is_none_or(|first| *first >= number);
                if is_first && state.at_turn.is_none_or(|other| other == number) {
                    state.at_turn = Some(number);
                    return;
                }
            }
            changed.await;
        }
    }

    /// Sets `pulls` aside for `source`; waits for those that other sources may not need after all. Gives how many are left where these
    /// are too few.
    pub async fn set_aside(&self, pulls: u64, source: &str) -> Result<(), u64> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                let Some(left) = state.end() else { return Ok(()) };
                if pulls == 0 {
                    return Ok(());
                }
                if let Some(rest) = left.checked_sub(pulls).filter(|_| !state.is_short) {
                    state.left = Some(rest);
                    state.held += pulls;
                    state.sources.entry(source.to_owned()).or_default().held.fetch_add(pulls, Relaxed);
                    return Ok(());
                }
                let own = state.sources.get(source).map_or(0, |share| share.held.load(Relaxed));
                if state.is_short || state.held == own {
                    // One that needs more than there ever are would keep all others for ever.
                    state.is_short |= self.shortage == Shortage::Leave && state.is_possible(pulls);
                    return Err(left);
                }
            }
            changed.await;
        }
    }

    /// All that image `number` needs, as far as that is known, is set aside.
    pub fn settle(&self, number: usize) {
        self.state().wants_no_more(number);
        self.changed.notify_waiters();
    }

    /// Image `number` has ended: what is still set aside for `source` is there for others when none of its images is at work.
    pub fn end(&self, number: usize, source: &str) {
        self.step_back(number, source);
    }

    /// Image `number` waits to be begun again, and would keep others that it waits for: as if it had ended, until it comes back.
    pub fn step_back(&self, number: usize, source: &str) {
        let mut state = self.state();
        state.wants_no_more(number);
        if let Some(share) = state.sources.get_mut(source) {
            share.images -= 1;
            if share.images == 0 {
                // The share stays: one that comes back takes from it.
                let rest = share.held.swap(0, Relaxed);
                state.held -= rest;
                state.left = state.left.map(|left| left + rest);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// An image of `source` that stepped back is begun again. Later images need not wait for it; it waits for its turn.
    pub fn come_back(&self, source: &str) {
        if let Some(share) = self.state().sources.get_mut(source) {
            share.images += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{PullBudget, PullLimit, Quota, Shortage};

    fn budget(limit: PullLimit) -> PullBudget {
        PullBudget::new(Some(limit), Shortage::Leave, false)
    }

    #[test]
    fn what_the_registry_says_first_counts_and_what_is_without_a_quota_has_no_end() {
        let pulls = budget(PullLimit::Left);
        assert!(pulls.is_to_be_asked());
        pulls.hear(None);
        assert_eq!((pulls.take(None), pulls.bills(), pulls.is_to_be_asked()), (Ok(()), false, false));
        for left in [1, 9] {
            pulls.hear(Some(Quota { left, most: None, window: None }));
        }
        assert_eq!(pulls.pulled().map(|pulled| pulled.quota.left), Some(1), "answers come in any order");
        assert_eq!((pulls.take(None), pulls.take(None)), (Ok(()), Err(0)));
        pulls.give_back();
        assert_eq!((pulls.take(None), pulls.take(None)), (Ok(()), Err(0)));
    }

    #[test]
    fn what_is_set_aside_is_nobody_elses_until_its_last_image_has_ended_and_no_later_image_passes_an_earlier_one() {
        let pulls = budget(PullLimit::Count(5));
        pulls.hear(Some(Quota { left: 100, most: Some(100), window: None }));
        let set_aside = |count, source| pulls.set_aside(count, source).now_or_never();
        let [first, _, second, _] =
            [(1, "a"), (2, "a"), (3, "b"), (4, "c")].map(|(at, source)| pulls.begin(at, source));
        assert!(pulls.turn(2).now_or_never().is_none() && pulls.turn(1).now_or_never().is_some());
        assert_eq!(set_aside(4, "a"), Some(Ok(())));
        pulls.settle(1);
        assert!(pulls.turn(2).now_or_never().is_some() && pulls.turn(3).now_or_never().is_none());
        assert_eq!(pulls.take(Some(&first)), Ok(()));
        pulls.settle(2);
        // The first may need less than was set aside for it.
        assert_eq!(set_aside(4, "b"), None);
        pulls.end(1, "a");
        assert_eq!(set_aside(4, "b"), None);
        pulls.end(2, "a");
        assert_eq!(set_aside(5, "b"), Some(Err(4)), "more than there ever are");
        assert_eq!(set_aside(2, "b"), Some(Ok(())));
        assert_eq!((pulls.take(Some(&second)), pulls.take(Some(&second))), (Ok(()), Ok(())));
        assert_eq!(set_aside(3, "b"), Some(Err(2)));
        assert_eq!(set_aside(1, "c"), Some(Err(2)), "the second stands before it");
    }

    /// Two targets of one source, and another source, none of which has room for its manifests.
    #[test]
    fn images_that_wait_to_be_begun_again_keep_neither_their_pulls_nor_their_turn_from_others() {
        let pulls = budget(PullLimit::Count(5));
        pulls.hear(Some(Quota { left: 100, most: Some(100), window: None }));
        let set_aside = |count, source| pulls.set_aside(count, source).now_or_never();
        let has_turn = |number| pulls.turn(number).now_or_never().is_some();
        let [first, ..] = [(1, "a"), (2, "a"), (3, "b")].map(|(at, source)| pulls.begin(at, source));
        assert!(has_turn(1) && !has_turn(3));
        assert_eq!((set_aside(3, "a"), pulls.take(Some(&first))), (Some(Ok(())), Ok(())));
        // Before it was settled. The other image of its source reads what was set aside.
        pulls.step_back(1, "a");
        assert!(has_turn(2) && !has_turn(3));
        pulls.settle(2);
        assert!(has_turn(3));
        assert_eq!((set_aside(4, "b"), pulls.take(Some(&first))), (None, Ok(())));
        pulls.step_back(2, "a");
        assert_eq!(set_aside(3, "b"), Some(Ok(())));
        // The first is begun again: one at a time has its turn, whoever stands before.
        pulls.come_back("a");
        assert!(!has_turn(1));
        pulls.step_back(3, "b");
        assert!(has_turn(1));
        assert_eq!((set_aside(2, "a"), pulls.take(Some(&first))), (Some(Ok(())), Ok(())));
        pulls.end(1, "a");
        pulls.come_back("b");
        assert_eq!(set_aside(2, "b"), Some(Ok(())), "three were taken");
    }
}
