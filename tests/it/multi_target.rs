//! One source for several registries: read once for all of them, and none fails or waits for long because of another.

use std::path::Path;

use futures_util::future::join_all;

use crate::support::images::{self, Image, OCI_CONFIG, OCI_MANIFEST, Object};
use crate::support::{ClosedPort, Fault, Outcome, Registry, Run, What};

const MEBIBYTE: usize = 1024 * 1024;

/// One source, three registries that it goes to.
struct Release {
    image: Image,
    source: Registry,
    targets: [Registry; 3],
}

impl Release {
    fn new(image: Image) -> Self {
        let source = Registry::start();
        source.seed(&image, "library/app:1");
        Self { image, source, targets: std::array::from_fn(|_| Registry::start()) }
    }

    fn names(&self) -> Vec<String> {
        self.targets.iter().map(|target| target.name("mirror/app:1")).collect()
    }

    fn run_to(&self, targets: &[String]) -> Run {
        let source = self.source.name("library/app:1");
        let lines: Vec<String> = targets.iter().map(|target| format!("{source} => {target}")).collect();
        Run::new().input("images", &lines.join("\n")).input("attachments", "none")
    }

    fn run(&self) -> Run {
        self.run_to(&self.names())
    }

    /// With a patience that lets each wait for the others on a machine that is busy with something else too.
    fn run_unhurried(&self) -> Run {
        self.run().input("patience", "3h")
    }

    /// The same as `run`, and an image layout besides.
    fn run_with_layout(&self, directory: &Path) -> Run {
        self.run_to(&[self.names(), vec![format!("oci:{}:1", directory.display())]].concat())
    }

    fn is_whole_in(&self, directory: &Path) {
        for object in self.image.blobs.iter().chain(&self.image.manifests) {
            let file = directory.join("blobs").join(object.digest.replace(':', "/"));
            assert_eq!(std::fs::read(&file).unwrap(), object.bytes, "{}", object.digest);
        }
    }

    /// How often each blob and each manifest was read, by the bytes that were served: on a busy machine a large blob is
    /// read in parts, over several connections.
    fn reads(&self) -> Vec<usize> {
        let log = self.source.log();
        let objects = self.image.blobs.iter().chain(&self.image.manifests);
        let reads = objects.map(|object| {
            let is_read = |path: &str| path.ends_with(&object.digest) && !path.contains("/referrers/");
            let all = log.iter().filter(|request| request.method == "GET" && is_read(&request.path));
            let (served, size) = (all.map(|request| request.served).sum::<usize>(), object.bytes.len().max(1));
            (served + size / 2) / size
        });
        reads.collect()
    }

    fn is_read_once(&self, outcome: &Outcome) {
        let reads = self.reads();
        assert!(reads.iter().all(|times| *times == 1), "{reads:?}\n{}\n{outcome}", self.requests());
    }

    fn is_whole_at(&self, number: usize, outcome: &Outcome) {
        let target = &self.targets[number];
        assert_eq!(target.tag("mirror/app", "1").as_deref(), Some(self.image.digest()), "{outcome}");
        target.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
    }

    fn requests(&self) -> String {
        format!("{}{}", self.source.lines(), self.targets.each_ref().map(Registry::lines).join("\n"))
    }
}

#[tokio::test]
async fn what_three_registries_get_is_read_once() {
    let release = Release::new(images::three_platforms());
    let outcome = release.run_unhurried().succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    release.is_read_once(&outcome);
    let json = outcome.json();
    let sum = |key: &str| -> u64 {
        json["images"].as_array().unwrap().iter().map(|image| image["traffic"][key].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("bytes_written"), 3 * sum("bytes_read"), "{}", release.requests());
}

/// As the recipe has it, and as it is written in one line; a template is filled for each.
#[tokio::test]
async fn an_image_goes_to_each_of_several_targets_and_is_read_once() {
    for between in ["\n", ", "] {
        let release = Release::new(images::three_platforms());
        let targets = release.targets.each_ref().map(|target| target.name("mirror/{name}:{tag}")).join(between);
        let run = Run::copy(&release.source.name("library/app:1"), &targets).input("attachments", "none");
        let outcome = run.input("patience", "3h").succeeds().await;
        (0..3).for_each(|number| release.is_whole_at(number, &outcome));
        release.is_read_once(&outcome);
    }
}

#[tokio::test]
async fn a_registry_that_has_the_image_is_not_waited_for() {
    let release = Release::new(images::three_platforms());
    release.targets[1].seed(&release.image, "mirror/app:1");
    let outcome = release.run_unhurried().succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    assert_eq!(release.targets[1].writes(), 0);
    release.is_read_once(&outcome);
}

#[tokio::test]
async fn a_blob_that_one_registry_has_is_not_waited_for_there() {
    let release = Release::new(images::three_platforms());
    for blob in &release.image.blobs {
        release.targets[2].set_bytes("mirror/app", &blob.digest, None, blob.bytes.clone());
    }
    let outcome = release.run_unhurried().succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    release.is_read_once(&outcome);
}

#[tokio::test]
async fn one_registry_that_fails_fails_alone() {
    let faults = [
        What::error(403, "DENIED", "no"),
        What::CutRequestAfter(MEBIBYTE),
        What::ResetRequestAfter(MEBIBYTE),
        What::StallRequestAfter(MEBIBYTE),
    ];
    let runs =
        faults.iter().flat_map(|what| (0..3).map(move |failing| (what, failing))).map(|(what, failing)| async move {
            let release = Release::new(images::big(6 * MEBIBYTE, 3));
            release.targets[failing].fault(Fault::on("PUT", "/blobs/", what.clone()).always());
            let outcome = release.run().fails_with(1).await;
            for number in (0..3).filter(|number| *number != failing) {
                release.is_whole_at(number, &outcome);
            }
            assert_eq!(release.targets[failing].tags("mirror/app"), Vec::<String>::new(), "{what:?}\n{outcome}");
            let json = outcome.json();
            assert_eq!((&json["totals"]["copied"], &json["totals"]["failed"]), (&2.into(), &1.into()), "{outcome}");
        });
    join_all(runs).await;
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_makes_the_others_read_nothing_twice() {
    let release = Release::new(images::three_platforms());
    let closed = ClosedPort::new();
    let outcome = release
        .run_to(&[vec![format!("{closed}/mirror/app:1")], release.names()].concat())
        .input("patience", "3h")
        .fails_with(1)
        .await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    release.is_read_once(&outcome);
}

#[tokio::test]
async fn a_source_that_breaks_is_gone_on_with_for_all() {
    let release = Release::new(images::big(12 * MEBIBYTE, 3));
    release.source.fault(Fault::on("GET", "/blobs/", What::CutBodyAfter(5 * MEBIBYTE)).times(2));
    let outcome = release.run_unhurried().succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    let json = outcome.json();
    let read: u64 =
        json["images"].as_array().unwrap().iter().map(|it| it["traffic"]["bytes_read"].as_u64().unwrap()).sum();
    let all = release.image.blob_bytes() + release.image.root().bytes.len() as u64;
    assert_eq!(read, all, "{}", release.requests());
}

#[tokio::test]
async fn wrong_bytes_come_to_none_of_them() {
    let release = Release::new(images::big(3 * MEBIBYTE, 3));
    release.source.fault(Fault::on("GET", "/blobs/", What::WrongBytes(2 * MEBIBYTE)).always());
    let outcome = release.run().fails_with(1).await;
    for target in &release.targets {
        assert_eq!(target.tags("mirror/app"), Vec::<String>::new(), "{outcome}");
        target.everything_visible_is_whole().unwrap();
    }
    assert_eq!(outcome.json()["totals"]["failed"], 3, "{outcome}");
}

#[tokio::test]
async fn bytes_that_were_wrong_once_are_read_anew_by_all() {
    for size in [100, 3 * MEBIBYTE] {
        let release = Release::new(images::big(size, 3));
        let directory = tempfile::tempdir().unwrap();
        // Each blob once: a second wrong read of the same blob would rightly end the attempt.
        for blob in &release.image.blobs {
            release.source.fault(Fault::on("GET", &blob.digest, What::WrongBytes(size / 2)));
        }
        let outcome = release.run_with_layout(directory.path()).succeeds().await;
        (0..3).for_each(|number| release.is_whole_at(number, &outcome));
        release.is_whole_in(directory.path());
    }
}

/// Each reads the rest of a blob where it likes: what a mirror began is not what the original ends.
#[tokio::test]
async fn a_mirror_that_lies_gives_none_of_them_a_part() {
    let release = Release::new(images::big(3 * MEBIBYTE, 3));
    let (mirror, directory) = (Registry::start(), tempfile::tempdir().unwrap());
    mirror.seed(&release.image, "library/app:1");
    mirror.fault(Fault::on("GET", "/blobs/", What::WrongBytes(10)).always());
    let rule = format!("{} = {}", release.source.host(), mirror.host());
    let outcome = release.run_with_layout(directory.path()).input("registry-mirrors", &rule).succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    release.is_whole_in(directory.path());
    assert!(mirror.count("GET", "/blobs/") > 0, "{}", mirror.lines());
}

#[tokio::test]
async fn a_descriptor_without_bytes_gives_no_blob_of_that_name() {
    let absent = images::sha256(b"what nobody has");
    let config = Object::new(OCI_CONFIG, "{}");
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{{"mediaType":"application/octet-stream","digest":"{absent}","size":0}}]}}"#,
        config.descriptor()
    );
    let release = Release::new(images::raw(OCI_MANIFEST, text, vec![config]));
    release.source.set_bytes("library/app", &absent, None, "");
    let directory = tempfile::tempdir().unwrap();
    let outcome = release.run_with_layout(directory.path()).fails_with(1).await;
    assert_eq!(outcome.json()["totals"]["failed"], 4, "{outcome}");
    for target in &release.targets {
        assert_eq!(target.tags("mirror/app"), Vec::<String>::new(), "{outcome}");
        assert_eq!(target.blob("mirror/app", &absent), None, "{outcome}");
    }
    assert!(!directory.path().join("blobs/sha256").join(absent.trim_start_matches("sha256:")).exists());
}

#[tokio::test]
async fn many_layers_are_read_once_though_one_registry_takes_its_time() {
    let release = Release::new(images::many_layers(40));
    release.targets[2].fault(Fault::on("PUT", "/blobs/", What::Delay(400)).always());
    let outcome = release.run_unhurried().succeeds().await;
    (0..3).for_each(|number| release.is_whole_at(number, &outcome));
    release.is_read_once(&outcome);
}

/// On a busy machine one may wait for another longer than it does, and read by itself. A program that reads anything
/// twice for another reason does so in each attempt.
async fn in_one_of_three(attempt: impl AsyncFn() -> Result<(), String>) {
    let mut problem = String::new();
    for _ in 0..3 {
        match attempt().await {
            Ok(()) => return,
            Err(found) => problem = found,
        }
    }
    panic!("{problem}");
}

#[tokio::test]
async fn a_slow_registry_holds_none_up_for_good() {
    in_one_of_three(async || {
        let release = Release::new(images::big(12 * MEBIBYTE, 3));
        // Its answers come late, and its upload is opened when the others have long begun.
        release.targets[1].fault(Fault::on("POST", "/blobs/uploads/", What::Delay(4_000)).always());
        let outcome = release.run().input("patience", "20s").succeeds().await;
        (0..3).for_each(|number| release.is_whole_at(number, &outcome));
        let reads = release.reads();
        if reads.iter().all(|times| *times <= 2) { Ok(()) } else { Err(format!("{reads:?}\n{}", release.requests())) }
    })
    .await;
}

#[tokio::test]
async fn what_a_registry_of_two_levels_refuses_is_said_before_anything_is_contacted() {
    let source = Registry::start();
    source.seed(&images::release(1), "library/app:1");
    let copy = |target: &str| Run::copy(&source.name("library/app:1"), target).input("dry-run", "true");
    for target in ["docker.io/octo/{repository}", "docker.io/octo/{registry}/{repository}", "docker.io/a/b/c:1"] {
        let outcome = copy(target).fails_with(2).await;
        assert!(outcome.says("`docker.io` has names of two levels, `NAMESPACE/NAME`"), "{outcome}");
        assert_eq!(source.requests(), 0);
    }
}
