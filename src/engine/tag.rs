//! The target's tag: what became of it, and whether it may still be written.

use crate::engine::options::{OnConflict, Options, TargetState};
use crate::engine::resolve;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::store::Target;
use crate::store::content::TagOrDigest;

/// What became of the target's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nothing was sent.
    Untouched,
    /// It was sent, and no answer came yet.
    Unknown,
    /// The target took it.
    Written,
    /// The target took it, and another has moved it since.
    Moved,
    /// The target has the image whole, under its tag; what is to be said of it is not there yet.
    Unattested,
}

/// What the target took of an image.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Blobs that were sent or linked.
    pub blobs: u64,
    /// Manifests.
    pub manifests: u64,
    /// Bytes, whether what they belong to was taken or not.
    pub bytes: u64,
}

impl Tag {
    /// Whether the target has the image for certain.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Written | Self::Unattested)
    }

    /// For a failure: what was and what was not written.
    pub fn sentence(self, tag: Option<&str>, written: Written) -> String {
        let Written { blobs, manifests, bytes } = written;
        let name = tag.map_or_else(|| "the image".to_owned(), |tag| format!("the tag `{tag}`"));
        match self {
            Self::Untouched => {}
            Self::Unknown => {
                return format!("all of the image is at the target; whether {name} was written is not known");
            }
            Self::Written => return format!("{name} was written to the target"),
            Self::Moved => return format!("all of the image is at the target; {name} names another one by now"),
            Self::Unattested => {
                return format!("all of the image is at the target, {name} too; only its attestation is missing");
            }
        }
        if blobs + manifests == 0 {
            return if bytes > 0 {
                // Its answer did not come, or was not waited for.
                format!("nothing is known to have been written whole; {name} was not touched")
            } else {
                "nothing was written".to_owned()
            };
        }
        let count = |(number, noun): (u64, &str)| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let written = [(blobs, "blob"), (manifests, "manifest")].into_iter().filter(|(number, _)| *number > 0);
        let written: Vec<String> = written.map(count).collect();
        let verb = if blobs + manifests == 1 { "was" } else { "were" };
        format!("{} {verb} written; {name} was not touched, and the next run goes on from there", written.join(" and "))
    }
}

/// What a tag that is not to be overwritten names where another has written it since the image was begun, while layers went:
/// asked right before it is written. `on-conflict: fail` fails; `wanted` under the tag is no conflict. One that never moves is
/// asked for too where it was taken for absent `before`: some answers to HEAD are no proof. Who may not read it writes it.
///
/// What is left is the moment between this answer and the write: the specification has no call that writes a tag only where
/// there is none.
pub async fn set_since(
    target: &Target,
    tag: Option<&str>,
    wanted: &Digest,
    (options, before): (&Options, TargetState),
) -> Result<Option<Digest>, Error> {
    let never_moves = options.source_tag.is_immutable() && before == TargetState::Absent;
    let is_overwritten = options.on_conflict == OnConflict::Overwrite;
    let Some(at) = tag.map(TagOrDigest::Tag).filter(|_| never_moves || !is_overwritten) else { return Ok(None) };
    let found = match resolve::target(target, at).await {
        Err(error) if is_overwritten && error.is_denied() => None,
        found => found?,
    };
    match found.filter(|actual| actual != wanted) {
        Some(actual) if options.on_conflict == OnConflict::Fail => Err(Error::Conflict {
            reference: target.object(at),
            actual,
            wanted: wanted.clone(),
            written_in: options.conflict_in,
        }),
        found => Ok(found),
    }
}
