//! GitHub's identity service and the providers that give credentials in exchange for an identity, in this process, each under
//! its real name: behind a proxy that leads names to them, with certificates of an authority that only the test knows.
//!
//! Strict: a request that no provider's reference has, an identity that is shown to another host than its audience's or a
//! second time, a signature that is wrong, and a name that nobody arranged for are remembered, and fail the test by name when
//! this is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::support::registry::serve_tls;
use crate::support::signing::{self, Signing};
use crate::support::tls::{Certificate, lead_by};
use crate::support::token::decode;
use crate::support::{Registry, Run};

/// Where jobs ask for their identity, and with what.
pub const REQUEST_URL: &str = "https://pipelines.actions.githubusercontent.com/abc/idtoken/1?api-version=2.0";
pub const REQUEST_TOKEN: &str = "request-token-5Kq0RzXw8LmN2pTv";

pub const GITHUB: &str = "pipelines.actions.githubusercontent.com";
pub const DOCKER: &str = "identity.docker.com";
pub const STS: &str = "sts.eu-west-1.amazonaws.com";
pub const STS_PUBLIC: &str = "sts.us-east-1.amazonaws.com";
pub const ECR: &str = "api.ecr.eu-west-1.amazonaws.com";
pub const ECR_PUBLIC: &str = "api.ecr-public.us-east-1.amazonaws.com";
pub const GOOGLE: &str = "sts.googleapis.com";
pub const GOOGLE_ACCOUNT: &str = "iamcredentials.googleapis.com";
pub const GOOGLE_PERSON: &str = "oauth2.googleapis.com";
pub const ENTRA: &str = "login.microsoftonline.com";
pub const CHAINGUARD: &str = "issuer.enforce.dev";

/// The registries that a login is for, by the name that they are reached by.
pub const HUB: &str = "registry-1.docker.io";
pub const HUB_TOKENS: &str = "auth.docker.io";
pub const PRIVATE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
pub const PUBLIC: &str = "public.ecr.aws";
pub const GAR: &str = "europe-docker.pkg.dev";
pub const ACR: &str = "acme.azurecr.io";
pub const QUAY: &str = "quay.io";
pub const JFROG: &str = "acme.jfrog.io";
pub const CGR: &str = "cgr.dev";

const NAMES: [&str; 27] = [
    GITHUB,
    DOCKER,
    STS,
    STS_PUBLIC,
    ECR,
    ECR_PUBLIC,
    GOOGLE,
    GOOGLE_ACCOUNT,
    GOOGLE_PERSON,
    ENTRA,
    CHAINGUARD,
    HUB,
    HUB_TOKENS,
    PRIVATE,
    PUBLIC,
    GAR,
    ACR,
    QUAY,
    JFROG,
    CGR,
    signing::FULCIO,
    signing::REKOR,
    signing::GITHUB_FULCIO,
    signing::GITHUB_TSA,
    signing::OWN_FULCIO,
    signing::OWN_REKOR,
    signing::OWN_TSA,
];

pub const ROLE: &str = "arn:aws:iam::123456789012:role/mirror";
pub const CONNECTION: &str = "6a7c3bb0-3a0b-4b23-9c4e-2f3f1c1d9f10";
pub const POOL: &str = "projects/123/locations/global/workloadIdentityPools/github/providers/mirror";
pub const ACCOUNT: &str = "mirror@acme.iam.gserviceaccount.com";
pub const TENANT: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
pub const CLIENT: &str = "1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
pub const SUBJECT: &str = "repo:octo@123/mirror@456:ref:refs/heads/main";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub host: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
    pub bytes: bytes::Bytes,
}

impl Asked {
    pub fn line(&self) -> String {
        format!("{} https://{}{}", self.method, self.host, self.path)
    }

    /// The whole request as text, what is inside base64 too.
    pub fn text(&self) -> String {
        let line = format!("{}?{}", self.line(), self.query);
        crate::support::registry::text(&line, &self.headers, self.body.as_bytes())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A value that was given out, and the hosts that may see it.
#[derive(Clone, Debug)]
pub struct Issued {
    pub name: &'static str,
    pub value: String,
    pub homes: Vec<&'static str>,
}

type OnPassword = Box<dyn Fn(&str, &str) + Send + Sync>;
type OnCreated = Box<dyn Fn(&str) + Send + Sync>;
type Which = Box<dyn Fn(&Asked) -> bool + Send + Sync>;

/// An answer in place of the host's own.
struct Instead {
    which: Which,
    times: usize,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

#[derive(Default)]
struct Inner {
    asked: Vec<Asked>,
    unexpected: Vec<String>,
    issued: Vec<Issued>,
    /// Identities that were not shown yet, and their audience.
    identities: HashMap<String, String>,
    /// AWS access keys and their secrets.
    keys: HashMap<String, (String, String)>,
    /// Answers in place of a host's own: how often, status, headers, body; `ECHO` repeats the request.
    instead: Vec<Instead>,
    /// Seconds that credentials are good.
    lifetime: Option<u64>,
    created: BTreeSet<String>,
    number: u64,
}

/// In place of a body: the request itself.
pub const ECHO: &str = "ECHO";

struct Shared {
    inner: Mutex<Inner>,
    on_password: Mutex<Option<OnPassword>>,
    on_created: Mutex<Option<OnCreated>>,
    /// What signs.
    signing: Signing,
    /// Of the repository, as its identities say.
    visibility: Mutex<&'static str>,
    /// Registries behind the names that exchange identities themselves.
    behind: Mutex<HashMap<String, String>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them, and the proxy before them.
pub struct Clouds {
    shared: Arc<Shared>,
    certificate: Certificate,
    routes: Arc<Mutex<HashMap<String, String>>>,
    pub proxy: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Clouds {
    pub async fn start() -> Self {
        let names: Vec<String> = NAMES.iter().map(|name| format!("DNS:{name}")).collect();
        let certificate = Certificate::naming(&names.join(","));
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            on_password: Mutex::default(),
            on_created: Mutex::default(),
            signing: Signing::new(),
            visibility: Mutex::new("public"),
            behind: Mutex::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (address, stop) = serve_tls(&certificate, router);
        let own = NAMES.iter().map(|name| ((*name).to_owned(), address.to_string()));
        let ways = Arc::new(Mutex::new(own.collect::<HashMap<_, _>>()));
        let proxy = proxy(Arc::clone(&ways), Arc::clone(&shared)).await;
        Self { shared, certificate, routes: ways, proxy, _stop: stop }
    }

    /// A registry under a real name.
    pub fn registry(&self, name: &str) -> Arc<Registry> {
        let registry = Registry::with_tls_as(name, &self.certificate);
        registry.set_realm(&format!("https://{name}/token"));
        self.lead(name, &registry);
        Arc::new(registry)
    }

    /// A registry under the name of one that exchanges identities itself: that part is done here.
    pub fn registry_behind(&self, name: &str) -> Arc<Registry> {
        let registry = Registry::plain_as(name);
        registry.set_realm(&format!("https://{name}/oauth2/token"));
        self.shared.behind.lock().unwrap().insert(name.to_owned(), registry.host());
        Arc::new(registry)
    }

    /// Leads one more name to a registry.
    pub fn lead(&self, name: &str, registry: &Registry) {
        self.routes.lock().unwrap().insert(name.to_owned(), registry.host());
    }

    /// A copy by a job that may ask for its identity.
    pub fn copy(&self, source: &str, target: &str, identities: &str) -> Run {
        self.reach(Run::copy(source, target)).input("registry-identities", identities)
    }

    /// Lets a run reach all of these, as a job that has an identity.
    pub fn reach(&self, run: Run) -> Run {
        self.reach_without_identity(run)
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", REQUEST_URL)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
    }

    pub fn reach_without_identity(&self, run: Run) -> Run {
        run.env("HTTPS_PROXY", &self.proxy).input("ca-certificates", &self.certificate.authority())
    }

    /// Called with each registry's user name and password, before it is given.
    pub fn on_password(&self, hook: impl Fn(&str, &str) + Send + Sync + 'static) {
        *self.shared.on_password.lock().unwrap() = Some(Box::new(hook));
    }

    /// What signs.
    pub fn signing(&self) -> &Signing {
        &self.shared.signing
    }

    /// Of the repository, as its identities say.
    pub fn visibility(&self, visibility: &'static str) {
        *self.shared.visibility.lock().unwrap() = visibility;
    }

    /// How long credentials are good.
    pub fn lifetime(&self, seconds: u64) {
        self.shared.lock().lifetime = Some(seconds);
    }

    /// What requests whose line has `part` are answered, so many times, in place of their own answer.
    pub fn instead(&self, part: &str, times: usize, status: u16, body: &str) {
        self.instead_with(part, times, status, vec![], body);
    }

    pub fn instead_with(
        &self,
        part: &str,
        times: usize,
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: &str,
    ) {
        let part = part.to_owned();
        let which: Which = Box::new(move |asked| asked.line().contains(&part));
        self.shared.lock().instead.push(Instead { which, times, status, headers, body: body.to_owned() });
    }

    /// The same for requests that are told otherwise, always.
    pub fn instead_where(&self, which: impl Fn(&Asked) -> bool + Send + Sync + 'static, status: u16, body: &str) {
        let which: Which = Box::new(which);
        let body = body.to_owned();
        self.shared.lock().instead.push(Instead { which, times: usize::MAX, status, headers: vec![], body });
    }

    /// Called with the name of each repository that is created.
    pub fn on_created(&self, hook: impl Fn(&str) + Send + Sync + 'static) {
        *self.shared.on_created.lock().unwrap() = Some(Box::new(hook));
    }

    /// AWS credentials that the machine has.
    pub fn knows_key(&self, id: &str, secret: &str, token: &str) {
        self.shared.lock().keys.insert(id.to_owned(), (secret.to_owned(), token.to_owned()));
    }

    /// An identity that the machine has in a file.
    pub fn knows_identity(&self, token: &str, audience: &str) {
        self.shared.lock().identities.insert(token.to_owned(), audience.to_owned());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().asked.clone()
    }

    /// How many requests a host got.
    pub fn count(&self, host: &str) -> usize {
        self.shared.lock().asked.iter().filter(|asked| asked.host == host).count()
    }

    pub fn lines(&self) -> Vec<String> {
        self.shared.lock().asked.iter().map(Asked::line).collect()
    }

    /// Everything that was given out, and the request's token.
    pub fn issued(&self) -> Vec<Issued> {
        let given = Issued { name: "request token", value: REQUEST_TOKEN.to_owned(), homes: vec![GITHUB] };
        std::iter::once(given).chain(self.shared.lock().issued.clone()).collect()
    }

    pub fn created(&self) -> Vec<String> {
        self.shared.lock().created.iter().cloned().collect()
    }

    /// What was not expected, forgotten with that: for a test of the strictness itself.
    pub fn take_unexpected(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unexpected)
    }
}

impl Drop for Clouds {
    fn drop(&mut self) {
        let unexpected = self.take_unexpected();
        if !std::thread::panicking() {
            assert!(unexpected.is_empty(), "unexpected calls:\n{}", unexpected.join("\n"));
        }
    }
}

/// A proxy that leads the names it knows to addresses on loopback, and notes the others.
async fn proxy(routes: Arc<Mutex<HashMap<String, String>>>, shared: Arc<Shared>) -> String {
    lead_by(move |line| {
        let name = line.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(":443 HTTP/1.1"));
        let address = name.and_then(|name| routes.lock().unwrap().get(name).cloned());
        if address.is_none() {
            shared.lock().unexpected.push(format!("the proxy was asked: {line}"));
        }
        address
    })
    .await
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let host = parts.uri.host().map(str::to_owned);
    let host = host.or_else(|| parts.headers.get("host").and_then(|host| Some(host.to_str().ok()?.to_owned())));
    let asked = Asked {
        host: host.unwrap_or_default(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body.clone(),
    };
    let behind = shared.behind.lock().unwrap().get(&asked.host).cloned();
    if let Some(address) = behind.filter(|_| asked.path.starts_with("/v2/") || asked.path == "/oauth2/token") {
        return forwarded(&asked, &address, body).await;
    }
    shared.lock().asked.push(asked.clone());
    let instead = shared.lock().instead_of(&asked);
    let instead = instead.map(|(status, headers, body)| (status, headers, body.into_bytes()));
    let (status, headers, body) = instead.unwrap_or_else(|| match shared.own(&asked) {
        Ok((status, body)) => (status, vec![], body),
        Err(problem) => {
            shared.lock().unexpected.push(format!("{}: {problem}", asked.line()));
            (418, vec![], json!({ "message": problem }).to_string().into_bytes())
        }
    });
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// What the registry at `address` answers.
async fn forwarded(asked: &Asked, address: &str, body: bytes::Bytes) -> Response<Body> {
    let mark = if asked.query.is_empty() { "" } else { "?" };
    let url = format!("http://{address}{}{mark}{}", asked.path, asked.query);
    let method = asked.method.parse().unwrap();
    let mut headers = asked.headers.clone();
    headers.remove("host");
    headers.remove("content-length");
    let answer = crate::support::client().request(method, url).headers(headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

impl Inner {
    fn instead_of(&mut self, asked: &Asked) -> Option<(u16, Vec<(&'static str, String)>, String)> {
        let found = self.instead.iter_mut().find(|instead| instead.times > 0 && (instead.which)(asked))?;
        found.times -= 1;
        let body = if found.body == ECHO {
            json!({ "error": "denied", "message": format!("not this: {}", asked.text()) }).to_string()
        } else {
            found.body.clone()
        };
        Some((found.status, found.headers.clone(), body))
    }

    fn secret(&mut self, name: &'static str, homes: &[&'static str], value: String) -> String {
        self.issued.push(Issued { name, value: value.clone(), homes: homes.to_vec() });
        value
    }

    /// A text that no other secret is, and that looks like one.
    fn random(&mut self, prefix: &str) -> String {
        self.number += 1;
        let hash = digest::digest(&digest::SHA256, format!("{prefix}{}", self.number).as_bytes());
        format!("{prefix}{}Xy7", URL_SAFE_NO_PAD.encode(hash.as_ref()).replace(['-', '_'], "A"))
    }

    fn jwt(&mut self, claims: &Value) -> String {
        self.number += 1;
        let mut claims = claims.clone();
        claims["jti"] = json!(self.number);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(&json!({ "alg": "RS256" })), part(&claims), self.random("sig"))
    }

    /// Takes an identity that is shown to whom it is for, once.
    fn take(&mut self, identity: &str, audience: &str) -> Result<(), String> {
        match self.identities.remove(identity) {
            Some(known) if known == audience => Ok(()),
            Some(known) => Err(format!("an identity for {known} was shown where {audience} is meant")),
            None => Err("an identity that nobody gave, or that was shown before".to_owned()),
        }
    }

    fn lifetime(&self, usual: u64) -> u64 {
        self.lifetime.unwrap_or(usual)
    }

    fn session(&mut self, homes: &[&'static str]) -> (String, String, String) {
        let id = self.random("ASIA");
        let secret = self.random("wJal/");
        let secret = self.secret("AWS secret key", &[], secret);
        let token = self.random("IQoJ/");
        let token = self.secret("AWS session token", homes, token);
        self.keys.insert(id.clone(), (secret.clone(), token.clone()));
        (id, secret, token)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `is` must hold.
fn must(is: bool, what: impl Into<String>) -> Result<(), String> {
    if is { Ok(()) } else { Err(what.into()) }
}

fn has(form: &BTreeMap<String, String>, expected: &[(&str, &str)]) -> Result<(), String> {
    for (name, value) in expected {
        must(form.get(*name).map(String::as_str) == Some(*value), format!("`{name}` is {:?}", form.get(*name)))?;
    }
    Ok(())
}

impl Shared {
    /// Status and body.
    fn own(&self, asked: &Asked) -> Result<(u16, Vec<u8>), String> {
        let line = format!("{} {}", asked.method, asked.path);
        if let (signing::GITHUB_TSA | signing::OWN_TSA, "POST /api/v1/timestamp") = (asked.host.as_str(), line.as_str())
        {
            must(asked.header("content-type") == "application/timestamp-query", "a query")?;
            return Ok((201, self.signing.timestamp(&asked.bytes)));
        }
        let answer = match (asked.host.as_str(), line.as_str()) {
            (GITHUB, "GET /abc/idtoken/1") => self.identity(asked),
            (DOCKER, "POST /oauth/token") => self.docker(asked),
            (STS | STS_PUBLIC, "POST /") => self.assume(asked),
            (ECR, "POST /") => self.ecr(asked, "eu-west-1", "ecr", "AmazonEC2ContainerRegistry_V20150921"),
            (ECR_PUBLIC, "POST /") => self.ecr(asked, "us-east-1", "ecr-public", "SpencerFrontendService"),
            (GOOGLE, "POST /v1/token") => self.google(asked),
            (GOOGLE_ACCOUNT, _)
                if line == format!("POST /v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken") =>
            {
                self.google_account(asked)
            }
            (GOOGLE_PERSON, "POST /token") => self.google_person(asked),
            (ENTRA, _) if line == format!("POST /{TENANT}/oauth2/v2.0/token") => self.entra(asked),
            (CHAINGUARD, "GET /sts/exchange") => self.chainguard(asked),
            (ACR, "POST /oauth2/exchange") => self.acr(asked),
            (QUAY, "GET /oauth2/federation/robot/token") => self.quay(asked),
            (JFROG, "POST /access/api/v1/oidc/token") => self.jfrog(asked),
            (signing::FULCIO | signing::GITHUB_FULCIO | signing::OWN_FULCIO, "POST /api/v2/signingCert") => {
                self.certify(asked)
            }
            (signing::REKOR | signing::OWN_REKOR, "POST /api/v1/log/entries") => self.signing.log(&asked.json()),
            (signing::OWN_REKOR, "POST /api/v2/log/entries") => self.signing.log_hash(&asked.json()),
            _ => Err("no provider has this".to_owned()),
        }?;
        Ok((answer.0, answer.1.into_bytes()))
    }

    /// An identity is shown to an authority in a header alone.
    fn certify(&self, asked: &Asked) -> Result<(u16, String), String> {
        let identity = asked.header("authorization").strip_prefix("Bearer ").ok_or("no identity")?;
        self.lock().take(identity, "sigstore")?;
        self.signing.certify(&asked.json())
    }

    fn password(&self, user: &str, password: &str) {
        if let Some(hook) = self.on_password.lock().unwrap().as_ref() {
            hook(user, password);
        }
    }

    fn identity(&self, asked: &Asked) -> Result<(u16, String), String> {
        must(asked.header("authorization") == format!("Bearer {REQUEST_TOKEN}"), "the request's token")?;
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
        must(query.get("api-version").map(String::as_str) == Some("2.0"), "the address' own query")?;
        let audience = query.get("audience").ok_or("no audience")?;
        let homes = match audience.as_str() {
            "https://identity.docker.com" => vec![GITHUB, DOCKER],
            "sts.amazonaws.com" => vec![GITHUB, STS, STS_PUBLIC],
            "api://AzureADTokenExchange" => vec![GITHUB, ENTRA],
            "https://issuer.enforce.dev" | "cgr.dev" => vec![GITHUB, CHAINGUARD],
            "sigstore" => [&[GITHUB][..], &signing::AUTHORITIES].concat(),
            QUAY => vec![GITHUB, QUAY],
            JFROG => vec![GITHUB, JFROG],
            other if other == format!("https://iam.googleapis.com/{POOL}") => vec![GITHUB, GOOGLE],
            other => return Err(format!("nobody's audience: {other}")),
        };
        let claims = json!({
            "iss": "https://token.actions.githubusercontent.com", "sub": SUBJECT, "aud": audience,
            "iat": now(), "nbf": now(), "exp": now() + 300,
            "repository_visibility": *self.visibility.lock().unwrap(),
        });
        let mut inner = self.lock();
        let token = inner.jwt(&claims);
        let token = inner.secret("identity", &homes, token);
        inner.identities.insert(token.clone(), audience.clone());
        Ok((200, json!({ "count": 1, "value": token }).to_string()))
    }

    fn docker(&self, asked: &Asked) -> Result<(u16, String), String> {
        let form = asked.form();
        has(
            &form,
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
                ("connection_id", CONNECTION),
                ("expires_in", "3600"),
            ],
        )?;
        let mut inner = self.lock();
        inner.take(&form["subject_token"], "https://identity.docker.com")?;
        let token = inner.random("dckr_oat_");
        let token = inner.secret("Docker's token", &[DOCKER, HUB, HUB_TOKENS], token);
        let reply = json!({ "access_token": token, "expires_in": inner.lifetime(3600) });
        drop(inner);
        self.password("acme", &token);
        Ok((200, reply.to_string()))
    }

    fn assume(&self, asked: &Asked) -> Result<(u16, String), String> {
        let form = asked.form();
        let expected = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", ROLE)];
        has(&form, &expected)?;
        must(!form["RoleSessionName"].is_empty(), "no name of the session")?;
        must(asked.header("authorization").is_empty(), "it is not signed")?;
        let mut inner = self.lock();
        inner.take(&form["WebIdentityToken"], "sts.amazonaws.com")?;
        let (id, secret, token) = inner.session(&[STS, STS_PUBLIC, ECR, ECR_PUBLIC]);
        let until = UNIX_EPOCH + Duration::from_secs(now() + inner.lifetime(3600));
        let until = time(until);
        let xml = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>"
        );
        Ok((200, xml))
    }

    fn ecr(&self, asked: &Asked, region: &str, service: &str, interface: &str) -> Result<(u16, String), String> {
        must(asked.header("content-type") == "application/x-amz-json-1.1", "content-type")?;
        let mut inner = self.lock();
        signed(asked, region, service, &inner.keys)?;
        let target = asked.header("x-amz-target");
        if target == format!("{interface}.CreateRepository") {
            let body = asked.json();
            let name = body["repositoryName"].as_str().ok_or("no name")?;
            let members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
            let is_private = service == "ecr";
            let expected = if is_private { vec!["registryId", "repositoryName"] } else { vec!["repositoryName"] };
            must(members == expected, format!("settings that are the account's own: {members:?}"))?;
            if !inner.created.insert(name.to_owned()) {
                return Ok((400, json!({ "__type": "RepositoryAlreadyExistsException" }).to_string()));
            }
            drop(inner);
            if let Some(hook) = self.on_created.lock().unwrap().as_ref() {
                hook(name);
            }
            return Ok((200, json!({ "repository": { "repositoryName": name } }).to_string()));
        }
        must(target == format!("{interface}.GetAuthorizationToken"), format!("target {target}"))?;
        must(asked.json() == json!({}), "the body")?;
        let password = inner.random("eyJwYXls");
        let homes: &[&'static str] = if service == "ecr" { &[ECR, PRIVATE] } else { &[ECR_PUBLIC, PUBLIC] };
        let password = inner.secret("ECR's password", homes, password);
        let until = now() + inner.lifetime(12 * 3600);
        let data = json!({ "authorizationToken": STANDARD.encode(format!("AWS:{password}")), "expiresAt": until });
        drop(inner);
        self.password("AWS", &password);
        let data = if service == "ecr" { json!([data]) } else { data };
        Ok((200, json!({ "authorizationData": data }).to_string()))
    }

    fn google(&self, asked: &Asked) -> Result<(u16, String), String> {
        let body = asked.json();
        let expected = json!({
            "audience": format!("//iam.googleapis.com/{POOL}"),
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "subjectToken": body["subjectToken"],
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        });
        must(body == expected, format!("{body}"))?;
        let mut inner = self.lock();
        let identity = body["subjectToken"].as_str().unwrap_or_default();
        inner.take(identity, &format!("https://iam.googleapis.com/{POOL}"))?;
        let token = inner.random("ya29.d.");
        let token = inner.secret("Google's token", &[GOOGLE, GOOGLE_ACCOUNT, GAR], token);
        let reply = json!({ "access_token": token, "expires_in": inner.lifetime(3600), "token_type": "Bearer" });
        drop(inner);
        self.password("oauth2accesstoken", &token);
        Ok((200, reply.to_string()))
    }

    fn google_account(&self, asked: &Asked) -> Result<(u16, String), String> {
        let expected = json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s" });
        must(asked.json() == expected, "the body")?;
        let mut inner = self.lock();
        let sent = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        must(inner.issued.iter().any(|known| known.name == "Google's token" && known.value == sent), "whose token?")?;
        let token = inner.random("ya29.c.");
        let token = inner.secret("Google's account's token", &[GOOGLE_ACCOUNT, GAR], token);
        drop(inner);
        self.password("oauth2accesstoken", &token);
        Ok((200, json!({ "accessToken": token, "expireTime": "2030-01-01T00:00:00Z" }).to_string()))
    }

    fn google_person(&self, asked: &Asked) -> Result<(u16, String), String> {
        let expected = [("grant_type", "refresh_token"), ("client_id", "client"), ("client_secret", "clientSecret9Xw")];
        has(&asked.form(), &expected)?;
        has(&asked.form(), &[("refresh_token", "1//refreshToken8Qm")])?;
        let mut inner = self.lock();
        let token = inner.random("ya29.p.");
        let token = inner.secret("Google's token", &[GOOGLE_PERSON, GAR], token);
        drop(inner);
        self.password("oauth2accesstoken", &token);
        Ok((200, json!({ "access_token": token, "expires_in": 3599 }).to_string()))
    }

    fn entra(&self, asked: &Asked) -> Result<(u16, String), String> {
        let form = asked.form();
        has(
            &form,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("scope", "https://containerregistry.azure.net/.default"),
            ],
        )?;
        let mut inner = self.lock();
        inner.take(&form["client_assertion"], "api://AzureADTokenExchange")?;
        let token = inner.random("eyJ0eXAi");
        let token = inner.secret("Entra's token", &[ENTRA, ACR], token);
        Ok((200, json!({ "access_token": token, "expires_in": 3599 }).to_string()))
    }

    fn acr(&self, asked: &Asked) -> Result<(u16, String), String> {
        let form = asked.form();
        has(&form, &[("grant_type", "access_token"), ("service", ACR), ("tenant", TENANT)])?;
        let mut inner = self.lock();
        let is_entras = |known: &Issued| known.name == "Entra's token" && known.value == form["access_token"];
        must(inner.issued.iter().any(is_entras), "whose token?")?;
        let claims = json!({ "iat": now(), "exp": now() + inner.lifetime(3 * 3600) });
        let token = inner.jwt(&claims);
        let token = inner.secret("Azure's refresh token", &[ACR], token);
        drop(inner);
        self.password("<token>", &token);
        Ok((200, json!({ "refresh_token": token }).to_string()))
    }

    fn quay(&self, asked: &Asked) -> Result<(u16, String), String> {
        let pair = asked.header("authorization").strip_prefix("Basic ").and_then(decode).unwrap_or_default();
        let identity = pair.strip_prefix("acme+mirror:").ok_or("no robot")?;
        let mut inner = self.lock();
        inner.take(identity, QUAY)?;
        let token = inner.random("quayRobot");
        let token = inner.secret("Quay's token", &[QUAY], token);
        drop(inner);
        self.password("acme+mirror", &token);
        Ok((200, json!({ "token": token }).to_string()))
    }

    fn jfrog(&self, asked: &Asked) -> Result<(u16, String), String> {
        let body = asked.json();
        let expected = json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "subject_token": body["subject_token"],
            "provider_name": "github",
            "project_key": "mir",
        });
        must(body == expected, format!("{body}"))?;
        let mut inner = self.lock();
        inner.take(body["subject_token"].as_str().unwrap_or_default(), JFROG)?;
        let token = inner.jwt(&json!({ "sub": "jfac@01h/users/mirror-bot" }));
        let token = inner.secret("JFrog's token", &[JFROG], token);
        let reply = json!({ "access_token": token, "expires_in": inner.lifetime(600) });
        drop(inner);
        self.password("mirror-bot", &token);
        Ok((200, reply.to_string()))
    }

    fn chainguard(&self, asked: &Asked) -> Result<(u16, String), String> {
        must(asked.query == "aud=cgr.dev&identity=deadbeef%2F0123", format!("query {}", asked.query))?;
        let sent = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let mut inner = self.lock();
        let audience = inner.identities.get(sent).cloned().unwrap_or_default();
        inner.take(sent, &audience)?;
        let claims = json!({ "sub": "deadbeef/0123", "iat": now(), "exp": now() + inner.lifetime(3600) });
        let token = inner.jwt(&claims);
        let token = inner.secret("Chainguard's token", &[CHAINGUARD, CGR], token);
        drop(inner);
        self.password("_token", &token);
        Ok((200, json!({ "token": token }).to_string()))
    }
}

/// `2026-11-29T12:00:00Z`.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// AWS's signature, worked out anew from what arrived.
fn signed(asked: &Asked, region: &str, service: &str, keys: &HashMap<String, (String, String)>) -> Result<(), String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sha = |text: &str| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let text = asked.header("authorization");
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        Some(rest.split(',').next().unwrap_or_default().trim().to_owned())
    };
    let credential = part("Credential").ok_or("not signed")?;
    let (id, scope) = credential.split_once('/').ok_or("no scope")?;
    let (secret, token) = keys.get(id).ok_or("an unknown key")?;
    must(asked.header("x-amz-security-token") == token, "the session's token")?;
    let date = asked.header("x-amz-date");
    let day = &date[..8];
    must(scope == format!("{day}/{region}/{service}/aws4_request"), format!("scope {scope}"))?;
    let names = part("SignedHeaders").ok_or("no headers")?;
    for name in ["content-type", "host", "x-amz-date", "x-amz-target"] {
        must(names.split(';').any(|signed| signed == name), format!("{name} is not signed"))?;
    }
    let value = |name: &str| if name == "host" { asked.host.clone() } else { asked.header(name).to_owned() };
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
    let request = format!("POST\n/\n\n{headers}\n{names}\n{}", sha(&asked.body));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha(&request));
    let mac =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    must(part("Signature") == Some(hex(&mac(&key, &to_sign))), "the signature is wrong")
}
