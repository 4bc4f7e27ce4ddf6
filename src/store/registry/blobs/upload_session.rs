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

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::Method;

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::http::clients::Pool;
use crate::http::retry::{Retry, classify};
use crate::oci::manifest::Descriptor;
use crate::store::blob::{self, BlobSource, BlobStream};
use crate::store::content::TagOrDigest;
use crate::store::registry::blobs::upload_requests::{Flow, Session, UploadError, lost, restartable, with_digest};
use crate::store::registry::concurrency::Permit;
use crate::store::registry::connections::RequestClass;
use crate::store::registry::health::Work;
use crate::store::registry::learned::{Refusal, UploadMethod};
use crate::store::registry::memory::{Room, SMALL_BYTES};
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::HOPS;

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
    /// A small blob, read whole before a permit to send it is asked for, and its room in memory: no source, however slow,
    /// keeps a target's permit.
    whole: Option<(Bytes, Room)>,
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
            budget: RetryBudget::of(&repository.limits, Work::Upload),
            whole: None,
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

    pub(super) fn failed(&self, action: Action, cause: Cause) -> Error {
        let object = self.repository.object(TagOrDigest::Digest(&self.descriptor.digest));
        self.repository.error(action, object, cause)
    }

    /// Sends the blob into `session`, or into others where that fails.
    pub(super) async fn run(mut self, session: Session, permit: Option<Permit>) -> Result<(), Error> {
        let (mut next, mut permit) = (Some(session), permit);
        loop {
            let mut session = match next.take() {
                Some(session) => session,
                None => self.repository.open_upload().await.map_err(|cause| self.failed(Action::PostUpload, cause))?,
            };
            if let Err(error) = self.read_whole().await {
                self.read_again(error)?;
                next = Some(session);
                continue;
            }
            let held = match permit.take() {
                Some(permit) => permit,
                None => self.acquire().await,
            };
            if let Some(cause) = self.repository.host.given_up(Work::Upload) {
                return Err(self.failed(Action::PutBlob, cause));
            }
            let is_resumed = session.offset > 0;
            let flow = Arc::new(Flow::new(session.offset, Arc::clone(held.place())));
            // A small blob shares the connection that stands, where that carries it and has not failed it.
            let may_share = self.is_small() && self.budget.attempts() == 0;
            let shares = if may_share { self.repository.host.memory.going(self.descriptor.size) } else { None };
            let pool = if shares.is_some() { Pool::Small } else { Pool::Blob };
            let streamed = self.stream(&mut session, &flow, pool).await;
            drop(shares);
            self.budget.exclude_wait(flow.take_waited());
            // Given back before anything is asked again: the next POST wants a permit of the same class.
            drop(held);
            match streamed {
                Ok(()) => {
                    self.repository.host.concurrency.on_success(self.class());
                    self.repository.host.health.good(Work::Upload);
                    self.repository.host.observed.takes(self.method, self.descriptor.size);
                    return Ok(());
                }
                Err(UploadError::Redirected(url)) => {
                    self.hops += 1;
                    if self.hops > HOPS {
                        let cause = Cause::Protocol(Violation::TooManyRedirects { limit: HOPS });
                        return Err(self.failed(Action::PutBlob, cause));
                    }
                    next = Some(Session { url, ..session });
                }
                Err(UploadError::Source(error)) => self.read_again(error)?,
                Err(UploadError::Target(cause)) => match self.recover(cause, &session, is_resumed, &flow).await? {
                    Next::Done => return Ok(()),
                    Next::Anew => {}
                    Next::Resume(session) => next = Some(session),
                },
            }
        }
    }

    /// Reads a small blob to its end, where there is room for it.
    async fn read_whole(&mut self) -> Result<(), Error> {
        if self.whole.is_some() || !self.is_small() {
            return Ok(());
        }
        let Some(room) = self.repository.host.memory.small_blob(self.descriptor.size) else { return Ok(()) };
        let mut stream = self.opener.open().await?;
        // Each piece is let go once it is copied: those of a stream hold the buffers that they were read into.
        let mut whole = BytesMut::with_capacity(usize::try_from(self.descriptor.size).unwrap_or_default());
        while let Some(piece) = stream.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        self.whole = Some((whole.freeze(), room));
        Ok(())
    }

    /// The blob's bytes from the first: all of it is hashed.
    async fn open(&mut self, flow: &Flow) -> Result<BlobStream, Error> {
        if let Some((bytes, _)) = &self.whole {
            let bytes = bytes.clone();
            return Ok(futures_util::stream::once(async { Ok(bytes) }).boxed());
        }
        flow.starves();
        let opened = self.opener.open().await;
        flow.is_fed(0);
        opened
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

    /// What to do after the target failed at a session into which `flow` went.
    async fn recover(&mut self, cause: Cause, session: &Session, is_resumed: bool, flow: &Flow) -> Result<Next, Error> {
        let moved = flow.bytes();
        if let Some(method) = self.next_method(&cause).filter(|_| !is_resumed) {
            (self.method, self.doubtful) = (method, 0);
            return Ok(Next::Anew);
        }
        if moved > self.farthest {
            self.farthest = moved;
            // Then, and not now: what the connection took at first and the registry never read is no progress.
            self.budget.progress_at(flow.moved());
        }
        // What the registry made of the parts is not what the blob is (docker-registry 2.8 takes a part that leaves a
        // gap): once more, whole.
        if is_resumed && matches!(&cause, Cause::Refused(refusal) if matches!(refusal.status, 400 | 416)) {
            self.may_resume = false;
            return Ok(Next::Anew);
        }
        let paused = self.repository.pause(&mut self.budget, restartable(cause), "blob upload").await;
        paused.map_err(|cause| self.failed(Action::PutBlob, cause))?;
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
            .map_err(|cause| self.failed(Action::GetUpload, cause))?;
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

    /// Sends what `session` has not got, and closes it.
    async fn stream(&mut self, session: &mut Session, flow: &Arc<Flow>, pool: Pool) -> Result<(), UploadError> {
        let size = self.descriptor.size;
        if session.offset < size || size == 0 {
            let stream = self.open(flow).await.map_err(UploadError::Source)?;
            let stream = blob::after(stream, session.offset);
            let rest = size - session.offset;
            match self.method {
                UploadMethod::Monolithic => {
                    let url = with_digest(session.url.clone(), self.descriptor);
                    self.repository.send_body(Method::PUT, (&url, pool), stream, rest, flow).await?;
                    return Ok(());
                }
                UploadMethod::Streamed => {
                    let at = (&session.url, pool);
                    let response = self.repository.send_body(Method::PATCH, at, stream, rest, flow).await?;
                    *session = self.repository.renewed(session, size, &response)?;
                }
                UploadMethod::Chunked => self.send_chunks(session, stream, flow).await?,
            }
        }
        self.repository.commit((&session.url, pool), self.descriptor).await
    }

    /// `PATCH`es of the session's size of chunks, each with its `Content-Range`. Where one is taken in part, what is left of
    /// it goes with what follows: no chunk but the last is smaller.
    async fn send_chunks(
        &mut self,
        session: &mut Session,
        mut stream: BlobStream,
        flow: &Flow,
    ) -> Result<(), UploadError> {
        let mut buffer = BytesMut::new();
        loop {
            flow.starves();
            let piece = stream.next().await.transpose();
            flow.is_fed(piece.as_ref().map_or(0, |piece| piece.as_ref().map_or(0, Bytes::len)));
            let piece = piece.map_err(UploadError::Source)?;
            let last = piece.is_none();
            if let Some(piece) = piece {
                buffer.extend_from_slice(&piece);
            }
            while buffer.len() >= session.chunk_bytes || (last && !buffer.is_empty()) {
                let mut chunk = buffer.split_to(session.chunk_bytes.min(buffer.len())).freeze();
                let taken = self.send_part_of_chunk(session, &chunk, flow).await?;
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
        flow: &Flow,
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
        flow.moves(taken);
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
            let (call, attempt) = (self.repository.offset_call(session), self.budget.attempts() + 1);
            match self.repository.send_once(&call, attempt).await {
                Err(cause) if classify(&cause) != Retry::Never => {
                    self.repository.pause(&mut self.budget, cause, "blob upload").await?;
                }
                answered => return self.repository.offset_in(answered, session, self.descriptor),
            }
        }
    }
}
