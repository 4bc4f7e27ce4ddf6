//! Names and content as the specifications have them, and whose registry a host is.
//!
//! Owns the nouns of the field. Never contacts anything, prints, or re-serialises what is copied.

pub mod artifact;
pub mod digest;
pub mod manifest;
pub mod platform;
pub mod reference;
pub mod vendor;
