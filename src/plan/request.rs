//! What was asked for, typed: all that a plan is made of.

use crate::engine::options::{Command, OnConflict, Platforms};
use crate::oci::digest::Digest;
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
    /// Which platforms are wanted.
    pub platforms: Platforms,
    /// What the one source must resolve to, besides the digest that it may have itself.
    pub expected_digest: Option<Digest>,
    /// What to do when the target tag exists with another digest.
    pub on_conflict: OnConflict,
    /// `GITHUB_REPOSITORY`: what `{owner}` and `{repo}` of a template stand for.
    pub github_repository: Option<String>,
}
