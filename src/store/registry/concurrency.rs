//! How many requests a host gets at once, and when it gets none.
//!
//! Owns a limit for each class of requests, so that a manifest never waits behind a layer. A limit doubles with each round
//! of good answers until the host first sheds load; then it halves, and from there on grows by one a round (TCP's slow
//! start and congestion avoidance). Where small blobs share one connection (HTTP/2) more of them come at once: none needs a
//! handshake. A host that asks to be left alone is, by all requests. Never decides what is sent, nor how long a host rests.
//!
//! Every wait for a permit ends. A permit that is held by a transfer whose other end is what is waited for, another host
//! with limits of its own, is taken from it after [`IDLE`] and given to whoever waits: no host waits for another. The
//! transfer goes on without, and has one again as soon as it moves. Not where the user has said how many requests a host gets:
//! its request is under way all the while. Within one host a writer may wait for a reader's permit,
//! never the reverse, and whoever holds a permit waits for none of its own class.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use reqwest::Version;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::store::registry::connections::{Connection, Connections, RequestClass};
use crate::store::registry::retry::RetryBudget;
use crate::sync::LockExt as _;

pub(crate) struct Concurrency {
    small: Arc<AdaptiveLimit>,
    /// How many of those there may be in the beginning.
    at_first: usize,
    read: Arc<AdaptiveLimit>,
    /// Small blobs that come over a connection that they share. Where each needs one they count as `read`.
    small_blob: Arc<AdaptiveLimit>,
    early: Arc<AdaptiveLimit>,
    write: Arc<AdaptiveLimit>,
    /// When the host last shed load.
    overloaded: Mutex<Option<Instant>>,
    /// Until when it wants to be left alone.
    rest_until: Mutex<Option<Instant>>,
    /// Whether it ever did: then the limits grow slowly.
    shed: AtomicBool,
    /// Whether its requests share a connection.
    sharing: Mutex<Sharing>,
    /// What the hosts of a run may have together.
    connections: Connections,
}

/// Whether the small requests to a host share a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// It has not answered yet, or not over HTTP/2.
    Unseen,
    /// They do.
    Seen,
    /// They do not, whatever is seen: how many requests there may be is said, connections are few, or the host's blobs are
    /// where each needs one.
    Settled,
}

/// Manifests, questions and small blobs that go.
const SMALL: usize = 64;

/// Blobs that are read at once over a connection each: as many as a line is filled by. Each has some hundred KiB under way.
const READERS: usize = 12;

/// Small blobs that are opened early.
const EARLY: usize = 16;

/// Small blobs that come at once over a connection that they share: those of an image of six platforms, and with all other
/// requests to a host no more than the 128 that nginx and Amazon's load balancers let under way over one. Their bytes are bounded
/// by [`Memory`](crate::store::registry::memory::Memory). Where they are led to a host that speaks no HTTP/2, so many
/// connect to it once.
const BLOBS_SHARED: usize = 48;

/// All requests that a host gets at once where they share connections.
#[cfg(test)]
pub(crate) const MOST: usize = SMALL + READERS + EARLY + BLOBS_SHARED + WRITERS;

/// How long the refusals of one moment keep coming.
const BURST: Duration = Duration::from_secs(1);

/// How long a transfer may wait for its other end, all in all and for each [`PACE`] bytes, while others wait for its permit.
const IDLE: Duration = Duration::from_secs(1);

/// Large bodies that go to a host at once, at most. They fill its line, and each has up to 1.2 MiB under way (hyper): what is
/// read, what waits and what is sent. With six of them the soak took up to 32.3 MiB of memory and was as long.
const WRITERS: usize = 5;

/// Bytes that move a transfer on: a few at a time hold no permit.
const PACE: u64 = 256 * 1024;

impl Concurrency {
    /// `gentle`: for a host that is known to shed load early. `most`: of all requests together, at least three.
    pub(crate) fn new(gentle: bool, most: Option<usize>, connections: Connections) -> Self {
        let (small, write, blobs) = if gentle { (16, 4, 16) } else { (32, WRITERS, BLOBS_SHARED) };
        let limits = match most {
            None => [(small, SMALL), (READERS, READERS), (EARLY, EARLY), (write, WRITERS)],
            // Parts that add up to it. Nothing is opened early where there is no room for it.
            Some(most) => {
                let part = |of: usize| (most / of).max(1);
                let (read, write, early) = (part(4).min(READERS), part(4).min(WRITERS), (most / 8).min(EARLY));
                let small = most.saturating_sub(read + write + early).clamp(1, SMALL);
                [(small, small), (read, read), (early, early), (write, write)]
            }
        };
        let lends = most.is_none();
        // Where no connection is kept, none is shared.
        let sharing = if most.is_some() || connections.are_few() { Sharing::Settled } else { Sharing::Unseen };
        let at_first = limits[0].0;
        let [small, read, early, write] = limits.map(|(start, most)| AdaptiveLimit::new(start.min(most), most, lends));
        Self {
            small,
            at_first,
            read,
            small_blob: AdaptiveLimit::new(blobs, blobs, lends),
            early,
            write,
            overloaded: Mutex::default(),
            rest_until: Mutex::default(),
            shed: AtomicBool::new(false),
            sharing: Mutex::new(sharing),
            connections,
        }
    }

    fn limit(&self, class: RequestClass) -> &Arc<AdaptiveLimit> {
        match class {
            RequestClass::Small => &self.small,
            RequestClass::SmallBlob if *self.sharing.locked() == Sharing::Seen => &self.small_blob,
            RequestClass::Read | RequestClass::SmallBlob => &self.read,
            RequestClass::Early => &self.early,
            RequestClass::Write => &self.write,
        }
    }

    /// How many small requests it gets at once in the beginning.
    pub(crate) fn at_first(&self) -> usize {
        self.at_first
    }

    /// Waits for a permit of `class`.
    pub(crate) async fn acquire(&self, class: RequestClass) -> Permit {
        let mut permit = self.limit(class).acquire().await;
        // Last: whoever waits at a busy host must not keep others from theirs.
        permit.connection = self.connections.acquire(class).await;
        permit
    }

    /// The same for a request with this budget, once the host no longer wants to be left alone. That wait is the host's, and
    /// costs budget: where the budget does not last, the host is asked, and says so itself. The wait for a permit is not, and
    /// costs none. Nobody holds a permit meanwhile, which those of other hosts may wait for.
    pub(crate) async fn acquire_within(&self, class: RequestClass, budget: &mut RetryBudget) -> Permit {
        loop {
            while let Some(until) = self.rests_within(budget) {
                sleep_until(until).await;
            }
            let arrived = Instant::now();
            let permit = self.acquire(class).await;
            budget.exclude_wait(arrived.elapsed());
            if self.rests_within(budget).is_none() {
                return permit;
            }
        }
    }

    /// Until when the host wants to be left alone.
    fn rests_until(&self) -> Option<Instant> {
        self.rest_until.locked().filter(|until| *until > Instant::now())
    }

    /// The same, where the budget lasts so long.
    fn rests_within(&self, budget: &RetryBudget) -> Option<Instant> {
        self.rests_until().filter(|until| budget.lasts_until(*until))
    }

    /// The host is not to be asked anything for so long: it has refused a request, and would refuse others.
    pub(crate) fn rest(&self, wait: Duration) {
        let mut rest_until = self.rest_until.locked();
        *rest_until = rest_until.max(Instant::now().checked_add(wait));
    }

    /// A permit of `class`, where one is free now.
    pub(crate) fn try_acquire(&self, class: RequestClass) -> Option<Permit> {
        if self.rests_until().is_some() {
            return None;
        }
        let connection = self.connections.try_acquire(class)?;
        let limit = self.limit(class);
        limit.permits.try_acquire().ok()?.forget();
        let mut permit = limit.hold();
        permit.connection = connection;
        Some(permit)
    }

    /// How many blobs are being read at the moment, without those that share a connection.
    pub(crate) fn readers(&self) -> usize {
        self.read.current.load(Relaxed).saturating_sub(self.read.permits.available_permits())
    }

    /// The host answered well.
    pub(crate) fn on_success(&self, class: RequestClass) {
        self.limit(class).on_success(!self.shed.load(Relaxed));
    }

    /// The host has answered over HTTP `version`.
    pub(crate) fn answered_over(&self, version: Version) {
        let mut sharing = self.sharing.locked();
        if *sharing == Sharing::Unseen && version == Version::HTTP_2 {
            *sharing = Sharing::Seen;
        }
    }

    /// A small blob of its comes from another host, over HTTP `version`.
    pub(crate) fn is_led_on_over(&self, version: Version) {
        let mut sharing = self.sharing.locked();
        if *sharing == Sharing::Seen && version != Version::HTTP_2 {
            *sharing = Sharing::Settled;
            // Those that wait for it already.
            self.small_blob.shrink_to(READERS);
        }
    }

    /// The host sheds load. What was on its way together is refused together and counts once.
    pub(crate) fn on_overload(&self) {
        let mut overloaded = self.overloaded.locked();
        if overloaded.is_some_and(|when| when.elapsed() < BURST) {
            return;
        }
        *overloaded = Some(Instant::now());
        self.shed.store(true, Relaxed);
        for limit in [&self.small, &self.read, &self.small_blob, &self.early, &self.write] {
            limit.on_overload();
        }
    }
}

struct AdaptiveLimit {
    permits: Semaphore,
    /// Permits there are, taken or free.
    current: AtomicUsize,
    max: usize,
    /// Whether a permit is taken from a transfer that waits for its other end.
    lends: bool,
    /// Permits to take away as they are given back.
    owed: AtomicUsize,
    successes: AtomicUsize,
    /// What holds a permit; those that are gone are taken out now and then.
    holders: Mutex<Vec<Weak<Place>>>,
}

impl AdaptiveLimit {
    fn new(start: usize, max: usize, lends: bool) -> Arc<Self> {
        Arc::new(Self {
            permits: Semaphore::new(start),
            current: AtomicUsize::new(start),
            max,
            lends,
            owed: AtomicUsize::new(0),
            successes: AtomicUsize::new(0),
            holders: Mutex::default(),
        })
    }

    async fn acquire(self: &Arc<Self>) -> Permit {
        let mut acquiring = std::pin::pin!(self.permits.acquire());
        loop {
            tokio::select! {
                biased;
                permit = &mut acquiring => {
                    // The semaphore is never closed.
                    permit.into_iter().for_each(SemaphorePermit::forget);
                    return self.hold();
                }
                () = tokio::time::sleep(IDLE / 4), if self.lends => self.take_from_idle(),
            }
        }
    }

    /// The permit that was just taken out of the semaphore.
    fn hold(self: &Arc<Self>) -> Permit {
        let place = Arc::new(Place { limit: Arc::clone(self), state: Mutex::default() });
        let mut holders = self.holders.locked();
        if holders.len() >= 2 * self.max {
            holders.retain(|holder| holder.strong_count() > 0);
        }
        holders.push(Arc::downgrade(&place));
        Permit { place, connection: None }
    }

    /// Takes the permits of transfers that wait for their other end.
    fn take_from_idle(&self) {
        let holders: Vec<Arc<Place>> = self.holders.locked().iter().filter_map(Weak::upgrade).collect();
        for place in holders {
            let mut state = place.state();
            if state.hold == Hold::Held && state.idle() >= IDLE {
                state.hold = Hold::Lent;
                self.give_back();
            }
        }
    }

    fn give_back(&self) {
        if self.owed.fetch_update(Relaxed, Relaxed, |owed| owed.checked_sub(1)).is_err() {
            self.permits.add_permits(1);
        }
    }

    /// Takes a permit for a transfer that had one: a free one, or the next that is given back. It does not wait, so that
    /// nothing that has begun ever does.
    fn take(&self) {
        match self.permits.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => drop(self.owed.fetch_add(1, Relaxed)),
        }
    }

    /// One permit more for each good answer (`fast`), or for as many of them as there are permits.
    fn on_success(&self, fast: bool) {
        let now = self.current.load(Relaxed);
        if now < self.max && (self.successes.fetch_add(1, Relaxed) + 1 >= now || fast) {
            self.successes.store(0, Relaxed);
            self.current.fetch_add(1, Relaxed);
            self.permits.add_permits(1);
        }
    }

    fn on_overload(&self) {
        let now = self.current.load(Relaxed);
        self.successes.store(0, Relaxed);
        self.shrink_to(now - now / 2);
    }

    /// No more than `most`: what is free goes at once, the rest as it is given back.
    fn shrink_to(&self, most: usize) {
        let Ok(now) = self.current.fetch_update(Relaxed, Relaxed, |now| (now > most).then_some(most)) else { return };
        let less = now - most;
        let taken = self.permits.forget_permits(less);
        self.owed.fetch_add(less - taken, Relaxed);
    }
}

/// Allows one request; given back when dropped.
pub(crate) struct Permit {
    place: Arc<Place>,
    /// Whether it is lent or not, the transfer has its connection.
    connection: Connection,
}

/// The transfer that a permit is for.
pub(crate) struct Place {
    limit: Arc<AdaptiveLimit>,
    state: Mutex<PlaceState>,
}

#[derive(Default)]
struct PlaceState {
    hold: Hold,
    /// Since when the other end is waited for.
    waiting_since: Option<Instant>,
    /// How long it was, since something moved.
    waited: Duration,
    /// Bytes since then.
    bytes: u64,
    /// How long it was waited for in all, as far as nobody has asked.
    untold: Duration,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hold {
    #[default]
    Held,
    /// It was taken from a transfer that goes on.
    Lent,
    /// The transfer is over.
    Over,
}

impl PlaceState {
    fn idle(&self) -> Duration {
        self.waited + self.waiting_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Permit {
    /// What its transfer tells of itself.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

impl Place {
    fn state(&self) -> MutexGuard<'_, PlaceState> {
        self.state.locked()
    }

    /// The transfer waits for its other end.
    pub(crate) fn waits(&self) {
        self.state().waiting_since.get_or_insert_with(Instant::now);
    }

    /// It does not, and so many bytes have moved.
    pub(crate) fn moves(&self, bytes: usize) {
        let mut state = self.state();
        let waited = state.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        state.waited += waited;
        state.untold += waited;
        state.bytes += bytes as u64;
        if state.bytes >= PACE {
            (state.bytes, state.waited) = (0, Duration::ZERO);
            if state.hold == Hold::Lent {
                state.hold = Hold::Held;
                self.limit.take();
            }
        }
    }

    /// How long its other end was waited for since this was last asked: that is no time of this one's.
    pub(crate) fn take_waited(&self) -> Duration {
        self.moves(0);
        std::mem::take(&mut self.state().untold)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if std::mem::replace(&mut self.place.state().hold, Hold::Over) == Hold::Held {
            self.place.limit.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::future::join_all;
    use reqwest::Version;
    use tokio::time::{sleep, timeout};

    use super::{BLOBS_SHARED, Concurrency, PACE, READERS, Relaxed};
    use crate::store::registry::connections::{Connections, RequestClass};

    #[tokio::test]
    async fn a_limit_doubles_until_the_host_sheds_load_and_never_passes_its_maximum() {
        let concurrency = Concurrency::new(true, None, Connections::default());
        for answers in [16, 32, 100] {
            for _ in 0..answers {
                concurrency.on_success(RequestClass::Small);
            }
        }
        assert_eq!(concurrency.small.current.load(Relaxed), 64);
        assert_eq!(concurrency.small.permits.available_permits(), 64);
    }

    #[test]
    fn the_parts_add_up_to_no_more_than_is_allowed_and_none_is_missing() {
        for most in 3..200 {
            let concurrency = Concurrency::new(false, Some(most), Connections::default());
            let limits = [&concurrency.small, &concurrency.read, &concurrency.early, &concurrency.write];
            assert!(limits.map(|limit| limit.max).iter().sum::<usize>() <= most, "{most}");
            assert!([limits[0], limits[1], limits[3]].iter().all(|limit| limit.current.load(Relaxed) > 0), "{most}");
        }
        let concurrency = Concurrency::new(false, Some(8), Connections::default());
        for _ in 0..1000 {
            concurrency.on_success(RequestClass::Small);
            concurrency.on_success(RequestClass::Early);
        }
        assert_eq!((concurrency.small.current.load(Relaxed), concurrency.early.current.load(Relaxed)), (3, 1));
    }

    #[tokio::test]
    async fn a_limit_halves_at_once_and_grows_slowly_after() {
        let concurrency = Concurrency::new(true, None, Connections::default());
        let taken = futures_util::future::join_all((0..16).map(|_| concurrency.acquire(RequestClass::Small))).await;
        concurrency.on_overload();
        concurrency.on_overload();
        assert_eq!(concurrency.small.current.load(Relaxed), 8, "the same burst");
        assert_eq!(concurrency.small.owed.load(Relaxed), 8);
        drop(taken);
        assert_eq!(concurrency.small.permits.available_permits(), 8);
        for _ in 0..7 {
            concurrency.on_success(RequestClass::Small);
        }
        assert_eq!(concurrency.small.permits.available_permits(), 8);
        concurrency.on_success(RequestClass::Small);
        assert_eq!(concurrency.small.permits.available_permits(), 9);
        for _ in 0..20 {
            concurrency.small.on_overload();
        }
        assert_eq!(concurrency.small.permits.available_permits(), 1, "never to a standstill");
    }

    #[tokio::test]
    async fn more_small_blobs_come_at_once_where_they_share_a_connection_and_no_longer_once_they_do_not() {
        let begin = |concurrency: &Concurrency| {
            std::iter::from_fn(|| concurrency.try_acquire(RequestClass::SmallBlob)).collect::<Vec<_>>()
        };
        let concurrency = Concurrency::new(false, None, Connections::default());
        concurrency.answered_over(Version::HTTP_11);
        assert_eq!(begin(&concurrency).len(), READERS);
        concurrency.answered_over(Version::HTTP_2);
        let under_way = begin(&concurrency);
        assert_eq!(under_way.len(), BLOBS_SHARED);
        concurrency.is_led_on_over(Version::HTTP_2);
        concurrency.is_led_on_over(Version::HTTP_11);
        concurrency.answered_over(Version::HTTP_2);
        assert_eq!(begin(&concurrency).len(), READERS, "as large ones");
        drop(under_way);
        assert_eq!(concurrency.small_blob.permits.available_permits(), READERS, "for those that had begun to wait");

        let gentle = Concurrency::new(true, None, Connections::default());
        gentle.answered_over(Version::HTTP_2);
        assert_eq!(begin(&gentle).len(), 16);
        for (most, files) in [(Some(8), None), (None, Some(256))] {
            let few = Concurrency::new(false, most, Connections::within(files));
            let before = begin(&few).len();
            few.answered_over(Version::HTTP_2);
            assert_eq!(begin(&few).len(), before, "{most:?} {files:?}");
        }
    }

    /// Numbers that are the same for the same seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }

        async fn pass(&mut self) {
            sleep(Duration::from_millis(self.below(200))).await;
        }
    }

    /// A large blob's way, with its waits in the order of `push_blob`: a permit to write, one to ask, one to read, then
    /// pieces, for which now the one end is waited and now the other. A source that hangs gives none.
    async fn transfer(source: &Concurrency, target: &Concurrency, mut random: Random, hangs: bool) {
        random.pass().await;
        let write = target.acquire(RequestClass::Write).await;
        let ask = target.acquire(RequestClass::Small).await;
        random.pass().await;
        if random.below(20) == 0 {
            target.on_overload();
        }
        drop(ask);
        write.place().waits();
        let read = source.acquire(RequestClass::Read).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        random.pass().await;
        for _ in 0..4 {
            write.place().moves(usize::try_from(PACE / 2).unwrap());
            read.place().waits();
            random.pass().await;
            read.place().moves(usize::try_from(PACE / 2).unwrap());
            write.place().waits();
            random.pass().await;
        }
        drop((read, write));
        target.on_success(RequestClass::Write);
    }

    #[tokio::test(start_paused = true)]
    async fn in_any_order_every_transfer_ends_beside_a_source_that_hangs_and_all_permits_come_back() {
        for seed in 1..=50 {
            let (good, hung, target) = (
                Concurrency::new(false, None, Connections::default()),
                Concurrency::new(false, None, Connections::default()),
                Arc::new(Concurrency::new(true, None, Connections::default())),
            );
            let random = |number: u64| Random(seed * 1_000_003 + number * 7919);
            let hanging = join_all((0..40).map(|number| transfer(&hung, &target, random(number), true)));
            let ending = join_all((0..40).map(|number| transfer(&good, &target, random(100 + number), false)));
            tokio::select! {
                _ = hanging => unreachable!("they hang"),
                ended = timeout(Duration::from_secs(600), ending) => assert!(ended.is_ok(), "order {seed}"),
            }
            for (concurrency, class) in [(&good, RequestClass::Read), (&*target, RequestClass::Write)] {
                let limit = concurrency.limit(class);
                let (free, owed) = (limit.permits.available_permits(), limit.owed.load(Relaxed));
                assert_eq!(free, limit.current.load(Relaxed) + owed, "order {seed}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_hangs_does_not_keep_the_readers_of_its_brother() {
        let source = Concurrency::new(false, None, Connections::default());
        // The bodies that go to it are read no further.
        let stuck = join_all((0..READERS).map(|_| source.acquire(RequestClass::Read))).await;
        for permit in &stuck {
            permit.place().waits();
        }
        let brother = timeout(Duration::from_secs(600), source.acquire(RequestClass::Read)).await;
        assert!(brother.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_moves_keeps_its_permit_and_one_that_moves_again_has_one_again() {
        let source = Concurrency::new(false, None, Connections::default());
        let mut held = join_all((0..READERS).map(|_| source.acquire(RequestClass::Read))).await;
        let busy = timeout(Duration::from_secs(60), source.acquire(RequestClass::Read)).await;
        assert!(busy.is_err(), "nobody waits for another end");
        // A few bytes now and then.
        let slow = held.pop().unwrap();
        for _ in 0..4 {
            slow.place().waits();
            sleep(Duration::from_millis(500)).await;
            slow.place().moves(4096);
        }
        let next = timeout(Duration::from_secs(60), source.acquire(RequestClass::Read)).await.expect("the slow one's");
        slow.place().moves(usize::try_from(PACE).unwrap());
        drop(next);
        let busy = timeout(Duration::from_secs(60), source.acquire(RequestClass::Read)).await;
        assert!(busy.is_err(), "it was the slow one's, which moves again");
        drop((slow, held));
        assert_eq!(source.read.permits.available_permits(), READERS);
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_user_has_said_how_many_no_more_are_under_way_whatever_waits() {
        let source = Concurrency::new(false, Some(8), Connections::default());
        let held = join_all((0..2).map(|_| source.acquire(RequestClass::Read))).await;
        for permit in &held {
            permit.place().waits();
        }
        let third = timeout(Duration::from_secs(60), source.acquire(RequestClass::Read)).await;
        assert!(third.is_err(), "both have their requests under way");
    }
}
