//! Credential helpers and podman's file: a person's logins count where a person runs the program, and nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::images;
use crate::support::{Account, Auth, Registry, Run, TokenAuth};

const PASSWORD: &str = "helper-secret-4b1f";

/// A registry that wants a login, and a directory with a configuration and a helper that knows it.
fn guarded() -> (Registry, tempfile::TempDir) {
    let registry = Registry::with_auth(Auth::Token(TokenAuth::new(vec![Account::new("ann", PASSWORD)])));
    registry.seed(&images::single(), "library/app:1");
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.json"), r#"{"credsStore": "test"}"#).unwrap();
    let answer = format!(r#"{{"ServerURL":"x","Username":"ann","Secret":"{PASSWORD}"}}"#);
    helper(home.path(), &format!("cat >> asked; echo >> asked; echo '{answer}'"));
    (registry, home)
}

/// The program `docker-credential-test`, which does this.
fn helper(home: &Path, does: &str) {
    let path = home.join("docker-credential-test");
    std::fs::write(&path, format!("#!/bin/sh\ncd {}\n{does}\n", home.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(run: Run, home: &Path) -> Run {
    let path = format!("{}:{}", home.display(), std::env::var("PATH").unwrap());
    run.env("PATH", &path).env("DOCKER_CONFIG", &home.display().to_string())
}

#[tokio::test]
async fn a_persons_helper_is_asked_once_for_each_host_and_never_printed() {
    let (registry, home) = guarded();
    let name = registry.name("library/app:1");
    let line = ["inspect", "--images", &format!("{name},{name}"), "-v"];
    let outcome = run(Run::line(&line), home.path()).succeeds().await;
    assert_eq!(std::fs::read_to_string(home.path().join("asked")).unwrap(), format!("{}\n", registry.host()));
    assert!(!outcome.everything().contains(PASSWORD), "{outcome}");
    // What was given comes first, and then nobody is asked.
    let given =
        Run::line(&["inspect", &name]).env("INPUT_SOURCE_USERNAME", "ann").env("INPUT_SOURCE_PASSWORD", PASSWORD);
    run(given, home.path()).succeeds().await;
    assert_eq!(std::fs::read_to_string(home.path().join("asked")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn in_a_job_and_in_the_image_it_is_not_run_and_that_is_said() {
    let (registry, home) = guarded();
    let name = registry.name("library/app:1");
    let job = Run::new().command("inspect").input("source", &name);
    let image = Run::line(&["inspect", &name]).env("MIRROR_IMAGE_CONTAINER", "true");
    for case in [job, image] {
        let outcome = run(case, home.path()).fails_with(1).await;
        assert!(outcome.says("helper programs are not run here"), "{outcome}");
        assert!(!home.path().join("asked").exists(), "{outcome}");
    }
}

#[tokio::test]
async fn a_helper_that_does_not_work_is_said_by_its_name_and_not_by_its_words() {
    let (registry, home) = guarded();
    let name = registry.name("library/app:1");
    for (does, part) in [
        (
            format!("echo 'no {PASSWORD}'; exit 1"),
            "failed (exit status: 1); ask it yourself with `docker-credential-test list`",
        ),
        (format!("echo '{PASSWORD}'"), "gave no credential in the form that helpers have"),
    ] {
        helper(home.path(), &does);
        let outcome = run(Run::line(&["inspect", &name]), home.path()).fails_with(1).await;
        assert!(outcome.says(part) && !outcome.everything().contains(PASSWORD), "{part}\n{outcome}");
    }
    // One that has none is no fault.
    helper(home.path(), "echo 'credentials not found in native keychain'; exit 1");
    let outcome = run(Run::line(&["inspect", &name]), home.path()).fails_with(1).await;
    assert!(!outcome.says("docker-credential-test"), "{outcome}");
    std::fs::remove_file(home.path().join("docker-credential-test")).unwrap();
    let outcome = run(Run::line(&["inspect", &name]), home.path()).fails_with(1).await;
    assert!(outcome.says("`docker-credential-test`, which has the credential for") && outcome.says("is not installed"));
}

#[tokio::test]
async fn a_helper_that_is_being_asked_is_ended_with_the_run() {
    let (registry, home) = guarded();
    // What it waits for never comes: nobody opens the other end.
    let pipe = home.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    helper(home.path(), "echo $$ > id.new; mv id.new id; read -r line < pipe");
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let _ = std::fs::remove_file(home.path().join("id"));
        let line = Run::line(&["copy", &registry.name("library/app:1"), &registry.name("mirror/app:1")]);
        let mut running = run(line, home.path()).spawn();
        while !home.path().join("id").exists() && !running.has_ended() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let id = std::fs::read_to_string(home.path().join("id")).unwrap();
        running.signal(signal);
        let outcome = running.finish().await;
        assert_eq!(outcome.code, code, "{outcome}");
        // Said by the run itself: one that has to be ended by its clock says nothing.
        assert!(outcome.says(&format!("cancelled by SIG{signal}")), "{outcome}");
        // It was told to end, and may need a while for that on a busy machine.
        let is_gone = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        let mut looks = 0..60_000;
        while !is_gone() && looks.next().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(is_gone(), "the helper goes on");
        assert_eq!(registry.requests(), 0);
    }
}

#[tokio::test]
async fn podmans_file_is_a_persons_login() {
    let (registry, home) = guarded();
    let file = home.path().join("auth.json");
    let auth = format!(r#"{{"auths": {{"{}": {{"username": "ann", "password": "{PASSWORD}"}}}}}}"#, registry.host());
    std::fs::write(&file, auth).unwrap();
    let line = Run::line(&["inspect", &registry.name("library/app:1")]);
    line.env("REGISTRY_AUTH_FILE", &file.display().to_string()).succeeds().await;
}
