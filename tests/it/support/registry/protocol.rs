//! The wire side of the in-process registry: the distribution protocol, strictly, and the faults.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::double::{Content, Deletes, Node, Recorded, Upload, lock};
use super::faults::{Hook, LocationForm, Moment, What};
use super::socket::ConnectionEnd;
use crate::support::images::{self, Object};

/// What the distribution specification asks registries to accept at least.
const MANIFEST_CAP: usize = 4 << 20;

/// An answer before it becomes a stream of bytes.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.insert(name, HeaderValue::from_bytes(value.as_ref().as_bytes()).expect("a header value"));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn json(self, json: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(json.to_string())
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status).json(&json!({ "errors": [{ "code": code, "message": message, "detail": null }] }))
    }
}

type Answer = Result<Reply, Reply>;

/// Drops the connection without an answer. The unwinding ends hyper's connection task, which closes the socket;
/// `resume_unwind` does not call the panic hook, so nothing is printed.
fn cut() -> ! {
    std::panic::resume_unwind(Box::new("connection cut on purpose"))
}

/// What a path below `/v2/` means.
enum Route<'a> {
    Ping,
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    /// The repository and the session, which is empty for a POST.
    Upload(&'a str, &'a str),
    Tags(&'a str),
    Referrers(&'a str, &'a str),
    Unknown,
}

fn route(path: &str) -> Route<'_> {
    let Some(rest) = path.strip_prefix("/v2").map(|rest| rest.trim_start_matches('/')) else { return Route::Unknown };
    if rest.is_empty() {
        return Route::Ping;
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Route::Tags(name);
    }
    let at = |part: &str| rest.rfind(part).map(|at| (&rest[..at], &rest[at + part.len()..]));
    if let Some((name, session)) = at("/blobs/uploads") {
        return Route::Upload(name, session.trim_start_matches('/'));
    }
    if let Some((name, digest)) = at("/blobs/") {
        return Route::Blob(name, digest);
    }
    if let Some((name, reference)) = at("/manifests/") {
        return Route::Manifest(name, reference);
    }
    at("/referrers/").map_or(Route::Unknown, |(name, digest)| Route::Referrers(name, digest))
}

impl Route<'_> {
    fn repository(&self) -> Option<&str> {
        match self {
            Route::Manifest(name, _)
            | Route::Blob(name, _)
            | Route::Upload(name, _)
            | Route::Tags(name)
            | Route::Referrers(name, _) => Some(name),
            Route::Ping | Route::Unknown => None,
        }
    }
}

fn is_repository_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('/').all(|part| {
        part.starts_with(good) && part.ends_with(good) && part.chars().all(|c| good(c) || "._-".contains(c))
    })
}

/// One request with its body, for the handlers.
struct Call<'a> {
    node: &'a Node,
    method: Method,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    body: Bytes,
    whats: &'a [What],
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The record of one request, written while it is worked on.
struct Entry {
    node: Arc<Node>,
    number: usize,
    path: String,
}

impl Entry {
    fn write(&self, change: impl FnOnce(&mut Recorded)) {
        // The log may have been reset while the request was under way.
        if let Some(entry) = lock(&self.node.log).get_mut(self.number).filter(|entry| entry.path == self.path) {
            change(entry);
        }
    }
}

/// What happens outside at moments of one request, each with how far the request must be for it.
struct Hooks(Vec<(usize, Hook)>);

impl Hooks {
    fn of(whats: &[What], wanted: impl Fn(Moment) -> Option<usize>) -> Self {
        let due = |what: &What| match what {
            What::Then(moment, hook) => Some((wanted(*moment)?, hook.clone())),
            _ => None,
        };
        Self(whats.iter().filter_map(due).collect())
    }

    /// The request has come this far.
    fn pass(&mut self, reached: usize) {
        self.0.retain(|(at, hook)| {
            let due = *at <= reached;
            if due {
                hook.call();
            }
            !due
        });
    }
}

pub(super) async fn handle(
    State(node): State<Arc<Node>>,
    ConnectInfo(end): ConnectInfo<ConnectionEnd>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().replace("%3A", ":").replace("%3a", ":");
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let number = {
        let mut log = lock(&node.log);
        log.push(Recorded {
            method: parts.method.to_string(),
            path: path.clone(),
            query: raw_query.clone(),
            headers: parts.headers.clone(),
            status: 0,
            body: Bytes::new(),
            served: 0,
            version: parts.version,
        });
        log.len() - 1
    };
    let entry = Entry { node: node.clone(), number, path: path.clone() };
    let query: Vec<(String, String)> = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
    let is_token = !path.starts_with("/v2");
    let refusal = if is_token || !node.guarded {
        None
    } else {
        let wanted = wanted(&route(&path), &parts.method, &query);
        lock(&node.keys).check(node.address, &wanted, &parts.headers).err()
    };
    let line = format!("{path}?{raw_query}");
    let whats = if refusal.is_some() { Vec::new() } else { take_faults(&node, parts.method.as_str(), &line) };
    for what in &whats {
        if let What::Delay(milliseconds) = what {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        }
        if let What::Together(others) = what {
            others.wait().await;
        }
    }
    Hooks::of(&whats, |moment| matches!(moment, Moment::Arrival).then_some(0)).pass(0);
    let body = match read_body(body, &whats).await {
        Ok(body) => body,
        Err(partial) => {
            entry.write(|entry| entry.body = partial.clone());
            keep_partial(&node, &parts.method, &path, &partial);
            if whats.iter().any(|what| matches!(what, What::ResetRequestAfter(_))) {
                end.reset();
            }
            cut();
        }
    };
    entry.write(|entry| entry.body = body.clone());
    let call = Call {
        node: &node,
        method: parts.method.clone(),
        path: &path,
        query,
        headers: &parts.headers,
        body,
        whats: &whats,
    };
    let reply = refusal.unwrap_or_else(|| answer(&call, is_token).unwrap_or_else(|refused| refused));
    let reply = spoil(reply, &call);
    entry.write(|entry| entry.status = reply.status);
    Hooks::of(&whats, |moment| matches!(moment, Moment::Done).then_some(0)).pass(0);
    if whats.iter().any(|what| matches!(what, What::NoAnswer)) {
        cut();
    }
    into_response(reply, parts.method == Method::HEAD, &whats, entry, end)
}

/// The (repository, action) pairs that a request needs.
fn wanted(route: &Route<'_>, method: &Method, query: &[(String, String)]) -> Vec<(String, &'static str)> {
    let Some(name) = route.repository() else { return Vec::new() };
    let mut wanted = vec![(name.to_owned(), "pull")];
    if method != Method::GET && method != Method::HEAD || matches!(route, Route::Upload(..)) {
        let deletes = method == Method::DELETE && matches!(route, Route::Manifest(..));
        wanted.push((name.to_owned(), if deletes { "delete" } else { "push" }));
    }
    wanted.extend(query.iter().filter(|(key, _)| key == "from").map(|(_, from)| (from.clone(), "pull")));
    wanted
}

fn take_faults(node: &Node, method: &str, line: &str) -> Vec<What> {
    lock(&node.faults).iter_mut().filter_map(|fault| fault.take(method, line)).collect()
}

/// The whole body, or what had arrived when the connection broke or was to be cut.
async fn read_body(body: Body, whats: &[What]) -> Result<Bytes, Bytes> {
    let limit = |wanted: fn(&What) -> Option<usize>| whats.iter().find_map(wanted);
    let cut_after = limit(|what| match what {
        What::CutRequestAfter(bytes) | What::ResetRequestAfter(bytes) => Some(*bytes),
        _ => None,
    });
    let stall_after = limit(|what| if let What::StallRequestAfter(bytes) = what { Some(*bytes) } else { None });
    let mut collected = Vec::new();
    let mut hooks = Hooks::of(whats, |moment| if let Moment::RequestBody(after) = moment { Some(after) } else { None });
    let mut stream = body.into_data_stream();
    loop {
        hooks.pass(collected.len());
        if let Some(limit) = cut_after.filter(|limit| collected.len() >= *limit) {
            collected.truncate(limit);
            return Err(collected.into());
        }
        if stall_after.is_some_and(|limit| collected.len() >= limit) {
            std::future::pending::<()>().await;
        }
        match stream.next().await {
            Some(Ok(chunk)) => collected.extend_from_slice(&chunk),
            Some(Err(_)) => return Err(collected.into()),
            None => {
                hooks.pass(usize::MAX);
                return if cut_after.is_some() { Err(collected.into()) } else { Ok(collected.into()) };
            }
        }
    }
}

/// A broken PATCH leaves what arrived in the session; a broken PUT ends the session (as distribution 2.8 does).
fn keep_partial(node: &Node, method: &Method, path: &str, partial: &Bytes) {
    let Route::Upload(_, session) = route(path) else { return };
    let mut content = lock(&node.content);
    if *method == Method::PUT {
        content.uploads.remove(session);
    } else if let Some(upload) = content.uploads.get_mut(session).filter(|_| *method == Method::PATCH) {
        upload.data.extend_from_slice(partial);
    }
}

fn answer(call: &Call<'_>, is_token: bool) -> Answer {
    for what in call.whats {
        match what {
            What::Status { status, headers, body } => {
                let reply = Reply::new(*status).body(body.clone());
                return Err(headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value)));
            }
            What::Echo(status) => {
                let line = format!("{} {}?{:?}", call.method, call.path, call.query);
                let request = super::double::text(&line, call.headers, &call.body);
                return Err(Reply::error(*status, "DENIED", &format!("not this: {request}")));
            }
            What::Redirect { to, status } => {
                let query: String =
                    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
                let location = to.replace("{path}", call.path).replace("{query}", &query);
                return Err(Reply::new(*status).header("location", location));
            }
            What::Loses(digest) => {
                if let Some(name) = route(call.path).repository()
                    && let Some(repository) = lock(&call.node.content).repositories.get_mut(name)
                {
                    repository.blobs.remove(digest);
                    repository.manifests.remove(digest);
                }
            }
            What::RevokeTokens => {
                let mut keys = lock(&call.node.keys);
                keys.revoke();
                let wanted = wanted(&route(call.path), &call.method, &call.query);
                return Err(keys.check(call.node.address, &wanted, &HeaderMap::new()).err().unwrap_or(Reply::new(401)));
            }
            _ => {}
        }
    }
    if is_token {
        return lock(&call.node.keys).issue(call.method.as_str(), &call.query, call.headers, &call.body);
    }
    let has_body = matches!(call.method, Method::PUT | Method::PATCH);
    if has_body && lock(&call.node.switches).require_length && call.header("content-length").is_none() {
        return Err(Reply::error(411, "UNSUPPORTED", "content length required"));
    }
    let route = route(call.path);
    if route.repository().is_some_and(|name| !is_repository_name(name)) {
        return Err(Reply::error(400, "NAME_INVALID", "invalid repository name"));
    }
    match (call.method.as_str(), route) {
        ("GET" | "HEAD", Route::Ping) => Ok(Reply::new(200).json(&json!({}))),
        ("GET" | "HEAD", Route::Manifest(name, reference)) => get_manifest(call, name, reference),
        ("PUT", Route::Manifest(name, reference)) => put_manifest(call, name, reference),
        ("DELETE", Route::Manifest(name, reference)) => delete_manifest(call, name, reference),
        ("GET" | "HEAD", Route::Blob(name, digest)) => get_blob(call, name, digest),
        ("POST", Route::Upload(name, "")) => start_upload(call, name),
        (_, Route::Upload(name, session)) if !session.is_empty() => upload(call, name, session),
        ("GET", Route::Tags(name)) => list_tags(call, name),
        ("GET", Route::Referrers(name, digest)) => list_referrers(call, name, digest),
        (_, Route::Unknown) => Err(Reply::new(404).header("content-type", "text/plain").body("404 page not found\n")),
        _ => Err(Reply::error(405, "UNSUPPORTED", "The operation is unsupported.")),
    }
}

fn get_manifest(call: &Call<'_>, name: &str, reference: &str) -> Answer {
    let by_digest = lock(&call.node.switches).tags_of_digests.then(|| reference.replacen('-', ":", 1));
    let mut content = lock(&call.node.content);
    let unknown = |what: &str| Reply::error(404, "MANIFEST_UNKNOWN", what);
    let Some(repository) = content.repositories.get_mut(name) else {
        return Err(Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry"));
    };
    if let Some(lag) = repository.lag.get_mut(reference).filter(|lag| **lag > 0) {
        *lag -= 1;
        return Err(unknown("manifest unknown"));
    }
    let digest = repository.tags.get(reference).map_or(reference, String::as_str);
    let digest = by_digest.as_deref().filter(|digest| repository.manifests.contains_key(*digest)).unwrap_or(digest);
    let manifest = repository.manifests.get(digest).ok_or_else(|| unknown("manifest unknown"))?;
    // As distribution does: a client that does not name the type gets a 404, not another type.
    let accepted: Vec<&str> = call.headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let accepts = accepted.iter().flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*" || range == manifest.media_type
    });
    if !accepts {
        return Err(unknown(&format!("found a {}, but the accept header does not support it", manifest.media_type)));
    }
    let mut reply = Reply::new(200)
        .header("content-type", &manifest.media_type)
        .header("docker-content-digest", digest)
        .header("etag", format!("\"{digest}\""))
        .body(manifest.bytes.clone());
    let mut switches = lock(&call.node.switches);
    let others = switches.pulls_of_others;
    if let Some(left) = &mut switches.pulls_left {
        match (&call.method, left.checked_sub(1)) {
            (&Method::GET, None) => {
                return Err(Reply::error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit."));
            }
            (&Method::GET, Some(rest)) => *left = rest.saturating_sub(others),
            _ => {}
        }
        reply = reply.header("ratelimit-limit", "100;w=21600").header("ratelimit-remaining", format!("{left};w=21600"));
    }
    drop(switches);
    for what in call.whats {
        if let What::TagMovesTo(digest) = what {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
    }
    Ok(reply)
}

fn delete_manifest(call: &Call<'_>, name: &str, reference: &str) -> Answer {
    let how = lock(&call.node.switches).deletes;
    let mut content = lock(&call.node.content);
    let unsupported = || Reply::error(405, "UNSUPPORTED", "The operation is unsupported.");
    let unknown = || Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let repository = content.repositories.get_mut(name).ok_or_else(unknown)?;
    let is_tag = !reference.contains(':');
    match how {
        Deletes::Nothing => return Err(unsupported()),
        Deletes::Digests if is_tag => return Err(unknown()),
        Deletes::Tags | Deletes::TagsFirst if is_tag => {
            repository.tags.remove(reference).ok_or_else(unknown)?;
            return Ok(Reply::new(202));
        }
        Deletes::TagsFirst if repository.tags.values().any(|digest| digest == reference) => {
            return Err(Reply::error(400, "GOOGLE_MANIFEST_DANGLING_TAG", "Manifest is still referenced by tag"));
        }
        _ => {}
    }
    let digest = repository.tags.get(reference).map_or(reference, String::as_str).to_owned();
    repository.manifests.remove(&digest).ok_or_else(unknown)?;
    repository.tags.retain(|_, named| *named != digest);
    Ok(Reply::new(202))
}

fn put_manifest(call: &Call<'_>, name: &str, reference: &str) -> Answer {
    let invalid = |message: &str| Reply::error(400, "MANIFEST_INVALID", message);
    let media_type =
        call.header("content-type").filter(|value| !value.is_empty()).ok_or_else(|| invalid("no content type"))?;
    if call.body.len() > MANIFEST_CAP {
        return Err(Reply::error(413, "SIZE_INVALID", "the manifest is too big"));
    }
    let json: serde_json::Value = serde_json::from_slice(&call.body).map_err(|e| invalid(&e.to_string()))?;
    if json["mediaType"].as_str().is_some_and(|inner| inner != media_type) {
        return Err(invalid("mediaType in manifest does not match Content-Type"));
    }
    let digest = if reference.contains(':') {
        images::digest_like(reference, &call.body).filter(|digest| digest == reference)
    } else {
        Some(images::sha256(&call.body))
    };
    let digest =
        digest.ok_or_else(|| Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content"))?;
    let switches = lock(&call.node.switches).clone();
    let mut content = lock(&call.node.content);
    let repository = content.repositories.entry(name.to_owned()).or_default();
    let mut missing = Vec::new();
    for pointer in images::references(&call.body).iter().filter(|pointer| !pointer.foreign) {
        let held = repository.manifests.get(&pointer.digest).filter(|_| pointer.child).map(|found| found.bytes.len());
        match held.or_else(|| repository.blobs.get(&pointer.digest).map(Bytes::len)) {
            Some(size) if size as u64 != pointer.size && !switches.wrong_sizes_allowed => {
                return Err(invalid("a descriptor has a wrong size"));
            }
            Some(_) => {}
            None => missing.push(json!({
                "code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown to registry", "detail": pointer.digest,
            })),
        }
    }
    if !missing.is_empty() && !switches.sparse_allowed {
        return Err(Reply::new(400).json(&json!({ "errors": missing })));
    }
    let is_tag = !reference.contains(':');
    for what in call.whats {
        match what {
            What::RefuseRetag(status) if is_tag && repository.tags.contains_key(reference) => {
                let message =
                    format!("The tag '{reference}' already exists and cannot be overwritten: it is immutable");
                return Err(Reply::error(*status, "TAG_INVALID", &message));
            }
            What::LagManifest(times) => {
                repository.lag.extend([(reference.to_owned(), *times), (digest.clone(), *times)]);
            }
            _ => {}
        }
    }
    if !call.whats.iter().any(|what| matches!(what, What::AcceptButForget)) {
        let object = Object { digest: digest.clone(), media_type: media_type.to_owned(), bytes: call.body.clone() };
        repository.manifests.insert(digest.clone(), object);
        if is_tag {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
    }
    let reply = Reply::new(201)
        .header("location", format!("/v2/{name}/manifests/{digest}"))
        .header("docker-content-digest", &digest);
    Ok(match json["subject"]["digest"].as_str().filter(|_| switches.referrers.is_some()) {
        Some(subject) => reply.header("oci-subject", subject),
        None => reply,
    })
}

fn get_blob(call: &Call<'_>, name: &str, digest: &str) -> Answer {
    let content = lock(&call.node.content);
    let one_store = lock(&call.node.switches).one_store;
    let found = content.repositories.get(name).and_then(|repository| {
        let manifest = || repository.manifests.get(digest).filter(|_| one_store).map(|manifest| manifest.bytes.clone());
        repository.blobs.get(digest).cloned().or_else(manifest)
    });
    let other = call.whats.iter().find_map(|what| if let What::OtherObject(bytes) = what { Some(bytes) } else { None });
    let blob = other.cloned().or(found).ok_or_else(|| Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"))?;
    let etag = if other.is_some() { "\"another\"".to_owned() } else { format!("\"{digest}\"") };
    let whole = Reply::new(200)
        .header("content-type", "application/octet-stream")
        .header("docker-content-digest", digest)
        .header("accept-ranges", "bytes")
        .header("etag", &etag);
    let ignore = call.whats.iter().any(|what| matches!(what, What::IgnoreRange));
    let changed = call.header("if-range").is_some_and(|wanted| wanted != etag);
    let Some(range) = call.header("range").filter(|_| !ignore && !changed) else { return Ok(whole.body(blob)) };
    let length = blob.len();
    let bounds = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).and_then(|(first, last)| {
        let number = |text: &str| text.parse::<usize>().ok();
        let (first, last) = match (first, last) {
            ("", suffix) => (length.saturating_sub(number(suffix)?), length.checked_sub(1)?),
            (first, "") => (number(first)?, length.checked_sub(1)?),
            (first, last) => (number(first)?, number(last)?.min(length.checked_sub(1)?)),
        };
        (first <= last).then_some((first, last))
    });
    match bounds {
        None => Err(Reply::error(416, "RANGE_INVALID", "range").header("content-range", format!("bytes */{length}"))),
        Some((first, last)) => {
            let part = Reply { status: 206, ..whole };
            Ok(part.header("content-range", format!("bytes {first}-{last}/{length}")).body(blob.slice(first..=last)))
        }
    }
}

fn start_upload(call: &Call<'_>, name: &str) -> Answer {
    let must_exist = lock(&call.node.switches).repositories_must_exist;
    let mut content = lock(&call.node.content);
    if must_exist && !content.repositories.contains_key(name) {
        return Err(Reply::error(404, "NAME_UNKNOWN", &format!("The repository with name '{name}' does not exist")));
    }
    if let Some(digest) = call.parameter("mount") {
        let told =
            call.whats.iter().find_map(|what| if let What::MountAnswer(status) = what { Some(*status) } else { None });
        if let Some(status) = told.filter(|status| !matches!(status, 201 | 202)) {
            return Err(Reply::error(status, "UNKNOWN", "the mount was refused"));
        }
        let from = call.parameter("from").and_then(|from| content.repositories.get(from));
        let found = from.and_then(|from| from.blobs.get(digest)).filter(|_| told != Some(202)).cloned();
        if let Some(blob) = found {
            content.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.to_owned(), blob);
            return Ok(created_blob(name, digest));
        }
    }
    content.sessions += 1;
    let session = format!("session-{}", content.sessions);
    let upload = Upload { repository: name.to_owned(), data: Vec::new(), state: 0, signed: false };
    content.uploads.insert(session.clone(), upload);
    if let Some(digest) = call.parameter("digest").filter(|_| call.parameter("mount").is_none()) {
        return finish_upload(&mut content, name, &session, digest, &call.body);
    }
    Ok(progress(&mut content, call, name, &session, 202))
}

fn created_blob(name: &str, digest: &str) -> Reply {
    let location = format!("/v2/{name}/blobs/{digest}");
    Reply::new(201).header("location", location).header("docker-content-digest", digest)
}

/// The answer that hands out the session's next `Location`.
fn progress(content: &mut Content, call: &Call<'_>, name: &str, session: &str, status: u16) -> Reply {
    let upload = content.uploads.get_mut(session).expect("the session is open");
    upload.state += u64::from(!lock(&call.node.switches).uploads_stay);
    upload.signed = call.whats.iter().any(|what| matches!(what, What::Location(LocationForm::WithQuery)));
    let location = format!("{}/v2/{name}/blobs/uploads/{session}?_state={}", call.node.url, upload.state);
    let last = upload.data.len().saturating_sub(1);
    Reply::new(status)
        .header("location", location)
        .header("docker-upload-uuid", session)
        .header("range", format!("0-{last}"))
}

fn upload(call: &Call<'_>, name: &str, session: &str) -> Answer {
    let mut content = lock(&call.node.content);
    let unknown = || Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    let upload = content.uploads.get(session).filter(|upload| upload.repository == name).ok_or_else(unknown)?;
    let held = upload.data.len();
    if call.method != Method::GET && call.parameter("_state") != Some(upload.state.to_string().as_str()) {
        return Err(Reply::error(404, "BLOB_UPLOAD_INVALID", "this is not the newest Location"));
    }
    if upload.signed && call.parameter("signature") != Some("a/b=+") {
        return Err(Reply::error(403, "DENIED", "the query of the Location did not come back"));
    }
    let size = call.body.len();
    for what in call.whats {
        match what {
            What::RefuseMonolithicAbove(limit, status) if call.method == Method::PUT && size > *limit => {
                content.uploads.remove(session);
                // No code: SIZE_INVALID would say that the content, not the form, is wrong.
                let reply = Reply::new(*status).header("content-type", "text/plain");
                return Err(reply.body("the body is too big for one PUT"));
            }
            What::RefuseWhole(status, code) if call.header("content-range").is_none() && size > 0 => {
                content.uploads.remove(session);
                return Err(if code.is_empty() { Reply::new(*status) } else { Reply::error(*status, code, "not so") });
            }
            What::ChunkLimit(limit)
                if call.method == Method::PATCH && call.header("content-range").is_some() && size > *limit =>
            {
                let message = format!("chunk of {size} bytes exceeds the maximum permissible limit of {limit} bytes");
                return Err(Reply::error(416, "REQUESTED_RANGE_NOT_SATISFIABLE", &message));
            }
            _ => {}
        }
    }
    if let Some(range) = call.header("content-range").filter(|_| size > 0) {
        let expected = format!("{held}-{}", held + size - 1);
        if range != expected {
            let mut reply = progress(&mut content, call, name, session, 416);
            reply.body = Bytes::from(format!("Content-Range {range} where {expected} was expected"));
            return Err(reply);
        }
    }
    match call.method.as_str() {
        "PATCH" => {
            content.uploads.get_mut(session).expect("checked").data.extend_from_slice(&call.body);
            Ok(progress(&mut content, call, name, session, 202))
        }
        "PUT" => {
            let digest = call.parameter("digest").ok_or_else(|| Reply::error(400, "DIGEST_INVALID", "no digest"))?;
            finish_upload(&mut content, name, session, digest, &call.body)
        }
        "GET" => Ok(progress(&mut content, call, name, session, 204)),
        "DELETE" => {
            content.uploads.remove(session);
            Ok(Reply::new(204))
        }
        _ => Err(Reply::error(405, "UNSUPPORTED", "The operation is unsupported.")),
    }
}

fn finish_upload(content: &mut Content, name: &str, session: &str, digest: &str, last: &Bytes) -> Answer {
    let mut data = content.uploads.remove(session).expect("checked").data;
    data.extend_from_slice(last);
    if images::digest_like(digest, &data).as_deref() != Some(digest) {
        return Err(Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content"));
    }
    content.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.to_owned(), data.into());
    Ok(created_blob(name, digest))
}

/// Cuts `items` to one page and says where the next one is.
fn page(call: &Call<'_>, items: &[String], largest: usize) -> (Vec<String>, Option<String>) {
    let size = call.parameter("n").and_then(|n| n.parse().ok()).unwrap_or(largest).clamp(1, largest);
    let after = call.parameter("last").unwrap_or_default();
    let rest: Vec<String> = items.iter().filter(|item| item.as_str() > after).cloned().collect();
    let page: Vec<String> = rest.iter().take(size).cloned().collect();
    let more = (rest.len() > size).then(|| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(call.query.iter().filter(|(key, _)| key != "last" && key != "n"));
        query.append_pair("n", &size.to_string()).append_pair("last", page.last().expect("not empty"));
        let absolute = lock(&call.node.switches).absolute_links;
        let host = if absolute { call.node.url.as_str() } else { "" };
        format!("<{host}{}?{}>; rel=\"next\"", call.path, query.finish())
    });
    (page, more)
}

fn list_tags(call: &Call<'_>, name: &str) -> Answer {
    let switches = lock(&call.node.switches).clone();
    let asked = call.parameter("n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    if switches.tags_refuse_above.is_some_and(|limit| asked > limit) {
        return Err(Reply::error(413, "TOO_MANY_TAGS_REQUESTED", "The requested number of tags is over the limit"));
    }
    let found = lock(&call.node.content).repositories.get(name).map(|found| found.tags.keys().cloned().collect());
    let tags: Vec<String> =
        found.ok_or_else(|| Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry"))?;
    let (tags, next) = page(call, &tags, switches.tag_page);
    let list = if tags.is_empty() && switches.null_tags { json!(null) } else { json!(tags) };
    let reply = Reply::new(200).json(&json!({ "name": name, "tags": list }));
    Ok(match next {
        Some(link) => reply.header("link", link),
        None => reply,
    })
}

fn list_referrers(call: &Call<'_>, name: &str, subject: &str) -> Answer {
    let Some(largest) = lock(&call.node.switches).referrers else {
        return Err(Reply::new(404).header("content-type", "text/plain").body("404 page not found\n"));
    };
    let content = lock(&call.node.content);
    let mut entries = BTreeMap::new();
    for manifest in content.repositories.get(name).into_iter().flat_map(|repository| repository.manifests.values()) {
        let json: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
        let artifact_type = json["artifactType"].as_str().or(json["config"]["mediaType"].as_str()).unwrap_or_default();
        let filtered = call.parameter("artifactType").is_some_and(|wanted| wanted != artifact_type);
        if json["subject"]["digest"] == subject && !filtered {
            let entry = json!({
                "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len(),
                "artifactType": artifact_type, "annotations": json["annotations"],
            });
            entries.insert(manifest.digest.clone(), entry);
        }
    }
    drop(content);
    let digests: Vec<String> = entries.keys().cloned().collect();
    let (digests, next) = page(call, &digests, largest);
    let list: Vec<_> = digests.iter().map(|digest| &entries[digest]).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": images::OCI_INDEX, "manifests": list });
    let mut reply = Reply::new(200).json(&index).header("content-type", images::OCI_INDEX);
    if call.parameter("artifactType").is_some() {
        reply = reply.header("oci-filters-applied", "artifactType");
    }
    Ok(match next {
        Some(link) => reply.header("link", link),
        None => reply,
    })
}

/// The faults that change an answer which was otherwise right.
fn spoil(mut reply: Reply, call: &Call<'_>) -> Reply {
    for what in call.whats {
        match what {
            What::Header(name, value) => {
                reply.headers.remove(*name);
                if let Some(value) = value {
                    reply = reply.header(name, value);
                }
            }
            What::WrongBytes(at) if !reply.body.is_empty() => {
                let mut bytes = reply.body.to_vec();
                let at = (*at).min(bytes.len() - 1);
                bytes[at] ^= 0x01;
                reply.body = bytes.into();
            }
            What::Location(form) => reply = relocate(reply, form),
            _ => {}
        }
    }
    reply
}

fn relocate(mut reply: Reply, form: &LocationForm) -> Reply {
    let Some(location) = reply.headers.remove("location") else { return reply };
    let location = location.to_str().expect("our own header").to_owned();
    let origin = location.find("/v2/").expect("our own location");
    match form {
        LocationForm::Absolute => reply.header("location", location),
        LocationForm::Missing => reply,
        LocationForm::Relative => reply.header("location", &location[origin..]),
        LocationForm::NoSlash => reply.header("location", &location[location.rfind('/').expect("a slash") + 1..]),
        LocationForm::WithQuery => reply.header("location", format!("{location}&signature=a%2Fb%3D%2B")),
        LocationForm::Utf8 => reply.header("location", format!("{location}&label=größe")),
        LocationForm::OtherHost(base) => reply.header("location", format!("{base}{}", &location[origin..])),
    }
}

fn into_response(reply: Reply, is_head: bool, whats: &[What], entry: Entry, end: ConnectionEnd) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).expect("a status"));
    let headers = response.headers_mut().expect("a status");
    *headers = reply.headers;
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    let endless = whats.iter().any(|what| matches!(what, What::EndlessBody)) && !is_head;
    if !endless && reply.status != 204 {
        headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(reply.body.len()));
    }
    let body = if endless {
        let chunk = Bytes::from(vec![b' '; 65_536]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, io::Error>(chunk.clone())))
    } else if is_head || reply.status == 204 || reply.body.is_empty() {
        Hooks::of(whats, answer_body).pass(usize::MAX);
        Body::empty()
    } else {
        send_body(reply.body, whats, entry, end)
    };
    response.body(body).expect("a response")
}

fn answer_body(moment: Moment) -> Option<usize> {
    if let Moment::AnswerBody(after) = moment { Some(after) } else { None }
}

/// How a body ends.
#[derive(Clone, Copy)]
enum End {
    Well,
    Cut,
    Reset,
    Stall,
}

/// An answer's body under way.
struct Sending {
    bytes: Bytes,
    at: usize,
    step: usize,
    pause: u64,
    end: End,
    hooks: Hooks,
    entry: Entry,
    connection: ConnectionEnd,
}

fn send_body(mut bytes: Bytes, whats: &[What], entry: Entry, connection: ConnectionEnd) -> Body {
    let (mut end, mut limit, mut slow) = (End::Well, bytes.len(), None);
    for what in whats {
        match what {
            What::CutBodyAfter(after) => (end, limit) = (End::Cut, *after),
            What::ResetBodyAfter(after) => (end, limit) = (End::Reset, *after),
            What::StallBodyAfter(after) => (end, limit) = (End::Stall, *after),
            What::Trickle { bytes, milliseconds } => slow = Some((*bytes, *milliseconds)),
            _ => {}
        }
    }
    // A cut of a shorter body never fires; the answer is then as it should be.
    let end = if limit > bytes.len() { End::Well } else { end };
    let (step, pause) = slow.unwrap_or((65_536, 0));
    let hooks = Hooks::of(whats, answer_body);
    bytes.truncate(limit);
    let sending = Sending { bytes, at: 0, step, pause, end, hooks, entry, connection };
    Body::from_stream(stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        sending.next().await.map(|piece| {
            let goes_on = piece.is_ok();
            (piece, goes_on.then_some(sending))
        })
    }))
}

impl Sending {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.hooks.pass(self.at);
        if self.at < self.bytes.len() {
            if self.pause > 0 {
                tokio::time::sleep(Duration::from_millis(self.pause)).await;
            }
            let next = (self.at + self.step).min(self.bytes.len());
            let piece = self.bytes.slice(self.at..next);
            self.at = next;
            self.entry.write(|entry| entry.served += piece.len());
            return Some(Ok(piece));
        }
        self.hooks.pass(usize::MAX);
        match self.end {
            End::Well => return None,
            End::Stall => std::future::pending::<()>().await,
            End::Cut => {}
            End::Reset => self.connection.reset(),
        }
        // Gives hyper the time to send what it holds; an error at once would swallow it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some(Err(io::Error::other("cut on purpose")))
    }
}
