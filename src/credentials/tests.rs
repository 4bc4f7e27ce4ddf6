//! Which credential is found for which reference, and what is never said of it.

use super::docker_config::Home;
use super::{Credentials, GithubLogin, Given};
use crate::credentials::login::Login;
use crate::environment::Environment;
use crate::oci::reference::Reference;
use crate::secret::{Credential, Secret};

/// Collects and says, for `reference` as a source, `username password`, or nothing.
fn found(given: Given, environment: &[(&str, &str)], reference: &str) -> String {
    let credentials = Credentials::collect(given, &Environment::from(environment)).unwrap();
    said(credentials.for_source(&Reference::parse(reference).unwrap()).as_ref().and_then(Login::credential).cloned())
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
        // Each would be a login for nothing, in silence.
        ("quay.io,me,hunter2", "line 1 does not begin with a host and a blank"),
        ("quay.io:me:hunter2", "line 1 does not begin with a host"),
        ("\nquay.io: me hunter2", "line 2 does not begin with a host"),
        ("quay.io/me/{name} me hunter2", "line 1 does not begin with a host"),
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
        [("gcr.io/a/b", true), ("helped.example.com/x", true), ("alpine", false), ("ghcr.io/a/b", true)]
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
    assert_eq!(said(credentials.for_source(&reference).as_ref().and_then(Login::credential).cloned()), "s p");
    assert_eq!(said(credentials.for_target(&reference).as_ref().and_then(Login::credential).cloned()), "t q");
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

#[test]
fn a_store_alone_is_noticed_where_helpers_are_not_run() {
    let (_directory, path) = docker(r#"{"credsStore": "desktop"}"#);
    let environment = Environment::from(&[("DOCKER_CONFIG", path.as_str())][..]);
    let reference = Reference::parse("ghcr.io/a/b").unwrap();
    let notice = |home, given: Given| {
        Credentials::collect(Given { home, ..given }, &environment).unwrap().helper_notice(&reference)
    };
    let said = notice(Home::Job, Given::default()).unwrap();
    assert!(said.contains("`docker-credential-desktop`") && said.contains("are not run here"), "{said}");
    assert_eq!(notice(Home::Job, token("t0ken")), None, "another credential is there");
    assert_eq!(notice(Home::Person, Given::default()), None, "it is asked");
}

#[test]
fn a_persons_files_are_dockers_and_podmans_and_a_jobs_are_dockers_alone() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, username: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!(
            r#"{{"auths": {{"{name}.io": {{"username": "u", "password": "p"}}, "all.io": {{"username": "{username}", "password": "p"}}}}}}"#
        );
        std::fs::write(&path, text.replace("containers/auth.json", "podman").replace("config.json", "docker")).unwrap();
        path.display().to_string()
    };
    let named = write("named", "named");
    write("config.json", "docker");
    write("containers/auth.json", "podman");
    let root = directory.path().display().to_string();
    let variables = [("REGISTRY_AUTH_FILE", named.as_str()), ("DOCKER_CONFIG", &root), ("XDG_RUNTIME_DIR", &root)];
    let login = |home, reference| found(Given { home, ..Given::default() }, &variables, reference);
    for reference in ["named.io/x", "docker.io/x", "podman.io/x"] {
        assert_eq!(login(Home::Person, reference), "u p", "{reference}");
    }
    assert_eq!(login(Home::Person, "all.io/x"), "named p");
    assert_eq!(login(Home::Job, "all.io/x"), "docker p");
    assert_eq!(login(Home::Job, "podman.io/x"), "");
    // What a variable names and is not there has no login in it.
    let missing = [("REGISTRY_AUTH_FILE", "/nowhere/auth.json")];
    assert_eq!(found(Given { home: Home::Person, ..Given::default() }, &missing, "all.io/x"), "");
}
