//! The report: what a run did, as data.
//!
//! Owns the model that the log, the summary and the `json` output are three renderings of. Holds no credential and no
//! registry text that was not sanitised before. Never talks to the network.

#[cfg(test)]
mod cases;
pub mod destination;
pub mod failures;
pub mod figures;
pub mod headline;
pub mod json;
pub mod list;
pub mod log;
pub mod notices;
pub mod pace;
pub mod package_access;
pub mod plan;
pub mod prune;
pub mod pulling;
pub mod refusal;
pub mod reply;
pub mod summary;
pub mod terminal;

use crate::emit::files::ConsumerConfig;
use crate::engine::options::{Command, OnBudget};
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::Error;
use crate::error::reader::Reader;
use crate::github::findings::Findings;
use crate::observe::counts::Traffic;
use crate::plan::ask::Declined;
use crate::report::list::ListReport;
use crate::report::prune::PruneReport;
use crate::text::quote::quote;

/// What a whole run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked for.
    pub command: Command,
    /// Whether the run stopped before the first write on purpose.
    pub dry_run: bool,
    /// One entry an image, in the order asked for.
    pub images: Vec<ImageOutcome>,
    /// Consumer configuration, by format.
    pub consumer_configs: Vec<ConsumerConfig>,
    /// What the user should know about the run as a whole.
    pub notices: Vec<String>,
    /// How many of them were told before the first image was begun.
    pub told: usize,
    /// Wall time.
    pub duration_ms: u64,
    /// Set when the run was cancelled.
    pub cancelled: Option<&'static str>,
    /// Access on GitHub.
    pub access: Findings,
    /// What a list has come to, where there is one.
    pub list: Option<ListReport>,
    /// What it would change, as Markdown.
    pub plan: Option<String>,
    /// What became of the tags that it selects no more, where that was asked for.
    pub prune: Option<PruneReport>,
    /// What of a request in free text was declined; none where there is no such request.
    pub asked: Option<Vec<Declined>>,
    /// What has left images for another run.
    pub over_budget: Option<Budget>,
    /// What is made of that.
    pub on_budget: OnBudget,
    /// Why the run ended before its images, when the registries had been asked already.
    pub problem: Option<String>,
    /// The lock file that was written, a dry run's too.
    pub lock: Option<String>,
    /// Where the person is who reads it.
    pub reader: Reader,
}

/// What a run may use, and may have used up before its images are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// `time-limit`.
    Time,
    /// `pull-budget`, or what the registry bills.
    Pulls,
}

impl Report {
    /// A run that has done nothing yet.
    pub fn new(command: Command, dry_run: bool) -> Self {
        Self {
            command,
            dry_run,
            images: Vec::new(),
            consumer_configs: Vec::new(),
            notices: Vec::new(),
            told: 0,
            duration_ms: 0,
            cancelled: None,
            access: Findings::default(),
            list: None,
            plan: None,
            prune: None,
            asked: None,
            over_budget: None,
            on_budget: OnBudget::Defer,
            problem: None,
            lock: None,
            reader: Reader::default(),
        }
    }

    /// What a dry run has written: `nothing was written`, but for the lock.
    pub fn written_by_dry_run(&self) -> String {
        let lock = self.lock.as_ref().map(|lock| format!(" but the lock `{}`", quote(lock)));
        format!("nothing was written{}", lock.unwrap_or_default())
    }

    /// Requests, bytes and pulls of all images, and of listing the tags of a list.
    pub fn traffic(&self) -> Traffic {
        let mut total = self.list.as_ref().map(|list| list.traffic).unwrap_or_default();
        for image in &self.images {
            total += image.traffic;
        }
        total += self.prune.as_ref().map(|prune| prune.traffic).unwrap_or_default();
        total
    }

    /// How many images ended this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.images.iter().filter(|image| image.result == outcome).count()
    }

    /// Whether anything was written.
    pub fn changed(&self) -> bool {
        self.images.iter().any(|image| image.wrote || image.result == Outcome::Copied)
            || self.prune.as_ref().is_some_and(PruneReport::changed)
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self.cancelled {
            Some(signal) => code_of(signal),
            // Found late, but before anything was contacted.
            None if self.images.iter().any(|image| image.error.as_deref().is_some_and(Error::is_input))
                && self.traffic().requests() == 0 =>
            {
                2
            }
            None if self.problem.is_some() => 1,
            None if self.over_budget.is_some() && self.on_budget == OnBudget::Fail => 1,
            None if self.prune.as_ref().is_some_and(PruneReport::fails) => 1,
            None if self.asked.iter().flatten().any(Declined::is_image) => 1,
            None if self.count(Outcome::Failed) > 0 || self.access.fails() => 1,
            None => 0,
        }
    }
}

/// The exit code of a run that `signal` has ended, as a shell has it: 128 and the signal's number.
pub fn code_of(signal: &str) -> u8 {
    if signal == "SIGINT" { 130 } else { 143 }
}
