//! One range of a blob, read on after a break.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::error::violation::{Lead, Violation};
use crate::http::clients::Pool;
use crate::http::failure::classify;
use crate::oci::manifest::Descriptor;
use crate::store::content::TagOrDigest;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::concurrency::Permit;
use crate::store::registry::connections::RequestClass;
use crate::store::registry::health::Work;
use crate::store::registry::memory::{SMALL_BYTES, SharedRoom};
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::send::Request;

/// Bytes that count as progress: a server that gives a few at a time must not keep a run alive for ever.
pub const PROGRESS: u64 = 256 * 1024;

/// Blobs up to this size in bytes come over the connections of small requests where a registry has no TLS, and so no HTTP/2: a
/// larger one would leave its buffer to all that follow it there.
const LITTLE_BYTES: u64 = 64 * 1024;

/// A stretch of a blob, read over one connection after the other: it goes on where it broke.
pub struct RangeReader {
    pub repository: Repository,
    pub descriptor: Arc<Descriptor>,
    /// The next byte to be given.
    pub offset: u64,
    /// The byte after the last one to be given.
    pub end: u64,
    /// Bytes of the current answer that were given on before.
    pub skip: u64,
    /// Bytes given on since the budget was last full.
    pub since_progress: u64,
    /// The server's ranges cannot be trusted.
    pub no_range: bool,
    /// Part of a parallel read; fails if the server ignores `Range`.
    pub parallel: bool,
    /// The blob's address: the registry's, or one of its descriptor's urls.
    pub url: Url,
    /// Where that address redirected to.
    pub redirected_to: Option<Url>,
    /// The place for its first request, where it came with one.
    pub place: Option<Permit>,
    /// Its room among the small blobs that come over a shared connection, where it is one of them.
    pub shares: Option<SharedRoom>,
    pub answer: Option<(Response, Permit)>,
    pub budget: RetryBudget,
}

impl RangeReader {
    pub fn new(repository: &Repository, descriptor: Arc<Descriptor>, range: std::ops::Range<u64>) -> Self {
        Self {
            url: repository.url(&format!("blobs/{}", descriptor.digest)),
            redirected_to: None,
            budget: RetryBudget::of(&repository.limits, Work::Read),
            repository: repository.clone(),
            descriptor,
            offset: range.start,
            end: range.end,
            skip: 0,
            since_progress: 0,
            no_range: false,
            parallel: false,
            place: None,
            shares: None,
            answer: None,
        }
    }

    /// Another stretch of the same blob from the same place.
    pub fn sibling(&self, range: std::ops::Range<u64>) -> Self {
        Self {
            url: self.url.clone(),
            // To ask the registry for each span would cost it, and us, a redirect each.
            redirected_to: self.redirected_to.clone(),
            parallel: true,
            ..Self::new(&self.repository, Arc::clone(&self.descriptor), range)
        }
    }

    pub fn continue_to(&mut self, end: u64) {
        self.answer = None;
        self.end = end;
    }

    /// The next piece; none at the end. Mends what can be mended. The time until it is asked for is the other end's.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        if let Some((_, place)) = &self.answer {
            self.budget.exclude_wait(place.place().take_waited());
        }
        let piece = self.next_piece().await;
        if let (Some((_, place)), Ok(Some(piece))) = (&self.answer, &piece) {
            place.place().moves(piece.len());
            place.place().waits();
        }
        piece
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, Cause> {
        loop {
            // The answer to a whole blob is read to its end, which shows whether there is more than there should be.
            if self.offset >= self.end && (self.answer.is_none() || self.end < self.descriptor.size) {
                self.answer = None;
                return Ok(None);
            }
            if self.answer.is_none() {
                self.open().await?;
            }
            let Some((response, _)) = &mut self.answer else { continue };
            let from = response.url().clone();
            let cause = match tokio::time::timeout(
                self.repository.limits.stall,
                self.repository.meter.while_silent(&self.repository.host.name, response.chunk()),
            )
            .await
            {
                // A few bytes now and then keep nothing alive.
                Ok(Ok(Some(_))) if self.budget.is_over().is_some() => Cause::Connection {
                    kind: ConnectionFailure::Stalled,
                    detail: format!("less than {} KiB in that time", PROGRESS >> 10),
                },
                Ok(Ok(Some(piece))) => match self.take(piece) {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Ok(Ok(None)) if self.offset >= self.end => {
                    self.answer = None;
                    return Ok(None);
                }
                Ok(Ok(None)) => Cause::Connection {
                    kind: ConnectionFailure::Broken,
                    detail: format!("ended after {} of {} bytes", self.offset, self.descriptor.size),
                },
                Ok(Err(error)) => classify(&error),
                Err(_) => Cause::Connection {
                    kind: ConnectionFailure::Stalled,
                    detail: format!("no byte for {} s", self.repository.limits.stall.as_secs()),
                },
            };
            self.answer = None;
            self.redirected_to = None;
            let cause = self.repository.blame(&from, Lead::Redirect, cause);
            self.pause(cause).await?;
        }
    }

    /// `piece` without what was given on before, and without what is not of this stretch.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        // `old` is at most the piece's length.
        let _ = piece.split_to(usize::try_from(old).unwrap_or(piece.len()));
        // More than the blob has is passed on: `blob::checked` says that it is wrong.
        if self.end < self.descriptor.size {
            piece.truncate(usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX));
        }
        if piece.is_empty() {
            return None;
        }
        let length = piece.len() as u64;
        self.repository.meter.read(piece.len());
        self.repository.host.health.good(Work::Read);
        self.offset += length;
        self.since_progress += length;
        if self.since_progress >= PROGRESS {
            self.since_progress = 0;
            self.budget.progress();
        }
        Some(piece)
    }

    /// Tries the descriptor's own addresses for a layer that its registry does not hold; never with a credential, which
    /// only the registry's own address gets. The author of an image names these hosts: a few are asked, once each, and all
    /// together not for longer than one would be, by a layer, an image and a run.
    pub async fn try_descriptor_urls(&mut self) -> Result<bool, Cause> {
        let patient = self.repository.clone();
        let until = Instant::now() + patient.limits.patience;
        self.repository = patient.with_alternatives();
        let descriptor = Arc::clone(&self.descriptor);
        for address in descriptor.urls.iter().flatten() {
            let Ok(url) = Url::parse(address) else { continue };
            self.repository.check_elsewhere(&url, Lead::Layer)?;
            if !self.repository.meter.may_ask_elsewhere() {
                self.repository.meter.warn(
                    "the layers of this run name more addresses elsewhere than are asked: the others are not"
                        .to_owned(),
                );
                break;
            }
            self.url = url;
            self.budget = RetryBudget::new(&self.repository.limits);
            match timeout_at(until, self.open()).await {
                Ok(Ok(())) => {
                    self.repository = patient;
                    self.budget = RetryBudget::new(&self.repository.limits);
                    return Ok(true);
                }
                Ok(Err(_)) => {}
                Err(_) => break,
            }
        }
        Ok(false)
    }

    pub async fn open(&mut self) -> Result<(), Cause> {
        loop {
            let url = self.redirected_to.as_ref().unwrap_or(&self.url).clone();
            let mut call = Request::new(Method::GET, url, Scopes::pull(&self.repository.name), "blob");
            (call.pool, call.work) = (self.pool(), Work::Read);
            call.class = if call.pool == Pool::Small { RequestClass::SmallBlob } else { RequestClass::Read };
            // What has failed it once is not tried again: the connection may be what is broken.
            call.may_be_led_on = self.is_large() && self.budget.attempts() == 0;
            let ranged = self.parallel || (self.offset > 0 && !self.no_range);
            if ranged && let Ok(range) = HeaderValue::from_str(&self.range()) {
                call.headers.insert(RANGE, range);
            }
            let (place, is_early) = match self.place.take() {
                Some(place) => (place, true),
                None => (self.repository.acquire(call.class, &mut self.budget).await, false),
            };
            if let Some(cause) = self.repository.host.given_up(Work::Read) {
                return Err(cause);
            }
            let cause = match self.repository.send_once(&call, self.budget.attempts() + 1).await {
                Ok(response) => match self.accept(&response, ranged) {
                    Ok(skip) => {
                        self.skip = skip;
                        self.redirected_to = (*response.url() != self.url).then(|| response.url().clone());
                        if self.repository.is_home(&self.url) {
                            self.saw_place(response.url());
                        }
                        if is_early {
                            self.repository.host.concurrency.on_success(RequestClass::Early);
                        }
                        place.place().waits();
                        self.answer = Some((response, place));
                        return Ok(());
                    }
                    Err(cause) => cause,
                },
                // Its signed address has expired, or is good for one request only.
                Err(Cause::Refused(_)) if self.redirected_to.take().is_some() => continue,
                // Not satisfiable: asked without a range, the answer will tell.
                Err(Cause::Refused(refusal)) if refusal.status == 416 && ranged && !self.parallel => {
                    self.no_range = true;
                    continue;
                }
                Err(cause) => cause,
            };
            self.redirected_to = None;
            drop(place);
            // Without a permit to write there is no waiting for one to read: the blob is opened again in its turn.
            if is_early {
                return Err(cause);
            }
            self.pause(cause).await?;
        }
    }

    /// Waits before another attempt, as long as the budget lasts.
    async fn pause(&mut self, cause: Cause) -> Result<(), Cause> {
        // What failed over a shared connection comes over one of its own; others need not wait for its room.
        self.shares = None;
        self.repository.pause(&mut self.budget, cause, "blob").await
    }

    /// Notes whether the registry has sent the blob itself, over connections for large ones, or has led to it.
    fn saw_place(&self, url: &Url) {
        let observed = &self.repository.host.observed;
        if !self.repository.is_home(url) {
            observed.redirects_a_blob();
        } else if self.is_large() {
            observed.serves_a_blob();
        }
    }

    /// Whether its blob is no small one, wherever it comes from.
    fn is_large(&self) -> bool {
        self.descriptor.size > SMALL_BYTES
    }

    /// The connections that it comes over: a small blob shares one, as far as those carry it; where that has failed once, it
    /// has one of its own as a large one has.
    fn pool(&mut self) -> Pool {
        let most = if self.url.scheme() == "https" { SMALL_BYTES } else { LITTLE_BYTES };
        let may_share = !self.parallel && self.descriptor.size <= most && self.budget.attempts() == 0;
        self.shares = self.shares.take().filter(|_| may_share);
        if may_share && self.shares.is_none() {
            self.shares = self.repository.host.memory.coming(self.descriptor.size);
        }
        if self.shares.is_some() { Pool::Small } else { Pool::Blob }
    }

    /// What is missing of this stretch, for the header `Range`; the blob's end is left open.
    fn range(&self) -> String {
        if self.end < self.descriptor.size {
            format!("bytes={}-{}", self.offset, self.end - 1)
        } else {
            format!("bytes={}-", self.offset)
        }
    }

    /// Judges the head of an answer; how many of its bytes are known already.
    fn accept(&mut self, response: &Response, ranged: bool) -> Result<u64, Cause> {
        if ranged && response.status() == StatusCode::PARTIAL_CONTENT {
            if is_asked(response.headers(), self.offset, self.end, self.descriptor.size) {
                return Ok(0);
            }
            self.no_range = true;
            return Err(Cause::Connection {
                kind: ConnectionFailure::Broken,
                detail: "a part was answered that was not asked for".to_owned(),
            });
        }
        if self.parallel {
            return Err(Cause::Protocol(Violation::RangeIgnored));
        }
        if let Some(length) = response.content_length().filter(|length| *length != self.descriptor.size) {
            return Err(Cause::Protocol(Violation::SizeDiffers { expected: self.descriptor.size, actual: length }));
        }
        Ok(self.offset)
    }

    pub fn failed(&self, cause: Cause) -> Error {
        self.repository.error(
            Action::GetBlob,
            self.repository.object(TagOrDigest::Digest(&self.descriptor.digest)),
            cause,
        )
    }
}

/// Whether `Content-Range` is exactly what was asked for: `bytes 100-499/500`, or `/*`.
pub fn is_asked(headers: &HeaderMap, offset: u64, end: u64, size: u64) -> bool {
    let Some(text) = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()) else { return false };
    let expected = format!("bytes {offset}-{}/", end.saturating_sub(1));
    text.trim().strip_prefix(&expected).is_some_and(|total| total == "*" || total == size.to_string())
}
