//! Manifests of one repository: is it there, fetch it, push it.
//!
//! Owns the rule that no manifest's bytes are used before they hash to the digest asked for. Never re-serialises.

use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::object::Object;
use crate::error::violation::Violation;
use crate::http::body::{BodyError, BoundedBody};
use crate::http::failure::classify;
use crate::oci::digest::Digest;
use crate::oci::manifest::{self, Descriptor, Manifest};
use crate::store::content::{ManifestPush, OnFailure, TagOrDigest};
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::quota::quota;
use crate::store::registry::referrers::is_page;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Request;
use crate::text::sanitise;

/// How often a server may fail at a manifest until that is taken for its answer, where there is another way.
const MOST_FAILURES: u32 = 3;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Repository {
    /// `docker.io/library/alpine:3.20` or `…@sha256:…`, for messages.
    pub fn object(&self, at: TagOrDigest<'_>) -> Object {
        at.of(self.place())
    }

    /// Asks whether a manifest is there, without fetching it; none for 404.
    ///
    /// A registry that answers without a digest is asked for the bytes instead (`Docker-Content-Digest` is optional).
    pub async fn head_manifest(&self, at: TagOrDigest<'_>) -> Result<Option<Descriptor>, Error> {
        let call = self.manifest_call(Method::HEAD, at, "manifest");
        let response = loop {
            match self.send(&call).await {
                Ok(response) => break response,
                Err(cause) if is_absent(&cause) => return Ok(None),
                Err(cause) if is_mute(&cause) => return self.explained(at, cause).await,
                Err(cause) => Box::pin(self.without_pulls(Action::HeadManifest, at, cause)).await?,
            }
        };
        let headers = response.headers();
        self.host.pulls.hear(quota(headers));
        let digest = match (content_digest(headers), at) {
            (Some(digest), _) => digest,
            (None, TagOrDigest::Digest(digest)) => digest.clone(),
            (None, TagOrDigest::Tag(_)) => return Ok(Some(self.get_manifest(at).await?.descriptor())),
        };
        if let TagOrDigest::Digest(asked) = at
            && *asked != digest
        {
            return Err(self.mismatch(at, asked, digest.to_string()));
        }
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = sanitise::one_line(text(CONTENT_TYPE).unwrap_or_default(), 200);
        let size = text(CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
        self.observed.heads_find.store(true, Relaxed);
        Ok(Some(Descriptor::new(media_type, digest, size)))
    }

    /// Whether a HEAD has found a manifest in this repository: only then does one that finds nothing say anything.
    pub fn heads_find(&self) -> bool {
        self.observed.heads_find.load(Relaxed)
    }

    /// The answer to a HEAD has no words. A GET has them; at a registry that knows no HEAD it is the answer, also where it says
    /// that nothing is there. One that sheds load knows HEAD: to ask it on in another way would be to hammer it.
    async fn explained(&self, at: TagOrDigest<'_>, cause: Cause) -> Result<Option<Descriptor>, Error> {
        let sheds_load = cause.refusal().is_some_and(ErrorResponse::sheds_load);
        match self.fetch_manifest(at).await {
            Ok(manifest) => Ok(Some(manifest.descriptor())),
            Err(error) if error.is_absent() && !sheds_load => Ok(None),
            Err(error @ Error::OutOfPulls { .. }) if sheds_load => Err(error),
            Err(error) if error.refusal().is_some_and(|refusal| !refusal.message.is_empty()) => Err(error),
            Err(_) => Err(self.error(Action::HeadManifest, self.object(at), cause)),
        }
    }

    /// Fetches a manifest: at most 4 MiB, hashed, compared with the digest asked for and with the one the registry
    /// names.
    pub async fn get_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        if matches!(at, TagOrDigest::Tag(_)) && self.host.pulls.ends() {
            // It may not be there, and to ask for that is billed nothing.
            while let Err(cause) = self.send(&self.manifest_call(Method::HEAD, at, "manifest")).await {
                Box::pin(self.without_pulls(Action::GetManifest, at, cause)).await?;
            }
        }
        self.fetch_manifest(at).await
    }

    /// The same without a word before: by a GET alone.
    async fn fetch_manifest(&self, at: TagOrDigest<'_>) -> Result<Manifest, Error> {
        let call = self.manifest_call(Method::GET, at, "manifest");
        let failed = |cause| self.error(Action::GetManifest, self.object(at), cause);
        let mut budget = crate::store::registry::retry::RetryBudget::of(&self.limits, call.work);
        let (headers, bytes) = loop {
            self.take_pull(at).await?;
            let response = match self.send(&call).await {
                Ok(response) => response,
                Err(cause) => {
                    // What is refused is not billed.
                    self.host.pulls.give_back();
                    Box::pin(self.without_pulls(Action::GetManifest, at, cause)).await?;
                    continue;
                }
            };
            self.host.pulls.hear(quota(response.headers()));
            if self.host.pulls.bills() {
                self.meter.pull();
                self.host.pulls.billed(&self.reference.to_string());
            }
            let headers = response.headers().clone();
            match self.small_body(response).await {
                Ok(bytes) => break (headers, bytes),
                Err(cause) => self.pause(&mut budget, cause, "manifest").await.map_err(failed)?,
            }
        };
        self.meter.read(bytes.len());
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // A proxy's or a login's page is no registry that lies.
        if is_page(&headers) {
            return Err(failed(Cause::Protocol(Violation::WebPage)));
        }
        let named = content_digest(&headers);
        let wanted = match (at, &named) {
            (TagOrDigest::Digest(digest), _) => Some(digest),
            (TagOrDigest::Tag(_), named) => named.as_ref(),
        };
        let actual = wanted.map_or_else(
            || Digest::of(&bytes),
            |wanted| {
                let mut hasher = wanted.hasher();
                hasher.update(&bytes);
                hasher.finish()
            },
        );
        let signed = wanted
            .filter(|wanted| **wanted != actual)
            .map(|wanted| {
                let mismatch = || self.mismatch(at, wanted, actual.to_string());
                Manifest::parse_signed(bytes.clone(), wanted).ok_or_else(mismatch)
            })
            .transpose()?;
        let actual = signed.as_ref().map_or(actual, |signed| signed.digest.clone());
        // The registry's own word about another algorithm's digest cannot be compared; about the same it must agree.
        if let Some(named) = named.filter(|named| named.algorithm() == actual.algorithm() && *named != actual) {
            return Err(self.mismatch(at, &actual, named.to_string()));
        }
        if let Some(signed) = signed {
            return Ok(signed);
        }
        Manifest::parse(bytes, content_type, actual).map_err(|problem| Error::Content {
            side: self.side,
            object: self.object(at),
            problem: sanitise::one_line(&problem, 300),
        })
    }

    /// Pushes a manifest's bytes as they are. The registry's digest, where it names one, must be ours.
    pub async fn put_manifest(
        &self,
        at: TagOrDigest<'_>,
        manifest: &Manifest,
        on_failure: OnFailure,
    ) -> Result<ManifestPush, Error> {
        let failed = |cause| self.error(Action::PutManifest, self.object(at), cause);
        let media_type = HeaderValue::from_str(&manifest.media_type)
            .map_err(|_| failed(Cause::Protocol(Violation::MediaTypeUnsafe)))?;
        let mut call =
            Request::new(Method::PUT, self.url(&format!("manifests/{at}")), Scopes::push(&self.name), "manifest");
        call.headers.insert(CONTENT_TYPE, media_type);
        call.body = Some(manifest.bytes.clone());
        call.gives_up = (on_failure == OnFailure::GiveUp).then_some((MOST_FAILURES, is_server_failure));
        if let TagOrDigest::Tag(tag) = at {
            self.forget_attachment(tag);
        }
        let response = match self.send(&call).await {
            Ok(response) => response,
            Err(cause) if is_immutable(at, &cause) && self.is_there(at, &manifest.digest).await => {
                self.meter.manifest_written();
                return Ok(ManifestPush { lists_referrers: false });
            }
            Err(cause) => return Err(failed(cause)),
        };
        self.meter.written(manifest.bytes.len());
        self.meter.manifest_written();
        if let Some(named) = content_digest(response.headers())
            .filter(|named| named.algorithm() == manifest.digest.algorithm() && *named != manifest.digest)
        {
            return Err(self.mismatch(at, &manifest.digest, named.to_string()));
        }
        Ok(ManifestPush { lists_referrers: response.headers().contains_key(OCI_SUBJECT) })
    }

    async fn is_there(&self, at: TagOrDigest<'_>, digest: &Digest) -> bool {
        self.head_manifest(at).await.is_ok_and(|found| found.is_some_and(|found| found.digest == *digest))
    }

    pub(crate) fn manifest_call<'a>(&self, method: Method, at: TagOrDigest<'_>, what: &'a str) -> Request<'a> {
        // The scope of the job, not of the request: one token serves the whole of it.
        let mut call = Request::new(method, self.url(&format!("manifests/{at}")), self.scopes(), what);
        call.headers.insert(ACCEPT, HeaderValue::from_static(manifest::ACCEPT));
        call
    }

    /// A body of the size of a manifest at most.
    pub(crate) async fn small_body(&self, response: Response) -> Result<Bytes, Cause> {
        let too_large = || Cause::Protocol(Violation::TooLarge { limit: manifest::LARGEST });
        if response.content_length().is_some_and(|length| length > manifest::LARGEST as u64) {
            return Err(too_large());
        }
        let mut body = BoundedBody::new(reqwest::Body::from(response), manifest::LARGEST);
        let mut bytes = BytesMut::new();
        let read = async {
            loop {
                let piece = match body.next().await {
                    Ok(Some(piece)) => piece,
                    Ok(None) => return Ok(()),
                    Err(BodyError::TooLarge) => return Err(too_large()),
                    Err(BodyError::Broken(error)) => return Err(classify(&error)),
                };
                // All that come for this image are counted together while they come: many at once would be many times this.
                self.meter.manifest_budget().reserve(piece.len()).map_err(Cause::Protocol)?;
                bytes.extend_from_slice(&piece);
            }
        };
        let limit = self.limits.body();
        let result = tokio::time::timeout(limit, read).await.unwrap_or_else(|_| {
            Err(Cause::Connection {
                kind: ConnectionFailure::Stalled,
                detail: format!("the body did not end within {} s", limit.as_secs()),
            })
        });
        match result {
            Ok(()) => Ok(bytes.freeze()),
            Err(cause) => {
                self.meter.manifest_budget().release(bytes.len());
                Err(cause)
            }
        }
    }

    fn mismatch(&self, at: TagOrDigest<'_>, expected: &Digest, actual: String) -> Error {
        Error::DigestMismatch { side: self.side, object: self.object(at), expected: expected.clone(), actual }
    }
}

fn is_absent(cause: &Cause) -> bool {
    matches!(cause, Cause::Refused(refusal) if refusal.is_absence())
}

/// Whether a refusal may be of a tag that cannot be moved. A put whose answer was lost is sent again, and its own tag is
/// then in its way (ECR refuses even the same digest).
fn is_immutable(at: TagOrDigest<'_>, cause: &Cause) -> bool {
    matches!((at, cause), (TagOrDigest::Tag(_), Cause::Refused(refusal)) if matches!(refusal.status, 400 | 403 | 409 | 412))
}

fn is_mute(cause: &Cause) -> bool {
    // A token service's refusal has its words; a quota's is worth no further request.
    matches!(cause, Cause::Refused(refusal) if refusal.message.is_empty() && matches!(refusal.status, 400..=428 | 501))
        || matches!(cause, Cause::OutOfPatience { last, .. } if last.refusal().is_some_and(|refusal| refusal.message.is_empty()))
}

/// Whether the server itself failed at this request: it sheds no load, and nothing in front of it misses it.
fn is_server_failure(cause: &Cause) -> bool {
    matches!(cause, Cause::Refused(refusal) if refusal.status == 500)
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.trim().parse().ok()
}
