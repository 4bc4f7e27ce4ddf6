//! What is said of an image once it is at its target, where that is wanted: after everything else, so that nothing of it is lost
//! where it cannot be said.

use crate::engine::attest::Attesting;
use crate::engine::image::ImageTask;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::engine::tag::Tag;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::store::Target;

impl ImageTask<'_> {
    fn attesting<'t>(&'t self, target: &'t Target) -> Option<Attesting<'t>> {
        let (attestor, name) = (self.session.attestor?, self.job.target.as_ref()?);
        let (shared, meter) = (self.session.shared, &*self.meter);
        Some(Attesting { attestor, shared, meter, target, name })
    }

    /// Whether something is still to be said of what the target has; asked once.
    pub(super) async fn is_unattested(&self, target: &Target, digest: &Digest) -> Result<bool, Error> {
        let Some(attesting) = self.attesting(target) else { return Ok(false) };
        self.unattested.get_or_try_init(|| attesting.is_lacking(digest)).await.copied()
    }

    /// Says it, of what was copied, and of what is there unchanged and has no such statement: one that failed is made up for.
    pub(super) async fn attested(&self, target: &Target, outcome: Outcome) -> Result<Outcome, Error> {
        let Some(attesting) = self.attesting(target) else { return Ok(outcome) };
        let Some(digest) = self.known().image.digest.clone() else { return Ok(outcome) };
        let before = self.tag();
        let is_due = match outcome {
            Outcome::Copied => true,
            Outcome::Unchanged => self.is_unattested(target, &digest).await?,
            _ => false,
        };
        if is_due {
            self.set_tag(Tag::Unattested);
            let image = ImageOutcome { policy: self.policy(), ..self.known().image.clone() };
            let attestation = attesting.attest(&image, &digest, outcome).await?;
            self.known().image.attestation = Some(Box::new(attestation));
            self.set_tag(before);
        }
        Ok(outcome)
    }
}
