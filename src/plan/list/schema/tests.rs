use std::time::Duration;

use crate::plan::list::policies::{OWN_KEYS, POLICY_KEYS, RULE_KEYS};
use crate::policy::{Log, Mode};

use super::{By, ENTRY_KEYS, Entry, ITEM_KEYS, LIST_KEYS, List, NEWEST_KEYS, Newest, SETTING_KEYS, UnknownAge};
use crate::engine::options::{Attachments, OnConflict, Subset};
use crate::text::choice::words;

fn read(name: &str, text: &str) -> Result<Vec<Entry>, String> {
    let mut list = List::default();
    list.read(name, text, &|_| Err("is not there".to_owned())).map_err(|error| error.to_string())?;
    Ok(list.entries)
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_list_is_read_with_all_that_it_may_say() {
    let text = format!(
        r#"# yaml-language-server: $schema=./docs/mirror-list.schema.json
version: 1
defaults:
  target: ghcr.io/{{owner}}/{{repo}}/{{registry}}/{{repository}}
  platforms: all
  attachments: signatures
images:
  - alpine:3.20
  - alpine:3.20 => quay.io/octo/alpine
  - source: docker.io/library/nginx
    target:
      - ghcr.io/a/nginx
      - quay.io/b/nginx
    tags:
      - stable
      - 3.10
      - 1.27.5@{DIGEST}
      - "1.2?-alpine"
      - /1\.29\.\d+(-alpine)?/
      - semver: ">=1.26 <2"
        variant: alpine
    exclude: ["*-perl", "/.*-otel/"]
    newest: 10
    newer-than: 180d
    minimum-age: 3d
    unknown-age: drop
    immutable: "/\\d+\\.\\d+\\.\\d+.*/"
    platforms: [linux/amd64, linux/arm64]
    subset: rewrite
    on-conflict: keep
    attachments: all
    optional: true
  - {{source: quay.io/a/b, tags: "*", newest: {{count: 3, across-variants: true, by: time}}}}
"#
    );
    let entries = read("images.yml", &text).unwrap();
    let sources: Vec<String> = entries.iter().map(|entry| format!("{} {}", entry.position, entry.source)).collect();
    assert_eq!(
        sources,
        [
            "images.yml:8:5 docker.io/library/alpine:3.20",
            "images.yml:9:5 docker.io/library/alpine:3.20",
            "images.yml:10:5 docker.io/library/nginx:latest",
            "images.yml:33:5 quay.io/a/b:latest",
        ]
    );
    let [first, second, nginx, all] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(first.settings.targets, Some(vec!["ghcr.io/{owner}/{repo}/{registry}/{repository}".to_owned()]));
    assert_eq!((first.settings.attachments, &first.tags), (Some(Attachments::Signatures), &None));
    assert_eq!(second.settings.targets, Some(vec!["quay.io/octo/alpine".to_owned()]));
    let rules = nginx.tags.as_ref().unwrap();
    let exact: Vec<String> =
        rules.exact.iter().map(|exact| format!("{} {}", exact.tag, exact.digest.is_some())).collect();
    assert_eq!(exact, ["stable false", "3.10 false", "1.27.5 true"]);
    let items: Vec<String> = rules.items.iter().map(ToString::to_string).collect();
    assert_eq!(items, ["1.2?-alpine", r"/1\.29\.\d+(-alpine)?/", "semver >=1.26 <2, variant alpine"]);
    assert_eq!(rules.exclude.len(), 2);
    let settings = &nginx.settings;
    assert_eq!(settings.targets.as_ref().map(Vec::len), Some(2));
    assert_eq!(settings.newest, Some(Newest { count: 10, across_variants: false, by: By::Version }));
    assert_eq!(settings.newer_than, Some(Duration::from_secs(180 * 86400)));
    assert_eq!((settings.unknown_age, settings.optional), (Some(UnknownAge::Drop), Some(true)));
    assert_eq!(settings.platforms.as_ref().map(Vec::len), Some(2));
    assert_eq!((settings.subset, settings.on_conflict), (Some(Subset::Rewrite), Some(OnConflict::Keep)));
    // The list of the entry takes the place of that of `defaults`.
    assert_eq!(
        (settings.attachments, all.settings.attachments),
        (Some(Attachments::All), Some(Attachments::Signatures))
    );
    assert_eq!(all.settings.newest, Some(Newest { count: 3, across_variants: true, by: By::Time }));
}

#[test]
fn a_plain_list_has_an_image_a_line() {
    let entries = read("images.txt", "\u{feff}# base\nalpine:3.20\r\n\nbusybox => quay.io/a/b, a/b\n").unwrap();
    let shown: Vec<String> = entries.iter().map(|entry| format!("{} {}", entry.position, entry.source)).collect();
    assert_eq!(
        shown,
        [
            "images.txt:2:1 docker.io/library/alpine:3.20",
            "images.txt:4:1 docker.io/library/busybox:latest",
            "images.txt:4:1 docker.io/a/b:latest",
        ]
    );
    for (text, sentence) in [
        ("alpine\na b\n", "input `config`: images.txt:2:1: (its source): has a space"),
        ("# nothing\n", "images.txt:1:1: names no image"),
        ("alpine\n=> b\n", "images.txt:2:1: has nothing before its `=>`"),
        ("ann:hunter2@ghcr.io/a/b", "has a user name before an `@`"),
    ] {
        let problem = read("images.txt", text).unwrap_err();
        assert!(problem.contains(sentence) && !problem.contains("hunter2"), "{text}: {problem}");
    }
}

/// A list of one entry that is a map with these lines.
fn entry(lines: &str) -> String {
    format!("images:\n  - source: nginx\n    {}\n", lines.replace('\n', "\n    "))
}

#[test]
fn each_kind_of_bad_list_gets_its_own_sentence_with_its_place() {
    let tags = |more: &str| entry(&format!("tags: [\"*\"]\n{more}"));
    for (text, sentence) in [
        (String::new(), "1:1: a list is a map with the key `images`, and this is nothing"),
        ("- alpine\n".into(), "1:1: a list is a map with the key `images`, and this is a list"),
        ("defaults: {}\n".into(), "1:1: the key `images` is missing"),
        ("images: []\n".into(), "1:9: `images` names no image"),
        ("images: alpine\n".into(), "1:9: `images` must be a list, and this is a text"),
        ("version: 2\nimages: [a]\n".into(), "1:10: the only version of lists is 1"),
        ("image: [a]\n".into(), "1:1: a list has no key `image`; did you mean `images`?"),
        ("images: [a]\nimages: [b]\n".into(), "2:1: the key `images` is given twice, in line 1 before"),
        (
            "images: [a]\nsync: []\n".into(),
            "2:1: a list has no key `sync`; there are version, defaults, policies, verify, images",
        ),
        (
            "images: [a]\ncreds: []\n".into(),
            "2:1: `creds`: a list never has logins; give them by the input `registry-auth`",
        ),
        ("images: [[a]]\n".into(), "1:10: an image is `SOURCE`, `SOURCE => TARGET` or a map, and this is a list"),
        ("images: [a b]\n".into(), "1:10: (its source): has a space"),
        ("images:\n  - alpine -> b\n".into(), "2:5: has another arrow"),
        ("images:\n  - target: a/b\n".into(), "2:5: this image has no `source`"),
        ("images: [a]\ndefaults: {source: b}\n".into(), "2:12: `source` differs from image to image"),
        (
            "images: [a]\ndefaults: {platform: all}\n".into(),
            "2:12: `defaults` has no key `platform`; did you mean `platforms`?",
        ),
        ("images: [a]\ndefaults: {newest: 0}\n".into(), "2:20: `newest` is a number of tags, 1 or more"),
        (entry("tag: [a]"), "3:5: an image has no key `tag`; did you mean `tags`?"),
        (entry("destination: a/b"), "3:5: an image has no key `destination`; did you mean `target`?"),
        ("images:\n  - image: nginx\n".into(), "2:5: an image has no key `image`; did you mean `source`?"),
        ("image: [a]\nsync: []\n".into(), "1:1: a list has no key `image`; did you mean `images`?"),
        (entry("password: hunter2"), "3:5: `password`: a list never has logins"),
        (entry("<<: {a: b}"), "3:5: merge keys (`<<`) are not read"),
        (entry("newest: 3"), "3:5: `newest` is about tags that are selected, and there is no `tags`"),
        (entry("tags: []"), "3:5: `tags` names no tag"),
        (entry("tags: [[a]]"), "3:12: a tag is a text, a pattern or a map, and this is a list"),
        (entry("tags: [a b]"), "3:12: `a b` is no tag"),
        (
            entry("tags: [\">=1.2\"]"),
            "3:12: `>=1.2` is no tag, which has letters, digits, `_`, `.` and `-`, 128 at most; a range of versions is written `semver: \">=1.2\"`",
        ),
        (
            entry("tags: ['^1\\.27\\.\\d+$']"),
            "3:12: `^1\\.27\\.\\d+$` is no tag, which has letters, digits, `_`, `.` and `-`, 128 at most; a regular expression is written between slashes, for the whole tag: `'/1\\.27\\.\\d+/'`",
        ),
        (entry("tags: [a, a]"), "3:15: the tag `a` is named twice"),
        (entry("tags: [a@sha256:12]"), "3:12: "),
        (entry("tags: [\"/a\"]"), "3:12: `/a` begins with `/` and does not end with it"),
        (entry("tags: [{semver: latest}]"), "3:21: `semver` has `latest`, which is no version"),
        (entry("tags: [{sember: 1.x}]"), "3:13: an item of `tags` has no key `sember`; did you mean `semver`?"),
        (entry("tags: [{pre-releases: true}]"), "3:12: this selects no tag"),
        (
            entry("tags: [{semver: 1.x, pre-releases: \"true\"}]"),
            "3:40: `pre-releases` is `true` or `false`, without quotes",
        ),
        (
            entry("tags: [{semver: 1.x, variant: [\"\", alpine]}]"),
            "3:35: `variant` takes one text, and this is a list; write an item of `tags` for each text",
        ),
        (
            entry("tags: [{semver: 1.x, variant: -alpine}]"),
            "3:35: `variant` is written without what stands before it: `alpine`",
        ),
        (entry("tags: [a]\nexclude: [b]"), "4:5: `exclude` takes tags from what patterns select"),
        (entry("tags: [a, \"*\"]\nexclude: [a]"), "4:5: `exclude` names the tag `a`, which `tags` names too"),
        (tags("exclude: []"), "4:14: `exclude` is an empty list"),
        (tags("newest: {by: time}"), "4:5: `newest` has no `count`"),
        (tags("newest: {count: 1, by: size}"), "4:28: `by` is `size`, which is not one of version, time"),
        (tags("newer-than: 3 days"), "4:17: `newer-than` is a time span like `180d`"),
        (tags("minimum-age: [3d]"), "4:18: `minimum-age` must be a text, and this is a list"),
        (
            tags("on-conflict: owerwrite"),
            "4:18: `on-conflict` is `owerwrite`, which is not one of overwrite, keep, fail (did you mean `overwrite`?)",
        ),
        (tags("platforms: [all, linux/amd64]"), "4:17: has `all` beside other names"),
        (tags("platforms: amd64"), "4:16: "),
        (tags("optional: yes"), "4:15: `optional` is `true` or `false`"),
        (tags("immutable: true"), "4:16: `immutable` is patterns of tags, and not `true`"),
        (tags("immutable: [\"1.*\", true]"), "4:24: `immutable` is patterns of tags, and not `true`"),
        (tags("immutable: [\"[a\"]"), "4:17: `[a` has a `[` without `]`"),
        (
            "images:\n  - source: nginx:1\n    tags: [a]\n".into(),
            "3:5: `source` has a tag or a digest, and `tags` is given too",
        ),
        (
            "images:\n  - source: nginx*\n    tags: [a]\n".into(),
            "2:13: `source` is one repository, and `nginx*` has letters of a pattern",
        ),
        ("images:\n  - source: oci:in\n    tags: [a]\n".into(), "3:5: tags are selected in registries only"),
        ("images:\n  - source: [a]\n".into(), "2:13: `source` is an image, and this is a list"),
    ] {
        let problem = read("a/images.yml", &text).expect_err(&text);
        let whole = format!("input `config`: a/images.yml:{sentence}");
        assert!(problem.starts_with(&whole), "{text}\n{problem}\n{whole}");
        assert!(!problem.contains('\n') && !problem.contains("hunter2"), "{text}: {problem}");
    }
}

/// The schema that editors read has the keys and the words that the code has, no more and no fewer.
#[test]
fn the_published_schema_is_what_the_code_reads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mirror-list.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let keys = |pointer: &str| {
        let object = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        assert_eq!(object["additionalProperties"], false, "{pointer}");
        let keys = object["properties"].as_object().unwrap_or_else(|| panic!("{pointer}"));
        let mut keys: Vec<&str> = keys.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    };
    let sorted = |lists: &[&[&'static str]]| {
        let mut keys = lists.concat();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(""), sorted(&[&LIST_KEYS]));
    assert_eq!(keys("/$defs/settings"), sorted(&[&SETTING_KEYS]));
    assert_eq!(keys("/$defs/entry"), sorted(&[&SETTING_KEYS, &ENTRY_KEYS]));
    assert_eq!(keys("/$defs/item"), sorted(&[&ITEM_KEYS]));
    assert_eq!(keys("/$defs/newest/oneOf/1"), sorted(&[&NEWEST_KEYS]));
    assert_eq!(keys("/$defs/policy"), sorted(&[&POLICY_KEYS]));
    assert_eq!(keys("/$defs/rule"), sorted(&[&RULE_KEYS]));
    assert_eq!(keys("/$defs/own"), sorted(&[&OWN_KEYS, &POLICY_KEYS]));
    let of = |name: &str, key: &str| schema["$defs"][name]["properties"][key]["enum"].clone();
    assert_eq!(of("policy", "log"), serde_json::json!(words::<Log>()));
    assert_eq!(of("rule", "mode"), serde_json::json!(words::<Mode>()));
    for (name, known) in [
        ("unknown-age", words::<UnknownAge>()),
        ("subset", words::<Subset>()),
        ("attachments", words::<Attachments>()),
        ("on-conflict", words::<OnConflict>()),
    ] {
        assert_eq!(schema["$defs"]["settings"]["properties"][name]["enum"], serde_json::json!(known), "{name}");
    }
    let by = &schema["$defs"]["newest"]["oneOf"][1]["properties"]["by"]["enum"];
    assert_eq!(*by, serde_json::json!(words::<By>()));
    // An entry has of every setting what `defaults` have.
    for key in SETTING_KEYS {
        let reference = format!("#/$defs/settings/properties/{key}");
        assert_eq!(schema["$defs"]["entry"]["properties"][key]["$ref"], reference, "{key}");
    }
}

/// The list that a fork edits: as it stands, and with each of its examples taken out of the comment.
#[test]
fn the_list_in_the_root_and_its_examples_can_be_read() {
    let text = include_str!("../../../../images.yml");
    assert_eq!(read("images.yml", text).map(|entries| entries.len()), Ok(1));
    let example = |line: &str| line.replacen("  # - ", "  - ", 1).replacen("  #   ", "    ", 1);
    let whole: Vec<String> = text.lines().map(example).collect();
    let entries = read("images.yml", &whole.join("\n")).unwrap();
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert_eq!(entries.iter().filter(|entry| entry.tags.is_some()).count(), 2);
    // The guide's first list too.
    let guide = include_str!("../../../../docs/mirror-lists.md");
    let list = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(read("images.yml", list).map(|entries| entries.len()), Ok(3));
}
