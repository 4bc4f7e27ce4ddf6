//! The pulls that a registry bills, as one repository sees them.
//!
//! Owns what a registry's answers say of them, and the wait for pulls that come back. Never counts: that is in `observe`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::error::Error;
use crate::error::action::Action;
use crate::observe::pulls::{PullBudget, Quota};
use crate::store::content::TagOrDigest;
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
            return Err(Error::OutOfPulls { object: self.object(at), needed, left });
        }
        self.meter.warn(format!("waited for pulls of {}: {left} left, {needed} needed", self.host.name));
        tokio::time::sleep(LOOK.min(self.limits.patience)).await;
        let answer = self.send(&self.manifest_call(Method::HEAD, at, "manifest")).await;
        let response = answer.map_err(|cause| self.error(Action::HeadManifest, self.object(at), cause))?;
        self.host.pulls.hear_again(quota(response.headers()));
        Ok(())
    }
}

/// What an answer about a manifest says of the pulls: `ratelimit-remaining: 76;w=21600` at Docker Hub.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.split(';').next()?.trim().parse().ok();
    Some(Quota { left: number("ratelimit-remaining")?, most: number("ratelimit-limit") })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::quota;

    #[test]
    fn what_docker_hub_says_is_read() {
        let says = |remaining: &'static str| {
            let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let headers = [pair("ratelimit-limit", "100;w=21600"), pair("ratelimit-remaining", remaining)];
            quota(&HeaderMap::from_iter(headers)).map(|quota| (quota.left, quota.most))
        };
        assert_eq!(says("76;w=21600"), Some((76, Some(100))));
        assert_eq!(says("0"), Some((0, Some(100))));
        assert_eq!((says("many"), says("")), (None, None));
        assert_eq!(quota(&HeaderMap::new()), None);
    }
}
