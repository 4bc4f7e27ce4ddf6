//! The lock file after a run: written where a line has changed.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use crate::app::history::keep;
use crate::engine::options::Command;
use crate::engine::outcome::{ImageOutcome, Outcome, Verification};
use crate::error::Error;
use crate::inputs::typed::Inputs;
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
    // What stays at one target and is not known to be the source's: what another target got is not what the tag is here.
    let stays = |image: &&ImageOutcome| image.result == Outcome::Unchanged && image.source_digest.is_none();
    let open: HashSet<&ImageReference> = report.images.iter().filter(stays).map(|image| &image.source).collect();
    let found = report.images.iter().filter(is_in).filter_map(|image| {
        if open.contains(&image.source) {
            return None;
        }
        let digest = image.source_digest.as_ref()?;
        let policy = match &image.verified {
            // A platform's own signature is none of the index, which is what the line has.
            Some(Verification::Signed(verified)) if verified.subject == *digest => Some(verified.fingerprint.as_str()),
            Some(Verification::Signed(_) | Verification::Unsigned(_) | Verification::Before) | None => None,
        };
        Some(FoundTag { source: image.source.registry()?, digest, policy })
    });
    let failed = list.entries.iter().filter(|entry| entry.result.is_err());
    let kept: BTreeSet<String> = failed.filter_map(|entry| entry.source.registry().map(Reference::name)).collect();
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let today = today.split('T').next().unwrap_or_default();
    let wanted = list.sources.iter().filter_map(ImageReference::registry);
    let Some(text) = lock.updated(wanted, found, &kept, today) else { return Ok(None) };
    keep(inputs, "the lock file", &lock.name, &text).map(|()| Some(lock.name.clone()))
}
