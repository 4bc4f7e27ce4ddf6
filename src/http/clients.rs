//! The HTTP clients: connections, TLS, proxy.
//!
//! Owns how bytes reach a host. Knows no registry, follows no redirect (the rules for that are in the registry's `send`), keeps no
//! credential.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::{Client, redirect};
use rustls::ClientConfig;
use rustls::crypto::ring;
use url::Url;

use crate::error::Error;
use crate::http::address::{is_link_or_loopback, is_loopback};
use crate::http::failure::innermost;
use crate::http::one_connection::OneConnection;
use crate::http::proxies::Proxies;
use crate::http::reach::{Resolver, Seen, Zone};
use crate::http::roots::ExtraRoots;
use crate::sync::LockExt as _;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);

/// The same where there is another place to ask.
const CONNECT_WITH_ALTERNATIVES: Duration = Duration::from_secs(5);

/// What may be under way to us over one HTTP/2 connection before any of it is read, in bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// How long a connection waits for its next request: of a client that speaks HTTP/2 where the server does, and of one that
/// speaks HTTP/1.1 alone. What waits there holds the buffer that it read its last body into, up to 400 KiB (hyper), and some
/// servers close a connection after five seconds (Node.js), at the moment at which the next request is sent.
const SHARED_IDLE: Duration = Duration::from_secs(60);
const SINGLE_IDLE: Duration = Duration::from_secs(4);

/// After how long without a word an HTTP/2 connection that is waited for is asked whether it is there, and how long it may
/// take to say so. One that is dead would otherwise take in every request that is sent again.
const PING: Duration = Duration::from_secs(15);
const PONG: Duration = Duration::from_secs(15);

/// The clients of a run.
///
/// Each is made when it is first needed: to read the CA certificates takes longer than to ask whether an image has
/// changed, and a registry on loopback needs none.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

struct Shared {
    extra_roots: ExtraRoots,
    /// Hosts of proxies.
    proxies: Arc<[String]>,
    /// Whether a connection is kept for the next request.
    rest: Rest,
    /// What was looked up.
    seen: Seen,
    /// The roots, read once; every client that speaks TLS has them.
    tls: OnceLock<Result<ClientConfig, Error>>,
    clients: Mutex<HashMap<Kind, Client>>,
}

/// What tells one client from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    pool: Pool,
    protocol: Protocol,
    has_alternatives: bool,
    /// Hosts of this machine and its link are never asked through a proxy, which would look for them on its own machine.
    is_here: bool,
    tls: bool,
    /// The most internal place that a name may lead to.
    least: Zone,
}

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Protocol {
    /// HTTP/1.1, whatever else the server does: large blobs, and all where there is no TLS.
    Http1,
    /// HTTP/2 where the server does.
    Http2,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pool {
    /// A manifest, or a small blob: HTTP/2 where the server has it, so that all share one connection. Without TLS, connections
    /// over which no blob of more than 64 KiB comes: each keeps a buffer as large as what it has read (hyper: up to 400 KiB).
    Small,
    /// A large blob: HTTP/1.1, a connection each. One HTTP/2 connection is one window and one congestion state for all
    /// bodies; registries and CDNs limit the speed of each connection.
    Blob,
}

impl Pool {
    /// Whether its requests to `url` share a connection, where the server speaks HTTP/2.
    pub(crate) fn is_shared(self, url: &Url) -> bool {
        self == Self::Small && url.scheme() == "https"
    }
}

/// What becomes of a connection when its request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It waits for the next one.
    Kept,
    /// It is closed: a process that may open few files has none to spare for it.
    Closed,
}

impl Transport {
    /// The clients, with the system's roots and those that the user adds, through these proxies. Nothing is contacted.
    pub fn new(extra_roots: ExtraRoots, proxies: &Proxies, rest: Rest) -> Self {
        Self(Arc::new(Shared {
            extra_roots,
            rest,
            proxies: proxies.hosts.clone().into(),
            seen: Seen::default(),
            tls: OnceLock::new(),
            clients: Mutex::default(),
        }))
    }

    /// The place that a registry at `url`, which the user named, turned out to be at.
    pub(crate) fn zone(&self, url: &Url) -> Zone {
        self.0.seen.zone(url)
    }

    /// The client for an API at `base`: the same proxy, roots and TLS as for registries.
    pub(crate) fn http_client(&self, base: &Url) -> Result<Client, Error> {
        self.client(base, Pool::Small, false)
    }

    /// The client for a request to `url`; `has_alternatives`: one that does not wait long for a connection.
    ///
    /// Fails when the system's CA certificates, which are read for the first host that needs them, are of no use.
    pub(crate) fn client(&self, url: &Url, pool: Pool, has_alternatives: bool) -> Result<Client, Error> {
        self.client_within(Zone::Local, url, pool, has_alternatives)
    }

    /// The same for an address that somebody else than the user brought up: a name in it leads to no place that is more
    /// internal than `least`. An address that is a number is the caller's to judge.
    pub(crate) fn client_within(
        &self,
        least: Zone,
        url: &Url,
        pool: Pool,
        has_alternatives: bool,
    ) -> Result<Client, Error> {
        let loopback = is_loopback(url.host());
        let is_here = is_link_or_loopback(url.host());
        // A proxy may be spoken to over TLS whatever the host behind it speaks.
        let tls = !loopback || url.scheme() == "https";
        let protocol = if pool.is_shared(url) { Protocol::Http2 } else { Protocol::Http1 };
        let kind = Kind { pool, protocol, has_alternatives, is_here, tls, least };
        let mut clients = self.0.clients.locked();
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = self.0.build(kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}

impl Shared {
    fn build(&self, kind: Kind) -> Result<Client, Error> {
        let mut builder = Client::builder()
            .user_agent(concat!("mirror-image/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(if kind.has_alternatives { CONNECT_WITH_ALTERNATIVES } else { CONNECT })
            .tcp_keepalive(Duration::from_secs(30))
            .dns_resolver(Arc::new(Resolver {
                least: kind.least,
                seen: self.seen.clone(),
                proxies: Arc::clone(&self.proxies),
            }));
        if self.rest == Rest::Closed {
            builder = builder.pool_max_idle_per_host(0);
        }
        let http2 = kind.protocol == Protocol::Http2;
        builder = builder.pool_idle_timeout(if http2 { SHARED_IDLE } else { SINGLE_IDLE });
        if http2 {
            builder = builder
                .http2_initial_connection_window_size(CONNECTION_WINDOW)
                .http2_keep_alive_interval(PING)
                .http2_keep_alive_timeout(PONG);
        } else {
            builder = builder.http1_only();
        }
        // Where none is kept, none is shared.
        if http2 && self.rest == Rest::Kept {
            builder = builder.connector_layer(OneConnection::default());
        }
        if kind.is_here {
            builder = builder.no_proxy();
        }
        let mut tls = if kind.tls { self.tls()?.clone() } else { without_roots()? };
        // A preconfigured TLS set-up names its protocols itself.
        tls.alpn_protocols =
            if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        builder.tls_backend_preconfigured(tls).build().map_err(|error| Error::Local(innermost(&error)))
    }

    fn tls(&self) -> Result<&ClientConfig, Error> {
        let configure = || {
            keep_record_blocks();
            let provider = Arc::new(ring::default_provider());
            let verifier = self.extra_roots.verifier(&provider)?;
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
        };
        let configured = self.tls.get_or_init(|| configure().map_err(|error: rustls::Error| cannot_trust(&error)));
        configured.as_ref().map_err(Clone::clone)
    }
}

/// Keeps the heap from giving back what TLS records lie in.
///
/// musl's heap unmaps a group of blocks as soon as all of it is free, and each record lies in a block of its own for a moment:
/// of a copy of 1 GiB 0.7 GiB was mapped and cleared anew by the kernel, a fifth of the process's time (`perf`, `strace`). A
/// block that stays keeps its group; nothing is written to it. Other heaps lose a quarter of a MiB of addresses by it.
fn keep_record_blocks() {
    /// As large as a record of TLS 1.3 may be (RFC 8446, 5.2).
    const RECORD: usize = 16_384 + 256;
    /// Blocks of the least of its groups, and how many groups are kept.
    const GROUP: usize = 3;
    const KEPT: usize = 16;
    let blocks: Vec<Vec<u8>> = (0..KEPT * GROUP).map(|_| Vec::with_capacity(RECORD)).collect();
    for block in blocks.into_iter().step_by(GROUP) {
        block.leak();
    }
}

/// An empty root store for clients of plain HTTP; the HTTP library requires a TLS configuration.
fn without_roots() -> Result<ClientConfig, Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
        .map_err(|error| Error::Local(error.to_string()))
}

fn cannot_trust(error: &rustls::Error) -> Error {
    Error::Local(format!(
        "the system's CA certificates cannot be used: {}. Install the package `ca-certificates`, or name a bundle in \
         SSL_CERT_FILE",
        innermost(error)
    ))
}
