//! What the specification forbids and every other reader takes: it is taken, byte for byte, and what is odd about it is
//! said. Digests are never among it.

use crate::support::images::{self, Image, Object};
use crate::support::{Fault, Registry, Run, What};

/// Copies `image`, and compares both sides afterwards.
async fn copied(name: &str, image: &Image) -> (Registry, crate::support::Outcome) {
    let (source, target) = (Registry::start(), Registry::start());
    target.switch(|switches| switches.wrong_sizes_allowed = true);
    source.seed(image, "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest(), "{name}\n{outcome}");
    for object in &image.manifests {
        let found = target.manifest("mirror/app", &object.digest).unwrap_or_else(|| panic!("{name}\n{outcome}"));
        assert_eq!((&found.bytes, &found.media_type), (&object.bytes, &object.media_type), "{name}");
    }
    for object in &image.blobs {
        assert_eq!(target.blob("mirror/app", &object.digest).as_ref(), Some(&object.bytes), "{name}");
    }
    run.command("verify").succeeds().await;
    (target, outcome)
}

#[tokio::test]
async fn absent_null_and_empty_properties_are_no_reason_to_refuse_a_manifest() {
    let config = Object::new(images::OCI_CONFIG, r#"{"os":"linux","architecture":"amd64"}"#);
    let layer = Object::new(images::OCI_LAYER, "a layer");
    let (of_config, of_layer) = (config.descriptor(), layer.descriptor());
    for (name, media_type, members) in [
        ("no layers", images::OCI_MANIFEST, String::new()),
        ("layers null", images::OCI_MANIFEST, r#","layers":null"#.to_owned()),
        ("layers empty", images::OCI_MANIFEST, r#","layers":[]"#.to_owned()),
        ("docker without layers", images::DOCKER_MANIFEST, String::new()),
        ("docker, layers null", images::DOCKER_MANIFEST, r#","layers":null"#.to_owned()),
        ("annotations null", images::OCI_MANIFEST, r#","layers":[],"annotations":null,"subject":null"#.to_owned()),
        ("an annotation null", images::OCI_MANIFEST, r#","layers":[],"annotations":{"a":null,"b":"c"}"#.to_owned()),
        ("no entries", images::OCI_MANIFEST, r#","layers":[],"manifests":null,"artifactType":null"#.to_owned()),
        ("blobs null", images::OCI_MANIFEST, r#","layers":[],"blobs":null"#.to_owned()),
        ("mediaType null", images::OCI_MANIFEST, r#","layers":[],"mediaType":null"#.to_owned()),
        (
            "null inside a layer",
            images::OCI_MANIFEST,
            format!(r#","layers":[{}]"#, of_layer.replace(" }", r#","urls":null,"annotations":null,"platform":null}"#)),
        ),
    ] {
        let text = format!(r#"{{"schemaVersion":2,"config":{of_config}{members}}}"#);
        let blobs = if members.contains("urls") { vec![config.clone(), layer.clone()] } else { vec![config.clone()] };
        copied(name, &images::raw(media_type, text, blobs)).await;
    }
}

#[tokio::test]
async fn null_in_the_entries_of_an_index_is_nothing() {
    let single = images::single();
    for (name, more) in [
        ("no system", r#","platform":{"os":null,"architecture":null}"#),
        ("nothing known", r#","platform":null,"annotations":{"a":null},"artifactType":null,"urls":null"#),
    ] {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, single.root().descriptor_with(more));
        let mut image = single.clone();
        image.manifests.push(Object::new(images::OCI_INDEX, text));
        copied(name, &image).await;
    }
    let empty = images::raw(images::OCI_INDEX, r#"{"schemaVersion":2,"manifests":null,"layers":null}"#, vec![]);
    copied("an index of nothing", &empty).await;
}

#[tokio::test]
async fn a_wrong_size_beside_a_right_digest_is_said_and_copied() {
    let single = images::single();
    let descriptor = |object: &Object, size: usize| {
        format!(
            r#"{{"mediaType":"{}","digest":"{}","size":{size},"platform":{{"os":"linux","architecture":"amd64"}}}}"#,
            object.media_type, object.digest
        )
    };
    let length = single.root().bytes.len();
    for size in [0, length - 1, length + 7] {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor(single.root(), size));
        let mut image = single.clone();
        image.manifests.push(Object::new(images::OCI_INDEX, text));
        let (_target, outcome) = copied("a wrong size", &image).await;
        let said = format!("says that the manifest {} has {size} bytes, and it has {length}", single.digest());
        assert!(outcome.says(&said), "{outcome}");
    }
    // One that is not given, as readers in Go take it: as 0.
    for given in ["", r#","size":null"#] {
        let entry = descriptor(single.root(), length).replace(&format!(r#","size":{length}"#), given);
        let mut image = single.clone();
        image.manifests.push(Object::new(images::OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#)));
        let (_target, outcome) = copied("no size", &image).await;
        assert!(outcome.says(&format!("has 0 bytes, and it has {length}")), "{given}: {outcome}");
    }
    // The entry of a layout's own index too.
    let (directory, target) = (tempfile::tempdir().unwrap(), Registry::start());
    single.write_layout(directory.path(), "1");
    let index = directory.path().join("index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replace(&format!(r#""size":{length}"#), r#""size":3"#)).unwrap();
    let run = Run::copy(&format!("oci:{}:1", directory.path().display()), &target.name("mirror/app:1"));
    let outcome = run.succeeds().await;
    assert!(outcome.says("`index.json` says that the manifest"), "{outcome}");
    target.is_whole("mirror/app", "1").unwrap();
    // A layer is not read by its digest alone: its size is what readers ask for.
    let (source, target) = (Registry::start(), Registry::start());
    let layer = Object::new(images::OCI_LAYER, "a layer");
    let config = Object::new(images::OCI_CONFIG, "{}");
    let text = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        config.descriptor(),
        layer.descriptor().replace(r#""size":7"#, r#""size":8"#)
    );
    source.seed(&images::raw(images::OCI_MANIFEST, text, vec![config, layer]), "library/app:1");
    Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
    assert_eq!(target.tag("mirror/app", "1"), None);
}

#[tokio::test]
async fn a_manifest_is_pushed_under_the_type_that_it_names() {
    let own = "application/vnd.uor.manifest.v1+json";
    let config = Object::new("application/vnd.uor.config.v1+json", "{}");
    let layer = Object::new("text/plain", "a layer");
    let content = format!(r#""config":{},"layers":[{}]"#, config.descriptor(), layer.descriptor());
    let named = format!(r#"{{"schemaVersion":2,"mediaType":"{own}",{content}}}"#);
    let unnamed = format!(r#"{{"schemaVersion":2,{content}}}"#);
    let single = images::single();
    let index = format!(r#"{{"mediaType":"application/vnd.uor.index","manifests":[{}]}}"#, single.root().descriptor());
    for (name, served, text, pushed) in [
        ("its own type", own, &named, own),
        ("its own type, served as JSON", "application/json", &named, own),
        ("its own type, served as an image", images::OCI_MANIFEST, &named, own),
        ("a type that only the registry names", own, &unnamed, own),
        ("no type at all", "text/plain", &unnamed, images::OCI_MANIFEST),
        ("an index of its own type", "application/vnd.uor.index", &index, "application/vnd.uor.index"),
    ] {
        let (source, target) = (Registry::start(), Registry::start());
        let mut image = images::raw(served, text.clone(), vec![config.clone(), layer.clone()]);
        image.blobs.extend(single.blobs.clone());
        image.manifests.insert(0, single.root().clone());
        source.seed(&image, "library/app:1");
        let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
        let outcome = run.succeeds().await;
        let found = target.manifest("mirror/app", image.digest()).expect(name);
        assert_eq!(found.media_type, pushed, "{name}\n{outcome}");
        target.is_whole("mirror/app", "1").unwrap();
    }
}

#[tokio::test]
async fn what_a_cache_knows_by_its_tag_only_is_fetched_by_the_tag() {
    let (image, other) = (images::single(), images::three_platforms());
    let unknown = What::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    for command in ["copy", "inspect", "verify"] {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&image, "library/app:1");
        target.seed(&image, "mirror/app:1");
        target.set_tag("mirror/app", "2", image.digest());
        source.set_tag("library/app", "2", image.digest());
        source.fault(Fault::on("GET", format!("/manifests/{}", image.digest()), unknown.clone()).always());
        let tag = if command == "copy" { "3" } else { "2" };
        let run = Run::copy(&source.name("library/app:2"), &target.name(&format!("mirror/app:{tag}")));
        let outcome = run.command(command).unhurried().run().await;
        assert_eq!(outcome.code, 0, "{command}\n{outcome}");
    }
    // Where the tag has moved since, it is another image.
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    source.seed(&other, "library/app");
    source.fault(Fault::on("HEAD", "/manifests/1", What::TagMovesTo(other.digest().to_owned())));
    source.fault(Fault::on("GET", "/manifests/sha256:", unknown.clone()).always());
    target.seed(&images::docker_single(), "mirror/app:1");
    Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
    assert_eq!(target.writes(), 0);
    // A signature under cosign's tag is an image like any other.
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&image, "library/app:1");
    let signature = images::docker_single();
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    source.seed(&signature, &format!("library/app:{tag}"));
    source.fault(Fault::on("GET", format!("/manifests/{}", signature.digest()), unknown).always());
    Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).succeeds().await;
    assert_eq!(target.tag("mirror/app", &tag).as_deref(), Some(signature.digest()));
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_list_or_of_a_file() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    source.seed(&images::single(), "library/other:1");
    let list = format!(
        "\u{feff}# made on Windows\r\n{}\r\n\u{feff}{}\r\n",
        source.name("library/app:1"),
        source.name("library/other:1")
    );
    let run = Run::new().command("copy").input("images", &list).input("target", &target.name("{repository}"));
    let marked = run.clone().input("platforms", "\u{feff}linux/amd64").input("check", "\u{feff}deep");
    marked.input("registry-auth", "\u{feff}# none\n\u{feff}quay.io ann secret").succeeds().await;
    target.is_whole("library/app", "1").unwrap();
    target.is_whole("library/other", "1").unwrap();
    // A value that is nothing but the mark is not given.
    run.input("source", "\u{feff}").succeeds().await;
    // `docker login` of a Windows machine.
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.json"), "\u{feff}{\"auths\":{}}").unwrap();
    let run = Run::copy(&source.name("library/other:1"), &target.name("mirror/other:1"));
    run.env("DOCKER_CONFIG", &directory.path().display().to_string()).succeeds().await;
}
