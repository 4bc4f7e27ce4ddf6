//! What is said of an image once it is at its target, where that is wanted: after everything else, so that nothing of it is lost
//! where it cannot be said.

use crate::engine::attest::Attesting;
use crate::engine::image::ImageTask;
use crate::engine::options::Statement;
use crate::engine::outcome::{ImageOutcome, Outcome, Verification};
use crate::engine::tag::Tag;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::store::Target;

impl ImageTask<'_> {
    fn attesting<'t>(&'t self, target: &'t Target) -> Option<Attesting<'t>> {
        let attestor = self.session.attestor.filter(|_| self.job.options.statement == Statement::Signed);
        let (attestor, name) = (attestor?, self.job.target.as_ref()?);
        let (shared, meter) = (self.session.shared, &*self.meter);
        Some(Attesting { attestor, shared, meter, target, name })
    }

    /// Whether something is still to be said of what the target has; asked once.
    pub(super) async fn is_unattested(&self, target: &Target, digest: &Digest) -> Result<bool, Error> {
        let Some(attesting) = self.attesting(target) else { return Ok(false) };
        self.unattested.get_or_try_init(|| attesting.is_lacking(digest, &self.job.source)).await.copied()
    }

    /// Whether something is to be said of an image that is there already and has a policy, and no lock says that it was held
    /// against that: it is looked at first. Nobody is told that an image is good which nobody has looked at.
    pub(super) async fn is_vouched_for(
        &self,
        target: &Target,
        (named, digest): (&Digest, &Digest),
    ) -> Result<bool, Error> {
        let requirement = self.job.options.requirement.as_ref().filter(|wanted| wanted.is_asked());
        let is_unchecked = requirement.is_some_and(|wanted| !wanted.was_checked(named));
        Ok(is_unchecked && self.is_unattested(target, digest).await?)
    }

    /// What is known of the image, for the statement: what a lock says of its signature too.
    fn witnessed(&self, outcome: Outcome) -> ImageOutcome {
        let image = self.known().image.clone();
        let wanted = self.job.options.requirement.as_ref().filter(|_| outcome == Outcome::Unchanged);
        let before = wanted
            .zip(image.source_digest.as_ref())
            .filter(|(wanted, named)| wanted.was_checked(named))
            .map(|_| Verification::Before);
        ImageOutcome { policy: self.policy(), verified: image.verified.clone().or(before), ..image }
    }

    /// Says it, of what was copied, and of what is there unchanged and has no such statement: one that failed is made up for.
    pub(super) async fn attested(&self, target: &Target, outcome: Outcome) -> Result<Outcome, Error> {
        let Some(attesting) = self.attesting(target) else { return Ok(outcome) };
        let Some(digest) = self.known().image.digest.clone() else { return Ok(outcome) };
        let before = self.tag();
        let is_due = match outcome {
            // Of what stays at the target whatever the source has, it is not known from where it came.
            _ if self.known().image.source_digest.is_none() => false,
            Outcome::Copied => true,
            Outcome::Unchanged => self.is_unattested(target, &digest).await?,
            _ => false,
        };
        if is_due {
            self.set_tag(Tag::Unattested);
            let attestation = attesting.attest(&self.witnessed(outcome), &digest, outcome).await?;
            self.known().image.attestation = Some(Box::new(attestation));
            self.set_tag(before);
        }
        Ok(outcome)
    }
}
