//! A target that was whole once: what `verify` and `check: deep` find, what a dry run of the repair says, and what the repair
//! does.

use crate::support::images::{self, Image};
use crate::support::{Fault, Outcome, Registry, Run, What};

/// A source and a target that both have an image.
struct Mirror {
    image: Image,
    source: Registry,
    target: Registry,
}

impl Mirror {
    async fn whole(image: Image) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&image, "library/app:1");
        let mirror = Self { image, source, target };
        mirror.copy().succeeds().await;
        mirror
    }

    fn copy(&self) -> Run {
        Run::copy(&self.source.name("library/app:1"), &self.target.name("mirror/app:1"))
    }

    async fn verified(&self) -> Outcome {
        self.copy().command("verify").run().await
    }

    async fn dry(&self) -> Outcome {
        self.copy().input("check", "deep").input("dry-run", "true").succeeds().await
    }
}

fn result(outcome: &Outcome) -> String {
    outcome.json()["images"][0]["result"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_child_is_missed_by_verify_announced_by_a_dry_run_and_sent() {
    let mirror = Mirror::whole(images::three_platforms()).await;
    let child = mirror.image.child("linux/arm64").to_owned();
    assert!(mirror.target.forget("mirror/app", &child));
    let verified = mirror.verified().await;
    assert!(verified.code == 1 && verified.says(&format!("manifest {child}")), "{verified}");
    let dry = mirror.dry().await;
    assert_eq!(result(&dry), "would-copy", "{dry}");
    assert!(dry.says(&format!("the target lacks the manifest {child}")), "{dry}");
    assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
    assert_eq!(mirror.verified().await.code, 0);
    assert_eq!(result(&mirror.dry().await), "unchanged");
}

#[tokio::test]
async fn a_layer_that_was_cut_short_is_sent_anew() {
    let mirror = Mirror::whole(images::single()).await;
    let layer = mirror.image.blobs.last().unwrap().clone();
    mirror.target.set_bytes("mirror/app", &layer.digest, None, layer.bytes.slice(..3));
    let verified = mirror.verified().await;
    assert!(verified.code == 1 && verified.says("has 3 bytes"), "{verified}");
    assert_eq!(result(&mirror.dry().await), "would-copy");
    assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
    assert_eq!(mirror.target.blob("mirror/app", &layer.digest), Some(layer.bytes));
    assert_eq!(mirror.verified().await.code, 0);
}

#[tokio::test]
async fn a_registry_that_keeps_its_broken_layer_fails_the_run() {
    let mirror = Mirror::whole(images::single()).await;
    let layer = mirror.image.blobs.last().unwrap().clone();
    let short = layer.bytes.slice(..3);
    mirror.target.set_bytes("mirror/app", &layer.digest, None, short.clone());
    // It answers as for every other upload, and has what it had.
    let accepted = What::Status { status: 201, headers: vec![], body: String::new() };
    mirror.target.fault(Fault::on("PUT", "/blobs/uploads/", accepted).always());
    let outcome = mirror.copy().input("check", "deep").fails_with(1).await;
    assert!(outcome.says("has 3 bytes there") && outcome.says("the registry kept what it has"), "{outcome}");
    assert!(outcome.says("hint: have that layer removed"), "{outcome}");
    assert_eq!(mirror.target.blob("mirror/app", &layer.digest), Some(short));
}

#[tokio::test]
async fn attachments_that_no_list_names_are_missed_announced_and_listed_again() {
    let image = images::single();
    let mirror = Mirror::whole(image.clone()).await;
    let sbom = images::referrer_of(&image, "application/vnd.example.sbom");
    mirror.source.seed(&sbom, "library/app");
    let tag = image.digest().replace(':', "-");
    let list = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, sbom.root().descriptor());
    mirror.source.seed(&images::raw(images::OCI_INDEX, list, vec![]), &format!("library/app:{tag}"));
    assert_eq!(result(&mirror.dry().await), "would-copy");
    assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
    assert_eq!(mirror.verified().await.code, 0);

    let listed = mirror.target.tag("mirror/app", &tag).expect("a list");
    assert!(mirror.target.forget("mirror/app", &listed));
    let verified = mirror.verified().await;
    assert!(verified.code == 1 && verified.says("is there, and no list says so"), "{verified}");
    let dry = mirror.dry().await;
    assert_eq!(result(&dry), "would-copy", "{dry}");
    assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
    assert!(mirror.target.tag("mirror/app", &tag).is_some());
    assert_eq!(mirror.verified().await.code, 0);
    assert_eq!(result(&mirror.dry().await), "unchanged");
}
