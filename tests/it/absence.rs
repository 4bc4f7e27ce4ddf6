//! What proves nothing is no proof of absence: whatever a registry answers beside the question, an attachment that is there
//! comes along, or the run says that it may be missing. And what one repository answered says nothing about another.

use serde_json::json;

use crate::support::images::{self, Image, OCI_INDEX, Object};
use crate::support::{Fault, Outcome, Registry, Run, What};

const SIGNATURE: &str = "application/vnd.cncf.notary.signature";

fn tag_of(digest: &str) -> String {
    digest.replace(':', "-")
}

/// The list of `entries` under the fallback tag of `subject`.
fn seed_list(registry: &Registry, repository: &str, subject: &Image, entries: &[String]) {
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","));
    registry.seed(&images::raw(OCI_INDEX, index, vec![]), &format!("{repository}:{}", tag_of(subject.digest())));
}

/// A source whose image has a signature that only the fallback tag names, and one that only cosign's tag names.
struct Signed {
    source: Registry,
    target: Registry,
    image: Image,
    listed: Image,
    tagged: Image,
}

impl Signed {
    fn new() -> Self {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        let (listed, tagged) = (images::referrer_of(&image, SIGNATURE), images::release(7));
        source.seed(&image, "library/app:1");
        source.seed(&listed, "library/app");
        seed_list(&source, "library/app", &image, &[listed.root().descriptor()]);
        source.seed(&tagged, &format!("library/app:{}.sig", tag_of(image.digest())));
        Self { source, target, image, listed, tagged }
    }

    fn run(&self) -> Run {
        Run::copy(&self.source.name("library/app:1"), &self.target.name("mirror/app:1"))
    }

    fn assert_arrived(&self, outcome: &Outcome, context: &str) {
        let context = format!("{context}\n{outcome}\n{}", self.source.lines());
        assert_eq!(outcome.code, 0, "{context}");
        assert!(
            self.target.manifest("mirror/app", self.listed.digest()).is_some(),
            "the listed one is lost: {context}"
        );
        assert!(
            self.target.manifest("mirror/app", self.tagged.digest()).is_some(),
            "the tagged one is lost: {context}"
        );
    }
}

#[tokio::test]
async fn a_list_of_tags_without_a_signature_is_no_proof() {
    for tags in [json!(["1"]), json!([]), json!(null)] {
        let signed = Signed::new();
        let body = json!({ "name": "library/app", "tags": tags }).to_string();
        let what = What::Status { status: 200, headers: vec![], body };
        signed.source.fault(Fault::on("GET", "/tags/list", what).always());
        signed.assert_arrived(&signed.run().succeeds().await, &tags.to_string());
    }
}

#[tokio::test]
async fn what_is_no_oci_index_is_no_list_of_referrers() {
    let says = |content_type: &str, body: &str| {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        What::Status { status: 200, headers, body: body.to_owned() }
    };
    for what in [
        says("application/json", "{}"),
        says("application/json", "[]"),
        says("application/json", r#"{"manifests":[]}"#),
        says("application/json", r#"{"errors":[]}"#),
        says("text/plain", "ok"),
        says("text/html; charset=utf-8", "<html>"),
        says("application/vnd.docker.distribution.manifest.list.v2+json", r#"{"manifests":[]}"#),
        says(OCI_INDEX, "{}"),
        What::status(400),
        What::error(400, "UNSUPPORTED", "invalid path"),
        What::status(401),
        What::status(403),
        What::error(403, "DENIED", "no"),
        What::status(404),
        What::status(405),
        What::status(406),
        What::status(501),
        What::Redirect { to: "https://example.invalid/login".to_owned(), status: 302 },
        What::status(307),
    ] {
        let signed = Signed::new();
        signed.source.fault(Fault::on("GET", "/referrers/", what.clone()).always());
        signed.assert_arrived(&signed.run().succeeds().await, &format!("{what:?}"));
    }
}

#[tokio::test]
async fn a_list_that_is_one_is_believed_whatever_it_is_served_as() {
    for what in [
        What::content_type("application/json"),
        What::content_type("Application/vnd.OCI.image.index.v1+json; charset=utf-8"),
        What::no_content_type(),
    ] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        source.switch(|switches| switches.referrers = Some(10));
        source.seed(&image, "a:1");
        let signature = images::referrer_of(&image, SIGNATURE);
        source.seed(&signature, "a");
        source.fault(Fault::on("GET", "/referrers/", what.clone()).always());
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
        assert!(target.manifest("b", signature.digest()).is_some(), "{what:?}\n{outcome}");
        assert_eq!(source.count("GET", &format!("/manifests/{}", tag_of(image.digest()))), 0, "{}", source.lines());
    }
}

#[tokio::test]
async fn a_refusal_that_leaves_open_whether_there_is_a_list_is_said() {
    for (what, is_said) in [
        (What::error(403, "DENIED", "no lists here"), true),
        (What::status(401), true),
        (What::status(404), false),
        (What::status(406), false),
    ] {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::single(), "a:1");
        source.fault(Fault::on("GET", "/referrers/", what.clone()).always());
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
        assert_eq!(outcome.says("refuses to list what refers to an image"), is_said, "{what:?}\n{outcome}");
    }
}

#[tokio::test]
async fn where_neither_list_can_be_asked_the_image_fails_and_attachments_none_copies_it() {
    for (list, tag) in [(404, 403), (403, 403), (501, 400), (401, 401)] {
        let signed = Signed::new();
        signed.source.fault(Fault::on("GET", "/referrers/", What::status(list)).always());
        let fallback = format!("/manifests/{}", tag_of(signed.image.digest()));
        signed.source.fault(Fault::on("GET", fallback, What::error(tag, "DENIED", "no")).always());
        let outcome = signed.run().fails_with(1).await;
        assert_eq!(signed.target.tag("mirror/app", "1"), None, "{list} {tag}\n{outcome}");
        signed.run().input("attachments", "none").succeeds().await;
    }
}

#[tokio::test]
async fn a_redirect_of_the_list_within_the_host_is_followed() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::single());
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&image, "a:1");
    source.seed(&image, "real:1");
    let signature = images::referrer_of(&image, SIGNATURE);
    source.seed(&signature, "a");
    source.seed(&signature, "real");
    let to = format!("/v2/real/referrers/{}", image.digest());
    source.fault(Fault::on("GET", "/v2/a/referrers/", What::Redirect { to, status: 307 }).always());
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert!(target.manifest("b", signature.digest()).is_some(), "{outcome}\n{}", source.lines());
}

#[tokio::test]
async fn a_list_that_breaks_off_is_asked_for_again() {
    for what in [What::CutBodyAfter(20), What::ResetBodyAfter(0)] {
        let (source, target, image) = (Registry::start(), Registry::start(), images::single());
        source.switch(|switches| switches.referrers = Some(10));
        source.seed(&image, "a:1");
        let signature = images::referrer_of(&image, SIGNATURE);
        source.seed(&signature, "a");
        source.fault(Fault::on("GET", "/referrers/", what.clone()));
        let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
        assert!(target.manifest("b", signature.digest()).is_some(), "{what:?}\n{outcome}");
    }
}

#[tokio::test]
async fn signatures_come_from_a_registry_whose_heads_find_nothing() {
    for reference in ["library/app:1".to_owned(), format!("library/app@{}", images::single().digest())] {
        let signed = Signed::new();
        signed.source.fault(Fault::on("HEAD", "/manifests/", What::status(404)).always());
        let run = Run::copy(&signed.source.name(&reference), &signed.target.name("mirror/app:1"));
        signed.assert_arrived(&run.succeeds().await, &reference);
    }
}

#[tokio::test]
async fn tags_of_one_digest_ask_for_its_signatures_once() {
    let signed = Signed::new();
    for tag in ["1.2", "1.2.3", "latest"] {
        signed.source.set_tag("library/app", tag, signed.image.digest());
    }
    let line = |tag: &str| {
        let (from, to) = (format!("library/app:{tag}"), format!("mirror/app:{tag}"));
        format!("{} => {}", signed.source.name(&from), signed.target.name(&to))
    };
    let lines = ["1", "1.2", "1.2.3", "latest"].map(line).join("\n");
    let outcome = Run::new().input("images", &lines).succeeds().await;
    signed.assert_arrived(&outcome, "four tags");
    let name = tag_of(signed.image.digest());
    // By HEAD or by GET: that depends on which of the images was the first to hear of the repository.
    for suffix in [".sig", ".att", ".sbom", ""] {
        let path = format!("/manifests/{name}{suffix}");
        let asked = signed.source.log().into_iter().filter(|it| it.path.ends_with(&path));
        assert_eq!(asked.count(), 1, "{suffix}\n{}", signed.source.lines());
    }
    assert_eq!(signed.source.count("GET", "/tags/list"), 0, "{}", signed.source.lines());
}

#[tokio::test]
async fn what_is_asked_beside_an_image_is_four_requests_for_each_of_its_manifests() {
    // The root, two platforms and their attestations: cosign signs all of these (`--recursive`), and only asking proves that
    // it has not.
    let (source, target, image) = (Registry::start(), Registry::start(), images::with_attestations());
    source.seed(&image, "a:1");
    let run = Run::copy(&source.name("a:1"), &target.name("b:1"));
    let outcome = run.succeeds().await;
    let asked = |method: &str, part: &str| {
        source.log().iter().filter(|it| it.method == method && it.path.contains(part)).count()
    };
    assert_eq!(image.manifests.len(), 5);
    assert_eq!(
        (asked("HEAD", "/manifests/sha256-"), asked("GET", "/manifests/sha256-"), asked("GET", "/referrers/")),
        (15, 5, 1),
        "{outcome}\n{}",
        source.lines()
    );
    assert_eq!(asked("GET", "/tags/list"), 0);
    // Where there is the API, it answers for the fallback tag.
    let target = Registry::start();
    source.reset();
    source.switch(|switches| switches.referrers = Some(10));
    Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert_eq!((asked("GET", "/manifests/sha256-"), asked("GET", "/referrers/")), (0, 5), "{}", source.lines());
}

#[tokio::test]
async fn a_digest_whose_cosign_tags_no_registry_takes_is_not_asked_for_them() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::single();
    let bytes = image.root().bytes.clone();
    let child = Object { digest: images::sha512(&bytes), media_type: image.root().media_type.clone(), bytes };
    let entries = child.descriptor();
    let mut index =
        images::raw(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#), image.blobs.clone());
    index.manifests.insert(0, child);
    source.seed(&index, "a:1");
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    let longest =
        source.log().into_iter().filter_map(|it| Some(it.path.rsplit_once("/manifests/sha512-")?.1.len())).max();
    assert_eq!(longest, Some(64), "the fallback tag and no other: {outcome}\n{}", source.lines());
}

#[tokio::test]
async fn one_repository_without_the_api_says_nothing_about_another_of_its_host() {
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(10));
    let mut lines = Vec::new();
    for (number, name) in ["old/a", "new/b", "new/c"].into_iter().enumerate() {
        let image = images::release(number as u64);
        source.seed(&image, &format!("{name}:1"));
        source.seed(&images::referrer_of(&image, SIGNATURE), name);
        lines.push(format!("{} => {}", source.name(&format!("{name}:1")), target.name(&format!("m/{name}:1"))));
    }
    source.fault(Fault::on("GET", "/v2/old/a/referrers/", What::status(404)).always());
    for name in ["new/b", "new/c"] {
        source.fault(Fault::on("HEAD", format!("/v2/{name}/manifests/1"), What::Delay(300)));
    }
    let outcome = Run::new().input("images", &lines.join("\n")).succeeds().await;
    for (number, name) in [(1, "new/b"), (2, "new/c")] {
        let signature = images::referrer_of(&images::release(number), SIGNATURE);
        let arrived = target.manifest(&format!("m/{name}"), signature.digest());
        assert!(arrived.is_some(), "{name}\n{outcome}\n{}", source.lines());
    }
}

#[tokio::test]
async fn one_digest_that_is_refused_says_nothing_about_the_others_of_its_repository() {
    let (source, target, image) = (Registry::start(), Registry::start(), images::three_platforms());
    source.switch(|switches| switches.referrers = Some(10));
    source.seed(&image, "a:1");
    let child = Image {
        blobs: vec![],
        manifests: image.manifests.iter().filter(|it| it.digest == image.child("linux/arm64")).cloned().collect(),
        platforms: vec![],
    };
    let signature = images::referrer_of(&child, SIGNATURE);
    source.seed(&signature, "a");
    let refused = What::error(400, "UNSUPPORTED", "no such algorithm");
    // The index, which is asked about before its children.
    let first = image.digest();
    source.fault(Fault::on("GET", format!("/referrers/{first}"), refused).always());
    let outcome = Run::copy(&source.name("a:1"), &target.name("b:1")).succeeds().await;
    assert!(target.manifest("b", signature.digest()).is_some(), "{outcome}\n{}", source.lines());
    let asked = source.log().into_iter().find(|request| request.path.contains("/referrers/")).unwrap();
    assert!(asked.path.ends_with(first), "another was asked about first, and nothing is shown: {}", source.lines());
}

#[tokio::test]
async fn a_mirror_with_the_api_does_not_speak_for_an_original_without_it() {
    let signed = Signed::new();
    let mirror = Registry::start();
    mirror.switch(|switches| switches.referrers = Some(10));
    mirror.seed(&signed.image, "hub/library/app:1");
    let rule = format!("{} = {}", signed.source.host(), mirror.name("hub"));
    let outcome = signed.run().input("registry-mirrors", &rule).succeeds().await;
    signed.assert_arrived(&outcome, "mirrored");
}
