//! Numbers and names that more than one rendering shows.

use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::oci::digest::Digest;
use crate::report::Report;

/// The bytes that count for this command: sent, or in a dry run to be sent; read where nothing is ever written.
pub fn bytes(report: &Report, image: &ImageOutcome) -> u64 {
    match report.command {
        "copy" if report.dry_run => image.blobs.missing_bytes,
        "copy" => image.traffic.bytes_written,
        _ => image.traffic.bytes_read,
    }
}

/// [`bytes()`] of all images.
pub fn total_bytes(report: &Report) -> u64 {
    report.images.iter().map(|image| bytes(report, image)).sum()
}

/// A name's parts, as far as the report needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Registry and repository, or `oci:DIRECTORY`.
    pub(super) repository: &'a str,
    /// The tag.
    pub tag: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Splits a fully spelled name; a digest in it is left out.
    pub fn of(text: &'a str) -> Self {
        let text = text.split_once('@').map_or(text, |(name, _)| name);
        let path = text.strip_prefix("oci:").unwrap_or(text);
        match path.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => {
                Self { repository: &text[..text.len() - path.len() + before.len()], tag: Some(tag) }
            }
            _ => Self { repository: text, tag: None },
        }
    }

    /// `repository:tag@digest`, or `repository@digest` where there is no tag.
    pub(super) fn pinned(self, digest: &Digest) -> String {
        match self.tag {
            Some(tag) => format!("{}:{tag}@{digest}", self.repository),
            None => format!("{}@{digest}", self.repository),
        }
    }
}

/// What an image is called where it is to be used, with its digest; none where that is not certain.
pub fn pinned(image: &ImageOutcome) -> Option<String> {
    if matches!(image.result, Outcome::Failed | Outcome::Deferred) {
        return None;
    }
    let digest = image.digest.as_ref()?;
    Some(Name::of(image.target.as_deref().unwrap_or(&image.source)).pinned(digest))
}
