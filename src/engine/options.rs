//! How an image is wanted: the words that users choose from, as types.

use std::collections::HashSet;
use std::time::Duration;

use crate::engine::behind::Tolerance;
use crate::error::{Pin, WrittenIn};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest};
use crate::oci::platform::Platform;
use crate::policy::Requirement;
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

/// What is to be done with an image, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to do.
    pub operation: Operation,
    /// Which platforms are wanted.
    pub platforms: Platforms,
    /// Which attachments come along.
    pub attachments: Attachments,
    /// What happens to layers that registries do not hold.
    pub foreign_layers: ForeignLayers,
    /// How closely an unchanged image is looked at.
    pub check: Check,
    /// What is learnt of an unchanged image.
    pub unchanged: UnchangedDetail,
    /// What to do when the target tag exists with another digest.
    pub on_conflict: OnConflict,
    /// Where that is written.
    pub conflict_in: WrittenIn,
    /// What the source must resolve to.
    pub expected_digest: Option<Digest>,
    /// Where that is written.
    pub pin: Pin,
    /// Whether the source's tag may have moved.
    pub source_tag: SourceTag,
    /// The signature that it must have; none: it is not asked about.
    pub requirement: Option<Requirement>,
    /// Whether what was copied is said, signed.
    pub statement: Statement,
    /// How large it may be; none: as large as it is.
    pub size_limit: Option<SizeLimit>,
    /// How long the target may be behind it.
    pub tolerance: Tolerance,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
}

/// Whether what was copied is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Nothing is said.
    Unsaid,
    /// It is, signed in the job's name and attached to the image.
    Signed,
}

impl Statement {
    /// As `attest` says.
    pub fn of(attest: bool) -> Self {
        if attest { Self::Signed } else { Self::Unsaid }
    }
}

/// How large an image may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// All of it that is copied, what it has several times counted once.
    pub image: u64,
    /// One of its layers.
    pub layer: u64,
}

/// What is to be done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Copy the source to the target.
    Copy(Mode),
    /// Describe the source.
    Inspect,
    /// Compare the target with the source.
    Verify,
    /// Find the image at the target, copy nothing.
    Access,
}

impl Operation {
    /// What a run's command means for one image.
    pub fn new(command: Command, mode: Mode) -> Self {
        match command {
            Command::Copy => Self::Copy(mode),
            Command::Inspect => Self::Inspect,
            Command::Verify => Self::Verify,
            Command::Access => Self::Access,
        }
    }
}

/// What is learnt of an image that need not be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnchangedDetail {
    /// Its digest; nothing more is asked.
    Digest,
    /// Its platforms too: configuration for others is made of them, and must not change when the image does not.
    Platforms,
    /// And the signature that lets it in: the policies of others are made of that.
    Signatures,
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

/// Whether a tag of the source may have moved since it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceTag {
    /// It may: it is asked for.
    MayMove,
    /// It never does: what a lock has for it is it, and without that, what the target has under its name.
    Immutable(LockLine),
    /// It may, and a lock holds it at this.
    Locked(Digest),
}

/// What a lock has for a tag that never moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockLine {
    /// There is no lock, or none that helps: of chosen platforms the target has another digest.
    None,
    /// Nothing yet.
    Missing,
    /// This digest.
    Is(Digest),
}

impl SourceTag {
    /// Whether `found`, which the target has, is what is wanted, whatever the source says.
    pub fn settles(&self, found: &Digest) -> bool {
        match self {
            Self::MayMove => false,
            Self::Immutable(LockLine::None | LockLine::Missing) => true,
            Self::Immutable(LockLine::Is(digest)) | Self::Locked(digest) => digest == found,
        }
    }

    /// Whether a list says that it never moves.
    pub fn is_immutable(&self) -> bool {
        matches!(self, Self::Immutable(_))
    }

    /// What a lock has for it.
    pub fn line(&self) -> Option<&Digest> {
        match self {
            Self::Immutable(LockLine::Is(digest)) | Self::Locked(digest) => Some(digest),
            Self::MayMove | Self::Immutable(LockLine::None | LockLine::Missing) => None,
        }
    }
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

impl Platforms {
    /// These; none of them is all.
    pub fn of(mut named: Vec<Platform>, subset: Subset) -> Self {
        match named.len() {
            0 => Self::All,
            1 => Self::One(named.remove(0)),
            _ => Self::Several(named, subset),
        }
    }
}

/// What becomes of an index of which only some platforms are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// Sparse; where the target refuses that, rewritten.
    Auto,
    /// It is kept, byte for byte; the platforms left out are missing at the target.
    Sparse,
    /// A smaller one is written, with a digest of its own.
    Rewrite,
}

impl Choice for Subset {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("sparse", Self::Sparse), ("rewrite", Self::Rewrite)];
}

/// How much is worked on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Images under way.
    pub images: usize,
    /// Images that are begun besides, in the place of those that stand still: none where the user has said how many.
    pub beside_still: usize,
    /// Requests to one host; none: as many as it answers well.
    pub requests: Option<usize>,
}

impl AtOnce {
    /// How many requests a host gets is decided there (up to 64 small ones): with as many images, each with one request at
    /// least, no host waits for us. More would only hold more manifests in memory.
    pub const MOST_IMAGES: usize = 64;

    /// One for a manifest, one for a blob that comes and one for a blob that goes: with less, a copy inside one registry
    /// would wait for itself.
    pub const LEAST_REQUESTS: usize = 3;
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { images: Self::MOST_IMAGES, beside_still: Self::MOST_IMAGES, requests: None }
    }
}

/// What becomes of the other images when one has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They are worked on.
    GoOn,
    /// Those that were not begun are left for another run.
    Defer,
}

/// What is made of images that a limit of the run has left for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBudget {
    /// They are left, and the run is well.
    Defer,
    /// They are left, and the run fails.
    Fail,
    /// Pulls that come back are waited for; what time has left is left, and the run is well.
    Wait,
}

impl Choice for OnBudget {
    const ALL: &'static [(&'static str, Self)] = &[("defer", Self::Defer), ("fail", Self::Fail), ("wait", Self::Wait)];
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

/// What was chosen of an index, and of the indexes in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildSelection {
    /// The indexes of which not all is wanted.
    pub partial: HashSet<Digest>,
    /// What they and all others list that is.
    pub kept: HashSet<Digest>,
    /// The images that were asked for.
    pub platforms: Vec<(Platform, Digest)>,
}

impl ChildSelection {
    /// Whether `child`, which `parent` lists, is wanted.
    pub fn has(&self, parent: &Digest, child: &Digest) -> bool {
        !self.partial.contains(parent) || self.kept.contains(child)
    }

    /// What `parent` lists that is wanted: all of it, where there is no selection.
    pub fn among<'a>(selection: Option<&Self>, parent: &'a Manifest) -> Vec<&'a Descriptor> {
        let is_wanted = |child: &&Descriptor| selection.is_none_or(|chosen| chosen.has(&parent.digest, &child.digest));
        parent.children().filter(is_wanted).collect()
    }
}

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

/// How the target looked before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// The tag was not there: most likely nothing of the image is. Manifests are not asked for before they are sent.
    Absent,
    /// The tag was there with other content: parts may be the same.
    Different,
    /// The tag was there with this content, and every part of it is asked for (`check: deep`).
    Same,
}
