//! `tags`: every tag of a repository, however many pages that is, in the order of versions.

use crate::support::images;
use crate::support::{Fault, Registry, Run, What};

const TAGS: [&str; 7] = ["latest", "1.2", "1.9", "1.10-rc1", "1.10", "1.10-alpine", "2.0"];

fn registry() -> Registry {
    let registry = Registry::start();
    for tag in TAGS {
        registry.seed(&images::single(), &format!("library/app:{tag}"));
    }
    registry
}

#[tokio::test]
async fn every_page_is_read_and_versions_are_in_their_order() {
    let registry = registry();
    registry.switch(|switches| switches.tag_page = 2);
    let name = registry.name("library/app");
    let list = Run::line(&["tags", &name]).succeeds().await;
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), TAGS, "{list}");
    assert!(registry.count("GET", "/tags/list") >= 4, "{}", registry.lines());
    assert_eq!((list.stderr.as_str(), registry.writes()), ("", 0));
    let json = Run::line(&["tags", &name, "--output", "json"]).succeeds().await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["repository"], &json["tags"]), (&name.clone().into(), &serde_json::json!(TAGS)));
    // By variables, in a job.
    let job = Run::new().command("tags").input("source", &name).succeeds().await;
    assert_eq!(job.json()["tags"], serde_json::json!(TAGS));
    assert!(TAGS.iter().all(|tag| job.stdout.lines().any(|line| line == *tag)), "{job}");
}

#[tokio::test]
async fn what_cannot_be_a_tag_is_no_line_that_a_script_takes_for_one() {
    let registry = registry();
    let listed = ["1.0", "a b", "-rf", "$(id)", "../x", "x\u{202e}y", "1.0\n2.0", "::error::x", ".", ""];
    let body = serde_json::json!({ "name": "library/app", "tags": listed }).to_string();
    let what = What::Status { status: 200, headers: vec![], body };
    registry.fault(Fault::on("GET", "/tags/list", what).always());
    let outcome = Run::line(&["tags", &registry.name("library/app")]).succeeds().await;
    assert_eq!(outcome.stdout, "1.0\n", "{outcome}");
    assert!(outcome.stderr.contains("9 lines of the registry's list left out"), "{outcome}");
}

#[tokio::test]
async fn a_list_that_is_refused_or_unreadable_is_no_list() {
    let registry = registry();
    let name = registry.name("library/app");
    for (what, part) in [
        (What::status(403), "403"),
        (What::status(404), "404"),
        (What::Status { status: 200, headers: vec![], body: "<html>".to_owned() }, "the listing cannot be read"),
    ] {
        registry.clear_faults();
        registry.fault(Fault::on("GET", "/tags/list", what).always());
        let outcome = Run::line(&["tags", &name]).fails_with(1).await;
        assert!(outcome.stderr.contains(part) && outcome.stdout.is_empty(), "{part}\n{outcome}");
    }
    let bad = Run::line(&["tags", &registry.name("library/app:1.2")]).fails_with(2).await;
    assert!(bad.stderr.contains("write the repository alone"), "{bad}");
}
