//! What must hold for any input, said once.
//!
//! Each function takes what the outside can send, and panics where something does not hold that must. The fuzz targets
//! (`fuzz/`) and the property tests below call the same ones. Compiled for tests and under a fuzzer only; owns no rule of
//! its own that the program needs.

#![allow(clippy::missing_panics_doc, reason = "to panic is what these are for")]

/// The runner as the integration tests know it.
#[allow(missing_docs, reason = "test support has no readers outside the tests")]
pub mod actions;
pub mod assertions;
pub mod layout;
pub mod prune;
pub mod registry;
pub mod runner;
pub mod text;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::oci::reference::{ImageReference, Reference, lower_cased};
use crate::plan::{images, template};
use crate::properties::assertions::{assert_safe, assert_sentence};
use crate::text::sanitise;

/// An image's name as a user types it.
///
/// What is wrong with it is said in one short, safe sentence, without what may be a password. What is right is spelled
/// out so that it can be read again, and stays within the grammar, so that it cannot become another address.
pub fn reference(text: &str) {
    let reference = match ImageReference::parse(text) {
        Ok(reference) => reference,
        Err(problem) => {
            assert_sentence(&problem, 1_200);
            assert_keeps_passwords(text.trim(), &problem);
            return;
        }
    };
    let whole = reference.to_string();
    assert_eq!(ImageReference::parse(&whole), Ok(reference.clone()), "{text:?} is written {whole:?}");
    assert_eq!(lower_cased(&whole), None);
    if let Some(reference) = reference.registry() {
        assert_is_within_the_grammar(reference);
    }
}

/// Whatever stands before the `@` of a name with a path after it, the sentence is the same.
fn assert_keeps_passwords(text: &str, problem: &str) {
    let Some((user, rest)) = text.split_once('@').filter(|(_, rest)| rest.contains('/')) else { return };
    if user.contains(':')
        && !user.to_ascii_lowercase().contains("oci")
        && ImageReference::parse(&format!("x@{rest}")).is_err()
    {
        let other = ImageReference::parse(&format!("other:word@{rest}"));
        let is_place = problem.contains("is not read here");
        assert!(is_place || other == Err(problem.to_owned()), "{problem} depends on what stands before the `@`");
    }
}

fn assert_is_within_the_grammar(reference: &Reference) {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let (registry, repository) = (reference.registry(), reference.repository());
    assert!(!repository.is_empty() && repository.len() <= 255 + "library/".len(), "{repository}");
    for component in repository.split('/') {
        assert!(component.starts_with(is_word) && component.ends_with(is_word), "{repository}");
        assert!(component.chars().all(|c| is_word(c) || "._-".contains(c)), "{repository}");
    }
    assert!(reference.tag().is_some() || reference.digest().is_some());
    let tag = reference.tag().unwrap_or("x");
    assert!(!tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-']), "{tag}");
    assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{tag}");
    // The host in a request's address is the host that was written, and all of the rest is a path.
    let Ok(url) = Url::parse(&format!("https://{registry}/v2/{repository}/manifests/{tag}")) else { return };
    assert_eq!(url.path(), format!("/v2/{repository}/manifests/{tag}"));
    assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{url}");
    let host = url.host_str().unwrap_or_default();
    let written = registry.strip_suffix(&format!(":{}", url.port_or_known_default().unwrap_or(0))).unwrap_or(registry);
    let is_number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    if !written.contains([':', '[']) && !written.rsplit('.').next().is_some_and(is_number) {
        assert_eq!(host, written);
    }
}

/// The list of images.
///
/// What is wrong with it is said in one short, safe sentence that names a line of it. What is right has a number for each
/// image, a source that can be read again, and a target that is not blank.
pub fn images(text: &str) {
    let lines = match images::parse(text) {
        Ok(typed) => typed.lines,
        Err(problem) => {
            assert_sentence(&problem, 1_300);
            assert!(problem.starts_with("line ") || problem.starts_with("names no image"), "{problem}");
            return;
        }
    };
    assert!(!lines.is_empty());
    for line in lines {
        let images::At::Line(number) = line.at else { panic!("{line:?}") };
        assert!((1..=text.lines().count()).contains(&number), "{line:?}");
        assert_eq!(ImageReference::parse(&line.source.to_string()), Ok(line.source.clone()));
        assert!(line.target.as_deref().is_none_or(|target| !target.is_empty() && target.trim() == target), "{line:?}");
    }
}

/// A target template, a source and the value of `GITHUB_REPOSITORY`, a line each.
///
/// What comes out has no placeholder left, names a tag or a digest, and is read again as it is written.
pub fn target(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let (template, source) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("alpine:3"));
    let Ok(source) = ImageReference::parse(source) else { return };
    match template::target(template, &source, lines.next()) {
        Err(problem) => assert_sentence(&problem, 2_000),
        Ok((target, notices)) => {
            let whole = target.to_string();
            // A directory with an `@` in its name and a tag looks like one with a digest.
            if target.registry().is_some() || !whole.contains('@') {
                assert_eq!(ImageReference::parse(&whole), Ok(target.clone()), "{text:?} is written {whole:?}");
            }
            for notice in notices {
                assert_sentence(&notice, 1_000);
            }
            if let Some(reference) = target.registry() {
                assert!(!whole.contains(['{', '}']), "{whole}");
                assert_is_within_the_grammar(reference);
                assert!(target.digest().is_none() || target.digest() == source.digest());
            }
        }
    }
}

/// The first line is a `Content-Type`, the rest the bytes of a manifest.
///
/// What is read is what the bytes say to any other reader, whoever reads it next reads the same, and an index that is made
/// smaller holds what was chosen and nothing else.
pub fn manifest(data: &[u8]) {
    let (content_type, bytes) = split_line(data);
    let content_type = str::from_utf8(content_type).ok().filter(|text| !text.is_empty());
    let digest = Digest::of(bytes);
    let manifest = match Manifest::parse(Bytes::copy_from_slice(bytes), content_type, digest.clone()) {
        Ok(manifest) => manifest,
        Err(problem) => return assert_safe(&sanitise::one_line(&problem, 300), 300),
    };
    assert_eq!((&manifest.bytes[..], &manifest.digest), (bytes, &digest));
    assert!(http::HeaderValue::from_str(&manifest.media_type).is_ok());
    assert_is_what_the_bytes_say(&manifest);
    assert!(manifest.children().count() <= manifest.entries().len());
    assert!(manifest.blobs(false).len() <= manifest.blobs(true).len());
    assert!(manifest.children().all(Descriptor::may_be_manifest));
    let _ = (manifest.content_size(), manifest.foreign_layers());
    // A signature gives no name to what it is not over.
    let signed = Manifest::parse_signed(manifest.bytes.clone(), &digest);
    assert!(signed.is_none_or(|signed| matches!(signed.content, Content::Schema1(_))));
    let again = Manifest::parse(manifest.bytes.clone(), Some(&manifest.media_type), digest);
    let again = again.unwrap_or_else(|problem| panic!("as `{}` it {problem}", manifest.media_type));
    assert_eq!((again.media_type, again.content), (manifest.media_type.clone(), manifest.content.clone()));
    assert_can_be_made_smaller(&manifest);
}

/// The digests that any JSON reader finds where the specification has them.
fn assert_is_what_the_bytes_say(manifest: &Manifest) {
    // Broken text in what nobody reads is overlooked, as it is by readers in Go.
    let Ok(json) = serde_json::from_slice::<Value>(&manifest.bytes) else { return };
    assert!(json.is_object(), "a manifest is an object");
    let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| json[key].as_array().map(|list| list.iter().map(digest).collect::<Vec<_>>());
    let read = |list: &[Descriptor]| list.iter().map(|entry| entry.digest.to_string()).collect::<Vec<_>>();
    match &manifest.content {
        Content::Index(entries) => assert_eq!(list("manifests").unwrap_or_default(), read(entries)),
        Content::Image { config, layers } => {
            assert_eq!(
                config.as_ref().map(|config| config.digest.to_string()).unwrap_or_default(),
                digest(&json["config"])
            );
            assert_eq!(list("layers").or_else(|| list("blobs")).unwrap_or_default(), read(layers));
        }
        Content::Schema1(layers) => {
            assert!(layers.len() <= json["fsLayers"].as_array().map_or(0, Vec::len));
            // It is older than subjects are.
            assert_eq!(manifest.subject, None);
            return;
        }
    }
    let subject = manifest.subject.as_ref().map(|subject| subject.digest.to_string());
    assert_eq!(subject.unwrap_or_default(), digest(&json["subject"]));
}

fn assert_can_be_made_smaller(manifest: &Manifest) {
    if !manifest.is_index() || manifest.entries().is_empty() || str::from_utf8(&manifest.bytes).is_err() {
        return;
    }
    let every_second = |entries: Vec<serde_json::Value>| entries.into_iter().step_by(2).collect();
    let smaller = match manifest.raw_entries().and_then(|entries| manifest.keeping(every_second(entries), "original")) {
        Ok(smaller) => smaller,
        // A number that no machine has (`1e4644`) in a field that nobody reads is copied as it is, and cannot be written anew.
        Err(_) if serde_json::from_slice::<serde_json::Value>(&manifest.bytes).is_err() => return,
        Err(problem) => panic!("{problem}"),
    };
    let expected: Vec<_> = manifest.entries().iter().step_by(2).collect();
    assert_eq!(smaller.entries().iter().collect::<Vec<_>>(), expected);
    assert!(smaller.digest.matches(&smaller.bytes));
}

fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&[], data),
    }
}

#[cfg(test)]
mod tests {

    //! Inputs that reach deep: made of what the parsers look for, in every order, and of noise.

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Up to `most` of `pieces`, one after the other.
    fn pieces(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
        vec(select(pieces), 0..most).prop_map(|chosen| chosen.concat())
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn reference() -> impl Strategy<Value = String> {
        let parts = &[
            "alpine",
            "library/",
            "ghcr.io/",
            "a",
            "b-c",
            "d_e",
            "__",
            "0",
            "UP",
            "/",
            ":",
            ".",
            "..",
            "@",
            "-",
            "5000",
            "localhost",
            "[::1]",
            "127.0.0.1",
            "oci:",
            "dir:",
            "sha256:",
            DIGEST,
            "%2f",
            "\\",
            "?",
            "#",
            " ",
            "\n",
            "\u{1b}[31m",
            "::",
            "ü",
        ];
        prop_oneof![
            "([a-zA-Z0-9.-]{1,12}(:[0-9]{1,6})?/)?[a-z0-9._/-]{1,20}(:[a-zA-Z0-9._-]{1,10})?(@(sha256|sha512|md5):[0-9a-f]{0,2})?",
            "[a-z]{1,6}\\.[a-z]{2}/([a-z0-9]{1,5}[._-]{0,2}[a-z0-9]{1,5}/){0,3}[a-z0-9]{1,9}(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9})?",
            "oci:[ -~]{0,20}(:[a-z0-9]{0,5})?",
            pieces(parts, 12),
            any::<String>(),
        ]
    }

    fn target() -> impl Strategy<Value = String> {
        let template = pieces(
            &[
                "{owner}",
                "{repo}",
                "{registry}",
                "{repository}",
                "{namespace}",
                "{name}",
                "{tag}",
                "{",
                "}",
                "/",
                ":",
                "ghcr.io/",
                "A",
                "b",
                "oci:",
                "@",
                " ",
            ],
            9,
        );
        let source = prop_oneof![
            Just("alpine:3.20".to_owned()),
            Just("ghcr.io/app:RC".to_owned()),
            Just("127.0.0.1:5000/a/b".to_owned()),
            Just("[::1]:5000/a".to_owned()),
            Just("oci:in:1".to_owned()),
            Just(format!("alpine@{DIGEST}")),
            reference(),
        ];
        let repository = select(vec!["Acme/Mirror", "acme", "", "a/b/c", "../..", "{owner}/{tag}"]);
        (template, source, repository)
            .prop_map(|(template, source, repository)| format!("{template}\n{source}\n{repository}"))
    }

    fn challenge() -> impl Strategy<Value = String> {
        let host = || {
            prop_oneof![
                select(vec![
                    "ghcr.io",
                    "a.example.com",
                    "b.example.com",
                    "example.com",
                    "a.co.uk",
                    "b.co.uk",
                    "a.azurecr.io",
                    "b.azurecr.io",
                    "localhost",
                    "localhost.",
                    "x.localhost",
                    "127.0.0.1",
                    "127.0.0.2",
                    "10.0.0.1",
                    "169.254.169.254",
                    "100.100.100.200",
                    "0",
                    "0x7f.1",
                    "224.0.0.1",
                    "203.0.113.7",
                    "[::1]",
                    "[::ffff:10.0.0.1]",
                    "[64:ff9b::a9fe:a9fe]",
                    "[::7f00:1]",
                    "[fd00:ec2::254]",
                    "[fe80::1]",
                    "[ff02::1]",
                    "[2002:a00:1::]",
                    "A.EXAMPLE.COM",
                    "xn--nxasmq6b.example",
                ])
                .prop_map(str::to_owned),
                "[a-z]{1,3}\\.[a-z]{1,3}\\.(com|uk|io)",
            ]
        };
        let scheme = || select(vec!["https://", "https://", "http://", "", "//", "ftp://", "https:\\\\"]);
        let user = select(vec!["", "", "", "user@", "user:word@", "ghcr.io@", "ghcr.io%2f@"]);
        let rest =
            select(vec!["/token", ":8443/", "/?scope=repository:evil:push", "/?service=x&a=b#c", "", "/\\\"", "/%00"]);
        let kind = select(vec!["Bearer", "bearer", "Basic", "Digest"]);
        let more =
            select(vec!["", ",service=\"s\"", ",service=\"a\\\"b\",scope=\"x\"", ", error=", "\nBasic realm=\"x\""]);
        (scheme(), host(), kind, scheme(), user, host(), rest, more).prop_map(
            |(scheme, home, kind, way, user, service, rest, more)| {
                format!("{scheme}{home}/\n{kind} realm=\"{way}{user}{service}{rest}\"{more}")
            },
        )
    }

    fn link() -> impl Strategy<Value = String> {
        let parts = &[
            "<",
            ">",
            ";",
            ",",
            "\"",
            "\\",
            "rel",
            "=",
            "next",
            "prev",
            " ",
            "/v2/a",
            "https://registry.example/",
            "?last=a,b",
            "title=",
            "\n",
            "[",
            "é",
            "%",
        ];
        prop_oneof![pieces(parts, 24), "(</[a-z?=,;&]{0,20}>; ?rel=\"?(next|prev)\"?(, ?)?){0,3}"]
    }

    fn refusal() -> impl Strategy<Value = String> {
        let wait = || {
            prop_oneof![
                "[0-9]{1,20}",
                "((Sun|Mon), [0-3][0-9] (Jan|Nov) (19|20)[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT)",
                "([0-9]{1,3}(\\.[0-9]{1,9})?(h|m|s|ms|us|µs|ns)){0,4}",
                "[-+.e0-9a-z]{0,9}",
            ]
        };
        let body = prop_oneof![
            wait().prop_map(|wait| format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"retry-after: {wait}, allowed: 2000/minute"}}]}}"#)),
            hostile().prop_map(|text| serde_json::json!({ "errors": [{ "code": text, "message": text, "detail": text }] }).to_string()),
            hostile().prop_map(|text| serde_json::json!({ "details": text }).to_string()),
            select(vec![
                "<html>", "{", "{\"errors\":[]}", "You have exceeded a secondary rate limit", "pull rate limit",
                r#"{"errors":[{"detail":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}]}"#,
            ]).prop_map(str::to_owned),
            hostile(),
        ];
        let status = select(vec!["400", "401", "403", "404", "408", "416", "429", "500", "503", "520"]);
        (status, wait(), "[ -~]{0,100}", body)
            .prop_map(|(status, wait, id, body)| format!("{status}\n{wait}\n{id}\n{body}"))
    }

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn media_type() -> impl Strategy<Value = &'static str> {
        select(vec![
            INDEX,
            IMAGE,
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.oci.artifact.manifest.v1+json",
            "application/json",
            "",
            "text/plain",
            "x.foreign.y",
        ])
    }

    fn descriptor() -> impl Strategy<Value = String> {
        let digest = (0_u8..3).prop_map(|number| crate::oci::digest::Digest::of(&[number]).to_string());
        let digest = prop_oneof![4 => digest, 1 => Just(format!("sha512:{}", "a".repeat(128))), 1 => Just("sha256:E3".to_owned())];
        let size = select(vec!["0", "1", "18446744073709551615", "-1", "1.0", "null", "\"1\""]);
        let size = prop_oneof![5 => Just("7"), 1 => size];
        let more = select(vec![
            "",
            "",
            r#","platform":{"os":"linux","architecture":"amd64"}"#,
            r#","annotations":{"a":"b"}"#,
            r#","urls":["x"]"#,
            r#","size":3"#,
            r#","annotations":null,"artifactType":"t""#,
            r#","platform":["linux"]"#,
        ]);
        (media_type(), digest, size, more, any::<u8>()).prop_map(|(media_type, digest, size, more, form)| match form {
            0..16 => format!(r#"["{media_type}","{digest}",{size}]"#),
            _ => format!(r#"{{"digest":"{digest}", "mediaType":"{media_type}","size":{size}{more}}}"#),
        })
    }

    fn manifest() -> impl Strategy<Value = String> {
        let list = || vec(descriptor(), 0..5).prop_map(|entries| format!("[{}]", entries.join(",")));
        let member = prop_oneof![
            4 => list().prop_map(|list| format!(r#""manifests":{list}"#)),
            4 => (descriptor(), list()).prop_map(|(config, layers)| format!(r#""config":{config},"layers":{layers}"#)),
            1 => list().prop_map(|list| format!(r#""blobs":{list}"#)),
            2 => descriptor().prop_map(|subject| format!(r#""subject":{subject}"#)),
            2 => media_type().prop_map(|media_type| format!(r#""mediaType":"{media_type}""#)),
            1 => select(vec![
                "\"schemaVersion\":2", "\"schemaVersion\":1", "\"manifests\":null", "\"annotations\":{\"a\":\"b\"}", "\"annotations\":[]",
                "\"Manifests\":[]", "\"artifactType\":\"t\"", "\"fsLayers\":[{\"blobSum\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]",
            ]).prop_map(str::to_owned),
        ];
        (media_type(), vec(member, 1..4)).prop_map(|(header, members)| format!("{header}\n{{{}}}", members.join(" , ")))
    }

    fn hostile() -> impl Strategy<Value = String> {
        let parts = &[
            "::",
            ":",
            "##[",
            "#",
            "[",
            "]",
            "(",
            "error",
            "set-output name=a",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}]",
            "\n",
            "\r",
            "\u{2028}",
            "\u{200b}",
            "\u{fe0f}",
            "\u{1d173}",
            "\u{202e}",
            " ",
            "\t",
            "a",
            "⏎",
            "\u{9b}",
            "\u{7}",
            "`",
            "``",
            "|",
            "\\",
            "<",
            ">",
            "&amp;",
            "*",
            "_",
            "~",
            "!",
            "1.",
            "1)",
            "-",
            "+",
            "=",
            "http",
            "://",
            "www.",
            "x.example",
            "\u{3000}",
            "'",
            "$",
            "@",
            "^",
            "{",
            "%0A",
        ];
        prop_oneof![3 => pieces(parts, 24), 1 => any::<String>()]
    }

    fn acts() -> impl Strategy<Value = String> {
        let act = (select(vec!["g", "n", "w", "e", "d", "m", "o", "l"]), hostile(), hostile());
        vec(act.prop_map(|(letter, title, message)| format!("{letter}{title}\u{1f}{message}")), 0..16)
            .prop_map(|acts| acts.join("\u{1e}"))
    }

    fn layout() -> impl Strategy<Value = String> {
        let entry = (0..4, select(vec!["", "v1", "fuzzed", "docker.io/library/x:v1", "sha256-"]), media_type()).prop_map(|(number, name, media_type)| {
            format!(
                r#"{{"mediaType":"{media_type}","digest":"{{digest:{number}}}","size":{{size:{number}}},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
            )
        });
        let index = prop_oneof![
            8 => vec(entry, 0..4).prop_map(|entries| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))),
            1 => select(vec!["{}", "{\"manifests\":null}", "[]", "link:blobs/sha256", "link:../outside/secret", "link:index.json", ""]).prop_map(str::to_owned),
        ];
        let blob = prop_oneof![
            3 => manifest().prop_map(|text| text.split_once('\n').map_or_else(String::new, |(_, bytes)| bytes.to_owned())),
            2 => Just(r#"{"config":{"digest":"{digest:0}","size":{size:0}},"layers":[],"subject":{"digest":"{digest:1}","size":{size:1}}}"#.to_owned()),
            1 => select(vec!["{}", "a", "wrong:{\"manifests\":[]}", "folder:x", "link:../../../outside/secret", "link:/dev/zero", "link:.", "link:nowhere"]).prop_map(str::to_owned),
        ];
        let mark = prop_oneof![
            9 => Just("{\"imageLayoutVersion\":\"1.0.0\"}"),
            1 => select(vec!["", "{}", "{\"imageLayoutVersion\":\"2\"}", "[]"]),
        ];
        (mark, index, vec(blob, 0..4))
            .prop_map(|(mark, index, blobs)| [vec![mark.to_owned(), index], blobs].concat().join("\n%%\n"))
    }

    proptest! {
        #[test]
        fn references_are_read_or_refused(text in reference()) {
            crate::properties::reference(&text);
        }

        #[test]
        fn lists_are_read_or_refused(lines in vec((reference(), any::<bool>(), target()), 0..4), noise in hostile()) {
            let line = |(source, whole, target): &(String, bool, String)| {
                if *whole { format!("{source} => {target}") } else { source.clone() }
            };
            crate::properties::images(&lines.iter().map(line).collect::<Vec<_>>().join("\n"));
            crate::properties::images(&noise);
        }

        #[test]
        fn targets_are_made_or_refused(text in target()) {
            crate::properties::target(&text);
        }

        #[test]
        fn challenges_send_no_credential_away(text in challenge()) {
            crate::properties::registry::challenge(text.as_bytes());
        }

        #[test]
        fn links_never_cut_a_list_short(text in link(), noise in vec(any::<u8>(), 0..40)) {
            crate::properties::registry::link(text.as_bytes());
            crate::properties::registry::link(&noise);
        }

        #[test]
        fn refusals_are_safe_and_waits_bounded(text in refusal()) {
            crate::properties::registry::retry_after(text.as_bytes());
        }

        #[test]
        fn manifests_are_what_their_bytes_say(text in manifest()) {
            crate::properties::manifest(text.as_bytes());
        }

        #[test]
        fn nothing_gets_through_that_anything_acts_on(text in hostile()) {
            crate::properties::text::text(&text);
        }

        #[test]
        fn the_runner_sees_the_commands_that_were_issued(acts in acts()) {
            crate::properties::runner::commands(&acts);
        }

        #[test]
        fn outputs_are_read_back_as_they_were(values in vec(hostile(), 0..5)) {
            crate::properties::runner::outputs(&values.join("\u{1e}"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn layouts_are_read_and_written_within(text in layout()) {
            let scratch = tempfile::tempdir().expect("a directory");
            crate::properties::layout::layout(text.as_bytes(), scratch.path());
        }
    }
}
