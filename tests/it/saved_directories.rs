//! Directories that `cosign save` and `docker save` have written: what is in them is said, and how to name it; what was saved
//! with an image comes along.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::images::{self, Image};
use crate::support::{Registry, Run};

/// A layout with these entries, each with its annotations.
fn layout(directory: &Path, entries: &[(&Image, Value)]) {
    for (image, _) in entries {
        image.write_layout(directory, "unused");
    }
    let entries: Vec<Value> = entries
        .iter()
        .map(|(image, annotations)| {
            let root = image.root();
            json!({ "mediaType": root.media_type, "digest": root.digest, "size": root.bytes.len(), "annotations": annotations })
        })
        .collect();
    std::fs::write(directory.join("index.json"), json!({ "schemaVersion": 2, "manifests": entries }).to_string())
        .unwrap();
}

fn kind(kind: &str) -> Value {
    json!({ "kind": format!("dev.cosignproject.cosign/{kind}") })
}

#[tokio::test]
async fn what_cosign_saved_is_one_image_with_its_signatures_and_attestations() {
    for (name, image, of_image) in
        [("image", images::single(), "image"), ("index", images::three_platforms(), "imageIndex")]
    {
        let (directory, target) = (tempfile::tempdir().unwrap(), Registry::start());
        let (signatures, attestations) = (images::big(100, 1), images::big(200, 2));
        layout(
            directory.path(),
            &[(&image, kind(of_image)), (&signatures, kind("sigs")), (&attestations, kind("atts"))],
        );
        let source = format!("oci:{}", directory.path().display());
        let run = Run::copy(&source, &target.name("mirror/app:1"));
        let outcome = run.succeeds().await;
        assert_eq!(outcome.output("digest"), image.digest(), "{name}\n{outcome}");
        let tag = |suffix: &str| format!("{}.{suffix}", image.digest().replace(':', "-"));
        assert_eq!(target.tag("mirror/app", &tag("sig")).as_deref(), Some(signatures.digest()), "{name}\n{outcome}");
        assert_eq!(target.tag("mirror/app", &tag("att")).as_deref(), Some(attestations.digest()), "{name}\n{outcome}");
        assert_eq!(target.tags("mirror/app").len(), 3, "{name}");
        target.everything_visible_is_whole().unwrap();
        assert_eq!(run.clone().command("verify").unhurried().run().await.code, 0, "{name}");
        // By its digest too, and `signatures` brings those alone.
        let by_digest = format!("{source}@{}", image.digest());
        let run = Run::copy(&by_digest, &target.name("mirror/other:1")).input("attachments", "signatures");
        run.succeeds().await;
        assert_eq!(target.tags("mirror/other"), ["1".to_owned(), tag("sig")]);
        // A name that is not there: what is.
        let outcome = Run::copy(&format!("{source}:3.20"), &target.name("mirror/app:2")).fails_with(1).await;
        assert!(
            outcome.says("it has no names") && outcome.says(&format!("({of_image} of `cosign save`)")),
            "{outcome}"
        );
    }
}

/// Whose names are whole, as a list writes them, may be meant all.
#[tokio::test]
async fn a_directory_with_several_images_says_how_one_is_named_and_how_all_are_taken() {
    let (one, two) = (images::release(1), images::release(2));
    let name = |name: &str| json!({ "org.opencontainers.image.ref.name": name });
    for (names, form, takes_all) in [
        (["docker.io/library/one:1", "quay.io/acme/two:2"], ":REGISTRY/REPOSITORY:TAG", true),
        (["one", "two"], ":TAG", false),
    ] {
        let (directory, target) = (tempfile::tempdir().unwrap(), Registry::start());
        layout(directory.path(), &[(&one, name(names[0])), (&two, name(names[1]))]);
        let source = format!("oci:{}", directory.path().display());
        let several = format!("has several images; name one as `{source}{form}`: {}, {}", names[0], names[1]);
        let all = "target that is made of their names: ";
        let inspect = Run::new().command("inspect").input("source", &source).fails_with(1).await;
        assert!(inspect.says(&several) && inspect.says(all) == takes_all, "{inspect}");
        assert!(!inspect.says("write it anew"), "{inspect}");
        // A target with a tag is for one image.
        let copy = Run::copy(&source, &target.name("mirror/app:1")).fails_with(1).await;
        assert!(copy.says(&several) && copy.says(all) == takes_all, "{copy}");
        let copy = Run::copy(&source, &target.name("mirror")).fails_with(2).await;
        let has = format!("; `{source}` has 2 images: a target with `{{registry}}/{{repository}}` takes all of them");
        assert!(copy.says("has no tag, and neither has `oci:") && copy.says(&has) == takes_all, "{copy}");
        assert!(target.log().is_empty());
        if takes_all {
            let all = target.name("mirror/{registry}/{repository}");
            Run::copy(&source, &all).succeeds().await;
            assert_eq!(target.repositories(), ["mirror/docker.io/library/one", "mirror/quay.io/acme/two"]);
        }
    }
}

#[tokio::test]
async fn images_that_docker_saved_under_one_tag_are_told_apart() {
    let (directory, target) = (tempfile::tempdir().unwrap(), Registry::start());
    let (one, other) = (images::single(), images::docker_single());
    let named = |full: &str| json!({ "io.containerd.image.name": full, "org.opencontainers.image.ref.name": full.rsplit(':').next().unwrap() });
    let entries = [(&one, named("docker.io/library/one:latest")), (&other, named("docker.io/library/other:latest"))];
    layout(directory.path(), &entries);
    let source = format!("oci:{}", directory.path().display());
    for name in [source.clone(), format!("{source}:latest")] {
        let outcome = Run::copy(&name, &target.name("mirror/app:1")).fails_with(1).await;
        let said = format!("docker.io/library/other:latest {}", other.digest());
        assert!(outcome.says(&said) && outcome.says("docker.io/library/one:latest"), "{outcome}");
    }
    Run::copy(&format!("{source}@{}", one.digest()), &target.name("mirror/app:1")).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn an_index_of_which_docker_has_pulled_one_platform_says_which() {
    for here in [vec!["linux/arm64"], vec!["linux/amd64", "linux/arm/v7"]] {
        let (directory, target) = (tempfile::tempdir().unwrap(), Registry::start());
        let image = images::three_platforms();
        image.write_layout(directory.path(), "3.20");
        for (platform, digest) in &image.platforms {
            if !here.contains(&platform.as_str()) {
                std::fs::remove_file(directory.path().join("blobs").join(digest.replace(':', "/"))).unwrap();
            }
        }
        let run = Run::copy(&format!("oci:{}:3.20", directory.path().display()), &target.name("mirror/app:1"));
        let outcome = run.fails_with(1).await;
        let way = format!("set `platforms: {}`", here.join(","));
        assert!(outcome.says(&way) && target.writes() == 0, "{outcome}");
        run.clone().input("platforms", &here.join(",")).succeeds().await;
        target.is_whole("mirror/app", "1").unwrap();
    }
}
