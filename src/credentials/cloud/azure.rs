//! Azure Container Registry: an application's federated credential gives a token of Entra ID, and that one the registry's
//! refresh token.
//!
//! Source: Microsoft identity platform, "OAuth 2.0 client credentials flow"; Azure SDK, `ContainerRegistryAudience`;
//! Azure/acr, `docs/AAD-OAuth.md`.

use std::time::Duration;

use reqwest::Method;

use crate::credentials::cloud::ask::{Exchange, Question, token};
use crate::credentials::cloud::fields::{Fields, is_name, is_uuid};
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::leased::{Leased, mask, mask_foreign};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::error::Error;
use crate::error::cause::ErrorResponse;
use crate::error::cause::LoginFailure;
use crate::error::login::{LoginReason, LoginStep};
use crate::secret::{Credential, IDENTITY_TOKEN};
use crate::text::quote::quote;

pub const WORD: &str = "azure-acr";

/// A cloud of Azure's: where its registries are, who logs in there, for which resource, and the audience of identities.
struct Cloud {
    suffix: &'static str,
    authority: &'static str,
    resource: &'static str,
    audience: &'static str,
}

const CLOUDS: [Cloud; 3] = [
    Cloud {
        suffix: ".azurecr.io",
        authority: "login.microsoftonline.com",
        resource: "https://containerregistry.azure.net",
        audience: "api://AzureADTokenExchange",
    },
    Cloud {
        suffix: ".azurecr.cn",
        authority: "login.partner.microsoftonline.cn",
        resource: "https://management.chinacloudapi.cn",
        audience: "api://AzureADTokenExchangeChina",
    },
    Cloud {
        suffix: ".azurecr.us",
        authority: "login.microsoftonline.us",
        resource: "https://management.usgovcloudapi.net",
        audience: "api://AzureADTokenExchangeUSGov",
    },
];

/// How long a refresh token is good that does not say.
const LIFETIME: Duration = Duration::from_secs(3 * 3600);

#[derive(Clone, Debug)]
pub struct Azure {
    oidc: Oidc,
    registry: String,
    cloud: usize,
    tenant: String,
    client: String,
    audience: Option<String>,
}

impl Azure {
    pub const FIELDS: &[&str] = &["registry", "type", "tenant-id", "client-id", "audience"];

    /// None where there is no identity.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        let is_registry =
            |cloud: &Cloud| host.strip_suffix(cloud.suffix).is_some_and(|name| is_name(name) && !name.contains('.'));
        let Some(cloud) = CLOUDS.iter().position(is_registry) else {
            return Err(fields.problem_in(
                "registry",
                format_args!("`{}` is no registry of Azure's; write `NAME.azurecr.io`", quote(host)),
            ));
        };
        // A tenant is named by its domain too.
        let tenant = fields.need_like("tenant-id", "00000000-0000-0000-0000-000000000000", is_name)?;
        let client = fields.need_like("client-id", "00000000-0000-0000-0000-000000000000", is_uuid)?;
        let audience = fields.get("audience")?;
        let registry = host.to_owned();
        Ok(place.oidc().map(|oidc| Self { oidc, registry, cloud, tenant, client, audience }))
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let cloud = CLOUDS.get(self.cloud).unwrap_or(&CLOUDS[0]);
        let audience = self.audience.as_deref().unwrap_or(cloud.audience);
        let identity = self.oidc.identity(WORD, audience, exchange).await?;
        let address = format!("https://{}/{}/oauth2/v2.0/token", cloud.authority, self.tenant);
        let question = Question::to(WORD, LoginStep::Exchange, Method::POST, &address)?
            .form(&[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", identity.token.expose()),
                ("scope", &format!("{}/.default", cloud.resource)),
            ])
            .hiding(&[&identity.token])
            .showing(&identity.claims)
            .judged(judge);
        let members = question.ask(exchange).await?.object(&question)?;
        let access = token(&members, "access_token", &question)?;
        mask(exchange, &access);

        let address = format!("https://{}/oauth2/exchange", self.registry);
        let question = Question::to(WORD, LoginStep::Password, Method::POST, &address)?
            .form(&[
                ("grant_type", "access_token"),
                ("service", &self.registry),
                ("tenant", &self.tenant),
                ("access_token", access.expose()),
            ])
            .hiding(&[&access])
            .judged(|refusal| match refusal.status {
                401 | 403 => LoginReason::Rights,
                _ => LoginReason::Unclear,
            });
        let members = question.ask(exchange).await?.object(&question)?;
        let password = token(&members, "refresh_token", &question)?;
        mask_foreign(exchange, &password);
        let lifetime = jwt::lifetime(password.expose()).unwrap_or(LIFETIME);
        Ok(Leased { credential: Credential { username: IDENTITY_TOKEN.to_owned(), password }, lifetime })
    }
}

/// Source: Microsoft Entra, "Microsoft Entra authentication and authorization error codes".
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.code.as_deref() {
        Some("AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213") => LoginReason::Identity,
        Some("AADSTS700016" | "AADSTS90002") => LoginReason::Unknown,
        _ => LoginReason::Unclear,
    }
}
