//! Credentials and tokens of one registry host.
//!
//! Owns which `Authorization` a request carries. Learns the scheme from the first real 401, never from a `/v2/` ping
//! (GHCR's names a placeholder scope). Asks for what the job needs, not for what the challenge says (GHCR's challenge
//! for an upload names only `pull`: arg-sh/argsh#135). A credential goes to this host, and to its token service only
//! where the realm rule allows.

pub mod realm;
pub mod token;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;
use url::Url;

use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::secret::{BEARER_TOKEN, Credential, Secret};
use crate::store::registry::auth::realm::Trust;
use crate::store::registry::auth::token::{Scopes, Token, TokenContext, ask, header, secrets_of, token_request};
use crate::store::registry::retry::RetryBudget;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// How long a token service may take.
const TOKEN: Duration = Duration::from_secs(30);

pub(crate) struct Auth {
    credential: Option<Credential>,
    registry: Url,
    scheme: Mutex<Option<Scheme>>,
    tokens: Mutex<HashMap<Scopes, Arc<tokio::sync::Mutex<CachedToken>>>>,
    /// Whether the token service has given a token in this run.
    served: AtomicBool,
}

/// How this host wants to be asked.
#[derive(Clone, PartialEq)]
pub(crate) enum Scheme {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// The token of one set of scopes. The lock around it is the single flight: the first request asks, the others wait for its answer.
#[derive(Default)]
struct CachedToken {
    token: Option<Token>,
    /// The last failure: requests that waited while it happened share it instead of asking again.
    failure: Option<(Instant, Cause)>,
}

impl Auth {
    /// `token_service`: realm and service, where they are known before the registry has named them.
    pub(crate) fn new(
        registry: Url,
        credential: Option<Credential>,
        token_service: Option<(&'static str, &'static str)>,
    ) -> Self {
        let bearer = |(realm, service): (&str, &str)| {
            Some(Scheme::Bearer { realm: Url::parse(realm).ok()?, service: Some(service.to_owned()) })
        };
        let scheme = token_service.and_then(bearer);
        Self {
            credential,
            registry,
            scheme: Mutex::new(scheme),
            tokens: Mutex::default(),
            served: AtomicBool::new(false),
        }
    }

    pub(crate) fn has_credential(&self) -> bool {
        self.credential.is_some()
    }

    pub(crate) fn is_credential(&self, other: Option<&Credential>) -> bool {
        match (&self.credential, other) {
            (None, None) => true,
            (Some(a), Some(b)) => a.username == b.username && a.password.expose() == b.password.expose(),
            _ => false,
        }
    }

    /// The `Authorization` of a request that needs `scopes`; none where the host has not asked for any yet.
    pub(crate) async fn authorization(
        &self,
        scopes: &Scopes,
        context: &TokenContext<'_>,
    ) -> Result<Option<HeaderValue>, Cause> {
        let scheme = self.scheme.locked().clone();
        match scheme {
            None => Ok(None),
            Some(Scheme::Basic) => self.credential.as_ref().map(|credential| header(&credential.basic())).transpose(),
            Some(Scheme::Bearer { realm, service }) => {
                if let Some(Credential { username, password }) = &self.credential
                    && username == BEARER_TOKEN
                {
                    return header(&Secret::new(format!("Bearer {}", password.expose()))).map(Some);
                }
                self.token(&realm, service.as_deref(), scopes, context).await.map(Some)
            }
        }
    }

    /// What a request with this `Authorization` may be answered with by mistake: the credential, and the token.
    pub(crate) fn secrets(&self, sent: Option<&HeaderValue>) -> Vec<Secret> {
        let token = sent.and_then(|sent| sent.to_str().ok()?.split_once(' ').map(|(_, token)| Secret::new(token)));
        secrets_of(self.credential.as_ref()).into_iter().chain(token).collect()
    }

    /// Learns from a 401. Answers whether the request is worth sending once more.
    pub(crate) async fn learn(&self, headers: &HeaderMap, sent: Option<&HeaderValue>, scopes: &Scopes) -> bool {
        let Some(scheme) = self.challenge(headers) else { return false };
        if scheme == Scheme::Basic && (self.credential.is_none() || sent.is_some()) {
            return false;
        }
        *self.scheme.locked() = Some(scheme);
        if let Some(sent) = sent {
            let cached = self.cached(scopes);
            let mut cached = cached.lock().await;
            // Only the token that was refused: another task may have renewed it meanwhile.
            if cached.token.as_ref().is_some_and(|token| token.header == sent) {
                cached.token = None;
            }
        }
        true
    }

    /// The scheme that the challenges of an answer ask for; Bearer before Basic.
    pub(crate) fn challenge(&self, headers: &HeaderMap) -> Option<Scheme> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(challenges) = http_auth::parse_challenges(value.to_str().ok()?) else { continue };
            for challenge in challenges {
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Scheme::Basic);
                }
                if !challenge.scheme.eq_ignore_ascii_case("bearer") {
                    continue;
                }
                let parameter = |name: &str| {
                    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let Some(realm) = parameter("realm").and_then(|realm| self.registry.join(&realm).ok()) else {
                    continue;
                };
                return Some(Scheme::Bearer { realm, service: parameter("service") });
            }
        }
        basic
    }

    fn cached(&self, scopes: &Scopes) -> Arc<tokio::sync::Mutex<CachedToken>> {
        let mut tokens = self.tokens.locked();
        Arc::clone(tokens.entry(scopes.clone()).or_default())
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        scopes: &Scopes,
        context: &TokenContext<'_>,
    ) -> Result<HeaderValue, Cause> {
        let arrived = Instant::now();
        let cached = self.cached(scopes);
        let mut cached = cached.lock().await;
        if let Some(token) = cached.token.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.header.clone());
        }
        if let Some((_, cause)) = cached.failure.as_ref().filter(|(when, _)| *when >= arrived) {
            return Err(cause.clone());
        }
        match self.fetch(realm, service, scopes, context).await {
            Ok(token) => {
                let header = token.header.clone();
                *cached = CachedToken { token: Some(token), failure: None };
                Ok(header)
            }
            Err(cause) => {
                cached.failure = Some((Instant::now(), cause.clone()));
                Err(cause)
            }
        }
    }

    async fn fetch(
        &self,
        realm: &Url,
        service: Option<&str>,
        scopes: &Scopes,
        context: &TokenContext<'_>,
    ) -> Result<Token, Cause> {
        let host = sanitise::line(realm.host_str().unwrap_or_default(), 100);
        let credential = match realm::judge(realm, &self.registry) {
            Trust::Own => self.credential.as_ref(),
            Trust::Foreign(reason) => {
                if self.has_credential() {
                    context
                        .meter
                        .notice(format!("{reason}; the credential is kept back and an anonymous token asked for"));
                }
                None
            }
            Trust::Never(fault) => return Err(Cause::Protocol(Violation::TokenService { service: host, fault })),
        };
        let wrap = |cause: Cause| Cause::Token {
            service: host.clone(),
            refusal: Box::new(cause),
            with_credential: credential.is_some(),
        };
        let mut budget = RetryBudget::new(context.limits);
        loop {
            let request = token_request(realm, service, scopes, credential, context)?;
            context.meter.token_request();
            let cause =
                match tokio::time::timeout(TOKEN.min(context.limits.answer), ask(request, credential, context.meter))
                    .await
                {
                    Ok(Ok(token)) => {
                        self.served.store(true, Relaxed);
                        return Ok(token);
                    }
                    Ok(Err(cause)) => cause,
                    Err(_) => Cause::Connection {
                        kind: crate::error::cause::ConnectionFailure::Timeout,
                        detail: format!("{} s", TOKEN.as_secs()),
                    },
                };
            // A service that has given no token yet may be a mistyped name: not worth minutes.
            let never_answered = !self.served.load(Relaxed);
            let wait = budget.next(cause, never_answered).map_err(wrap)?;
            if wait > crate::store::registry::retry::WORTH_SAYING {
                context.meter.say(format!("waiting {} s for the token service {host}", wait.as_secs()));
            }
            tokio::time::sleep(wait).await;
        }
    }
}
