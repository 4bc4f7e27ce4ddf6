//! Who may do what at the in-process registry: Basic, or a token service that is strict about scopes.
//! Also issues signed tokens (RS256, made by `openssl`) that Debian's docker-registry takes.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::protocol::Reply;

/// How a registry asks for credentials.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a registry has one")]
pub enum Auth {
    Open,
    Basic { user: String, password: String },
    Token(TokenAuth),
}

impl Auth {
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { user: user.to_owned(), password: password.to_owned() }
    }
}

/// Somebody known to the token service.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: String,
    pub password: String,
    /// Prefixes of repositories; an empty string is every one.
    pub pull: Vec<String>,
    pub push: Vec<String>,
}

impl Account {
    /// May pull and push everything.
    pub fn new(user: &str, password: &str) -> Self {
        let all = vec![String::new()];
        Self { user: user.to_owned(), password: password.to_owned(), pull: all.clone(), push: all }
    }

    pub fn only(mut self, pull: &[&str], push: &[&str]) -> Self {
        self.pull = pull.iter().map(|&prefix| prefix.to_owned()).collect();
        self.push = push.iter().map(|&prefix| prefix.to_owned()).collect();
        self
    }
}

/// A token service. Failures of its endpoint are faults on `/token`.
#[derive(Clone, Debug)]
pub struct TokenAuth {
    pub accounts: Vec<Account>,
    pub anonymous_pull: bool,
    pub service: Option<String>,
    /// Said in the reply; `None`: not said (GHCR).
    pub expires_in: Option<u64>,
    /// How long tokens are really good.
    pub lifetime: Duration,
    /// For how many requests they are good, which no machine's speed changes; none: as many as come.
    pub requests: Option<u32>,
    /// Seconds that the service's clock is ahead of everybody's.
    pub clock: i64,
    pub format: TokenFormat,
    /// `token` or `access_token`.
    pub member: &'static str,
    /// Two `scope` parameters earn 400 (GitLab).
    pub refuse_two_scopes: bool,
    /// 403 instead of a token with fewer rights (GHCR, for anonymous pushes).
    pub refuse_lesser: bool,
    /// The challenge names `pull` also where a push was refused (GHCR).
    pub challenge_names_pull: bool,
    /// The challenge, made of the realm; none: as distribution writes it.
    pub challenge: Option<fn(&str) -> String>,
    /// The service's answer, made of the token.
    pub reply: Option<fn(&str) -> serde_json::Value>,
    /// The token that everybody gets.
    pub token: Option<String>,
    /// The repository that tokens name in place of the one that requests name (a gateway that rewrites paths).
    pub renamed: Option<(&'static str, &'static str)>,
    /// Repositories whose names begin so want Basic.
    pub basic_below: Option<&'static str>,
    /// The status, without a challenge, for all that is asked without a credential, but for `/v2/`.
    pub hidden_as: Option<u16>,
}

impl TokenAuth {
    pub fn new(accounts: Vec<Account>) -> Self {
        Self {
            accounts,
            anonymous_pull: false,
            service: Some("double".to_owned()),
            expires_in: Some(300),
            lifetime: Duration::from_secs(300),
            requests: None,
            clock: 0,
            format: TokenFormat::Opaque,
            member: "token",
            refuse_two_scopes: false,
            refuse_lesser: false,
            challenge_names_pull: false,
            challenge: None,
            reply: None,
            token: None,
            renamed: None,
            basic_below: None,
            hidden_as: None,
        }
    }

    fn takes_basic(&self, repository: &str) -> bool {
        self.basic_below.is_some_and(|prefix| repository.starts_with(prefix))
    }

    fn name_of<'a>(&self, repository: &'a str) -> &'a str {
        match self.renamed {
            Some((asked, meant)) if asked == repository => meant,
            _ => repository,
        }
    }

    /// As ghcr.io does it: opaque tokens, no `expires_in`, a challenge that names too little.
    pub fn ghcr(accounts: Vec<Account>) -> Self {
        Self {
            expires_in: None,
            refuse_lesser: true,
            challenge_names_pull: true,
            anonymous_pull: true,
            ..Self::new(accounts)
        }
    }
}

#[derive(Clone, Debug)]
pub enum TokenFormat {
    Opaque,
    /// Three base64url parts with an `exp` claim and no real signature.
    JwtLike,
    /// A real one, for docker-registry.
    Signed(Signer),
}

/// A key and its certificate, made by `openssl`.
#[derive(Clone, Debug)]
pub struct Signer {
    directory: PathBuf,
    certificate: String,
}

impl Signer {
    pub const ISSUER: &'static str = "mirror-image tests";

    /// Makes a key in `directory`.
    pub fn new(directory: &Path) -> Self {
        let (key, certificate) = (directory.join("token.key"), directory.join("token.crt"));
        crate::support::real::run(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests", "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
        let pem = std::fs::read_to_string(certificate).unwrap();
        let certificate = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Self { directory: directory.to_owned(), certificate }
    }

    pub fn certificate_file(&self) -> PathBuf {
        self.directory.join("token.crt")
    }

    fn sign(&self, claims: &serde_json::Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate] });
        let text = format!("{}.{}", encode(&header), encode(claims));
        let input = tempfile::NamedTempFile::new_in(&self.directory).unwrap();
        std::fs::write(input.path(), &text).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-sign"]).arg(self.directory.join("token.key")).arg(input.path());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(crate::support::real::run(&mut openssl)))
    }
}

fn encode(json: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// The text inside base64.
pub fn decode(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

static ISSUED: AtomicU64 = AtomicU64::new(1);

struct Issued {
    /// `repository` and an action.
    access: BTreeSet<(String, String)>,
    until: Instant,
    /// Requests that it is still good for.
    left: Option<u32>,
}

impl Issued {
    fn is_live(&self) -> bool {
        self.until > Instant::now() && self.left != Some(0)
    }
}

/// The authentication of one registry with the tokens it gave out.
pub(super) struct Keys {
    pub(super) auth: Auth,
    pub(super) realm: Option<String>,
    tokens: HashMap<String, Issued>,
    number: u64,
}

impl Keys {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth, realm: None, tokens: HashMap::new(), number: 0 }
    }

    pub(super) fn revoke(&mut self) {
        for issued in self.tokens.values_mut() {
            issued.until = Instant::now();
        }
    }

    pub(super) fn issued(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }

    /// Whether a request that needs `wanted` may pass, which uses its token; else the 401 to answer.
    pub(super) fn check(
        &mut self,
        host: SocketAddr,
        wanted: &[(String, &str)],
        headers: &HeaderMap,
    ) -> Result<(), Reply> {
        self.look_at(host, wanted, headers)?;
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if let Some(left) = token.and_then(|token| self.tokens.get_mut(token)?.left.as_mut()) {
            *left -= 1;
        }
        Ok(())
    }

    fn look_at(&self, host: SocketAddr, wanted: &[(String, &str)], headers: &HeaderMap) -> Result<(), Reply> {
        let given = headers.get("authorization").and_then(|value| value.to_str().ok());
        let (challenge, passed) = match &self.auth {
            Auth::Open => return Ok(()),
            Auth::Basic { user, password } => {
                let pair = given.and_then(|given| given.strip_prefix("Basic ")).and_then(decode);
                ("Basic realm=\"Registry Realm\"".to_owned(), pair == Some(format!("{user}:{password}")))
            }
            Auth::Token(auth) if auth.hidden_as.is_some() && given.is_none() && !wanted.is_empty() => {
                return Err(Reply::error(auth.hidden_as.unwrap_or(404), "NAME_UNKNOWN", "no such repository"));
            }
            Auth::Token(auth) if wanted.iter().take(1).any(|(name, _)| auth.takes_basic(name)) => {
                let pair = given.and_then(|given| given.strip_prefix("Basic ")).and_then(decode);
                let known = |known: &Account| pair.as_ref() == Some(&format!("{}:{}", known.user, known.password));
                ("Basic realm=Für alle Leser".to_owned(), auth.accounts.iter().any(known))
            }
            Auth::Token(auth) => {
                let renamed: Vec<_> =
                    wanted.iter().map(|(name, action)| (auth.name_of(name).to_owned(), *action)).collect();
                let wanted = renamed.as_slice();
                let issued =
                    given.and_then(|given| given.strip_prefix("Bearer ")).and_then(|token| self.tokens.get(token));
                let live = issued.filter(|issued| issued.is_live());
                let holds = |(repository, action): &(String, &str)| {
                    live.is_some_and(|live| live.access.contains(&(repository.clone(), (*action).to_owned())))
                };
                let error = match (given, live) {
                    (Some(_), None) => ",error=\"invalid_token\"",
                    (Some(_), Some(_)) => ",error=\"insufficient_scope\"",
                    _ => "",
                };
                let passed = live.is_some() && wanted.iter().all(holds);
                (self.bearer(auth, host, wanted) + error, passed)
            }
        };
        if passed {
            return Ok(());
        }
        Err(Reply::error(401, "UNAUTHORIZED", "authentication required").header("www-authenticate", challenge))
    }

    fn bearer(&self, auth: &TokenAuth, host: SocketAddr, wanted: &[(String, &str)]) -> String {
        let realm = self.realm.clone().unwrap_or_else(|| format!("http://{host}/token"));
        if let Some(challenge) = auth.challenge {
            return challenge(&realm);
        }
        let service = auth.service.as_ref().map(|service| format!(",service=\"{service}\"")).unwrap_or_default();
        let mut scopes: Vec<(String, Vec<&str>)> = Vec::new();
        for (repository, action) in wanted {
            if auth.challenge_names_pull && *action == "push" {
                continue;
            }
            match scopes.iter_mut().find(|(known, _)| known == repository) {
                Some((_, actions)) => actions.push(action),
                None => scopes.push((repository.clone(), vec![action])),
            }
        }
        let scopes: Vec<String> =
            scopes.iter().map(|(name, actions)| format!("repository:{name}:{}", actions.join(","))).collect();
        let scope = if scopes.is_empty() { String::new() } else { format!(",scope=\"{}\"", scopes.join(" ")) };
        format!("Bearer realm=\"{realm}\"{service}{scope}")
    }

    /// The token endpoint: GET with scopes, or the POST of OAuth 2.
    pub(super) fn issue(
        &mut self,
        method: &str,
        query: &[(String, String)],
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Reply, Reply> {
        let Auth::Token(auth) = self.auth.clone() else { return Err(Reply::new(404)) };
        let form: Vec<(String, String)> = match method {
            "GET" => query.to_vec(),
            "POST" => url::form_urlencoded::parse(body).into_owned().collect(),
            _ => return Err(Reply::new(405)),
        };
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let basic = headers.get("authorization").and_then(|header| header.to_str().ok());
        let pair = basic
            .map(|basic| basic.strip_prefix("Basic ").and_then(decode).unwrap_or_default())
            .or_else(|| Some(format!("{}:{}", value("username")?, value("password")?)));
        let account = match (pair, value("refresh_token")) {
            (Some(pair), _) => {
                Some(auth.accounts.iter().find(|known| format!("{}:{}", known.user, known.password) == pair))
            }
            (None, Some(token)) => Some(auth.accounts.iter().find(|known| known.password == token)),
            (None, None) => None,
        };
        let account = match account {
            Some(None) => return Err(Reply::error(401, "UNAUTHORIZED", "incorrect username or password")),
            Some(Some(account)) => Some(account),
            None => None,
        };
        if value("service") != auth.service {
            return Err(Reply::error(400, "UNSUPPORTED", "unknown service"));
        }
        let scopes: Vec<String> =
            form.iter().filter(|(key, _)| key == "scope").map(|(_, scope)| scope.clone()).collect();
        if auth.refuse_two_scopes && scopes.len() > 1 {
            return Err(Reply::error(400, "UNSUPPORTED", "only one scope"));
        }
        let may = |repository: &str, action: &str| {
            let prefixes = match (account, action) {
                (Some(account), "pull") => &account.pull,
                (Some(account), "push" | "delete") => &account.push,
                (None, "pull") => return auth.anonymous_pull,
                _ => return false,
            };
            prefixes.iter().any(|prefix| repository.starts_with(prefix.as_str()))
        };
        let (mut access, mut less) = (BTreeSet::new(), false);
        for scope in scopes.iter().flat_map(|scope| scope.split(' ')) {
            let parts = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'));
            let Some((repository, actions)) = parts else { return Err(Reply::new(400).body("bad scope")) };
            for action in actions.split(',') {
                if may(repository, action) {
                    access.insert((repository.to_owned(), action.to_owned()));
                } else {
                    less = true;
                }
            }
        }
        if less && auth.refuse_lesser || account.is_none() && !auth.anonymous_pull {
            let status = if account.is_none() && !auth.anonymous_pull { 401 } else { 403 };
            return Err(Reply::error(status, "DENIED", "requested access to the resource is denied"));
        }
        // Unique over all registries of the test run: a token at the wrong host must be recognisable.
        self.number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let token = auth.token.clone().unwrap_or_else(|| self.write(&auth, &access));
        let mut reply = json!({ auth.member: token });
        if let Some(seconds) = auth.expires_in {
            reply["expires_in"] = json!(seconds);
        }
        if let Some(answer) = auth.reply {
            reply = answer(&token);
        }
        self.tokens.insert(token, Issued { access, until: Instant::now() + auth.lifetime, left: auth.requests });
        Ok(Reply::new(200).json(&reply))
    }

    fn write(&self, auth: &TokenAuth, access: &BTreeSet<(String, String)>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = now.saturating_add_signed(auth.clock);
        let entry =
            |(name, action): &(String, String)| json!({ "type": "repository", "name": name, "actions": [action] });
        let claims = json!({
            "iss": Signer::ISSUER, "sub": "tests", "aud": auth.service, "jti": self.number.to_string(),
            "iat": now, "nbf": now - 5, "exp": now + auth.lifetime.as_secs(),
            "access": access.iter().map(entry).collect::<Vec<_>>(),
        });
        match &auth.format {
            TokenFormat::Opaque => STANDARD.encode(format!("v1:token-{}:of this test", self.number)),
            TokenFormat::JwtLike => format!("{}.{}.c2lnbmVk", encode(&json!({ "alg": "none" })), encode(&claims)),
            TokenFormat::Signed(signer) => signer.sign(&claims),
        }
    }
}
