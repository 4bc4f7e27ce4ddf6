//! What happens is counted and told while it happens.
//!
//! Never decides, refuses or prints.

pub mod counts;
pub mod debug_log;
pub mod events;
pub mod meter;
pub mod progress;
