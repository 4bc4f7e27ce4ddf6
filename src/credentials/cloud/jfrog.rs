//! Artifactory: an OIDC integration of the `JFrog` platform gives an access token in exchange for the identity.
//!
//! Source: `JFrog`, "Configure an OIDC Integration"; jfrog/setup-jfrog-cli.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::credentials::cloud::ask::{Exchange, Question, expires_in, token};
use crate::credentials::cloud::fields::{Fields, is_name};
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::leased::{Leased, mask_foreign};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::error::Error;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ErrorResponse};
use crate::error::login::{LoginReason, LoginStep};
use crate::error::violation::Violation;
use crate::secret::Credential;

pub const WORD: &str = "jfrog";

/// A token that says nothing of its life is asked for again after this.
const LIFETIME: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub struct Jfrog {
    oidc: Oidc,
    registry: String,
    provider: String,
    audience: String,
    project: Option<String>,
}

impl Jfrog {
    pub const FIELDS: &[&str] = &["registry", "type", "provider-name", "audience", "project-key"];

    /// None where there is no identity.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        let provider = fields.need_like("provider-name", "github", is_name)?;
        let audience = fields.get("audience")?.unwrap_or_else(|| host.to_owned());
        let project = fields.get("project-key")?;
        let registry = host.to_owned();
        Ok(place.oidc().map(|oidc| Self { oidc, registry, provider, audience, project }))
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let identity = self.oidc.identity(WORD, &self.audience, exchange).await?;
        let mut body = json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "subject_token": identity.token.expose(),
            "provider_name": self.provider,
        });
        if let Some(project) = &self.project {
            body["project_key"] = json!(project);
        }
        let address = format!("https://{}/access/api/v1/oidc/token", self.registry);
        let question = Question::to(WORD, LoginStep::Exchange, Method::POST, &address)?
            .json(&body)
            .hiding(&[&identity.token])
            .showing(&identity.claims)
            .judged(judge);
        let members = question.ask(exchange).await?.object(&question)?;
        let password = token(&members, "access_token", &question)?;
        mask_foreign(exchange, &password);
        // `jfac@…/users/NAME`.
        let subject = jwt::claim(password.expose(), "sub").unwrap_or_default();
        let username = subject.rsplit('/').next().filter(|name| !name.is_empty() && !name.contains(':'));
        let username = username.ok_or_else(|| question.failed(Cause::Protocol(Violation::TokenUnreadable)))?.to_owned();
        let lifetime = expires_in(&members).or_else(|| jwt::lifetime(password.expose())).unwrap_or(LIFETIME);
        Ok(Leased { credential: Credential { username, password }, lifetime })
    }
}

fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.status {
        401 | 403 => LoginReason::Identity,
        400 | 404 => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}
