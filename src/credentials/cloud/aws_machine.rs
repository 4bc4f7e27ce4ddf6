//! The AWS credentials that a machine has: variables, a token in a file, a container's role, an instance's role; in the order
//! in which AWS's own tools look.
//!
//! Never reads `~/.aws` and runs no program: a profile there may name one. A metadata service is asked at an address of this
//! machine or its link, never through a proxy.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use crate::credentials::cloud::ask::{Exchange, Question, token};
use crate::credentials::cloud::aws_session::{Clock, Session, WORD, assume, lifetime};
use crate::credentials::cloud::fields::is_name;
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::leased::mask;
use crate::environment::Environment;
use crate::error::Error;
use crate::error::cause::Cause;
use crate::error::cause::LoginFailure;
use crate::error::login::{LoginReason, LoginStep, LoginTurn};
use crate::error::violation::Violation;
use crate::http::address::is_link_or_loopback;
use crate::regular_file;
use crate::secret::Secret;

/// Where containers of ECS, and instances, ask.
const CONTAINER: &str = "http://169.254.170.2";
const INSTANCE: &str = "http://169.254.169.254";

/// The variable that names another address of the latter.
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// Where an instance's roles are.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// How long a metadata service may take: it is on this machine's link, or there is none.
const PROMPT: Duration = Duration::from_secs(5);

/// The largest token in a file, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the credentials come from.
#[derive(Clone, Debug)]
pub enum Machine {
    /// `AWS_ACCESS_KEY_ID` and what goes with it.
    Variables(Session),
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, and `AWS_ROLE_ARN`.
    File(PathBuf, String),
    /// A container's own service, and what it is asked with.
    Container(Url, Option<Authorization>),
    /// The instance's role.
    Instance(Url),
    /// None of these.
    Nothing,
}

/// What a container's service is asked with.
#[derive(Clone, Debug)]
pub enum Authorization {
    Text(Secret),
    File(PathBuf),
}

impl Machine {
    /// What the variables say.
    pub fn of(environment: &Environment) -> Result<Self, Error> {
        let get = |name: &'static str| environment.get(name);
        if let (Some(id), Some(secret)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Self::Variables(Session {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::new(secret),
                token: get("AWS_SESSION_TOKEN").map(Secret::new),
                until: None,
                clock: Clock::Unknown,
            }));
        }
        if let (Some(file), Some(role)) = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")) {
            return Ok(Self::File(PathBuf::from(file), role.to_owned()));
        }
        let authorization = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            .map(|file| Authorization::File(PathBuf::from(file)))
            .or_else(|| get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|text| Authorization::Text(Secret::new(text))));
        if let Some(path) = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            let address = format!("{CONTAINER}/{}", path.trim_start_matches('/'));
            let url = own(&address, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")?;
            return Ok(Self::Container(url, authorization));
        }
        if let Some(address) = get("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            return Ok(Self::Container(own(address, "AWS_CONTAINER_CREDENTIALS_FULL_URI")?, authorization));
        }
        if get("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(Self::Nothing);
        }
        own(get(ENDPOINT).unwrap_or(INSTANCE), ENDPOINT).map(Self::Instance)
    }

    /// Where it looks, for the log.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Variables(_) => "`AWS_ACCESS_KEY_ID`",
            Self::File(..) => "`AWS_WEB_IDENTITY_TOKEN_FILE`",
            Self::Container(..) => "the container's role",
            Self::Instance(_) => "the instance's role",
            Self::Nothing => "nowhere",
        }
    }

    /// What of it is secret.
    pub fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Variables(session) => {
                std::iter::once(&session.secret_access_key).chain(&session.token).cloned().collect()
            }
            Self::Container(_, Some(Authorization::Text(text))) => vec![text.clone()],
            _ => Vec::new(),
        }
    }

    /// A session.
    pub async fn session(&self, place: (&str, &str), exchange: &Exchange<'_>) -> Result<Session, Box<LoginFailure>> {
        match self {
            Self::Variables(session) => Ok(session.clone()),
            Self::File(path, role) => {
                let token = read(path, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
                mask(exchange, &token);
                assume(place, role, (&token, &jwt::claims(token.expose())), exchange).await
            }
            Self::Container(url, authorization) => {
                let value = match authorization {
                    Some(Authorization::Text(text)) => Some(text.clone()),
                    Some(Authorization::File(path)) => Some(read(path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?),
                    None => None,
                };
                if let Some(value) = &value {
                    mask(exchange, value);
                }
                let question = Question::new(WORD, LoginStep::Machine, Method::GET, url.clone());
                let question = match &value {
                    Some(value) => question.secret_header(AUTHORIZATION, value)?.hiding(&[value]),
                    None => question,
                };
                credentials(&question, exchange).await
            }
            Self::Instance(endpoint) => instance(endpoint, exchange).await,
            Self::Nothing => {
                Err(missing("AWS_ACCESS_KEY_ID", "is not set, nor is anything else that AWS's tools look at"))
            }
        }
    }
}

/// The instance's role, by version 2 of its metadata service: a token first, which no proxy passes on.
async fn instance(endpoint: &Url, exchange: &Exchange<'_>) -> Result<Session, Box<LoginFailure>> {
    let exchange = Exchange { answer: exchange.answer.min(PROMPT), ..*exchange };
    let at = |path: &str| {
        let mut url = endpoint.clone();
        url.set_path(path);
        url
    };
    let mut question = Question::new(WORD, LoginStep::Machine, Method::PUT, at("/latest/api/token"));
    let name = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    question.headers.insert(name, HeaderValue::from_static("300"));
    let answer = question.ask(&exchange).await?;
    let pass = Secret::new(String::from_utf8_lossy(&answer.body).trim());
    mask(&exchange, &pass);
    let ask = |path: &str| {
        let question = Question::new(WORD, LoginStep::Machine, Method::GET, at(path));
        question.secret_header(HeaderName::from_static("x-aws-ec2-metadata-token"), &pass)
    };
    let question = ask(ROLES)?;
    let roles = question.ask(&exchange).await?;
    let roles = String::from_utf8_lossy(&roles.body);
    let role = roles.lines().next().map(str::trim).filter(|role| is_name(role));
    let role = role.ok_or_else(|| question.failed(Cause::Protocol(Violation::TokenMissing)))?;
    let question = ask(&format!("{ROLES}{role}"))?;
    credentials(&question, &exchange).await
}

/// Credentials as both services write them.
async fn credentials(question: &Question<'_>, exchange: &Exchange<'_>) -> Result<Session, Box<LoginFailure>> {
    let answer = question.ask(exchange).await?;
    let members = answer.object(question)?;
    let (secret_access_key, session) =
        (token(&members, "SecretAccessKey", question)?, token(&members, "Token", question)?);
    mask(exchange, &secret_access_key);
    mask(exchange, &session);
    let until = members.get("Expiration").and_then(|until| lifetime(until.as_str()?, answer.date));
    Ok(Session {
        access_key_id: token(&members, "AccessKeyId", question)?.expose().to_owned(),
        secret_access_key,
        token: Some(session),
        until: until.and_then(|until| Instant::now().checked_add(until)),
        // Of this machine too: it says nothing of AWS's.
        clock: Clock::Unknown,
    })
}

/// An address of this machine or its link.
fn own(address: &str, variable: &'static str) -> Result<Url, Error> {
    let url = Url::parse(address).ok();
    let url = url.filter(|url| url.scheme() == "http" && is_link_or_loopback(url.host()) && url.username().is_empty());
    url.ok_or_else(|| {
        let problem = "is not an address of this machine or its link (`http://169.254.170.2/…`), and AWS credentials are \
                       taken from no other; mend it, or leave it out";
        Error::input(variable, problem)
    })
}

fn read(path: &std::path::Path, variable: &'static str) -> Result<Secret, Box<LoginFailure>> {
    match regular_file::read(path, LARGEST).map(String::from_utf8) {
        Ok(Ok(text)) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
        Ok(_) => Err(missing(variable, "names a file that has no token in it")),
        Err(error) => Err(missing(variable, &format!("names a file that cannot be read ({})", error.kind()))),
    }
}

fn missing(variable: &str, what: &str) -> Box<LoginFailure> {
    Box::new(LoginFailure {
        provider: WORD,
        service: "this machine".to_owned(),
        turn: LoginTurn::First,
        step: LoginStep::Machine,
        reason: LoginReason::Unclear,
        cause: Cause::Protocol(Violation::NoClient(format!("`{variable}` {what}"))),
        claims: None,
    })
}

#[cfg(test)]
mod tests {
    use super::Machine;
    use crate::environment::Environment;

    #[test]
    fn credentials_are_looked_for_on_this_machine_and_its_link_alone() {
        for (variables, expected) in [
            (&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")][..], Some("`AWS_ACCESS_KEY_ID`")),
            (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/f"), ("AWS_ROLE_ARN", "r")], Some("`AWS_WEB_IDENTITY_TOKEN_FILE`")),
            (&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/x")], Some("the container's role")),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1")], Some("the container's role")),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1")], Some("the container's role")),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/v1")], None),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://a.localhost/v1")], None),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://u@127.0.0.1/v1")], None),
            (&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://evil.example")], None),
            (&[("AWS_EC2_METADATA_DISABLED", "true")], Some("nowhere")),
            (&[], Some("the instance's role")),
        ] {
            let machine = Machine::of(&Environment::from(variables));
            assert_eq!(machine.as_ref().ok().map(Machine::describe), expected, "{variables:?}");
            if let Ok(Machine::Container(url, _)) = machine {
                assert!(matches!(url.host_str(), Some("169.254.170.2" | "169.254.170.23" | "[fd00:ec2::23]")), "{url}");
            }
        }
    }
}
