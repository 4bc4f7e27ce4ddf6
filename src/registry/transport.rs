//! The HTTP clients: connections, TLS, proxy.
//!
//! Owns how bytes reach a host. Knows no registry, follows no redirect (the rules for that are in `host`), keeps no
//! credential.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};
use url::{Host, Url};

use crate::error::{Cause, ConnectionFailure, Error};
use crate::sanitise;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);

/// The same where there is another place to ask.
const CONNECT_HASTY: Duration = Duration::from_secs(5);

/// The clients of a run.
#[derive(Clone)]
pub struct Transport {
    patient: Clients,
    /// Made when the first mirror is asked.
    hasty: Arc<OnceLock<Clients>>,
    roots: Arc<[Certificate]>,
}

#[derive(Clone)]
struct Clients {
    /// Small requests: HTTP/2 where the server has it, so that many share one connection.
    small: Client,
    /// Blob bodies: HTTP/1.1, a connection each. One HTTP/2 connection is one window and one congestion state for
    /// all bodies; registries and CDNs limit by connection (registries.md §13).
    blobs: Client,
    /// Loopback hosts: never through a proxy, which would look for the registry on its own machine.
    loopback: Client,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    /// A manifest at most.
    Small,
    /// A blob.
    Blob,
}

impl Transport {
    /// Builds the clients with the system's roots and, if given, the certificates of `extra_roots` (PEM).
    ///
    /// Fails when the roots cannot be loaded or the file cannot be read; nothing is contacted.
    pub fn new(extra_roots: Option<&Path>) -> Result<Self, Error> {
        // The second call of a process fails because the first one won: that is what is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = Vec::new();
        if let Some(path) = extra_roots {
            let pem = std::fs::read(path).map_err(|error| {
                Error::input("ca-certificates", format!("`{}` cannot be read: {error}", path.display()))
            })?;
            roots = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if roots.is_empty() {
                let problem = format!("`{}` holds no certificate in PEM form", path.display());
                return Err(Error::input("ca-certificates", problem));
            }
        }
        Ok(Self { patient: Clients::new(&roots, CONNECT)?, hasty: Arc::default(), roots: roots.into() })
    }

    /// The client for an API at `base`: the same proxy, roots and TLS as for registries.
    pub(crate) fn http_client(&self, base: &Url) -> Client {
        self.client(base, Pipe::Small, false).clone()
    }

    /// The client for a request to `url`; `hasty`: one that does not wait long for a connection.
    pub(super) fn client(&self, url: &Url, pipe: Pipe, hasty: bool) -> &Client {
        let clients = if hasty {
            // What could be built once can be built again; else the patient ones do.
            let build = || Clients::new(&self.roots, CONNECT_HASTY).unwrap_or_else(|_| self.patient.clone());
            self.hasty.get_or_init(build)
        } else {
            &self.patient
        };
        if is_loopback(url.host()) {
            return &clients.loopback;
        }
        match (pipe, url.scheme()) {
            (Pipe::Small, "https") => &clients.small,
            _ => &clients.blobs,
        }
    }
}

impl Clients {
    fn new(roots: &[Certificate], connect: Duration) -> Result<Self, Error> {
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("mirror-image/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .connect_timeout(connect)
                .pool_idle_timeout(Duration::from_secs(60))
                .tcp_keepalive(Duration::from_secs(30));
            if roots.is_empty() { builder } else { builder.tls_certs_merge(roots.to_vec()) }
        };
        let build = |builder: ClientBuilder| builder.build().map_err(|error| Error::Local(cannot_build(&error)));
        Ok(Self {
            small: build(builder())?,
            blobs: build(builder().http1_only())?,
            loopback: build(builder().http1_only().no_proxy())?,
        })
    }
}

fn cannot_build(error: &reqwest::Error) -> String {
    format!(
        "the system's CA certificates cannot be used: {}. Install the package `ca-certificates`, or name a bundle in \
         SSL_CERT_FILE",
        innermost(error)
    )
}

/// Whether a host is this machine.
#[expect(clippy::needless_pass_by_value, reason = "what `Url::host` gives")]
pub(super) fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// The same for an error that another library wraps around the HTTP client's.
pub(crate) fn connection_failure(error: &(dyn std::error::Error + 'static)) -> Cause {
    let mut source = Some(error);
    while let Some(inner) = source {
        if let Some(own) = inner.downcast_ref::<reqwest::Error>() {
            return classify(own);
        }
        source = inner.source();
    }
    Cause::Connection { kind: ConnectionFailure::Broken, detail: String::new() }
}

/// What kind of failure kept an answer away.
pub(super) fn classify(error: &reqwest::Error) -> Cause {
    let mut kind = if error.is_timeout() { ConnectionFailure::Timeout } else { ConnectionFailure::Broken };
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<rustls::Error>().is_some() {
            kind = ConnectionFailure::Tls;
        } else if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                kind = ConnectionFailure::Refused;
            } else if io.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some()) {
                kind = ConnectionFailure::Tls;
            }
        } else if inner.to_string().starts_with("dns error") {
            // hyper-util gives no type to tell a failed look-up by, only these words.
            kind = ConnectionFailure::Dns;
        }
        source = inner.source();
    }
    Cause::Connection { kind, detail: sanitise::line(&innermost(error), 200) }
}

/// The last error of the chain: the others only say that a request failed, with its URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
