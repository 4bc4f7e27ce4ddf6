//! Many images in one run: worked on together, each costing what it must and no more, each reported in its place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use crate::support::github::{Rights, ghcr};
use crate::support::images::{self, Image};
use crate::support::{Account, Fault, GitHub, Outcome, Registry, Run, What};

/// A source with `count` releases of one application, which share their base layer, and an empty target.
struct Releases {
    source: Registry,
    target: Registry,
    images: Vec<Image>,
}

impl Releases {
    fn new(count: u64) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        let images: Vec<Image> = (0..count).map(images::release).collect();
        for (number, image) in images.iter().enumerate() {
            source.seed(image, &format!("library/app:{number}"));
        }
        Self { source, target, images }
    }

    /// The line for one release; without a target it goes where `target` says.
    fn line(&self, number: usize) -> String {
        self.source.name(&format!("library/app:{number}"))
    }

    fn lines(&self) -> Vec<String> {
        (0..self.images.len()).map(|number| self.line(number)).collect()
    }

    fn run(&self, lines: &[String]) -> Run {
        Run::new().input("images", &lines.join("\n")).input("target", &self.target.name("mirror/{name}"))
    }

    fn requests(&self) -> String {
        format!("source\n{}target\n{}", self.source.lines(), self.target.lines())
    }

    fn reset(&self) {
        self.source.reset();
        self.target.reset();
    }
}

/// The result of each image, in the order of the report.
fn results(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let images = json["images"].as_array().expect("a list of images");
    images.iter().map(|image| image["result"].as_str().expect("a result").to_owned()).collect()
}

fn sources(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let images = json["images"].as_array().expect("a list of images");
    images.iter().map(|image| image["source"].as_str().expect("a source").to_owned()).collect()
}

fn is_sent(target: &Registry, blob: &str) -> usize {
    target.count("PUT", &blob.replace(':', "%3A")) + target.count("PUT", &format!("digest={blob}"))
}

#[tokio::test]
async fn twenty_unchanged_images_cost_twenty_heads_at_each_side() {
    let releases = Releases::new(20);
    let run = releases.run(&releases.lines());
    let first = run.succeeds().await;
    assert_eq!(results(&first), vec!["copied"; 20]);
    releases.reset();
    let again = run.succeeds().await;
    assert_eq!(results(&again), vec!["unchanged"; 20]);
    for registry in [&releases.source, &releases.target] {
        assert_eq!(registry.count("HEAD", "/manifests/"), 20, "{}", releases.requests());
        assert_eq!(registry.requests(), 20, "{}", releases.requests());
    }
    assert_eq!(again.output("changed"), "false");
    assert_eq!(again.json()["totals"]["requests"], 40);
    assert!(
        again.json()["images"].as_array().unwrap().iter().all(|image| image["requests"] == 2 && image["bytes"] == 0)
    );
    assert!(again.summary.contains("40 requests, 0 pulls billed, 0 bytes"), "{again}");
    assert!(again.says("20 images unchanged"), "{again}");
    // A line each, where nothing happened.
    assert!(!again.says("::group::") && again.log.matches(": unchanged\n").count() == 20, "{again}");
    assert_eq!(again.output("images"), first.output("images"));
    let mapping: serde_json::Value = serde_json::from_str(again.output("mapping")).unwrap();
    assert_eq!(mapping.as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn many_images_for_a_new_repository_ask_for_a_few_tags_of_it_and_its_list() {
    let releases = Releases::new(40);
    let run = releases.run(&releases.lines());
    // The few are all asked for before one is answered.
    let together = What::Together(Arc::new(Barrier::new(32)));
    releases.target.fault(Fault::on("HEAD", "/mirror/app/manifests/", together).times(32));
    let outcome = run.succeeds().await;
    assert_eq!(results(&outcome), vec!["copied"; 40]);
    let requests = releases.requests();
    let questions = |of: &Registry| (of.count("HEAD", "/manifests/"), of.count("GET", "/tags/list"));
    // These before anything is written, and one for each image afterwards: what its tag is now.
    assert_eq!(questions(&releases.target), (72, 1), "{requests}");
    // Where the list is refused, each is asked for.
    releases.reset();
    releases.target.fault(Fault::on("GET", "/tags/list", What::error(403, "DENIED", "no")).always());
    let other = run.clone().input("target", &releases.target.name("other/{name}"));
    assert_eq!(results(&other.succeeds().await), vec!["copied"; 40]);
    assert_eq!(questions(&releases.target), (80, 1), "{}", releases.requests());
    // What is there may be what must stay: each is asked for itself, and once more right before it is written.
    releases.reset();
    let kept = run.clone().input("on-conflict", "keep").input("target", &releases.target.name("third/{name}"));
    assert_eq!(results(&kept.succeeds().await), vec!["copied"; 40]);
    assert_eq!(questions(&releases.target), (120, 0), "{}", releases.requests());
    // Where only few may be under way, only few go before the list.
    releases.reset();
    releases.target.clear_faults();
    let slow = run.clone().input("target", &releases.target.name("fourth/{name}")).input("concurrency", "8/3");
    assert_eq!(results(&slow.succeeds().await), vec!["copied"; 40]);
    assert_eq!(questions(&releases.target), (41, 1), "{}", releases.requests());
}

#[tokio::test]
async fn what_a_list_of_tags_does_not_have_is_copied_by_one_get() {
    // More than are begun together: the last are begun when the list is there.
    let releases = Releases::new(100);
    let outcome = releases.run(&releases.lines()).succeeds().await;
    assert_eq!(results(&outcome), vec!["copied"; 100]);
    let (requests, log) = (releases.requests(), releases.source.log());
    let tags = |method: &str| {
        let asked = log.iter().filter(|request| request.method == method && request.path.contains("/manifests/"));
        asked.filter(|request| !request.path.contains("sha256")).count()
    };
    assert!(tags("GET") > 0, "{requests}");
    assert_eq!(tags("HEAD") + tags("GET"), 100, "{requests}");
}

#[tokio::test]
async fn a_layer_of_ten_images_in_two_repositories_is_fetched_once_sent_once_and_mounted_once() {
    let releases = Releases::new(10);
    let repository = |number: usize| if number.is_multiple_of(2) { "mirror/even" } else { "mirror/odd" };
    let to = |number: usize| releases.target.name(repository(number));
    let lines: Vec<String> = (0..10).map(|number| format!("{} => {}", releases.line(number), to(number))).collect();
    let outcome = releases.run(&lines).succeeds().await;
    let base = &images::base_layer().digest;
    let requests = releases.requests();
    assert_eq!(releases.source.count("GET", &format!("/blobs/{base}")), 1, "{requests}");
    assert_eq!(is_sent(&releases.target, base), 1, "{requests}");
    let mounts = releases.target.log();
    let mounts = mounts.iter().filter(|request| {
        request.method == "POST" && request.query.contains(&base.replace(':', "%3A")) && request.status == 201
    });
    assert_eq!(mounts.count(), 1, "{requests}");
    let json = outcome.json();
    let blobs =
        |key: &str| json["images"].as_array().unwrap().iter().map(|i| i["blobs"][key].as_u64().unwrap()).sum::<u64>();
    // A config and a layer of its own each, and the base; the other repository's base; eight times nothing.
    assert_eq!((blobs("sent"), blobs("mounted"), blobs("present")), (21, 1, 8), "{requests}");
    for (number, image) in releases.images.iter().enumerate() {
        let (repository, tag) = (repository(number), number.to_string());
        assert_eq!(releases.target.tag(repository, &tag).as_deref(), Some(image.digest()));
        releases.target.is_whole(repository, &tag).unwrap();
    }
}

#[tokio::test]
async fn a_manifest_of_two_images_of_one_repository_is_fetched_once_and_put_once() {
    let (source, target) = (Registry::start(), Registry::start());
    // The second index has the children of the first, and one more.
    let (small, large) = (images::wide(3, 200), images::wide(4, 200));
    source.seed(&small, "library/app:small");
    source.seed(&large, "library/app:large");
    let list = format!("{}, {}", source.name("library/app:small"), source.name("library/app:large"));
    Run::new().input("images", &list).input("target", &target.name("mirror/app")).succeeds().await;
    for (_, child) in &large.platforms {
        assert_eq!(source.count("GET", &format!("/manifests/{child}")), 1, "{}", source.lines());
        assert_eq!(target.count("PUT", &format!("/manifests/{child}")), 1, "{}", target.lines());
    }
    target.is_whole("mirror/app", "small").unwrap();
    target.is_whole("mirror/app", "large").unwrap();
}

#[tokio::test]
async fn one_source_goes_to_several_targets() {
    let releases = Releases::new(1);
    let other = Registry::start();
    let lines: Vec<String> = [releases.target.name("a"), releases.target.name("b:x"), other.name("c")]
        .iter()
        .map(|target| format!("{} => {target}", releases.line(0)))
        .collect();
    let outcome = releases.run(&lines).succeeds().await;
    for (registry, repository, tag) in [(&releases.target, "a", "0"), (&releases.target, "b", "x"), (&other, "c", "0")]
    {
        assert_eq!(registry.tag(repository, tag).as_deref(), Some(releases.images[0].digest()));
        registry.is_whole(repository, tag).unwrap();
    }
    for blob in &releases.images[0].blobs {
        assert_eq!(is_sent(&releases.target, &blob.digest), 1, "{}", releases.requests());
    }
    let digest = releases.images[0].digest();
    let images = ["a:0", "b:x"].map(|name| format!("{}@{digest}", releases.target.name(name)));
    let third = format!("{}@{digest}", other.name("c:0"));
    assert_eq!(outcome.output("images"), format!("{}\n{}\n{third}", images[0], images[1]));
    assert!(!outcome.outputs.contains_key("digest"), "there is no single digest\n{outcome}");
}

#[tokio::test]
async fn many_images_go_to_one_new_directory_and_come_back() {
    let releases = Releases::new(20);
    let directory = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}", directory.path().join("new").display());
    releases.run(&releases.lines()).input("target", &layout).succeeds().await;
    let base = &images::base_layer().digest;
    assert_eq!(releases.source.count("GET", &format!("/blobs/{base}")), 1, "{}", releases.source.lines());
    let back: Vec<String> = (0..20).map(|number| format!("{layout}:{number}")).collect();
    releases.run(&back).input("target", &releases.target.name("back")).succeeds().await;
    for (number, image) in releases.images.iter().enumerate() {
        assert_eq!(releases.target.tag("back", &number.to_string()).as_deref(), Some(image.digest()));
        releases.target.is_whole("back", &number.to_string()).unwrap();
    }
}

#[tokio::test]
async fn the_report_keeps_the_order_of_the_list_whoever_ends_first() {
    let releases = Releases::new(8);
    // The first lines are the last to end.
    for number in 0..4 {
        let slow = Fault::on("*", format!("/manifests/{number}"), What::Delay(200 - 40 * number));
        releases.source.fault(slow.always());
    }
    let lines: Vec<String> =
        releases.lines().into_iter().rev().chain([releases.source.name("library/app:0")]).collect();
    let outcome = releases.run(&lines).succeeds().await;
    assert_eq!(sources(&outcome), lines[..8]);
    let images: Vec<&str> = outcome.output("images").lines().collect();
    assert!(images[0].contains("mirror/app:7@") && images[7].contains("mirror/app:0@"), "{outcome}");
    assert!(outcome.says("line 9 of `images` is the same as line 8"), "{outcome}");
    assert!(outcome.summary.contains("line 9 of `images` is the same as line 8"), "{outcome}");
}

#[tokio::test]
async fn one_failed_image_among_ten_ends_nothing() {
    let releases = Releases::new(9);
    let mut lines = releases.lines();
    lines.insert(4, releases.source.name("library/none:1"));
    let outcome = releases.run(&lines).fails_with(1).await;
    let mut expected = vec!["copied"; 10];
    expected[4] = "failed";
    assert_eq!(results(&outcome), expected);
    assert_eq!(outcome.output("images").lines().count(), 9);
    assert_eq!(outcome.output("changed"), "true");
    assert_eq!(outcome.log.matches("::error title=").count(), 1, "{outcome}");
    assert!(outcome.says("9 of 10 mirrored, 1 failed: 1 absent"), "{outcome}");
    assert!(outcome.summary.contains("**Failed: `") && outcome.summary.contains("library/none:1"), "{outcome}");
    assert!(outcome.json()["images"][4]["error"]["message"].as_str().unwrap().contains("404"), "{outcome}");
}

/// More than go on at once, so that some are not begun.
const MORE_THAN_AT_ONCE: u64 = 80;

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up_once_for_the_whole_list() {
    let releases = Releases::new(MORE_THAN_AT_ONCE);
    releases.target.fault(Fault::on("*", "/", What::NoAnswer).always());
    let outcome = releases.run(&releases.lines()).fails_with(1).await;
    let json = outcome.json();
    let asked: Vec<u64> = json["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["traffic"]["target_requests"].as_u64().unwrap())
        .collect();
    assert_eq!(asked.len(), releases.images.len());
    assert!(asked[64..].iter().all(|requests| *requests == 0), "{asked:?}");
    for image in json["images"].as_array().unwrap() {
        let message = image["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("target: HEAD manifest"), "{message}");
    }
}

#[tokio::test]
async fn fail_fast_begins_no_other_image_and_defers_the_rest() {
    let releases = Releases::new(MORE_THAN_AT_ONCE);
    // The failure is known long before the first of the others has ended and would let another one begin.
    releases.source.fault(Fault::on("*", "/library/app/", What::Delay(1000)).always());
    let mut lines = releases.lines();
    lines.insert(1, releases.source.name("library/none:1"));
    let run = releases.run(&lines).input("attachments", "none").input("fail-fast", "true").input("patience", "60s");
    let outcome = run.fails_with(1).await;
    let results = results(&outcome);
    let count = |result: &str| results.iter().filter(|found| *found == result).count();
    assert_eq!(results.len(), lines.len());
    assert_eq!(results[1], "failed");
    assert!(count("deferred") > 0 && results.last().unwrap() == "deferred", "{results:?}");
    // What was under way went on to its end, and nothing of the others was asked.
    assert_eq!(count("copied") + count("failed") + count("deferred"), lines.len(), "{results:?}");
    assert_eq!(releases.target.tags("mirror/app").len(), count("copied"));
    for (number, result) in results.iter().enumerate().filter(|(number, _)| *number > 1) {
        let path = format!("/library/app/manifests/{}", number - 1);
        let asked = releases.source.log().iter().any(|request| request.path.ends_with(&path));
        assert_eq!(asked, result == "copied", "{number}: {result}");
    }
    let said = format!("{} deferred", count("deferred"));
    assert!(outcome.says(&said) && outcome.summary.contains(&said), "{outcome}");

    // Without it, all the others are worked on.
    releases.source.clear_faults();
    let outcome = run.input("fail-fast", "false").fails_with(1).await;
    assert_eq!(outcome.json()["totals"]["failed"], 1);
    assert_eq!(releases.target.tags("mirror/app").len(), releases.images.len());
}

#[tokio::test]
async fn a_cancelled_run_reports_every_image_as_it_is() {
    let releases = Releases::new(MORE_THAN_AT_ONCE);
    releases.target.switch(|switches| switches.sparse_allowed = true);
    releases.source.fault(Fault::on("*", "/library/app/", What::Delay(150)).always());
    // The last one never ends by itself, so that the signal comes in time.
    let last = format!("/library/app/manifests/{}", MORE_THAN_AT_ONCE - 1);
    releases.source.fault(Fault::on("*", last, What::Delay(600_000)).always());
    let mut running = releases.run(&releases.lines()).input("attachments", "none").input("patience", "10m").spawn();
    // One more than go on at once is begun when one has ended.
    while !releases.source.log().iter().any(|request| request.path.ends_with("/manifests/64")) && !running.has_ended() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signal("TERM");
    let outcome = running.finish().await;
    assert_eq!(outcome.code, 143, "{outcome}");
    let (json, results) = (outcome.json(), results(&outcome));
    assert_eq!(sources(&outcome), releases.lines());
    let count = |result: &str| results.iter().filter(|found| *found == result).count();
    assert!(count("copied") > 0 && count("failed") > 0, "{results:?}\n{outcome}");
    assert_eq!(count("copied") + count("failed") + count("deferred"), results.len(), "{results:?}");
    for image in json["images"].as_array().unwrap().iter().filter(|image| image["result"] == "failed") {
        assert_eq!(image["error"]["message"], "cancelled by SIGTERM", "{image}");
        assert!(image["error"]["state"].is_string(), "{image}");
    }
    assert_eq!(outcome.output("images").lines().count(), count("copied"));
    assert!(outcome.summary.contains("cancelled by SIGTERM") && !outcome.summary.contains("Failed:"), "{outcome}");
    assert!(outcome.summary.contains("**Under way when the run was cancelled**"), "{outcome}");
    releases.target.everything_visible_is_whole().unwrap();
}

#[tokio::test]
async fn lists_that_cannot_be_meant_end_with_2_before_any_connection() {
    let releases = Releases::new(2);
    let (one, two) = (releases.line(0), releases.line(1));
    let target = releases.target.name("mirror/app:1");
    let good = releases.run(&[]);
    for (list, more, part) in [
        (format!("{one}\n{two}"), ("source", one.as_str()), "input `images`: is given, and `source` is too"),
        (
            format!("{one}\n{two}"),
            ("expected-digest", releases.images[0].digest()),
            "input `expected-digest`: is for one",
        ),
        (format!("{one}\n{two}"), ("target", target.as_str()), "input `target`: sends both"),
        (format!("{one} => {target}\n# x\n{two} => {target}"), ("check", "quick"), "input `images`: lines 1 and 3"),
        (format!("{one}\n{two} =>"), ("check", "quick"), "input `images`: line 2 has nothing behind its `=>`"),
        (format!("{one}\n, two words"), ("check", "quick"), "input `images`: line 2 (its source)"),
        ("# nothing".to_owned(), ("check", "quick"), "input `images`: names no image"),
    ] {
        let outcome = good.clone().input("images", &list).input(more.0, more.1).fails_with(2).await;
        assert!(outcome.says(part), "{list}: {part}\n{outcome}");
        assert_eq!(releases.source.log().len() + releases.target.log().len(), 0, "{list}\n{}", releases.requests());
    }
}

#[tokio::test]
async fn one_target_spelled_in_two_ways_is_one_target() {
    let (source, target) = (Registry::start(), Registry::start());
    for name in ["library/a:1", "library/b:1"] {
        source.seed(&images::release(1), name);
    }
    let all = tempfile::tempdir().unwrap();
    let (there, root) = (all.path().join("there"), all.path().display());
    std::fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink("there", all.path().join("link")).unwrap();
    std::os::unix::fs::symlink("new", all.path().join("dangling")).unwrap();
    let port = target.host().rsplit_once(':').unwrap().1.to_owned();
    let loopback = |host: &str| format!("{host}:{port}/x:1");
    for (one, other) in [
        ("oci:lay:1".to_owned(), "oci:none/../lay:1".to_owned()),
        (format!("oci:{root}/there:1"), format!("oci:{root}/link:1")),
        (format!("oci:{root}/new:1"), format!("oci:{root}/dangling:1")),
        ("registry.test/x:1".to_owned(), "registry.test:443/x:1".to_owned()),
        ("index.docker.io/a/x:1".to_owned(), "docker.io:443/a/x:1".to_owned()),
        (loopback("127.0.0.1"), loopback("localhost")),
        (loopback("127.1"), loopback("[::1]")),
    ] {
        let list = format!("{} => {one}\n{} => {other}", source.name("library/a:1"), source.name("library/b:1"));
        let outcome = Run::new().input("images", &list).fails_with(2).await;
        let sentence = format!("lines 1 and 2 would write both `{}`", source.name("library/a:1"));
        assert!(outcome.says(&sentence), "{one} and {other}\n{outcome}");
    }
    let source_is_target = format!("{} => {}", target.name("x:1"), loopback("localhost"));
    let outcome = Run::new().input("images", &source_is_target).fails_with(2).await;
    assert!(outcome.says("is the source itself"), "{outcome}");
    assert_eq!(source.requests() + target.requests(), 0, "{}{}", source.lines(), target.lines());
}

#[tokio::test]
async fn a_password_for_the_one_source_goes_to_no_second_registry() {
    let releases = Releases::new(1);
    let other = Registry::start();
    other.seed(&releases.images[0], "library/other:1");
    let run = releases.run(&[releases.line(0), other.name("library/other:1")]);
    let run = run.input("source-username", "ann").input("source-password", "hunter2-secret");
    let outcome = run.fails_with(2).await;
    assert!(outcome.says("input `source-username`: is for one registry"), "{outcome}");
    assert!(!outcome.visible().contains("hunter2-secret"), "{outcome}");
    assert_eq!(releases.source.log().len() + other.log().len(), 0);
}

#[tokio::test]
async fn every_command_takes_a_list() {
    let releases = Releases::new(3);
    let run = releases.run(&releases.lines());

    let dry = run.clone().input("dry-run", "true").succeeds().await;
    assert_eq!(results(&dry), vec!["would-copy"; 3]);
    assert_eq!(releases.target.writes(), 0);
    // The base layer is counted once, as it would be sent.
    let distinct: std::collections::BTreeMap<&str, usize> = releases
        .images
        .iter()
        .flat_map(|image| &image.blobs)
        .map(|blob| (blob.digest.as_str(), blob.bytes.len()))
        .collect();
    assert_eq!(dry.json()["totals"]["bytes"], distinct.values().sum::<usize>());

    let inspected = run.clone().command("inspect").succeeds().await;
    assert_eq!(results(&inspected), vec!["inspected"; 3]);
    assert!(releases.images.iter().all(|image| inspected.says(image.digest())), "{inspected}");

    run.clone().command("verify").fails_with(1).await;
    run.succeeds().await;
    let lost = &releases.images[1].blobs[2].digest;
    assert!(releases.target.forget("mirror/app", lost));
    let verified = run.clone().command("verify").fails_with(1).await;
    assert_eq!(results(&verified), ["verified", "failed", "verified"]);
    assert!(verified.says(lost), "{verified}");

    let access = run.command("access").succeeds().await;
    assert_eq!(results(&access), vec!["checked"; 3]);
}

#[tokio::test]
async fn a_package_is_looked_at_once_however_many_images_go_to_it() {
    let releases = Releases::new(6);
    let account = Account::new("x-access-token", "ghs_secret").only(&["acme/"], &["acme/"]);
    let (github, registry) = (GitHub::start(), ghcr(vec![account], false));
    github.account("acme", "Organization");
    github.token("ghs_secret", Rights::WORKFLOW);
    let package = serde_json::json!({
        "id": 1, "name": "mirror/app", "visibility": "private", "version_count": 3,
        "repository": { "id": 1, "full_name": "acme/mirror" },
    });
    github.package("acme/mirror/app", package);
    let run = releases.run(&releases.lines()).input("target", &registry.name("acme/mirror/app"));
    let run = run
        .env("GITHUB_SERVER_URL", &registry.url())
        .env("GITHUB_API_URL", &github.url())
        .env("GITHUB_REPOSITORY", "acme/mirror")
        .input("github-token", "ghs_secret");
    run.succeeds().await;
    assert_eq!(registry.unused_uploads(), 1, "whether a push is let in\n{}", registry.lines());
    // Once before the first byte and once after the last.
    assert_eq!(github.count("/packages/container/"), 2, "{}", github.lines());
}

#[tokio::test]
async fn a_run_that_takes_its_time_says_how_far_it_is() {
    let releases = Releases::new(3);
    releases.target.fault(Fault::on("HEAD", "/manifests/2", What::Delay(6000)));
    let run = releases.run(&releases.lines()).input("patience", "1m");
    let outcome = run.succeeds().await;
    let line = outcome.log.lines().find(|line| line.starts_with("progress: "));
    let line = line.unwrap_or_else(|| panic!("it does not say so\n{outcome}"));
    assert!(line.contains("2 of 3 images") && line.contains(" sent"), "{line}");
    let quiet = run.succeeds().await;
    assert!(!quiet.says("progress: "), "{quiet}");
}

/// Before an hour of copying, not after it.
#[tokio::test]
async fn what_a_plan_says_of_its_lines_is_said_before_the_first_image_and_once() {
    let releases = Releases::new(1);
    let outcome = releases.run(&[releases.line(0), releases.line(0)]).succeeds().await;
    let (notice, image) = (outcome.log.find("it is done once"), outcome.log.find(": copied"));
    assert!(notice.is_some() && notice < image, "{outcome}");
    assert_eq!(outcome.log.matches("it is done once").count(), 1, "{outcome}");
}
