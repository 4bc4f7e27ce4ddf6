//! The runner's protocol: what the environment says of it, both streams, its files.
//!
//! Owns every word that is printed. Never copies.

pub mod console;
