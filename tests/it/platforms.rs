//! Platform choices: the digest that comes out, and what of the image is at the target afterwards.

use crate::support::images::{self, Image};
use crate::support::{Registry, Run};

fn copy(image: &Image, platforms: &str, subset: &str, sparse_allowed: bool) -> (Registry, Registry, Run) {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(image, "library/app:1");
    target.switch(|switches| switches.sparse_allowed = sparse_allowed);
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .input("platforms", platforms)
        .input("subset", subset);
    (source, target, run)
}

/// What the digest at the target is, in terms of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// The root's.
    Whole,
    /// This platform's.
    Child(&'static str),
    /// A new one.
    New,
    /// None: the run fails.
    Refused,
}

#[tokio::test]
async fn every_choice_of_platforms_gives_the_digest_that_is_promised() {
    let (index, list, single) = (images::three_platforms(), images::docker_list(), images::single());
    let nested = images::nested_index();
    for (name, image, platforms, subset, expected) in [
        ("index", &index, "all", "sparse", Comes::Whole),
        ("index", &index, "linux/arm64", "sparse", Comes::Child("linux/arm64")),
        ("index", &index, "linux/arm64/v8", "sparse", Comes::Child("linux/arm64")),
        ("index", &index, "linux/arm", "sparse", Comes::Child("linux/arm/v7")),
        ("index", &index, "linux/arm/v6", "sparse", Comes::Refused),
        ("index", &index, "windows/amd64", "sparse", Comes::Refused),
        ("index", &index, "linux/amd64,linux/arm64", "sparse", Comes::Whole),
        ("index", &index, "linux/amd64,linux/arm64", "rewrite", Comes::New),
        ("index", &index, "linux/amd64,linux/arm64,linux/arm/v7", "rewrite", Comes::Whole),
        ("index", &index, "linux/amd64,linux/s390x", "rewrite", Comes::Refused),
        ("list", &list, "all", "sparse", Comes::Whole),
        ("list", &list, "linux/amd64", "sparse", Comes::Child("linux/amd64")),
        ("list", &list, "linux/amd64,linux/arm64", "rewrite", Comes::New),
        ("single", &single, "all", "sparse", Comes::Whole),
        ("single", &single, "linux/amd64", "sparse", Comes::Whole),
        ("single", &single, "linux/arm64", "sparse", Comes::Refused),
        ("nested", &nested, "all", "sparse", Comes::Whole),
    ] {
        let context = format!("{name} {platforms} {subset}");
        let (_source, target, run) = copy(image, platforms, subset, true);
        if expected == Comes::Refused {
            let outcome = run.fails_with(1).await;
            assert_eq!(target.writes(), 0, "{context}\n{outcome}");
            continue;
        }
        let outcome = run.succeeds().await;
        let digest = outcome.output("digest").to_owned();
        match expected {
            Comes::Whole => assert_eq!(digest, image.digest(), "{context}"),
            Comes::Child(platform) => assert_eq!(digest, image.child(platform), "{context}"),
            Comes::New | Comes::Refused => {
                let known = image.manifests.iter().any(|manifest| manifest.digest == digest);
                assert!(!known, "{context}");
                assert!(outcome.says("the digest changed"), "{context}\n{outcome}");
            }
        }
        assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(digest.as_str()), "{context}");
        target.reset();
        assert_eq!(run.succeeds().await.output("changed"), "false", "{context}");
        assert_eq!(target.writes(), 0, "{context}");
    }
}

#[tokio::test]
async fn a_sparse_index_has_the_chosen_platforms_only_and_says_what_works() {
    let image = images::three_platforms();
    let (_source, target, run) = copy(&image, "linux/amd64,linux/arm64", "sparse", true);
    let outcome = run.succeeds().await;
    for (platform, present) in [("linux/amd64", true), ("linux/arm64", true), ("linux/arm/v7", false)] {
        assert_eq!(target.manifest("mirror/app", image.child(platform)).is_some(), present, "{platform}");
    }
    assert!(outcome.says("sparse index") && outcome.says(image.digest()), "{outcome}");
    // More platforms later, under the same digest.
    let more = run.clone().input("platforms", "linux/arm64,linux/arm/v7").succeeds().await;
    assert_eq!(more.output("changed"), "true", "{more}");
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn a_registry_that_refuses_a_sparse_index_is_reported_with_the_way_out() {
    let image = images::three_platforms();
    let (_source, target, run) = copy(&image, "linux/amd64,linux/arm64", "sparse", false);
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("`subset: rewrite`") && outcome.says("`platforms: all`"), "{outcome}");
    assert_eq!(target.tag("mirror/app", "1"), None);
}

#[tokio::test]
async fn a_rewritten_index_names_the_original_and_keeps_the_attestations_of_its_platforms() {
    let image = images::with_attestations();
    let (_source, target, run) = copy(&image, "linux/amd64,linux/arm64", "rewrite", false);
    // All platforms that there are: nothing is rewritten.
    assert_eq!(run.succeeds().await.output("digest"), image.digest());
    let image = images::three_platforms();
    let (_source, second, run) = copy(&image, "linux/amd64,linux/arm64", "rewrite", false);
    let digest = run.succeeds().await.output("digest").to_owned();
    let index: serde_json::Value =
        serde_json::from_slice(&second.manifest("mirror/app", &digest).unwrap().bytes).unwrap();
    assert_eq!(index["annotations"]["io.github.mirror-image.original-digest"], image.digest());
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    second.is_whole("mirror/app", "1").unwrap();
    drop(target);
}
