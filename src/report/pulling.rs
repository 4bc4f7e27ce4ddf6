//! What can be pulled of a run, and whether a login comes first: for the summary and for the answer to a request alike.
//!
//! Owns no words. Never offers what is not there, what is no image, or a directory.

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::oci::reference::Reference;
use crate::oci::vendor::is_like_github;
use crate::report::Report;
use crate::report::figures::{pinned, runs};
use crate::report::package_access::is_private;

/// Where an image that can be pulled is.
pub fn place(image: &ImageOutcome) -> Option<Reference> {
    // What a dry run would write cannot be pulled yet.
    let there = image.result != Outcome::WouldCopy && runs(image);
    pinned(image).filter(|_| there)?;
    image.target.as_ref().unwrap_or(&image.source).registry().cloned()
}

/// Whether a login is needed to pull it: what a package on GitHub is like was read there; another registry that was given a
/// credential is taken for a private one.
pub fn needs_login(report: &Report, image: &ImageOutcome, name: &Reference) -> bool {
    is_private(&report.access, &name.name())
        || image.target.is_some() && image.target_has_login && !is_like_github(name.registry())
}
