//! Docker Hub and Docker Hardened Images (`dhi.io`): an organisation's OIDC connection gives an access token.
//!
//! Source: docker/oidc-action, docker/login-action since v4.5.0.

use std::time::Duration;

use reqwest::Method;

use crate::credentials::cloud::ask::{Exchange, Question, expires_in, token};
use crate::credentials::cloud::fields::{Fields, is_name, is_uuid};
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::leased::{Leased, mask};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::error::Error;
use crate::error::cause::ErrorResponse;
use crate::error::cause::LoginFailure;
use crate::error::login::{LoginReason, LoginStep};
use crate::secret::Credential;
use crate::text::quote::quote;

pub const WORD: &str = "dockerhub";

/// The hosts that the token is for.
const HOSTS: [&str; 2] = ["docker.io", "dhi.io"];

const AUDIENCE: &str = "https://identity.docker.com";
const SERVICE: &str = "https://identity.docker.com/oauth/token";

/// The longest that can be asked for; without it five minutes.
const LIFETIME: &str = "3600";

#[derive(Clone, Debug)]
pub struct DockerHub {
    oidc: Oidc,
    username: String,
    connection: String,
}

impl DockerHub {
    /// None where there is no identity.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        if !HOSTS.contains(&host) {
            return Err(fields.problem_in(
                "registry",
                format_args!("`{}` is no registry of Docker's; write `docker.io` or `dhi.io`", quote(host)),
            ));
        }
        let username = fields.need_like("username", "acme", is_name)?;
        let connection = fields.need_like("connection-id", "6a7c3bb0-3a0b-4b23-9c4e-2f3f1c1d9f10", is_uuid)?;
        Ok(place.oidc().map(|oidc| Self { oidc, username, connection }))
    }

    pub const FIELDS: &[&str] = &["registry", "type", "username", "connection-id"];

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let identity = self.oidc.identity(WORD, AUDIENCE, exchange).await?;
        let question = Question::to(WORD, LoginStep::Exchange, Method::POST, SERVICE)?
            .form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
                ("subject_token", identity.token.expose()),
                ("connection_id", &self.connection),
                ("expires_in", LIFETIME),
            ])
            .hiding(&[&identity.token])
            .showing(&identity.claims)
            .judged(judge);
        let answer = question.ask(exchange).await?;
        let members = answer.object(&question)?;
        let password = token(&members, "access_token", &question)?;
        mask(exchange, &password);
        let lifetime =
            expires_in(&members).or_else(|| jwt::lifetime(password.expose())).unwrap_or(Duration::from_secs(3600));
        Ok(Leased { credential: Credential { username: self.username.clone(), password }, lifetime })
    }
}

/// 404: no such connection. 401 and 403: no rule set of it fits.
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.status {
        401 | 403 => LoginReason::Identity,
        404 => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}
