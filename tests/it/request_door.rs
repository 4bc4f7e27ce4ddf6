//! The door that `request.yml` opens: an issue is read by the program and answered by `scripts/request`, here with a `gh` that
//! writes down what it is given. Whatever an issue says, nothing of it runs, nobody is called, and the comment stays whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use crate::support::images;
use crate::support::{Fault, Outcome, Registry, Run, What};

/// What GitHub is told of an issue, by a `gh` that writes down what it is given. A call with `REFUSED` in it fails.
struct Issue(tempfile::TempDir);

const GH: &str = r#"#!/bin/sh
printf '%s\037' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in *"$REFUSED"*) [ -z "$REFUSED" ] || { echo "gh: $SAID" >&2; exit 1; } ;; esac
for word; do case $word in body=@*) cp "${word#body=@}" "$BODIES/$(ls "$BODIES" | wc -l)" ;; esac; file=$word; done
case "$*" in
  *--paginate*/comments*) [ ! -e "$BODIES/0" ] || echo 4711 ;;
  *--paginate*/labels*) printf '%s\n' Mirrored bug ;;
  *--input*) cp "$file" "$BODIES/../issue" ;;
  *comments*) echo 4711 ;;
esac
"#;

/// How a step of the script ended: whether it is content, what it says, the calls, a word each.
struct Step {
    is_well: bool,
    said: String,
    calls: Vec<Vec<String>>,
}

impl Issue {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gh = directory.path().join("gh");
        fs::write(&gh, GH).unwrap();
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("bodies")).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, step: &str, variables: &[(&str, &str)]) -> Step {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/request");
        let search = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let _ = fs::remove_file(self.path("calls"));
        let output = Command::new(script)
            .arg(step)
            .env("PATH", search)
            .env("CALLS", self.path("calls"))
            .env("BODIES", self.path("bodies"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .envs([("GH_REPO", "acme/mirror"), ("ISSUE", "7"), ("RUN", RUN), ("REFUSED", ""), ("SAID", "")])
            .envs(variables.iter().copied().collect::<BTreeMap<_, _>>())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let words = |line: &str| line.split_terminator('\u{1f}').map(str::to_owned).collect();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        Step { is_well: output.status.success(), said, calls: calls.lines().map(words).collect() }
    }

    /// Answers with what the program has left behind.
    fn answer(&self, outcome: &Outcome) -> Step {
        let reply = outcome.files.get("workspace/mirror-image-reply.md");
        fs::write(self.path("reply.md"), reply.map_or("", String::as_str)).unwrap();
        self.run(
            "answer",
            &[
                ("COMMENT", "4711"),
                ("REPLY", if reply.is_some() { "reply.md" } else { "" }),
                ("STATE", outcome.outputs.get("reply-state").map_or("", String::as_str)),
                ("TITLE", outcome.outputs.get("reply-title").map_or("", String::as_str)),
            ],
        )
    }

    fn body(&self, number: usize) -> String {
        fs::read_to_string(self.path(&format!("bodies/{number}"))).unwrap()
    }

    fn last_body(&self) -> String {
        self.body(fs::read_dir(self.path("bodies")).unwrap().count() - 1)
    }

    /// What the issue itself was set to.
    fn set(&self) -> Value {
        fs::read(self.path("issue")).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
    }
}

const RUN: &str = "https://github.com/acme/mirror/actions/runs/1";

impl Step {
    fn has(&self, expected: &[&str]) -> bool {
        self.calls.iter().any(|call| call.windows(expected.len()).any(|words| words == expected))
    }
}

#[test]
fn an_issue_is_answered_by_one_comment_that_is_edited_and_by_labels() {
    for (state, title, label, sign, reason, is_well) in [
        ("mirrored", "nginx:1.27", "mirrored", "✅", "completed", true),
        ("partly", "nginx:1.27", "mirrored-partly", "🟡", "completed", true),
        ("declined", "no image", "mirror-declined", "🚫", "not_planned", true),
        ("failed", "nginx:1.27", "mirror-failed", "❌", "not_planned", false),
        // The program did not come to its end.
        ("", "", "mirror-failed", "❌", "not_planned", false),
    ] {
        let issue = Issue::new();
        let seen = issue.run("seen", &[]);
        assert!(
            seen.is_well && seen.has(&["--method", "POST", "repos/acme/mirror/issues/7/comments"]),
            "{}",
            seen.said
        );
        // Those that are not there are made, by whatever case.
        let create = |name| ["--method", "POST", "repos/acme/mirror/labels", "--raw-field", name];
        assert!(seen.has(&create("name=mirror-request")) && !seen.has(&create("name=mirrored")), "{:?}", seen.calls);
        assert!(seen.has(&["repos/acme/mirror/issues/7/labels", "--raw-field", "labels[]=mirror-request"]));
        assert!(issue.body(0).contains("Seen, and under way"), "{}", issue.body(0));
        assert_eq!(fs::read_to_string(issue.path("output")).unwrap(), "comment=4711\n");
        let reply = if state.is_empty() { "" } else { "reply.md" };
        fs::write(issue.path("reply.md"), "the `answer` $(id)\n").unwrap();
        let answer = issue.run("answer", &[("COMMENT", "4711"), ("REPLY", reply), ("STATE", state), ("TITLE", title)]);
        assert_eq!(answer.is_well, is_well, "{state}");
        assert!(answer.has(&["--method", "PATCH", "repos/acme/mirror/issues/comments/4711"]), "{:?}", answer.calls);
        assert_eq!(issue.body(1).contains("the `answer` $(id)"), !reply.is_empty(), "{}", issue.body(1));
        assert!(answer.has(&["--raw-field", &format!("labels[]={label}")]), "{state}: {:?}", answer.calls);
        let mut set = json!({"state": "closed", "state_reason": reason});
        if !title.is_empty() {
            set["title"] = json!(format!("{sign} {title}"));
        }
        assert_eq!(issue.set(), set);
        // A thousand calls an hour are what a workflow has: a hundred issues have room.
        let made = seen.calls.iter().filter(|call| call.iter().any(|word| word.starts_with("name="))).count();
        assert_eq!((seen.calls.len() - made, answer.calls.len()), (4, 3), "{:?} {:?}", seen.calls, answer.calls);
        // Edited, it is answered in the same comment, and has no label of the last answer.
        let again = issue.run("seen", &[]);
        assert!(!again.has(&["POST", "repos/acme/mirror/issues/7/comments"]), "{:?}", again.calls);
        assert!(again.has(&["PATCH", "repos/acme/mirror/issues/comments/4711"]), "{:?}", again.calls);
        assert!(again.has(&["DELETE", &format!("repos/acme/mirror/issues/7/labels/{label}")]), "{:?}", again.calls);
    }
}

#[test]
fn an_issue_that_is_gone_is_left_and_one_that_may_not_be_answered_is_said() {
    let issue = Issue::new();
    let gone = [("REFUSED", "issues/7/comments"), ("SAID", "Not Found (HTTP 404)")];
    let seen = issue.run("seen", &gone);
    assert!(seen.is_well && seen.said.contains("::notice title=Request::issue 7 is gone"), "{}", seen.said);
    assert_eq!(fs::read_to_string(issue.path("output")).unwrap(), "comment=\n");
    assert!(!seen.has(&["--raw-field"]), "{:?}", seen.calls);
    // The workflow copies nothing for it.
    let workflow = fs::read_to_string(root().join(".github/workflows/request.yml")).unwrap();
    assert_eq!(workflow.matches("steps.seen.outputs.comment != ''").count(), 2);
    // Deleted while it was worked on.
    let answer = [("COMMENT", "4711"), ("REPLY", ""), ("STATE", "mirrored"), ("TITLE", "x")];
    let deleted = issue.run("answer", &[&answer[..], &[("REFUSED", "comments"), ("SAID", "Gone (HTTP 410)")]].concat());
    assert!(
        deleted.is_well && deleted.said.contains("issue 7 is gone") && issue.set() == Value::Null,
        "{}",
        deleted.said
    );
    // Only the comment was: there is a new one.
    let refused = [("REFUSED", "issues/comments/4711"), ("SAID", "Not Found (HTTP 404)")];
    let again = issue.run("answer", &[&answer[..], &refused].concat());
    assert!(
        again.has(&["POST", "repos/acme/mirror/issues/7/comments"]) && issue.set() != Value::Null,
        "{}",
        again.said
    );
    // What the owner of the repository has to do is said, and the run fails.
    for (said, part) in [
        ("Resource not accessible by integration (HTTP 403)", "`issues: write`"),
        ("Server Error (HTTP 502)", "GitHub's own words are above"),
    ] {
        for step in ["seen", "answer"] {
            let refused = [("REFUSED", "comments"), ("SAID", said)];
            let step = issue.run(step, &[&answer[..], &refused].concat());
            assert!(!step.is_well && step.said.contains(part) && step.said.contains(said), "{}", step.said);
        }
    }
}

/// Fifty texts that try to run, to call somebody, to be fetched, or to break what is around them.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "$(touch pwned)",
        "`touch pwned`",
        "nginx:1.27; touch pwned",
        "nginx:1.27 && touch pwned",
        "nginx:1.27 | touch pwned",
        "nginx:1.27\ntouch pwned",
        "$(touch${IFS}pwned)",
        "${IFS}touch${IFS}pwned",
        "'; touch pwned; '",
        "\"; touch pwned; \"",
        "' || touch pwned || '",
        "nginx:$(touch pwned)",
        "nginx@$(touch pwned)",
        "> pwned",
        "--output=pwned",
        "-rf --config images.yml",
        "../../../../etc/passwd",
        "oci:/etc",
        "oci:../pwned:1",
        "file:///etc/passwd",
        "${{ github.token }}",
        "${{ secrets.DOCKERHUB_TOKEN }}",
        "nginx:${{ github.token }}",
        "::set-output name=reply::pwned",
        "::add-mask::nginx",
        "::stop-commands::pwned",
        "##[error]pwned",
        "reply<<EOF\npwned\nEOF\nreply-state=mirrored",
        "GITHUB_OUTPUT=pwned",
        "@everyone",
        "@octocat, @acme/owners: look",
        "\\@octocat &#64;octocat",
        "#1 GH-1 acme/mirror#1",
        "fixes #1, closes acme/mirror#2",
        "[pwned](https://pwned.example)",
        "![pwned](https://pwned.example/track.png)",
        "https://pwned.example/a/b?c=d#e",
        "<img src=https://pwned.example/track.png>",
        "<script>pwned()</script>",
        "<a href=\"javascript:pwned\">nginx</a>",
        "<!-- mirror-image: request -->",
        "--> <!--",
        "```\n@everyone\n```",
        "~~~\n@everyone\n~~~",
        "nginx:`1` ``2`` ```3```",
        "| a | b |\n| - | - |\n| @everyone | ![x](https://pwned.example/x) |",
        "\u{202e}enoyreve@ \u{2066}x\u{2069}",
        "@\u{200b}everyone \u{feff}#\u{200d}1",
        "\u{1b}[2J\u{1b}]0;pwned\u{7}@everyone",
        "www.pwned.example pwned@pwned.example mailto:pwned@pwned.example",
        "GHSA-2hfc-r8fq-92h7 CVE-2026-0001 acme/mirror@0123456789abcdef0123456789abcdef01234567",
        "$`\\pwned`$ $$\\pwned$$ \\(pwned\\)",
        "```mermaid\ngraph TD; pwned-->x\n```\n```geojson\npwned\n```",
        "[^1]\n\n[^1]: https://pwned.example",
        ":tada: :pwned: #ff0000",
        "pwnеd.example/x/y:1 ghcr.io/pwned/аpp",
        "<!--\nquay.io/pwned/x\n-->",
        "docker run -v /:/pwned -e A=$(touch pwned) nginx",
        "docker run --rm nginx; touch pwned \\\n && touch pwned",
        "127.0.0.1:1/pwned/x\nlocalhost:1/pwned\n169.254.169.254/latest/meta-data\n[::1]:1/pwned",
        "evil.example/127.0.0.1:1/pwned/x:1",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("<details>".repeat(5_000) + "<summary>@everyone</summary>");
    texts.push("</details>\n".repeat(3_000));
    texts.push("quay.io/pwned/@everyone:1 ".repeat(2_500));
    texts.push("ghcr.io/pwned/#1\n".repeat(3_800));
    texts.push("镜像@".repeat(9_000));
    texts.push("a".repeat(65_536));
    texts.push("nginx".to_owned() + &"@sha256:".repeat(8_000));
    texts.push(format!("[{}]", (0..8_000).map(|number| format!("\"a{number}\"")).collect::<Vec<_>>().join(",\n")));
    texts
}

/// That a comment says nothing outside of code but what the program and the script say.
fn assert_harmless(comment: &str, text: &str) {
    assert!(comment.chars().count() <= 65_536, "{}", comment.len());
    let is_unseen = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!comment.chars().any(is_unseen), "{text:?}: {comment:?}");
    assert_eq!(comment.matches("<!--").count(), 1, "{text:?}: {comment}");
    let (mut is_code, mut opened) = (false, 0_i32);
    for event in Parser::new_ext(comment, Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => is_code = true,
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Text(prose) if !is_code => {
                for part in ["@", "#1", "#2", "GH-", "pwned", "http", "everyone"] {
                    assert!(!prose.contains(part), "{text:?}: {part}: {prose}");
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => assert_eq!(&*dest_url, RUN, "{text:?}"),
            Event::Start(Tag::Image { .. }) => panic!("{text:?}: a picture: {comment}"),
            Event::Html(html) | Event::InlineHtml(html) => {
                opened += i32::try_from(html.matches("<details>").count()).unwrap();
                opened -= i32::try_from(html.matches("</details>").count()).unwrap();
                let known = ["<!-- mirror-image: request -->", "<details>", "</details>", "<summary>", "</summary>"];
                let left = known.iter().fold(html.to_string(), |html, tag| html.replace(tag, ""));
                assert!(!left.contains('<'), "{text:?}: {html}");
            }
            _ => {}
        }
    }
    assert_eq!(opened, 0, "{text:?}: {comment}");
}

#[tokio::test]
async fn whatever_an_issue_says_nothing_runs_nobody_is_called_and_the_comment_stays_whole() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::release(1), "library/app:1");
    let texts = hostile();
    assert!(texts.len() >= 50);
    for text in &texts {
        // A stranger, who may ask for what is here; behind the text an image, which is mirrored whatever stands before it.
        let asked = format!("### Images to mirror\n\n{text}\n\n{}\n", source.name("library/app:1"));
        let run = Run::new()
            .input("request", &asked)
            .input("requester", "NONE")
            .input("allow", &source.name("library/*"))
            .input("target", &target.name("mirror/{repository}"));
        let outcome = run.run().await;
        let is_mirrored = matches!(outcome.code, 0 | 1) && target.tag("mirror/library/app", "1").is_some();
        assert!(is_mirrored || text.len() > 1_000 && outcome.code == 2, "{text:?}: {outcome}");
        // No host but those: the others would be strangers.
        assert!(!outcome.files.keys().any(|file| file.contains("pwned")), "{text:?}: {outcome}");
        for command in ["::set-output", "::add-mask::nginx", "::stop-commands", "##[error]"] {
            assert!(
                !outcome.visible().lines().any(|line| line.trim_start().starts_with(command)),
                "{text:?}: {outcome}"
            );
        }
        let issue = Issue::new();
        let answer = issue.answer(&outcome);
        assert!(!issue.path("pwned").exists(), "{text:?}");
        assert_harmless(&issue.last_body(), text);
        // Of what somebody has written a call has nothing, and the title names of images at most.
        let expected = [issue.path("issue").display().to_string(), "acme/mirror".to_owned()];
        for word in answer.calls.iter().flatten().filter(|word| !expected.iter().any(|known| word.contains(known))) {
            assert!(!word.contains(['$', '`', ';', '|', '@', '<']) || word.starts_with("body=@"), "{text:?}: {word}");
        }
        let title = issue.set()["title"].as_str().unwrap_or_default().to_owned();
        assert!(!title.contains(['@', '#', '<', '`', '$']) && title.chars().count() < 130, "{text:?}: {title}");
    }
}

#[tokio::test]
async fn a_bot_asks_as_a_stranger_and_a_repository_that_may_not_push_says_so_in_the_answer() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::release(1), "library/app:1");
    let run =
        Run::new().input("request", &source.name("library/app:1")).input("target", &target.name("mirror/{repository}"));
    // A bot has no association with the repository.
    let outcome = run.clone().input("requester", "NONE").fails_with(2).await;
    let issue = Issue::new();
    let answer = issue.answer(&outcome);
    assert!(answer.is_well && answer.has(&["--raw-field", "labels[]=mirror-declined"]), "{}", answer.said);
    assert!(issue.last_body().contains("Not among the images that may be asked for"), "{}", issue.last_body());
    assert_eq!(source.requests() + target.requests(), 0);
    for method in ["POST", "PUT", "PATCH"] {
        let refusal = What::error(403, "DENIED", "permission_denied: write_package");
        target.fault(Fault::on(method, "/mirror/", refusal).always());
    }
    let outcome = run.input("requester", "OWNER").fails_with(1).await;
    let answer = issue.answer(&outcome);
    assert!(!answer.is_well && answer.has(&["--raw-field", "labels[]=mirror-failed"]), "{}", answer.said);
    let body = issue.last_body();
    assert!(body.contains("The fault is not in your request.") && body.contains("write_package"), "{body}");
}

#[tokio::test]
async fn a_stranger_replaces_no_other_image_and_takes_no_platform_away() {
    let (source, target) = (Registry::start(), Registry::start());
    let whole = images::three_platforms();
    source.seed(&whole, "library/app:1");
    source.seed(&images::release(2), "evil/app:1");
    let ask = |who: &str, text: &str, template: &str| {
        Run::new()
            .input("request", text)
            .input("requester", who)
            .input("allow", &source.name("*"))
            .input("target", &target.name(template))
    };
    let (app, evil) = (source.name("library/app:1"), source.name("evil/app:1"));
    let there = |repository: &str| target.tag(repository, "1").unwrap();
    // What is not there yet may be asked for under any name.
    ask("NONE", &app, "m/{name}").succeeds().await;
    for template in ["m/{name}", "m/app:1"] {
        let outcome = ask("NONE", &evil, template).fails_with(1).await;
        assert_eq!(there("m/app"), whole.digest(), "{outcome}");
        let issue = Issue::new();
        issue.answer(&outcome);
        assert!(issue.last_body().contains("only owners, members and collaborators"), "{}", issue.last_body());
    }
    let outcome = ask("NONE", &format!("{app}|linux/amd64"), "m/{name}").succeeds().await;
    assert_eq!(there("m/app"), whole.digest(), "{outcome}");
    let issue = Issue::new();
    issue.answer(&outcome);
    assert!(issue.last_body().contains("another image was there before, and it stays"), "{}", issue.last_body());
    // Where no other image has the name, a tag moves with its source, and one platform takes no place of all.
    let template = "m/{registry}/{repository}";
    let repository = format!("m/{}/library/app", source.host().replace(':', "-"));
    ask("NONE", &app, template).succeeds().await;
    ask("NONE", &format!("{app} --platform linux/amd64"), template).succeeds().await;
    assert_eq!(there(&repository), whole.digest());
    source.seed(&images::three_platforms_updated(), "library/app:1");
    ask("NONE", &app, template).succeeds().await;
    assert_eq!(there(&repository), images::three_platforms_updated().digest());
    // Those to whom the repository belongs replace what they like.
    ask("OWNER", &evil, "m/{name}").succeeds().await;
    assert_eq!(there("m/app"), images::release(2).digest());
}

#[tokio::test]
async fn many_issues_at_once_ask_for_the_same_and_each_is_answered() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::release(1), "library/app:1");
    let run = Run::new()
        .input("request", &source.name("library/app:1"))
        .input("requester", "OWNER")
        .input("target", &target.name("mirror/{repository}"));
    let outcomes = futures_util::future::join_all((0..12).map(|_| async { run.succeeds().await })).await;
    for outcome in outcomes {
        let issue = Issue::new();
        assert!(issue.run("seen", &[]).is_well && issue.answer(&outcome).is_well);
        assert!(issue.last_body().contains("✅ **1 image mirrored**"), "{}", issue.last_body());
    }
    target.everything_visible_is_whole().unwrap();
    // No group of theirs makes one issue wait for another, and an edit waits for the run before it.
    let workflow = fs::read_to_string(root().join(".github/workflows/request.yml")).unwrap();
    // An edit of the title, in which nothing is done, is in no group with them: it would take the place of one that waits.
    let group = "group: request-${{ github.event.issue.number }}-${{ (github.event.action != 'edited' || \
                 github.event.changes.body) && 'text' || github.run_id }}\n  cancel-in-progress: false";
    assert!(workflow.contains(group));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_script_of_the_workflow_has_a_word_of_the_issue() {
    let root = root();
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
