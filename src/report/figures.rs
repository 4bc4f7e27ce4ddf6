//! Numbers and names that more than one rendering shows.

use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome, Verification};
use crate::oci::artifact::Kind;
use crate::oci::reference::ImageReference;
use crate::report::Report;
use crate::text::sanitise::one_line;
use crate::text::units::count;

/// What is counted in bytes for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// What a dry run would send.
    ToSend,
    /// What was sent to the target.
    Sent,
    /// What was read, where nothing is ever written.
    Read,
}

/// What is counted for this run's command.
pub fn moved(report: &Report) -> Moved {
    match report.command {
        Command::Copy if report.dry_run => Moved::ToSend,
        Command::Copy => Moved::Sent,
        Command::Inspect | Command::Verify | Command::Access => Moved::Read,
    }
}

/// The bytes that count for this command.
pub fn bytes(report: &Report, image: &ImageOutcome) -> u64 {
    match moved(report) {
        Moved::ToSend => image.blobs.missing_bytes,
        Moved::Sent => image.traffic.bytes_written,
        Moved::Read => image.traffic.bytes_read,
    }
}

/// The bytes that a row has for an image: those that count, or its size where nothing is ever written.
pub fn row_bytes(report: &Report, image: &ImageOutcome) -> u64 {
    match moved(report) {
        Moved::ToSend | Moved::Sent => bytes(report, image),
        Moved::Read => sum(image.platforms.iter().filter_map(|platform| platform.size)),
    }
}

/// `2 signatures, 1 sbom`: how many attachments of each kind there are; none without any.
pub fn attachments(image: &ImageOutcome) -> Option<String> {
    let number = |kind| image.attachments.iter().filter(|attachment| attachment.kind == kind).count();
    let kinds = [Kind::Signature, Kind::Attestation, Kind::Sbom, Kind::Artifact].map(|kind| (kind, number(kind)));
    let there = kinds.into_iter().filter(|(_, number)| *number > 0);
    let counts: Vec<String> = there.map(|(kind, number)| count(number as u64, kind.name())).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// Who has signed it, as policies wanted it; none where nobody has asked. What a policy warns of is a notice.
pub fn signed(image: &ImageOutcome) -> Option<String> {
    match image.verified.as_ref()? {
        Verification::Signed(verified) => {
            Some(format!("signed by {} ({})", verified.by.short(), one_line(&verified.policy, 120)))
        }
        Verification::Before => Some("its signature was checked when it was copied, and it is unchanged".to_owned()),
        Verification::Unsigned(_) => None,
    }
}

/// `7 signed as wanted`: how many of several images that were looked at; none where none was.
pub fn all_signed(report: &Report) -> Option<String> {
    let is_signed = |image: &&ImageOutcome| matches!(image.verified, Some(Verification::Signed(_)));
    let signed = report.images.iter().filter(is_signed).count();
    (report.images.len() > 1 && signed > 0).then(|| format!("{signed} signed as wanted"))
}

/// [`bytes()`] of all images.
pub fn total_bytes(report: &Report) -> u64 {
    sum(report.images.iter().map(|image| bytes(report, image)))
}

/// Sizes are what manifests say, and may be any.
fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// What an image is called where it is to be used, with its digest; none where that is not certain.
pub fn pinned(image: &ImageOutcome) -> Option<ImageReference> {
    if matches!(image.result, Outcome::Failed | Outcome::Deferred) {
        return None;
    }
    Some(image.target.as_ref().unwrap_or(&image.source).pinned(image.digest.clone()?))
}

/// Whether it is an image in a registry, that a container engine pulls; a layout on disk and an artifact are not.
pub fn runs(image: &ImageOutcome) -> bool {
    // An unchanged image was not fetched; what it is then is not known, and mostly it is an image.
    let is_image = image.is_container || !image.platforms.is_empty() || image.media_type.is_none();
    is_image && image.target.as_ref().unwrap_or(&image.source).registry().is_some()
}
