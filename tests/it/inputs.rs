//! Bad input of every kind: exit 2, one sentence that names the input, and nothing was contacted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::support::images;
use crate::support::{Registry, Run};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn bad_input_ends_with_2_before_any_connection() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let good = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let digest = images::single().digest().to_owned();
    let pinned = source.name(&format!("library/app:1@{digest}"));
    let mut failures = Vec::new();
    for (name, value) in [
        ("command", "destroy"),
        ("source", ""),
        ("source", "  "),
        ("source", "ghcr.io/:latest"),
        ("source", "two words"),
        ("source", "https://registry.example.com/acme/app:1"),
        ("source", &source.name("library/app:not a tag")),
        ("source", &source.name("library/app@sha256:1234")),
        ("source", &source.name(&format!("library/app:{}", "x".repeat(129)))),
        ("target", &target.name("mirror/{nothing}:1")),
        ("target", &target.name("mirror//app:1")),
        ("target", &target.name("mirror/app:1:2")),
        ("expected-digest", "sha256:1234"),
        ("expected-digest", "md5:d41d8cd98f00b204e9800998ecf8427e"),
        ("expected-digest", "latest"),
        ("platforms", "linux"),
        ("platforms", "linux/arm64/v8/more"),
        ("platforms", "all, linux/amd64"),
        ("dry-run", "yes"),
        ("dry-run", "1"),
        ("on-conflict", "replace"),
        ("ca-certificates", "/nowhere/ca.pem"),
        ("source-username", "ann"),
        ("target-password", "secret-4711"),
        ("registry-auth", "ghcr.io ann"),
    ] {
        let outcome = good.clone().input(name, value).run().await;
        let mut problems = Vec::new();
        if outcome.code != 2 {
            problems.push("the exit code");
        }
        if !outcome.says(name) {
            problems.push("the input is not named");
        }
        if outcome.visible().contains("secret-4711") || outcome.says("panicked") {
            problems.push("a secret or a panic");
        }
        if source.log().len() + target.log().len() > 0 {
            problems.push("something was contacted");
        }
        source.reset();
        target.reset();
        if !problems.is_empty() {
            failures.push(format!("{name}: `{value}`: {problems:?}\n{}", outcome.log));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Two inputs that contradict each other.
    let outcome = good.clone().input("source", &pinned).input("expected-digest", DIGEST).fails_with(2).await;
    assert!(outcome.says("expected-digest"), "{outcome}");
    assert_eq!(source.log().len(), 0);
}

#[tokio::test]
async fn flags_that_do_not_exist_end_with_2() {
    let outcome = Run::new().arg("copy").arg("a").arg("b").arg("--platfroms").arg("all").fails_with(2).await;
    assert!(outcome.says("platfroms"), "{outcome}");
    let unknown = Run::new().arg("coopy").arg("a").arg("b").fails_with(2).await;
    assert!(unknown.says("coopy"), "{unknown}");
}

#[tokio::test]
async fn a_template_that_needs_a_repository_says_so() {
    let source = Registry::start();
    let run = Run::copy(&source.name("library/app:1"), &source.name("{owner}/app:1"));
    let outcome = run.without("GITHUB_REPOSITORY").fails_with(2).await;
    assert!(outcome.says("target") && outcome.says("GITHUB_REPOSITORY"), "{outcome}");
    assert_eq!(source.log().len(), 0);
}

#[tokio::test]
async fn blank_inputs_count_as_not_given() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    ["platforms", "expected-digest", "on-conflict", "dry-run", "source-username", "source-password", "registry-auth"]
        .into_iter()
        .fold(run, |run, name| run.input(name, " "))
        .succeeds()
        .await;
    assert!(target.tag("mirror/app", "1").is_some());
}

#[tokio::test]
async fn booleans_are_yamls_six_words() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    for word in ["true", "True", "TRUE"] {
        run.clone().input("dry-run", word).succeeds().await;
        assert_eq!(target.writes(), 0, "{word}");
    }
    for word in ["false", "False", "FALSE"] {
        run.clone().input("dry-run", word).succeeds().await;
        assert!(target.tag("mirror/app", "1").is_some(), "{word}");
    }
}

#[tokio::test]
async fn help_and_version_are_there() {
    let help = Run::new().arg("--help").succeeds().await;
    for name in ["copy", "inspect", "verify"] {
        assert!(help.stdout.contains(name), "{help}");
    }
    Run::new().arg("--version").succeeds().await;
}

#[test]
fn what_is_not_unicode_is_named_and_not_repeated() {
    let bytes = OsStr::from_bytes(b"hunter2-\xff");
    let run = |arguments: &[&OsStr], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mirror-image"));
        command.env_clear().args(arguments).envs(variable.map(|name| (name, bytes)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let good = ["inspect", "localhost:1/a:1", "--patience=1s"].map(OsStr::new);
    for (arguments, variable, part) in [
        (&[good[0], bytes][..], None, "input `arguments`: are not all text: number 2 is not Unicode"),
        (
            &good,
            Some("INPUT_SOURCE-PASSWORD"),
            "input `INPUT_SOURCE-PASSWORD`: is a variable whose value is not Unicode",
        ),
        (&good, Some("INPUT_SOURCE_PASSWORD"), "input `INPUT_SOURCE_PASSWORD`: is a variable"),
        (&good, Some("CNB_REGISTRY_AUTH"), "input `CNB_REGISTRY_AUTH`: is a variable"),
        // Else the way out would be another one, in silence.
        (&good, Some("HTTPS_PROXY"), "input `HTTPS_PROXY`: is a variable"),
        (&good, Some("no_proxy"), "input `no_proxy`: is a variable"),
    ] {
        let (code, log) = run(arguments, variable);
        assert_eq!(code, Some(2), "{part}: {log}");
        assert!(log.contains(part) && !log.contains("hunter2"), "{part}: {log}");
    }
    // What nothing reads may be anything.
    for variable in ["LS_COLORS", "INPUT_FROBNICATE"] {
        let (code, log) = run(&good, Some(variable));
        assert_eq!(code, Some(1), "{variable}: {log}");
    }
}
