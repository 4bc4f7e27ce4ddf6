//! What is asked before an image is written.

use futures_util::future::BoxFuture;

use crate::error::Error;
use crate::observe::meter::Meter;
use crate::store::registry::repository::Repository;

/// Asked before the first byte of an image is sent to its target, and not at all where nothing is to be sent.
pub trait Gate: Sync {
    /// `there`: the target has another image under this name already. An error keeps the image from being sent.
    fn before_write<'a>(
        &'a self,
        target: &'a Repository,
        there: bool,
        meter: &'a Meter,
    ) -> BoxFuture<'a, Result<(), Error>>;
}
