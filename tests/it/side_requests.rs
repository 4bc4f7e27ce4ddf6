//! Side requests never fail the main job: what is asked beside what is to be done may be refused in any way, and the image
//! arrives; what does not come along is said.

use std::time::{Duration, Instant};

use crate::support::images::{self, EMPTY, Image, OCI_INDEX, Object};
use crate::support::{Fault, Outcome, Registry, Run, What};

const SIGNATURE: &str = "application/vnd.cncf.notary.signature";

const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";

fn result(outcome: &Outcome) -> String {
    outcome.json()["images"][0]["result"].as_str().unwrap().to_owned()
}

fn tag_of(digest: &str) -> String {
    digest.replace(':', "-")
}

#[tokio::test]
async fn a_mount_that_is_refused_in_whatever_way_is_followed_by_an_upload() {
    for status in [301, 400, 401, 403, 404, 405, 406, 409, 415, 422, 500, 501, 502, 504] {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "library/app:1");
        target.fault(Fault::on("POST", "mount=", What::status(status)).always());
        let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("patience", "60s");
        let began = Instant::now();
        let outcome = run.unhurried().run().await;
        assert_eq!(outcome.code, 0, "{status}\n{outcome}\n{}", target.lines());
        assert!(began.elapsed() < Duration::from_secs(10), "{status}: {:?}", began.elapsed());
        target.is_whole("mirror/app", "1").unwrap();
    }
}

#[tokio::test]
async fn an_answer_to_a_mount_that_means_nothing_is_followed_by_an_upload() {
    for what in [What::status(200), What::status(202), What::status(204)] {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "library/app:1");
        target.fault(Fault::on("POST", "mount=", what.clone()).always());
        let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).unhurried().run().await;
        assert_eq!(outcome.code, 0, "{what:?}\n{outcome}\n{}", target.lines());
        target.is_whole("mirror/app", "1").unwrap();
    }
}

#[tokio::test]
async fn a_mount_that_breaks_the_connection_or_links_nothing_is_followed_by_an_upload() {
    // The second says 201, and does not have the blob when the manifest comes.
    let linked = What::Status { status: 201, headers: vec![], body: String::new() };
    for what in [What::ResetRequestAfter(0), linked] {
        let registry = Registry::start();
        registry.seed(&images::single(), "library/app:1");
        registry.fault(Fault::on("POST", "mount=", what.clone()).always());
        let run = Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1"));
        let outcome = run.run().await;
        assert_eq!(outcome.code, 0, "{what:?}\n{outcome}\n{}", registry.lines());
        registry.is_whole("mirror/app", "1").unwrap();
    }
}

#[tokio::test]
async fn a_mount_that_fails_once_is_asked_for_again() {
    let registry = Registry::start();
    let image = images::single();
    registry.seed(&image, "library/app:1");
    registry.fault(Fault::on("POST", "mount=", What::status(502)));
    Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1")).succeeds().await;
    assert_eq!(registry.count("PUT", "/blobs/uploads/"), 0, "{}", registry.lines());
}

#[tokio::test]
async fn one_repository_that_does_not_mount_says_nothing_about_another_of_its_host() {
    let registry = Registry::start();
    let image = images::single();
    for name in ["library/a", "library/b"] {
        registry.seed(&image, &format!("{name}:1"));
    }
    registry.fault(Fault::on("POST", "/v2/cache/a/blobs/uploads/?mount=", What::MountAnswer(405)).always());
    let line = |from: &str, to: &str| format!("{} => {}", registry.name(from), registry.name(to));
    let lines = [line("library/a:1", "cache/a:1"), line("library/b:1", "own/b:1")].join("\n");
    registry.fault(Fault::on("HEAD", "/v2/library/b/manifests/1", What::Delay(300)));
    let outcome = Run::new().input("images", &lines).succeeds().await;
    let sent = registry.count("PUT", "/v2/own/b/blobs/uploads/");
    assert_eq!(sent, 0, "{outcome}\n{}", registry.lines());
}

/// What is said where the target does not list what is attached to `subject`. That it has no list only 404 says.
fn not_listed(name: &str, subject: &Image) -> String {
    match name {
        "lets nobody read it" => {
            format!("whether the target lists what is attached to {} cannot be told", subject.digest())
        }
        _ => format!("the target keeps no list of what is attached to {}", subject.digest()),
    }
}

#[tokio::test]
async fn a_list_that_the_target_cannot_keep_is_said_and_the_tag_is_written_soon() {
    for (name, fault) in [
        ("answers with the image itself", None),
        ("refuses the tag", Some(("PUT", What::error(400, "TAG_INVALID", "not such a tag")))),
        ("has immutable tags", Some(("PUT", What::error(409, "TAG_IMMUTABLE", "no")))),
        ("lets nobody write it", Some(("PUT", What::error(403, "DENIED", "no")))),
        ("knows no such tag", Some(("PUT", What::status(501)))),
        ("fails at it", Some(("PUT", What::status(500)))),
        ("lets nobody read it", Some(("GET", What::error(403, "DENIED", "no")))),
        ("forgets it", Some(("PUT", What::AcceptButForget))),
    ] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        source.switch(|switches| switches.referrers = Some(10));
        source.seed(&image, "a:1");
        let signature = images::referrer_of(&image, SIGNATURE);
        source.seed(&signature, "a");
        match &fault {
            None => target.switch(|switches| switches.tags_of_digests = true),
            Some((method, what)) => {
                let path = format!("/manifests/{}", tag_of(image.digest()));
                target.fault(Fault::on(method, path, what.clone()).always());
            }
        }
        let began = Instant::now();
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).unhurried().run().await;
        assert_eq!(outcome.code, 0, "{name}\n{outcome}\n{}", target.lines());
        assert_eq!(target.tag("b", "1").as_deref(), Some(image.digest()), "{name}");
        assert!(target.manifest("b", signature.digest()).is_some(), "{name}");
        assert!(outcome.says(&not_listed(name, &image)), "{name}\n{outcome}");
        assert!(outcome.says(signature.digest()), "{name}\n{outcome}");
        let limit = if name == "forgets it" { 12 } else { 4 };
        assert!(began.elapsed() < Duration::from_secs(limit), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn copy_verify_and_the_deep_check_agree_about_a_target_that_resolves_the_tag_of_the_list() {
    for name in ["answers with the image itself", "lets nobody read it"] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::three_platforms());
        source.switch(|switches| switches.referrers = Some(10));
        source.seed(&image, "a:1");
        let attached = images::referrer_of(&image, SIGNATURE);
        source.seed(&attached, "a");
        if name == "answers with the image itself" {
            target.switch(|switches| switches.tags_of_digests = true);
        } else {
            let path = format!("/manifests/{}", tag_of(image.digest()));
            target.fault(Fault::on("GET", path, What::error(403, "DENIED", "no")).always());
        }
        let warning = not_listed(name, &image);
        let copy = || Run::copy(&source.name("a:1"), &target.name("b:1"));
        assert!(copy().succeeds().await.says(&warning), "{name}");
        let puts = target.count("PUT", "/manifests/");
        let deep = copy().input("check", "deep").succeeds().await;
        assert!(deep.says(&warning) && result(&deep) == "unchanged", "{name}\n{deep}");
        let dry = copy().input("check", "deep").input("dry-run", "true").succeeds().await;
        assert!(dry.says(&warning) && result(&dry) == "unchanged", "{name}\n{dry}");
        let verified = copy().command("verify").succeeds().await;
        assert!(verified.says(&warning) && result(&verified) == "verified", "{name}\n{verified}");
        assert_eq!(target.count("PUT", "/manifests/"), puts, "{name}: written again\n{}", target.lines());
        // What is lost is missed all the same.
        assert!(target.forget("b", attached.digest()));
        let verified = copy().command("verify").fails_with(1).await;
        assert!(verified.says("is missing"), "{name}\n{verified}");
        copy().input("check", "deep").succeeds().await;
        assert!(target.manifest("b", attached.digest()).is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_tag_of_the_list_that_names_the_image_gives_way_to_the_list() {
    // oc-mirror names what it has no other name for so.
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&image, "a:1");
    let signature = images::referrer_of(&image, SIGNATURE);
    source.seed(&signature, "a");
    target.seed(&image, &format!("b:{}", tag_of(image.digest())));
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    let list = target.tag("b", &tag_of(image.digest())).and_then(|digest| target.manifest("b", &digest)).unwrap();
    assert!(String::from_utf8_lossy(&list.bytes).contains(signature.digest()), "{outcome}");
}

#[tokio::test]
async fn what_is_under_the_tag_of_the_list_and_is_none_stays() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&image, "a:1");
    let signature = images::referrer_of(&image, SIGNATURE);
    source.seed(&signature, "a");
    let (tag, other) = (tag_of(image.digest()), images::docker_single());
    target.seed(&other, &format!("b:{tag}"));
    let warning = format!("it has {} under `{tag}`, which is no list and stays as it is", other.digest());
    let copy = || Run::copy(&source.name("a:1"), &target.name("b:1"));
    for run in [copy(), copy().input("check", "deep"), copy().command("verify")] {
        let outcome = run.succeeds().await;
        assert!(outcome.says(&warning), "{outcome}");
        assert_eq!(target.tag("b", &tag).as_deref(), Some(other.digest()));
        assert!(target.manifest("b", signature.digest()).is_some());
    }
}

#[tokio::test]
async fn what_a_target_loses_from_its_own_list_is_sent_again_or_said() {
    for (times, is_listed) in [(1, true), (usize::MAX, false)] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        for registry in [&source, &target] {
            registry.switch(|switches| switches.referrers = Some(10));
        }
        source.seed(&image, "a:1");
        let (kept, lost) = (images::referrer_of(&image, SIGNATURE), images::referrer_of(&image, "example/sbom"));
        for attached in [&kept, &lost] {
            source.seed(attached, "a");
        }
        let answer =
            format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, kept.root().descriptor());
        let headers = vec![("content-type".to_owned(), OCI_INDEX.to_owned())];
        let fault = Fault::on("GET", "/referrers/", What::Status { status: 200, headers, body: answer });
        target.fault(if times == 1 { fault } else { fault.always() });
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
        let puts = |image: &Image| target.count("PUT", &format!("/manifests/{}", image.digest()));
        assert_eq!(puts(&kept), 1, "{outcome}\n{}", target.lines());
        assert!(puts(&lost) > 1, "it was not listed, and not sent again: {outcome}\n{}", target.lines());
        assert_eq!(outcome.says("the target keeps no list of what is attached to"), !is_listed, "{outcome}");
        assert_eq!(outcome.says(&format!("): {} is there", lost.digest())), !is_listed, "{outcome}");
    }
}

/// An attachment of the type that was given up before OCI 1.1.
fn outdated(subject: &Image) -> Image {
    let sbom = Object::new("text/plain", "sbom");
    let text = format!(
        r#"{{"mediaType":"{ORAS_ARTIFACT}","artifactType":"example/sbom","blobs":[{}],"subject":{}}}"#,
        sbom.descriptor(),
        subject.root().descriptor()
    );
    images::raw(ORAS_ARTIFACT, text, vec![sbom])
}

#[tokio::test]
async fn an_attachment_of_an_outdated_type_comes_along_or_is_left_behind_with_a_word() {
    let answers = [400, 403, 415, 500, 501].map(|status| Some(What::error(status, "UNSUPPORTED", "unknown type")));
    for answer in std::iter::once(None).chain(answers) {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        source.switch(|switches| switches.referrers = Some(10));
        source.seed(&image, "a:1");
        let attachment = outdated(&image);
        source.seed(&attachment, "a");
        let takes = answer.is_none();
        if let Some(what) = answer.clone() {
            let path = format!("/manifests/{}", attachment.digest());
            target.fault(Fault::on("PUT", path, what).always());
        }
        let copy = || Run::copy(&source.name("a:1"), &target.name("b:1"));
        let outcome = copy().succeeds().await;
        assert_eq!(target.manifest("b", attachment.digest()).is_some(), takes, "{answer:?}\n{outcome}");
        assert_eq!(outcome.says("is left behind"), !takes, "{answer:?}\n{outcome}");
        if takes {
            let arrived = target.manifest("b", attachment.digest()).unwrap();
            assert_eq!((arrived.media_type.as_str(), &arrived.bytes), (ORAS_ARTIFACT, &attachment.root().bytes));
        }
        let deep = || copy().input("check", "deep");
        assert_eq!(result(&deep().succeeds().await), "unchanged", "{answer:?}");
        assert_eq!(result(&deep().input("dry-run", "true").succeeds().await), "unchanged", "{answer:?}");
        let verified = copy().command("verify").succeeds().await;
        assert_eq!(verified.says("is not at the target"), !takes, "{answer:?}\n{verified}");
    }
}

#[tokio::test]
async fn an_attachment_of_which_the_source_has_lost_a_layer_is_left_behind_with_a_word() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&image, "a:1");
    let (live, broken) = (images::referrer_of(&image, SIGNATURE), images::referrer_of(&image, "example/sbom"));
    for attached in [&live, &broken] {
        source.seed(attached, "a");
    }
    assert!(source.forget("a", &broken.blobs.last().unwrap().digest));
    let copy = || Run::copy(&source.name("a:1"), &target.name("b:1"));
    let outcome = copy().succeeds().await;
    assert!(outcome.says(broken.digest()) && outcome.says("the source itself does not have all of it"), "{outcome}");
    assert!(target.manifest("b", live.digest()).is_some(), "{outcome}");
    let deep = || copy().input("check", "deep");
    assert_eq!(result(&deep().succeeds().await), "unchanged");
    assert_eq!(result(&deep().input("dry-run", "true").succeeds().await), "unchanged");
    let verified = copy().command("verify").succeeds().await;
    assert!(verified.says("the source itself does not have all of it"), "{verified}");
    // An attachment that is whole at the source is missed.
    assert!(target.forget("b", live.digest()));
    copy().command("verify").fails_with(1).await;
}

#[tokio::test]
async fn an_attachment_that_cannot_be_read_as_a_manifest_is_left_behind_with_a_word() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.seed(&image, "a:1");
    let unknown =
        images::raw("application/vnd.example.thing.v9+json", format!(r#"{{"about":"{}"}}"#, image.digest()), vec![]);
    source.seed(&unknown, "a");
    let live = images::referrer_of(&image, SIGNATURE);
    source.seed(&live, "a");
    seed_list(&source, "a", &image, &[unknown.root().descriptor(), live.root().descriptor()]);
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert!(outcome.says(unknown.digest()) && outcome.says("left behind"), "{outcome}");
    assert!(target.manifest("b", live.digest()).is_some(), "{outcome}");
}

fn seed_list(registry: &Registry, repository: &str, subject: &Image, entries: &[String]) {
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","));
    registry.seed(&images::raw(OCI_INDEX, index, vec![]), &format!("{repository}:{}", tag_of(subject.digest())));
}

#[tokio::test]
async fn what_is_listed_and_was_deleted_is_said() {
    for attachments in ["all", "signatures"] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        source.seed(&image, "a:1");
        let live = images::referrer_of(&image, SIGNATURE);
        source.seed(&live, "a");
        let gone = Object::new(EMPTY, "gone");
        seed_list(&source, "a", &image, &[gone.descriptor(), live.root().descriptor()]);
        let run = Run::copy(&source.name("a:1"), &target.name("b:1")).input("attachments", attachments);
        let outcome = run.succeeds().await;
        assert!(outcome.says(&gone.digest) && outcome.says("was deleted there"), "{outcome}");
        assert!(target.manifest("b", live.digest()).is_some(), "{outcome}");
        assert!(!target.lines().contains(&gone.digest), "{}", target.lines());
    }
}

#[tokio::test]
async fn a_listed_attachment_that_cannot_be_asked_for_fails_the_image() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.seed(&image, "a:1");
    let live = images::referrer_of(&image, SIGNATURE);
    source.seed(&live, "a");
    seed_list(&source, "a", &image, &[live.root().descriptor()]);
    source.fault(Fault::on("GET", live.digest(), What::error(403, "DENIED", "no")).always());
    Run::copy(&source.name("a:1"), &target.name("b:1")).fails_with(1).await;
    assert_eq!(target.tag("b", "1"), None);
}
