//! Logins without a stored secret: a credential that is asked for when a registry wants one, and again before it ends.
//!
//! Owns that one host's login is exchanged by one request at a time, when it is first needed and when less than a minute is
//! left of it, and that a refusal is asked for once. Each provider has a file; which host a credential may go to is decided
//! there, by names alone. Never gives an identity to another host than its provider's, and never keeps one.

pub mod ask;
pub mod aws;
pub mod aws_machine;
mod aws_session;
mod azure;
mod chainguard;
mod docker_hub;
pub mod fields;
mod google;
mod google_person;
mod jfrog;
pub mod jwt;
mod leased;
pub mod oidc;
mod place;
mod quay;
mod sigv4;
mod words;

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::credentials::cloud::ask::{Exchange, Retry, is_passing};
use crate::credentials::cloud::aws::Ecr;
use crate::credentials::cloud::aws_machine::Machine;
use crate::credentials::cloud::azure::Azure;
use crate::credentials::cloud::chainguard::Chainguard;
use crate::credentials::cloud::docker_hub::DockerHub;
use crate::credentials::cloud::fields::Fields;
use crate::credentials::cloud::google::Google;
use crate::credentials::cloud::jfrog::Jfrog;
use crate::credentials::cloud::leased::Leased;
pub use crate::credentials::cloud::place::Place;
use crate::credentials::cloud::quay::Quay;
use crate::credentials::scope::Scope;
use crate::error::Error;
use crate::error::cause::LoginFailure;
use crate::http::address::authority;
use crate::secret::{Credential, Secret};
use crate::sync::LockExt as _;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// What is left of a credential when it is asked for again; of a short-lived one a quarter.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a credential that still holds is used on after it could not be renewed.
const NEXT_TRY: Duration = Duration::from_secs(10);

/// No credential is asked for more often than this because it says that it ends.
const SHORTEST_LIFE: Duration = Duration::from_secs(3);

/// How often one is given up because the registry refuses what it has taken before: more is no end of its life.
const MOST_WITHDRAWN: u32 = 20;

/// No credential is held for longer.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Credentials that are remembered, to be taken out of what a registry says.
const REMEMBERED: usize = 8;

/// Every type, with the fields that it has.
const TYPES: &[(&str, &[&str])] = &[
    (docker_hub::WORD, DockerHub::FIELDS),
    (aws::WORD, Ecr::FIELDS),
    (google::WORD, Google::FIELDS),
    (azure::WORD, Azure::FIELDS),
    (quay::WORD, Quay::FIELDS),
    (jfrog::WORD, Jfrog::FIELDS),
    (chainguard::WORD, Chainguard::FIELDS),
];

/// The way to a credential.
#[derive(Debug)]
enum Provider {
    DockerHub(DockerHub),
    Ecr(Ecr),
    Google(Google),
    Azure(Azure),
    Quay(Quay),
    Jfrog(Jfrog),
    Chainguard(Chainguard),
}

/// A login of `registry-identities`, and the credential that it has at present.
#[derive(Debug)]
pub struct Lease {
    word: &'static str,
    host: String,
    provider: Provider,
    /// The lock is the single flight: the first that needs a credential asks, the others wait for its answer.
    state: tokio::sync::Mutex<State>,
    /// The credentials so far, the last ones.
    given: Mutex<Vec<Credential>>,
    /// Whether the registry has let the present one in.
    is_proven: AtomicBool,
    withdrawn: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    failure: Option<(Instant, Box<LoginFailure>)>,
}

#[derive(Debug)]
struct Held {
    credential: Credential,
    renew: Instant,
    until: Instant,
}

/// What a login of the input became.
pub enum Reading {
    /// A login, and where it counts.
    Login(Scope, Box<Lease>),
    /// None on this machine; a sentence about it.
    Left(String),
}

impl Lease {
    /// Reads one login. Contacts nothing.
    pub fn read(mut fields: Fields, place: &Place<'_>) -> Result<Reading, Error> {
        let word = fields.need("type", "dockerhub")?;
        let Some((word, known)) = TYPES.iter().find(|(known, _)| *known == word) else {
            let words: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
            let hint = match nearest(&word, words.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            let words = words.join(", ");
            return Err(fields.problem(format_args!("`type` is `{}`, which is not one of {words}{hint}", quote(&word))));
        };
        fields.only(word, known)?;
        let scope = scope(&mut fields, word, place)?;
        let host = scope.host.as_str();
        let provider = match *word {
            aws::WORD => Ecr::read(&mut fields, host, place)?.map(Provider::Ecr),
            google::WORD => Google::read(&mut fields, host, place)?.map(Provider::Google),
            azure::WORD => Azure::read(&mut fields, host, place)?.map(Provider::Azure),
            quay::WORD => Quay::read(&mut fields, host, place)?.map(Provider::Quay),
            jfrog::WORD => Jfrog::read(&mut fields, host, place)?.map(Provider::Jfrog),
            chainguard::WORD => Chainguard::read(&mut fields, host, place)?.map(Provider::Chainguard),
            _ => DockerHub::read(&mut fields, host, place)?.map(Provider::DockerHub),
        };
        match provider {
            Some(provider) => Ok(Reading::Login(scope.clone(), Box::new(Self::new(word, host, provider)))),
            None if place.is_job() => Err(place.no_identity(&fields)),
            None => Ok(Reading::Left(Place::left(word, host))),
        }
    }

    fn new(word: &'static str, host: &str, provider: Provider) -> Self {
        Self {
            word,
            host: host.to_owned(),
            provider,
            state: tokio::sync::Mutex::default(),
            given: Mutex::default(),
            is_proven: AtomicBool::new(false),
            withdrawn: AtomicU32::new(0),
        }
    }

    /// The type, as the input has it.
    pub fn word(&self) -> &'static str {
        self.word
    }

    /// What is secret before anything is asked.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.provider {
            Provider::Ecr(ecr) => ecr.machine().map(Machine::secrets).unwrap_or_default(),
            Provider::Google(google) => google.secrets(),
            _ => Vec::new(),
        }
    }

    /// What stands in for a job's identity, where that is so.
    pub fn machine(&self) -> Option<&'static str> {
        match &self.provider {
            Provider::Ecr(ecr) => ecr.machine().map(Machine::describe),
            Provider::Google(google) => google.machine(),
            _ => None,
        }
    }

    /// The credentials that it has given, as far as they are remembered.
    pub fn given(&self) -> Vec<Credential> {
        self.given.locked().clone()
    }

    /// The credential to be sent now.
    pub async fn credential(&self, exchange: &Exchange<'_>) -> Result<Credential, Box<LoginFailure>> {
        let arrived = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(held) = state.held.as_ref().filter(|held| Instant::now() < held.renew) {
            return Ok(held.credential.clone());
        }
        let is_first = state.held.is_none();
        // What was refused would be refused again; what failed while this waited need not be asked again to hear the same.
        let known = state.failure.as_ref().filter(|(when, failure)| *when >= arrived || !is_passing(&failure.cause));
        if let Some((_, failure)) = known.filter(|_| is_first) {
            return Err(failure.clone());
        }
        match self.obtain(exchange).await {
            Ok(Leased { credential, lifetime }) => {
                let lifetime = lifetime.max(SHORTEST_LIFE);
                let minutes = lifetime.as_secs().div_ceil(60);
                let whose = self.machine().unwrap_or("the job's identity");
                let verb = if self.given.locked().is_empty() { "logged in" } else { "logged in anew" };
                exchange.meter.say(format!("{}: {verb} with {whose} ({}), for {minutes} min", self.host, self.word));
                self.remember(&credential);
                let now = Instant::now();
                let until = now + lifetime.min(LONGEST_LIFE);
                let renew = until - MARGIN.min(lifetime / 4).min(LONGEST_LIFE);
                *state = State { held: Some(Held { credential: credential.clone(), renew, until }), failure: None };
                self.is_proven.store(false, Relaxed);
                Ok(credential)
            }
            Err(failure) => match &mut state.held {
                Some(held) if Instant::now() < held.until => {
                    held.renew = Instant::now() + NEXT_TRY;
                    Ok(held.credential.clone())
                }
                _ => {
                    *state = State { held: None, failure: Some((Instant::now(), failure.clone())) };
                    Err(failure)
                }
            },
        }
    }

    /// The registry has let the present credential in.
    pub fn prove(&self) {
        self.is_proven.store(true, Relaxed);
    }

    /// The registry has refused this credential; whether another one may do better. One that was never let in is not asked for
    /// anew: it would be refused again.
    pub async fn refuse(&self, is_it: impl Fn(&Credential) -> bool) -> bool {
        let mut state = self.state.lock().await;
        match &state.held {
            Some(held) if is_it(&held.credential) => {
                if self.is_proven.load(Relaxed) && self.withdrawn.fetch_add(1, Relaxed) < MOST_WITHDRAWN {
                    state.held = None;
                    return true;
                }
                false
            }
            // Another request has had it renewed meanwhile.
            Some(_) => true,
            None => state.failure.is_none(),
        }
    }

    /// Creates a repository, where [`Self::creates_repositories`].
    pub async fn create_repository(&self, name: &str, exchange: &Exchange<'_>) -> Result<(), Box<LoginFailure>> {
        match &self.provider {
            Provider::Ecr(ecr) => ecr.create_repository(name, exchange).await,
            _ => Ok(()),
        }
    }

    /// Whether its registry wants repositories created, and it can.
    pub fn creates_repositories(&self) -> bool {
        matches!(self.provider, Provider::Ecr(_))
    }

    fn remember(&self, credential: &Credential) {
        let mut given = self.given.locked();
        given.push(credential.clone());
        let before = given.len().saturating_sub(REMEMBERED);
        given.drain(..before);
    }

    async fn obtain(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let mut retry = Retry::begin();
        loop {
            match self.lease(exchange).await {
                Ok(leased) => return Ok(leased),
                Err(failure) => retry.pause(failure, &self.host, exchange).await?,
            }
        }
    }

    async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        match &self.provider {
            Provider::DockerHub(hub) => hub.lease(exchange).await,
            Provider::Ecr(ecr) => ecr.lease(exchange).await,
            Provider::Google(google) => google.lease(exchange).await,
            Provider::Azure(azure) => azure.lease(exchange).await,
            Provider::Quay(quay) => quay.lease(exchange).await,
            Provider::Jfrog(jfrog) => jfrog.lease(exchange).await,
            Provider::Chainguard(chainguard) => chainguard.lease(exchange).await,
        }
    }
}

/// Where a login counts.
fn scope(fields: &mut Fields, word: &str, place: &Place<'_>) -> Result<Scope, Error> {
    let registry = match (fields.take("registry")?, word) {
        (Some(registry), _) => registry,
        (None, docker_hub::WORD) => "docker.io".to_owned(),
        (None, quay::WORD) => "quay.io".to_owned(),
        (None, chainguard::WORD) => "cgr.dev".to_owned(),
        (None, _) => return Err(fields.problem("has no `registry`; name the host of the registry that it is for")),
    };
    let scope = Scope::parse(&registry);
    let is_host = Url::parse(&format!("https://{}/", scope.host))
        .is_ok_and(|url| url.username().is_empty() && authority(&url) == scope.host);
    if !is_host {
        return Err(fields.problem(format_args!(
            "`registry` is `{}`; write a host, or a host and a path: `docker.io`, `quay.io/acme`",
            quote(&registry)
        )));
    }
    if place.is_plain(&scope.host) {
        return Err(fields.problem(format_args!(
            "`{}` is spoken to over plain HTTP, and an identity goes over TLS only; give a password by `registry-auth` in its \
             place",
            quote(&scope.host)
        )));
    }
    Ok(scope)
}
