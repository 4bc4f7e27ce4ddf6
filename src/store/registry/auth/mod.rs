//! Credentials and tokens of one registry host.
//!
//! Owns which `Authorization` a request carries. Learns the scheme from the first 401, and never a scope from `/v2/` (GHCR's
//! names a placeholder). Asks for what the job needs, not for what the challenge says (GHCR's challenge for an upload names
//! only `pull`: arg-sh/argsh#135). A credential goes to this host, and to its token service only where the realm rule allows.

pub mod known;
pub mod realm;
pub mod token;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::credentials::cloud::Lease;
use crate::credentials::login::{Login, LoginKind};
use crate::error::cause::{Cause, ConnectionFailure, Shown, Used};
use crate::error::violation::Violation;
use crate::http::address::authority;
use crate::http::challenge;
use crate::http::message::secret_header;
use crate::http::reach::Zone;
use crate::http::retry::WORTH_SAYING;
use crate::secret::{BEARER_TOKEN, Credential, Secret};
use crate::store::registry::auth::known::{Approach, Asked, Known, Scheme};
use crate::store::registry::auth::realm::{Allowed, Trust};
use crate::store::registry::auth::token::{Scopes, Token, TokenContext, TokenForm, ask, secrets_of, token_request};
use crate::store::registry::retry::RetryBudget;
use crate::store::registry::server::Server;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// How long a token service may take.
const TOKEN: Duration = Duration::from_secs(30);

/// The most scopes of a challenge that are asked for, and the most characters of one.
const MOST_SCOPES: usize = 8;
const LONGEST_SCOPE: usize = 512;

pub(crate) struct Auth {
    /// The registry's name, as references and inputs have it.
    name: String,
    login: Option<Login>,
    server: Arc<Server>,
    /// The token services that the user lets see the credential.
    allowed: Vec<Allowed>,
    known: Mutex<Known>,
    tokens: Mutex<HashMap<TokenKey, Arc<tokio::sync::Mutex<CachedToken>>>>,
    /// Token services that have no answer to the POST.
    without_post: Mutex<HashSet<Url>>,
    /// Whether the token service has given a token in this run.
    served: AtomicBool,
    /// Whether the login was good for something in this run.
    was_good: AtomicBool,
}

/// What a token is for: the service that gives it, and the scopes.
type TokenKey = (Url, Option<String>, Vec<String>);

/// What a 401 has taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learnt {
    /// Nothing that would be answered differently.
    Nothing,
    /// To ask for a new token like the one that was refused.
    Renew,
    /// To ask in another way than it was asked.
    Change,
}

/// The token of one set of scopes. The lock around it is the single flight: the first request asks, the others wait for its answer.
#[derive(Default)]
struct CachedToken {
    token: Option<Token>,
    /// The last failure: requests that waited while it happened share it instead of asking again.
    failure: Option<(Instant, Cause)>,
}

impl Auth {
    /// Whether the user names the host of `url` as this registry's.
    pub(crate) fn is_named(&self, url: &Url) -> bool {
        realm::is_named(url, self.server.base(), &self.allowed)
    }

    /// `token_service`: realm and service, where they are known before the registry has named them.
    pub(crate) fn new(
        name: &str,
        server: Arc<Server>,
        login: Option<Login>,
        token_service: Option<(&'static str, &'static str)>,
        allowed: Vec<Allowed>,
    ) -> Self {
        let bearer = |(realm, service): (&str, &str)| {
            Some(Scheme::Bearer { realm: Url::parse(realm).ok()?, service: Some(service.to_owned()) })
        };
        let scheme = token_service.and_then(bearer);
        Self {
            name: name.to_owned(),
            login,
            server,
            allowed,
            known: Mutex::new(Known::beforehand(scheme)),
            tokens: Mutex::default(),
            without_post: Mutex::default(),
            served: AtomicBool::new(false),
            was_good: AtomicBool::new(false),
        }
    }

    pub(crate) fn has_credential(&self) -> bool {
        self.login.is_some()
    }

    pub(crate) fn is_login(&self, other: Option<&Login>) -> bool {
        match (&self.login, other) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is(other),
            _ => false,
        }
    }

    /// The login, where it is asked for.
    pub(crate) fn lease(&self) -> Option<&Arc<Lease>> {
        self.login.as_ref().and_then(Login::lease)
    }

    /// The token that was given ready-made, where it is one.
    fn ready_made(&self) -> Option<&Secret> {
        let credential = self.login.as_ref()?.credential()?;
        (credential.username == BEARER_TOKEN).then_some(&credential.password)
    }

    /// The credential to be sent now.
    async fn credential(&self, context: &TokenContext<'_>) -> Result<Option<Credential>, Cause> {
        match &self.login {
            None => Ok(None),
            Some(Login { kind: LoginKind::Given(credential), .. }) => Ok(Some(credential.clone())),
            // Rare and large: kept out of the future of every request.
            Some(Login { kind: LoginKind::Leased(lease), .. }) => {
                let credential = Box::pin(lease.credential(&context.exchange())).await;
                credential.map(Some).map_err(Cause::Login)
            }
        }
    }

    /// The `Authorization` of a request that needs `scopes`; none where nothing has asked for any yet.
    pub(crate) async fn authorization(
        &self,
        scopes: &Scopes,
        context: &TokenContext<'_>,
    ) -> Result<Option<HeaderValue>, Cause> {
        let approach = self.known.locked().approach(scopes);
        match &approach.scheme {
            None => Ok(None),
            Some(Scheme::Basic) => {
                self.credential(context).await?.map(|credential| secret_header(&credential.basic())).transpose()
            }
            Some(Scheme::Bearer { realm, service }) => {
                if let Some(token) = self.ready_made() {
                    return secret_header(&Secret::new(format!("Bearer {}", token.expose()))).map(Some);
                }
                if let Some(cause) = self.known.locked().heard(scopes, &approach) {
                    return Err(cause);
                }
                // Rare and large: kept out of the future of every request.
                match Box::pin(self.token(realm, service.as_deref(), &approach.scopes, context)).await {
                    // What holds for another repository need not hold for this one: it is asked itself.
                    Err(cause)
                        if approach.is_guess
                            && cause.refusal().is_some_and(|refusal| refusal.status < 500 && !refusal.sheds_load()) =>
                    {
                        self.known.locked().misguessed(scopes, approach, cause);
                        Ok(None)
                    }
                    token => token.map(Some),
                }
            }
        }
    }

    /// A request with `scopes` was let in.
    pub(crate) fn accepted(&self, scopes: &Scopes, sent: Option<&HeaderValue>) {
        let Some(sent) = sent else { return };
        self.known.locked().prove(scopes);
        if is_basic(sent) || self.ready_made().is_some() {
            self.is_good();
        }
    }

    /// The login was good for something.
    fn is_good(&self) {
        self.was_good.store(true, Relaxed);
        if let Some(lease) = self.lease() {
            lease.prove();
        }
    }

    /// What is to be known of the login that a refusal with `status` was an answer to.
    pub(crate) fn used(&self, status: u16) -> Used {
        match &self.login {
            Some(Login { kind: LoginKind::Leased(lease), .. }) => Used::Identity(lease.word()),
            Some(Login { kind: LoginKind::Given(_), origin }) if status == 401 && self.was_good.load(Relaxed) => {
                Used::Expired(origin)
            }
            _ => Used::Plain,
        }
    }

    /// Whether the first thing to be asked for is a token, at another host.
    pub(crate) fn begins_elsewhere(&self) -> bool {
        let is_elsewhere = |realm: &Url| realm.origin() != self.server.base().origin();
        self.known.locked().realm().is_some_and(is_elsewhere) && self.ready_made().is_none()
    }

    /// Whether nothing has said how the host wants to be asked.
    pub(crate) fn is_silent(&self) -> bool {
        self.known.locked().is_silent()
    }

    /// Whether there is a credential that nothing has asked for: what is hidden from the anonymous may be answered 404.
    pub(crate) fn is_unasked(&self) -> bool {
        self.has_credential() && self.is_silent()
    }

    /// Learns from the host's answer to `GET /v2/`. Its scope counts for nothing: GHCR's is a placeholder.
    pub(crate) fn learn_host(&self, headers: &HeaderMap) -> bool {
        let asked = self.challenge(headers);
        let has_learnt = asked.is_some();
        if let Some(asked) = asked {
            self.known.locked().learn_host(asked.scheme);
        }
        has_learnt
    }

    /// What a request with this `Authorization` shows of the credential.
    pub(crate) fn shown(&self, sent: Option<&HeaderValue>) -> Shown {
        match (&self.login, sent) {
            (None, _) => Shown::Nothing,
            (Some(_), None) => Shown::Unasked,
            (Some(_), Some(sent)) if self.ready_made().is_some() || is_basic(sent) => Shown::Credential,
            (Some(_), Some(_)) => Shown::Token,
        }
    }

    /// What a request with this `Authorization` may be answered with by mistake: the credential, and the token.
    pub(crate) fn secrets(&self, sent: Option<&HeaderValue>) -> Vec<Secret> {
        let token = sent.and_then(|sent| sent.to_str().ok()?.split_once(' ').map(|(_, token)| Secret::new(token)));
        let credentials = self.login.as_ref().map(Login::credentials).unwrap_or_default();
        credentials.iter().flat_map(|credential| secrets_of(Some(credential))).chain(token).collect()
    }

    /// Learns from a 401 to a request with `scopes` that carried `sent`.
    pub(crate) async fn learn(&self, headers: &HeaderMap, sent: Option<&HeaderValue>, scopes: &Scopes) -> Learnt {
        let Some(asked) = self.challenge(headers) else { return Learnt::Nothing };
        let sent_basic = sent.filter(|sent| is_basic(sent));
        if asked.scheme == Scheme::Basic {
            match (&self.login, sent_basic) {
                (None, _) => return Learnt::Nothing,
                (Some(_), Some(sent)) => return self.refused(sent).await,
                (Some(_), None) => {}
            }
        }
        let (before, after) = {
            let mut known = self.known.locked();
            let before = known.approach(scopes);
            known.learn(scopes, asked, sent.is_some() && sent_basic.is_none());
            (before, known.approach(scopes))
        };
        let Some(sent) = sent else { return Learnt::Change };
        let was_dropped = self.drop_token(&before, sent).await;
        let is_same = before.scheme == after.scheme && before.scopes == after.scopes;
        if was_dropped && is_same { Learnt::Renew } else { self.other_than(&after, sent).await }
    }

    /// The registry has refused a credential itself: where it was asked for, and has been good, another one is.
    async fn refused(&self, sent: &HeaderValue) -> Learnt {
        let Some(lease) = self.lease() else { return Learnt::Nothing };
        let is_sent = |credential: &Credential| credential.basic().expose().as_bytes() == sent.as_bytes();
        if lease.refuse(is_sent).await { Learnt::Renew } else { Learnt::Nothing }
    }

    /// Whether the token service has refused a credential that was asked for and has been good: another one is asked for.
    async fn is_ended(&self, cause: &Cause, sent: Option<&Credential>) -> bool {
        let is_refused = matches!(cause, Cause::Refused(refusal) if refusal.status == 401);
        let (Some(lease), Some(sent), true) = (self.lease(), sent, is_refused) else { return false };
        lease.refuse(|held| held.password.expose() == sent.password.expose()).await
    }

    /// Forgets the token that was refused, and no other: another task may have renewed it meanwhile.
    async fn drop_token(&self, approach: &Approach, sent: &HeaderValue) -> bool {
        let Some(cached) = self.cached(approach) else { return false };
        let mut cached = cached.lock().await;
        cached.token.take_if(|token| token.header == sent).is_some()
    }

    /// Whether a request that follows `approach` carries something other than `sent`.
    async fn other_than(&self, approach: &Approach, sent: &HeaderValue) -> Learnt {
        if self.ready_made().is_some() {
            return Learnt::Renew;
        }
        let Some(cached) = self.cached(approach) else { return Learnt::Change };
        let is_sent = cached.lock().await.token.as_ref().is_some_and(|token| token.header == sent);
        if is_sent { Learnt::Renew } else { Learnt::Change }
    }

    /// What the challenges of an answer ask for; Bearer before Basic.
    pub(crate) fn challenge(&self, headers: &HeaderMap) -> Option<Asked> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            // What people read of it, a realm's name, need not be ASCII.
            for challenge in challenge::parse(&String::from_utf8_lossy(value.as_bytes())) {
                if challenge.is("basic") {
                    basic = Some(Asked { scheme: Scheme::Basic, scopes: Vec::new() });
                }
                if !challenge.is("bearer") {
                    continue;
                }
                let Some(realm) = challenge.parameter("realm").and_then(|realm| self.server.base().join(realm).ok())
                else {
                    continue;
                };
                let scheme = Scheme::Bearer { realm, service: challenge.parameter("service").map(str::to_owned) };
                return Some(Asked { scheme, scopes: scopes_of(challenge.parameter("scope").unwrap_or_default()) });
            }
        }
        basic
    }

    fn cached(&self, approach: &Approach) -> Option<Arc<tokio::sync::Mutex<CachedToken>>> {
        let Some(Scheme::Bearer { realm, service }) = approach.scheme.clone() else { return None };
        Some(self.cached_at((realm, service, approach.scopes.clone())))
    }

    fn cached_at(&self, key: TokenKey) -> Arc<tokio::sync::Mutex<CachedToken>> {
        Arc::clone(self.tokens.locked().entry(key).or_default())
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        scopes: &[String],
        context: &TokenContext<'_>,
    ) -> Result<HeaderValue, Cause> {
        let arrived = Instant::now();
        let cached = self.cached_at((realm.clone(), service.map(str::to_owned), scopes.to_vec()));
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

    /// How the service at `realm` is asked.
    fn form(&self, realm: &Url, credential: Option<&Credential>) -> TokenForm {
        let form = TokenForm::of(credential);
        if self.without_post.locked().contains(realm) { TokenForm::Get } else { form }
    }

    async fn fetch(
        &self,
        realm: &Url,
        service: Option<&str>,
        scopes: &[String],
        context: &TokenContext<'_>,
    ) -> Result<Token, Cause> {
        let host = sanitise::one_line(&authority(realm), 100);
        let mut kept_back = None;
        let mut credential = match realm::judge(realm, self.server.base(), &self.allowed) {
            Trust::Own => self.credential(context).await?,
            Trust::Foreign => {
                if self.has_credential() {
                    let line = format!("{} = {}", self.name, sanitise::one_line(&authority(realm), 100));
                    context.meter.notice(format!(
                        "its token service {host} does not belong to {}; the credential is kept back and an anonymous \
                         token asked for; if it is {}'s, write `{line}` in `token-services`",
                        self.name, self.name
                    ));
                    kept_back = Some(line);
                }
                None
            }
            Trust::Never(fault) => return Err(Cause::Protocol(Violation::TokenService { service: host, fault })),
        };
        let with_credential = credential.is_some();
        let wrap = |mut cause: Cause| {
            if let Some(refusal) = cause.refusal_mut().filter(|_| with_credential) {
                refusal.used = self.used(refusal.status);
            }
            Cause::Token {
                service: host.clone(),
                refusal: Box::new(cause),
                with_credential,
                kept_back: kept_back.clone(),
            }
        };
        let mut is_renewed = false;
        let least = if self.is_named(realm) { Zone::Local } else { context.least };
        let mut budget = RetryBudget::new(context.limits);
        let mut form = self.form(realm, credential.as_ref());
        loop {
            let request = token_request((realm, least), service, scopes, (form, credential.as_ref()), context)?;
            context.meter.token_request();
            let unanswered = context.meter.ask(&host);
            let longest = TOKEN.min(context.limits.answer);
            let cause = match timeout(longest, ask(request, credential.as_ref(), context)).await {
                Ok(Ok(token)) => {
                    self.served.store(true, Relaxed);
                    if with_credential {
                        self.is_good();
                    }
                    return Ok(token);
                }
                Ok(Err(cause)) => cause,
                Err(_) => {
                    Cause::Connection { kind: ConnectionFailure::Timeout, detail: format!("{} s", longest.as_secs()) }
                }
            };
            drop(unanswered);
            if form.is_unknown(&cause) {
                self.without_post.locked().insert(realm.clone());
                form = TokenForm::Get;
                continue;
            }
            if !is_renewed && self.is_ended(&cause, credential.as_ref()).await {
                credential = self.credential(context).await?;
                form = self.form(realm, credential.as_ref());
                is_renewed = true;
                continue;
            }
            // A service that has given no token yet may be a mistyped name: not worth minutes.
            let never_answered = !self.served.load(Relaxed);
            let wait = budget.next(cause, never_answered).map_err(wrap)?;
            if wait > WORTH_SAYING {
                context.meter.say(format!("waiting {} s for the token service {host}", wait.as_secs()));
            }
            tokio::time::sleep(wait).await;
        }
    }
}

fn is_basic(sent: &HeaderValue) -> bool {
    sent.as_bytes().starts_with(b"Basic ")
}

/// The scopes that a challenge names, as far as they are any.
fn scopes_of(text: &str) -> Vec<String> {
    let is_scope = |scope: &&str| {
        scope.len() <= LONGEST_SCOPE && scope.contains(':') && scope.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text.split_ascii_whitespace().filter(is_scope).take(MOST_SCOPES).map(str::to_owned).collect()
}
