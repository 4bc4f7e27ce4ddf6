//! The program in a job of GitLab CI: sections in the log, files for later jobs, the project's registry as the target, and
//! the job's password for that registry alone.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::images;
use crate::support::{Account, Auth, Fault, Outcome, Registry, Run, TokenAuth, What};

const USER: &str = "gitlab-ci-token";
const PASSWORD: &str = r#"glcbt-"64 \+/=%&'<d1f0a377>"#;

/// A project with a registry, and a stranger's registry to read from.
struct Project {
    registry: Registry,
    source: Registry,
    directory: tempfile::TempDir,
    image: images::Image,
}

impl Project {
    fn new() -> Self {
        let accounts = vec![Account::new(USER, PASSWORD)];
        let project = Self {
            registry: Registry::at("127.0.0.4", Auth::Token(TokenAuth::new(accounts))),
            source: Registry::at("127.0.0.3", Auth::Open),
            directory: tempfile::tempdir().unwrap(),
            image: images::three_platforms(),
        };
        project.source.seed(&project.image, "library/app:1");
        project
    }

    /// What GitLab gives a job, and nothing of GitHub's.
    fn job(&self) -> Run {
        let host = self.registry.host();
        let mut run = Run::new().without("GITHUB_ACTIONS").without("GITHUB_REPOSITORY").without("GITHUB_API_URL");
        for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"] {
            run = run.env(name, "");
        }
        for (name, value) in [
            ("CI", "true"),
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "Group/sub/project"),
            ("CI_PROJECT_DIR", &self.directory.path().display().to_string()),
            ("CI_REGISTRY", &host),
            ("CI_REGISTRY_IMAGE", &format!("{host}/group/sub/project")),
            ("CI_REGISTRY_USER", USER),
            ("CI_REGISTRY_PASSWORD", PASSWORD),
        ] {
            run = run.env(name, value);
        }
        run.input("source", &self.source.name("library/app:1"))
    }

    /// Where the copy is when nobody says where.
    fn repository(&self) -> String {
        format!("group/sub/project/{}/library/app", self.source.host().replace(':', "-"))
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.path().join(name)).ok()
    }

    /// The files that are there, sorted.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.file("mirror-image.json").expect("a report")).unwrap()
    }
}

const FILES: [&str; 3] = ["mirror-image.env", "mirror-image.json", "mirror-image.md"];

/// The names of the sections in a log: each is opened, closed and folded, and none is in another.
fn sections(log: &str) -> Vec<String> {
    let (mut open, mut names) = (None::<String>, Vec::new());
    for marker in log.split("\u{1b}[0Ksection_").skip(1) {
        let (marker, _) = marker.split_once("\r\u{1b}[0K").expect("a marker ends with a carriage return");
        let (kind, rest) = marker.split_once(':').unwrap();
        let (time, name) = rest.split_once(':').unwrap();
        assert!(time.bytes().all(|byte| byte.is_ascii_digit()), "{marker}");
        match (kind, open.take()) {
            ("start", None) => open = Some(name.strip_suffix("[collapsed=true]").expect("it is folded").to_owned()),
            ("end", Some(opened)) if opened == name => names.push(opened),
            (_, opened) => panic!("{marker} while {opened:?} is open\n{log}"),
        }
    }
    assert_eq!(open, None, "{log}");
    assert!(
        !log.contains("::group") && !log.lines().any(|line| line.starts_with("::")),
        "a command of GitHub's\n{log}"
    );
    names
}

#[tokio::test]
async fn an_image_goes_to_the_projects_registry_and_its_digest_to_later_jobs() {
    let project = Project::new();
    let outcome = project.job().succeeds().await;
    let repository = project.repository();
    assert_eq!(project.registry.is_whole(&repository, "1"), Ok(()), "{outcome}");
    assert_eq!(sections(&outcome.stderr).len(), 1);
    assert_eq!(outcome.stdout, "", "what is for later jobs is in files");
    assert_eq!(project.files(), FILES);
    let digest = project.image.digest().to_string();
    let name = project.registry.name(&format!("{repository}:1@{digest}"));
    assert_eq!(
        project.file("mirror-image.env").unwrap(),
        format!("MIRROR_DIGEST={digest}\nMIRROR_IMAGE={name}\nMIRROR_CHANGED=true\n")
    );
    assert_eq!(
        (&project.report()["result"], &project.report()["images"][0]["digest"]),
        (&"succeeded".into(), &digest.into())
    );
    assert!(project.file("mirror-image.md").unwrap().contains(&repository));
    let checks = project.report()["access"].as_array().unwrap().clone();
    assert!(
        checks.iter().all(|check| check["sentence"] == "`access` is `off`"),
        "nothing is asked of GitHub: {checks:?}"
    );

    project.job().succeeds().await;
    assert!(project.file("mirror-image.env").unwrap().ends_with("MIRROR_CHANGED=false\n"), "of this run alone");
    let summary = project.file("mirror-image.md").unwrap();
    assert_eq!(summary.matches("unchanged").count().min(1), 1, "{summary}");
    project.job().input("summary", "false").succeeds().await;
    assert_eq!(project.files(), FILES[..2]);
}

#[tokio::test]
async fn many_images_have_a_section_each_and_no_digest_for_all() {
    let project = Project::new();
    project.source.seed(&project.image, "library/other:2");
    let lines = format!("{}\n{}", project.source.name("library/app:1"), project.source.name("library/other:2"));
    let run = project.job().without("INPUT_SOURCE").input("images", &lines);
    let outcome = run.succeeds().await;
    let names = sections(&outcome.stderr);
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    assert_eq!(project.file("mirror-image.env").unwrap(), "MIRROR_CHANGED=true\n");
    assert_eq!(project.report()["images"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn owner_is_the_top_level_group_and_repo_all_that_follows() {
    let project = Project::new();
    let target = project.registry.name("mirrors/{owner}/of/{repo}/{name}");
    project.job().input("target", &target).succeeds().await;
    assert_eq!(project.registry.is_whole("mirrors/group/of/sub/project/app", "1"), Ok(()));
    // GitHub's variable is another platform's word here.
    let run = project.job().env("GITHUB_REPOSITORY", "octo/cat").env("CI_PROJECT_PATH", "mona/tools");
    run.input("target", &target).succeeds().await;
    assert_eq!(project.registry.is_whole("mirrors/mona/of/tools/app", "1"), Ok(()));
}

#[tokio::test]
async fn a_run_that_fails_leaves_its_files_and_says_so_beside_the_section() {
    let project = Project::new();
    let absent = project.source.name("library/absent:1");
    let outcome = project.job().input("source", &absent).fails_with(1).await;
    assert_eq!(sections(&outcome.stderr).len(), 1);
    let (_, after) = outcome.stderr.rsplit_once("section_end:").unwrap();
    assert!(after.contains("\nerror: source: GET manifest "), "a folded section hides what is in it: {after}");
    assert_eq!(project.files(), FILES);
    assert_eq!(project.file("mirror-image.env").unwrap(), "MIRROR_CHANGED=false\n");
    assert_eq!(project.report()["result"], "failed");
    assert!(project.file("mirror-image.md").unwrap().contains("library/absent"));
    // Nothing of that run is taken for what a refused one found.
    let refused = project.job().input("source", "UPPER//case").fails_with(2).await;
    assert!(refused.stderr.starts_with("error: input `source`"), "{refused}");
    assert_eq!(project.files(), ["mirror-image.md"]);
    assert!(project.file("mirror-image.md").unwrap().starts_with("## ❌ Bad input: nothing was contacted\n"));
}

#[tokio::test]
async fn a_cancelled_job_has_its_files() {
    let project = Project::new();
    project.source.fault(Fault::on("GET", "/blobs/", What::StallBodyAfter(10)).always());
    let mut running = project.job().spawn();
    while project.source.fired() == 0 && !running.has_ended() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    running.signal("TERM");
    let outcome = running.finish().await;
    assert_eq!(outcome.code, 143, "{outcome}");
    sections(&outcome.stderr);
    assert_eq!(project.files(), FILES);
}

#[tokio::test]
async fn a_link_in_the_project_is_replaced_and_not_followed() {
    let project = Project::new();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    for name in FILES {
        std::os::unix::fs::symlink(&victim, project.directory.path().join(name)).unwrap();
    }
    project.job().succeeds().await;
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(project.report()["result"], "succeeded");
}

#[tokio::test]
async fn a_project_without_a_registry_needs_a_target() {
    let project = Project::new();
    let outcome = project.job().without("CI_REGISTRY_IMAGE").fails_with(2).await;
    assert!(
        outcome.says("error: input `target`: is missing, and the project has no registry of its own here"),
        "{outcome}"
    );
    let line = format!("{} => {}", project.source.name("library/app:1"), project.registry.name("a/b:1"));
    let run = project.job().without("CI_REGISTRY_IMAGE").without("INPUT_SOURCE").input("images", &line);
    run.succeeds().await;
    assert_eq!(project.registry.is_whole("a/b", "1"), Ok(()));
}

/// Every spelling in which the password can be read.
fn spellings() -> [String; 5] {
    let form = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let json = Value::from(PASSWORD).to_string();
    let half: String = PASSWORD.chars().take(14).collect();
    [PASSWORD.to_owned(), form, json.trim_matches('"').to_owned(), STANDARD.encode(format!("{USER}:{PASSWORD}")), half]
}

/// The password is nowhere in what others can read: the log, the files, another server.
fn assert_silent(project: &Project, outcome: &Outcome, others: &[&Registry]) {
    let files = FILES.iter().filter_map(|name| project.file(name));
    let requests = others.iter().flat_map(|registry| registry.log()).map(|request| request.text());
    let written = outcome.files.values().cloned();
    let readable: Vec<String> = files.chain(requests).chain(written).chain([outcome.everything()]).collect();
    for secret in spellings().into_iter().chain(project.registry.issued_tokens()) {
        let place = readable.iter().find(|text| text.contains(&secret));
        assert!(place.is_none(), "{secret} is readable: {}\n{outcome}", place.unwrap());
    }
}

#[tokio::test]
async fn the_jobs_password_is_for_the_projects_registry_alone() {
    let project = Project::new();
    // It asks for a password, as does a registry on another port of the same host.
    let stranger = Registry::at("127.0.0.9", Auth::basic("mallory", "a-password"));
    let neighbour = Registry::at("127.0.0.4", Auth::basic(USER, PASSWORD));
    for verbose in [false, true] {
        let run = |run: Run| if verbose { run.arg("-v").env("RUST_LOG", "trace") } else { run };
        assert_silent(&project, &run(project.job()).succeeds().await, &[&project.source, &stranger, &neighbour]);
        for other in [&stranger, &neighbour] {
            let outcome = run(project.job().input("target", &other.name("a/b"))).fails_with(1).await;
            assert!(other.count("POST", "/") + other.count("HEAD", "/") > 0, "{outcome}");
            assert_silent(&project, &outcome, &[&project.source, &stranger, &neighbour]);
        }
    }
    for registry in [&stranger, &neighbour] {
        assert!(registry.log().iter().all(|request| !request.text().to_lowercase().contains("authorization:")));
    }
    // A server that repeats what it was sent, and a token service that does.
    for (method, path) in [("PUT", "/"), ("*", "/token")] {
        let project = Project::new();
        project.registry.fault(Fault::on(method, path, What::Echo(403)).always());
        let outcome = project.job().arg("-v").fails_with(1).await;
        assert!(outcome.says("***"), "{outcome}");
        assert_silent(&project, &outcome, &[&project.source]);
    }
    // In the place of a name it is refused before anything is asked.
    let project = Project::new();
    let outcome = project.job().input("source", &format!("quay.io/a/{PASSWORD}:1")).fails_with(2).await;
    assert!(outcome.says("input `source`: holds the secret that is given as `CI_REGISTRY_PASSWORD`"), "{outcome}");
    assert_silent(&project, &outcome, &[&project.source, &project.registry]);
}

#[tokio::test]
async fn what_somebody_gave_comes_before_the_jobs_own_login() {
    let project = Project::new();
    let registry = Registry::at("127.0.0.4", Auth::basic("robot", "a-deploy-token"));
    let at = |run: Run| {
        let image = registry.name("group/project");
        run.env("CI_REGISTRY", &registry.host()).env("CI_REGISTRY_IMAGE", &image)
    };
    let login = format!("{} robot a-deploy-token", registry.host());
    at(project.job()).input("registry-auth", &login).succeeds().await;
    let directory = tempfile::tempdir().unwrap();
    write_login(directory.path(), &registry.host());
    at(project.job()).env("DOCKER_CONFIG", &directory.path().display().to_string()).succeeds().await;
    at(project.job()).fails_with(1).await;
}

fn write_login(directory: &Path, host: &str) {
    let auth = STANDARD.encode("robot:a-deploy-token");
    let config = serde_json::json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(directory.join("config.json"), config.to_string()).unwrap();
}

#[tokio::test]
async fn github_actions_wins_where_both_have_set_their_variables() {
    let project = Project::new();
    let run = project.job().env("GITHUB_ACTIONS", "true").input("target", &project.registry.name("a/b"));
    let outcome = run.fails_with(1).await;
    assert!(outcome.says("::group::") && !outcome.says("section_start"), "{outcome}");
    assert_eq!(project.files(), [""; 0]);
    assert!(project.registry.log().iter().all(|request| !request.text().to_lowercase().contains("authorization:")));
}
