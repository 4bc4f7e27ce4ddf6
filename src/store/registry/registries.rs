//! All registries of a run: one host an account, opened when a repository is first asked for.
//!
//! Owns the one way from a reference to the credential that it is read or written with. Never gives a credential to a
//! reference that it was not given for.

use std::sync::{Arc, Mutex};

use crate::credentials::Credentials;
use crate::credentials::login::Login;
use crate::error::{Error, Side};
use crate::http::clients::Transport;
use crate::observe::meter::Meter;
use crate::observe::pulls::Pulled;
use crate::oci::reference::Reference;
use crate::store::content::AccountId;
use crate::store::registry::blobs::read_ahead::MAX_SPANS;
use crate::store::registry::host::{Host, RegistrySettings};
use crate::store::registry::memory::Memory;
use crate::store::registry::repository::{Purpose, Repository};
use crate::store::registry::retry::Timeouts;
use crate::sync::LockExt as _;

/// All registries of a run: connections, tokens and what was learnt about a host are shared.
pub struct Registries {
    transport: Transport,
    settings: RegistrySettings,
    credentials: Credentials,
    hosts: Mutex<Vec<Arc<Host>>>,
    /// What blobs may take of memory: one bound for the hosts of a run together.
    memory: Memory,
}

impl Registries {
    /// No host is known and nothing is contacted yet.
    pub fn new(transport: Transport, settings: RegistrySettings, credentials: Credentials) -> Self {
        Self { transport, settings, credentials, hosts: Mutex::default(), memory: Memory::new(MAX_SPANS) }
    }

    /// The credentials of the run.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The repository that `reference` names, with the credential for this side of a copy; counted by `meter`.
    pub fn open(
        &self,
        side: Side,
        reference: &Reference,
        purpose: Purpose,
        meter: Arc<Meter>,
    ) -> Result<Repository, Error> {
        let login = match side {
            Side::Source => self.credentials.for_source(reference),
            Side::Target => self.credentials.for_target(reference),
        };
        self.repository(side, reference, login, purpose, meter)
    }

    /// The repository of `mirror`, a place that `original` is read at.
    pub fn open_mirror(
        &self,
        mirror: &Reference,
        original: &Reference,
        meter: Arc<Meter>,
    ) -> Result<Repository, Error> {
        let login = self.credentials.for_mirror(mirror, original);
        self.repository(Side::Source, mirror, login, Purpose::Read, meter)
    }

    /// What has come of the pulls of each account whose registry bills them, with the registry's name.
    pub fn pulled(&self) -> Vec<(String, Pulled)> {
        let hosts = self.hosts.locked();
        hosts.iter().filter_map(|host| Some((host.name.clone(), host.pulls.pulled()?))).collect()
    }

    /// The repository that `reference` names as everybody sees it: without a credential, even where there is one.
    pub fn open_anonymous(&self, side: Side, reference: &Reference, meter: Arc<Meter>) -> Result<Repository, Error> {
        self.repository(side, reference, None, Purpose::Read, meter)
    }

    fn repository(
        &self,
        side: Side,
        reference: &Reference,
        login: Option<Login>,
        purpose: Purpose,
        meter: Arc<Meter>,
    ) -> Result<Repository, Error> {
        let mut hosts = self.hosts.locked();
        let known = hosts.iter().position(|host| host.is(reference.registry(), login.as_ref()));
        let account = AccountId::Registry(known.unwrap_or(hosts.len()));
        let host = if let Some(host) = known.and_then(|number| hosts.get(number)) {
            Arc::clone(host)
        } else {
            let memory = self.memory.clone();
            let host = Host::new(reference.registry(), login, &self.transport, memory, &self.settings)?;
            let host = Arc::new(host);
            hosts.push(Arc::clone(&host));
            host
        };
        let limits = Timeouts::patient(self.settings.patience);
        let name = reference.repository().into();
        let observed = host.observed.repository(&name, &host.quirks);
        Ok(Repository {
            host,
            observed,
            account,
            reference: Arc::new(reference.clone()),
            name,
            side,
            purpose,
            meter,
            limits,
        })
    }
}
