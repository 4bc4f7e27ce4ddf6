//! What went wrong once, on the way of attachments, mirrors and sparse copies, and must not again.

use crate::support::images::{self, Image, Object};
use crate::support::{Fault, Registry, Run, What};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn sig(subject: &str) -> Image {
    let config = Object::new("application/vnd.oci.image.config.v1+json", format!("{{\"about\":\"{subject}\"}}"));
    let layer = Object::new("application/vnd.dev.cosign.simplesigning.v1+json", "x".to_owned());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor()
    );
    Image { blobs: vec![config, layer], manifests: vec![Object::new(OCI, manifest)], platforms: vec![] }
}

#[tokio::test]
async fn a_hiccup_of_the_original_loses_no_signature() {
    let image = images::single();
    let (original, mirror, target) = (Registry::start(), Registry::start(), Registry::start());
    original.seed(&image, "library/app:1");
    mirror.seed(&image, "hub/library/app:1");
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    original.seed(&sig(image.digest()), &format!("library/app:{tag}"));
    original.fault(Fault::on("HEAD", ".sig", What::StallBodyAfter(0)));
    original.fault(Fault::on("HEAD", ".sig", What::status(503)).times(2));
    let run = Run::copy(&original.name("library/app:1"), &target.name("m/app:1"))
        .input("registry-mirrors", &format!("{} = {}", original.host(), mirror.name("hub")));
    let outcome = run.run().await;
    run.run().await;
    assert!(target.tag("m/app", &tag).is_some() || outcome.code != 0);
}

#[tokio::test]
async fn without_a_fallback_a_listing_that_fails_is_no_none() {
    let image = images::single();
    let (mirror, target) = (Registry::start(), Registry::start());
    mirror.seed(&image, "hub/library/app:1");
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    mirror.seed(&sig(image.digest()), &format!("hub/library/app:{tag}"));
    mirror.fault(Fault::on("*", ".sig", What::error(403, "DENIED", "no")).always());
    mirror.fault(Fault::on("*", "referrers", What::error(403, "DENIED", "no")).always());
    let outcome = Run::copy("docker.io/library/app:1", &target.name("m/app:1"))
        .input("registry-mirrors", &format!("docker.io = {}", mirror.name("hub")))
        .input("mirror-fallback", "never")
        .run()
        .await;
    assert_ne!(outcome.code, 0);
}

#[tokio::test]
async fn bodies_that_fail_together_do_not_wait_for_each_other() {
    // One after the other they would take more than a run may.
    let image = images::wide(48, 1000);
    let (original, mirror, target) = (Registry::start(), Registry::start(), Registry::start());
    original.seed(&image, "library/app:1");
    mirror.seed(&image, "hub/library/app:1");
    mirror.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(0)).always());
    let run = Run::copy(&original.name("library/app:1"), &target.name("m/app:1"))
        .input("attachments", "none")
        .input("patience", "4s")
        .input("registry-mirrors", &format!("{} = {}", original.host(), mirror.name("hub")));
    run.run().await;
}

#[tokio::test]
async fn what_a_registry_lost_is_sent_again_in_a_sparse_copy_too() {
    let image = images::three_platforms();
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    target.switch(|switches| switches.sparse_allowed = true);
    let child = image.child("linux/amd64").to_owned();
    target.fault(Fault::on(
        "PUT",
        format!("/manifests/{child}"),
        What::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown"),
    ));
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("m/app:1"))
        .input("platforms", "linux/amd64,linux/arm64")
        .run()
        .await;
    let target2 = Registry::start();
    target2.fault(Fault::on(
        "PUT",
        format!("/manifests/{child}"),
        What::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown"),
    ));
    let whole = Run::copy(&source.name("library/app:1"), &target2.name("m/app:1")).run().await;
    assert_eq!((whole.code, outcome.code), (0, 0));
}

#[tokio::test]
async fn an_attachment_that_is_an_index_comes_whole_with_a_sparse_copy() {
    let image = images::three_platforms();
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    source.switch(|switches| switches.referrers = Some(10));
    target.switch(|switches| {
        switches.sparse_allowed = true;
        switches.referrers = Some(10);
    });
    let inner = sig("inner");
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","artifactType":"application/spdx+json","manifests":[{}],"subject":{}}}"#,
        inner.root().descriptor(),
        image.root().descriptor()
    );
    let mut manifests = inner.manifests.clone();
    manifests.push(Object::new(INDEX, index));
    let attachment = Image { blobs: inner.blobs.clone(), manifests, platforms: vec![] };
    source.seed(&attachment, "library/app");
    Run::copy(&source.name("library/app:1"), &target.name("m/app:1"))
        .input("platforms", "linux/amd64,linux/arm64")
        .succeeds()
        .await;
    target.is_whole("m/app", attachment.digest()).unwrap();
}

#[tokio::test]
async fn a_layout_is_mended_after_a_kill_between_blob_and_entry() {
    let image = images::single();
    let source = Registry::start();
    source.seed(&image, "library/app:1");
    source.switch(|switches| switches.referrers = Some(10));
    let attachment = images::referrer_of(&image, "application/vnd.cncf.notary.signature");
    source.seed(&attachment, "library/app");
    let directory = tempfile::tempdir().unwrap();
    let target = format!("oci:{}:1", directory.path().join("l").display());
    let run = || Run::copy(&source.name("library/app:1"), &target);
    run().succeeds().await;
    // As a kill between the blob's rename and index.json's leaves it.
    std::fs::write(directory.path().join("l/index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    let two = run().unhurried().run().await;
    assert_eq!(two.code, 0);
}

#[tokio::test]
async fn the_targets_own_signature_stays_when_conflicts_are_not_overwritten() {
    let image = images::single();
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    source.seed(&sig(image.digest()), &format!("library/app:{tag}"));
    target.seed(&image, "m/app:old");
    let own = sig("ours");
    target.seed(&own, &format!("m/app:{tag}"));
    Run::copy(&source.name("library/app:1"), &target.name("m/app:1")).input("on-conflict", "fail").succeeds().await;
    assert_eq!(target.tag("m/app", &tag).as_deref(), Some(own.digest()));
}

#[tokio::test]
async fn what_was_left_out_of_a_sparse_copy_is_not_named_and_configuration_does_not_change_by_itself() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    target.switch(|switches| switches.sparse_allowed = true);
    let run = Run::copy(&source.name("library/app:1"), &target.name("m/app:1"))
        .input("platforms", "linux/amd64,linux/arm64")
        .input("emit", "mapping");
    let first = run.succeeds().await;
    assert!(!first.output("mapping").contains("linux/arm/v7"), "{first}");
    assert!(first.output("mapping").contains("linux/arm64"), "{first}");
    let again = run.succeeds().await;
    assert_eq!((again.output("changed"), again.output("mapping")), ("false", first.output("mapping")));
}
