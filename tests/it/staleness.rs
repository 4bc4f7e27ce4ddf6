//! A mirror that goes stale is found by a comparison: what is let be, what fails, and what is known of since when.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::support::images::{self, Image, Object};
use crate::support::{Fault, Outcome, Registry, Run, What};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A list of two images, of which the mirror has the first as it is and the second as it was.
struct Mirror {
    source: Registry,
    target: Registry,
    workspace: TempDir,
}

fn before(days: u64) -> String {
    let time = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 3600);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// An image that says that it was made then; nothing where it says no time.
fn made(created: Option<&str>) -> Image {
    let created = created.map_or_else(String::new, |created| format!(r#","created":"{created}""#));
    let config = format!(r#"{{"architecture":"amd64","os":"linux"{created}}}"#);
    let config = Object::new("application/vnd.oci.image.config.v1+json", config);
    let descriptor = config.descriptor();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{descriptor},"layers":[{}]}}"#,
        images::base_layer().descriptor()
    );
    images::raw(OCI_MANIFEST, manifest, vec![config, images::base_layer()])
}

impl Mirror {
    fn new(now: &Image) -> Self {
        let mirror =
            Self { source: Registry::start(), target: Registry::start(), workspace: tempfile::tempdir().unwrap() };
        for (registry, prefix) in [(&mirror.source, "library"), (&mirror.target, "mirror")] {
            registry.seed(&images::release(1), &format!("{prefix}/alpine:3"));
            registry.seed(&images::release(2), &format!("{prefix}/python:3"));
        }
        mirror.source.seed(now, "library/python:3");
        let list = format!(
            "images:\n  - {}\n  - {}\n",
            mirror.source.name("library/alpine:3"),
            mirror.source.name("library/python:3")
        );
        std::fs::write(mirror.path().join("images.yml"), list).unwrap();
        mirror
    }

    fn path(&self) -> &Path {
        self.workspace.path()
    }

    fn history(&self) -> String {
        std::fs::read_to_string(self.path().join("behind")).unwrap()
    }

    fn write_history(&self, days: u64) {
        let line = format!("{} {}\n", before(days), self.target.name("mirror/python:3"));
        std::fs::write(self.path().join("behind"), line).unwrap();
    }

    fn run(&self, command: &str) -> Run {
        Run::new()
            .command(command)
            .input("config", "images.yml")
            .input("target", &self.target.name("mirror/{name}"))
            .input("max-age", "7d")
            .env("GITHUB_WORKSPACE", &self.path().display().to_string())
    }

    fn compare(&self) -> Run {
        self.run("verify").input("history", "behind")
    }
}

fn results(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let images = json["images"].as_array().unwrap();
    images.iter().map(|image| image["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_has_been_behind_for_longer_fails_and_the_summary_begins_with_it() {
    let mirror = Mirror::new(&images::release(3));
    mirror.write_history(77);
    let outcome = mirror.compare().fails_with(1).await;
    assert!(outcome.summary.starts_with("## ❌ 1 of 2 mirrored; `mirror/python:3` not for 77 days\n"), "{outcome}");
    assert!(outcome.says(&format!("seen so since {}, for longer than `max-age`", &before(77)[..10])), "{outcome}");
    assert_eq!(outcome.json()["images"][1]["behind_since"], before(77)[..10]);
    // The first time stays the first, however often it is seen.
    assert!(mirror.history().contains(&before(77)[..10]), "{}", mirror.history());
    // One day before it is too old, it is let be.
    mirror.write_history(6);
    let outcome = mirror.compare().succeeds().await;
    assert_eq!(results(&outcome), ["verified", "behind"]);
    assert!(outcome.says("2 images: 1 verified, 1 behind"), "{outcome}");
    assert!(outcome.says("the target is behind its source; it is seen so since"), "{outcome}");
}

#[tokio::test]
async fn a_history_begins_with_the_first_comparison_and_ends_when_the_mirror_is_right() {
    let mirror = Mirror::new(&images::release(3));
    let today = || humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned();
    let begun = today();
    let outcome = mirror.compare().succeeds().await;
    assert_eq!(results(&outcome), ["verified", "behind"]);
    let first = mirror.history();
    assert_eq!(first.lines().count(), 2, "{first}");
    // Midnight may have come in between.
    assert!([begun, today()].iter().any(|day| first.contains(day)) && first.contains("/mirror/python:3"), "{first}");
    // The source moves on, and the mirror is behind as it was.
    mirror.source.seed(&images::release(4), "library/python:3");
    mirror.compare().succeeds().await;
    assert_eq!(mirror.history(), first);
    // A registry that does not answer is no mirror that is right.
    for method in ["HEAD", "GET"] {
        mirror.target.fault(Fault::on(method, "/mirror/python/", What::status(403)).always());
    }
    mirror.compare().fails_with(1).await;
    assert_eq!(mirror.history(), first);
    mirror.target.clear_faults();
    // A tag that was never mirrored is behind like any other.
    assert!(mirror.target.forget("mirror/python", images::release(2).digest()));
    mirror.compare().succeeds().await;
    assert_eq!(mirror.history(), first);
    mirror.run("copy").succeeds().await;
    let outcome = mirror.compare().succeeds().await;
    assert_eq!(results(&outcome), ["verified", "verified"]);
    assert_eq!(mirror.history().lines().count(), 1, "{}", mirror.history());
}

#[tokio::test]
async fn without_a_history_only_an_image_that_is_younger_itself_is_let_be() {
    for (created, is_let_be, part) in [
        (Some(before(1)), true, "less than `max-age` ago; for how long"),
        (Some(before(30)), false, "and may have got its tag at any time since"),
        (Some("1970-01-01T00:00:00Z".to_owned()), false, "does not say when it was made"),
        (None, false, "does not say when it was made"),
    ] {
        let mirror = Mirror::new(&made(created.as_deref()));
        let run = mirror.run("verify");
        let outcome = if is_let_be { run.succeeds().await } else { run.fails_with(1).await };
        assert!(outcome.says(part), "{created:?}: {outcome}");
        assert_eq!(results(&outcome), ["verified", if is_let_be { "behind" } else { "failed" }]);
        // Of what is right nobody asks when it was made.
        assert_eq!(mirror.source.count("GET", "library/alpine/blobs"), 0, "{outcome}");
    }
    // What is missing below the right digest has no age.
    let mirror = Mirror::new(&made(Some(&before(1))));
    mirror.run("copy").succeeds().await;
    assert!(mirror.target.forget("mirror/python", &images::base_layer().digest));
    let outcome = mirror.run("verify").fails_with(1).await;
    assert!(outcome.says("is missing"), "{outcome}");
}

#[tokio::test]
async fn a_bad_age_or_history_is_bad_input() {
    let mirror = Mirror::new(&images::release(3));
    for (name, value) in [
        ("max-age", "7"),
        ("max-age", "soon"),
        ("max-age", "0d"),
        ("history", "../behind"),
        ("history", "nowhere/behind"),
    ] {
        let outcome = mirror.compare().input(name, value).fails_with(2).await;
        assert!(outcome.says(&format!("input `{name}`")), "{outcome}");
    }
    std::fs::write(mirror.path().join("behind"), "since long ago\n").unwrap();
    let outcome = mirror.compare().fails_with(2).await;
    assert!(outcome.says("behind:1: is not `TIME TARGET`"), "{outcome}");
    assert_eq!(mirror.source.requests() + mirror.target.requests(), 0);
}
