//! The lock file after a run: written where a line has changed.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use crate::app::history::keep;
use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, TagRule, Verification};
use crate::error::Error;
use crate::inputs::typed::Inputs;
use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::list::lock::FoundTag;
use crate::report::Report;

/// Writes what the run has learnt, and gives the file's name; nothing where the lock stays as it is.
pub fn write(inputs: &Inputs, report: &Report) -> Result<Option<String>, Error> {
    let (Some(lock), Some(list)) = (&inputs.request.lock, &report.list) else { return Ok(None) };
    if report.command != Command::Copy {
        return Ok(None);
    }
    // What was not let in was not found: whoever reads the lock takes what it has for mirrored.
    let is_in = |image: &&ImageOutcome| !matches!(image.error.as_deref(), Some(Error::Unsigned { .. }));
    // A tag that never moves gets a line where all of its targets have what the tag is, and keeps it: what one target got is
    // none by which another one would move.
    let mut digests: HashMap<&ImageReference, (bool, Vec<Option<&Digest>>)> = HashMap::new();
    for image in &report.images {
        let (never_moves, found) = digests.entry(&image.source).or_default();
        *never_moves |= image.tag_rule == TagRule::NeverMoves;
        found.push(image.source_digest.as_ref());
    }
    let found = report.images.iter().filter(is_in).filter_map(|image| {
        let digest = image.source_digest.as_ref()?;
        let (never_moves, digests) = digests.get(&image.source)?;
        if *never_moves && digests.iter().any(|other| *other != Some(digest)) {
            return None;
        }
        let policy = match &image.verified {
            // A platform's own signature is none of the index, which is what the line has.
            Some(Verification::Signed(verified)) if verified.subject == *digest => Some(verified.fingerprint.as_str()),
            Some(Verification::Signed(_) | Verification::Unsigned(_) | Verification::Before) | None => None,
        };
        Some(FoundTag { source: image.source.registry()?, digest, moves: !never_moves, policy })
    });
    let failed = list.entries.iter().filter(|entry| entry.result.is_err());
    let kept: BTreeSet<String> = failed.filter_map(|entry| entry.source.registry().map(Reference::name)).collect();
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let today = today.split('T').next().unwrap_or_default();
    let wanted = list.sources.iter().filter_map(ImageReference::registry);
    let Some(text) = lock.updated(wanted, found, &kept, today) else { return Ok(None) };
    keep(inputs, "the lock file", &lock.name, &text).map(|()| Some(lock.name.clone()))
}
