//! What became of an image, as data. Renderings add nothing to it.

use serde::Serialize;

use crate::error::Error;
use crate::observe::counts::{Blobs, EndpointReport, Traffic};
use crate::oci::artifact::Kind;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;

/// What happened to one image.
#[derive(Clone, Debug)]
pub struct ImageOutcome {
    /// The source.
    pub source: ImageReference,
    /// The target; none for `inspect`.
    pub target: Option<ImageReference>,
    /// What the source's name resolved to.
    pub source_digest: Option<Digest>,
    /// The digest at the target (`copy`, `verify`) or of the source (`inspect`).
    pub digest: Option<Digest>,
    /// What the target's tag pointed at, where it was something else and is to move.
    pub replaced: Option<Digest>,
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
    /// Whether anything was written to the target, or may have been.
    pub wrote: bool,
    /// What the user should know: a choice that changed the digest, a long wait, a lower-cased name.
    pub notices: Vec<String>,
    /// Why it failed.
    pub error: Option<Error>,
    /// For a failure: what was and what was not written, one sentence.
    pub state: Option<String>,
    /// Wall time.
    pub duration_ms: u64,
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
            digest: None,
            replaced: None,
            media_type: None,
            platforms: Vec::new(),
            is_container: false,
            attachments: Vec::new(),
            sites: Vec::new(),
            served_by: None,
            result: Outcome::Failed,
            traffic: Traffic::default(),
            blobs: Blobs::default(),
            wrote: false,
            notices: Vec::new(),
            error: None,
            state: None,
            duration_ms: 0,
        }
    }
}
