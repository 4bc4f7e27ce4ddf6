//! Errors: what went wrong, on which side, to what, in the registry's own words, and what to do.
//!
//! Owns every failure that a person reads. Text from outside is sanitised where it is put into an error, so that an
//! error can be printed anywhere. Never carries a credential, a token, or a URL with a query.

pub mod action;
pub mod cause;
pub mod failure;
pub mod hints;
pub mod kind;
pub mod login;
pub mod object;
pub mod reader;
pub mod signature;
pub mod violation;

use std::fmt;

use crate::error::action::Action;
use crate::error::cause::{Cause, ErrorResponse, Instead};
use crate::error::object::Object;
use crate::error::signature::Unsigned;
use crate::error::violation::Violation;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::text::units;

/// One end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where the image is read from.
    Source,
    /// Where the image is written to.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Where something that is wanted of an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenIn {
    /// An input.
    Input,
    /// A list, in its entry or its `defaults`, which comes before the input.
    List,
}

/// Where a digest is written that a source must have: there it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// In the input `expected-digest`.
    #[default]
    Input,
    /// In the source's own name.
    Source,
    /// In the lock file of this name, of which this run may not change the line.
    Lock(String),
    /// The same, and the run is `frozen`.
    Frozen(String),
}

/// What has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A layer.
    Layer,
    /// An image without what hangs on it.
    Image,
    /// What hangs on an image.
    Attachments,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layer => "layer",
            Self::Image => "image",
            Self::Attachments => "sum of its attachments",
        })
    }
}

/// A failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// An input is missing, malformed or contradicts another; nothing was contacted.
    #[error("input `{name}`: {problem}")]
    Input {
        /// The input's name as users type it.
        name: String,
        /// One sentence: what is wrong and how to mend it.
        problem: String,
    },
    /// A request to a registry failed, or a registry answered what it must not.
    #[error("{side}: {action} {object}: {cause}")]
    Registry {
        /// Which end.
        side: Side,
        /// What was tried: a method and a noun, `GET manifest`.
        action: Action,
        /// What it was tried on.
        object: Object,
        /// Why it failed.
        cause: Cause,
    },
    /// Bytes do not hash to the digest that named them, or a registry named another digest for them.
    #[error("{side}: {object}: the digest is {actual}, not {expected}")]
    DigestMismatch {
        /// Which end.
        side: Side,
        /// The manifest, blob or tag.
        object: Object,
        /// The digest that was asked for.
        expected: Digest,
        /// What came.
        actual: String,
    },
    /// Content is not what its descriptor or the specification says.
    #[error("{side}: {object}: {problem}")]
    Content {
        /// Which end.
        side: Side,
        /// The manifest or blob.
        object: Object,
        /// One sentence.
        problem: String,
    },
    /// A directory has several images, and its name alone stands for none of them.
    #[error("{side}: {object}: has several images{}; name one as `{object}{}`: {images}", told_by.why(), told_by.form())]
    SeveralImages {
        /// Which end.
        side: Side,
        /// The directory.
        object: Object,
        /// What tells them apart.
        told_by: ToldBy,
        /// The first of them, sanitised.
        images: String,
    },
    /// What the rules of a list ask for and what the repository has do not agree; the image itself is well.
    #[error("source: {object}: {problem}")]
    Rules {
        /// The repository, or the image.
        object: Object,
        /// One sentence: what does not agree and how to mend it.
        problem: String,
    },
    /// A broken layer was sent anew, and the registry did not look at what it was sent.
    #[error(
        "target: {object}: this layer has {actual} bytes there and {expected} at the source; it was sent anew, and the \
         registry kept what it has"
    )]
    NotRepaired {
        /// The layer.
        object: Object,
        /// Its size in bytes at the source.
        expected: u64,
        /// Its size in bytes at the target.
        actual: u64,
    },
    /// It is larger than `size-limit` allows.
    #[error("source: {reference}: the {what} has {} at least, and `size-limit` allows {}", units::size(*bytes), units::size(*limit))]
    TooLarge {
        /// The source as the user named it.
        reference: Object,
        /// What was counted.
        what: Counted,
        /// How many bytes it has at least.
        bytes: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// The source is not the digest that is expected of it.
    #[error("source: {reference} is {actual}, not the expected {expected}")]
    Unexpected {
        /// The source as the user named it.
        reference: Object,
        /// The digest that it was to have.
        expected: Digest,
        /// What the source resolves to.
        actual: Digest,
        /// Where the digest is written that is expected.
        pin: Pin,
    },
    /// The source is not signed as a policy wants.
    #[error("source: {reference} {unsigned}{}", joined(&unsigned.lines()))]
    Unsigned {
        /// The source as the user named it.
        reference: Object,
        /// What it lacks.
        unsigned: Box<Unsigned>,
    },
    /// The target tag exists with another digest and `on-conflict` is `fail`.
    #[error("target: {reference} exists with {actual}; the source is {wanted}")]
    Conflict {
        /// The target tag.
        reference: Object,
        /// What the tag points at.
        actual: Digest,
        /// What would have been written.
        wanted: Digest,
        /// Where it is wanted so.
        written_in: WrittenIn,
    },
    /// The tag was written, and names another digest a moment later, while what was written is still there.
    #[error(
        "target: {reference} was written as {written} and is {actual} now: another run, or another program, has moved the tag \
         meanwhile"
    )]
    Moved {
        /// The target tag.
        reference: Object,
        /// What was written.
        written: Digest,
        /// What the tag points at.
        actual: Digest,
    },
    /// The registry took it and does not have it, for as long as registries lag behind themselves.
    #[error("target: {reference} was accepted as {written} and is not there")]
    Lost {
        /// The tag or manifest.
        reference: Object,
        /// What was written.
        written: Digest,
    },
    /// The image has no such platform.
    #[error("source: {reference} has no platform `{wanted}`; it has {}", list(available))]
    Platform {
        /// The source as the user named it.
        reference: Object,
        /// The platform asked for.
        wanted: String,
        /// The platforms that exist.
        available: Vec<String>,
    },
    /// `verify` found the two sides different.
    #[error("target: {reference}: {}", differences.join("; "))]
    Different {
        /// The target as the user named it.
        reference: Object,
        /// What differs, a sentence each.
        differences: Vec<String>,
    },
    /// The registry bills pulls, and what the run may take of them does not reach.
    #[error("source: {object}: the budget of pulls has {left} left, and this needs {needed}")]
    OutOfPulls {
        /// What would have been read.
        object: Object,
        /// Pulls that it takes, as far as that is known.
        needed: u64,
        /// Pulls that are left for this run.
        left: u64,
    },
    /// The run was cancelled before this image was finished.
    #[error("cancelled by {signal}")]
    Cancelled {
        /// `SIGINT` or `SIGTERM`.
        signal: &'static str,
    },
    /// Something on this machine is not as it must be: a file, the CA bundle, the proxy settings.
    #[error("{0}")]
    Local(String),
}

/// What tells the images of a directory apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// Whole names, as a list writes them: all of them may be meant.
    Name,
    /// Tags.
    Tag,
    /// Digests alone: tags are there twice.
    DigestOfTag,
    /// Digests alone: they have no names.
    Digest,
}

impl ToldBy {
    fn why(self) -> &'static str {
        match self {
            Self::Name | Self::Tag => "",
            Self::DigestOfTag => " of one tag",
            Self::Digest => " without a name",
        }
    }

    fn form(self) -> &'static str {
        match self {
            Self::Name => ":REGISTRY/REPOSITORY:TAG",
            Self::Tag => ":TAG",
            Self::DigestOfTag | Self::Digest => "@DIGEST",
        }
    }
}

fn joined(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join("; ")) }
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        return "none (it is a single image without a platform)".to_owned();
    }
    items.join(", ")
}

impl Error {
    /// Which end it is about, where it is about one.
    pub fn side(&self) -> Option<Side> {
        match self {
            Self::Registry { side, .. }
            | Self::DigestMismatch { side, .. }
            | Self::Content { side, .. }
            | Self::SeveralImages { side, .. } => Some(*side),
            Self::Rules { .. }
            | Self::TooLarge { .. }
            | Self::Unexpected { .. }
            | Self::Unsigned { .. }
            | Self::Platform { .. }
            | Self::OutOfPulls { .. } => Some(Side::Source),
            Self::Conflict { .. }
            | Self::Moved { .. }
            | Self::Lost { .. }
            | Self::Different { .. }
            | Self::NotRepaired { .. } => Some(Side::Target),
            Self::Input { .. } | Self::Cancelled { .. } | Self::Local(_) => None,
        }
    }

    /// The same for people: a sentence, and what belongs below it, a line each.
    pub fn lines(&self) -> (String, Vec<String>) {
        match self {
            Self::Unsigned { reference, unsigned } => (format!("source: {reference} {unsigned}"), unsigned.lines()),
            other => (other.to_string(), Vec::new()),
        }
    }

    /// An input's problem.
    pub fn input(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Input { name: name.into(), problem: problem.into() }
    }

    /// Whether this is bad input: exit code 2, nothing contacted.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input { .. })
    }

    /// More manifests, or larger ones, than may be held.
    pub fn of_manifests(side: Side, object: Object, violation: Violation) -> Self {
        Self::Registry { side, action: Action::GetManifest, object, cause: Cause::Protocol(violation) }
    }

    /// Whether there was no room for a manifest beside those of other images.
    pub fn is_crowded(&self) -> bool {
        matches!(self, Self::Registry { cause: Cause::Protocol(Violation::ManifestsCrowded), .. })
    }

    /// Whether the registry says that it has no such thing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Registry { cause: Cause::Refused(refusal), .. } if refusal.is_absence())
    }

    /// The source's repository and the tag that it does not have, where the registry says no more than that.
    pub fn absent_tag(&self) -> Option<(&Reference, &str)> {
        let Self::Registry { side: Side::Source, object, cause: Cause::Refused(refusal), .. } = self else {
            return None;
        };
        object.reference().zip(object.tag()).filter(|_| refusal.is_absence() && !refusal.is_without_repository())
    }

    /// The source's repository, where the registry says that there is none.
    pub fn absent_repository(&self) -> Option<&Reference> {
        let Self::Registry { side: Side::Source, object, cause: Cause::Refused(refusal), .. } = self else {
            return None;
        };
        object.reference().filter(|_| refusal.is_without_repository())
    }

    /// With what there is in place of the tag that is not.
    #[must_use]
    pub fn with_instead(mut self, instead: Instead) -> Self {
        if let Self::Registry { cause, .. } = &mut self
            && let Some(refusal) = cause.refusal_mut()
        {
            *refusal.instead = instead;
        }
        self
    }

    /// Whether what was asked for as a manifest is not there, or is none: some registries look at the name only and
    /// answer with the bytes of a blob, others find fault with the question.
    pub fn is_no_manifest(&self) -> bool {
        let is_odd = |refusal: &ErrorResponse| matches!(refusal.status, 400 | 406 | 415);
        self.is_absent() || matches!(self, Self::Content { .. }) || self.refusal().is_some_and(is_odd)
    }

    /// Whether access was refused, by the registry or by its token service.
    pub fn is_denied(&self) -> bool {
        self.refusal().is_some_and(|refusal| matches!(refusal.status, 401 | 403))
    }

    /// Whether the registry itself, which knows the caller, refuses access.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Registry { cause: Cause::Refused(refusal), .. } if refusal.status == 403)
    }

    /// Whether a HEAD was refused in a way that need not hold for a GET.
    pub fn is_refused_head(&self) -> bool {
        let Self::Registry { cause: Cause::Refused(refusal), .. } = self else { return false };
        matches!(refusal.status, 400 | 403 | 405 | 406 | 501)
    }

    /// Whether the registry understood and declined: what was asked for has not happened. No answer, and a server's
    /// failure, leave that open.
    pub fn is_declined(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.status < 500)
    }

    /// Whether the registry does not take what it was sent, whatever it says of it: it declines, knows no such thing (501), or
    /// fails at it as often as it is sent (500). Not where it sheds load, or wants to know who sends.
    pub fn is_not_taken(&self) -> bool {
        let is_other = |status| matches!(status, 401 | 402 | 407 | 408 | 425 | 429 | 451 | 499);
        self.refusal().is_some_and(|refusal| matches!(refusal.status, 400..=501) && !is_other(refusal.status))
    }

    /// Whether the question was not answered at all: no connection, no token, no patience left.
    pub fn is_outage(&self) -> bool {
        let Self::Registry { cause, .. } = self else { return false };
        matches!(
            cause,
            Cause::Connection { .. }
                | Cause::Elsewhere { .. }
                | Cause::Interrupted(_)
                | Cause::OutOfPatience { .. }
                | Cause::Token { .. }
                | Cause::Login(_)
        )
    }

    /// Whether an index may have been refused for children that are not there. Registries have as many answers for that as
    /// there are registries; these are no rights, no quota, no tag that cannot be moved.
    pub fn may_miss_children(&self) -> bool {
        let is_other = |code: &str| matches!(code, "TAG_INVALID" | "DENIED" | "UNAUTHORIZED" | "TOOMANYREQUESTS");
        self.refusal().is_some_and(|refusal| {
            matches!(refusal.status, 400 | 404 | 422 | 500) && !refusal.code.as_deref().is_some_and(is_other)
        })
    }

    /// Where the registry lacks parts of a manifest: those that it names, or nothing where it names none.
    pub fn misses_parts(&self) -> Option<&[Digest]> {
        let refusal = self.refusal()?;
        let code = refusal.code.as_deref()?;
        let misses = matches!(code, "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN");
        misses.then_some(refusal.missing.as_slice())
    }

    /// The registry's refusal, where that is what happened, whatever it is wrapped in.
    pub fn refusal(&self) -> Option<&ErrorResponse> {
        let Self::Registry { cause, .. } = self else { return None };
        cause.refusal()
    }
}
