//! What a person reads: the log and the summary of a success, a run with nothing to do, a failure and the rest, as
//! snapshots. Change one on purpose only: read the new text as its reader would.

use super::support::{Fault, Registry, Run, What, images};

/// The log and the summary, digests, ports, times and paths replaced.
macro_rules! assert_voices {
    ($name:literal, $outcome:expr) => {
        let outcome = $outcome;
        insta::assert_snapshot!(concat!($name, "-log"), outcome.redact(&outcome.stdout));
        insta::assert_snapshot!(concat!($name, "-summary"), outcome.redact(&outcome.summary));
    };
}

fn pair() -> (Registry, Registry, Run) {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::with_attestations(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    (source, target, run)
}

#[tokio::test]
async fn success_then_nothing_to_do_then_another_digest() {
    let (source, target, run) = pair();
    assert_voices!("copied", run.succeeds().await);
    assert_voices!("unchanged", run.succeeds().await);
    source.seed(&images::three_platforms(), "library/app:1");
    assert_voices!("conflict", run.clone().input("on-conflict", "fail").fails_with(1).await);
    assert_voices!("kept", run.clone().input("on-conflict", "keep").succeeds().await);
    assert_voices!("dry-run", run.clone().input("dry-run", "true").succeeds().await);
    assert_voices!("one-platform", run.input("platforms", "linux/arm64").succeeds().await);
    drop((source, target));
}

#[tokio::test]
async fn inspect_and_verify() {
    let (_source, target, run) = pair();
    assert_voices!("inspected", run.clone().command("inspect").succeeds().await);
    run.succeeds().await;
    assert_voices!("verified", run.clone().command("verify").succeeds().await);
    assert!(target.forget("mirror/app", &images::with_attestations().blobs[1].digest));
    assert_voices!("different", run.command("verify").fails_with(1).await);
}

#[tokio::test]
async fn failures() {
    let (source, target, run) = pair();
    assert_voices!("absent-platform", run.clone().input("platforms", "linux/s390x").fails_with(1).await);
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_voices!("unexpected", run.clone().input("expected-digest", &digest).fails_with(1).await);
    assert_voices!("absent", run.clone().input("source", &source.name("library/nothing:1")).fails_with(1).await);
    let denied = What::error(403, "DENIED", "permission_denied: write_package");
    target.fault(Fault::on("PUT", "manifests/1", denied).always());
    assert_voices!("denied", run.fails_with(1).await);
}

#[tokio::test]
async fn bad_input() {
    let outcome = Run::copy("alpine", "ghcr.io/o/r").input("platforms", "linux/arm64v8").fails_with(2).await;
    insta::assert_snapshot!("bad-input-log", outcome.redact(&outcome.stdout));
}
