//! One upload of a blob: its bytes, and going on where it broke.
//!
//! Owns the methods of an upload, and resuming one as far as the registry still knows of it. Never completes an upload
//! whose bytes are not those of the digest (`blob::checked` holds the last piece back).
//!
//! The first method that works is kept for the host:
//!
//! | method | requests | where |
//! |---|---|---|
//! | monolithic | POST, PUT | everywhere |
//! | streamed | POST, PATCH, PUT | large blobs on GHCR and Docker Hub; what refuses the first |
//! | chunked | POST, PATCH …, PUT | what refuses both |

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Body, Method, Response, StatusCode};
use url::Url;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::error::violation::{Lead, Violation};
use crate::http::clients::Pool;
use crate::http::exchange::{self, answer};
use crate::http::failure::classify;
use crate::oci::manifest::Descriptor;
use crate::store::blob::{self, BlobSource, BlobStream};
use crate::store::content::TagOrDigest;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::concurrency::{Permit, RequestClass};
use crate::store::registry::learned::{Refusal, UploadMethod};
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::{self, Retry, RetryBudget};
use crate::store::registry::send::{HOPS, Request, location};
use crate::sync::LockExt as _;

/// Blobs up to this size in bytes count as small requests: they are over before a large one has begun.
pub(super) const SMALL_BYTES: u64 = 1024 * 1024;

/// How long the answer to a finished body may take: registries verify and move large blobs before they answer
/// (moby/moby#53700).
const COMMIT_TIMEOUT: Duration = Duration::from_secs(300);

/// The size of a chunk: below GHCR's limit of 4 MiB for a PATCH with `Content-Range` (oras-project/rust-oci-client#35).
const CHUNK_BYTES: usize = 3 * 1024 * 1024;

/// The smallest chunk that a registry takes, but for the last (distribution-spec, "Pushing a blob in chunks").
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// The most that a registry's wish makes a chunk: each is kept in memory, and sixteen are under way.
const LARGEST_CHUNK_BYTES: usize = 32 * 1024 * 1024;

/// An upload that the registry keeps open.
pub(super) struct Session {
    /// Where the rest of the blob goes.
    url: Url,
    /// Bytes of the blob that the registry has.
    offset: u64,
    /// How large each chunk is, but for the last.
    chunk_bytes: usize,
}

/// Opens a blob at its source; the first time it may be open already.
pub(super) struct BlobOpener<'a> {
    pub(super) source: &'a dyn BlobSource,
    pub(super) opened: Option<BlobStream>,
}

impl BlobOpener<'_> {
    async fn open(&mut self) -> Result<BlobStream, Error> {
        match self.opened.take() {
            Some(opened) => Ok(opened),
            None => self.source.open().await,
        }
    }
}

/// Why a session was not completed.
enum UploadError {
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

/// What follows an attempt that failed.
enum Next {
    /// Nothing: only the answer was lost, the blob is there.
    Done,
    /// A new session, from the first byte.
    Anew,
    /// The same session, from its offset.
    Resume(Session),
}

/// One blob on its way to a repository, over as many sessions as it takes.
pub(super) struct BlobUpload<'a> {
    repository: &'a Repository,
    descriptor: &'a Descriptor,
    pub(super) opener: BlobOpener<'a>,
    method: UploadMethod,
    budget: RetryBudget,
    /// The most bytes that one session has taken: more is progress.
    farthest: u64,
    /// Bytes came wrong once, and were asked for again.
    had_wrong_bytes: bool,
    may_resume: bool,
    /// Redirects that were followed.
    hops: usize,
    /// How often this method has ended in a way that a busy registry ends in, too.
    doubtful: u32,
}

impl<'a> BlobUpload<'a> {
    /// Nothing is asked yet.
    pub(super) fn new(repository: &'a Repository, descriptor: &'a Descriptor, source: &'a dyn BlobSource) -> Self {
        Self {
            method: repository.upload_method(descriptor.size),
            budget: RetryBudget::new(&repository.limits),
            repository,
            descriptor,
            opener: BlobOpener { source, opened: None },
            farthest: 0,
            had_wrong_bytes: false,
            may_resume: true,
            hops: 0,
            doubtful: 0,
        }
    }

    /// Whether it counts as a small request.
    pub(super) fn is_small(&self) -> bool {
        self.descriptor.size <= SMALL_BYTES
    }

    fn class(&self) -> RequestClass {
        if self.is_small() { RequestClass::Small } else { RequestClass::Write }
    }

    /// Waits until its bytes may be sent.
    pub(super) async fn acquire(&mut self) -> Permit {
        let class = self.class();
        self.repository.acquire(class, &mut self.budget).await
    }

    pub(super) fn failed(&self, action: &'static str, cause: Cause) -> Error {
        let object = self.repository.object(TagOrDigest::Digest(&self.descriptor.digest));
        self.repository.error(action, object, cause)
    }

    /// Sends the blob into `session`, or into others where that fails.
    pub(super) async fn run(mut self, session: Session, permit: Option<Permit>) -> Result<(), Error> {
        let (mut next, mut permit) = (Some(session), permit);
        loop {
            let mut session = match next.take() {
                Some(session) => session,
                None => self.repository.open_upload().await.map_err(|cause| self.failed("POST upload", cause))?,
            };
            let held = match permit.take() {
                Some(permit) => permit,
                None => self.acquire().await,
            };
            let is_resumed = session.offset > 0;
            let moved = Arc::new(AtomicU64::new(session.offset));
            let streamed = self.stream(&mut session, &moved).await;
            // Given back before anything is asked again: the next POST wants a permit of the same class.
            drop(held);
            match streamed {
                Ok(()) => {
                    self.repository.host.concurrency.on_success(self.class());
                    self.repository.host.observed.takes(self.method, self.descriptor.size);
                    return Ok(());
                }
                Err(UploadError::Redirected(url)) => {
                    self.hops += 1;
                    if self.hops > HOPS {
                        let cause = Cause::Protocol(Violation::TooManyRedirects { limit: HOPS });
                        return Err(self.failed("PUT blob", cause));
                    }
                    next = Some(Session { url, ..session });
                }
                Err(UploadError::Source(error)) => self.read_again(error)?,
                Err(UploadError::Target(cause)) => {
                    match self.recover(cause, &session, is_resumed, moved.load(Relaxed)).await? {
                        Next::Done => return Ok(()),
                        Next::Anew => {}
                        Next::Resume(session) => next = Some(session),
                    }
                }
            }
        }
    }

    /// Whether the blob is read once more, whole, after its source failed.
    fn read_again(&mut self, error: Error) -> Result<(), Error> {
        // A mirror failed in the middle: its bytes are not trusted, the next one is read.
        if self.opener.source.has_another() {
            return Ok(());
        }
        // Bytes spliced from two connections may be wrong where each alone was right.
        if matches!(error, Error::DigestMismatch { .. }) && !self.had_wrong_bytes {
            self.had_wrong_bytes = true;
            return Ok(());
        }
        Err(error)
    }

    /// What to do after the target failed at a session that had taken the first `moved` bytes.
    async fn recover(&mut self, cause: Cause, session: &Session, is_resumed: bool, moved: u64) -> Result<Next, Error> {
        if let Some(method) = self.next_method(&cause).filter(|_| !is_resumed) {
            (self.method, self.doubtful) = (method, 0);
            return Ok(Next::Anew);
        }
        if moved > self.farthest {
            self.farthest = moved;
            self.budget.progress();
        }
        // What the registry made of the parts is not what the blob is (docker-registry 2.8 takes a part that leaves a
        // gap): once more, whole.
        if is_resumed && matches!(&cause, Cause::Refused(refusal) if matches!(refusal.status, 400 | 416)) {
            self.may_resume = false;
            return Ok(Next::Anew);
        }
        let paused = self.repository.pause(&mut self.budget, restartable(cause), "blob upload").await;
        paused.map_err(|cause| self.failed("PUT blob", cause))?;
        // Only the answer may be what was lost.
        if moved >= self.descriptor.size
            && self.repository.head_blob(self.descriptor).await.is_ok_and(|size| size.is_some())
        {
            return Ok(Next::Done);
        }
        if !self.may_resume || moved == 0 {
            return Ok(Next::Anew);
        }
        let resumed = self
            .repository
            .resume_offset(session, self.descriptor)
            .await
            .map_err(|cause| self.failed("GET upload", cause))?;
        Ok(resumed.map_or(Next::Anew, Next::Resume))
    }

    /// The method to try after a refusal. What may be a passing fault is a refusal of the method the second time.
    fn next_method(&mut self, cause: &Cause) -> Option<UploadMethod> {
        let refusal = cause.refusal()?;
        match Refusal::of(refusal) {
            Refusal::Other => None,
            Refusal::OfMethod => self.method.next(),
            Refusal::Doubtful => {
                self.doubtful += 1;
                self.method.next().filter(|_| self.doubtful > 1)
            }
        }
    }

    /// Sends what `session` has not got, and closes it. `moved` counts the bytes that it has.
    async fn stream(&mut self, session: &mut Session, moved: &Arc<AtomicU64>) -> Result<(), UploadError> {
        let size = self.descriptor.size;
        if session.offset < size || size == 0 {
            // Lock order: the permit to write is held, the permit to read comes second. The blob is read from its first
            // byte, because all of it is hashed.
            let stream = self.opener.open().await.map_err(UploadError::Source)?;
            let stream = blob::after(stream, session.offset);
            let rest = size - session.offset;
            match self.method {
                UploadMethod::Monolithic => {
                    let url = with_digest(session.url.clone(), self.descriptor);
                    self.repository.send_body(Method::PUT, &url, stream, rest, moved).await?;
                    return Ok(());
                }
                UploadMethod::Streamed => {
                    let response = self.repository.send_body(Method::PATCH, &session.url, stream, rest, moved).await?;
                    *session = self.repository.renewed(session, size, &response)?;
                }
                UploadMethod::Chunked => self.send_chunks(session, stream, moved).await?,
            }
        }
        self.repository.commit(&session.url, self.descriptor).await
    }

    /// `PATCH`es of the session's size of chunks, each with its `Content-Range`. Where one is taken in part, what is left of
    /// it goes with what follows: no chunk but the last is smaller.
    async fn send_chunks(
        &mut self,
        session: &mut Session,
        mut stream: BlobStream,
        moved: &AtomicU64,
    ) -> Result<(), UploadError> {
        let mut buffer = BytesMut::new();
        loop {
            let piece = stream.next().await.transpose().map_err(UploadError::Source)?;
            let last = piece.is_none();
            if let Some(piece) = piece {
                buffer.extend_from_slice(&piece);
            }
            while buffer.len() >= session.chunk_bytes || (last && !buffer.is_empty()) {
                let mut chunk = buffer.split_to(session.chunk_bytes.min(buffer.len())).freeze();
                let taken = self.send_part_of_chunk(session, &chunk, moved).await?;
                // At most the chunk's length.
                let _ = chunk.split_to(taken);
                if !chunk.is_empty() {
                    let rest = std::mem::take(&mut buffer);
                    buffer = BytesMut::from(&chunk[..]);
                    buffer.unsplit(rest);
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Sends `chunk`; where that breaks, asks how much of it the registry has. How many bytes of it that is.
    async fn send_part_of_chunk(
        &mut self,
        session: &mut Session,
        chunk: &Bytes,
        moved: &AtomicU64,
    ) -> Result<usize, UploadError> {
        let from = session.offset;
        match self.repository.send_chunk(session, chunk).await {
            Ok(renewed) => *session = renewed,
            Err(cause) => {
                self.repository.pause(&mut self.budget, cause, "blob upload").await?;
                let known = self.offset_in_place(session).await?;
                let until = from + chunk.len() as u64;
                *session = known.filter(|known| (from..=until).contains(&known.offset)).ok_or_else(lost)?;
            }
        }
        let taken = usize::try_from(session.offset - from).unwrap_or(chunk.len()).min(chunk.len());
        moved.fetch_add(taken as u64, Relaxed);
        self.repository.meter.written(taken);
        if taken > 0 {
            self.budget.progress();
        }
        Ok(taken)
    }

    /// How much of the upload the registry has, asked in the place that this upload holds. To wait for another would be to
    /// wait for uploads that wait for the same: where load was shed there may be one place for all.
    async fn offset_in_place(&mut self, session: &Session) -> Result<Option<Session>, Cause> {
        loop {
            match self.repository.send_once(&self.repository.offset_call(session)).await {
                Err(cause) if retry::classify(&cause) != Retry::Never => {
                    self.repository.pause(&mut self.budget, cause, "blob upload").await?;
                }
                answered => return self.repository.offset_in(answered, session, self.descriptor),
            }
        }
    }
}

impl Repository {
    /// Asks how much of an upload the registry has (distribution-spec, "Pushing a blob in chunks", resuming); none where
    /// it knows nothing of it any more, or does not say.
    async fn resume_offset(&self, session: &Session, descriptor: &Descriptor) -> Result<Option<Session>, Cause> {
        self.offset_in(self.send(&self.offset_call(session)).await, session, descriptor)
    }

    fn offset_call(&self, session: &Session) -> Request<'static> {
        let mut call = Request::new(Method::GET, session.url.clone(), Scopes::push(&self.name), "blob upload");
        call.follow_redirects = false;
        call
    }

    /// What an answer to [`Self::offset_call`] says.
    fn offset_in(
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
    fn renewed(&self, session: &Session, offset: u64, response: &Response) -> Result<Session, Cause> {
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
    fn upload_method(&self, size: u64) -> UploadMethod {
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
    async fn send_body(
        &self,
        method: Method,
        url: &Url,
        stream: BlobStream,
        length: u64,
        moved: &Arc<AtomicU64>,
    ) -> Result<Response, UploadError> {
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let is_starving: Arc<AtomicBool> = Arc::default();
        let body = self.counted_body(stream, moved, &failure, &is_starving);
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        // An empty stream with a length of 0 is sent as no body at all by some HTTP libraries' rules; say it plainly.
        let body = if length == 0 { Body::from(Bytes::new()) } else { body };
        let request = self.request(method, url, Pool::Blob, authorization.as_ref())?.headers(headers).body(body);
        let result = self.watched(request, moved.load(Relaxed) + length, moved, &is_starving).await;
        if let Some(error) = failure.locked().take() {
            return Err(UploadError::Source(error));
        }
        let response = result.map_err(|cause| self.blame(url, Lead::Upload, cause))?;
        if let Some(next) = self.next_write(&response)? {
            return Err(UploadError::Redirected(next));
        }
        if !response.status().is_success() {
            return Err(self.refused_body(response, authorization.as_ref()).await.into());
        }
        Ok(response)
    }

    /// `stream` as a body that counts what goes. Keeps the source's `failure`, which the HTTP library would hide, and
    /// whether the body `is_starving`: waiting for the source.
    fn counted_body(
        &self,
        mut stream: BlobStream,
        moved: &Arc<AtomicU64>,
        failure: &Arc<Mutex<Option<Error>>>,
        is_starving: &Arc<AtomicBool>,
    ) -> Body {
        let (failure, is_starving) = (Arc::clone(failure), Arc::clone(is_starving));
        let (moved, meter) = (Arc::clone(moved), Arc::clone(&self.meter));
        Body::wrap_stream(futures_util::stream::poll_fn(move |context| {
            let polled = stream.poll_next_unpin(context);
            is_starving.store(polled.is_pending(), Relaxed);
            polled.map(|piece| {
                Some(match piece? {
                    Ok(piece) => {
                        moved.fetch_add(piece.len() as u64, Relaxed);
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

    /// Sends `request` and watches that its body moves: a limit on the whole would cut large blobs off. While the source
    /// is what is waited for (`is_starving`), its own patience counts, not the target's.
    async fn watched(
        &self,
        request: reqwest::RequestBuilder,
        size: u64,
        moved: &AtomicU64,
        is_starving: &AtomicBool,
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
                    if now == seen && !is_starving.load(Relaxed) {
                        let detail = format!("nothing moved for {} s", limit.as_secs());
                        return Err(Cause::Connection { kind: ConnectionFailure::Stalled, detail });
                    }
                    seen = now;
                }
            }
        }
    }

    /// One `PATCH`; the session after it.
    async fn send_chunk(&self, session: &Session, chunk: &Bytes) -> Result<Session, Cause> {
        let length = chunk.len() as u64;
        let offset = session.offset + length;
        let mut headers = body_headers(length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        // Without `bytes `: the specification's form for uploads ("Pushing a blob in chunks").
        if let Ok(range) = HeaderValue::from_str(&format!("{}-{}", session.offset, offset - 1)) {
            headers.insert(CONTENT_RANGE, range);
        }
        let authorization = self.authorization(&Scopes::push(&self.name)).await?;
        let response = self.deliver(Method::PATCH, &session.url, &headers, chunk, authorization.as_ref()).await?;
        if response.status().is_success() {
            return self.renewed(session, offset, &response);
        }
        Err(match self.refused_body(response, authorization.as_ref()).await {
            // It has other bytes than were counted here: it is asked which.
            Cause::Refused(refusal) if refusal.status == 416 => Cause::Interrupted(refusal),
            cause => restartable(cause),
        })
    }

    /// Sends a body that is in memory, within this registry also to where a redirect leads.
    async fn deliver(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Bytes,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Cause> {
        let mut url = url.clone();
        for _ in 0..=HOPS {
            let request = self.request(method.clone(), &url, Pool::Blob, authorization)?;
            let request = request.headers(headers.clone()).body(body.clone());
            let answered = answer(request, self.commit_limit()).await;
            let response = answered.map_err(|cause| self.blame(&url, Lead::Upload, cause))?;
            match self.next_write(&response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(Cause::Protocol(Violation::TooManyRedirects { limit: HOPS }))
    }

    /// The PUT that closes a session.
    async fn commit(&self, session: &Url, descriptor: &Descriptor) -> Result<(), UploadError> {
        let url = with_digest(session.clone(), descriptor);
        for renewed in [false, true] {
            let authorization = self.authorization(&Scopes::push(&self.name)).await?;
            let nothing = Bytes::new();
            let response = self.deliver(Method::PUT, &url, &body_headers(0), &nothing, authorization.as_ref()).await?;
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
        COMMIT_TIMEOUT.min(self.limits.patience)
    }

    /// What the registry said to a request whose body was sent, or a part of it. Where the token ran out under it, the next
    /// attempt has a new one.
    async fn refused_body(&self, response: Response, sent: Option<&HeaderValue>) -> Cause {
        let expired = self.expired(&response, sent).await;
        match self.refused(response, sent).await {
            Cause::Refused(refusal) if expired => Cause::Interrupted(refusal),
            cause => cause,
        }
    }

    /// Whether the registry wants another token than was sent, and there may be one.
    async fn expired(&self, response: &Response, sent: Option<&HeaderValue>) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && self.is_home(response.url())
            && self.host.learn(response.headers(), sent, &Scopes::push(&self.name)).await
    }
}

fn body_headers(length: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

fn with_digest(mut session: Url, descriptor: &Descriptor) -> Url {
    // An address that a redirect led to has it already.
    if !session.query_pairs().any(|(name, _)| name == "digest") {
        session.query_pairs_mut().append_pair("digest", descriptor.digest.as_str());
    }
    session
}

/// How many bytes of an upload a registry has: `Range: 0-499`, or `bytes=0-499`.
///
/// `0-0` is said of one byte and of none (distribution): it counts as none.
fn offset_of(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let last: u64 = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}

/// A session that is lost is no refusal of the blob: it can be sent again.
fn restartable(cause: Cause) -> Cause {
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

fn lost() -> UploadError {
    UploadError::Target(Cause::Connection {
        kind: ConnectionFailure::Broken,
        detail: "the registry knows nothing of the upload any more".to_owned(),
    })
}
