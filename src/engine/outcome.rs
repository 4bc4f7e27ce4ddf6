//! What became of an image, as data. Renderings add nothing to it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::engine::behind::Behind;
use crate::error::Error;
use crate::error::signature::Unsigned;
use crate::observe::counts::{Blobs, EndpointReport, Traffic};
use crate::observe::meter::Meter;
use crate::oci::artifact::Kind;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::policy::{Policy, Verified};

/// What happened to one image.
#[derive(Clone, Debug)]
pub struct ImageOutcome {
    /// The source.
    pub source: ImageReference,
    /// The target; none for `inspect`.
    pub target: Option<ImageReference>,
    /// What the source's name resolved to.
    pub source_digest: Option<Digest>,
    /// Whether a list says that the tag never moves.
    pub tag_rule: TagRule,
    /// The digest at the target (`copy`, `verify`) or of the source (`inspect`).
    pub digest: Option<Digest>,
    /// What the target's tag pointed at, where it was something else and is to move.
    pub replaced: Option<Digest>,
    /// Whether the target's tag was there before, with whatever digest.
    pub target_tag: TargetTag,
    /// The policy that it is held against; none where there is none.
    pub policy: Option<Arc<Policy>>,
    /// What was found of the signature that it must have; none where that was not looked at.
    pub verified: Option<Verification>,
    /// What this run has said of it, signed, at the target.
    pub attestation: Option<Box<Attestation>>,
    /// Of a comparison: that the target is not what the source is.
    pub behind: Option<Box<Behind>>,
    /// Media type of what the digest names.
    pub media_type: Option<String>,
    /// The platforms, in the order of the index; empty for an artifact without platforms.
    pub platforms: Vec<PlatformOutcome>,
    /// Whether containers can be started from it, where it is no index: its platform is not known unless it was asked for.
    pub is_container: bool,
    /// Signatures and the like that were found at the source.
    pub attachments: Vec<AttachmentOutcome>,
    /// The places where the source was looked for, where there was more than one; each with what it did.
    pub sites: Vec<EndpointReport>,
    /// The place that the manifest came from, where there was more than one.
    pub served_by: Option<String>,
    /// How it ended.
    pub result: Outcome,
    /// Requests, bytes and pulls.
    pub traffic: Traffic,
    /// Blobs, by what became of them.
    pub blobs: Blobs,
    /// `dry-run`: manifests below its own that would be sent.
    pub manifests_missing: u64,
    /// Whether anything was written to the target, or may have been.
    pub wrote: bool,
    /// What the user should know: a choice that changed the digest, a long wait, a lower-cased name.
    pub notices: Vec<String>,
    /// Whether there is a credential for the target's registry: what pulls from there needs one too, most likely.
    pub target_has_login: bool,
    /// Why it failed.
    pub error: Option<Box<Error>>,
    /// For a failure: what was and what was not written, one sentence.
    pub state: Option<String>,
    /// Wall time.
    pub duration_ms: u64,
}

/// What is known of a target's tag before anything is written, where it is asked for beside the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetTag {
    /// It was not asked for, or there was no answer.
    Unasked,
    /// It is not there.
    Absent,
    /// It is there, with whatever digest.
    Present,
}

/// What a list says of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagRule {
    /// Nothing, or that it may move.
    MayMove,
    /// It never moves.
    NeverMoves,
}

impl TargetTag {
    /// By what the target says of it, where it has said something.
    pub fn of(found: Option<&Option<Digest>>) -> Self {
        match found {
            Some(Some(_)) => Self::Present,
            Some(None) => Self::Absent,
            None => Self::Unasked,
        }
    }
}

/// What was found of the signature that an image must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It has it.
    Signed(Box<Verified>),
    /// It has not, and is let in all the same.
    Unsigned(Box<Unsigned>),
    /// It is at the target as it was when it was checked.
    Before,
}

impl Verification {
    /// The signature, where it has one.
    pub fn signed(&self) -> Option<&Verified> {
        match self {
            Self::Signed(verified) => Some(&**verified),
            Self::Unsigned(_) | Self::Before => None,
        }
    }
}

/// A statement of what was copied, beside the image at the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The number of its entry in the log, where there is a log.
    pub log_index: Option<u64>,
}

/// One platform of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformOutcome {
    /// `os/arch[/variant]`.
    pub platform: String,
    /// The child manifest's digest.
    pub digest: Digest,
    /// Size in bytes of the platform's config and layers; none where they were not looked at.
    pub size: Option<u64>,
}

/// One attachment of an image or of one of its platforms.
#[derive(Clone, Debug, Serialize)]
pub struct AttachmentOutcome {
    /// What it is attached to.
    pub subject: Digest,
    /// Its manifest's digest.
    pub digest: Digest,
    /// What it is.
    pub kind: Kind,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// The tag it is found by; none for what names its subject itself.
    pub tag: Option<String>,
    /// `copied`, `unchanged` or `would-copy`.
    pub result: Outcome,
}

/// Attachments that one report names: it is in memory until the end, and they may be any number.
const MOST_REPORTED: usize = 20_000;

/// How many attachments the report of a run names so far.
#[derive(Debug, Default)]
pub struct ReportedAttachments(AtomicUsize);

impl ReportedAttachments {
    /// As many of `attachments` as there is room for; that the others are not named is said.
    pub fn within(&self, mut attachments: Vec<AttachmentOutcome>, meter: &Meter) -> Vec<AttachmentOutcome> {
        let found = attachments.len();
        let room = MOST_REPORTED.saturating_sub(self.0.fetch_add(found, Relaxed));
        if found > room {
            attachments.truncate(room);
            attachments.shrink_to_fit();
            meter.notice(format!(
                "{} of the image's {found} attachments are not named in the report, which names {MOST_REPORTED} at most",
                found - room
            ));
        }
        attachments
    }
}

/// How an image ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Written to the target and read back.
    Copied,
    /// The target had this digest already.
    Unchanged,
    /// The target has another digest and `on-conflict: keep` left it.
    Kept,
    /// `dry-run`: would have been written.
    WouldCopy,
    /// `inspect` read it.
    Inspected,
    /// `verify` found both sides equal.
    Verified,
    /// `verify` found another digest at the target, and not for longer than it may be there.
    Behind,
    /// `access` looked for it.
    Checked,
    /// See the error.
    Failed,
    /// Left for another run.
    Deferred,
}

impl Outcome {
    /// The result's name in `json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::WouldCopy => "would-copy",
            Self::Inspected => "inspected",
            Self::Verified => "verified",
            Self::Behind => "behind",
            Self::Checked => "checked",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
        }
    }
}

impl ImageOutcome {
    /// An image of which nothing is known yet.
    pub fn new(source: ImageReference, target: Option<ImageReference>) -> Self {
        Self {
            source,
            target,
            source_digest: None,
            tag_rule: TagRule::MayMove,
            digest: None,
            replaced: None,
            target_tag: TargetTag::Unasked,
            policy: None,
            verified: None,
            attestation: None,
            behind: None,
            media_type: None,
            platforms: Vec::new(),
            is_container: false,
            attachments: Vec::new(),
            sites: Vec::new(),
            served_by: None,
            result: Outcome::Failed,
            traffic: Traffic::default(),
            blobs: Blobs::default(),
            manifests_missing: 0,
            wrote: false,
            notices: Vec::new(),
            target_has_login: false,
            error: None,
            state: None,
            duration_ms: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AttachmentOutcome, MOST_REPORTED, Outcome, ReportedAttachments};
    use crate::observe::events::Events;
    use crate::observe::meter::Meter;
    use crate::oci::artifact::Kind;
    use crate::oci::digest::Digest;

    #[test]
    fn what_is_kept_of_each_of_ten_thousand_images_is_small() {
        let size = size_of::<super::ImageOutcome>();
        assert!(size <= 424, "{size} bytes; box what few images have");
    }

    #[test]
    fn a_report_names_so_many_attachments_and_says_how_many_it_does_not() {
        let attachment = AttachmentOutcome {
            subject: Digest::of(b"image"),
            digest: Digest::of(b"signature"),
            kind: Kind::Signature,
            artifact_type: None,
            tag: None,
            result: Outcome::Copied,
        };
        let (events, _heard) = Events::new();
        let (reported, meter) = (ReportedAttachments::default(), Meter::new(events));
        assert_eq!(reported.within(vec![attachment.clone(); MOST_REPORTED - 1], &meter).len(), MOST_REPORTED - 1);
        assert!(meter.notices().is_empty());
        assert_eq!(reported.within(vec![attachment.clone(); 3], &meter).len(), 1);
        assert_eq!(reported.within(vec![attachment; 3], &meter).len(), 0);
        let notices = meter.notices();
        assert!(notices[0].starts_with("2 of the image's 3 attachments are not named"), "{notices:?}");
        assert!(notices[1].starts_with("3 of the image's 3 attachments are not named"), "{notices:?}");
    }
}
