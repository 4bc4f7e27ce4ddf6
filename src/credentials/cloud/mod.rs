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

use crate::credentials::cloud::ask::{Again, Exchange, LastFailure};
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
use crate::error::login::LoginTurn;
use crate::http::address::authority;
use crate::http::retry::{Retry, WORTH_SAYING, classify, pause, spread};
use crate::secret::{Credential, Secret};
use crate::sync::LockExt as _;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// What is left of a credential when it is asked for again; of a short-lived one a quarter.
const MARGIN: Duration = Duration::from_secs(60);

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
    #[cfg(test)]
    Scripted(tests::Script),
}

/// A login of `registry-identities`, and the credential that it has at present.
#[derive(Debug)]
pub struct Lease {
    word: &'static str,
    host: String,
    provider: Provider,
    /// The credential at present.
    held: Mutex<Option<Held>>,
    /// The lock is the single flight: the first that needs a credential asks. The others use the one that still holds, or wait
    /// for the answer.
    flight: tokio::sync::Mutex<Flight>,
    /// The credentials so far, the last ones.
    given: Mutex<Vec<Credential>>,
    /// Whether the registry has let the present one in.
    is_proven: AtomicBool,
    withdrawn: AtomicU32,
}

#[derive(Debug, Default)]
struct Flight {
    failure: LastFailure,
    /// Attempts that failed since the last success.
    attempts: u32,
}

#[derive(Clone, Debug)]
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
    pub fn read(fields: &Fields, place: &Place<'_>) -> Result<Reading, Error> {
        let word = fields.need("type", "dockerhub")?;
        let Some((word, known)) = TYPES.iter().find(|(known, _)| *known == word) else {
            let words: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
            let hint = match nearest(&word, words.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            let words = words.join(", ");
            return Err(fields
                .problem_in("type", format_args!("`type` is `{}`, which is not one of {words}{hint}", quote(&word))));
        };
        fields.only(word, known)?;
        let scope = scope(fields, word, place)?;
        let host = scope.host.as_str();
        let provider = match *word {
            aws::WORD => Ecr::read(fields, host, place)?.map(Provider::Ecr),
            google::WORD => Google::read(fields, host, place)?.map(Provider::Google),
            azure::WORD => Azure::read(fields, host, place)?.map(Provider::Azure),
            quay::WORD => Quay::read(fields, host, place)?.map(Provider::Quay),
            jfrog::WORD => Jfrog::read(fields, host, place)?.map(Provider::Jfrog),
            chainguard::WORD => Chainguard::read(fields, host, place)?.map(Provider::Chainguard),
            _ => DockerHub::read(fields, host, place)?.map(Provider::DockerHub),
        };
        match provider {
            Some(provider) => Ok(Reading::Login(scope.clone(), Box::new(Self::new(word, host, provider)))),
            None if place.is_job() => Err(place.no_identity(fields)),
            None => Ok(Reading::Left(Place::left(word, host))),
        }
    }

    fn new(word: &'static str, host: &str, provider: Provider) -> Self {
        Self {
            word,
            host: host.to_owned(),
            provider,
            held: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
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
        let holds = |ends: fn(&Held) -> Instant| {
            let held = self.held.locked();
            held.as_ref().filter(|held| Instant::now() < ends(held)).cloned()
        };
        if let Some(held) = holds(|held| held.renew) {
            return Ok(held.credential);
        }
        let mut flight = match self.flight.try_lock() {
            Ok(flight) => flight,
            // Another request has it renewed: nobody waits for that while the present one holds.
            Err(_) => match holds(|held| held.until) {
                Some(held) => return Ok(held.credential),
                None => self.flight.lock().await,
            },
        };
        if let Some(held) = holds(|held| held.renew) {
            return Ok(held.credential);
        }
        if let Some(held) = holds(|held| held.until) {
            let renewed = tokio::time::timeout_at(held.until, self.renew(&held, &mut flight, exchange)).await;
            if let Ok(credential) = renewed {
                return Ok(credential);
            }
        }
        self.obtain(arrived, &mut flight, exchange).await
    }

    /// Asks once for the next credential; where that fails, the present one does for a while. What was refused is asked for once
    /// more when the present one has ended: it may have been a proxy's page, or a refusal of the moment.
    async fn renew(&self, present: &Held, flight: &mut Flight, exchange: &Exchange<'_>) -> Credential {
        match self.lease(exchange).await {
            Ok(leased) => self.hold(leased, flight, exchange),
            Err(failure) => {
                flight.attempts += 1;
                let now = Instant::now();
                let is_refused = classify(&failure.cause) == Retry::Never;
                let pause = spread(pause(&failure.cause, flight.attempts));
                let next = if is_refused { present.until } else { now + pause };
                if next > now + WORTH_SAYING {
                    let left = present.until.saturating_duration_since(now).as_secs();
                    exchange
                        .meter
                        .say(format!("{}: {failure}; the login from before is good for another {left} s", self.host));
                }
                if let Some(held) = &mut *self.held.locked() {
                    held.renew = next.min(held.until);
                }
                present.credential.clone()
            }
        }
    }

    /// Asks for as long as it takes, where there is no credential to be sent meanwhile.
    async fn obtain(
        &self,
        arrived: Instant,
        flight: &mut Flight,
        exchange: &Exchange<'_>,
    ) -> Result<Credential, Box<LoginFailure>> {
        let again = Again::begin(!self.given.locked().is_empty());
        let asked = flight.failure.or_ask((arrived, again), (&self.host, exchange), || self.lease(exchange)).await;
        match asked {
            Ok(leased) => Ok(self.hold(leased, flight, exchange)),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// The failure of a login, which is the first or is not.
    fn failed(&self, mut failure: Box<LoginFailure>) -> Box<LoginFailure> {
        if !self.given.locked().is_empty() {
            failure.turn = LoginTurn::Renewal;
        }
        failure
    }

    /// Takes a new credential.
    fn hold(&self, leased: Leased, flight: &mut Flight, exchange: &Exchange<'_>) -> Credential {
        let Leased { credential, lifetime } = leased;
        let lifetime = lifetime.max(SHORTEST_LIFE);
        let minutes = lifetime.as_secs().div_ceil(60);
        let whose = self.machine().unwrap_or("the job's identity");
        let verb = if self.given.locked().is_empty() { "logged in" } else { "logged in anew" };
        exchange.meter.say(format!("{}: {verb} with {whose} ({}), for {minutes} min", self.host, self.word));
        self.remember(&credential);
        let until = Instant::now() + lifetime.min(LONGEST_LIFE);
        let renew = until - MARGIN.min(lifetime / 4).min(LONGEST_LIFE);
        *flight = Flight::default();
        self.is_proven.store(false, Relaxed);
        *self.held.locked() = Some(Held { credential: credential.clone(), renew, until });
        credential
    }

    /// The registry has let the present credential in.
    pub fn prove(&self) {
        self.is_proven.store(true, Relaxed);
    }

    /// The registry has refused this credential; whether another one may do better. One that was never let in is not asked for
    /// anew: it would be refused again.
    pub async fn refuse(&self, is_it: impl Fn(&Credential) -> bool) -> bool {
        let flight = self.flight.lock().await;
        let mut held = self.held.locked();
        match &*held {
            Some(present) if is_it(&present.credential) => {
                if self.is_proven.load(Relaxed) && self.withdrawn.fetch_add(1, Relaxed) < MOST_WITHDRAWN {
                    *held = None;
                    return true;
                }
                false
            }
            // Another request has had it renewed meanwhile.
            Some(_) => true,
            None => flight.failure.is_none(),
        }
    }

    /// Creates a repository, where [`Self::creates_repositories`].
    pub async fn create_repository(&self, name: &str, exchange: &Exchange<'_>) -> Result<(), Box<LoginFailure>> {
        match &self.provider {
            Provider::Ecr(ecr) => {
                Again::begin(true).until(&self.host, exchange, || ecr.create_repository(name, exchange)).await
            }
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

    async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        match &self.provider {
            Provider::DockerHub(hub) => hub.lease(exchange).await,
            Provider::Ecr(ecr) => ecr.lease(exchange).await,
            Provider::Google(google) => google.lease(exchange).await,
            Provider::Azure(azure) => azure.lease(exchange).await,
            Provider::Quay(quay) => quay.lease(exchange).await,
            Provider::Jfrog(jfrog) => jfrog.lease(exchange).await,
            Provider::Chainguard(chainguard) => chainguard.lease(exchange).await,
            #[cfg(test)]
            Provider::Scripted(script) => script.lease().await,
        }
    }
}

/// Where a login counts.
fn scope(fields: &Fields, word: &str, place: &Place<'_>) -> Result<Scope, Error> {
    let registry = match (fields.get("registry")?, word) {
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
        return Err(fields.problem_in(
            "registry",
            format_args!(
                "`registry` is `{}`; write a host, or a host and a path: `docker.io`, `quay.io/acme`",
                quote(&registry)
            ),
        ));
    }
    if place.is_plain(&scope.host) {
        return Err(fields.problem_in("registry", format_args!(
            "`{}` is spoken to over plain HTTP, and an identity goes over TLS only; give a password by `registry-auth` in its \
             place",
            quote(&scope.host)
        )));
    }
    Ok(scope)
}

#[cfg(test)]
mod tests;
