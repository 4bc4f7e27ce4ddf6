//! Prune: what a list selects no more is planned, and deleted if nothing has moved; nothing that a tag that stays reaches is
//! ever deleted, and nothing at all where something could not be read.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::github::{Instead, Rights, documented_calls};
use crate::support::images::{self, Image};
use crate::support::real;
use crate::support::{Deletes, Fault, GitHub, Hook, Moment, Outcome, Registry, Run, What};

const PLAN: &str = "mirror-image-prune.txt";

/// A source and a target that deletes, and a workspace.
struct Mirror {
    source: Registry,
    target: Registry,
    workspace: TempDir,
}

impl Mirror {
    fn new() -> Self {
        let mirror =
            Self { source: Registry::start(), target: Registry::start(), workspace: tempfile::tempdir().unwrap() };
        mirror.target.switch(|switches| switches.deletes = Deletes::Tags);
        mirror
    }

    /// With three releases at the source, `1.0` to `1.2`, all of them mirrored; the list then selects `1.2` alone.
    fn shrunk() -> Self {
        let mirror = Self::new();
        for number in 0..3 {
            mirror.source.seed(&images::release(number), &format!("app:1.{number}"));
            mirror.target.seed(&images::release(number), &format!("m/app:1.{number}"));
        }
        mirror.list("[1.2]");
        mirror
    }

    fn path(&self) -> &Path {
        self.workspace.path()
    }

    /// Writes the list: these tags of `app`, below `m`.
    fn list(&self, tags: &str) {
        let (source, target) = (self.source.host(), self.target.host());
        let text = format!("images:\n- {{source: {source}/app, target: {target}/m/app, tags: {tags}}}\n");
        self.write("images.yml", &text);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn run(&self, prune: &str) -> Run {
        let workspace = self.path().display().to_string();
        Run::new().input("config", "images.yml").env("GITHUB_WORKSPACE", &workspace).input("prune", prune)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path().join(PLAN)).unwrap_or_default()
    }

    async fn plan(&self) -> Outcome {
        self.run("plan").succeeds().await
    }

    /// Refused for this reason, and nothing was deleted.
    async fn refuses(&self, run: &Run, reason: &str) -> Outcome {
        self.target.reset();
        let outcome = run.fails_with(1).await;
        assert!(outcome.says(reason), "{reason}\n{outcome}");
        self.deleted_nothing(&outcome);
        outcome
    }

    fn deleted_nothing(&self, outcome: &Outcome) {
        assert_eq!(self.target.count("DELETE", ""), 0, "{}\n{outcome}", self.target.lines());
    }
}

/// What became of each tag, as `json` has it.
fn tags(outcome: &Outcome) -> Vec<String> {
    let json = outcome.json();
    let tags = json["prune"]["tags"].as_array().unwrap_or_else(|| panic!("no tags\n{outcome}"));
    tags.iter().map(|tag| format!("{} {}", tag["tag"].as_str().unwrap(), tag["result"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_a_list_selects_no_more_is_planned_and_then_deleted() {
    let mirror = Mirror::shrunk();
    let planned = mirror.plan().await;
    mirror.deleted_nothing(&planned);
    assert_eq!(tags(&planned), ["1.0 would-delete", "1.1 would-delete"], "{planned}");
    assert_eq!((planned.output("prune"), planned.output("changed")), ("2", "false"));
    let text = mirror.text();
    let name = mirror.target.name("m/app");
    let line = |number: u64| format!("  delete 1.{number} {}\n", images::release(number).digest());
    assert!(text.contains(&format!("\n{name}\n{}{}", line(0), line(1))), "{text}");
    assert!(text.contains("# 2 tags with 2 manifests.\nstate sha256:"), "{text}");
    // The same state, the same plan.
    mirror.plan().await;
    assert_eq!(mirror.text(), text);
    for said in ["prune: 2 tags would be deleted with 2 manifests", &format!("would-delete {name}:1.0 sha256:")] {
        assert!(planned.says(said), "{said}\n{planned}");
    }
    assert!(
        planned.summary.contains(&format!("| `{name}:1.0` | would be deleted | <code>sha256:")),
        "{}",
        planned.summary
    );

    let dry = mirror.run("apply").input("dry-run", "true").succeeds().await;
    mirror.deleted_nothing(&dry);
    assert_eq!(tags(&dry), ["1.0 would-delete", "1.1 would-delete"]);

    let applied = mirror.run("apply").succeeds().await;
    assert_eq!(tags(&applied), ["1.0 deleted", "1.1 deleted"], "{applied}");
    assert_eq!(mirror.target.tags("m/app"), ["1.2"]);
    assert_eq!(mirror.target.manifests("m/app"), [images::release(2).digest()]);
    assert_eq!((applied.output("prune"), applied.output("changed")), ("2", "true"));
    assert!(applied.says("prune: 2 tags deleted with 2 manifests"), "{applied}");
    assert!(applied.summary.contains(&format!("| `{name}:1.0` | deleted | <code>sha256:")), "{}", applied.summary);
    mirror.target.is_whole("m/app", "1.2").unwrap();
    // What was done cannot be done twice, and that is said once.
    let spent = format!("the plan in `{PLAN}` is spent: of its 2 tags none is to be deleted any more");
    let outcome = mirror.refuses(&mirror.run("apply"), &spent).await;
    assert_eq!(outcome.log.matches(&spent).count(), 1, "{outcome}");
    for outcome in [&planned, &dry, &applied, &outcome] {
        assert!(!outcome.summary.contains("\n\n\n"), "{}", outcome.summary);
    }
}

#[tokio::test]
async fn the_plan_of_another_list_is_said_to_be_one() {
    let mirror = Mirror::shrunk();
    mirror.plan().await;
    for number in 0..3 {
        mirror.target.seed(&images::release(number), &format!("other/app:1.{number}"));
    }
    let (source, target) = (mirror.source.host(), mirror.target.host());
    mirror.write(
        "images.yml",
        &format!("images:\n- {{source: {source}/app, target: {target}/other/app, tags: [1.2]}}\n"),
    );
    let said =
        format!("the plan in `{PLAN}` is of another list: of its 1 repository this list writes to none; plan anew");
    mirror.refuses(&mirror.run("apply"), &said).await;
}

#[tokio::test]
async fn what_is_to_be_kept_and_is_not_there_is_said() {
    let mirror = Mirror::shrunk();
    let keep = format!("1.0\n9.*\n{}:1.2", mirror.target.name("m/app"));
    let outcome = mirror.run("plan").input("prune-keep", &keep).succeeds().await;
    assert_eq!(tags(&outcome), ["1.1 would-delete", "1.0 kept"], "{outcome}");
    let said = "`prune-keep`: `9.*` has no tag of what the list writes to";
    assert!(outcome.says(said) && outcome.summary.contains("has no tag of what the list writes to"), "{outcome}");
    assert_eq!(outcome.log.matches("`prune-keep`: ").count(), 1, "{outcome}");
    // Of what could not be read it is not known.
    mirror.target.fault(Fault::on("GET", "/tags/list", What::error(403, "DENIED", "no")).always());
    let outcome = mirror.run("plan").input("prune-keep", &keep).run().await;
    assert!(!outcome.says("has no tag of what the list writes to"), "{outcome}");
}

#[tokio::test]
async fn off_costs_nothing_and_a_list_that_selects_everything_costs_a_listing() {
    let mirror = Mirror::shrunk();
    mirror.run("off").succeeds().await;
    assert_eq!(mirror.target.requests(), 1, "{}", mirror.target.lines());
    mirror.list("[1.0, 1.1, 1.2]");
    mirror.target.reset();
    let planned = mirror.plan().await;
    assert_eq!(
        (mirror.target.requests(), mirror.target.count("GET", "/tags/list")),
        (4, 1),
        "{}",
        mirror.target.lines()
    );
    assert_eq!((planned.output("prune"), mirror.run("apply").succeeds().await.output("prune")), ("0", "0"));
}

#[tokio::test]
async fn parts_and_attachments_that_something_else_needs_stay_and_the_others_go() {
    let mirror = Mirror::new();
    let (old, new) = (images::three_platforms(), images::three_platforms_updated());
    let nested = images::nested_index();
    mirror.source.seed(&new, "app:2");
    mirror.target.seed(&new, "m/app:2");
    // `1` goes; the index in `all`, which nobody selected, has it as a part.
    mirror.target.seed(&old, "m/app:1");
    mirror.target.seed(&nested, "m/app:all");
    mirror.target.seed(&images::docker_list(), "m/app:0");
    mirror.target.seed(&images::docker_list(), "m/app:0-again");
    let attach = |image: &Image, kind: &str| {
        let referrer = images::referrer_of(image, kind);
        mirror.target.seed(&referrer, "m/app");
        mirror.target.seed(&referrer, &format!("m/app:{}.sig", image.digest().replace(':', "-")));
        referrer.digest().to_owned()
    };
    let stays = [attach(&new, "application/vnd.example.new"), attach(&old, "application/vnd.example.old")];
    let goes = attach(&images::docker_list(), "application/vnd.example.zero");
    mirror.target.switch(|switches| switches.referrers = Some(100));
    mirror.list("[\"2\"]");
    mirror.write("more.yml", "");
    let run = |prune| mirror.run(prune).input("prune-keep", "all");
    let planned = run("plan").succeeds().await;
    let fates = ["0 would-delete", "0-again would-delete", "1 would-delete", "all kept"];
    assert_eq!(tags(&planned), fates, "{planned}");
    let before = mirror.target.manifests("m/app");
    run("apply").succeeds().await;
    let after = mirror.target.manifests("m/app");
    let gone: Vec<&String> = before.iter().filter(|digest| !after.contains(digest)).collect();
    let mut expected: Vec<String> = images::docker_list().manifests.iter().map(|m| m.digest.clone()).collect();
    expected.push(goes);
    expected.sort();
    assert_eq!(gone, expected.iter().collect::<Vec<_>>());
    assert!(stays.iter().all(|digest| after.contains(digest)));
    // `1` went alone: its image is a part of what stays.
    let sig = |image: &Image| format!("{}.sig", image.digest().replace(':', "-"));
    let mut left = vec!["2".to_owned(), "all".to_owned(), sig(&new), sig(&old)];
    left.sort();
    assert_eq!(mirror.target.tags("m/app"), left);
    mirror.target.everything_visible_is_whole().unwrap();
}

#[tokio::test]
async fn what_the_list_names_by_digest_keeps_its_parts_though_no_tag_reaches_them() {
    let mirror = Mirror::new();
    let (part, whole, new) = (images::three_platforms(), images::nested_index(), images::release(2));
    mirror.source.seed(&new, "app:2");
    mirror.source.seed(&whole, "app");
    mirror.target.seed(&part, "m/app:1");
    mirror.target.seed(&images::release(1), "m/app:0");
    let (source, target) = (mirror.source.host(), mirror.target.host());
    let line = |source_tag: &str| format!("- \"{source}/app{source_tag} => {target}/m/app\"\n");
    mirror.write("images.yml", &format!("images:\n{}{}", line(":2"), line(&format!("@{}", whole.digest()))));
    let planned = mirror.plan().await;
    assert!(mirror.text().contains(&format!("  delete 1 {}, the tag alone", part.digest())), "{}", mirror.text());
    assert_eq!(tags(&planned), ["0 would-delete", "1 would-delete"], "{planned}");
    mirror.run("apply").succeeds().await;
    assert_eq!(mirror.target.tags("m/app"), ["2"]);
    mirror.target.is_whole("m/app", whole.digest()).unwrap();
    assert!(!mirror.target.manifests("m/app").contains(&images::release(1).digest().to_owned()));
}

#[tokio::test]
async fn a_state_that_has_moved_is_refused_whatever_has_moved() {
    let (other, name) = (images::single(), "m/app");
    let moves: [(&str, &dyn Fn(&Mirror)); 6] = [
        ("new: `", &|mirror| mirror.target.seed(&other, "m/app:1.1")),
        ("new: `", &|mirror| mirror.target.seed(&other, "m/app:1.0-other")),
        ("no longer so: `", &|mirror| drop(mirror.target.forget_tag(name, "1.0"))),
        // The list selects it again.
        ("delete 1.1 sha256:", &|mirror| mirror.list("[1.2, 1.1]")),
        // A part has gained a signature.
        ("new: `", &|mirror| {
            let image = images::release(0);
            let tag = image.digest().replace(':', "-");
            mirror.target.seed(&images::referrer_of(&image, "a/b"), &format!("m/app:{tag}.sig"));
        }),
        ("which the list selects, was sha256:", &|mirror| {
            mirror.target.set_tag(name, "1.2", images::release(0).digest());
        }),
    ];
    for (number, (reason, change)) in moves.iter().enumerate() {
        let mirror = Mirror::shrunk();
        mirror.plan().await;
        change(&mirror);
        let outcome = mirror.refuses(&mirror.run("apply"), reason).await;
        assert!(outcome.says("nothing was deleted"), "{number}\n{outcome}");
        assert!(tags(&outcome).iter().all(|tag| !tag.ends_with(" deleted")), "{number}\n{outcome}");
    }
}

#[tokio::test]
async fn an_edited_plan_is_refused_and_one_with_other_line_ends_is_not() {
    let mirror = Mirror::shrunk();
    mirror.plan().await;
    let text = mirror.text();
    let without = text.lines().filter(|line| !line.contains("delete 1.0 ")).collect::<Vec<_>>().join("\n");
    mirror.write(PLAN, &without);
    mirror.refuses(&mirror.run("apply"), "new: `").await;
    mirror.write(PLAN, &text.replace("state sha256:", "state sha256:0"));
    mirror.refuses(&mirror.run("apply"), "the file was edited").await;
    mirror.write(PLAN, &text.replace('\n', "\r\n"));
    mirror.run("apply").succeeds().await;
    assert_eq!(mirror.target.tags("m/app"), ["1.2"]);
}

#[tokio::test]
async fn a_plan_beyond_the_limit_is_refused_as_a_whole() {
    let mirror = Mirror::shrunk();
    let planned = mirror.run("plan").input("prune-limit", "1").succeeds().await;
    assert!(planned.says("the plan has 2 tags and `prune-limit` allows 1"), "{planned}");
    mirror
        .refuses(&mirror.run("apply").input("prune-limit", "1"), "`prune-limit` allows 1; if all are meant, raise it")
        .await;
    mirror.run("apply").input("prune-limit", "2").succeeds().await;
}

#[tokio::test]
async fn a_run_in_which_something_failed_prunes_nothing() {
    let mirror = Mirror::shrunk();
    mirror.plan().await;
    let plan = mirror.text();
    for (prune, fault) in [
        ("apply", Fault::on("*", "/manifests/1.2", What::status(503)).always()),
        ("plan", Fault::on("*", "/manifests/1.2", What::status(503)).always()),
    ] {
        mirror.source.fault(fault);
        mirror
            .refuses(&mirror.run(prune).input("patience", "1s"), "what the list stands for is not known for sure")
            .await;
        mirror.source.clear_faults();
    }
    mirror.list("\"1.2*\"");
    let broken = [
        Fault::on("GET", "/tags/list", What::status(500)).always(),
        Fault::on("GET", "/tags/list", What::error(404, "NAME_UNKNOWN", "gone")).always(),
    ];
    for fault in broken {
        mirror.source.fault(fault);
        mirror.refuses(&mirror.run("apply").input("patience", "1s"), "an entry of the list has failed").await;
        mirror.source.clear_faults();
    }
    // What is left for another run counts as unknown too.
    let late = mirror.run("apply").input("time-limit", "1s");
    mirror.source.fault(Fault::on("*", "/manifests/", What::Delay(3_000)).always());
    mirror.refuses(&late, "left for another run").await;
    assert_eq!(mirror.text(), plan);
}

#[tokio::test]
async fn answers_that_cannot_be_believed_never_lead_to_a_deletion() {
    let hole = |digest: &str| What::error(404, "MANIFEST_UNKNOWN", digest);
    let old = images::three_platforms();
    let cases = [
        ("the listing breaks off", Fault::on("GET", "last=", What::status(500)).always(), "GET tags"),
        (
            "the listing is cut short",
            Fault::on("GET", "/tags/list", What::Header("link", None)).always(),
            "does not list it",
        ),
        ("referrers fail", Fault::on("GET", "/referrers/", What::status(500)).always(), "GET referrers"),
        ("a digest is another", Fault::on("GET", "/manifests/1", What::WrongBytes(40)).always(), "the digest is"),
        ("a header lies", Fault::on("GET", "/manifests/1", What::wrong_digest_header()).always(), "the digest is"),
        ("a tag names nothing", Fault::on("GET", "/manifests/1", hole("1")).always(), "404"),
        ("a manifest cannot be read", Fault::on("GET", old.child("linux/amd64"), What::status(403)).always(), "403"),
        (
            "a listing has what is no tag",
            Fault::on(
                "GET",
                "/tags/list",
                What::Status {
                    status: 200,
                    headers: vec![("content-type".into(), "application/json".into())],
                    body: r#"{"tags":["1","2","../../x"]}"#.into(),
                },
            )
            .always(),
            "is no tag",
        ),
    ];
    for (name, fault, reason) in cases {
        let mirror = Mirror::new();
        mirror.target.switch(|switches| (switches.referrers, switches.tag_page) = (Some(100), 1));
        mirror.source.seed(&images::release(2), "app:2");
        mirror.target.seed(&images::release(2), "m/app:2");
        mirror.target.seed(&old, "m/app:1");
        mirror.list("[\"2\"]");
        mirror.plan().await;
        mirror.target.fault(fault);
        mirror.refuses(&mirror.run("apply").input("patience", "1s"), reason).await;
        // What could not be read is left alone, and said; that is no failure of a plan.
        let run = |prune| mirror.run(prune).input("patience", "1s");
        let planned = run("plan").succeeds().await;
        assert!(planned.says("is left alone") && planned.says(reason), "{name}\n{planned}");
        assert_eq!(planned.output("prune"), "0", "{name}");
        assert!(mirror.text().contains("is left alone: it could not be read as a whole"), "{name}\n{}", mirror.text());
        let applied = run("apply").succeeds().await;
        mirror.deleted_nothing(&applied);
    }
}

#[tokio::test]
async fn a_tag_that_moves_while_the_run_deletes_stops_it() {
    let mirror = Mirror::shrunk();
    mirror.plan().await;
    // What the last look before the deletion finds.
    let moves = What::TagMovesTo(images::release(0).digest().to_owned());
    mirror.target.fault(Fault::on("GET", "/manifests/1.2", moves));
    let outcome = mirror.run("apply").fails_with(1).await;
    mirror.deleted_nothing(&outcome);
    assert!(outcome.says("has moved while this run was under way"), "{outcome}");
    assert_eq!(tags(&outcome), ["1.0 failed", "1.1 failed"]);
}

#[tokio::test]
async fn a_tag_that_moves_while_others_are_deleted_is_left_as_it_is() {
    for (how, moved) in [(Deletes::Tags, &["1.2-again"][..]), (Deletes::TagsFirst, &["1.0", "1.1"])] {
        let mirror = Mirror::shrunk();
        let other = images::single();
        mirror.target.switch(|switches| switches.deletes = how);
        mirror.target.seed(&other, "m/app");
        mirror.target.set_tag("m/app", "1.2-again", images::release(2).digest());
        mirror.plan().await;
        let target = Arc::new(mirror.target);
        let (weak, digest) = (Arc::downgrade(&target), other.digest().to_owned());
        let hook = Hook::new(move || {
            for tag in moved {
                weak.upgrade().unwrap().set_tag("m/app", tag, &digest);
            }
        });
        target.fault(Fault::on("DELETE", "/manifests/sha256:", What::Then(Moment::Done, hook)));
        let workspace = mirror.workspace.path().display().to_string();
        let run = Run::new().input("config", "images.yml").env("GITHUB_WORKSPACE", &workspace);
        let outcome = run.input("prune", "apply").fails_with(1).await;
        assert!(outcome.says("has moved while this run deleted others: it was left as it is"), "{outcome}");
        for tag in moved {
            assert_eq!(target.tag("m/app", tag).as_deref(), Some(other.digest()), "{tag}\n{outcome}");
        }
        target.is_whole("m/app", "1.2").unwrap();
    }
}

#[tokio::test]
async fn a_run_that_is_to_end_puts_back_first_what_a_registry_took_with_a_tag() {
    let mirror = Mirror::shrunk();
    mirror.target.switch(|switches| switches.deletes = Deletes::TagsWithImages);
    mirror.target.set_tag("m/app", "1.2-again", images::release(2).digest());
    mirror.plan().await;
    let process = Arc::new(OnceLock::<Option<u32>>::new());
    let victim = Arc::clone(&process);
    let hook = Hook::new(move || {
        let id = victim.wait().unwrap().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        // The run is told before it has the answer.
        std::thread::sleep(Duration::from_millis(500));
    });
    mirror.target.fault(Fault::on("DELETE", "/manifests/1.2-again", What::Then(Moment::Done, hook)));
    let running = mirror.run("apply").spawn();
    process.set(running.id()).unwrap();
    let outcome = running.finish().await;
    assert_eq!(mirror.target.fired(), 1, "{outcome}");
    assert!(outcome.says("cancelled by SIGTERM") || outcome.says("it was put back"), "{outcome}");
    mirror.target.is_whole("m/app", "1.2").unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
}

#[tokio::test]
async fn only_what_the_list_can_have_made_and_only_where_it_writes() {
    let mirror = Mirror::new();
    let image = images::single();
    let tags_of = |repository: &str, tags: &[&str]| {
        for tag in tags {
            mirror.target.seed(&image, &format!("{repository}:{tag}"));
            // One that is nobody's but its own.
            let number = tag.bytes().map(u64::from).sum::<u64>();
            mirror.target.seed(&images::release(number), &format!("{repository}:{tag}"));
        }
    };
    for tag in ["1.0", "1.1", "1.2", "edge"] {
        mirror.source.seed(&image, &format!("app:{tag}"));
    }
    tags_of("m/app", &["1.0", "1.3", "prod", "2.0"]);
    tags_of("m/renamed", &["v-0.9", "0.9", "v-"]);
    tags_of("m/fixed", &["stable", "old"]);
    tags_of("m/other", &["1.0"]);
    tags_of("m/app/below", &["0.1"]);
    let (source, target) = (mirror.source.host(), mirror.target.host());
    mirror.write(
        "images.yml",
        &format!(
            "images:\n\
             - {{source: {source}/app, target: {target}/m/app, tags: \"1.*\", exclude: [\"1.0\"]}}\n\
             - {{source: \"{source}/app:1.2\", target: \"{target}/m/renamed:v-{{tag}}\"}}\n\
             - {{source: \"{source}/app:edge\", target: \"{target}/m/fixed:stable\"}}\n"
        ),
    );
    let planned = mirror.run("plan").input("prune-keep", "*/m/app:prod").succeeds().await;
    let fates = [
        // Left out by a rule; lost upstream, and the rules still select it; named; selected by no rule.
        "1.0 would-delete",
        "2.0 would-delete",
        "1.3 kept",
        "prod kept",
        "v-0.9 would-delete",
        "0.9 kept",
        "v- kept",
    ];
    assert_eq!(tags(&planned), fates, "{planned}");
    let text = mirror.text();
    for (tag, reason) in [
        ("1.3", "the list still selects it, and its source has it no more"),
        ("prod", "`prune-keep` names it"),
        ("0.9", "no entry of the list makes such a tag"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("  keep {tag} sha256:"))).unwrap_or_default();
        assert!(line.ends_with(reason), "{tag}: {line}\n{text}");
    }
    mirror.run("apply").input("prune-keep", "*/m/app:prod").succeeds().await;
    assert_eq!(mirror.target.tags("m/app"), ["1.1", "1.2", "1.3", "prod"]);
    assert_eq!(mirror.target.tags("m/fixed"), ["old", "stable"]);
    assert_eq!(mirror.target.tags("m/renamed"), ["0.9", "v-", "v-1.2"]);
    assert_eq!(
        (mirror.target.tags("m/other"), mirror.target.tags("m/app/below")),
        (vec!["1.0".to_owned()], vec!["0.1".to_owned()])
    );
    let elsewhere = mirror
        .target
        .log()
        .iter()
        .filter(|asked| asked.path.contains("/m/other/") || asked.path.contains("below"))
        .count();
    assert_eq!(elsewhere, 0);
}

#[tokio::test]
async fn one_repository_is_one_whatever_its_host_is_called() {
    let mirror = Mirror::shrunk();
    mirror.source.seed(&images::release(1), "app:1.1");
    let (source, port) = (mirror.source.host(), mirror.target.host().split_once(':').unwrap().1.to_owned());
    let list = |first: &str, second: &str| {
        let line = |tag: &str, host: &str| format!("- \"{source}/app:{tag} => {host}:{port}/m/app\"\n");
        mirror.write("images.yml", &format!("images:\n{}{}", line("1.2", first), line("1.1", second)));
    };
    list("127.0.0.1", "localhost");
    let planned = mirror.plan().await;
    assert_eq!(tags(&planned), ["1.0 would-delete"], "{planned}");
    // By whichever name it is spared.
    for host in ["127.0.0.1", "localhost"] {
        let planned = mirror.run("plan").input("prune-keep", &format!("{host}:{port}/m/app:1.0")).succeeds().await;
        assert_eq!((planned.output("prune"), tags(&planned).len()), ("0", 0), "{host}\n{planned}");
    }
    // Two addresses of one machine, which nobody but it knows to be one.
    list("127.0.0.1", "127.0.0.1");
    assert_eq!(tags(&mirror.plan().await), ["1.0 would-delete"]);
}

#[tokio::test]
async fn what_the_list_reads_from_is_left_alone() {
    let mirror = Mirror::shrunk();
    let (source, target) = (mirror.source.host(), mirror.target.host());
    mirror.write(
        "images.yml",
        &format!("images:\n- \"{source}/app:1.2 => {target}/m/app\"\n- \"{target}/m/app:1.0 => {target}/m/copy\"\n"),
    );
    let planned = mirror.plan().await;
    assert!(planned.says("is left alone: the list reads from it too"), "{planned}");
    assert_eq!(planned.output("prune"), "0");
}

#[tokio::test]
async fn a_listing_of_the_source_that_lost_its_tail_deletes_nothing_that_the_rules_want() {
    let mirror = Mirror::shrunk();
    mirror.list("\"1.*\"");
    mirror.source.forget_tag("app", "1.0");
    mirror.source.forget_tag("app", "1.1");
    let planned = mirror.plan().await;
    assert_eq!(tags(&planned), Vec::<String>::new());
    assert_eq!(planned.output("prune"), "0");
}

#[tokio::test]
async fn a_repository_without_anything_of_the_list_is_left_alone() {
    let mirror = Mirror::new();
    mirror.source.seed(&images::single(), "app:2");
    mirror.target.seed(&images::release(1), "m/app:1");
    mirror.list("[\"2\"]");
    let planned = mirror.run("plan").input("dry-run", "true").succeeds().await;
    assert!(planned.says("nothing that the list selects is in it"), "{planned}");
    assert_eq!(planned.output("prune"), "0");
}

#[tokio::test]
async fn registries_delete_in_their_own_ways_or_not_at_all() {
    for how in [Deletes::Nothing, Deletes::Digests, Deletes::Tags, Deletes::TagsFirst, Deletes::TagsWithImages] {
        let mirror = Mirror::shrunk();
        mirror.target.switch(|switches| switches.deletes = how);
        // The same image as one that stays.
        mirror.target.set_tag("m/app", "1.2-again", images::release(2).digest());
        let planned = mirror.plan().await;
        assert_eq!(tags(&planned).len(), 3, "{planned}");
        assert!(mirror.text().contains(", the tag alone: its image stays"), "{}", mirror.text());
        let outcome = mirror.run("apply").run().await;
        let left = mirror.target.tags("m/app");
        match how {
            Deletes::Nothing => {
                assert!(outcome.says("405 UNSUPPORTED") && outcome.says("`storage.delete.enabled`"), "{outcome}");
                assert_eq!((outcome.code, left.len()), (1, 4), "{outcome}");
            }
            Deletes::Digests => {
                assert!(outcome.says("this registry deletes no tag by itself"), "{outcome}");
                assert_eq!((outcome.code, left), (0, vec!["1.2".to_owned(), "1.2-again".to_owned()]), "{outcome}");
                assert!(tags(&outcome).contains(&"1.2-again kept".to_owned()), "{outcome}");
            }
            Deletes::Tags | Deletes::TagsFirst => {
                assert_eq!((outcome.code, left), (0, vec!["1.2".to_owned()]), "{outcome}");
            }
            // What stays was put back.
            Deletes::TagsWithImages => {
                assert!(outcome.says("it was put back"), "{outcome}");
                assert_eq!((outcome.code, left), (1, vec!["1.2".to_owned()]), "{outcome}");
            }
        }
        mirror.target.is_whole("m/app", "1.2").unwrap();
        assert_eq!(outcome.json()["prune"]["tags"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn real_registries_delete_what_was_planned() {
    for registry in [real::docker_registry(), real::olareg(true)] {
        let mirror = Mirror::new();
        let (old, new) = (images::three_platforms(), images::three_platforms_updated());
        mirror.source.seed(&new, "app:2");
        for (image, tag) in [(&old, "1"), (&new, "2"), (&new, "2-again")] {
            real::push(image, &registry.name(&format!("m/app:{tag}")), &[]);
        }
        let (source, target) = (mirror.source.host(), registry.host());
        mirror.write("images.yml", &format!("images: [\"{source}/app:2 => {target}/m/app\"]\n"));
        mirror.plan().await;
        let applied = mirror.run("apply").succeeds().await;
        let again = tags(&applied).pop().unwrap();
        // Distribution 2 deletes no tag by itself; olareg does.
        assert!(matches!(again.as_str(), "2-again kept" | "2-again deleted"), "{again}");
        assert_eq!(tags(&applied)[0], "1 deleted", "{applied}");
        let deletions = registry.requests().iter().filter(|line| line.starts_with("DELETE ")).count();
        assert!(deletions == 0 || deletions >= 5, "{:?}", registry.requests());
        real::skopeo_reads(&registry.name("m/app:2"), &[]);
        let left = mirror.run("plan").succeeds().await;
        assert!(tags(&left).iter().all(|tag| tag.starts_with("2-again ")), "{left}");
    }
}

#[tokio::test]
async fn a_deletion_that_fails_ends_there_and_says_what_is_gone() {
    let mirror = Mirror::shrunk();
    mirror.plan().await;
    let [first, second] = [0, 1].map(|number| images::release(number).digest().to_owned());
    let (first, second) = if first < second { (first, second) } else { (second, first) };
    mirror.target.fault(Fault::on("DELETE", &second, What::error(403, "DENIED", "not you")).always());
    let outcome = mirror.run("apply").fails_with(1).await;
    assert!(outcome.says("DELETE manifest") && outcome.says("403 DENIED: not you"), "{outcome}");
    assert!(!mirror.target.manifests("m/app").contains(&first) && mirror.target.manifests("m/app").contains(&second));
    let mut fates = tags(&outcome);
    fates.sort_by_key(|fate| fate.split(' ').next_back().unwrap().to_owned());
    assert!(fates[0].ends_with(" deleted") && fates[1].ends_with(" failed"), "{fates:?}");
    assert_eq!((outcome.output("prune"), outcome.output("changed")), ("1", "true"));
}

#[tokio::test]
async fn packages_on_github_are_deleted_by_version() {
    let mut made = std::collections::BTreeSet::new();
    for kind in ["Organization", "User"] {
        made.extend(packages_of(kind).await);
    }
    let documented = documented_calls();
    let of_prune: Vec<&String> = documented.iter().filter(|call| call.contains("/versions")).collect();
    assert!(of_prune.len() == 4 && of_prune.iter().all(|call| made.contains(*call)), "{made:?}");
}

/// Everything that can be asked of packages of such an account; the calls that were made.
async fn packages_of(kind: &'static str) -> std::collections::BTreeSet<String> {
    const TOKEN: &str = "ghs_prune-secret-1f0c";
    let (mirror, github) = (Mirror::new(), GitHub::start());
    let [old, new, base] = [images::three_platforms(), images::three_platforms_updated(), images::release(7)];
    mirror.target.switch(|switches| switches.deletes = Deletes::Nothing);
    mirror.source.seed(&new, "app:2");
    for (image, tag) in [(&old, "1"), (&old, "1-again"), (&new, "2"), (&new, "2-again"), (&base, "0")] {
        mirror.target.seed(image, &format!("m/app:{tag}"));
    }
    github.account("m", kind);
    github.token(TOKEN, Rights::WORKFLOW);
    let mut versions: Vec<(&str, &[&str])> =
        vec![(old.digest(), &["1", "1-again"]), (new.digest(), &["2", "2-again"]), (base.digest(), &["0"])];
    versions.extend(old.manifests.iter().rev().skip(1).map(|child| (child.digest.as_str(), &[] as &[&str])));
    let gone = versions.len() - 1;
    github.versions("m/app", &versions);
    mirror.list("[\"2\"]");
    let run = |prune| {
        mirror
            .run(prune)
            .env("GITHUB_SERVER_URL", &mirror.target.url())
            .env("GITHUB_API_URL", &github.url())
            .input("github-token", TOKEN)
            .input("access", "off")
    };
    let planned = run("plan").succeeds().await;
    assert_eq!(
        tags(&planned),
        ["0 would-delete", "1 would-delete", "1-again would-delete", "2-again kept"],
        "{planned}"
    );
    assert!(planned.says("this registry deletes no tag by itself"), "{planned}");
    assert_eq!(github.asked().len(), 0);
    // A tag that GitHub knows of and the registry has not listed.
    let mut hidden = versions.clone();
    hidden[0].1 = &["1", "1-again", "prod"];
    github.versions("m/app", &hidden);
    mirror.refuses(&run("apply"), "GitHub knows the tag `prod`").await;
    assert_eq!(github.writes(), 0, "{}", github.lines());
    github.versions("m/app", &versions);
    // GitHub refuses one: nothing is deleted behind it.
    github.instead(
        "DELETE",
        1,
        Instead::new(400, "Publicly visible package versions with more than 5000 downloads cannot be deleted."),
    );
    let refused = run("apply").fails_with(1).await;
    assert!(refused.says("more than 5000 downloads") && refused.says("only GitHub's support deletes it"), "{refused}");
    assert_eq!(github.writes(), 1, "{}", github.lines());
    github.reset();
    let applied = run("apply").succeeds().await;
    assert_eq!(github.writes(), gone, "{}", github.lines());
    assert!(
        github
            .asked()
            .iter()
            .filter(|asked| asked.method == "DELETE")
            .all(|asked| asked.status == 204 && !asked.path.ends_with("/2")),
        "{}",
        github.lines()
    );
    assert_eq!(mirror.target.count("DELETE", ""), 0);
    assert_eq!(tags(&applied), ["0 deleted", "1 deleted", "1-again deleted", "2-again kept"]);
    assert!(!applied.visible().contains(TOKEN));
    github.documented_calls_made()
}

#[tokio::test]
async fn inputs_that_make_no_sense_are_refused_before_anything_is_contacted() {
    let mirror = Mirror::shrunk();
    let one = || Run::copy(&mirror.source.name("app:1.2"), &mirror.target.name("m/app")).input("prune", "plan");
    mirror.write("no-plan.txt", "1.0\n");
    for (run, sentence) in [
        (mirror.run("yes"), "input `prune`: `yes` is not one of off, plan, apply"),
        (one(), "input `prune`: is for what a list has made; name the list by `config`"),
        (mirror.run("plan").input("shard", "1/2"), "input `shard`: leaves a part of the list out"),
        (
            mirror.run("apply"),
            "input `prune-plan`: `mirror-image-prune.txt` is not there; run with `prune: plan` first",
        ),
        (mirror.run("apply").input("prune-plan", "no-plan.txt"), "is not the plan of a prune"),
        (mirror.run("plan").input("prune-plan", "../x"), "input `prune-plan`"),
        (mirror.run("plan").input("prune-plan", "none/x"), "is in a directory that is not there; make it first"),
        (mirror.run("plan").input("prune-limit", "0"), "input `prune-limit`: `0` is not a number from 1 to 1000"),
        (mirror.run("plan").input("prune-keep", "/(/"), "input `prune-keep`"),
    ] {
        let outcome = run.fails_with(2).await;
        assert!(outcome.says(sentence), "{sentence}\n{outcome}");
    }
    assert_eq!(mirror.source.requests() + mirror.target.requests(), 0);
}
