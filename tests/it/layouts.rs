//! Image layouts: from a registry to a directory and back, digests kept, and other tools agree on what is in it.

use std::path::Path;

use crate::support::images::{self, Image};
use crate::support::real;
use crate::support::{Registry, Run};

fn oci(directory: &Path, name: &str) -> String {
    format!("oci:{}:{name}", directory.display())
}

/// registry → layout → registry → layout; everything that hangs on the image included.
async fn round_trip(image: &Image, attached: &[Image], context: &str) {
    let (first, second) = (Registry::start(), Registry::start());
    first.switch(|switches| switches.referrers = Some(2));
    first.seed(image, "library/app:1");
    for attachment in attached {
        first.seed(attachment, "library/app");
    }
    let temporary = tempfile::tempdir().unwrap();
    let (one, two) = (temporary.path().join("one"), temporary.path().join("deeper/two"));
    for (source, target) in [
        (first.name("library/app:1"), oci(&one, "1")),
        (oci(&one, "1"), second.name("mirror/app:1")),
        (second.name("mirror/app:1"), oci(&two, "other")),
    ] {
        let run = Run::copy(&source, &target);
        let outcome = run.succeeds().await;
        assert_eq!(outcome.output("digest"), image.digest(), "{context}: {source} → {target}\n{outcome}");
        assert_eq!(run.succeeds().await.output("changed"), "false", "{context}: {source} → {target}");
        run.command("verify").succeeds().await;
    }
    for attachment in attached {
        second.is_whole("mirror/app", attachment.digest()).unwrap_or_else(|problem| panic!("{context}: {problem}"));
        let hex = attachment.digest().split_once(':').unwrap().1;
        assert!(two.join("blobs/sha256").join(hex).exists(), "{context}: an attachment did not arrive");
    }
    second.everything_visible_is_whole().unwrap();
}

#[tokio::test]
async fn every_kind_of_image_survives_the_way_through_layouts() {
    for (name, image) in [
        ("single", images::single()),
        ("docker list", images::docker_list()),
        ("attestations", images::with_attestations()),
        ("nested index", images::nested_index()),
        ("artifact", images::artifact()),
        ("sha512 layer", images::sha512_layer()),
        ("zero-byte layer", images::zero_byte_layer()),
    ] {
        round_trip(&image, &[], name).await;
    }
    let image = images::three_platforms();
    let signature = images::referrer_of(&image, "application/vnd.cncf.notary.signature");
    let sbom = images::referrer_of(&image, "application/spdx+json");
    let signed_sbom = images::referrer_of(&sbom, "application/vnd.cncf.notary.signature");
    round_trip(&image, &[signature, sbom, signed_sbom], "with attachments").await;
}

#[tokio::test]
async fn a_chart_with_a_cosign_signature_survives_the_way_through_layouts() {
    let (first, second) = (Registry::start(), Registry::start());
    let object = images::Object::new;
    let config = object("application/vnd.cncf.helm.config.v1+json", r#"{"name":"chart","version":"1.2.3"}"#.to_owned());
    let content = object("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "a chart".to_owned());
    let manifest =
        format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, config.descriptor(), content.descriptor());
    let chart = images::raw("application/vnd.oci.image.manifest.v1+json", manifest, vec![config, content]);
    let signature = images::artifact();
    let tag = format!("{}.sig", chart.digest().replace(':', "-"));
    first.seed(&chart, "charts/app:1.2.3");
    first.seed(&signature, &format!("charts/app:{tag}"));
    let temporary = tempfile::tempdir().unwrap();
    let layout = oci(&temporary.path().join("layout"), "1.2.3");
    Run::copy(&first.name("charts/app:1.2.3"), &layout).succeeds().await;
    let outcome = Run::copy(&layout, &second.name("mirror/chart:1.2.3")).succeeds().await;
    assert_eq!(outcome.output("digest"), chart.digest());
    assert_eq!(second.tag("mirror/chart", &tag).as_deref(), Some(signature.digest()), "{outcome}");
}

#[tokio::test]
async fn ggcr_crane_validates_what_came_through_a_layout() {
    let (registry, temporary) = (real::docker_registry(), tempfile::tempdir().unwrap());
    let source = Registry::start();
    source.seed(&images::three_platforms(), "a:1");
    let layout = oci(&temporary.path().join("layout"), "1");
    Run::copy(&source.name("a:1"), &layout).succeeds().await;
    Run::copy(&layout, &registry.name("b:1")).succeeds().await;
    real::tool("crane", &["digest", "--insecure", &registry.name("b:1")]);
    real::tool("crane", &["validate", "--insecure", "--fast", "--remote", &registry.name("b:1")]);
}

#[tokio::test]
async fn what_other_tools_write_is_read_and_what_is_written_they_read() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = real::docker_registry();
    // umoci makes it, skopeo carries it on.
    let made = temporary.path().join("umoci");
    let made_text = made.display().to_string();
    real::tool("umoci", &["init", "--layout", &made_text]);
    real::tool("umoci", &["new", "--image", &format!("{made_text}:fresh")]);
    let by_skopeo = temporary.path().join("skopeo");
    real::skopeo_copy(&format!("oci:{made_text}:fresh"), &oci(&by_skopeo, "carried"), &[]);
    // buildah builds it, as a workflow would.
    let built = temporary.path().join("buildah");
    let storage = |name: &str| temporary.path().join(name).display().to_string();
    let (root, run_root) = (storage("root"), storage("run"));
    let buildah = |arguments: &[&str]| {
        let common = ["--root", &root, "--runroot", &run_root, "--storage-driver", "vfs"];
        real::tool("buildah", &[&common[..], arguments].concat())
    };
    buildah(&["from", "--name", "work", "scratch"]);
    buildah(&["config", "--label", "made=by buildah", "work"]);
    buildah(&["commit", "work", &oci(&built, "built")]);
    for (number, source) in
        [oci(&made, "fresh"), oci(&by_skopeo, "carried"), oci(&built, "built")].into_iter().enumerate()
    {
        let name = registry.name(&format!("library/app:{number}"));
        let digest = Run::copy(&source, &name).succeeds().await.output("digest").to_owned();
        let layout = temporary.path().join(format!("layout-{number}"));
        Run::copy(&name, &oci(&layout, "1")).succeeds().await;
        let back = temporary.path().join(format!("back-{number}"));
        real::skopeo_copy(&oci(&layout, "1"), &oci(&back, "2"), &[]);
        let inspected = Run::new().command("inspect").input("source", &oci(&back, "2")).succeeds().await;
        assert_eq!(inspected.output("digest"), digest, "{source}");
        real::skopeo_reads(&name, &[]);
    }
}

#[tokio::test]
async fn several_tags_share_a_layout_and_the_only_image_needs_no_name() {
    let temporary = tempfile::tempdir().unwrap();
    let (registry, layout) = (Registry::start(), temporary.path().join("layout"));
    registry.seed(&images::single(), "a:1");
    registry.seed(&images::three_platforms(), "a:2");
    Run::copy(&registry.name("a:1"), &oci(&layout, "one")).succeeds().await;
    let whole = format!("oci:{}", layout.display());
    let only = Run::new().command("inspect").input("source", &whole).succeeds().await;
    assert_eq!(only.output("digest"), images::single().digest());
    Run::copy(&registry.name("a:2"), &oci(&layout, "two")).succeeds().await;
    let outcome = Run::new().command("inspect").input("source", &whole).fails_with(1).await;
    assert!(outcome.says("one") && outcome.says("two"), "{outcome}");
    for (tag, image) in [("one", images::single()), ("two", images::three_platforms())] {
        let outcome = Run::new().command("inspect").input("source", &oci(&layout, tag)).succeeds().await;
        assert_eq!(outcome.output("digest"), image.digest());
    }
}

#[tokio::test]
async fn what_is_no_layout_is_said_with_the_way_to_one() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let archive = temporary.path().join("image.tar");
    std::fs::write(&archive, "not a directory").unwrap();
    let full = temporary.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("notes.txt"), "mine").unwrap();
    for (source, part) in
        [(temporary.path().join("nothing"), "does not exist"), (archive, "tar"), (full.clone(), "oci-layout")]
    {
        let outcome = Run::copy(&oci(&source, "1"), &registry.name("b:1")).fails_with(1).await;
        assert!(outcome.says(part), "{part}\n{outcome}");
    }
    registry.seed(&images::single(), "a:1");
    Run::copy(&registry.name("a:1"), &oci(&full, "1")).fails_with(1).await;
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1, "a directory with other things in it is left alone");
    let dry = temporary.path().join("dry");
    Run::copy(&registry.name("a:1"), &oci(&dry, "1")).input("dry-run", "true").succeeds().await;
    assert!(!dry.exists(), "a dry run leaves nothing behind");
}
