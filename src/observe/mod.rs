//! What happens is counted and told while it happens.
//!
//! Owns the counts of a run, how far it is, the way of events and debug lines to whoever watches, and
//! two budgets that all images share: memory for manifests, and billed pulls. Never contacts anything or prints.

pub mod counts;
pub mod debug_log;
pub mod events;
pub mod manifest_budget;
pub mod meter;
pub mod progress;
pub mod pulls;
