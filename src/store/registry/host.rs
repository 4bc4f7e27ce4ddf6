//! One registry as one account sees it: address, credential, limits, what was seen of it.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::OnceCell;
use url::Url;

use crate::credentials::login::Login;
use crate::error::Error;
use crate::error::cause::{Cause, ConnectionFailure, TlsFailure};
use crate::http::address::{is_named, is_plain_http};
use crate::http::clients::{Pool, Transport};
use crate::http::exchange::answer;
use crate::observe::pulls::{PullBudget, PullLimit, Shortage};
use crate::store::registry::auth::realm::Allowed;
use crate::store::registry::auth::token::Scopes;
use crate::store::registry::auth::{Auth, Learnt};
use crate::store::registry::concurrency::Concurrency;
use crate::store::registry::connections::Connections;
use crate::store::registry::first_request::FirstRequest;
use crate::store::registry::health::{GivenUp, Health, Work};
use crate::store::registry::learned::Observed;
use crate::store::registry::memory::Memory;
use crate::store::registry::quirks::Quirks;
use crate::store::registry::server::Server;
use crate::store::registry::warnings::Warnings;
use crate::sync::{LockExt as _, OnceMap};

/// How long a registry on this machine may take to show that it speaks TLS.
const TLS_PROBE: Duration = Duration::from_secs(10);

/// What becomes of a push to a repository that is not there, at a registry that wants it created first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It fails, as the registry says.
    Refuse,
    /// The repository is created, with the registry's own settings.
    Create,
}

/// How registries are spoken to in this run.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Hosts, with their port if any, that are spoken to over plain HTTP besides loopback ones.
    pub insecure: Vec<String>,
    /// How long to go on trying while nothing moves.
    pub patience: Duration,
    /// The most requests at once to one host; none: as many as it answers well.
    pub most_requests: Option<usize>,
    /// What all hosts may have together.
    pub connections: Connections,
    /// Token services that the user lets see a registry's credential: the registry's name, and the service's host, with its
    /// port where that is not the usual one.
    pub token_services: Vec<(String, String)>,
    /// What becomes of a push to a repository that is not there.
    pub missing_repositories: Missing,
    /// The registry of the GitHub server that this run belongs to, whatever its name.
    pub github: Option<String>,
    /// What may be taken of billed pulls, and what is done when that is used up.
    pub pulls: (Option<PullLimit>, Shortage),
}

impl RegistrySettings {
    /// The token services that may see the credential of the registry `name`.
    fn allowed(&self, name: &str) -> Vec<Allowed> {
        let services = self.token_services.iter().filter(|(registry, _)| registry == name);
        let allowed = |(_, host): &(String, String)| Allowed {
            over_plain_http: is_plain_http(host, &self.insecure),
            host: host.clone(),
        };
        services.map(allowed).collect()
    }
}

/// One registry under one credential.
pub struct Host {
    pub name: String,
    /// Its address, which those who ask for its tokens know too.
    server: Arc<Server>,
    pub auth: Auth,
    pub transport: Transport,
    /// What the run's blobs may take.
    pub(crate) memory: Memory,
    pub(crate) concurrency: Concurrency,
    /// What is asked of it first, and what first with the right to write.
    pub(crate) first: [FirstRequest; 2],
    /// Whether it was asked how it wants to be asked; locked while it is.
    pub(crate) greeted: OnceCell<()>,
    /// Whether it has answered anything in this run.
    pub answered: AtomicBool,
    /// Other hosts that it led to, by redirects and by places for uploads, and that have answered.
    pub(crate) led_to: Mutex<HashSet<String>>,
    /// When and why it was given up, where it never has: each image of a list would wait as long and hear the same.
    given_up: Mutex<GivenUp>,
    /// What it was asked for in vain.
    pub(crate) health: Health,
    /// What is known of it beforehand.
    pub(crate) quirks: Quirks,
    /// What it was seen to support or to refuse.
    pub(crate) observed: Observed,
    /// The account's pulls.
    pub(crate) pulls: Arc<PullBudget>,
    /// What it has warned of.
    pub(crate) warnings: Warnings,
    /// The repositories that were created in this run, and how that ended.
    pub(crate) created: Option<OnceMap<Arc<str>, Result<(), Cause>>>,
}

impl Host {
    pub(crate) fn new(
        name: &str,
        login: Option<Login>,
        transport: &Transport,
        memory: Memory,
        settings: &RegistrySettings,
    ) -> Result<Self, Error> {
        let (limit, shortage) = settings.pulls;
        let quirks = Quirks::of(name, settings.github.as_deref());
        let server = quirks.server.unwrap_or(name);
        let parse = |scheme: &str| Url::parse(&format!("{scheme}://{server}/"));
        let plain = is_plain_http(name, &settings.insecure);
        let base = parse(if plain { "http" } else { "https" })
            .map_err(|error| Error::Local(format!("`{name}` is not a host name: {error}")))?;
        // What would keep every request from being sent is said before the first one.
        transport.client(&base, Pool::Small, false)?;
        // Whoever says plain HTTP gets it.
        let may_speak_tls = plain && !is_named(name, &settings.insecure);
        let server = Arc::new(if may_speak_tls { Server::plain_until_tried(base) } else { Server::fixed(base) });
        Ok(Self {
            name: name.to_owned(),
            auth: Auth::new(name, Arc::clone(&server), login, quirks.token_service, settings.allowed(name)),
            server,
            transport: transport.clone(),
            memory,
            concurrency: Concurrency::new(quirks.is_gentle, settings.most_requests, settings.connections.clone()),
            first: Default::default(),
            greeted: OnceCell::new(),
            answered: AtomicBool::new(false),
            led_to: Mutex::default(),
            given_up: Mutex::default(),
            health: Health::default(),
            observed: Observed::new(&quirks),
            warnings: Warnings::default(),
            created: (settings.missing_repositories == Missing::Create).then(OnceMap::default),
            pulls: Arc::new(PullBudget::new(limit, shortage, quirks.bills_pulls)),
            quirks,
        })
    }

    /// Its address.
    pub(crate) fn base(&self) -> &Url {
        self.server.base()
    }

    /// Whether `url` is at this registry's own host or at one that the user names as its: those may be anywhere.
    pub(crate) fn is_named(&self, url: &Url) -> bool {
        self.auth.is_named(url)
    }

    /// `url` with the scheme that this host is spoken to by now.
    pub(crate) fn at_present(&self, url: &Url) -> Url {
        self.server.at_present(url)
    }

    /// Whether the answer to a request to `url`, or its failure, means that this host speaks TLS. A registry on this machine
    /// is spoken to without; servers with TLS answer that with 400, or close the connection. One more connection tells.
    ///
    /// Fails where it is one that the user names as a host without: whoever says plain HTTP gets it, or a sentence.
    pub(crate) async fn turns_out_to_speak_tls(
        &self,
        url: &Url,
        answered: Result<StatusCode, &Cause>,
    ) -> Result<bool, Cause> {
        let is_plain = url.scheme() == "http" && url.origin() == self.server.named().origin();
        // Another request found out meanwhile.
        if is_plain && self.server.secure().get().is_some_and(Option::is_some) {
            return Ok(true);
        }
        let is_possible = match answered {
            Ok(status) => status == StatusCode::BAD_REQUEST,
            Err(Cause::Connection { kind, .. }) => *kind == ConnectionFailure::Broken,
            Err(_) => false,
        };
        if !is_possible || !is_plain || !self.never_answered() {
            return Ok(false);
        }
        if self.server.is_fixed() {
            let kind = ConnectionFailure::Tls(TlsFailure::SpokenTo);
            let is_tls = self.tls().await.is_some();
            return if is_tls { Err(Cause::Connection { kind, detail: String::new() }) } else { Ok(false) };
        }
        Ok(self.server.secure().get_or_init(|| self.tls()).await.is_some())
    }

    /// Its address with TLS, where it speaks that: with a certificate that is no good, too, which is then said.
    async fn tls(&self) -> Option<Url> {
        let mut url = self.server.named().clone();
        url.set_scheme("https").ok()?;
        url.set_path("/v2/");
        let client = self.transport.client(&url, Pool::Small, false).ok()?;
        let speaks = match answer(client.get(url.clone()), TLS_PROBE).await {
            Ok(_) => true,
            Err(Cause::Connection { kind: ConnectionFailure::Tls(failure), .. }) => failure != TlsFailure::PlainHttp,
            Err(_) => false,
        };
        url.set_path("/");
        speaks.then_some(url)
    }

    pub(crate) fn is(&self, name: &str, login: Option<&Login>) -> bool {
        self.name == name && self.auth.is_login(login)
    }

    /// Learns from a 401; whether another attempt is worth it.
    pub(crate) async fn learn(&self, headers: &HeaderMap, sent: Option<&HeaderValue>, scopes: &Scopes) -> bool {
        self.auth.learn(headers, sent, scopes).await != Learnt::Nothing
    }

    /// Why it is not asked for this `work` now.
    pub(crate) fn given_up(&self, work: Work) -> Option<Cause> {
        self.silent().or_else(|| self.health.given_up(work))
    }

    /// Why it is not asked now, where it has never answered.
    fn silent(&self) -> Option<Cause> {
        if self.never_answered() { self.given_up.locked().standing() } else { None }
    }

    pub fn give_up(&self, cause: &Cause) {
        self.given_up.locked().set(cause);
    }

    pub(crate) fn never_answered(&self) -> bool {
        !self.answered.load(Relaxed)
    }
}
