//! How far a run is, for those who wait for it.
//!
//! Owns the counts of all images together, and what is made of them: a rate over the last seconds, a time left, the words
//! for both. Never promises: bytes of images that were not looked at are not known, and where nothing is known nothing is
//! said. Never prints; the console does, as a line now and then or as a bar.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::observe::manifest_budget::RunManifests;
use crate::sync::{LockExt as _, add_up, take_off};
use crate::text::sanitise::one_line;
use crate::text::units::{count, size};

/// Characters of why a host is waited for.
const REASON: usize = 100;

/// The time that a rate is taken over: long enough to be read, short enough to be true.
const WINDOW: Duration = Duration::from_secs(10);

/// A rate over less than this is noise.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest time left that is said, in milliseconds: a day. More is no estimate but a standstill.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

/// With more images than this none has a line of its own.
const FEW: usize = 5;

/// A host that does not answer for so long is named.
const SILENT: Duration = Duration::from_secs(3);

/// When a run that goes on says so for the first time.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// The counts of one image, for a line of its own.
#[derive(Debug)]
pub struct ImageProgress {
    /// What it is called.
    pub name: String,
    sent: AtomicU64,
    left: AtomicU64,
}

impl ImageProgress {
    /// Bytes went to its target, or are to go there. `left` is all that are.
    pub fn moved(&self, sent: u64, left: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.left.store(left, Relaxed);
    }

    /// What was sent, and what of that is known to be needed.
    pub fn bytes(&self) -> (u64, u64) {
        let sent = self.sent.load(Relaxed);
        (sent, sent.saturating_add(self.left.load(Relaxed)))
    }
}

/// The counts of all images of a run together, kept where things happen.
#[derive(Debug, Default)]
pub struct RunProgress {
    /// Those under way, in the order in which they were begun.
    under_way: Mutex<Vec<Weak<ImageProgress>>>,
    images: AtomicUsize,
    begun: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicUsize,
    sent: AtomicU64,
    expected_bytes: AtomicU64,
    waits: Mutex<BTreeMap<String, (Instant, String)>>,
    /// Requests without an answer so far, by a number: the host, and since when.
    asked: Mutex<BTreeMap<u64, (String, Instant)>>,
    requests: AtomicU64,
    /// Addresses that layers name which were asked.
    pub(super) asked_elsewhere: AtomicU64,
    /// What its images hold of manifests.
    pub(super) manifests: Arc<RunManifests>,
}

/// A request that has no answer as long as this is held.
#[derive(Debug)]
pub struct Unanswered<'a> {
    run: &'a RunProgress,
    number: u64,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.run.asked.locked().remove(&self.number);
    }
}

/// A host that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The host.
    pub host: String,
    /// For how long it has not.
    pub since: Duration,
}

/// A host that asked to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The host.
    pub host: String,
    /// For how long.
    pub left: Duration,
    /// In the host's words.
    pub reason: String,
}

impl RunProgress {
    /// What its images hold of manifests.
    pub fn manifests(&self) -> &RunManifests {
        &self.manifests
    }

    /// An image that is about to be worked on; it is under way as long as this is held.
    pub fn image(&self, name: String) -> Arc<ImageProgress> {
        let image = Arc::new(ImageProgress { name, sent: AtomicU64::default(), left: AtomicU64::default() });
        let mut under_way = self.under_way.locked();
        under_way.retain(|image| image.strong_count() > 0);
        under_way.push(Arc::downgrade(&image));
        image
    }

    /// Those under way of which something moves, where the run has few; none of many, of which nobody reads each.
    pub fn images(&self) -> Vec<Arc<ImageProgress>> {
        if !(2..=FEW).contains(&self.images.load(Relaxed)) {
            return Vec::new();
        }
        let under_way = self.under_way.locked();
        under_way.iter().filter_map(Weak::upgrade).filter(|image| image.bytes().1 > 0).collect()
    }

    /// So many images are to be worked on.
    pub fn expect(&self, images: usize) {
        self.images.store(images, Relaxed);
    }

    /// An image was begun.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// An image has ended.
    pub fn end(&self, failed: bool) {
        self.done.fetch_add(1, Relaxed);
        self.failed.fetch_add(usize::from(failed), Relaxed);
    }

    /// Bytes went to a target.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// Bytes are to go to a target.
    pub fn expect_bytes(&self, bytes: u64) {
        add_up(&self.expected_bytes, bytes);
    }

    /// They went, or need not go.
    pub fn expect_fewer_bytes(&self, bytes: u64) {
        take_off(&self.expected_bytes, bytes);
    }

    /// A host is waited for from now on, for so long; the longest wait for it counts.
    pub fn wait(&self, host: &str, wait: Duration, reason: &str) {
        let until = Instant::now() + wait;
        let mut waits = self.waits.locked();
        let known = waits.entry(host.to_owned()).or_insert_with(|| (until, reason.to_owned()));
        if known.0 < until {
            *known = (until, reason.to_owned());
        }
    }

    /// The host that is waited for the longest; none where none is.
    pub fn longest_wait(&self, now: Instant) -> Option<Wait> {
        let mut waits = self.waits.locked();
        waits.retain(|_, (until, _)| *until > now);
        let (host, (until, reason)) = waits.iter().max_by_key(|(_, (until, _))| *until)?;
        Some(Wait { host: host.clone(), left: *until - now, reason: reason.clone() })
    }

    /// A host is asked.
    pub fn ask(&self, host: String) -> Unanswered<'_> {
        let number = self.requests.fetch_add(1, Relaxed);
        self.asked.locked().insert(number, (host, Instant::now()));
        Unanswered { run: self, number }
    }

    /// The host that has not answered for the longest, where that is long.
    pub fn longest_silence(&self, now: Instant) -> Option<Silence> {
        let asked = self.asked.locked();
        let (host, begun) = asked.values().min_by_key(|(_, begun)| *begun)?;
        let since = now.saturating_duration_since(*begun);
        (since >= SILENT).then(|| Silence { host: host.clone(), since })
    }

    /// How far the run is now.
    pub fn progress(&self) -> Progress {
        Progress {
            images: self.images.load(Relaxed),
            begun: self.begun.load(Relaxed),
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            sent: self.sent.load(Relaxed),
            left: self.expected_bytes.load(Relaxed),
        }
    }
}

/// How far a run is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Images of the run.
    pub images: usize,
    /// Images that were begun.
    pub begun: usize,
    /// Images that have ended, however.
    pub done: usize,
    /// Images that have failed.
    pub failed: usize,
    /// Bytes that went to targets.
    pub sent: u64,
    /// Bytes that are to go there, of the images that were looked at.
    pub left: u64,
}

impl Progress {
    /// Bytes that will go there, those of images that were not begun guessed from the others; none where nothing is
    /// known.
    fn bytes_left(&self) -> Option<u64> {
        let waiting = (self.images - self.begun.min(self.images)) as u64;
        let of_the_waiting = self.known().checked_div(self.begun as u64)?.saturating_mul(waiting);
        Some(self.left.saturating_add(of_the_waiting))
    }

    /// Bytes that went and that are to go. Images name what sizes they like.
    fn known(&self) -> u64 {
        self.sent.saturating_add(self.left)
    }
}

/// The moments of the last seconds.
#[derive(Debug)]
pub struct RateEstimate {
    started: Instant,
    moments: VecDeque<(Instant, Progress)>,
}

/// How far a run is, and how fast it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How long it has gone on.
    pub elapsed: Duration,
    /// How far it is.
    pub progress: Progress,
    /// Bytes a second.
    rate: Option<u64>,
    /// How long it will go on.
    left: Option<Duration>,
    /// What it waits for.
    wait: Option<Wait>,
    /// What does not answer.
    silence: Option<Silence>,
}

impl RateEstimate {
    /// The run starts now.
    pub fn new(started: Instant) -> Self {
        Self { started, moments: VecDeque::new() }
    }

    /// Looks at the run.
    pub fn look(&mut self, now: Instant, progress: Progress) -> Snapshot {
        while self.moments.get(1).is_some_and(|(when, _)| now - *when >= WINDOW) {
            self.moments.pop_front();
        }
        let (then, before) = self.moments.front().copied().unwrap_or((self.started, Progress::default()));
        self.moments.push_back((now, progress));
        let span = now - then;
        let (bytes, images) = (progress.sent.saturating_sub(before.sent), progress.done.saturating_sub(before.done));
        // What is left is done like what was done: bytes where there are any, else images.
        let (to_do, did) = match progress.bytes_left() {
            Some(left) if left > 0 => (left, bytes),
            _ => (progress.images.saturating_sub(progress.done) as u64, images as u64),
        };
        let long_enough = span >= SHORTEST;
        let left =
            share(to_do, span.as_millis(), u128::from(did)).filter(|left| long_enough && (1..=LONGEST).contains(left));
        let rate = share(bytes, 1000, span.as_millis()).filter(|_| long_enough && progress.sent > 0);
        Snapshot {
            elapsed: now - self.started,
            progress,
            rate,
            left: left.map(Duration::from_millis),
            wait: None,
            silence: None,
        }
    }
}

/// `amount` × `times` / `by`.
fn share(amount: u64, times: u128, by: u128) -> Option<u64> {
    u64::try_from((u128::from(amount) * times).checked_div(by)?).ok()
}

impl Snapshot {
    /// With what the run waits for.
    #[must_use]
    pub fn with_wait(self, wait: Option<Wait>) -> Self {
        Self { wait, ..self }
    }

    /// With what does not answer.
    #[must_use]
    pub fn with_silence(self, silence: Option<Silence>) -> Self {
        Self { silence, ..self }
    }

    /// `12 of 300 images, 1 failed, 45.2 MiB sent, 8.9 MiB/s, about 9 s left`; none where there is nothing to say.
    pub fn describe(&self) -> Option<String> {
        let Progress { images, begun, done, failed, sent, left } = self.progress;
        let mut parts = Vec::new();
        if images > 1 {
            parts.push(format!("{done} of {}", count(images as u64, "image")));
            if failed > 0 {
                parts.push(format!("{failed} failed"));
            }
        }
        match (sent, left) {
            (0, 0) => {}
            // What images will need that were not looked at is not known.
            (_, 0) => parts.push(format!("{} sent", size(sent))),
            _ if begun < images => parts.push(format!("{} sent", size(sent))),
            _ => parts.push(format!("{} of {} sent", size(sent), size(self.progress.known()))),
        }
        // While a host is waited for, that nothing moves is no news; for whom and how long is.
        let rate = self.rate.filter(|rate| *rate > 0 || self.wait.is_none());
        parts.extend(rate.map(|rate| format!("{}/s", size(rate))));
        parts.extend(self.wait.as_ref().map(|wait| {
            format!(
                "waiting for {}, {} left: {}",
                wait.host,
                rounded_duration(wait.left),
                one_line(&wait.reason, REASON)
            )
        }));
        // Where bytes go on, one answer that takes its time is no news.
        let stands = self.wait.is_none() && rate.is_none_or(|rate| rate == 0);
        parts.extend(
            self.silence
                .as_ref()
                .filter(|_| stands)
                .map(|silence| format!("waiting for {}: no answer for {} s", silence.host, silence.since.as_secs())),
        );
        parts.extend(self.left.map(|left| format!("about {} left", rounded_duration(left))));
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// How much is done, in thousandths.
    pub fn permille(&self) -> u64 {
        let Progress { images, done, sent, .. } = self.progress;
        let (done, all) = match self.progress.bytes_left() {
            Some(left) if sent.saturating_add(left) > 0 => (sent, sent.saturating_add(left)),
            _ => (done as u64, images as u64),
        };
        share(done, 1000, u128::from(all)).unwrap_or(0)
    }
}

/// An estimate, rounded up to what can be promised of it.
fn rounded_duration(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..10 => format!("{seconds} s"),
        10..60 => format!("{} s", seconds.div_ceil(5) * 5),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// When a log gets its next line: every few seconds at first, and seldom in a run that goes on for an hour.
#[derive(Debug)]
pub struct LogInterval {
    next: Duration,
}

impl Default for LogInterval {
    fn default() -> Self {
        Self { next: FIRST_LINE }
    }
}

impl LogInterval {
    /// Whether it is time, when so much has gone.
    pub fn is_due(&mut self, elapsed: Duration) -> bool {
        let due = elapsed >= self.next;
        if due {
            let pause = match elapsed.as_secs() {
                0..60 => 5,
                60..600 => 15,
                _ => 60,
            };
            self.next = elapsed + Duration::from_secs(pause);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LogInterval, Progress, RateEstimate, RunProgress, Wait};

    const MIB: u64 = 1 << 20;

    /// What is said at each of the moments.
    fn said(moments: &[(u64, Progress)]) -> Vec<String> {
        let started = Instant::now();
        let mut pace = RateEstimate::new(started);
        let say = |(seconds, progress): &(u64, Progress)| {
            pace.look(started + Duration::from_secs(*seconds), *progress).describe().unwrap_or_default()
        };
        moments.iter().map(say).collect()
    }

    #[test]
    fn one_image_says_bytes_rate_and_time() {
        let one = Progress { images: 1, begun: 1, ..Progress::default() };
        let said = said(&[
            (0, one),
            (5, Progress { sent: 50 * MIB, left: 150 * MIB, ..one }),
            // The rate is that of the last seconds, not of the whole run.
            (15, Progress { sent: 60 * MIB, left: 140 * MIB, ..one }),
            (16, Progress { sent: 61 * MIB, left: 139 * MIB, ..one }),
            // It stalls: no time left is known.
            (40, Progress { sent: 61 * MIB, left: 139 * MIB, ..one }),
            (41, Progress { sent: 61 * MIB, left: 139 * MIB, ..one }),
            (51, Progress { sent: 200 * MIB, left: 0, ..one }),
        ]);
        assert_eq!(
            said,
            [
                "",
                "50.0 MiB of 200.0 MiB sent, 10.0 MiB/s, about 15 s left",
                "60.0 MiB of 200.0 MiB sent, 1.0 MiB/s, about 3 min left",
                "61.0 MiB of 200.0 MiB sent, 1.0 MiB/s, about 3 min left",
                "61.0 MiB of 200.0 MiB sent, 0 B/s",
                "61.0 MiB of 200.0 MiB sent, 0 B/s",
                "200.0 MiB sent, 13.8 MiB/s",
            ]
        );
    }

    #[test]
    fn a_wait_says_for_whom_and_how_long_in_place_of_a_rate() {
        let run = RunProgress::default();
        run.wait("quay.io", Duration::from_secs(5), "503");
        run.wait("ghcr.io", Duration::from_secs(62), "secondary rate limit");
        run.wait("ghcr.io", Duration::from_secs(1), "502");
        let now = Instant::now();
        let wait = run.longest_wait(now).unwrap();
        assert_eq!((wait.host.as_str(), wait.reason.as_str()), ("ghcr.io", "secondary rate limit"));
        let wait = Some(Wait { left: Duration::from_secs(40), ..wait });
        let still = Progress { images: 1, begun: 1, sent: MIB, left: MIB, ..Progress::default() };
        let mut pace = RateEstimate::new(now);
        pace.look(now, still);
        let said = pace.look(now + Duration::from_secs(20), still).with_wait(wait).describe().unwrap();
        assert_eq!(said, "1.0 MiB of 2.0 MiB sent, waiting for ghcr.io, 40 s left: secondary rate limit");
        assert_eq!(run.longest_wait(now + Duration::from_secs(100)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_answer_is_named_as_long_as_nothing_moves() {
        let run = RunProgress::default();
        let started = Instant::now();
        let one = run.ask("ghcr.io".to_owned());
        tokio::time::advance(Duration::from_secs(1)).await;
        let _other = run.ask("quay.io".to_owned());
        let silence = |seconds| run.longest_silence(started + Duration::from_secs(seconds));
        assert_eq!(silence(2), None);
        let still = Progress { images: 1, begun: 1, ..Progress::default() };
        let say = |progress| {
            let mut pace = RateEstimate::new(started);
            pace.look(started, still);
            pace.look(started + Duration::from_secs(9), progress).with_silence(silence(9)).describe()
        };
        assert_eq!(say(still).as_deref(), Some("waiting for ghcr.io: no answer for 9 s"));
        assert_eq!(say(Progress { sent: 9 * MIB, ..still }).as_deref(), Some("9.0 MiB sent, 1.0 MiB/s"));
        drop(one);
        assert_eq!(say(still).as_deref(), Some("waiting for quay.io: no answer for 8 s"));
    }

    #[test]
    fn many_images_are_guessed_from_those_that_were_looked_at() {
        let many = Progress { images: 300, begun: 64, ..Progress::default() };
        let said = said(&[
            (1, many),
            (5, Progress { begun: 100, done: 36, failed: 1, sent: 50 * MIB, left: 50 * MIB, ..many }),
            (9, Progress { begun: 300, done: 290, failed: 1, sent: 280 * MIB, left: 10 * MIB, ..many }),
        ]);
        assert_eq!(
            said,
            [
                "0 of 300 images",
                "36 of 300 images, 1 failed, 50.0 MiB sent, 12.5 MiB/s, about 20 s left",
                "290 of 300 images, 1 failed, 280.0 MiB of 290.0 MiB sent, 35.0 MiB/s, about 1 s left",
            ]
        );
    }

    #[test]
    fn few_images_have_a_line_each_while_something_of_them_moves() {
        let run = RunProgress::default();
        let (one, other) = (run.image("one".to_owned()), run.image("other".to_owned()));
        one.moved(3, 7);
        let lines = |images| {
            run.expect(images);
            run.images().iter().map(|image| (image.name.clone(), image.bytes())).collect::<Vec<_>>()
        };
        assert_eq!(lines(2), [("one".to_owned(), (3, 10))]);
        other.moved(0, 5);
        one.moved(7, 0);
        assert_eq!(lines(2), [("one".to_owned(), (10, 10)), ("other".to_owned(), (0, 5))]);
        // One image is all of the run, and of many nobody reads each.
        assert_eq!((lines(1), lines(6)), (vec![], vec![]));
        drop(one);
        assert_eq!(lines(2), [("other".to_owned(), (0, 5))]);
    }

    #[test]
    fn images_without_bytes_are_counted() {
        let many = Progress { images: 3000, begun: 64, ..Progress::default() };
        let said = said(&[(0, many), (5, Progress { begun: 1064, done: 1000, ..many }), (5, many)]);
        assert_eq!(said[1], "1000 of 3000 images, about 10 s left");
    }

    #[test]
    fn what_is_done_is_measured_in_bytes_where_there_are_any() {
        let view = |progress| RateEstimate::new(Instant::now()).look(Instant::now(), progress).permille();
        assert_eq!(view(Progress::default()), 0);
        assert_eq!(view(Progress { images: 4, begun: 4, done: 1, ..Progress::default() }), 250);
        assert_eq!(view(Progress { images: 4, begun: 2, done: 1, sent: 30, left: 10, ..Progress::default() }), 375);
        assert_eq!(view(Progress { images: 1, begun: 1, done: 1, sent: 7, ..Progress::default() }), 1000);
    }

    #[test]
    fn lines_come_every_few_seconds_and_then_seldom() {
        let mut lines = LogInterval::default();
        let due: Vec<u64> = (0..800).filter(|second| lines.is_due(Duration::from_secs(*second))).collect();
        assert_eq!(due[..4], [5, 10, 15, 20]);
        assert!(due.contains(&75) && !due.contains(&80), "{due:?}");
        assert_eq!(due.len(), 11 + 1 + 36 + 3, "{due:?}");
    }

    #[test]
    fn sizes_that_no_sum_holds_are_told_as_the_largest() {
        let started = Instant::now();
        let progress = Progress { images: 3, begun: 3, sent: 10, left: u64::MAX, ..Progress::default() };
        for progress in [progress, Progress { begun: 1, ..progress }] {
            let view = RateEstimate::new(started).look(started + Duration::from_secs(9), progress);
            assert!(view.describe().is_some_and(|text| text.starts_with("0 of 3 images")));
            assert_eq!(view.permille(), 0);
        }
    }
}
