//! What a person sees who runs the program by hand, and what the next program in their pipe gets.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::images;
use crate::support::{Fault, Outcome, Registry, Run, What};

/// Two registries, the source with an image of three platforms.
fn registries() -> (Registry, Registry) {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    (source, target)
}

/// What stands on the screen when the program has ended.
fn screen(outcome: &Outcome, columns: u16) -> String {
    tall_screen(outcome, 60, columns)
}

fn tall_screen(outcome: &Outcome, rows: u16, columns: u16) -> String {
    let mut terminal = vt100::Parser::new(rows, columns, 0);
    terminal.process(outcome.stdout.as_bytes());
    outcome.redact(terminal.screen().contents().trim_end())
}

/// A person copies an image, copies it again, inspects it, mistypes it, copies several of which one is not there, and asks for
/// help: at a narrow terminal and at a wide one.
#[tokio::test]
async fn a_few_calm_lines_at_80_and_at_120_columns() {
    let (source, target) = registries();
    let (app, copy) = (source.name("library/app:1"), target.name("mirror/app:1"));
    let list = [source.name("library/app:1"), source.name("library/none:1")].join(",");
    let into = format!("--target={}", target.name("list/{name}"));
    for columns in [80, 120] {
        let mut text = String::new();
        for (line, code) in [
            (&["copy", &app, &copy][..], 0),
            (&["copy", &app, &copy], 0),
            (&["inspect", &app], 0),
            (&["inspect", &source.name("library/app:2")], 1),
            // One at a time: of two that are at work, the first to end is the first to be told.
            (&["copy", "--concurrency=1", "--images", &list, &into], 1),
            (&["verify", &app, &copy], 0),
            (&["tags", &source.name("library/app")], 0),
            (&["inspect", "-h"], 0),
            (&["copy", "a", "b", "--platfroms=all"], 2),
        ] {
            let outcome = Run::line(line).at_terminal(columns).run().await;
            assert_eq!(outcome.code, code, "{line:?}\n{outcome}");
            let shown: Vec<String> = line.iter().map(|word| outcome.redact(word)).collect();
            let seen = without_requests(&screen(&outcome, columns));
            text += &format!("$ mirror-image {}\n{seen}\n\n", shown.join(" "));
        }
        insta::assert_snapshot!(format!("at-{columns}-columns"), text);
        for repository in ["mirror/app", "list/app"] {
            for digest in target.manifests(repository) {
                target.forget(repository, &digest);
            }
        }
        let usage = Run::line(&[]).at_terminal(columns).run().await;
        assert_eq!(usage.code, 2, "{usage}");
        insta::assert_snapshot!(format!("usage-at-{columns}-columns"), screen(&usage, columns));
    }
}

/// `57 requests` as `‹n› requests`: how many a registry is asked is another test's matter.
fn without_requests(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |(at, word): (usize, &&str)| {
        let counts = words.get(at + 1).is_some_and(|next| next.starts_with("requests"));
        if counts && word.parse::<u64>().is_ok() { "‹n›".to_owned() } else { (*word).to_owned() }
    };
    words.iter().enumerate().map(number).collect::<Vec<_>>().join(" ")
}

/// Sixty images of which three fail, and a daily run over four hundred that nothing happened to: a line an image.
#[tokio::test]
async fn a_long_list_is_a_line_an_image() {
    let (source, target) = registries();
    for number in 0..400 {
        source.seed(&images::three_platforms(), &format!("library/app:1.{number}"));
    }
    let list = |tags: std::ops::Range<usize>| -> Vec<String> {
        tags.map(|number| source.name(&format!("library/app:1.{number}"))).collect()
    };
    let mut sixty = list(0..57);
    sixty.insert(7, source.name("library/app:2.7"));
    sixty.insert(30, source.name("library/none:1"));
    sixty.push(source.name("library/app:1.5x"));
    let copy = |images: &[String], into: &str| {
        let line =
            ["copy", "--concurrency=1", "--images", &images.join(","), &format!("--target={}", target.name(into))];
        Run::line(&line)
    };
    let all = list(0..400);
    copy(&all, "daily/app").succeeds().await;
    for columns in [80, 120] {
        let some = copy(&sixty, &format!("some-{columns}/{{name}}")).at_terminal(columns).fails_with(1).await;
        let shown = without_requests(&tall_screen(&some, 100, columns));
        assert!(shown.lines().all(|line| line.chars().count() <= usize::from(columns)), "{shown}");
        insta::assert_snapshot!(format!("60-with-3-failed-at-{columns}-columns"), shown);
        let daily = copy(&all, "daily/app").at_terminal(columns).succeeds().await;
        let shown = without_requests(&tall_screen(&daily, 500, columns));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 401, "{shown}");
        insta::assert_snapshot!(
            format!("400-unchanged-at-{columns}-columns"),
            [&lines[..2], &["…"], &lines[398..]].concat().join("\n")
        );
    }
    // The same in a job: the log has a line an image too, and a group for each that failed.
    let job = Run::new().input("images", &sixty.join("\n")).input("target", &target.name("job/{name}"));
    let job = job.input("concurrency", "1").fails_with(1).await;
    assert_eq!(job.log.matches("::group::").count(), 3, "{job}");
    assert_eq!(job.log.lines().filter(|line| line.contains(": copied, ")).count(), 57, "{job}");
}

#[tokio::test]
async fn colour_is_for_a_terminal_whose_person_has_not_said_no() {
    let (source, _target) = registries();
    let app = source.name("library/app:1");
    let line = || Run::line(&["inspect", &app]);
    for (run, expected) in [
        (line().at_terminal(80), true),
        (line().at_terminal(80).env("NO_COLOR", "1"), false),
        (line().at_terminal(80).env("TERM", "dumb"), false),
        (line().at_terminal(80).arg("--color=never"), false),
        (line().at_terminal(80).env("NO_COLOR", "1").arg("--color=always"), true),
        (line(), false),
        (line().arg("--color=always").arg("--output=text"), true),
    ] {
        let outcome = run.succeeds().await;
        assert_eq!(outcome.stdout.contains("\u{1b}[1m"), expected, "{run:?}\n{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_what_failed_and_nothing_else() {
    let (source, target) = registries();
    let (app, copy) = (source.name("library/app:1"), target.name("mirror/app:1"));
    let good = Run::line(&["copy", &app, &copy, "-q"]).succeeds().await;
    assert_eq!((good.stderr.as_str(), good.stdout.lines().count()), ("", 1), "{good}");
    let bad = Run::line(&["copy", &source.name("library/none:1"), &copy, "-q"]).fails_with(1).await;
    assert!(bad.stderr.contains("error: cannot copy") && bad.stderr.contains("hint: "), "{bad}");
    assert_eq!(bad.stdout, "", "{bad}");
    // What was asked for by name and is not there is no success to be silent about.
    let (code, _, stderr) = shell(&format!("mirror-image copy {app} {copy} -q --emit mapping,helm"));
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(code == Some(0) && lines.len() == 1 && lines[0].starts_with("not emitted: helm: "), "{stderr}");
}

/// Runs a line of a shell as a person would, with the program in `PATH`; gives its exit code and what it printed.
fn shell(line: &str) -> (Option<i32>, String, String) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mirror-image"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let home = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).env_clear().env("PATH", path).env("HOME", home.path()).current_dir(home.path());
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_is_for_the_next_program() {
    let (source, target) = registries();
    let image = images::three_platforms();
    let (app, copy) = (source.name("library/app:1"), target.name("mirror/app:1"));
    let pinned = format!("{copy}@{}", image.digest());
    for (line, expected) in [
        (format!("mirror-image inspect {app} --output json | jq -r .digest"), image.digest().to_owned()),
        (format!("mirror-image inspect {app} --output digest"), image.digest().to_owned()),
        (format!("mirror-image copy {app} {copy} | xargs -n 1 echo pull"), format!("pull {pinned}")),
        (format!("mirror-image copy {app} {copy} > file && cat file"), pinned.clone()),
        (format!("mirror-image copy {app} {copy} --output none"), String::new()),
        (
            format!("mirror-image copy {app} {copy} --report-file r.json --output none; jq -r .image r.json"),
            pinned.clone(),
        ),
        (format!("mirror-image tags {} | tail --lines 1", source.name("library/app")), "1".to_owned()),
        (format!("mirror-image tags {} | head --lines 1", source.name("library/app")), "1".to_owned()),
        // A reader that has ended is no reason to leave half of the work, and no failure.
        (format!("set -o pipefail; mirror-image tags {} | true; echo $?", source.name("library/app")), "0".to_owned()),
        (format!("set -o pipefail; mirror-image inspect {app} | true; echo $?"), "0".to_owned()),
        ("set -o pipefail; mirror-image help copy | true; echo $?".to_owned(), "0".to_owned()),
        (format!("mirror-image copy {app} {} | true; echo ended", target.name("other/app:1")), "ended".to_owned()),
        (format!("mirror-image copy {app} {} >&- 2>&-; echo $?", target.name("closed/app:1")), "0".to_owned()),
    ] {
        let (code, stdout, stderr) = shell(&line);
        assert_eq!((code, stdout.trim_end()), (Some(0), expected.as_str()), "{line}\n{stderr}");
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{line}\n{stdout}\n{stderr}");
        assert!(!stderr.contains("error:"), "{line}\n{stderr}");
    }
    assert!(["other/app", "closed/app"].iter().all(|repository| target.tag(repository, "1").is_some()));
}

/// What a person names may be named whole; what a plan writes it says.
#[tokio::test(flavor = "multi_thread")]
async fn files_below_the_working_directory_are_named_as_one_likes() {
    let (source, target) = registries();
    let list = format!("images:\n  - {} => {}\n", source.name("library/app:1"), target.name("mirror/app"));
    let make = format!("mkdir in; ln -s in link; printf '{}' > in/l.yml; cd link", list.replace('\n', "\\n"));
    for (line, code, said) in [
        // `$PWD` has the link in it.
        (
            "mirror-image copy --config $PWD/l.yml --lock $PWD/l.lock --report-file $PWD/r.json --dry-run",
            0,
            "but the lock `l.lock` · ",
        ),
        ("mirror-image copy --config $PWD/l.yml --dry-run", 0, "would be copied "),
        (
            "mirror-image copy --config $(pwd -P)/*.yml --lock l.lock && cat l.lock $PWD/l.lock >&2",
            0,
            "library/app:1 sha256:",
        ),
        ("mirror-image copy --config /etc/hostname", 2, "`/etc/hostname` is not below the workspace, /"),
        ("mirror-image copy --config l.yml --lock /etc/hostname", 2, "leads out of the workspace"),
        ("mirror-image copy --config $PWD/../in/../../l.yml", 2, "is not below the workspace"),
    ] {
        let (ended, _, stderr) = shell(&format!("{make}; {line}"));
        assert_eq!(ended, Some(code), "{line}\n{stderr}");
        assert!(stderr.contains(said), "{line}\n{stderr}");
    }
}

/// In a step of a workflow that runs the program itself, the form that is asked for is all of its standard output.
#[tokio::test]
async fn a_form_that_is_asked_for_has_standard_output_for_itself_in_a_job_too() {
    let (source, _target) = registries();
    let run = Run::new().arg("inspect").arg(&source.name("library/app:1"));
    let outcome = run.arg("--output=digest").succeeds().await;
    assert_eq!(outcome.stdout.trim_end(), images::three_platforms().digest(), "{outcome}");
    assert!(outcome.stderr.contains("::group::"), "{outcome}");
}

#[tokio::test]
async fn control_c_ends_it_and_the_terminal_is_as_it_was() {
    let (source, target) = registries();
    source.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(50)).always());
    let line = ["copy", &source.name("library/app:1"), &target.name("mirror/app:1")];
    let mut running = Run::line(&line).at_terminal(80).spawn();
    while source.count("GET", "/blobs/") == 0 {
        assert!(!running.has_ended());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // So that there is a bar to be cleared away.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    running.types(b"\x03").await;
    let outcome = running.finish().await;
    assert_eq!(outcome.code, 130, "{outcome}");
    let screen = screen(&outcome, 80);
    assert!(screen.contains("cancelled by SIGINT") && !screen.contains(['━', '─']), "{screen}");
    assert!(!outcome.stdout.contains("\u{1b}[?25l") || outcome.stdout.contains("\u{1b}[?25h"), "the cursor is back");
    assert_eq!(target.tag("mirror/app", "1"), None);
}

/// Few images have a line each while they are on their way, and none is left behind.
#[tokio::test]
async fn what_moves_has_a_line_while_it_moves() {
    let (source, target) = registries();
    source.seed(&images::wide(3, 100_000), "library/other:1");
    target.fault(Fault::on("PUT", "/uploads/", What::Delay(900)).always());
    let list = [source.name("library/app:1"), source.name("library/other:1")].join(",");
    let into = format!("--target={}", target.name("list/{name}"));
    let outcome = Run::line(&["copy", "--images", &list, &into]).arg("--color=never").at_terminal(120).succeeds().await;
    let lines: Vec<&str> = outcome.stdout.split(['\n', '\r']).collect();
    for name in ["library/app:1", "library/other:1"] {
        let is_line = |line: &&str| line.contains("B of ") && line.contains(name);
        assert!(lines.iter().any(is_line), "no line for {name}\n{outcome}");
    }
    assert!(lines.iter().any(|line| line.contains("of 2 images")), "{outcome}");
    assert!(!screen(&outcome, 120).contains("B of "), "{outcome}");
    // Each has a line of its own while they move, and no line is wider than a narrow terminal.
    let narrow = Run::line(&["copy", "--images", &list, &format!("--target={}", target.name("narrow/{name}"))]);
    let outcome = narrow.arg("--color=never").at_terminal(50).succeeds().await;
    let bars = outcome
        .stdout
        .split(['\n', '\r', '\u{1b}'])
        .filter_map(|line| line.find(['━', '╸', '─']).map(|at| &line[at..]));
    let widest = bars.map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 47), "{widest:?} {outcome}");
}

/// A person who waits is told for whom and how long, and who it is that says nothing.
#[tokio::test]
async fn a_wait_says_for_whom_and_how_long_and_a_silence_for_whom() {
    for (what, said) in
        [(What::status(429).header("retry-after", "4"), " s left: "), (What::Delay(8000), ": no answer for ")]
    {
        let (source, target) = registries();
        source.fault(Fault::on("HEAD", "/manifests/", what).times(1));
        let line = ["copy", &source.name("library/app:1"), &target.name("mirror/app:1")];
        let outcome = Run::line(&line).arg("--color=never").at_terminal(120).succeeds().await;
        let waits = format!("waiting for {}", source.host());
        let is_told = |line: &str| line.contains(&waits) && line.contains(said);
        assert!(outcome.stdout.split(['\n', '\r']).any(is_told), "{outcome}");
        assert!(!screen(&outcome, 120).contains("waiting"), "{outcome}");
    }
}
