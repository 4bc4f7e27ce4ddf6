//! The pulls that a registry bills, as one repository sees them.
//!
//! Owns what a refusal for want of pulls makes of an image, and the wait for pulls that come back. Never counts: that is in
//! `observe`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;

use crate::error::action::Action;
use crate::error::cause::{Cause, ErrorResponse};
use crate::error::{Error, Side};
use crate::observe::pulls::PullBudget;
use crate::store::content::TagOrDigest;
use crate::store::registry::quota::quota;
use crate::store::registry::repository::Repository;

/// How often a registry is asked whether it has given pulls back: its window is hours long.
const LOOK: Duration = Duration::from_secs(60);

impl Repository {
    /// The account's pulls.
    pub fn pulls(&self) -> &Arc<PullBudget> {
        &self.host.pulls
    }

    /// Waits until all images before `number` have had set aside what they need. `at` is asked for where the registry has not
    /// said yet what is left: a HEAD is billed nothing.
    pub async fn await_turn(&self, at: TagOrDigest<'_>, number: usize) {
        if self.host.pulls.is_to_be_asked()
            && let Ok(response) = self.send(&self.manifest_call(Method::HEAD, at, "manifest")).await
        {
            self.host.pulls.hear(quota(response.headers()));
        }
        self.host.pulls.turn(number).await;
    }

    /// Sets so many `pulls` aside for the image `source`, which is read by `at`.
    pub async fn set_aside(&self, at: TagOrDigest<'_>, pulls: u64, source: &str) -> Result<(), Error> {
        while let Err(left) = self.host.pulls.set_aside(pulls, source).await {
            self.await_more(at, (pulls, left)).await?;
        }
        Ok(())
    }

    /// Takes one pull, for a GET of `at`.
    pub(crate) async fn take_pull(&self, at: TagOrDigest<'_>) -> Result<(), Error> {
        while let Err(left) = self.host.pulls.take(self.meter.pulls_held.get()) {
            self.await_more(at, (1, left)).await?;
        }
        Ok(())
    }

    /// Waits a while where more pulls may come.
    async fn await_more(&self, at: TagOrDigest<'_>, (needed, left): (u64, u64)) -> Result<(), Error> {
        if !self.host.pulls.waits_for(needed) {
            self.host.pulls.lacks(&self.reference.to_string());
            return Err(Error::OutOfPulls { object: self.object(at), needed, left });
        }
        self.meter.warn(format!(
            "waiting for pulls of {}, which is asked once a minute: {left} left, {needed} needed",
            self.host.name
        ));
        tokio::time::sleep(LOOK.min(self.limits.patience)).await;
        let answer = self.send(&self.manifest_call(Method::HEAD, at, "manifest")).await;
        match answer {
            Ok(response) => self.host.pulls.hear_again(quota(response.headers())),
            // Nothing has come back.
            Err(cause) if cause.refusal().is_some_and(ErrorResponse::is_quota) => {}
            Err(cause) => return Err(self.error(Action::HeadManifest, self.object(at), cause)),
        }
        Ok(())
    }

    /// A failure to read `at`. Where the run minds its pulls and the registry says that they are used up, whoever has used them,
    /// that is no failure of the image: more are waited for, or the image is left.
    pub(crate) async fn without_pulls(&self, action: Action, at: TagOrDigest<'_>, cause: Cause) -> Result<(), Error> {
        let says_so = cause.refusal().filter(|refusal| refusal.is_quota() && self.side == Side::Source);
        let Some(refusal) = says_so else { return Err(self.error(action, self.object(at), cause)) };
        self.host.pulls.used_up();
        if !self.host.pulls.may_end() {
            self.host.pulls.lacks(&self.reference.to_string());
            return Err(self.error(action, self.object(at), cause));
        }
        let words = if refusal.message.is_empty() { "no pull is left" } else { &refusal.message };
        self.meter.notice(format!("{} says: {words}", self.host.name));
        self.await_more(at, (1, 0)).await
    }
}
