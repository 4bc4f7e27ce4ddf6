use std::time::{Duration, SystemTime};

use super::{Selection, Step, Times, nothing_matched};
use crate::plan::list::schema::{Entry, List};

/// An entry with these lines, for the repository `nginx`.
fn entry(lines: &str) -> Entry {
    let mut list = List::default();
    let text = format!("images:\n  - source: nginx\n    {}\n", lines.replace('\n', "\n    "));
    list.read("a.yml", &text, &|_| Err(String::new())).unwrap();
    list.entries.remove(0)
}

fn select(lines: &str, tags: &[String]) -> (Vec<String>, Vec<String>) {
    let entry = entry(lines);
    let rules = entry.tags.as_ref().unwrap();
    let selection = Selection::new(rules, &entry.settings, tags.iter().map(String::as_str));
    let selected = selection.tags(rules).into_iter().map(|(tag, _)| tag.to_owned()).collect();
    (selected, selection.steps.iter().map(Step::sentence).collect())
}

/// What a repository like nginx has: releases with floating tags, variants, and signatures. 1,500 tags.
fn nginx() -> Vec<String> {
    let mut tags =
        vec!["latest".to_owned(), "stable".into(), "mainline".into(), "alpine".into(), "stable-alpine".into()];
    let variants = ["", "-alpine", "-alpine-slim", "-perl", "-otel", "-bookworm", "-alpine3.20", "-alpine-perl"];
    for minor in 10..30 {
        for patch in 0..8 {
            tags.extend(variants.iter().map(|variant| format!("1.{minor}.{patch}{variant}")));
        }
        tags.extend(variants.iter().map(|variant| format!("1.{minor}{variant}")));
    }
    let digest = |number: usize| format!("sha256-{number:064x}");
    let mut number = 0;
    while tags.len() < 1_500 {
        number += 1;
        tags.push(format!("{}{}", digest(number), ["", ".sig", ".att", ".sbom"][number % 4]));
    }
    shuffled(tags)
}

/// What a repository like Python has: pre-releases without a hyphen, and code names. 1,500 tags.
fn python() -> Vec<String> {
    let mut tags = vec!["latest".to_owned(), "slim".into(), "bookworm".into(), "alpine".into(), "rc".into()];
    let variants = ["", "-slim", "-alpine", "-bookworm", "-slim-bookworm", "-windowsservercore-ltsc2022"];
    for minor in 0..15 {
        for patch in 0..15 {
            tags.extend(variants.iter().map(|variant| format!("3.{minor}.{patch}{variant}")));
        }
        for pre in ["a1", "b2", "rc1"] {
            tags.extend(["", "-slim"].iter().map(|variant| format!("3.{minor}.0{pre}{variant}")));
        }
    }
    assert!(tags.len() < 1_500);
    let more = 1_500 - tags.len();
    tags.extend((0..more).map(|number| format!("3-build{number}")));
    shuffled(tags)
}

/// What a repository like that of Kubernetes has: `v`, and pre-releases with a hyphen. 1,500 tags.
fn kubernetes() -> Vec<String> {
    let mut tags = Vec::new();
    for minor in 6..36 {
        for patch in 0..40 {
            tags.push(format!("v1.{minor}.{patch}"));
        }
        for pre in ["alpha.0", "alpha.1", "alpha.2", "alpha.3", "beta.0", "beta.1", "beta.2", "rc.0", "rc.1", "rc.2"] {
            tags.push(format!("v1.{minor}.0-{pre}"));
        }
    }
    assert_eq!(tags.len(), 1_500);
    shuffled(tags)
}

/// Another order, always the same one: listings are not sorted.
fn shuffled(mut tags: Vec<String>) -> Vec<String> {
    let mut state = 7_u64;
    for at in (1..tags.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tags.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
    }
    tags
}

/// How many are selected, and the first of them.
fn check(tags: &[String], vectors: &[(&str, usize, &[&str])]) {
    for (lines, count, first) in vectors {
        let (selected, steps) = select(lines, tags);
        assert_eq!(selected.len(), *count, "{lines}\n{steps:#?}");
        assert_eq!(selected[..first.len().min(selected.len())], **first, "{lines}\n{steps:#?}");
        // In whatever order they are listed.
        let reversed: Vec<String> = tags.iter().rev().cloned().collect();
        assert_eq!(select(lines, &reversed), (selected, steps), "{lines}");
    }
}

#[test]
fn rules_over_a_repository_like_nginx() {
    check(
        &nginx(),
        &[
            // Everything is all but what is made of a digest.
            ("tags: \"*\"", 1_445, &["1.29.7", "1.29.7-alpine"][..]),
            // Exact items ask nothing of the listing, and come in the order written.
            ("tags: [stable, 1.0.0, none]", 3, &["stable", "1.0.0", "none"]),
            ("tags: \"1.2?\"", 10, &["1.29", "1.28"]),
            ("tags: \"1.2?-alpine\"", 10, &["1.29-alpine", "1.28-alpine"]),
            ("tags: [\"1.2[89]\", \"1.1[!0-8]\"]", 3, &["1.29", "1.28", "1.19"]),
            // A regular expression is for the whole tag.
            (r"tags: '/1\.29\.\d+(-alpine)?/'", 16, &["1.29.7", "1.29.7-alpine", "1.29.6"]),
            ("tags: '/1/'", 0, &[]),
            // Ranges look at numbers alone; a variant is not left out as a pre-release is.
            ("tags: [{semver: \">=1.28 <2\"}]", 144, &["1.29.7"]),
            ("tags: [{semver: \">=1.28 <2\", variant: \"\"}]", 18, &["1.29.7", "1.29.6"]),
            ("tags: [{semver: 1.29.x, variant: alpine}]", 9, &["1.29.7-alpine"]),
            ("tags: [{semver: 1.29.x, variant: \"alpine*\"}]", 36, &["1.29.7-alpine", "1.29.7-alpine-perl"]),
            // Members of an item are all to hold; items are one or another.
            ("tags: [{semver: 1.x, glob: \"*-perl\", regex: '1\\.2.*'}]", 180, &["1.29.7-alpine-perl", "1.29.7-perl"]),
            ("tags: [{semver: 1.29.7, variant: \"\"}, mainline, \"stab*\"]", 4, &["mainline", "1.29.7", "stable"]),
            ("tags: [{variant: otel}]", 180, &["1.29.7-otel"]),
            // What is excluded is gone, but for what is named.
            ("tags: \"1.29.7*\"\nexclude: [\"*-perl\", \"/.*-otel/\"]", 5, &["1.29.7"]),
            ("tags: [1.29.7-perl, \"1.29.7*\"]\nexclude: \"*-perl\"", 7, &["1.29.7-perl", "1.29.7"]),
            // Ten of each variant.
            (
                "tags: [{semver: 1.x, variant: \"\"}, {semver: 1.x, variant: alpine}]\nnewest: 10",
                20,
                &["1.29.7", "1.29.7-alpine"],
            ),
            ("tags: \"*\"\nnewest: 1", 8, &["1.29.7"]),
            ("tags: \"*\"\nnewest: {count: 3, across-variants: true}", 3, &["1.29.7", "1.29.7-alpine"]),
            ("tags: [stable, {semver: \">1.28\", variant: \"\"}]\nnewest: 2", 3, &["stable", "1.29.7", "1.29.6"]),
        ],
    );
}

#[test]
fn rules_over_a_repository_like_python() {
    check(
        &python(),
        &[
            ("tags: [{semver: \">=3.12\", variant: slim}]", 45, &["3.14.14-slim"]),
            ("tags: [{semver: \">=3.14\", variant: slim, pre-releases: true}]", 18, &["3.14.14-slim"]),
            (
                "tags: [{semver: 3.14.0, pre-releases: true, variant: \"\"}]",
                4,
                &["3.14.0", "3.14.0rc1", "3.14.0b2", "3.14.0a1"],
            ),
            ("tags: [{semver: \">=3.14.0-rc.0\", variant: \"\"}]", 18, &["3.14.14"]),
            ("tags: [{semver: ^3.14, variant: \"*-ltsc*\"}]", 15, &["3.14.14-windowsservercore-ltsc2022"]),
            // Code names are no versions: `newest` leaves them out and says so.
            ("tags: [\"*slim\", bookworm]\nnewest: 2", 3, &["bookworm", "3.14.14-slim", "3.14.13-slim"]),
        ],
    );
    let (_, steps) = select("tags: \"*slim\"\nexclude: \"*rc*\"\nnewest: 2", &python());
    assert_eq!(
        steps,
        [
            "*slim selected 271 tags: 3.14.14-slim, 3.14.13-slim, 3.14.12-slim, …, slim",
            "exclude *rc* left out 15 tags: 3.14.0rc1-slim, 3.13.0rc1-slim, 3.12.0rc1-slim, …, 3.0.0rc1-slim",
            "newest (of what is no version) left out 1 tag: slim",
            "newest 2 left out 253 tags: 3.14.12-slim, 3.14.11-slim, 3.14.10-slim, …, 3.0.0a1-slim",
        ]
    );
}

#[test]
fn rules_over_a_repository_like_that_of_kubernetes() {
    check(
        &kubernetes(),
        &[
            ("tags: [{semver: \">=1.34\"}]", 80, &["v1.35.39", "v1.35.38"]),
            ("tags: [{semver: 1.35.0, pre-releases: true}]", 11, &["v1.35.0", "v1.35.0-rc.2", "v1.35.0-rc.1"]),
            ("tags: [{semver: \"v1.6.0 - v1.7\"}]", 80, &["v1.7.39"]),
            ("tags: \"v1.35.*\"\nexclude: \"*-*\"\nnewest: 3", 3, &["v1.35.39", "v1.35.38", "v1.35.37"]),
            ("tags: [{semver: \"1.34.x || 1.6.x\"}]\nnewest: 41", 41, &["v1.34.39"]),
        ],
    );
}

#[test]
fn what_comes_along_with_its_image_is_never_selected() {
    let digest = "1".repeat(64);
    let mut tags = vec!["1.0".to_owned(), "sha256-notes".into(), "bad tag".into(), "a\nb".into()];
    tags.extend(["", ".sig", ".att", ".sbom"].map(|end| format!("sha256-{digest}{end}")));
    assert_eq!(select("tags: [\"*\", '/sha256.*/']", &tags).0, ["1.0", "sha256-notes"]);
    // One that is named is wanted.
    assert_eq!(select(&format!("tags: [sha256-{digest}.sig]"), &tags).0.len(), 1);
}

#[test]
fn ages_and_the_newest_by_time_are_of_what_is_left() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let day = Duration::from_secs(86400);
    let days = [("1.0", 400), ("1.1", 200), ("1.2", 30), ("1.3", 1), ("edge", 0)];
    let mut times: Times = days.iter().map(|(tag, days)| ((*tag).to_owned(), Some(now - day * *days))).collect();
    times.insert("future".into(), Some(now + day));
    let tags: Vec<String> = times.keys().cloned().collect();
    let narrowed = |lines: &str, times: &Times| {
        let entry = entry(&format!("tags: \"*\"\n{lines}"));
        let selection = Selection::new(entry.tags.as_ref().unwrap(), &entry.settings, tags.iter().map(String::as_str));
        assert!(selection.needs_times(&entry.settings), "{lines}");
        selection.by_time(&entry.settings, now, times).map(|selection| selection.selected.join(" "))
    };
    for (lines, left) in [
        ("newer-than: 180d", "1.3 1.2 edge future"),
        ("minimum-age: 3d", "1.2 1.1 1.0"),
        ("newer-than: 1y\nminimum-age: 3d", "1.2 1.1"),
        ("newest: {count: 2, by: time, across-variants: true}", "edge future"),
        ("newest: {count: 1, by: time, across-variants: true}\nminimum-age: 3d", "1.2"),
        // By version it is counted before ages are: of the two newest one is old enough.
        ("newest: 2\nminimum-age: 3d", "1.2"),
    ] {
        assert_eq!(narrowed(lines, &times).as_deref(), Ok(left), "{lines}");
    }
    let spelt = |lines: &str| {
        let entry = entry(&format!("tags: \"*\"\n{lines}"));
        let selection = Selection::new(entry.tags.as_ref().unwrap(), &entry.settings, tags.iter().map(String::as_str));
        selection.by_time(&entry.settings, now, &times).unwrap().steps.last().unwrap().rule.clone()
    };
    // As it is written, and not as months and hours.
    for lines in ["newer-than: 180d", "minimum-age: 36h", "minimum-age: 90m"] {
        assert_eq!(spelt(lines), lines.replace(": ", " "));
    }
    times.insert("1.2".into(), None);
    let problem = narrowed("newer-than: 180d", &times).unwrap_err();
    assert!(problem.starts_with("`1.2` does not say when it was made"), "{problem}");
    assert_eq!(narrowed("newer-than: 180d\nunknown-age: keep", &times).unwrap(), "1.3 1.2 edge future");
    assert_eq!(narrowed("newer-than: 180d\nunknown-age: drop", &times).unwrap(), "1.3 edge future");
    let without = entry("tags: \"*\"");
    let selection = Selection::new(without.tags.as_ref().unwrap(), &without.settings, ["1.0"]);
    assert!(!selection.needs_times(&without.settings));
}

#[test]
fn what_selects_nothing_is_told_with_the_nearest_tags() {
    let told = |lines: &str, tags: &[String]| {
        let entry = entry(lines);
        let rules = entry.tags.as_ref().unwrap();
        let tags = || tags.iter().map(String::as_str);
        nothing_matched(&Selection::new(rules, &entry.settings, tags()), rules, tags())
    };
    let nginx = nginx();
    let sentence = told("tags: [\"1.30*\"]", &nginx);
    assert!(sentence.starts_with("no tag is `1.30*`; the nearest are 1.2") && sentence.contains("1.20"), "{sentence}");
    let sentence = told("tags: [\"/slim/\"]", &nginx);
    assert!(sentence.contains("; a pattern is for the whole tag, and `/.*slim.*/` has some; mend it"), "{sentence}");
    let sentence = told("tags: [\"1.29.7*\"]\nexclude: \"*\"", &nginx);
    assert!(sentence.starts_with("the rules leave no tag (1.29.7* selected 8 tags: "), "{sentence}");
    assert!(sentence.contains("exclude * left out 8 tags"), "{sentence}");
    assert_eq!(told("tags: \"*\"", &[]), "no tag is `*`: the repository has none");
}
