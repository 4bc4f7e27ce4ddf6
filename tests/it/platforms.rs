//! Platform choices: the digest that comes out, and what of the image is at the target afterwards.

use crate::support::images::{self, Image, OCI_INDEX, Object};
use crate::support::{Fault, Registry, Run, What};

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
        ("nested", &nested, "linux/arm64,linux/s390x", "sparse", Comes::Whole),
        ("nested", &nested, "linux/arm64,linux/s390x", "rewrite", Comes::New),
        ("nested", &nested, "linux/arm64,linux/amd64,linux/arm/v7,linux/s390x", "rewrite", Comes::Whole),
        ("nested", &nested, "linux/ppc64le", "auto", Comes::Refused),
        ("index", &index, "linux/amd64,linux/arm64", "auto", Comes::Whole),
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

fn is_failure(what: &What) -> bool {
    matches!(what, What::Status { status: 500, .. })
}

/// `image` at a target that refuses an index with missing children: its platforms, and what of it is sent.
fn refused(image: &Image, platforms: &str, refusal: Option<What>) -> (Registry, Registry, Run) {
    let (source, target, run) = copy(image, platforms, "auto", false);
    if let Some(refusal) = refusal {
        target.switch(|switches| switches.sparse_allowed = true);
        for manifest in image.manifests.iter().filter(|manifest| manifest.media_type.contains("index")) {
            target.fault(Fault::on("PUT", format!("/manifests/{}", manifest.digest), refusal.clone()).always());
        }
        // An index in the index is refused before the root is tried.
        if image.manifests.iter().filter(|manifest| manifest.media_type.contains("index")).count() < 2 {
            target.fault(Fault::on("PUT", "/manifests/1", refusal.clone()).times(if is_failure(&refusal) {
                3
            } else {
                1
            }));
        }
    }
    (source, target, run)
}

#[tokio::test]
async fn what_a_target_refuses_as_it_is_it_gets_rewritten_and_nothing_is_sent_twice() {
    let answers = [
        None,
        Some(What::error(400, "MANIFEST_INVALID", "manifest invalid")),
        Some(What::error(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        Some(What::status(422)),
        // CUE's registry: not tried again until patience ends.
        Some(What::status(500)),
    ];
    for (name, image, platforms) in [
        ("index", images::three_platforms(), "linux/amd64,linux/arm64"),
        ("list", images::docker_list(), "linux/amd64,linux/arm64"),
        ("nested", images::nested_index(), "linux/arm64,linux/s390x"),
    ] {
        for answer in &answers {
            let (source, target, run) = refused(&image, platforms, answer.clone());
            let dry = run.clone().input("dry-run", "true").succeeds().await;
            assert!(dry.says("a target that refuses that gets a smaller index"), "{name}\n{dry}");
            assert!(!dry.says("work at the target"), "{name}\n{dry}");
            let outcome = run.succeeds().await;
            let digest = outcome.output("digest").to_owned();
            assert_ne!(digest, image.digest(), "{name}");
            assert!(outcome.says("the target refuses an index without all of its platforms"), "{name}\n{outcome}");
            assert!(outcome.says("the digest changed") && !outcome.says("sparse index"), "{name}\n{outcome}");
            assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(digest.as_str()), "{name}");
            target.clear_faults();
            target.is_whole("mirror/app", "1").unwrap();
            // Every blob was read once and sent once.
            for blob in &image.blobs {
                let (read, sent) = (source.count("GET", &blob.digest), target.count("PUT", &blob.digest));
                assert!(read <= 1 && sent <= 1, "{name} {read} {sent}\n{}", target.lines());
            }
            // The next run knows what the first has made of it.
            target.reset();
            let again = run.succeeds().await;
            assert_eq!((again.output("changed"), target.writes()), ("false", 0), "{name}\n{again}");
            assert_eq!(target.requests(), 1, "{name}\n{}", target.lines());
            assert_eq!(run.clone().command("verify").unhurried().run().await.code, 0, "{name}");
            let deep = run.clone().input("check", "deep").succeeds().await;
            assert_eq!(deep.output("changed"), "false", "{name}\n{deep}");
        }
    }
}

#[tokio::test]
async fn attachments_of_platforms_follow_a_rewritten_index_and_its_own_do_not() {
    let image = images::three_platforms();
    let (source, target, run) = copy(&image, "linux/amd64,linux/arm64", "auto", false);
    let of_index = images::referrer_of(&image, "application/vnd.example.sbom");
    let child = images::raw(images::OCI_MANIFEST, image.manifests[0].bytes.clone(), vec![]);
    let of_child = images::referrer_of(&child, "application/vnd.example.sbom");
    let of_attachment = images::referrer_of(&of_index, "application/vnd.example.signature");
    for registry in [&source, &target] {
        registry.switch(|switches| switches.referrers = Some(100));
    }
    for attachment in [&of_index, &of_child, &of_attachment] {
        source.seed(attachment, "library/app");
    }
    let outcome = run.succeeds().await;
    for (attachment, comes) in [(&of_index, false), (&of_child, true), (&of_attachment, false)] {
        assert_eq!(target.manifest("mirror/app", attachment.digest()).is_some(), comes, "{outcome}");
    }
    target.is_whole("mirror/app", "1").unwrap();
    assert!(outcome.says("attachments of the original index are left behind"), "{outcome}");
    assert_eq!(run.clone().command("verify").unhurried().run().await.code, 0);
}

#[tokio::test]
async fn an_expected_digest_is_kept_or_the_run_fails() {
    let image = images::three_platforms();
    for (sparse_allowed, code) in [(true, 0), (false, 1)] {
        let (_source, target, run) = copy(&image, "linux/amd64,linux/arm64", "auto", sparse_allowed);
        let outcome = run.input("expected-digest", image.digest()).run().await;
        assert_eq!(outcome.code, code, "{outcome}");
        let tag = target.tag("mirror/app", "1");
        assert_eq!(tag.as_deref(), sparse_allowed.then_some(image.digest()), "{outcome}");
        assert_eq!(outcome.says("work at the target"), sparse_allowed, "{outcome}");
    }
}

#[tokio::test]
async fn refusals_that_are_about_something_else_are_no_reason_to_change_a_digest() {
    let image = images::three_platforms();
    for refusal in [
        What::error(403, "DENIED", "no"),
        What::error(400, "TAG_INVALID", "the tag is immutable"),
        What::error(409, "CONFLICT", "no"),
        What::error(413, "SIZE_INVALID", "too large"),
        What::status(503),
    ] {
        let (_source, target, run) = copy(&image, "linux/amd64,linux/arm64", "auto", true);
        target.fault(Fault::on("PUT", "/manifests/1", refusal.clone()).always());
        let outcome = run.fails_with(1).await;
        assert!(!outcome.says("a smaller one"), "{refusal:?}\n{outcome}");
        let is_busy = matches!(refusal, What::Status { status: 503, .. });
        assert!(is_busy || target.count("PUT", "/manifests/1") == 1, "{refusal:?}\n{}", target.lines());
    }
}

#[tokio::test]
async fn without_a_tag_the_smaller_index_is_found_by_its_digest() {
    let image = images::three_platforms();
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    let name = source.name(&format!("library/app@{}", image.digest()));
    let run = Run::copy(&name, &target.name("mirror/app")).input("platforms", "linux/amd64,linux/arm64");
    let outcome = run.succeeds().await;
    let digest = outcome.output("digest").to_owned();
    assert!(digest != image.digest() && target.is_whole("mirror/app", &digest).is_ok(), "{outcome}");
    target.reset();
    let again = run.succeeds().await;
    assert_eq!((again.output("digest"), again.output("changed")), (digest.as_str(), "false"), "{again}");
    assert_eq!(target.writes(), 0);
    assert_eq!(run.clone().command("verify").unhurried().run().await.code, 0);
}

#[tokio::test]
async fn one_platform_says_that_its_attestations_stay() {
    let image = images::with_attestations();
    let (_source, target, run) = copy(&image, "linux/arm64", "auto", false);
    for outcome in [run.clone().input("dry-run", "true").succeeds().await, run.succeeds().await] {
        assert!(outcome.says("its provenance and SBOM stay behind (sha256:"), "{outcome}");
    }
    target.is_whole("mirror/app", "1").unwrap();
    // Of an image without any there is nothing to say.
    let (_source, _target, run) = copy(&images::three_platforms(), "linux/arm64", "auto", false);
    assert!(!run.succeeds().await.says("provenance"));
}

/// `images::nested_index()` whose entry for the inner index says `media_type` of it; none: nothing.
fn nested_under(media_type: Option<&str>) -> Image {
    let mut image = images::nested_index();
    let text = String::from_utf8(image.root().bytes.to_vec()).unwrap();
    let own = format!(r#""mediaType": "{OCI_INDEX}""#);
    let (head, entries) = text.split_once("\"manifests\"").unwrap();
    let other =
        media_type.map_or_else(|| r#""annotations":{}"#.to_owned(), |other| format!(r#""mediaType":"{other}""#));
    assert!(entries.contains(&own));
    let root = Object::new(OCI_INDEX, format!("{head}\"manifests\"{}", entries.replacen(&own, &other, 1)));
    let last = image.manifests.len() - 1;
    image.manifests[last] = root;
    image
}

#[tokio::test]
async fn an_index_in_the_index_under_a_type_of_its_own_or_none_is_read_through() {
    let inner = images::three_platforms();
    for media_type in [Some("application/vnd.example.fat.v1+json"), None] {
        let image = nested_under(media_type);
        for platforms in ["linux/arm64", "linux/arm64,linux/s390x"] {
            let (_source, target, run) = copy(&image, platforms, "rewrite", true);
            let outcome = run.succeeds().await;
            let there = target.manifests("mirror/app");
            assert!(there.iter().any(|digest| digest == inner.child("linux/arm64")), "{media_type:?} {outcome}");
            assert!(!there.iter().any(|digest| digest == inner.child("linux/amd64")), "{media_type:?} {outcome}");
            target.is_whole("mirror/app", "1").unwrap();
        }
    }
}

#[tokio::test]
async fn one_platform_of_an_index_in_the_index_is_found() {
    let (image, inner) = (images::nested_index(), images::three_platforms());
    for platform in ["linux/arm64", "linux/arm/v7", "linux/s390x"] {
        let (_source, target, run) = copy(&image, platform, "auto", false);
        let digest = run.succeeds().await.output("digest").to_owned();
        match inner.platforms.iter().find(|(own, _)| own == platform) {
            Some((_, expected)) => assert_eq!(digest, *expected, "{platform}"),
            None => assert!(image.manifests.iter().any(|manifest| manifest.digest == digest)),
        }
        target.is_whole("mirror/app", "1").unwrap();
    }
}
