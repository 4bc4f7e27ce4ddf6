//! What is at the targets, image by image, as the catalogue shows it.
//!
//! Owns which images are listed: those that this run wrote or found, and read back. Must never list what was not confirmed.

use serde::Serialize;

use crate::attest::BUNDLE;
use crate::engine::outcome::{ImageOutcome, Outcome, PlatformOutcome, Verification};
use crate::oci::artifact::Kind;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::policy::Verified;
use crate::text::sanitise;

/// Longer types of artifacts are cut: a person reads them.
const LONGEST_TYPE: usize = 200;

/// All of them, sorted by source, and when they were confirmed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listing {
    /// RFC 3339, of the run.
    pub confirmed: String,
    pub images: Vec<Listed>,
}

/// One image at one target.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    source: ImageReference,
    target: ImageReference,
    /// `repository[:tag]@digest` of the target.
    pinned: String,
    digest: Digest,
    source_digest: Option<Digest>,
    /// Whether the digest is the source's.
    exact: bool,
    /// Of all platforms together; none where one was not looked at.
    size: Option<u64>,
    platforms: Vec<PlatformOutcome>,
    attachments: Vec<Attached>,
    /// The signature that it was let in by.
    verified: Option<Verified>,
}

#[derive(Clone, Debug, Serialize)]
struct Attached {
    kind: Kind,
    artifact_type: Option<String>,
    subject: Digest,
    digest: Digest,
}

impl Listing {
    pub fn new(outcomes: &[ImageOutcome], confirmed: String) -> Self {
        let there = outcomes.iter().filter(|image| matches!(image.result, Outcome::Copied | Outcome::Unchanged));
        let mut images: Vec<Listed> = there.filter_map(Listed::of).collect();
        images.sort_by_cached_key(|image| (image.source.to_string(), image.pinned.clone()));
        images.dedup_by(|one, other| one.source == other.source && one.pinned == other.pinned);
        Self { confirmed, images }
    }
}

impl Listed {
    /// None where the target is a directory, which nobody pulls from.
    fn of(image: &ImageOutcome) -> Option<Self> {
        let (target, digest) = (image.target.as_ref()?.registry()?, image.digest.as_ref()?);
        let sizes = image.platforms.iter().map(|platform| platform.size).sum();
        let attached = image.attachments.iter().map(|attachment| Attached {
            kind: attachment.kind,
            artifact_type: attachment.artifact_type.as_deref().map(|text| sanitise::one_line(text, LONGEST_TYPE)),
            subject: attachment.subject.clone(),
            digest: attachment.digest.clone(),
        });
        let said = image.attestation.iter().map(|attestation| Attached {
            kind: Kind::Attestation,
            artifact_type: Some(BUNDLE.to_owned()),
            subject: digest.clone(),
            digest: attestation.digest.clone(),
        });
        Some(Self {
            source: image.source.clone(),
            target: image.target.clone()?,
            pinned: target.pinned(digest.clone()).to_string(),
            digest: digest.clone(),
            source_digest: image.source_digest.clone(),
            exact: image.source_digest.as_ref() == Some(digest),
            size: if image.platforms.is_empty() { None } else { sizes },
            platforms: image.platforms.clone(),
            attachments: attached.chain(said).collect(),
            verified: image.verified.as_ref().and_then(Verification::signed).cloned(),
        })
    }
}
