//! `concurrency`: the most images, and the most requests to a host, at once.

use std::time::Duration;

use crate::support::images;
use crate::support::{Fault, Registry, Run, What};

/// As many requests wait at a registry that answers none as may be under way at once.
#[tokio::test]
async fn no_more_images_and_requests_are_under_way_than_are_allowed() {
    for (concurrency, images, requests) in [("1", 1, 1), ("3", 3, 3), ("12/4", 12, 4)] {
        let (source, target) = (Registry::start(), Registry::start());
        let names: Vec<String> = (0..20).map(|number| format!("library/app{number}:1")).collect();
        for name in &names {
            source.seed(&images::single(), name);
        }
        source.fault(Fault::on("*", "/manifests/", What::Delay(600_000)).always());
        let list: Vec<String> = names.iter().map(|name| source.name(name)).collect();
        let run = Run::new().command("copy").input("images", &list.join("\n"));
        let run = run.input("target", &target.name("mirror/{name}")).input("concurrency", concurrency).spawn();
        let most = images.min(requests);
        while source.requests() < most.min(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Nothing is answered: what comes on top comes now.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let asked = source.requests();
        run.signal("TERM");
        let outcome = run.finish().await;
        assert!((1..=most).contains(&asked), "{concurrency}: {asked}\n{outcome}");
        assert_eq!(outcome.code, 143, "{outcome}");
    }
}

#[tokio::test]
async fn a_copy_inside_one_registry_goes_on_with_the_fewest_requests() {
    let registry = Registry::start();
    registry.seed(&images::wide(3, 100_000), "library/app:1");
    let run = Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1"));
    run.input("concurrency", "1/3").succeeds().await;
    assert!(registry.is_whole("mirror/app", "1").is_ok());
}

/// Where a process may open few files, fewer requests are under way: none fails for want of a file, however many registries
/// there are and however slow they are.
#[tokio::test]
async fn where_few_files_may_be_open_fewer_requests_are_under_way() {
    let target = Registry::start();
    let sources: Vec<Registry> = (0..7).map(|_| Registry::start()).collect();
    let lines: Vec<String> = (0..56)
        .map(|number| {
            let (source, name) = (&sources[number % sources.len()], format!("app{number}:1"));
            source.seed(&images::wide(4, 2_000), &format!("library/{name}"));
            format!("{} => {}", source.name(&format!("library/{name}")), target.name(&format!("mirror/{name}")))
        })
        .collect();
    for registry in sources.iter().chain([&target]) {
        registry.fault(Fault::on("*", "/", What::Delay(30)).always());
    }
    let run = Run::new().input("images", &lines.join("\n")).input("attachments", "none").input("patience", "60s");
    let outcome = run.files(64).env("RUNNER_DEBUG", "1").succeeds().await;
    assert!(!outcome.says("open files"), "{outcome}");
    for number in 0..56 {
        target.is_whole(&format!("mirror/app{number}"), "1").unwrap();
    }
}
