//! Registries that are hard to deal with: silent, contradictory. Nothing present is sent again, nothing half is published.
//! What they do wrong for a while, or for good, is in the fault matrix.

use crate::support::images;
use crate::support::{Account, Auth, Fault, Registry, Run, TokenAuth, What};

#[tokio::test]
async fn a_public_target_is_verified_without_a_credential() {
    let source = Registry::start();
    let target = Registry::with_auth(Auth::Token(TokenAuth::ghcr(vec![Account::new("bob", "x")])));
    source.seed(&images::single(), "library/app:1");
    target.seed(&images::single(), "mirror/app:1");
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .command("verify")
        .clone()
        .unhurried()
        .run()
        .await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", target.lines());
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
