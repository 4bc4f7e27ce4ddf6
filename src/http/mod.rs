//! Connections, TLS, addresses.
//!
//! Owns how bytes reach a host, which addresses are local, and what of a request the debug log shows. What passes is judged
//! by what was answered. Never tells one host from another by its name, and never follows a redirect.

pub mod address;
pub mod body;
pub mod challenge;
pub mod clients;
pub mod exchange;
pub mod failure;
pub mod message;
mod one_connection;
pub mod proxies;
pub mod reach;
pub mod retry;
pub mod roots;
