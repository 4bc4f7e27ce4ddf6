//! Kinds of content that most tools leave out: they arrive as they are, or are refused with a sentence.

use crate::support::images::{self, Image, Object};
use crate::support::{Fault, Registry, Run, What};

fn seeded(image: &Image) -> (Registry, Registry, Run) {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(image, "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    (source, target, run)
}

#[tokio::test]
async fn charts_modules_and_models_arrive_byte_for_byte() {
    for (config, layer) in [
        ("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
        ("application/vnd.wasm.config.v0+json", "application/wasm"),
        ("application/vnd.cncf.model.config.v1+json", "application/vnd.cncf.model.weight.v1.tar"),
        ("application/vnd.oci.empty.v1+json", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("application/vnd.example.unheard-of", "text/plain"),
    ] {
        let (config, layer) = (Object::new(config, "{}"), Object::new(layer, format!("content for {config}")));
        let manifest =
            format!(r#"{{"schemaVersion":2, "config":{},"layers":[ {} ]}}"#, config.descriptor(), layer.descriptor());
        let image = images::raw("application/vnd.oci.image.manifest.v1+json", manifest, vec![config.clone(), layer]);
        let (_source, target, run) = seeded(&image);
        let outcome = run.succeeds().await;
        assert_eq!(outcome.output("digest"), image.digest(), "{}", config.media_type);
        target.is_whole("mirror/app", "1").unwrap();
        assert!(!outcome.summary.contains("docker pull"), "what is no image is not pulled\n{}", outcome.summary);
    }
}

#[tokio::test]
async fn a_schema_1_image_is_copied_where_the_target_takes_it() {
    let layer = Object::new("application/octet-stream", "a layer");
    let text = format!(
        r#"{{"schemaVersion":1,"name":"library/app","tag":"1","fsLayers":[{{"blobSum":"{0}"}},{{"blobSum":"{0}"}}]}}"#,
        layer.digest
    );
    let image = images::raw("application/vnd.docker.distribution.manifest.v1+json", text, vec![layer.clone()]);
    let (_source, target, run) = seeded(&image);
    let outcome = run.succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    assert_eq!(target.blob("mirror/app", &layer.digest), Some(layer.bytes.clone()));
    assert!(outcome.says("schema 1"), "{outcome}");

    let (_source, target, run) = seeded(&image);
    let refusal = What::error(400, "MANIFEST_INVALID", "schema 1 is not supported");
    target.fault(Fault::on("PUT", "/manifests/", refusal).always());
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("schema 1 is not supported") && outcome.says("the tag `1` was not touched"), "{outcome}");
}

#[tokio::test]
async fn foreign_layers_stay_where_they_are_unless_they_are_asked_for() {
    let elsewhere = Registry::start();
    let layer = Object::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "a base layer");
    elsewhere.set_bytes("windows/base", &layer.digest, None, layer.bytes.clone());
    let config = Object::new("application/vnd.docker.container.image.v1+json", "{}");
    let urls = format!(r#", "urls": ["{}/v2/windows/base/blobs/{}"]"#, elsewhere.url(), layer.digest);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor_with(&urls)
    );
    let image = images::raw("application/vnd.docker.distribution.manifest.v2+json", manifest, vec![config]);

    let (_source, target, run) = seeded(&image);
    let run = run.input("source-username", "ann").input("source-password", "hunter2-hunter2");
    let outcome = run.succeeds().await;
    assert_eq!(target.blob("mirror/app", &layer.digest), None);
    assert_eq!(elsewhere.requests(), 0);
    assert!(outcome.says("`foreign-layers: include`"), "{outcome}");

    let (_source, target, run) = seeded(&image);
    let outcome = run.input("foreign-layers", "include").succeeds().await;
    assert_eq!(target.blob("mirror/app", &layer.digest), Some(layer.bytes.clone()), "{outcome}");
    assert_eq!(outcome.output("digest"), image.digest());
    assert!(elsewhere.log().iter().all(|request| request.header("authorization").is_none()));
}

/// Who writes a manifest chooses these hosts: a few addresses of a layer are asked, once each, and of a layer that registries
/// hold none.
#[tokio::test]
async fn a_layer_leads_to_few_addresses_and_one_that_registries_hold_to_none() {
    for (media_type, most) in [("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", 4), (images::OCI_LAYER, 0)]
    {
        let stranger = Registry::start();
        let (layer, config) = (Object::new(media_type, "nowhere"), Object::new(images::DOCKER_CONFIG, "{}"));
        let address = |number: usize| format!(r#""{}/v2/any/blobs/sha256:{number:064x}""#, stranger.url());
        let urls = format!(r#", "urls": [{}]"#, (0..50).map(address).collect::<Vec<_>>().join(","));
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            config.descriptor(),
            layer.descriptor_with(&urls)
        );
        let image = images::raw(images::DOCKER_MANIFEST, manifest, vec![config]);
        let (source, target, run) = seeded(&image);
        let outcome = run.input("foreign-layers", "include").fails_with(1).await;
        let asked = stranger.count("GET", "/v2/any/blobs/");
        assert!(if most == 0 { asked == 0 } else { (1..=most).contains(&asked) }, "{asked}\n{}", stranger.lines());
        assert!(source.count("GET", &layer.digest) > 0 && target.tags("mirror/app").is_empty(), "{outcome}");
    }
}

#[tokio::test]
async fn index_entries_of_other_types_arrive_too() {
    let blob = Object::new("application/vnd.example.blob", "a blob in an index");
    let single = images::single();
    let unknown = Object { media_type: "application/vnd.example.manifest".to_owned(), ..single.root().clone() };
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#, blob.descriptor(), unknown.descriptor());
    let mut image = images::raw("application/vnd.oci.image.index.v1+json", index, vec![blob.clone()]);
    let root = image.manifests.pop().unwrap();
    image.blobs.extend(single.blobs.clone());
    image.manifests.extend([single.root().clone(), root]);
    let (_source, target, run) = seeded(&image);
    target.switch(|switches| switches.sparse_allowed = true);
    run.succeeds().await;
    assert_eq!(target.blob("mirror/app", &blob.digest), Some(blob.bytes.clone()));
    assert!(target.manifest("mirror/app", single.digest()).is_some());
}
