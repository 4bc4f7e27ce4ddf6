//! How an image is wanted: the words that users choose from, as types.

use std::collections::HashSet;

use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::text::choice::Choice;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Copy the source to the target.
    Copy,
    /// Describe the source.
    Inspect,
    /// Compare the target with the source.
    Verify,
    /// Check or grant access on GitHub, copy nothing.
    Access,
}

impl Choice for Command {
    const ALL: &'static [(&'static str, Self)] =
        &[("copy", Self::Copy), ("inspect", Self::Inspect), ("verify", Self::Verify), ("access", Self::Access)];
}

/// What to do when the target tag exists with another digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Move the tag.
    Overwrite,
    /// Leave the tag and succeed.
    Keep,
    /// Leave the tag and fail.
    Fail,
}

impl Choice for OnConflict {
    const ALL: &'static [(&'static str, Self)] =
        &[("overwrite", Self::Overwrite), ("keep", Self::Keep), ("fail", Self::Fail)];
}

/// Which platforms of the source are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// The whole image, byte for byte.
    All,
    /// The one image for this platform.
    One(Platform),
    /// Several, but not all.
    Several(Vec<Platform>, Subset),
}

/// What becomes of an index of which only some platforms are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// It is kept, byte for byte; the platforms left out are missing at the target.
    Sparse,
    /// A smaller one is written, with a digest of its own.
    Rewrite,
}

impl Choice for Subset {
    const ALL: &'static [(&'static str, Self)] = &[("sparse", Self::Sparse), ("rewrite", Self::Rewrite)];
}

/// What becomes of the other images when one has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They are worked on.
    GoOn,
    /// Those that were not begun are left for another run.
    Defer,
}

/// How an image is looked at whose tag has the right digest already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The digest is enough.
    Quick,
    /// Every part is asked for, attachments too, and what is missing is sent again.
    Deep,
}

impl Choice for Check {
    const ALL: &'static [(&'static str, Self)] = &[("quick", Self::Quick), ("deep", Self::Deep)];
}

/// Which attachments come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachments {
    /// All of them.
    All,
    /// Signatures only.
    Signatures,
    /// None; nothing is asked.
    None,
}

impl Choice for Attachments {
    const ALL: &'static [(&'static str, Self)] =
        &[("all", Self::All), ("signatures", Self::Signatures), ("none", Self::None)];
}

/// Children of an index that were chosen.
pub type ChildSelection = HashSet<Digest>;

/// Whether the target is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Write,
    /// The same way, stopped before each write: what is missing is counted.
    DryRun,
}

/// What happens to layers that registries do not hold (image-spec, "Non-Distributable Layers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignLayers {
    /// They stay where their urls say.
    Skip,
    /// They are sent to the target like any other layer.
    Include,
}

impl Choice for ForeignLayers {
    const ALL: &'static [(&'static str, Self)] = &[("skip", Self::Skip), ("include", Self::Include)];
}

/// What becomes of an attachment tag of the target that differs from the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnAttachments {
    /// It follows the source.
    Replace,
    /// It stays.
    Keep,
}

/// How the target looked before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// The tag was not there: most likely nothing of the image is. Manifests are not asked for before they are sent.
    Empty,
    /// The tag was there with other content: parts may be the same.
    Different,
    /// The tag was there with this content, and every part of it is asked for (`check: deep`).
    Same,
}
