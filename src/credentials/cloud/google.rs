//! Google Artifact Registry and `gcr.io`: a workload identity pool, or the application-default file of `gcloud`, gives an
//! access token.
//!
//! Source: Google Cloud, "Security Token Service API", "Service Account Credentials API"; google-github-actions/auth.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::credentials::cloud::ask::{Exchange, Question, expires_in, token};
use crate::credentials::cloud::fields::Fields;
use crate::credentials::cloud::google_person::{LIFETIME, Person};
use crate::credentials::cloud::leased::{Leased, mask};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::error::Error;
use crate::error::cause::ErrorResponse;
use crate::error::cause::LoginFailure;
use crate::error::login::{LoginReason, LoginStep};
use crate::secret::{Credential, Secret};
use crate::text::quote::quote;

pub use crate::credentials::cloud::google_person::WORD;

const USERNAME: &str = "oauth2accesstoken";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where the token comes from.
#[derive(Clone, Debug)]
enum Source {
    /// The job's identity, which this provider of a pool trusts; and the account that it stands in for.
    Pool { oidc: Oidc, provider: String, account: Option<String> },
    /// A person's own login.
    Person(Person),
}

#[derive(Clone, Debug)]
pub struct Google(Source);

impl Google {
    pub const FIELDS: &[&str] = &["registry", "type", "workload-identity-provider", "service-account", "project-id"];

    /// None where there is neither a job's identity nor a person's login.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        if !is_googles(host) {
            return Err(fields.problem_in(
                "registry",
                format_args!("`{}` is no registry of Google's; write `REGION-docker.pkg.dev` or `gcr.io`", quote(host)),
            ));
        }
        let example = "projects/123/locations/global/workloadIdentityPools/github/providers/mirror";
        let provider = fields.need_like("workload-identity-provider", example, is_provider)?;
        let account = fields.get("service-account")?;
        if let Some(account) = account.as_deref().filter(|account| !is_account(account)) {
            let example = "mirror@PROJECT.iam.gserviceaccount.com";
            return Err(fields.problem_in(
                "service-account",
                format_args!("`service-account` is `{}`; write one like `{example}`", quote(account)),
            ));
        }
        // Docker's own action has it; the provider's name says as much.
        fields.get("project-id")?;
        Ok(match place.oidc() {
            Some(oidc) => Some(Self(Source::Pool { oidc, provider, account })),
            None if place.is_job() => None,
            None => place.person()?.map(|person| Self(Source::Person(person))),
        })
    }

    /// Where it comes from, where that is no job's identity.
    pub fn machine(&self) -> Option<&'static str> {
        matches!(self.0, Source::Person(_)).then_some("the login of `gcloud auth application-default login`")
    }

    /// What of it is secret.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.0 {
            Source::Person(person) => person.secrets(),
            Source::Pool { .. } => Vec::new(),
        }
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let (password, lifetime) = match &self.0 {
            Source::Pool { oidc, provider, account } => {
                let federated = federated(oidc, provider, exchange).await?;
                match account {
                    Some(account) => (as_account(account, &federated.0, exchange).await?, LIFETIME),
                    None => federated,
                }
            }
            Source::Person(person) => person.token(exchange).await?,
        };
        Ok(Leased { credential: Credential { username: USERNAME.to_owned(), password }, lifetime })
    }
}

/// The pool's own token.
async fn federated(
    oidc: &Oidc,
    provider: &str,
    exchange: &Exchange<'_>,
) -> Result<(Secret, Duration), Box<LoginFailure>> {
    let identity = oidc.identity(WORD, &format!("https://iam.googleapis.com/{provider}"), exchange).await?;
    let question = Question::to(WORD, LoginStep::Exchange, Method::POST, "https://sts.googleapis.com/v1/token")?
        .json(&json!({
            "audience": format!("//iam.googleapis.com/{provider}"),
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": SCOPE,
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": identity.token.expose(),
        }))
        .hiding(&[&identity.token])
        .showing(&identity.claims)
        .judged(judge);
    let members = question.ask(exchange).await?.object(&question)?;
    let password = token(&members, "access_token", &question)?;
    mask(exchange, &password);
    Ok((password, expires_in(&members).unwrap_or(LIFETIME)))
}

/// A token of the account that the pool's stands in for.
async fn as_account(account: &str, federated: &Secret, exchange: &Exchange<'_>) -> Result<Secret, Box<LoginFailure>> {
    let address =
        format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
    let question = Question::to(WORD, LoginStep::Password, Method::POST, &address)?
        .json(&json!({ "scope": [SCOPE], "lifetime": format!("{}s", LIFETIME.as_secs()) }))
        .bearer(federated)?
        .judged(judge);
    let members = question.ask(exchange).await?.object(&question)?;
    let password = token(&members, "accessToken", &question)?;
    mask(exchange, &password);
    Ok(password)
}

/// The token is good for all of Google Cloud: it goes to no other registry.
fn is_googles(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev")
}

fn is_provider(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    matches!(parts[..], ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", name]
        if [number, pool, name].into_iter().all(is_part))
}

/// It becomes part of a path.
fn is_account(text: &str) -> bool {
    let is_good = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    text.split_once('@').is_some_and(|(name, domain)| is_good(name) && is_good(domain))
}

/// `unauthorized_client`: the provider's attribute condition; `invalid_grant`: its issuer or audience.
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.code.as_deref() {
        Some("unauthorized_client" | "invalid_grant") => LoginReason::Identity,
        Some("invalid_target" | "NOT_FOUND") => LoginReason::Unknown,
        Some("PERMISSION_DENIED") => LoginReason::Rights,
        _ => LoginReason::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_account, is_googles, is_provider};

    #[test]
    fn names_are_of_googles_form() {
        for (host, expected) in [
            ("gcr.io", true),
            ("eu.gcr.io", true),
            ("europe-docker.pkg.dev", true),
            ("evilpkg.dev", false),
            ("a.pkg.dev:8443", false),
        ] {
            assert_eq!(is_googles(host), expected, "{host}");
        }
        assert!(is_provider("projects/1/locations/global/workloadIdentityPools/p/providers/x-1"));
        assert!(!is_provider("projects/1/locations/global/workloadIdentityPools/p/providers/x/y"));
        assert!(!is_provider("//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"));
        assert!(is_account("mirror@acme.iam.gserviceaccount.com") && !is_account("a@b/../c") && !is_account("mirror"));
    }
}
