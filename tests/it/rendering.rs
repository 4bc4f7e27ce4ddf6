//! What a person reads: the log, the annotations and the summary of a success, a run with nothing to do, and the most
//! common failures, as snapshots. Change one on purpose only: read the new text as its reader would.

use super::support::images::{self, Object, raw};
use super::support::{Account, Auth, ClosedPort, Fault, Outcome, Registry, Run, TokenAuth, What};

/// The log and the summary, digests, ports, times and paths replaced.
macro_rules! assert_voices {
    ($name:literal, $outcome:expr) => {
        let outcome = $outcome;
        // The masks of tokens, which are others in each run.
        let log: Vec<&str> = outcome.stdout.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        insta::assert_snapshot!(concat!($name, "-log"), outcome.redact(&log.join("\n")));
        insta::assert_snapshot!(concat!($name, "-summary"), outcome.redact(&outcome.summary));
    };
}
pub(super) use assert_voices;

/// Without what depends on the order of events: many blobs are on their way when one of them is refused.
fn calm(mut outcome: Outcome) -> Outcome {
    let counts = regex::Regex::new(r"\d+ requests(, [0-9.]+ [KMG]?i?B (read|sent))?").unwrap();
    for text in [&mut outcome.stdout, &mut outcome.summary] {
        *text = counts.replace_all(text, "‹n› requests").into_owned();
    }
    outcome
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
async fn wishes_that_do_not_hold() {
    let (source, target, run) = pair();
    assert_voices!("absent-platform", run.clone().input("platforms", "linux/s390x").fails_with(1).await);
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_voices!("unexpected", run.input("expected-digest", &digest).fails_with(1).await);
    drop((source, target));
}

#[tokio::test]
async fn bad_input() {
    let outcome = Run::copy("alpine", "ghcr.io/o/r").input("platforms", "linux/arm64v8").fails_with(2).await;
    insta::assert_snapshot!("bad-input-log", outcome.redact(&outcome.stdout));
    let outcome = Run::copy("ghcr.io/Acme/App:1", "ghcr.io/o/r").fails_with(2).await;
    insta::assert_snapshot!("upper-case-log", outcome.redact(&outcome.stdout));
}

#[tokio::test]
async fn refusals_of_the_source() {
    let (source, _target, run) = pair();
    assert_voices!("absent", run.clone().input("source", &source.name("library/nothing:1")).fails_with(1).await);
    let says = |what: What| {
        source.clear_faults();
        source.fault(Fault::on("GET", "/manifests/", what.clone()).always());
        source.fault(Fault::on("HEAD", "/manifests/", what).always());
        run.fails_with(1)
    };
    let denied = What::error(403, "DENIED", "requested access to the resource is denied");
    assert_voices!("denied", says(denied).await);
    let throttled = What::error(429, "TOOMANYREQUESTS", "Rate limit exceeded").header("retry-after", "60");
    assert_voices!("throttled", says(throttled).await);
    assert_voices!("quota", says(What::docker_hub_quota()).await);
    assert_voices!("changed-bytes", says(What::WrongBytes(3)).await);
    source.clear_faults();
    source.set_auth(Auth::Token(TokenAuth::new(vec![Account::new("ann", "a-password")])));
    assert_voices!("unauthorized", run.fails_with(1).await);
    let wrong = run.input("source-username", "ann").input("source-password", "another-password");
    assert_voices!("wrong-password", wrong.fails_with(1).await);
}

#[tokio::test]
async fn refusals_of_the_target() {
    let (_source, target, run) = pair();
    let says = |method, part: &str, what: What| {
        target.clear_faults();
        target.fault(Fault::on(method, part, what).always());
        run.fails_with(1)
    };
    let create = What::error(403, "DENIED", "installation not allowed to Create organization package");
    assert_voices!("not-allowed-to-create", calm(says("POST", "/uploads/", create).await));
    let package = What::error(403, "DENIED", "permission_denied: write_package");
    assert_voices!("not-linked", says("PUT", "/manifests/1", package).await);
    assert_voices!("secondary-rate-limit", says("PUT", "/manifests/1", What::secondary_rate_limit()).await);
}

#[tokio::test]
async fn nobody_answers() {
    let (source, target, run) = pair();
    // Long enough for every attempt, so that each run makes as many.
    let run = run.input("patience", "60s");
    let closed = ClosedPort::new();
    assert_voices!("refused", run.clone().input("target", &format!("{closed}/mirror/app:1")).fails_with(1).await);
    // Where there is no DNS at all, that is to be seen soon and in other words.
    let named =
        run.clone().input("source", "registry.invalid/library/app:1").env("RES_OPTIONS", "timeout:1 attempts:1");
    let mut outcome = named.fails_with(1).await;
    let words = regex::Regex::new(r"has no address \([^)]*\)").unwrap();
    for text in [&mut outcome.stdout, &mut outcome.summary] {
        *text = words.replace_all(text, "has no address (‹the system's words›)").into_owned();
    }
    assert_voices!("no-address", outcome);
    source.fault(Fault::on("GET", "/manifests/", What::StallBodyAfter(10)).always());
    assert_voices!("timeout", run.input("patience", "2s").fails_with(1).await);
    drop(target);
}

/// Nobody has eleven gigabytes for a test: the descriptor says so, and a dry run believes it.
#[tokio::test]
async fn a_layer_over_the_limit_of_githubs_registry() {
    let (source, target, run) = pair();
    let (config, layer) = (Object::new(images::OCI_CONFIG, "{}"), Object::new(images::OCI_LAYER, "x"));
    let large = layer.descriptor().replace(": 1", ": 11000000000").replace(":1", ":11000000000");
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{large}]}}"#,
        images::OCI_MANIFEST,
        config.descriptor()
    );
    assert!(text.contains("11000000000"), "{text}");
    source.seed(&raw(images::OCI_MANIFEST, text, vec![config, layer]), "library/app:1");
    let run = run.input("dry-run", "true").input("access", "off").env("GITHUB_SERVER_URL", &target.url());
    assert_voices!("large-layer", run.succeeds().await);
}
