//! Access on GitHub: every state of a package, a token, an owner and a role has its status and its sentence; nothing is
//! asked that is not documented, nothing written twice, no token seen where it does not belong.

use serde_json::{Value, json};

use crate::support::github::{Instead, Rights, documented_calls, ghcr};
use crate::support::tls::Certificate;
use crate::support::{Account, Auth, Fault, GitHub, Outcome, Registry, Run, TokenAuth, What, images};

const WORKFLOW: &str = "ghs_workflow-secret-51c0";
const ADMIN: &str = "ghs_admin-secret-9b3e";
const CLASSIC: &str = "ghp_classic-secret-77aa";
const PACKAGE: &str = "acme/mirror/app";
const TEAMS: &str = "ids-admin=admin, ids-developers=write";

/// An organisation with a mirror repository, its package, two teams, and an image to mirror.
struct World {
    github: GitHub,
    registry: Registry,
    source: Registry,
}

impl World {
    fn new() -> Self {
        Self::visible(false)
    }

    fn visible(public: bool) -> Self {
        let account = |user: &str, password: &str| Account::new(user, password).only(&["acme/"], &["acme/"]);
        let accounts = vec![account("x-access-token", WORKFLOW), account("ann", CLASSIC)];
        let (github, registry, source) = (GitHub::start(), ghcr(accounts, public), Registry::start());
        source.seed(&images::three_platforms(), "library/app:1");
        github.account("acme", "Organization");
        github.token(WORKFLOW, Rights::WORKFLOW);
        github.token(ADMIN, Rights::ADMIN);
        github.team("acme", "ids-admin");
        github.team("acme", "ids-developers");
        Self { github, registry, source }
    }

    /// With a package that is linked as it should be.
    fn linked() -> Self {
        let world = Self::new();
        world.github.package(PACKAGE, package(Some("acme/mirror"), "private"));
        world
    }

    fn run(&self) -> Run {
        Run::copy(&self.source.name("library/app:1"), &self.registry.name("acme/mirror/app:1"))
            .env("GITHUB_SERVER_URL", &self.registry.url())
            .env("GITHUB_API_URL", &self.github.url())
            .env("GITHUB_REPOSITORY", "acme/mirror")
            .input("github-token", WORKFLOW)
    }

    fn granting(&self) -> Run {
        self.run().input("admin-token", ADMIN).input("teams", TEAMS)
    }
}

fn package(repository: Option<&str>, visibility: &str) -> Value {
    let repository = repository.map(|name| json!({ "id": 1, "full_name": name }));
    json!({ "id": 1, "name": "mirror/app", "visibility": visibility, "repository": repository, "version_count": 3 })
}

fn checks(outcome: &Outcome) -> Vec<Value> {
    let text = outcome.output("access");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the output access: {error}: {text}\n{outcome}"))
}

/// `STATUS: sentence` of the check with this name.
fn check(outcome: &Outcome, name: &str) -> String {
    let checks = checks(outcome);
    let found = checks.iter().find(|check| check["check"] == name);
    found.map_or_else(
        || format!("there is no {name}"),
        |check| format!("{}: {}", check["status"].as_str().unwrap(), check["sentence"].as_str().unwrap()),
    )
}

#[track_caller]
fn assert_check(outcome: &Outcome, name: &str, status: &str, part: &str) {
    let said = check(outcome, name);
    assert!(said.starts_with(&format!("{status}: ")) && said.contains(part), "{name}: {said}\n{outcome}");
}

/// No token is readable, and each went to its own hosts only.
fn assert_silent(outcome: &Outcome, world: &World) {
    for secret in [WORKFLOW, ADMIN, CLASSIC] {
        assert!(!outcome.visible().contains(secret), "{secret} is readable:\n{outcome}");
        assert!(!world.source.carries(secret), "{secret} at the source");
    }
    assert!(!world.registry.carries(ADMIN), "the admin token at the registry");
    assert!(!world.github.carries(CLASSIC), "the registry's own credential at the API");
}

/// Uploads opened to see whether that is allowed.
fn probes(world: &World) -> usize {
    world.registry.unused_uploads()
}

#[tokio::test]
async fn every_state_of_a_package() {
    let keyless = json!({ "name": "mirror/app", "visibility": "internal" });
    for (name, value, visibility, expected) in [
        (
            "linked",
            Some(package(Some("Acme/Mirror"), "private")),
            "private",
            &[
                ("link", "OK", "linked to"),
                ("inheritance", "UNVERIFIABLE", "see once"),
                ("visibility", "OK", "private"),
            ][..],
        ),
        (
            "linked elsewhere",
            Some(package(Some("acme/other"), "private")),
            "any",
            &[("link", "MANUAL", "linked to `acme/other`")],
        ),
        ("not linked", Some(package(None, "private")), "any", &[("link", "MANUAL", "linked to no repository")]),
        (
            "no key at all",
            Some(keyless),
            "internal",
            &[("link", "MANUAL", "overwrites"), ("visibility", "OK", "internal")],
        ),
        (
            "a new visibility",
            Some(package(Some("acme/mirror"), "secret")),
            "private",
            &[("visibility", "DRIFT", "it is `secret`, not `private`")],
        ),
        (
            "private, not public",
            Some(package(Some("acme/mirror"), "private")),
            "public",
            &[("visibility", "DRIFT", "public cannot be undone"), ("anonymous pull", "DRIFT", "without a login")],
        ),
        (
            "public, not private",
            Some(package(Some("acme/mirror"), "public")),
            "private",
            &[("visibility", "DRIFT", "does not make a public package private")],
        ),
        (
            "not readable",
            None,
            "private",
            &[
                ("package", "NEEDS-TOKEN", "may not read this package's metadata"),
                ("visibility", "NEEDS-TOKEN", "cannot be read"),
            ],
        ),
    ] {
        let world = World::new();
        if let Some(value) = value {
            world.github.package(PACKAGE, value);
        }
        let outcome = world.run().input("expected-visibility", visibility).succeeds().await;
        for (check, status, part) in expected {
            let said = self::check(&outcome, check);
            assert!(said.starts_with(&format!("{status}: ")) && said.contains(part), "{name}: {check}: {said}");
        }
        let fails = expected.iter().any(|(_, status, _)| matches!(*status, "MANUAL" | "DRIFT" | "NEEDS-TOKEN"));
        let strict = world.run().input("expected-visibility", visibility).input("strict", "true").run().await;
        assert_eq!(strict.code, i32::from(fails), "{name}\n{strict}");
        assert_eq!(strict.stdout.contains("::error title=access"), fails, "{name}\n{strict}");
        assert_silent(&outcome, &world);
    }
}

#[tokio::test]
async fn public_is_proven_without_a_token_and_by_digest() {
    for public in [true, false] {
        let world = World::visible(public);
        world.github.package(PACKAGE, package(Some("acme/mirror"), "public"));
        let outcome = world.run().input("expected-visibility", "public").succeeds().await;
        let (status, part) =
            if public { ("OK", "to anybody") } else { ("DRIFT", "nobody can pull it without a login") };
        assert_check(&outcome, "anonymous pull", status, part);
        let digest = images::three_platforms().digest().to_owned();
        if public {
            assert!(world.registry.count("HEAD", &format!("/manifests/{digest}")) > 0, "{}", world.registry.lines());
        }
        // Without any token for the API it is proven all the same.
        let outcome =
            world.run().without("INPUT_GITHUB-TOKEN").command("access").input("expected-visibility", "public");
        let outcome = outcome.unhurried().run().await;
        assert_eq!(outcome.code, 0, "{outcome}");
        assert_check(&outcome, "package", "NEEDS-TOKEN", "no token to read");
        assert_check(&outcome, "anonymous pull", if public { "OK" } else { "DRIFT" }, "");
    }
}

#[tokio::test]
async fn a_package_that_this_run_creates_is_read_back() {
    let world = World::new();
    world.github.package_later(PACKAGE, package(Some("acme/mirror"), "private"), 3);
    let outcome = world.run().succeeds().await;
    assert_check(&outcome, "link", "OK", "linked to `acme/mirror`");
    assert!(!outcome.says("GitHub shows no package"), "{outcome}");
    // Whether the question creates an empty package is not known: it is not asked where there is none.
    assert_eq!(probes(&world), 0, "{}", world.registry.lines());
    let world = World::linked();
    world.run().succeeds().await;
    assert_eq!(probes(&world), 1, "{}", world.registry.lines());
}

#[tokio::test]
async fn what_a_push_needs_is_said_before_anything_is_sent() {
    for (name, run, part) in [
        (
            "a personal token",
            (Some(("ann", CLASSIC)), "acme/mirror", "acme/mirror"),
            "creates it linked to no repository",
        ),
        (
            "another workflow",
            (None, "acme/other", "acme/mirror"),
            "links what it creates to `acme/other`, not to `acme/mirror`",
        ),
        ("another owner", (None, "else/mirror", "acme/mirror"), "is for packages of `else` only"),
    ] {
        let world = World::new();
        let (pair, workflow, access) = run;
        let mut run = world.run().env("GITHUB_REPOSITORY", workflow).input("access-repository", access);
        if let Some((user, password)) = pair {
            run = run.input("target-username", user).input("target-password", password);
        }
        let outcome = run.input("dry-run", "true").succeeds().await;
        assert!(outcome.says(part), "{name}\n{outcome}");
        assert_eq!(world.registry.writes(), 0, "{name}: a dry run asks no right to push");
        assert_silent(&outcome, &world);
    }
}

#[tokio::test]
async fn a_push_that_would_be_refused_is_refused_before_a_byte() {
    for (code, message, part) in [
        ("DENIED", "permission_denied: write_package", "Manage Actions access"),
        ("DENIED", "installation not allowed to Create organization package", "Workflow permissions"),
        ("DENIED", "installation not allowed to Write organization package", "classic personal access token"),
    ] {
        let world = World::linked();
        world.registry.fault(Fault::on("POST", "/uploads/", What::error(403, code, message)).always());
        let outcome = world.run().fails_with(1).await;
        assert!(outcome.says(message) && outcome.says(part), "{outcome}");
        assert_eq!(world.source.count("GET", "/blobs/"), 0, "{}", world.source.lines());
        assert_eq!(world.registry.writes(), 1, "{}", world.registry.lines());
        assert!(outcome.says("nothing was written"), "{outcome}");
    }
}

#[tokio::test]
async fn private_and_absent_look_the_same_to_a_token_without_access() {
    let mut said = Vec::new();
    for there in [true, false] {
        let world = World::new();
        let stranger = Account::new("x-access-token", WORKFLOW).only(&["else/"], &["else/"]);
        world.registry.set_auth(Auth::Token(TokenAuth { anonymous_pull: false, ..TokenAuth::ghcr(vec![stranger]) }));
        if there {
            world.registry.seed(&images::single(), "acme/mirror/app:1");
        }
        let outcome = world.run().fails_with(1).await;
        assert_eq!(world.source.count("GET", "/blobs/") + world.registry.writes(), 0, "{}", world.source.lines());
        assert!(outcome.says("403 DENIED") && outcome.says("nothing was written"), "{outcome}");
        assert_check(&outcome, "package", "UNVERIFIABLE", "does not exist yet, or `github-token` may not read it");
        said.push(check(&outcome, "package"));
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn a_throttle_that_looks_like_a_refusal_is_waited_for() {
    let world = World::linked();
    world.registry.fault(Fault::on("POST", "/uploads/", What::ghcr_429("150ms")).times(2));
    world.run().succeeds().await;
    let world = World::linked();
    world.registry.fault(Fault::on("POST", "/uploads/", What::secondary_rate_limit()).always());
    let outcome = world.run().fails_with(1).await;
    assert!(outcome.says("throttling and not a lack of permission"), "{outcome}");
    assert!(!outcome.says("Manage Actions access"), "{outcome}");
}

#[tokio::test]
async fn an_unchanged_image_costs_the_registry_one_request() {
    let world = World::linked();
    world.run().succeeds().await;
    world.registry.reset();
    world.source.reset();
    let outcome = world.run().succeeds().await;
    assert_eq!(outcome.output("changed"), "false");
    let asked = world
        .registry
        .log()
        .iter()
        .filter(|request| request.path.starts_with("/v2/acme") && request.status == 200)
        .count();
    assert_eq!((asked, world.registry.writes()), (1, 0), "{}", world.registry.lines());
    assert_check(&outcome, "link", "OK", "linked");
    // A closer look is no push: nobody asks for the right to one.
    world.registry.reset();
    let outcome = world.run().input("check", "deep").succeeds().await;
    assert_eq!((outcome.output("changed"), world.registry.writes()), ("false", 0), "{}", world.registry.lines());
}

#[tokio::test]
async fn teams_are_granted_once() {
    let world = World::linked();
    world.github.role("team ids-developers", "acme/mirror", "triage");
    let outcome = world.granting().succeeds().await;
    assert_check(&outcome, "team ids-admin", "APPLIED", "`ids-admin` was granted `admin`");
    assert_check(&outcome, "team ids-developers", "APPLIED", "`write`");
    assert_eq!(world.github.role_of("team ids-admin", "acme/mirror").as_deref(), Some("admin"));
    assert_eq!(world.github.role_of("team ids-developers", "acme/mirror").as_deref(), Some("write"));
    assert_eq!(world.github.writes(), 2, "{}", world.github.lines());
    assert_silent(&outcome, &world);
    let granted = "🔐 `acme/mirror`: team ids-admin (`admin`, granted now), team ids-developers (`write`, granted now)";
    assert!(outcome.summary.contains(granted), "{}", outcome.summary);
    // What is to be confirmed once is said when the package is new.
    assert!(outcome.summary.contains("inheriting by default"), "{}", outcome.summary);
    assert!(!outcome.summary.contains("**To do**"), "{}", outcome.summary);

    world.github.reset();
    let outcome = world.granting().input("strict", "true").succeeds().await;
    assert_check(&outcome, "team ids-admin", "OK", "has `admin`");
    assert_eq!(world.github.writes(), 0, "the second run writes nothing\n{}", world.github.lines());
}

#[tokio::test]
async fn nobody_is_given_a_role_where_no_image_arrived() {
    let world = World::linked();
    let absent = |target: &str| format!("{} => {}", world.source.name("library/absent:1"), world.registry.name(target));
    let good = format!("{} => {}", world.source.name("library/app:1"), world.registry.name("acme/mirror/app:1"));
    let listed = |lines: &[String]| {
        world.granting().without("INPUT_SOURCE").without("INPUT_TARGET").input("images", &lines.join("\n"))
    };
    // A layer that is lost at the source shows only when much of the image is written.
    let lost = Registry::start();
    lost.seed(&images::single(), "library/lost:1");
    assert!(lost.forget("library/lost", &images::single().blobs[1].digest));
    let broken = format!("{} => {}", lost.name("library/lost:1"), world.registry.name("acme/mirror/app:2"));
    for lines in [vec![absent("acme/mirror/app:1")], vec![broken]] {
        let outcome = listed(&lines).fails_with(1).await;
        assert_check(&outcome, "team ids-admin", "SKIPPED", "no image arrived");
        assert_check(&outcome, "team ids-developers", "SKIPPED", "no image arrived");
        assert_eq!(world.github.writes(), 0, "{}", world.github.lines());
    }
    // One that arrived is enough: a role is the repository's, and counts for all of its packages.
    let outcome = listed(&[absent("acme/mirror/other:1"), good]).fails_with(1).await;
    assert_check(&outcome, "team ids-admin", "APPLIED", "`ids-admin` was granted `admin`");
    assert_eq!(world.github.writes(), 2, "{}", world.github.lines());
}

#[tokio::test]
async fn every_role_that_a_team_can_have() {
    for (role, status, part, writes) in [
        (Some("read"), "APPLIED", "was granted `write`", 1),
        (Some("triage"), "APPLIED", "was granted `write`", 1),
        (Some("write"), "OK", "has `write`", 0),
        (Some("maintain"), "OK", "has `maintain`", 0),
        (Some("admin"), "DRIFT", "nothing is ever lowered here", 0),
        (Some("release-robots"), "UNVERIFIABLE", "own role `release-robots`, which is never changed", 0),
        (None, "APPLIED", "was granted `write`", 1),
    ] {
        let world = World::linked();
        if let Some(role) = role {
            world.github.role("team ids-developers", "acme/mirror", role);
        }
        let run = world.granting().command("access").input("teams", "ids-developers=write");
        let outcome = run.succeeds().await;
        assert_check(&outcome, "team ids-developers", status, part);
        assert_eq!(world.github.writes(), writes, "{role:?}\n{}", world.github.lines());
        assert_eq!(world.source.log().len(), 0, "access looks at no source");
        assert_eq!(world.registry.writes(), 0, "access writes nothing to the registry");
    }
}

#[tokio::test]
async fn report_and_dry_run_write_nothing() {
    for (name, value, part) in
        [("access", "report", "`access: apply` grants it"), ("dry-run", "true", "without `dry-run`")]
    {
        let world = World::linked();
        world.github.role("team ids-developers", "acme/mirror", "read");
        let outcome = world.granting().input(name, value).succeeds().await;
        assert_check(&outcome, "team ids-developers", "DRIFT", part);
        assert_check(&outcome, "team ids-admin", "DRIFT", "has `none`, less than `admin`");
        assert_eq!(world.github.writes(), 0, "{}", world.github.lines());
    }
}

#[tokio::test]
async fn a_grant_that_github_refuses_has_its_sentence() {
    let put = "PUT /orgs/acme/teams/ids-developers/repos/acme/mirror";
    for (status, message, expected, part) in [
        (403, "Must have admin rights to Repository.", "NEEDS-TOKEN", "is not an administrator of `acme/mirror`"),
        (404, "Not Found", "ERROR", "has no team `ids-developers` that `admin-token` can see"),
        (422, "Validation Failed", "ERROR", "does not belong to the organisation `acme`"),
        (418, "I'm a teapot", "ERROR", "GitHub answered 418: I'm a teapot (request 1F2E:3D)"),
    ] {
        let world = World::linked();
        world.github.instead(put, 9, Instead::new(status, message));
        let run = world.granting().command("access").input("teams", "ids-developers=write");
        assert_check(&run.succeeds().await, "team ids-developers", expected, part);
        run.input("strict", "true").fails_with(1).await;
    }
}

#[tokio::test]
async fn a_grant_that_shows_late_is_waited_for_and_one_that_never_shows_is_said() {
    let world = World::linked();
    world.github.role("team ids-developers", "acme/mirror", "read");
    world.github.lag(2);
    let run = world.granting().command("access").input("teams", "ids-developers=write");
    assert_check(&run.succeeds().await, "team ids-developers", "APPLIED", "`write`");
    let world = World::linked();
    world.github.role("team ids-developers", "acme/mirror", "read");
    world.github.lag(1000);
    let run = world.granting().command("access").input("teams", "ids-developers=write").input("patience", "1s");
    assert_check(&run.succeeds().await, "team ids-developers", "DRIFT", "still shows `read`");
}

#[tokio::test]
async fn a_role_without_a_body_and_a_team_that_nobody_sees() {
    let world = World::linked();
    world.github.role("team ids-developers", "acme/mirror", "read");
    world.github.role_without_body();
    let run = world.granting().command("access");
    let outcome = run.clone().input("teams", "ids-developers=write").succeeds().await;
    assert_check(&outcome, "team ids-developers", "UNVERIFIABLE", "has a role and not which");
    let outcome = run.input("teams", "Wrong-Slug=write").succeeds().await;
    assert_check(&outcome, "team wrong-slug", "ERROR", "has no team `wrong-slug` that `admin-token` can see");
    let world = World::linked();
    world.github.token(ADMIN, Rights { members: false, ..Rights::ADMIN });
    let outcome = world.granting().succeeds().await;
    assert_check(&outcome, "team ids-admin", "ERROR", "give the token Members: read");
    assert_eq!(world.github.writes(), 0);
}

#[tokio::test]
async fn the_workflows_token_alone_grants_nothing_and_does_not_try() {
    let world = World::linked();
    let run = world.run().input("teams", TEAMS).input("users", "mona=read");
    let outcome = run.succeeds().await;
    for name in ["team ids-admin", "team ids-developers", "user mona"] {
        assert_check(&outcome, name, "NEEDS-TOKEN", "GITHUB_TOKEN can neither read nor grant that");
    }
    assert_eq!(world.github.count("/teams/") + world.github.count("/collaborators/"), 0, "{}", world.github.lines());
    assert!(outcome.summary.contains("/acme/mirror/settings/access"), "{}", outcome.summary);
    assert!(outcome.stdout.contains("::warning title=access"), "{outcome}");
    run.input("strict", "true").fails_with(1).await;
}

#[tokio::test]
async fn tokens_that_may_not_are_told_from_those_that_are_wrong() {
    let world = World::linked();
    // The workflow's own token given as the admin's.
    let outcome = world.run().input("admin-token", WORKFLOW).input("users", "mona=write").succeeds().await;
    assert_check(&outcome, "user mona", "NEEDS-TOKEN", "Resource not accessible by integration");
    let outcome = world.granting().input("admin-token", "ghp_expired-secret").succeeds().await;
    assert_check(&outcome, "team ids-admin", "NEEDS-TOKEN", "Bad credentials");
    assert!(!outcome.visible().contains("ghp_expired-secret"), "{outcome}");
    let outcome = world.granting().input("admin-token", "ghp_two\nlines").succeeds().await;
    assert_check(&outcome, "team ids-admin", "ERROR", "characters that no header can carry");
}

#[tokio::test]
async fn people_are_granted_invited_or_left() {
    let world = World::linked();
    for login in ["mona", "hubot", "guest", "invited", "reader"] {
        world.github.account(login, "User");
    }
    world.github.role("user hubot", "acme/mirror", "maintain");
    world.github.role("user reader", "acme/mirror", "read");
    world.github.outside("guest");
    world.github.invite("invited", "read");
    let people = "mona=write, hubot=write, guest=read, invited=read, reader=admin, nobody=read";
    let run = world.run().input("admin-token", ADMIN).input("users", people).command("access");
    let outcome = run.succeeds().await;
    for (who, status, part) in [
        ("user mona", "APPLIED", "was granted `write`"),
        ("user hubot", "OK", "has `maintain`"),
        ("user guest", "PENDING", "was invited with `read`"),
        ("user invited", "PENDING", "has an open invitation with `read`"),
        ("user reader", "APPLIED", "was granted `admin`"),
        ("user nobody", "ERROR", "there is no account `nobody`"),
    ] {
        assert_check(&outcome, who, status, part);
    }
    world.github.reset();
    let outcome = run.succeeds().await;
    assert_check(&outcome, "user guest", "PENDING", "open invitation");
    assert_eq!(world.github.writes(), 0, "the second run writes nothing\n{}", world.github.lines());
}

#[tokio::test]
async fn a_personal_account_has_no_teams() {
    let world = World::new();
    world.github.account("mona", "User");
    world.github.account("ann", "User");
    world.github.package("mona/app", package(Some("mona/mirror"), "private"));
    let run = world
        .granting()
        .command("access")
        .env("GITHUB_REPOSITORY", "mona/mirror")
        .input("target", &world.registry.name("mona/app:1"))
        .input("users", "ann=write, hubot=read");
    let outcome = run.succeeds().await;
    assert_check(&outcome, "link", "OK", "linked to `mona/mirror`");
    assert_check(&outcome, "team ids-admin", "MANUAL", "`mona` is a personal account and has no teams");
    assert_check(&outcome, "user ann", "APPLIED", "was granted `write`");
    assert_check(&outcome, "user hubot", "MANUAL", "have `write` and nothing else");
    assert_eq!(world.github.count("/users/mona/packages/container/app"), 1, "{}", world.github.lines());
    assert!(outcome.output("access").contains("/users/mona/packages/container/app/settings"), "{outcome}");
}

#[tokio::test]
async fn wrong_owners_and_repositories_have_their_sentence() {
    let world = World::linked();
    let run = world.granting().command("access");
    let outcome = run.clone().input("target", &world.registry.name("acmee/app:1")).succeeds().await;
    assert_check(&outcome, "owner", "ERROR", "there is no account `acmee` on this GitHub server");
    let outcome = run.clone().input("access-repository", "other/mirror").succeeds().await;
    assert_check(&outcome, "team ids-admin", "ERROR", "`other/mirror` does not belong to the organisation `acme`");
    assert_check(&outcome, "link", "MANUAL", "linked to `acme/mirror`");
    assert_eq!(world.github.writes(), 0);
    // Upper case is GitHub's own way of writing; the registry knows none.
    let outcome = world.run().input("target", &world.registry.name("ACME/Mirror/App:1"));
    let outcome = outcome.env("GITHUB_REPOSITORY", "ACME/Mirror").succeeds().await;
    assert!(outcome.says("lower case"), "{outcome}");
    assert_check(&outcome, "link", "OK", "linked to `acme/mirror`");
}

#[tokio::test]
async fn nested_names_are_encoded_once() {
    let world = World::new();
    world.github.package("acme/a/b/c", package(Some("acme/mirror"), "private"));
    let outcome = world.run().command("access").input("target", &world.registry.name("acme/a/b/c:1")).succeeds().await;
    assert_check(&outcome, "link", "OK", "linked");
    assert_eq!(world.github.count("GET /orgs/acme/packages/container/a%2Fb%2Fc"), 1, "{}", world.github.lines());
}

#[tokio::test]
async fn limits_and_faults_of_the_api_are_waited_for_within_bounds() {
    let hour = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let limited = Instead::new(403, "API rate limit exceeded for installation ID 1.")
        .header("x-ratelimit-remaining", &0)
        .header("x-ratelimit-reset", &hour);
    for (name, instead, times, status, part) in [
        (
            "secondary limit",
            Instead::new(403, "You have exceeded a secondary rate limit").header("retry-after", &1),
            1,
            "OK",
            "",
        ),
        ("too many requests", Instead::new(429, "slow down").header("retry-after", &1), 1, "OK", ""),
        ("a fault", Instead::new(502, "").body("<html>bad gateway</html>"), 1, "OK", ""),
        ("an hour", limited, 99, "ERROR", "longer than this run waits"),
        (
            "down",
            Instead::new(503, "").body("<html>unicorn</html>"),
            99,
            "ERROR",
            "GitHub answered 503: not an API's answer",
        ),
        ("a page", Instead::new(200, "").body("<html>log in</html>"), 99, "ERROR", "in a form that is not known here"),
        (
            "moved",
            Instead::new(301, "Moved Permanently").header("location", &"/elsewhere"),
            99,
            "ERROR",
            "GitHub answered 301",
        ),
    ] {
        let world = World::linked();
        world.github.instead("packages/container", times, instead);
        let outcome = world.run().command("access").succeeds().await;
        assert_check(&outcome, "package", status, part);
        assert!(world.github.asked().len() < 9, "{name}\n{}", world.github.lines());
    }
    let world = World::linked();
    let outcome = world.run().env("GITHUB_API_URL", "http://127.0.0.1:9").succeeds().await;
    assert_check(&outcome, "owner", "ERROR", "nothing listens there");
    let outcome = world.run().env("GITHUB_API_URL", "http://api.example.com").succeeds().await;
    assert_check(&outcome, "owner", "ERROR", "does not begin with https://");
}

#[tokio::test]
async fn other_registries_are_none_of_githubs_business() {
    let (source, target) = (Registry::start(), Registry::start());
    let github = GitHub::start();
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("acme/app:1"))
        .env("GITHUB_API_URL", &github.url())
        .input("github-token", WORKFLOW);
    let outcome = run.succeeds().await;
    assert_check(&outcome, "package", "SKIPPED", "not this GitHub server's registry");
    assert!(!outcome.summary.contains("Access") && !outcome.says("access"), "nobody asked for it\n{outcome}");
    let outcome = run.input("teams", TEAMS).input("admin-token", ADMIN).input("strict", "true").succeeds().await;
    assert_check(&outcome, "package", "SKIPPED", "not this GitHub server's registry");
    assert_eq!(github.asked().len(), 0, "{}", github.lines());
    assert!(!target.carries(WORKFLOW) && !target.carries(ADMIN));

    let world = World::linked();
    let outcome = world.run().input("access", "off").succeeds().await;
    assert_check(&outcome, "package", "SKIPPED", "`access` is `off`");
    assert_eq!(world.github.asked().len(), 0, "{}", world.github.lines());
}

#[tokio::test]
async fn a_fine_grained_token_is_refused_before_any_request() {
    let world = World::linked();
    let outcome = world.run().input("github-token", "github_pat_secret").fails_with(2).await;
    assert!(outcome.says("github-token") && outcome.says("fine-grained"), "{outcome}");
    assert_eq!(world.registry.log().len() + world.github.asked().len() + world.source.log().len(), 0);
    assert!(!outcome.visible().contains("github_pat_secret"));
}

#[tokio::test]
async fn a_layer_that_is_too_large_is_warned_of() {
    let world = World::linked();
    let config = images::single().blobs[0].clone();
    let layer = images::sha256(b"a layer of eleven gigabytes");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest, "size": config.bytes.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 11_000_000_000_u64 }],
    });
    let image = images::raw("application/vnd.oci.image.manifest.v1+json", manifest.to_string(), vec![config]);
    world.source.seed(&image, "library/app:1");
    let outcome = world.run().input("dry-run", "true").succeeds().await;
    assert!(outcome.says("has 11 GB, and the target documents 10 GB as its largest"), "{outcome}");
}

#[tokio::test]
async fn bad_wishes_end_with_2_before_any_connection() {
    let world = World::linked();
    for (name, value, part) in [
        ("teams", "ids-admin", "has no role"),
        ("teams", "ids-admin=owner", "not one of read, write, admin"),
        ("teams", "acme/ids-admin=write", "leave the organisation out"),
        ("teams", "IDS Admin=write", "in the address of its page"),
        ("teams", "..=admin", "in the address of its page"),
        ("teams", "a=read, A=write", "given twice"),
        ("users", "mona--lisa=read", "in the address of its page"),
        ("users", "mona=", "not one of read, write, admin"),
        ("access", "grant", "report, apply, off"),
        ("access-repository", "https://github.com/acme/mirror", "without a host"),
        ("access-repository", "acme", "`OWNER/REPO`"),
        ("expected-visibility", "hidden", "any, private, internal, public"),
        ("strict", "yes", "true"),
    ] {
        let outcome = world.run().input(name, value).fails_with(2).await;
        assert!(outcome.says(&format!("input `{name}`")) && outcome.says(part), "{name}: {value}\n{outcome}");
    }
    let outcome = world.run().input("access", "off").input("teams", TEAMS).fails_with(2).await;
    assert!(outcome.says("`off` contradicts `teams` and `users`"), "{outcome}");
    let without = world.run().input("teams", TEAMS).without("GITHUB_REPOSITORY").fails_with(2).await;
    assert!(without.says("access-repository"), "{without}");
    assert_eq!(world.registry.log().len() + world.github.asked().len() + world.source.log().len(), 0);
}

#[tokio::test]
async fn access_alone_needs_no_source() {
    let world = World::linked();
    let run = world.granting().command("access").without("INPUT_SOURCE");
    let outcome = run.succeeds().await;
    assert_check(&outcome, "team ids-admin", "APPLIED", "`admin`");
    assert_eq!(outcome.json()["command"], "access");
    assert_eq!(outcome.json()["access"].as_array().map(Vec::len), Some(checks(&outcome).len()));
}

#[tokio::test]
async fn what_a_person_reads() {
    let world = World::new();
    world.github.package(PACKAGE, package(None, "private"));
    world.github.role("team ids-developers", "acme/mirror", "read");
    let run = world.granting().input("users", "guest=read").input("expected-visibility", "public");
    world.github.account("guest", "User");
    world.github.outside("guest");
    let outcome = run.input("strict", "true").command("access").fails_with(1).await;
    // The registry's own tokens are masked too, and are others in each run.
    let log: Vec<&str> = outcome.stdout.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    insta::assert_snapshot!("access-log", outcome.redact(&log.join("\n")));
    insta::assert_snapshot!("access-summary", outcome.redact(&outcome.summary));
}

/// The doubles refuse what is not documented; here what is documented is what is made.
#[tokio::test]
async fn every_documented_call_is_made_and_no_other() {
    let world = World::linked();
    for login in ["mona", "ann"] {
        world.github.account(login, "User");
    }
    world.granting().input("users", "mona=write").succeeds().await;
    let target = world.registry.name("mona/app:1");
    world.run().command("access").input("target", &target).succeeds().await;
    // Versions are listed and deleted by `prune` alone.
    let of_access = documented_calls().into_iter().filter(|call| !call.contains("/versions")).collect();
    assert_eq!(world.github.documented_calls_made(), of_access);
    for asked in world.github.asked() {
        let expected =
            if asked.path.contains("/teams/") || asked.path.starts_with("/repos/") { ADMIN } else { WORKFLOW };
        assert_eq!(asked.header("authorization"), format!("Bearer {expected}"), "{}", asked.line());
    }
}

/// Access is told of; it delays no copy: what did not answer once is not asked again.
#[tokio::test]
async fn an_api_that_never_answers_is_asked_once_and_the_images_are_copied() {
    let world = World::linked();
    world.github.instead("", usize::MAX, Instead::silence());
    world.source.seed(&images::single(), "library/other:1");
    let line = |name: &str| {
        format!(
            "{} => {}",
            world.source.name(&format!("library/{name}:1")),
            world.registry.name(&format!("acme/mirror/{name}:1"))
        )
    };
    let run = world.granting().without("INPUT_SOURCE").without("INPUT_TARGET");
    let run = run.input("images", &[line("app"), line("other")].join("\n")).input("patience", "2s");
    let outcome = run.succeeds().await;
    assert_eq!(world.github.asked().len(), 1, "{}", world.github.lines());
    world.registry.is_whole("acme/mirror/app", "1").unwrap();
    world.registry.is_whole("acme/mirror/other", "1").unwrap();
    assert!(outcome.says("GitHub's API: no answer within 2 s") || outcome.says("2 s"), "{outcome}");
    assert_silent(&outcome, &world);
}

/// An authority for an internal registry cannot pass for GitHub.
#[tokio::test]
async fn an_authority_for_another_host_is_not_believed_for_githubs_api() {
    let certificate = Certificate::naming("IP:127.0.0.1");
    for (host, believed) in [("registry.example", false), ("127.0.0.1", true)] {
        let (world, api) = (World::linked(), Registry::with_tls_at("127.0.0.1", &certificate));
        let run = world.run().env("GITHUB_API_URL", &format!("https://{}", api.host()));
        let line = format!("{host} = {}", certificate.authority());
        let outcome = run.input("ca-certificates", &line).succeeds().await;
        assert_eq!(api.carries(WORKFLOW), believed, "{outcome}");
        assert!(believed || outcome.says("the certificate is not trusted"), "{outcome}");
    }
}
