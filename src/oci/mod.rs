//! Names and content as the specifications have them, and whose registry a host is.
//!
//! Owns the nouns of the field. Never contacts anything, prints, or re-serialises what is copied.

pub mod annotations;
pub mod artifact;
pub mod digest;
pub mod manifest;
pub mod name;
pub mod object;
pub mod platform;
pub mod reference;
pub mod vendor;

use serde::{Deserialize, Deserializer};

/// Go programs write `null` for what is empty, and read it so.
fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
