//! The images that files name: found where they are certain, told with the place where they are not, and never made up.
//!
//! `fixtures/find` has some sixty files of thirteen kinds, written after real ones, and beside them what is in them, by hand.

use std::path::{Path, PathBuf};

use crate::support::real;
use crate::support::run::memory_limit;
use crate::support::{Registry, Run, images as made};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/find")
}

fn images(arguments: &[&str]) -> Run {
    Run::line(&[&["images"], arguments].concat())
}

/// `FILE:LINE IMAGE`, and `FILE:LINE ? TEXT` for what is unresolved, in order.
fn places(json: &str, below: &Path) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let place = |site: &serde_json::Value, what: String| {
        let file = PathBuf::from(site["file"].as_str().unwrap());
        format!("{}:{} {what}", file.strip_prefix(below).unwrap().display(), site["line"])
    };
    let mut places = Vec::new();
    for image in json["images"].as_array().unwrap() {
        for site in image["found"].as_array().unwrap() {
            places.push(place(site, image["image"].as_str().unwrap().to_owned()));
        }
    }
    for unresolved in json["unresolved"].as_array().unwrap() {
        places.push(place(unresolved, format!("? {}", unresolved["text"].as_str().unwrap())));
    }
    places.sort();
    places
}

#[tokio::test]
async fn all_that_is_certain_is_found_in_sixty_files_and_nothing_else() {
    let root = fixtures();
    let expected = std::fs::read_to_string(root.join("expected.txt")).unwrap();
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    let outcome = images(&[&root.display().to_string(), "--format=json"]).succeeds().await;
    assert_eq!(places(&outcome.stdout, &root), expected);
    // What is broken, and what is a template, is said and fails nothing.
    for part in [
        "other/tabs.yml:2:2: this is not YAML",
        "rendered/broken.yaml:10:15: this is not YAML",
        "dockerfile/Dockerfile.quoted:9:9: opens a here-document without an end",
        "chart/plain/templates/deployment.yaml:4:10: is a template that is not filled in",
        "`compose.yml` is not followed: name it too",
        ".gitlab-ci.yml:10:5: `include` is not followed",
        "devcontainer.json:6:14: `features` are no images",
        "docker-bake.json:6:21: `dockerfile` is not followed",
    ] {
        assert!(outcome.stderr.contains(part), "{part}\n{outcome}");
    }
    // Secrets of compose files and workflows are nobody's images.
    assert!(!outcome.everything().contains("hunter2"), "{outcome}");
}

#[tokio::test]
async fn a_list_of_a_projects_images_is_one_that_a_run_takes() {
    let root = fixtures().join("compose");
    let outcome = images(&[&root.display().to_string()]).succeeds().await;
    assert!(outcome.stdout.contains("/compose.yml:4\ndocker.io/library/nginx:1.27-alpine\n"), "{outcome}");
    assert!(outcome.stdout.contains("is unresolved: `REGISTRY` has no value here\n"), "{outcome}");
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("images.txt"), &outcome.stdout).unwrap();
    let plan =
        Run::new().input("config", "images.txt").input("target", "127.0.0.1:9/x/{repository}").input("shard", "1/64");
    let plan =
        plan.input("dry-run", "true").env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).run().await;
    assert_ne!(plan.code, 2, "{plan}");
    let lines = images(&[&root.display().to_string(), "--format=lines"]).succeeds().await;
    assert!(lines.stdout.lines().all(|line| !line.contains([' ', '#'])), "{lines}");
    assert!(lines.stderr.contains("is unresolved"), "{lines}");
    let pinned = images(&[&root.display().to_string(), "--unpinned", "--format=lines"]).succeeds().await;
    assert!(
        !pinned.stdout.contains('@') && pinned.stdout.lines().count() + 1 == lines.stdout.lines().count(),
        "{pinned}"
    );
}

#[tokio::test]
async fn a_pull_request_that_names_what_the_list_does_not_mirror_fails() {
    let workspace = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(workspace.path().join(name), text).unwrap();
    write("images.yml", "images:\n  - alpine:3.20\n  - source: nginx\n    tags: [{semver: '>=1.26'}]\n    newest: 3\n");
    write("Dockerfile", "FROM nginx:1.27.1-alpine\nFROM ghcr.io/owner/repo/docker.io/library/alpine:3.20\n");
    let check = || {
        let run = Run::new().command("images").input("images-from", "Dockerfile").input("config", "images.yml");
        run.input("check", "list").env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    let outcome = check().succeeds().await;
    assert_eq!(
        (outcome.output("images"), outcome.says("2 images in 1 of 1 file, 0 not mirrored")),
        ("", true),
        "{outcome}"
    );
    write("Dockerfile", "FROM nginx:1.25\nFROM alpine:3.20\nFROM busybox\n");
    let outcome = check().fails_with(1).await;
    assert_eq!(outcome.output("images"), "docker.io/library/busybox:latest\ndocker.io/library/nginx:1.25", "{outcome}");
    for part in [
        "Dockerfile:1: docker.io/library/nginx:1.25 is not mirrored: images.yml:3:5 has the repository, and not this tag",
        "Dockerfile:3: docker.io/library/busybox:latest is not mirrored: no entry of the list has this repository",
    ] {
        assert!(outcome.says(part), "{part}\n{outcome}");
    }
    // Where a job shows it in the pull request.
    for (line, image) in [(1, "nginx:1.25"), (3, "busybox:latest")] {
        let place = format!("::error file=Dockerfile,line={line},col=6,title=mirror-image::Dockerfile:{line}: ");
        assert!(outcome.says(&format!("{place}docker.io/library/{image} is not mirrored")), "{outcome}");
    }
    let at_a_shell = images(&["--check", "--config=images.yml", "Dockerfile", "--output=json"]);
    let at_a_shell = at_a_shell.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).fails_with(1).await;
    assert!(
        at_a_shell.stdout.contains("\"not_mirrored\":\"no entry of the list has this repository\""),
        "{at_a_shell}"
    );
    let without = images(&["--check", "Dockerfile"]).fails_with(2).await;
    assert!(without.says("no list is named; name one by `config`"), "{without}");
}

/// What kustomize makes of it is what is found; where not all of it is known, nothing is.
#[tokio::test]
async fn a_kustomization_that_renames_alone_has_the_tags_of_its_resources_where_all_are_read() {
    let pod = |name: &str, image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers: [{{name: c, image: '{image}'}}]\n"
        )
    };
    let rename = "images: [{name: app, newName: m.example/app}]\n";
    let (one, two) = (pod("one", "app:1.2"), pod("two", &format!("app@{}", made::sha256(b"two"))));
    for (top, base, found) in [
        ("resources: [one.yaml, base]\n", "resources: [two.yaml]\nnamePrefix: x-\n", 2),
        ("resources: [./one.yaml]\n", "resources: [two.yaml]\n", 1),
        // A patch, a component, a base that renames, and a resource from elsewhere may be anything.
        ("resources: [one.yaml]\npatches: [{path: one.yaml}]\n", "", 0),
        ("resources: [one.yaml]\ncomponents: [base]\n", "", 0),
        ("resources: [one.yaml, base]\n", "resources: [two.yaml]\nimages: [{name: app, newTag: '3'}]\n", 0),
        ("resources: [one.yaml, 'https://example.com/x.yaml']\n", "", 0),
        ("resources: [one.yaml, ../elsewhere.yaml]\n", "", 0),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("base")).unwrap();
        for (name, text) in [
            ("kustomization.yaml", &*format!("{top}{rename}")),
            ("one.yaml", &one),
            ("base/two.yaml", &two),
            ("base/kustomization.yaml", base),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let path = directory.path().display().to_string();
        let outcome = images(&[&path, "--format=lines"]).succeeds().await;
        let renamed = |text: &str| {
            let names = text.lines().filter_map(|line| line.split_once("m.example/"));
            names.map(|(_, image)| image.trim_matches('\'').to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(renamed(&outcome.stdout).len(), found, "{top}{base}\n{outcome}");
        assert_eq!(outcome.says("its tag is that of the resources"), found == 0, "{top}{base}\n{outcome}");
        if found > 0 {
            let built = real::run(std::process::Command::new("kustomize").args(["build", &path]));
            assert_eq!(renamed(&outcome.stdout), renamed(&String::from_utf8(built).unwrap()), "{top}{base}");
        }
    }
}

#[tokio::test]
async fn standard_input_is_whatever_is_in_it() {
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: 'quay.io/a/b:1'}]}\n";
    for (text, found) in [
        (pod, "quay.io/a/b:1\n"),
        (&*format!("---\n# Source: a.yaml\n{pod}---\n{pod}"), "quay.io/a/b:1\n"),
        ("FROM alpine:3.20\n", "docker.io/library/alpine:3.20\n"),
        ("# mine\nalpine:3.20\nquay.io/a/b => c/d\n", "docker.io/library/alpine:3.20\nquay.io/a/b:latest\n"),
        ("", ""),
    ] {
        let outcome = images(&["-", "--format=lines"]).reads(text).succeeds().await;
        assert_eq!(outcome.stdout, found, "{text}\n{outcome}");
    }
}

#[tokio::test]
async fn what_is_known_besides_the_files_is_given_and_never_taken_from_the_environment() {
    let workspace = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(workspace.path().join(name), text).unwrap();
    write("compose.yml", "services: {a: {image: 'quay.io/a/b:${TAG}'}}\n");
    write("Dockerfile", "ARG BASE\nARG TARGETARCH\nFROM ${BASE:-alpine:3}\nFROM busybox:$TARGETARCH\n");
    write("values.yaml", "image: {repository: quay.io/c/d, tag: ''}\nsidecarImage: quay.io/e/f:2\nname: x:1\n");
    write(".env", "TAG=from-the-file\n");
    let run = |arguments: &[&str]| {
        let run = images(arguments).env("TAG", "from-the-environment").env("BASE", "from-the-environment");
        run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    let outcome = run(&[".", "--format=lines"]).succeeds().await;
    assert_eq!(outcome.stdout, "docker.io/library/alpine:3\n", "{outcome}");
    run(&[".", "--strict"]).fails_with(1).await;
    let given = ["--env-file=.env", "--build-arg=BASE=debian:12", "--build-arg=TARGETARCH=glibc", "--guess"];
    let outcome = run(&[&[".", "--format=list"], &given[..]].concat()).succeeds().await;
    let expected = "# ./Dockerfile:4\ndocker.io/library/busybox:glibc\n# ./Dockerfile:3\ndocker.io/library/debian:12\n\
                    # ./compose.yml:1\nquay.io/a/b:from-the-file\n# guessed, by the habits of charts' values:\n\
                    # ./values.yaml:2\nquay.io/e/f:2\n# ./values.yaml:1:21: `quay.io/c/d` is unresolved: its tag is empty: charts \
                    take their `appVersion` then; render the chart to know it\n";
    assert_eq!(outcome.stdout, expected);
}

#[tokio::test]
async fn a_run_copies_what_files_name_and_says_what_they_leave_open() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&made::single(), "library/app:1");
    let workspace = tempfile::tempdir().unwrap();
    let dockerfile =
        format!("FROM {}\nFROM {}\nFROM x:${{Y}}\n", source.name("library/app:1"), target.name("mirror/app:1"));
    std::fs::write(workspace.path().join("Dockerfile"), dockerfile).unwrap();
    let copy = |words: &str| {
        let run = Run::new().input("images-from", words).input("target", &target.name("mirror/{name}"));
        run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    let outcome = copy("Dockerfile").succeeds().await;
    assert!(target.tag("mirror/app", "1").is_some(), "{outcome}");
    assert!(
        outcome.says("Dockerfile:3:6: `x:${Y}` is unresolved: `Y` has no value here; give it by `build-arg`"),
        "{outcome}"
    );
    std::fs::write(workspace.path().join("compose.yml"), "a: [\n").unwrap();
    for (words, part) in [
        ("compose.yml", "input `images-from`: compose.yml:"),
        ("none.yml", "`none.yml` is not there"),
        ("../x", "is not below the workspace"),
        ("*.txt", "matches no file"),
    ] {
        let outcome = copy(words).fails_with(2).await;
        assert!(outcome.says(part), "{words}\n{outcome}");
    }
}

#[tokio::test]
async fn text_that_is_made_to_do_harm_names_nothing_and_stops_nothing() {
    let workspace = tempfile::tempdir().unwrap();
    let at = |name: &str| workspace.path().join(name).display().to_string();
    let mut bomb = "apiVersion: v1\nkind: Pod\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
    }
    let nested: String =
        (0..100).map(|level| format!("&n{level} [")).collect::<String>() + &"x, ".repeat(30_000) + &"]".repeat(100);
    let pod = |number: usize| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}}}\nspec:\n  containers:\n    - name: a\n      \
                 image: quay.io/acme/app:{}\n      env:\n        - {{name: A, value: {}}}\n",
            number % 3,
            "v".repeat(200)
        )
    };
    let doubling: String = (1..60).map(|level| format!("ARG A{level}=$A{}$A{}\n", level - 1, level - 1)).collect();
    let escapes = "services: {\"a\\u001b[31m\": {image: \"b\\u001b[31m::set-output name=x::y\"}}\n";
    let three = "quay.io/acme/app:0\nquay.io/acme/app:1\nquay.io/acme/app:2\n";
    for (name, text, code, found, part) in [
        ("bomb.yml", bomb, 2, "", "has more than 1000000 values"),
        ("nested.yml", format!("apiVersion: v1\nkind: Pod\nx: {nested}\n"), 2, "", "has more than 1000000 values"),
        ("deep.yml", format!("{}{}", "[".repeat(5000), "]".repeat(5000)), 2, "", "this is not YAML"),
        ("large.yml", (0..30_000).map(pod).collect(), 0, three, "3 images in 1 of 1 file"),
        ("Dockerfile", format!("ARG A0=xxxxxxxxxx\n{doubling}FROM a:$A59\n"), 0, "", "more than any reference"),
        ("escapes.yml", escapes.to_owned(), 0, "", "is unresolved"),
    ] {
        std::fs::write(workspace.path().join(name), text).unwrap();
        let outcome = images(&[&at(name), "--format=lines"]).run().await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, found), "{name}\n{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{name}\n{}", outcome.stderr);
        assert!(!outcome.log.contains('\u{1b}'), "{name}");
        assert!(outcome.peak < 4 * memory_limit(), "{name}: {}", outcome.peak);
    }
    std::fs::write(workspace.path().join("binary.yml"), [0xff, 0xfe, 0x00]).unwrap();
    let outcome = images(&[&at("binary.yml")]).fails_with(2).await;
    assert!(outcome.says("is not text in UTF-8"), "{outcome}");
    let secret = "services: {a: {image: 'ann:hunter2hunter2@ghcr.io/a/b:1', environment: {P: hunter2hunter2}}}\nx: [\n";
    std::fs::write(workspace.path().join("compose.yml"), secret).unwrap();
    std::fs::write(workspace.path().join("stack.yml"), secret.replace("x: [\n", "")).unwrap();
    for name in ["compose.yml", "stack.yml"] {
        let outcome = images(&[&at(name)]).run().await;
        assert!(!outcome.everything().contains("hunter2"), "{outcome}");
    }
}

#[tokio::test]
async fn files_are_rewritten_with_the_mirrors_names_once_and_nothing_else_in_them_changes() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = tempfile::tempdir().unwrap();
    let path = |name: &str| workspace.path().join(name);
    let compose = "\u{feff}services:\r\n  a:\r\n    image: \"nginx:1.27\"   # why\r\n  b: {image: redis@sha256:\
                   e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}\r\n  c: {image: 'x:${Y}'}\r\n";
    std::fs::write(path("compose.yml"), compose).unwrap();
    std::fs::set_permissions(path("compose.yml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(path("k.yml"), "kind: [").unwrap();
    let rewrite = |arguments: &[&str]| {
        let run = Run::line(&[&["rewrite", "compose.yml", "--target=m.io/{name}"], arguments].concat());
        run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    let outcome = rewrite(&["--dry-run"]).succeeds().await;
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!((lines[0], lines.len()), ("compose.yml:3:12: nginx:1.27 => m.io/nginx:1.27", 2), "{outcome}");
    assert!(outcome.says("compose.yml:5: `x:${Y}` stays: `Y` has no value here"), "{outcome}");
    assert_eq!(std::fs::read_to_string(path("compose.yml")).unwrap(), compose);
    rewrite(&["--strict", "--dry-run"]).fails_with(1).await;
    rewrite(&[]).succeeds().await;
    let expected = compose.replace("\"nginx", "\"m.io/nginx").replace("image: redis", "image: m.io/redis");
    assert_eq!(std::fs::read_to_string(path("compose.yml")).unwrap(), expected);
    assert_eq!(std::fs::metadata(path("compose.yml")).unwrap().permissions().mode() & 0o777, 0o640);
    let again = rewrite(&[]).succeeds().await;
    assert!(again.says("0 references changed in 0 of 1 file") && again.stdout.is_empty(), "{again}");
    // A file that cannot be read stays, and the others are written all the same.
    std::fs::write(path("compose.yml"), compose).unwrap();
    let outcome = rewrite(&["k.yml"]).fails_with(2).await;
    assert!(outcome.says("k.yml:1:7: this is not YAML") && outcome.says("the file stays as it is"), "{outcome}");
    assert_eq!(std::fs::read_to_string(path("compose.yml")).unwrap(), expected);
    let piped = Run::line(&["rewrite", "-", "--target=m.io/{name}"]).reads("FROM nginx:1  \n\n\n").succeeds().await;
    assert_eq!(piped.stdout, "FROM m.io/nginx:1  \n\n\n", "{piped}");
    for (target, part) in [
        ("a.io/{name}\nb.io/{name}", "several places"),
        ("oci:x", "is a directory"),
        ("m.io/{nme}", "is not a placeholder"),
    ] {
        let outcome = Run::line(&["rewrite", "-", &format!("--target={target}")]).reads("").fails_with(2).await;
        assert!(outcome.says(part), "{target}\n{outcome}");
    }
}

#[tokio::test]
async fn with_a_list_only_what_it_mirrors_is_rewritten_and_its_lock_gives_digests() {
    let workspace = tempfile::tempdir().unwrap();
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let write = |name: &str, text: &str| std::fs::write(workspace.path().join(name), text).unwrap();
    write(
        "images.yml",
        "defaults: {target: 'm.io/all/{name}'}\nimages:\n  - alpine:3.20\n  - nginx:1 => m.io/web:one\n",
    );
    write("images.lock", &format!("docker.io/library/alpine:3.20 {digest} 2026-01-01\n"));
    write("Dockerfile", "FROM alpine:3.20\nFROM nginx:1\nFROM busybox:1\nFROM m.io/web:one\n");
    let arguments = ["rewrite", "Dockerfile", "--config=images.yml", "--digests=add", "--lock=images.lock"];
    let run = Run::line(&arguments).env("GITHUB_WORKSPACE", &workspace.path().display().to_string());
    let outcome = run.succeeds().await;
    let text = std::fs::read_to_string(workspace.path().join("Dockerfile")).unwrap();
    assert_eq!(
        text,
        format!("FROM m.io/all/alpine:3.20@{digest}\nFROM m.io/web:one\nFROM busybox:1\nFROM m.io/web:one\n"),
        "{outcome}"
    );
    assert!(
        outcome.says("Dockerfile:3: docker.io/library/busybox:1 stays: no entry of the list has this repository"),
        "{outcome}"
    );
    let without = Run::line(&["rewrite", "-", "--digests=add", "--target=m.io/{name}"]).reads("").fails_with(2).await;
    assert!(without.says("name a lock file by `lock`"), "{without}");
}

#[tokio::test]
async fn what_was_mirrored_is_there_to_be_pasted_as_lines_a_script_for_sed_and_an_override() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&made::single(), "library/app:1");
    let workspace = tempfile::tempdir().unwrap();
    let path = |name: &str| workspace.path().join(name);
    let (from, to) = (source.name("library/app"), target.name("mirror/app"));
    std::fs::write(
        path("compose.yml"),
        format!("services:\n  web: {{image: '{from}:1'}}\n  job: {{image: '{from}:1'}}\n  db: {{image: '{from}:1'}}\n"),
    )
    .unwrap();
    // Which of its two images is meant depends on the files that compose is given.
    std::fs::create_dir(path("other")).unwrap();
    source.seed(&made::single(), "library/app:12");
    std::fs::write(path("other/compose.yml"), format!("services:\n  db: {{image: '{from}:12'}}\n")).unwrap();
    let run = |words: &str| {
        let run = Run::new().input("images-from", words).input("target", &target.name("mirror/{name}"));
        run.input("emit", "lines,sed,compose-override").env("GITHUB_WORKSPACE", &workspace.path().display().to_string())
    };
    run("compose.yml, other/compose.yml").succeeds().await;
    let override_file = std::fs::read_to_string(path("mirror-image/compose/compose.override.yaml")).unwrap();
    assert!(override_file.contains("# Left out is `db`: the files have different images for it"), "{override_file}");
    assert!(!override_file.contains("  db:") && override_file.contains("  web:"), "{override_file}");
    std::fs::remove_dir_all(path("other")).unwrap();
    std::fs::write(
        path("compose.yml"),
        format!("services:\n  web: {{image: '{from}:1'}}\n  job: {{image: '{from}:1'}}\n"),
    )
    .unwrap();
    run("compose.yml").succeeds().await;
    let pinned = format!("{to}:1@{}", made::single().digest());
    // What was written is no list of what is to be mirrored.
    let listed = images(&[&workspace.path().display().to_string(), "--format=lines"]).succeeds().await;
    assert_eq!(listed.stdout, format!("{from}:1\n"), "{listed}");
    let read = |name: &str| std::fs::read_to_string(path("mirror-image").join(name)).unwrap();
    assert!(read("lines.txt").ends_with(&format!("# {from}:1\n{pinned}\n")), "{}", read("lines.txt"));
    let services = format!("services:\n  job:\n    image: \"{pinned}\"\n  web:\n    image: \"{pinned}\"\n");
    assert!(read("compose/compose.override.yaml").ends_with(&services), "{}", read("compose/compose.override.yaml"));
    let before =
        format!("a: {from}:1\nb: \"{from}:1\", {{x: {from}:1}} docker://{from}:1\nc: {from}:12 x/{from}:1 {from}\n");
    std::fs::write(path("any.txt"), before).unwrap();
    let script = path("mirror-image/mirror.sed");
    let sed =
        || std::process::Command::new("sed").args(["-E", "-f"]).arg(&script).arg(path("any.txt")).output().unwrap();
    let after = String::from_utf8(sed().stdout).unwrap();
    let expected =
        format!("a: {pinned}\nb: \"{pinned}\", {{x: {pinned}}} docker://{pinned}\nc: {from}:12 x/{from}:1 {from}\n");
    assert_eq!(after, expected, "{}", read("mirror.sed"));
    // What was replaced is not replaced again.
    std::fs::write(path("any.txt"), &after).unwrap();
    assert_eq!(String::from_utf8(sed().stdout).unwrap(), after);
    std::fs::write(path("Dockerfile"), format!("FROM {from}:1\n")).unwrap();
    let outcome = run("Dockerfile").succeeds().await;
    assert!(outcome.says("no service of a compose file that `images-from` names has one of these images"), "{outcome}");
}

#[tokio::test]
async fn a_glob_takes_no_other_text_for_images_and_no_files_name_hides_what_it_has() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir(workspace.path().join("k8s")).unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(workspace.path().join("k8s").join(name), text).unwrap();
    let pod =
        |image: &str| format!("apiVersion: v1\nkind: Pod\nspec: {{containers: [{{name: a, image: '{image}'}}]}}\n");
    write("a.yml", pod("quay.io/a/b:1").as_bytes());
    write("*.yml", pod("quay.io/c/d:2").as_bytes());
    write("requirements.txt", b"flask\nrequests\n");
    write("picture.png", &[0x89, 0xff]);
    write("NOTES", b"From the team\n");
    let both = "quay.io/a/b:1\nquay.io/c/d:2";
    for glob in ["k8s/*", "k8s/**", "k8s/*.yml"] {
        let run = Run::new().command("images").input("images-from", glob);
        let outcome = run.env("GITHUB_WORKSPACE", &workspace.path().display().to_string()).succeeds().await;
        assert_eq!(outcome.output("images"), both, "{glob}\n{outcome}");
        let is_said = outcome.says("k8s/requirements.txt:1:1: could be read as images");
        assert_eq!((is_said, outcome.says("picture.png")), (glob != "k8s/*.yml", false), "{glob}\n{outcome}");
    }
}
