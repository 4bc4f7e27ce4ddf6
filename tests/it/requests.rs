//! A request in free text: what is mirrored, what is declined without anything being contacted, and the answer to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::images;
use crate::support::{Outcome, Registry, Run};

/// A source with an image, an empty target, and the request `text` of somebody with this association.
struct Request {
    source: Registry,
    target: Registry,
    run: Run,
}

impl Request {
    fn new(association: &str, text: impl Fn(&Registry) -> String) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        source.seed(&images::release(1), "library/app:1");
        let run = Run::new().input("request", &text(&source)).input("requester", association);
        let run = run.input("target", &target.name("mirror/{repository}"));
        Self { source, target, run }
    }

    fn allow(self, glob: impl Fn(&Registry) -> String) -> Self {
        let run = self.run.input("allow", &glob(&self.source));
        Self { run, ..self }
    }

    fn contacted(&self) -> usize {
        self.source.requests() + self.target.requests()
    }
}

fn reply(outcome: &Outcome) -> &str {
    assert_eq!(outcome.output("reply"), "mirror-image-reply.md", "{outcome}");
    &outcome.files["workspace/mirror-image-reply.md"]
}

#[tokio::test]
async fn what_an_owner_asks_for_is_mirrored_and_answered_with_how_it_is_pulled() {
    let asked = |source: &Registry| format!("### 镜像\n\n- docker pull {}\n\n谢谢！", source.name("library/app:1"));
    let request = Request::new("OWNER", asked);
    let outcome = request.run.succeeds().await;
    let pinned = request.target.name("mirror/library/app");
    let reply = reply(&outcome);
    for part in ["✅ **1 image mirrored**", "Same digest as upstream", &format!("docker pull {pinned}@")] {
        assert!(reply.contains(part), "{part}: {reply}");
    }
    assert_eq!(outcome.output("reply-state"), "mirrored");
    assert_eq!(outcome.output("reply-title"), request.source.name("library/app:1"));
    assert!(outcome.says("is read as"), "{outcome}");
    // Asked for again, it is told as fully.
    let again = request.run.succeeds().await;
    assert_eq!(outcome.files["workspace/mirror-image-reply.md"], again.files["workspace/mirror-image-reply.md"]);
}

#[tokio::test]
async fn what_a_stranger_may_not_ask_for_contacts_nothing() {
    for association in ["NONE", "CONTRIBUTOR", ""] {
        let request = Request::new(association, |source| source.name("library/app:1"));
        let request = request.allow(|_| "docker.io/library/*".to_owned());
        let outcome = request.run.fails_with(2).await;
        assert_eq!(request.contacted(), 0, "{outcome}");
        assert_eq!(outcome.output("reply-state"), "declined");
        assert!(reply(&outcome).contains("Not among the images that may be asked for"), "{outcome}");
    }
    let nothing = Request::new("OWNER", |_| "hello there\n\narm64".to_owned());
    let outcome = nothing.run.fails_with(2).await;
    assert_eq!(nothing.contacted(), 0, "{outcome}");
    assert!(reply(&outcome).contains("'arm64' is a platform, not an image"), "{outcome}");
}

#[tokio::test]
async fn one_image_that_is_declined_or_fails_does_not_keep_the_others_back() {
    let asked = |source: &Registry| {
        [source.name("library/app:1"), source.name("library/none:1"), "quay.io/a/b".to_owned()].join("\n")
    };
    let request = Request::new("NONE", asked).allow(|source| source.name("library/*"));
    let outcome = request.run.fails_with(1).await;
    let reply = reply(&outcome);
    assert_eq!(outcome.output("reply-state"), "partly");
    assert!(reply.starts_with("🟡 **1 of 3 mirrored**"), "{reply}");
    assert!(reply.contains("There is no such image or tag upstream."), "{reply}");
    assert!(reply.contains("```text\nquay.io/a/b:latest\n```"), "{reply}");
    let only = Request::new("OWNER", asked);
    let run = only.run.clone().input("request-limit", "1");
    let outcome = run.fails_with(1).await;
    assert!(self::reply(&outcome).contains("More images than one request may have"), "{outcome}");
    assert_eq!(only.source.count("HEAD", "/none/") + only.source.count("GET", "/none/"), 0);
    for (name, value) in [("request-limit", "0"), ("request-limit", "ten"), ("allow", "library/*"), ("images", "x")] {
        let outcome = only.run.clone().input(name, value).fails_with(2).await;
        assert!(outcome.says(&format!("input `{name}`")) || outcome.says("input `request`"), "{outcome}");
    }
}

#[tokio::test]
async fn an_image_that_is_too_large_is_refused_before_a_byte_is_sent() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = images::three_platforms();
    source.seed(&image, "library/app:1");
    let run = Run::new().input("request", &source.name("library/app:1")).input("requester", "OWNER");
    let run = run.input("target", &target.name("mirror/{repository}"));
    for (limit, what) in
        [("1kb", "layer"), ("1GiB/1kb", "layer"), (&format!("{}kb/1GiB", image.blob_bytes() / 1000), "image")]
    {
        source.reset();
        target.reset();
        let outcome = run.clone().input("size-limit", limit).fails_with(1).await;
        let sent = target.count("POST", "") + target.count("PUT", "") + target.count("PATCH", "");
        assert_eq!(source.count("GET", "/blobs/") + sent, 0, "{limit}: {outcome}");
        assert!(reply(&outcome).contains(&format!("the {what} has")), "{limit}: {outcome}");
        assert!(reply(&outcome).contains("Ask for one platform of it"), "{limit}: {outcome}");
    }
    // What is not wanted of it does not count.
    let one = format!("{}kb/1GiB", image.blob_bytes() / 1000);
    run.clone().input("size-limit", &one).input("platforms", "linux/amd64").succeeds().await;
    let outcome = run.clone().input("size-limit", "1GiB").succeeds().await;
    assert_eq!(outcome.output("reply-state"), "mirrored");
    // What was read to find that out is not read again.
    source.reset();
    let run = run.input("target", &target.name("other/{repository}")).input("attachments", "none");
    let outcome = run.input("size-limit", "1GiB").succeeds().await;
    assert_eq!(source.count("GET", "/manifests/"), image.manifests.len(), "{outcome}");
}

/// What the script that answers an issue tells GitHub, by a `gh` that writes down what it is given.
struct Issue(tempfile::TempDir);

const GH: &str = r#"#!/bin/sh
printf '%s\037' "$@" >> "$CALLS"; echo >> "$CALLS"
for word; do case $word in body=@*) cp "${word#body=@}" "$BODIES/$(ls "$BODIES" | wc -l)" ;; esac; done
case "$*" in
  *--paginate*) [ ! -e "$BODIES/0" ] || echo 4711 ;;
  'label list'*) echo mirrored ;;
  *comments*) echo 4711 ;;
esac
"#;

impl Issue {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gh = directory.path().join("gh");
        fs::write(&gh, GH).unwrap();
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("bodies")).unwrap();
        Self(directory)
    }

    /// Runs the script; whether it is content, and the calls so far, a word each.
    fn run(&self, step: &str, variables: &[(&str, &str)]) -> (bool, Vec<Vec<String>>) {
        let path = |name: &str| self.0.path().join(name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/request");
        let search = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let status = Command::new(script)
            .arg(step)
            .env("PATH", search)
            .env("CALLS", path("calls"))
            .env("BODIES", path("bodies"))
            .env("GITHUB_OUTPUT", path("output"))
            .envs([
                ("GH_REPO", "acme/mirror"),
                ("ISSUE", "7"),
                ("RUN", "https://github.com/acme/mirror/actions/runs/1"),
            ])
            .envs(variables.iter().copied().collect::<BTreeMap<_, _>>())
            .current_dir(self.0.path())
            .status()
            .unwrap();
        let calls = fs::read_to_string(path("calls")).unwrap();
        let words = |line: &str| line.split_terminator('\u{1f}').map(str::to_owned).collect();
        (status.success(), calls.lines().map(words).collect())
    }

    fn body(&self, number: usize) -> String {
        fs::read_to_string(self.0.path().join(format!("bodies/{number}"))).unwrap()
    }
}

fn has(calls: &[Vec<String>], expected: &[&str]) -> bool {
    calls.iter().any(|call| call.windows(expected.len()).any(|words| words == expected))
}

#[test]
fn an_issue_is_answered_by_one_comment_that_is_edited_and_by_labels() {
    for (state, title, label, sign, reason, is_well) in [
        ("mirrored", "nginx:1.27", "mirrored", "✅", "completed", true),
        ("partly", "nginx:1.27", "mirrored-partly", "🟡", "completed", true),
        ("declined", "no image", "mirror-declined", "🚫", "not planned", true),
        ("failed", "nginx:1.27", "mirror-failed", "❌", "not planned", false),
        // The program did not come to its end.
        ("", "", "mirror-failed", "❌", "not planned", false),
    ] {
        let issue = Issue::new();
        let (well, calls) = issue.run("seen", &[]);
        assert!(well && has(&calls, &["--method", "POST", "repos/acme/mirror/issues/7/comments"]), "{calls:?}");
        assert!(
            has(&calls, &["label", "create", "mirror-request"]) && !has(&calls, &["create", "mirrored"]),
            "{calls:?}"
        );
        assert!(has(&calls, &["7", "--add-label", "mirror-request"]), "{calls:?}");
        assert!(issue.body(0).contains("Seen, and under way"), "{}", issue.body(0));
        assert_eq!(fs::read_to_string(issue.0.path().join("output")).unwrap(), "comment=4711\n");
        let reply = if state.is_empty() { "" } else { "reply.md" };
        fs::write(issue.0.path().join("reply.md"), "the `answer` $(id)\n").unwrap();
        let variables = [("COMMENT", "4711"), ("REPLY", reply), ("STATE", state), ("TITLE", title)];
        let (well, calls) = issue.run("answer", &variables);
        assert_eq!(well, is_well, "{state}");
        assert!(has(&calls, &["--method", "PATCH", "repos/acme/mirror/issues/comments/4711"]), "{calls:?}");
        assert_eq!(issue.body(1).contains("the `answer` $(id)"), !reply.is_empty(), "{}", issue.body(1));
        assert!(has(&calls, &["7", "--add-label", label]), "{state}: {calls:?}");
        assert_eq!(has(&calls, &["--title", &format!("{sign} {title}")]), !title.is_empty(), "{state}: {calls:?}");
        assert!(has(&calls, &["issue", "close", "7", "--reason", reason]), "{state}: {calls:?}");
        // Edited, it is answered in the same comment.
        let before = calls.len();
        let (_, calls) = issue.run("seen", &[]);
        assert!(!has(&calls[before..], &["POST"]) && has(&calls[before..], &["PATCH"]), "{calls:?}");
    }
}

#[test]
fn no_script_of_the_workflow_has_a_word_of_the_issue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workflow = fs::read_to_string(root.join(".github/workflows/request.yml")).unwrap();
    let scripts: Vec<&str> = workflow.lines().filter(|line| line.trim_start().starts_with("run:")).collect();
    assert_eq!(scripts.len(), 2, "{scripts:?}");
    assert!(scripts.iter().all(|line| !line.contains("${{")), "{scripts:?}");
    // Each form's first heading is the one that the workflow looks for, and its second is read as that of the platform.
    for form in ["request.yml", "request-zh.yml"] {
        let form = fs::read_to_string(root.join(".github/ISSUE_TEMPLATE").join(form)).unwrap();
        let labels: Vec<&str> = form.lines().filter_map(|line| line.trim().strip_prefix("label: ")).collect();
        assert!(workflow.contains(&format!("startsWith(github.event.issue.body, '### {}')", labels[0])), "{labels:?}");
        assert!(["Platform", "平台"].iter().any(|word| labels[1].starts_with(word)), "{labels:?}");
    }
}
