//! From flags and variables to typed inputs.
//!
//! Owns what is read and which of two wins. Contacts nothing. Never quotes the value of a secret, and never takes one from a
//! positional word.

pub mod table;
