//! Connections, TLS, addresses.
//!
//! Never knows a registry or GitHub, and never follows a redirect.

pub mod address;
pub mod body;
pub mod clients;
pub mod exchange;
pub mod failure;
