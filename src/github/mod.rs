//! GitHub: what this program knows of the platform that it runs on.
//!
//! Owns the runner's protocol. Must never know of registries or images.

pub mod runner;
