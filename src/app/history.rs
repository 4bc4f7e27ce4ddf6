//! The history after a comparison: written by every run that has seen something.

use std::path::Path;

use crate::directory::Directory;
use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::Error;
use crate::inputs::typed::Inputs;
use crate::plan::history::Sight;
use crate::report::Report;
use crate::text::quote::quote;

/// Writes what the run has seen.
pub fn write(inputs: &Inputs, report: &Report) -> Result<(), Error> {
    let Some(history) = inputs.request.history.as_ref().filter(|_| report.command == Command::Verify) else {
        return Ok(());
    };
    let targets = report.images.iter().filter_map(|image| Some((image.target.as_ref()?.to_string(), sight(image))));
    let failed = report.list.as_ref().is_some_and(|list| list.entries.iter().any(|entry| entry.result.is_err()));
    let is_part = failed || report.cancelled.is_some() || inputs.shard.is_some();
    let text = history.updated(targets, is_part);
    keep(inputs, "the history", &history.name, &text)
}

/// Replaces a file of the workspace in which something is kept from run to run.
pub fn keep(inputs: &Inputs, what: &str, name: &str, text: &str) -> Result<(), Error> {
    let write = || Directory::open(&inputs.workspace)?.replace(Path::new(name), text.as_bytes());
    write().map_err(|error| Error::Local(format!("{what} {} cannot be written: {error}", quote(name))))
}

fn sight(image: &ImageOutcome) -> Sight {
    match (image.behind.as_ref().and_then(|behind| behind.since), image.error.as_deref()) {
        (Some(since), _) => Sight::Behind(since),
        (None, _) if image.result == Outcome::Verified => Sight::Right,
        // The digest is right, and parts are missing.
        (None, Some(Error::Different { .. })) => Sight::Right,
        (None, _) => Sight::Unknown,
    }
}
