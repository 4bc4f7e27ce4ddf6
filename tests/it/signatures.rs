//! Signed as it should be, before the first byte is written: what proves who has made an image, and what does not.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::images::{self, Image, OCI_MANIFEST, Object};
use crate::support::sigstore::{BUNDLE, Certified, Instance, Key, Logged, SIGN, payload, payload_as, statement};
use crate::support::{Fault, Registry, Run, What};

const WORKFLOW: &str = "https://github.com/octo/images/.github/workflows/build.yml@refs/heads/main";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const LATER: i64 = crate::support::sigstore::SIGNED_AT + 600;

const OCTO: Certified = Certified { identity: WORKFLOW, issuer: ACTIONS, until: LATER, has_timestamp: true };

/// What real cosign has made (`scripts/signatures --write`): keys, tags and everything below them.
fn made_by_cosign() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/signatures/cosign.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Puts all of it into a registry; what names a subject is listed under the fallback tag too, as cosign lists it where there is no
/// referrers API.
fn seed_cosign(registry: &Registry, made: &Value) {
    for (repository, blobs) in made["blobs"].as_object().unwrap() {
        for (digest, text) in blobs.as_object().unwrap() {
            let text = text.as_str().unwrap();
            assert_eq!(images::sha256(text.as_bytes()), *digest);
            let media_type = serde_json::from_str::<Value>(text).ok().and_then(|json| {
                let is_manifest = json["schemaVersion"].is_number();
                is_manifest.then(|| json["mediaType"].as_str().unwrap().to_owned())
            });
            registry.set_bytes(repository, digest, media_type.as_deref(), text.to_owned());
        }
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (digest, text) in blobs.as_object().unwrap() {
            let json: Value = serde_json::from_str(text.as_str().unwrap()).unwrap_or_default();
            let Some(subject) = json["subject"]["digest"].as_str() else { continue };
            let size = text.as_str().unwrap().len();
            let entry = json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": size });
            lists.entry(subject.replace(':', "-")).or_default().push(entry.to_string());
        }
        for (tag, entries) in lists {
            let index = format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
                images::OCI_INDEX,
                entries.join(",")
            );
            registry.seed(&images::raw(images::OCI_INDEX, index, vec![]), &format!("{repository}:{tag}"));
        }
        for (tag, digest) in made["tags"][repository].as_object().unwrap() {
            registry.set_tag(repository, tag, digest.as_str().unwrap());
        }
    }
}

fn workspace(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn below(run: Run, workspace: &Path) -> Run {
    run.env("GITHUB_WORKSPACE", &workspace.display().to_string())
}

/// A manifest that names `subject` and has `layer`.
fn referrer(subject: &Object, artifact_type: &str, layer: &Object) -> Image {
    let config = Object::new(images::EMPTY, "{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{artifact_type}","config":{},"layers":[{}],"subject":{}}}"#,
        config.descriptor(),
        layer.descriptor(),
        subject.descriptor()
    );
    Image {
        blobs: vec![config, layer.clone()],
        manifests: vec![Object::new(OCI_MANIFEST, manifest)],
        platforms: vec![],
    }
}

pub fn bundled(subject: &Object, bundle: &Value) -> Image {
    referrer(subject, BUNDLE, &Object::new(BUNDLE, bundle.to_string()))
}

/// A manifest as cosign 2 puts it under a tag: payloads, each with what is written beside it.
fn tagged(signatures: &[(String, Value)]) -> Image {
    let config = Object::new("application/vnd.oci.image.config.v1+json", "{}");
    let layers: Vec<Object> =
        signatures.iter().map(|(payload, _)| Object::new(SIMPLE_SIGNING, payload.clone())).collect();
    let descriptors: Vec<String> = layers
        .iter()
        .zip(signatures)
        .map(|(layer, (_, marks))| layer.descriptor_with(&format!(r#","annotations":{marks}"#)))
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        descriptors.join(",")
    );
    let blobs = [vec![config], layers].concat();
    Image { blobs, manifests: vec![Object::new(OCI_MANIFEST, manifest)], platforms: vec![] }
}

fn sig(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

fn keyless(run: Run) -> Run {
    run.input("verify-identity", "/https://github\\.com/octo/images/.*/")
        .input("verify-issuer", ACTIONS)
        .input("trusted-root", "root.json")
}

#[tokio::test]
async fn keys_of_cosign_are_held_against_its_signatures_in_both_forms() {
    let made = made_by_cosign();
    let key = |name: &str| made["keys"][name].as_str().unwrap().to_owned();
    let files = workspace(&[("p256.pub", &key("p256")), ("other.pub", &key("other"))]);
    for api in [None, Some(100)] {
        let (source, target) = (Registry::start(), Registry::start());
        source.switch(|switches| switches.referrers = api);
        seed_cosign(&source, &made);
        for (repository, keys, log, kind) in [
            ("tag-p256", "p256", "ignore", "cosign-tag"),
            ("tag-p384", "p384", "ignore", "cosign-tag"),
            ("tag-rsa", "rsa", "ignore", "cosign-tag"),
            ("bundle-p256", "p256", "ignore", "bundle"),
            ("bundle-p384", "p384", "ignore", "bundle"),
            ("bundle-rsa", "rsa", "ignore", "bundle"),
        ] {
            let copy = Run::copy(&source.name(&format!("{repository}:1")), &target.name(repository));
            let several = format!("{}{}", key("other"), key(keys));
            let outcome = copy.input("verify-key", &several).input("verify-log", log).succeeds().await;
            let verified = &outcome.json()["images"][0]["verified"];
            assert_eq!(verified["kind"], kind, "{repository}");
            assert!(verified["key"].as_str().unwrap().starts_with("sha256:"), "{verified}");
        }
        for (repository, file, log, sentences) in [
            ("tag-p256", "other.pub", "ignore", &["no key of the policy has made it"][..]),
            ("bundle-p256", "other.pub", "ignore", &["no key of the policy has made it"]),
            ("tag-p256", "p256.pub", "require", &["it has no entry of a transparency log", "verify-log: ignore"]),
            ("bundle-p256", "p256.pub", "require", &["it has no entry of a transparency log", "verify-log: ignore"]),
            ("unsigned", "p256.pub", "ignore", &["found no signature"]),
            ("child", "p256.pub", "ignore", &["found no signature"]),
            ("attestation", "p256.pub", "ignore", &["it is an attestation (`https://slsa.dev/provenance/v0.2`)"]),
            ("moved", "p256.pub", "ignore", &["it signs sha256:", "another image"]),
        ] {
            target.reset();
            let copy = Run::copy(&source.name(&format!("{repository}:1")), &target.name(&format!("no-{repository}")));
            let copy = below(copy.input("verify-key", file).input("verify-log", log), files.path());
            let outcome = copy.fails_with(1).await;
            for sentence in sentences {
                assert!(outcome.says(sentence), "{repository}: {sentence}\n{outcome}");
            }
            assert!(outcome.says("nothing was written"), "{outcome}");
            assert_eq!((target.writes(), target.tags(&format!("no-{repository}")).len()), (0, 0));
        }
        // A person is told, and a job's log has it, of one image and of many.
        let copy = [source.name("tag-p256:1"), target.name("told")];
        let policy = [format!("--verify-key={}", key("p256")), "--verify-log=ignore".to_owned()];
        let line = ["copy", &copy[0], &copy[1], &policy[0], &policy[1]];
        let outcome = Run::line(&line).unhurried().run().await;
        assert!(outcome.code == 0 && outcome.says("\n  signed by sha256:"), "{outcome}");
        for (to, run) in [("shell", Run::line(&[]).arg("copy")), ("many", Run::new())] {
            let target = |number| target.name(&format!("{to}:{number}"));
            let lines: String =
                (0..7).map(|number| format!("{} => {}\n", source.name("tag-p256:1"), target(number))).collect();
            let run = run.input("images", &lines).input("verify-key", &key("p256")).input("verify-log", "ignore");
            let outcome = run.unhurried().run().await;
            assert!(outcome.code == 0 && outcome.says(" · 7 signed as wanted · "), "{outcome}");
        }
        let job = Run::copy(&copy[0], &target.name("job")).input("verify-key", &key("p256"));
        let outcome = job.input("verify-log", "ignore").succeeds().await;
        assert!(outcome.says("\nsigned by sha256:"), "{outcome}");
        // One platform may have its own.
        let child = Run::copy(&source.name("child:1"), &target.name("one")).input("platforms", "linux/amd64");
        let child = child.input("verify-key", &key("p256")).input("verify-log", "ignore");
        child.succeeds().await;
    }
}

#[tokio::test]
async fn who_has_signed_by_certificate_is_proven_and_what_does_not_prove_it_has_a_sentence_of_its_own() {
    let (instance, stranger, key) = (Instance::new(), Instance::new(), Key::new());
    let files = workspace(&[("root.json", &instance.trusted_root())]);
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    let image = images::three_platforms();
    let digest = image.digest().to_owned();
    let sign = statement(&digest, SIGN);
    let other = format!("sha256:{}", "a".repeat(64));
    let evil = "https://github.com/octo/images-evil/.github/workflows/build.yml@refs/heads/main";
    let bundle = |says: &Certified, statement: &str, logged| instance.bundle(&key, Some(says), statement, logged);
    let mut tampered = bundle(&OCTO, &sign, Logged::Yes);
    let changed = sign.replace("\"predicate\":{}", "\"predicate\":{\"a\":1}");
    tampered["dsseEnvelope"]["payload"] = json!(base64(&changed));
    let mut deep = "[".repeat(100_000);
    deep.push_str(&"]".repeat(100_000));
    let rows: Vec<(&str, Image, Option<&str>)> = vec![
        ("good", bundled(image.root(), &bundle(&OCTO, &sign, Logged::Yes)), None),
        ("tampered", bundled(image.root(), &tampered), Some("it does not fit what it signs")),
        ("other", bundled(image.root(), &bundle(&OCTO, &statement(&other, SIGN), Logged::Yes)), Some("another image")),
        (
            "child",
            bundled(image.root(), &bundle(&OCTO, &statement(image.child("linux/amd64"), SIGN), Logged::Yes)),
            Some("another image"),
        ),
        (
            "expired",
            bundled(image.root(), &bundle(&Certified { until: LATER - 605, ..OCTO }, &sign, Logged::Yes)),
            Some("its certificate was not valid when it was made"),
        ),
        (
            "issuer",
            bundled(image.root(), &bundle(&Certified { issuer: "https://evil.example", ..OCTO }, &sign, Logged::Yes)),
            Some("the policy names another issuer"),
        ),
        (
            "prefix",
            bundled(image.root(), &bundle(&Certified { identity: evil, ..OCTO }, &sign, Logged::Yes)),
            Some("the policy names another identity"),
        ),
        (
            "no-log",
            bundled(image.root(), &bundle(&OCTO, &sign, Logged::No)),
            Some("it has no entry of a transparency log"),
        ),
        (
            "forged-log",
            bundled(image.root(), &bundle(&OCTO, &sign, Logged::Forged)),
            Some("its entry of the transparency log does not hold"),
        ),
        (
            "log-of-another",
            bundled(image.root(), &bundle(&OCTO, &sign, Logged::Other)),
            Some("its entry of the transparency log does not hold"),
        ),
        (
            "stranger",
            bundled(image.root(), &stranger.bundle(&key, Some(&OCTO), &sign, Logged::Yes)),
            Some("does not hold"),
        ),
        (
            "no-certificate-log",
            bundled(image.root(), &bundle(&Certified { has_timestamp: false, ..OCTO }, &sign, Logged::Yes)),
            Some("its certificate is of no use"),
        ),
        (
            "attestation",
            bundled(image.root(), &bundle(&OCTO, &statement(&digest, "https://slsa.dev/provenance/v1"), Logged::Yes)),
            Some("it is an attestation (`https://slsa.dev/provenance/v1`) and no signature"),
        ),
        (
            "by-key",
            bundled(image.root(), &instance.bundle(&key, None, &sign, Logged::Yes)),
            Some("it was made with a key, and the policy names an identity"),
        ),
        ("deep", referrer(image.root(), BUNDLE, &Object::new(BUNDLE, deep)), Some("it cannot be read")),
        ("empty", referrer(image.root(), BUNDLE, &Object::new(BUNDLE, "")), Some("it cannot be read")),
        (
            "notation",
            images::referrer_of(&image, "application/vnd.cncf.notary.signature"),
            Some("a Notation signature, which is found and not checked"),
        ),
    ];
    for (name, attached, sentence) in rows {
        source.seed(&image, &format!("{name}:1"));
        source.seed(&attached, name);
        target.reset();
        let copy = Run::copy(&source.name(&format!("{name}:1")), &target.name(&format!("{name}:1")));
        let copy = below(keyless(copy), files.path());
        let Some(sentence) = sentence else {
            let outcome = copy.succeeds().await;
            let verified = &outcome.json()["images"][0]["verified"];
            assert_eq!(verified["identity"], WORKFLOW, "{verified}");
            assert_eq!(verified["issuer"], ACTIONS);
            assert_eq!(verified["signed_at"], "2023-11-14T22:13:20Z");
            assert_eq!((&verified["kind"], &verified["subject"]), (&json!("bundle"), &json!(digest)));
            assert!(outcome.summary.contains("signed by"), "{}", outcome.summary);
            continue;
        };
        let outcome = copy.fails_with(1).await;
        assert!(outcome.says(sentence) && outcome.says("found 1 signature"), "{name}: {sentence}\n{outcome}");
        assert_eq!(target.writes(), 0, "{name}");
    }
}

#[tokio::test]
async fn what_cosign_2_wrote_is_read_with_its_certificate_and_its_log() {
    let (instance, stranger, key) = (Instance::new(), Instance::new(), Key::new());
    let files = workspace(&[("root.json", &instance.trusted_root()), ("key.pub", &key.pem())]);
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::single();
    let digest = image.digest().to_owned();
    let good = payload(&digest);
    let other = payload(&format!("sha256:{}", "b".repeat(64)));
    let by = |says: Option<&Certified>, payload: &str, logged| instance.marks(&key, says, payload, logged);
    let mut no_signature = by(Some(&OCTO), &good, Logged::Yes);
    no_signature.as_object_mut().unwrap().remove("dev.cosignproject.cosign/signature");
    for (name, by_key, signature, sentence) in [
        ("keyless", false, (good.clone(), by(Some(&OCTO), &good, Logged::Yes)), None),
        ("key", true, (good.clone(), by(None, &good, Logged::Yes)), None),
        ("key-unlogged", true, (good.clone(), by(None, &good, Logged::No)), Some("no entry of a transparency log")),
        ("key-forged", true, (good.clone(), by(None, &good, Logged::Forged)), Some("does not hold")),
        ("key-of-another", true, (good.clone(), by(None, &good, Logged::Other)), Some("it does not fit what it signs")),
        ("other", false, (other.clone(), by(Some(&OCTO), &other, Logged::Yes)), Some("another image")),
        // The signature of another payload beside this image's.
        ("swapped", false, (good.clone(), by(Some(&OCTO), &other, Logged::Yes)), Some("it does not fit what it signs")),
        ("swapped-key", true, (good.clone(), by(None, &other, Logged::Yes)), Some("no key of the policy has made it")),
        ("unlogged", false, (good.clone(), by(Some(&OCTO), &good, Logged::No)), Some("no entry of a transparency log")),
        ("forged", false, (good.clone(), by(Some(&OCTO), &good, Logged::Forged)), Some("does not hold")),
        (
            "stranger",
            false,
            (good.clone(), stranger.marks(&key, Some(&OCTO), &good, Logged::Yes)),
            Some("does not hold"),
        ),
        ("none", false, (good.clone(), no_signature), Some("found no signature")),
    ] {
        source.seed(&image, &format!("{name}:1"));
        source.seed(&tagged(&[signature]), &format!("{name}:{}", sig(&digest)));
        target.reset();
        let copy = Run::copy(&source.name(&format!("{name}:1")), &target.name(&format!("{name}:1")));
        let copy =
            if by_key { copy.input("verify-key", "key.pub").input("trusted-root", "root.json") } else { keyless(copy) };
        let copy = below(copy, files.path());
        let Some(sentence) = sentence else {
            let outcome = copy.succeeds().await;
            let verified = outcome.json()["images"][0]["verified"].clone();
            assert_eq!(verified["kind"], "cosign-tag", "{name}");
            assert_eq!(verified["signed_at"], "2023-11-14T22:13:20Z", "{name}");
            continue;
        };
        let outcome = copy.fails_with(1).await;
        assert!(outcome.says(sentence), "{name}: {sentence}\n{outcome}");
        assert_eq!(target.writes(), 0, "{name}");
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Requests to read the source, as they are.
fn reads(registry: &Registry) -> Vec<String> {
    registry.log().iter().map(crate::support::registry::Recorded::line).collect()
}

#[tokio::test]
async fn what_the_check_has_asked_the_copy_does_not_ask_again() {
    let (instance, key) = (Instance::new(), Key::new());
    let files = workspace(&[("key.pub", &key.pem())]);
    let image = images::three_platforms();
    let bundle = bundled(image.root(), &instance.bundle(&key, None, &statement(image.digest(), SIGN), Logged::No));
    let tag =
        tagged(&[(payload(image.digest()), instance.marks(&Key::new(), None, &payload(image.digest()), Logged::No))]);
    for api in [None, Some(100)] {
        let mut asked = vec![];
        for checks in [false, true] {
            let (source, target) = (Registry::start(), Registry::start());
            source.switch(|switches| switches.referrers = api);
            target.switch(|switches| switches.referrers = Some(100));
            source.seed(&image, "app:1");
            source.seed(&bundle, "app");
            source.seed(&tag, &format!("app:{}", sig(image.digest())));
            if api.is_none() {
                let entry = bundle.root().descriptor();
                let index = format!(
                    r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{entry}]}}"#
                );
                let index = images::raw("application/vnd.oci.image.index.v1+json", index, vec![]);
                source.seed(&index, &format!("app:{}", image.digest().replace(':', "-")));
            }
            let mut copy = Run::copy(&source.name("app:1"), &target.name("app"));
            if checks {
                copy = below(copy.input("verify-key", "key.pub").input("verify-log", "ignore"), files.path());
            }
            copy.succeeds().await;
            let mut lines = reads(&source);
            lines.sort();
            asked.push(lines);
        }
        let [without, with] = &asked[..] else { unreachable!() };
        assert_eq!(without, with, "the check asks for nothing that the copy does not ask for");
        let mut once = with.clone();
        once.dedup();
        assert_eq!(once.len(), with.len(), "and nothing is asked twice: {with:#?}");
    }
}

#[tokio::test]
async fn of_many_and_of_huge_signatures_a_bounded_part_is_looked_at() {
    let (instance, key) = (Instance::new(), Key::new());
    let files = workspace(&[("key.pub", &key.pem())]);
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    let image = images::single();
    let by = |key: &Key| instance.marks(key, None, &payload(image.digest()), Logged::No);
    // The right one stands behind a thousand others.
    let stranger = by(&Key::new());
    let mut many = vec![(payload(image.digest()), stranger); 1_001];
    many.push((payload(image.digest()), by(&key)));
    source.seed(&image, "many:1");
    source.seed(&tagged(&many), &format!("many:{}", sig(image.digest())));
    let huge = Object::new(BUNDLE, vec![b' '; 50 << 20]);
    source.seed(&image, "huge:1");
    source.seed(&referrer(image.root(), BUNDLE, &huge), "huge");
    for (name, sentences) in [
        ("many", &["found 1000 signatures", "and 990 more", "no more are looked at than 1000"][..]),
        ("huge", &["it has 52428800 bytes, more than the 4194304 that are read"]),
    ] {
        source.reset();
        let copy = Run::copy(&source.name(&format!("{name}:1")), &target.name(name));
        let copy = below(copy.input("verify-key", "key.pub").input("verify-log", "ignore"), files.path());
        let outcome = copy.fails_with(1).await;
        for sentence in sentences {
            assert!(outcome.says(sentence), "{name}: {sentence}\n{outcome}");
        }
        assert_eq!(target.writes(), 0);
        // The payload of all of them is one blob.
        assert!(source.requests() < 12, "{}", source.lines());
    }
    assert_eq!(source.count("GET", &huge.digest), 0, "what is too large is not read");
}

#[tokio::test]
async fn the_first_rule_of_a_list_that_fits_an_image_counts() {
    let (instance, key) = (Instance::new(), Key::new());
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    let image = images::single();
    let bundle = bundled(image.root(), &instance.bundle(&key, None, &statement(image.digest(), SIGN), Logged::No));
    for repository in ["signed/a", "unsigned/b", "free/c", "watched/d"] {
        source.seed(&image, &format!("{repository}:1"));
    }
    source.seed(&bundle, "signed/a");
    let host = source.host();
    let list = format!(
        "policies:\n  own: {{ key: key.pub, log: ignore }}\nverify:\n  - {{ images: '{host}/free/**', mode: off }}\n  \
         - {{ images: '{host}/watched/*', policy: own, mode: warn }}\n  - {{ images: '{host}/*igned/**', policy: own }}\n  \
         - {{ images: '**', mode: require }}\nimages:\n  - {host}/signed/a:1\n  - {host}/unsigned/b:1\n  - {host}/free/c:1\n  \
         - {host}/watched/d:1\n"
    );
    let files = workspace(&[("images.yml", &list), ("key.pub", &key.pem())]);
    let run = Run::new().command("copy").input("config", "images.yml").input("target", &target.name("m/{repository}"));
    let outcome = below(run, files.path()).fails_with(1).await;
    let json = outcome.json();
    let of = |name: &str| {
        let images = json["images"].as_array().unwrap();
        images.iter().find(|image| image["source"].as_str().unwrap().contains(name)).unwrap().clone()
    };
    assert_eq!((&of("signed/a")["result"], &of("signed/a")["verified"]["policy"]), (&json!("copied"), &json!("own")));
    assert_eq!(of("unsigned/b")["result"], "failed");
    assert!(outcome.says("is not signed as policy `own` wants: found no signature"), "{outcome}");
    assert_eq!(of("free/c")["result"], "copied");
    assert_eq!(of("watched/d")["result"], "copied");
    let notices = of("watched/d")["notices"].to_string();
    assert!(notices.contains("is not signed as policy `own` wants"), "{notices}");
    assert!(outcome.summary.contains("| Signed |"), "{}", outcome.summary);
    assert!(outcome.summary.contains("not signed as wanted"), "{}", outcome.summary);
    assert_eq!(target.tags("m/unsigned/b").len(), 0);
    // What no rule but the last is for is not let in.
    let list = format!("verify:\n  - {{ images: '**', mode: require }}\nimages: [{host}/signed/a:1]\n");
    std::fs::write(files.path().join("images.yml"), list).unwrap();
    let run = Run::new().command("copy").input("config", "images.yml").input("target", &target.name("n/{repository}"));
    let outcome = below(run, files.path()).fails_with(1).await;
    assert!(outcome.says("has no policy, and what has none is not let in"), "{outcome}");
}

#[tokio::test]
async fn an_unchanged_tag_is_looked_at_again_only_deeply_or_where_the_lock_knows_another_policy() {
    let (instance, key, second) = (Instance::new(), Key::new(), Key::new());
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    target.switch(|switches| switches.referrers = Some(100));
    let image = images::single();
    source.seed(&image, "app:1");
    let signed =
        |key: &Key| bundled(image.root(), &instance.bundle(key, None, &statement(image.digest(), SIGN), Logged::No));
    source.seed(&signed(&key), "app");
    let list = |key: &str| {
        format!(
            "policies:\n  own: {{ key: {key}, log: ignore }}\nverify:\n  - {{ images: '**', policy: own }}\nimages:\n  - {}\n",
            source.name("app:1")
        )
    };
    let files = workspace(&[("images.yml", &list("key.pub")), ("key.pub", &key.pem()), ("second.pub", &second.pem())]);
    let run = || {
        let run = Run::new().command("copy").input("config", "images.yml").input("lock", "images.lock");
        below(run.input("target", &target.name("app")), files.path())
    };
    let lock = || std::fs::read_to_string(files.path().join("images.lock")).unwrap();
    run().succeeds().await;
    let first = lock();
    assert!(first.contains(" policy:"), "{first}");
    let asked = |registry: &Registry| registry.count("GET", "/referrers/") + registry.count("GET", ".sig");
    source.reset();
    let outcome = run().succeeds().await;
    assert_eq!(outcome.json()["images"][0]["result"], "unchanged");
    assert_eq!((asked(&source), source.requests()), (0, 1), "{}", source.lines());
    assert!(outcome.says("its signature was checked when it was copied, and it is unchanged"), "{outcome}");
    source.reset();
    run().input("check", "deep").succeeds().await;
    assert!(asked(&source) > 0, "a deep check looks again");
    // Another policy: what is there is looked at by it, and nobody has signed so.
    std::fs::write(files.path().join("images.yml"), list("second.pub")).unwrap();
    let outcome = run().fails_with(1).await;
    assert!(outcome.says("no key of the policy has made it"), "{outcome}");
    assert_eq!(lock(), first, "what was not let in is not noted");
    source.seed(&signed(&second), "app");
    let outcome = run().succeeds().await;
    assert_eq!(outcome.json()["images"][0]["result"], "unchanged");
    assert_eq!(outcome.json()["images"][0]["verified"]["policy"], "own");
    assert_ne!(lock(), first);
    source.reset();
    run().succeeds().await;
    assert_eq!(asked(&source), 0);
}

#[tokio::test]
async fn what_one_platform_is_signed_by_is_not_noted_of_the_index_that_nobody_has_signed() {
    let (instance, key) = (Instance::new(), Key::new());
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    let image = images::three_platforms();
    source.seed(&image, "app:1");
    let child = image.manifests.iter().find(|manifest| manifest.digest == image.child("linux/amd64")).unwrap();
    let statement = statement(&child.digest, SIGN);
    source.seed(&bundled(child, &instance.bundle(&key, None, &statement, Logged::No)), "app");
    // The whole of it came to the target before there was a policy.
    Run::copy(&source.name("app:1"), &target.name("whole:1")).succeeds().await;
    let list = |platforms: &str| {
        format!(
            "policies:\n  own: {{ key: key.pub, log: ignore }}\nverify:\n  - {{ images: '**', policy: own }}\nimages:\n  - {{ source: \
             {}{platforms} }}\n",
            source.name("app:1")
        )
    };
    let files = workspace(&[("images.yml", &list(", platforms: [linux/amd64]")), ("key.pub", &key.pem())]);
    let run = |name: &str| {
        let run = Run::new().command("copy").input("config", "images.yml").input("lock", "images.lock");
        below(run.input("target", &target.name(name)), files.path())
    };
    let outcome = run("one:1").succeeds().await;
    assert_eq!(outcome.json()["images"][0]["verified"]["subject"], child.digest.as_str());
    let lock = std::fs::read_to_string(files.path().join("images.lock")).unwrap();
    assert!(lock.contains(image.digest()) && !lock.contains("policy:"), "{lock}");
    std::fs::write(files.path().join("images.yml"), list("")).unwrap();
    let outcome = run("whole:1").fails_with(1).await;
    assert!(outcome.says("is not signed as policy `own` wants"), "{outcome}");
}

#[tokio::test]
async fn a_rule_that_checks_no_image_of_its_list_is_told() {
    let key = Key::new();
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "octo/app:1");
    let (host, image) = (source.host(), source.name("octo/app:1"));
    // A letter too much: the image is copied, and whoever wrote the rule is to know that nothing was checked.
    let list = format!(
        "policies:\n  own: {{ key: key.pub }}\nverify:\n  - {{ images: '{host}/otco/**', policy: own }}\n  - {{ images: '{host}/off/*', \
         mode: off }}\n  - {{ images: '{host}/**', mode: warn }}\n  - {{ images: '{host}/octo/*', policy: own }}\n  - {{ images: '**', \
         mode: require }}\nimages: ['{image}']\n"
    );
    let files = workspace(&[("images.yml", &list), ("key.pub", &key.pem())]);
    let run = Run::new().command("copy").input("config", "images.yml").input("target", &target.name("app"));
    let outcome = below(run, files.path()).succeeds().await;
    for (line, says) in [(4, true), (5, false), (6, false), (7, true), (8, false)] {
        let sentence = format!("images.yml:{line}:5: this rule of `verify` checks no image");
        assert_eq!(outcome.says(&sentence), says, "{sentence}\n{outcome}");
    }
}

#[tokio::test]
async fn those_who_pull_are_handed_the_same_policy_under_the_mirrors_name() {
    let (instance, key) = (Instance::new(), Key::new());
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    let image = images::single();
    let digest = image.digest();
    source.seed(&image, "keyed:1");
    let marks = instance.marks(&key, None, &payload(digest), Logged::No);
    source.seed(&tagged(&[(payload(digest), marks)]), &format!("keyed:{}", sig(digest)));
    source.seed(&image, "built:1");
    let by = instance.bundle(&key, Some(&OCTO), &statement(digest, SIGN), Logged::Yes);
    source.seed(&bundled(image.root(), &by), "built");
    source.seed(&image, "watched:1");
    source.seed(&image, "bundled:1");
    source.seed(&bundled(image.root(), &instance.bundle(&key, None, &statement(digest, SIGN), Logged::No)), "bundled");
    let host = source.host();
    let list = format!(
        "policies:\n  own: {{ key: key.pub, log: ignore }}\n  built: {{ issuer: {ACTIONS}, identity: {WORKFLOW}, trusted-root: root.json \
         }}\nverify:\n  - {{ images: '{host}/keyed', policy: own }}\n  - {{ images: '{host}/built', policy: built }}\n  - {{ images: \
         '**', policy: own, mode: warn }}\nimages: [{host}/keyed:1, {host}/built:1, {host}/watched:1, {host}/bundled:1]\n"
    );
    let root = instance.trusted_root();
    let files = workspace(&[("images.yml", &list), ("key.pub", &key.pem()), ("root.json", &root)]);
    let run = Run::new().command("copy").input("config", "images.yml").input("target", &target.name("m/{repository}"));
    let run = run.input("emit", "podman-policy, openshift-policy, kyverno-policy");
    below(run.clone(), files.path()).succeeds().await;
    let text = |name: &str| std::fs::read_to_string(files.path().join("mirror-image").join(name)).unwrap();
    let policy: Value = serde_json::from_str(&text("podman/policy.json")).unwrap();
    let scopes = policy["transports"]["docker"].as_object().unwrap();
    let mirrored = target.name("m/keyed");
    // What is no address is not known to Podman, and bundles are not read there; what is not signed has no policy that it would
    // fulfil.
    assert_eq!(scopes.keys().collect::<Vec<_>>(), [&mirrored]);
    assert_eq!(
        scopes[&mirrored],
        json!([{
            "type": "sigstoreSigned",
            "keyData": base64(&key.pem()),
            "signedIdentity": { "type": "exactRepository", "dockerRepository": format!("{host}/keyed") },
        }])
    );
    let attachments = text("podman/registries.d/owner-repo.yaml");
    assert!(attachments.contains(&format!("\"{mirrored}\":\n    use-sigstore-attachments: true")), "{attachments}");
    assert!(attachments.contains("m/built is left out: the policy `built` cannot be said here"), "{attachments}");
    let left = "m/bundled is left out: the policy `own` cannot be said here: its images are signed by bundles, and bundles are not \
                read there";
    assert!(attachments.contains(left), "{attachments}");
    for (file, kind) in
        [("cluster-image-policy", "kind: ClusterImagePolicy\n"), ("image-policy", "kind: ImagePolicy\n")]
    {
        let text = text(&format!("openshift/{file}.yaml"));
        for part in [kind, &base64(&key.pem()), &format!("repository: {host}/keyed"), &format!("- {mirrored}\n")] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains(left) && !text.contains("m/bundled\n"), "{text}");
    }
    let kyverno = text("kyverno/signed.yaml");
    let of_bundle = format!("- {}:*", target.name("m/bundled"));
    for part in [
        &format!("- {mirrored}:*"),
        "ignoreTlog: true",
        "failureAction: Enforce",
        "type: Cosign",
        &of_bundle,
        "type: SigstoreBundle",
    ] {
        assert!(kyverno.contains(part), "{part}: {kyverno}");
    }
    assert!(!kyverno.contains("m/watched"), "{kyverno}");
    // A run that copies nothing hands over the same: each reader looks for one form of signature, and a guess would refuse what
    // is signed, so it is looked at.
    let all = || {
        let names = ["podman/policy.json", "openshift/cluster-image-policy.yaml", "openshift/image-policy.yaml"];
        let names = names.into_iter().chain(["podman/registries.d/owner-repo.yaml", "kyverno/signed.yaml"]);
        names.map(text).collect::<Vec<_>>()
    };
    let first = all();
    std::fs::remove_dir_all(files.path().join("mirror-image")).unwrap();
    let outcome = below(run, files.path()).succeeds().await;
    assert_eq!(outcome.json()["images"][3]["result"], "unchanged", "{outcome}");
    assert_eq!(all(), first);
}

/// Who signs a payload, and how.
type By<'a> = &'a dyn Fn(&str) -> Value;

/// Real Podman by what is handed over of an authority and a log of our own. `scripts/signatures` runs this, and says so where there
/// is no such Podman; what is signed by keys alone it shows itself.
#[tokio::test]
#[ignore = "needs root, or Podman 5: run by scripts/signatures"]
async fn podman_pulls_what_an_address_or_a_logged_key_has_signed_and_nothing_else() {
    const ADDRESS: &str = "release@acme.example";
    const OURS: Certified = Certified { identity: ADDRESS, ..OCTO };
    const OTHER: Certified = Certified { identity: "somebody@acme.example", ..OCTO };
    const ELSEWHERE: Certified = Certified { issuer: "https://accounts.example", ..OURS };
    let (instance, stranger, key) = (Instance::new(), Instance::new(), Key::new());
    let (source, target) = (Registry::start(), Registry::start());
    let host = source.host();
    let sign = |registry: &Registry, repository: &str, image: &Image, by: &dyn Fn(&str) -> Value| {
        let name = repository.rsplit('/').next().unwrap();
        let payload = payload_as(&format!("{host}/{name}"), image.digest());
        registry.seed(&tagged(&[(payload.clone(), by(&payload))]), &format!("{repository}:{}", sig(image.digest())));
    };
    let image = crate::emit::unpackable();
    for (name, says) in [("kept", Some(&OURS)), ("keyed", None)] {
        source.seed(&image, &format!("{name}:1"));
        sign(&source, name, &image, &|payload| instance.marks(&key, says, payload, Logged::Yes));
    }
    let list = format!(
        "policies:\n  address: {{ issuer: {ACTIONS}, identity: {ADDRESS}, trusted-root: root.json }}\n  key: {{ key: key.pub, \
         trusted-root: root.json }}\nverify:\n  - {{ images: '{host}/kept', policy: address }}\n  - {{ images: '{host}/keyed', policy: \
         key }}\nimages: [{host}/kept:1, {host}/keyed:1]\n"
    );
    let files = workspace(&[("images.yml", &list), ("key.pub", &key.pem()), ("root.json", &instance.trusted_root())]);
    let run = Run::new().command("copy").input("config", "images.yml").input("target", &target.name("m/{repository}"));
    below(run.input("emit", "podman-policy"), files.path()).succeeds().await;
    let settings = files.path().join(".config/containers");
    std::fs::create_dir_all(settings.join("registries.d")).unwrap();
    for file in ["policy.json", "registries.d/owner-repo.yaml"] {
        std::fs::copy(files.path().join("mirror-image/podman").join(file), settings.join(file)).unwrap();
    }
    let pull = |name: &str| {
        let mut podman = std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/podman"));
        podman.env("HOME", files.path()).args(["pull", "--quiet", "--tls-verify=false", &target.name(name)]);
        let output = podman.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for name in ["m/kept:1", "m/keyed:1"] {
        let (is_pulled, said) = pull(name);
        assert!(is_pulled, "{name}: {said}");
    }
    let other = Key::new();
    let rows: [(&str, By<'_>); 7] = [
        ("m/kept", &|payload| instance.marks(&key, Some(&OTHER), payload, Logged::Yes)),
        ("m/kept", &|payload| instance.marks(&key, Some(&ELSEWHERE), payload, Logged::Yes)),
        ("m/kept", &|payload| stranger.marks(&key, Some(&OURS), payload, Logged::Yes)),
        ("m/kept", &|payload| instance.marks(&key, Some(&OURS), payload, Logged::No)),
        ("m/kept", &|payload| instance.marks(&key, Some(&OURS), payload, Logged::Forged)),
        ("m/keyed", &|payload| instance.marks(&other, None, payload, Logged::Yes)),
        ("m/keyed", &|payload| instance.marks(&key, None, payload, Logged::No)),
    ];
    for (number, (repository, by)) in (1..).zip(rows) {
        let image = images::release(number);
        target.seed(&image, &format!("{repository}:{number}"));
        sign(&target, repository, &image, by);
        let (is_pulled, said) = pull(&format!("{repository}:{number}"));
        assert!(!is_pulled && said.contains("Source image rejected: "), "{number}: {said}");
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_no_missing_signature_and_nothing_is_written() {
    let key = Key::new();
    let files = workspace(&[("key.pub", &key.pem())]);
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(100));
    source.seed(&images::single(), "app:1");
    source.fault(Fault::on("GET", "/referrers/", What::status(500)).always());
    let copy = Run::copy(&source.name("app:1"), &target.name("app")).input("verify-key", "key.pub");
    let copy = below(copy, files.path());
    let outcome = copy.fails_with(1).await;
    assert!(!outcome.says("panicked"), "{outcome}");
    assert_eq!(target.writes(), 0);
    // Where it is only to be told, it is told and copied.
    source.clear_faults();
    let outcome = copy.input("verify-mode", "warn").succeeds().await;
    assert!(outcome.says("is not signed as policy"), "{outcome}");
}

#[tokio::test]
async fn a_bad_policy_is_bad_input_and_nothing_is_contacted() {
    let key = Key::new();
    let source = Registry::start();
    let private =
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
    let files = workspace(&[("key.pub", &key.pem()), ("cosign.key", private), ("empty", ""), ("root.json", "{}")]);
    for (inputs, sentence) in [
        (&[("verify-key", "none.pub")][..], "input `verify-key`: `none.pub` is not there"),
        (&[("verify-key", "cosign.key")], "`cosign.key` holds a private key; give the public one"),
        (&[("verify-key", "empty")], "`empty` holds no public key"),
        (&[("verify-key", "../key.pub")], "leads out of the workspace"),
        (&[("verify-identity", "a@b.c")], "input `verify-issuer`: is missing"),
        (&[("verify-issuer", "https://a")], "input `verify-identity`: is missing"),
        (&[("verify-key", "key.pub"), ("verify-identity", "a")], "input `verify-key`: is given beside"),
        (&[("verify-identity", "/(/"), ("verify-issuer", "a")], "is no regular expression"),
        (&[("verify-key", "key.pub"), ("trusted-root", "root.json")], "`root.json` is no trusted root of sigstore"),
        (&[("trusted-root", "root.json")], "input `trusted-root`"),
        (&[("verify-predicate", "x")], "input `verify-predicate`: is of a check by"),
        (&[("verify-mode", "warn")], "input `verify-mode`: is of a check by"),
        (&[("verify-log", "ignore")], "input `verify-log`: is of a check by"),
        (&[("verify-mode", "requir")], "did you mean `require`?"),
        (&[("verify-log", "no")], "not one of require, ignore"),
    ] {
        let run = Run::copy(&source.name("app:1"), "oci:out:1");
        let run = inputs.iter().fold(run, |run, (name, value)| run.input(name, value));
        let outcome = below(run, files.path()).fails_with(2).await;
        assert!(outcome.says(sentence), "{inputs:?}: {sentence}\n{outcome}");
        assert!(!outcome.everything().contains("c2VjcmV0"), "{outcome}");
    }
    for (list, sentence) in [
        ("policies: { own: { key: key.pub } }", "images.yml:1:13: no rule uses the policy `own`"),
        (
            "policies: { own: { keys: key.pub } }\nverify: [{ images: '**', policy: own }]",
            "a policy has no key `keys`; did you mean `key`?",
        ),
        ("verify: [{ images: '**', policy: own }]", "there is no policy `own`"),
        ("verify: [{ images: '**' }]", "this rule names no `policy`"),
        ("verify: [{ images: 'library/**', mode: warn }]", "begins with no registry"),
        ("verify: [{ images: 'ghcr.io/octo/a:1', mode: warn }]", "leave the tag out"),
        ("policies: { own: { identity: a } }\nverify: [{ images: '**', policy: own }]", "name it, for GitHub Actions"),
        (
            "policies: { own: { key: none.pub } }\nverify: [{ images: '**', policy: own }]",
            "images.yml:1:25: `key`: `none.pub` is not there",
        ),
        (
            "policies: { own: { key: key.pub, log: maybe } }\nverify: [{ images: '**', policy: own }]",
            "is not one of require, ignore",
        ),
    ] {
        std::fs::write(files.path().join("images.yml"), format!("{list}\nimages: [{}]\n", source.name("a:1"))).unwrap();
        let run = Run::new().command("copy").input("config", "images.yml").input("target", "oci:out/{name}:{tag}");
        let outcome = below(run, files.path()).fails_with(2).await;
        assert!(outcome.says(sentence), "{list}: {sentence}\n{outcome}");
    }
    assert_eq!(source.requests(), 0);
}
