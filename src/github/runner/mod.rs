//! The runner's protocol: what the environment says of it, both streams, its files.
//!
//! Owns every word that is printed. Never copies.

pub mod commands;
pub mod console;
pub mod files;

use std::path::PathBuf;

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
}
