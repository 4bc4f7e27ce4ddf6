//! Registries that are hard to deal with: throttled, slow, silent, contradictory. Nothing present is sent again, nothing
//! hangs, nothing half is published.

use std::time::Duration;

use crate::support::images;
use crate::support::{Account, Auth, Fault, Registry, Run, TokenAuth, What};

#[tokio::test]
async fn a_public_target_is_verified_without_a_credential() {
    let source = Registry::start();
    let target = Registry::with_auth(Auth::Token(TokenAuth::ghcr(vec![Account::new("bob", "x")])));
    source.seed(&images::single(), "library/app:1");
    target.seed(&images::single(), "mirror/app:1");
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).command("verify").run().await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", target.lines());
}

#[tokio::test]
async fn a_token_service_that_stalls_in_its_answer_does_not_hang_the_run() {
    let source = Registry::start();
    let target = Registry::with_auth(Auth::Token(TokenAuth::new(vec![Account::new("bob", "x")])));
    source.seed(&images::single(), "library/app:1");
    target.fault(Fault::on("*", "/token", What::StallBodyAfter(5)));
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .input("target-username", "bob")
        .input("target-password", "x");
    let outcome = tokio::time::timeout(Duration::from_secs(45), run.run()).await;
    assert!(outcome.is_ok(), "hangs {}", target.lines());
}

#[tokio::test]
async fn a_throttled_target_is_waited_for_and_not_taken_for_empty() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    target.seed(&images::single(), "mirror/app:1");
    target.fault(Fault::on("HEAD", "/manifests/1", What::secondary_rate_limit().header("retry-after", "1")));
    target.fault(Fault::on("GET", "/manifests/1", What::secondary_rate_limit().header("retry-after", "1")));
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    assert_eq!((outcome.code, target.writes()), (0, 0), "{outcome}\n{}", target.lines());
}

#[tokio::test]
async fn what_is_there_is_not_sent_where_mounts_are_refused() {
    let registry = Registry::start();
    registry.seed(&images::three_platforms(), "library/app:1");
    registry.seed(&images::three_platforms(), "mirror/app");
    registry.fault(Fault::on("POST", "mount=", What::MountAnswer(403)).always());
    let outcome = Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1")).run().await;
    assert_eq!((outcome.code, registry.count("PUT", "/uploads/")), (0, 0), "{}", registry.lines());
}

#[tokio::test]
async fn what_is_there_is_not_sent_where_mounts_say_nothing() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    target.seed(&images::three_platforms(), "mirror/app");
    for digest in target.manifests("mirror/app") {
        target.forget("mirror/app", &digest);
    }
    target.seed(&images::docker_single(), "mirror/app:1");
    target.fault(Fault::on("POST", "mount=", What::MountAnswer(202)).always());
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    assert_eq!((outcome.code, target.count("PUT", "/uploads/")), (0, 0), "{}", target.lines());
}

#[tokio::test]
async fn a_tag_that_cannot_be_read_back_was_changed_all_the_same() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    target.fault(Fault::on("PUT", "/manifests/1", What::LagManifest(1000)));
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    assert!(target.tag("mirror/app", "1").is_some());
    assert_eq!(outcome.output("changed"), "true", "{outcome}");
}

#[tokio::test]
async fn a_wait_beyond_all_numbers_ends_the_image_not_the_program() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    target.fault(Fault::on("POST", "/uploads/", What::Delay(1200)).always());
    target.fault(
        Fault::on("POST", "/uploads/", What::status(503).header("retry-after", "18446744073709551615")).always(),
    );
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    assert_eq!(outcome.code, 1, "{outcome}");
}

#[tokio::test]
async fn a_wait_of_nothing_does_not_make_a_hammer() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    target.fault(Fault::on("HEAD", "/manifests/", What::status(429).header("retry-after", "0")).always());
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    assert!(target.requests() < 6, "{} requests in 3 s {}", target.requests(), outcome.code);
}

#[tokio::test]
async fn waiting_for_our_own_turn_costs_no_patience() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    source.fault(Fault::on("GET", "/blobs/", What::status(429).header("retry-after", "0")).times(8));
    source.fault(Fault::on("GET", "/blobs/", What::Delay(1500)).after(8).times(50));
    source.fault(Fault::on("GET", "/blobs/", What::status(502)).after(11));
    let outcome =
        Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("patience", "6s").run().await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", source.lines());
}

#[tokio::test]
async fn an_index_that_is_called_an_image_is_not_believed() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::index_without_media_type();
    source.seed(&image, "library/app:1");
    source.fault(
        Fault::on("*", "/manifests/", What::content_type("application/vnd.oci.image.manifest.v1+json")).always(),
    );
    target.switch(|switches| switches.sparse_allowed = true);
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).run().await;
    let whole = target.is_whole("mirror/app", "1");
    assert!(outcome.code != 0 || whole.is_ok(), "{} {whole:?}\n{}", outcome.code, target.lines());
}
