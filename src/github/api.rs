//! The calls to GitHub's API: all of them, and nothing more than the call.
//!
//! | call | permission of the token |
//! |---|---|
//! | `GET /users/{owner}` | none |
//! | `GET /orgs/{org}/packages/container/{name}`, `GET /users/{user}/packages/container/{name}` | packages: read |
//! | `GET …/packages/container/{name}/versions` | packages: read |
//! | `DELETE …/packages/container/{name}/versions/{version}` | packages: write, and the role Admin on the package |
//! | `GET` and `PUT /orgs/{org}/teams/{slug}/repos/{owner}/{repo}` | administration: read, write; members: read |
//! | `GET /orgs/{org}/teams/{slug}` | members: read |
//! | `GET /repos/{owner}/{repo}/collaborators/{login}/permission` | metadata: read |
//! | `PUT /repos/{owner}/{repo}/collaborators/{login}` | administration: write |
//! | `GET /repos/{owner}/{repo}/invitations` | administration: read |
//!
//! Owns repetition, waiting and their bounds: octocrab's own policies repeat at once or sleep until a rate limit ends,
//! an hour if need be. Gives no token to any host but the API's: every address is a path below it. Never lists packages,
//! which the workflow's token may not (cli/cli#9606), and knows no call that GitHub does not have.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::cause::{Cause, ConnectionFailure};
use crate::github::role::{Permission, Role};
use crate::github::server::Owner;
use crate::http::body::BoundedBody;
use crate::http::clients::Transport;
use crate::http::exchange::Exchange;
use crate::http::failure::connection_failure;
use crate::secret::Secret;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// How long one answer may take: GitHub ends what takes it longer. What does not come in this time does not come the next time
/// either, and images wait for it.
const ANSWER: Duration = Duration::from_secs(10);

/// How long all waits of a run together may take.
const WAITS: Duration = Duration::from_secs(120);

/// How often one call is tried.
const ATTEMPTS: u32 = 4;

/// The largest answer that is read: a hundred invitations with all their repositories are well below.
const LARGEST: usize = 4 * 1024 * 1024;

/// Open invitations are looked through up to this many pages of a hundred.
const PAGES: u32 = 10;

/// Versions of a package are listed up to this many pages of a hundred.
const VERSION_PAGES: u32 = 200;

/// GitHub's usual answer, and the one that says which role a team has: without it a team's role is 204 and no body.
const JSON: &str = "application/vnd.github+json";

const WITH_ROLE: &str = "application/vnd.github.v3.repository+json";

/// What GitHub answered to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup<T> {
    /// It is there.
    Found(T),
    /// 404: it is not there, or this token may not see it.
    Absent,
    /// 401 or 403: this token may not; GitHub's words.
    Refused(String),
    /// Something else; GitHub's words, or why there was no answer.
    Failed(String),
}

/// A package, as far as GitHub shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) visibility: Option<String>,
    /// `OWNER/REPO` that it is linked to.
    pub(super) repository: Option<String>,
    pub(super) versions: Option<u64>,
}

/// A version of a package: one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: u64,
    /// Its digest, as GitHub writes it.
    pub(super) name: String,
    pub(super) tags: Vec<String>,
}

/// A team's role on a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TeamRole {
    Is(Role),
    /// GitHub says that there is one, and not which.
    Some,
}

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// 204.
    Done,
    /// 201: an invitation was sent.
    Invited,
    /// 403, 401.
    Refused(String),
    /// 404.
    Absent,
    /// 422.
    Unfit(String),
    /// Something else.
    Failed(String),
}

/// An answer that came.
struct Reply {
    status: u16,
    body: Vec<u8>,
    request_id: Option<String>,
    /// What it was asked with: its words may repeat that.
    token: Option<Secret>,
}

/// GitHub's API at one server.
pub(super) struct Api {
    base: Url,
    octocrab: Octocrab,
    /// How long one answer may take in this run.
    answer: Duration,
    /// What is left of [`WAITS`].
    waits: Mutex<Duration>,
    /// Why it could not be reached: it is not asked again in this run.
    unreachable: Mutex<Option<String>>,
}

impl Api {
    /// Nothing is contacted yet. Needs a runtime.
    pub(super) fn new(base: &Url, transport: &Transport, patience: Duration) -> Result<Self, String> {
        let client = transport.http_client(base).map_err(|error| error.to_string())?;
        let octocrab = Octocrab::builder()
            .add_retry_config(RetryConfig::None)
            .base_uri(base.as_str())
            .and_then(|builder| builder.build_with_reqwest(client))
            .map_err(|_| "GitHub's API cannot be asked: its address cannot be used".to_owned())?;
        let (answer, waits) = (ANSWER.min(patience), Mutex::new(WAITS.min(patience)));
        Ok(Self { base: base.clone(), octocrab, answer, waits, unreachable: Mutex::default() })
    }

    /// Whose name `login` is.
    pub(super) async fn owner(&self, token: Option<&Secret>, login: &str) -> Lookup<Owner> {
        #[derive(Deserialize)]
        struct Account {
            #[serde(rename = "type")]
            kind: String,
        }
        let path = path(&["users", login]);
        seen(self.call(token, Method::Get, &path, JSON).await, |account: Account| {
            if account.kind == "Organization" { Owner::Organisation } else { Owner::User }
        })
    }

    /// A package.
    pub(super) async fn package(&self, token: &Secret, kind: Owner, owner: &str, name: &str) -> Lookup<Package> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "name")]
            _name: String,
            visibility: Option<String>,
            repository: Option<Linked>,
            version_count: Option<u64>,
        }
        #[derive(Deserialize)]
        struct Linked {
            full_name: Option<String>,
        }
        let path = path(&[accounts(kind), owner, "packages", "container", name]);
        seen(self.call(Some(token), Method::Get, &path, JSON).await, |found: Found| Package {
            visibility: found.visibility.map(|text| sanitise::one_line(&text, 60)),
            repository: found
                .repository
                .and_then(|linked| linked.full_name)
                .map(|text| sanitise::one_line(&text, 200))
                .filter(|text| !text.is_empty()),
            versions: found.version_count,
        })
    }

    /// All versions of a package, however many pages that takes.
    pub(super) async fn versions(&self, token: &Secret, kind: Owner, owner: &str, name: &str) -> Lookup<Vec<Version>> {
        #[derive(Deserialize)]
        struct Found {
            id: u64,
            name: String,
            // Of a version without it nothing is known of its tags: that is no answer.
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            container: Container,
        }
        #[derive(Deserialize)]
        struct Container {
            tags: Vec<String>,
        }
        let base = path(&[accounts(kind), owner, "packages", "container", name, "versions"]);
        let mut versions = Vec::new();
        for page in 1..=VERSION_PAGES {
            let path = format!("{base}?per_page=100&page={page}");
            let found = seen(self.call(Some(token), Method::Get, &path, JSON).await, |all: Vec<Found>| all);
            let found = match found {
                Lookup::Found(found) => found,
                Lookup::Absent => return Lookup::Absent,
                Lookup::Refused(words) => return Lookup::Refused(words),
                Lookup::Failed(words) => return Lookup::Failed(words),
            };
            let is_last = found.len() < 100;
            versions.extend(found.into_iter().map(|found| Version {
                id: found.id,
                name: found.name,
                tags: found.metadata.container.tags,
            }));
            if is_last {
                return Lookup::Found(versions);
            }
        }
        Lookup::Failed(format!("the package has more than {} versions", VERSION_PAGES * 100))
    }

    /// Deletes a version of a package, with every tag of it.
    pub(super) async fn delete_version(
        &self,
        token: &Secret,
        kind: Owner,
        owner: &str,
        name: &str,
        version: u64,
    ) -> Lookup<()> {
        let version = version.to_string();
        let path = path(&[accounts(kind), owner, "packages", "container", name, "versions", &version]);
        match self.call(Some(token), Method::Delete, &path, JSON).await {
            Ok(Reply { status: 200..=204, .. }) => Lookup::Found(()),
            reply => seen(reply, |_: serde_json::Value| ()),
        }
    }

    /// The role that a team has on a repository, its parents' roles included; absent where it has none.
    pub(super) async fn team_role(&self, token: &Secret, org: &str, slug: &str, repository: &str) -> Lookup<TeamRole> {
        #[derive(Deserialize)]
        struct Found {
            role_name: Option<String>,
            permissions: Option<std::collections::BTreeMap<String, bool>>,
        }
        let reply = self.call(Some(token), Method::Get, &team_path(org, slug, repository), WITH_ROLE).await;
        if matches!(&reply, Ok(Reply { status: 204, .. })) {
            return Lookup::Found(TeamRole::Some);
        }
        seen(reply, |found: Found| match (found.role_name, found.permissions) {
            (Some(role), _) => TeamRole::Is(Role::parse(&sanitise::one_line(&role, 60))),
            // Old Enterprise servers name no role; there are no custom ones either.
            (None, Some(permissions)) => {
                let has = |name: &&str| permissions.get(*name).copied().unwrap_or(false);
                let highest = ["admin", "maintain", "push", "triage", "pull"].into_iter().find(|name| has(name));
                TeamRole::Is(Role::parse(highest.unwrap_or_default()))
            }
            (None, None) => TeamRole::Some,
        })
    }

    /// Whether a team is there and this token may see it.
    pub(super) async fn team(&self, token: &Secret, org: &str, slug: &str) -> Lookup<()> {
        let path = path(&["orgs", org, "teams", slug]);
        seen(self.call(Some(token), Method::Get, &path, JSON).await, |_: serde_json::Value| ())
    }

    /// Gives a team a role on a repository.
    pub(super) async fn grant_team(
        &self,
        token: &Secret,
        org: &str,
        slug: &str,
        repository: &str,
        permission: Permission,
    ) -> Granted {
        granted(self.call(Some(token), Method::Put(permission), &team_path(org, slug, repository), JSON).await)
    }

    /// The role that somebody has on a repository.
    pub(super) async fn user_role(&self, token: &Secret, login: &str, repository: &str) -> Lookup<Role> {
        #[derive(Deserialize)]
        struct Found {
            permission: Option<String>,
            role_name: Option<String>,
        }
        let path = format!("{}/permission", collaborator_path(login, repository));
        seen(self.call(Some(token), Method::Get, &path, JSON).await, |found: Found| {
            let role = found.role_name.filter(|role| !role.is_empty()).or(found.permission).unwrap_or_default();
            Role::parse(&sanitise::one_line(&role, 60))
        })
    }

    /// Gives somebody a role on a repository, or invites them to it.
    pub(super) async fn grant_user(
        &self,
        token: &Secret,
        login: &str,
        repository: &str,
        permission: Permission,
    ) -> Granted {
        granted(self.call(Some(token), Method::Put(permission), &collaborator_path(login, repository), JSON).await)
    }

    /// The role that an open invitation of somebody to a repository names; none where there is no invitation.
    pub(super) async fn invitation(&self, token: &Secret, login: &str, repository: &str) -> Lookup<Option<String>> {
        #[derive(Deserialize)]
        struct Invitation {
            invitee: Option<Invitee>,
            permissions: Option<String>,
        }
        #[derive(Deserialize)]
        struct Invitee {
            login: Option<String>,
        }
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        for page in 1..=PAGES {
            let path = format!("{}?per_page=100&page={page}", path(&["repos", owner, name, "invitations"]));
            let invitations = seen(self.call(Some(token), Method::Get, &path, JSON).await, |all: Vec<Invitation>| all);
            let invitations = match invitations {
                Lookup::Found(invitations) => invitations,
                Lookup::Absent => return Lookup::Absent,
                Lookup::Refused(words) => return Lookup::Refused(words),
                Lookup::Failed(words) => return Lookup::Failed(words),
            };
            let is_theirs = |invitation: &&Invitation| {
                let invitee = invitation.invitee.as_ref().and_then(|invitee| invitee.login.as_deref());
                invitee.is_some_and(|invitee| invitee.eq_ignore_ascii_case(login))
            };
            if let Some(found) = invitations.iter().find(is_theirs) {
                return Lookup::Found(Some(sanitise::one_line(found.permissions.as_deref().unwrap_or("unknown"), 60)));
            }
            if invitations.len() < 100 {
                break;
            }
        }
        Lookup::Found(None)
    }

    /// Sends a call until it is answered, or until trying is no use; then why.
    async fn call(&self, token: Option<&Secret>, method: Method, path: &str, accept: &str) -> Result<Reply, String> {
        if let Some(problem) = lock(&self.unreachable).clone() {
            return Err(problem);
        }
        let mut attempt = 1;
        loop {
            let sending = self.send(token, method, path, accept);
            let Ok(sent) = tokio::time::timeout(self.answer, sending).await else {
                let problem = timed_out(self.answer);
                *lock(&self.unreachable) = Some(problem.clone());
                return Err(problem);
            };
            let (problem, asked) = match sent {
                Ok((reply, wait)) => match again(&reply, wait) {
                    None => return Ok(reply),
                    Some(wait) => (words(&reply), wait),
                },
                Err(problem) => (problem, None),
            };
            let wait = asked.unwrap_or_else(|| Duration::from_millis(250) * 2_u32.pow(attempt));
            let affordable = {
                let mut left = lock(&self.waits);
                let affordable = attempt < ATTEMPTS && wait <= *left;
                if affordable {
                    *left -= wait;
                }
                affordable
            };
            if !affordable {
                let problem = match asked {
                    Some(wait) if wait > Duration::from_secs(1) => {
                        format!("{problem}; GitHub asks to wait {} s, longer than this run waits", wait.as_secs())
                    }
                    _ => problem,
                };
                // Rate limits and outages are of the whole API: asking it for the rest would take as long again.
                *lock(&self.unreachable) = Some(problem.clone());
                return Err(problem);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Where `path` is, for the debug log.
    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn send(
        &self,
        token: Option<&Secret>,
        method: Method,
        path: &str,
        accept: &str,
    ) -> Result<(Reply, Option<Duration>), String> {
        let cannot = |_| "the request cannot be written: a name in it has characters that no address has".to_owned();
        let mut builder = http::Request::builder().uri(path).header(ACCEPT, accept);
        if let Some(token) = token {
            let text = format!("Bearer {}", token.expose());
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| "the token has characters that no header can carry; set it anew".to_owned())?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let request = match method {
            Method::Get => self.octocrab.build_request(builder.method("GET"), None::<&()>),
            Method::Delete => self.octocrab.build_request(builder.method("DELETE"), None::<&()>),
            Method::Put(permission) => {
                let body = serde_json::json!({ "permission": permission.grant() });
                self.octocrab.build_request(builder.method("PUT"), Some(&body))
            }
        }
        .map_err(cannot)?;
        let exchange = Exchange::begin(request.method(), &self.address(path));
        let response = match self.octocrab.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let failure = connection_failure(&error);
                exchange.failed(&failure);
                return Err(format!("GitHub's API: {failure}"));
            }
        };
        let (head, body) = response.into_parts();
        exchange.answered(head.status, &head.headers, &head.extensions);
        let body = BoundedBody::new(body, LARGEST).whole().await;
        let body = body.map_err(|_| "GitHub's API: the answer broke off, or is too long".to_owned())?;
        let request_id = head.headers.get("x-github-request-id").and_then(|value| value.to_str().ok());
        let request_id = request_id.map(|id| sanitise::one_line(id, 80));
        let reply = Reply { status: head.status.as_u16(), body, request_id, token: token.cloned() };
        Ok((reply, wait_asked(&head.headers, SystemTime::now())))
    }
}

/// Under which word an owner's packages are.
fn accounts(kind: Owner) -> &'static str {
    if kind == Owner::Organisation { "orgs" } else { "users" }
}

/// What a call does.
#[derive(Clone, Copy)]
enum Method {
    Get,
    Delete,
    Put(Permission),
}

fn timed_out(limit: Duration) -> String {
    let cause = Cause::Connection { kind: ConnectionFailure::Timeout, detail: format!("{} s", limit.as_secs()) };
    format!("GitHub's API: {cause}")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.locked()
}

/// A path whose parts hold whatever names hold: a package's slash is `%2F`.
fn path(parts: &[&str]) -> String {
    let mut url = Url::parse("https://api.github.com").unwrap_or_else(|_| unreachable!("a constant address is one"));
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
    }
    url.path().to_owned()
}

fn team_path(org: &str, slug: &str, repository: &str) -> String {
    let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
    path(&["orgs", org, "teams", slug, "repos", owner, name])
}

fn collaborator_path(login: &str, repository: &str) -> String {
    let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
    path(&["repos", owner, name, "collaborators", login])
}

/// Whether a reply is worth another attempt, and if GitHub names one, after which wait.
#[expect(clippy::option_option, reason = "not again; again; again after a wait")]
fn again(reply: &Reply, asked: Option<Duration>) -> Option<Option<Duration>> {
    match reply.status {
        403 | 429 if is_throttled(reply, asked) => Some(asked),
        429 | 500..=599 => Some(asked),
        _ => None,
    }
}

/// A 403 of GitHub is a refusal or a limit; only its words and its headers tell.
fn is_throttled(reply: &Reply, asked: Option<Duration>) -> bool {
    asked.is_some() || message(reply).to_ascii_lowercase().contains("rate limit")
}

/// `Retry-After`, or the end of an exhausted limit (`x-ratelimit-reset`, in seconds since 1970).
fn wait_asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds.max(1)));
    }
    if number("x-ratelimit-remaining") != Some(0) {
        return None;
    }
    let reset = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(number("x-ratelimit-reset")?))?;
    Some(reset.duration_since(now).unwrap_or_default().max(Duration::from_secs(1)))
}

fn message(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Problem {
        message: String,
    }
    match serde_json::from_slice::<Problem>(&reply.body) {
        Ok(Problem { message }) => {
            let message = reply.token.as_ref().map_or_else(|| message.clone(), |token| token.hide(&message));
            sanitise::one_line(&message, 300)
        }
        Err(_) if reply.body.is_empty() => String::new(),
        Err(_) => "not an API's answer".to_owned(),
    }
}

/// A reply in GitHub's own words.
fn words(reply: &Reply) -> String {
    let mut text = format!("GitHub answered {}", reply.status);
    let message = message(reply);
    if !message.is_empty() {
        text = format!("{text}: {message}");
    }
    match &reply.request_id {
        Some(id) => format!("{text} (request {id})"),
        None => text,
    }
}

fn seen<T, F: DeserializeOwned>(reply: Result<Reply, String>, read: impl FnOnce(F) -> T) -> Lookup<T> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(problem) => return Lookup::Failed(problem),
    };
    match reply.status {
        200 => match serde_json::from_slice(&reply.body) {
            Ok(found) => Lookup::Found(read(found)),
            Err(_) => {
                Lookup::Failed(format!("{}, in a form that is not known here", words(&Reply { body: vec![], ..reply })))
            }
        },
        404 => Lookup::Absent,
        401 | 403 => Lookup::Refused(words(&reply)),
        _ => Lookup::Failed(words(&reply)),
    }
}

fn granted(reply: Result<Reply, String>) -> Granted {
    let reply = match reply {
        Ok(reply) => reply,
        Err(problem) => return Granted::Failed(problem),
    };
    match reply.status {
        200 | 204 => Granted::Done,
        201 => Granted::Invited,
        401 | 403 => Granted::Refused(words(&reply)),
        404 => Granted::Absent,
        422 => Granted::Unfit(words(&reply)),
        _ => Granted::Failed(words(&reply)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Lookup, Reply, again, path, seen, team_path, wait_asked, words};
    use crate::secret::Secret;

    fn reply(status: u16, body: &str) -> Reply {
        let token = Some(Secret::new("hunter2"));
        Reply { status, body: body.as_bytes().to_vec(), request_id: Some("1F:2".to_owned()), token }
    }

    #[test]
    fn every_name_is_one_segment() {
        assert_eq!(path(&["users", "a/../b?c#d"]), "/users/a%2F..%2Fb%3Fc%23d");
        assert_eq!(team_path("acme", "ids-admin", "acme/mirror"), "/orgs/acme/teams/ids-admin/repos/acme/mirror");
        assert_eq!(path(&["orgs", "o", "packages", "container", "a/b/c"]), "/orgs/o/packages/container/a%2Fb%2Fc");
    }

    #[test]
    fn only_limits_and_faults_are_tried_again() {
        let minute = Some(Duration::from_secs(60));
        for (status, body, asked, expected) in [
            (200, "{}", None, None),
            (404, "{}", None, None),
            (403, r#"{"message":"Resource not accessible by integration"}"#, None, None),
            (403, r#"{"message":"You have exceeded a secondary rate limit"}"#, None, Some(None)),
            (403, "{}", minute, Some(minute)),
            (429, "", None, Some(None)),
            (502, "<html>", None, Some(None)),
            (422, "{}", None, None),
        ] {
            assert_eq!(again(&reply(status, body), asked), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_wait_is_read_from_either_header() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", "soon")][..], None),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4600")][..], Some(3600)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5")][..], Some(1)),
            (&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "4600")][..], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(wait_asked(&map, now), expected.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn answers_are_read_leniently_and_said_in_githubs_words() {
        let read = |reply: Reply| seen(Ok(reply), |value: serde_json::Value| value["a"].as_u64());
        assert_eq!(read(reply(200, r#"{"a":1,"b":2}"#)), Lookup::Found(Some(1)));
        assert_eq!(read(reply(404, "")), Lookup::Absent);
        let said = words(&reply(403, r#"{"message":"Must have admin rights\n::error::x Bearer hunter2"}"#));
        assert_eq!(said, "GitHub answered 403: Must have admin rights ⏎ : :error::x Bearer *** (request 1F:2)");
        assert!(matches!(read(reply(200, "<html>")), Lookup::Failed(words) if words.contains("not known here")));
        assert!(matches!(read(reply(500, "<html>")), Lookup::Failed(words) if words.contains("not an API's answer")));
        assert!(matches!(read(reply(301, "")), Lookup::Failed(words) if words.contains("301")));
    }
}
