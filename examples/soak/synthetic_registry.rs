//! The two ends of the soak: a registry that makes its content up and one that keeps only digests, both failing now and
//! then. Knows just what a copy asks for.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ZEROS: Bytes = Bytes::from_static(&[0; 65_536]);

/// One image: a layer that is its number and zeros, a config, a manifest.
#[derive(Clone)]
pub struct Image {
    pub tag: String,
    pub layer: String,
    pub config: String,
    number: u64,
    size: u64,
    config_bytes: Bytes,
    manifest: Bytes,
    digest: String,
}

fn name_of(hash: Sha256) -> String {
    hash.finalize().iter().fold("sha256:".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn digest_of(bytes: &[u8]) -> String {
    name_of(Sha256::new_with_prefix(bytes))
}

impl Image {
    pub fn new(number: u64, size: u64) -> Self {
        let mut hash = Sha256::new();
        for piece in pieces(number, size, 0) {
            hash.update(&piece);
        }
        let layer = name_of(hash);
        let config_bytes = Bytes::from(format!(r#"{{"os":"linux","architecture":"amd64","number":{number}}}"#));
        let config = digest_of(&config_bytes);
        let manifest = Bytes::from(format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{size}}}]}}"#,
            config_bytes.len()
        ));
        let digest = digest_of(&manifest);
        Self { tag: format!("t{number}"), layer, config, number, size, config_bytes, manifest, digest }
    }

    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The bytes of layer `number` from `offset` on.
fn pieces(number: u64, size: u64, offset: u64) -> impl Iterator<Item = Bytes> + Send {
    let head = Bytes::copy_from_slice(&number.to_be_bytes()).slice(..8.min(usize::try_from(size).unwrap_or(8)));
    let head = head.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(head.len())..);
    let mut left = size - offset - head.len() as u64;
    let zeros = std::iter::from_fn(move || {
        let length = left.min(ZEROS.len() as u64);
        left -= length;
        (length > 0).then(|| ZEROS.slice(..usize::try_from(length).unwrap_or(ZEROS.len())))
    });
    std::iter::once(head).filter(|head| !head.is_empty()).chain(zeros)
}

/// Which requests fail: a number of each thousand, by a seed.
pub struct Faults {
    state: AtomicU64,
    per_mille: u64,
    made: AtomicU64,
}

impl Faults {
    pub fn new(seed: u64, per_mille: u64) -> Self {
        Self { state: AtomicU64::new(seed), per_mille, made: AtomicU64::new(0) }
    }

    /// A number for the next request that fails (splitmix64, Steele et al. 2014); nothing for one that does not.
    fn next(&self) -> Option<u64> {
        let mut number = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        (number % 1000 < self.per_mille).then(|| {
            self.made.fetch_add(1, Relaxed);
            number / 1000
        })
    }
}

#[derive(Default)]
struct Kept {
    blobs: HashSet<String>,
    manifests: HashMap<String, (String, Bytes)>,
    tags: HashMap<String, String>,
    sessions: u64,
}

struct Node {
    faults: Faults,
    requests: AtomicU64,
    /// What the source has, by digest and by tag; the target has none.
    layers: HashMap<String, Image>,
    kept: Mutex<Kept>,
}

/// A running registry.
pub struct FarEnd {
    node: Arc<Node>,
    address: SocketAddr,
}

impl FarEnd {
    pub fn source(images: &[Image], faults: Faults) -> std::io::Result<Self> {
        let mut kept = Kept::default();
        for image in images {
            kept.manifests.insert(image.digest.clone(), (MANIFEST.to_owned(), image.manifest.clone()));
            kept.tags.insert(image.tag.clone(), image.digest.clone());
        }
        let by_config = images.iter().map(|image| (image.config.clone(), image.clone()));
        let layers = images.iter().map(|image| (image.layer.clone(), image.clone())).chain(by_config).collect();
        Self::serve(layers, kept, faults)
    }

    pub fn target(faults: Faults) -> std::io::Result<Self> {
        Self::serve(HashMap::new(), Kept::default(), faults)
    }

    fn serve(layers: HashMap<String, Image>, kept: Kept, faults: Faults) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let node = Arc::new(Node { faults, requests: AtomicU64::new(0), layers, kept: Mutex::new(kept) });
        let router = axum::Router::new().fallback(handle).with_state(Arc::clone(&node));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, router).await
            })
        });
        Ok(Self { node, address })
    }

    pub fn host(&self) -> SocketAddr {
        self.address
    }

    pub fn requests(&self) -> u64 {
        self.node.requests.load(Relaxed)
    }

    pub fn faults(&self) -> u64 {
        self.node.faults.made.load(Relaxed)
    }

    pub fn tags(&self) -> usize {
        self.node.kept().tags.len()
    }

    pub fn tag(&self, tag: &str) -> Option<String> {
        self.node.kept().tags.get(tag).cloned()
    }

    pub fn has(&self, blob: &str) -> bool {
        self.node.kept().blobs.contains(blob)
    }
}

impl Node {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

fn with(mut response: Response<Body>, headers: &[(&'static str, String)]) -> Response<Body> {
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Closes the connection: an answer whose body fails at once. What is released ends at a panic, and so does what is built
/// with it, so that nothing can unwind here.
fn cut() -> Response<Body> {
    let body = stream::iter([Err::<Bytes, _>(std::io::Error::other("cut on purpose"))]);
    with(answer(StatusCode::OK, Body::from_stream(body)), &[("content-length", "1".to_owned())])
}

async fn handle(State(node): State<Arc<Node>>, request: Request) -> Response<Body> {
    node.requests.fetch_add(1, Relaxed);
    let fault = node.faults.next();
    match fault.map(|number| number % 5) {
        Some(0) => return answer(StatusCode::SERVICE_UNAVAILABLE, Body::empty()),
        Some(1) => {
            let response = answer(StatusCode::TOO_MANY_REQUESTS, Body::empty());
            return with(response, &[("retry-after", "1".to_owned())]);
        }
        // What has no body cannot break off in it.
        Some(2) if request.method() == Method::HEAD => return answer(StatusCode::BAD_GATEWAY, Body::empty()),
        Some(2) => return cut(),
        _ => {}
    }
    let broken = fault.is_some();
    let path = request.uri().path().to_owned();
    let last = path.rsplit('/').next().unwrap_or_default().replace("%3A", ":");
    match (request.method().clone(), path.contains("/manifests/"), path.contains("/uploads/")) {
        (Method::GET | Method::HEAD, true, _) => get_manifest(&node, &last),
        (Method::PUT, true, _) => put_manifest(&node, &last, request).await,
        (Method::GET | Method::HEAD, false, false) if path.contains("/blobs/") => {
            get_blob(&node, &last, &request, broken)
        }
        (Method::POST, _, true) => {
            let mut kept = node.kept();
            kept.sessions += 1;
            let location = format!("/v2/mirror/soak/blobs/uploads/{}", kept.sessions);
            with(answer(StatusCode::ACCEPTED, Body::empty()), &[("location", location)])
        }
        (Method::PUT, _, true) => put_blob(&node, request, broken).await,
        _ => answer(StatusCode::NOT_FOUND, Body::empty()),
    }
}

fn get_manifest(node: &Node, reference: &str) -> Response<Body> {
    let kept = node.kept();
    let digest = kept.tags.get(reference).map_or(reference, String::as_str);
    let Some((media_type, bytes)) = kept.manifests.get(digest) else {
        return answer(StatusCode::NOT_FOUND, Body::empty());
    };
    let headers = [("content-type", media_type.clone()), ("docker-content-digest", digest.to_owned())];
    with(answer(StatusCode::OK, bytes.clone()), &headers)
}

async fn put_manifest(node: &Node, reference: &str, request: Request) -> Response<Body> {
    let Ok(bytes) = axum::body::to_bytes(request.into_body(), 4 << 20).await else { return cut() };
    let digest = digest_of(&bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut kept = node.kept();
    // Every digest that it names must be there.
    let named: Vec<&str> = text.split('"').filter(|word| word.starts_with("sha256:")).collect();
    if named.iter().any(|digest| !kept.blobs.contains(*digest)) {
        return answer(StatusCode::BAD_REQUEST, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#);
    }
    kept.manifests.insert(digest.clone(), (MANIFEST.to_owned(), bytes));
    if !reference.starts_with("sha256:") {
        kept.tags.insert(reference.to_owned(), digest.clone());
    }
    with(answer(StatusCode::CREATED, Body::empty()), &[("docker-content-digest", digest)])
}

fn get_blob(node: &Node, digest: &str, request: &Request, broken: bool) -> Response<Body> {
    let Some(image) = node.layers.get(digest) else {
        let status = if node.kept().blobs.contains(digest) { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return answer(status, Body::empty());
    };
    if digest == image.config {
        return answer(StatusCode::OK, image.config_bytes.clone());
    }
    let range = request.headers().get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let (first, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let first: u64 = first.parse().unwrap_or(0);
    let last: u64 = last.parse().unwrap_or(image.size - 1);
    let length = last + 1 - first;
    // A body that breaks off ends in the middle of what it promised.
    let sent = if broken { length / 2 } else { length };
    let pieces = pieces(image.number, first + sent, first).map(Ok::<_, std::io::Error>);
    let end = broken.then(|| Err(std::io::Error::other("cut on purpose")));
    let body = Body::from_stream(stream::iter(pieces.chain(end)));
    let mut headers = vec![("content-length", length.to_string())];
    if range.is_none() {
        return with(answer(StatusCode::OK, body), &headers);
    }
    headers.push(("content-range", format!("bytes {first}-{last}/{}", image.size)));
    with(answer(StatusCode::PARTIAL_CONTENT, body), &headers)
}

async fn put_blob(node: &Node, request: Request, broken: bool) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().replace("%3A", ":");
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default().to_owned();
    let mut body = request.into_body().into_data_stream();
    let (mut hash, mut seen) = (Sha256::new(), 0_usize);
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return cut() };
        hash.update(&piece);
        seen += piece.len();
        if broken && seen > 100_000 {
            return cut();
        }
    }
    if name_of(hash) != wanted {
        return answer(StatusCode::BAD_REQUEST, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
    }
    node.kept().blobs.insert(wanted);
    answer(StatusCode::CREATED, Body::empty())
}
