//! Credentials: which user name and password belong to which host.
//!
//! Owns every place a credential may come from and the order among them. Never gives a credential to another host than
//! the one it was given for, never runs a credential helper, and never prints what it read: a sentence about a bad
//! file names the file and the host, not the content.

pub mod cnb;
pub mod docker_config;
pub mod registry_auth;
pub mod scope;

use std::collections::BTreeSet;

use crate::credentials::cnb::{CNB_REGISTRY_AUTH, cnb_registry_auth};
use crate::credentials::docker_config::{Helpers, docker_config};
use crate::credentials::registry_auth::registry_auth;
use crate::credentials::scope::{Entry, Scope};
use crate::environment::Environment;
use crate::error::{Error, Side};
use crate::oci::reference::Reference;
use crate::secret::{Credential, Secret};

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
    /// Groups in the order in which they are asked: `registry-auth`, `github-token`, Docker's file, the variable.
    groups: Vec<Group>,
    github_token: Option<Secret>,
    helpers: Helpers,
}

/// The entries that came from one place.
#[derive(Clone, Debug)]
struct Group {
    /// The input, variable or file, for sentences.
    origin: &'static str,
    entries: Vec<Entry>,
}

impl Credentials {
    /// Collects the inputs' credentials, Docker's configuration file and `CNB_REGISTRY_AUTH`.
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
        let (entries, helpers) = docker_config(environment)?;
        groups.push(Group { origin: "DOCKER_CONFIG", entries });
        if let Some(text) = environment.get(CNB_REGISTRY_AUTH) {
            groups.push(Group { origin: CNB_REGISTRY_AUTH, entries: cnb_registry_auth(text)? });
        }
        Ok(Self {
            source: given.source,
            target: given.target,
            groups,
            github_token: given.github.map(|login| login.token),
            helpers,
        })
    }

    /// The credential to read `reference` with.
    pub fn for_source(&self, reference: &Reference) -> Option<Credential> {
        self.source.clone().or_else(|| self.find(reference).map(|(_, credential)| credential.clone()))
    }

    /// The credential to read `mirror` with, a place that `original` is looked for at.
    ///
    /// `source-username` and `source-password` were given for the source's own registry, and go to no other.
    pub fn for_mirror(&self, mirror: &Reference, original: &Reference) -> Option<Credential> {
        if mirror.registry() == original.registry() {
            return self.for_source(mirror);
        }
        self.find(mirror).map(|(_, credential)| credential.clone())
    }

    /// The credential to write `reference` with.
    pub fn for_target(&self, reference: &Reference) -> Option<Credential> {
        self.for_target_with_origin(reference).map(|(_, credential)| credential.clone())
    }

    /// The same with the input, variable or file that it came from, for sentences.
    pub fn for_target_with_origin(&self, reference: &Reference) -> Option<(&'static str, &Credential)> {
        self.target.as_ref().map(|credential| ("target-password", credential)).or_else(|| self.find(reference))
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

    /// A notice when the only credential for `reference` lies with a helper program, which is not run.
    pub fn helper_notice(&self, reference: &Reference) -> Option<String> {
        let host = reference.registry();
        (self.helpers.hosts.contains(host) && self.find(reference).is_none()).then(|| {
            format!(
                "{} leaves the credential for {host} to a helper program, and helper programs are not run; \
                 give it by `registry-auth` if one is needed",
                self.helpers.file.display()
            )
        })
    }

    /// Every text that must be masked: each password and token, and each in the form a Basic header carries.
    pub fn secrets(&self) -> Vec<Secret> {
        let entries = self.groups.iter().flat_map(|group| &group.entries).map(|entry| &entry.credential);
        let mut texts = BTreeSet::new();
        for credential in self.source.iter().chain(&self.target).chain(entries) {
            texts.insert(credential.password.expose().to_owned());
            texts.insert(credential.pair().expose().to_owned());
        }
        texts.extend(self.github_token.iter().map(|token| token.expose().to_owned()));
        texts.into_iter().filter(|text| !text.is_empty()).map(Secret::new).collect()
    }

    fn find(&self, reference: &Reference) -> Option<(&'static str, &Credential)> {
        self.groups.iter().find_map(|group| {
            let fitting = group.entries.iter().filter(|entry| entry.scope.covers(reference));
            // Of equally long ones the last wins, as a later line overrides an earlier one.
            let longest = fitting.max_by_key(|entry| entry.scope.path.len())?;
            Some((group.origin, &longest.credential))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, GithubLogin, Given};
    use crate::environment::Environment;
    use crate::oci::reference::Reference;
    use crate::secret::{Credential, Secret};

    /// Collects and says, for `reference` as a source, `username password`, or nothing.
    fn found(given: Given, environment: &[(&str, &str)], reference: &str) -> String {
        let credentials = Credentials::collect(given, &Environment::from(environment)).unwrap();
        said(credentials.for_source(&Reference::parse(reference).unwrap()))
    }

    fn said(credential: Option<Credential>) -> String {
        credential.map_or_else(String::new, |found| format!("{} {}", found.username, found.password.expose()))
    }

    fn lines(text: &str) -> Given {
        Given { registry_auth: Some(Secret::new(text)), ..Given::default() }
    }

    fn token(text: &str) -> Given {
        let host = Some("ghcr.io".to_owned());
        let login = GithubLogin { host, username: "x-access-token".to_owned(), token: Secret::new(text) };
        Given { github: Some(login), ..Given::default() }
    }

    fn pair(username: &str, password: &str) -> Credential {
        Credential { username: username.to_owned(), password: Secret::new(password) }
    }

    fn docker(content: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), content).unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        (directory, path)
    }

    #[test]
    fn the_longest_line_at_a_path_boundary_wins() {
        let text = "# comment\nghcr.io all one\n\nghcr.io/acme  team two, with blank \nghcr.io/acme/app app three\n\
                    quay.io\nindex.docker.io hub four";
        for (reference, expected) in [
            ("ghcr.io/other/x", "all one"),
            ("ghcr.io/acme-other/x", "all one"),
            ("ghcr.io/acme/x", "team two, with blank"),
            ("ghcr.io/acme/app", "app three"),
            ("ghcr.io/acme/app2", "team two, with blank"),
            ("quay.io/x/y", ""),
            ("alpine", "hub four"),
            ("ghcr.io.evil.com/acme/x", ""),
            ("ghcr.io:8443/acme/x", ""),
        ] {
            assert_eq!(found(lines(text), &[], reference), expected, "{reference}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_never_quoted() {
        for (text, part) in [
            ("quay.io\nhunter2 ghcr.io", "line 2 has a user name and no password"),
            ("me:hunter2@ghcr.io a b", "line 1 has a user name before an `@`"),
        ] {
            let problem = Credentials::collect(lines(text), &Environment::default()).unwrap_err();
            assert!(problem.is_input() && problem.to_string().contains(part), "{problem}");
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn the_github_token_goes_only_to_the_host_that_it_is_for() {
        for (host, reference, expected) in [
            (Some("ghcr.io"), "ghcr.io/a/b", "mona t0ken"),
            (Some("ghcr.io"), "docker.io/a/b", ""),
            (Some("containers.git.example.com"), "ghcr.io/a/b", ""),
            (Some("containers.git.example.com"), "containers.git.example.com/a/b", "mona t0ken"),
            (None, "ghcr.io/a/b", ""),
        ] {
            let login =
                GithubLogin { host: host.map(str::to_owned), username: "mona".to_owned(), token: Secret::new("t0ken") };
            let given = Given { github: Some(login), ..Given::default() };
            assert_eq!(found(given, &[], reference), expected, "{host:?} {reference}");
        }
    }

    #[test]
    fn dockers_file_is_read_in_all_its_spellings() {
        // bWU6aHVudGVyMg== is me:hunter2.
        let (_directory, path) = docker(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6aHVudGVyMg=="},
                "quay.io/acme": {"auth": "bWU6aHVudGVyMg"},
                "https://plain.example.com": {"username": "u", "password": "p"},
                "acr.example.com": {"auth": "MDA6", "identitytoken": "id"},
                "127.0.0.1:5000": {"auth": "bWU6aHVudGVyMg=="},
                "bearer.example.com": {"registrytoken": "b"},
                "helped.example.com": {}, "null.example.com": null
            }, "credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"}, "HttpHeaders": {}}"#,
        );
        let environment = [("DOCKER_CONFIG", path.as_str()), ("HOME", "/nowhere")];
        for (reference, expected) in [
            ("alpine", "me hunter2"),
            ("quay.io/acme/x", "me hunter2"),
            ("quay.io/other/x", ""),
            ("plain.example.com/x", "u p"),
            ("acr.example.com/x", "<token> id"),
            ("127.0.0.1:5000/x", "me hunter2"),
            ("127.0.0.1:5001/x", ""),
            ("bearer.example.com/x", "<bearer> b"),
            ("helped.example.com/x", ""),
        ] {
            assert_eq!(found(Given::default(), &environment, reference), expected, "{reference}");
        }
        let credentials = Credentials::collect(Given::default(), &Environment::from(&environment[..])).unwrap();
        for (reference, noticed) in
            [("gcr.io/a/b", true), ("helped.example.com/x", true), ("alpine", false), ("ghcr.io/a/b", false)]
        {
            assert_eq!(credentials.helper_notice(&Reference::parse(reference).unwrap()).is_some(), noticed);
        }
    }

    #[test]
    fn a_malformed_file_or_variable_is_named_and_never_quoted() {
        for (content, part) in [
            ("hunter2", "is not a Docker configuration (line 1, column 1)"),
            (r#"{"auths": "hunter2"}"#, "is not a Docker configuration"),
            (r#"{"auths": {"a.io": {"auth": "hunter2!"}}}"#, "for a.io; log in again"),
            (r#"{"auths": {"a.io": {"password": "hunter2"}}}"#, "only one of `username` and `password` for a.io"),
        ] {
            let (_directory, path) = docker(content);
            let environment = Environment::from(&[("DOCKER_CONFIG", path.as_str())][..]);
            let problem = Credentials::collect(Given::default(), &environment).unwrap_err().to_string();
            assert!(problem.contains(part) && problem.contains(&path) && !problem.contains("hunter2"), "{problem}");
        }
        for (content, part) in [
            ("hunter2", "is not a JSON object"),
            (r#"{"a.io": "hunter2"}"#, "no usable header for a.io"),
            (r#"{"a.io": "Basic hunter2!"}"#, "no usable header for a.io"),
        ] {
            let environment = Environment::from(&[("CNB_REGISTRY_AUTH", content)][..]);
            let problem = Credentials::collect(Given::default(), &environment).unwrap_err().to_string();
            assert!(problem.contains(part) && !problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn the_variable_of_buildpacks_is_read() {
        let variable = r#"{"a.io": "Basic bWU6aHVudGVyMg==", "b.io": "Bearer tok", "c.io": "X-Identity id"}"#;
        for (reference, expected) in
            [("a.io/x", "me hunter2"), ("b.io/x", "<bearer> tok"), ("c.io/x", "<token> id"), ("d.io/x", "")]
        {
            assert_eq!(found(Given::default(), &[("CNB_REGISTRY_AUTH", variable)], reference), expected);
        }
    }

    #[test]
    fn the_nearest_place_wins() {
        let (_directory, path) = docker(r#"{"auths": {"ghcr.io/a": {"username": "file", "password": "p"}}}"#);
        let variable = r#"{"ghcr.io": "Bearer variable"}"#;
        let environment = [("DOCKER_CONFIG", path.as_str()), ("CNB_REGISTRY_AUTH", variable)];
        let side =
            Given { source: Some(pair("side", "p")), registry_auth: Some(Secret::new("ghcr.io line p")), ..token("p") };
        let line = Given { registry_auth: Some(Secret::new("ghcr.io line p")), ..token("p") };
        for (given, expected) in
            [(side, "side p"), (line, "line p"), (token("p"), "x-access-token p"), (Given::default(), "file p")]
        {
            assert_eq!(found(given, &environment, "ghcr.io/a/b"), expected);
        }
        assert_eq!(found(Given::default(), &environment, "ghcr.io/c"), "<bearer> variable");
    }

    #[test]
    fn a_sides_credential_is_for_that_side() {
        let given = Given { source: Some(pair("s", "p")), target: Some(pair("t", "q")), ..Given::default() };
        let credentials = Credentials::collect(given, &Environment::default()).unwrap();
        let reference = Reference::parse("a.io/x").unwrap();
        assert_eq!(said(credentials.for_source(&reference)), "s p");
        assert_eq!(said(credentials.for_target(&reference)), "t q");
    }

    #[test]
    fn every_secret_is_masked_in_both_forms() {
        // A token that no registry is for goes to GitHub's API all the same.
        let mut given = Given { source: Some(pair("me", "hunter2")), ..token("t0ken") };
        given.github = given.github.map(|login| GithubLogin { host: None, ..login });
        let credentials = Credentials::collect(given, &Environment::default()).unwrap();
        let secrets: Vec<String> = credentials.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["bWU6aHVudGVyMg==", "hunter2", "t0ken"]);
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
