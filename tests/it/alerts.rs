//! The issues by which a copy of the repository hears that its mirrors are not what their sources are: the script of
//! `alert.yml`, with a `gh` that writes down what it is given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const GH: &str = r#"#!/bin/sh
printf '%s\037' "$@" >> calls; echo >> calls
case "$*" in 'issue list'*) cat open || exit 1 ;; esac
while [ $# -gt 0 ]; do [ "$1" != --body-file ] || cp "$2" "body-$(ls | grep -c ^body)"; shift; done
"#;

struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        let gh = directory.path().join("bin/gh");
        fs::write(&gh, GH).unwrap();
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    /// Tells of `report`, where there are these issues: the calls that make, edit and close one.
    fn tell(&self, report: Option<&Value>, issues: &Value) -> Vec<Vec<String>> {
        let (is_well, said) = self.run(report, Some(issues));
        assert!(is_well, "{said}");
        let words = |line: &str| line.split_terminator('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap();
        let calls = calls.lines().map(words);
        calls.filter(|call| call[0] == "issue" && call[1] != "list").collect()
    }

    /// The same, with what the script says; without issues GitHub has none for this repository.
    fn run(&self, report: Option<&Value>, issues: Option<&Value>) -> (bool, String) {
        let path = |name: &str| self.0.path().join(name);
        let _ = (fs::remove_file(path("calls")), fs::remove_file(path("report.json")));
        match issues {
            Some(issues) => fs::write(path("open"), issues.to_string()).unwrap(),
            None => fs::remove_file(path("open")).unwrap(),
        }
        if let Some(report) = report {
            fs::write(path("report.json"), report.to_string()).unwrap();
        }
        let search = format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/alert"))
            .envs([
                ("GH_REPO", "acme/mirror"),
                ("RUN", "https://run.example"),
                ("REPORT", "report.json"),
                ("PATH", &search),
            ])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.success(), said)
    }

    fn body(&self, number: usize) -> String {
        fs::read_to_string(self.0.path().join(format!("body-{number}"))).unwrap()
    }
}

fn issue(number: u64, state: &str, is_bot: bool, body: &str) -> Value {
    json!({"number": number, "state": state, "author": {"is_bot": is_bot}, "body": body})
}

/// A report in which these images failed, for these reasons.
fn report(failed: &[(&str, &str)]) -> Value {
    let image = |(source, why): &(&str, &str)| {
        let error = json!({"kind": "denied", "why": why, "hints": ["open https://github.com/settings"]});
        json!({"source": source, "target": format!("m/{source}"), "behind_since": "2026-09-13", "error": error})
    };
    let mut images: Vec<Value> = failed.iter().map(image).collect();
    images.push(json!({"source": "well", "target": "m/well", "error": null}));
    json!({"headline": "1 of 4 mirrored; `m/a` not for 77 days", "images": images})
}

fn verbs(calls: &[Vec<String>]) -> Vec<&str> {
    calls.iter().map(|call| &*call[1]).collect()
}

/// The body with another day in its mark.
fn since(body: &str, day: &str) -> String {
    body.replace(body.split(" since ").nth(1).unwrap().split(' ').next().unwrap(), day)
}

#[test]
fn each_cause_is_one_issue_that_is_edited_while_it_lasts_and_closed_when_it_is_gone() {
    let repository = Repository::new();
    let failed = report(&[("a", "```\n@everyone `x` #1"), ("b", "```\n@everyone `x` #1"), ("c", "other\u{1b}[2J")]);
    let none = json!([]);
    let calls = repository.tell(Some(&failed), &none);
    assert_eq!(verbs(&calls), ["create", "create"]);
    assert_eq!(calls[0][2..4], ["--title", "Mirrors: denied (2 images)"]);
    assert_eq!(calls[1][2..4], ["--title", "Mirrors: denied (1 image)"]);
    let (body, other) = (repository.body(0), repository.body(1));
    // Nothing of it is outside of the block, and nothing ends the block.
    assert_eq!(body.matches("```").count(), 2, "{body}");
    let block = body.split("```").nth(1).unwrap();
    for part in [
        "text\n1 of 4 mirrored; 'm/a' not for 77 days\n",
        "@everyone 'x' #1",
        "\na → m/a, not since 2026-09-13\nb → m/b, not since 2026-09-13\n",
        "https://github.com/settings",
    ] {
        assert!(block.contains(part) && !body.replace(block, "").contains(part), "{part}: {body}");
    }
    assert!(!other.contains('\u{1b}') && !body.contains("well"), "{body}");
    // The same causes: the same issues, since when they were, and nobody is told again.
    let (old, other) = (since(&body, "2026-01-02"), since(&other, "2026-01-03"));
    let open = json!([issue(5, "OPEN", true, &old), issue(6, "OPEN", true, &other)]);
    let calls = repository.tell(Some(&failed), &open);
    assert_eq!(verbs(&calls), ["edit", "edit"]);
    assert!(calls[0][2] == "5" && repository.body(2).contains("Since 2026-01-02."), "{calls:?}");
    assert!(calls[1][2] == "6" && repository.body(3).contains("Since 2026-01-03."), "{calls:?}");
    // Gone: closed, once, and no issue of somebody else.
    let others = json!([
        issue(5, "OPEN", true, &old),
        issue(6, "OPEN", false, &old),
        issue(7, "OPEN", true, "hello"),
        issue(8, "CLOSED", true, &other),
    ]);
    let calls = repository.tell(Some(&report(&[])), &others);
    assert_eq!(calls.iter().map(|call| &call[1..3]).collect::<Vec<_>>(), [["close", "5"]]);
    // Back: the newest of its issues is opened again, since today.
    let closed = json!([issue(4, "CLOSED", true, &old), issue(5, "CLOSED", true, &old)]);
    let calls = repository.tell(Some(&report(&[("a", "```\n@everyone `x` #1")])), &closed);
    assert_eq!(calls.iter().map(|call| &call[1..3]).collect::<Vec<_>>(), [["edit", "5"], ["reopen", "5"]]);
    assert!(!repository.body(4).contains("2026-01-02"), "{}", repository.body(4));
}

#[test]
fn a_run_without_a_report_is_a_cause_of_its_own_and_a_repository_without_issues_is_told_what_is_missing() {
    let repository = Repository::new();
    let calls = repository.tell(None, &json!([]));
    assert_eq!(calls[0][3], "The mirrors could not be compared");
    // Nothing of what such a run did not look at is known to be gone.
    let mut ended = report(&[]);
    ended["result"] = json!("failed");
    ended["problem"] = json!("images.yml:2:5 and `images.yml:3:5` would write both");
    let old = {
        repository.tell(Some(&report(&[("a", "why")])), &json!([]));
        repository.body(1)
    };
    let calls = repository.tell(Some(&ended), &json!([issue(5, "OPEN", true, &old)]));
    assert_eq!((verbs(&calls), &*calls[0][3]), (vec!["create"], "The mirrors could not be compared"));
    assert!(
        repository.body(2).contains("before its images: images.yml:2:5 and 'images.yml:3:5' would"),
        "{}",
        repository.body(2)
    );
    let (is_well, said) = repository.run(Some(&report(&[])), None);
    assert!(!is_well && said.contains("switch issues on (Settings → General → Features → Issues)"), "{said}");
    assert!(said.contains("`issues: write`"), "{said}");
}

/// What was not looked at may still be so.
#[test]
fn an_issue_is_closed_only_where_every_image_was_compared() {
    let repository = Repository::new();
    let of_kind = |kind: &str| {
        let mut report = report(&[("a", "the target differs from its source")]);
        report["images"][0]["error"]["kind"] = kind.into();
        report
    };
    let number =
        |calls: &[Vec<String>]| calls.iter().map(|call| format!("{} {}", call[1], call[2])).collect::<Vec<_>>();
    repository.tell(Some(&of_kind("different")), &json!([]));
    repository.tell(None, &json!([]));
    let open = json!([issue(5, "OPEN", true, &repository.body(0)), issue(6, "OPEN", true, &repository.body(1))]);
    assert_eq!(number(&repository.tell(None, &open)), ["edit 6"]);
    // There is a report again, whatever it says.
    for kind in ["denied", "throttled", "unreachable", "failing", "refused", "unusable", "cancelled", "input", "local"]
    {
        let calls = repository.tell(Some(&of_kind(kind)), &open);
        assert_eq!((verbs(&calls), &*calls[1][2]), (vec!["create", "close"], "6"), "{kind}: {calls:?}");
    }
    let mut cancelled = report(&[]);
    cancelled["result"] = "cancelled".into();
    let mut deferred = report(&[]);
    deferred["images"][0]["result"] = "deferred".into();
    let mut cut = report(&[]);
    cut["left_out"] = "2 images".into();
    for partial in [cancelled, deferred, cut] {
        assert_eq!(number(&repository.tell(Some(&partial), &open)), ["close 6"], "{partial}");
    }
    // What was compared and is not well keeps no other issue open.
    for kind in ["absent", "platform", "broken", "too-large", "unexpected", "rules", "conflict"] {
        let calls = repository.tell(Some(&of_kind(kind)), &open);
        assert_eq!(verbs(&calls), ["create", "close", "close"], "{kind}: {calls:?}");
    }
    assert_eq!(number(&repository.tell(Some(&of_kind("different")), &open)), ["edit 5", "close 6"]);
}

/// A registry chooses its words: with others for each image and on each day it would open an issue for each.
#[test]
fn a_registry_that_says_something_else_each_time_opens_no_issue_for_each() {
    let repository = Repository::new();
    let words = |sentence: &dyn Fn(usize) -> String| (0..60).map(sentence).collect::<Vec<_>>();
    let of = |why: &[String]| {
        let names: Vec<String> = (0..why.len()).map(|number| format!("a{number}")).collect();
        report(&names.iter().zip(why).map(|(name, why)| (name.as_str(), why.as_str())).collect::<Vec<_>>())
    };
    let codes = of(&words(&|number| format!("`r.example` denies it: 403 CODE{number} @everyone")));
    let calls = repository.tell(Some(&codes), &json!([]));
    assert_eq!((verbs(&calls), &*calls[0][3]), (vec!["create"], "Mirrors: denied (60 images)"));
    let tomorrow = of(&words(&|number| format!("`r.example` denies it: 403 OTHER{number}")));
    let open = json!([issue(5, "OPEN", true, &repository.body(0))]);
    assert_eq!(verbs(&repository.tell(Some(&tomorrow), &open)), ["edit"]);
    // Of what is left the most frequent causes have their issues, and all others one together.
    let sentences = of(&words(&|number| format!("`r.example` says {}", number.saturating_sub(5))));
    let before = fs::read_dir(repository.0.path()).unwrap().count();
    let calls = repository.tell(Some(&sentences), &json!([]));
    assert_eq!((calls.len(), verbs(&calls)), (11, vec!["create"; 11]));
    assert_eq!((&*calls[0][3], &*calls[10][3]), ("Mirrors: denied (6 images)", "Mirrors: 45 other causes (45 images)"));
    let bodies = fs::read_dir(repository.0.path()).unwrap().count() - before;
    let others = repository.body(1 + bodies);
    assert!(
        others.contains("\na59 → m/a59, not since 2026-09-13: `r.example` says 54\n".replace('`', "'").as_str()),
        "{others}"
    );
    // The issue of one of these is not closed: its cause is not gone.
    let one = of(&["`r.example` says 54".to_owned()]);
    repository.tell(Some(&one), &json!([]));
    let body = repository.body(2 + bodies);
    let calls = repository.tell(Some(&sentences), &json!([issue(7, "OPEN", true, &body)]));
    assert!(calls.iter().all(|call| call[1] != "close"), "{calls:?}");
}

#[test]
fn an_alert_has_room_in_an_issue_however_many_images_failed_and_whatever_they_are_called() {
    let repository = Repository::new();
    let long = format!("quay.io/{}", "a/".repeat(400));
    let names: Vec<String> = (0..300).map(|number| format!("{long}{number}")).collect();
    let failed: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "the same")).collect();
    let calls = repository.tell(Some(&report(&failed)), &json!([]));
    assert_eq!((verbs(&calls), &*calls[0][3]), (vec!["create"], "Mirrors: denied (300 images)"));
    let body = repository.body(0);
    assert!(body.chars().count() < 65_536 && body.contains("… and 200 more"), "{}", body.len());
}
