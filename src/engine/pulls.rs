//! An image's part of the pulls that its source bills.
//!
//! Owns when an image asks for them: in the order of the list, its root first, then all that is known to be below it. What is
//! found on the way, attachments and indexes within indexes, is taken from what is left. Never counts.

use std::sync::Arc;

use crate::engine::ends::Endpoint;
use crate::engine::job::Job;
use crate::engine::outcome::Outcome;
use crate::engine::resolve::Root;
use crate::engine::session::Session;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::observe::pulls::PullBudget;
use crate::store::Source;
use crate::store::registry::repository::Purpose;

/// One image's part; none where the source is no registry, or nothing bounds its pulls.
#[derive(Default)]
pub struct Pulls(Option<Part>);

/// The pulls of the account, and the image's place among those that want some.
struct Part {
    budget: Arc<PullBudget>,
    /// Its place among the images of the run.
    number: usize,
    /// Images of one source share what is set aside for it.
    source: String,
}

/// An image that has stepped back, until this is dropped.
pub struct SteppedBack<'a>(Option<&'a Part>);

impl Drop for SteppedBack<'_> {
    fn drop(&mut self) {
        if let Some(part) = self.0 {
            part.budget.come_back(&part.source);
        }
    }
}

impl Pulls {
    /// The image is begun: later ones wait for it.
    pub fn begin(session: &Session<'_>, job: &Job, meter: &Arc<Meter>, number: usize) -> Self {
        let part = || {
            let reference = job.source.registry()?;
            let repository = session.registries.open(Side::Source, reference, Purpose::Read, Arc::clone(meter)).ok()?;
            let (budget, source) = (Arc::clone(repository.pulls()), job.source.to_string());
            if !budget.may_end() {
                return None;
            }
            let _ = meter.pulls_held.set(budget.begin(number, &source));
            Some(Part { budget, number, source })
        };
        Self(part())
    }

    /// Whether there may be an end of them: then nothing is read before it is known to be needed.
    pub fn may_end(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until the images before it have had set aside what they need: what matters most stands first. Asked before an image
    /// is resolved where its manifest is what it is resolved by.
    pub async fn turn(&self, source: &Endpoint<Source>) {
        if let (Source::Registry(repository), Some(part)) = (&source.store, &self.0) {
            repository.await_turn(source.at(), part.number).await;
        }
    }

    /// Has set aside, in its turn, what its root costs that is not read yet.
    pub async fn root(&self, source: &Endpoint<Source>, root: &Root) -> Result<(), Error> {
        self.turn(source).await;
        match root {
            Root::Known(_) => self.set_aside(source, 1).await,
            Root::Fetched(_) => Ok(()),
        }
    }

    /// Has set aside the `manifests` that are below its root, as far as that shows; then it is the turn of others.
    pub async fn below(&self, source: &Endpoint<Source>, manifests: usize) -> Result<(), Error> {
        self.set_aside(source, manifests as u64).await?;
        if let Some(part) = &self.0 {
            part.budget.settle(part.number);
        }
        Ok(())
    }

    /// The image will be begun again, and waits: meanwhile others have its turn, and what it has left.
    pub fn step_back(&self) -> SteppedBack<'_> {
        if let Some(part) = &self.0 {
            part.budget.step_back(part.number, &part.source);
        }
        SteppedBack(self.0.as_ref())
    }

    /// The image has ended so: what it has left is there for others, and where too little was left, so is the image.
    pub fn end(&self, worked: Result<Outcome, Error>, meter: &Meter) -> Result<Outcome, Error> {
        if let Some(part) = &self.0 {
            part.budget.end(part.number, &part.source);
        }
        let Err(Error::OutOfPulls { needed, left, .. }) = worked else { return worked };
        // Those that stand after it are left whatever they need.
        if needed > left {
            meter.notice(format!("the budget of pulls has {left} left, and this needs {needed}"));
        }
        Ok(Outcome::Deferred)
    }

    async fn set_aside(&self, source: &Endpoint<Source>, pulls: u64) -> Result<(), Error> {
        match (&source.store, &self.0) {
            (Source::Registry(repository), Some(part)) => repository.set_aside(source.at(), pulls, &part.source).await,
            _ => Ok(()),
        }
    }
}
