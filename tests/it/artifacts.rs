//! Artifacts as what they are: sigstore's bundles by what is in them, and what names a subject listed under it, also where
//! it is not an attachment that is copied but the image itself.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::images::{self, EMPTY, Image, OCI_INDEX, OCI_MANIFEST, Object};
use crate::support::{Fault, Registry, Run, What};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

fn tag_of(digest: &str) -> String {
    digest.replace(':', "-")
}

/// A bundle about `subject`, as cosign 3 pushes it: what it holds, and what its annotations say of that.
fn bundle(subject: &Image, content: &Value, annotations: &Value) -> Image {
    let config = Object::new(EMPTY, "{}");
    let layer = Object::new(BUNDLE, content.to_string());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{BUNDLE}","config":{},"layers":[{}],"subject":{},"annotations":{annotations}}}"#,
        config.descriptor(),
        layer.descriptor(),
        subject.root().descriptor()
    );
    Image { blobs: vec![config, layer], manifests: vec![Object::new(OCI_MANIFEST, manifest)], platforms: vec![] }
}

fn envelope(predicate: &str) -> Value {
    let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate }).to_string();
    let payload = base64::engine::general_purpose::STANDARD.encode(statement);
    json!({ "mediaType": BUNDLE, "dsseEnvelope": { "payload": payload, "payloadType": "application/vnd.in-toto+json" } })
}

fn says(predicate: &str) -> Value {
    json!({ "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate })
}

#[tokio::test]
async fn bundles_are_told_by_their_predicate_and_signatures_among_them_stay() {
    let message = json!({ "mediaType": BUNDLE, "messageSignature": { "signature": "eA==" } });
    for (name, content, annotations, kind) in [
        ("cosign 3", envelope(SIGN), says(SIGN), "signature"),
        ("cosign 3 without annotations", envelope(SIGN), json!({}), "signature"),
        ("half of them", envelope(SIGN), json!({ "dev.sigstore.bundle.content": "dsse-envelope" }), "signature"),
        ("a message's signature", message, json!({}), "signature"),
        ("nothing that can be read", json!("?"), json!({}), "signature"),
        ("provenance", envelope(PROVENANCE), says(PROVENANCE), "attestation"),
        ("provenance without annotations", envelope(PROVENANCE), json!({}), "attestation"),
    ] {
        for api in [true, false] {
            let (source, target, image) = (Registry::start(), Registry::start(), images::single());
            source.switch(|switches| switches.referrers = api.then_some(10));
            source.seed(&image, "a:1");
            let bundle = bundle(&image, &content, &annotations);
            source.seed(&bundle, "a");
            if !api {
                let entry = bundle.root().descriptor();
                let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entry}]}}"#);
                source.seed(&images::raw(OCI_INDEX, index, vec![]), &format!("a:{}", tag_of(image.digest())));
            }
            let run = Run::copy(&source.name("a:1"), &target.name("b:1"));
            let outcome = run.clone().input("attachments", "signatures").succeeds().await;
            let is_kept = target.manifest("b", bundle.digest()).is_some();
            assert_eq!(is_kept, kind == "signature", "{name}, API {api}\n{outcome}");
            let all = Run::copy(&source.name("a:1"), &target.name("c:1")).succeeds().await;
            assert_eq!(all.json()["images"][0]["attachments"][0]["kind"], kind, "{name}, API {api}\n{all}");
            assert!(target.manifest("c", bundle.digest()).is_some(), "{name}");
        }
    }
}

/// What is listed under the fallback tag of `subject`.
fn listed(registry: &Registry, repository: &str, subject: &str) -> BTreeSet<String> {
    let Some(digest) = registry.tag(repository, &tag_of(subject)) else { return BTreeSet::new() };
    let index: Value = serde_json::from_slice(&registry.manifest(repository, &digest).unwrap().bytes).unwrap();
    index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_artifact_that_is_mirrored_by_itself_is_listed_under_its_subject() {
    for (api, by_digest) in [(false, false), (false, true), (true, false)] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        target.switch(|switches| switches.referrers = api.then_some(10));
        let sbom = images::referrer_of(&image, "application/spdx+json");
        source.seed(&sbom, "a:sbom");
        let reference = if by_digest { format!("a@{}", sbom.digest()) } else { "a:sbom".to_owned() };
        let run = Run::copy(&source.name(&reference), &target.name("b"));
        let outcome = run.succeeds().await;
        let expected = if api { BTreeSet::new() } else { BTreeSet::from([sbom.digest().to_owned()]) };
        assert_eq!(listed(&target, "b", image.digest()), expected, "{reference}, API {api}\n{outcome}");
        if !by_digest {
            // Listed before it is visible.
            let last = target.log().into_iter().rfind(|request| request.method == "PUT").unwrap();
            assert!(last.path.ends_with("/manifests/sbom"), "{}", target.lines());
        }
        target.reset();
        let again = run.clone().input("check", "deep").succeeds().await;
        assert_eq!((again.output("changed"), target.writes()), ("false", 0), "{again}\n{}", target.lines());
        if !api && !by_digest {
            let verify = Run::copy(&source.name(&reference), &target.name("b:sbom")).command("verify");
            verify.succeeds().await;
            // A list that was lost is written again.
            target.forget("b", &target.tag("b", &tag_of(image.digest())).unwrap());
            assert!(verify.fails_with(1).await.says("no list says so"));
            run.clone().input("check", "deep").succeeds().await;
            assert_eq!(listed(&target, "b", image.digest()), expected, "{}", target.lines());
        }
    }
}

#[tokio::test]
async fn children_of_an_index_that_name_a_subject_are_listed_under_it() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    let children = ["application/spdx+json", "application/vnd.example"].map(|kind| images::referrer_of(&image, kind));
    let entries = children.each_ref().map(|child| child.root().descriptor()).join(",");
    let mut index = images::raw(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#), vec![]);
    for child in &children {
        index.blobs.extend(child.blobs.clone());
        index.manifests.insert(0, child.root().clone());
    }
    source.seed(&index, "a:1");
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    let expected: BTreeSet<String> = children.iter().map(|child| child.digest().to_owned()).collect();
    assert_eq!(listed(&target, "b", image.digest()), expected, "{outcome}");
}

#[tokio::test]
async fn what_is_found_by_cosigns_tag_and_names_a_subject_is_listed_under_it_too() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.seed(&image, "a:1");
    let signature = images::referrer_of(&image, "application/vnd.dev.cosign.artifact.sig.v1+json");
    source.seed(&signature, &format!("a:{}.sig", tag_of(image.digest())));
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert_eq!(
        listed(&target, "b", image.digest()),
        BTreeSet::from([signature.digest().to_owned()]),
        "{outcome}\n{}",
        target.lines()
    );
}

#[tokio::test]
async fn a_manifest_known_by_its_cosign_tag_only_is_fetched_by_it() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.seed(&image, "a:1");
    let signature = images::release(3);
    source.seed(&signature, &format!("a:{}.sig", tag_of(image.digest())));
    let unknown = What::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    source.fault(Fault::on("GET", format!("/manifests/{}", signature.digest()), unknown).always());
    Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert!(target.manifest("b", signature.digest()).is_some());
}
