//! Runs of the program: the builder that starts it, what of its output can be compared, and whole scenarios.

mod builder;
mod redaction;
pub mod scenario;

pub use builder::*;
pub use redaction::redact;
