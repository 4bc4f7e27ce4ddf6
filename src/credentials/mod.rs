//! Credentials: which user name and password belong to which host.
//!
//! Owns every place a credential may come from and the order among them. Never gives a credential to another host than
//! the one it was given for, never runs a credential helper but on a person's own machine, and never prints what it read: a
//! sentence about a bad file names the file and the host, not the content.

pub mod cloud;
pub mod cnb;
pub mod docker_config;
mod helper;
pub mod login;
pub mod registry_auth;
pub mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::credentials::cloud::fields::{Fields, INPUT};
use crate::credentials::cloud::oidc::REQUEST_TOKEN;
use crate::credentials::cloud::{Lease, Place, Reading};
use crate::credentials::cnb::{CNB_REGISTRY_AUTH, cnb_registry_auth};
use crate::credentials::docker_config::{Helpers, Home, docker_configs};
use crate::credentials::login::{Login, LoginKind};
use crate::credentials::registry_auth::registry_auth;
use crate::credentials::scope::{Entry, Scope};
use crate::environment::Environment;
use crate::error::{Error, Side};
use crate::oci::reference::Reference;
use crate::secret::{Credential, Secret};
use crate::text::quote::quote;

/// What the inputs say about credentials.
#[derive(Debug, Default)]
pub struct Given {
    /// `source-username` and `source-password`.
    pub source: Option<Credential>,
    /// `target-username` and `target-password`.
    pub target: Option<Credential>,
    /// The text of `registry-auth`.
    pub registry_auth: Option<Secret>,
    /// `github-token`, and where it is for.
    pub github: Option<GithubLogin>,
    /// The logins of `registry-identities`.
    pub identities: Vec<Fields>,
    /// Hosts that are spoken to over plain HTTP.
    pub insecure: Vec<String>,
    /// What a job of GitLab CI has by itself: the project's registry, and the log-in there.
    pub job: Option<(String, Credential)>,
    /// Whose machine it is.
    pub home: Home,
}

/// The token of a GitHub server, as a log-in at that server's registry.
#[derive(Debug)]
pub struct GithubLogin {
    /// The server's registry; none where it has none that a token may be sent to.
    pub host: Option<String>,
    /// The user name that goes with the token.
    pub username: String,
    /// The token.
    pub token: Secret,
}

/// Every credential of this run.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    source: Option<Credential>,
    target: Option<Credential>,
    /// Groups in the order in which they are asked: `registry-auth`, `github-token`; then, after the identities, Docker's file,
    /// the variable, the job's.
    groups: Vec<Group>,
    /// How many of the groups are inputs, and come before the identities.
    inputs: usize,
    /// The logins that are asked for, and where they count.
    identities: Vec<(Scope, Arc<Lease>)>,
    /// What is to be known of them.
    notices: Vec<String>,
    /// What is secret of how they are asked for.
    request_token: Option<Secret>,
    github_token: Option<Secret>,
    home: Home,
    helpers: Vec<Helpers>,
}

/// The entries that came from one place.
#[derive(Clone, Debug)]
struct Group {
    /// The input, variable or file, for sentences.
    origin: &'static str,
    entries: Vec<Entry>,
}

impl Credentials {
    /// Collects them from every place: inputs, identities, Docker's configuration files, `CNB_REGISTRY_AUTH`, the job's own.
    pub fn collect(given: Given, environment: &Environment) -> Result<Self, Error> {
        let mut groups = Vec::new();
        if let Some(lines) = &given.registry_auth {
            groups.push(Group { origin: "registry-auth", entries: registry_auth(lines.expose())? });
        }
        if let Some(GithubLogin { host: Some(host), username, token }) = &given.github {
            let credential = Credential { username: username.clone(), password: token.clone() };
            let scope = Scope { host: host.clone(), path: String::new() };
            groups.push(Group { origin: "github-token", entries: vec![Entry { scope, credential }] });
        }
        let inputs = groups.len();
        let (identities, notices) = identities(given.identities, &given.insecure, environment, &groups)?;
        let (entries, helpers) = docker_configs(environment, given.home)?;
        groups.push(Group { origin: "DOCKER_CONFIG", entries });
        if let Some(text) = environment.get(CNB_REGISTRY_AUTH) {
            groups.push(Group { origin: CNB_REGISTRY_AUTH, entries: cnb_registry_auth(text)? });
        }
        // Last: a credential that was given comes before the one that the job always has.
        if let Some((host, credential)) = given.job {
            let scope = Scope { host: Scope::parse(&host).host, path: String::new() };
            groups.push(Group { origin: "CI_REGISTRY_PASSWORD", entries: vec![Entry { scope, credential }] });
        }
        Ok(Self {
            source: given.source,
            target: given.target,
            groups,
            inputs,
            identities,
            notices,
            request_token: environment.get(REQUEST_TOKEN).map(Secret::new),
            github_token: given.github.map(|login| login.token),
            home: given.home,
            helpers,
        })
    }

    /// The login to read `reference` with.
    pub fn for_source(&self, reference: &Reference) -> Option<Login> {
        let own = self.source.as_ref().map(|credential| Login::given("source-password", credential));
        own.or_else(|| self.find(reference))
    }

    /// The login to read `mirror` with, a place that `original` is looked for at.
    ///
    /// `source-username` and `source-password` were given for the source's own registry, and go to no other.
    pub fn for_mirror(&self, mirror: &Reference, original: &Reference) -> Option<Login> {
        if mirror.registry() == original.registry() {
            return self.for_source(mirror);
        }
        self.find(mirror)
    }

    /// The login to write `reference` with.
    pub fn for_target(&self, reference: &Reference) -> Option<Login> {
        let own = self.target.as_ref().map(|credential| Login::given("target-password", credential));
        own.or_else(|| self.find(reference))
    }

    /// What is to be known of the logins of `registry-identities`.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether one of them can create repositories.
    pub fn create_repositories(&self) -> bool {
        self.identities.iter().any(|(_, lease)| lease.creates_repositories())
    }

    /// Whether one credential was given for all of this end, whatever the registry.
    pub fn has_one_for(&self, side: Side) -> bool {
        match side {
            Side::Source => self.source.is_some(),
            Side::Target => self.target.is_some(),
        }
    }

    /// The token for GitHub's API.
    pub fn github_token(&self) -> Option<&Secret> {
        self.github_token.as_ref()
    }

    /// A notice where a helper program may have the only credential for `reference`, and is not run.
    pub fn helper_notice(&self, reference: &Reference) -> Option<String> {
        let host = reference.registry();
        if self.home == Home::Person || self.find(reference).is_some() {
            return None;
        }
        let (helpers, name) = self.helper(host)?;
        Some(format!(
            "{} leaves the credential for {host} to the helper program `docker-credential-{}`, and helper programs are not \
             run here; give it by `registry-auth` if one is needed",
            helpers.file.display(),
            quote(name)
        ))
    }

    /// Asks the helper programs of a person's own machine for what `references` have no credential for, each host once. Gives
    /// what is to be said about those that did not work.
    pub async fn ask_helpers(&mut self, references: &[&Reference]) -> Vec<String> {
        if self.home != Home::Person {
            return Vec::new();
        }
        let lacking = references.iter().filter(|reference| self.find(reference).is_none());
        let hosts: BTreeSet<&str> = lacking.map(|reference| reference.registry()).collect();
        let questions = hosts.into_iter().filter_map(|host| {
            let (_, name) = self.helper(host)?;
            Some(async move { (host, name, helper::ask(name, host, helper::PATIENCE).await) })
        });
        let (mut entries, mut notices) = (Vec::new(), Vec::new());
        for (host, name, answer) in futures_util::future::join_all(questions).await {
            match answer {
                Ok(Some(credential)) => {
                    entries.push(Entry { scope: Scope { host: host.to_owned(), path: String::new() }, credential });
                }
                Ok(None) => {}
                Err(what) => notices.push(format!(
                    "the helper program `docker-credential-{}`, which has the credential for {host}, {what}",
                    quote(name)
                )),
            }
        }
        self.groups.push(Group { origin: "DOCKER_CONFIG", entries });
        notices
    }

    /// The file that names a helper for `host`, and its name.
    fn helper(&self, host: &str) -> Option<(&Helpers, &str)> {
        self.helpers.iter().find_map(|helpers| Some((helpers, helpers.of(host)?)))
    }

    /// Every text that must be masked: each password and token, and each in the form a Basic header carries.
    pub fn secrets(&self) -> Vec<Secret> {
        let entries = self.groups.iter().flat_map(|group| &group.entries).map(|entry| &entry.credential);
        let mut texts = BTreeSet::new();
        for credential in self.source.iter().chain(&self.target).chain(entries) {
            texts.insert(credential.password.expose().to_owned());
            texts.insert(credential.pair().expose().to_owned());
        }
        let of_identities = self.identities.iter().flat_map(|(_, lease)| lease.secrets());
        let others = self.github_token.iter().chain(&self.request_token).cloned().chain(of_identities);
        texts.extend(others.map(|secret| secret.expose().to_owned()));
        texts.into_iter().filter(|text| !text.is_empty()).map(Secret::new).collect()
    }

    /// In this order: `registry-auth`, `github-token`, `registry-identities`, Docker's configuration files,
    /// `CNB_REGISTRY_AUTH`, what the job always has. In each the longest path wins.
    fn find(&self, reference: &Reference) -> Option<Login> {
        let (inputs, others) = self.groups.split_at(self.inputs.min(self.groups.len()));
        let given = |groups: &[Group]| {
            groups.iter().find_map(|group| {
                let fitting = group.entries.iter().filter(|entry| entry.scope.covers(reference));
                // Of equally long ones the last wins, as a later line overrides an earlier one.
                let longest = fitting.max_by_key(|entry| entry.scope.path.len())?;
                Some(Login::given(group.origin, &longest.credential))
            })
        };
        let leased = || {
            let fitting = self.identities.iter().filter(|(scope, _)| scope.covers(reference));
            let (_, lease) = fitting.max_by_key(|(scope, _)| scope.path.len())?;
            Some(Login { origin: INPUT, kind: LoginKind::Leased(Arc::clone(lease)) })
        };
        given(inputs).or_else(leased).or_else(|| given(others))
    }
}

/// The logins of `registry-identities`, and what is to be known of them.
type Identities = (Vec<(Scope, Arc<Lease>)>, Vec<String>);

/// Reads them; `before` are the passwords that come first.
fn identities(
    given: Vec<Fields>,
    insecure: &[String],
    environment: &Environment,
    before: &[Group],
) -> Result<Identities, Error> {
    let (mut identities, mut notices) = (Vec::new(), Vec::new());
    if given.is_empty() {
        return Ok((identities, notices));
    }
    let place = Place::of(environment, insecure)?;
    for fields in given {
        let (scope, lease) = match Lease::read(&fields, &place)? {
            Reading::Left(notice) => {
                notices.push(notice);
                continue;
            }
            Reading::Login(scope, lease) => (scope, Arc::from(lease)),
        };
        let is_same = |entry: &Entry| entry.scope.host == scope.host;
        if let Some(group) = before.iter().find(|group| group.entries.iter().any(is_same)) {
            notices.push(format!(
                "{}: `{}` has a password for it, which comes before the login of `{INPUT}`",
                scope.host, group.origin
            ));
        }
        identities.push((scope, lease));
    }
    Ok((identities, notices))
}

#[cfg(test)]
mod tests;
