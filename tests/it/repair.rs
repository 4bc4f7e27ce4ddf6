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

/// An index whose entries are images under a type of their own or none, and a blob of a type of its own; `layer_like`: and an
/// image under a type as layers have them.
fn unknown_entries(layer_like: bool) -> (Image, String) {
    let (single, blob) = (images::single(), images::Object::new("application/vnd.example.thing", "a blob in an index"));
    let docker = images::docker_single();
    let unnamed = format!(r#"{{"digest":"{}","size":{}}}"#, docker.digest(), docker.root().bytes.len());
    let own =
        images::Object { media_type: "application/vnd.example.manifest.v1+json".to_owned(), ..single.root().clone() };
    let odd = images::big(700, 77);
    let media_type = if layer_like { "application/vnd.example.layer.v1" } else { images::OCI_MANIFEST };
    let layer_like = images::Object { media_type: media_type.to_owned(), ..odd.root().clone() };
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{},{unnamed},{},{}]}}"#,
        own.descriptor(),
        blob.descriptor(),
        layer_like.descriptor()
    );
    let mut image = images::raw(images::OCI_INDEX, index, vec![blob]);
    let root = image.manifests.pop().unwrap();
    for part in [&single, &docker, &odd] {
        image.blobs.extend(part.blobs.clone());
        image.manifests.extend(part.manifests.clone());
    }
    image.manifests.push(root);
    (image, docker.digest().to_owned())
}

#[tokio::test]
async fn copy_verify_and_the_deep_check_agree_about_entries_of_unknown_types() {
    for one_store in [false, true] {
        let (image, unnamed) = unknown_entries(!one_store);
        let (source, target) = (Registry::start(), Registry::start());
        for registry in [&source, &target] {
            registry.switch(|switches| switches.one_store = one_store);
        }
        source.seed(&image, "library/app:1");
        let mirror = Mirror { image, source, target };
        let dry = mirror.copy().input("dry-run", "true").succeeds().await;
        let sizes: usize = mirror.image.blobs.iter().map(|blob| blob.bytes.len()).sum();
        assert_eq!(dry.json()["images"][0]["blobs"]["missing_bytes"], sizes, "{dry}");
        mirror.copy().succeeds().await;
        mirror.target.is_whole("mirror/app", "1").unwrap();
        for manifest in &mirror.image.manifests {
            assert!(mirror.target.manifest("mirror/app", &manifest.digest).is_some(), "{one_store} {manifest:?}");
        }
        assert_eq!(mirror.verified().await.code, 0);
        assert_eq!(result(&mirror.dry().await), "unchanged");
        assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "unchanged");
        // What is lost is missed by each of them.
        assert!(mirror.target.forget("mirror/app", &unnamed));
        let verified = mirror.verified().await;
        assert!(verified.code == 1 && verified.says(&format!("manifest {unnamed} is missing")), "{verified}");
        assert_eq!(result(&mirror.dry().await), "would-copy");
        assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
        assert_eq!(mirror.verified().await.code, 0);
    }
}

#[tokio::test]
async fn a_dry_run_takes_an_entry_under_a_layers_type_for_what_the_copy_has_taken_it_for() {
    // Where manifests are blobs too, it is one: nothing but the manifest that it may be says otherwise.
    for one_store in [false, true] {
        let (source, target) = (Registry::start(), Registry::start());
        for registry in [&source, &target] {
            registry.switch(|switches| switches.one_store = one_store);
        }
        let (image, _) = unknown_entries(true);
        source.seed(&image, "library/app:1");
        let mirror = Mirror { image, source, target };
        mirror.copy().succeeds().await;
        assert_eq!(mirror.verified().await.code, 0, "{one_store}");
        assert_eq!(result(&mirror.dry().await), "unchanged", "{one_store}");
        assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "unchanged", "{one_store}");
    }
}

#[tokio::test]
async fn a_head_that_tells_nothing_about_a_blob_is_settled_by_its_first_byte() {
    for (name, what) in [
        ("zero", What::Header("content-length", Some("0".to_owned()))),
        ("another length", What::Header("content-length", Some("17".to_owned()))),
        ("forbidden", What::status(403)),
        ("not allowed", What::status(405)),
        ("not found", What::status(404)),
    ] {
        let mirror = Mirror::whole(images::three_platforms()).await;
        let layer = mirror.image.blobs.last().unwrap().clone();
        for ignored in [false, true] {
            mirror.target.clear_faults();
            mirror.target.fault(Fault::on("HEAD", "/blobs/", what.clone()).always());
            if ignored {
                mirror.target.fault(Fault::on("GET", "/blobs/", What::IgnoreRange).always());
            }
            let verified = mirror.verified().await;
            assert_eq!(verified.code, 0, "{name}\n{verified}");
            assert_eq!(result(&mirror.dry().await), "unchanged", "{name}");
            mirror.target.reset();
            let deep = mirror.copy().input("check", "deep").succeeds().await;
            assert_eq!((result(&deep).as_str(), mirror.target.writes()), ("unchanged", 0), "{name}\n{deep}");
            // What is really missing or cut short is seen all the same.
            mirror.target.set_bytes("mirror/app", &layer.digest, None, layer.bytes.slice(..3));
            let verified = mirror.verified().await;
            assert!(verified.code == 1 && verified.says("has 3 bytes"), "{name}\n{verified}");
            assert!(mirror.target.forget("mirror/app", &layer.digest));
            assert!(mirror.verified().await.says(&format!("blob {} is missing", layer.digest)), "{name}");
            mirror.target.set_bytes("mirror/app", &layer.digest, None, layer.bytes.clone());
        }
    }
}

#[tokio::test]
async fn layers_of_attachments_are_missed_announced_and_sent_again() {
    for referrers in [None, Some(100)] {
        let image = images::nested_index();
        let inner = images::three_platforms();
        // One of the image, one of an index in it, one of a platform below that.
        let subjects = [image.root(), inner.root(), &inner.manifests[0]]
            .map(|object| images::raw(&object.media_type, object.bytes.clone(), vec![]));
        let (source, target) = (Registry::start(), Registry::start());
        for registry in [&source, &target] {
            registry.switch(|switches| switches.referrers = Some(100));
        }
        target.switch(|switches| switches.referrers = referrers);
        source.seed(&image, "library/app:1");
        let attached: Vec<Image> =
            subjects.iter().map(|subject| images::referrer_of(subject, "application/vnd.example.sbom")).collect();
        for attachment in &attached {
            source.seed(attachment, "library/app");
        }
        let signature = images::big(300, 5);
        let tag = format!("{}.sig", image.digest().replace(':', "-"));
        source.seed(&signature, &format!("library/app:{tag}"));
        let mirror = Mirror { image, source, target };
        mirror.copy().succeeds().await;
        assert_eq!(mirror.verified().await.code, 0);
        assert_eq!(result(&mirror.dry().await), "unchanged");
        for attachment in attached.iter().chain([&signature]) {
            let layer = attachment.blobs.last().unwrap();
            assert!(mirror.target.forget("mirror/app", &layer.digest));
            let verified = mirror.verified().await;
            assert!(verified.code == 1 && verified.says(&format!("blob {} is missing", layer.digest)), "{verified}");
            assert_eq!(result(&mirror.dry().await), "would-copy");
            let deep = mirror.copy().input("check", "deep").succeeds().await;
            assert_eq!(result(&deep), "copied", "{deep}");
            assert_eq!(mirror.target.blob("mirror/app", &layer.digest).as_ref(), Some(&layer.bytes));
            assert_eq!(mirror.verified().await.code, 0);
            // The attachment itself.
            assert!(mirror.target.forget("mirror/app", attachment.digest()));
            let verified = mirror.verified().await;
            assert!(verified.code == 1 && verified.says(attachment.digest()), "{verified}");
            assert_eq!(result(&mirror.copy().input("check", "deep").succeeds().await), "copied");
            assert_eq!(mirror.verified().await.code, 0);
        }
    }
}

/// A proxy before the registry that answers a HEAD with a page, or without a length, has not said that a blob is there.
#[tokio::test]
async fn a_blob_that_is_only_answered_for_is_missing() {
    for kind in ["text/html", "application/json", "application/octet-stream"] {
        let mirror = Mirror::whole(images::single()).await;
        let layer = mirror.image.blobs.last().unwrap().clone();
        assert!(mirror.target.forget("mirror/app", &layer.digest));
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let page = What::Status { status: 200, headers, body: "<html>sign in</html>".to_owned() };
        for method in ["HEAD", "GET"] {
            mirror.target.fault(Fault::on(method, &layer.digest, page.clone()).always());
            mirror.target.fault(Fault::on(method, &layer.digest, What::Header("content-length", None)).always());
        }
        let verified = mirror.verified().await;
        assert_eq!(verified.code, 1, "{kind}\n{verified}");
    }
}
