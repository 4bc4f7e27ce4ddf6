//! The identity of a job of GitHub Actions: a token that says which workflow asks.
//!
//! Owns where the request's token goes: over TLS to the host of the request's address, which must be GitHub's or this
//! server's, and nowhere else. Never keeps an identity: it lives for minutes, and is asked for right before each exchange.
//!
//! Source: "`OpenID` Connect reference", docs.github.com.

use reqwest::Method;
use url::Url;

use crate::credentials::cloud::ask::{Exchange, Question, token};
use crate::credentials::cloud::jwt;
use crate::credentials::cloud::leased::mask;
use crate::environment::Environment;
use crate::error::Error;
use crate::error::cause::LoginFailure;
use crate::error::login::{Claims, LoginStep};
use crate::secret::Secret;

const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";

/// The token that an identity is asked for with.
pub const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Where jobs of github.com ask.
const GITHUB: &str = "actions.githubusercontent.com";

/// How a job asks for its identity.
#[derive(Clone, Debug)]
pub struct Oidc {
    url: Url,
    token: Secret,
}

/// An identity.
pub struct Identity {
    pub token: Secret,
    pub claims: Claims,
}

impl Oidc {
    /// As the runner hands it over; none where the job may not have one.
    pub fn of(environment: &Environment) -> Result<Option<Self>, Error> {
        let (Some(url), Some(token)) = (environment.get(REQUEST_URL), environment.get(REQUEST_TOKEN)) else {
            return Ok(None);
        };
        let server = environment.get("GITHUB_SERVER_URL").and_then(|server| Url::parse(server).ok());
        let server = server.as_ref().and_then(Url::host_str).unwrap_or("github.com");
        if let Some(url) = Url::parse(url).ok().filter(|url| is_githubs(url, server)) {
            return Ok(Some(Self { url, token: Secret::new(token) }));
        }
        let problem = "is not an address of GitHub or of this server over TLS, and the token that goes with it is sent to no \
                       other; the runner sets it, so take it out of the workflow's `env`";
        Err(Error::input(REQUEST_URL, problem))
    }

    /// A new identity for `audience`, to be shown to it at once.
    pub async fn identity(
        &self,
        provider: &'static str,
        audience: &str,
        exchange: &Exchange<'_>,
    ) -> Result<Identity, Box<LoginFailure>> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("audience", audience);
        let question = Question::new(provider, LoginStep::Identity, Method::GET, url).bearer(&self.token)?;
        let answer = question.ask(exchange).await?;
        let token = token(&answer.object(&question)?, "value", &question)?;
        mask(exchange, &token);
        Ok(Identity { claims: jwt::claims(token.expose()), token })
    }
}

/// Whether `url` is where a job of `server` asks: a host of GitHub's own service, or of the server itself.
fn is_githubs(url: &Url, server: &str) -> bool {
    let is_of = |host: &str, owner: &str| {
        host.strip_suffix(owner).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let is_bare = url.username().is_empty() && url.password().is_none();
    url.scheme() == "https"
        && is_bare
        && url.domain().is_some_and(|host| is_of(host, GITHUB) && url.port().is_none() || is_of(host, server))
        || url.scheme() == "https" && is_bare && url.host_str() == Some(server)
}

#[cfg(test)]
mod tests {
    use super::Oidc;
    use crate::environment::Environment;

    #[test]
    fn the_requests_token_goes_to_github_or_this_server_over_tls_and_nowhere_else() {
        for (url, server, expected) in [
            ("https://pipelines.actions.githubusercontent.com/a?api-version=2.0", "https://github.com", true),
            ("https://run-1.actions.githubusercontent.com//idtoken/1?x=1", "https://github.com", true),
            ("https://git.example.com/_services/vstoken/x?y=1", "https://git.example.com", true),
            ("https://token.actions.acme.ghe.com/x", "https://acme.ghe.com", true),
            ("https://10.0.0.8:8443/_services", "https://10.0.0.8", true),
            ("http://pipelines.actions.githubusercontent.com/", "https://github.com", false),
            ("https://pipelines.actions.githubusercontent.com:8443/", "https://github.com", false),
            ("https://u@pipelines.actions.githubusercontent.com/", "https://github.com", false),
            ("https://evilactions.githubusercontent.com/", "https://github.com", false),
            ("https://raw.githubusercontent.com/", "https://github.com", false),
            ("https://actions.githubusercontent.com.evil.example/", "https://github.com", false),
            ("https://evil.example/?actions.githubusercontent.com", "https://github.com", false),
            ("https://evil.ghe.com/x", "https://acme.ghe.com", false),
            ("https://xgit.example.com/x", "https://git.example.com", false),
            ("https://169.254.169.254/x", "https://github.com", false),
            ("not an address", "https://github.com", false),
        ] {
            let variables = [
                ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t0ken"),
                ("GITHUB_SERVER_URL", server),
            ];
            let found = Oidc::of(&Environment::from(&variables[..]));
            assert_eq!(matches!(found, Ok(Some(_))), expected, "{url} for {server}");
            assert!(!format!("{found:?}").contains("t0ken"));
        }
        assert!(matches!(Oidc::of(&Environment::default()), Ok(None)));
    }
}
