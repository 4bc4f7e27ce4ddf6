//! One repository of a registry, at one end of a copy.

use std::sync::Arc;

use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::object::Object;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::store::content::AccountId;
use crate::store::registry::host::Host;
use crate::store::registry::learned::ObservedRepository;
use crate::store::registry::retry::Timeouts;

/// One repository of one registry, as one end of one image's copy.
#[derive(Clone)]
pub struct Repository {
    pub host: Arc<Host>,
    /// The repository; its tag and digest do not count.
    pub reference: Arc<Reference>,
    /// Of that host.
    pub account: AccountId,
    pub name: Arc<str>,
    /// What was learnt of it in this run.
    pub(crate) observed: Arc<ObservedRepository>,
    pub side: Side,
    pub purpose: Purpose,
    pub meter: Arc<Meter>,
    pub limits: Timeouts,
}

/// What a repository is used for. Tokens are asked for just that: a public target can be verified without a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is written.
    Read,
    /// It is written to.
    Write,
}

impl Repository {
    /// The same repository with short time-outs, for a caller that has another place to ask.
    #[must_use]
    pub fn with_alternatives(&self) -> Self {
        Self { limits: Timeouts::with_alternatives(self.limits.patience), ..self.clone() }
    }

    /// The repository's name without its registry: `library/alpine`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The repository's name with its registry: `docker.io/library/alpine`.
    pub fn full_name(&self) -> String {
        self.reference.name()
    }

    /// The repository as a whole, for messages.
    pub fn place(&self) -> Object {
        Object::repository(Arc::clone(&self.reference))
    }

    /// What counts the requests to it, and hears what is to be known.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Identifies registry and credential together: blobs can be mounted between repositories that share it.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// An error about `object` of this repository.
    pub fn error(&self, action: Action, object: Object, cause: Cause) -> Error {
        Error::Registry { side: self.side, action, object, cause }
    }
}
