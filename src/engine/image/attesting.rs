//! What is said of an image once it is at its target, where that is wanted: after everything else, so that nothing of it is lost
//! where it cannot be said.

use std::ops::ControlFlow;

use crate::engine::attest::Attesting;
use crate::engine::image::ImageTask;
use crate::engine::options::TargetState;
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

    /// Whether something is to be said of an image that is there already and has a policy, which is looked at first: nobody is
    /// told that an image is good which nobody has looked at.
    pub(super) async fn is_vouched_for(
        &self,
        compared: ControlFlow<Outcome, TargetState>,
        target: &Target,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let is_unchanged = matches!(compared, ControlFlow::Break(Outcome::Unchanged));
        Ok(is_unchanged && self.job.options.requirement.is_some() && self.is_unattested(target, digest).await?)
    }

    /// The source has another image by now under a tag that does not move: what is at the target stays, and nothing is said of it.
    pub(super) async fn stays_unattested(&self, target: &Target, found: &Digest) -> Result<Outcome, Error> {
        self.known().image.source_digest = None;
        self.meter.notice(
            "nothing is attested of it: the source has another image by now, and it is not known from where this one came"
                .to_owned(),
        );
        self.stays(target, found).await
    }

    /// Says it, of what was copied, and of what is there unchanged and has no such statement: one that failed is made up for.
    pub(super) async fn attested(&self, target: &Target, outcome: Outcome) -> Result<Outcome, Error> {
        let Some(attesting) = self.attesting(target) else { return Ok(outcome) };
        let Some(digest) = self.known().image.digest.clone() else { return Ok(outcome) };
        let before = self.tag();
        let is_due = match outcome {
            Outcome::Copied => true,
            // Of what stays at the target whatever the source has, it is not known from where it came.
            Outcome::Unchanged if self.known().image.source_digest.is_some() => {
                self.is_unattested(target, &digest).await?
            }
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
