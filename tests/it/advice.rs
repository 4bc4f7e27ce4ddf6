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
    assert_eq!(near(0), format!("`{name}` has no such tag; it has `3.20.2`, `3.20.1`"), "{outcome}");
    assert_eq!(near(2), format!("`{name}` has no such tag; it has `3.20.2`, `3.20.1`"), "{outcome}");
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
