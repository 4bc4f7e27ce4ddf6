//! Others that write while a run does: a tag that is not to be overwritten is not, whoever lost a tag is told so, and a tag of
//! the source that moves gives one image.

use std::sync::Arc;

use crate::support::images::{self, Image};
use crate::support::{Account, Auth, Fault, Hook, Moment, Outcome, Registry, Run, TokenAuth, What};

/// A source with an image, and a target that has another one without a tag.
struct Race {
    image: Image,
    other: Image,
    source: Registry,
    target: Arc<Registry>,
}

impl Race {
    fn new() -> Self {
        let (image, other) = (images::three_platforms(), images::single());
        let (source, target) = (Registry::start(), Arc::new(Registry::start()));
        source.seed(&image, "library/app:1");
        source.seed(&images::referrer_of(&image, "application/vnd.example.sbom"), "library/app");
        source.switch(|switches| switches.referrers = Some(10));
        target.seed(&other, "mirror/app");
        Self { image, other, source, target }
    }

    /// Another sets the target's tag once this request has done what it does.
    fn sets(self, method: &'static str, part: &str, digest: &str) -> Self {
        // The registry keeps its faults: it must not keep itself.
        let (target, digest) = (Arc::downgrade(&self.target), digest.to_owned());
        let hook = Hook::new(move || {
            if let Some(target) = target.upgrade() {
                target.set_tag("mirror/app", "1", &digest);
            }
        });
        self.target.fault(Fault::on(method, part, What::Then(Moment::Done, hook)));
        self
    }

    fn run(&self) -> Run {
        Run::copy(&self.source.name("library/app:1"), &self.target.name("mirror/app:1"))
    }

    fn tag(&self) -> String {
        self.target.tag("mirror/app", "1").unwrap_or_default()
    }
}

fn result(outcome: &Outcome) -> String {
    outcome.json()["images"][0]["result"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_tag_that_appears_while_layers_are_sent_is_kept() {
    // With the first upload, and with the last manifest before the tag.
    for (method, part) in [("POST", "/uploads/"), ("PUT", "/manifests/sha256:")] {
        let race = Race::new();
        let other = race.other.digest().to_owned();
        let race = race.sets(method, part, &other);
        let outcome = race.run().input("on-conflict", "keep").succeeds().await;
        assert_eq!((result(&outcome).as_str(), race.tag()), ("kept", other.clone()), "{outcome}");
        assert_eq!((outcome.output("digest"), outcome.output("changed")), (other.as_str(), "true"), "{outcome}");
        assert!(outcome.says("another has set it to"), "{outcome}");

        let race = Race::new().sets(method, part, &other);
        let outcome = race.run().input("on-conflict", "fail").fails_with(1).await;
        assert_eq!(race.tag(), other, "{outcome}");
        assert!(outcome.says(&format!("exists with {other}; the source is {}", race.image.digest())), "{outcome}");
        assert!(outcome.says("was not touched"), "{outcome}");

        // The same image is no conflict, and what is to be overwritten is.
        let same = race.image.digest().to_owned();
        let race = Race::new().sets(method, part, &same);
        let outcome = race.run().input("on-conflict", "fail").succeeds().await;
        assert_eq!((result(&outcome).as_str(), race.tag()), ("copied", same.clone()), "{outcome}");
        let race = Race::new().sets(method, part, &other);
        race.run().succeeds().await;
        assert_eq!(race.tag(), same);
    }
}

#[tokio::test]
async fn who_loses_a_tag_is_told_that_it_was_moved() {
    let race = Race::new();
    let other = race.other.digest().to_owned();
    let race = race.sets("PUT", "/manifests/1", &other);
    let outcome = race.run().fails_with(1).await;
    let sentence = format!("was written as {} and is {other} now: another run", race.image.digest());
    assert!(outcome.says(&sentence) && outcome.says("let one of them do it at a time"), "{outcome}");
    assert!(outcome.says("names another one by now") && !outcome.says("changes manifests"), "{outcome}");
    // Nobody pins what the tag does not name.
    assert_eq!((outcome.output("digest"), outcome.output("changed")), ("", "true"), "{outcome}");

    // A registry that stores something else than it was sent is another matter.
    let race = Race::new();
    let (target, image) = (Arc::downgrade(&race.target), race.image.digest().to_owned());
    let hook = Hook::new(move || {
        if let Some(target) = target.upgrade() {
            target.set_tag("mirror/app", "1", &other);
            target.forget("mirror/app", &image);
        }
    });
    race.target.fault(Fault::on("PUT", "/manifests/1", What::Then(Moment::Done, hook)));
    let outcome = race.run().fails_with(1).await;
    assert!(outcome.says("changes manifests") && !outcome.says("moved the tag"), "{outcome}");
}

#[tokio::test]
async fn a_source_that_is_named_twice_is_one_image_wherever_its_tag_goes_meanwhile() {
    for (platforms, method) in [("all", "HEAD"), ("linux/amd64", "GET"), ("linux/amd64,linux/arm64", "GET")] {
        let (image, updated) = (images::three_platforms(), images::three_platforms_updated());
        let (source, target, elsewhere) = (Registry::start(), Registry::start(), Registry::start());
        source.seed(&image, "library/app:1");
        source.seed(&updated, "library/app");
        source.fault(Fault::on(method, "/manifests/1", What::TagMovesTo(updated.digest().to_owned())));
        let spelled = source.name("library/app:1").replace("127.0.0.1", "localhost");
        let list = [
            (source.name("library/app:1"), target.name("mirror/a:1")),
            (source.name("library/app:1"), target.name("mirror/b:1")),
            (spelled, elsewhere.name("mirror/c:1")),
        ];
        let lines: Vec<String> = list.iter().map(|(source, target)| format!("{source} => {target}")).collect();
        let run = Run::new().input("images", &lines.join("\n")).input("platforms", platforms);
        let outcome = run.input("subset", "rewrite").succeeds().await;
        let asked = source.count("HEAD", "/manifests/1") + source.count("GET", "/manifests/1");
        assert_eq!(asked, 1, "{platforms}\n{outcome}\n{}", source.lines());
        let tags = [target.tag("mirror/a", "1"), target.tag("mirror/b", "1"), elsewhere.tag("mirror/c", "1")];
        assert!(tags[0].is_some() && tags.iter().all(|tag| *tag == tags[0]), "{platforms}: {tags:?}\n{outcome}");
        if platforms == "all" {
            assert_eq!(tags[0].as_deref(), Some(image.digest()));
        }
    }
}

#[tokio::test]
async fn a_source_that_one_credential_may_not_read_is_read_with_another() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    source.set_auth(Auth::Token(TokenAuth::new(vec![Account::new("ann", "anns-secret")])));
    // A credential is for the host as it is spelled: the first image of the list has none.
    let name = source.name("library/app:1");
    let spelled = name.replace("127.0.0.1", "localhost");
    let list = format!("{spelled} => {}\n{name} => {}", target.name("mirror/a:1"), target.name("mirror/b:1"));
    let run = Run::new().input("images", &list).input("registry-auth", &format!("{} ann anns-secret", source.host()));
    let outcome = run.fails_with(1).await;
    assert_eq!((target.tag("mirror/a", "1"), target.tag("mirror/b", "1").is_some()), (None, true), "{outcome}");
}

#[tokio::test]
async fn what_a_registry_warns_of_is_shown_once() {
    let releases: Vec<Image> = (0..5).map(images::release).collect();
    let (source, target) = (Registry::start(), Registry::start());
    for (number, image) in releases.iter().enumerate() {
        source.seed(image, &format!("library/app:{number}"));
    }
    let warn = |text: &str| What::Header("warning", Some(text.to_owned()));
    source.fault(Fault::on("*", "", warn("299 - \"This registry ends in May. ::error::x\"")).always());
    target.fault(Fault::on("*", "", warn("299 - \"one\", 299 - \"two\"")).always());
    let lines: Vec<String> = (0..5).map(|number| source.name(&format!("library/app:{number}"))).collect();
    let run = Run::new().input("images", &lines.join("\n")).input("target", &target.name("mirror/{name}"));
    let outcome = run.succeeds().await;
    for text in ["warns: This registry ends in May.", "warns: one", "warns: two"] {
        assert_eq!(outcome.log.matches(text).count(), 1, "{text}\n{outcome}");
    }
    assert!(!outcome.log.contains("\n::error"), "{outcome}");
}

/// A storage behind the registry that lags, or is gone, says nothing about a tag. A registry in front of others leads to theirs.
#[tokio::test]
async fn a_tag_behind_a_redirect_that_ends_in_nothing_is_not_taken_for_absent() {
    for (path, conflict, is_known) in [
        ("/storage/gone", "keep", false),
        ("/storage/gone", "fail", false),
        ("/v2/elsewhere/manifests/1", "keep", true),
    ] {
        let race = Race::new();
        race.target.set_tag("mirror/app", "1", race.other.digest());
        for method in ["HEAD", "GET"] {
            let lead = What::Redirect { to: format!("http://{}{path}", race.target.host()), status: 307 };
            race.target.fault(Fault::on(method, "/v2/mirror/app/manifests/1", lead).times(2));
        }
        let outcome = race.run().input("on-conflict", conflict).run().await;
        let is_kept = race.tag() == race.other.digest();
        assert_eq!(
            (outcome.code == 1, is_kept),
            (!is_known || outcome.code == 1, !is_known || is_kept),
            "{path} {conflict}\n{outcome}"
        );
        if !is_known {
            assert!(outcome.says("it leads elsewhere, where the answer is 404"), "{path} {conflict}\n{outcome}");
        }
    }
}
