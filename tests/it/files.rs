//! Nothing is written to disk but what the runner reads: a full disk stops nothing, and nothing is left behind. What is no
//! file makes nothing wait, and what was asked for and could not be written is a failure.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::images;
use crate::support::{Fault, Hook, Moment, Registry, Run, What};

/// The runner's own: the file behind `GITHUB_OUTPUT`, the summary, the log, and the folders that it gave.
const THE_RUNNERS: [&str; 6] = ["output", "stderr", "stdout", "summary", "tmp", "workspace"];

#[tokio::test]
async fn a_run_leaves_no_file_but_its_outputs_and_its_summary() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::big(3_000_000, 7);
    source.seed(&image, "library/app:1");
    source.seed(&images::referrer_of(&image, "application/vnd.example.sbom"), "library/app");
    source.switch(|switches| switches.referrers = Some(10));
    source.fault(Fault::on("GET", &image.blobs[1].digest, What::CutBodyAfter(1_000_000)));
    target.fault(Fault::on("PUT", "/uploads/", What::RefuseMonolithicAbove(1_000_000, 413)).always());
    let copy = |tag: &str| Run::copy(&source.name("library/app:1"), &target.name(&format!("mirror/app:{tag}")));
    let runs = [
        ("dry run", copy("1").input("dry-run", "true")),
        ("copy", copy("1")),
        ("unchanged", copy("1")),
        ("deep check", copy("1").input("check", "deep")),
        ("verify", copy("1").command("verify")),
        ("inspect", copy("1").command("inspect")),
        ("absent", Run::copy(&source.name("library/absent:1"), &target.name("mirror/absent:1"))),
        ("bad input", copy("1").input("dry-run", "perhaps")),
    ];
    for (name, run) in runs {
        let outcome = run.run().await;
        assert!(outcome.files.keys().eq(THE_RUNNERS), "{name}: {:?}\n{outcome}", outcome.files.keys());
    }

    source.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(10)).always());
    let elsewhere = Registry::start();
    let stalled = Run::copy(&source.name("library/app:1"), &elsewhere.name("mirror/app:1")).input("patience", "60s");
    let mut running = stalled.spawn();
    while elsewhere.count("POST", "/uploads/") == 0 && !running.has_ended() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    running.signal("TERM");
    let outcome = running.finish().await;
    assert_eq!(outcome.code, 143, "{outcome}");
    assert!(outcome.files.keys().eq(THE_RUNNERS), "{:?}\n{outcome}", outcome.files.keys());
}

#[tokio::test]
async fn a_report_does_not_follow_a_link_out_of_the_workspace() {
    use std::os::unix::fs::symlink;
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let all = tempfile::tempdir().unwrap();
    let (workspace, outside) = (all.path().join("workspace"), all.path().join("outside"));
    for directory in [&workspace.join("real"), &outside] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(outside.join("kept"), "keep me").unwrap();
    symlink(outside.join("kept"), workspace.join("link")).unwrap();
    symlink(outside.join("new"), workspace.join("dangling")).unwrap();
    symlink("../outside", workspace.join("directory")).unwrap();
    symlink("real", workspace.join("within")).unwrap();
    let run = |file: &str| {
        let copy = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("report-file", file);
        copy.env("GITHUB_WORKSPACE", workspace.to_str().unwrap())
    };
    let whole = outside.join("kept").display().to_string();
    for file in ["link", "dangling", "directory/kept", "directory/new", "../outside/kept", &whole] {
        let outcome = run(file).fails_with(2).await;
        assert!(outcome.says("leads out of the workspace; name a file below it"), "{file}\n{outcome}");
    }
    assert_eq!((source.requests(), target.requests()), (0, 0));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(&whole).unwrap(), "keep me");
    let beneath = workspace.join("real/whole.json").display().to_string();
    for (file, place) in
        [("report.json", "report.json"), ("within/report.json", "real/report.json"), (&beneath, &beneath)]
    {
        run(file).succeeds().await;
        assert!(std::fs::read_to_string(workspace.join(place)).unwrap().starts_with('{'), "{file}");
    }
    run("/dev/stdout").succeeds().await;
}

/// A pipe with a name, and nobody at either end.
fn pipe(path: &Path) -> String {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    path.display().to_string()
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_bad_input_at_once() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let all = tempfile::tempdir().unwrap();
    let at = pipe(&all.path().join("config.json"));
    let folder = all.path().display().to_string();
    let copy = || Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    for (name, run) in [
        ("ca-certificates", copy().env("GITHUB_WORKSPACE", &folder).input("ca-certificates", &at)),
        ("DOCKER_CONFIG", copy().env("DOCKER_CONFIG", &folder)),
        ("GITHUB_OUTPUT", copy().env("GITHUB_OUTPUT", &at)),
        ("GITHUB_STEP_SUMMARY", copy().env("GITHUB_STEP_SUMMARY", &at)),
        ("SSL_CERT_FILE", copy().env("SSL_CERT_FILE", &at)),
    ] {
        let outcome = run.fails_with(2).await;
        let is_told = outcome.says("it is a pipe") || outcome.says("it is not a regular file");
        assert!(outcome.says(&format!("input `{name}`: ")) && is_told, "{name}\n{outcome}");
    }
    // What never ends is no file either, and a directory is not waited for.
    for (name, path, code) in [
        ("ca-certificates", "/dev/zero", 2),
        ("ca-certificates", "/", 2),
        ("GITHUB_OUTPUT", "/nowhere/output", 1),
        ("GITHUB_OUTPUT", "/", 1),
    ] {
        let run = if name == "GITHUB_OUTPUT" { copy().env(name, path) } else { copy().input(name, path) };
        run.fails_with(code).await;
    }
    assert_eq!(source.requests() + target.requests(), 0);
    // A summary that is not wanted is not looked at.
    copy().env("GITHUB_STEP_SUMMARY", &at).input("summary", "false").succeeds().await;
    // The own standard output is one's own, whatever it is.
    let (reader, writer) = std::io::pipe().unwrap();
    let running = copy().env("GITHUB_OUTPUT", "/dev/stdout").spawn_into(writer.into());
    let text = tokio::task::spawn_blocking(move || std::io::read_to_string(reader).unwrap());
    let (outcome, text) = (running.finish().await, text.await.unwrap());
    assert!(outcome.code == 0 && text.contains("\ndigest<<ghadelimiter_"), "{text}{outcome}");
}

#[tokio::test]
async fn what_was_asked_for_and_cannot_be_written_is_a_failure() {
    let source = Registry::start();
    source.seed(&images::single(), "library/app:1");
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let inspect = || {
        let run = Run::new().command("inspect").input("source", &source.name("library/app:1"));
        run.without("GITHUB_ACTIONS").without("GITHUB_OUTPUT").env("GITHUB_OUTPUT", "")
    };
    for run in [inspect(), inspect().arg("--help"), inspect().arg("completions").arg("bash")] {
        let outcome = run.spawn_into(full()).finish().await;
        assert_eq!(outcome.code, 1, "{outcome}");
        assert!(outcome.stderr.contains("cannot write to standard output: No space left"), "{outcome}");
    }
    // A reader that went away has had enough, as `head` has: the run does what it is for and says nothing of it.
    for run in [inspect(), inspect().arg("--help")] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = run.spawn_into(writer.into()).finish().await;
        assert_eq!(outcome.code, 0, "{outcome}");
        assert!(!outcome.stderr.contains("error"), "{outcome}");
    }
    // The log is another matter: nothing stops where nobody reads it.
    let target = Registry::start();
    let copy = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    assert_eq!(copy.spawn_into(full()).finish().await.code, 0);
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let outcome = copy.clone().env(name, "/dev/full").fails_with(1).await;
        assert!(outcome.says("to `/dev/full`: No space left on device"), "{outcome}");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_no_signal_from_ending_the_run() {
    let list = "registry.invalid/app:1\n".repeat(3000);
    let run = Run::new().input("images", &list).input("target", "registry.invalid/mirror/{name}");
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut running = run.spawn_into(writer.into());
        // A notice for each line that repeats the first: more than a pipe holds.
        while rustix::io::ioctl_fionread(&reader).unwrap() < 60_000 {
            assert!(!running.has_ended());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        running.signal(name);
        let outcome = running.finish().await;
        assert_eq!(outcome.code, code, "{outcome}");
        drop(reader);
    }
}

/// Leaves a process no descriptor but those that it had before its first connection: what it closes of these it may open
/// again. (Its connections are closed some time after the last of them was needed.)
fn take_descriptors(id: u32) {
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap());
    let inodes: Vec<&str> = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(inode).collect();
    let leads_to = |number: u64| std::fs::read_link(format!("/proc/{id}/fd/{number}")).ok();
    let is_kept = |number: u64| {
        leads_to(number).is_some_and(|to| !inodes.iter().any(|inode| to.as_os_str() == &*format!("socket:[{inode}]")))
    };
    let first = (0..65_536).find(|number| !is_kept(*number));
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    prlimit(pid, Resource::Nofile, Rlimit { current: first, maximum: first }).unwrap();
}

/// Of a line of the kernel's table of TCP sockets.
fn inode(line: &str) -> Option<&str> {
    line.split_whitespace().nth(9)
}

#[tokio::test]
async fn a_run_without_a_descriptor_left_writes_all_of_its_report() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    let process = Arc::new(OnceLock::new());
    let hook = {
        let process = Arc::clone(&process);
        Hook::new(move || take_descriptors(*process.wait()))
    };
    // The last request of the run: the tag is read back.
    target.fault(Fault::on("HEAD", "/manifests/1", What::Then(Moment::Done, hook)).after(1));
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("emit", "all");
    let running = run.spawn();
    process.set(running.id().unwrap()).unwrap();
    let outcome = running.finish().await;
    assert_eq!(target.fired(), 1, "{}", target.lines());
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(outcome.output("digest"), images::three_platforms().digest());
    assert!(outcome.summary.contains("mirror/app"), "{outcome}");
    let emitted = outcome.files.keys().filter(|path| path.starts_with("workspace/mirror-image/")).count();
    assert!(emitted > 5, "{:?}", outcome.files.keys());
}

#[tokio::test]
async fn a_file_that_cannot_be_emitted_leaves_nothing_of_itself() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(workspace.path().join("mirror-image/mapping.json/taken")).unwrap();
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).input("emit", "mapping");
    let outcome = run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).fails_with(1).await;
    assert!(outcome.says("mapping.json cannot be written"), "{outcome}");
    let left: Vec<_> = std::fs::read_dir(workspace.path().join("mirror-image")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
