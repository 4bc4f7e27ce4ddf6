//! Registries: the distribution protocol, and nothing above it.
//!
//! The way of a request: a [`repository::Repository`] says what (manifests, blobs, uploads) → `send` sends it with the right
//! token, repeats what may be repeated, follows redirects without credentials → `http` has the clients. Never decides
//! what to copy, never parses a manifest further than its digest, never lets a credential leave its host.

pub mod auth;
pub mod blobs;
pub mod concurrency;
pub mod connections;
mod create;
pub mod deletion;
pub mod error_response;
mod first_request;
pub mod health;
pub mod host;
pub mod learned;
pub mod manifests;
mod memory;
pub mod paging;
pub mod pulls;
pub mod quirks;
pub mod quota;
pub mod referrers;
pub mod registries;
pub mod repository;
pub mod retry;
pub mod send;
pub mod server;
#[cfg(test)]
mod simulation;
pub mod tag_list;
pub mod tags;
mod warnings;
