//! GitHub in this process: its API, strictly, and a registry that behaves like ghcr.io.
//!
//! The API knows the calls that `docs/access.md` lists and no other. A call that is not listed there is remembered, and
//! fails the test when the double is dropped, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};

use crate::support::faults::{Fault, What};
use crate::support::registry::Registry;
use crate::support::token::{Account, Auth, TokenAuth, TokenFormat};

/// The page whose list of calls is the law.
const DOCUMENTED: &str = include_str!("../../../../docs/access.md");

/// One request as it arrived, and the status of the answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// As sent: percent-encoding kept.
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    pub status: u16,
}

impl Asked {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The whole request as text.
    pub fn text(&self) -> String {
        crate::support::registry::text(&self.line(), &self.headers, self.body.as_bytes())
    }
}

/// What a token may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    pub packages: bool,
    /// Administration: write on the access repository.
    pub administration: bool,
    /// Members: read; without it teams are not visible.
    pub members: bool,
}

impl Rights {
    /// The workflow's own token with `packages: write`.
    pub const WORKFLOW: Self = Self { packages: true, administration: false, members: false };
    /// A GitHub App's, or a fine-grained one.
    pub const ADMIN: Self = Self { packages: false, administration: true, members: true };
}

/// No status: there is no answer.
const SILENCE: u16 = 0;

/// An answer in place of the usual one.
#[derive(Clone, Debug)]
pub struct Instead {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Instead {
    pub fn new(status: u16, message: &str) -> Self {
        let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }).to_string();
        Self { status, headers: Vec::new(), body }
    }

    /// No answer, ever.
    pub fn silence() -> Self {
        Self { status: SILENCE, headers: Vec::new(), body: String::new() }
    }

    pub fn header(mut self, name: &'static str, value: &dyn std::fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }
}

#[derive(Default)]
struct World {
    accounts: BTreeMap<String, &'static str>,
    tokens: BTreeMap<String, Rights>,
    /// `owner/name` → what is there, and how many reads still answer 404.
    packages: BTreeMap<String, (Value, usize)>,
    /// `owner/name` → versions, newest first.
    versions: BTreeMap<String, Vec<Value>>,
    /// `org/slug`.
    teams: BTreeSet<String>,
    /// `team SLUG OWNER/REPO` or `user LOGIN OWNER/REPO` → role, and how many reads still show the one before.
    roles: BTreeMap<String, (String, String, usize)>,
    /// Reads that show the old role after a grant.
    lag: usize,
    /// People who must accept an invitation first.
    outside: BTreeSet<String>,
    /// `login` → role.
    invitations: Vec<(String, String)>,
    role_without_body: bool,
    instead: Vec<(String, usize, Instead)>,
    asked: Vec<Asked>,
    unexpected: Vec<String>,
}

/// The API; it stops when this is dropped, and fails the test if it was asked what GitHub does not have.
pub struct GitHub {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GitHub {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback address can be bound");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World::default()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let state = world.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.spawn(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, axum::Router::new().fallback(handle).with_state(state)).await.unwrap();
            });
            let _ = runtime.block_on(stopped);
        });
        Self { address, world, stop: Some(stop) }
    }

    /// With the path that Enterprise servers have.
    pub fn url(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// `Organization` or `User`.
    pub fn account(&self, login: &str, kind: &'static str) {
        self.world().accounts.insert(login.to_owned(), kind);
    }

    pub fn token(&self, token: &str, rights: Rights) {
        self.world().tokens.insert(token.to_owned(), rights);
    }

    pub fn package(&self, name: &str, value: Value) {
        self.world().packages.insert(name.to_owned(), (value, 0));
    }

    /// A package that the next `reads` questions do not find: it is about to be created.
    pub fn package_later(&self, name: &str, value: Value, reads: usize) {
        self.world().packages.insert(name.to_owned(), (value, reads));
    }

    /// The versions of a package: digest and tags of each; its id is its place, from 1.
    pub fn versions(&self, package: &str, versions: &[(&str, &[&str])]) {
        let version = |(number, (digest, tags)): (usize, &(&str, &[&str]))| json!({ "id": number + 1, "name": digest, "metadata": { "package_type": "container", "container": { "tags": tags } } });
        let versions = versions.iter().enumerate().map(version).collect();
        self.world().versions.insert(package.to_owned(), versions);
    }

    pub fn team(&self, organisation: &str, slug: &str) {
        self.world().teams.insert(format!("{organisation}/{slug}"));
    }

    /// `who` is `team SLUG` or `user LOGIN`.
    pub fn role(&self, who: &str, repository: &str, role: &str) {
        let role = role.to_owned();
        self.world().roles.insert(format!("{who} {repository}"), (role.clone(), role, 0));
    }

    pub fn role_of(&self, who: &str, repository: &str) -> Option<String> {
        self.world().roles.get(&format!("{who} {repository}")).map(|(role, ..)| role.clone())
    }

    pub fn lag(&self, reads: usize) {
        self.world().lag = reads;
    }

    pub fn outside(&self, login: &str) {
        self.world().outside.insert(login.to_owned());
    }

    pub fn invite(&self, login: &str, role: &str) {
        self.world().invitations.push((login.to_owned(), role.to_owned()));
    }

    pub fn role_without_body(&self) {
        self.world().role_without_body = true;
    }

    /// Answers the next `times` requests whose line contains `part` with something else.
    pub fn instead(&self, part: &str, times: usize, instead: Instead) {
        self.world().instead.push((part.to_owned(), times, instead));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.world().asked.clone()
    }

    pub fn lines(&self) -> String {
        self.asked().iter().map(|asked| format!("{} → {}\n", asked.line(), asked.status)).collect()
    }

    pub fn writes(&self) -> usize {
        self.asked().iter().filter(|asked| asked.method != "GET").count()
    }

    pub fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line().contains(part)).count()
    }

    pub fn carries(&self, secret: &str) -> bool {
        self.asked().iter().any(|asked| asked.text().contains(secret))
    }

    pub fn reset(&self) {
        self.world().asked.clear();
    }

    /// Which of the documented calls were made.
    pub fn documented_calls_made(&self) -> BTreeSet<String> {
        self.asked().iter().filter_map(|asked| documented(&asked.method, &asked.path)).collect()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let unexpected = self.world().unexpected.clone();
        assert!(
            std::thread::panicking() || unexpected.is_empty(),
            "GitHub was asked what docs/access.md does not list: {unexpected:?}"
        );
    }
}

/// The calls in the page, `GET /users/{owner}` each.
pub fn documented_calls() -> BTreeSet<String> {
    let spans = DOCUMENTED.split('`').skip(1).step_by(2);
    spans
        .filter(|span| ["GET /", "PUT /", "POST /", "PATCH /", "DELETE /"].iter().any(|verb| span.starts_with(verb)))
        .map(str::to_owned)
        .collect()
}

/// The documented call that a request is.
fn documented(method: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or(path);
    documented_calls().into_iter().find(|call| {
        let (verb, pattern) = call.split_once(' ').unwrap_or_default();
        let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        let fits = |(wanted, given): (&&str, &&str)| wanted.starts_with('{') && !given.is_empty() || wanted == given;
        verb == method && wanted.len() == given.len() && wanted.iter().zip(&given).all(fits)
    })
}

async fn handle(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8_lossy(&to_bytes(body, 1 << 20).await.unwrap_or_default()).into_owned();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.strip_prefix("/api/v3").unwrap_or("not below the API's address").to_owned();
    let answer = {
        let mut world = lock(&world);
        let mut asked = Asked { method: parts.method.to_string(), path, headers: parts.headers, body, status: 0 };
        let line = asked.line();
        let replaced = world.instead.iter_mut().find(|(part, times, _)| *times > 0 && line.contains(part.as_str()));
        let answer = if documented(&asked.method, &asked.path).is_none() {
            world.unexpected.push(line);
            Instead::new(418, "no such call")
        } else if let Some((_, times, instead)) = replaced {
            *times -= 1;
            instead.clone()
        } else {
            answer(&mut world, &asked)
        };
        asked.status = answer.status;
        world.asked.push(asked);
        answer
    };
    if answer.status == SILENCE {
        std::future::pending::<()>().await;
    }
    let response = Response::builder().status(answer.status).header("x-github-request-id", "1F2E:3D");
    let response = answer.headers.iter().fold(response, |response, (name, value)| response.header(*name, value));
    response.body(Body::from(answer.body)).unwrap()
}

fn not_found() -> Instead {
    Instead::new(404, "Not Found")
}

fn ok(value: &Value) -> Instead {
    Instead { status: 200, headers: Vec::new(), body: value.to_string() }
}

fn answer(world: &mut World, asked: &Asked) -> Instead {
    assert!(!asked.header("user-agent").is_empty() && asked.header("x-github-api-version") == "2022-11-28");
    let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let rights = match world.tokens.get(&token) {
        Some(rights) => *rights,
        None if token.is_empty() => Rights { packages: false, administration: false, members: false },
        None => return Instead::new(401, "Bad credentials"),
    };
    let path = asked.path.split('?').next().unwrap_or_default().to_owned();
    let decoded: Vec<String> = path.split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["users", login]) => world
            .accounts
            .get(*login)
            .map_or_else(not_found, |kind| ok(&json!({ "login": login, "type": kind, "id": 1 }))),
        ("GET", [accounts, owner, "packages", "container", name]) => {
            let kind = if *accounts == "orgs" { "Organization" } else { "User" };
            let right_door = world.accounts.get(*owner) == Some(&kind);
            match world.packages.get_mut(&format!("{owner}/{name}")) {
                Some((_, hidden)) if *hidden > 0 => {
                    *hidden -= 1;
                    not_found()
                }
                Some((value, _)) if rights.packages && right_door => ok(value),
                _ => not_found(),
            }
        }
        ("GET", [_, owner, "packages", "container", name, "versions"]) => {
            let all = world.versions.get(&format!("{owner}/{name}")).filter(|_| rights.packages);
            let page: usize = asked.path.split_once("&page=").expect("a page is asked for").1.parse().unwrap();
            all.map_or_else(not_found, |all| {
                ok(&Value::Array(all.iter().skip((page - 1) * 100).take(100).cloned().collect()))
            })
        }
        ("DELETE", [_, owner, "packages", "container", name, "versions", version]) => {
            let Some(all) = world.versions.get_mut(&format!("{owner}/{name}")) else { return not_found() };
            let before = all.len();
            all.retain(|found| found["id"].as_u64() != version.parse().ok());
            if all.len() < before { Instead::new(204, "").body("") } else { not_found() }
        }
        ("GET", ["orgs", org, "teams", slug]) => {
            if rights.members && world.teams.contains(&format!("{org}/{slug}")) {
                ok(&json!({ "id": 1, "slug": slug, "name": slug }))
            } else {
                not_found()
            }
        }
        (method, ["orgs", org, "teams", slug, "repos", owner, name]) => {
            if !rights.members || !world.teams.contains(&format!("{org}/{slug}")) {
                return not_found();
            }
            let key = format!("team {slug} {owner}/{name}");
            if method == "GET" {
                let Some(role) = read_role(world, &key) else { return not_found() };
                if asked.header("accept") != "application/vnd.github.v3.repository+json" || world.role_without_body {
                    return Instead::new(204, "").body("");
                }
                return ok(&json!({ "full_name": format!("{owner}/{name}"), "role_name": role }));
            }
            if !rights.administration {
                return Instead::new(403, "Must have admin rights to Repository.");
            }
            if org != owner {
                return Instead::new(422, "Validation Failed");
            }
            write_role(world, &key, asked)
        }
        ("GET", ["repos", owner, name, "collaborators", login, "permission"]) => {
            if !rights.administration {
                return Instead::new(403, "Resource not accessible by integration");
            }
            if !world.accounts.contains_key(*login) {
                return not_found();
            }
            let role = read_role(world, &format!("user {login} {owner}/{name}")).unwrap_or_else(|| "none".to_owned());
            let permission = match role.as_str() {
                "admin" | "none" => role.as_str(),
                "write" | "maintain" | "push" => "write",
                _ => "read",
            };
            ok(&json!({ "permission": permission, "role_name": role, "user": { "login": login } }))
        }
        ("PUT", ["repos", owner, name, "collaborators", login]) => {
            if !rights.administration {
                return Instead::new(403, "Must have admin rights to Repository.");
            }
            if world.outside.contains(*login) {
                let role = serde_json::from_str::<Value>(&asked.body).unwrap()["permission"].clone();
                world.invitations.push(((*login).to_owned(), role.as_str().unwrap().to_owned()));
                return Instead { status: 201, headers: vec![], body: json!({ "id": 1 }).to_string() };
            }
            write_role(world, &format!("user {login} {owner}/{name}"), asked)
        }
        ("GET", ["repos", _, _, "invitations"]) => {
            let all = world.invitations.iter();
            let all = all.map(|(login, role)| json!({ "id": 1, "invitee": { "login": login }, "permissions": role }));
            ok(&Value::Array(all.collect()))
        }
        _ => Instead::new(418, "documented, and the double has no answer"),
    }
}

fn read_role(world: &mut World, key: &str) -> Option<String> {
    let (now, before, lag) = world.roles.get_mut(key)?;
    if *lag > 0 {
        *lag -= 1;
        return (!before.is_empty()).then(|| before.clone());
    }
    Some(now.clone())
}

fn write_role(world: &mut World, key: &str, asked: &Asked) -> Instead {
    let body: Value = serde_json::from_str(&asked.body).expect("a grant has a JSON body");
    let role = match body["permission"].as_str().expect("a grant names its permission") {
        "pull" => "read",
        "push" => "write",
        other => other,
    };
    let before = world.roles.get(key).map(|(now, ..)| now.clone()).unwrap_or_default();
    let lag = world.lag;
    world.roles.insert(key.to_owned(), (role.to_owned(), before, lag));
    Instead::new(204, "").body("")
}

fn decode(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A registry like ghcr.io: opaque tokens without a lifetime; private and absent look the same to those without access
/// (401 from the token service without a login, 403 with one); no referrers API, a redirect to a web page instead; no
/// PATCH of a piece above 4 MiB.
pub fn ghcr(accounts: Vec<Account>, public: bool) -> Registry {
    let auth = TokenAuth { anonymous_pull: public, format: TokenFormat::Opaque, ..TokenAuth::ghcr(accounts) };
    let registry = Registry::with_auth(Auth::Token(auth));
    let page = What::Redirect { to: "https://github.invalid/-/v2/packages/container/package".to_owned(), status: 303 };
    registry.fault(Fault::on("GET", "/referrers/", page).always());
    registry.fault(Fault::on("PATCH", "/uploads/", What::ChunkLimit(4 << 20)).always());
    registry
}
