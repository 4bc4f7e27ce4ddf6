//! What one image costs, counted while it happens: requests, bytes, pulls, blobs; and what must be said meanwhile.
//!
//! Owns the counters that the report shows and the tests assert. Never estimates: a number here is something that
//! was sent or received.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::error::Side;
use crate::observe::counts::{BlobPush, Blobs, EndpointReport, EndpointStatus, Traffic};
use crate::observe::events::{Event, Events};
use crate::observe::manifest_budget::ManifestBudget;
use crate::observe::progress::{ImageProgress, Unanswered};
use crate::secret::{Secret, is_like_a_secret, is_no_word};
use crate::sync::{LockExt as _, add_up};

/// Addresses that the layers of one image name which are asked, and those of all images of a run: a Windows image has two
/// such layers, and an author of an image could name thousands at a host of others.
const ELSEWHERE_BY_IMAGE: u64 = 32;

const ELSEWHERE_BY_RUN: u64 = 512;

/// An answer that comes within this is not looked at.
const PROMPT: Duration = Duration::from_secs(1);

/// The counters of one image.
pub struct Meter {
    events: Events,
    /// The image, where it is one of the run's.
    image: Option<Arc<ImageProgress>>,
    source_requests: AtomicU64,
    target_requests: AtomicU64,
    token_requests: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    pulls_billed: AtomicU64,
    /// Set aside for this image's source, and not taken yet.
    pub pulls_held: OnceLock<Arc<AtomicU64>>,
    blobs_sent: AtomicU64,
    blobs_mounted: AtomicU64,
    blobs_present: AtomicU64,
    blobs_missing: AtomicU64,
    missing_bytes: AtomicU64,
    manifests_written: AtomicU64,
    manifests_missing: AtomicU64,
    manifest_budget: ManifestBudget,
    /// Addresses that its layers name which were asked.
    asked_elsewhere: AtomicU64,
    /// Bytes that are to go to the target, as far as that is known.
    expected_bytes: AtomicU64,
    notices: Mutex<Vec<String>>,
    sites: Mutex<Vec<EndpointReport>>,
    served_by: Mutex<Option<String>>,
}

impl Meter {
    /// Counters at zero.
    pub fn new(events: Events) -> Self {
        Self {
            events,
            image: None,
            source_requests: AtomicU64::default(),
            target_requests: AtomicU64::default(),
            token_requests: AtomicU64::default(),
            bytes_read: AtomicU64::default(),
            bytes_written: AtomicU64::default(),
            pulls_billed: AtomicU64::default(),
            pulls_held: OnceLock::new(),
            blobs_sent: AtomicU64::default(),
            blobs_mounted: AtomicU64::default(),
            blobs_present: AtomicU64::default(),
            blobs_missing: AtomicU64::default(),
            missing_bytes: AtomicU64::default(),
            manifests_written: AtomicU64::default(),
            manifests_missing: AtomicU64::default(),
            manifest_budget: ManifestBudget::default(),
            asked_elsewhere: AtomicU64::default(),
            expected_bytes: AtomicU64::default(),
            notices: Mutex::default(),
            sites: Mutex::default(),
            served_by: Mutex::default(),
        }
    }

    /// The counters of an image of the run, whose progress is shown under this name.
    pub fn of_image(events: Events, name: String) -> Self {
        let image = events.tally.image(name);
        let mut meter = Self::new(events);
        meter.image = Some(image);
        meter.manifest_budget = ManifestBudget::within(Arc::clone(&meter.events.tally.manifests));
        meter
    }

    fn moved(&self, sent: u64) {
        if let Some(image) = &self.image {
            image.moved(sent, self.expected_bytes.load(Relaxed));
        }
    }

    /// A request goes to a registry.
    pub fn request(&self, side: Side) {
        match side {
            Side::Source => self.source_requests.fetch_add(1, Relaxed),
            Side::Target => self.target_requests.fetch_add(1, Relaxed),
        };
    }

    /// Whether one more address may be asked that a layer names: so many an image, and so many a run.
    pub fn may_ask_elsewhere(&self) -> bool {
        let within = |asked: &AtomicU64, most: u64| asked.fetch_add(1, Relaxed) < most;
        within(&self.asked_elsewhere, ELSEWHERE_BY_IMAGE)
            && within(&self.events.tally.asked_elsewhere, ELSEWHERE_BY_RUN)
    }

    /// A request goes to a token service.
    pub fn token_request(&self) {
        self.token_requests.fetch_add(1, Relaxed);
    }

    /// A manifest was fetched where that is billed as a pull.
    pub fn pull(&self) {
        self.pulls_billed.fetch_add(1, Relaxed);
    }

    /// Content bytes came from a registry.
    pub fn read(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Relaxed);
    }

    /// The bound on the image's manifests.
    pub fn manifest_budget(&self) -> &ManifestBudget {
        &self.manifest_budget
    }

    /// Content bytes go to a registry.
    pub fn written(&self, bytes: usize) {
        self.bytes_written.fetch_add(bytes as u64, Relaxed);
        self.events.tally.sent(bytes as u64);
        self.expect_fewer_bytes(bytes as u64);
        self.moved(bytes as u64);
    }

    /// Content bytes are to go to a registry.
    pub fn expect_bytes(&self, bytes: u64) {
        add_up(&self.expected_bytes, bytes);
        self.events.tally.expect_bytes(bytes);
        self.moved(0);
    }

    /// They went, or need not go. What goes twice is awaited once.
    pub fn expect_fewer_bytes(&self, bytes: u64) {
        let less = |awaited: u64| Some(awaited.saturating_sub(bytes));
        let before = self.expected_bytes.fetch_update(Relaxed, Relaxed, less).unwrap_or(0);
        self.events.tally.expect_fewer_bytes(before.min(bytes));
        self.moved(0);
    }

    /// A manifest was accepted by the target.
    pub fn manifest_written(&self) {
        self.manifests_written.fetch_add(1, Relaxed);
    }

    /// `dry-run`: a manifest that should be at the target is not.
    pub fn manifest_missing(&self) {
        self.manifests_missing.fetch_add(1, Relaxed);
    }

    /// How many of those there are so far.
    pub fn manifests_missing(&self) -> u64 {
        self.manifests_missing.load(Relaxed)
    }

    /// It is known what became of a blob.
    pub fn blob(&self, push: BlobPush) {
        match push {
            BlobPush::Uploaded => self.blobs_sent.fetch_add(1, Relaxed),
            BlobPush::Mounted => self.blobs_mounted.fetch_add(1, Relaxed),
            BlobPush::Exists => self.blobs_present.fetch_add(1, Relaxed),
            BlobPush::Missing(bytes) => {
                add_up(&self.missing_bytes, bytes);
                self.blobs_missing.fetch_add(1, Relaxed)
            }
        };
    }

    /// Keeps `sentence` for the image's report.
    pub fn notice(&self, sentence: String) {
        let mut notices = self.notices.locked();
        if !notices.contains(&sentence) {
            notices.push(sentence);
        }
    }

    /// Like [`Self::notice`], for what asks for something to be done.
    pub fn warn(&self, sentence: String) {
        let mut notices = self.notices.locked();
        if !notices.contains(&sentence) {
            self.events.send(Event::Warning(sentence.clone()));
            notices.push(sentence);
        }
    }

    /// A host is waited for; whoever looks at the progress is told.
    pub fn wait(&self, host: &str, wait: Duration, reason: &str) {
        self.events.tally.wait(host, wait, reason);
    }

    /// A host is asked: as long as what is given back is held, it has not answered, which whoever looks at the progress is told
    /// once that is long.
    pub fn ask(&self, host: &str) -> Unanswered<'_> {
        self.events.tally.ask(host.to_owned())
    }

    /// The same for what comes often: it is noted only once it takes its time.
    pub async fn while_silent<T>(&self, host: &str, answer: impl Future<Output = T>) -> T {
        let told = async {
            tokio::time::sleep(PROMPT).await;
            let _unanswered = self.events.tally.ask(host.to_owned());
            std::future::pending().await
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            never = told => never,
        }
    }

    /// Says `sentence` now, and keeps it for nothing: a wait, a retry.
    pub fn say(&self, sentence: String) {
        self.events.send(Event::Notice(sentence));
    }

    /// Has `secret` kept out of what this run shows, before it is first used.
    pub fn keep(&self, secret: Secret) {
        self.events.send(Event::Keep(secret));
    }

    /// The same, and masked in the log of the whole job.
    pub fn mask(&self, secret: Secret) {
        self.events.send(Event::Mask(secret));
    }

    /// As far as it is like a secret, for one that a host chose which others may have named: what is masked is hidden in the whole
    /// job, and whoever chooses a token must not choose what else is hidden.
    pub fn mask_foreign(&self, secret: Secret) {
        if is_like_a_secret(secret.expose()) {
            self.mask(secret);
        } else if is_no_word(secret.expose()) {
            self.keep(secret);
        }
    }

    /// A place was asked for the image. The first answer counts; a worse one that comes later replaces it.
    pub fn site(&self, site: &str, class: EndpointStatus, reason: Option<String>) {
        let mut sites = self.sites.locked();
        match sites.iter_mut().find(|known| known.site == site) {
            Some(known) if class.weight() > known.class.weight() => (known.class, known.reason) = (class, reason),
            Some(_) => {}
            None => sites.push(EndpointReport { site: site.to_owned(), class, reason }),
        }
    }

    /// The image's manifest came from this place.
    pub fn served(&self, site: &str) {
        *self.served_by.locked() = Some(site.to_owned());
    }

    /// The place that the image's manifest came from.
    pub fn served_by(&self) -> Option<String> {
        self.served_by.locked().clone()
    }

    /// The places that were asked so far, in the order of their first answer.
    pub fn sites(&self) -> Vec<EndpointReport> {
        self.sites.locked().clone()
    }

    /// The requests and bytes so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            source_requests: self.source_requests.load(Relaxed),
            target_requests: self.target_requests.load(Relaxed),
            token_requests: self.token_requests.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            pulls_billed: self.pulls_billed.load(Relaxed),
        }
    }

    /// The blobs so far.
    pub fn blobs(&self) -> Blobs {
        Blobs {
            sent: self.blobs_sent.load(Relaxed),
            mounted: self.blobs_mounted.load(Relaxed),
            present: self.blobs_present.load(Relaxed),
            missing: self.blobs_missing.load(Relaxed),
            missing_bytes: self.missing_bytes.load(Relaxed),
        }
    }

    /// Manifests that the target accepted so far.
    pub fn manifests(&self) -> u64 {
        self.manifests_written.load(Relaxed)
    }

    /// The notices so far.
    pub fn notices(&self) -> Vec<String> {
        self.notices.locked().clone()
    }
}

impl Drop for Meter {
    /// The image has ended: what it has not sent it will not send.
    fn drop(&mut self) {
        self.expect_fewer_bytes(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::{ELSEWHERE_BY_IMAGE, ELSEWHERE_BY_RUN, Meter};
    use crate::observe::events::Events;

    #[test]
    fn an_image_that_ends_awaits_nothing_and_takes_nothing_from_the_others() {
        let (events, _heard) = Events::new();
        let (one, other) = (Meter::new(events.clone()), Meter::new(events.clone()));
        one.expect_bytes(100);
        other.expect_bytes(30);
        one.written(40);
        assert_eq!((events.tally().progress().sent, events.tally().progress().left), (40, 90));
        // Sent twice, because the first time failed.
        one.written(70);
        assert_eq!((events.tally().progress().sent, events.tally().progress().left), (110, 30));
        other.expect_fewer_bytes(10);
        drop(other);
        assert_eq!(events.tally().progress().left, 0);
    }

    #[test]
    fn sizes_that_no_sum_holds_leave_no_other_one_behind() {
        let (events, _heard) = Events::new();
        let (one, other) = (Meter::new(events.clone()), Meter::new(events.clone()));
        one.expect_bytes(u64::MAX);
        one.expect_bytes(u64::MAX);
        other.expect_bytes(30);
        assert_eq!(events.tally().progress().left, u64::MAX);
        drop(one);
        drop(other);
        assert_eq!(events.tally().progress().left, 0);
    }

    #[test]
    fn an_image_and_a_run_ask_so_many_addresses_that_layers_name_and_no_more() {
        let (events, _heard) = Events::new();
        let asked = |meter: &Meter| (0..1_000).filter(|_| meter.may_ask_elsewhere()).count() as u64;
        assert_eq!(asked(&Meter::new(events.clone())), ELSEWHERE_BY_IMAGE);
        let of_the_others: u64 = (0..100).map(|_| asked(&Meter::new(events.clone()))).sum();
        assert_eq!(ELSEWHERE_BY_IMAGE + of_the_others, ELSEWHERE_BY_RUN);
    }
}
