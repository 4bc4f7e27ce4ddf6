//! The report: what a run did, as data.
//!
//! Owns the model that the log, the summary and the `json` output are three voices of. Holds no credential and no
//! registry text that was not sanitised before. Never talks to the network.

pub mod access;
pub mod json;
pub mod log;
pub mod summary;

use serde::Serialize;

use crate::error::Error;
use crate::observe::counts::{Blobs, SiteReport, Traffic};
use crate::oci::artifact::Kind;
use crate::oci::digest::Digest;

/// What a whole run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `copy`, `inspect` or `verify`.
    pub command: &'static str,
    /// Whether the run stopped before the first write on purpose.
    pub dry_run: bool,
    /// One entry an image, in the order asked for.
    pub images: Vec<ImageReport>,
    /// Consumer configuration, by format.
    pub handovers: Vec<Handover>,
    /// What the user should know about the run as a whole.
    pub notices: Vec<String>,
    /// Wall time in milliseconds.
    pub duration: u64,
    /// Set when the run was cancelled.
    pub cancelled: Option<&'static str>,
    /// Access on GitHub.
    pub access: access::Access,
}

/// Consumer configuration of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The format's name, as in the input `emit`.
    pub format: &'static str,
    /// The files, where the format can say what the run did.
    pub files: Vec<EmittedFile>,
    /// Why it cannot.
    pub problem: Option<String>,
}

/// One file of consumer configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmittedFile {
    /// Below `emit-directory`.
    pub path: String,
    /// What a fence in Markdown calls it.
    #[serde(skip)]
    pub language: &'static str,
    /// The whole text.
    #[serde(skip)]
    pub text: String,
}

/// What happened to one image.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// The source, fully spelled: `docker.io/library/alpine:3.20`.
    pub source: String,
    /// The target, fully spelled; none for `inspect`.
    pub target: Option<String>,
    /// What the source's name resolved to.
    pub source_digest: Option<Digest>,
    /// The digest at the target (`copy`, `verify`) or of the source (`inspect`).
    pub digest: Option<Digest>,
    /// Media type of what the digest names.
    pub media_type: Option<String>,
    /// The platforms, in the order of the index; empty for an artifact without platforms.
    pub platforms: Vec<PlatformReport>,
    /// Whether containers can be started from it, where it is no index: its platform is not known unless it was asked for.
    pub is_container: bool,
    /// Signatures and the like that were found at the source.
    pub attachments: Vec<AttachmentReport>,
    /// The places where the source was looked for, where there was more than one; each with what it did.
    pub sites: Vec<SiteReport>,
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
    /// Wall time in milliseconds.
    pub duration: u64,
}

/// One platform of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformReport {
    /// `os/arch[/variant]`.
    pub platform: String,
    /// The child manifest's digest.
    pub digest: Digest,
    /// Size in bytes of the platform's config and layers; none where they were not looked at.
    pub size: Option<u64>,
}

/// One attachment of an image or of one of its platforms.
#[derive(Clone, Debug, Serialize)]
pub struct AttachmentReport {
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

impl ImageReport {
    /// An image of which nothing is known yet.
    pub fn new(source: String, target: Option<String>) -> Self {
        Self {
            source,
            target,
            source_digest: None,
            digest: None,
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
            duration: 0,
        }
    }
}

impl Report {
    /// Requests, bytes and pulls of all images.
    pub fn traffic(&self) -> Traffic {
        let mut total = Traffic::default();
        for image in &self.images {
            total += image.traffic;
        }
        total
    }

    /// How many images ended this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.images.iter().filter(|image| image.result == outcome).count()
    }

    /// Whether anything was written.
    pub fn changed(&self) -> bool {
        self.images.iter().any(|image| image.wrote || image.result == Outcome::Copied)
    }

    /// The process's exit code (contract: "Exit codes").
    pub fn exit_code(&self) -> u8 {
        match self.cancelled {
            Some("SIGINT") => 130,
            Some(_) => 143,
            // Found late, but before anything was contacted.
            None if self.images.iter().any(|image| image.error.as_ref().is_some_and(Error::is_input))
                && self.traffic().requests() == 0 =>
            {
                2
            }
            None if self.count(Outcome::Failed) > 0 || self.access.fails() => 1,
            None => 0,
        }
    }
}
