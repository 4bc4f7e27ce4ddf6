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

mod absence;
mod access;
mod advice;
mod air_gap;
mod alerts;
mod artifacts;
mod attachments;
mod attest;
mod cancellation;
mod catalogue;
mod cloud_leaks;
mod cloud_logins;
mod commands;
mod concurrency;
mod conflicts;
mod content_types;
mod copy;
mod credentials;
mod debug_log;
mod documents;
mod echoes;
mod emit;
mod errors;
mod fairness;
mod fault_matrix;
mod files;
mod gitlab;
mod helpers;
mod hostile_registries;
mod http2;
mod images;
mod imports;
mod injection;
mod inputs;
mod inside;
mod large;
mod layers;
mod layouts;
mod leaks;
mod lenient;
mod malformed_layouts;
mod many_faults;
mod mirror_list;
mod mirrors;
mod multi_target;
mod named_files;
mod network_faults;
mod pictures;
mod platforms;
mod prune;
mod quirky_registries;
mod rate_limits;
mod registry_logins;
mod regressions;
mod rendering;
mod repair;
mod request_door;
mod requests;
mod saved_directories;
mod shared_blobs;
mod side_requests;
mod signatures;
mod staleness;
mod support;
mod tags;
mod targets;
mod terminal;
mod test_registry;
mod tls;
mod upload_forms;
mod workflows;
