//! Blobs that come.
//!
//! Owns going on where a connection broke: by Range where the server has it, by skipping what is known where it has
//! not, from the registry's own address each time (a redirect's signed address expires). And reading ahead over more
//! connections where one is slow, because registries and CDNs limit by connection. Never checks the content: that is
//! `blob::checked`, which sees one unbroken stream. Never holds more than [`SPANS`] spans, of all blobs of a run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use url::Url;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::http::failure::classify;
use crate::oci::manifest::Descriptor;
use crate::store::blob::BlobStream;
use crate::store::registry::Repository;
use crate::store::registry::auth::Scopes;
use crate::store::registry::concurrency::{Lane, Place};
use crate::store::registry::manifests::At;
use crate::store::registry::retry::Patience;
use crate::store::registry::send::Call;

/// Bytes that count as progress: a server that gives a few at a time must not keep a run alive for ever.
const PROGRESS: u64 = 256 * 1024;

/// What one more connection reads ahead, in bytes: long enough that a round trip between two of them costs little.
const SPAN: u64 = 2 * 1024 * 1024;

/// Spans in memory at once, of all blobs of a run.
pub const SPANS: usize = 6;

/// A connection slower than this, in bytes a second, is helped by others; a faster one is not what is waited for.
const SLOW: u64 = 64 * 1024 * 1024;

/// How long a connection is watched before it is judged.
const WATCH: Duration = Duration::from_millis(250);

/// What more connections must make of a blob's pace, in percent, to be worth their requests. Where they do not, something else
/// is slow: the target, this machine, the line.
const WORTH: u128 = 150;

/// How long more connections to a host are not tried after they were in vain.
const IN_VAIN: Duration = Duration::from_secs(60);

/// Bodies that come from one host at once, above which a slow one is not helped: there are several connections already.
const ENOUGH: usize = 8;

impl Repository {
    /// Starts to read a blob. The first answer is awaited, so that a blob that is not there fails here.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        self.read(descriptor, None).await
    }

    /// The same for who has no place to write it yet, tried once; none where too many do that already.
    pub fn read_blob_early<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> Option<impl Future<Output = Result<BlobStream, Error>> + use<'a>> {
        let place = self.host.lanes.try_enter(Lane::Early)?;
        Some(self.read(descriptor, Some(place)))
    }

    async fn read(&self, descriptor: &Descriptor, place: Option<Place>) -> Result<BlobStream, Error> {
        let is_early = place.is_some();
        let mut head = Stretch { place, ..Stretch::new(self, Arc::new(descriptor.clone()), 0..descriptor.size) };
        if let Err(cause) = head.open().await
            && !(!is_early && is_absent(&cause) && head.goes_elsewhere().await.map_err(|cause| head.failed(cause))?)
        {
            return Err(head.failed(cause));
        }
        let reader = Reader::new(head);
        let stream = futures_util::stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(reader))),
                Ok(None) => None,
                Err(cause) => Some((Err(reader.head.failed(cause)), None)),
            }
        });
        Ok(stream.boxed())
    }

    /// Asks whether a blob is there; its size.
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        let call = Call::new(Method::HEAD, self.url(&format!("blobs/{}", descriptor.digest)), self.scopes(), "blob");
        match self.send(&call).await {
            Ok(response) => {
                let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
                let size = length.and_then(|length| length.to_str().ok()?.parse().ok());
                Ok(Some(size.unwrap_or(descriptor.size)))
            }
            Err(cause) if is_absent(&cause) => Ok(None),
            Err(cause) => Err(self.error("HEAD blob", self.object(At::Digest(&descriptor.digest)), cause)),
        }
    }
}

fn is_absent(cause: &Cause) -> bool {
    matches!(cause, Cause::Refused(refusal) if refusal.status == 404)
}

/// A blob in order: what its head gives, then the spans that were read ahead.
struct Reader {
    head: Stretch,
    ahead: VecDeque<Span>,
    /// Up to where bytes were given or are on their way.
    claimed: u64,
    /// Whether more connections than one read it.
    wide: Wide,
    watch: Watch,
}

/// Whether more connections than one read a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wide {
    /// They have not.
    NotYet,
    /// They do, and are to show that it was worth it: bytes a second before.
    OnTrial(u128),
    /// They do.
    Yes,
    /// They did, and shall not again.
    NoMore,
}

impl Reader {
    fn new(head: Stretch) -> Self {
        Self { claimed: head.end, head, ahead: VecDeque::new(), wide: Wide::NotYet, watch: Watch::new() }
    }

    fn size(&self) -> u64 {
        self.head.descriptor.size
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        loop {
            let asked = Instant::now();
            if let Some(piece) = self.head.next().await? {
                self.saw(&piece, asked);
                return Ok(Some(piece));
            }
            let Some(span) = self.ahead.front_mut() else {
                if self.head.offset >= self.size() {
                    return Ok(None);
                }
                // Other blobs have all the spans: this one goes on over one connection until some are free.
                let end = if self.wide == Wide::NoMore { self.size() } else { self.head.offset + SPAN };
                self.head.continue_to(end.min(self.size()));
                self.claimed = self.head.end;
                self.read_ahead();
                continue;
            };
            match span.next().await {
                Ok(Some(piece)) => {
                    self.head.offset += piece.len() as u64;
                    self.head.end = self.head.offset;
                    self.saw(&piece, asked);
                    return Ok(Some(piece));
                }
                Ok(None) => {
                    self.ahead.pop_front();
                    self.read_ahead();
                }
                // One connection, with all the patience there is, decides what this failure means.
                Err(_) => self.narrow(),
            }
        }
    }

    /// Judges the pace by one more piece, which was waited for since `asked`.
    fn saw(&mut self, piece: &Bytes, asked: Instant) {
        self.watch.saw(piece.len(), asked.elapsed());
        match self.wide {
            Wide::NotYet if self.is_slow() => self.widen(),
            Wide::OnTrial(before) if self.watch.bytes >= 2 * SPAN && self.watch.since.elapsed() >= WATCH => {
                if self.watch.pace() * 100 >= before * WORTH {
                    self.wide = Wide::Yes;
                } else {
                    // What is on its way is used; what comes after it comes over one connection.
                    self.wide = Wide::NoMore;
                    self.head.repository.host.learned.wide_was_in_vain();
                }
            }
            _ => {}
        }
    }

    /// Whether this connection is what is waited for, and more of them may help.
    fn is_slow(&self) -> bool {
        self.size().saturating_sub(self.head.offset) > 2 * SPAN
            && !self.head.no_range
            && self.watch.is_slow()
            && self.head.repository.host.lanes.readers() < ENOUGH
            && !self.head.repository.host.learned.is_wide_in_vain(IN_VAIN)
    }

    fn widen(&mut self) {
        let Some(permit) = self.head.repository.host.span() else { return };
        self.wide = Wide::OnTrial(self.watch.pace());
        self.watch = Watch::new();
        // What its connection has on its way is not thrown away.
        self.claimed = (self.head.offset + SPAN).min(self.size());
        self.head.end = self.claimed;
        self.start_span(permit);
        self.read_ahead();
    }

    /// Starts as many spans as there may be.
    fn read_ahead(&mut self) {
        while self.wide != Wide::NoMore
            && self.claimed < self.size()
            && let Some(permit) = self.head.repository.host.span()
        {
            self.start_span(permit);
        }
    }

    fn start_span(&mut self, permit: OwnedSemaphorePermit) {
        let end = (self.claimed + SPAN).min(self.size());
        self.ahead.push_back(Span::start(self.head.beside(self.claimed..end), permit));
        self.claimed = end;
    }

    fn narrow(&mut self) {
        self.ahead.clear();
        self.claimed = self.size();
        self.head.continue_to(self.claimed);
        self.wide = Wide::NoMore;
    }
}

/// How fast a connection is, and whether it is the one that is waited for.
struct Watch {
    since: Instant,
    bytes: u64,
    waited: Duration,
}

impl Watch {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, waited: Duration::ZERO }
    }

    fn saw(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes as u64;
        self.waited += waited;
    }

    /// Bytes a second.
    fn pace(&self) -> u128 {
        u128::from(self.bytes) * 1000 / self.since.elapsed().as_millis().max(1)
    }

    fn is_slow(&self) -> bool {
        let elapsed = self.since.elapsed();
        elapsed >= WATCH && self.waited * 2 >= elapsed && self.pace() < u128::from(SLOW)
    }
}

/// A part of a blob that is read ahead, in memory until it is its turn.
struct Span {
    reading: Option<JoinHandle<Result<VecDeque<Bytes>, Cause>>>,
    pieces: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Span {
    fn start(mut stretch: Stretch, permit: OwnedSemaphorePermit) -> Self {
        let reading = tokio::spawn(async move {
            let mut pieces = VecDeque::new();
            while let Some(piece) = stretch.next().await? {
                pieces.push_back(piece);
            }
            Ok(pieces)
        });
        Self { reading: Some(reading), pieces: VecDeque::new(), _permit: permit }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        if let Some(reading) = &mut self.reading {
            let read = reading.await;
            self.reading = None;
            // It ends without a result only where the whole run does.
            self.pieces = read.map_err(|_| Cause::Protocol("reading ahead was cut short".to_owned()))??;
        }
        Ok(self.pieces.pop_front())
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// A stretch of a blob, read over one connection after the other: it goes on where it broke.
struct Stretch {
    repository: Repository,
    descriptor: Arc<Descriptor>,
    /// The next byte to be given.
    offset: u64,
    /// The byte after the last one to be given.
    end: u64,
    /// Bytes of the current answer that were given on before.
    skip: u64,
    /// Bytes given on since the budget was last full.
    fresh: u64,
    /// The server's ranges cannot be trusted.
    no_range: bool,
    /// It stands beside another one: without ranges it is of no use.
    beside: bool,
    /// The blob's address: the registry's, or one of its descriptor's urls.
    url: Url,
    /// Where that address redirected to.
    led_to: Option<Url>,
    /// The place for its first request, where it came with one.
    place: Option<Place>,
    answer: Option<(Response, Place)>,
    patience: Patience,
}

impl Stretch {
    fn new(repository: &Repository, descriptor: Arc<Descriptor>, range: std::ops::Range<u64>) -> Self {
        Self {
            url: repository.url(&format!("blobs/{}", descriptor.digest)),
            led_to: None,
            patience: Patience::new(&repository.limits),
            repository: repository.clone(),
            descriptor,
            offset: range.start,
            end: range.end,
            skip: 0,
            fresh: 0,
            no_range: false,
            beside: false,
            place: None,
            answer: None,
        }
    }

    /// Another stretch of the same blob from the same place.
    fn beside(&self, range: std::ops::Range<u64>) -> Self {
        Self {
            url: self.url.clone(),
            // To ask the registry for each span would cost it, and us, a redirect each.
            led_to: self.led_to.clone(),
            beside: true,
            ..Self::new(&self.repository, Arc::clone(&self.descriptor), range)
        }
    }

    fn continue_to(&mut self, end: u64) {
        self.answer = None;
        self.end = end;
    }

    /// The next piece; none at the end. Mends what can be mended.
    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
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
            let cause = match tokio::time::timeout(self.repository.limits.stall, response.chunk()).await {
                // A few bytes now and then keep nothing alive.
                Ok(Ok(Some(_))) if self.patience.is_over() => Cause::Connection {
                    kind: ConnectionFailure::Timeout,
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
                    kind: ConnectionFailure::Timeout,
                    detail: format!("no byte for {} s", self.repository.limits.stall.as_secs()),
                },
            };
            self.answer = None;
            self.led_to = None;
            self.repository.pause(&mut self.patience, cause, "blob").await?;
        }
    }

    /// `piece` without what was given on before, and without what is not of this stretch.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        // `old` is at most the piece's length.
        let _ = piece.split_to(usize::try_from(old).unwrap_or(piece.len()));
        // More than the blob has is passed on: who checks the content says that it is wrong.
        if self.end < self.descriptor.size {
            piece.truncate(usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX));
        }
        if piece.is_empty() {
            return None;
        }
        let length = piece.len() as u64;
        self.repository.meter.read(piece.len());
        self.offset += length;
        self.fresh += length;
        if self.fresh >= PROGRESS {
            self.fresh = 0;
            self.patience.progress();
        }
        Some(piece)
    }

    /// Tries the descriptor's own addresses for a layer that its registry does not hold; never with a credential, which
    /// only the registry's own address gets.
    async fn goes_elsewhere(&mut self) -> Result<bool, Cause> {
        for address in self.descriptor.urls.clone().unwrap_or_default() {
            let Ok(url) = Url::parse(&address) else { continue };
            self.repository.check_elsewhere(&url, "names a layer")?;
            self.url = url;
            if self.open().await.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn open(&mut self) -> Result<(), Cause> {
        loop {
            let url = self.led_to.as_ref().unwrap_or(&self.url).clone();
            let mut call = Call::new(Method::GET, url, Scopes::pull(&self.repository.name), "blob");
            call.lane = Lane::Read;
            let ranged = self.beside || (self.offset > 0 && !self.no_range);
            if ranged && let Ok(range) = HeaderValue::from_str(&self.range()) {
                call.headers.insert(RANGE, range);
            }
            let (place, is_early) = match self.place.take() {
                Some(place) => (place, true),
                None => (self.repository.enter(Lane::Read, &mut self.patience).await, false),
            };
            let cause = match self.repository.send_once(&call).await {
                Ok(response) => match self.accept(&response, ranged) {
                    Ok(skip) => {
                        self.skip = skip;
                        self.led_to = (*response.url() != self.url).then(|| response.url().clone());
                        if is_early {
                            self.repository.host.lanes.widen(Lane::Early);
                        }
                        self.answer = Some((response, place));
                        return Ok(());
                    }
                    Err(cause) => cause,
                },
                // Its signed address has expired, or is good for one request only.
                Err(Cause::Refused(_)) if self.led_to.take().is_some() => continue,
                // Not satisfiable: asked without a range, the answer will tell.
                Err(Cause::Refused(refusal)) if refusal.status == 416 && ranged && !self.beside => {
                    self.no_range = true;
                    continue;
                }
                Err(cause) => cause,
            };
            self.led_to = None;
            drop(place);
            // Who waits for a place to write must not wait for one to read too: it is asked for again in its turn.
            if is_early {
                return Err(cause);
            }
            self.repository.pause(&mut self.patience, cause, "blob").await?;
        }
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
        if self.beside {
            return Err(Cause::Protocol("answered with the whole blob where a part of it was asked for".to_owned()));
        }
        if let Some(length) = response.content_length().filter(|length| *length != self.descriptor.size) {
            return Err(Cause::Protocol(format!(
                "its descriptor says {} bytes, the registry has {length}",
                self.descriptor.size
            )));
        }
        Ok(self.offset)
    }

    fn failed(&self, cause: Cause) -> Error {
        self.repository.error("GET blob", self.repository.object(At::Digest(&self.descriptor.digest)), cause)
    }
}

/// Whether `Content-Range` is exactly what was asked for: `bytes 100-499/500`, or `/*`.
fn is_asked(headers: &HeaderMap, offset: u64, end: u64, size: u64) -> bool {
    let Some(text) = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()) else { return false };
    let expected = format!("bytes {offset}-{}/", end.saturating_sub(1));
    text.trim().strip_prefix(&expected).is_some_and(|total| total == "*" || total == size.to_string())
}
