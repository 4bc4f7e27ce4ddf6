//! A thousand images against what real registries allow, by a clock that is not real: how fast a run is there, and that nothing
//! fails.
//!
//! Requests take a round trip and are decided by the limit; permits, retries and waits are the program's own. What is counted is
//! how many windows of the limit the run took.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::time::{Instant, sleep};

use crate::error::cause::{Cause, ErrorResponse};
use crate::http::retry::{Retry, classify, rest};
use crate::store::registry::concurrency::Concurrency;
use crate::store::registry::connections::{Connections, RequestClass};
use crate::store::registry::health::Work;
use crate::store::registry::retry::{RetryBudget, Timeouts};
use crate::sync::LockExt as _;

const ROUND_TRIP: Duration = Duration::from_millis(30);

/// The longest wait between two requests at a limit.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// As the input has it by default.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a registry allows: so many requests in a window.
#[derive(Clone, Copy)]
struct Limit {
    requests: f64,
    window: Duration,
    /// What it keeps of what was not used.
    burst: f64,
    /// Whether it says how long to wait.
    says_when: bool,
    is_gentle: bool,
}

/// The registry: a bucket that fills as time passes.
struct Registry {
    limit: Limit,
    /// Allowed now, and as of when.
    left: Mutex<(f64, Instant)>,
    refused: Mutex<u32>,
    concurrency: Concurrency,
}

impl Registry {
    fn new(limit: Limit) -> Self {
        let concurrency = Concurrency::new(limit.is_gentle, None, Connections::default());
        Self { limit, left: Mutex::new((limit.burst, Instant::now())), refused: Mutex::default(), concurrency }
    }

    /// Takes a request, or says what a registry says.
    fn decide(&self) -> Result<(), Cause> {
        let Limit { requests, window, burst, says_when, .. } = self.limit;
        let per_second = requests / window.as_secs_f64();
        let mut left = self.left.locked();
        let filled = (left.0 + left.1.elapsed().as_secs_f64() * per_second).min(burst);
        *left = (filled, Instant::now());
        if filled >= 1.0 {
            left.0 -= 1.0;
            return Ok(());
        }
        *self.refused.locked() += 1;
        let wait = Duration::from_secs_f64((1.0 - filled) / per_second);
        let retry_after = Some(wait).filter(|_| says_when);
        Err(Cause::Refused(ErrorResponse { status: 429, retry_after, ..ErrorResponse::default() }))
    }

    /// One request, sent as `Repository::send` sends it.
    async fn ask(&self) -> Result<(), Cause> {
        let mut budget = RetryBudget::of(&Timeouts::patient(PATIENCE), Work::Answer);
        loop {
            let permit = self.concurrency.acquire_within(RequestClass::Small, &mut budget).await;
            sleep(ROUND_TRIP).await;
            let Err(cause) = self.decide() else {
                self.concurrency.on_success(RequestClass::Small);
                return Ok(());
            };
            drop(permit);
            if classify(&cause) == Retry::Throttled {
                self.concurrency.on_overload();
            }
            let rest = rest(&cause);
            let wait = budget.next(cause, false)?;
            if let Some(rest) = rest {
                self.concurrency.rest(rest);
            }
            sleep(wait).await;
        }
    }

    /// An image: two blobs beside each other, each opened and sent, then its manifest.
    async fn image(&self) -> Result<(), Cause> {
        let blob = || async {
            self.ask().await?;
            self.ask().await
        };
        tokio::try_join!(blob(), blob())?;
        self.ask().await
    }
}

/// Images that go in, many at once; how much longer than the limit allows that took, in percent of it, and how many requests
/// were refused.
async fn run(images: u32, limit: Limit) -> (f64, u32) {
    let registry = Arc::new(Registry::new(limit));
    let began = Instant::now();
    let images_at_once = stream::iter(0..images).map(|_| registry.image()).buffer_unordered(64);
    let failed = images_at_once.filter(|ended| std::future::ready(ended.is_err())).count().await;
    assert_eq!(failed, 0, "nothing fails for want of patience");
    let least = (f64::from(images * 5) - limit.burst) / limit.requests * limit.window.as_secs_f64();
    let refused = *registry.refused.locked();
    (least / began.elapsed().as_secs_f64() * 100.0, refused)
}

/// What waits for its turn at a registry that lets nobody in waits for that registry.
#[tokio::test(start_paused = true)]
async fn a_registry_that_refuses_everything_is_asked_as_long_as_patience_lasts_and_not_often() {
    let nothing =
        Limit { requests: 1e-6, window: Duration::from_secs(1), burst: 0.0, says_when: false, is_gentle: false };
    let (registry, began) = (Registry::new(nothing), Instant::now());
    let ended = join_all((0..64).map(|_| registry.ask())).await;
    assert!(ended.iter().all(Result::is_err));
    let (waited, refused) = (began.elapsed(), *registry.refused.locked());
    assert!(waited >= PATIENCE.saturating_sub(LONGEST_PAUSE) && waited <= PATIENCE + PATIENCE / 10, "{waited:?}");
    assert!(refused < 1500, "{refused} requests");
}

/// Of each limit 95 percent are used, with at most so many refusals an image. What is missing is the end, where the last requests
/// that were refused still sleep.
#[tokio::test(start_paused = true)]
async fn a_thousand_images_go_to_registries_with_limits_and_none_fails() {
    let limit = |requests, window, burst, says_when| Limit {
        requests,
        window: Duration::from_secs(window),
        burst,
        says_when,
        is_gentle: says_when,
    };
    for (name, limit, most) in [
        // GHCR's 2,000 writes a minute: whether what was not used is kept for long is not known.
        ("GHCR, after a rest", limit(2000.0, 60, 2000.0, true), 2),
        ("GHCR", limit(2000.0, 60, 50.0, true), 3),
        // ECR's ten images a second, and a hundred of other actions, without a word of when to come again.
        ("ECR, images", limit(10.0, 1, 20.0, false), 4),
        ("ECR, layers", limit(100.0, 1, 200.0, false), 1),
        // Some a second and address.
        ("Quay", limit(30.0, 1, 100.0, false), 3),
    ] {
        let (percent, refused) = run(1000, limit).await;
        assert!(percent >= 95.0 && refused < most * 1000, "{name}: {percent:.1} % of the limit, {refused} refused");
    }
}
