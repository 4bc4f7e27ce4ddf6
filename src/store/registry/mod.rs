//! Registries: the distribution protocol, and nothing above it.
//!
//! The way of a request: [`Repository`] says what (manifests, blobs, uploads) → `host` sends it with the right token,
//! repeats what may be repeated, follows redirects without credentials → `transport` is the HTTP clients. Never decides
//! what to copy, never parses a manifest further than its digest, never lets a credential leave its host.

pub mod auth;
pub mod blobs;
pub mod concurrency;
pub mod error_response;
pub mod manifests;
#[cfg(any(test, fuzzing))]
pub mod properties;
pub mod referrers;
pub mod retry;
pub mod send;
pub mod tags;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::{Error, Side};
use crate::http::clients::Transport;
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::secret::Credential;
use crate::store::registry::retry::Limits;
use crate::store::registry::send::Host;

/// How registries are spoken to in this run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Hosts, with their port if any, that are spoken to over plain HTTP besides loopback ones.
    pub insecure: Vec<String>,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// The registry of the GitHub server that this run belongs to, whatever its name.
    pub github: Option<String>,
}

/// All registries of a run: connections, tokens and what was learnt about a host are shared.
pub struct Registries {
    transport: Transport,
    settings: Settings,
    hosts: Mutex<Vec<Arc<Host>>>,
}

impl Registries {
    /// No host is known and nothing is contacted yet.
    pub fn new(transport: Transport, settings: Settings) -> Self {
        Self { transport, settings, hosts: Mutex::default() }
    }

    /// The repository that `reference` names, read or written with `credential`, counted by `meter`.
    pub fn repository(
        &self,
        side: Side,
        reference: &Reference,
        credential: Option<&Credential>,
        purpose: Purpose,
        meter: Arc<Meter>,
    ) -> Result<Repository, Error> {
        let mut hosts = self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = hosts.iter().find(|host| host.is(reference.registry(), credential)).cloned();
        let host = if let Some(host) = known {
            host
        } else {
            let host = Arc::new(Host::new(reference.registry(), credential.cloned(), &self.transport, &self.settings)?);
            hosts.push(Arc::clone(&host));
            host
        };
        let limits = Limits::patient(self.settings.patience);
        Ok(Repository { host, name: reference.repository().into(), side, purpose, meter, limits })
    }
}

/// One repository of one registry, as one end of one image's copy.
#[derive(Clone)]
pub struct Repository {
    host: Arc<Host>,
    name: Arc<str>,
    side: Side,
    purpose: Purpose,
    meter: Arc<Meter>,
    limits: Limits,
}

/// What a repository is used for. Tokens are asked for just that: a public target can be verified by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is written.
    Read,
    /// It is written to.
    Write,
}

impl Repository {
    /// The same repository for who has another place to ask: it is waited for shortly.
    #[must_use]
    pub fn hasty(&self) -> Self {
        Self { limits: Limits::hasty(self.limits.patience), ..self.clone() }
    }

    /// The repository's name without its registry: `library/alpine`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The repository's name with its registry: `docker.io/library/alpine`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.host.name(), self.name)
    }

    /// What counts the requests to it, and hears what is to be known.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Identifies registry and credential together: blobs can be mounted between repositories that share it.
    pub fn account(&self) -> usize {
        Arc::as_ptr(&self.host) as usize
    }

    /// An error about `object` of this repository.
    fn error(&self, action: &'static str, object: impl std::fmt::Display, cause: crate::error::cause::Cause) -> Error {
        Error::Registry { side: self.side, action, object: object.to_string(), cause }
    }
}
