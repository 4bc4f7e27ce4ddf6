//! The words of a policy.

use crate::text::choice::Choice;

/// What is made of an image that a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Unsigned, it fails before anything is written.
    Require,
    /// Unsigned, it is copied, and that is said.
    Warn,
    /// Nothing is asked.
    Off,
}

impl Choice for Mode {
    const ALL: &'static [(&'static str, Self)] =
        &[("require", Self::Require), ("warn", Self::Warn), ("off", Self::Off)];
}

/// Whether a signature must be in a transparency log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// It must.
    Require,
    /// It need not.
    Ignore,
}

impl Choice for Log {
    const ALL: &'static [(&'static str, Self)] = &[("require", Self::Require), ("ignore", Self::Ignore)];
}
