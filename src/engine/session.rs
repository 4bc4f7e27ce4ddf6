//! What all images of a run share.
//!
//! Never holds what may differ from image to image: that is in the job.

use crate::attest::Attestor;
use crate::engine::copy::fan_out::FanOut;
use crate::engine::copy::ledger::Ledger;
use crate::engine::copy::limit::{AttachmentLimit, InFlightLimit};
use crate::engine::copy::order::AttachmentTags;
use crate::engine::gate::Gate;
use crate::engine::near::Near;
use crate::engine::outcome::ReportedAttachments;
use crate::engine::sources::Sources;
use crate::engine::verdicts::Verdicts;
use crate::observe::events::Events;
use crate::store::layout::shared::Layouts;
use crate::store::mirrors::Mirrors;
use crate::store::registry::registries::Registries;

/// What all images of a run use.
pub struct Session<'a> {
    /// The registries.
    pub registries: &'a Registries,
    /// Where images are read instead of their own registry.
    pub mirrors: &'a Mirrors,
    /// What the images of the run know of each other.
    pub shared: &'a Shared,
    /// What signs what is said of images that were copied; none where nothing is said.
    pub attestor: Option<&'a Attestor>,
    /// Asked before an image is written.
    pub gate: &'a dyn Gate,
    /// Where what must be said meanwhile goes.
    pub events: &'a Events,
}

/// What the images of a run know of each other.
#[derive(Default)]
pub struct Shared {
    /// What the run knows to be at its targets.
    pub ledger: Ledger,
    /// What the sources stand for.
    pub sources: Sources,
    /// Which images read the same source.
    pub fan_out: FanOut,
    /// How much is worked on at once.
    pub limit: InFlightLimit,
    /// Who writes which list and tag of attachments.
    pub attachment_tags: AttachmentTags,
    /// What attachments may take.
    pub attachments: AttachmentLimit,
    /// The attachments that the report names.
    pub reported: ReportedAttachments,
    /// The directories that are read and written.
    pub layouts: Layouts,
    /// What was meant in place of names that are not there.
    pub near: Near,
    /// How the signatures of sources were judged.
    pub verdicts: Verdicts,
}
