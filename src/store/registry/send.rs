//! One registry host: every request to it passes here.
//!
//! Owns sending: the token, the place in the lane, the repetition, the redirects, the count. Never knows what a manifest
//! or a blob is.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use url::Url;

use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure};
use crate::http::address::{self, is_loopback};
use crate::http::clients::{Pipe, Transport};
use crate::http::failure::classify;
use crate::secret::Credential;
use crate::store::registry::auth::{Asking, Auth, Scopes};
use crate::store::registry::blobs::upload::Form;
use crate::store::registry::concurrency::{Lane, Lanes, Place};
use crate::store::registry::retry::{Patience, Verdict, judge};
use crate::store::registry::tags::Tags;
use crate::store::registry::{Repository, Settings, error_response};
use crate::text::sanitise;

/// GitHub's registry takes layers up to 10 GB, as it documents ("Working with the Container registry").
const GITHUB_LARGEST: u64 = 10_000_000_000;

/// Redirects that are followed.
const HOPS: usize = 5;

/// How long a host that never answered is left alone by those who come after.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// A wait longer than this is said in the log.
pub(crate) const WORTH_SAYING: Duration = Duration::from_secs(3);

/// One registry under one credential.
pub(crate) struct Host {
    name: String,
    base: Url,
    auth: Auth,
    transport: Transport,
    pub(crate) lanes: Lanes,
    /// Whether it has answered anything in this run.
    answered: AtomicBool,
    /// When and why it was given up, where it never has: each image of a list would wait as long and hear the same.
    given_up: Mutex<Option<(Instant, Cause)>>,
    /// The largest blob that it takes, where that is known.
    pub(crate) largest_blob: Option<u64>,
    /// What it was learnt to refuse.
    pub(crate) learned: Learned,
}

/// What a host was learnt to refuse, so that it is not asked again.
pub(crate) struct Learned {
    /// Blob uploads with a body in one PUT work below this size in bytes.
    pub(crate) single_put_below: AtomicU64,
    /// Uploads with one PATCH of any size fail; only small pieces are taken.
    pub(crate) pieces_only: AtomicBool,
    /// It does not mount.
    pub(crate) no_mount: AtomicBool,
    /// Whether it has the referrers API; none while that is not known. Held by whoever finds out, so that one does.
    pub(crate) referrers: tokio::sync::Mutex<Option<bool>>,
    /// The tags of its repositories, where they were listed.
    pub(crate) tags: Mutex<HashMap<Arc<str>, Arc<OnceCell<Tags>>>>,
    /// Whether the first of many tags of a repository that were asked for was not there.
    pub(crate) scouts: Mutex<HashMap<Arc<str>, Arc<OnceCell<bool>>>>,
    /// When it was found last that more connections for one blob do not make it come faster.
    wide_in_vain: Mutex<Option<Instant>>,
    /// It does not mount from these repositories.
    pub(crate) no_mount_from: Mutex<HashSet<String>>,
    /// Whether a mount from the repository itself tells if the blob is there (201); a HEAD is saved where it does.
    self_mount: AtomicU8,
    /// Whether it has opened an upload where a blob was not expected to be.
    opened_one: AtomicBool,
}

/// What is known of mounts from the repository itself: nothing yet, and they are tried; they answer; they do not.
const HOPED: u8 = 0;

const ANSWERS: u8 = 1;

const SILENT: u8 = 2;

impl Learned {
    /// A mount from the repository itself says nothing here; from another one (`from`) it may still link.
    pub(crate) fn mount_is_silent(&self, from: Option<&str>) -> bool {
        from.is_none() && self.self_mount.load(Relaxed) == SILENT
    }

    pub(crate) fn mount_has_answered(&self) -> bool {
        self.self_mount.load(Relaxed) == ANSWERS
    }

    pub(crate) fn mount_answers(&self) {
        self.self_mount.store(ANSWERS, Relaxed);
    }

    /// An upload was opened for a blob that was not expected to be there, and was not.
    pub(crate) fn opened(&self) {
        self.opened_one.store(true, Relaxed);
    }

    /// Whether what was not expected to be there never was, as far as was seen.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.opened_one.load(Relaxed) && !self.mount_has_answered()
    }

    pub(crate) fn mount_keeps_silent(&self) {
        self.self_mount.store(SILENT, Relaxed);
    }

    /// More connections for one blob did not make it come faster.
    pub(crate) fn wide_was_in_vain(&self) {
        *self.wide_in_vain.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether that was found lately.
    pub(crate) fn is_wide_in_vain(&self, lately: Duration) -> bool {
        let when = *self.wide_in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        when.is_some_and(|when| when.elapsed() < lately)
    }

    /// An upload in `form` has worked; what was refused before it need not be tried first again.
    pub(crate) fn takes(&self, form: Form, size: u64) {
        match form {
            Form::Put => {}
            Form::Patch => drop(self.single_put_below.fetch_min(size, Relaxed)),
            Form::Pieces => self.pieces_only.store(true, Relaxed),
        }
    }
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) scopes: Scopes,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) lane: Lane,
    /// Whether a redirect is followed, or is the answer.
    pub(crate) follows: bool,
    /// For waits in the log: what is asked.
    pub(crate) what: &'a str,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: Url, scopes: Scopes, what: &'a str) -> Self {
        Self { method, url, scopes, headers: HeaderMap::new(), body: None, lane: Lane::Small, follows: true, what }
    }
}

impl Host {
    pub(crate) fn new(
        name: &str,
        credential: Option<Credential>,
        transport: &Transport,
        settings: &Settings,
    ) -> Result<Self, Error> {
        // `docker.io` is a name only; its registry has another.
        let server = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let parse = |scheme: &str| Url::parse(&format!("{scheme}://{server}/"));
        let plain = parse("http").is_ok_and(|url| is_loopback(url.host()))
            || settings.insecure.iter().any(|host| host.eq_ignore_ascii_case(name));
        let base = parse(if plain { "http" } else { "https" })
            .map_err(|error| Error::Local(format!("`{name}` is not a host name: {error}")))?;
        // What would keep every request from being sent is said before the first one.
        transport.client(&base, Pipe::Small, false)?;
        let cautious = matches!(name, "ghcr.io" | "docker.io");
        // Large single PUTs were answered 400 there by reports without a cause (registries.md §5.3, form B).
        let single_put_below = if cautious { 100 * 1024 * 1024 } else { u64::MAX };
        Ok(Self {
            name: name.to_owned(),
            auth: Auth::new(base.clone(), credential),
            base,
            transport: transport.clone(),
            lanes: Lanes::new(name == "ghcr.io"),
            answered: AtomicBool::new(false),
            given_up: Mutex::default(),
            largest_blob: (name == "ghcr.io" || settings.github.as_deref() == Some(name)).then_some(GITHUB_LARGEST),
            learned: Learned {
                single_put_below: AtomicU64::new(single_put_below),
                pieces_only: AtomicBool::new(false),
                no_mount: AtomicBool::new(false),
                referrers: tokio::sync::Mutex::default(),
                tags: Mutex::default(),
                scouts: Mutex::default(),
                no_mount_from: Mutex::default(),
                opened_one: AtomicBool::new(false),
                wide_in_vain: Mutex::default(),
                self_mount: AtomicU8::new(if name == "ghcr.io" || name.ends_with(".amazonaws.com") {
                    SILENT
                } else {
                    HOPED
                }),
            },
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is(&self, name: &str, credential: Option<&Credential>) -> bool {
        self.name == name && self.auth.is_credential(credential)
    }

    /// Whether a manifest GET is billed as a pull (registries.md §10, Docker Hub).
    pub(crate) fn bills_pulls(&self) -> bool {
        self.name == "docker.io"
    }

    /// Learns from a 401; whether another attempt is worth it.
    pub(crate) async fn learn(&self, headers: &HeaderMap, sent: Option<&HeaderValue>, scopes: &Scopes) -> bool {
        self.auth.learn(headers, sent, scopes).await
    }

    /// Whether a mount from `from` is worth asking for.
    pub(crate) fn may_mount(&self, from: &str) -> bool {
        let refused = self.learned.no_mount_from.lock().unwrap_or_else(PoisonError::into_inner);
        !self.learned.no_mount.load(Relaxed) && !refused.contains(from)
    }

    /// Room in memory for one more span of a blob, if there is any.
    pub(crate) fn span(&self) -> Option<OwnedSemaphorePermit> {
        self.transport.span()
    }

    /// Why it is not asked now. Who comes a while later tries again, for all.
    fn given_up(&self) -> Option<Cause> {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, cause) = given_up.as_mut().filter(|_| self.is_stranger())?;
        if when.elapsed() >= GIVEN_UP {
            *when = Instant::now();
            return None;
        }
        Some(cause.clone())
    }

    fn give_up(&self, cause: &Cause) {
        *self.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), cause.clone()));
    }

    pub(crate) fn is_stranger(&self) -> bool {
        !self.answered.load(Relaxed)
    }
}

impl Repository {
    /// `/v2/<name>/<rest>` of this repository. `rest` is built from parsed references and digests.
    pub(crate) fn url(&self, rest: &str) -> Url {
        let mut url = self.host.base.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.name));
        url
    }

    /// Sends `call` until it is answered with success, refused for good, or patience ends.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Response, Cause> {
        let mut patience = Patience::new(&self.limits);
        loop {
            let place = self.enter(call.lane, &mut patience).await;
            if let Some(cause) = self.host.given_up() {
                return Err(cause);
            }
            match self.send_once(call).await {
                Ok(response) => return Ok(response),
                Err(cause) => {
                    drop(place);
                    self.pause(&mut patience, cause, call.what).await?;
                }
            }
        }
    }

    /// Waits as long as `patience` and the failure say, or gives the failure back.
    pub(crate) async fn pause(&self, patience: &mut Patience, cause: Cause, what: &str) -> Result<(), Cause> {
        if judge(&cause) == Verdict::Throttled {
            self.host.lanes.narrow();
        }
        let reason = cause.to_string();
        let is_stranger = self.host.is_stranger();
        let wait = patience.next(cause, is_stranger).inspect_err(|cause| {
            // Who has another place to ask gives up sooner.
            if is_stranger && !self.limits.hasty && cause.is_connection() {
                self.host.give_up(cause);
            }
        })?;
        if wait > WORTH_SAYING {
            self.meter.say(format!(
                "{}: {} {what}: {reason}; trying again in {} s",
                self.side,
                self.host.name,
                wait.as_secs()
            ));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Waits for a place in `lane`; that wait is ours, not the registry's.
    pub(crate) async fn enter(&self, lane: Lane, patience: &mut Patience) -> Place {
        let arrived = Instant::now();
        let place = self.host.lanes.enter(lane).await;
        patience.excuse(arrived.elapsed());
        place
    }

    /// Sends `call` once (twice where a 401 says what was missing), following redirects. The caller has a place in its
    /// lane.
    pub(crate) async fn send_once(&self, call: &Call<'_>) -> Result<Response, Cause> {
        let response = self.authorized(call).await?;
        self.host.lanes.widen(call.lane);
        Ok(response)
    }

    async fn authorized(&self, call: &Call<'_>) -> Result<Response, Cause> {
        let mut learned = false;
        loop {
            let authorization = self.authorization(&call.scopes).await?;
            let response = self.follow(call, authorization.as_ref()).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            // A storage host that a redirect led to must not tell us whom to give this registry's credential.
            if response.status() == StatusCode::UNAUTHORIZED
                && !learned
                && self.is_home(response.url())
                && self.host.auth.learn(response.headers(), authorization.as_ref(), &call.scopes).await
            {
                learned = true;
                continue;
            }
            return Err(self.refused(response, authorization.as_ref()).await);
        }
    }

    /// What the registry said to a request that carried `authorization`, without what it was sent.
    pub(crate) async fn refused(&self, response: Response, authorization: Option<&HeaderValue>) -> Cause {
        Cause::Refused(error_response::read(response, &self.host.auth.secrets(authorization)).await)
    }

    /// The `Authorization` that a request with `scopes` carries now.
    pub(crate) async fn authorization(&self, scopes: &Scopes) -> Result<Option<HeaderValue>, Cause> {
        let asking = Asking { transport: &self.host.transport, meter: &self.meter, limits: &self.limits };
        self.host.auth.authorization(scopes, &asking).await
    }

    /// A request to `url`; `authorization` only where `url` is this host's.
    pub(crate) fn request(
        &self,
        method: Method,
        url: &Url,
        pipe: Pipe,
        authorization: Option<&HeaderValue>,
    ) -> Result<reqwest::RequestBuilder, Cause> {
        let client = self.host.transport.client(url, pipe, self.limits.hasty);
        self.meter.request(self.side);
        let mut request = client
            .map_err(|error| Cause::Protocol(error.to_string()))?
            .request(method, url.clone())
            // A registry that compresses what it sends would change the bytes that the digest is over.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = authorization.filter(|_| self.is_home(url)) {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// Whether `url` has this registry's scheme, host and port.
    pub(crate) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.host.base.origin()
    }

    async fn follow(&self, call: &Call<'_>, authorization: Option<&HeaderValue>) -> Result<Response, Cause> {
        let pipe = if call.lane == Lane::Small { Pipe::Small } else { Pipe::Blob };
        let mut url = call.url.clone();
        for _ in 0..=HOPS {
            let mut request =
                self.request(call.method.clone(), &url, pipe, authorization)?.headers(call.headers.clone());
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            let response = answer(request, self.limits.answer).await?;
            self.host.answered.store(true, Relaxed);
            let may_follow = call.follows && matches!(call.method, Method::GET | Method::HEAD);
            if !(may_follow && response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED) {
                return Ok(response);
            }
            url = self.next_hop(&url, response.headers())?;
        }
        Err(Cause::Protocol(format!("answered with more than {HOPS} redirects")))
    }

    fn next_hop(&self, url: &Url, headers: &HeaderMap) -> Result<Url, Cause> {
        let next = headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .and_then(|location| url.join(location).ok())
            .ok_or_else(|| Cause::Protocol("answered with a redirect that names no address".to_owned()))?;
        self.check_elsewhere(&next, "redirects")?;
        // GHCR sends what it does not know to the web interface (registries.md §9, Redirects): not found.
        if self.host.name == "ghcr.io" && next.host_str() == Some("github.com") {
            return Err(Cause::Refused(crate::error::cause::Refusal {
                status: 404,
                message: "redirects to github.com instead of answering".to_owned(),
                ..Default::default()
            }));
        }
        Ok(next)
    }

    /// Refuses addresses that a registry must not send us to.
    pub(crate) fn check_elsewhere(&self, next: &Url, verb: &str) -> Result<(), Cause> {
        if self.is_home(next) {
            return Ok(());
        }
        let place = sanitise::line(next.host_str().unwrap_or_default(), 100);
        if !matches!(next.scheme(), "https" | "http") || (next.scheme() == "http" && self.host.base.scheme() == "https")
        {
            return Err(Cause::Protocol(format!("{verb} to {place} without TLS; not followed")));
        }
        if address::names_local_address(next) && !is_loopback(self.host.base.host()) {
            return Err(Cause::Protocol(format!(
                "{verb} to {place}, an address of this machine or link; not followed"
            )));
        }
        Ok(())
    }
}

/// Sends `request` and waits `patience` for the head of the answer.
pub(crate) async fn answer(request: reqwest::RequestBuilder, patience: Duration) -> Result<Response, Cause> {
    match tokio::time::timeout(patience, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => {
            Err(Cause::Connection { kind: ConnectionFailure::Timeout, detail: format!("{} s", patience.as_secs()) })
        }
    }
}
