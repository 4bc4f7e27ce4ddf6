//! A token service's question and answer.
//!
//! Owns the forms of both and how long a token lasts. A token is never printed.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use crate::credentials::cloud::ask::{Exchange, expires_in};
use crate::credentials::cloud::jwt;
use crate::error::cause::Cause;
use crate::error::violation::{TokenServiceFault, Violation};
use crate::http::body::{BodyError, BoundedBody};
use crate::http::clients::{Pool, Transport};
use crate::http::exchange;
use crate::http::failure::classify;
use crate::http::message::secret_header;
use crate::http::reach::Zone;
use crate::observe::meter::Meter;
use crate::secret::{Credential, IDENTITY_TOKEN, Secret};
use crate::store::registry::error_response;
use crate::store::registry::retry::Timeouts;

/// The lifetime of a token that names none (distribution's token specification).
pub const LIFETIME: Duration = Duration::from_secs(60);

/// The largest answer of a token service that is read, in bytes.
pub const LARGEST_ANSWER: usize = 1024 * 1024;

/// What a request needs, as the token specification writes it: `repository:library/alpine:pull`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scopes {
    repository: String,
    actions: &'static str,
    /// The repository that a mount reads from.
    from: Option<String>,
}

impl Scopes {
    pub(crate) fn pull(repository: &str) -> Self {
        Self { repository: repository.to_owned(), actions: "pull", from: None }
    }

    pub(crate) fn push(repository: &str) -> Self {
        Self { actions: "pull,push", ..Self::pull(repository) }
    }

    pub(crate) fn delete(repository: &str) -> Self {
        Self { actions: "pull,push,delete", ..Self::pull(repository) }
    }

    /// For a mount: to push here, and to read there.
    pub(crate) fn and_pull(self, repository: &str) -> Self {
        Self { from: Some(repository.to_owned()), ..self }
    }

    /// Whether they are to read and no more.
    pub(crate) fn is_pull(&self) -> bool {
        self.actions == "pull"
    }

    /// The repository that the request is about.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    fn own(&self) -> impl Iterator<Item = String> {
        let from = self.from.iter().map(|from| format!("repository:{from}:pull"));
        std::iter::once(format!("repository:{}:{}", self.repository, self.actions)).chain(from)
    }

    /// Whether `named` has another resource than these do.
    pub(crate) fn misses(&self, named: &[String]) -> bool {
        let own: Vec<String> = self.own().collect();
        named.iter().any(|named| own.iter().all(|own| resource(own) != resource(named)))
    }

    /// What is asked for: these, or what the registry calls them, with the actions that the job needs: a challenge may name
    /// fewer (GHCR's for an upload).
    pub(crate) fn asked(&self, renamed: &[String]) -> Vec<String> {
        if renamed.is_empty() {
            return self.own().collect();
        }
        let with_actions = |scope: &String| {
            let mut asked = scope.clone();
            let named = scope.rsplit(':').next().unwrap_or_default();
            let missing = self.actions.split(',').filter(|action| !named.split(',').any(|named| named == *action));
            for action in missing.filter(|_| scope.starts_with("repository:")) {
                asked.push(',');
                asked.push_str(action);
            }
            asked
        };
        renamed.iter().map(with_actions).collect()
    }
}

/// A scope without its actions.
fn resource(scope: &str) -> &str {
    scope.rsplit_once(':').map_or(scope, |(resource, _)| resource)
}

pub struct Token {
    pub header: HeaderValue,
    pub until: Instant,
}

/// What a token request needs from outside.
pub struct TokenContext<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) meter: &'a Meter,
    pub(crate) limits: &'a Timeouts,
    /// The most internal place that the service may be at.
    pub(crate) least: Zone,
}

impl TokenContext<'_> {
    /// What a login that is asked for needs.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        let Timeouts { answer, patience, .. } = *self.limits;
        Exchange { transport: self.transport, meter: self.meter, answer, patience }
    }
}

/// How a token service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// GET, with Basic.
    Get,
    /// The `OAuth2` POST.
    Post,
}

impl TokenForm {
    /// An identity token is posted first: what Azure's registry documents.
    pub fn of(credential: Option<&Credential>) -> Self {
        match credential {
            Some(credential) if credential.username == IDENTITY_TOKEN => Self::Post,
            _ => Self::Get,
        }
    }

    /// Whether the service has nothing that is asked so; what is wrong with the token itself is another answer.
    pub fn is_unknown(self, cause: &Cause) -> bool {
        self == Self::Post
            && matches!(cause, Cause::Refused(refusal) if matches!(refusal.status, 404 | 405 | 415 | 501))
    }
}

/// A request to the token service at `realm`.
pub fn token_request(
    (realm, least): (&Url, Zone),
    service: Option<&str>,
    scopes: &[String],
    (form, credential): (TokenForm, Option<&Credential>),
    context: &TokenContext<'_>,
) -> Result<reqwest::RequestBuilder, Cause> {
    let client = context.transport.client_within(least, realm, Pool::Small, context.limits.has_alternatives);
    let client = client.map_err(|error| Cause::Protocol(Violation::NoClient(error.to_string())))?;
    if let (TokenForm::Post, Some(Credential { password, .. })) = (form, credential) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", password.expose())
            .append_pair("client_id", "mirror-image")
            .append_pair("scope", &scopes.join(" "));
        if let Some(service) = service {
            form.append_pair("service", service);
        }
        return Ok(client
            .post(realm.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish()));
    }
    let mut request = client.get(token_address(realm, service, scopes));
    if let Some(credential) = credential {
        request = request.header(AUTHORIZATION, secret_header(&credential.basic())?);
    }
    Ok(request)
}

pub fn secrets_of(credential: Option<&Credential>) -> Vec<Secret> {
    credential.map_or_else(Vec::new, |credential| vec![credential.pair(), credential.password.clone()])
}

/// The token service's address with what is asked for. The realm may bring a query of its own, a `scope` among it
/// (nvcr.io): ours replaces that.
pub fn token_address(realm: &Url, service: Option<&str>, scopes: &[String]) -> Url {
    let own = realm.query_pairs().filter(|(key, _)| key != "scope" && key != "service");
    let mut url = realm.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(own)
        .extend_pairs(service.map(|service| ("service", service)))
        .extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    url
}

/// One request to a token service, its whole answer included.
pub async fn ask(
    request: reqwest::RequestBuilder,
    credential: Option<&Credential>,
    context: &TokenContext<'_>,
) -> Result<Token, Cause> {
    let response = exchange::send(request).await.map_err(|error| inside(classify(&error)))?;
    if response.status().is_redirection() {
        return Err(Cause::Protocol(Violation::TokenRedirect));
    }
    if !response.status().is_success() {
        return Err(Cause::Refused(
            error_response::read(response, &secrets_of(credential), context.limits.body()).await,
        ));
    }
    read_token(response, context.meter).await
}

/// Said of a token service: its name leads to an internal address.
fn inside(cause: Cause) -> Cause {
    match cause {
        Cause::Protocol(Violation::LocalAddress { host: service, .. }) => {
            Cause::Protocol(Violation::TokenService { service, fault: TokenServiceFault::InternalAddress })
        }
        cause => cause,
    }
}

pub async fn read_token(response: reqwest::Response, meter: &Meter) -> Result<Token, Cause> {
    let body = BoundedBody::new(reqwest::Body::from(response), LARGEST_ANSWER).whole().await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge => Cause::Protocol(Violation::TokenTooLarge { limit: LARGEST_ANSWER }),
        BodyError::Broken(error) => classify(&error),
    })?;
    let Ok(answer) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return Err(Cause::Protocol(Violation::TokenUnreadable));
    };
    // Either name may be there and empty beside the other.
    let member = |name: &str| answer.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    let Some(text) = member("token").or_else(|| member("access_token")) else {
        return Err(Cause::Protocol(Violation::TokenMissing));
    };
    let lifetime = expires_in(&answer).or_else(|| jwt::lifetime(text)).unwrap_or(LIFETIME);
    // Before it is masked: the command that masks shows it as it is in the log itself.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Cause::Protocol(Violation::TokenMalformed));
    }
    let header = secret_header(&Secret::new(format!("Bearer {text}")))?;
    meter.mask_foreign(Secret::new(text));
    // Renewed early, so that it does not expire on its way.
    let margin = (lifetime / 4).min(Duration::from_secs(30));
    Ok(Token { header, until: Instant::now() + lifetime.saturating_sub(margin).min(Duration::from_secs(3600)) })
}
