//! The integration tests: the program as the runner runs it, against registries in this process and real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::too_many_lines,
    clippy::result_large_err,
    clippy::struct_excessive_bools,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::type_complexity,
    unreachable_pub,
    reason = "a test that panics says where, and test support has no readers outside this crate"
)]

mod access;
mod attachments;
mod copy;
mod credentials;
mod documents;
mod double;
mod emit;
mod errors;
mod files;
mod hostile;
mod images;
mod injection;
mod inputs;
mod large;
mod layers;
mod layouts;
mod leaks;
mod matrix;
mod mirrors;
mod platforms;
mod real_faults;
mod regressions;
mod repair;
mod several_targets;
mod stopped;
mod strange_layouts;
mod stubborn;
#[allow(dead_code, reason = "a kit: some parts wait for the tests of later features")]
mod support;
mod tls;
mod types;
mod voices;
