//! The catalogue: every image is in it, what a registry says is never markup, and nothing is asked of another place.
//!
//! `CATALOGUE=DIRECTORY cargo test --test it catalogue` writes pages there for `scripts/catalogue-test`, which opens them.

use std::time::SystemTime;

use base64::Engine as _;
use mirror_image::internals::{self as program, ImageOutcome, ImageReference, Outcome, Wanted, render};
use serde_json::Value;
use sha2::Digest as _;

use crate::support::images;
use crate::support::{Registry, Run};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!--<script>\u{202e}{data}";

fn digest(of: &str) -> program::Digest {
    images::sha256(of.as_bytes()).parse().unwrap()
}

fn image(number: usize) -> ImageOutcome {
    let (registry, name) = (["docker.io", "quay.io", "registry.k8s.io"][number % 3], number / 3);
    let source = format!("{registry}/team-{}/app-{name}:1.{number}", name % 40);
    let platform = |name: &str| program::PlatformOutcome {
        platform: name.to_owned(),
        digest: digest(&format!("{source} {name}")),
        size: Some(3_500_000 + number as u64),
    };
    let attachment = program::AttachmentOutcome {
        subject: digest(&source),
        digest: digest(&format!("{source} signature")),
        kind: program::AttachmentKind::Signature,
        artifact_type: Some(format!("application/{HOSTILE}")),
        tag: None,
        result: Outcome::Copied,
    };
    let verified = program::Verified {
        policy: "octo".to_owned(),
        fingerprint: "0123456789abcdef".to_owned(),
        by: program::SignedBy::Identity(program::Claim {
            identity: HOSTILE.to_owned(),
            issuer: "https://i".to_owned(),
        }),
        signed_at: Some(1_700_000_000),
        kind: "bundle",
        subject: digest(&source),
        root: None,
    };
    ImageOutcome {
        verified: number.is_multiple_of(4).then(|| program::Verification::Signed(Box::new(verified))),
        source_digest: Some(digest(&source)),
        digest: Some(digest(&source)),
        result: Outcome::Copied,
        platforms: vec![platform("linux/amd64"), platform("linux/arm64/v8")],
        attachments: if number.is_multiple_of(2) { vec![attachment] } else { Vec::new() },
        ..ImageOutcome::new(
            ImageReference::parse(&source).unwrap(),
            Some(ImageReference::parse(&format!("ghcr.io/acme/mirror/{source}")).unwrap()),
        )
    }
}

/// The page and its data.
fn catalogue(images: &[ImageOutcome]) -> (String, Value) {
    let wanted = Wanted::parse(&["catalogue"]).unwrap();
    let now = SystemTime::UNIX_EPOCH;
    let (configs, _) = render(&wanted, images, program::Command::Copy, false, None, &[], now);
    let [config] = configs.as_slice() else { panic!("{configs:?}") };
    let text = |path: &str| config.files.iter().find(|file| file.path == path).unwrap().text.clone();
    (text("catalogue/index.html"), serde_json::from_str(&text("catalogue/catalogue.json")).unwrap())
}

/// What stands between `from` and the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}

#[test]
fn every_image_is_in_the_page_and_in_the_data() {
    let images: Vec<ImageOutcome> = (0..3000).map(image).collect();
    let (page, data) = catalogue(&images);
    let in_page: Value = serde_json::from_str(between(&page, "id=\"data\">", "</script>")).unwrap();
    assert_eq!(in_page, data);
    assert_eq!(data["images"].as_array().unwrap().len(), 3000);
    assert_eq!(data["confirmed"], "1970-01-01T00:00:00Z");
    let first = &data["images"][0];
    assert_eq!(first["pinned"], format!("{}@{}", first["target"].as_str().unwrap(), first["digest"].as_str().unwrap()));
    let signed = data["images"].as_array().unwrap().iter().filter(|image| image["verified"]["policy"] == "octo");
    assert_eq!(signed.count(), 750);
    assert_eq!((first["exact"].clone(), first["platforms"].as_array().unwrap().len()), (true.into(), 2));
    if let Some(directory) = std::env::var_os("CATALOGUE").map(std::path::PathBuf::from) {
        std::fs::write(directory.join("index.html"), page).unwrap();
        std::fs::write(directory.join("catalogue.json"), data.to_string()).unwrap();
    }
}

#[test]
fn what_a_registry_says_is_never_markup() {
    let (page, data) = catalogue(&[image(0)]);
    let shown = data["images"][0]["attachments"][0]["artifact_type"].as_str().unwrap();
    assert!(shown.contains("<img") && !shown.contains('\u{202e}'), "{shown}");
    // The data has no `<` at all, so that it ends where the page ends it.
    assert!(!between(&page, "id=\"data\">", "</script>").contains('<'), "{page}");
    assert_eq!(page.matches("<script").count(), 2, "{page}");
    assert_eq!(page.matches("<img").count(), 0, "{page}");
}

#[test]
fn the_page_asks_for_nothing_and_its_policy_allows_its_own_script_alone() {
    let (page, _) = catalogue(&[image(0), image(1)]);
    let frame = page.replace(between(&page, "id=\"data\">", "</script>"), "");
    for other in ["http://", "https://", " src=", "@import", "url(", "innerHTML", "fetch(", "<link"] {
        assert!(!frame.contains(other), "{other}");
    }
    let policy = between(&page, "content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for (tag, from, to) in [("style-src", "<style>", "</style>"), ("script-src", "</script>\n<script>", "</script>")] {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(between(&page, from, to)));
        assert!(policy.contains(&format!("{tag} 'sha256-{hash}'")), "{tag}: {policy}");
    }
}

/// A run: what it copied and what was there already, with platforms, and not what failed.
#[tokio::test]
async fn a_run_writes_the_catalogue_of_what_it_confirmed() {
    let (source, target) = (Registry::start(), Registry::start());
    for name in ["library/one:1", "library/two:1"] {
        source.seed(&images::three_platforms(), name);
    }
    let workspace = tempfile::tempdir().unwrap();
    let run = |names: &[&str]| {
        let list = names.iter().map(|name| source.name(name)).collect::<Vec<_>>().join("\n");
        let run = Run::new().input("images", &list).input("target", &target.name("{repository}"));
        run.input("emit", "catalogue").env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    run(&["library/one:1"]).succeeds().await;
    run(&["library/one:1", "library/two:1", "library/none:1"]).input("check", "deep").fails_with(1).await;
    let text = std::fs::read_to_string(workspace.path().join("mirror-image/catalogue/catalogue.json")).unwrap();
    let data: Value = serde_json::from_str(&text).unwrap();
    let listed: Vec<(&str, usize)> = data["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| (image["source"].as_str().unwrap(), image["platforms"].as_array().unwrap().len()))
        .collect();
    assert_eq!(listed, [(&*source.name("library/one:1"), 3), (&*source.name("library/two:1"), 3)]);
    assert!(humantime::parse_rfc3339(data["confirmed"].as_str().unwrap()).unwrap() > SystemTime::UNIX_EPOCH);
    assert!(workspace.path().join("mirror-image/catalogue/index.html").is_file());
}
