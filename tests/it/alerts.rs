//! The issues by which a copy of the repository hears that its mirrors are not what their sources are: the script of
//! `alert.yml`, with a `gh` that writes down what it is given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const GH: &str = r#"#!/bin/sh
printf '%s\037' "$@" >> calls; echo >> calls
case "$*" in 'issue list'*) cat open ;; esac
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

    /// Tells of `report`, where the issues `open` are open: the calls that make, edit and close one.
    fn tell(&self, report: Option<&serde_json::Value>, open: &serde_json::Value) -> Vec<Vec<String>> {
        let path = |name: &str| self.0.path().join(name);
        let _ = (fs::remove_file(path("calls")), fs::remove_file(path("report.json")));
        fs::write(path("open"), open.to_string()).unwrap();
        if let Some(report) = report {
            fs::write(path("report.json"), report.to_string()).unwrap();
        }
        let search = format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap());
        let status = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/alert"))
            .envs([
                ("GH_REPO", "acme/mirror"),
                ("RUN", "https://run.example"),
                ("REPORT", "report.json"),
                ("PATH", &search),
            ])
            .current_dir(self.0.path())
            .status()
            .unwrap();
        assert!(status.success());
        let words = |line: &str| line.split_terminator('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
        let calls = fs::read_to_string(path("calls")).unwrap();
        let calls = calls.lines().map(words);
        calls.filter(|call| call[0] == "issue" && call[1] != "list").collect()
    }

    fn body(&self, number: usize) -> String {
        fs::read_to_string(self.0.path().join(format!("body-{number}"))).unwrap()
    }
}

fn issue(number: u64, is_bot: bool, body: &str) -> serde_json::Value {
    serde_json::json!({"number": number, "author": {"is_bot": is_bot}, "body": body})
}

#[test]
fn each_cause_is_one_issue_that_is_edited_while_it_lasts_and_closed_when_it_is_gone() {
    let repository = Repository::new();
    let report = serde_json::json!({"failures": [
        {"kind": "denied", "why": "```\n@everyone `x` #1", "images": ["a", "b"], "hints": ["open https://github.com/settings"]},
        {"kind": "denied", "why": "```\n@everyone `x` #1", "images": ["c"], "hints": []},
    ]});
    let none = serde_json::json!([]);
    let calls = repository.tell(Some(&report), &none);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0][1..4], ["create", "--title", "Mirrors: denied (3 images)"]);
    let body = repository.body(0);
    // Nothing of it is outside of the block, and nothing ends the block.
    assert_eq!(body.matches("```").count(), 2, "{body}");
    let block = body.split("```").nth(1).unwrap();
    for part in ["@everyone 'x' #1", "\na\nb\nc\n", "https://github.com/settings"] {
        assert!(block.contains(part) && !body.replace(block, "").contains(part), "{part}: {body}");
    }
    // The same cause: the same issue, since when it was.
    let old = body.replace(body.split(" since ").nth(1).unwrap().split(' ').next().unwrap(), "2026-01-02");
    let calls = repository.tell(Some(&report), &serde_json::json!([issue(5, true, &old)]));
    assert_eq!(calls.iter().map(|call| &*call[1]).collect::<Vec<_>>(), ["edit"]);
    assert!(calls[0][2] == "5" && repository.body(1).contains("Since 2026-01-02."), "{calls:?}");
    // Gone: closed, and no issue of somebody else.
    let others = serde_json::json!([issue(5, true, &old), issue(6, false, &old), issue(7, true, "hello")]);
    let calls = repository.tell(Some(&serde_json::json!({"failures": []})), &others);
    assert_eq!(calls.iter().map(|call| &call[1..3]).collect::<Vec<_>>(), [["close", "5"]]);
    // A run that did not come to its end is a cause of its own.
    let calls = repository.tell(None, &none);
    assert_eq!(calls[0][3], "The mirrors could not be compared");
}
