//! Deleting in one repository (distribution-spec, "Content Management").
//!
//! Owns what a registry's answer to it means: that something is gone is seen, never taken from a status. A registry that knows
//! no deletion of a tag, or finds its own words for that, is none that has failed.

use std::time::Duration;

use reqwest::Method;

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::{Cause, ErrorResponse};
use crate::store::content::TagOrDigest;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Request;

/// How long a registry may take to show that something is gone.
const LAG: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// What came of deleting a tag alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// This registry deletes whole manifests only.
    Unsupported,
}

impl Repository {
    /// Deletes the manifest of this digest, with every tag that names it. That it is gone already is well.
    pub async fn delete_manifest(&self, at: TagOrDigest<'_>) -> Result<(), Error> {
        let object = || self.object(at);
        let answer = self.send_deletion(at).await;
        match answer {
            Ok(()) => {}
            Err(ref cause) if is_absence(cause) => {}
            Err(cause) => return Err(self.error(Action::DeleteManifest, object(), cause)),
        }
        if self.is_gone(at).await? {
            return Ok(());
        }
        Err(match answer {
            Err(cause) => self.error(Action::DeleteManifest, object(), cause),
            Ok(()) => Error::Content {
                side: self.side,
                object: object(),
                problem: "the registry has accepted to delete it, and still has it".to_owned(),
            },
        })
    }

    /// Deletes a tag and nothing else, where the registry knows how.
    pub async fn delete_tag(&self, tag: &str) -> Result<Deletion, Error> {
        let at = TagOrDigest::Tag(tag);
        match self.send_deletion(at).await {
            Ok(()) => {}
            // Distribution 2 looks for a digest of that name.
            Err(cause) if is_absence(&cause) => {}
            Err(Cause::Refused(refusal)) if matches!(refusal.status, 400 | 405 | 415 | 501) => {
                return Ok(Deletion::Unsupported);
            }
            Err(cause) => return Err(self.error(Action::DeleteTag, self.object(at), cause)),
        }
        Ok(if self.is_gone(at).await? { Deletion::Done } else { Deletion::Unsupported })
    }

    async fn send_deletion(&self, at: TagOrDigest<'_>) -> Result<(), Cause> {
        let url = self.url(&format!("manifests/{at}"));
        self.send(&Request::new(Method::DELETE, url, Scopes::delete(&self.name), "deletion")).await.map(drop)
    }

    /// Whether it is not there, or is not any more in a moment.
    pub async fn is_gone(&self, at: TagOrDigest<'_>) -> Result<bool, Error> {
        for wait in LAG {
            tokio::time::sleep(wait).await;
            if self.head_manifest(at).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_absence(cause: &Cause) -> bool {
    cause.refusal().is_some_and(ErrorResponse::is_absence)
}
