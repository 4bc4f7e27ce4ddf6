//! What is asked before an image is written.
//!
//! Owns nothing but the question; whoever answers it lives above the engine.

use futures_util::future::BoxFuture;

use crate::engine::options::TargetState;
use crate::error::Error;
use crate::store::registry::repository::Repository;

/// Asked about each image; an error fails the image.
pub trait Gate: Sync {
    /// Asked before the first byte of an image is sent to its target, and not at all where nothing is to be sent.
    fn before_write<'a>(&'a self, target: &'a Repository, state: TargetState) -> BoxFuture<'a, Result<(), Error>>;
}
