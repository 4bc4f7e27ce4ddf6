//! The mirror list: which tags it selects of what a registry lists, what that costs, and what becomes of a bad one.

use std::path::Path;

use tempfile::TempDir;

use crate::support::images::{self, Image};
use crate::support::run::memory_limit;
use crate::support::{Fault, Outcome, Registry, Run, What};

/// A source and a target, and a workspace with lists in it.
struct Lists {
    source: Registry,
    target: Registry,
    workspace: TempDir,
}

impl Lists {
    fn new() -> Self {
        Self { source: Registry::start(), target: Registry::start(), workspace: tempfile::tempdir().unwrap() }
    }

    /// One image under all these tags.
    fn tags(&self, repository: &str, image: &Image, tags: &[&str]) {
        self.source.seed(image, &format!("{repository}:{}", tags[0]));
        for tag in tags {
            self.source.set_tag(repository, tag, image.digest());
        }
    }

    /// Writes a file; `SOURCE` and `TARGET` in it are the two registries.
    fn write(&self, name: &str, text: &str) {
        let text = text.replace("SOURCE", &self.source.host()).replace("TARGET", &self.target.host());
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.workspace.path()
    }

    /// A run with this list as `images.yml`.
    fn run(&self, list: &str) -> Run {
        self.write("images.yml", list);
        Run::new().input("config", "images.yml").env("GITHUB_WORKSPACE", &self.path().display().to_string())
    }

    fn requests(&self) -> String {
        format!("source\n{}target\n{}", self.source.lines(), self.target.lines())
    }

    fn reset(&self) {
        self.source.reset();
        self.target.reset();
    }
}

/// Target and result of each image, in the order of the report, without the registry.
fn results(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let images = json["images"].as_array().expect("a list of images");
    let of = |image: &serde_json::Value| {
        let target = image["target"].as_str().or(image["source"].as_str()).expect("a name");
        format!("{} {}", target.split_once('/').expect("a host").1, image["result"].as_str().expect("a result"))
    };
    images.iter().map(of).collect()
}

#[tokio::test]
async fn tags_are_selected_by_pattern_and_each_goes_to_each_target() {
    let lists = Lists::new();
    lists.tags("library/app", &images::single(), &["1.0", "1.1", "1.1-alpine", "1.2", "latest", "2.0-rc1"]);
    let run = lists.run(
        r#"
version: 1
defaults:
  target: TARGET/{name}
images:
  - SOURCE/library/app:latest
  - source: SOURCE/library/app
    target: [TARGET/a, "TARGET/b/{name}"]
    tags:
      - semver: ">=1.1"
        variant: ""
      - 2.0-rc1
"#,
    );
    let outcome = run.succeeds().await;
    assert_eq!(
        results(&outcome),
        [
            "app:latest copied",
            "a:2.0-rc1 copied",
            "b/app:2.0-rc1 copied",
            "a:1.2 copied",
            "b/app:1.2 copied",
            "a:1.1 copied",
            "b/app:1.1 copied",
        ]
    );
    assert!(outcome.says("semver >=1.1, no variant selected 2 tags: 1.2, 1.1"), "{outcome}");
    assert_eq!(lists.source.count("GET", "/tags/list"), 1, "{}", lists.requests());
    assert_eq!(outcome.json()["totals"]["images"], 7);
    // The listing counts among the run's requests, and the second run asks no more than it must.
    lists.reset();
    let again = run.succeeds().await;
    // A source that goes to two targets is resolved once.
    assert_eq!(lists.source.count("HEAD", "/manifests/"), 4, "{}", lists.requests());
    assert_eq!(lists.source.requests(), 5, "{}", lists.requests());
    assert_eq!(lists.target.requests(), 7, "{}", lists.requests());
    assert_eq!(again.json()["totals"]["requests"], 12);
}

#[tokio::test]
async fn one_repository_is_listed_once_and_immutable_tags_are_not_asked_for_at_the_source() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0.0", "1.0.1", "1.0", "edge"]);
    let run = lists.run(
        r#"
defaults:
  target: TARGET/app
  immutable: '/\d+\.\d+\.\d+/'
images:
  - {source: SOURCE/app, tags: "1.*"}
  - {source: SOURCE/app, tags: "*", exclude: "1*"}
"#,
    );
    run.succeeds().await;
    assert_eq!(lists.source.count("GET", "/tags/list"), 1, "{}", lists.requests());
    lists.reset();
    // A tag that never moves is what is at the target, whatever the source has.
    lists.tags("app", &images::docker_single(), &["1.0.0"]);
    lists.source.set_tag("app", "1.0", images::docker_single().digest());
    let again = run.succeeds().await;
    assert_eq!(results(&again), ["app:1.0.1 unchanged", "app:1.0 copied", "app:1.0.0 unchanged", "app:edge unchanged"]);
    let requests = lists.requests();
    assert_eq!(lists.source.count("HEAD", "/manifests/1.0."), 0, "{requests}");
    assert_eq!(lists.source.count("HEAD", "/manifests/edge"), 1, "{requests}");
    assert_eq!(lists.target.count("HEAD", "/manifests/1.0.0"), 1, "{requests}");
    // Where every part is looked at, the source is asked for what is there.
    lists.reset();
    run.clone().input("check", "deep").succeeds().await;
    let asked = format!("/manifests/{}", images::single().digest());
    assert_eq!(lists.source.count("HEAD", "/manifests/1.0."), 0, "{}", lists.requests());
    assert!(lists.source.count("GET", &asked) > 0, "{}", lists.requests());
}

#[tokio::test]
async fn an_immutable_tag_is_moved_by_no_run_whatever_it_looks_at() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0.0"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0.0'], immutable: '*'}]";
    let run = lists.run(list);
    run.succeeds().await;
    // It has moved at its source, which has the old image still.
    lists.source.seed(&new, "app:1.0.0");
    lists.reset();
    let deep = run.clone().input("check", "deep");
    assert_eq!(results(&deep.succeeds().await), ["app:1.0.0 unchanged"]);
    assert_eq!(lists.source.count("HEAD", "/manifests/1.0.0"), 0, "{}", lists.requests());
    // A part that was lost at the target comes from the image that is to be there, not from the one that is there by now.
    assert!(lists.target.forget("app", &old.blobs_of(old.digest())[1]));
    assert_eq!(results(&deep.succeeds().await), ["app:1.0.0 copied"]);
    lists.target.is_whole("app", "1.0.0").unwrap();
    assert_eq!(lists.target.tag("app", "1.0.0").as_deref(), Some(old.digest()));
    // Where the source has it no more, nothing says that every part is right; nothing is replaced either.
    assert!(lists.source.forget("app", old.digest()));
    let outcome = deep.fails_with(1).await;
    assert!(outcome.says("source: GET manifest") && outcome.says("404"), "{outcome}");
    assert_eq!(results(&run.succeeds().await), ["app:1.0.0 unchanged"]);
    assert_eq!(lists.target.tag("app", "1.0.0").as_deref(), Some(old.digest()));
}

#[tokio::test]
async fn an_immutable_tag_that_is_there_already_gets_its_line_once_the_source_has_said_that_it_has_it() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0.0", "1.0.1", "1.0.2"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0.0', '1.0.1', '1.0.2'], immutable: '*'}]";
    let run = lists.run(list);
    run.succeeds().await;
    // One has moved at its source since, and one at the target.
    lists.source.seed(&new, "app:1.0.1");
    lists.target.seed(&images::release(7), "app:1.0.2");
    let lock = || std::fs::read_to_string(lists.path().join("images.lock")).unwrap();
    let locked = run.clone().input("lock", "images.lock");
    lists.reset();
    let outcome = locked.clone().input("dry-run", "true").succeeds().await;
    assert_eq!(outcome.json()["totals"]["unchanged"], 3, "{outcome}");
    for (tag, lines) in [("1.0.0", 1), ("1.0.1", 0), ("1.0.2", 0)] {
        assert_eq!(lock().matches(&format!("app:{tag} {}", old.digest())).count(), lines, "{tag}: {}", lock());
    }
    assert!(outcome.says("the lock gets no line for it"), "{outcome}");
    // A line once written costs the source nothing.
    assert_eq!(lists.source.requests(), 3, "{}", lists.requests());
    lists.reset();
    locked.succeeds().await;
    assert_eq!(lists.source.requests(), 2, "{}", lists.requests());
    let frozen = locked.clone().input("frozen", "true").fails_with(1).await;
    assert_eq!(results(&frozen), ["app:1.0.0 unchanged", "app:1.0.1 failed", "app:1.0.2 failed"]);
    let planned = locked.clone().input("frozen", "true").input("dry-run", "true").fails_with(1).await;
    assert!(planned.output("plan").contains("| – (source `"), "{}", planned.output("plan"));
    assert_eq!(lists.target.writes(), 0, "{}", lists.requests());
    // Looked at is what is there, whatever the tag is by now; and a source that does not answer takes nothing away.
    let deep = locked.clone().input("check", "deep").fails_with(1).await;
    assert_eq!(deep.json()["totals"]["unchanged"], 2, "{deep}");
    assert_eq!(deep.json()["totals"]["failed"], 1, "{deep}");
    for method in ["HEAD", "GET"] {
        lists.source.fault(Fault::on(method, "/v2/app/manifests/", What::status(403)).always());
    }
    let outcome = locked.succeeds().await;
    assert_eq!(outcome.json()["totals"]["unchanged"], 3, "{outcome}");
    assert!(outcome.says("what the source's tag is was not to be found out (source: HEAD manifest "), "{outcome}");
    assert_eq!(lists.target.tag("app", "1.0.1").as_deref(), Some(old.digest()));
}

#[tokio::test]
async fn an_immutable_tag_is_at_each_target_what_its_lock_has_and_no_target_gets_another_by_it() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0.0"]);
    let list =
        |targets: &str| format!("images: [{{source: SOURCE/app, target: {targets}, tags: ['1.0.0'], immutable: '*'}}]");
    let (one, both) = (list("TARGET/one"), list("[TARGET/one, TARGET/two]"));
    lists.run(&one).succeeds().await;
    lists.source.seed(&new, "app:1.0.0");
    let digests = || ["one", "two"].map(|name| lists.target.tag(name, "1.0.0"));
    let locked = lists.run(&both).input("lock", "images.lock");
    for _ in 0..2 {
        // Another target got what the source has by now: that is no line by which the first one would move.
        locked.succeeds().await;
        assert_eq!(digests(), [Some(old.digest().to_owned()), Some(new.digest().to_owned())]);
        let lock = std::fs::read_to_string(lists.path().join("images.lock")).unwrap_or_default();
        assert!(!lock.contains("app:1.0.0"), "{lock}");
    }
    // Nor where the first one fails.
    lists.target.forget_tag("two", "1.0.0");
    assert!(lists.source.forget("app", old.digest()));
    let outcome = locked.clone().input("check", "deep").fails_with(1).await;
    assert_eq!(results(&outcome), ["one:1.0.0 failed", "two:1.0.0 copied"], "{outcome}");
    assert!(!lists.path().join("images.lock").exists());
    lists.source.seed(&old, "app:other");
    // With a line each has that.
    let line = format!("{}:1.0.0 {} 2026-01-01\n", lists.source.name("app"), old.digest());
    std::fs::write(lists.path().join("images.lock"), &line).unwrap();
    lists.target.forget_tag("two", "1.0.0");
    locked.succeeds().await;
    assert_eq!(digests(), [Some(old.digest().to_owned()), Some(old.digest().to_owned())]);
    assert_eq!(std::fs::read_to_string(lists.path().join("images.lock")).unwrap(), line);
    // Where another entry lets the same tag move, the line stays all the same, whichever comes first.
    let entries = [
        "{source: SOURCE/app, target: TARGET/one, tags: ['1.0.0'], immutable: '*'}",
        "'SOURCE/app:1.0.0 => TARGET/moves'",
    ];
    for (first, second) in [(0, 1), (1, 0)] {
        let list = format!("images: [{}, {}]", entries[first], entries[second]);
        lists.run(&list).input("lock", "images.lock").succeeds().await;
        assert_eq!(lists.target.tag("moves", "1.0.0").as_deref(), Some(new.digest()));
        assert_eq!(std::fs::read_to_string(lists.path().join("images.lock")).unwrap(), line);
    }
    assert_eq!(lists.target.tag("one", "1.0.0").as_deref(), Some(old.digest()));
}

#[tokio::test]
async fn an_immutable_tag_that_a_registry_hides_from_head_is_not_replaced() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &new, &["1.0.0"]);
    lists.target.seed(&old, "app:1.0.0");
    lists.target.fault(Fault::on("HEAD", "/v2/app/manifests/1.0.0", What::status(404)).always());
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0.0'], immutable: '*'}]";
    let outcome = lists.run(list).succeeds().await;
    assert_eq!(results(&outcome), ["app:1.0.0 kept"], "{outcome}");
    assert_eq!(lists.target.tag("app", "1.0.0").as_deref(), Some(old.digest()));
}

#[tokio::test]
async fn configuration_is_made_of_an_immutable_tag_in_each_run_as_long_as_it_is_the_sources() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0.0"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0.0'], immutable: '*'}]";
    let run = lists.run(list).input("emit", "lines");
    let lines = || std::fs::read_to_string(lists.path().join("mirror-image/lines.txt")).unwrap_or_default();
    run.succeeds().await;
    let before = lines();
    assert!(before.contains(old.digest()), "{before}");
    let forget = || std::fs::remove_file(lists.path().join("mirror-image/lines.txt")).unwrap();
    forget();
    lists.reset();
    run.succeeds().await;
    assert_eq!(lines(), before);
    forget();
    assert_eq!(lists.source.requests(), 1, "{}", lists.requests());
    lists.source.seed(&new, "app:1.0.0");
    let outcome = run.succeeds().await;
    assert!(
        outcome.says("the source's tag is another image: those who pull are told of it by `mapping.json`"),
        "{outcome}"
    );
    assert_eq!(lines(), "");
}

#[tokio::test]
async fn a_conflict_that_the_list_has_made_a_failure_is_settled_in_the_list() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0"]);
    lists.target.seed(&images::docker_single(), "app:1.0");
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0'], on-conflict: fail}]";
    let outcome = lists.run(list).input("on-conflict", "overwrite").fails_with(1).await;
    assert!(outcome.says("the list decides here, before any input"), "{outcome}");
    let outcome = lists.run(&list.replace(", on-conflict: fail", "")).input("on-conflict", "fail").fails_with(1).await;
    assert!(!outcome.says("the list decides here"), "{outcome}");
}

#[tokio::test]
async fn what_holds_nothing_is_said() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["v1.0"]);
    let list = r"images: [{source: SOURCE/app, target: TARGET/app, tags: ['v1.*'], immutable: ['/^1\.\d+/', 'v1.*']}]";
    let run = lists.run(list).input("lock", "images.lock").input("lock-update", "app:*").input("dry-run", "true");
    let outcome = run.succeeds().await;
    assert!(outcome.says(r"images.yml:1:10: `immutable` holds no tag of the list by `/^1\.\d+/`"), "{outcome}");
    assert!(!outcome.says("by `v1.*`"), "{outcome}");
    assert!(outcome.says("`lock-update` is `app:*`, which no line of the lock has"), "{outcome}");
}

#[tokio::test]
async fn listings_are_read_whole_however_a_registry_pages() {
    let lists = Lists::new();
    let tags: Vec<String> = (0..250).map(|number| format!("1.{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    lists.tags("app", &images::single(), &tags);
    let run = lists.run("images: [{source: SOURCE/app, target: TARGET/app, tags: '*'}]").input("dry-run", "true");
    let count = |outcome: &Outcome| outcome.json()["totals"]["images"].as_u64().unwrap();
    assert_eq!(count(&run.succeeds().await), 250);
    lists.source.switch(|switches| switches.absolute_links = true);
    assert_eq!(count(&run.succeeds().await), 250);
    // A page size that is refused, once and for good.
    lists.source.switch(|switches| switches.tags_refuse_above = Some(100));
    assert_eq!(count(&run.succeeds().await), 250);
    lists.source.switch(|switches| (switches.tags_refuse_above, switches.tag_page) = (Some(50), 50));
    assert_eq!(count(&run.succeeds().await), 250);
    lists.source.switch(|switches| (switches.tags_refuse_above, switches.tag_page) = (None, 100));
    // Pages that do not say that there are more.
    lists.source.fault(Fault::on("GET", "/tags/list", What::Header("link", None)).always());
    assert_eq!(count(&run.succeeds().await), 250);
    lists.source.clear_faults();
    // The inner address of a registry behind a proxy: its path is asked for here.
    let elsewhere = "<http://inner.test:5000/v2/app/tags/list?last=1.188&n=100>; rel=\"next\"";
    lists.source.fault(Fault::on("GET", "/tags/list?n=1000", What::Header("link", Some(elsewhere.into()))));
    assert!(count(&run.succeeds().await) > 100);
    lists.source.clear_faults();
    // A page that leads to itself never ends.
    lists.reset();
    let same = "</v2/app/tags/list?n=1000>; rel=\"next\"";
    lists.source.fault(Fault::on("GET", "/tags/list", What::Header("link", Some(same.into()))).always());
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("the listing has more than 1 pages"), "{outcome}");
    assert!(lists.source.count("GET", "/tags/list") < 10, "{}", lists.requests());
}

#[tokio::test]
async fn an_entry_that_fails_takes_no_other_with_it() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0", "1.1"]);
    let run = lists.run(
        r#"
defaults: {target: "TARGET/{repository}"}
images:
  - {source: SOURCE/app, tags: "1.1"}
  - {source: SOURCE/app, tags: "2.*"}
  - {source: SOURCE/none, tags: "*"}
  - {source: SOURCE/app, tags: ["9.*", "1.0"], optional: true}
"#,
    );
    let outcome = run.fails_with(1).await;
    assert_eq!(results(&outcome), ["app:1.1 copied", "app:1.0 copied", "app:* failed", "none:* failed"]);
    assert!(outcome.says("no tag is `2.*`; the nearest are 1.1, 1.0; mend it"), "{outcome}");
    assert!(outcome.says("(images.yml:5:5)") && outcome.says("NAME_UNKNOWN"), "{outcome}");
    // The images are well: nobody is to be told of them.
    assert!(outcome.says("1 against its rules") && !outcome.says("broken"), "{outcome}");
    // A registry that has none says so in its own way.
    lists.source.switch(|switches| switches.null_tags = true);
    lists.write("images.yml", "images: [{source: SOURCE/app, target: TARGET/x, tags: '*', exclude: '*'}]");
    let outcome = run.fails_with(1).await;
    assert!(
        outcome.says("the rules leave no tag (* selected 2 tags: 1.1, 1.0; exclude * left out 2 tags"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_bad_list_is_bad_input_and_nothing_is_contacted() {
    let lists = Lists::new();
    for (list, sentence) in [
        (
            "images:\n  - source: SOURCE/app\n    tag: [a]\n",
            "images.yml:3:5: an image has no key `tag`; did you mean `tags`?",
        ),
        ("images:\n\t- a\n", "images.yml:2:"),
        ("images: [SOURCE/a => TARGET/x:1, SOURCE/b => TARGET/x:1]", "images.yml:1:10 and images.yml:1:"),
        ("images: [{source: SOURCE/a, target: 'TARGET/x:1', tags: [a, b]}]", "would write both"),
        ("images: [SOURCE/a => TARGET/x, TARGET/x => TARGET/y]", "which images.yml:1:10 writes"),
        (
            "images:\n  - SOURCE/a => TARGET/x\n  - {source: SOURCE/a, target: TARGET/x, platforms: linux/amd64}\n",
            "images.yml:2:5 and images.yml:3:5 ask for `",
        ),
        // Whatever its tags are, these are no targets.
        ("images: [{source: SOURCE/a, target: 'TARGET/{nmae}', tags: '*'}]", "images.yml:1:10 (its target): "),
        ("images: [{source: SOURCE/a, target: TARGET//x, tags: ['1', '2*']}]", "images.yml:1:10 (its target): "),
    ] {
        let outcome = lists.run(list).fails_with(2).await;
        assert!(outcome.says(sentence), "{list}\n{outcome}");
        assert_eq!(lists.source.requests() + lists.target.requests(), 0, "{list}\n{}", lists.requests());
    }
    let outcome = lists.run("images: [a]").input("images", "b").fails_with(2).await;
    assert!(outcome.says("input `config`: is given, and `images` is too"), "{outcome}");
}

#[tokio::test]
async fn a_clash_that_only_the_tags_show_stops_the_run_before_the_first_write() {
    let lists = Lists::new();
    lists.tags("a", &images::single(), &["1.0"]);
    lists.tags("b", &images::single(), &["1.0"]);
    let list = "images:\n  - {source: SOURCE/a, target: TARGET/x, tags: '*'}\n  - {source: SOURCE/b, target: TARGET/x, tags: '*'}\n";
    let report = lists.path().join("report.json");
    let late = lists.run(list).input("report-file", "report.json").input("dry-run", "true").fails_with(1).await;
    let sentence = "images.yml:2:5 and images.yml:3:5 would write both";
    assert!(late.says(sentence) && late.output("plan").starts_with("### Plan: none\n\n> [!CAUTION]\n> "), "{late}");
    assert!(late.output("plan").contains(sentence), "{late}");
    let json = late.json();
    assert_eq!((&json["result"], &json["images"]), (&"failed".into(), &serde_json::json!([])), "{json}");
    assert!(json["problem"].as_str().is_some_and(|problem| problem.contains(sentence)), "{json}");
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(written["problem"], json["problem"]);
    let outcome = lists.run(list).fails_with(1).await;
    assert!(outcome.says("nothing was written: images.yml:2:5 and images.yml:3:5 would write both"), "{outcome}");
    assert_eq!(lists.target.requests(), 0, "{}", lists.requests());
    // The same tag for the same target in two entries is one image, unless they want it in two ways.
    let twice = "images:\n  - {source: SOURCE/a, target: TARGET/x, tags: '*'}\n  - {source: SOURCE/a, target: TARGET/x, tags: '1*'}\n";
    let outcome = lists.run(twice).succeeds().await;
    assert_eq!(results(&outcome), ["x:1.0 copied"]);
    assert!(outcome.says("images.yml:3:5 asks for what images.yml:2:5 asks for"), "{outcome}");
    let differs = twice.replace("'1*'", "'1*', on-conflict: keep");
    let outcome = lists.run(&differs).fails_with(1).await;
    assert!(outcome.says("images.yml:2:5 and images.yml:3:5 ask for"), "{outcome}");
}

#[tokio::test]
async fn what_an_entry_says_counts_for_it_alone() {
    let lists = Lists::new();
    let image = images::three_platforms();
    lists.tags("app", &image, &["1"]);
    let list = "
images:
  - SOURCE/app:1 => TARGET/all
  - {source: SOURCE/app, target: TARGET/one, tags: ['1'], platforms: linux/amd64}
  - {source: 'SOURCE/app:1', target: TARGET/kept, on-conflict: keep}
";
    lists.target.seed(&images::single(), "kept:1");
    let outcome = lists.run(list).succeeds().await;
    assert_eq!(results(&outcome), ["all:1 copied", "one:1 copied", "kept:1 kept"]);
    assert_eq!(lists.target.tag("all", "1").as_deref(), Some(image.digest()));
    assert_eq!(lists.target.tag("one", "1").as_deref(), Some(image.child("linux/amd64")));
}

#[tokio::test]
async fn a_pinned_tag_must_be_what_it_is_pinned_to() {
    let lists = Lists::new();
    let (image, other) = (images::single(), images::docker_single());
    lists.tags("app", &image, &["1.0"]);
    lists.tags("app", &other, &["1.1"]);
    let pinned =
        format!("images: [{{source: SOURCE/app, target: TARGET/app, tags: ['1.0@{0}', '1.1@{0}']}}]", image.digest());
    let outcome = lists.run(&pinned).run().await;
    assert_eq!(lists.target.tag("app", "1.0").as_deref(), Some(image.digest()), "{outcome}");
    assert!(!outcome.says("expected-digest"), "{outcome}");
    assert_eq!(lists.source.count("GET", "/tags/list"), 0, "{}", lists.requests());
}

#[tokio::test]
async fn ages_ask_for_the_times_of_what_is_left_only() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0", "1.1", "1.2", "edge"]);
    let run = lists.run(
        "images: [{source: SOURCE/app, target: TARGET/app, tags: '1.*', newest: 2, newer-than: 30d, unknown-age: keep}]",
    );
    let run = run.input("dry-run", "true");
    let outcome = run.succeeds().await;
    let requests = lists.requests();
    assert_eq!(lists.source.count("GET", "/manifests/1.0"), 0, "{requests}");
    assert_eq!(lists.source.count("GET", "/manifests/edge"), 0, "{requests}");
    assert!(lists.source.count("GET", "/manifests/1.2") >= 1, "{requests}");
    assert_eq!(outcome.json()["totals"]["images"], 2, "{outcome}");
    // An image that does not say it is against the rules, not broken.
    lists.write("images.yml", "images: [{source: SOURCE/app, target: TARGET/app, tags: '1.*', newer-than: 30d}]");
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("write `unknown-age: keep` or `drop`") && !outcome.says("broken"), "{outcome}");
    assert_eq!(outcome.json()["failures"][0]["kind"], "rules", "{outcome}");
}

#[tokio::test]
async fn fifty_thousand_tags_are_read_in_bounded_memory() {
    let lists = Lists::new();
    let image = images::single();
    lists.source.seed(&image, "app:1.0.0");
    for number in 0..50_000 {
        lists.source.set_tag(
            "app",
            &format!("{}.{}.{}-build-of-the-night", number / 1000, number % 1000, number),
            image.digest(),
        );
    }
    lists.source.switch(|switches| switches.tag_page = 1_000);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: [{semver: '*'}], newest: {count: 3, across-variants: true}}]";
    let outcome = lists.run(list).input("dry-run", "true").succeeds().await;
    assert_eq!(outcome.json()["totals"]["images"], 3);
    assert!(outcome.says("semver * selected 50001 tags"), "{outcome}");
    // Half of what a run may take with images to copy.
    assert!(outcome.peak < memory_limit() / 2, "{} MiB", outcome.peak >> 20);
    assert!(lists.source.count("GET", "/tags/list") <= 52, "{}", lists.source.count("GET", "/tags/list"));
}

#[tokio::test]
async fn of_each_of_thousands_of_images_little_is_held() {
    let lists = Lists::new();
    let image = images::single();
    let run = lists.run("images: [{source: SOURCE/app, target: TARGET/app, tags: '*'}]");
    let mut peaks = Vec::new();
    for tags in [100, 6_100] {
        for registry in [&lists.source, &lists.target] {
            registry.seed(&image, "app:1.0.0");
            for number in 0..tags {
                registry.set_tag("app", &format!("1.0.{number}"), image.digest());
            }
        }
        let outcome = run.succeeds().await;
        assert_eq!(outcome.json()["totals"]["unchanged"], tags);
        peaks.push(outcome.peak);
    }
    // What is held of each until the end: its two names, its digest, its entry of the report.
    let each = (peaks[1] - peaks[0]) / 6_000;
    assert!(each < 2_560, "{each} bytes each: {peaks:?}");
}

#[tokio::test]
async fn a_dry_run_over_a_list_is_a_plan_with_what_moves_first() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &new, &["1.0", "1.1", "1.2", "edge"]);
    lists.target.seed(&old, "app:1.0");
    lists.target.set_tag("app", "edge", old.digest());
    lists.target.seed(&new, "app:1.2");
    lists.target.seed(&old, "kept:1.0");
    lists.target.set_tag("app", "9.8", old.digest());
    let list = "images:
  - {source: SOURCE/app, target: TARGET/app, tags: ['*', 'bookworm*', '9.8', '9.9'], immutable: '9.9'}
  - {source: 'SOURCE/app:1.0', target: TARGET/kept, on-conflict: keep}
  - {source: SOURCE/app, target: TARGET/other, tags: '8.*'}
";
    let outcome = lists.run(list).input("dry-run", "true").fails_with(1).await;
    let plan = outcome.output("plan");
    let short = |image: &Image| format!("`sha256:{}`", &image.digest()[7..19]);
    let target = lists.target.host();
    for part in [
        "### Plan: 1 to add, 2 to move, 1 unchanged, 1 kept, 1 gone upstream, 1 not at the source, 1 failed".to_owned(),
        format!("> 1 tag that names a version would move: `{target}/app:1.0`\n"),
        "> 1 rule selects no tag: `images.yml:2:5 bookworm*`\n".to_owned(),
        " · 6 tags\n\n- 5 without a suffix, 1 that is no version; from `1.0` to `9.9`\n- `*` selected 4 tags: 1.2, 1.1, 1.0, edge"
            .to_owned(),
        "- 1 unchanged: `1.2`".to_owned(),
        format!("| **`{target}/app:1.0`** | **move** | {} | {} |", short(&old), short(&new)),
        format!("| `{target}/app:edge` | move | {} | {} |", short(&old), short(&new)),
        format!("| `{target}/app:1.1` | add | – | {} |", short(&new)),
        format!("| `{target}/app:9.8` | gone upstream | – | – |"),
        // The target has no such tag either: it may have been misspelt.
        format!("| `{target}/app:9.9` | not at the source | – | – |"),
        format!("| `{target}/kept:1.0` | kept | {} | {} |", short(&old), short(&new)),
        "the nearest are".to_owned(),
        "404 MANIFEST_UNKNOWN".to_owned(),
    ] {
        assert!(plan.contains(&part), "{part}\n{plan}");
    }
    // The plan names a few tags of each rule, the report all.
    let entry = &outcome.json()["entries"][0];
    assert_eq!(
        (&entry["at"], &entry["source"]),
        (&"images.yml:2:5".into(), &lists.source.name("app:*").into()),
        "{entry}"
    );
    let rule = serde_json::json!({"rule": "*", "effect": "selected", "tags": ["1.2", "1.1", "1.0", "edge"]});
    assert_eq!((&entry["rules"][0], &entry["rules"][1]["tags"]), (&rule, &serde_json::json!([])), "{entry}");
    let at = |part: &str| plan.find(part).unwrap_or_else(|| panic!("{part}\n{plan}"));
    assert!(at("app:1.0`") < at("app:edge`") && at("app:edge`") < at("app:1.1`"), "{plan}");
    let moved = format!("MOVE (a version) {target}/app:1.0 {} → {}", old.digest(), new.digest());
    assert!(outcome.says(&moved), "{outcome}");
    assert_eq!(lists.target.writes(), 0, "{}", lists.requests());
    // At a shell it is the data, if it is asked for.
    let shown = lists.run(list).arg("copy").input("dry-run", "true").arg("--output=plan").fails_with(1).await;
    assert_eq!(shown.stdout.trim_end(), plan.trim_end(), "{shown}");
    // What wants to be looked at is told however little is.
    let quiet = lists.run(list).arg("copy").input("dry-run", "true").arg("-q").arg("--output=none").fails_with(1).await;
    assert!(quiet.says(&moved) && !quiet.says("plan: "), "{quiet}");
    // A run that writes has no plan.
    assert!(!lists.run(list).run().await.everything().contains("plan<<"));
}

#[tokio::test]
async fn a_plan_says_of_what_kinds_the_tags_of_an_entry_are_and_how_far_its_rules_reach() {
    let lists = Lists::new();
    let tags = ["1.9.3", "1.9.3-alpine", "1.9.2", "1.9.2-alpine", "1.9", "1.8", "2.0.0-rc.1", "stable"];
    lists.tags("app", &images::single(), &tags);
    let list = "images:
  - {source: SOURCE/app, target: 'TARGET/all:{tag}', tags: '*'}
  - {source: SOURCE/app, target: 'TARGET/one:{tag}', tags: [{semver: '>=1.8', variant: ''}]}
  - {source: SOURCE/app, target: 'TARGET/few:{tag}', tags: [{regex: '\\d+\\.\\d+\\.\\d+', semver: '1.x'}]}
";
    let outcome = lists.run(list).input("dry-run", "true").succeeds().await;
    let plan = outcome.output("plan");
    for part in [
        "· 8 tags\n\n- 4 without a suffix, 2 `-alpine`, 1 pre-release, 1 that is no version; from `1.8` to `2.0.0-rc.1`; 1 cut short, as `1.9`\n",
        "- `*` selected 8 tags: 2.0.0-rc.1, 1.9.3, 1.9.3-alpine, …, stable\n",
        "· 4 tags\n\n- 4 without a suffix; from `1.8` to `1.9.3`; 1 cut short, as `1.9`\n",
        "selected 4 tags: 1.9.3, 1.9.2, 1.9, 1.8\n",
        "· 2 tags\n\n- 2 without a suffix; from `1.9.2` to `1.9.3`\n",
    ] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
}

#[tokio::test]
async fn single_images_share_a_table_and_a_failure_is_told_with_its_reason() {
    let lists = Lists::new();
    let image = images::single();
    let mut list = "images:\n  - {source: SOURCE/app, target: TARGET/app, tags: '1.*'}\n".to_owned();
    lists.tags("app", &image, &["1.0"]);
    for number in 0..30 {
        lists.tags(&format!("single{number}"), &image, &["1"]);
        list += &format!("  - SOURCE/single{number}:1 => TARGET/single{number}\n");
    }
    for number in 0..3 {
        lists.target.seed(&image, &format!("single{number}:1"));
    }
    lists
        .source
        .fault(Fault::on("*", "/single29/", What::error(403, "DENIED", "not for you, @everyone: closes #1")).always());
    let outcome = lists.run(&list).input("dry-run", "true").fails_with(1).await;
    let plan = outcome.output("plan");
    let target = lists.target.host();
    assert_eq!(plan.matches("\n#### ").count(), 2, "{plan}");
    for part in [
        "#### images.yml · 30 single images\n".to_owned(),
        format!("- 3 unchanged: `{target}/single0:1`, `{target}/single1:1`, `{target}/single2:1`\n"),
        // In a comment a registry calls nobody, and closes nothing in a pull request: that is code, to the end of its line.
        "not for you, @everyone: closes #1`\n".to_owned(),
        format!("| `{target}/single29:1` | failed | – | – | – |\n"),
        // Nothing is billed here.
        "| target | change | from | to | bytes |\n".to_owned(),
    ] {
        assert!(plan.contains(&part), "{part}\n{plan}");
    }
}

#[tokio::test]
async fn a_plan_of_thousands_of_changes_fits_into_a_comment_and_keeps_what_moves() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    let tags: Vec<String> = (0..1_500).map(|number| format!("1.{number}-of-the-variant-with-a-long-name")).collect();
    lists.tags("app", &new, &tags.iter().map(String::as_str).collect::<Vec<_>>());
    // The last that is listed.
    lists.target.seed(&old, "app:1.0-of-the-variant-with-a-long-name");
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: '*'}]";
    let outcome = lists.run(list).input("dry-run", "true").succeeds().await;
    let plan = outcome.output("plan");
    assert!(plan.len() <= 60 * 1024 && plan.len() > 50 * 1024, "{}", plan.len());
    assert!(plan.contains("### Plan: 1499 to add, 1 to move"), "{}", &plan[..200]);
    assert!(plan.contains("app:1.0-of-the-variant-with-a-long-name`** | **move** |"), "{plan}");
    // Before all else: a plan that ends in the middle is not taken for a whole one.
    assert!(plan[..400].contains("of 1500 changes have no room here"), "{plan}");
}

#[tokio::test]
async fn a_lock_remembers_each_tag_and_holds_what_may_not_change() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0", "1.1", "edge"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0', '1.1', edge]}]";
    let run = lists.run(list).input("lock", "images.lock");
    let lock = || std::fs::read_to_string(lists.path().join("images.lock")).unwrap();
    let digests = || -> Vec<String> {
        let text = lock();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split('/').next_back().unwrap().rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let line = |tag: &str, image: &Image| format!("app:{tag} {}", image.digest());
    // A plan writes the lock, for whoever reviews it.
    run.clone().input("dry-run", "true").succeeds().await;
    assert_eq!(digests(), [line("1.0", &old), line("1.1", &old), line("edge", &old)]);
    assert_eq!(lists.target.writes(), 0);
    let before = lock();
    let frozen = run.clone().input("frozen", "true");
    assert_eq!(results(&frozen.succeeds().await), ["app:1.0 copied", "app:1.1 copied", "app:edge copied"]);
    assert_eq!(lock(), before);
    // What is at the target as the lock has it costs nothing at the source, although it has moved there.
    lists.tags("app", &new, &["1.1", "1.2"]);
    lists.reset();
    let outcome = frozen.succeeds().await;
    assert_eq!(results(&outcome), ["app:1.0 unchanged", "app:1.1 unchanged", "app:edge unchanged"]);
    // It is the source's own image, by the lock's word: configuration for those who pull is made of it.
    assert_eq!(outcome.json()["images"][1]["source_digest"], old.digest());
    assert_eq!((lists.source.requests(), lists.target.requests()), (0, 3), "{}", lists.requests());
    // What must be copied must be what the lock has, and must be in it.
    let more = list.replace("TARGET/app", "TARGET/again").replace("edge", "'1.2'");
    let outcome = lists.run(&more).input("lock", "images.lock").input("frozen", "true").fails_with(1).await;
    assert_eq!(results(&outcome), ["again:1.0 copied", "again:1.1 failed", "app:1.2 failed"]);
    assert!(outcome.says("not the expected") && outcome.says("is not in the lock file images.lock"), "{outcome}");
    assert_eq!((lists.target.tag("again", "1.1"), lock()), (None, before.clone()));
    // What is advised exists for a list: the lock is where the digest is written.
    assert!(outcome.says("`images.lock` has sha256:") && outcome.says("with a dry run without `frozen`"), "{outcome}");
    assert!(!outcome.says("expected-digest"), "{outcome}");
    let kept = lists.run(&more).input("lock", "images.lock").input("lock-update", "none").fails_with(1).await;
    assert!(kept.says("`images.lock` has sha256:") && kept.says("`lock-update: all`"), "{kept}");
    // Only new lines; then all, without what is no longer in the list.
    let missing = lists.run(&more).input("lock", "images.lock").input("lock-update", "missing");
    missing.fails_with(1).await;
    assert_eq!(digests(), [line("1.0", &old), line("1.1", &old), line("1.2", &new)]);
    lists.run(&more).input("lock", "images.lock").succeeds().await;
    assert_eq!(digests(), [line("1.0", &old), line("1.1", &new), line("1.2", &new)]);
    // Nothing has changed: the file is not touched.
    std::fs::write(lists.path().join("images.lock"), lock().replace("# Written", "# Wrote")).unwrap();
    lists.run(&more).input("lock", "images.lock").succeeds().await;
    assert!(lock().starts_with("# Wrote"));
}

#[tokio::test]
async fn an_immutable_tag_that_is_not_what_its_lock_says_is_asked_for_at_the_source() {
    let lists = Lists::new();
    let (image, other) = (images::single(), images::docker_single());
    lists.tags("app", &image, &["1.0.0"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0.0'], immutable: '*'}]";
    let run = lists.run(list).input("lock", "images.lock");
    run.succeeds().await;
    lists.reset();
    run.succeeds().await;
    assert_eq!(lists.source.requests(), 0, "{}", lists.requests());
    // Somebody has moved it at the target.
    lists.target.seed(&other, "app:1.0.0");
    assert_eq!(results(&run.succeeds().await), ["app:1.0.0 copied"]);
    assert_eq!(lists.target.tag("app", "1.0.0").as_deref(), Some(image.digest()));
}

#[tokio::test]
async fn what_is_locked_or_may_not_move_is_compared_with_what_it_is_to_stay() {
    let lists = Lists::new();
    let (old, new) = (images::single(), images::docker_single());
    lists.tags("app", &old, &["1.0", "edge"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0', edge], immutable: '1.*'}]";
    let run = lists.run(list);
    let locked = run.clone().input("lock", "images.lock");
    locked.succeeds().await;
    let lock = || std::fs::read_to_string(lists.path().join("images.lock")).unwrap();
    let before = lock();
    let verify = |run: &Run| run.clone().input("command", "verify");
    // Both have moved: a copy would leave the one that never does, and with the lock both.
    lists.source.seed(&new, "app:1.0");
    lists.source.seed(&new, "app:edge");
    lists.reset();
    let outcome = verify(&run).fails_with(1).await;
    assert_eq!(results(&outcome), ["app:1.0 verified", "app:edge failed"], "{outcome}");
    assert_eq!(lists.target.count("HEAD", "/app/manifests/1.0"), 1, "{}", lists.requests());
    assert_eq!(results(&verify(&locked).succeeds().await), ["app:1.0 verified", "app:edge verified"]);
    assert_eq!(lock(), before);
    // Of what the source never had nobody says that it came from there.
    lists.target.seed(&images::release(7), "app:1.0");
    let outcome = verify(&run).fails_with(1).await;
    assert!(outcome.says("which the source does not have"), "{outcome}");
    let outcome = verify(&locked).fails_with(1).await;
    assert!(outcome.says(&format!("the lock has {}", old.digest())), "{outcome}");
    lists.target.seed(&old, "app:1.0");
    // What somebody has moved at the target is told, and so is what is missing there.
    lists.target.seed(&new, "app:edge");
    assert_eq!(results(&verify(&locked).fails_with(1).await), ["app:1.0 verified", "app:edge failed"]);
    lists.target.forget_tag("app", "1.0");
    assert_eq!(results(&verify(&run).fails_with(1).await), ["app:1.0 failed", "app:edge verified"]);
}

#[tokio::test]
async fn what_is_locked_and_gone_at_its_source_is_as_it_should_be_where_the_target_has_it() {
    let lists = Lists::new();
    let image = images::single();
    lists.tags("app", &image, &["1.0"]);
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: ['1.0']}]";
    let run = lists.run(list).input("lock", "images.lock");
    run.succeeds().await;
    lists.source.forget_tag("app", "1.0");
    assert!(lists.source.forget("app", image.digest()));
    let outcome = run.clone().input("command", "verify").succeeds().await;
    assert_eq!(results(&outcome), ["app:1.0 verified"]);
    assert!(outcome.says("the source has it no more"), "{outcome}");
    lists.target.seed(&images::docker_single(), "app:1.0");
    assert_eq!(results(&run.input("command", "verify").fails_with(1).await), ["app:1.0 failed"]);
}

#[tokio::test]
async fn what_cannot_be_worked_on_fails_in_one_part_of_a_list() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0", "1.1", "1.2", "1.3"]);
    lists.write("images.lock", "");
    // Without a line in the lock each of the four fails, and so do the three entries that select nothing.
    let list = "images:
  - {source: SOURCE/app, target: TARGET/app, tags: '*'}
  - {source: SOURCE/app, target: TARGET/app, tags: 'a*'}
  - {source: SOURCE/app, target: TARGET/app, tags: 'b*'}
  - {source: SOURCE/app, target: TARGET/app, tags: 'c*'}
";
    let mut all = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let run = lists.run(list).input("lock", "images.lock").input("frozen", "true").input("shard", shard);
        let outcome = run.fails_with(1).await;
        assert!(outcome.says(&format!("the list, part {shard}: ")), "{outcome}");
        all.extend(results(&outcome));
    }
    let whole = lists.run(list).input("lock", "images.lock").input("frozen", "true").fails_with(1).await;
    let mut whole = results(&whole);
    all.sort();
    whole.sort();
    assert_eq!((all.len(), &all), (7, &whole));
    // That tags could not be listed is told by whoever could not: the others may have listed them.
    for shard in ["1/3", "2/3", "3/3"] {
        lists.source.fault(Fault::on("GET", "/tags/list", What::status(403)).always());
        let outcome = lists.run(list).input("shard", shard).fails_with(1).await;
        assert_eq!(results(&outcome).len(), 4, "{outcome}");
        lists.source.clear_faults();
    }
}

#[tokio::test]
async fn locks_that_cannot_be_held_to_are_bad_input() {
    let lists = Lists::new();
    let list = "images: [SOURCE/a => TARGET/a]";
    let run = || lists.run(list);
    for (run, sentence) in [
        (run().input("frozen", "true"), "input `frozen`: needs a lock file"),
        (run().input("frozen", "true").input("lock", "none.lock"), "input `lock`: `none.lock` is not there"),
        (run().input("lock-update", "none"), "input `lock-update`: needs a lock file"),
        (run().input("lock-update", "missing"), "input `lock-update`: needs a lock file"),
        (
            run().input("lock-update", "none").input("lock", "none.lock"),
            "input `lock`: `none.lock` is not there, and this run writes none",
        ),
        (
            run().input("command", "verify").input("lock", "none.lock"),
            "input `lock`: `none.lock` is not there, and this run writes none",
        ),
        (run().input("lock", "../a.lock"), "leads out of the workspace"),
        (run().input("lock", "a.lock").input("lock-update", "some"), "input `lock-update`: `some` is not one of"),
        (
            run().input("lock", "a.lock").input("frozen", "true").input("lock-update", "missing"),
            "input `lock-update`: contradicts `frozen`",
        ),
        (Run::copy("a", "b").input("lock", "a.lock"), "input `lock`: is the lock of a list"),
    ] {
        let outcome = run.fails_with(2).await;
        assert!(outcome.says(sentence), "{sentence}\n{outcome}");
    }
    lists.write("bad.lock", "<<<<<<< HEAD\n");
    let outcome = run().input("lock", "bad.lock").fails_with(2).await;
    assert!(outcome.says("bad.lock:1: this is the mark of a conflict"), "{outcome}");
    assert_eq!(lists.source.requests() + lists.target.requests(), 0);
}

#[tokio::test]
async fn four_parts_are_the_whole_and_no_tag_is_in_two() {
    let lists = Lists::new();
    for number in 0..40 {
        lists.source.seed(&images::release(number), &format!("app:1.{number}"));
    }
    let list = "images: [{source: SOURCE/app, target: [TARGET/a, TARGET/b], tags: '*'}]";
    let whole = lists.run(list).input("dry-run", "true").succeeds().await;
    assert_eq!(whole.output("matrix"), r#"{"include":[{"shard":"1/1"}]}"#);
    let mut all = Vec::new();
    let mut bytes = Vec::new();
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        let run = lists.run(list).input("shard", shard);
        let planned = run.clone().input("dry-run", "true").succeeds().await;
        bytes.push(planned.json()["totals"]["bytes"].as_u64().unwrap());
        let outcome = run.succeeds().await;
        let results = results(&outcome);
        assert_eq!(results.len(), 20, "{outcome}");
        // A part that was begun before is repeated without harm.
        lists.reset();
        run.succeeds().await;
        assert_eq!(lists.target.writes(), 0, "{}", lists.requests());
        all.extend(results);
    }
    all.sort();
    let mut expected: Vec<String> =
        (0..40).flat_map(|number| [format!("a:1.{number} copied"), format!("b:1.{number} copied")]).collect();
    expected.sort();
    assert_eq!(all, expected);
    // What is already there of the layers that all share is not sent again: the first part brings it.
    let (least, most) = (bytes[1..].iter().min().unwrap(), bytes[1..].iter().max().unwrap());
    assert!(most * 10 <= least * 11, "{bytes:?}");
    let outcome = lists.run(list).input("shard", "5/4").fails_with(2).await;
    assert!(outcome.says("input `shard`: `5/4` is not `I/N`"), "{outcome}");
}

#[tokio::test]
async fn an_unchanged_list_costs_one_head_a_tag_a_side_and_none_at_the_source_where_tags_are_locked() {
    let lists = Lists::new();
    let mut list = "images:\n".to_owned();
    for entry in 0..10 {
        let tags: Vec<String> = (0..12).map(|number| format!("1.{number}.0")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        lists.tags(&format!("app{entry}"), &images::release(entry), &tags);
        list +=
            &format!("  - {{source: SOURCE/app{entry}, target: TARGET/app{entry}, tags: ['1.*'], immutable: '*'}}\n");
    }
    let moving = list.replace(", immutable: '*'", "");
    lists.run(&moving).input("lock", "images.lock").succeeds().await;
    lists.reset();
    let outcome = lists.run(&moving).succeeds().await;
    assert_eq!(outcome.json()["totals"]["unchanged"], 120, "{outcome}");
    let counts = |registry: &Registry| ["HEAD", "GET"].map(|method| registry.count(method, "/manifests/"));
    assert_eq!((counts(&lists.source), lists.source.count("GET", "/tags/list")), ([120, 0], 10));
    assert_eq!((counts(&lists.target), lists.target.writes()), ([120, 0], 0));
    lists.reset();
    // As a workflow gives them: the action's default stands beside `frozen`.
    let run = lists.run(&list).input("lock", "images.lock").input("frozen", "true").input("lock-update", "all");
    let outcome = run.succeeds().await;
    assert_eq!(outcome.json()["totals"]["unchanged"], 120, "{outcome}");
    assert_eq!((counts(&lists.source), lists.source.requests()), ([0, 0], 10), "{}", lists.requests());
    assert_eq!((counts(&lists.target), lists.target.writes()), ([120, 0], 0));
}

#[tokio::test]
async fn a_time_limit_ends_the_listing_of_tags_too() {
    let lists = Lists::new();
    lists.tags("app", &images::single(), &["1.0"]);
    lists.source.fault(Fault::on("GET", "/v2/app/tags/list", What::StallBodyAfter(0)).always());
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: '*'}]";
    let run = lists.run(list).input("time-limit", "1s").input("patience", "2m");
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("nothing was written: `time-limit` was over before the tags"), "{outcome}");
    assert_eq!(lists.target.writes(), 0);
}

#[tokio::test]
async fn a_part_that_is_killed_leaves_nothing_half_and_is_repeated_without_harm() {
    let lists = Lists::new();
    for number in 0..20 {
        lists.source.seed(&images::release(number), &format!("app:1.{number}"));
    }
    let list = "images: [{source: SOURCE/app, target: TARGET/app, tags: '*'}]";
    let run = lists.run(list).input("shard", "1/2").input("concurrency", "1");
    let planned = run.clone().input("dry-run", "true").succeeds().await;
    let fourth = results(&planned)[3].split(' ').next().unwrap().replace(':', "/manifests/");
    lists.target.fault(Fault::on("PUT", format!("/v2/{fourth}"), What::Delay(60_000)).always());
    let killed = run.spawn();
    while lists.target.tags("app").len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    killed.signal("KILL");
    killed.finish().await;
    lists.target.everything_visible_is_whole().unwrap();
    lists.target.clear_faults();
    let outcome = run.succeeds().await;
    let totals = &outcome.json()["totals"];
    assert_eq!((totals["images"].as_u64(), totals["unchanged"].as_u64()), (Some(10), Some(3)), "{outcome}");
    lists.run(list).input("shard", "2/2").succeeds().await;
    lists.target.everything_visible_is_whole().unwrap();
    assert_eq!(lists.target.tags("app"), lists.source.tags("app"));
}

/// Twelve images of one manifest each at a source that bills its GETs and has ten left.
fn twelve() -> (Lists, Vec<String>) {
    let lists = Lists::new();
    for number in 0..12 {
        lists.source.seed(&images::release(number), &format!("app:1.{number}"));
    }
    lists.source.switch(|switches| switches.pulls_left = Some(10));
    let line = |number: u64| format!("SOURCE/app:1.{number} => TARGET/app");
    (lists, (0..12).map(line).collect())
}

/// The manifests that the source gave.
fn pulls(lists: &Lists) -> usize {
    lists
        .source
        .log()
        .iter()
        .filter(|it| it.method == "GET" && it.path.contains("/manifests/") && it.status == 200)
        .count()
}

#[tokio::test]
async fn a_budget_of_ten_pulls_copies_the_first_ten_images_and_the_next_run_goes_on_there() {
    for budget in ["auto", "10"] {
        let (lists, lines) = twelve();
        let list = format!("images: [{}]", lines.join(", "));
        let run = lists.run(&list).input("pull-budget", budget);
        let outcome = run.succeeds().await;
        let expected = |at: u64| format!("app:1.{at} {}", if at < 10 { "copied" } else { "deferred" });
        assert_eq!(results(&outcome), (0..12).map(expected).collect::<Vec<_>>(), "{outcome}");
        assert_eq!((pulls(&lists), lists.source.statuses(429)), (10, 0), "{}", lists.requests());
        assert_eq!(outcome.json()["totals"]["pulls_billed"], 10);
        let name = |at: u64| {
            let name = format!("app:1.{at}");
            format!("{} => {}", lists.source.name(&name), lists.target.name(&name))
        };
        assert_eq!(outcome.output("next"), [name(10), name(11)].join("\n"));
        // Nothing is left: what is there is known to be, and what is not costs no pull.
        lists.reset();
        lists.source.switch(|switches| switches.pulls_left = Some(0));
        let none = run.clone().input("pull-budget", "auto").input("on-budget", "fail").fails_with(1).await;
        assert_eq!(results(&none)[9..], ["app:1.9 unchanged", "app:1.10 deferred", "app:1.11 deferred"], "{none}");
        assert_eq!((pulls(&lists), lists.source.statuses(429)), (0, 0), "{}", lists.requests());
        lists.source.switch(|switches| switches.pulls_left = Some(10));
        let outcome = run.succeeds().await;
        assert_eq!(results(&outcome)[9..], ["app:1.9 unchanged", "app:1.10 copied", "app:1.11 copied"], "{outcome}");
        assert_eq!(pulls(&lists), 2);
    }
}

#[tokio::test]
async fn an_image_is_begun_when_the_budget_reaches_for_all_of_it_and_none_passes_one_that_stands_before_it() {
    let lists = Lists::new();
    for tag in ["a", "b", "c"] {
        lists.source.seed(&images::three_platforms(), &format!("{tag}/app:1"));
    }
    lists.source.seed(&images::release(1), "small:1");
    lists.source.switch(|switches| switches.pulls_left = Some(10));
    let list =
        "images: [SOURCE/a/app:1 => TARGET/a/app, {source: SOURCE/b/app:1, target: [TARGET/b/app, TARGET/twice]},
        SOURCE/c/app:1 => TARGET/c/app, SOURCE/small:1 => TARGET/small]";
    let run = lists.run(list).input("pull-budget", "auto");
    let outcome = run.succeeds().await;
    let expected = ["a/app:1 copied", "b/app:1 copied", "twice:1 deferred", "c/app:1 deferred", "small:1 deferred"];
    assert_eq!(results(&outcome), expected, "{outcome}");
    assert!(pulls(&lists) <= 10 && lists.source.statuses(429) == 0, "{}", lists.requests());
    assert!(outcome.says("the budget of pulls has 1 left, and this needs 3"), "{outcome}");
    // One that needs more than there will ever be keeps no other from being copied.
    lists.source.switch(|switches| switches.pulls_left = Some(100));
    let outcome = run.input("pull-budget", "3").succeeds().await;
    assert_eq!(results(&outcome)[2..], ["twice:1 deferred", "c/app:1 deferred", "small:1 copied"], "{outcome}");
}

#[tokio::test]
async fn pulls_that_come_back_are_waited_for_on_demand() {
    let (lists, lines) = twelve();
    let list = format!("images: [{}]", lines.join(", "));
    let run = lists.run(&list).input("pull-budget", "auto").input("on-budget", "wait").input("patience", "5s");
    let refill = async {
        while pulls(&lists) < 10 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        lists.source.switch(|switches| switches.pulls_left = Some(10));
    };
    let (outcome, ()) = tokio::join!(run.succeeds(), refill);
    assert!(results(&outcome).iter().all(|result| result.ends_with(" copied")), "{outcome}");
    assert_eq!((pulls(&lists), lists.source.statuses(429)), (12, 0), "{}", lists.requests());
    let outcome = run.input("pull-budget", "10").fails_with(2).await;
    assert!(outcome.says("input `on-budget`: is `wait`"), "{outcome}");
}

#[tokio::test]
async fn pulls_that_somebody_else_of_the_address_takes_leave_images_for_another_run_and_fail_none() {
    let one_by_one = |lists: &Lists, lines: &[String]| {
        lists.run(&format!("images: [{}]", lines.join(", "))).input("concurrency", "1")
    };
    let expected = |copied: u64| {
        let of = |at: u64| format!("app:1.{at} {}", if at < copied { "copied" } else { "deferred" });
        (0..12).map(of).collect::<Vec<_>>()
    };
    for budget in ["auto", "10"] {
        let (lists, lines) = twelve();
        lists.source.switch(|switches| switches.pulls_of_others = 1);
        let outcome = one_by_one(&lists, &lines).input("pull-budget", budget).succeeds().await;
        assert_eq!(results(&outcome), expected(5), "{outcome}");
        assert_eq!((pulls(&lists), lists.source.statuses(429)), (5, 0), "{}", lists.requests());
    }
    // All at once, so that no answer says so before the refusal; then nothing more is asked for.
    let (lists, lines) = twelve();
    lists.source.switch(|switches| switches.pulls_left = Some(100));
    let run = one_by_one(&lists, &lines);
    let budgeted = run.clone().input("pull-budget", "auto");
    let third = format!("/v2/app/manifests/{}", images::release(3).digest());
    lists.source.fault(Fault::on("GET", &third, What::docker_hub_quota()).always());
    let outcome = budgeted.succeeds().await;
    assert_eq!(results(&outcome), expected(3), "{outcome}");
    assert_eq!((pulls(&lists), lists.source.statuses(429)), (3, 1), "{}", lists.requests());
    assert!(outcome.says("says: You have reached your unauthenticated pull rate limit"), "{outcome}");
    assert_eq!(outcome.output("next").lines().count(), 9);
    // Who minds no budget is told of the failure.
    let outcome = run.fails_with(1).await;
    assert_eq!(results(&outcome)[3], "app:1.3 failed", "{outcome}");
    // What is given back is waited for on demand.
    lists.source.clear_faults();
    lists.source.fault(Fault::on("GET", &third, What::docker_hub_quota()));
    let waits = budgeted.input("on-budget", "wait").input("patience", "1s");
    assert_eq!(results(&waits.succeeds().await)[3], "app:1.3 copied");
}

/// Each is more than there is room for beside another, so each is begun twice, and what it read before is billed twice.
#[tokio::test]
async fn images_without_room_for_their_manifests_wait_for_it_before_they_spend_pulls() {
    let lists = Lists::new();
    for (name, numbers) in [("a", 0..120), ("b", 200..320)] {
        lists.source.seed(&images::large_manifests(numbers, 130 * 1024), &format!("{name}/app:1"));
    }
    lists.source.switch(|switches| switches.pulls_left = Some(10_000));
    let list = "images: [SOURCE/a/app:1 => TARGET/a/app, SOURCE/b/app:1 => TARGET/b/app]";
    // What both need, and the roots by which it showed that there is room for one after the other.
    let run = lists.run(list).input("pull-budget", "244").input("attachments", "none");
    let outcome = run.succeeds().await;
    assert_eq!(outcome.json()["totals"]["copied"], 2, "{outcome}");
    assert_eq!(pulls(&lists), 2 * (1 + 1 + 120), "{outcome}");
    lists.target.everything_visible_is_whole().unwrap();
}

#[tokio::test]
async fn a_registry_that_refuses_to_be_asked_when_its_pulls_are_used_up_leaves_the_image_too() {
    for head in [
        What::status(429).header("ratelimit-limit", "100;w=21600").header("ratelimit-remaining", "0;w=21600"),
        What::status(429),
    ] {
        let (lists, lines) = twelve();
        lists.source.fault(Fault::on("HEAD", "/v2/app/manifests/", head).always());
        lists.source.fault(Fault::on("GET", "/v2/app/manifests/", What::docker_hub_quota()).always());
        // One: where several wait in vain, the host is given up, and nothing is left to ask it.
        let run = lists.run(&format!("images: [{}]", lines[0])).input("patience", "1s");
        let outcome = run.input("pull-budget", "auto").succeeds().await;
        assert_eq!(results(&outcome), ["app:1.0 deferred"], "{outcome}");
        assert_eq!(lists.target.writes(), 0);
    }
}

#[tokio::test]
async fn what_a_time_limit_leaves_is_deferred_and_the_next_run_goes_on_there() {
    let lists = Lists::new();
    let image = images::single();
    lists.tags("fast", &image, &["1.0"]);
    lists.tags("slow", &images::release(7), &["1.0", "1.1"]);
    // It answers, and nothing of the answer comes.
    let stalls = || Fault::on("GET", "/v2/slow/blobs/", What::StallBodyAfter(0)).always();
    lists.source.fault(stalls());
    let list = "images: [SOURCE/fast:1.0 => TARGET/fast, {source: SOURCE/slow, target: TARGET/slow, tags: '*'}]";
    let run = lists.run(list).input("time-limit", "8s").input("patience", "2m");
    let outcome = run.succeeds().await;
    assert_eq!(results(&outcome), ["fast:1.0 copied", "slow:1.1 deferred", "slow:1.0 deferred"], "{outcome}");
    let next: Vec<String> = ["1.1", "1.0"]
        .map(|tag| {
            format!("{} => {}", lists.source.name(&format!("slow:{tag}")), lists.target.name(&format!("slow:{tag}")))
        })
        .to_vec();
    assert_eq!(outcome.output("next"), next.join("\n"));
    assert_eq!(lists.target.tags("slow"), Vec::<String>::new());
    let outcome = run.clone().input("time-limit", "1s").input("on-budget", "fail").fails_with(1).await;
    assert!(outcome.says(" deferred"), "{outcome}");
    let why = "`time-limit` was over before all was done: the rest is left for another run";
    assert!(outcome.says(&format!("{why}, and `on-budget` is `fail`")), "{outcome}");
    assert!(outcome.summary.contains(why), "{}", outcome.summary);
    lists.source.clear_faults();
    let outcome = run.succeeds().await;
    assert_eq!(results(&outcome), ["fast:1.0 unchanged", "slow:1.1 copied", "slow:1.0 copied"]);
}
