//! A token service's question and answer.
//!
//! Owns the forms of both and how long a token lasts. A token is never printed.

use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::error::cause::Cause;
use crate::error::violation::Violation;
use crate::http::body::{BodyError, BoundedBody};
use crate::http::clients::{Pool, Transport};
use crate::http::exchange;
use crate::http::failure::classify;
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
pub struct Scopes(Vec<String>);

impl Scopes {
    pub(crate) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    pub(crate) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// For a mount: to push here, and to read there.
    pub(crate) fn and_pull(mut self, repository: &str) -> Self {
        self.0.push(format!("repository:{repository}:pull"));
        self
    }
}

pub struct Token {
    pub header: HeaderValue,
    pub until: Instant,
}

#[derive(Deserialize)]
pub struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What a token request needs from outside.
pub struct TokenContext<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) meter: &'a Meter,
    pub(crate) limits: &'a Timeouts,
}

/// GET with Basic, or, for an identity token, the `OAuth2` POST (Azure's registry knows only that one).
pub fn token_request(
    realm: &Url,
    service: Option<&str>,
    scopes: &Scopes,
    credential: Option<&Credential>,
    context: &TokenContext<'_>,
) -> Result<reqwest::RequestBuilder, Cause> {
    let client = context.transport.client(realm, Pool::Small, context.limits.has_alternatives);
    let client = client.map_err(|error| Cause::Protocol(Violation::NoClient(error.to_string())))?;
    if let Some(Credential { username, password }) = credential
        && username == IDENTITY_TOKEN
    {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", password.expose())
            .append_pair("client_id", "mirror-image")
            .append_pair("scope", &scopes.0.join(" "));
        if let Some(service) = service {
            form.append_pair("service", service);
        }
        return Ok(client
            .post(realm.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish()));
    }
    let mut request = client.get(token_address(realm, service, &scopes.0));
    if let Some(credential) = credential {
        request = request.header(AUTHORIZATION, header(&credential.basic())?);
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
    meter: &Meter,
) -> Result<Token, Cause> {
    let response = exchange::send(request).await.map_err(|error| classify(&error))?;
    if response.status().is_redirection() {
        return Err(Cause::Protocol(Violation::TokenRedirect));
    }
    if !response.status().is_success() {
        return Err(Cause::Refused(error_response::read(response, &secrets_of(credential)).await));
    }
    read_token(response, meter).await
}

pub async fn read_token(response: reqwest::Response, meter: &Meter) -> Result<Token, Cause> {
    let body = BoundedBody::new(reqwest::Body::from(response), LARGEST_ANSWER).whole().await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge => Cause::Protocol(Violation::TokenTooLarge { limit: LARGEST_ANSWER }),
        BodyError::Broken(error) => classify(&error),
    })?;
    let answer: Option<TokenResponse> = serde_json::from_slice(&body).ok();
    let Some(TokenResponse { token, access_token, expires_in }) = answer else {
        return Err(Cause::Protocol(Violation::TokenUnreadable));
    };
    let Some(text) = token.or(access_token).filter(|token| !token.is_empty()) else {
        return Err(Cause::Protocol(Violation::TokenMissing));
    };
    let lifetime = expires_in.map(Duration::from_secs).or_else(|| lifetime_of_jwt(&text)).unwrap_or(LIFETIME);
    // Before it is masked: the command that masks shows it as it is in the log itself.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Cause::Protocol(Violation::TokenMalformed));
    }
    let header = header(&Secret::new(format!("Bearer {text}")))?;
    meter.mask(Secret::new(text));
    // Renewed early, so that it does not expire on its way.
    let margin = (lifetime / 4).min(Duration::from_secs(30));
    Ok(Token { header, until: Instant::now() + lifetime.saturating_sub(margin).min(Duration::from_secs(3600)) })
}

/// `exp` less `iat`, or `nbf` where that is missing: all by the issuer's clock, so that ours may be wrong.
pub fn lifetime_of_jwt(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
        iat: Option<u64>,
        nbf: Option<u64>,
    }
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&bytes).ok()?;
    claims.exp.checked_sub(claims.iat.or(claims.nbf)?).map(Duration::from_secs)
}

/// A header that no log of the HTTP library shows.
pub fn header(value: &Secret) -> Result<HeaderValue, Cause> {
    let mut header = HeaderValue::from_str(value.expose()).map_err(|_| Cause::Protocol(Violation::HeaderUnsafe))?;
    header.set_sensitive(true);
    Ok(header)
}
