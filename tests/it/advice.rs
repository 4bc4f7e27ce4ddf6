//! What is advised when it happens: by what was found out about the failure, and in the words of the place where it is read.

use std::fmt::Write as _;

use crate::support::images;
use crate::support::{Auth, Fault, Outcome, Registry, Run, What};

/// The advice for the only image.
fn hints(outcome: &Outcome) -> Vec<String> {
    let hints = &outcome.json()["images"][0]["error"]["hints"];
    hints.as_array().unwrap().iter().map(|hint| hint.as_str().unwrap().to_owned()).collect()
}

fn with_tags(tags: &[&str]) -> Registry {
    let registry = Registry::start();
    for tag in tags {
        registry.seed(&images::single(), &format!("library/app:{tag}"));
    }
    registry
}

#[tokio::test]
async fn tags_that_may_have_been_meant_are_named_and_asked_for_once() {
    let (source, target) = (with_tags(&["3.20.1", "3.20.2", "edge"]), Registry::start());
    let mut list = String::new();
    for tag in ["3.20", "3.20.9", "latest", "edge"] {
        let _ = writeln!(list, "{}", source.name(&format!("library/app:{tag}")));
    }
    let run = Run::new().input("images", &list).input("target", &target.name("mirror/{name}"));
    let outcome = run.fails_with(1).await;
    assert_eq!(source.count("GET", "/tags/list"), 1, "{outcome}\n{}", source.lines());
    let json = outcome.json();
    let near = |image: usize| json["images"][image]["error"]["hints"][0].as_str().unwrap_or_default().to_owned();
    let name = source.name("library/app");
    assert_eq!(near(0), format!("`{name}` has no such tag; it has tags such as `3.20.2`, `3.20.1`"), "{outcome}");
    assert_eq!(near(2), format!("`{name}` has no such tag; it has tags such as `3.20.2`, `3.20.1`"), "{outcome}");
    assert_eq!(near(3), "", "{outcome}");
    // Nothing is asked for where nothing failed.
    let good = Run::copy(&source.name("library/app:edge"), &target.name("again/app:edge")).succeeds().await;
    assert_eq!(source.count("GET", "/tags/list"), 1, "{good}");
}

#[tokio::test]
async fn a_list_of_tags_that_is_not_given_is_no_failure_of_its_own() {
    for what in [What::status(403), What::Status { status: 200, headers: vec![], body: "<html>".to_owned() }] {
        let source = with_tags(&["1"]);
        source.fault(Fault::on("GET", "/tags/list", what).always());
        let outcome = Run::copy(&source.name("library/app:2"), &source.name("mirror/app:2")).fails_with(1).await;
        assert!(hints(&outcome)[0].starts_with("check the name and the tag"), "{outcome}");
        assert!(outcome.says("404 MANIFEST_UNKNOWN"), "{outcome}");
    }
}

/// A registry tells of no repositories; what the run reads is known.
#[tokio::test]
async fn a_repository_that_is_not_there_is_said_to_be_and_the_one_that_may_be_meant_is_named() {
    let (source, target) = (with_tags(&["1"]), Registry::start());
    source.fault(Fault::on("*", "/ap/manifests/", What::error(404, "MANIFEST_UNKNOWN", "unknown")).always());
    source.fault(Fault::on("GET", "/ap/tags/list", What::error(404, "NAME_UNKNOWN", "no such repository")).always());
    source.fault(Fault::on("*", "/none/", What::error(404, "NAME_UNKNOWN", "no such repository")).always());
    let list = ["app:1", "ap:1", "none:1"].map(|name| source.name(&format!("library/{name}"))).join("\n");
    let run = Run::new().input("images", &list).input("target", &target.name("mirror/{name}"));
    let outcome = run.fails_with(1).await;
    let json = outcome.json();
    let hint = |image: usize, hint: usize| json["images"][image]["error"]["hints"][hint].as_str().unwrap().to_owned();
    let name = |name: &str| source.name(&format!("library/{name}"));
    let asked =
        format!("check the name: asked for the tags of `{}` too, the registry answers 404 NAME_UNKNOWN", name("ap"));
    assert!(hint(1, 0).starts_with(&asked), "{outcome}");
    assert_eq!(hint(1, 1), format!("did you mean `{}`, which this run reads too?", name("app")), "{outcome}");
    let known = format!("check the name: the registry knows no repository `{}`", name("none"));
    assert!(hint(2, 0).starts_with(&known) && hint(2, 1).starts_with("if it is private: "), "{outcome}");
}

/// What cannot be read of a list is said of all its lines in one go.
#[tokio::test]
async fn several_mistakes_in_a_list_are_told_together() {
    let run = Run::new().input("images", "alpine\nLibrary/App\na b").input("target", "registry.invalid/{name}");
    let outcome = run.fails_with(2).await;
    assert!(outcome.says("input `images`: line 2 (its source): `Library/App` has upper case"), "{outcome}");
    assert!(outcome.says("; line 3 (its source): has a space"), "{outcome}");
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("l.yml"), "images:\n  - a/B:1\n  - a/b:1\n  - source: x y\n").unwrap();
    std::fs::write(files.path().join("l.txt"), "a/B:1\na/b:1\nx y\n").unwrap();
    for (file, places) in [("l.yml", ["l.yml:2:5: ", "; l.yml:4:13: "]), ("l.txt", ["l.txt:1:1: ", "; l.txt:3:1: "])] {
        let run = Run::new().input("config", file).input("target", "registry.invalid/{name}");
        let outcome = run.env("GITHUB_WORKSPACE", files.path().to_str().unwrap()).fails_with(2).await;
        assert!(places.iter().all(|place| outcome.says(place)), "{outcome}");
    }
}

/// Bad input at a button: an annotation with a title, and a summary, in the words of the form that was filled in.
#[tokio::test]
async fn bad_input_is_told_where_a_button_is_pressed() {
    let at = |name: &str, file: &str| {
        let run = Run::new().env("GITHUB_WORKFLOW", name);
        run.env("GITHUB_WORKFLOW_REF", &format!("octo/mirror/.github/workflows/{file}@refs/heads/main"))
    };
    let inspect = || at("Inspect an image", "inspect.yml").command("inspect");
    for (run, sentence, place) in [
        (inspect().input("source", "a b"), "input `source`: has a space", "Actions → Inspect an image → Run workflow"),
        (
            inspect().input("source", "a/b").input("registry-auth", "quay.io me"),
            "input `registry-auth`: line 1 has a user name and no password",
            "`REGISTRY_AUTH`: mend them in Settings → Secrets and variables → Actions",
        ),
        (
            at("Mirror the list", "sync.yml").input("config", "none.yml"),
            "`none.yml` is not there",
            "start the workflow again",
        ),
        (
            at("Mirror what an issue asks for", "request.yml").input("request", "a/b").input("size-limit", "much"),
            "input `size-limit`: `much` is not a size",
            "mend this repository's variable `REQUEST_SIZE_LIMIT`",
        ),
    ] {
        let outcome = run.clone().fails_with(2).await;
        let line = outcome.log.lines().find(|line| line.starts_with("::error title=Bad input::")).unwrap_or_default();
        assert!(line.contains(sentence) && line.contains("%0Ahint: ") && line.contains(place), "{outcome}");
        let summary = outcome.summary.replace('\\', "");
        assert!(summary.starts_with("## ❌ Bad input: nothing was contacted\n\n> "), "{outcome}");
        assert!(summary.contains(sentence) && summary.contains(place), "{outcome}");
        assert_eq!(run.input("summary", "false").fails_with(2).await.summary, "");
    }
}

/// A person at a shell has no job, no permissions of it and no token of a workflow.
#[tokio::test]
async fn access_speaks_of_nothing_that_a_shell_has_not() {
    let line = ["access", "--target", "ghcr.io/acme/mirror/app:1"];
    let outcome = Run::line(&line).env("HTTPS_PROXY", "http://127.0.0.1:9").fails_with(1).await;
    assert!(outcome.says("set `INPUT_GITHUB_TOKEN` to a classic personal access token"), "{outcome}");
    assert!(!outcome.says("permissions:") && !outcome.says("github.token"), "{outcome}");
    // Nobody who copies asks for that without a token to ask with.
    let source = with_tags(&["1"]);
    let line = ["copy", &source.name("library/app:1"), "ghcr.io/acme/mirror/app:1"];
    let outcome = Run::line(&line).env("HTTPS_PROXY", "http://127.0.0.1:9").fails_with(1).await;
    assert!(!outcome.says("NEEDS-TOKEN") && !outcome.says("warning: ghcr.io"), "{outcome}");
}

#[tokio::test]
async fn no_credential_and_a_wrong_one_are_two_sentences_without_a_token_service_too() {
    let (source, target) = (with_tags(&["1"]), Registry::start());
    source.set_auth(Auth::basic("ann", "secret-of-ann"));
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let without = run.clone().fails_with(1).await;
    assert!(hints(&without)[0].starts_with("no credential was given for "), "{without}");
    let wrong = run.clone().input("source-username", "ann").input("source-password", "not-of-ann").fails_with(1).await;
    assert!(hints(&wrong)[0].contains(" did not accept the credential: check "), "{wrong}");
    for outcome in [&without, &wrong] {
        let both = hints(outcome).iter().filter(|hint| hint.contains("credential")).count();
        assert_eq!(both, 1, "{outcome}");
    }
    // A registry that refuses without saying how to be let in is sent no credential.
    let silent = with_tags(&["1"]);
    silent.fault(Fault::on("*", "/manifests/", What::status(401)).always());
    let run = Run::copy(&silent.name("library/app:1"), &target.name("mirror/app:1"));
    let without = run.clone().fails_with(1).await;
    assert!(hints(&without)[0].starts_with("no credential was given for "), "{without}");
    let unasked = run.input("source-username", "ann").input("source-password", "secret").fails_with(1).await;
    assert!(hints(&unasked)[0].contains(" did not ask for the credential "), "{unasked}");
}

#[tokio::test]
async fn advice_is_in_the_words_of_the_place_where_it_is_read() {
    let (source, target) = (with_tags(&["1"]), Registry::start());
    source.set_auth(Auth::basic("ann", "secret-of-ann"));
    let (app, copy) = (source.name("library/app:1"), target.name("mirror/app:1"));
    let step = Run::copy(&app, &copy);
    let button = step
        .clone()
        .env("GITHUB_WORKFLOW", "Mirror an image")
        .env("GITHUB_WORKFLOW_REF", "octo/mirror/.github/workflows/mirror.yml@refs/heads/main");
    let container = step.clone().without("GITHUB_ACTIONS");
    for (run, place) in [
        (step, "set `source-username` and `source-password`, or a line in `registry-auth`"),
        (button, "set this repository's secret `REGISTRY_AUTH` to a line"),
        (container.clone(), "set `INPUT_SOURCE_USERNAME` and `INPUT_SOURCE_PASSWORD`"),
        (container.env("GITLAB_CI", "true"), "the project's masked variable `MIRROR_REGISTRY_AUTH`"),
        (Run::line(&["copy", &app, &copy]), "`docker login "),
    ] {
        let outcome = run.fails_with(1).await;
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains(&format!("no credential was given for `{}`: ", source.host())), "{outcome}");
        assert!(said.contains(place), "{place}\n{outcome}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_named_before_anything_is_tried_again() {
    let (source, target) = (with_tags(&["1"]), Registry::start());
    source.fault(Fault::on("HEAD", "/manifests/", What::Delay(7000)).times(1));
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("patience", "60s");
    let outcome = run.succeeds().await;
    assert!(outcome.log.contains(&format!("waiting for {}: no answer for ", source.host())), "{outcome}");
}
