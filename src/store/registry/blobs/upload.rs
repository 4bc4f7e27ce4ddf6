//! Uploads of blobs: whether a blob is sent, and where to.
//!
//! Owns that nothing is sent which the registry has, or can link from another of its repositories, but for small blobs of a
//! repository that it says it does not know, and the opening of uploads. What is sent goes by `upload_session`. Never starts a
//! second upload where a refused mount opened one.

use std::pin::pin;

use futures_util::future::{Either, select};
use reqwest::{Method, StatusCode};

use crate::error::Error;
use crate::error::action::Action;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::observe::counts::BlobPush;
use crate::oci::manifest::Descriptor;
use crate::store::blob::{BlobPushRequest, BlobSource, BlobStream};
use crate::store::content::Presence;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::blobs::upload_requests::Session;
use crate::store::registry::blobs::upload_session::{BlobOpener, BlobUpload};
use crate::store::registry::memory::SMALL_BYTES;
use crate::store::registry::repository::Repository;
use crate::store::registry::send::Request;

/// What an upload that was asked for turned out to be.
enum Opened {
    /// None: the registry has the blob now.
    Mounted,
    /// An upload session.
    Session(Session),
}

impl Repository {
    /// Makes a blob exist in this repository: linked from another repository of this registry that has it, or sent. What
    /// is there is not sent.
    pub async fn push_blob(&self, request: BlobPushRequest<'_>) -> Result<BlobPush, Error> {
        let BlobPushRequest { descriptor, mount_from: from, presence, source } = request;
        let mut upload = BlobUpload::new(self, descriptor, source);
        if self.says_it_has(descriptor, presence).await? {
            return Ok(BlobPush::Exists);
        }
        // Sessions of large blobs are opened when it is their turn: GHCR gives an upload ten minutes.
        let permit = if upload.is_small() { None } else { Some(upload.acquire().await) };
        let initiating = self.initiate(descriptor, from, presence);
        let (initiated, opened) = if upload.is_small() && from.is_none() && presence == Presence::Unlikely {
            self.initiate_and_open(initiating, source).await
        } else {
            (initiating.await, None)
        };
        let session = match initiated.map_err(|cause| upload.failed(Action::PostUpload, cause))? {
            Opened::Mounted if from.is_some() => return Ok(BlobPush::Mounted),
            Opened::Mounted => return Ok(BlobPush::Exists),
            Opened::Session(session) => session,
        };
        // A config is new with each image, and says nothing of layers.
        if presence == Presence::Unlikely && !descriptor.is_image_config() {
            self.observed.lacks_a_blob();
        }
        upload.opener = BlobOpener { source, opened };
        upload.run(session, permit).await?;
        Ok(BlobPush::Uploaded)
    }

    /// The largest blob that this registry takes, where that is known.
    pub fn largest_blob(&self) -> Option<u64> {
        self.host.quirks.largest_blob
    }

    /// Asks whether a push would be let in, by opening an upload that is left to expire: no token of a registry tells
    /// its rights (GHCR's is opaque), and no other question is answered like a push (radius-project/radius#12623).
    pub async fn may_push(&self) -> Result<(), Error> {
        let call = Request::new(Method::POST, self.url("blobs/uploads/"), Scopes::push(&self.name), "right to push");
        self.send(&call).await.map(drop).map_err(|cause| self.error(Action::PostUpload, self.place(), cause))
    }

    /// Whether the registry says that it has the blob, where no mount of it tells.
    async fn says_it_has(&self, descriptor: &Descriptor, presence: Presence) -> Result<bool, Error> {
        if presence == Presence::Void || !self.observed.mount_is_silent(None) {
            return Ok(false);
        }
        let is_unlikely = presence == Presence::Unlikely;
        let has_none = is_unlikely && descriptor.size <= SMALL_BYTES && self.was_unknown().await;
        let has_it = !has_none && self.head_blob(descriptor).await?.is_some();
        if is_unlikely && !has_it {
            self.observed.lacks_a_blob();
        }
        Ok(has_it)
    }

    /// Opens a small blob at its source while an upload of it is opened, which may find that the target has it. That saves a
    /// round trip, and is done only once another blob that was not expected at the target was not there either, which may be
    /// learnt meanwhile, and as long as none was. What `initiating` has come to, and the blob where it was opened.
    async fn initiate_and_open(
        &self,
        initiating: impl Future<Output = Result<Opened, Cause>>,
        source: &dyn BlobSource,
    ) -> (Result<Opened, Cause>, Option<BlobStream>) {
        let initiating = Box::pin(initiating);
        let (is_as_expected, initiating) = match select(initiating, pin!(self.observed.is_as_expected())).await {
            Either::Left((initiated, _)) => return (initiated, None),
            Either::Right(right) => right,
        };
        let opening = if is_as_expected { source.open_early() } else { None };
        let Some(opening) = opening else { return (initiating.await, None) };
        match select(initiating, opening).await {
            Either::Left((Ok(Opened::Session(session)), opening)) => (Ok(Opened::Session(session)), opening.await.ok()),
            Either::Left((initiated, _)) => (initiated, None),
            // One that failed is opened again in its turn, with the whole budget.
            Either::Right((opened, initiating)) => (initiating.await, opened.ok()),
        }
    }

    /// Opens an upload, or finds that none is needed.
    async fn initiate(&self, descriptor: &Descriptor, from: Option<&str>, presence: Presence) -> Result<Opened, Cause> {
        if presence == Presence::Void {
            return self.open_upload().await.map(Opened::Session);
        }
        let observed = &self.observed;
        let mount_source = from.unwrap_or(&self.name);
        let exists = || async { self.head_blob(descriptor).await.is_ok_and(|size| size.is_some()) };
        if observed.may_mount(mount_source) && !observed.mount_is_silent(from) {
            match self.mount(descriptor, mount_source).await {
                Ok(Opened::Mounted) => {
                    if from.is_none() {
                        observed.mount_answers();
                    }
                    return Ok(Opened::Mounted);
                }
                // 202 says "not there" only where a mount from the repository itself has once said "there".
                Ok(opened) => {
                    if presence == Presence::Possible && !observed.mount_has_answered() && exists().await {
                        observed.mount_keeps_silent();
                        return Ok(Opened::Mounted);
                    }
                    return Ok(opened);
                }
                // Refused or misunderstood in whatever way, it says nothing of the push: an ordinary upload tells
                // (distribution-spec, "Mounting a blob from another repository": 202 is what registries that do not mount
                // should answer, and not what they do: containerd/containerd#14086).
                Err(cause) if is_of_mount(&cause, from) => match &cause {
                    // Of this blob, or of the way to the registry: the next one is asked for all the same.
                    Cause::Connection { .. } => {}
                    // Of this pair of repositories; a token service may refuse two scopes at once (GitLab:
                    // estesp/manifest-tool#53).
                    Cause::Token { .. } => observed.mounts_nothing_from(mount_source),
                    Cause::Refused(refusal) if matches!(refusal.status, 401 | 403 | 404) => {
                        observed.mounts_nothing_from(mount_source);
                    }
                    _ => observed.mounts_nothing(),
                },
                Err(cause) => return Err(cause),
            }
        }
        // Neither mount nor HEAD has told whether the blob exists: ask with HEAD.
        if !observed.mount_is_silent(None) && exists().await {
            return Ok(Opened::Mounted);
        }
        self.open_upload().await.map(Opened::Session)
    }

    /// Opens an ordinary upload.
    pub(super) async fn open_upload(&self) -> Result<Session, Cause> {
        let call = Request::new(Method::POST, self.url("blobs/uploads/"), Scopes::push(&self.name), "blob upload");
        self.session(&self.send(&call).await?)
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
        let mut call = Request::new(Method::POST, url, scopes, "blob upload");
        call.gives_up = Some((2, is_server_failure));
        let response = self.send(&call).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Opened::Mounted);
        }
        self.session(&response).map(Opened::Session)
    }
}

/// Whether a mount that failed so is all that failed. An outage and a registry that sheds load are no answer to it; nor is
/// a token that is refused for this repository alone, or an upload that would lead where none may go. A connection that
/// breaks at this request again and again may be the registry's: the upload that follows tells, and has patience.
fn is_of_mount(cause: &Cause, from: Option<&str>) -> bool {
    match cause {
        Cause::Refused(refusal) | Cause::Interrupted(refusal) => !refusal.sheds_load(),
        Cause::Token { .. } => from.is_some(),
        Cause::Protocol(violation) => !violation.is_unsafe_address(),
        Cause::Connection { kind, .. } => *kind == ConnectionFailure::Broken,
        Cause::Elsewhere { .. } | Cause::OutOfPatience { .. } | Cause::Login(_) => false,
    }
}

/// Whether the server failed at this request, and does not shed load.
fn is_server_failure(cause: &Cause) -> bool {
    match cause {
        Cause::Refused(refusal) => refusal.status >= 500 && !refusal.sheds_load(),
        Cause::Connection { kind, .. } => *kind == ConnectionFailure::Broken,
        _ => false,
    }
}
