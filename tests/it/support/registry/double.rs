//! A registry in this process: strict about the distribution specification, failing on demand, remembering every
//! request. It runs on a thread of its own, so that tests may block. One `Registry` is one socket; storage hosts and
//! foreign token services are further sockets over the same content.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Extension;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use axum::middleware::map_request;
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::HandshakeKind;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::faults::Fault;
use super::protocol::handle;
use super::socket::{Listener, Socket};
use super::tls::Certificate;
use super::token::{Auth, Keys};
use crate::support::images::{self, Image, Object};

/// One request as it arrived, and what was answered (`status` is 0 while unanswered or when the connection was cut).
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub status: u16,
    /// Bytes of the body that arrived.
    pub body: Bytes,
    /// How many bytes of the answer's body were handed to the connection.
    pub served: usize,
    pub version: axum::http::Version,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Method, path and query, as tests and failure messages show it.
    pub fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }

    /// The whole request as text: its line, its headers, its body.
    pub fn text(&self) -> String {
        text(&self.line(), &self.headers, &self.body)
    }

    /// Whether `secret` arrived anywhere in this request, plainly or inside a base64 `user:password`.
    pub fn carries(&self, secret: &str) -> bool {
        self.text().contains(secret)
    }
}

/// A request as text, what is inside a base64 `user:password` too.
pub(in crate::support) fn text(line: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = format!("{line}\n");
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let inside = value.split_once(' ').and_then(|(_, value)| super::token::decode(value));
        text += &format!("{name}: {value}\n{}", inside.map(|pair| format!("{pair}\n")).unwrap_or_default());
    }
    text + &String::from_utf8_lossy(body)
}

/// Lasting properties of a registry, as opposed to faults.
#[derive(Clone, Debug)]
pub struct Switches {
    /// Manifests are taken although their blobs or children are absent.
    pub sparse_allowed: bool,
    /// Manifests are taken although an entry of an index has a wrong size.
    pub wrong_sizes_allowed: bool,
    /// Manifests and blobs are one store: manifests are answered below `blobs/` too.
    pub one_store: bool,
    /// Largest page of the referrers API; `None`: there is no such API (404).
    pub referrers: Option<usize>,
    /// A tag `sha256-<hex>` is answered with the manifest of that digest, whatever was pushed under it (GitLab).
    pub tags_of_digests: bool,
    /// An upload keeps its address from its beginning to its end.
    pub uploads_stay: bool,
    /// Largest page of `tags/list`.
    pub tag_page: usize,
    /// `n` above this earns 413 (quay).
    pub tags_refuse_above: Option<usize>,
    /// `{"tags": null}` where a page would be empty (GHCR).
    pub null_tags: bool,
    /// `Link` headers are absolute URLs.
    pub absolute_links: bool,
    /// 411 for a body without `Content-Length`.
    pub require_length: bool,
    /// Pushing does not create repositories (ECR).
    pub repositories_must_exist: bool,
    /// A GET of a manifest is billed as a pull, and so many are left (Docker Hub).
    pub pulls_left: Option<u64>,
    /// Beside each of them, somebody else of the same address takes so many.
    pub pulls_of_others: u64,
    /// What of manifests can be deleted.
    pub deletes: Deletes,
    /// After so many requests a connection takes no more and says so (GOAWAY, `Connection: close`), as nginx's
    /// `keepalive_requests`.
    pub requests_a_connection: Option<usize>,
}

/// How a registry deletes manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// Not at all (distribution without `storage.delete.enabled`).
    Nothing,
    /// By digest, with every tag; a tag is not known to it as one (distribution 2).
    Digests,
    /// By digest, and a tag alone (OCI 1.1).
    Tags,
    /// The same; by digest only what has no tag (Artifact Registry).
    TagsFirst,
    /// By digest; a tag takes its image along, whatever other tags that has.
    TagsWithImages,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            sparse_allowed: false,
            wrong_sizes_allowed: false,
            one_store: false,
            referrers: None,
            tags_of_digests: false,
            uploads_stay: false,
            tag_page: 100,
            tags_refuse_above: None,
            null_tags: false,
            absolute_links: false,
            require_length: false,
            repositories_must_exist: false,
            pulls_left: None,
            pulls_of_others: 0,
            deletes: Deletes::Nothing,
            requests_a_connection: None,
        }
    }
}

#[derive(Default)]
pub(super) struct Repository {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) manifests: BTreeMap<String, Object>,
    pub(super) blobs: BTreeMap<String, Bytes>,
    /// Reference → how many HEADs and GETs still answer 404.
    pub(super) lag: HashMap<String, usize>,
}

pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) data: Vec<u8>,
    /// Part of the `Location`; each answer hands out a new one, and only the newest is good.
    pub(super) state: u64,
    /// A query that the `Location` carried and that must come back.
    pub(super) signed: bool,
}

#[derive(Default)]
pub(super) struct Content {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) sessions: u64,
}

pub(super) struct Node {
    pub(super) address: SocketAddr,
    /// How it calls itself: an URL without a path.
    pub(super) url: String,
    pub(super) content: Arc<Mutex<Content>>,
    pub(super) keys: Arc<Mutex<Keys>>,
    /// Storage hosts want no credentials.
    pub(super) guarded: bool,
    pub(super) log: Mutex<Vec<Recorded>>,
    pub(super) handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) switches: Mutex<Switches>,
}

/// A running registry; it stops when this is dropped.
pub struct Registry {
    node: Arc<Node>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Registry {
    /// An open registry on 127.0.0.1.
    pub fn start() -> Self {
        Self::with_auth(Auth::Open)
    }

    pub fn with_auth(auth: Auth) -> Self {
        Self::at("127.0.0.1", auth)
    }

    /// At another loopback address: another host.
    pub fn at(address: &str, auth: Auth) -> Self {
        Self::serve(address, Arc::default(), Arc::new(Mutex::new(Keys::new(auth))), true)
    }

    /// An open registry that speaks TLS, and HTTP/2 where the client offers it.
    pub fn with_tls(certificate: &Certificate) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        Self::serve_over(Some(certificate.acceptor()), "127.0.0.1", Arc::default(), keys, true)
    }

    /// The same, as a host of this name.
    pub fn with_tls_as(name: &str, certificate: &Certificate) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        let url = |_| format!("https://{name}");
        Self::serve_as(Some(certificate.acceptor()), url, "127.0.0.1", Arc::default(), keys, true)
    }

    /// One that speaks no TLS, behind a server of this name that does.
    pub fn plain_as(name: &str) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        Self::serve_as(None, |_| format!("https://{name}"), "127.0.0.1", Arc::default(), keys, true)
    }

    /// The same, by its address on this machine, at any address of it.
    pub fn with_tls_at(address: &str, certificate: &Certificate) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        Self::serve_as(
            Some(certificate.acceptor()),
            |address| format!("https://{address}"),
            address,
            Arc::default(),
            keys,
            true,
        )
    }

    /// A blob storage host on 127.0.0.2 with this registry's content: same paths, no credentials wanted, every header
    /// recorded. The target of `What::Redirect` and `LocationForm::OtherHost`.
    pub fn plain_redirect_store(&self) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        Self::serve("127.0.0.2", self.node.content.clone(), keys, false)
    }

    /// The same over TLS, as a host of this name.
    pub fn tls_redirect_store(&self, name: &str, certificate: &Certificate) -> Self {
        let keys = Arc::new(Mutex::new(Keys::new(Auth::Open)));
        let url = |_| format!("https://{name}");
        Self::serve_as(Some(certificate.acceptor()), url, "127.0.0.1", self.node.content.clone(), keys, false)
    }

    /// A token service over TLS, as a host of this name, whose tokens this registry takes.
    pub fn tls_token_service(&self, name: &str, certificate: &Certificate) -> Self {
        let url = |_| format!("https://{name}");
        let keys = self.node.keys.clone();
        Self::serve_as(Some(certificate.acceptor()), url, "127.0.0.1", Arc::default(), keys, true)
    }

    /// A token service at `address` (`127.0.0.1`: same host, another port; `127.0.0.2`: a foreign host) whose tokens
    /// this registry takes. Name it as the realm: `registry.set_realm(&format!("{}/token", service.url()))`.
    pub fn token_service_at(&self, address: &str) -> Self {
        Self::serve(address, Arc::default(), self.node.keys.clone(), true)
    }

    fn serve(host: &str, content: Arc<Mutex<Content>>, keys: Arc<Mutex<Keys>>, guarded: bool) -> Self {
        Self::serve_over(None, host, content, keys, guarded)
    }

    fn serve_over(
        tls: Option<TlsAcceptor>,
        host: &str,
        content: Arc<Mutex<Content>>,
        keys: Arc<Mutex<Keys>>,
        guarded: bool,
    ) -> Self {
        let scheme = if tls.is_some() { Some(format!("https://{}", super::tls::NAME)) } else { None };
        let url = |address: SocketAddr| scheme.unwrap_or_else(|| format!("http://{address}"));
        Self::serve_as(tls, url, host, content, keys, guarded)
    }

    /// `url`: how one at an address calls itself.
    fn serve_as(
        tls: Option<TlsAcceptor>,
        url: impl FnOnce(SocketAddr) -> String,
        host: &str,
        content: Arc<Mutex<Content>>,
        keys: Arc<Mutex<Keys>>,
        guarded: bool,
    ) -> Self {
        let listener = std::net::TcpListener::bind((host, 0)).expect("a loopback address can be bound");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let node = Arc::new(Node {
            address,
            url: url(address),
            content,
            keys,
            guarded,
            log: Mutex::default(),
            handshakes: Arc::default(),
            faults: Mutex::default(),
            switches: Mutex::default(),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (state, handshakes) = (node.clone(), node.handshakes.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.spawn(async move {
                let tcp = tokio::net::TcpListener::from_std(listener).unwrap();
                let mut listener = Listener { tcp, tls, handshakes };
                loop {
                    let (socket, _) = axum::serve::Listener::accept(&mut listener).await;
                    tokio::spawn(serve(socket, state.clone()));
                }
            });
            let _ = runtime.block_on(stopped);
        });
        Self { node, stop: Some(stop) }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.node.address.to_string()
    }

    pub fn url(&self) -> String {
        self.node.url.clone()
    }

    /// `127.0.0.1:PORT/repository:tag`.
    pub fn name(&self, reference: &str) -> String {
        format!("{}/{reference}", self.node.address)
    }

    // Content.

    /// Puts `image` at `repository[:tag]` without any request.
    pub fn seed(&self, image: &Image, reference: &str) {
        let (name, tag) = split(reference);
        let mut content = lock(&self.node.content);
        let repository = content.repositories.entry(name.to_owned()).or_default();
        for blob in &image.blobs {
            repository.blobs.insert(blob.digest.clone(), blob.bytes.clone());
        }
        for manifest in &image.manifests {
            repository.manifests.insert(manifest.digest.clone(), manifest.clone());
        }
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), image.digest().to_owned());
        }
    }

    /// Points a tag at any digest, present or not.
    pub fn set_tag(&self, repository: &str, tag: &str, digest: &str) {
        let mut content = lock(&self.node.content);
        let repository = content.repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// Puts `bytes` under `digest`, whether they hash to it or not; `media_type` makes it a manifest.
    pub fn set_bytes(&self, repository: &str, digest: &str, media_type: Option<&str>, bytes: impl Into<Bytes>) {
        let mut content = lock(&self.node.content);
        let repository = content.repositories.entry(repository.to_owned()).or_default();
        let (digest, bytes) = (digest.to_owned(), bytes.into());
        match media_type {
            None => drop(repository.blobs.insert(digest, bytes)),
            Some(media_type) => {
                let object = Object { digest: digest.clone(), media_type: media_type.to_owned(), bytes };
                repository.manifests.insert(digest, object);
            }
        }
    }

    /// Forgets a blob or manifest; whether it was there.
    pub fn forget(&self, repository: &str, digest: &str) -> bool {
        let mut content = lock(&self.node.content);
        let Some(repository) = content.repositories.get_mut(repository) else { return false };
        repository.blobs.remove(digest).is_some() | repository.manifests.remove(digest).is_some()
    }

    /// Forgets a tag; what it named.
    pub fn forget_tag(&self, repository: &str, tag: &str) -> Option<String> {
        lock(&self.node.content).repositories.get_mut(repository)?.tags.remove(tag)
    }

    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        lock(&self.node.content).repositories.get(repository)?.tags.get(tag).cloned()
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        let content = lock(&self.node.content);
        content.repositories.get(repository).map(|found| found.tags.keys().cloned().collect()).unwrap_or_default()
    }

    /// Digests of every manifest in a repository, tagged or not.
    pub fn manifests(&self, repository: &str) -> Vec<String> {
        let content = lock(&self.node.content);
        content.repositories.get(repository).map(|found| found.manifests.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn manifest(&self, repository: &str, digest: &str) -> Option<Object> {
        lock(&self.node.content).repositories.get(repository)?.manifests.get(digest).cloned()
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        lock(&self.node.content).repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub fn repositories(&self) -> Vec<String> {
        lock(&self.node.content).repositories.keys().cloned().collect()
    }

    /// Walks everything below `reference` (a tag or a digest): each thing must be there, hash to its name and have the
    /// size its descriptor says. Foreign layers may be absent.
    pub fn is_whole(&self, repository: &str, reference: &str) -> Result<(), String> {
        let digest = if reference.contains(':') {
            reference.to_owned()
        } else {
            self.tag(repository, reference).ok_or_else(|| format!("there is no tag {repository}:{reference}"))?
        };
        let (mut problems, mut queue, mut seen) = (Vec::new(), vec![(digest, None)], Vec::<String>::new());
        while let Some((digest, size)) = queue.pop() {
            if seen.contains(&digest) {
                continue;
            }
            let manifest = self.manifest(repository, &digest);
            let bytes = manifest.as_ref().map(|m| m.bytes.clone()).or_else(|| self.blob(repository, &digest));
            match bytes {
                None => problems.push(format!("{digest} is missing")),
                Some(bytes) if images::digest_like(&digest, &bytes).as_ref() != Some(&digest) => {
                    problems.push(format!("{digest} has other bytes"));
                }
                Some(bytes) if size.is_some_and(|size| size != bytes.len() as u64) => {
                    problems.push(format!("{digest} has {} bytes, not {size:?}", bytes.len()));
                }
                Some(_) => {}
            }
            let below = manifest.map(|manifest| images::references(&manifest.bytes)).unwrap_or_default();
            queue.extend(below.into_iter().filter(|next| !next.foreign).map(|next| (next.digest, Some(next.size))));
            seen.push(digest);
        }
        if problems.is_empty() { Ok(()) } else { Err(format!("{repository}:{reference}: {}", problems.join(", "))) }
    }

    /// Every tag and every manifest of every repository, tagged or not, is whole.
    pub fn everything_visible_is_whole(&self) -> Result<(), String> {
        for repository in self.repositories() {
            for reference in self.tags(&repository).into_iter().chain(self.manifests(&repository)) {
                self.is_whole(&repository, &reference)?;
            }
        }
        Ok(())
    }

    // Requests.

    /// Everything that arrived, token requests included, oldest first.
    pub fn log(&self) -> Vec<Recorded> {
        lock(&self.node.log).clone()
    }

    /// One line a request with its answer, for failure messages and snapshots.
    pub fn lines(&self) -> String {
        self.log().iter().map(|request| format!("{} → {}\n", request.line(), request.status)).collect()
    }

    /// Requests to the registry itself (below `/v2/`).
    pub fn requests(&self) -> usize {
        self.log().iter().filter(|request| request.path.starts_with("/v2")).count()
    }

    /// Requests to the token endpoint (anything outside `/v2/`).
    pub fn token_requests(&self) -> usize {
        self.log().len() - self.requests()
    }

    /// How each TLS connection to it began.
    pub fn handshakes(&self) -> Vec<HandshakeKind> {
        lock(&self.node.handshakes).clone()
    }

    /// Registry requests by method (`*`: any) and a part of path and query.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let matches = |r: &&Recorded| (method == "*" || r.method == method) && r.line().contains(part);
        self.log().iter().filter(matches).count()
    }

    /// Requests that were answered with this status.
    pub fn statuses(&self, status: u16) -> usize {
        self.log().iter().filter(|entry| entry.status == status).count()
    }

    /// Uploads that were opened and never closed: asked for to see whether that is allowed.
    pub fn unused_uploads(&self) -> usize {
        let log = self.log();
        let answered = |method: &str, status: u16| {
            let uploads = log.iter().filter(|r| r.path.contains("/blobs/uploads/"));
            uploads.filter(|r| r.method == method && r.status == status).count()
        };
        answered("POST", 202) - answered("PUT", 201)
    }

    /// Registry requests that are neither GET nor HEAD.
    pub fn writes(&self) -> usize {
        self.log().iter().filter(|r| r.path.starts_with("/v2") && r.method != "GET" && r.method != "HEAD").count()
    }

    pub fn carries(&self, secret: &str) -> bool {
        self.log().iter().any(|request| request.carries(secret))
    }

    /// Forgets all recorded requests.
    pub fn reset(&self) {
        lock(&self.node.log).clear();
    }

    // Behaviour.

    pub fn fault(&self, fault: Fault) {
        lock(&self.node.faults).push(fault);
    }

    /// How often faults have fired since `clear_faults`.
    pub fn fired(&self) -> usize {
        lock(&self.node.faults).iter().map(|fault| fault.fired).sum()
    }

    /// The faults that have found no request yet.
    pub fn waiting(&self) -> Vec<String> {
        lock(&self.node.faults).iter().filter(|fault| fault.fired == 0).map(Fault::describe).collect()
    }

    pub fn clear_faults(&self) {
        lock(&self.node.faults).clear();
    }

    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut lock(&self.node.switches));
    }

    /// Changes the way credentials are asked for; tokens that were issued stay good.
    pub fn set_auth(&self, auth: Auth) {
        lock(&self.node.keys).auth = auth;
    }

    /// The realm that challenges name, whatever `Auth::Token` says.
    pub fn set_realm(&self, realm: &str) {
        lock(&self.node.keys).realm = Some(realm.to_owned());
    }

    pub fn issued_tokens(&self) -> Vec<String> {
        lock(&self.node.keys).issued()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Serves one connection, as far as its registry does.
async fn serve(socket: Socket, node: Arc<Node>) {
    let most = lock(&node.switches).requests_a_connection;
    let (requests, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (end, is_enough) = (socket.end(), enough.clone());
    let count = move |request: Request| {
        if Some(requests.fetch_add(1, Relaxed) + 1) == most {
            is_enough.notify_one();
        }
        std::future::ready(request)
    };
    let router = axum::Router::new().fallback(handle).with_state(node);
    let router = router.layer(Extension(ConnectInfo(end))).layer(map_request(count));
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut serving =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(socket), TowerToHyperService::new(router)));
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = enough.notified() => serving.as_mut().graceful_shutdown(),
        }
    }
}

/// Serves something else than a registry over TLS, until what is given back is dropped.
pub fn serve_tls(certificate: &Certificate, router: axum::Router) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback address can be bound");
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Some(certificate.acceptor());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let listener = Listener { tcp: listener, tls, handshakes: Arc::default() };
            axum::serve(listener, router.into_make_service()).await.unwrap();
        });
        let _ = runtime.block_on(stopped);
    });
    (address, stop)
}

/// `repository[:tag]`; there is no host in it.
fn split(reference: &str) -> (&str, Option<&str>) {
    reference.split_once(':').map_or((reference, None), |(name, tag)| (name, Some(tag)))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
