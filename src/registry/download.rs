//! Blobs that come.
//!
//! Owns going on where a connection broke: by Range where the server has it, by skipping what is known where it has
//! not, from the registry's own address each time (a redirect's signed address expires). Never checks the content: that
//! is `blob::checked`, which sees one unbroken stream.

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};

use url::Url;

use crate::blob::BlobStream;
use crate::error::{Cause, ConnectionFailure, Error};
use crate::manifest::Descriptor;

use super::auth::Scopes;
use super::host::Call;
use super::lanes::{Lane, Place};
use super::retry::Patience;
use super::transport::classify;
use super::{At, Repository};

/// Bytes that count as progress: a server that gives a few at a time must not keep a run alive for ever.
const PROGRESS: u64 = 256 * 1024;

struct Reader {
    repository: Repository,
    descriptor: Descriptor,
    /// Bytes given on.
    offset: u64,
    /// Bytes of the current answer that were given on before.
    skip: u64,
    /// Bytes given on since the budget was last full.
    fresh: u64,
    /// The server's ranges cannot be trusted.
    no_range: bool,
    /// The blob's address: the registry's, or one of its descriptor's urls.
    url: Url,
    answer: Option<(Response, Place)>,
    patience: Patience,
}

impl Repository {
    /// Starts to read a blob. The first answer is awaited, so that a blob that is not there fails here.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        let mut reader = Reader {
            repository: self.clone(),
            descriptor: descriptor.clone(),
            offset: 0,
            skip: 0,
            fresh: 0,
            no_range: false,
            url: self.url(&format!("blobs/{}", descriptor.digest)),
            answer: None,
            patience: Patience::new(&self.limits),
        };
        if let Err(error) = reader.open().await
            && !(error.is_absent() && reader.goes_elsewhere().await?)
        {
            return Err(error);
        }
        let stream = futures_util::stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
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
            Err(Cause::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(cause) => Err(self.error("HEAD blob", self.object(At::Digest(&descriptor.digest)), cause)),
        }
    }
}

impl Reader {
    /// The next piece; none at the end. Mends what can be mended.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
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
                Ok(Ok(None)) if self.offset >= self.descriptor.size => return Ok(None),
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
            self.repository.pause(&mut self.patience, cause, "blob").await.map_err(|cause| self.failed(cause))?;
        }
    }

    /// `piece` without what was given on before.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        // `old` is at most the piece's length.
        let _ = piece.split_to(usize::try_from(old).unwrap_or(piece.len()));
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
    async fn goes_elsewhere(&mut self) -> Result<bool, Error> {
        for address in self.descriptor.urls.clone().unwrap_or_default() {
            let Ok(url) = Url::parse(&address) else { continue };
            self.repository.check_elsewhere(&url, "names a layer").map_err(|cause| self.failed(cause))?;
            self.url = url;
            if self.open().await.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn open(&mut self) -> Result<(), Error> {
        loop {
            let mut call = Call::new(Method::GET, self.url.clone(), Scopes::pull(&self.repository.name), "blob");
            call.lane = Lane::Read;
            let ranged = self.offset > 0 && !self.no_range;
            if ranged && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.offset)) {
                call.headers.insert(RANGE, range);
            }
            let place = self.repository.enter(Lane::Read, &mut self.patience).await;
            let cause = match self.repository.send_once(&call).await {
                Ok(response) => match self.accept(&response, ranged) {
                    Ok(skip) => {
                        self.skip = skip;
                        self.answer = Some((response, place));
                        return Ok(());
                    }
                    Err(cause) => cause,
                },
                // Not satisfiable: asked without a range, the answer will tell.
                Err(Cause::Refused(refusal)) if refusal.status == 416 && ranged => {
                    self.no_range = true;
                    continue;
                }
                Err(cause) => cause,
            };
            self.repository.pause(&mut self.patience, cause, "blob").await.map_err(|cause| self.failed(cause))?;
        }
    }

    /// Judges the head of an answer; how many of its bytes are known already.
    fn accept(&mut self, response: &Response, ranged: bool) -> Result<u64, Cause> {
        if ranged && response.status() == StatusCode::PARTIAL_CONTENT {
            if is_rest(response.headers(), self.offset, self.descriptor.size) {
                return Ok(0);
            }
            self.no_range = true;
            return Err(Cause::Connection {
                kind: ConnectionFailure::Broken,
                detail: "a part was answered that was not asked for".to_owned(),
            });
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

/// Whether `Content-Range` is exactly the rest that was asked for: `bytes 100-499/500`, or `/*`.
fn is_rest(headers: &HeaderMap, offset: u64, size: u64) -> bool {
    let Some(text) = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()) else { return false };
    let expected = format!("bytes {offset}-{}/", size.saturating_sub(1));
    text.trim().strip_prefix(&expected).is_some_and(|total| total == "*" || total == size.to_string())
}
