//! Blobs that go.
//!
//! Owns how a blob reaches a registry: linked from a repository that has it, or sent in the form the registry takes; and
//! going on where an upload broke, as far as the registry still knows of it. Never completes an upload whose bytes are not
//! those of the digest (`blob::checked` holds the last piece back), and never starts a second upload where a refused mount
//! opened one.
//!
//! Forms (registries.md §5.3), the first that works is kept for the host:
//!
//! | form | requests | where |
//! |---|---|---|
//! | one PUT | POST, PUT | everywhere |
//! | one PATCH | POST, PATCH, PUT | large blobs on GHCR and Docker Hub; what refuses the first |
//! | pieces | POST, PATCH …, PUT | what refuses both |

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, Either, select};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode};
use url::Url;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::violation::{Lead, Violation};
use crate::http::clients::Pool;
use crate::http::exchange;
use crate::http::failure::classify;
use crate::oci::manifest::Descriptor;
use crate::store::blob::{self, BlobPushRequest, BlobSource, BlobStream};
use crate::store::content::{Presence, Sent, TagOrDigest};
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::concurrency::RequestClass;
use crate::store::registry::learned::UploadMethod;
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::{Request, answer};

/// How long the answer to a finished body may take: registries verify and move large blobs before they answer
/// (moby/moby#53700).
const COMMIT: Duration = Duration::from_secs(300);

/// Blobs up to this size go in the lane of small requests: they are over before a large one has begun.
const SMALL: u64 = 1024 * 1024;

/// Pieces: below GHCR's limit of 4 MiB for a PATCH with `Content-Range` (oras-project/rust-oci-client#35).
const PIECE: usize = 3 * 1024 * 1024;

enum Opened {
    /// The registry has it now.
    Linked,
    /// An upload session.
    Session(Session),
}

/// An upload that the registry keeps open.
struct Session {
    /// Where the rest of the blob goes.
    url: Url,
    /// Bytes of the blob that the registry has.
    held: u64,
}

/// A blob's source, which may have been opened before there was a session.
struct Reading<'a> {
    source: &'a dyn BlobSource,
    opened: Option<BlobStream>,
}

impl Reading<'_> {
    async fn open(&mut self) -> Result<BlobStream, Error> {
        match self.opened.take() {
            Some(opened) => Ok(opened),
            None => self.source.open().await,
        }
    }
}

/// Why a session was not filled.
enum Broken {
    /// The source's end failed; the target is not to blame.
    Source(Error),
    /// The target's end failed.
    Target(Cause),
}

impl From<Cause> for Broken {
    fn from(cause: Cause) -> Self {
        Self::Target(cause)
    }
}

impl Repository {
    /// Makes a blob exist in this repository: linked from another repository of this registry that has it, or sent. What
    /// is there is not sent.
    pub async fn push_blob(&self, request: BlobPushRequest<'_>) -> Result<Sent, Error> {
        let BlobPushRequest { descriptor, mount_from: from, presence: odds, source } = request;
        let failed = |action, cause| self.error(action, self.object(TagOrDigest::Digest(&descriptor.digest)), cause);
        if odds != Presence::Corrupt
            && self.host.learned.mount_is_silent(None)
            && self.head_blob(descriptor).await?.is_some()
        {
            return Ok(Sent::Present);
        }
        let mut patience = RetryBudget::new(&self.limits);
        let mut farthest = 0;
        let mut wrong_bytes = false;
        let mut may_go_on = true;
        let mut form = self.form(descriptor.size);
        // Sessions of large blobs are opened when it is their turn: GHCR gives an upload ten minutes.
        let lane = if descriptor.size <= SMALL { RequestClass::Small } else { RequestClass::Write };
        let mut place = match lane {
            RequestClass::Write => Some(self.enter(lane, &mut patience).await),
            _ => None,
        };
        let asking = self.ask(descriptor, from, odds);
        let (asked, opened) = if self.will_hardly_be_linked(descriptor, from, odds) {
            beside(asking, source.open_early()).await
        } else {
            (asking.await, None)
        };
        let mut reading = Reading { source, opened };
        let mut session = match asked.map_err(|cause| failed("POST upload", cause))? {
            Opened::Linked if from.is_some() => return Ok(Sent::Mounted),
            Opened::Linked => return Ok(Sent::Present),
            Opened::Session(session) => {
                if odds == Presence::Unlikely {
                    self.host.learned.opened();
                }
                Some(session)
            }
        };
        loop {
            let mut upload = match session.take() {
                Some(upload) => upload,
                None => self.open_upload().await.map_err(|cause| failed("POST upload", cause))?,
            };
            let held = match place.take() {
                Some(held) => held,
                None => self.enter(lane, &mut patience).await,
            };
            let goes_on = upload.held > 0;
            let moved = Arc::new(AtomicU64::new(upload.held));
            let filled = self.fill(&mut upload, form, descriptor, &mut reading, &moved, &mut patience).await;
            // Given back before anything is asked again: the next POST wants a place in the same lane.
            drop(held);
            let cause = match filled {
                Ok(()) => {
                    self.host.lanes.widen(lane);
                    self.host.learned.takes(form, descriptor.size);
                    return Ok(Sent::Uploaded);
                }
                // Bytes spliced from two connections may be wrong where each alone was right: once more, whole.
                Err(Broken::Source(Error::DigestMismatch { .. })) if !wrong_bytes && !source.has_another() => {
                    wrong_bytes = true;
                    continue;
                }
                // A mirror failed in the middle: its bytes are not trusted, so it is once more, whole, from the next.
                Err(Broken::Source(_)) if source.has_another() => continue,
                Err(Broken::Source(error)) => return Err(error),
                Err(Broken::Target(cause)) => cause,
            };
            if let Some(next) = form.after(&cause).filter(|_| !goes_on) {
                form = next;
                continue;
            }
            let moved = moved.load(Relaxed);
            if moved > farthest {
                farthest = moved;
                patience.progress();
            }
            // What the registry made of the parts is not what the blob is (docker-registry 2.8 takes a part that leaves
            // a gap): once more, whole.
            if goes_on && matches!(&cause, Cause::Refused(refusal) if matches!(refusal.status, 400 | 416)) {
                may_go_on = false;
                continue;
            }
            self.pause(&mut patience, restartable(cause), "blob upload")
                .await
                .map_err(|cause| failed("PUT blob", cause))?;
            // Only the answer may be what was lost.
            if moved >= descriptor.size && self.head_blob(descriptor).await.is_ok_and(|size| size.is_some()) {
                return Ok(Sent::Uploaded);
            }
            if may_go_on && moved > 0 {
                session = self.held(&upload, descriptor).await.map_err(|cause| failed("GET upload", cause))?;
            }
        }
    }

    /// The largest blob that this registry takes, where that is known.
    pub fn largest_blob(&self) -> Option<u64> {
        self.host.quirks.largest_blob
    }

    /// Asks whether a push would be let in, by opening an upload that is left to expire: no token of a registry tells
    /// its rights (GHCR's is opaque), and no other question is answered like a push (radius-project/radius#12623).
    pub async fn may_push(&self) -> Result<(), Error> {
        let call = Request::new(Method::POST, self.url("blobs/uploads/"), Scopes::push(&self.name), "right to push");
        self.send(&call).await.map(drop).map_err(|cause| self.error("POST upload", self.place(), cause))
    }

    /// Whether a small blob's source may be asked for it while the target is asked whether it needs it: a round trip less.
    /// Only where that was seen to be so for another one, and not once the target had one that it was not expected to have.
    fn will_hardly_be_linked(&self, descriptor: &Descriptor, from: Option<&str>, odds: Presence) -> bool {
        descriptor.size <= SMALL && from.is_none() && odds == Presence::Unlikely && self.host.learned.is_as_expected()
    }

    /// Opens an upload, or finds that none is needed.
    async fn ask(&self, descriptor: &Descriptor, from: Option<&str>, odds: Presence) -> Result<Opened, Cause> {
        if odds == Presence::Corrupt {
            return self.open_upload().await.map(Opened::Session);
        }
        let learned = &self.host.learned;
        let neighbour = from.unwrap_or(&self.name);
        let is_there = || async { self.head_blob(descriptor).await.is_ok_and(|size| size.is_some()) };
        if self.host.may_mount(neighbour) && !learned.mount_is_silent(from) {
            match self.mount(descriptor, neighbour).await {
                Ok(Opened::Linked) => {
                    if from.is_none() {
                        learned.mount_answers();
                    }
                    return Ok(Opened::Linked);
                }
                // 202 says "not there" only where a mount from the repository itself has once said "there".
                Ok(opened) => {
                    if odds == Presence::Possible && !learned.mount_has_answered() && is_there().await {
                        learned.mount_keeps_silent();
                        return Ok(Opened::Linked);
                    }
                    return Ok(opened);
                }
                // Refusals of the mount, not of the push: an ordinary upload tells which (registries.md §5.2).
                Err(Cause::Refused(refusal)) if matches!(refusal.status, 400 | 401 | 403 | 404 | 405) => {
                    if refusal.status == 404 {
                        let mut refused = learned.no_mount_from.lock().unwrap_or_else(PoisonError::into_inner);
                        refused.insert(neighbour.to_owned());
                    } else {
                        learned.no_mount.store(true, Relaxed);
                    }
                }
                // A token service may refuse two scopes at once (GitLab: estesp/manifest-tool#53).
                Err(Cause::Token { .. }) if from.is_some() => learned.no_mount.store(true, Relaxed),
                Err(cause) => return Err(cause),
            }
        }
        // The question whether it is there was not answered.
        if !learned.mount_is_silent(None) && is_there().await {
            return Ok(Opened::Linked);
        }
        self.open_upload().await.map(Opened::Session)
    }

    /// Opens an ordinary upload.
    async fn open_upload(&self) -> Result<Session, Cause> {
        let call = Request::new(Method::POST, self.url("blobs/uploads/"), Scopes::push(&self.name), "blob upload");
        self.session(&self.send(&call).await?)
    }

    /// Asks how much of an upload the registry has (distribution-spec, "Pushing a blob in chunks", resuming); none where
    /// it knows nothing of it any more, or does not say.
    async fn held(&self, session: &Session, descriptor: &Descriptor) -> Result<Option<Session>, Cause> {
        let mut call = Request::new(Method::GET, session.url.clone(), Scopes::push(&self.name), "blob upload");
        call.follows = false;
        let response = match self.send(&call).await {
            Ok(response) => response,
            Err(Cause::Refused(refusal)) if refusal.status < 500 => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let Some(held) = held(response.headers()).filter(|held| *held <= descriptor.size) else { return Ok(None) };
        let url = match self.session(&response) {
            Ok(renewed) => renewed.url,
            Err(_) => session.url.clone(),
        };
        Ok(Some(Session { url, held }))
    }

    /// `POST ?mount=&from=`: 201 when it is linked, 202 when the registry opened an ordinary upload instead, whose
    /// `Location` is that upload (distribution-spec, "Mounting a blob from another repository").
    ///
    /// `from` may be this repository itself: then 201 says that the blob is here, in the request that is needed anyway.
    async fn mount(&self, descriptor: &Descriptor, from: &str) -> Result<Opened, Cause> {
        let mut url = self.url("blobs/uploads/");
        url.query_pairs_mut().append_pair("mount", descriptor.digest.as_str()).append_pair("from", from);
        let scopes = Scopes::push(&self.name);
        let scopes = if *from == *self.name { scopes } else { scopes.and_pull(from) };
        let response = self.send(&Request::new(Method::POST, url, scopes, "blob upload")).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Opened::Linked);
        }
        self.session(&response).map(Opened::Session)
    }

    /// The session, with nothing in it, that an answer names: absolute, relative, with a query, without a leading slash.
    fn session(&self, response: &Response) -> Result<Session, Cause> {
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .ok_or(Cause::Protocol(Violation::UploadWithoutLocation))?;
        let mut url = response.url().join(location).map_err(|_| Cause::Protocol(Violation::UploadLocationInvalid))?;
        // A registry behind a TLS proxy that it does not know of names itself with http.
        let home = response.url();
        if url.scheme() == "http" && home.scheme() == "https" && url.host() == home.host() {
            // Both schemes are special ones, for which this cannot fail.
            let _ = url.set_scheme("https");
        }
        self.check_elsewhere(&url, Lead::Upload)?;
        Ok(Session { url, held: 0 })
    }

    fn form(&self, size: u64) -> UploadMethod {
        let learned = &self.host.learned;
        if learned.pieces_only.load(Relaxed) {
            UploadMethod::Pieces
        } else if size < learned.single_put_below.load(Relaxed) {
            UploadMethod::Put
        } else {
            UploadMethod::Patch
        }
    }

    /// Sends what `session` has not got, and closes it.
    async fn fill(
        &self,
        session: &mut Session,
        form: UploadMethod,
        descriptor: &Descriptor,
        reading: &mut Reading<'_>,
        moved: &Arc<AtomicU64>,
        patience: &mut RetryBudget,
    ) -> Result<(), Broken> {
        if session.held < descriptor.size || descriptor.size == 0 {
            // The caller has the place to write; to read comes second: the order that keeps a copy within one registry
            // from waiting for itself. Read from its first byte, because all of it is hashed.
            let stream = blob::after(reading.open().await.map_err(Broken::Source)?, session.held);
            let rest = descriptor.size - session.held;
            match form {
                UploadMethod::Put => {
                    let url = with_digest(session.url.clone(), descriptor);
                    self.send_body(Method::PUT, &url, stream, rest, moved).await?;
                    return Ok(());
                }
                UploadMethod::Patch => {
                    let response = self.send_body(Method::PATCH, &session.url, stream, rest, moved).await?;
                    *session = Session { held: descriptor.size, ..self.session(&response)? };
                }
                UploadMethod::Pieces => self.send_pieces(session, descriptor, stream, moved, patience).await?,
            }
        }
        self.commit(&session.url, descriptor).await
    }

    /// One request whose body is all of `stream`, `length` bytes.
    async fn send_body(
        &self,
        method: Method,
        url: &Url,
        stream: BlobStream,
        length: u64,
        moved: &Arc<AtomicU64>,
    ) -> Result<Response, Broken> {
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let starving: Arc<AtomicBool> = Arc::default();
        let body = {
            let (failure, starving) = (Arc::clone(&failure), Arc::clone(&starving));
            let (moved, meter) = (Arc::clone(moved), Arc::clone(&self.meter));
            let mut stream = stream;
            futures_util::stream::poll_fn(move |context| {
                let polled = stream.poll_next_unpin(context);
                starving.store(polled.is_pending(), Relaxed);
                polled.map(|piece| {
                    Some(match piece? {
                        Ok(piece) => {
                            moved.fetch_add(piece.len() as u64, Relaxed);
                            meter.written(piece.len());
                            Ok(piece)
                        }
                        Err(error) => {
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            Err(std::io::Error::other("the source failed"))
                        }
                    })
                })
            })
        };
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        // An empty stream with a length of 0 is sent as no body at all by some HTTP libraries' rules; say it plainly.
        let body = if length == 0 { Body::from(Bytes::new()) } else { Body::wrap_stream(body) };
        let request = self.request(method, url, Pool::Blob, authorization.as_ref())?.headers(headers).body(body);
        let result = self.watched(request, moved.load(Relaxed) + length, moved, &starving).await;
        if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Broken::Source(error));
        }
        let response = result?;
        if !response.status().is_success() {
            return Err(self.refused_body(response, authorization.as_ref()).await.into());
        }
        Ok(response)
    }

    /// Sends `request` and watches that its body moves: a limit on the whole would cut large blobs off. While the source
    /// is what is waited for (`starving`), its own patience counts, not the target's.
    async fn watched(
        &self,
        request: reqwest::RequestBuilder,
        size: u64,
        moved: &AtomicU64,
        starving: &AtomicBool,
    ) -> Result<Response, Cause> {
        let sending = exchange::send(request);
        tokio::pin!(sending);
        let mut seen = moved.load(Relaxed);
        loop {
            let limit = if seen >= size { self.commit_limit() } else { self.limits.stall * 2 };
            tokio::select! {
                result = &mut sending => return result.map_err(|error| classify(&error)),
                () = tokio::time::sleep(limit) => {
                    let now = moved.load(Relaxed);
                    if now == seen && !starving.load(Relaxed) {
                        let detail = format!("nothing moved for {} s", limit.as_secs());
                        return Err(Cause::Connection { kind: ConnectionFailure::Stalled, detail });
                    }
                    seen = now;
                }
            }
        }
    }

    /// `PATCH`es of at most [`PIECE`] bytes, each with its `Content-Range`. One that breaks is kept and goes on where the
    /// registry has it.
    async fn send_pieces(
        &self,
        session: &mut Session,
        descriptor: &Descriptor,
        mut stream: BlobStream,
        moved: &Arc<AtomicU64>,
        patience: &mut RetryBudget,
    ) -> Result<(), Broken> {
        let mut buffer = BytesMut::new();
        loop {
            let piece = stream.next().await.transpose().map_err(Broken::Source)?;
            let last = piece.is_none();
            if let Some(piece) = piece {
                buffer.extend_from_slice(&piece);
            }
            while buffer.len() >= PIECE || (last && !buffer.is_empty()) {
                let mut part = buffer.split_to(PIECE.min(buffer.len())).freeze();
                while !part.is_empty() {
                    let from = session.held;
                    match self.send_piece(session, &part).await {
                        Ok(renewed) => *session = renewed,
                        Err(cause) => {
                            self.pause(patience, cause, "blob upload").await?;
                            let known = self.held(session, descriptor).await?;
                            let until = from + part.len() as u64;
                            *session = known.filter(|known| (from..=until).contains(&known.held)).ok_or_else(lost)?;
                        }
                    }
                    let taken = session.held - from;
                    // At most the part's length.
                    let _ = part.split_to(usize::try_from(taken).unwrap_or(part.len()));
                    moved.fetch_add(taken, Relaxed);
                    self.meter.written(usize::try_from(taken).unwrap_or(usize::MAX));
                    if taken > 0 {
                        patience.progress();
                    }
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    async fn send_piece(&self, session: &Session, part: &Bytes) -> Result<Session, Cause> {
        let length = part.len() as u64;
        let held = session.held + length;
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        // Without `bytes `: the specification's form for uploads ("Pushing a blob in chunks").
        if let Ok(range) = HeaderValue::from_str(&format!("{}-{}", session.held, held - 1)) {
            headers.insert(CONTENT_RANGE, range);
        }
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        let request = self
            .request(Method::PATCH, &session.url, Pool::Blob, authorization.as_ref())?
            .headers(headers)
            .body(part.clone());
        let response = answer(request, self.commit_limit()).await?;
        if response.status().is_success() {
            return Ok(Session { held, ..self.session(&response)? });
        }
        Err(match self.refused_body(response, authorization.as_ref()).await {
            // It has another part than we think: it is asked which.
            Cause::Refused(refusal) if refusal.status == 416 => broken(&refusal),
            cause => restartable(cause),
        })
    }

    /// The PUT that closes a session.
    async fn commit(&self, session: &Url, descriptor: &Descriptor) -> Result<(), Broken> {
        let url = with_digest(session.clone(), descriptor);
        for renewed in [false, true] {
            let authorization = self.authorization(&Scopes::push(&self.name)).await?;
            let request = self
                .request(Method::PUT, &url, Pool::Blob, authorization.as_ref())?
                .headers(body_headers(0))
                .body(Bytes::new());
            let response = answer(request, self.commit_limit()).await?;
            if response.status().is_success() {
                return Ok(());
            }
            // All bytes are there: an expired token costs a new token, not a new upload.
            if renewed || !self.expired(&response, authorization.as_ref()).await {
                return Err(self.refused(response, authorization.as_ref()).await.into());
            }
        }
        Ok(())
    }

    /// How long the registry may take to answer a finished body: nothing moves meanwhile.
    fn commit_limit(&self) -> Duration {
        COMMIT.min(self.limits.patience)
    }

    /// What the registry said to a request whose body was sent, or a part of it. Where the token ran out under it, the next
    /// attempt has a new one.
    async fn refused_body(&self, response: Response, sent: Option<&HeaderValue>) -> Cause {
        self.expired(&response, sent).await;
        self.refused(response, sent).await
    }

    /// Whether the registry wants another token than was sent, and there may be one.
    async fn expired(&self, response: &Response, sent: Option<&HeaderValue>) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && self.is_home(response.url())
            && self.host.learn(response.headers(), sent, &Scopes::push(&self.name)).await
    }
}

/// What `asking` says, and the blob that was opened meanwhile, where it says that it is needed.
async fn beside(
    asking: impl Future<Output = Result<Opened, Cause>>,
    opening: Option<BoxFuture<'_, Result<BlobStream, Error>>>,
) -> (Result<Opened, Cause>, Option<BlobStream>) {
    let Some(opening) = opening else { return (asking.await, None) };
    match select(Box::pin(asking), opening).await {
        Either::Left((Ok(Opened::Session(session)), opening)) => (Ok(Opened::Session(session)), opening.await.ok()),
        Either::Left((asked, _)) => (asked, None),
        // One that failed is opened again in its turn, with all the patience there is.
        Either::Right((opened, asking)) => (asking.await, opened.ok()),
    }
}

fn body_headers(length: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

fn with_digest(mut session: Url, descriptor: &Descriptor) -> Url {
    session.query_pairs_mut().append_pair("digest", descriptor.digest.as_str());
    session
}

/// How many bytes of an upload a registry has: `Range: 0-499`, or `bytes=0-499`.
///
/// `0-0` is said of one byte and of none (distribution): it counts as none.
fn held(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let last: u64 = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}

/// A session that is lost, or a token that ran out under a body, is no refusal of the blob: it can be sent again.
fn restartable(cause: Cause) -> Cause {
    match cause {
        Cause::Refused(refusal)
            if refusal.status == 401
                || (refusal.status == 404
                    && matches!(
                        refusal.code.as_deref(),
                        None | Some("BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID")
                    )) =>
        {
            broken(&refusal)
        }
        other => other,
    }
}

fn broken(refusal: &ErrorResponse) -> Cause {
    Cause::Connection { kind: ConnectionFailure::Broken, detail: refusal.to_string() }
}

fn lost() -> Broken {
    Broken::Target(Cause::Connection {
        kind: ConnectionFailure::Broken,
        detail: "the registry knows nothing of the upload any more".to_owned(),
    })
}
