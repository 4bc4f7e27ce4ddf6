//! What is asked before an image is read, and before it is written.
//!
//! Owns nothing but the questions; whoever answers them lives above the engine.

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::engine::options::TargetState;
use crate::engine::resolve::Resolved;
use crate::error::Error;
use crate::store::Source;
use crate::store::registry::repository::Repository;

/// Asked about each image; an error fails the image.
pub trait Gate: Sync {
    /// Asked when it is known what the source's name stands for, before anything of it is read further or written.
    fn admit<'a>(&'a self, image: &'a Resolved, source: &'a Source) -> BoxFuture<'a, Result<(), Error>> {
        let _ = (image, source);
        async { Ok(()) }.boxed()
    }

    /// Asked before the first byte of an image is sent to its target, and not at all where nothing is to be sent.
    fn before_write<'a>(&'a self, target: &'a Repository, state: TargetState) -> BoxFuture<'a, Result<(), Error>>;
}
