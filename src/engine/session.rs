//! What all images of a run share.

use std::time::Duration;

use crate::engine::copy::fan_out::FanOut;
use crate::engine::copy::ledger::Ledger;
use crate::engine::copy::limit::InFlightLimit;
use crate::engine::gate::Gate;
use crate::engine::options::{Attachments, Check, Command, ForeignLayers};
use crate::observe::events::Events;
use crate::store::mirrors::Mirrors;
use crate::store::registry::registries::Registries;

/// What all images of a run share.
pub struct Session<'a> {
    /// What to do with each image.
    pub command: Command,
    /// Stop before the first write.
    pub dry_run: bool,
    /// The registries.
    pub registries: &'a Registries,
    /// What the run knows to be at its targets.
    pub ledger: &'a Ledger,
    /// Which images read the same source.
    pub readers: &'a FanOut,
    /// How much is worked on at once.
    pub room: &'a InFlightLimit,
    /// Which attachments come along.
    pub attachments: Attachments,
    /// What happens to layers that registries do not hold.
    pub foreign_layers: ForeignLayers,
    /// How closely an unchanged image is looked at.
    pub check: Check,
    /// Whether an unchanged image's platforms must be known too: configuration for others is made of them, and must not
    /// change when the image does not.
    pub describe_unchanged: bool,
    /// Asked before something is sent.
    pub gate: &'a dyn Gate,
    /// Where images are read instead of their own registry.
    pub mirrors: &'a Mirrors,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// Where what must be said meanwhile goes.
    pub events: &'a Events,
}
