//! The types in which registries, layouts and mirrors give and take content.

use std::fmt;
use std::sync::Arc;

use crate::error::object::Object;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;

/// Where in a repository a manifest is: by tag or by digest.
#[derive(Clone, Copy, Debug)]
pub enum TagOrDigest<'a> {
    /// Under a tag, which may move.
    Tag(&'a str),
    /// Under its digest.
    Digest(&'a Digest),
}

impl TagOrDigest<'_> {
    /// What has this tag or digest in `place`.
    pub fn of(self, place: Object) -> Object {
        match self {
            Self::Tag(tag) => place.with_tag(tag),
            Self::Digest(digest) => place.with_digest(digest),
        }
    }
}

impl fmt::Display for TagOrDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A registry with one credential, or the directory of a layout: what its repositories have can be linked from one into
/// another. Given out by `Registries` and `Layouts`, which know all of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountId {
    /// The number of a registry.
    Registry(usize),
    /// The number of a layout.
    Layout(usize),
}

/// One repository as it is read in this run: its account, where that is known, and its name. What one of them has says
/// nothing of what another may be given.
pub type Origin = (Option<AccountId>, Arc<str>);

/// What a registry said to a pushed manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestPush {
    /// It keeps the list of referrers itself (`OCI-Subject`, distribution-spec, "Pushing Manifests with Subject").
    pub lists_referrers: bool,
}

/// What to do where a registry fails at a manifest (500), and sheds no load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Send it again, as long as patience lasts.
    Wait,
    /// Take it for a refusal after a few times, because there is another way (CUE's registry fails so at an index without all of
    /// its children).
    GiveUp,
}

/// What a source lists as attached to something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What is listed, whether it is there or not.
    pub entries: Vec<Descriptor>,
    /// Whether that is all: else the list under the fallback tag counts too (distribution-spec, "Referrers Tag Schema").
    pub is_whole: bool,
}

/// Whether a blob may be at the target before anything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The tag did not exist: most likely not.
    Unlikely,
    /// The tag had other content, which may share blobs with this.
    Possible,
    /// What is there does not count: it has another size, or came for another image. Sent whatever the registry says.
    Void,
}
