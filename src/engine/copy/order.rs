//! Tags of attachments that several images of a run write at one target.
//!
//! Owns that they write each in turn, so that none loses what another has listed, and that of two sources of one digest which
//! have different attachments under one tag the one that stands first in the list has it, whichever comes first.
//! Deadlock-free: who holds one waits for no other. Knows nothing of other runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::engine::attachments::Unlisted;
use crate::oci::digest::Digest;
use crate::store::Target;
use crate::store::content::AccountId;
use crate::sync::LockExt as _;

/// A tag of a repository of an account.
type Key = (AccountId, Arc<str>, Box<str>);

/// Those of a run.
#[derive(Default)]
pub struct AttachmentTags(Mutex<HashMap<Key, Arc<AsyncMutex<TagState>>>>);

/// What the run knows of one.
#[derive(Default)]
pub(crate) struct TagState {
    claimed: Option<Claim>,
    /// Why the target keeps no list there.
    pub(crate) not_kept: Option<Unlisted>,
}

/// What an image has there.
#[derive(Clone)]
pub(crate) struct Claim {
    /// The image's place in the run.
    pub(crate) number: usize,
    pub(crate) digest: Digest,
    /// Where it comes from.
    pub(crate) source: String,
}

impl AttachmentTags {
    /// Waits until nobody else writes there.
    pub(crate) async fn lock(&self, target: &Target, tag: &str) -> OwnedMutexGuard<TagState> {
        let key = (target.account(), Arc::clone(target.repository()), target.name_of(tag));
        let state = Arc::clone(self.0.locked().entry(key).or_default());
        state.lock_owned().await
    }
}

impl TagState {
    /// What another image has there, where that is something else.
    pub(crate) fn rival(&self, claim: &Claim) -> Option<&Claim> {
        self.claimed.as_ref().filter(|claimed| claimed.digest != claim.digest)
    }

    /// It is there. Of two that bring the same the first speaks.
    pub(crate) fn claim(&mut self, claim: Claim) {
        let is_before = |claimed: &Claim| claimed.digest == claim.digest && claimed.number < claim.number;
        if !self.claimed.as_ref().is_some_and(is_before) {
            self.claimed = Some(claim);
        }
    }
}
