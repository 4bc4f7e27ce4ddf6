//! Image layouts that somebody made, or changed, to have a run wait, fill the memory, or read and write where it has no
//! business. Each ends soon with a sentence; nothing comes out of what lies outside, nothing gets in there, and nothing
//! becomes visible.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::images::{self, Image, Object};
use crate::support::run::memory_limit;
use crate::support::{Registry, Run};

/// A layout, and a directory beside it that is nobody's business. The directory has what the layout has: what a link
/// leads to is right by its digest.
struct Place {
    _temporary: tempfile::TempDir,
    layout: PathBuf,
    outside: PathBuf,
}

impl Place {
    fn with(image: &Image) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let (layout, outside) = (temporary.path().join("layout"), temporary.path().join("outside"));
        image.write_layout(&layout, "1");
        image.write_layout(&outside, "1");
        Self { _temporary: temporary, layout, outside }
    }

    /// Has `name` in the layout be another thing.
    fn replace(&self, name: &str, make: impl Fn(&Path)) {
        let path = self.layout.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
            Ok(_) => fs::remove_file(&path).unwrap(),
            Err(_) => {}
        }
        make(&path);
    }

    fn lead_out(&self, name: &str) {
        self.replace(name, |path| symlink(self.outside.join(name), path).unwrap());
    }

    /// The names in the layout's list; none where it has no list of its own.
    fn names(&self) -> Vec<String> {
        let path = self.layout.join("index.json");
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            return Vec::new();
        }
        let Ok(index) = serde_json::from_slice::<Value>(&fs::read(path).unwrap()) else { return Vec::new() };
        let entries = index["manifests"].as_array().cloned().unwrap_or_default();
        let name =
            |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
        entries.iter().filter_map(name).collect()
    }
}

fn file_of(object: &Object) -> String {
    format!("blobs/{}", object.digest.replace(':', "/"))
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn folder(path: &Path) {
    fs::create_dir(path).unwrap();
}

/// A file of so many bytes that takes no room.
fn hollow(bytes: u64) -> impl Fn(&Path) {
    move |path| fs::File::create(path).unwrap().set_len(bytes).unwrap()
}

fn with(text: impl Into<Vec<u8>>) -> impl Fn(&Path) {
    let text = text.into();
    move |path| fs::write(path, &text).unwrap()
}

/// Everything in a directory: where it is, and what is in it.
fn everything(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

type Row = (&'static str, Box<dyn Fn(&Place)>, &'static str);

fn row(name: &'static str, spoil: impl Fn(&Place) + 'static, words: &'static str) -> Row {
    (name, Box::new(spoil), words)
}

/// An image of one manifest, one config and two layers.
fn image() -> Image {
    images::single()
}

fn manifest() -> String {
    file_of(image().root())
}

fn layer() -> String {
    file_of(&image().blobs[1])
}

/// The list, with its one entry changed.
fn listed(change: impl Fn(&mut Value)) -> impl Fn(&Place) {
    move |place| {
        let path = place.layout.join("index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut index["manifests"][0]);
        fs::write(path, index.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_layout_that_is_a_trap_is_not_read() {
    let (link, not_a_file) = ("is a link that leads out of the layout", "is not a regular file");
    let bytes_of = |name: &str| {
        image().blobs.iter().chain(&image().manifests).find(|it| file_of(it) == name).unwrap().bytes.to_vec()
    };
    let larger = |name: String| {
        let bytes = [&bytes_of(&name)[..], b" "].concat();
        move |place: &Place| place.replace(&name, with(bytes.clone()))
    };
    let smaller = |name: String| {
        let mut bytes = bytes_of(&name);
        bytes.pop();
        move |place: &Place| place.replace(&name, with(bytes.clone()))
    };
    let other = |name: String| {
        let mut bytes = bytes_of(&name);
        bytes.swap(0, 7);
        move |place: &Place| place.replace(&name, with(bytes.clone()))
    };
    let rows = vec![
        row("the mark is a pipe", |place| place.replace("oci-layout", pipe), not_a_file),
        row("the mark leads out", |place| place.lead_out("oci-layout"), link),
        row(
            "the mark is huge",
            |place| place.replace("oci-layout", hollow(1 << 40)),
            "more than the 65536 that are read",
        ),
        row("the list is a pipe", |place| place.replace("index.json", pipe), not_a_file),
        row("the list is a directory", |place| place.replace("index.json", folder), not_a_file),
        row("the list leads out", |place| place.lead_out("index.json"), link),
        row(
            "the list leads to a device",
            |place| place.replace("index.json", |path| symlink("/dev/zero", path).unwrap()),
            link,
        ),
        row(
            "the list leads to itself",
            |place| place.replace("index.json", |path| symlink(path, path).unwrap()),
            "cannot read",
        ),
        row(
            "the list leads nowhere",
            |place| place.replace("index.json", |path| symlink("nothing", path).unwrap()),
            "`index.json` is missing",
        ),
        row(
            "the list is huge",
            |place| place.replace("index.json", hollow(1 << 40)),
            "more than the 4194304 that are read",
        ),
        row(
            "the list has too many values",
            |place| place.replace("index.json", with(format!("[{}0]", "[],".repeat(1 << 20)))),
            "may have",
        ),
        row("the list has no bottom", |place| place.replace("index.json", with("[".repeat(100_000))), "cannot be read"),
        row("the folder of blobs leads out", |place| place.lead_out("blobs"), link),
        row("the folder of an algorithm leads out", |place| place.lead_out("blobs/sha256"), link),
        row("the folder of blobs is a pipe", |place| place.replace("blobs", pipe), "cannot read"),
        row("a manifest leads out", |place| place.lead_out(&manifest()), link),
        row("a manifest is a pipe", |place| place.replace(&manifest(), pipe), not_a_file),
        row("a manifest is a directory", |place| place.replace(&manifest(), folder), not_a_file),
        row("a manifest is missing", |place| place.replace(&manifest(), |_| {}), "is missing"),
        row(
            "a manifest is huge",
            |place| place.replace(&manifest(), hollow(1 << 40)),
            "more than the 4194304 that are read",
        ),
        row("a manifest is larger", larger(manifest()), "its descriptor says"),
        row("a manifest is smaller", smaller(manifest()), "its descriptor says"),
        row("a manifest is another", other(manifest()), "the digest is sha256:"),
        row("a layer leads out", |place| place.lead_out(&layer()), link),
        row(
            "a layer leads to a device",
            |place| place.replace(&layer(), |path| symlink("/dev/zero", path).unwrap()),
            link,
        ),
        row("a layer is a pipe", |place| place.replace(&layer(), pipe), not_a_file),
        row("a layer is a directory", |place| place.replace(&layer(), folder), not_a_file),
        row("a layer is missing", |place| place.replace(&layer(), |_| {}), "is missing"),
        row("a layer is huge", |place| place.replace(&layer(), hollow(1 << 40)), "its descriptor says 3000"),
        row("a layer is larger", larger(layer()), "has 3001 bytes, its descriptor says 3000"),
        row("a layer is smaller", smaller(layer()), "has 2999 bytes, its descriptor says 3000"),
        row("a layer is another", other(layer()), "the digest is sha256:"),
        row(
            "a path for a digest",
            listed(|entry| entry["digest"] = json!("sha256:../../../outside/index.json")),
            "there must be 64",
        ),
        row(
            "a path for an algorithm",
            listed(|entry| entry["digest"] = json!(format!("../{}", image().digest()))),
            "the algorithm `../sha256`",
        ),
        row("a list for an entry", listed(|entry| *entry = json!(["1", 2])), "has no entry of this name"),
        row(
            "a path for a name",
            listed(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] = json!("../1")),
            "it has ../1",
        ),
    ];
    let runs = rows.into_iter().map(|(name, spoil, words)| async move {
        let (place, target) = (Place::with(&image()), Registry::start());
        spoil(&place);
        let outside = everything(&place.outside);
        let source = format!("oci:{}:1", place.layout.display());
        let outcome = Run::copy(&source, &target.name("mirror/app:1")).run().await;
        let holds = outcome.code == 1
            && outcome.says(words)
            && outcome.peak < memory_limit()
            && target.tags("mirror/app").is_empty()
            && target.everything_visible_is_whole().is_ok()
            && everything(&place.outside) == outside;
        (!holds).then(|| format!("{name}: {words}, {} MiB\n{outcome}\n{}", outcome.peak >> 20, target.lines()))
    });
    let failures: Vec<String> = join_all(runs).await.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{} rows failed:\n\n{}", failures.len(), failures.join("\n\n────────\n\n"));
}

/// Of an image with many parts, each of which asks the list. Every entry is read to learn what it is attached to.
#[tokio::test]
async fn a_list_as_large_as_one_may_be_is_read_within_bounds() {
    let new = images::three_platforms();
    let (place, target) = (Place::with(&new), Registry::start());
    let path = place.layout.join("index.json");
    let text = fs::read_to_string(&path).unwrap();
    let filling = format!(r#","x":[{}0]}}"#, "[],".repeat(130_000));
    let list =
        text.replace(r#""schemaVersion":2"#, &format!(r#""padding":"{}","schemaVersion":2"#, "x".repeat(3_600_000)));
    fs::write(&path, format!("{}{filling}", list.strip_suffix('}').unwrap())).unwrap();
    let entries = serde_json::from_str::<Value>(&text).unwrap()["manifests"].clone();
    let named = |number: usize| {
        let mut entry = entries[0].clone();
        entry["annotations"]["org.opencontainers.image.ref.name"] = json!(format!("1.{number}"));
        entry
    };
    let all: Vec<Value> = std::iter::once(entries[0].clone()).chain((0..15_000).map(named)).collect();
    let source = format!("oci:{}:1", place.layout.display());
    let run = Run::copy(&source, &target.name("mirror/app:1"));
    for number in 0..2 {
        // As an earlier run would have made it.
        let hour = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().append(true).open(&path).unwrap().set_modified(hour).unwrap();
        let outcome = run.clone().input("target", &target.name(&format!("mirror/app{number}:1"))).succeeds().await;
        target.is_whole(&format!("mirror/app{number}"), "1").unwrap();
        assert!(outcome.peak < memory_limit(), "{number}: {} MiB", outcome.peak >> 20);
        let list = json!({ "manifests": all }).to_string();
        assert!(list.len() > 3 << 20 && list.len() < 4 << 20, "{}", list.len());
        fs::write(&path, list).unwrap();
    }
}

/// A list that would be larger than what is read is not written: the layout could not be read afterwards.
#[tokio::test]
async fn a_list_that_is_full_takes_nothing_more_and_stays_as_it_is() {
    let (place, source) = (Place::with(&image()), Registry::start());
    let path = place.layout.join("index.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = format!(r#"{},"x":"{}"}}"#, text.strip_suffix('}').unwrap(), "x".repeat((4 << 20) - text.len() - 100));
    fs::write(&path, &text).unwrap();
    source.seed(&images::three_platforms(), "library/app:2");
    let target = format!("oci:{}:2", place.layout.display());
    let outcome = Run::copy(&source.name("library/app:2"), &target).fails_with(1).await;
    assert!(outcome.says("more than the 4194304 that are read; it is full"), "{outcome}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn nothing_is_written_through_what_leads_out_of_a_layout() {
    let (link, not_a_file) = ("is a link that leads out of the layout", "is not a regular file");
    // What is to come: its files lead out before they are there.
    let new = images::three_platforms();
    let (new_layer, new_manifest, new_index) =
        (file_of(&new.blobs[1]), file_of(&new.manifests[0]), file_of(new.root()));
    let dangling = |name: &str| {
        let name = name.to_owned();
        move |place: &Place| place.replace(&name, |path| symlink(place.outside.join("new"), path).unwrap())
    };
    let to_another = |name: &str| {
        let name = name.to_owned();
        move |place: &Place| place.replace(&name, |path| symlink(place.outside.join("index.json"), path).unwrap())
    };
    let refused = vec![
        row("a layer leads to another file", to_another(&new_layer), link),
        row(
            "a layer is a pipe",
            {
                let name = new_layer.clone();
                move |place| place.replace(&name, pipe)
            },
            not_a_file,
        ),
        row(
            "a layer is a directory",
            {
                let name = new_layer.clone();
                move |place| place.replace(&name, folder)
            },
            not_a_file,
        ),
        row(
            "a child is a directory",
            {
                let name = new_manifest.clone();
                move |place| place.replace(&name, folder)
            },
            "cannot write",
        ),
        row("the list leads to another file", to_another("index.json"), link),
        row("the list is a pipe", |place| place.replace("index.json", pipe), not_a_file),
        row("the list is a directory", |place| place.replace("index.json", folder), not_a_file),
        row("the mark leads to another file", to_another("oci-layout"), link),
        row("the folder of blobs leads out", |place| place.lead_out("blobs"), link),
        row("the folder of an algorithm leads out", |place| place.lead_out("blobs/sha256"), link),
        row("the folder of blobs leads nowhere", dangling("blobs"), "is a link that leads nowhere"),
    ];
    // A manifest that is not right, and what leads nowhere, is replaced, and not what it leads to.
    let replaced = vec![
        row("a child leads to another file", to_another(&new_manifest), ""),
        row("the index leads to another file", to_another(&new_index), ""),
        row("a layer leads nowhere", dangling(&new_layer), ""),
        row("a child leads nowhere", dangling(&new_manifest), ""),
        row("the list leads nowhere", dangling("index.json"), ""),
    ];
    let (number, rows) = (refused.len(), refused.into_iter().chain(replaced));
    let runs = rows.enumerate().map(|(at, (name, spoil, words))| {
        let new = new.clone();
        async move {
            let (place, source) = (Place::with(&image()), Registry::start());
            source.seed(&new, "library/app:2");
            spoil(&place);
            let (outside, before) = (everything(&place.outside), place.names());
            let target = format!("oci:{}:2", place.layout.display());
            let outcome = Run::copy(&source.name("library/app:2"), &target).run().await;
            let holds = if at < number {
                outcome.code == 1 && outcome.says(words) && place.names() == before
            } else {
                outcome.code == 0 && place.names().contains(&"2".to_owned())
            };
            let holds = holds && everything(&place.outside) == outside;
            (!holds).then(|| format!("{name}: {words} {:?}\n{outcome}", place.names()))
        }
    });
    let failures: Vec<String> = join_all(runs).await.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{} rows failed:\n\n{}", failures.len(), failures.join("\n\n────────\n\n"));
}

/// What was checked out in a job may be a link: a directory that is named in the workspace is in it. What a person types leads
/// where it leads.
#[tokio::test]
async fn a_layout_that_is_named_in_the_workspace_of_a_job_is_in_it() {
    let registry = Registry::start();
    registry.seed(&images::three_platforms(), "library/app:2");
    let all = tempfile::tempdir().unwrap();
    let (workspace, outside) = (all.path().join("workspace"), all.path().join("outside"));
    images::single().write_layout(&outside.join("layout"), "1");
    fs::create_dir_all(workspace.join("real")).unwrap();
    fs::create_dir(outside.join("empty")).unwrap();
    symlink("../outside", workspace.join("out")).unwrap();
    symlink(outside.join("new"), workspace.join("dangling")).unwrap();
    symlink("real", workspace.join("in")).unwrap();
    let before = everything(&outside);
    let job = |run: Run| run.env("GITHUB_WORKSPACE", workspace.to_str().unwrap());
    let at = |name: &str, tag: &str| format!("oci:{}:{tag}", workspace.join(name).display());
    for name in ["out", "out/empty", "out/new", "dangling", "dangling/deep", "in/../out/empty"] {
        let outcome = job(Run::copy(&registry.name("library/app:2"), &at(name, "2"))).fails_with(1).await;
        assert!(outcome.says("a link that leads out of the workspace"), "{name}\n{outcome}");
        assert_eq!(everything(&outside), before, "{name}");
    }
    let outcome = job(Run::copy(&at("out/layout", "1"), &registry.name("mirror/app:1"))).fails_with(1).await;
    assert!(outcome.says("a link that leads out of the workspace"), "{outcome}");
    assert!(registry.tags("mirror/app").is_empty());
    for name in ["in/new", "real/other"] {
        job(Run::copy(&registry.name("library/app:2"), &at(name, "2"))).succeeds().await;
    }
    assert!(workspace.join("real/new/index.json").exists() && workspace.join("real/other/index.json").exists());
    // At a terminal, and where the directory is named outside of the workspace.
    let person = Run::copy(&registry.name("library/app:2"), &at("out/empty", "2")).without("GITHUB_ACTIONS");
    person.env("GITHUB_WORKSPACE", workspace.to_str().unwrap()).succeeds().await;
    let named = format!("oci:{}:1", outside.join("layout").display());
    job(Run::copy(&named, &registry.name("mirror/app:1"))).succeeds().await;
}
