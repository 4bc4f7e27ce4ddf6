//! Across an air gap: a list into one directory with its names, and from there into another registry; nothing is lost on the
//! way, and what was changed on the way gets nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::images::{self, Image};
use crate::support::registry::Recorded;
use crate::support::{Fault, Outcome, Registry, Run, What};

const NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

/// A registry outside, one inside, and the directory that is carried from one to the other.
struct Gap {
    outside: Registry,
    inside: Registry,
    place: TempDir,
}

/// By repository, tags and what they are; and all manifests.
type Content = BTreeMap<String, (BTreeMap<String, String>, BTreeSet<String>)>;

impl Gap {
    fn new() -> Self {
        let gap = Self { outside: Registry::start(), inside: Registry::start(), place: tempfile::tempdir().unwrap() };
        for registry in [&gap.outside, &gap.inside] {
            registry.switch(|switches| switches.referrers = Some(50));
        }
        gap
    }

    fn directory(&self) -> PathBuf {
        self.place.path().join("carry")
    }

    fn oci(&self) -> String {
        format!("oci:{}", self.directory().display())
    }

    /// An image with a signature by its subject and one by its tag, and a signed SBOM.
    fn seed(&self, image: &Image, repository: &str, tag: &str) {
        self.outside.seed(image, &format!("{repository}:{tag}"));
        let sbom = images::referrer_of(image, "application/spdx+json");
        for attached in [
            &images::referrer_of(image, "application/vnd.cncf.notary.signature"),
            &images::referrer_of(&sbom, "application/vnd.cncf.notary.signature"),
            &sbom,
        ] {
            self.outside.seed(attached, repository);
        }
        let signature = images::big(300, u64::from_str_radix(&image.digest()[7..15], 16).unwrap());
        self.outside.seed(&signature, &format!("{repository}:{}", sig(image)));
    }

    /// Forty images in ten repositories, whose tags are the same.
    fn forty(&self) -> String {
        let mut list = String::from("images:\n");
        for repository in 0..10 {
            let name = format!("team-{}/app-{repository}", repository % 3);
            for number in 0..4_u64 {
                let tag = ["1", "2", "3", "latest"][usize::try_from(number).unwrap()];
                let image = match (repository, number) {
                    (0, 0) => images::three_platforms(),
                    (1, 0) => images::with_attestations(),
                    (2, 0) => images::nested_index(),
                    _ => images::release(100 + repository * 10 + number),
                };
                self.seed(&image, &name, tag);
                list += &format!("  - {}\n", self.outside.name(&format!("{name}:{tag}")));
            }
        }
        list
    }

    /// Copies the list into the directory.
    fn carry(&self, list: &str) -> Run {
        fs::write(self.place.path().join("images.yml"), list).unwrap();
        Run::new()
            .input("config", "images.yml")
            .env("GITHUB_WORKSPACE", &self.place.path().display().to_string())
            .input("target", &self.oci())
    }

    /// Copies the directory into the registry inside.
    fn restore(&self) -> Run {
        Run::copy(&self.oci(), &self.inside.name("mirror/{registry}/{repository}"))
    }

    /// Everything is inside as it is outside, but for the tags of `untagged`.
    fn is_restored(&self, untagged: &[&str]) {
        let (mut outside, inside) = (content(&self.outside), self.restored());
        for name in untagged {
            outside.get_mut(*name).unwrap().0.clear();
        }
        for (name, (tags, manifests)) in &outside {
            let (restored, all) = inside.get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(restored, tags, "{name}");
            assert_eq!(all.difference(manifests).collect::<Vec<_>>(), Vec::<&String>::new(), "{name} has more");
            assert_eq!(manifests.difference(all).collect::<Vec<_>>(), Vec::<&String>::new(), "{name} has less");
        }
        assert_eq!(inside.len(), outside.len());
        self.inside.everything_visible_is_whole().unwrap();
    }

    /// What of the registry inside has come from the one outside, under the names there.
    fn restored(&self) -> Content {
        let below = format!("mirror/{}/", self.outside.host().replace(':', "-"));
        content(&self.inside).into_iter().map(|(name, content)| (name.replacen(&below, "", 1), content)).collect()
    }

    fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory().join("index.json")).unwrap()).unwrap()
    }

    /// Changes `index.json`.
    fn change(&self, change: impl Fn(&mut Vec<Value>)) {
        let mut index = self.index();
        change(index["manifests"].as_array_mut().unwrap());
        fs::write(self.directory().join("index.json"), index.to_string()).unwrap();
    }

    /// The names in `index.json`, whichever annotation has them.
    fn names(&self) -> BTreeSet<String> {
        let index = self.index();
        let entries = index["manifests"].as_array().unwrap().iter();
        entries.filter_map(|entry| entry["annotations"][NAME].as_str().map(str::to_owned)).collect()
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.directory().join("blobs").join(digest.replace(':', "/"))
    }
}

fn sig(image: &Image) -> String {
    format!("{}.sig", image.digest().replace(':', "-"))
}

fn content(registry: &Registry) -> Content {
    let of = |name: &str| {
        let tags = registry.tags(name).into_iter().map(|tag| (registry.tag(name, &tag).unwrap(), tag));
        (tags.map(|(digest, tag)| (tag, digest)).collect(), registry.manifests(name).into_iter().collect())
    };
    registry.repositories().into_iter().map(|name| (of(&name), name)).map(|(content, name)| (name, content)).collect()
}

/// All files of a directory, and when each was written.
fn files(directory: &Path) -> BTreeMap<PathBuf, (SystemTime, u64)> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let (path, about) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if about.is_dir() {
                directories.push(path);
            } else {
                found.insert(path, (about.modified().unwrap(), about.len()));
            }
        }
    }
    found
}

fn results(outcome: &Outcome) -> BTreeMap<String, usize> {
    let mut results = BTreeMap::new();
    for image in outcome.json()["images"].as_array().unwrap() {
        *results.entry(image["result"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    results
}

#[tokio::test]
async fn forty_images_with_signatures_go_through_a_directory_to_another_registry() {
    let gap = Gap::new();
    let carry = gap.carry(&gap.forty());
    let outcome = carry.succeeds().await;
    assert_eq!(results(&outcome), BTreeMap::from([("copied".to_owned(), 40)]), "{outcome}");
    // Each under its whole name, in both annotations.
    let index = gap.index();
    let entries = index["manifests"].as_array().unwrap();
    let images = entries.iter().filter(|entry| entry["annotations"][FULL_NAME].is_string());
    let named: BTreeSet<&str> = images.filter_map(|entry| entry["annotations"][NAME].as_str()).collect();
    assert_eq!(named.iter().filter(|name| !name.contains(":sha256-")).count(), 40, "{named:?}");
    assert!(named.contains(gap.outside.name("team-0/app-0:latest").as_str()), "{named:?}");
    for entry in entries.iter().filter(|entry| entry["annotations"][FULL_NAME].is_string()) {
        assert_eq!(entry["annotations"][NAME], entry["annotations"][FULL_NAME]);
    }
    // Once more: nothing is written, and nothing is fetched but what tags are.
    let before = files(&gap.directory());
    gap.outside.reset();
    let outcome = carry.succeeds().await;
    assert_eq!(outcome.output("changed"), "false", "{outcome}");
    assert_eq!(files(&gap.directory()), before);
    assert_eq!(gap.outside.count("GET", "/"), 0, "{}", gap.outside.lines());
    carry.command("verify").succeeds().await;

    gap.outside.reset();
    let outcome = gap.restore().succeeds().await;
    assert_eq!(results(&outcome), BTreeMap::from([("copied".to_owned(), 40)]), "{outcome}");
    assert_eq!(gap.outside.requests(), 0, "{}", gap.outside.lines());
    gap.is_restored(&[]);
    gap.inside.reset();
    let outcome = gap.restore().succeeds().await;
    assert_eq!((outcome.output("changed"), gap.inside.writes()), ("false", 0), "{}", gap.inside.lines());
    gap.restore().command("verify").succeeds().await;
    assert_eq!(files(&gap.directory()), before, "a source is not written to");
}

#[tokio::test]
async fn an_interrupted_run_goes_on_with_what_it_lacks() {
    let gap = Gap::new();
    let list = gap.forty();
    let broken = images::release(151).blobs.last().unwrap().digest.clone();
    gap.outside
        .fault(Fault::on("GET", format!("/blobs/{broken}"), What::error(404, "BLOB_UNKNOWN", "not now")).always());
    let carry = gap.carry(&list);
    let outcome = carry.fails_with(1).await;
    assert_eq!(results(&outcome).get("failed"), Some(&1), "{outcome}");
    assert!(!gap.names().contains(&gap.outside.name("team-2/app-5:2")), "a tag on half an image");
    gap.outside.clear_faults();
    gap.outside.reset();
    let before = files(&gap.directory());
    let outcome = carry.succeeds().await;
    assert_eq!(
        results(&outcome),
        BTreeMap::from([("copied".to_owned(), 1), ("unchanged".to_owned(), 39)]),
        "{outcome}"
    );
    let fetched: Vec<String> =
        gap.outside.log().iter().map(Recorded::line).filter(|line| line.contains("/blobs/")).collect();
    let on_disk = |line: &String| before.keys().any(|path| line.contains(path.file_name().unwrap().to_str().unwrap()));
    assert!(!fetched.iter().any(on_disk), "{fetched:?}");
    assert!(fetched.iter().any(|line| line.contains(&broken)), "{fetched:?}");
    for (path, about) in before.iter().filter(|(path, _)| !path.ends_with("index.json")) {
        assert_eq!(files(&gap.directory()).get(path), Some(about), "{}", path.display());
    }
    gap.restore().succeeds().await;
    gap.is_restored(&[]);
}

#[tokio::test]
async fn a_run_that_was_killed_leaves_no_name_on_half_an_image() {
    let gap = Gap::new();
    let list = gap.forty();
    // Far into the list, and never answered.
    let held = images::release(133).blobs.last().unwrap().digest.clone();
    gap.outside.fault(Fault::on("GET", format!("/blobs/{held}"), What::StallBodyAfter(10)).always());
    let carry = gap.carry(&list);
    let mut killed = carry.spawn();
    for _ in 0..600 {
        if gap.directory().join("index.json").exists() && gap.names().len() > 60 {
            break;
        }
        assert!(!killed.has_ended());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    killed.signal("KILL");
    killed.finish().await;
    assert!(!gap.names().contains(&gap.outside.name("team-0/app-3:latest")));
    gap.outside.clear_faults();
    carry.succeeds().await;
    gap.restore().succeeds().await;
    gap.is_restored(&[]);
}

#[tokio::test]
async fn images_of_one_tag_or_one_digest_in_several_repositories_keep_their_own_names_and_signatures() {
    let gap = Gap::new();
    let (one, other, both) = (images::release(1), images::release(2), images::release(3));
    gap.seed(&one, "a/x", "1");
    gap.seed(&other, "b/x", "1");
    // One image in two repositories, signed by others.
    let (first, second) = (images::big(310, 1), images::big(320, 2));
    for (repository, signature) in [("c/x", &first), ("d/x", &second)] {
        gap.outside.seed(&both, &format!("{repository}:1"));
        gap.outside.seed(signature, &format!("{repository}:{}", sig(&both)));
    }
    // One signature by its subject, too.
    let notary = images::referrer_of(&both, "application/vnd.cncf.notary.signature");
    gap.outside.seed(&notary, "c/x");
    // By its digest alone, and as a part of another image that is carried too.
    let index = images::three_platforms();
    gap.outside.seed(&index, "e/x:1");
    gap.outside.seed(&index, "f/x:1");
    let child = index.child("linux/amd64");
    let name = |name: &str| gap.outside.name(name);
    let list: String = [
        name("a/x:1"),
        name("b/x:1"),
        name("c/x:1"),
        name("d/x:1"),
        name("e/x:1"),
        name(&format!("e/x@{child}")),
        name(&format!("f/x@{}", index.digest())),
    ]
    .iter()
    .map(|image| format!("- {image}\n"))
    .collect();
    let outcome = gap.carry(&format!("images:\n{list}")).succeeds().await;
    assert_eq!(outcome.json()["images"].as_array().unwrap().len(), 7, "{outcome}");
    assert!(gap.names().contains(&name(&format!("e/x@{child}"))), "{:?}", gap.names());
    let again = gap.carry(&format!("images:\n{list}")).succeeds().await;
    assert_eq!(again.output("changed"), "false", "{again}");
    let outcome = gap.restore().succeeds().await;
    assert_eq!(outcome.json()["images"].as_array().unwrap().len(), 7, "{outcome}");
    // It was asked for by its digest.
    gap.is_restored(&["f/x"]);
}

#[tokio::test]
async fn one_of_many_is_named_by_its_whole_name_or_by_a_tag_that_no_other_has() {
    let gap = Gap::new();
    let (one, other) = (images::release(1), images::release(2));
    for (image, repository, tag) in [(&one, "a/x", "1"), (&other, "b/x", "1"), (&other, "b/x", "2")] {
        gap.seed(image, repository, tag);
    }
    let images = ["a/x:1", "b/x:1", "b/x:2"].map(|name| gap.outside.name(name));
    let outcome = Run::new().input("images", &images.join("\n")).input("target", &gap.oci()).succeeds().await;
    // What is written in `images` is what can be read.
    let targets: Vec<String> = outcome.output("images").lines().map(str::to_owned).collect();
    assert_eq!(targets[0], format!("{}:{}@{}", gap.oci(), images[0], one.digest()));
    for (source, image) in [
        (targets[1].clone(), &other),
        (format!("{}:{}", gap.oci(), images[0]), &one),
        (format!("{}:2", gap.oci()), &other),
    ] {
        let target = gap.inside.name("one/x:1");
        let outcome = Run::copy(&source, &target).succeeds().await;
        assert_eq!(outcome.output("digest"), image.digest(), "{source}\n{outcome}");
        assert!(gap.inside.tag("one/x", &sig(image)).is_some(), "{source}: a signature was left behind");
        // A template may be made of the name.
        if source.contains("/x:") {
            let by_name = gap.inside.name("by/{name}:{tag}");
            Run::copy(&source, &by_name).succeeds().await;
        }
    }
    let outcome = Run::copy(&format!("{}:1", gap.oci()), &gap.inside.name("one/x:1")).fails_with(1).await;
    assert!(outcome.says(&images[0]) && outcome.says(&images[1]), "{outcome}");
    let outcome = Run::copy(&format!("{}:3", gap.oci()), &gap.inside.name("one/x:1")).fails_with(1).await;
    assert!(outcome.says("has no entry of this name"), "{outcome}");
    let whole = Run::new().command("inspect").input("source", &gap.oci()).fails_with(1).await;
    assert!(whole.says(&images[2]) && !whole.says(".sig"), "{whole}");
}

#[tokio::test]
async fn a_directory_is_a_line_of_a_list_too_and_goes_into_another_directory() {
    let gap = Gap::new();
    gap.seed(&images::release(1), "a/x", "1");
    gap.seed(&images::release(2), "b/x", "1");
    let list: String = ["a/x:1", "b/x:1"].iter().map(|name| format!("- {}\n", gap.outside.name(name))).collect();
    gap.carry(&format!("images:\n{list}")).succeeds().await;
    let inside = gap.inside.name("mirror/{registry}/{repository}");
    for run in [
        Run::new().input("images", &gap.oci()).input("target", &inside),
        Run::new().input("images", &format!("{} => {inside}", gap.oci())),
        gap.carry(&format!("images:\n- source: {}\n  target: {inside}\n", gap.oci())),
    ] {
        let outcome = run.succeeds().await;
        assert_eq!(outcome.json()["images"].as_array().unwrap().len(), 2, "{outcome}");
        gap.is_restored(&[]);
    }
    // Configuration for those who pull by the names that they know.
    let emitted =
        gap.restore().input("emit", "mapping").env("GITHUB_WORKSPACE", &gap.place.path().display().to_string());
    emitted.succeeds().await;
    let other = format!("oci:{}", gap.place.path().join("other").display());
    Run::copy(&gap.oci(), &format!("{other}:{{registry}}/{{repository}}")).succeeds().await;
    let index: Value = serde_json::from_slice(&fs::read(gap.place.path().join("other/index.json")).unwrap()).unwrap();
    let sorted = |index: &Value| {
        let entries = index["manifests"].as_array().unwrap().iter().map(ToString::to_string);
        entries.collect::<BTreeSet<_>>()
    };
    assert_eq!(sorted(&index), sorted(&gap.index()));
}

#[tokio::test]
async fn a_lines_own_directory_and_that_of_the_one_image_have_its_tag_as_before() {
    let gap = Gap::new();
    gap.outside.seed(&images::single(), "a/x:1");
    let source = gap.outside.name("a/x:1");
    Run::new().input("images", &format!("{source} => {}", gap.oci())).succeeds().await;
    assert_eq!(gap.names(), BTreeSet::from(["1".to_owned()]));
    assert_eq!(Run::copy(&source, &gap.oci()).succeeds().await.output("changed"), "false");
    // Of which no target can be made by a name.
    let outcome = gap.restore().fails_with(2).await;
    assert!(outcome.says("has no image under a whole name"), "{outcome}");
    // Beside others it is said, and stays.
    gap.seed(&images::release(2), "b/x", "1");
    gap.carry(&format!("images: [\"{}\"]\n", gap.outside.name("b/x:1"))).succeeds().await;
    let outcome = gap.restore().succeeds().await;
    assert_eq!(outcome.json()["images"].as_array().unwrap().len(), 1, "{outcome}");
    assert!(outcome.says("1 more under no whole name, which are left out: 1 sha256:"), "{outcome}");
}

#[tokio::test]
async fn what_other_tools_have_written_under_whole_names_is_restored() {
    let gap = Gap::new();
    let (one, other, index) = (images::release(1), images::release(2), images::three_platforms());
    for image in [&one, &other, &index] {
        image.write_layout(&gap.directory(), "unused");
    }
    let entry = |image: &Image, annotations: Value| {
        let root = image.root();
        json!({ "mediaType": root.media_type, "digest": root.digest, "size": root.bytes.len(), "annotations": annotations })
    };
    let child = index.child("linux/amd64");
    let listed = index.manifests.iter().find(|manifest| manifest.digest == child).unwrap();
    gap.change(|entries| {
        *entries = vec![
            // `docker save` and buildx; hauler; regclient; what oras lists besides.
            entry(&one, json!({ NAME: "1", FULL_NAME: "docker.io/library/one:1" })),
            entry(&one, json!({ NAME: "1", FULL_NAME: "docker.io/library/one:1" })),
            entry(&other, json!({ NAME: "library/other:1", FULL_NAME: "index.docker.io/library/other:1" })),
            entry(&index, json!({ NAME: "quay.io/team/index:1" })),
            json!({ "mediaType": listed.media_type, "digest": listed.digest, "size": listed.bytes.len() }),
        ];
    });
    let outcome = gap.restore().succeeds().await;
    assert_eq!(
        gap.inside.repositories(),
        ["mirror/docker.io/library/one", "mirror/docker.io/library/other", "mirror/quay.io/team/index"]
    );
    assert!(!outcome.says("left out"), "{outcome}");
    gap.inside.everything_visible_is_whole().unwrap();
}

#[tokio::test]
async fn a_directory_that_was_changed_on_its_way_gets_nowhere() {
    type Change = Box<dyn Fn(&Gap, &mut Vec<Value>)>;
    let rename = |name: &'static str| -> Change {
        Box::new(move |_, entries| entries[0]["annotations"] = json!({ NAME: name, FULL_NAME: name }))
    };
    let many = |entries: &mut Vec<Value>| {
        let mut entry = entries[0].clone();
        entry["annotations"][NAME] = json!("x".repeat(4096));
        entries.extend(std::iter::repeat_n(entry, 2_000));
    };
    let changes: Vec<(&str, Change)> = vec![
        ("is not an image reference", rename("registry.test/../../admin/x:1")),
        ("has a user name before an `@`", rename("me:hunter2@evil.test/x:1")),
        ("has more than one tag", rename("evil.test/x:../1")),
        ("begins with `https://`", rename("https://evil.test/x:1")),
        ("has a space and more after", rename("evil.test/x y:1\n::error::")),
        (
            "is named both `evil.test/x:1` and",
            Box::new(|_, entries| {
                entries[0]["annotations"][FULL_NAME] = json!("evil.test/x:1");
            }),
        ),
        (
            "has several entries for",
            Box::new(|_, entries| {
                entries[1]["annotations"] = entries[0]["annotations"].clone();
            }),
        ),
        (
            "is the name of",
            Box::new(|_, entries| {
                let other = format!("evil.test/x@{}", images::sha256(b"other"));
                entries[0]["annotations"] = json!({ NAME: other, FULL_NAME: other });
            }),
        ),
        ("more than the 4194304 that are read", Box::new(move |_, entries| many(entries))),
        ("`manifests` is not a list", Box::new(|_, _| {})),
    ];
    for (part, change) in changes {
        let gap = Gap::new();
        gap.outside.seed(&images::release(1), "a/x:1");
        gap.outside.seed(&images::release(2), "b/x:1");
        let list: String = ["a/x:1", "b/x:1"].iter().map(|name| format!("- {}\n", gap.outside.name(name))).collect();
        gap.carry(&format!("images:\n{list}")).succeeds().await;
        if part.contains("not a list") {
            fs::write(gap.directory().join("index.json"), r#"{"manifests":"evil"}"#).unwrap();
        } else {
            gap.change(|entries| change(&gap, entries));
        }
        let outcome = gap.restore().fails_with(2).await;
        assert!(outcome.says(part), "{part}\n{outcome}");
        assert!(!outcome.everything().contains("hunter2"), "{outcome}");
        assert!(!outcome.log.contains("\n::error::"), "{outcome}");
        assert_eq!(gap.inside.requests(), 0, "{part}\n{}", gap.inside.lines());
    }
}

#[tokio::test]
async fn of_a_directory_with_a_hole_what_is_whole_arrives_and_nothing_else() {
    for (part, is_missing) in [("is missing", true), ("the digest is", false)] {
        let gap = Gap::new();
        let (whole, hurt) = (images::release(1), images::release(2));
        gap.seed(&whole, "a/x", "1");
        gap.seed(&hurt, "b/x", "1");
        let list: String = ["a/x:1", "b/x:1"].iter().map(|name| format!("- {}\n", gap.outside.name(name))).collect();
        gap.carry(&format!("images:\n{list}")).succeeds().await;
        // Not the layer that both have.
        let blob = gap.blob(&hurt.blobs.last().unwrap().digest);
        let mut bytes = fs::read(&blob).unwrap();
        fs::remove_file(&blob).unwrap();
        if !is_missing {
            bytes[0] ^= 1;
            fs::write(&blob, bytes).unwrap();
        }
        let outcome = gap.restore().fails_with(1).await;
        assert!(outcome.says(part), "{part}\n{outcome}");
        let restored = gap.restored();
        assert_eq!(restored.get("a/x"), content(&gap.outside).get("a/x"), "{outcome}");
        assert!(restored.get("b/x").is_none_or(|(tags, _)| tags.is_empty()), "{part}\n{restored:?}");
        gap.inside.everything_visible_is_whole().unwrap();
    }
}

#[tokio::test]
async fn a_directory_does_not_choose_the_registry_that_is_written_to() {
    let gap = Gap::new();
    gap.outside.seed(&images::release(1), "a/x:1");
    gap.carry(&format!("images: [\"{}\"]\n", gap.outside.name("a/x:1"))).succeeds().await;
    gap.outside.reset();
    let outcome = Run::copy(&gap.oci(), "{registry}/copies/{repository}").fails_with(2).await;
    assert!(outcome.says("is not to choose the registry that is written to"), "{outcome}");
    let outcome = Run::copy(&gap.oci(), &gap.inside.name("x/{name}"))
        .input("expected-digest", images::release(1).digest())
        .fails_with(2)
        .await;
    assert!(outcome.says("input `expected-digest`: is for one image"), "{outcome}");
    let nowhere = format!("oci:{}", gap.place.path().join("none").display());
    let outcome = Run::copy(&nowhere, &gap.inside.name("x/{name}")).fails_with(2).await;
    assert!(outcome.says("the directory does not exist"), "{outcome}");
    assert_eq!(gap.outside.requests() + gap.inside.requests(), 0);
}

/// The recipe, tried: its list, what its workflow wires, and its commands, in its order.
#[tokio::test]
async fn the_recipe_does_what_it_says() {
    let gap = Gap::new();
    for (image, name) in [
        (images::three_platforms(), "library/alpine:3.20"),
        (images::release(1), "pause:3.10"),
        (images::release(2), "library/nginx:stable"),
        (images::release(3), "library/nginx:1.29.4"),
    ] {
        let (repository, tag) = name.split_once(':').unwrap();
        gap.seed(&image, repository, tag);
    }
    let outside = gap.outside.host();
    let recipe = include_str!("../../docs/recipes/air-gap.md")
        .replace("- alpine:", &format!("- {outside}/library/alpine:"))
        .replace("registry.k8s.io/", &format!("{outside}/"))
        .replace("docker.io/library/", &format!("{outside}/library/"))
        .replace("registry.example.com/", &gap.inside.name(""))
        .replace("oci:carry", &gap.oci());
    let fenced = |language: &str| {
        let start = format!("```{language}\n");
        let blocks = recipe.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.collect::<Vec<_>>()
    };
    let yaml = fenced("yaml");
    fs::write(gap.place.path().join("images.yml"), &yaml[0]).unwrap();
    let wired: BTreeMap<&str, &str> = yaml[1]
        .split("OWNER/mirror-image@v1\n        with:\n")
        .nth(1)
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with("          "))
        .map(|line| line.trim().split_once(": ").unwrap())
        .collect();
    assert_eq!(wired.keys().copied().collect::<Vec<_>>(), ["config", "target"]);
    let mut run = Run::new().env("GITHUB_WORKSPACE", &gap.place.path().display().to_string());
    for (name, value) in wired {
        run = run.input(name, value);
    }
    assert_eq!(run.succeeds().await.output("changed"), "true");
    let commands: Vec<String> = fenced("shell").iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    for command in &commands {
        let words: Vec<&str> = command.split(' ').skip(1).map(|word| word.trim_matches('"')).collect();
        let outcome = Run::line(&words).in_copy_of(gap.place.path()).succeeds().await;
        assert!(!outcome.everything().contains("left out"), "{command}\n{outcome}");
    }
    let inside = content(&gap.inside);
    let below = format!("mirror/{}/", outside.replace(':', "-"));
    let restored =
        inside.iter().filter_map(|(name, content)| Some((name.strip_prefix(&below)?.to_owned(), content.clone())));
    assert_eq!(restored.collect::<Content>(), content(&gap.outside));
    assert_eq!(inside["base/alpine"], content(&gap.outside)["library/alpine"]);
}
