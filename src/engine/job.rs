//! One image that is wanted: its source, its target, what is to be done with it.

use std::sync::Arc;

use crate::engine::options::Options;
use crate::engine::resolve::Resolved;
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::oci::reference::{ImageReference, Reference};
use crate::store::place::Place;

/// One image to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where the image is read from.
    pub source: ImageReference,
    /// The same, however it is spelled, where another image of the run is read there too.
    pub shared_source: Option<Place>,
    /// Where it goes; nothing for `inspect`.
    pub target: Option<ImageReference>,
    /// What is to be done with it, and how: one for all that want the same.
    pub options: Arc<Options>,
    /// How many images of the run go to the same repository, this one included.
    pub same_repository_count: usize,
    /// What the user should know about this image, a sentence each.
    pub notices: Vec<String>,
}

impl Job {
    /// The reference of one end, where that is in a registry.
    pub fn end(&self, side: Side) -> Option<&Reference> {
        match side {
            Side::Source => self.source.registry(),
            Side::Target => self.target.as_ref().and_then(ImageReference::registry),
        }
    }

    /// `expected-digest` names the image as its publisher does: the index, or the one platform that is wanted.
    pub fn check_expected_digest(&self, resolved: &Resolved) -> Result<(), Error> {
        match &self.options.expected_digest {
            Some(expected) if *expected != resolved.named && expected != resolved.root.digest() => {
                Err(Error::Unexpected {
                    reference: Object::from(&self.source),
                    expected: expected.clone(),
                    actual: resolved.named.clone(),
                    pin: self.options.pin.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}
