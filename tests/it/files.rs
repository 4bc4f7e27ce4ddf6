//! Nothing is written to disk but what the runner reads: a full disk stops nothing, and nothing is left behind.

use crate::support::images;
use crate::support::{Fault, Registry, Run, What};

/// The runner's own: the file behind `GITHUB_OUTPUT`, the summary, the log, and the folders that it gave.
const THE_RUNNERS: [&str; 6] = ["output", "stderr", "stdout", "summary", "tmp", "workspace"];

#[tokio::test]
async fn a_run_leaves_no_file_but_its_outputs_and_its_summary() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::big(3_000_000, 7);
    source.seed(&image, "library/app:1");
    source.seed(&images::referrer_of(&image, "application/vnd.example.sbom"), "library/app");
    source.switch(|switches| switches.referrers = Some(10));
    source.fault(Fault::on("GET", &image.blobs[1].digest, What::CutBodyAfter(1_000_000)));
    target.fault(Fault::on("PUT", "/uploads/", What::RefuseMonolithicAbove(1_000_000, 413)).always());
    let copy = |tag: &str| Run::copy(&source.name("library/app:1"), &target.name(&format!("mirror/app:{tag}")));
    let runs = [
        ("dry run", copy("1").input("dry-run", "true")),
        ("copy", copy("1")),
        ("unchanged", copy("1")),
        ("deep check", copy("1").input("check", "deep")),
        ("verify", copy("1").command("verify")),
        ("inspect", copy("1").command("inspect")),
        ("absent", Run::copy(&source.name("library/absent:1"), &target.name("mirror/absent:1"))),
        ("bad input", copy("1").input("dry-run", "perhaps")),
    ];
    for (name, run) in runs {
        let outcome = run.run().await;
        assert!(outcome.files.keys().eq(THE_RUNNERS), "{name}: {:?}\n{outcome}", outcome.files.keys());
    }

    source.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(10)).always());
    let elsewhere = Registry::start();
    let stalled = Run::copy(&source.name("library/app:1"), &elsewhere.name("mirror/app:1")).input("patience", "60s");
    let mut running = stalled.spawn();
    while elsewhere.count("POST", "/uploads/") == 0 && !running.has_ended() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    running.signal("TERM");
    let outcome = running.finish().await;
    assert_eq!(outcome.code, 143, "{outcome}");
    assert!(outcome.files.keys().eq(THE_RUNNERS), "{:?}\n{outcome}", outcome.files.keys());
}
