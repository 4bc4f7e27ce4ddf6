//! One registry as one account sees it: address, credential, limits, what was learned of it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::error::Error;
use crate::error::cause::Cause;
use crate::http::address::is_loopback;
use crate::http::clients::{Pool, Transport};
use crate::secret::Credential;
use crate::store::registry::auth::Auth;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::concurrency::Concurrency;
use crate::store::registry::learned::{HOPED, Observed, SILENT};

/// GitHub's registry takes layers up to 10 GB, as it documents ("Working with the Container registry").
pub const GITHUB_LARGEST: u64 = 10_000_000_000;

/// How long a host that never answered is left alone by those who come after.
pub const GIVEN_UP: Duration = Duration::from_secs(30);

/// How registries are spoken to in this run.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Hosts, with their port if any, that are spoken to over plain HTTP besides loopback ones.
    pub insecure: Vec<String>,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// The registry of the GitHub server that this run belongs to, whatever its name.
    pub github: Option<String>,
}

/// One registry under one credential.
pub struct Host {
    pub name: String,
    pub base: Url,
    pub auth: Auth,
    pub transport: Transport,
    /// The run's permits for read-ahead.
    spans: Arc<Semaphore>,
    pub(crate) lanes: Concurrency,
    /// Whether it has answered anything in this run.
    pub answered: AtomicBool,
    /// When and why it was given up, where it never has: each image of a list would wait as long and hear the same.
    given_up: Mutex<Option<(Instant, Cause)>>,
    /// The largest blob that it takes, where that is known.
    pub(crate) largest_blob: Option<u64>,
    /// What it was learnt to refuse.
    pub(crate) learned: Observed,
}

impl Host {
    pub(crate) fn new(
        name: &str,
        credential: Option<Credential>,
        transport: &Transport,
        spans: Arc<Semaphore>,
        settings: &RegistrySettings,
    ) -> Result<Self, Error> {
        // `docker.io` is a name only; its registry has another.
        let server = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let parse = |scheme: &str| Url::parse(&format!("{scheme}://{server}/"));
        let plain = parse("http").is_ok_and(|url| is_loopback(url.host()))
            || settings.insecure.iter().any(|host| host.eq_ignore_ascii_case(name));
        let base = parse(if plain { "http" } else { "https" })
            .map_err(|error| Error::Local(format!("`{name}` is not a host name: {error}")))?;
        // What would keep every request from being sent is said before the first one.
        transport.client(&base, Pool::Small, false)?;
        let cautious = matches!(name, "ghcr.io" | "docker.io");
        // Large single PUTs were answered 400 there by reports without a cause (registries.md §5.3, form B).
        let single_put_below = if cautious { 100 * 1024 * 1024 } else { u64::MAX };
        Ok(Self {
            name: name.to_owned(),
            auth: Auth::new(base.clone(), credential),
            base,
            transport: transport.clone(),
            spans,
            lanes: Concurrency::new(name == "ghcr.io"),
            answered: AtomicBool::new(false),
            given_up: Mutex::default(),
            largest_blob: (name == "ghcr.io" || settings.github.as_deref() == Some(name)).then_some(GITHUB_LARGEST),
            learned: Observed {
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
        Arc::clone(&self.spans).try_acquire_owned().ok()
    }

    /// Why it is not asked now. Who comes a while later tries again, for all.
    pub fn given_up(&self) -> Option<Cause> {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, cause) = given_up.as_mut().filter(|_| self.is_stranger())?;
        if when.elapsed() >= GIVEN_UP {
            *when = Instant::now();
            return None;
        }
        Some(cause.clone())
    }

    pub fn give_up(&self, cause: &Cause) {
        *self.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), cause.clone()));
    }

    pub(crate) fn is_stranger(&self) -> bool {
        !self.answered.load(Relaxed)
    }
}
