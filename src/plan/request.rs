//! What was asked for, typed: all that a plan is made of.

use crate::engine::options::{Command, Options};
use crate::plan::images::Images;

/// Which images are wanted where, and what is to be done with them.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Which images.
    pub images: Images,
    /// Where they go, as a template that the plan expands; nothing for `inspect`.
    pub target: Option<String>,
    /// How each of them is wanted; `expected_digest` is that of the one source, besides the digest that it may have itself.
    pub options: Options,
    /// The repository or project that the run belongs to: what `{owner}` and `{repo}` of a template stand for.
    pub project: Option<String>,
}
