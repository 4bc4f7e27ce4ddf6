//! One image, exactly: what arrives at the target, in which order, and what is left alone.

use std::sync::Arc;

use tokio::sync::Barrier;

use crate::support::images::{self, Image};
use crate::support::real;
use crate::support::registry::Recorded;
use crate::support::{Fault, Registry, Run, What};

/// A source that has `image` as `library/app:1`, an empty target, and the copy from one to the other.
struct Pair {
    source: Registry,
    target: Registry,
    run: Run,
}

fn pair(image: &Image) -> Pair {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(image, "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    Pair { source, target, run }
}

impl Pair {
    fn reset(&self) {
        self.source.reset();
        self.target.reset();
    }

    fn requests(&self) -> String {
        format!("source\n{}target\n{}", self.source.lines(), self.target.lines())
    }

    /// Nothing was written, and the target's tag is still `digest`.
    fn untouched(&self, digest: Option<&str>) {
        assert_eq!(self.target.writes(), 0, "{}", self.requests());
        assert_eq!(self.target.tag("mirror/app", "1").as_deref(), digest);
    }
}

/// Every manifest of `image` is at the target with the same bytes and type, and everything below the tag is whole.
fn assert_exact(target: &Registry, repository: &str, tag: &str, image: &Image, context: &str) {
    assert_eq!(target.tag(repository, tag).as_deref(), Some(image.digest()), "{context}");
    target.is_whole(repository, tag).unwrap_or_else(|problem| panic!("{context}: {problem}"));
    for manifest in &image.manifests {
        let found = target.manifest(repository, &manifest.digest);
        let found = found.unwrap_or_else(|| panic!("{context}: {} did not arrive", manifest.digest));
        assert_eq!(found.bytes, manifest.bytes, "{context}");
        assert_eq!(found.media_type, manifest.media_type, "{context}");
    }
}

#[tokio::test]
async fn every_kind_of_image_arrives_byte_for_byte() {
    for (name, image) in [
        ("single", images::single()),
        ("docker single", images::docker_single()),
        ("three platforms", images::three_platforms()),
        ("docker list", images::docker_list()),
        ("index without mediaType", images::index_without_media_type()),
        ("attestations", images::with_attestations()),
        ("nested index", images::nested_index()),
        ("artifact", images::artifact()),
        ("zero-byte layer", images::zero_byte_layer()),
        ("duplicate layers", images::duplicate_layers()),
        ("sha512 layer", images::sha512_layer()),
        ("foreign layer", images::foreign_layer()),
    ] {
        let pair = pair(&image);
        let outcome = pair.run.succeeds().await;
        assert_exact(&pair.target, "mirror/app", "1", &image, name);
        assert_eq!(outcome.output("digest"), image.digest(), "{name}");
        assert_eq!(
            outcome.output("image"),
            format!("{}@{}", pair.target.name("mirror/app:1"), image.digest()),
            "{name}"
        );
        assert_eq!(outcome.output("changed"), "true", "{name}");
        assert!(outcome.output("json").contains("\"copied\""), "{name}\n{outcome}");
        assert_eq!(pair.source.writes(), 0, "{name}");
        for object in image.manifests.iter().chain(&image.blobs) {
            let kind = if image.manifests.iter().any(|manifest| manifest.digest == object.digest) {
                "manifests"
            } else {
                "blobs"
            };
            let fetched = pair.source.count("GET", &format!("/{kind}/{}", object.digest));
            assert!(fetched <= 1, "{name}: {} was fetched {fetched} times\n{}", object.digest, pair.requests());
        }
        for blob in &image.blobs {
            let sent =
                pair.target.count("PUT", &blob.digest.replace(':', "%3A")) + pair.target.count("PUT", &blob.digest);
            assert_eq!(sent, 1, "{name}: {}\n{}", blob.digest, pair.requests());
        }
    }
}

#[tokio::test]
async fn the_tag_is_written_last_and_children_before_their_index() {
    let image = images::nested_index();
    let pair = pair(&image);
    pair.run.succeeds().await;
    let log = pair.target.log();
    let writes: Vec<&Recorded> = log.iter().filter(|r| !matches!(r.method.as_str(), "GET" | "HEAD")).collect();
    let lines: Vec<String> = writes.iter().map(|request| request.line()).collect();
    assert!(lines.last().unwrap().ends_with("/manifests/1"), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.ends_with("/manifests/1")).count(), 1);
    let first_manifest = lines.iter().position(|line| line.contains("/manifests/")).unwrap();
    let last_blob = lines.iter().rposition(|line| line.starts_with("PUT") && line.contains("/blobs/")).unwrap();
    let at = |digest: &str| lines.iter().position(|line| line.contains(&format!("/manifests/{digest}")));
    let inner = image.manifests.iter().find(|m| m.media_type == images::OCI_INDEX).unwrap();
    for (_, child) in images::three_platforms().platforms {
        assert!(at(&child) < at(&inner.digest), "{lines:#?}");
    }
    // The double took each manifest only with its content there; the last blob belongs to some later manifest at most.
    assert!(first_manifest > 0 && last_blob < lines.len() - 1, "{lines:#?}");
}

#[tokio::test]
async fn an_unchanged_image_costs_one_head_at_each_side() {
    let image = images::three_platforms();
    let pair = pair(&image);
    pair.run.succeeds().await;
    pair.reset();
    let outcome = pair.run.succeeds().await;
    assert_eq!(outcome.output("changed"), "false");
    assert_eq!(outcome.output("digest"), image.digest());
    assert!(outcome.output("json").contains("\"unchanged\""), "{outcome}");
    for registry in [&pair.source, &pair.target] {
        assert_eq!((registry.requests(), registry.count("HEAD", "/manifests/1")), (1, 1), "{}", pair.requests());
    }
}

#[tokio::test]
async fn an_updated_image_moves_only_what_is_new() {
    let pair = pair(&images::three_platforms());
    pair.run.succeeds().await;
    let (old, new) = (images::three_platforms(), images::three_platforms_updated());
    pair.source.seed(&new, "library/app:1");
    pair.reset();
    let outcome = pair.run.succeeds().await;
    assert_eq!(outcome.output("changed"), "true");
    assert_exact(&pair.target, "mirror/app", "1", &new, "update");
    for blob in new.blobs.iter().filter(|blob| old.blobs.iter().any(|known| known.digest == blob.digest)) {
        assert_eq!(pair.source.count("GET", &blob.digest), 0, "a blob that was there was fetched\n{}", pair.requests());
    }
}

/// In the address of a POST, that which asks for a mount of `digest`.
fn mount_of(digest: &str) -> String {
    format!("mount={}", digest.replace(':', "%3A"))
}

/// A round trip less: the target is asked for all blobs at once, and most are under way there when it first says that it lacks one.
#[tokio::test]
async fn what_the_target_lacks_is_asked_for_at_its_source_as_soon_as_one_answer_says_so() {
    let image = images::single();
    let pair = pair(&image);
    let blobs = image.blobs.len();
    // The target has been asked for all of them; it answers for a layer, and for no other before the source was asked for all.
    let [asked, opened] = [blobs, blobs - 1 + blobs].map(|count| What::Together(Arc::new(Barrier::new(count))));
    pair.target.fault(Fault::on("POST", "/uploads/", asked).times(blobs));
    for blob in image.blobs.iter().filter(|blob| blob.digest != image.blobs[1].digest) {
        pair.target.fault(Fault::on("POST", mount_of(&blob.digest), opened.clone()));
    }
    pair.source.fault(Fault::on("GET", "/blobs/", opened).times(blobs));
    pair.run.succeeds().await;
    pair.target.is_whole("mirror/app", "1").unwrap();
    assert_eq!(pair.source.count("GET", "/blobs/"), blobs, "{}", pair.requests());
}

/// Each image has a config of its own: that it is lacked says nothing of layers.
#[tokio::test]
async fn of_a_new_tag_no_layer_is_asked_for_that_the_target_has() {
    let (old, new) = (images::single(), images::single_with_another_config());
    let pair = pair(&old);
    pair.target.fault(Fault::on("POST", "mount=", What::MountAnswer(201)).always());
    pair.run.succeeds().await;
    pair.source.seed(&new, "library/app:2");
    pair.reset();
    let layers = &new.blobs[1..];
    // The config is on its way before the target says that it has the layers.
    let later = What::Together(Arc::new(Barrier::new(layers.len() + 1)));
    pair.target.fault(Fault::on("PUT", "/uploads/", later.clone()));
    for layer in layers {
        pair.target.fault(Fault::on("POST", mount_of(&layer.digest), later.clone()));
    }
    Run::copy(&pair.source.name("library/app:2"), &pair.target.name("mirror/app:2")).succeeds().await;
    pair.target.is_whole("mirror/app", "2").unwrap();
    assert_eq!(pair.source.count("GET", "/blobs/"), 1, "{}", pair.requests());
}

#[tokio::test]
async fn one_platform_is_its_child_with_the_childs_digest() {
    let image = images::three_platforms();
    let pair = pair(&image);
    let outcome = pair.run.clone().input("platforms", "linux/arm64").succeeds().await;
    let child = image.child("linux/arm64");
    assert_eq!(outcome.output("digest"), child);
    assert_eq!(pair.target.tag("mirror/app", "1").as_deref(), Some(child));
    pair.target.is_whole("mirror/app", "1").unwrap();
    assert_eq!(pair.target.manifests("mirror/app"), [child]);
    // And again: nothing to do, although the source's tag has another digest.
    pair.reset();
    let again = pair.run.clone().input("platforms", "linux/arm64").succeeds().await;
    assert_eq!(again.output("changed"), "false");
    assert_eq!(pair.target.writes(), 0);
}

#[tokio::test]
async fn an_absent_platform_names_those_that_exist() {
    let pair = pair(&images::with_attestations());
    let outcome = pair.run.clone().input("platforms", "linux/riscv64").fails_with(1).await;
    for name in ["linux/riscv64", "linux/amd64", "linux/arm64"] {
        assert!(outcome.says(name), "{name}\n{outcome}");
    }
    assert!(!outcome.says("unknown/unknown"), "attestations are no platform\n{outcome}");
    pair.untouched(None);
}

#[tokio::test]
async fn a_wrong_expected_digest_writes_nothing() {
    let (image, other) = (images::three_platforms(), images::single());
    let pair = pair(&image);
    let outcome = pair.run.clone().input("expected-digest", other.digest()).fails_with(1).await;
    assert!(outcome.says(image.digest()) && outcome.says(other.digest()), "{outcome}");
    pair.untouched(None);
    pair.run.clone().input("expected-digest", image.digest()).succeeds().await;
}

#[tokio::test]
async fn on_conflict_decides_about_another_digest() {
    let (image, old) = (images::three_platforms(), images::single());
    let pair = pair(&image);
    pair.target.seed(&old, "mirror/app:1");

    let failed = pair.run.clone().input("on-conflict", "fail").fails_with(1).await;
    assert!(failed.says(old.digest()) && failed.says(image.digest()), "{failed}");
    pair.untouched(Some(old.digest()));

    let kept = pair.run.clone().input("on-conflict", "keep").succeeds().await;
    assert_eq!((kept.output("changed"), kept.output("digest")), ("false", old.digest()), "{kept}");
    assert!(kept.output("json").contains("\"kept\""), "{kept}");
    pair.untouched(Some(old.digest()));

    pair.run.clone().input("on-conflict", "overwrite").succeeds().await;
    assert_exact(&pair.target, "mirror/app", "1", &image, "overwrite");
    // The same digest is never a conflict.
    let same = pair.run.clone().input("on-conflict", "fail").succeeds().await;
    assert_eq!(same.output("changed"), "false");
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_copy_and_writes_nothing() {
    let image = images::three_platforms();
    let pair = pair(&image);
    let outcome = pair.run.clone().input("dry-run", "true").succeeds().await;
    pair.untouched(None);
    assert_eq!(outcome.output("changed"), "false");
    assert!(outcome.output("json").contains("\"would-copy\""), "{outcome}");
    assert!(
        outcome.output("json").contains(&image.blob_bytes().to_string()),
        "{} bytes\n{outcome}",
        image.blob_bytes()
    );
    assert_eq!(pair.source.count("GET", "/blobs/"), 0, "{}", pair.requests());
}

#[tokio::test]
async fn targets_take_the_sources_tag_or_its_digest() {
    let image = images::single();
    let pair = pair(&image);
    let source = |reference: &str| pair.source.name(&format!("library/app{reference}"));
    Run::copy(&source(":1"), &pair.target.name("a/no-tag")).succeeds().await;
    assert_exact(&pair.target, "a/no-tag", "1", &image, "no tag");

    let by_digest = Run::copy(&source(&format!("@{}", image.digest())), &pair.target.name("a/digest")).succeeds().await;
    assert_eq!(by_digest.output("digest"), image.digest());
    assert!(pair.target.tags("a/digest").is_empty());
    pair.target.is_whole("a/digest", image.digest()).unwrap();

    let template = pair.target.name("{owner}/{repo}/{registry}/{repository}");
    let templated = Run::copy(&source(":1"), &template).succeeds().await;
    let repository = format!("owner/repo/{}/library/app", pair.source.host().replace(':', "-"));
    assert_exact(&pair.target, &repository, "1", &image, &template);
    assert!(templated.output("image").contains(&repository));

    let pieces = pair.target.name("x/{namespace}-{name}:{tag}-copy");
    Run::copy(&source(":1"), &pieces).succeeds().await;
    assert_exact(&pair.target, "x/library-app", "1-copy", &image, &pieces);

    let upper = Run::copy(&source(":1"), &pair.target.name("Acme/App:1")).succeeds().await;
    assert_exact(&pair.target, "acme/app", "1", &image, "lower-cased");
    assert!(upper.says("::notice") && upper.says("acme/app"), "{upper}");
}

#[tokio::test]
async fn a_tag_and_digest_source_is_held_to_its_digest() {
    let (image, other) = (images::single(), images::docker_single());
    let pair = pair(&image);
    let source = |digest: &str| pair.source.name(&format!("library/app:1@{digest}"));
    Run::copy(&source(image.digest()), &pair.target.name("a:1")).succeeds().await;
    assert_exact(&pair.target, "a", "1", &image, "tag@digest");
    Run::copy(&source(other.digest()), &pair.target.name("b:1")).fails_with(1).await;
    assert_eq!(pair.target.tag("b", "1"), None);
}

#[tokio::test]
async fn the_command_line_is_the_same_door() {
    let image = images::three_platforms();
    let pair = pair(&image);
    let line = Run::new().without("GITHUB_ACTIONS").arg("copy");
    let line = line.arg(&pair.source.name("library/app:1")).arg(&pair.target.name("mirror/app:1"));
    // A flag wins over the variable; the variable with underscores counts as well.
    let dry = line.clone().env("INPUT_DRY_RUN", "true").unhurried().run().await;
    assert_eq!(dry.code, 0, "{dry}");
    pair.untouched(None);
    let child = line.input("platforms", "linux/amd64").arg("--platforms").arg("linux/arm64").succeeds().await;
    assert_eq!(pair.target.tag("mirror/app", "1").as_deref(), Some(image.child("linux/arm64")));
    assert!(child.stdout.contains(image.child("linux/arm64")), "the outputs are printed too\n{child}");
}

#[tokio::test]
async fn inspect_prints_digests_and_contacts_only_the_source() {
    let image = images::three_platforms();
    let pair = pair(&image);
    let inspect = Run::new().command("inspect").input("source", &pair.source.name("library/app:1"));
    let outcome = inspect.succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    for (platform, digest) in &image.platforms {
        assert!(
            outcome.everything().contains(platform) && outcome.everything().contains(digest),
            "{platform}\n{outcome}"
        );
        assert!(outcome.output("json").contains(digest), "{outcome}");
    }
    assert_eq!(pair.target.requests(), 0);
    assert_eq!(pair.source.count("GET", "/blobs/"), 0, "{}", pair.requests());
}

#[tokio::test]
async fn verify_finds_what_is_missing_or_different() {
    let image = images::three_platforms();
    let pair = pair(&image);
    let verify = pair.run.clone().command("verify");
    verify.fails_with(1).await;
    pair.run.succeeds().await;
    verify.succeeds().await;

    let blob = &image.blobs[2];
    assert!(pair.target.forget("mirror/app", &blob.digest));
    let outcome = verify.fails_with(1).await;
    assert!(outcome.says(&blob.digest), "{outcome}");
    pair.target.set_bytes("mirror/app", &blob.digest, None, blob.bytes.clone());

    let child = image.child("linux/arm64");
    assert!(pair.target.forget("mirror/app", child));
    let outcome = verify.fails_with(1).await;
    assert!(outcome.says(child), "{outcome}");

    // All of the image is there, but the tag names another.
    pair.target.seed(&image, "mirror/app");
    pair.target.seed(&images::single(), "mirror/app:1");
    let outcome = verify.fails_with(1).await;
    assert!(outcome.says(images::single().digest()), "{outcome}");
    pair.reset();
    verify.fails_with(1).await;
    assert_eq!(pair.target.writes(), 0, "verify never writes");
}

#[tokio::test]
async fn blobs_are_mounted_within_one_registry() {
    let (image, registry) = (images::three_platforms(), Registry::start());
    registry.seed(&image, "library/app:1");
    let copy = |target: &str| Run::copy(&registry.name("library/app:1"), &registry.name(target));
    copy("mirror/app:1").succeeds().await;
    assert_exact(&registry, "mirror/app", "1", &image, "mounted");
    assert_eq!(registry.count("GET", "/blobs/"), 0, "{}", registry.lines());
    assert_eq!(registry.count("POST", "mount="), image.blobs.len(), "{}", registry.lines());

    // Forty blobs, so that more are left when the first answer has come than can be in flight.
    let image = images::wide(20, 500);
    registry.seed(&image, "library/app:1");
    for status in [202, 400, 403, 404, 405] {
        registry.clear_faults();
        registry.fault(Fault::on("POST", "mount=", What::MountAnswer(status)).always());
        registry.reset();
        copy(&format!("mirror/refused-{status}:1")).succeeds().await;
        assert_exact(&registry, &format!("mirror/refused-{status}"), "1", &image, "mount refused");
        let (posts, asked) = (registry.count("POST", "/blobs/uploads/"), registry.count("POST", "mount="));
        match status {
            202 => assert_eq!(posts, image.blobs.len(), "a 202 is a session to use\n{}", registry.lines()),
            // The repository named lacks the blob: that says nothing about the next one.
            404 => {}
            // All may be on their way together; none asks twice.
            _ => assert!(asked <= image.blobs.len(), "{status} is not remembered: {asked} asked\n{}", registry.lines()),
        }
    }
}

#[tokio::test]
async fn between_real_registries_and_back_through_skopeo() {
    for image in [images::three_platforms(), images::docker_list()] {
        exact_between(&image, &real::docker_registry(), &real::docker_registry()).await;
    }
}

#[tokio::test]
async fn between_docker_registry_and_ggcr_and_back_through_skopeo() {
    for image in [images::three_platforms(), images::docker_list()] {
        exact_between(&image, &real::docker_registry(), &real::ggcr_registry()).await;
        exact_between(&image, &real::ggcr_registry(), &real::docker_registry()).await;
    }
}

/// skopeo sees the same bytes at both ends for the index and every child, and reads every blob; a second run asks each
/// end once.
async fn exact_between(image: &images::Image, source: &real::RealRegistry, target: &real::RealRegistry) {
    real::push(image, &source.name("library/app:1"), &[]);
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    for reference in std::iter::once("mirror/app:1".to_owned())
        .chain(image.platforms.iter().map(|(_, digest)| format!("mirror/app@{digest}")))
    {
        let original = source.name(&reference.replace("mirror/", "library/"));
        assert_eq!(real::skopeo_raw(&target.name(&reference)), real::skopeo_raw(&original), "{reference}");
    }
    real::skopeo_reads(&target.name("mirror/app:1"), &[]);

    let before = (source.requests().len(), target.requests().len());
    let again = run.succeeds().await;
    assert_eq!(again.output("changed"), "false");
    assert_eq!(source.requests()[before.0..], ["HEAD /v2/library/app/manifests/1"]);
    assert_eq!(target.requests()[before.1..], ["HEAD /v2/mirror/app/manifests/1"]);
}

#[tokio::test]
async fn real_registries_are_left_untouched_by_a_refusal() {
    let (source, target) = (real::docker_registry(), real::docker_registry());
    real::push(&images::three_platforms(), &source.name("a:1"), &[]);
    real::push(&images::single(), &target.name("a:1"), &[]);
    let before = target.writes();
    let run = Run::copy(&source.name("a:1"), &target.name("a:1"));
    run.clone().input("on-conflict", "fail").fails_with(1).await;
    run.clone().input("expected-digest", images::single().digest()).fails_with(1).await;
    run.clone().input("dry-run", "true").succeeds().await;
    assert_eq!(target.writes(), before, "{:#?}", target.requests());
}

#[tokio::test]
async fn an_image_that_umoci_made_keeps_its_digest() {
    let directory = tempfile::tempdir().unwrap();
    real::umoci_layout(directory.path());
    let (source, target) = (real::docker_registry(), Registry::start());
    let layout = format!("oci:{}:image", directory.path().join("layout").display());
    real::skopeo_copy(&layout, &format!("docker://{}", source.name("umoci:1")), &[]);
    let outcome = Run::copy(&source.name("umoci:1"), &target.name("umoci:1")).succeeds().await;
    assert_eq!(outcome.output("digest"), images::sha256(&real::skopeo_raw(&source.name("umoci:1"))));
    target.is_whole("umoci", "1").unwrap();
}
