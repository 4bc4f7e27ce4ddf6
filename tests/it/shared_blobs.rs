//! What images of one run have in common is linked and handed on, and only among those whose sources have it: a manifest may
//! name any digest, that of a private layer too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::images::{self, Image, OCI_CONFIG, OCI_MANIFEST, Object};

use crate::support::registry::Recorded;
use crate::support::{Fault, Hook, Moment, Registry, Run, What};

/// An image that names the layer of another, and does not have it.
fn with_the_layer_of(private: &Image) -> Image {
    let config = Object::new(OCI_CONFIG, r#"{"architecture":"amd64","os":"linux"}"#);
    let layer = private.blobs.iter().find(|blob| blob.media_type.contains("layer")).unwrap();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor()
    );
    images::raw(OCI_MANIFEST, manifest, vec![config])
}

/// `source` answers for the manifests of `repository` once `target` has `private/app:1`.
fn answers_after_the_private_image(source: &Registry, repository: &str, target: &Arc<Registry>) {
    let target = Arc::clone(target);
    let hook = Hook::new(move || {
        let since = Instant::now();
        while target.tag("private/app", "1").is_none() && since.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    source.fault(Fault::on("GET", format!("/v2/{repository}/manifests/"), What::Then(Moment::Arrival, hook)).always());
}

#[tokio::test]
async fn a_layer_is_linked_only_for_an_image_whose_source_has_it() {
    let private = images::single();
    let stranger = with_the_layer_of(&private);
    // From another registry; from another repository of the same registry.
    for same_registry in [false, true] {
        let (secret, open, target) = (Registry::start(), Registry::start(), Arc::new(Registry::start()));
        let strangers = if same_registry { &secret } else { &open };
        secret.seed(&private, "acme/private:1");
        strangers.seed(&stranger, "x/tool:1");
        if same_registry {
            strangers.fault(Fault::on("GET", "/v2/x/tool/manifests/", What::Delay(1_500)).always());
        } else {
            answers_after_the_private_image(strangers, "x/tool", &target);
        }
        let lines = format!(
            "{} => {}\n{} => {}",
            secret.name("acme/private:1"),
            target.name("private/app:1"),
            strangers.name("x/tool:1"),
            target.name("public/tool:1")
        );
        let outcome = Run::new().input("images", &lines).input("attachments", "none").fails_with(1).await;
        target.is_whole("private/app", "1").unwrap();
        assert_eq!(target.tag("public/tool", "1"), None, "{outcome}");
        let layer = &images::references(&stranger.root().bytes)[1].digest;
        assert!(target.blob("public/tool", layer).is_none(), "{}", target.lines());
        let linked = |request: &&Recorded| request.path.starts_with("/v2/public/") && request.query.contains("mount=");
        assert!(!target.log().iter().filter(linked).any(|request| request.query.contains(&layer.replace(':', "%3A"))));
        assert!(outcome.says("source: GET blob"), "{outcome}");
    }
}

#[tokio::test]
async fn what_is_read_for_several_registries_is_handed_on_within_one_repository() {
    let private = images::single();
    let stranger = with_the_layer_of(&private);
    let (secret, open) = (Registry::start(), Registry::start());
    secret.seed(&private, "acme/private:1");
    open.seed(&stranger, "x/tool:1");
    let targets: [Registry; 4] = std::array::from_fn(|_| Registry::start());
    // Who reads for the first waits for the second.
    targets[1].fault(Fault::on("*", "/v2/private/app/", What::Delay(2_000)).times(1));
    let to = |number: usize, name: &str| targets[number].name(name);
    let lines = [
        format!("{} => {}", secret.name("acme/private:1"), to(0, "private/app:1")),
        format!("{} => {}", secret.name("acme/private:1"), to(1, "private/app:1")),
        format!("{} => {}", open.name("x/tool:1"), to(2, "public/tool:1")),
        format!("{} => {}", open.name("x/tool:1"), to(3, "public/tool:1")),
    ];
    let outcome = Run::new().input("images", &lines.join("\n")).input("attachments", "none").fails_with(1).await;
    let layer = &images::references(&stranger.root().bytes)[1].digest;
    for target in &targets[2..] {
        assert_eq!(target.tag("public/tool", "1"), None, "{outcome}");
        assert!(target.blob("public/tool", layer).is_none(), "{}", target.lines());
    }
    for target in &targets[..2] {
        target.is_whole("private/app", "1").unwrap();
    }
}

#[tokio::test]
async fn a_shared_layer_costs_one_question_where_the_sources_differ_and_none_where_they_do_not() {
    let image = images::many_layers(33);
    for (sources, questions) in [(["library/a:1", "library/a:1"], 0), (["library/a:1", "library/b:1"], 34)] {
        let (source, target) = (Registry::start(), Registry::start());
        for name in sources {
            source.seed(&image, name);
        }
        let lines = format!(
            "{} => {}\n{} => {}",
            source.name(sources[0]),
            target.name("private/app:1"),
            source.name(sources[1]),
            target.name("other/app:1")
        );
        Run::new().input("images", &lines).input("attachments", "none").succeeds().await;
        let requests = format!("{}{}", source.lines(), target.lines());
        assert_eq!(source.count("HEAD", "/blobs/"), questions, "{requests}");
        assert_eq!(source.count("GET", "/blobs/"), 34, "{requests}");
        let linked = |request: &Recorded| request.method == "POST" && request.status == 201;
        assert_eq!(target.log().into_iter().filter(linked).count(), 34, "{requests}");
        target.is_whole("private/app", "1").unwrap();
        target.is_whole("other/app", "1").unwrap();
    }
}
