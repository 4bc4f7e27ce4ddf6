//! All registries of a run: one host an account, opened when a repository is first asked for.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::error::{Error, Side};
use crate::http::clients::Transport;
use crate::observe::meter::Meter;
use crate::oci::reference::Reference;
use crate::secret::Credential;
use crate::store::registry::blobs::read_ahead::SPANS;
use crate::store::registry::host::{Host, Settings};
use crate::store::registry::repository::{Purpose, Repository};
use crate::store::registry::retry::Timeouts;

/// All registries of a run: connections, tokens and what was learnt about a host are shared.
pub struct Registries {
    transport: Transport,
    settings: Settings,
    hosts: Mutex<Vec<Arc<Host>>>,
    /// Permits to keep a span of a blob in memory ahead of its turn: one bound for the hosts of a run together.
    spans: Arc<Semaphore>,
}

impl Registries {
    /// No host is known and nothing is contacted yet.
    pub fn new(transport: Transport, settings: Settings) -> Self {
        Self { transport, settings, hosts: Mutex::default(), spans: Arc::new(Semaphore::new(SPANS)) }
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
            let spans = Arc::clone(&self.spans);
            let host = Host::new(reference.registry(), credential.cloned(), &self.transport, spans, &self.settings)?;
            let host = Arc::new(host);
            hosts.push(Arc::clone(&host));
            host
        };
        let limits = Timeouts::patient(self.settings.patience);
        Ok(Repository { host, name: reference.repository().into(), side, purpose, meter, limits })
    }
}
