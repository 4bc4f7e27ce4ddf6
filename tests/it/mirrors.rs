//! Reading through mirrors: the order, whom to believe, what is remembered, and that a hostile mirror gains nothing.

use serde_json::Value;

use crate::support::images::{self, Image};
use crate::support::{Account, Auth, ClosedPort, Fault, Outcome, Registry, Run, TokenAuth, What};

const ORIGINAL_PASSWORD: &str = "original-secret-19bb";
const MIRROR_PASSWORD: &str = "mirror-secret-5e02";

/// An original with an image, so many mirrors without anything, and a target.
struct Sites {
    original: Registry,
    mirrors: Vec<Registry>,
    target: Registry,
    image: Image,
}

impl Sites {
    fn new(mirrors: usize) -> Self {
        let image = images::three_platforms();
        let original = Registry::start();
        original.seed(&image, "library/app:1");
        let mirrors = (0..mirrors).map(|_| Registry::start()).collect();
        Self { original, mirrors, target: Registry::start(), image }
    }

    /// Seeds the image at a mirror, below `hub/`.
    fn seed(&self, mirror: usize) {
        self.mirrors[mirror].seed(&self.image, "hub/library/app:1");
    }

    fn rule(&self) -> String {
        let names: Vec<String> = self.mirrors.iter().map(|mirror| mirror.name("hub")).collect();
        format!("{} = {}", self.original.host(), names.join(", "))
    }

    fn run(&self) -> Run {
        Run::copy(&self.original.name("library/app:1"), &self.target.name("mirror/app:1"))
            .input("registry-mirrors", &self.rule())
            // Attachments are asked for everywhere; what these tests count is the image.
            .input("attachments", "none")
    }

    fn site(&self, mirror: usize) -> String {
        self.mirrors[mirror].name("hub/library/app")
    }

    fn assert_copied(&self, outcome: &Outcome) {
        assert_eq!(outcome.code, 0, "{outcome}");
        self.target.is_whole("mirror/app", "1").unwrap();
        assert_eq!(self.target.tag("mirror/app", "1").as_deref(), Some(self.image.digest()), "{outcome}");
    }
}

fn image(outcome: &Outcome) -> Value {
    outcome.json()["images"][0].clone()
}

/// `(site, class)` of every place that was asked.
fn classes(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sites = image(outcome)["sites"].as_array().cloned().unwrap_or_default();
    sites.iter().map(|site| (text(&site["site"]), text(&site["class"]))).collect()
}

fn class_of(outcome: &Outcome, site: &str) -> String {
    classes(outcome).into_iter().find(|(name, _)| name == site).map(|(_, class)| class).unwrap_or_default()
}

#[tokio::test]
async fn two_sites_down_and_the_third_good_are_used_in_order() {
    for mode in ["verify", "first", "origin"] {
        let sites = Sites::new(3);
        sites.seed(2);
        let (first, second) = (ClosedPort::new(), ClosedPort::new());
        let rule = format!("{} = {first}, {second}/x, {}", sites.original.host(), sites.mirrors[2].name("hub"));
        let outcome = sites.run().input("registry-mirrors", &rule).input("mirror-tags", mode).run().await;
        sites.assert_copied(&outcome);
        let third = sites.site(2);
        assert_eq!(image(&outcome)["served_by"], third.as_str(), "{mode}\n{outcome}");
        let classes: Vec<String> = classes(&outcome).into_iter().map(|(_, class)| class).collect();
        let unreachable = classes.iter().filter(|class| *class == "unreachable").count();
        assert_eq!(unreachable, 2, "{mode}: {classes:?}");
        assert_eq!(sites.original.count("GET", "/v2/"), 0, "{mode}\n{}", sites.original.lines());
        assert!(outcome.says(&format!("read from {third}")) && outcome.summary.contains("Where the images were read"));
        // The report and the target carry the original's name; the mirror is a detail.
        assert_eq!(image(&outcome)["source"], sites.original.name("library/app:1").as_str());
    }
}

#[tokio::test]
async fn with_all_down_the_originals_error_is_the_error() {
    let sites = Sites::new(1);
    let closed = ClosedPort::new();
    let rule = format!("{} = {closed}, {}", sites.original.host(), sites.mirrors[0].name("hub"));
    sites.mirrors[0].fault(Fault::on("*", "/v2/", What::status(503)).always());
    sites.original.fault(Fault::on("*", "/v2/", What::error(403, "DENIED", "the original says no")).always());
    let outcome = sites.run().input("registry-mirrors", &rule).fails_with(1).await;
    let message = image(&outcome)["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("the original says no") && message.contains(&sites.original.host()), "{message}");
    // The mirrors are listed with it.
    assert!(outcome.says("note: ") && outcome.says("unreachable (") && outcome.says("busy ("), "{outcome}");
    assert_eq!(image(&outcome)["served_by"], Value::Null);
    // The same error, type and hints, as without mirrors.
    let plain = sites.run().input("registry-mirrors", "none").fails_with(1).await;
    assert_eq!(image(&plain)["error"]["message"], message);
    assert_eq!(image(&plain)["error"]["hints"], image(&outcome)["error"]["hints"]);
}

#[tokio::test]
async fn an_unreachable_host_is_left_out_after_two_times() {
    let sites = Sites::new(0);
    let closed = ClosedPort::new();
    let rule = format!("{} = {closed}", sites.original.host());
    let outcome = sites.run().input("registry-mirrors", &rule).run().await;
    sites.assert_copied(&outcome);
    assert!(outcome.says("was unreachable 2 times"), "{outcome}");
    assert_eq!(image(&outcome)["served_by"], sites.original.name("library/app").as_str());
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_not_asked_for_every_part() {
    let sites = Sites::new(1);
    sites.seed(0);
    sites.mirrors[0].fault(Fault::on("GET", "/v2/", What::Delay(20_000)).always());
    let outcome = sites.run().input("mirror-tags", "origin").input("patience", "1s").run().await;
    sites.assert_copied(&outcome);
    // The index, and the three children that are asked for at once; no blob.
    assert!(sites.mirrors[0].count("GET", "/v2/") <= 4, "{}", sites.mirrors[0].lines());
}

#[tokio::test]
async fn who_served_the_manifest_is_asked_first_for_what_belongs_to_it() {
    let sites = Sites::new(2);
    sites.mirrors[0].seed(&images::single(), "hub/library/other:1");
    sites.seed(1);
    let outcome = sites.run().run().await;
    sites.assert_copied(&outcome);
    assert_eq!(image(&outcome)["served_by"], sites.site(1).as_str());
    assert_eq!(sites.mirrors[0].count("GET", "/v2/"), 1, "{}", sites.mirrors[0].lines());
    assert_eq!(sites.original.count("GET", "/v2/"), 0);
}

#[tokio::test]
async fn every_class_of_failure_goes_on_to_the_next() {
    let json = |body: &str| What::Status {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_owned(),
    };
    let html = What::Status {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())],
        body: "<html>log in</html>".to_owned(),
    };
    for (name, what, class) in [
        ("not found", What::error(404, "MANIFEST_UNKNOWN", "no"), "absent"),
        ("denied", What::error(403, "DENIED", "no"), "not-readable"),
        ("wants a credential", What::status(401), "not-readable"),
        ("throttled", What::status(429).header("retry-after", "3600"), "busy"),
        ("down", What::status(503), "busy"),
        ("a login page", html, "broken"),
        ("no manifest", json("{}"), "lying"),
        ("endless", What::EndlessBody, "broken"),
        ("stalled", What::StallBodyAfter(10), "unreachable"),
        ("slow", What::Trickle { bytes: 1, milliseconds: 200 }, "unreachable"),
        ("late", What::Delay(20_000), "unreachable"),
        ("cut", What::CutBodyAfter(10), "unreachable"),
        ("wrong bytes", What::WrongBytes(20), "lying"),
        ("redirects in a circle", What::redirect("{path}"), "broken"),
        ("redirects without TLS", What::redirect("ftp://127.0.0.1/x"), "broken"),
    ] {
        let sites = Sites::new(1);
        sites.seed(0);
        // HEADs pass, so that the body is asked for; `origin`: by digest.
        sites.mirrors[0].fault(Fault::on("GET", "/v2/", what).always());
        let outcome = sites.run().input("mirror-tags", "origin").input("patience", "2s").run().await;
        sites.assert_copied(&outcome);
        assert_eq!(class_of(&outcome, &sites.site(0)), class, "{name}\n{outcome}");
        assert_eq!(image(&outcome)["served_by"], sites.original.name("library/app").as_str(), "{name}\n{outcome}");
    }
}

#[tokio::test]
async fn a_busy_mirror_is_asked_once_more_and_not_twice() {
    let sites = Sites::new(1);
    sites.seed(0);
    sites.mirrors[0].fault(Fault::on("GET", "/manifests/", What::status(503)));
    let outcome = sites.run().input("mirror-tags", "origin").run().await;
    sites.assert_copied(&outcome);
    assert_eq!(image(&outcome)["served_by"], sites.site(0).as_str(), "{outcome}");
    let sites = Sites::new(1);
    sites.seed(0);
    sites.mirrors[0].fault(Fault::on("GET", "/manifests/", What::status(503)).always());
    let outcome = sites.run().input("mirror-tags", "origin").run().await;
    sites.assert_copied(&outcome);
    let index = format!("/manifests/{}", sites.image.digest());
    assert_eq!(sites.mirrors[0].count("GET", &index), 2, "{}", sites.mirrors[0].lines());
}

#[tokio::test]
async fn a_lying_mirror_is_never_believed_again() {
    // A manifest with other bytes than its digest says; then a blob.
    for part in ["/manifests/", "/blobs/"] {
        let sites = Sites::new(2);
        sites.seed(0);
        sites.seed(1);
        sites.mirrors[0].fault(Fault::on("GET", part, What::WrongBytes(7)).always());
        let outcome = sites.run().run().await;
        sites.assert_copied(&outcome);
        sites.target.everything_visible_is_whole().unwrap();
        assert_eq!(class_of(&outcome, &sites.site(0)), "lying", "{outcome}");
        assert!(outcome.stdout.contains("::warning") && outcome.says("is not believed again in this run"), "{outcome}");
        assert_eq!(sites.original.count("GET", "/v2/"), 0, "the second mirror was good\n{}", sites.original.lines());
        if part == "/manifests/" {
            assert_eq!(sites.mirrors[0].count("GET", "/v2/"), 1, "{}", sites.mirrors[0].lines());
        }
    }
}

#[tokio::test]
async fn a_mirror_that_lies_about_a_tag_is_not_believed_either() {
    // Its HEAD names a digest of nothing, and the original is down: only what can be fetched counts.
    let sites = Sites::new(2);
    sites.seed(0);
    sites.seed(1);
    sites.mirrors[0].fault(Fault::on("*", "/manifests/1", What::wrong_digest_header()).always());
    sites.original.fault(Fault::on("*", "/v2/", What::status(503)).always());
    let outcome = sites.run().run().await;
    sites.assert_copied(&outcome);
    assert_eq!(image(&outcome)["served_by"], sites.site(1).as_str(), "{outcome}");
    assert_eq!(class_of(&outcome, &sites.site(0)), "lying");
}

#[tokio::test]
async fn blobs_come_from_who_served_then_from_the_others() {
    let sites = Sites::new(2);
    sites.seed(0);
    sites.seed(1);
    // The first has the manifests and lacks two blobs; the second lacks one of these too.
    let blobs: Vec<String> = sites.image.blobs.iter().map(|blob| blob.digest.clone()).collect();
    for (mirror, blob) in [(0, &blobs[0]), (0, &blobs[1]), (1, &blobs[1])] {
        assert!(sites.mirrors[mirror].forget("hub/library/app", blob));
    }
    let outcome = sites.run().run().await;
    sites.assert_copied(&outcome);
    assert_eq!(image(&outcome)["served_by"], sites.site(0).as_str());
    assert_eq!((sites.mirrors[1].count("GET", "/blobs/"), sites.original.count("GET", "/blobs/")), (2, 1));
    assert_eq!(sites.original.count("GET", "/manifests/"), 0, "{}", sites.original.lines());
}

#[tokio::test]
async fn a_partial_mirror_works() {
    let sites = Sites::new(1);
    sites.seed(0);
    let child = sites.image.child("linux/arm64").to_owned();
    assert!(sites.mirrors[0].forget("hub/library/app", &child));
    let outcome = sites.run().run().await;
    sites.assert_copied(&outcome);
    assert_eq!(sites.original.count("GET", "/manifests/"), 1, "{}", sites.original.lines());
    assert_eq!(image(&outcome)["served_by"], sites.site(0).as_str());
}

#[tokio::test]
async fn a_mirror_that_breaks_in_the_middle_of_a_blob_is_left_for_the_next() {
    for what in [
        What::CutBodyAfter(70_000),
        What::StallBodyAfter(70_000),
        What::WrongBytes(190_000),
        What::EndlessBody,
        What::Trickle { bytes: 1000, milliseconds: 100 },
    ] {
        let sites = Sites { image: images::big(200_000, 5), ..Sites::new(1) };
        sites.original.seed(&sites.image, "library/app:1");
        sites.seed(0);
        sites.mirrors[0].fault(Fault::on("GET", "/blobs/", what.clone()).always());
        let outcome = sites.run().input("patience", "2s").run().await;
        sites.assert_copied(&outcome);
        sites.target.everything_visible_is_whole().unwrap();
        assert!(sites.original.count("GET", "/blobs/") > 0, "{what:?}\n{outcome}");
    }
}

#[tokio::test]
async fn a_blob_that_is_nowhere_ends_the_run() {
    for skipped in [false, true] {
        let sites = Sites::new(2);
        sites.seed(0);
        sites.seed(1);
        let blob = sites.image.blobs[0].digest.clone();
        if skipped {
            // Its host is left out by then, and must not count as a place that is still to be tried.
            sites.mirrors[0].fault(Fault::on("GET", "/manifests/", What::WrongBytes(3)).always());
        }
        for (registry, repository) in [
            (&sites.mirrors[0], "hub/library/app"),
            (&sites.mirrors[1], "hub/library/app"),
            (&sites.original, "library/app"),
        ] {
            assert!(registry.forget(repository, &blob));
        }
        let outcome = sites.run().fails_with(1).await;
        let message = image(&outcome)["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&sites.original.name("library/app")) && message.contains("404"), "{message}");
        assert_eq!(sites.target.tag("mirror/app", "1"), None);
        assert!(sites.target.count("POST", "/uploads/") < 30, "{}", sites.target.lines());
    }
}

#[tokio::test]
async fn a_stale_mirror_under_each_mode() {
    let updated = images::three_platforms_updated();
    for (mode, fresh, warned) in [("verify", true, true), ("first", false, false), ("origin", true, false)] {
        for platforms in ["all", "linux/amd64"] {
            let sites = Sites::new(1);
            sites.seed(0);
            sites.original.seed(&updated, "library/app:1");
            let outcome = sites.run().input("mirror-tags", mode).input("platforms", platforms).succeeds().await;
            let expected = if fresh { &updated } else { &sites.image };
            assert_eq!(image(&outcome)["source_digest"], expected.digest(), "{mode} {platforms}\n{outcome}");
            assert_eq!(outcome.says("is stale"), warned, "{mode}\n{outcome}");
            sites.target.everything_visible_is_whole().unwrap();
            if mode == "first" {
                assert_eq!(sites.original.log().len(), 0, "{}", sites.original.lines());
            }
            if mode == "verify" {
                assert_eq!(class_of(&outcome, &sites.site(0)), "stale");
            }
        }
    }
}

#[tokio::test]
async fn with_verify_a_mirror_is_taken_where_the_original_cannot_be_asked() {
    for what in [What::docker_hub_quota(), What::status(503), What::status(401), What::Delay(20_000)] {
        for platforms in ["all", "linux/amd64"] {
            let sites = Sites::new(1);
            sites.seed(0);
            sites.original.fault(Fault::on("*", "/v2/", what.clone()).always());
            let run = sites.run().input("patience", "2s").input("platforms", platforms);
            let outcome = run.succeeds().await;
            assert_eq!(image(&outcome)["source_digest"], sites.image.digest(), "{what:?}\n{outcome}");
            assert!(outcome.says("was not compared with the original"), "{what:?}\n{outcome}");
            sites.target.everything_visible_is_whole().unwrap();
        }
    }
    // An original that answers "there is no such tag" has been asked.
    let sites = Sites::new(1);
    sites.seed(0);
    sites.original.fault(Fault::on("*", "/manifests/", What::error(404, "MANIFEST_UNKNOWN", "unknown")).always());
    let outcome = sites.run().fails_with(1).await;
    assert!(outcome.says("`mirror-tags: first` would believe the mirror"), "{outcome}");
    assert_eq!(sites.target.writes(), 0);
}

#[tokio::test]
async fn an_unchanged_image_costs_one_head_at_each_place() {
    let sites = Sites::new(1);
    sites.seed(0);
    sites.run().succeeds().await;
    for registry in [&sites.original, &sites.mirrors[0], &sites.target] {
        registry.reset();
    }
    let outcome = sites.run().succeeds().await;
    assert_eq!(image(&outcome)["result"], "unchanged");
    for registry in [&sites.original, &sites.mirrors[0], &sites.target] {
        assert_eq!((registry.log().len(), registry.count("HEAD", "/manifests/1")), (1, 1), "{}", registry.lines());
    }
}

#[tokio::test]
async fn without_a_fallback_the_original_is_never_contacted() {
    for mode in ["verify", "first"] {
        let sites = Sites::new(2);
        sites.seed(1);
        let run = sites.run().input("mirror-fallback", "never").input("mirror-tags", mode);
        let outcome = run.run().await;
        sites.assert_copied(&outcome);
        assert_eq!(sites.original.log().len(), 0, "{}", sites.original.lines());
        // With nothing there the last mirror's error is the error.
        sites.mirrors[1].fault(Fault::on("*", "/v2/", What::error(403, "DENIED", "the last says no")).always());
        sites.target.set_tag("mirror/app", "1", images::single().digest());
        let outcome = run.fails_with(1).await;
        assert!(outcome.says("the last says no"), "{outcome}");
        assert_eq!(sites.original.log().len(), 0);
    }
}

#[tokio::test]
async fn a_job_that_exports_its_own_mirror_reads_the_original() {
    // The mirror is the target: its old copy would be read, written back, and never updated.
    let sites = Sites::new(0);
    let rule = format!("{} = {}", sites.original.host(), sites.target.name("docker.io"));
    sites.target.seed(&images::three_platforms_updated(), "docker.io/library/app:1");
    let run = Run::copy(&sites.original.name("library/app:1"), &sites.target.name("docker.io/library/app:1"))
        .env("CNB_REGISTRY_MIRRORS", &rule)
        .input("mirror-tags", "first");
    let outcome = run.succeeds().await;
    assert_eq!(sites.target.tag("docker.io/library/app", "1").as_deref(), Some(sites.image.digest()), "{outcome}");
    assert!(outcome.says("is where the copy goes"), "{outcome}");
}

#[tokio::test]
async fn the_variable_of_the_buildpacks_counts_and_the_input_wins() {
    let sites = Sites::new(2);
    sites.seed(0);
    sites.seed(1);
    let variable = format!("{}={};", sites.original.host(), sites.mirrors[0].name("hub"));
    let run = Run::copy(&sites.original.name("library/app:1"), &sites.target.name("mirror/app:1"))
        .command("inspect")
        .env("CNB_REGISTRY_MIRRORS", &variable);
    let outcome = run.succeeds().await;
    assert_eq!(image(&outcome)["served_by"], sites.site(0).as_str());
    assert!(outcome.says("(CNB_REGISTRY_MIRRORS)"), "the log says where the rule came from\n{outcome}");
    let rule = format!("{}={}", sites.original.host(), sites.mirrors[1].name("hub"));
    let outcome = run.clone().input("registry-mirrors", &rule).succeeds().await;
    assert_eq!(image(&outcome)["served_by"], sites.site(1).as_str());
    let outcome = run.input("registry-mirrors", "none").succeeds().await;
    assert_eq!(image(&outcome)["served_by"], Value::Null);
}

#[tokio::test]
async fn bad_rules_are_bad_input_and_contact_nothing() {
    let sites = Sites::new(1);
    for (name, value, sentence) in [
        ("registry-mirrors", "docker.io", "rule 1 (`docker.io`) has no `=`"),
        ("registry-mirrors", "a=https://u:hunter2@x", "rule 1 has an `@`"),
        ("registry-mirrors", "a=http://m.example", "`insecure-registries`"),
        ("mirror-tags", "newest", "is not one of verify, first, origin"),
        ("mirror-fallback", "sometimes", "is not one of original, never"),
    ] {
        let outcome = sites.run().input(name, value).fails_with(2).await;
        assert!(outcome.says(sentence) && !outcome.visible().contains("hunter2"), "{name}: {value}\n{outcome}");
    }
    let outcome = sites.run().input("mirror-tags", "origin").input("mirror-fallback", "never").fails_with(2).await;
    assert!(outcome.says("input `mirror-tags`"), "{outcome}");
    assert_eq!(sites.original.log().len() + sites.mirrors[0].log().len() + sites.target.log().len(), 0);
}

fn guard(user: &str, password: &str) -> Auth {
    Auth::Token(TokenAuth { anonymous_pull: false, ..TokenAuth::ghcr(vec![Account::new(user, password)]) })
}

/// Credentials for A alone, mirror B first, and the other way round.
#[tokio::test]
async fn a_credential_goes_to_its_own_host_and_to_no_mirror() {
    let both = |original: Auth, mirror: Auth| {
        let sites = Sites::new(1);
        sites.seed(0);
        sites.original.set_auth(original);
        sites.mirrors[0].set_auth(mirror);
        sites
    };
    for how in ["source-password", "registry-auth", "docker config"] {
        for mode in ["verify", "first", "origin"] {
            // The original's credential; a mirror that asks for one, by Basic and by a token service.
            for asking in [guard("eve", "x"), Auth::basic("eve", "x")] {
                let sites = both(guard("ann", ORIGINAL_PASSWORD), asking);
                let (run, home) = with_credential(sites.run(), how, &sites.original.host(), "ann", ORIGINAL_PASSWORD);
                let outcome = run.input("mirror-tags", mode).run().await;
                sites.assert_copied(&outcome);
                drop(home);
                let mirror = &sites.mirrors[0];
                assert!(mirror.log().iter().all(|r| r.header("authorization").is_none()), "{}", mirror.lines());
                assert!(!mirror.carries(ORIGINAL_PASSWORD) && !sites.target.carries(ORIGINAL_PASSWORD), "{how} {mode}");
                assert_eq!(class_of(&outcome, &sites.site(0)), "not-readable", "{outcome}");
                assert!(outcome.says("is configured and cannot be read"), "{outcome}");
                assert!(!outcome.visible().contains(ORIGINAL_PASSWORD));
            }
        }
    }
    for how in ["registry-auth", "docker config"] {
        // The mirror's credential; an original that asks for one.
        let sites = both(guard("ann", ORIGINAL_PASSWORD), guard("eve", MIRROR_PASSWORD));
        let (run, home) = with_credential(sites.run(), how, &sites.mirrors[0].host(), "eve", MIRROR_PASSWORD);
        let outcome = run.run().await;
        sites.assert_copied(&outcome);
        drop(home);
        assert!(sites.original.log().iter().all(|r| r.header("authorization").is_none()));
        assert!(!sites.original.carries(MIRROR_PASSWORD) && sites.mirrors[0].carries(MIRROR_PASSWORD));
        assert_eq!(image(&outcome)["served_by"], sites.site(0).as_str());
        // The token is asked for the repository as it is called there, and for nothing else.
        let log = sites.mirrors[0].log();
        let tokens: Vec<&str> = log.iter().filter(|r| r.path == "/token").map(|r| r.query.as_str()).collect();
        assert!(
            tokens.iter().all(|query| query.matches("scope=").count() == 1
                && query.contains("repository%3Ahub%2Flibrary%2Fapp%3Apull")),
            "{tokens:?}"
        );
    }
}

fn with_credential(run: Run, how: &str, host: &str, user: &str, password: &str) -> (Run, Option<tempfile::TempDir>) {
    match how {
        "source-password" => (run.input("source-username", user).input("source-password", password), None),
        "registry-auth" => (run.input("registry-auth", &format!("{host} {user} {password}")), None),
        _ => {
            let home = tempfile::tempdir().unwrap();
            let config = serde_json::json!({ "auths": { host: { "username": user, "password": password } } });
            std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
            (run.env("DOCKER_CONFIG", &home.path().display().to_string()), Some(home))
        }
    }
}

#[tokio::test]
async fn a_mirror_that_redirects_or_names_a_foreign_realm_learns_nothing() {
    let sites = Sites::new(1);
    sites.seed(0);
    let thief = Registry::start();
    sites.mirrors[0].set_auth(guard("eve", MIRROR_PASSWORD));
    let run = sites.run().input("registry-auth", &format!("{} eve {MIRROR_PASSWORD}", sites.mirrors[0].host()));
    // Everything is redirected to another host, which then asks for a credential.
    thief.set_auth(Auth::basic("x", "y"));
    sites.mirrors[0].fault(Fault::on("GET", "/v2/", What::redirect(format!("{}{{path}}", thief.url()))).always());
    let outcome = run.run().await;
    sites.assert_copied(&outcome);
    assert!(thief.log().iter().all(|request| request.header("authorization").is_none()), "{}", thief.lines());
    assert!(!thief.carries(MIRROR_PASSWORD));
    // Its challenge names a token service elsewhere.
    let sites = Sites::new(1);
    sites.seed(0);
    sites.mirrors[0].set_auth(guard("eve", MIRROR_PASSWORD));
    let foreign = sites.mirrors[0].token_service_at("127.0.0.2");
    sites.mirrors[0].set_realm(&format!("{}/token", foreign.url()));
    let run = sites.run().input("registry-auth", &format!("{} eve {MIRROR_PASSWORD}", sites.mirrors[0].host()));
    let outcome = run.run().await;
    sites.assert_copied(&outcome);
    assert!(!foreign.carries(MIRROR_PASSWORD), "{}", foreign.lines());
}

#[tokio::test]
async fn a_reference_with_a_digest_believes_no_tag_and_asks_nobody_about_it() {
    let sites = Sites::new(1);
    sites.seed(0);
    sites.original.fault(Fault::on("*", "/v2/", What::status(500)).always());
    let source = format!("{}@{}", sites.original.name("library/app"), sites.image.digest());
    let outcome = sites.run().input("source", &source).run().await;
    sites.assert_copied(&outcome);
    assert_eq!(sites.original.log().len(), 0, "{}", sites.original.lines());
}

#[tokio::test]
async fn attachments_come_from_whoever_has_them_and_an_outage_of_the_original_is_said() {
    let sites = Sites::new(1);
    sites.seed(0);
    let signature = images::referrer_of(&sites.image, "application/vnd.cncf.notary.signature");
    sites.mirrors[0].switch(|switches| switches.referrers = Some(5));
    sites.mirrors[0].seed(&signature, "hub/library/app");
    sites.original.fault(Fault::on("*", "/v2/", What::status(503)).always());
    let run = sites.run().input("attachments", "all").input("patience", "8s");
    let outcome = run.succeeds().await;
    sites.assert_copied(&outcome);
    assert!(sites.target.manifest("mirror/app", signature.digest()).is_some(), "{outcome}");
    assert!(outcome.says("could not be asked for attachments"), "{outcome}");
}

#[tokio::test]
async fn a_mirror_that_refuses_to_list_attachments_fails_nothing_whatever_its_name() {
    for mirror in ["library/app-mirror", "library/app/mirror", "library/mirror-of-app"] {
        let sites = Sites::new(0);
        sites.original.seed(&sites.image, &format!("{mirror}:1"));
        sites.original.switch(|switches| switches.referrers = Some(5));
        let refused = What::error(403, "DENIED", "no lists here");
        sites.original.fault(Fault::on("GET", format!("/v2/{mirror}/referrers/"), refused).always());
        let rule = format!("{} = {}", sites.original.name("library/app"), sites.original.name(mirror));
        let outcome = sites.run().input("registry-mirrors", &rule).input("attachments", "all").succeeds().await;
        sites.assert_copied(&outcome);
        assert!(sites.original.count("GET", &format!("/v2/{mirror}/referrers/")) > 0, "{}", sites.original.lines());
    }
}

#[tokio::test]
async fn a_mirror_that_cannot_be_asked_for_attachments_is_named_and_not_the_original() {
    let sites = Sites::new(1);
    sites.seed(0);
    for registry in [&sites.original, &sites.mirrors[0]] {
        registry.switch(|switches| switches.referrers = Some(5));
    }
    sites.mirrors[0].fault(Fault::on("GET", "/referrers/", What::NoAnswer).always());
    let outcome = sites.run().input("attachments", "all").input("patience", "4s").succeeds().await;
    sites.assert_copied(&outcome);
    assert!(outcome.says(&format!("the mirror {} could not be asked for attachments", sites.site(0))), "{outcome}");
    let original = sites.original.name("library/app");
    assert!(!outcome.says(&format!("{original} could not be asked for attachments")), "{outcome}");
}
