//! What was copied is said, signed in the job's name and attached to the image: who signs, what is said, where it is found, and
//! what is told where it cannot be. What may see the identity: `cloud_leaks`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clouds::{self, Clouds};
use crate::support::images::{self, Image};
use crate::support::registry::Recorded;
use crate::support::signing::{self, ACTIONS, WORKFLOW, signing_config};
use crate::support::sigstore::{BUNDLE, Instance, Key, Logged, SIGN, statement};
use crate::support::{Fault, Outcome, Registry, Run, What};

const LINK: &str = "https://in-toto.io/attestation/link/v0.3";

/// A source with an image of three platforms, and a target with or without the referrers API.
fn registries(api: Option<usize>) -> (Registry, Registry, Image) {
    let (source, target) = (Registry::start(), Registry::start());
    target.switch(|switches| switches.referrers = api);
    let image = images::three_platforms();
    source.seed(&image, "library/app:1");
    (source, target, image)
}

/// A copy by a run of the workflow that signs.
fn copy(clouds: &Clouds, source: &Registry, target: &str) -> Run {
    named(clouds.reach(Run::copy(&source.name("library/app:1"), target)).input("attest", "true"))
}

/// The same of a tag `1` that a list calls immutable; the list is gone with what is given beside the run.
fn immutable(clouds: &Clouds, source: &str, target: &str) -> (tempfile::TempDir, Run) {
    let files = tempfile::tempdir().unwrap();
    let list = format!("images: [{{source: {source}, target: {target}, tags: ['1'], immutable: '*'}}]");
    std::fs::write(files.path().join("images.yml"), list).unwrap();
    let run = Run::new().command("copy").input("config", "images.yml").input("attest", "true");
    let run = named(clouds.reach(run)).env("GITHUB_WORKSPACE", &files.path().display().to_string());
    (files, run)
}

fn named(run: Run) -> Run {
    run.env("GITHUB_REPOSITORY", "octo/mirror")
        .env("GITHUB_RUN_ID", "77")
        .env("GITHUB_RUN_ATTEMPT", "2")
        .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
        .env("GITHUB_EVENT_NAME", "schedule")
        .env("GITHUB_WORKFLOW_REF", "octo/mirror/.github/workflows/mirror.yml@refs/heads/main")
}

/// The manifests in a repository that are attestations of ours, and what they say.
fn attestations(registry: &Registry, repository: &str) -> Vec<(Value, Value)> {
    let manifests = registry.manifests(repository).into_iter().filter_map(|digest| {
        let manifest: Value = serde_json::from_slice(&registry.manifest(repository, &digest)?.bytes).ok()?;
        (manifest["artifactType"] == BUNDLE && manifest["annotations"]["org.opencontainers.image.title"].is_string())
            .then_some(manifest)
    });
    let said = manifests.map(|manifest| {
        let bundle = registry.blob(repository, manifest["layers"][0]["digest"].as_str().unwrap()).unwrap();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        (manifest, serde_json::from_slice(&payload).unwrap())
    });
    said.collect()
}

/// What our own check says of an image's attestation.
fn check(clouds: &Clouds, registry: &Registry, image: &str, log: &str) -> (Run, TempDir) {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("root.json"), clouds.signing().trusted_root()).unwrap();
    let run = Run::new()
        .command("inspect")
        .input("source", &registry.name(image))
        .input("verify-identity", WORKFLOW)
        .input("verify-issuer", ACTIONS)
        .input("verify-predicate", LINK)
        .input("verify-log", log)
        .input("trusted-root", "root.json")
        .env("GITHUB_WORKSPACE", &files.path().display().to_string());
    (run, files)
}

fn results(outcome: &Outcome) -> Vec<Value> {
    outcome.json()["images"].as_array().unwrap().iter().map(|image| image["result"].clone()).collect()
}

#[tokio::test]
async fn what_was_copied_is_said_where_everybody_finds_it_and_our_own_check_takes_it() {
    for api in [None, Some(100)] {
        let clouds = Clouds::start().await;
        let (source, target, image) = registries(api);
        let outcome = copy(&clouds, &source, &target.name("mirror/app:1")).succeeds().await;
        let said = attestations(&target, "mirror/app");
        let [(manifest, statement)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(manifest["subject"]["digest"], image.digest());
        assert_eq!(manifest["subject"]["size"], image.root().bytes.len());
        assert_eq!(manifest["annotations"]["dev.sigstore.bundle.predicateType"], LINK);
        let hex = image.digest().trim_start_matches("sha256:");
        let (from, to) = (source.name("library/app:1"), target.name("mirror/app:1"));
        assert_eq!(statement["subject"], json!([{ "name": target.name("mirror/app"), "digest": { "sha256": hex } }]));
        assert_eq!(statement["predicateType"], LINK);
        let predicate = &statement["predicate"];
        assert_eq!(predicate["materials"], json!([{ "name": from, "digest": { "sha256": hex } }]));
        assert_eq!(predicate["command"], json!(["mirror-image", "copy", from, to]));
        let byproducts = &predicate["byproducts"];
        assert_eq!((&byproducts["result"], &byproducts["verified"]), (&json!("copied"), &Value::Null));
        assert!(humantime::parse_rfc3339(byproducts["at"].as_str().unwrap()).is_ok(), "{byproducts}");
        let environment = &predicate["environment"];
        assert_eq!(environment["run"], "https://github.com/octo/mirror/actions/runs/77/attempts/2");
        assert_eq!(environment["workflow"], "octo/mirror/.github/workflows/mirror.yml@refs/heads/main");
        // Behind the tag, and listed.
        let writes: Vec<String> = target.log().iter().filter(|it| it.method == "PUT").map(Recorded::line).collect();
        let place = |part: &str| writes.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}"));
        let fallback = format!("sha256-{hex}");
        let own = outcome.json()["images"][0]["attestation"]["digest"].as_str().unwrap().to_owned();
        assert!(place("/manifests/1") < place(&own), "{writes:#?}");
        assert_eq!(target.tag("mirror/app", &fallback).is_some(), api.is_none());
        assert_eq!(outcome.json()["images"][0]["attestation"]["log_index"], 0);
        assert!(outcome.says("attested"), "{outcome}");
        let (check, _files) = check(&clouds, &target, "mirror/app:1", "require");
        let checked = check.succeeds().await;
        let verified = &checked.json()["images"][0]["verified"];
        assert_eq!((&verified["kind"], &verified["identity"]), (&json!("attestation"), &json!(WORKFLOW)));
        assert_eq!(verified["subject"], image.digest());
    }
}

#[tokio::test]
async fn one_identity_and_one_certificate_sign_for_all_images_and_each_is_logged() {
    let clouds = Clouds::start().await;
    let (source, target, _) = registries(Some(100));
    source.seed(&images::single(), "library/other:2");
    let images = format!(
        "{} => {}\n{} => {}\n{} => {}",
        source.name("library/app:1"),
        target.name("m/app:1"),
        source.name("library/app:1"),
        target.name("m/app:latest"),
        source.name("library/other:2"),
        target.name("m/other:2")
    );
    let run = || named(clouds.reach(Run::new().command("copy").input("images", &images)).input("attest", "true"));
    run().succeeds().await;
    let asked = || [clouds::GITHUB, signing::FULCIO, signing::REKOR].map(|host| clouds.count(host));
    assert_eq!(asked(), [1, 1, 3]);
    assert_eq!((clouds.signing().certified(), clouds.signing().logged()), (1, 3));
    // Two tags of one digest are two names.
    let names: Vec<Value> =
        attestations(&target, "m/app").iter().map(|(_, it)| it["predicate"]["byproducts"]["target"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&json!(target.name("m/app:1"))) && names.contains(&json!(target.name("m/app:latest"))));
    // What is there, and said, is neither signed nor written again.
    target.reset();
    let outcome = run().succeeds().await;
    assert_eq!(results(&outcome), ["unchanged", "unchanged", "unchanged"]);
    assert_eq!((asked(), target.writes()), ([1, 1, 3], 0));
    assert_eq!(target.count("GET", "/referrers/"), 3, "{}", target.lines());
    assert_eq!(outcome.json()["images"][0]["attestation"], Value::Null);
}

#[tokio::test]
async fn the_policy_that_an_image_was_held_against_is_said_with_it() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(Some(100));
    source.switch(|switches| switches.referrers = Some(100));
    let (instance, key) = (Instance::new(), Key::new());
    let bundle = instance.bundle(&key, None, &statement(image.digest(), SIGN), Logged::No);
    source.seed(&crate::signatures::bundled(image.root(), &bundle), "library/app");
    let run = copy(&clouds, &source, &target.name("app:1"));
    let outcome = run.input("verify-key", &key.pem()).input("verify-log", "ignore").succeeds().await;
    let said = attestations(&target, "app");
    let verified = &said[0].1["predicate"]["byproducts"]["verified"];
    let key = &outcome.json()["images"][0]["verified"]["key"];
    assert_eq!(*verified, json!({ "policy": "verify-key", "result": "signed", "kind": "bundle", "key": key }));
}

/// A target that had the image before anybody attested.
#[tokio::test]
async fn a_tag_that_does_not_move_stays_where_its_source_has_moved_and_nothing_is_said_of_it() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(Some(100));
    target.seed(&image, "mirror/app:1");
    source.seed(&images::release(1), "library/app:1");
    let (_files, run) = immutable(&clouds, &source.name("library/app"), &target.name("mirror/app"));
    let outcome = run.succeeds().await;
    assert_eq!(results(&outcome), ["unchanged"]);
    assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(image.digest()));
    assert!(attestations(&target, "mirror/app").is_empty());
    assert!(outcome.says("and the source's tag is another image: nothing is attested of it"), "{outcome:?}");
}

#[tokio::test]
async fn nothing_is_said_of_an_image_that_is_there_and_has_not_the_signature_that_its_policy_wants() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(Some(100));
    source.switch(|switches| switches.referrers = Some(100));
    target.seed(&image, "app:1");
    let run = copy(&clouds, &source, &target.name("app:1"));
    let outcome = run.input("verify-key", &Key::new().pem()).input("verify-log", "ignore").fails_with(1).await;
    assert_eq!(results(&outcome), ["failed"]);
    assert!(attestations(&target, "app").is_empty());
    // Nor of one whose tag never moves, which nothing else would look at.
    let (_files, run) = immutable(&clouds, &source.name("library/app"), &target.name("app"));
    let outcome = run.input("verify-key", &Key::new().pem()).input("verify-log", "ignore").fails_with(1).await;
    assert_eq!(results(&outcome), ["failed"]);
    assert!(attestations(&target, "app").is_empty());
}

#[tokio::test]
async fn what_could_not_be_signed_fails_its_image_loses_nothing_of_it_and_is_made_up_for() {
    struct Row {
        arrange: fn(&Clouds, &Registry),
        says: &'static [&'static str],
    }
    let row = |arrange, says| Row { arrange, says };
    let rows = [
        row(
            |clouds, _| clouds.instead(signing::FULCIO, 9, 403, r#"{"code":7,"message":"no such issuer"}"#),
            &[
                "a certificate from fulcio.sigstore.dev: 403",
                "no such issuer",
                "the identity has iss `https://token.actions",
                "GitHub Enterprise Cloud",
            ],
        ),
        row(|clouds, _| clouds.instead(signing::FULCIO, 9, 200, "{}"), &["answered without a certificate"]),
        row(
            |clouds, _| clouds.instead(signing::REKOR, 9, 400, r#"{"code":400,"message":"odd entry"}"#),
            &["`attest`: an entry of the log from rekor.sigstore.dev: 400", "odd entry"],
        ),
        row(|clouds, _| clouds.instead(signing::REKOR, 9, 201, r#"{"a":{},"b":{}}"#), &["without an entry of the log"]),
        row(
            |clouds, _| clouds.instead(clouds::GITHUB, 9, 403, r#"{"message":"no"}"#),
            &["`attest`: the job's identity from pipelines.actions.githubusercontent.com: 403"],
        ),
        row(
            |_, target| {
                target.fault(
                    Fault::on("PUT", "/manifests/sha256:", What::error(403, "DENIED", "no more")).after(3).times(1),
                );
            },
            &["PUT manifest", "no more"],
        ),
    ];
    for (number, Row { arrange, says }) in rows.into_iter().enumerate() {
        let clouds = Clouds::start().await;
        let (source, target, image) = registries(Some(100));
        arrange(&clouds, &target);
        let run = copy(&clouds, &source, &target.name("app:1")).input("patience", "2s");
        let outcome = run.fails_with(1).await;
        for sentence in says {
            assert!(outcome.says(sentence), "{number}: {sentence}\n{outcome}");
        }
        let state = "all of the image is at the target, the tag `1` too; only its attestation is missing";
        assert!(outcome.says(state), "{number}: {outcome}");
        assert_eq!(target.tag("app", "1").as_deref(), Some(image.digest()), "{number}");
        target.is_whole("app", "1").unwrap();
        assert_eq!(outcome.json()["images"][0]["digest"], image.digest(), "{number}");
        assert_eq!(attestations(&target, "app").len(), 0, "{number}");
        // The next run has nothing to copy, and says it.
        let clouds = Clouds::start().await;
        let outcome = copy(&clouds, &source, &target.name("app:1")).succeeds().await;
        assert_eq!(results(&outcome), ["unchanged"], "{number}");
        let said = attestations(&target, "app");
        assert_eq!(said.len(), 1, "{number}");
        assert_eq!(said[0].1["predicate"]["byproducts"]["result"], "unchanged");
    }
}

/// Three images of a list, each to a target of its own.
fn three(clouds: &Clouds, source: &Registry, target: &Registry) -> Run {
    let lines: Vec<String> = (1..=3)
        .map(|number| {
            source.seed(&images::release(number), &format!("library/release:{number}"));
            format!(
                "{} => {}",
                source.name(&format!("library/release:{number}")),
                target.name(&format!("m/r{number}:1"))
            )
        })
        .collect();
    let run = Run::new().command("copy").input("images", &lines.join("\n")).input("attest", "true");
    named(clouds.reach(run)).input("patience", "2s")
}

#[tokio::test]
async fn one_refusal_of_a_certificate_is_enough_for_all_images_of_a_run() {
    for (host, identities, certificates) in [(signing::FULCIO, 1, 1), (clouds::GITHUB, 1, 0)] {
        let clouds = Clouds::start().await;
        let (source, target, _) = registries(Some(100));
        clouds.instead(host, 9, 403, r#"{"code":7,"message":"not you"}"#);
        let outcome = three(&clouds, &source, &target).fails_with(1).await;
        assert_eq!(results(&outcome), ["failed", "failed", "failed"], "{host}");
        let asked = [clouds::GITHUB, signing::FULCIO].map(|host| clouds.count(host));
        assert_eq!(asked, [identities, certificates], "{host}: {:?}", clouds.lines());
        for number in 1..=3 {
            target.is_whole(&format!("m/r{number}"), "1").unwrap();
            let said = outcome.json()["images"][number - 1]["error"]["message"].as_str().unwrap_or_default().to_owned();
            assert!(said.contains("not you"), "{host}: {said}\n{outcome}");
        }
    }
}

#[tokio::test]
async fn nothing_is_signed_before_it_is_known_that_the_target_lists_it() {
    type Arrange = fn(&Registry, &str);
    let rows: [(Arrange, &str); 5] = [
        (
            |target, _| target.switch(|switches| switches.tags_of_digests = true),
            "the target keeps no list of what is attached (it answers `sha256-",
        ),
        (
            |target, tag| target.seed(&images::docker_single(), &format!("app:{tag}")),
            "which is no list and stays as it is)",
        ),
        (
            |target, tag| target.fault(Fault::on("GET", tag, What::error(401, "UNAUTHORIZED", "who?")).always()),
            "whether the target keeps a list of what is attached cannot be told",
        ),
        (
            |target, tag| target.fault(Fault::on("GET", tag, What::error(403, "DENIED", "no")).always()),
            "whether the target keeps a list of what is attached cannot be told",
        ),
        (
            |target, tag| target.fault(Fault::on("GET", tag, What::error(429, "TOOMANYREQUESTS", "slow")).always()),
            "whether the target keeps a list of what is attached cannot be told",
        ),
    ];
    for (number, (arrange, says)) in rows.into_iter().enumerate() {
        let clouds = Clouds::start().await;
        let (source, target, image) = registries(None);
        let tag = image.digest().replace(':', "-");
        arrange(&target, &tag);
        let before = target.tag("app", &tag);
        let run = || copy(&clouds, &source, &target.name("app:1")).input("patience", "2s");
        // Of what was copied, and of what is there already.
        for _ in 0..2 {
            let outcome = run().fails_with(1).await;
            assert!(outcome.says(says), "{number}: {outcome}");
            assert!(outcome.says("nobody would find the statement, and none was signed"), "{number}: {outcome}");
            assert_eq!(target.tag("app", "1").as_deref(), Some(image.digest()), "{number}");
        }
        assert_eq!(clouds.asked().len(), 0, "{number}: {:?}", clouds.lines());
        assert_eq!(target.tag("app", &tag), before, "{number}");
    }
}

/// Lists leave out what marks a statement, or write it otherwise: what is listed says itself what it is.
#[tokio::test]
async fn what_is_attested_is_not_attested_anew_whatever_the_list_says_of_it() {
    let changes: [fn(&mut Value); 5] = [
        |entry| drop(entry.as_object_mut().unwrap().remove("annotations")),
        |entry| entry["annotations"] = json!({}),
        |entry| entry["annotations"] = json!({ "dev.sigstore.bundle.predicateType": LINK }),
        |entry| drop(entry.as_object_mut().unwrap().remove("artifactType")),
        |entry| {
            entry["artifactType"] = json!("application/vnd.oci.empty.v1+json");
            drop(entry.as_object_mut().unwrap().remove("annotations"));
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let clouds = Clouds::start().await;
        let (source, target, image) = registries(None);
        let run = || copy(&clouds, &source, &target.name("app:1"));
        run().succeeds().await;
        let tag = image.digest().replace(':', "-");
        let list = target.manifest("app", &target.tag("app", &tag).unwrap()).unwrap();
        let mut index: Value = serde_json::from_slice(&list.bytes).unwrap();
        change(&mut index["manifests"][0]);
        let list = images::Object::new(&list.media_type, index.to_string());
        target.set_bytes("app", &list.digest, Some(&list.media_type), list.bytes.clone());
        target.set_tag("app", &tag, &list.digest);
        target.reset();
        let outcome = run().succeeds().await;
        assert_eq!(results(&outcome), ["unchanged"], "{number}");
        assert_eq!((clouds.signing().logged(), target.writes()), (1, 0), "{number}: {outcome}");
        assert_eq!(attestations(&target, "app").len(), 1, "{number}");
    }
}

#[tokio::test]
async fn the_same_image_from_another_source_is_another_statement_and_said_once() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(Some(100));
    source.seed(&image, "other/app:1");
    copy(&clouds, &source, &target.name("app:1")).succeeds().await;
    let other =
        || named(clouds.reach(Run::copy(&source.name("other/app:1"), &target.name("app:1")).input("attest", "true")));
    for _ in 0..2 {
        assert_eq!(results(&other().succeeds().await), ["unchanged"]);
    }
    let mut from: Vec<String> = attestations(&target, "app")
        .iter()
        .map(|(_, said)| said["predicate"]["byproducts"]["source"].as_str().unwrap().to_owned())
        .collect();
    from.sort();
    assert_eq!(from, [source.name("library/app:1"), source.name("other/app:1")]);
    assert_eq!(clouds.signing().logged(), 2);
}

#[tokio::test]
async fn what_a_lock_says_of_a_signature_is_said_and_not_asked_again() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(Some(100));
    source.switch(|switches| switches.referrers = Some(100));
    let (instance, key) = (Instance::new(), Key::new());
    let bundle = instance.bundle(&key, None, &statement(image.digest(), SIGN), Logged::No);
    source.seed(&crate::signatures::bundled(image.root(), &bundle), "library/app");
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("key.pub"), key.pem()).unwrap();
    let list = format!(
        "policies: {{ own: {{ key: key.pub, log: ignore }} }}\nverify: [{{ images: '**', policy: own }}]\nimages: ['{} => {}']\n",
        source.name("library/app:1"),
        target.name("app:1")
    );
    std::fs::write(files.path().join("images.yml"), list).unwrap();
    let run = || {
        let run = Run::new().command("copy").input("config", "images.yml").input("lock", "images.lock");
        named(clouds.reach(run)).env("GITHUB_WORKSPACE", &files.path().display().to_string())
    };
    run().succeeds().await;
    source.reset();
    let outcome = run().input("attest", "true").succeeds().await;
    assert_eq!(results(&outcome), ["unchanged"]);
    assert_eq!(source.count("GET", "/referrers/"), 0, "{}", source.lines());
    let said = attestations(&target, "app");
    let verified = &said[0].1["predicate"]["byproducts"]["verified"];
    assert_eq!(*verified, json!({ "policy": "own", "result": "checked by an earlier run" }));
}

#[tokio::test]
async fn a_list_says_of_which_images_something_is_said() {
    let clouds = Clouds::start().await;
    let (source, target, _) = registries(Some(100));
    let files = tempfile::tempdir().unwrap();
    let write = |defaults: &str, own: &str| {
        let (app, to) = (source.name("library/app:1"), |name: &str| target.name(name));
        let list = format!(
            "defaults: {{ {defaults} }}\nimages:\n  - {{ source: '{app}', target: '{}' }}\n  - {{ source: '{app}', target: '{}', {own} }}\n",
            to("one:1"),
            to("two:1")
        );
        std::fs::write(files.path().join("images.yml"), list).unwrap();
    };
    let run = |attest: &str| {
        let run = Run::new().command("copy").input("config", "images.yml").input("attest", attest);
        run.env("GITHUB_WORKSPACE", &files.path().display().to_string())
    };
    let said = || ["one", "two"].map(|name| attestations(&target, name).len());
    write("attest: true", "attest: false");
    named(clouds.reach(run("false"))).succeeds().await;
    assert_eq!(said(), [1, 0]);
    // An image's own word comes before the input's.
    write("optional: true", "attest: false");
    named(clouds.reach(run("true"))).succeeds().await;
    assert_eq!(said(), [1, 0]);
    write("optional: true", "attest: true");
    named(clouds.reach(run(""))).succeeds().await;
    assert_eq!(said(), [1, 1]);
    // Where nobody can sign, the line that wants it is named.
    let outcome = clouds.reach_without_identity(run("false")).fails_with(2).await;
    assert!(outcome.says("input `config`: images.yml:4:5: `attest` needs the job's identity"), "{outcome}");
}

#[tokio::test]
async fn a_log_that_fails_is_asked_again_with_another_signature() {
    let clouds = Clouds::start().await;
    let (source, target, _) = registries(Some(100));
    clouds.instead(signing::REKOR, 1, 503, "{}");
    copy(&clouds, &source, &target.name("app:1")).succeeds().await;
    let asked = clouds.asked();
    let logged: Vec<&str> = asked.iter().filter(|it| it.host == signing::REKOR).map(|it| it.body.as_str()).collect();
    assert_eq!(logged.len(), 2);
    assert_ne!(logged[0], logged[1]);
    assert_eq!((clouds.count(signing::FULCIO), attestations(&target, "app").len()), (1, 1));
}

#[tokio::test]
async fn a_target_that_keeps_no_list_is_no_place_for_what_nobody_would_find() {
    let clouds = Clouds::start().await;
    let (source, target, image) = registries(None);
    let fallback = image.digest().replace(':', "-");
    target.fault(Fault::on("PUT", fallback, What::error(400, "TAG_INVALID", "no such tags")).always());
    let run = || copy(&clouds, &source, &target.name("app:1")).input("patience", "2s");
    let outcome = run().fails_with(1).await;
    assert!(outcome.says("the target keeps no list of what is attached ("), "{outcome}");
    assert!(outcome.says("nobody finds the statement, sha256:"), "{outcome}");
    assert!(outcome.says("only its attestation is missing"), "{outcome}");
    assert_eq!(target.tag("app", "1").as_deref(), Some(image.digest()));
}

#[tokio::test]
async fn a_repository_that_is_not_public_is_named_in_no_public_log() {
    for visibility in ["private", "internal"] {
        let clouds = Clouds::start().await;
        clouds.visibility(visibility);
        let (source, target, _) = registries(Some(100));
        let outcome = copy(&clouds, &source, &target.name("app:1")).succeeds().await;
        let asked = [signing::FULCIO, signing::REKOR, signing::GITHUB_FULCIO, signing::GITHUB_TSA];
        assert_eq!(asked.map(|host| clouds.count(host)), [0, 0, 1, 1]);
        assert_eq!(outcome.json()["images"][0]["attestation"]["log_index"], Value::Null);
        // What the time is proven by, real software has made of our query.
        let (check, _files) = check(&clouds, &target, "app:1", "ignore");
        let checked = check.succeeds().await;
        assert!(checked.json()["images"][0]["verified"]["signed_at"].is_string());
    }
}

#[tokio::test]
async fn another_instance_signs_where_a_signing_configuration_names_it() {
    for version in [1, 2] {
        let clouds = Clouds::start().await;
        clouds.visibility("private");
        let (source, target, _) = registries(Some(100));
        let files = tempfile::tempdir().unwrap();
        let config = signing_config(version, files.path());
        let run = copy(&clouds, &source, &target.name("app:1")).input("signing-config", config);
        run.env("GITHUB_WORKSPACE", &files.path().display().to_string()).succeeds().await;
        let asked =
            [signing::OWN_FULCIO, signing::OWN_REKOR, signing::OWN_TSA, signing::FULCIO, signing::GITHUB_FULCIO];
        assert_eq!(asked.map(|host| clouds.count(host)), [1, 1, 1, 0, 0]);
        let lines = clouds.lines();
        assert!(lines.iter().any(|line| line.ends_with(&format!("/api/v{version}/log/entries"))), "{lines:?}");
        let (check, _files) = check(&clouds, &target, "app:1", "require");
        let checked = check.succeeds().await;
        assert_eq!(checked.json()["images"][0]["verified"]["identity"], WORKFLOW, "version {version}");
    }
}

#[tokio::test]
async fn nothing_is_contacted_where_there_is_nobody_to_sign_for() {
    let clouds = Clouds::start().await;
    let (source, target, _) = registries(None);
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("bad.json"), "{}").unwrap();
    let good = signing_config(1, files.path());
    let plain = || {
        let run = clouds.reach_without_identity(Run::copy(&source.name("library/app:1"), &target.name("app:1")));
        run.env("GITHUB_WORKSPACE", &files.path().display().to_string())
    };
    let attest = || plain().input("attest", "true");
    let with_identity = || clouds.reach(attest());
    for (run, sentences) in [
        (
            attest(),
            &[
                "input `attest`: needs the job's identity",
                "permissions: { contents: read, packages: write, id-token: write }",
            ][..],
        ),
        (attest().env("GITHUB_EVENT_NAME", "pull_request"), &["a pull request from a fork gets none"]),
        (
            attest().without("GITHUB_ACTIONS"),
            &["needs the identity of a job of GitHub Actions, and this is none: leave it out here"],
        ),
        (
            with_identity()
                .env("GITHUB_SERVER_URL", "https://git.acme.example")
                .env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://git.acme.example/_services/token?api-version=2.0"),
            &["this server is https://git.acme.example", "`signing-config`"],
        ),
        (plain().input("signing-config", good), &["input `signing-config`: is of `attest`"]),
        (with_identity().input("signing-config", "bad.json"), &["`bad.json` is no signing configuration of sigstore"]),
        (with_identity().input("signing-config", "none.json"), &["`none.json` is not there"]),
        (with_identity().input("attest", "yes"), &["input `attest`: `yes` is not one of true"]),
    ] {
        let outcome = run.fails_with(2).await;
        for sentence in sentences {
            assert!(outcome.says(sentence), "{sentence}\n{outcome}");
        }
    }
    assert_eq!((source.requests(), target.requests(), clouds.asked().len()), (0, 0, 0));
    // What writes nothing signs nothing.
    for run in [attest().input("dry-run", "true"), attest().input("command", "inspect")] {
        run.succeeds().await;
    }
    assert_eq!((target.writes(), clouds.asked().len()), (0, 0));
}

#[tokio::test]
async fn a_directory_has_its_attestation_too() {
    let clouds = Clouds::start().await;
    let (source, _, image) = registries(None);
    let files = tempfile::tempdir().unwrap();
    let to = format!("oci:{}/out:1", files.path().display());
    let run = copy(&clouds, &source, &to).env("GITHUB_WORKSPACE", &files.path().display().to_string());
    run.succeeds().await;
    let index = std::fs::read_to_string(files.path().join("out/index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["artifactType"] == BUNDLE), "{index}");
    assert!(entries.iter().any(|entry| entry["digest"] == image.digest()), "{index}");
    run.succeeds().await;
    assert_eq!(clouds.signing().logged(), 1);
}

/// `scripts/signatures` runs this, and says so where there is no cosign.
#[tokio::test]
#[ignore = "needs cosign 3: run by scripts/signatures"]
async fn cosign_takes_what_we_attest_and_refuses_it_of_another() {
    let clouds = Clouds::start().await;
    for (version, api) in [(1, None), (1, Some(100)), (2, Some(100))] {
        let (source, target, _) = registries(api);
        source.seed(&images::single(), "library/other:1");
        let files = tempfile::tempdir().unwrap();
        let config = signing_config(version, files.path());
        let run = copy(&clouds, &source, &target.name("app:1")).input("signing-config", config);
        run.env("GITHUB_WORKSPACE", &files.path().display().to_string()).succeeds().await;
        Run::copy(&source.name("library/other:1"), &target.name("app:2")).succeeds().await;
        let root = files.path().join("root.json").display().to_string();
        std::fs::write(&root, clouds.signing().trusted_root()).unwrap();
        for (image, identity, takes) in
            [("app:1", WORKFLOW, true), ("app:1", "https://github.com/octo/evil", false), ("app:2", WORKFLOW, false)]
        {
            let mut command = std::process::Command::new(crate::support::real::program("cosign"));
            command.args([
                "verify-attestation",
                "--type",
                LINK,
                "--trusted-root",
                &root,
                "--certificate-identity",
                identity,
            ]);
            command.args(["--certificate-oidc-issuer", ACTIONS, "--allow-insecure-registry", &target.name(image)]);
            let output = command.env("HOME", files.path()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), takes, "{image} {identity} log v{version}: {said}");
        }
    }
}
