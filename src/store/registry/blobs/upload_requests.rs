//! The requests of an upload session: its offset, a body, a chunk, the PUT that closes it.
//!
//! Owns what one request says and what its answer means. Never decides what follows a failure.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Body, Method, Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::error::violation::{Lead, Violation};
use crate::http::clients::Pool;
use crate::http::exchange;
use crate::http::failure::classify;
use crate::oci::manifest::Descriptor;
use crate::store::blob::BlobStream;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::concurrency::Place;
use crate::store::registry::health::Work;
use crate::store::registry::learned::UploadMethod;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::{HOPS, Request, location};
use crate::sync::LockExt as _;

/// How long the answer to a finished body may take: registries verify and move large blobs before they answer
/// (moby/moby#53700).
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(300);

/// More than a connection's buffers hold, here, at the other end and on the way.
const BUFFERED_BYTES: u64 = 64 * 1024 * 1024;

/// The size of a chunk: below GHCR's limit of 4 MiB for a PATCH with `Content-Range` (oras-project/rust-oci-client#35).
pub const CHUNK_BYTES: usize = 3 * 1024 * 1024;

/// The smallest chunk that a registry takes, but for the last (distribution-spec, "Pushing a blob in chunks").
pub const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// The most that a registry's wish makes a chunk: each is kept in memory, and six are under way.
pub const LARGEST_CHUNK_BYTES: usize = 32 * 1024 * 1024;

/// An upload that the registry keeps open.
pub struct Session {
    /// Where the rest of the blob goes.
    pub url: Url,
    /// Bytes of the blob that the registry has.
    pub offset: u64,
    /// How large each chunk is, but for the last.
    pub chunk_bytes: usize,
}

/// What an upload's body has done so far.
pub struct Flow {
    /// Bytes of the blob that were given to the connection, or that the registry had.
    bytes: AtomicU64,
    state: Mutex<FlowState>,
    /// The permit that it goes by.
    place: Arc<Place>,
}

struct FlowState {
    /// When bytes last went.
    moved: Instant,
    /// Whether the source is what is waited for.
    starves: bool,
}

impl Flow {
    /// Nothing has gone yet of what is to follow the first `bytes`.
    pub(super) fn new(bytes: u64, place: Arc<Place>) -> Self {
        let state = FlowState { moved: Instant::now(), starves: false };
        Self { bytes: AtomicU64::new(bytes), state: Mutex::new(state), place }
    }

    /// Bytes of the blob that the registry had, and those that went.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn moves(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.state.locked().moved = Instant::now();
    }

    /// When something last moved. While the source is what is waited for, its own patience counts, not the target's.
    pub(super) fn moved(&self) -> Instant {
        let mut state = self.state.locked();
        if state.starves {
            state.moved = Instant::now();
        }
        state.moved
    }

    /// The source is asked for more.
    pub(super) fn starves(&self) {
        self.state.locked().starves = true;
        self.place.waits();
    }

    /// It has answered: with so many bytes.
    pub(super) fn is_fed(&self, bytes: usize) {
        let mut state = self.state.locked();
        if std::mem::take(&mut state.starves) {
            state.moved = Instant::now();
        }
        self.place.moves(bytes);
    }

    /// How long the source was waited for since this was last asked.
    pub(super) fn take_waited(&self) -> Duration {
        self.place.take_waited()
    }
}

/// Why a session was not completed.
pub enum UploadError {
    /// The source failed; the target is not to blame.
    Source(Error),
    /// The target failed.
    Target(Cause),
    /// The target wants the same at another place of its own.
    Redirected(Url),
}

impl From<Cause> for UploadError {
    fn from(cause: Cause) -> Self {
        Self::Target(cause)
    }
}

impl Repository {
    /// Asks how much of an upload the registry has (distribution-spec, "Pushing a blob in chunks", resuming); none where
    /// it knows nothing of it any more, or does not say.
    pub async fn resume_offset(&self, session: &Session, descriptor: &Descriptor) -> Result<Option<Session>, Cause> {
        self.offset_in(self.send(&self.offset_call(session)).await, session, descriptor)
    }

    pub fn offset_call(&self, session: &Session) -> Request<'static> {
        let mut call = Request::new(Method::GET, session.url.clone(), Scopes::push(&self.name), "blob upload");
        call.follow_redirects = false;
        call
    }

    /// What an answer to [`Self::offset_call`] says.
    pub fn offset_in(
        &self,
        answered: Result<Response, Cause>,
        session: &Session,
        descriptor: &Descriptor,
    ) -> Result<Option<Session>, Cause> {
        let response = match answered {
            Ok(response) => response,
            Err(Cause::Refused(refusal)) if refusal.status < 500 => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let offset = offset_of(response.headers()).filter(|offset| *offset <= descriptor.size);
        let Some(offset) = offset else { return Ok(None) };
        let url = match self.session(&response) {
            Ok(renewed) => renewed.url,
            Err(_) => session.url.clone(),
        };
        Ok(Some(Session { url, offset, chunk_bytes: session.chunk_bytes }))
    }

    /// `session` after `response` to a body, when the registry has `offset` bytes. One that names no other place means the
    /// same.
    pub fn renewed(&self, session: &Session, offset: u64, response: &Response) -> Result<Session, Cause> {
        let url = match self.session(response) {
            Ok(renewed) => renewed.url,
            Err(Cause::Protocol(Violation::UploadWithoutLocation)) => session.url.clone(),
            Err(cause) => return Err(cause),
        };
        Ok(Session { url, offset, chunk_bytes: session.chunk_bytes })
    }

    /// The session, with nothing in it, that an answer names: absolute, relative, with a query, without a leading slash.
    pub(super) fn session(&self, response: &Response) -> Result<Session, Cause> {
        let location = location(response.headers()).ok_or(Cause::Protocol(Violation::UploadWithoutLocation))?;
        let mut url = response.url().join(&location).map_err(|_| Cause::Protocol(Violation::UploadLocationInvalid))?;
        // A registry behind a TLS proxy that it does not know of names itself with http.
        let home = response.url();
        if url.scheme() == "http" && home.scheme() == "https" && url.host() == home.host() {
            // Both schemes are special ones, for which this cannot fail.
            let _ = url.set_scheme("https");
        }
        self.check_elsewhere(&url, Lead::Upload)?;
        let least = response.headers().get(CHUNK_MIN_LENGTH).and_then(|least| least.to_str().ok()?.trim().parse().ok());
        let chunk_bytes = least.unwrap_or(0).clamp(CHUNK_BYTES, LARGEST_CHUNK_BYTES);
        Ok(Session { url, offset: 0, chunk_bytes })
    }

    /// The method for a blob of this size, as far as is known of the host.
    pub fn upload_method(&self, size: u64) -> UploadMethod {
        let observed = &self.host.observed;
        if observed.chunked_only.load(Relaxed) {
            UploadMethod::Chunked
        } else if size < observed.single_put_below.load(Relaxed) {
            UploadMethod::Monolithic
        } else {
            UploadMethod::Streamed
        }
    }

    /// One request whose body is all of `stream`, `length` bytes.
    pub async fn send_body(
        &self,
        method: Method,
        (url, pool): (&Url, Pool),
        stream: BlobStream,
        length: u64,
        flow: &Arc<Flow>,
    ) -> Result<Response, UploadError> {
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let end = flow.bytes() + length;
        let body = self.counted_body(stream, flow, &failure);
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        // An empty stream with a length of 0 is sent as no body at all by some HTTP libraries' rules; say it plainly.
        let body = if length == 0 { Body::from(Bytes::new()) } else { body };
        let request = self.request(method, url, pool, authorization.as_ref())?.headers(headers).body(body);
        let result = self.watched(request, end, flow).await;
        if let Some(error) = failure.locked().take() {
            return Err(UploadError::Source(error));
        }
        let response = result.map_err(|cause| self.blame(url, Lead::Upload, cause))?;
        self.heard_from(url);
        if let Some(next) = self.next_write(&response)? {
            return Err(UploadError::Redirected(next));
        }
        if !response.status().is_success() {
            return Err(self.refused_body(response, authorization.as_ref()).await.into());
        }
        Ok(response)
    }

    /// `stream` as a body that counts what goes. Keeps the source's `failure`, which the HTTP library would hide.
    fn counted_body(&self, mut stream: BlobStream, flow: &Arc<Flow>, failure: &Arc<Mutex<Option<Error>>>) -> Body {
        let (failure, flow, meter) = (Arc::clone(failure), Arc::clone(flow), Arc::clone(&self.meter));
        Body::wrap_stream(futures_util::stream::poll_fn(move |context| {
            let polled = stream.poll_next_unpin(context);
            match &polled {
                Poll::Pending => flow.starves(),
                Poll::Ready(Some(Ok(piece))) => flow.is_fed(piece.len()),
                Poll::Ready(_) => flow.is_fed(0),
            }
            polled.map(|piece| {
                Some(match piece? {
                    Ok(piece) => {
                        flow.moves(piece.len());
                        meter.written(piece.len());
                        Ok(piece)
                    }
                    Err(error) => {
                        *failure.locked() = Some(error);
                        Err(std::io::Error::other("the source failed"))
                    }
                })
            })
        }))
    }

    /// Sends `request` and watches that its body moves: a limit on the whole would cut large blobs off.
    async fn watched(&self, request: reqwest::RequestBuilder, size: u64, flow: &Flow) -> Result<Response, Cause> {
        let sending = exchange::send(request);
        let limit = || if flow.bytes() >= size { self.commit_limit(size) } else { self.limits.body() };
        match self.while_it_moves(sending, limit, || flow.moved()).await {
            Ok(result) => result.map_err(|error| classify(&error)),
            Err(limit) => {
                let detail = format!("nothing moved for {} s", limit.as_secs());
                Err(Cause::Connection { kind: ConnectionFailure::Stalled, detail })
            }
        }
    }

    /// What `work` gives, where no more than `limit` passes after it last moved, or after the registry took another blob:
    /// one that takes them in turn lets each wait for those before it. How long nothing moved, where more does. This ends,
    /// because there are only so many blobs.
    async fn while_it_moves<T>(
        &self,
        work: impl Future<Output = T>,
        limit: impl Fn() -> Duration,
        moved: impl Fn() -> Instant,
    ) -> Result<T, Duration> {
        let mut work = std::pin::pin!(work);
        let due = || moved().max(self.host.health.last_good(Work::Upload).unwrap_or_else(&moved)) + limit();
        loop {
            tokio::select! {
                given = &mut work => return Ok(given),
                () = tokio::time::sleep_until(due()) => {
                    if due() <= Instant::now() {
                        return Err(limit());
                    }
                }
            }
        }
    }

    /// One `PATCH`; the session after it.
    pub async fn send_chunk(&self, session: &Session, chunk: &Bytes) -> Result<Session, Cause> {
        let length = chunk.len() as u64;
        let offset = session.offset + length;
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        // Without `bytes `: the specification's form for uploads ("Pushing a blob in chunks").
        if let Ok(range) = HeaderValue::from_str(&format!("{}-{}", session.offset, offset - 1)) {
            headers.insert(CONTENT_RANGE, range);
        }
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        let response = self
            .deliver(Method::PATCH, (&session.url, Pool::Blob), &headers, (chunk, length), authorization.as_ref())
            .await?;
        if response.status().is_success() {
            return self.renewed(session, offset, &response);
        }
        Err(match self.refused_body(response, authorization.as_ref()).await {
            // It has other bytes than were counted here: it is asked which.
            Cause::Refused(refusal) if refusal.status == 416 => Cause::Interrupted(refusal),
            cause => restartable(cause),
        })
    }

    /// Sends a body that is in memory, of a `blob` of which the registry has so many bytes then, within this registry also to where a redirect leads.
    async fn deliver(
        &self,
        method: Method,
        (url, pool): (&Url, Pool),
        headers: &HeaderMap,
        (body, blob): (&Bytes, u64),
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Cause> {
        let mut url = url.clone();
        for _ in 0..=HOPS {
            let request = self.request(method.clone(), &url, pool, authorization)?;
            let request = request.headers(headers.clone()).body(body.clone());
            let began = Instant::now();
            let _unanswered = self.meter.ask(&self.host.name);
            let answered =
                match self.while_it_moves(exchange::send(request), || self.commit_limit(blob), || began).await {
                    Ok(answered) => answered.map_err(|error| classify(&error)),
                    Err(limit) => Err(Cause::Connection {
                        kind: ConnectionFailure::Timeout,
                        detail: format!("{} s", limit.as_secs()),
                    }),
                };
            let response = answered.map_err(|cause| self.blame(&url, Lead::Upload, cause))?;
            self.heard_from(&url);
            match self.next_write(&response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(Cause::Protocol(Violation::TooManyRedirects { limit: HOPS }))
    }

    /// The PUT that closes a session.
    pub async fn commit(&self, (session, pool): (&Url, Pool), descriptor: &Descriptor) -> Result<(), UploadError> {
        let url = with_digest(session.clone(), descriptor);
        for renewed in [false, true] {
            let authorization = self.authorization(&Scopes::push(&self.name)).await?;
            let nothing = (&Bytes::new(), descriptor.size);
            let response =
                self.deliver(Method::PUT, (&url, pool), &body_headers(0), nothing, authorization.as_ref()).await?;
            if response.status().is_success() {
                return Ok(());
            }
            // All bytes are there: an expired token costs a new token, not a new upload.
            if renewed || !self.expired(&response, authorization.as_ref()).await {
                return Err(Cause::Refused(self.refused(response, authorization.as_ref()).await).into());
            }
        }
        Ok(())
    }

    /// How long the registry may take to answer a body of so many bytes: nothing moves meanwhile. Of what the connection
    /// holds by itself it may have read nothing yet: that is tried once more in the same time.
    fn commit_limit(&self, bytes: u64) -> Duration {
        let patience = if bytes > BUFFERED_BYTES { self.limits.patience } else { self.limits.patience / 2 };
        COMMIT_TIMEOUT.min(patience)
    }

    /// What the registry said to a request whose body was sent, or a part of it. Where the token ran out under it, the next
    /// attempt has a new one.
    async fn refused_body(&self, response: Response, sent: Option<&HeaderValue>) -> Cause {
        let expired = self.expired(&response, sent).await;
        let refusal = self.refused(response, sent).await;
        if expired { Cause::Interrupted(refusal) } else { Cause::Refused(refusal) }
    }

    /// Whether the registry wants another token than was sent, and there may be one.
    async fn expired(&self, response: &Response, sent: Option<&HeaderValue>) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && self.is_home(response.url())
            && self.host.learn(response.headers(), sent, &Scopes::push(&self.name)).await
    }
}

pub fn body_headers(length: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

pub fn with_digest(mut session: Url, descriptor: &Descriptor) -> Url {
    // An address that a redirect led to has it already.
    if !session.query_pairs().any(|(name, _)| name == "digest") {
        session.query_pairs_mut().append_pair("digest", descriptor.digest.as_str());
    }
    session
}

/// How many bytes of an upload a registry has: `Range: 0-499`, or `bytes=0-499`.
///
/// `0-0` is said of one byte and of none (distribution): it counts as none.
pub fn offset_of(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let last: u64 = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}

/// A session that is lost is no refusal of the blob: it can be sent again.
pub fn restartable(cause: Cause) -> Cause {
    match cause {
        Cause::Refused(refusal)
            if refusal.status == 404
                && matches!(refusal.code.as_deref(), None | Some("BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID")) =>
        {
            Cause::Interrupted(refusal)
        }
        other => other,
    }
}

pub fn lost() -> UploadError {
    UploadError::Target(Cause::Connection {
        kind: ConnectionFailure::Broken,
        detail: "the registry knows nothing of the upload any more".to_owned(),
    })
}
