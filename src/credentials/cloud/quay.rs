//! Quay and quay.io: a robot account with a federation gives a token in exchange for the identity.
//!
//! Source: quay/quay, `endpoints/oauth/robot_identity_federation.py`.

use std::time::Duration;

use reqwest::Method;

use crate::credentials::cloud::ask::{Exchange, Question, token};
use crate::credentials::cloud::fields::Fields;
use crate::credentials::cloud::leased::{Leased, mask_foreign};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::error::Error;
use crate::error::cause::ErrorResponse;
use crate::error::cause::LoginFailure;
use crate::error::login::{LoginReason, LoginStep};
use crate::secret::Credential;

pub const WORD: &str = "quay";

const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub struct Quay {
    oidc: Oidc,
    registry: String,
    /// `ORGANISATION+NAME`.
    robot: String,
    audience: String,
}

impl Quay {
    pub const FIELDS: &[&str] = &["registry", "type", "username", "audience"];

    /// None where there is no identity.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        let robot = fields.need_like("username", "acme+mirror", is_robot)?;
        // Quay compares it where the federation names one, and will want one: of this registry and no other.
        let audience = fields.get("audience")?.unwrap_or_else(|| host.to_owned());
        let registry = host.to_owned();
        Ok(place.oidc().map(|oidc| Self { oidc, registry, robot, audience }))
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let identity = self.oidc.identity(WORD, &self.audience, exchange).await?;
        let sent = Credential { username: self.robot.clone(), password: identity.token };
        let address = format!("https://{}/oauth2/federation/robot/token", self.registry);
        let question = Question::to(WORD, LoginStep::Exchange, Method::GET, &address)?
            .basic(&sent)?
            .showing(&identity.claims)
            .judged(judge);
        let members = question.ask(exchange).await?.object(&question)?;
        let password = token(&members, "token", &question)?;
        mask_foreign(exchange, &password);
        Ok(Leased { credential: Credential { username: self.robot.clone(), password }, lifetime: LIFETIME })
    }
}

fn is_robot(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    text.split_once('+').is_some_and(|(organisation, name)| is_part(organisation) && is_part(name))
}

/// 404: a Quay without federation; it answers the same for a robot that is not there and for one that does not trust.
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.status {
        400 | 401 | 403 => LoginReason::Identity,
        404 => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}
