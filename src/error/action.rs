//! What was asked of a registry when it failed: a method and a noun, as the log and every error name it.
//!
//! Data, so that a hint asks what was tried and never reads it out of a sentence. Knows no address and no answer.

use std::fmt;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Anything at a mirror's host.
    Get,
    GetTags,
    HeadManifest,
    GetManifest,
    PutManifest,
    DeleteManifest,
    /// A tag alone.
    DeleteTag,
    GetReferrers,
    /// The tag that lists referrers where the registry has no API for them (distribution-spec, "Referrers tag schema").
    PutFallbackIndex,
    HeadBlob,
    GetBlob,
    PutBlob,
    /// Opens an upload, or asks for a mount.
    PostUpload,
    /// How far an upload has come.
    GetUpload,
    /// A statement of what was copied, signed and attached.
    Attest,
}

impl Action {
    const fn words(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::GetTags => "GET tags",
            Self::HeadManifest => "HEAD manifest",
            Self::GetManifest => "GET manifest",
            Self::PutManifest => "PUT manifest",
            Self::DeleteManifest => "DELETE manifest",
            Self::DeleteTag => "DELETE tag",
            Self::GetReferrers => "GET referrers",
            Self::PutFallbackIndex => "PUT fallback index",
            Self::HeadBlob => "HEAD blob",
            Self::GetBlob => "GET blob",
            Self::PutBlob => "PUT blob",
            Self::PostUpload => "POST upload",
            Self::GetUpload => "GET upload",
            Self::Attest => "attestation of",
        }
    }

    /// Whether something was to be deleted.
    pub const fn deletes(self) -> bool {
        matches!(self, Self::DeleteManifest | Self::DeleteTag)
    }

    /// Whether a manifest was written, an image's or a list's.
    pub const fn puts_a_manifest(self) -> bool {
        matches!(self, Self::PutManifest | Self::PutFallbackIndex)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
