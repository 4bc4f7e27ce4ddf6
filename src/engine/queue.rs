//! All images of a run, worked on together.
//!
//! Owns which image is begun when, and that each gets exactly one entry of the report, in the order asked for, whatever
//! happens: it ends, another one fails, the run is cancelled. Never does an image's work, never prints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::engine::image::ImageTask;
use crate::engine::job::Job;
use crate::engine::options::{AtOnce, OnFailure};
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::engine::session::Session;
use crate::error::Error;
use crate::observe::counts::Traffic;

/// How long an image that stands still keeps others from being begun.
const STILL: Duration = Duration::from_secs(5);

/// The images of a run: those that have ended, those under way, those to come.
pub struct Queue<'a> {
    session: &'a Session<'a>,
    jobs: &'a [Job],
    on_failure: OnFailure,
    at_once: AtOnce,
    /// When the images under way were last looked at, to see which stand still, and what each had cost then.
    looked: Instant,
    costs: BTreeMap<usize, Traffic>,
    /// How many of them stood still.
    still: usize,
    /// The number of the next job to begin; that of no job when no other is to be begun.
    next: usize,
    work: FuturesUnordered<BoxFuture<'a, (usize, Result<Outcome, Error>)>>,
    under_way: BTreeMap<usize, Arc<ImageTask<'a>>>,
    /// Set when the run is cancelled.
    cancelled: Option<&'static str>,
    /// One for each job; deferred until it has ended.
    reports: Vec<ImageOutcome>,
}

impl<'a> Queue<'a> {
    /// Nothing is begun yet.
    pub fn new(session: &'a Session<'a>, jobs: &'a [Job], on_failure: OnFailure, at_once: AtOnce) -> Self {
        session.events.tally().expect(jobs.len());
        Self {
            session,
            jobs,
            on_failure,
            at_once,
            looked: Instant::now(),
            costs: BTreeMap::new(),
            still: 0,
            next: 0,
            work: FuturesUnordered::new(),
            under_way: BTreeMap::new(),
            cancelled: None,
            reports: jobs.iter().map(deferred).collect(),
        }
    }

    /// The next image that ends; none when there is no other. What waits for it may be dropped and asked again.
    pub async fn next(&mut self) -> Option<&ImageOutcome> {
        let (number, result) = match self.cancelled {
            None => self.ended().await?,
            Some(signal) => (*self.under_way.first_key_value()?.0, Err(Error::Cancelled { signal })),
        };
        let image = self.under_way.remove(&number)?;
        if result.is_err() && self.on_failure == OnFailure::Defer {
            self.next = self.jobs.len();
        }
        self.session.events.tally().end(result.is_err());
        let report = self.reports.get_mut(number)?;
        *report = image.report(result);
        Some(report)
    }

    /// Stops all work where it is; what was under way is given as cancelled by [`Queue::next`].
    pub fn cancel(&mut self, signal: &'static str) {
        self.cancelled = Some(signal);
        self.next = self.jobs.len();
        self.work.clear();
    }

    /// Stops all work where it is: the images under way are left for another run, as are those that were not begun.
    pub fn defer(&mut self) {
        self.next = self.jobs.len();
        self.work.clear();
        for (number, image) in std::mem::take(&mut self.under_way) {
            self.session.events.tally().end(false);
            if let Some(report) = self.reports.get_mut(number) {
                *report = image.report(Ok(Outcome::Deferred));
            }
        }
    }

    /// The report of every image, in order; those that were not begun are deferred.
    pub fn finish(self) -> Vec<ImageOutcome> {
        tracing::debug!(bytes = self.session.events.tally().manifests().most_held(), "manifests held at once, at most");
        self.reports
    }

    /// The next that ends by itself. Meanwhile others are begun in the place of those that stand still.
    async fn ended(&mut self) -> Option<(usize, Result<Outcome, Error>)> {
        loop {
            self.fill();
            tokio::select! {
                biased;
                ended = self.work.next() => return ended,
                () = tokio::time::sleep_until(self.looked + STILL) => self.look(),
            }
        }
    }

    /// Sees which images have neither asked nor moved anything since this was last seen: their hosts hang, and may do so for
    /// minutes.
    fn look(&mut self) {
        let costs: BTreeMap<usize, Traffic> =
            self.under_way.iter().map(|(number, image)| (*number, image.traffic())).collect();
        self.still = costs.iter().filter(|(number, cost)| self.costs.get(number) == Some(cost)).count();
        (self.costs, self.looked) = (costs, Instant::now());
    }

    fn fill(&mut self) {
        let at_once = self.at_once.images + self.still.min(self.at_once.beside_still);
        while self.work.len() < at_once
            && let Some(job) = self.jobs.get(self.next)
        {
            let (number, image) = (self.next, Arc::new(ImageTask::new(self.session, job, self.next)));
            self.under_way.insert(number, Arc::clone(&image));
            self.work.push(async move { (number, image.work().await) }.boxed());
            self.session.events.tally().begin();
            self.next += 1;
        }
    }
}

fn deferred(job: &Job) -> ImageOutcome {
    ImageOutcome {
        result: Outcome::Deferred,
        notices: job.notices.clone(),
        ..ImageOutcome::new(job.source.clone(), job.target.clone())
    }
}
