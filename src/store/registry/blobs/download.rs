//! Blobs that come.
//!
//! Owns going on where a connection broke: by Range where the server has it, by skipping what is known where it has
//! not, from the registry's own address each time (a redirect's signed address expires). And reading ahead over more
//! connections where one is slow, because registries and CDNs limit by connection. Never checks the content: that is
//! `blob::checked`, which sees one unbroken stream. Never holds more than [`SPANS`] spans, of all blobs of a run.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use reqwest::Method;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::oci::manifest::Descriptor;
use crate::store::blob::BlobStream;
use crate::store::content::At;
use crate::store::registry::blobs::read_ahead::Reader;
use crate::store::registry::blobs::resume::Stretch;
use crate::store::registry::concurrency::{Lane, Place};
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Call;

/// Bytes that count as progress: a server that gives a few at a time must not keep a run alive for ever.
pub const PROGRESS: u64 = 256 * 1024;

/// What one more connection reads ahead, in bytes: long enough that a round trip between two of them costs little.
pub const SPAN: u64 = 2 * 1024 * 1024;

/// Spans in memory at once, of all blobs of a run.
pub const SPANS: usize = 6;

/// A connection slower than this, in bytes a second, is helped by others; a faster one is not what is waited for.
pub const SLOW: u64 = 64 * 1024 * 1024;

/// How long a connection is watched before it is judged.
pub const WATCH: Duration = Duration::from_millis(250);

/// What more connections must make of a blob's pace, in percent, to be worth their requests. Where they do not, something else
/// is slow: the target, this machine, the line.
pub const WORTH: u128 = 150;

/// How long more connections to a host are not tried after they were in vain.
pub const IN_VAIN: Duration = Duration::from_secs(60);

/// Bodies that come from one host at once, above which a slow one is not helped: there are several connections already.
pub const ENOUGH: usize = 8;

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
