//! All of the image: what hangs on it comes along, whatever the two registries know of referrers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::images::{self, Image, Object};
use crate::support::real;
use crate::support::{Fault, Registry, Run, What};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const COSIGN: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// An artifact about `subject`.
fn about(subject: &Object, artifact_type: &str) -> Image {
    let subject = Image { blobs: vec![], manifests: vec![subject.clone()], platforms: vec![] };
    images::referrer_of(&subject, artifact_type)
}

/// What cosign 2 pushes under `sha256-….sig`: a manifest whose layer is the signed payload.
fn cosign(subject: &str, payload: &str) -> Image {
    let config = Object::new("application/vnd.oci.image.config.v1+json", format!("{{\"about\":\"{subject}\"}}"));
    let layer = Object::new(COSIGN, payload.to_owned());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor()
    );
    Image { blobs: vec![config, layer], manifests: vec![Object::new(OCI, manifest)], platforms: vec![] }
}

fn tag_of(digest: &str) -> String {
    digest.replace(':', "-")
}

/// The fallback index of `subject` in `registry`, as its digests.
fn listed(registry: &Registry, repository: &str, subject: &str) -> BTreeSet<String> {
    let Some(digest) = registry.tag(repository, &tag_of(subject)) else { return BTreeSet::new() };
    let index: Value = serde_json::from_slice(&registry.manifest(repository, &digest).unwrap().bytes).unwrap();
    index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

fn seed_fallback(registry: &Registry, repository: &str, subject: &str, entries: &[&Object]) {
    let entries: Vec<String> = entries.iter().map(|entry| entry.descriptor()).collect();
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, entries.join(","));
    let index = Image { blobs: vec![], manifests: vec![Object::new(INDEX, index)], platforms: vec![] };
    registry.seed(&index, &format!("{repository}:{}", tag_of(subject)));
}

/// An image with a signature, an SBOM of one platform, a signature of that SBOM, and cosign's three tags.
struct Attached {
    image: Image,
    signature: Image,
    sbom: Image,
    sbom_signature: Image,
    tags: Vec<(String, Image)>,
}

fn attached() -> Attached {
    let image = images::three_platforms();
    let child = image.manifests.iter().find(|manifest| manifest.digest == image.child("linux/arm64")).unwrap().clone();
    let signature = about(image.root(), "application/vnd.cncf.notary.signature");
    let sbom = about(&child, "application/spdx+json");
    let sbom_signature = about(sbom.root(), "application/vnd.cncf.notary.signature");
    let tags = vec![
        (format!("{}.sig", tag_of(image.digest())), cosign(image.digest(), "signed index")),
        (format!("{}.att", tag_of(image.digest())), cosign(image.digest(), "attested index")),
        (format!("{}.sbom", tag_of(&child.digest)), cosign(&child.digest, "sbom of a child")),
    ];
    Attached { image, signature, sbom, sbom_signature, tags }
}

impl Attached {
    fn referrers(&self) -> [(&Image, String); 3] {
        let child = self.image.child("linux/arm64").to_owned();
        [
            (&self.signature, self.image.digest().to_owned()),
            (&self.sbom, child),
            (&self.sbom_signature, self.sbom.digest().to_owned()),
        ]
    }

    fn seed(&self, registry: &Registry, repository: &str, api: bool) {
        registry.seed(&self.image, &format!("{repository}:1"));
        registry.switch(|switches| switches.referrers = api.then_some(1));
        for (referrer, subject) in self.referrers() {
            registry.seed(referrer, repository);
            if !api {
                seed_fallback(registry, repository, &subject, &[referrer.root()]);
            }
        }
        for (tag, image) in &self.tags {
            registry.seed(image, &format!("{repository}:{tag}"));
        }
    }

    fn assert_arrived(&self, registry: &Registry, repository: &str, api: bool, context: &str) {
        for (referrer, subject) in self.referrers() {
            let arrived = registry.manifest(repository, referrer.digest());
            assert_eq!(arrived.map(|object| object.bytes), Some(referrer.root().bytes.clone()), "{context}");
            registry.is_whole(repository, referrer.digest()).unwrap();
            let expected = if api { BTreeSet::new() } else { BTreeSet::from([referrer.digest().to_owned()]) };
            assert_eq!(listed(registry, repository, &subject), expected, "{context}");
        }
        for (tag, image) in &self.tags {
            assert_eq!(registry.tag(repository, tag).as_deref(), Some(image.digest()), "{context}");
        }
        registry.everything_visible_is_whole().unwrap();
    }
}

#[tokio::test]
async fn attachments_come_along_with_and_without_the_referrers_api() {
    for (source_api, target_api) in [(true, true), (true, false), (false, true), (false, false)] {
        let context = format!("source API {source_api}, target API {target_api}");
        let (attached, source, target) = (attached(), Registry::start(), Registry::start());
        attached.seed(&source, "library/app", source_api);
        target.switch(|switches| switches.referrers = target_api.then_some(1));
        let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
        let outcome = run.succeeds().await;
        assert_eq!(outcome.output("digest"), attached.image.digest(), "{context}");
        attached.assert_arrived(&target, "mirror/app", target_api, &context);
        let json = outcome.json();
        let kinds: Vec<&str> = json["images"][0]["attachments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds.len(), 6, "{context}: {kinds:?}");
        for kind in ["signature", "sbom"] {
            assert!(kinds.contains(&kind), "{context}: {kinds:?}");
        }
        // The tag comes after everything that hangs on it.
        let last = target.log().into_iter().rfind(|request| request.method == "PUT").unwrap();
        assert!(last.path.ends_with("/manifests/1"), "{}", target.lines());

        source.reset();
        target.reset();
        assert_eq!(run.succeeds().await.output("changed"), "false");
        assert_eq!((source.requests(), target.requests()), (1, 1), "an unchanged image is not asked for attachments");
        target.reset();
        let deep = run.input("check", "deep").succeeds().await;
        assert_eq!((deep.output("changed"), target.writes()), ("false", 0), "{context}\n{deep}\n{}", target.lines());
    }
}

#[tokio::test]
async fn signatures_only_or_nothing_when_asked_for() {
    for (choice, expected) in [("signatures", 2), ("none", 0)] {
        let (attached, source, target) = (attached(), Registry::start(), Registry::start());
        attached.seed(&source, "a", true);
        let run = Run::copy(&source.name("a:1"), &target.name("b:1")).input("attachments", choice);
        let outcome = run.succeeds().await;
        let found = outcome.json()["images"][0]["attachments"].as_array().unwrap().len();
        // The index's signature and its cosign tag; the SBOM's signature stays behind with the SBOM.
        assert_eq!(found, expected, "{choice}\n{outcome}");
        if choice == "none" {
            assert_eq!(source.count("GET", "referrers"), 0);
            assert_eq!(source.count("HEAD", ".sig"), 0);
        }
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_never_taken_for_none() {
    for (path, what) in [
        ("/referrers/", What::status(500)),
        ("/referrers/", What::error(403, "DENIED", "no").header("www-authenticate", "Basic realm=\"r\"")),
        ("/referrers/", What::status(429)),
        ("/manifests/sha256-", What::status(500)),
        (".sig", What::status(500)),
    ] {
        let (attached, source, target) = (attached(), Registry::start(), Registry::start());
        attached.seed(&source, "a", path == "/referrers/");
        source.fault(Fault::on("*", path, what).always());
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).fails_with(1).await;
        assert_eq!(target.tag("b", "1"), None, "{path}\n{outcome}");
    }
}

#[tokio::test]
async fn answers_that_mean_no_such_api_lead_to_the_fallback_tag() {
    for what in [
        What::status(404),
        What::status(405),
        What::Redirect { to: "https://github.com/-/v2/packages".to_owned(), status: 303 },
    ] {
        let (attached, source, target) = (attached(), Registry::start(), Registry::start());
        attached.seed(&source, "a", false);
        source.fault(Fault::on("GET", "/referrers/", what).always());
        Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
        attached.assert_arrived(&target, "b", false, "no API");
    }
}

#[tokio::test]
async fn a_registry_that_answers_the_fallback_tag_with_the_image_itself_is_understood() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::three_platforms();
    source.seed(&image, "a:1");
    source.set_tag("a", &tag_of(image.digest()), image.digest());
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert_eq!(outcome.json()["images"][0]["attachments"].as_array().unwrap().len(), 0, "{outcome}");
}

#[tokio::test]
async fn entries_of_others_in_the_fallback_index_stay() {
    let (attached, source, target) = (attached(), Registry::start(), Registry::start());
    attached.seed(&source, "a", true);
    let theirs = about(attached.image.root(), "application/vnd.example.theirs");
    target.seed(&theirs, "b");
    seed_fallback(&target, "b", attached.image.digest(), &[theirs.root()]);
    Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    let expected = BTreeSet::from([theirs.digest().to_owned(), attached.signature.digest().to_owned()]);
    assert_eq!(listed(&target, "b", attached.image.digest()), expected);
}

#[tokio::test]
async fn two_runs_that_merge_one_fallback_index_lose_nothing() {
    for _ in 0..3 {
        let image = images::three_platforms();
        let target = Registry::start();
        // Slow enough for both to read before either writes.
        target.fault(Fault::on("*", format!("/manifests/{}", tag_of(image.digest())), What::Delay(60)).always());
        let copies = (0..2).map(|number| {
            let source = Registry::start();
            source.switch(|switches| switches.referrers = Some(10));
            source.seed(&image, "a:1");
            let referrer = about(image.root(), &format!("application/vnd.example.{number}"));
            source.seed(&referrer, "a");
            let run = Run::copy(&source.name("a:1"), &target.name(&format!("b:{number}")));
            async move {
                run.succeeds().await;
                drop(source);
                referrer.digest().to_owned()
            }
        });
        let expected: BTreeSet<String> = futures_util::future::join_all(copies).await.into_iter().collect();
        assert_eq!(listed(&target, "b", image.digest()), expected);
    }
}

#[tokio::test]
async fn a_signature_made_over_the_source_verifies_at_the_target() {
    use base64::Engine as _;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    };

    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();

    let (source, target) = (Registry::start(), Registry::start());
    let image = images::three_platforms();
    source.seed(&image, "a:1");
    // cosign's simple signing: the payload names the digest, the signature is an annotation of its layer.
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{}"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        source.name("a"),
        image.digest()
    );
    let signature = key.sign(&random, payload.as_bytes()).unwrap();
    let signature = base64::engine::general_purpose::STANDARD.encode(signature);
    let config = Object::new("application/vnd.oci.image.config.v1+json", "{}");
    let layer = Object::new(COSIGN, payload);
    let annotation = format!(r#", "annotations": {{"dev.cosignproject.cosign/signature": "{signature}"}}"#);
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor_with(&annotation)
    );
    let signed = Image { blobs: vec![config, layer], manifests: vec![Object::new(OCI, manifest)], platforms: vec![] };
    let tag = format!("{}.sig", tag_of(image.digest()));
    source.seed(&signed, &format!("a:{tag}"));

    Run::copy(&source.name("a:1"), &target.name("mirror/a:1")).succeeds().await;

    // As a cluster's policy does: from the digest at the target to the tag, the payload, the signature.
    let digest = target.tag("mirror/a", "1").unwrap();
    let found = target.tag("mirror/a", &format!("{}.sig", tag_of(&digest))).expect("the signature came along");
    let manifest: Value = serde_json::from_slice(&target.manifest("mirror/a", &found).unwrap().bytes).unwrap();
    let layer = &manifest["layers"][0];
    let payload = target.blob("mirror/a", layer["digest"].as_str().unwrap()).unwrap();
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref()).verify(&payload, &signature).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], digest);
}

#[tokio::test]
async fn a_deep_check_brings_what_was_added_and_what_was_lost() {
    let (attached, source, target) = (attached(), Registry::start(), Registry::start());
    source.seed(&attached.image, "a:1");
    let run = Run::copy(&source.name("a:1"), &target.name("b:1"));
    run.succeeds().await;
    // Signed after it was mirrored; and the target lost a layer and a platform.
    attached.seed(&source, "a", true);
    let lost = &attached.image.blobs[2].digest;
    assert!(target.forget("b", lost) && target.forget("b", attached.image.child("linux/arm/v7")));
    assert_eq!(run.succeeds().await.output("changed"), "false");
    target.reset();
    let outcome = run.clone().input("check", "deep").succeeds().await;
    assert_eq!(outcome.output("changed"), "true", "{outcome}");
    target.is_whole("b", "1").unwrap();
    attached.assert_arrived(&target, "b", false, "deep");
    for blob in attached.image.blobs.iter().filter(|blob| blob.digest != *lost) {
        let sent = target.count("PUT", &format!("digest={}", blob.digest.replace(':', "%3A")));
        assert_eq!(sent, 0, "what is there is not sent\n{}", target.lines());
    }
}

/// What a real registry lists as referrers of `subject`: by the API, else under the fallback tag.
async fn listed_by(registry: &real::RealRegistry, repository: &str, subject: &str) -> BTreeSet<String> {
    let base = format!("http://{}/v2/{repository}", registry.host());
    for path in [format!("referrers/{subject}"), format!("manifests/{}", tag_of(subject))] {
        let accept = "application/vnd.oci.image.index.v1+json";
        let answer =
            crate::support::client().get(format!("{base}/{path}")).header("accept", accept).send().await.unwrap();
        if answer.status().is_success() {
            let index: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            let entries = index["manifests"].as_array().cloned().unwrap_or_default();
            return entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
        }
    }
    BTreeSet::new()
}

#[tokio::test]
async fn olareg_with_and_without_the_referrers_api_gets_and_gives_the_same_attachments() {
    for (source_api, target_api) in [(true, true), (true, false), (false, true), (false, false)] {
        let context = format!("source API {source_api}, target API {target_api}");
        let (attached, double) = (attached(), Registry::start());
        attached.seed(&double, "library/app", true);
        let (first, second) = (real::olareg(source_api), real::olareg(target_api));
        for (source, target) in [
            (double.name("library/app:1"), first.name("mirror/app:1")),
            (first.name("mirror/app:1"), second.name("mirror/app:1")),
        ] {
            let run = Run::copy(&source, &target);
            let outcome = run.succeeds().await;
            assert_eq!(outcome.output("digest"), attached.image.digest(), "{context}");
            run.command("verify").succeeds().await;
        }
        for registry in [&first, &second] {
            for (referrer, subject) in attached.referrers() {
                let found = listed_by(registry, "mirror/app", &subject).await;
                assert_eq!(found, BTreeSet::from([referrer.digest().to_owned()]), "{context}: {subject}");
            }
        }
    }
}

/// Each is attached to the one before; the image is the first.
fn chain(image: &Image, length: usize) -> Vec<Image> {
    let mut all = vec![image.clone()];
    for number in 0..length {
        let last = all.last().unwrap().root().clone();
        all.push(about(&last, &format!("application/vnd.example.link{number}")));
    }
    all
}

#[tokio::test]
async fn what_hangs_too_far_from_an_image_is_left_behind_with_a_notice() {
    let left_behind = "what may hang on those is left behind";
    for (length, api) in [(4, true), (5, true), (4, false), (5, false), (7, true)] {
        let context = format!("{length} attachments, API {api}");
        let (source, target) = (Registry::start(), Registry::start());
        source.switch(|switches| switches.referrers = api.then_some(10));
        let chain = chain(&images::single(), length);
        source.seed(&chain[0], "library/app:1");
        for pair in chain.windows(2) {
            source.seed(&pair[1], "library/app");
            if !api {
                seed_fallback(&source, "library/app", pair[0].digest(), &[pair[1].root()]);
            }
        }
        let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
        let outcome = run.succeeds().await;
        let arrived = chain[1..].iter().filter(|link| target.manifest("mirror/app", link.digest()).is_some()).count();
        assert_eq!(arrived, 4, "{context}\n{outcome}");
        let notices = outcome.json()["images"][0]["notices"].to_string();
        assert_eq!(notices.matches(left_behind).count(), usize::from(length > 4), "{context}\n{outcome}");
        assert_eq!(outcome.summary.contains(left_behind), length > 4, "{context}");
    }
}

/// Two sources of one digest may have different attachments. Of one tag the target has that of the source which stands first
/// in the list, whichever comes first, and both are told; of a list it has all entries.
#[tokio::test]
async fn where_two_sources_of_one_image_differ_the_first_has_the_tag_and_all_are_listed() {
    // Which of the two answers late.
    for late in [0, 1] {
        let (sources, target) = ([Registry::start(), Registry::start()], Registry::start());
        let image = images::single();
        let sig = format!("{}.sig", tag_of(image.digest()));
        let of = |number: usize| {
            let referrer = about(image.root(), &format!("application/vnd.example.of-{number}"));
            (cosign(image.digest(), &format!("signed by {number}")), referrer)
        };
        for (number, source) in sources.iter().enumerate() {
            let (signature, referrer) = of(number);
            source.seed(&image, "library/app:1");
            source.seed(&signature, &format!("library/app:{sig}"));
            source.seed(&referrer, "library/app");
            seed_fallback(source, "library/app", image.digest(), &[referrer.root()]);
        }
        let other = sources[1 - late].tag("library/app", "1");
        assert!(other.is_some());
        sources[late].fault(Fault::on("*", "", What::Delay(700)).always());
        let line = |number: usize| {
            format!("{} => {}", sources[number].name("library/app:1"), target.name(&format!("m/app:{number}")))
        };
        let run = Run::new().input("images", &format!("{}\n{}", line(0), line(1))).input("patience", "60s");
        let outcome = run.succeeds().await;
        let ((first, one), (second, two)) = (of(0), of(1));
        assert_eq!(target.tag("m/app", &sig).as_deref(), Some(first.digest()), "{late}\n{outcome}");
        let said = format!(
            "`{sig}` is {} at {} and {} at {}: the target has the first",
            first.digest(),
            sources[0].name(&format!("library/app:{sig}")),
            second.digest(),
            sources[1].name(&format!("library/app:{sig}"))
        );
        assert!(outcome.says(&said), "{late}: {said}\n{outcome}");
        let expected = BTreeSet::from([one.digest().to_owned(), two.digest().to_owned()]);
        assert_eq!(listed(&target, "m/app", image.digest()), expected, "{late}\n{outcome}");
        target.everything_visible_is_whole().unwrap();
    }
}
