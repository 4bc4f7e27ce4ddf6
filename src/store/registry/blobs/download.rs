//! Downloads of blobs.
//!
//! Owns going on where a connection broke: by Range where the server has it, by skipping what is known where it has
//! not, from the registry's own address each time (a redirect's signed address expires). And reading ahead over more
//! connections where one is slow, because registries and CDNs limit by connection. Never checks the content: that is
//! `blob::checked`, which sees one unbroken stream. Never holds more spans than [`MAX_SPANS`], of all blobs of a
//! run.
//!
//! [`MAX_SPANS`]: crate::store::registry::blobs::read_ahead::MAX_SPANS

use std::sync::Arc;

use futures_util::stream::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::http::body::BoundedBody;
use crate::oci::manifest::Descriptor;
use crate::store::blob::BlobStream;
use crate::store::content::TagOrDigest;
use crate::store::registry::blobs::read_ahead::BlobReader;
use crate::store::registry::blobs::resume::RangeReader;
use crate::store::registry::concurrency::Permit;
use crate::store::registry::connections::RequestClass;
use crate::store::registry::referrers::is_page;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Request;

/// How much of a body that has no length is read to learn it: a page or an error is shorter.
const COUNTED: usize = 1024 * 1024;

impl Repository {
    /// Starts to read a blob. The first answer is awaited, so that a blob that is not there fails here.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        self.read(descriptor, None).await
    }

    /// The same before a permit to write it is held, tried once; none where too many are read so already.
    pub fn read_blob_early<'a>(
        &'a self,
        descriptor: &'a Descriptor,
    ) -> Option<impl Future<Output = Result<BlobStream, Error>> + use<'a>> {
        let place = self.host.concurrency.try_acquire(RequestClass::Early)?;
        Some(self.read(descriptor, Some(place)))
    }

    async fn read(&self, descriptor: &Descriptor, place: Option<Permit>) -> Result<BlobStream, Error> {
        let is_early = place.is_some();
        let mut head =
            RangeReader { place, ..RangeReader::new(self, Arc::new(descriptor.clone()), 0..descriptor.size) };
        if let Err(cause) = head.open().await {
            // Never before the registry's own, and for layers alone that registries are not given.
            let may_be_elsewhere = !is_early && is_absent(&cause) && descriptor.is_foreign();
            if !may_be_elsewhere || !head.try_descriptor_urls().await.map_err(|cause| head.failed(cause))? {
                return Err(head.failed(cause));
            }
        }
        let reader = BlobReader::new(head);
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

    /// A blob's size, or none where it is not there. Where the answer to HEAD is none (refused by a CDN whose signed
    /// address is for GET alone) or may be none (a proxy makes every length 0: godoxy#169), a GET of its first byte settles
    /// it.
    pub async fn blob_size(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self.head(descriptor).await {
            Ok(Head::Unsaid) => self.ranged_size(descriptor).await,
            Ok(Head::Size(size)) if size != descriptor.size && (size == 0 || descriptor.size > 0) => {
                self.ranged_size(descriptor).await
            }
            Ok(Head::Size(size)) => Ok(Some(size)),
            Ok(Head::Absent) => Ok(None),
            Err(error) if error.is_refused_head() => match self.ranged_size(descriptor).await {
                Ok(size) => Ok(size),
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The same where it ought to be there: that it is not is settled by a GET too, because of some registries no HEAD finds
    /// anything.
    pub async fn expected_blob_size(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self.blob_size(descriptor).await? {
            Some(size) => Ok(Some(size)),
            None => self.ranged_size(descriptor).await,
        }
    }

    /// The same from a GET of its first byte, whose answer names the size of the whole.
    async fn ranged_size(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        let url = self.url(&format!("blobs/{}", descriptor.digest));
        let mut call = Request::new(Method::GET, url, self.scopes(), "size of a blob");
        call.headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        let whole = match self.send(&call).await {
            Ok(response) if response.status() == StatusCode::PARTIAL_CONTENT => total(response.headers()),
            Ok(response) if is_page(response.headers()) => {
                let cause = Cause::Protocol(Violation::WebPage);
                return Err(self.error(Action::GetBlob, self.object(TagOrDigest::Digest(&descriptor.digest)), cause));
            }
            Ok(response) => match response.content_length() {
                None => counted(response).await,
                length => length,
            },
            Err(cause) if is_absent(&cause) => return Ok(None),
            // No first byte.
            Err(Cause::Refused(refusal)) if refusal.status == 416 => Some(0),
            Err(cause) => {
                return Err(self.error(Action::GetBlob, self.object(TagOrDigest::Digest(&descriptor.digest)), cause));
            }
        };
        Ok(Some(whole.unwrap_or(descriptor.size)))
    }

    /// Asks whether a blob is there; its size. An answer without one, or a page, is no answer: a GET settles it.
    pub async fn head_blob(&self, descriptor: &Descriptor) -> Result<Option<u64>, Error> {
        match self.head(descriptor).await? {
            Head::Size(size) => Ok(Some(size)),
            Head::Absent => Ok(None),
            Head::Unsaid => self.ranged_size(descriptor).await,
        }
    }

    async fn head(&self, descriptor: &Descriptor) -> Result<Head, Error> {
        let call = Request::new(Method::HEAD, self.url(&format!("blobs/{}", descriptor.digest)), self.scopes(), "blob");
        match self.send(&call).await {
            Ok(response) => {
                let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
                let size = length.and_then(|length| length.to_str().ok()?.parse().ok());
                Ok(size.filter(|_| !is_page(response.headers())).map_or(Head::Unsaid, Head::Size))
            }
            Err(cause) if is_absent(&cause) => Ok(Head::Absent),
            Err(cause) => {
                Err(self.error(Action::HeadBlob, self.object(TagOrDigest::Digest(&descriptor.digest)), cause))
            }
        }
    }
}

/// What a HEAD says of a blob.
enum Head {
    Size(u64),
    Absent,
    /// It is answered, and that is all.
    Unsaid,
}

/// How long a body without a length is, as far as it is read to find out; none for a longer one.
async fn counted(response: Response) -> Option<u64> {
    let mut body = BoundedBody::new(reqwest::Body::from(response), COUNTED);
    let mut bytes = 0;
    while let Some(piece) = body.next().await.ok()? {
        bytes += piece.len() as u64;
    }
    Some(bytes)
}

/// The size of the whole, from `Content-Range: bytes 0-0/500`.
fn total(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.trim().parse().ok()
}

fn is_absent(cause: &Cause) -> bool {
    matches!(cause, Cause::Refused(refusal) if refusal.status == 404)
}
