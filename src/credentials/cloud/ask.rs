//! One question to a service that gives credentials, and its answer.
//!
//! Owns that it goes over TLS (but to this machine's own metadata service, which has none), that a redirect is an answer and
//! is not followed, that an answer has a limit, and that what was sent as a secret is taken out of the service's words. Never
//! decides what a refusal means.

use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use crate::credentials::cloud::words;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ConnectionFailure, ErrorResponse};
use crate::error::login::{Claims, LoginReason, LoginStep, LoginTurn};
use crate::error::violation::{Lead, Violation};
use crate::http::address::{authority, is_link_or_loopback};
use crate::http::body::{BodyError, BoundedBody};
use crate::http::clients::{Pool, Transport};
use crate::http::exchange;
use crate::http::failure::classify;
use crate::http::message::{retry_after, secret_header, words_of_server};
use crate::http::retry::{self, Retry};
use crate::observe::meter::Meter;
use crate::secret::{Credential, Secret};
use crate::text::sanitise;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Clocks that differ by more are why a token or a signature is refused.
const MOST_SKEW: Duration = Duration::from_secs(240);

/// What the exchanges of a run need from outside.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    pub transport: &'a Transport,
    pub meter: &'a Meter,
    /// How long one answer may take.
    pub answer: Duration,
    /// How long to go on trying.
    pub patience: Duration,
}

/// How long to go on after attempts that failed.
pub struct Again {
    begun: Instant,
    attempts: u32,
    /// Whether it has answered before: no name is mistyped.
    has_answered: bool,
}

impl Again {
    pub fn begin(has_answered: bool) -> Self {
        Self { begun: Instant::now(), attempts: 0, has_answered }
    }

    /// Asks again what fails in passing, as long as `exchange` has it.
    pub async fn until<T, F: Future<Output = Result<T, Box<LoginFailure>>>>(
        mut self,
        subject: &str,
        exchange: &Exchange<'_>,
        step: impl Fn() -> F,
    ) -> Result<T, Box<LoginFailure>> {
        loop {
            match step().await {
                Ok(done) => return Ok(done),
                Err(failure) => self.pause(failure, subject, exchange).await?,
            }
        }
    }

    /// Waits after an attempt that failed, which is told with its `subject`; gives the failure back where another would end the
    /// same, or the time is over.
    pub async fn pause(
        &mut self,
        mut failure: Box<LoginFailure>,
        subject: &str,
        exchange: &Exchange<'_>,
    ) -> Result<(), Box<LoginFailure>> {
        self.attempts += 1;
        let is_mistyped = !self.has_answered && self.attempts >= retry::ATTEMPTS_NEVER_ANSWERED;
        if is_mistyped && failure.cause.is_connection() || retry::classify(&failure.cause) == Retry::Never {
            return Err(failure);
        }
        let (waited, wait) = (self.begun.elapsed(), retry::pause(&failure.cause, self.attempts));
        if waited.saturating_add(wait) > exchange.patience {
            failure.cause = Cause::OutOfPatience { waited, last: Box::new(failure.cause) };
            return Err(failure);
        }
        let wait = retry::spread(wait);
        if wait > retry::WORTH_SAYING {
            exchange.meter.say(format!("{subject}: {failure}; trying again in {} s", wait.as_secs()));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// How what many wait for was last refused, or failed.
#[derive(Debug, Default)]
pub struct LastFailure(Option<(Instant, Box<LoginFailure>)>);

impl LastFailure {
    /// Whether it was had since.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Asks, again and again as long as `exchange` has it. Who has waited since `arrived` for one that failed is told so, and
    /// after a refusal everybody is: nobody asks again to hear the same. Who comes after one that was waited for in vain asks
    /// once.
    pub async fn or_ask<T, F: Future<Output = Result<T, Box<LoginFailure>>>>(
        &mut self,
        (arrived, again): (Instant, Again),
        (subject, exchange): (&str, &Exchange<'_>),
        step: impl Fn() -> F,
    ) -> Result<T, Box<LoginFailure>> {
        let mut spent = None;
        if let Some((when, failure)) = &self.0 {
            let is_refused = match &failure.cause {
                Cause::OutOfPatience { waited, .. } => {
                    spent = Some(*waited).filter(|waited| *waited >= exchange.patience / 2);
                    false
                }
                cause => retry::classify(cause) == Retry::Never,
            };
            if *when >= arrived || is_refused {
                return Err(failure.clone());
            }
        }
        let patience = if spent.is_some() { Duration::ZERO } else { exchange.patience };
        match again.until(subject, &Exchange { patience, ..*exchange }, step).await {
            Ok(done) => {
                self.0 = None;
                Ok(done)
            }
            Err(mut failure) => {
                if let (Cause::OutOfPatience { waited, .. }, Some(spent)) = (&mut failure.cause, spent) {
                    *waited = spent.max(*waited);
                }
                self.0 = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }
}

/// A question.
pub struct Question<'a> {
    /// The type of the login, for sentences.
    pub provider: &'static str,
    pub step: LoginStep,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What is secret in it.
    pub secrets: Vec<&'a Secret>,
    /// What the identity in it says of itself.
    pub claims: Option<Claims>,
    /// What its refusal means.
    pub judge: fn(&ErrorResponse) -> LoginReason,
}

/// An answer with success.
pub struct Answer {
    pub body: Vec<u8>,
    /// The server's clock.
    pub date: Option<SystemTime>,
}

impl<'a> Question<'a> {
    pub fn new(provider: &'static str, step: LoginStep, method: Method, url: Url) -> Self {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let judge = |_: &ErrorResponse| LoginReason::Unclear;
        Self { provider, step, method, url, headers, body: Vec::new(), secrets: Vec::new(), claims: None, judge }
    }

    /// The same to an address that is put together from a fixed host, or a registry's name, and fields.
    pub fn to(
        provider: &'static str,
        step: LoginStep,
        method: Method,
        address: &str,
    ) -> Result<Self, Box<LoginFailure>> {
        Url::parse(address).map(|url| Self::new(provider, step, method, url)).map_err(|error| {
            Box::new(LoginFailure {
                provider,
                service: sanitise::one_line(address, 100),
                turn: LoginTurn::First,
                step,
                reason: LoginReason::Unclear,
                cause: Cause::Protocol(Violation::NoClient(format!("is no address: {error}"))),
                claims: None,
            })
        })
    }

    /// A form as its body.
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes();
        self
    }

    /// JSON as its body.
    pub fn json(mut self, value: &Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = value.to_string().into_bytes();
        self
    }

    /// `Authorization: Bearer`.
    pub fn bearer(self, token: &'a Secret) -> Result<Self, Box<LoginFailure>> {
        let value = Secret::new(format!("Bearer {}", token.expose()));
        self.secret_header(AUTHORIZATION, &value).map(|question| question.hiding(&[token]))
    }

    /// `Authorization: Basic`.
    pub fn basic(self, credential: &'a Credential) -> Result<Self, Box<LoginFailure>> {
        self.secret_header(AUTHORIZATION, &credential.basic()).map(|question| question.hiding(&[&credential.password]))
    }

    /// A header that no log shows.
    pub fn secret_header(mut self, name: HeaderName, value: &Secret) -> Result<Self, Box<LoginFailure>> {
        let value = secret_header(value).map_err(|cause| self.failed(cause))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// These are secrets in it.
    pub fn hiding(mut self, secrets: &[&'a Secret]) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// It shows an identity, which says this of itself.
    pub fn showing(self, claims: &Claims) -> Self {
        Self { claims: Some(claims.clone()), ..self }
    }

    /// What its refusal means.
    pub fn judged(self, judge: fn(&ErrorResponse) -> LoginReason) -> Self {
        Self { judge, ..self }
    }

    /// It failed for this.
    pub fn failed(&self, cause: Cause) -> Box<LoginFailure> {
        Box::new(LoginFailure {
            provider: self.provider,
            service: host_of(&self.url),
            turn: LoginTurn::First,
            step: self.step,
            reason: cause.refusal().map_or(LoginReason::Unclear, self.judge),
            cause,
            claims: self.claims.clone(),
        })
    }

    /// Asks.
    pub async fn ask(&self, exchange: &Exchange<'_>) -> Result<Answer, Box<LoginFailure>> {
        let is_own = self.step == LoginStep::Machine && is_link_or_loopback(self.url.host());
        if self.url.scheme() != "https" && !is_own {
            let violation = Violation::WithoutTls { by: Lead::Redirect, host: host_of(&self.url) };
            return Err(self.failed(Cause::Protocol(violation)));
        }
        let client = exchange.transport.client(&self.url, Pool::Small, false);
        let client = client.map_err(|error| self.failed(Cause::Protocol(Violation::NoClient(error.to_string()))))?;
        let request = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        let request =
            if self.body.is_empty() && self.method == Method::GET { request } else { request.body(self.body.clone()) };
        exchange.meter.token_request();
        let host = host_of(&self.url);
        let unanswered = exchange.meter.ask(&host);
        let answered = tokio::time::timeout(exchange.answer, async {
            let response = exchange::send(request).await.map_err(|error| self.failed(classify(&error)))?;
            self.read(response).await
        });
        let answer = answered.await;
        drop(unanswered);
        answer.unwrap_or_else(|_| {
            let detail = format!("{} s", exchange.answer.as_secs());
            Err(self.failed(Cause::Connection { kind: ConnectionFailure::Timeout, detail }))
        })
    }

    async fn read(&self, response: Response) -> Result<Answer, Box<LoginFailure>> {
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_redirection() {
            return Err(self.failed(Cause::Protocol(Violation::TokenRedirect)));
        }
        let body = BoundedBody::new(reqwest::Body::from(response), LARGEST).whole().await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => self.failed(Cause::Protocol(Violation::TokenTooLarge { limit: LARGEST })),
            BodyError::Broken(error) => self.failed(classify(&error)),
        })?;
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let date = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        if status.is_success() {
            return Ok(Answer { body, date });
        }
        let words = words::of(&body);
        let safe = |text: &str, limit| words_of_server(text, self.secrets.iter().copied(), limit);
        let refusal = ErrorResponse {
            status: status.as_u16(),
            code: Some(safe(&words.code, 100)).filter(|code| !code.is_empty()),
            message: safe(&words.message, 400),
            retry_after: retry_after(&headers, SystemTime::now()),
            ..ErrorResponse::default()
        };
        let mut failure = self.failed(Cause::Refused(refusal));
        // A skew says nothing about an outage.
        if let Some(skew) = date.map(|date| skew(date, SystemTime::now())).filter(|skew| *skew > MOST_SKEW)
            && status.is_client_error()
        {
            failure.reason = LoginReason::Clock { seconds: skew.as_secs() };
        }
        Err(failure)
    }
}

impl Answer {
    /// The members of a JSON object.
    pub fn object(&self, question: &Question<'_>) -> Result<Map<String, Value>, Box<LoginFailure>> {
        serde_json::from_slice(&self.body).map_err(|_| question.failed(Cause::Protocol(Violation::TokenUnreadable)))
    }
}

/// A text in a JSON object that is a token: none where it is not there, or has characters that no token has.
pub fn token(members: &Map<String, Value>, name: &str, question: &Question<'_>) -> Result<Secret, Box<LoginFailure>> {
    let text = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| question.failed(Cause::Protocol(Violation::TokenMissing)))?;
    usable(text, question)
}

/// A token that can be sent, and masked: a command that masks a text with line breaks shows it.
pub fn usable(text: &str, question: &Question<'_>) -> Result<Secret, Box<LoginFailure>> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Secret::new(text));
    }
    Err(question.failed(Cause::Protocol(Violation::TokenMalformed)))
}

/// `expires_in`, in the forms that token services have been seen to write it: a number of seconds, one with a fraction, a text
/// with one. One that is none, or says that the token is of no use, says nothing.
pub fn expires_in(members: &Map<String, Value>) -> Option<Duration> {
    let value = members.get("expires_in")?;
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|lifetime| !lifetime.is_zero())
}

/// How far two clocks are apart.
fn skew(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

/// The host of `url`, for sentences.
pub fn host_of(url: &Url) -> String {
    sanitise::one_line(&authority(url), 100)
}
