//! The runner's protocol: what the environment says of it, both streams, its files.
//!
//! Owns every word that is printed. Never copies.

pub mod commands;
pub mod console;
pub mod files;

use std::path::PathBuf;

use crate::error::Error;
use crate::github::runner::console::Console;
use crate::github::runner::files::{OUTPUT, SUMMARY, append, delimiter, heredoc, shorten};

/// What the environment says about the runner.
#[derive(Clone, Debug, Default)]
pub struct Runner {
    in_actions: bool,
    debug: bool,
    /// A terminal that cannot go back on its line.
    dumb: bool,
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
}

impl Runner {
    /// Reads the runner's variables through `lookup`.
    pub fn new(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let file = |name: &str| lookup(name).filter(|value| !value.trim().is_empty()).map(PathBuf::from);
        Self {
            in_actions: lookup("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            debug: lookup("RUNNER_DEBUG").is_some_and(|value| value == "1"),
            dumb: lookup("TERM").is_some_and(|value| value == "dumb"),
            output: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
        }
    }

    /// The bytes that an output may have, where somebody minds.
    pub fn output_room(&self) -> Option<usize> {
        self.in_actions.then_some(OUTPUT)
    }

    /// Sets the step's outputs; outside Actions they are printed too. Call it once, at the end.
    pub fn write_outputs(&self, console: &Console, outputs: &[(&str, String)]) -> Result<(), Error> {
        if !self.in_actions || self.output.is_none() {
            console.outputs(outputs);
        }
        let Some(path) = &self.output else { return Ok(()) };
        // One by one: those of many images are long.
        outputs.iter().try_for_each(|(name, value)| append(path, "outputs", &heredoc(name, value, &delimiter()?)?))
    }

    /// Appends to the job summary; without one there is nothing to do.
    pub fn write_summary(&self, markdown: &str) -> Result<(), Error> {
        let Some(path) = &self.summary else { return Ok(()) };
        let there = std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        append(path, "the job summary", &shorten(markdown, SUMMARY.saturating_sub(there)))
    }
}
