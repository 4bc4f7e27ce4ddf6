//! Chainguard's registry, `cgr.dev`: an assumable identity gives a token in exchange for the job's.
//!
//! Source: Chainguard Academy, "Assumable identities"; the audience differs between its pages, and both are tried.

use std::time::Duration;

use reqwest::Method;

use crate::credentials::cloud::ask::{Exchange, Question, token};
use crate::credentials::cloud::fields::Fields;
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

pub const WORD: &str = "chainguard";

const REGISTRY: &str = "cgr.dev";

/// What identities have been seen to accept.
const AUDIENCES: [&str; 2] = ["https://issuer.enforce.dev", REGISTRY];

const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub struct Chainguard {
    oidc: Oidc,
    /// `ORGANISATION/NAME`, both in hexadecimal.
    identity: String,
    audience: Option<String>,
}

impl Chainguard {
    pub const FIELDS: &[&str] = &["registry", "type", "identity", "audience"];

    /// None where there is no identity.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        if host != REGISTRY {
            return Err(fields
                .problem_in("registry", format_args!("`{}` is not Chainguard's registry, `{REGISTRY}`", quote(host))));
        }
        let is_identity = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'/');
        let identity = fields.need_like("identity", "deadbeef0123/456789abcdef", is_identity)?;
        let audience = fields.get("audience")?;
        Ok(place.oidc().map(|oidc| Self { oidc, identity, audience }))
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        if let Some(audience) = &self.audience {
            return self.exchange(audience, exchange).await;
        }
        let [first, second] = AUDIENCES;
        match self.exchange(first, exchange).await {
            // The first failure is said: that the other one fails too says no more.
            Err(failure) if failure.reason == LoginReason::Identity => {
                self.exchange(second, exchange).await.map_err(|_| failure)
            }
            leased => leased,
        }
    }

    async fn exchange(&self, audience: &str, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let identity = self.oidc.identity(WORD, audience, exchange).await?;
        let address = "https://issuer.enforce.dev/sts/exchange";
        let mut question = Question::to(WORD, LoginStep::Exchange, Method::GET, address)?
            .bearer(&identity.token)?
            .showing(&identity.claims)
            .judged(judge);
        question.url.query_pairs_mut().append_pair("aud", REGISTRY).append_pair("identity", &self.identity);
        let members = question.ask(exchange).await?.object(&question)?;
        let password = token(&members, "token", &question)?;
        mask(exchange, &password);
        let lifetime = jwt::lifetime(password.expose()).unwrap_or(LIFETIME);
        Ok(Leased { credential: Credential { username: "_token".to_owned(), password }, lifetime })
    }
}

fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.status {
        401 | 403 => LoginReason::Identity,
        400 | 404 => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}
