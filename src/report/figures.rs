//! Numbers and names that more than one rendering shows.

use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::oci::reference::ImageReference;
use crate::report::Report;

/// The bytes that count for this command: sent, or in a dry run to be sent; read where nothing is ever written.
pub fn bytes(report: &Report, image: &ImageOutcome) -> u64 {
    match report.command {
        Command::Copy if report.dry_run => image.blobs.missing_bytes,
        Command::Copy => image.traffic.bytes_written,
        _ => image.traffic.bytes_read,
    }
}

/// [`bytes()`] of all images.
pub fn total_bytes(report: &Report) -> u64 {
    report.images.iter().map(|image| bytes(report, image)).sum()
}

/// What an image is called where it is to be used, with its digest; none where that is not certain.
pub fn pinned(image: &ImageOutcome) -> Option<ImageReference> {
    if matches!(image.result, Outcome::Failed | Outcome::Deferred) {
        return None;
    }
    Some(image.target.as_ref().unwrap_or(&image.source).pinned(image.digest.clone()?))
}
