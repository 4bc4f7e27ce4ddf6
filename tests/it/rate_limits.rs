//! What real registries take and give in a while, and a list of many images: the plan says how long that takes, none fails, and
//! a run is as fast as they let it be.
//!
//! Of a thousand images it takes minutes, by a clock that is real: those are run by `scripts/limits`, which prints a row for each.
//! By one that is not they are in `src/store/registry/simulation.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::interval;

use crate::http2::World;
use crate::support::images::{self, Image};
use crate::support::registry::Recorded;
use crate::support::{Allowance, Fault, Outcome, Registry, Run, What};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Images of a manifest and two blobs each, besides a layer that all have, twenty of one repository.
fn images(count: u64) -> Vec<(String, Image)> {
    (0..count).map(|number| (format!("library/app{}:t{number}", number / 20), images::release(number))).collect()
}

/// A list of these images.
fn list(images: &[(String, Image)], source: &str, target: &str) -> String {
    let lines = images.iter().map(|(name, _)| format!("  - {source}/{name}\n"));
    format!("defaults: {{target: \"{target}/mirror/{{name}}\"}}\nimages:\n{}", lines.collect::<String>())
}

/// A run with this list.
fn of_list(list: &str) -> (Run, tempfile::TempDir) {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("images.yml"), list).unwrap();
    let run = Run::new().input("config", "images.yml").env("GITHUB_WORKSPACE", &workspace.path().display().to_string());
    (run, workspace)
}

/// The line of the plan that speaks of a registry's pace.
fn pace(outcome: &Outcome) -> String {
    let plan = outcome.output("plan");
    let line = plan.lines().find(|line| line.contains(" take about ")).unwrap_or_default();
    // As Markdown has it.
    line.replace('\\', "")
}

#[tokio::test]
async fn a_plan_says_how_long_it_takes_until_a_registry_has_given_the_pulls() {
    let (source, target) = (Registry::start(), Registry::start());
    let images = images(12);
    for (name, image) in &images {
        source.seed(image, name);
    }
    source.seed(&images::three_platforms(), "library/app0:t0");
    source.seed(&images::wide_of(3, 1, 500), "library/app0:t1");
    let (run, _workspace) = of_list(&list(&images, &source.host(), &target.host()));
    let run = run.input("dry-run", "true").input("attachments", "none");
    // Nothing is waited for.
    let budgeted = run.clone().input("pull-budget", "auto").input("on-budget", "wait");
    for (left, run, said) in [
        // Four manifests, four, and ten images of one.
        (18, &run, "gives 100 pulls in 6 hours, and 0 are left: about 18 pulls take about 6 hours"),
        (100, &run, ""),
        // The first, and of the second its root alone.
        (6, &budgeted, "and 1 is left: about 48 pulls, judged by 1 of 12 images, take about 6 hours"),
    ] {
        source.switch(|switches| switches.pulls_left = Some(left));
        let outcome = run.succeeds().await;
        let line = pace(&outcome);
        assert!(line.contains(said) && said.is_empty() == line.is_empty(), "{left}: {line}\n{outcome}");
        // Where people look who have no plan at hand.
        assert!(outcome.log.contains(said) && outcome.summary.contains(said), "{outcome}");
    }
    // Those that are refused are to be copied too.
    source.switch(|switches| switches.pulls_left = Some(7));
    let outcome = run.fails_with(1).await;
    let line = pace(&outcome);
    let needed =
        line.split("are left: ").nth(1).and_then(|rest| rest.split(' ').find_map(|word| word.parse::<u64>().ok()));
    assert!(needed.is_some_and(|needed| needed >= 12), "{line}\n{outcome}");
    // All parts of a list take from the same account.
    source.switch(|switches| switches.pulls_left = Some(0));
    let line = pace(&budgeted.clone().input("shard", "1/2").succeeds().await);
    assert!(
        line.contains("and 0 are left: at least ") && line.contains(" pulls of this part take about 6 hours"),
        "{line}"
    );
    // Others of the account have taken the rest meanwhile.
    source.switch(|switches| switches.pulls_left = Some(100));
    source.fault(Fault::on("GET", "/manifests/", What::docker_hub_quota()).after(5).always());
    let line = pace(&budgeted.succeeds().await);
    assert!(line.contains("and 0 are left: "), "{line}");
    assert_eq!(target.writes(), 0);
}

#[tokio::test]
async fn a_plan_counts_the_manifests_and_blobs_that_a_registry_would_have_to_take() {
    let world = hub_and(ECR).await;
    // Each an index and twelve manifests.
    let image = images::wide_of(12, 1, 500);
    assert_eq!(image.manifests.len(), 13);
    let names: Vec<String> = (0..50).map(|number| format!("library/app{number}:1")).collect();
    let images: Vec<(String, Image)> = names.into_iter().map(|name| (name, image.clone())).collect();
    for (name, image) in &images {
        world.source.seed(image, name);
    }
    let (run, _workspace) = of_list(&list(&images, "docker.io", ECR));
    let run = world.run(run).input("registry-auth", &format!("{ECR} ann hunter2-hunter2"));
    let outcome = run.input("dry-run", "true").succeeds().await;
    assert_eq!(
        pace(&outcome),
        format!("{ECR} takes 10 manifests a second: about 650 take about 2 minutes."),
        "{outcome}"
    );
}

/// What a registry takes in a while.
struct Limit {
    /// The requests that count, by method and a part of their address.
    requests: &'static [(&'static str, &'static str)],
    most: u32,
    window: Duration,
    /// What it keeps of what was not used.
    burst: u32,
    /// How it refuses what is beyond that.
    refusal: fn(Duration) -> What,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn in_words(wait: Duration) -> What {
    What::ghcr_429(&format!("{}ms", wait.as_millis() + 1))
}

fn without_a_word(_: Duration) -> What {
    What::error(429, "TOOMANYREQUESTS", "Rate exceeded")
}

/// GHCR's, which keeps so much of what was not used: how much that is, nobody knows.
fn of_ghcr(burst: u32) -> [Limit; 1] {
    let requests = &[("POST", "/"), ("PUT", "/"), ("PATCH", "/"), ("DELETE", "/")];
    [Limit { requests, most: 2000, window: MINUTE, burst, refusal: in_words }]
}

/// ECR's of manifests, of uploads that are opened and of those that are ended.
fn of_ecr() -> [Limit; 3] {
    let limit = |requests, most| Limit { requests, most, window: SECOND, burst: 2 * most, refusal: without_a_word };
    [limit(&[("PUT", "/manifests/")], 10), limit(&[("POST", "/uploads/")], 100), limit(&[("PUT", "/uploads/")], 100)]
}

/// Docker Hub, and a target of this name.
async fn hub_and(target: &str) -> World {
    let names = ["registry-1.docker.io", "auth.docker.io", "blobs.storage.test", target];
    World::named(names, ["registry.docker.io", target], |certificate| certificate).await
}

/// A thousand images of Docker Hub, a list that takes them to `host`, and a run with that list.
fn a_thousand(world: &World, host: &str) -> (Vec<(String, Image)>, Run, tempfile::TempDir) {
    let images = images(1000);
    for (name, image) in &images {
        world.source.seed(image, name);
    }
    let (run, workspace) = of_list(&list(&images, "docker.io", host));
    let login = format!("{host} ann hunter2-hunter2");
    (images, world.run(run).input("registry-auth", &login), workspace)
}

/// All of `images` are at `target`, whole.
fn have_arrived(images: &[(String, Image)], target: &Registry, outcome: &Outcome) {
    for (name, image) in images {
        let (repository, tag) = name.split_once('/').and_then(|(_, name)| name.split_once(':')).unwrap();
        let there = target.tag(&format!("mirror/{repository}"), tag);
        assert_eq!(there.as_deref(), Some(image.digest()), "{name}\n{outcome}");
    }
    target.everything_visible_is_whole().unwrap();
}

/// A row of the report: what the limit makes the least of a run, what it took, and how many requests were refused.
fn report(title: &str, plan: &str, (least, took): (Duration, Duration), refused: usize) {
    let (least, took) = (least.as_secs_f64(), took.as_secs_f64());
    let percent = least / took * 100.0;
    // More than all of it would mean that nothing was limited.
    let is_at_the_limit = (95.0..=101.0).contains(&percent);
    #[allow(clippy::print_stdout, reason = "scripts/limits makes a table of it")]
    {
        println!("| {title} | {least:.1} s | {took:.1} s | {percent:.1} % | {refused} | {plan} |");
    }
    assert!(is_at_the_limit, "{title}: {percent:.1} % of what the limit allows");
}

async fn a_thousand_images_go_to(host: &str, title: &str, limits: &[Limit]) {
    let world = hub_and(host).await;
    let (images, run, _workspace) = a_thousand(&world, host);
    let plan = pace(&run.clone().input("dry-run", "true").succeeds().await);
    world.target.reset();
    let allowances: Vec<_> = limits.iter().map(|it| Allowance::of(it.most, it.window, it.burst)).collect();
    for (limit, allowance) in limits.iter().zip(&allowances) {
        for (method, part) in limit.requests {
            let beyond = What::Beyond(Arc::clone(allowance), limit.refusal);
            world.target.fault(Fault::on(method, *part, beyond).always());
        }
    }
    let began = Instant::now();
    let outcome = run.succeeds().await;
    let took = began.elapsed();
    let passed = |limit: &Limit| {
        let counts = |(method, part): &(&str, &str), request: &Recorded| {
            request.method == *method && request.path.contains(part) && request.status != 429
        };
        world.target.log().iter().filter(|request| limit.requests.iter().any(|it| counts(it, request))).count()
    };
    let least = limits.iter().zip(&allowances).map(|(limit, allowance)| allowance.least(passed(limit))).max();
    have_arrived(&images, &world.target, &outcome);
    let refused = world.target.statuses(429);
    report(title, &plan, (least.unwrap(), took), refused);
    assert!(refused > 0, "{title}: it has no limit");
}

#[tokio::test]
#[ignore = "takes two minutes: run by scripts/limits"]
async fn a_thousand_images_go_to_ghcr_at_two_thousand_writes_a_minute() {
    a_thousand_images_go_to("ghcr.io", "GHCR after a rest: 2,000 writes a minute", &of_ghcr(2000)).await;
}

#[tokio::test]
#[ignore = "takes three minutes: run by scripts/limits"]
async fn a_thousand_images_go_to_ghcr_where_it_keeps_little_of_what_was_not_used() {
    a_thousand_images_go_to("ghcr.io", "GHCR that keeps 50 of what was not used", &of_ghcr(50)).await;
}

#[tokio::test]
#[ignore = "takes two minutes: run by scripts/limits"]
async fn a_thousand_images_go_to_ecr_at_ten_manifests_a_second() {
    a_thousand_images_go_to(ECR, "ECR: 10 manifests, 100 layers a second", &of_ecr()).await;
}

/// Six hours of Docker Hub are half a minute here, and the minute after which it is asked again is a second.
#[tokio::test]
#[ignore = "takes five minutes: run by scripts/limits"]
async fn a_thousand_images_come_from_docker_hub_at_a_hundred_pulls_in_six_hours() {
    const SIX_HOURS: Duration = Duration::from_secs(30);
    let (world, target) = (hub_and("ghcr.io").await, Registry::start());
    let (images, run, _workspace) = a_thousand(&world, &target.host());
    let refill = || world.source.switch(|switches| switches.pulls_left = Some(100));
    refill();
    let run = run.input("pull-budget", "auto");
    let plan = pace(&run.clone().input("dry-run", "true").succeeds().await);
    world.source.reset();
    let (began, mut windows) = (Instant::now(), interval(SIX_HOURS));
    let refills = async {
        loop {
            windows.tick().await;
            refill();
        }
    };
    let run = run.input("on-budget", "wait").input("patience", "1s");
    let outcome = tokio::select! {
        outcome = run.succeeds() => outcome,
        () = refills => unreachable!("it goes on for ever"),
    };
    let took = began.elapsed();
    have_arrived(&images, &target, &outcome);
    // The first hundred need not wait.
    let refused = world.source.statuses(429);
    report("Docker Hub: 100 pulls in 6 hours (in 30 s)", &plan, (SIX_HOURS * 9, took), refused);
    assert_eq!(refused, 0, "it says how many are left");
}
