//! All images of a run, worked on together.
//!
//! Owns which image is begun when, and that each gets exactly one entry of the report, in the order asked for, whatever
//! happens: it ends, another one fails, the run is cancelled. Never does an image's work, never prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;

use crate::engine::image::ImageTask;
use crate::engine::job::Job;
use crate::engine::options::{AtOnce, OnFailure};
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::engine::session::Session;
use crate::error::Error;

/// The images of a run: those that have ended, those under way, those to come.
pub struct Queue<'a> {
    session: &'a Session<'a>,
    jobs: &'a [Job],
    on_failure: OnFailure,
    /// Images under way at once.
    at_once: usize,
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
            at_once: at_once.images,
            next: 0,
            work: FuturesUnordered::new(),
            under_way: BTreeMap::new(),
            cancelled: None,
            reports: jobs.iter().map(deferred).collect(),
        }
    }

    /// The next image that ends; none when there is no other. What waits for it may be dropped and asked again.
    pub async fn next(&mut self) -> Option<&ImageOutcome> {
        self.fill();
        let (number, result) = match self.cancelled {
            None => self.work.next().await?,
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
        self.reports
    }

    fn fill(&mut self) {
        while self.work.len() < self.at_once
            && let Some(job) = self.jobs.get(self.next)
        {
            let (number, image) = (self.next, Arc::new(ImageTask::new(self.session, job)));
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
