//! Other tools' lists as ours: `fixtures/import` has a folder for each tool, with its list and what becomes of it.
//!
//! `UPDATE=1` writes what becomes of them anew: look at the difference.

use std::path::{Path, PathBuf};

use crate::support::sigstore::Key;
use crate::support::{Registry, run::memory_limit};
use crate::support::{Run, images as made};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/import")
}

fn import(arguments: &[&str]) -> Run {
    let run = Run::line(&[&["import"], arguments].concat()).env("HUB_USER", "hunter2ann");
    run.env("HUB_TOKEN", "hunter2hunter9").env("HIDDEN_HOST", "hunter2.example.com")
}

/// The files of a folder that are read.
fn inputs(folder: &Path) -> Vec<String> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| !path.ends_with("expected.yaml"));
    names.sort();
    names.iter().rev().map(|path| path.display().to_string()).collect()
}

#[tokio::test]
async fn each_tools_list_becomes_one_of_ours_that_a_run_takes_and_no_secret_is_in_it() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 13, "{folders:?}");
    for folder in folders {
        let inputs = inputs(&folder);
        let outcome = import(&inputs.iter().map(String::as_str).collect::<Vec<_>>()).succeeds().await;
        assert!(!outcome.everything().contains("hunter2"), "{outcome}");
        let file = folder.join("expected.yaml");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &outcome.stdout).unwrap();
        }
        assert_eq!(outcome.stdout, std::fs::read_to_string(&file).unwrap(), "{}", folder.display());
        // A run reads it, and fails, if at all, at registries that do not answer.
        let workspace = tempfile::tempdir().unwrap();
        std::fs::write(workspace.path().join("images.yml"), &outcome.stdout).unwrap();
        // The keys that lists name.
        std::fs::write(workspace.path().join("cosign.pub"), Key::new().pem()).unwrap();
        let names = Run::new()
            .input("config", "images.yml")
            .command("images")
            .input("images-from", "images.yml")
            .input("check", "list");
        let names = names.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).run().await;
        assert_eq!(names.code, 0, "{}\n{names}", folder.display());
    }
}

/// Four hundred entries say it once.
#[tokio::test]
async fn what_every_entry_would_say_stands_once_above_them() {
    let workspace = tempfile::tempdir().unwrap();
    let file = workspace.path().join("regsync.yml");
    let list = |more: &str| {
        let entry = |name: &str| format!("  - {{source: {name}, target: a.io/{name}, type: image}}\n");
        format!("version: 1\nsync:\n{}{}{more}", entry("x"), entry("y"))
    };
    let said = "were off: attachments come along here";
    for (more, at_each) in
        [("", 0), ("  - {source: z, target: a.io/z, type: image, referrers: true, digestTags: true}\n", 2)]
    {
        std::fs::write(&file, list(more)).unwrap();
        let made = import(&[file.to_str().unwrap()]).succeeds().await.stdout;
        let (above, entries) = made.split_once("images:\n").unwrap();
        assert_eq!(
            above.matches(&format!("# of every entry: `digestTags` and `referrers` {said}")).count(),
            usize::from(at_each == 0)
        );
        assert_eq!(entries.matches(said).count(), at_each, "{made}");
    }
}

#[tokio::test]
async fn variables_of_a_list_are_those_of_env_file_and_never_the_environments() {
    let workspace = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        std::fs::write(workspace.path().join(name), text).unwrap();
        workspace.path().join(name).display().to_string()
    };
    let list = at(
        "regsync.yml",
        "creds:\n  - {registry: a.io, user: '{{ env \"HUB_USER\" }}', pass: '{{ env \"HUB_TOKEN\" }}'}\n\
         sync:\n  - {source: '{{ env \"HIDDEN_HOST\" }}/x:1', target: 'b.io/{{ env \"HUB_TOKEN\" }}:1', type: image}\n",
    );
    let outcome = import(&[&list]).succeeds().await;
    assert!(!outcome.everything().contains("hunter2"), "{outcome}");
    assert!(outcome.stdout.contains("# a.io ${{ secrets.A_IO_USERNAME }} ${{ secrets.HUB_TOKEN }}\n"), "{outcome}");
    assert!(outcome.says("the variable `HIDDEN_HOST` has no value here; give it by `env-file`"), "{outcome}");
    let variables = at("variables.env", "HIDDEN_HOST=quay.io\nHUB_TOKEN=mirror\nHUB_USER=ann\n");
    let outcome = import(&[&list, &format!("--env-file={variables}")]).succeeds().await;
    assert!(outcome.stdout.contains("- quay.io/x:1 => b.io/mirror:1\n"), "{outcome}");
    assert!(!outcome.stdout.contains("ann") && !outcome.everything().contains("hunter2"), "{outcome}");
}

#[tokio::test]
async fn in_a_step_of_a_job_standard_output_is_the_list_alone_and_no_command_is_in_it() {
    let workspace = tempfile::tempdir().unwrap();
    let list = workspace.path().join("regsync.yml");
    let text = "sync:\n  - {source: a.io/x, target: b.io/x, type: repository, tags: {allow: ['a##[add-mask]b']}}\n  - {source: \
                'a.io/y:1', target: 'b.io/y:1', type: image}\n";
    std::fs::write(&list, text).unwrap();
    let below = workspace.path().display().to_string();
    let step = import(&["regsync.yml"]).env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", &below);
    let outcome = step.succeeds().await;
    assert!(outcome.stdout.starts_with("# Made by"), "{outcome}");
    assert!(outcome.stdout.contains("- a.io/y:1 => b.io/y:1\n"), "{outcome}");
    assert!(outcome.stderr.contains("is of regsync"), "{outcome}");
    assert!(!outcome.log.contains("##["), "{outcome}");
    let rewrite = Run::line(&["rewrite", "-", "--target=m.io/{name}"]).reads("FROM alpine:3.20\n");
    let outcome = rewrite.env("GITHUB_ACTIONS", "true").succeeds().await;
    assert_eq!(outcome.stdout, "FROM m.io/alpine:3.20\n", "{outcome}");
    // As an action, the list goes to the log.
    let action = Run::new().command("import").input("images-from", "regsync.yml");
    let outcome = action.env("GITHUB_WORKSPACE", &below).succeeds().await;
    assert!(outcome.stdout.contains("is of regsync") && outcome.stdout.contains("=> b.io/y:1"), "{outcome}");
    assert!(!outcome.log.contains("##["), "{outcome}");
}

#[tokio::test]
async fn what_a_list_does_not_say_is_asked_for_by_target() {
    let workspace = tempfile::tempdir().unwrap();
    let skopeo = fixtures().join("skopeo-sync/input.yml").display().to_string();
    let outcome = import(&[&skopeo, "--target=registry.example.com/x/{name}"]).succeeds().await;
    assert!(
        outcome.stdout.contains("version: 1\ndefaults:\n  target: registry.example.com/x/{name}\nimages:\n"),
        "{outcome}"
    );
    let oc_mirror = fixtures().join("oc-mirror/input.yaml").display().to_string();
    let outcome = import(&[&oc_mirror, "--target=registry.example.com/x/{registry}/{repository}"]).succeeds().await;
    assert!(outcome.stdout.contains("quay.io/a/b:1 => registry.example.com/x/team/b:one"), "{outcome}");
    import(&[&oc_mirror, "--strict"]).fails_with(1).await;
    let json = import(&[&oc_mirror, "--output=json"]).succeeds().await;
    assert!(json.stdout.starts_with("{\"list\":\"# Made by"), "{json}");
    let at = |name: &str, text: &str| {
        std::fs::write(workspace.path().join(name), text).unwrap();
        workspace.path().join(name).display().to_string()
    };
    let bomb: String = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "))
    });
    for (name, text, part) in [
        ("empty.yml", "", "has nothing in it"),
        ("values.yml", "replicas: 2\nx: {y: z}\n", "is no list that is known"),
        (
            "own.yml",
            "version: 1\nimages:\n  - {source: a/b, tags: ['1.*']}\n",
            "is a mirror list already: name it by `config`",
        ),
        ("broken.yml", "sync: [\n", "broken.yml:1:7: this is not YAML"),
        ("tabs.yml", "sync:\n\t- a\n", "this is not YAML"),
        ("bomb.yml", &bomb, "has more than 1000000 values"),
    ] {
        let outcome = import(&[&at(name, text)]).fails_with(2).await;
        assert!(outcome.says(part) && outcome.stdout.is_empty(), "{name}\n{outcome}");
        assert!(outcome.peak < 4 * memory_limit(), "{name}: {}", outcome.peak);
    }
    // What our reader would refuse is a comment, and what is written at odds with a grammar names nothing.
    let odd = "sync:\n  - {source: 'nginx', target: 'x.io/n', type: repository, tags: {allow: ['(?=a)b']}}\n  - {source: 'A/B', \
               target: 'x.io/b', type: image}\n  - {source: 'a/b:1', target: 'x.io/{{ .Ref }}', type: image}\n";
    let outcome = import(&[&at("odd.yml", odd)]).succeeds().await;
    assert!(outcome.stdout.ends_with("images: []\n") || outcome.stdout.contains("images: []\n"), "{outcome}");
    assert_eq!(outcome.stdout.matches("# not carried over").count(), 3, "{outcome}");
    let crlf = "# mine\r\n\u{feff}nginx:1.27\r\n";
    assert!(import(&[&at("images.txt", crlf)]).succeeds().await.stdout.contains("- docker.io/library/nginx:1.27\n"));
}

#[tokio::test]
async fn an_imported_list_selects_tags_as_the_tool_does() {
    let source = Registry::start();
    let tags = [
        "3.9",
        "3.10",
        "3x9",
        "13.9",
        "3.12.0",
        "v3.13",
        "3.12.0-alpine",
        "3.11.0",
        "3.12.1.4",
        "latest",
        "2024-01",
        "1.0-rc",
    ];
    for tag in tags {
        source.seed(&made::single(), &format!("library/app:{tag}"));
    }
    let host = source.name("");
    let host = host.trim_end_matches('/');
    let workspace = tempfile::tempdir().unwrap();
    for (list, selected) in [
        (
            format!(
                "sync:\n  - {{source: {host}/library/app, target: x.io/a, type: repository, tags: {{allow: ['3.9', 'lat.*']}}}}\n"
            ),
            &["3.9", "3x9", "latest"][..],
        ),
        (format!("{host}:\n  images-by-tag-regex: {{library/app: '3.9'}}\n"), &["3.9", "3x9", "13.9"]),
        (format!("{host}:\n  images-by-tag-regex: {{library/app: '^2024|rc$'}}\n"), &["2024-01", "1.0-rc"]),
        // Its library takes three numbers at most, and a suffix for a pre-release.
        (format!("{host}:\n  images-by-semver: {{library/app: '>= 3.12.0, <4'}}\n"), &["3.12.0", "v3.13"]),
        (format!("{host}/library/app:/^3\\.1/: x.io/a\n"), &["3.10", "3.12.0", "3.12.0-alpine", "3.11.0", "3.12.1.4"]),
    ] {
        std::fs::write(workspace.path().join("input.yml"), &list).unwrap();
        let outcome = import(&[&workspace.path().join("input.yml").display().to_string()]).succeeds().await;
        std::fs::write(workspace.path().join("images.yml"), &outcome.stdout).unwrap();
        let run = Run::new().command("inspect").input("config", "images.yml");
        let run = run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).succeeds().await;
        let mut found: Vec<String> = run.json()["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["source"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
            .collect();
        let mut expected = selected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{list}\n{}", outcome.stdout);
    }
}
