//! What was counted of an image: requests, bytes, blobs, and the places it was read from.

use serde::Serialize;

/// One place where an image was looked for: a mirror or the registry that the source names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointReport {
    /// The repository there, with its registry.
    pub site: String,
    /// What it did.
    pub class: EndpointStatus,
    /// Its own words, or ours about it.
    pub reason: Option<String>,
}

/// What a place did that was asked for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointStatus {
    /// It gave what was asked for.
    Served,
    /// It does not have it.
    Absent,
    /// Its tag is another digest than the original's.
    Stale,
    /// It was left out because of what it did before in this run.
    Skipped,
    /// It is overloaded, or fails.
    Busy,
    /// It wants a credential that was not given, or refuses the one that was.
    NotReadable,
    /// No connection, or no answer in time.
    Unreachable,
    /// It answers what is no image.
    Broken,
    /// Its bytes are not those of the digest.
    Lying,
}

impl EndpointStatus {
    /// The name in `json` and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::Skipped => "skipped",
            Self::Busy => "busy",
            Self::NotReadable => "not-readable",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Lying => "lying",
        }
    }

    /// What is worth more attention is heavier. A place that lacks a part of what it served has served all the same.
    pub(crate) fn weight(self) -> u8 {
        match self {
            Self::Absent | Self::Skipped => 0,
            Self::Served => 1,
            Self::Stale => 2,
            Self::Busy | Self::NotReadable => 3,
            Self::Unreachable => 4,
            Self::Broken => 5,
            Self::Lying => 6,
        }
    }
}

/// Requests, bytes and pulls of one image. Requests for tokens are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Requests to the source.
    pub source_requests: u64,
    /// Requests to the target.
    pub target_requests: u64,
    /// Requests to token services.
    pub token_requests: u64,
    /// Blob and manifest bytes read from the source.
    pub bytes_read: u64,
    /// Blob and manifest bytes sent to the target.
    pub bytes_written: u64,
    /// Manifest GETs at a registry that bills them as pulls (Docker Hub).
    pub pulls_billed: u64,
}

/// What became of a blob that the target is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobPush {
    /// It was there, in this repository.
    Exists,
    /// The registry linked it from another of its repositories.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
    /// `dry-run`: it would be uploaded; its bytes.
    Missing(u64),
}

/// Blobs of one image, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blobs {
    /// Sent.
    pub sent: u64,
    /// Mounted from another repository of the target registry.
    pub mounted: u64,
    /// Found at the target, or sent before in this run.
    pub present: u64,
    /// `dry-run`: would be sent.
    pub missing: u64,
    /// `dry-run`: their bytes.
    pub missing_bytes: u64,
}

impl Traffic {
    /// Requests to source and target.
    pub fn requests(&self) -> u64 {
        self.source_requests + self.target_requests
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.source_requests += other.source_requests;
        self.target_requests += other.target_requests;
        self.token_requests += other.token_requests;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.pulls_billed += other.pulls_billed;
    }
}
