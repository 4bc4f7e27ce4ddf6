//! One registry host: every request to it passes here.
//!
//! Owns sending: the token, the permit, the repetition, the redirects, the count. Never knows what a manifest
//! or a blob is.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse, Shown, Used};
use crate::error::violation::{Lead, Violation};
use crate::http::clients::Pool;
use crate::http::exchange;
use crate::http::exchange::{answer, answer_of_two};
use crate::http::reach::Zone;
use crate::http::retry::{Retry, WORTH_SAYING, classify, rest};
use crate::store::registry::auth::Learnt;
use crate::store::registry::auth::token::{Scopes, TokenContext};
use crate::store::registry::concurrency::Permit;
use crate::store::registry::connections::RequestClass;
use crate::store::registry::error_response;
use crate::store::registry::first_request::Turn;
use crate::store::registry::health::Work;
use crate::store::registry::quota::{has_no_pulls, quota};
use crate::store::registry::repository::Repository;
use crate::store::registry::retry::RetryBudget;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// How often a request is sent again for what its refusal taught: without anything, with the token for its repository, with
/// that for the repository that the challenge names, and with a new one for one that ran out.
const MOST_ROUNDS: usize = 3;

/// How long others wait for the first request to a host, or for its greeting: what is slower than an answer with a challenge is
/// no reason to.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// Redirects that are followed.
pub(crate) const HOPS: usize = 5;

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) scopes: Scopes,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) class: RequestClass,
    /// The connections that it goes over.
    pub(crate) pool: Pool,
    /// Whether it is asked over the connection that all share where the answer is expected to be no blob but where it is.
    pub(crate) may_be_led_on: bool,
    /// What it asks of the host.
    pub(crate) work: Work,
    /// Whether a redirect is followed, or is the answer itself.
    pub(crate) follow_redirects: bool,
    /// Whether a redirect to another origin is the answer all the same.
    pub(crate) stays_home: bool,
    /// Failed so often, and so, it is no accident: not waited for, because there is another way.
    pub(crate) gives_up: Option<(u32, IsSuch)>,
    /// What is asked, for the log.
    pub(crate) label: &'a str,
}

/// Whether a failure is of one kind.
type IsSuch = fn(&Cause) -> bool;

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, url: Url, scopes: Scopes, label: &'a str) -> Self {
        Self {
            method,
            url,
            scopes,
            headers: HeaderMap::new(),
            body: None,
            class: RequestClass::Small,
            pool: Pool::Small,
            may_be_led_on: false,
            work: Work::Answer,
            follow_redirects: true,
            stays_home: false,
            gives_up: None,
            label,
        }
    }

    /// Whether it changes nothing.
    fn reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Repository {
    /// `/v2/<name>/<rest>` of this repository. `rest` is built from parsed references and digests.
    pub(crate) fn url(&self, rest: &str) -> Url {
        let mut url = self.host.base().clone();
        url.set_path(&format!("/v2/{}/{rest}", self.name));
        url
    }

    /// Sends `call` until it is answered with success, refused for good, or the budget is spent.
    pub(crate) async fn send(&self, call: &Request<'_>) -> Result<Response, Cause> {
        let mut budget = RetryBudget::of(&self.limits, call.work);
        let mut is_created = false;
        loop {
            let permit = self.acquire(call.class, &mut budget).await;
            if let Some(cause) = self.host.given_up(call.work) {
                return Err(cause);
            }
            match self.send_once(call, budget.attempts() + 1).await {
                Ok(response) => return Ok(response),
                Err(cause) => {
                    drop(permit);
                    if !is_created && self.is_created(call, &cause).await? {
                        is_created = true;
                        continue;
                    }
                    if call.gives_up.is_some_and(|(most, is)| budget.attempts() + 1 >= most && is(&cause)) {
                        return Err(cause);
                    }
                    self.pause(&mut budget, cause, call.label).await?;
                }
            }
        }
    }

    /// Waits as long as `budget` and the failure say, or gives the failure back.
    pub(crate) async fn pause(&self, budget: &mut RetryBudget, cause: Cause, label: &str) -> Result<(), Cause> {
        let is_throttled = classify(&cause) == Retry::Throttled;
        if is_throttled {
            self.host.concurrency.on_overload();
        }
        // Not where its token service has: with the tokens that there are it is asked on.
        let is_its_own = matches!(cause, Cause::Refused(_) | Cause::Interrupted(_));
        let rest = rest(&cause).filter(|_| is_throttled && is_its_own);
        let reason = cause.to_string();
        let never_answered = self.host.never_answered();
        let is_nowhere = self.leads_nowhere(&cause);
        let wait = budget.next(cause, never_answered || is_nowhere);
        let wait = wait.inspect_err(|cause| {
            // With alternatives it was given up too early to count for those that have none.
            if never_answered && !self.limits.has_alternatives && cause.is_connection() {
                self.host.give_up(cause);
            }
            if let Some((work, waited)) = budget.ran_out(cause) {
                self.host.health.ran_out(work, waited, cause);
            }
        })?;
        if let Some(rest) = rest {
            self.host.concurrency.rest(rest);
        }
        tracing::debug!(
            "{}: {} {label}: attempt {} failed: {reason}; the next in {} ms",
            self.side,
            self.host.name,
            budget.attempts(),
            wait.as_millis()
        );
        if wait > WORTH_SAYING {
            self.meter.say(format!(
                "{}: {} {label}: {reason}; trying again in {} s",
                self.side,
                self.host.name,
                wait.as_secs()
            ));
            self.meter.wait(&self.host.name, wait, &reason);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Waits for a permit to send a request of `class`.
    pub(crate) async fn acquire(&self, class: RequestClass, budget: &mut RetryBudget) -> Permit {
        self.host.concurrency.acquire_within(class, budget).await
    }

    /// Sends `call` once, and again where a refusal teaches what was missing, following redirects. The caller holds a permit of its
    /// class, and says for the debug log which `attempt` this is.
    pub(crate) async fn send_once(&self, call: &Request<'_>, attempt: u32) -> Result<Response, Cause> {
        let answered = exchange::as_attempt(attempt, Box::pin(self.authorized(call))).await;
        // That a body begins is not yet that it comes.
        let is_good = call.work != Work::Read && answered.as_ref().err().is_none_or(is_refusal);
        if is_good {
            self.host.health.good(call.work);
        }
        let response = answered?;
        self.host.concurrency.on_success(call.class);
        Ok(response)
    }

    async fn authorized(&self, call: &Request<'_>) -> Result<Response, Cause> {
        let mut round = 0;
        let mut first = self.goes_first(call).await?;
        loop {
            let authorization = self.prepared(&call.scopes).await?;
            let sent = authorization.as_ref();
            let response = self.follow(call, sent).await.inspect_err(|cause| {
                if let Some(turn) = first.take() {
                    turn.failed(cause);
                }
            })?;
            if response.status().is_success() {
                self.host.auth.accepted(&call.scopes, sent);
                if let Some(turn) = first {
                    turn.answered();
                }
                return Ok(response);
            }
            // A storage host that a redirect led to must not tell us whom to give this registry's credential.
            let is_worth_another = round < MOST_ROUNDS
                && self.is_home(response.url())
                && (Box::pin(self.learns(&response, call, sent, round)).await
                    || sent.is_none() && Box::pin(self.greets(&response)).await);
            if let Some(turn) = first.take() {
                turn.answered();
            }
            if !is_worth_another {
                // A registry in front of others (registry.k8s.io) leads to their interface: what answers there is a registry.
                let was_led = *response.url() != call.url && !response.url().path().starts_with("/v2/");
                let refusal = self.refused(response, sent).await;
                return Err(Cause::Refused(ErrorResponse { was_led, ..refusal }));
            }
            round += 1;
        }
    }

    /// The turn of a request that goes alone because nothing is known of how the host wants to be asked. Where it wants nothing
    /// of those that read, and there is a credential, it may of those that write.
    ///
    /// Over TLS: without, a host is near, and what waits has no connection yet.
    async fn goes_first(&self, call: &Request<'_>) -> Result<Option<Turn<'_>>, Cause> {
        let [reads, writes] = &self.host.first;
        let first = if call.scopes.is_pull() || !self.host.auth.has_credential() { reads } else { writes };
        let is_far = self.host.base().scheme() == "https";
        if is_far && self.host.auth.is_silent() {
            first.turn(LONGEST_TURN.min(self.limits.answer)).await
        } else {
            Ok(None)
        }
    }

    /// Whether a 401 has taught something that makes another request worth it: a new token for one that ran out, once, and
    /// each other way to ask.
    async fn learns(&self, response: &Response, call: &Request<'_>, sent: Option<&HeaderValue>, round: usize) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && match self.host.auth.learn(response.headers(), sent, &call.scopes).await {
                Learnt::Nothing => false,
                Learnt::Renew => round == 0,
                Learnt::Change => true,
            }
    }

    /// Whether the host wants a credential where a request without one was refused, or answered 404, and no challenge came
    /// with it: `GET /v2/` tells (distribution-spec, "Determining Support"), once a run.
    async fn greets(&self, refusal: &Response) -> bool {
        let is_hidden =
            matches!(refusal.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        if !is_hidden || !self.host.auth.is_unasked() {
            return false;
        }
        self.host.greeted.get_or_init(|| self.greet()).await;
        !self.host.auth.is_unasked()
    }

    /// `GET /v2/`, and what a challenge in its answer teaches.
    async fn greet(&self) {
        let mut url = self.host.base().clone();
        url.set_path("/v2/");
        let Ok(request) = self.request(Method::GET, &url, Pool::Small, None) else { return };
        if let Ok(greeting) = answer(request, self.limits.answer).await
            && greeting.status() == StatusCode::UNAUTHORIZED
        {
            self.host.auth.learn_host(greeting.headers());
        }
    }

    /// The `Authorization` that a request with `scopes` carries now. Where a token is first asked for at another host, `GET /v2/`
    /// goes to this one meanwhile, so that the connection is there when the token is: two round trips, three with TLS 1.2, that
    /// would come one after the other.
    async fn prepared(&self, scopes: &Scopes) -> Result<Option<HeaderValue>, Cause> {
        if !self.host.never_answered() || !self.host.auth.begins_elsewhere() {
            return self.authorization(scopes).await;
        }
        let longest = LONGEST_TURN.min(self.limits.answer);
        let greet = || async { timeout(longest, self.greet()).await.unwrap_or_default() };
        let greeting = async { Ok(Box::pin(self.host.greeted.get_or_init(greet)).await) };
        tokio::try_join!(self.authorization(scopes), greeting).map(|(authorization, ())| authorization)
    }

    /// What the registry said to a request that carried `authorization`, without what it was sent.
    pub(crate) async fn refused(&self, response: Response, authorization: Option<&HeaderValue>) -> ErrorResponse {
        let elsewhere = self.elsewhere(response.url());
        if elsewhere.is_none() && has_no_pulls(response.headers()) {
            self.host.pulls.hear(quota(response.headers()));
        }
        let shown = if elsewhere.is_none() { self.host.auth.shown(authorization) } else { Shown::Unknown };
        let refusal = error_response::read(response, &self.host.auth.secrets(authorization), self.limits.body()).await;
        let used = if matches!(shown, Shown::Credential | Shown::Token) {
            self.host.auth.used(refusal.status)
        } else {
            Used::Plain
        };
        ErrorResponse { elsewhere, shown, used, ..refusal }
    }

    /// The host of `url` for messages, where it is not this registry: with its port where it has the registry's name, because
    /// the port is then all that tells the two.
    fn elsewhere(&self, url: &Url) -> Option<String> {
        if self.is_home(url) {
            return None;
        }
        let host = sanitise::one_line(url.host_str().unwrap_or_default(), 100);
        let namesake = url.host() == self.host.base().host();
        let port = url.port().or_else(|| url.port_or_known_default().filter(|_| namesake));
        Some(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    }

    /// `cause`, said of the host of `url` where that is not this registry and did not answer.
    pub(crate) fn blame(&self, url: &Url, by: Lead, cause: Cause) -> Cause {
        match (cause, self.elsewhere(url)) {
            (Cause::Protocol(Violation::LocalAddress { host, .. }), _) => {
                Cause::Protocol(Violation::LocalAddress { by, host })
            }
            (cause @ Cause::Connection { .. }, Some(host)) => Cause::Elsewhere { by, host, failure: Box::new(cause) },
            (cause, _) => cause,
        }
    }

    /// Whether what failed is that this registry leads to a host that is not there, and never was in this run: a name that it
    /// has by mistake, not worth minutes.
    fn leads_nowhere(&self, cause: &Cause) -> bool {
        let Cause::Elsewhere { host, failure, .. } = cause else { return false };
        matches!(**failure, Cause::Connection { kind: ConnectionFailure::Dns | ConnectionFailure::Refused, .. })
            && !self.host.led_to.locked().contains(host)
    }

    /// Notes that the host of `url` has answered.
    pub(crate) fn heard_from(&self, url: &Url) {
        match self.elsewhere(url) {
            Some(host) => drop(self.host.led_to.locked().insert(host)),
            None => self.host.answered.store(true, Relaxed),
        }
    }

    /// The `Authorization` that a request with `scopes` carries now.
    pub(crate) async fn authorization(&self, scopes: &Scopes) -> Result<Option<HeaderValue>, Cause> {
        self.host.auth.authorization(scopes, &self.token_context()).await
    }

    /// What a token request, or a login, needs from outside.
    pub(super) fn token_context(&self) -> TokenContext<'_> {
        TokenContext {
            transport: &self.host.transport,
            meter: &self.meter,
            limits: &self.limits,
            // A service that is known before the registry was asked is not one that it brought up.
            least: if self.host.never_answered() { Zone::Local } else { self.host.transport.zone(self.host.base()) },
        }
    }

    /// A request to `url`; `authorization` only where `url` is this host's.
    pub(crate) fn request(
        &self,
        method: Method,
        url: &Url,
        pipe: Pool,
        authorization: Option<&HeaderValue>,
    ) -> Result<reqwest::RequestBuilder, Cause> {
        let client = self.host.transport.client_within(self.least(url), url, pipe, self.limits.has_alternatives);
        self.meter.request(self.side);
        let mut url = url.clone();
        // Whoever leads here must not choose an `Authorization` either: the HTTP library would make one of these.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut request = client
            .map_err(|error| Cause::Protocol(Violation::NoClient(error.to_string())))?
            .request(method, url.clone())
            // A registry that compresses what it sends would change the bytes that the digest is over.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = authorization.filter(|_| self.is_home(&url)) {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// The most internal place that `url` may lead to: where this registry itself is, or anywhere where the user has named it.
    fn least(&self, url: &Url) -> Zone {
        if self.host.is_named(url) { Zone::Local } else { self.host.transport.zone(self.host.base()) }
    }

    /// Whether `url` has this registry's scheme, host and port.
    pub(crate) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.host.base().origin()
    }

    async fn follow(&self, call: &Request<'_>, authorization: Option<&HeaderValue>) -> Result<Response, Cause> {
        let mut url = self.host.at_present(&call.url);
        for _ in 0..=HOPS {
            // Where blobs are elsewhere, this registry only says where: no body, and no connection of its own for it.
            let is_led_on = call.may_be_led_on && self.is_home(&url) && self.host.observed.leads_to_blobs();
            let pool = if is_led_on { Pool::Small } else { call.pool };
            let elsewhere = self.elsewhere(&url);
            let host = elsewhere.as_ref().unwrap_or(&self.host.name);
            let unanswered = self.meter.ask(host);
            let answered = self.answered(call, &url, pool, authorization).await;
            drop(unanswered);
            if self.host.turns_out_to_speak_tls(&url, answered.as_ref().map(Response::status)).await? {
                url = self.host.at_present(&url);
                continue;
            }
            let response = answered.map_err(|cause| self.blame(&url, Lead::Redirect, cause))?;
            self.heard_from(&url);
            if self.is_home(&url) && pool == Pool::Small {
                self.host.concurrency.answered_over(response.version());
            } else if call.class == RequestClass::SmallBlob && self.is_home(&call.url) {
                self.host.concurrency.is_led_on_over(response.version());
            }
            self.heed(&response, authorization);
            if is_led_on && response.status().is_success() {
                // Here it is, and would hold up whatever shares that connection: it comes over one of its own.
                self.host.observed.serves_a_blob();
                continue;
            }
            let next = if !call.follow_redirects || (call.stays_home && !self.leads_home(&url, response.headers())) {
                None
            } else if call.reads()
                && response.status().is_redirection()
                && response.status() != StatusCode::NOT_MODIFIED
            {
                Some(self.next_hop(&url, response.headers())?)
            } else if call.reads() {
                None
            } else {
                self.next_write(&response)?
            };
            let Some(next) = next else { return Ok(response) };
            url = next;
        }
        Err(Cause::Protocol(Violation::TooManyRedirects { limit: HOPS }))
    }

    /// The answer of `url` to `call`, over the connections of `pool`.
    async fn answered(
        &self,
        call: &Request<'_>,
        url: &Url,
        pool: Pool,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Cause> {
        let request = || {
            let request = self.request(call.method.clone(), url, pool, authorization)?.headers(call.headers.clone());
            Ok(match &call.body {
                Some(body) => request.body(body.clone()),
                None if call.reads() => request,
                // Proxies refuse a POST that does not say how long it is with 411 (RFC 9110, 8.6: it should be said).
                None => request.header(CONTENT_LENGTH, HeaderValue::from(0)),
            })
        };
        // Where the connection may be shared, and nobody is billed for what is asked twice.
        let is_free = call.method == Method::HEAD || !self.host.pulls.bills();
        if call.reads() && pool.is_shared(url) && is_free {
            let again = || {
                tracing::debug!("{}: {} {}: nothing is heard, sent once more", self.side, self.host.name, call.label);
                request()
            };
            answer_of_two(request()?, again, self.limits.answer).await
        } else {
            answer(request()?, self.limits.answer).await
        }
    }

    /// Shows what this registry warns of.
    fn heed(&self, response: &Response, authorization: Option<&HeaderValue>) {
        if self.is_home(response.url()) {
            for text in self.host.warnings.news(response.headers(), || self.host.auth.secrets(authorization)) {
                self.meter.notice(format!("{}: {} warns: {text}", self.side, self.host.name));
            }
        }
    }

    /// Whether a redirect stays with this registry.
    fn leads_home(&self, url: &Url, headers: &HeaderMap) -> bool {
        location(headers).and_then(|location| url.join(&location).ok()).is_some_and(|next| self.is_home(&next))
    }

    fn next_hop(&self, url: &Url, headers: &HeaderMap) -> Result<Url, Cause> {
        let next = location(headers)
            .and_then(|location| url.join(&location).ok())
            .ok_or(Cause::Protocol(Violation::RedirectWithoutLocation))?;
        self.check_elsewhere(&next, Lead::Redirect)?;
        // GHCR sends what it does not know to the web interface: not found.
        if let Some(web) = self.host.quirks.not_found_redirects_to.filter(|web| next.host_str() == Some(web)) {
            return Err(Cause::Refused(ErrorResponse {
                status: 404,
                message: format!("redirects to {web} instead of answering"),
                ..Default::default()
            }));
        }
        Ok(next)
    }

    /// Where a request that writes is to be sent once more: with 307 and 308, which keep method and body (RFC 9110, 15.4.8),
    /// and within this registry only. Another host would be sent content that was meant for this one.
    pub(crate) fn next_write(&self, response: &Response) -> Result<Option<Url>, Cause> {
        if !matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
            return Ok(None);
        }
        let next = location(response.headers())
            .and_then(|location| response.url().join(&location).ok())
            .ok_or(Cause::Protocol(Violation::RedirectWithoutLocation))?;
        match self.elsewhere(&next) {
            Some(host) => Err(Cause::Protocol(Violation::WriteRedirected { host })),
            None => Ok(Some(next)),
        }
    }

    /// Refuses addresses that a registry must not send us to.
    pub(crate) fn check_elsewhere(&self, next: &Url, by: Lead) -> Result<(), Cause> {
        if self.is_home(next) {
            return Ok(());
        }
        let host = match next.host_str() {
            Some(host) if !host.is_empty() => sanitise::one_line(host, 100),
            _ => format!("a `{}:` address", next.scheme()),
        };
        if !matches!(next.scheme(), "https" | "http")
            || (next.scheme() == "http" && self.host.base().scheme() == "https")
        {
            return Err(Cause::Protocol(Violation::WithoutTls { by, host }));
        }
        if Zone::of_host(next.host()).is_some_and(|zone| zone < self.least(next)) {
            return Err(Cause::Protocol(Violation::LocalAddress { by, host }));
        }
        Ok(())
    }
}

/// Whether a host said for good that it will not.
fn is_refusal(cause: &Cause) -> bool {
    matches!(cause, Cause::Refused(_)) && classify(cause) == Retry::Never
}

/// The header `Location`. Registries send names as they are, in UTF-8, where a header should have them escaped: every byte
/// that is no ASCII is.
pub(crate) fn location(headers: &HeaderMap) -> Option<String> {
    let bytes = headers.get(LOCATION)?.as_bytes();
    Some(bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    }))
}
