//! Amazon ECR, private and public: a session of a role, or the AWS credentials of the machine, give the registry's password;
//! and they create repositories.
//!
//! Owns that a password goes to no other host than ECR's, and that a session is asked for once as long as it is good.
//!
//! Source: Amazon ECR and ECR Public API Reference, `GetAuthorizationToken`, `CreateRepository`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credentials::cloud::ask::{Answer, Exchange, Question};
use crate::credentials::cloud::aws_machine::Machine;
pub use crate::credentials::cloud::aws_session::WORD;
use crate::credentials::cloud::aws_session::{Session, assume};
use crate::credentials::cloud::fields::Fields;
use crate::credentials::cloud::leased::{Leased, mask};
use crate::credentials::cloud::oidc::Oidc;
use crate::credentials::cloud::place::Place;
use crate::credentials::cloud::sigv4::Signer;
use crate::credentials::docker_config::basic;
use crate::error::Error;
use crate::error::cause::LoginFailure;
use crate::error::cause::{Cause, ErrorResponse};
use crate::error::login::{LoginReason, LoginStep};
use crate::error::violation::Violation;
use crate::secret::Secret;
use crate::text::quote::quote;

/// ECR Public's host, and the one region that has its interface.
const PUBLIC: &str = "public.ecr.aws";
const PUBLIC_REGION: &str = "us-east-1";

const JSON: &str = "application/x-amz-json-1.1";

const DOMAIN: &str = "amazonaws.com";

/// How long a password is good that does not say.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// A session that ends within this is not begun with.
const MARGIN: Duration = Duration::from_secs(60);

/// Which registry it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Registry {
    Private { account: String, region: String, domain: &'static str },
    Public,
}

/// Where the session comes from.
#[derive(Clone, Debug)]
enum Source {
    /// The job's identity, which this role trusts.
    Role(String, Oidc),
    /// What the machine has.
    Machine(Machine),
}

#[derive(Clone, Debug)]
pub struct Ecr {
    registry: Registry,
    /// Where the Security Token Service is asked.
    region: String,
    source: Source,
    session: Arc<Mutex<Option<Session>>>,
}

impl Ecr {
    pub const FIELDS: &[&str] = &["registry", "type", "role-to-assume", "region"];

    /// None where there is a role and no identity for it. Without a role, and outside of jobs, it is the machine's.
    pub fn read(fields: &Fields, host: &str, place: &Place<'_>) -> Result<Option<Self>, Error> {
        let Some(registry) = Registry::of(host) else {
            return Err(fields.problem_in(
                "registry",
                format_args!(
                    "`{}` is no registry of ECR; write `ACCOUNT.dkr.ecr.REGION.amazonaws.com` or `{PUBLIC}`",
                    quote(host)
                ),
            ));
        };
        let given = fields.get("region")?;
        if let Some(region) = given.as_deref().filter(|region| !is_region(region)) {
            return Err(fields
                .problem_in("region", format_args!("`region` is `{}`; write one like `eu-west-1`", quote(region))));
        }
        let region = match (&registry, given) {
            (Registry::Private { region, .. }, Some(given)) if *region != given => {
                return Err(fields.problem_in(
                    "region",
                    format_args!("`region` is `{given}`, and the registry's name says `{region}`; leave `region` out"),
                ));
            }
            (Registry::Private { region, .. }, _) => region.clone(),
            (Registry::Public, given) => given.unwrap_or_else(|| PUBLIC_REGION.to_owned()),
        };
        let role = fields.get("role-to-assume")?;
        if let Some(role) = role.as_deref().filter(|role| !is_role(role)) {
            let example = "arn:aws:iam::123456789012:role/mirror";
            return Err(fields.problem_in(
                "role-to-assume",
                format_args!("`role-to-assume` is `{}`; write the whole name of a role, like `{example}`", quote(role)),
            ));
        }
        let source = match (role, place.oidc()) {
            (Some(role), Some(oidc)) => Source::Role(role, oidc),
            (Some(_), None) if place.is_job() => return Ok(None),
            _ => Source::Machine(place.machine()?),
        };
        Ok(Some(Self { registry, region, source, session: Arc::default() }))
    }

    /// What the machine has, where that is the source.
    pub fn machine(&self) -> Option<&Machine> {
        match &self.source {
            Source::Machine(machine) => Some(machine),
            Source::Role(..) => None,
        }
    }

    pub async fn lease(&self, exchange: &Exchange<'_>) -> Result<Leased, Box<LoginFailure>> {
        let session = self.session(exchange).await?;
        let (question, answer) =
            self.call(&session, LoginStep::Password, "GetAuthorizationToken", &json!({}), exchange).await?;
        let members = answer.object(&question)?;
        let data = members.get("authorizationData");
        // A list at ECR, an object at ECR Public.
        let data = data.and_then(|data| data.get(0).or(Some(data)));
        let text = data.and_then(|data| data.get("authorizationToken")?.as_str()).unwrap_or_default();
        let credential = basic(text).filter(|credential| !credential.password.expose().is_empty());
        let credential = credential.ok_or_else(|| question.failed(Cause::Protocol(Violation::TokenMissing)))?;
        mask(exchange, &credential.password);
        mask(exchange, &credential.pair());
        let until = data.and_then(|data| data.get("expiresAt")?.as_f64()).and_then(|until| {
            let until = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(until).ok()?)?;
            until.duration_since(answer.date.unwrap_or_else(SystemTime::now)).ok()
        });
        // Whether a password outlives the session that it was asked for with is nowhere written: it is not counted on.
        let session = session.until.map_or(LIFETIME, |until| until.saturating_duration_since(Instant::now()));
        Ok(Leased { credential, lifetime: until.unwrap_or(LIFETIME).min(session) })
    }

    /// Creates a repository, named as references have it; one that is there is well.
    pub async fn create_repository(&self, repository: &str, exchange: &Exchange<'_>) -> Result<(), Box<LoginFailure>> {
        let session = self.session(exchange).await?;
        let body = match &self.registry {
            Registry::Private { account, .. } => json!({ "registryId": account, "repositoryName": repository }),
            // The first part is the registry's own name.
            Registry::Public => {
                json!({ "repositoryName": repository.split_once('/').map_or(repository, |(_, name)| name) })
            }
        };
        match self.call(&session, LoginStep::CreateRepository, "CreateRepository", &body, exchange).await {
            Err(failure)
                if failure.cause.refusal().and_then(|refusal| refusal.code.as_deref())
                    == Some("RepositoryAlreadyExistsException") =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    async fn session(&self, exchange: &Exchange<'_>) -> Result<Session, Box<LoginFailure>> {
        let mut held = self.session.lock().await;
        let is_good = |session: &&Session| session.until.is_none_or(|until| until > Instant::now() + MARGIN);
        if let Some(session) = held.as_ref().filter(is_good) {
            return Ok(session.clone());
        }
        let place = (self.region.as_str(), self.domain());
        let session = match &self.source {
            Source::Role(role, oidc) => {
                let audience = if self.domain() == DOMAIN {
                    "sts.amazonaws.com".to_owned()
                } else {
                    format!("sts.{}", self.domain())
                };
                let identity = oidc.identity(WORD, &audience, exchange).await?;
                assume(place, role, (&identity.token, &identity.claims), exchange).await?
            }
            Source::Machine(machine) => machine.session(place, exchange).await?,
        };
        Ok(held.insert(session).clone())
    }

    fn domain(&self) -> &'static str {
        match &self.registry {
            Registry::Private { domain, .. } => domain,
            Registry::Public => DOMAIN,
        }
    }

    /// One signed request.
    async fn call<'a>(
        &self,
        session: &'a Session,
        step: LoginStep,
        action: &str,
        body: &Value,
        exchange: &Exchange<'_>,
    ) -> Result<(Question<'a>, Answer), Box<LoginFailure>> {
        let (host, region, service, interface) = match &self.registry {
            Registry::Private { region, domain, .. } => {
                let host = format!("api.ecr.{region}.{domain}");
                (host, region.as_str(), "ecr", "AmazonEC2ContainerRegistry_V20150921")
            }
            Registry::Public => {
                let host = format!("api.ecr-public.{PUBLIC_REGION}.{DOMAIN}");
                (host, PUBLIC_REGION, "ecr-public", "SpencerFrontendService")
            }
        };
        let body = body.to_string();
        let target = format!("{interface}.{action}");
        let date = stamp(session.clock.now());
        let mut headers = vec![("content-type", JSON), ("host", host.as_str()), ("x-amz-date", date.as_str())];
        headers.extend(session.token.iter().map(|token| ("x-amz-security-token", token.expose())));
        headers.push(("x-amz-target", &target));
        let signer = Signer {
            access_key_id: &session.access_key_id,
            secret_access_key: &session.secret_access_key,
            region,
            service,
            date: &date,
        };
        let authorization = Secret::new(signer.authorization(&headers, body.as_bytes()));
        let mut question = Question::to(WORD, step, Method::POST, &format!("https://{host}/"))?
            .secret_header(reqwest::header::AUTHORIZATION, &authorization)?
            .hiding(&[&session.secret_access_key])
            .judged(judge);
        if let Some(token) = &session.token {
            let name = HeaderName::from_static("x-amz-security-token");
            question = question.secret_header(name, token)?.hiding(&[token]);
        }
        for (name, value) in [("x-amz-date", &date), ("x-amz-target", &target)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                question.headers.insert(HeaderName::from_static(name), value);
            }
        }
        question.headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        question.body = body.into_bytes();
        let answer = question.ask(exchange).await?;
        Ok((question, answer))
    }
}

impl Registry {
    /// Source: Amazon ECR User Guide, "Amazon ECR private registry", "Making requests to Amazon ECR registries".
    fn of(host: &str) -> Option<Self> {
        if host == PUBLIC {
            return Some(Self::Public);
        }
        let (account, rest) = host.split_once(".dkr")?;
        let rest = [".ecr.", ".ecr-fips.", "-ecr.", "-ecr-fips."].iter().find_map(|part| rest.strip_prefix(part))?;
        let (region, domain) = rest.split_once('.')?;
        let domain = match domain {
            "amazonaws.com" | "on.aws" => DOMAIN,
            "amazonaws.com.cn" | "on.amazonwebservices.com.cn" => "amazonaws.com.cn",
            "amazonaws.eu" => "amazonaws.eu",
            _ => return None,
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        (is_account && is_region(region)).then(|| Self::Private {
            account: account.to_owned(),
            region: region.to_owned(),
            domain,
        })
    }
}

/// `20150830T123600Z`.
fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

/// It becomes part of a host's name.
fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 30
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.contains('-')
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
pub fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, iam, "", account, role] = parts[..] else { return false };
    arn == "arn"
        && partition.starts_with("aws")
        && iam == "iam"
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// What ECR's refusals mean.
fn judge(refusal: &ErrorResponse) -> LoginReason {
    match refusal.code.as_deref() {
        Some("AccessDeniedException") => LoginReason::Rights,
        _ => LoginReason::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::{Registry, is_role};

    #[test]
    fn a_registry_of_ecr_is_told_by_its_name_and_no_other_is_one() {
        let private = |region: &str, domain| {
            let (account, region) = ("123456789012".to_owned(), region.to_owned());
            Some(Registry::Private { account, region, domain })
        };
        for (host, expected) in [
            ("public.ecr.aws", Some(Registry::Public)),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", private("eu-west-1", "amazonaws.com")),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", private("us-gov-west-1", "amazonaws.com")),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", private("eu-west-1", "amazonaws.com")),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", private("cn-north-1", "amazonaws.com.cn")),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", private("eusc-de-east-1", "amazonaws.eu")),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
            ("123456789012.dkr.ecr.evil.example/.eu-west-1.amazonaws.com", None),
            ("evil.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("12345678901.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("public.ecr.aws:8443", None),
            ("registry.example.com", None),
        ] {
            assert_eq!(Registry::of(host), expected, "{host}");
        }
    }

    #[test]
    fn a_role_is_named_as_a_whole() {
        for (role, expected) in [
            ("arn:aws:iam::123456789012:role/mirror", true),
            ("arn:aws-cn:iam::123456789012:role/ci/mirror", true),
            ("mirror", false),
            ("arn:aws:iam::123456789012:user/mirror", false),
            ("arn:aws:iam::1234:role/mirror", false),
            ("arn:aws:iam::123456789012:role/", false),
        ] {
            assert_eq!(is_role(role), expected, "{role}");
        }
    }
}
