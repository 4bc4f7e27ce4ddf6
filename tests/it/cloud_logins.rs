//! Logins without a stored secret: every provider under its real name, when it is asked and how often, what is said where it
//! refuses, and what stands in for a job's identity on a machine. Where each secret may be seen: `cloud_leaks`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use serde_json::json;

use crate::support::clouds::{self, Clouds};
use crate::support::images;
use crate::support::{Account, Auth, Fault, Hook, Moment, Outcome, Registry, Run, TokenAuth, What};

/// The registry lets in whom the provider has just given a password, and nobody before.
pub fn follows(clouds: &Clouds, registry: &Arc<Registry>, auth: fn(&str, &str) -> Auth) {
    registry.set_auth(auth("nobody", "yet"));
    let registry = Arc::clone(registry);
    clouds.on_password(move |user, password| registry.set_auth(auth(user, password)));
}

pub fn basic(user: &str, password: &str) -> Auth {
    Auth::basic(user, password)
}

pub fn tokens(user: &str, password: &str) -> Auth {
    Auth::Token(TokenAuth::new(vec![Account::new(user, password)]))
}

fn hub_tokens(user: &str, password: &str) -> Auth {
    let service = Some("registry.docker.io".to_owned());
    Auth::Token(TokenAuth { service, ..TokenAuth::new(vec![Account::new(user, password)]) })
}

/// A provider: its lines, the registry's name, how a run names an image there, and who is asked how often for one login.
pub struct Provider {
    pub yaml: String,
    pub host: &'static str,
    pub image: &'static str,
    pub auth: fn(&str, &str) -> Auth,
    pub asked: Vec<(&'static str, usize)>,
}

pub fn providers() -> Vec<Provider> {
    let provider = |yaml: String, host, image, auth, asked: &[(&'static str, usize)]| Provider {
        yaml,
        host,
        image,
        auth,
        asked: asked.to_vec(),
    };
    vec![
        provider(
            format!(
                "- type: dockerhub\n  registry: docker.io\n  username: acme\n  connection_id: {}\n",
                clouds::CONNECTION
            ),
            clouds::HUB,
            "docker.io/acme/app:1",
            hub_tokens,
            &[(clouds::GITHUB, 1), (clouds::DOCKER, 1)],
        ),
        provider(
            format!(
                "- type: aws-ecr\n  registry: {}\n  role-to-assume: {}\n  region: eu-west-1\n",
                clouds::PRIVATE,
                clouds::ROLE
            ),
            clouds::PRIVATE,
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/app:1",
            basic,
            &[(clouds::GITHUB, 1), (clouds::STS, 1), (clouds::ECR, 1)],
        ),
        provider(
            format!("- {{type: aws-ecr, registry: public.ecr.aws, role_to_assume: \"{}\"}}\n", clouds::ROLE),
            clouds::PUBLIC,
            "public.ecr.aws/a1b2/acme/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::STS_PUBLIC, 1), (clouds::ECR_PUBLIC, 1)],
        ),
        provider(
            format!(
                "- type: gcp-wif\n  registry: {}\n  workload_identity_provider: {}\n  project_id: acme\n",
                clouds::GAR,
                clouds::POOL
            ),
            clouds::GAR,
            "europe-docker.pkg.dev/acme/mirror/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::GOOGLE, 1)],
        ),
        provider(
            format!(
                "{} gcp-wif workload_identity_provider={} service_account={}",
                clouds::GAR,
                clouds::POOL,
                clouds::ACCOUNT
            ),
            clouds::GAR,
            "europe-docker.pkg.dev/acme/mirror/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::GOOGLE, 1), (clouds::GOOGLE_ACCOUNT, 1)],
        ),
        provider(
            format!(
                "- type: azure-acr\n  registry: {}\n  tenant-id: {}\n  client-id: {}\n",
                clouds::ACR,
                clouds::TENANT,
                clouds::CLIENT
            ),
            clouds::ACR,
            "acme.azurecr.io/mirror/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::ENTRA, 1), (clouds::ACR, 1)],
        ),
        provider(
            "quay.io/acme quay username=acme+mirror".to_owned(),
            clouds::QUAY,
            "quay.io/acme/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::QUAY, 1)],
        ),
        provider(
            format!("{} jfrog provider-name=github project_key=mir", clouds::JFROG),
            clouds::JFROG,
            "acme.jfrog.io/docker-local/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::JFROG, 1)],
        ),
        provider(
            "- type: chainguard\n  identity: deadbeef/0123\n".to_owned(),
            clouds::CGR,
            "cgr.dev/acme/app:1",
            tokens,
            &[(clouds::GITHUB, 1), (clouds::CHAINGUARD, 1)],
        ),
    ]
}

impl Provider {
    /// Its registry, which lets in whom it says.
    pub fn registry(&self, clouds: &Clouds) -> Arc<Registry> {
        let exchanges_itself = [clouds::ACR, clouds::QUAY, clouds::JFROG].contains(&self.host);
        let registry = if exchanges_itself { clouds.registry_behind(self.host) } else { clouds.registry(self.host) };
        if self.host == clouds::HUB {
            clouds.lead(clouds::HUB_TOKENS, &registry);
        }
        follows(clouds, &registry, self.auth);
        registry
    }

    /// The image's repository and tag there.
    pub fn place(&self) -> (&'static str, &'static str) {
        self.image.split_once('/').unwrap().1.rsplit_once(':').unwrap()
    }
}

/// The second one of the table, which the others of this file are told by.
fn ecr() -> Provider {
    providers().remove(1)
}

fn exchanges(clouds: &Clouds) -> [usize; 3] {
    [clouds::GITHUB, clouds::STS, clouds::ECR].map(|host| clouds.count(host))
}

#[tokio::test]
async fn each_provider_gives_a_login_to_push_and_to_pull_with() {
    for provider in providers() {
        let clouds = Clouds::start().await;
        let (registry, plain) = (provider.registry(&clouds), Registry::start());
        let image = images::three_platforms();
        plain.seed(&image, "library/app:1");
        let push = clouds.copy(&plain.name("library/app:1"), provider.image, &provider.yaml);
        let outcome = push.succeeds().await;
        let (repository, tag) = provider.place();
        registry.is_whole(repository, tag).unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
        for (host, times) in &provider.asked {
            assert_eq!(clouds.count(host), *times, "{host}\n{}\n{outcome}", clouds.lines().join("\n"));
        }
        assert_eq!(clouds.asked().len(), provider.asked.len(), "{:?}", clouds.lines());
        assert!(outcome.says("logged in with the job's identity ("), "{outcome}");

        let back = Registry::start();
        clouds.copy(provider.image, &back.name("back/app:1"), &provider.yaml).succeeds().await;
        back.is_whole("back/app", "1").unwrap();
    }
}

#[tokio::test]
async fn two_hundred_images_are_one_exchange() {
    let clouds = Clouds::start().await;
    let (target, source) = (ecr().registry(&clouds), Registry::start());
    let mut lines = String::new();
    for number in 0..200 {
        source.seed(&images::single(), &format!("library/app:{number}"));
        lines +=
            &format!("{} => {}/acme/app:{number}\n", source.name(&format!("library/app:{number}")), clouds::PRIVATE);
    }
    let run = clouds.reach(Run::new()).input("registry-identities", &ecr().yaml).input("images", &lines);
    let outcome = run.input("attachments", "none").succeeds().await;
    assert_eq!(target.tags("acme/app").len(), 200, "{outcome}");
    assert_eq!(exchanges(&clouds), [1, 1, 1], "{outcome}");
}

#[tokio::test]
async fn an_image_that_needs_no_login_is_no_exchange() {
    let clouds = Clouds::start().await;
    let (open, target) = (clouds.registry(clouds::GAR), Registry::start());
    open.seed(&images::single(), "acme/mirror/app:1");
    let identities = &providers()[3].yaml;
    clouds.copy("europe-docker.pkg.dev/acme/mirror/app:1", &target.name("a/b:1"), identities).succeeds().await;
    assert_eq!(clouds.asked().len(), 0, "{:?}", clouds.lines());
}

/// The password ends while a blob is on its way, before anybody could know: the registry says so, and it is asked for anew.
#[tokio::test]
async fn a_login_that_ends_in_the_middle_of_a_blob_is_asked_for_anew() {
    let clouds = Clouds::start().await;
    let (source, target) = (ecr().registry(&clouds), Registry::start());
    let image = images::big(600_000, 7);
    source.seed(&image, "acme/app:1");
    let layer = &image.blobs.iter().max_by_key(|blob| blob.bytes.len()).unwrap().digest;
    let revoked = Arc::downgrade(&source);
    let revoke = Hook::new(move || {
        if let Some(source) = revoked.upgrade() {
            source.set_auth(Auth::basic("AWS", "the next one"));
        }
    });
    source.fault(Fault::on("GET", layer, What::Then(Moment::AnswerBody(100_000), revoke)));
    source.fault(Fault::on("GET", layer, What::CutBodyAfter(300_000)));
    let outcome = clouds.copy(ecr().image, &target.name("a/b:1"), &ecr().yaml).succeeds().await;
    target.is_whole("a/b", "1").unwrap();
    // The session is good for as long as it says, and gives the second password too.
    assert_eq!(exchanges(&clouds), [1, 1, 2], "{outcome}\n{}", source.lines());
    assert!(outcome.says("logged in anew"), "{outcome}");
}

/// A short life: each request finds out by itself that less than a quarter is left, and no request is refused for it.
#[tokio::test]
async fn a_login_is_renewed_before_it_ends_in_the_middle_of_a_copy() {
    let clouds = Clouds::start().await;
    clouds.lifetime(4);
    let (target, source) = (ecr().registry(&clouds), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    source.fault(Fault::on("GET", "/blobs/", What::Delay(5_000)).after(1));
    let run = clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml);
    let outcome = run.input("patience", "30s").succeeds().await;
    target.is_whole("acme/app", "1").unwrap();
    assert!(clouds.count(clouds::ECR) >= 2, "{outcome}");
    // An identity is for one exchange: the fakes refuse a second showing.
    assert_eq!(clouds.count(clouds::GITHUB), clouds.count(clouds::STS));
    let log = target.log();
    let refused = log.iter().filter(|request| request.status == 401);
    let with_login = refused.filter(|request| request.headers.contains_key("authorization"));
    assert_eq!(with_login.count(), 0, "{}", target.lines());
}

#[tokio::test]
async fn a_list_outlives_the_tokens_of_docker_hub() {
    let clouds = Clouds::start().await;
    clouds.lifetime(4);
    let hub = &providers()[0];
    let (target, source) = (hub.registry(&clouds), Registry::start());
    // The registry's own tokens are as short, and each is asked for with what is the login then.
    follows(&clouds, &target, |user, password| match hub_tokens(user, password) {
        Auth::Token(auth) => Auth::Token(TokenAuth { expires_in: Some(4), ..auth }),
        other => other,
    });
    let mut lines = String::new();
    for number in 0..3 {
        source.seed(&images::big(50_000, number), &format!("library/app:{number}"));
        lines += &format!("{} => docker.io/acme/app:{number}\n", source.name(&format!("library/app:{number}")));
    }
    source.fault(Fault::on("GET", "/blobs/", What::Delay(2_500)).every(2));
    let run = clouds.reach(Run::new()).input("registry-identities", &hub.yaml).input("images", &lines);
    let run = run.input("patience", "30s").input("concurrency", "1").input("attachments", "none");
    let outcome = run.succeeds().await;
    assert_eq!(target.tags("acme/app").len(), 3, "{outcome}");
    assert!(clouds.count(clouds::DOCKER) >= 2, "{outcome}");
    assert_eq!(clouds.count(clouds::GITHUB), clouds.count(clouds::DOCKER));
}

/// The provider fails when the login is to be renewed: for a moment, and for good.
#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_and_said_where_the_login_has_ended() {
    for failures in [2, usize::MAX] {
        let clouds = Clouds::start().await;
        clouds.lifetime(4);
        let (target, source) = (ecr().registry(&clouds), Registry::start());
        source.seed(&images::three_platforms(), "library/app:1");
        source.fault(Fault::on("GET", "/blobs/", What::Delay(5_000)).after(1));
        let asked = AtomicUsize::new(0);
        let is_down = move |request: &clouds::Asked| {
            let number = if request.host == clouds::ECR { asked.fetch_add(1, Relaxed) } else { 0 };
            (1..=failures).contains(&number)
        };
        clouds.instead_where(is_down, 502, r#"{"message":"an upstream fails"}"#);
        let run = clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml).input("patience", "8s");
        if failures == 2 {
            let outcome = run.succeeds().await;
            target.is_whole("acme/app", "1").unwrap();
            assert!(outcome.says("logged in anew") && clouds.count(clouds::ECR) >= 4, "{outcome}");
            continue;
        }
        let outcome = run.fails_with(1).await;
        let said = format!(
            "the login by `registry-identities` (aws-ecr) has ended and could not be renewed: the registry's password from \
             {}: 502: an upstream fails; gave up after ",
            clouds::ECR
        );
        assert!(outcome.says(&said), "{outcome}");
        assert!(target.tags("acme/app").is_empty());
    }
}

#[tokio::test]
async fn a_provider_that_is_down_for_a_moment_is_asked_again() {
    let clouds = Clouds::start().await;
    clouds.instead(
        clouds::STS,
        1,
        503,
        "<ErrorResponse><Error><Code>ServiceUnavailable</Code></Error></ErrorResponse>",
    );
    clouds.instead(clouds::GITHUB, 1, 500, "{}");
    let (target, source) = (ecr().registry(&clouds), Registry::start());
    source.seed(&images::single(), "library/app:1");
    clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml).succeeds().await;
    target.is_whole("acme/app", "1").unwrap();
    assert_eq!(exchanges(&clouds), [3, 2, 1]);
}

/// Five images to ECR, each of which fails.
async fn five(clouds: &Clouds) -> Outcome {
    let source = Registry::start();
    let mut lines = String::new();
    for number in 0..5 {
        source.seed(&images::single(), &format!("library/app:{number}"));
        lines +=
            &format!("{} => {}/acme/app:{number}\n", source.name(&format!("library/app:{number}")), clouds::PRIVATE);
    }
    let run = clouds.reach(Run::new()).input("registry-identities", &ecr().yaml).input("images", &lines);
    run.input("concurrency", "2").fails_with(1).await
}

#[tokio::test]
async fn a_registry_that_refuses_after_a_good_exchange_is_told_from_a_provider_that_refuses() {
    let clouds = Clouds::start().await;
    let registry = clouds.registry(clouds::PRIVATE);
    // Whoever comes is not let in.
    registry.set_auth(Auth::basic("AWS", "another one"));
    let outcome = five(&clouds).await;
    assert_eq!(exchanges(&clouds), [1, 1, 1], "{outcome}");
    assert!(outcome.says("the login by `registry-identities` (aws-ecr) went well, and `"), "{outcome}");
    assert!(outcome.says("`ecr:PutImage`"), "{outcome}");

    let clouds = Clouds::start().await;
    let registry = ecr().registry(&clouds);
    registry.fault(Fault::on("POST", "/uploads/", What::error(403, "DENIED", "not authorized to perform")).always());
    let outcome = five(&clouds).await;
    assert_eq!(exchanges(&clouds), [1, 1, 1], "{outcome}");
    assert!(outcome.says("not authorized to perform") && outcome.says("went well, and `"), "{outcome}");
}

#[tokio::test]
async fn a_provider_that_refuses_the_identity_is_asked_once_and_says_what_the_identity_has() {
    let words = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform \
                 sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
    let clouds = Clouds::start().await;
    ecr().registry(&clouds);
    clouds.instead(clouds::STS, 9, 403, words);
    let outcome = five(&clouds).await;
    assert_eq!(exchanges(&clouds), [1, 1, 0], "{outcome}");
    for part in [
        "403 AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "the identity has iss `https://token.actions.githubusercontent.com`, sub \
         `repo:octo@123/mirror@456:ref:refs/heads/main`, aud `sts.amazonaws.com`",
        "compare what the identity has with the trust policy of the role",
        "has numbers in `sub`",
    ] {
        assert!(outcome.says(part), "{part}\n{outcome}");
    }
    for issued in clouds.issued() {
        assert!(!outcome.visible().contains(&issued.value), "{}\n{outcome}", issued.name);
    }
}

#[tokio::test]
async fn what_a_provider_refuses_for_is_told_apart() {
    let old = httpdate::fmt_http_date(std::time::SystemTime::now() - std::time::Duration::from_secs(3600));
    for (number, host, status, headers, body, part) in [
        (
            1,
            clouds::STS,
            400,
            vec![],
            "<Error><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found</Message></Error>",
            "its account has an identity provider `token.actions.githubusercontent.com`",
        ),
        (
            1,
            clouds::ECR,
            400,
            vec![],
            r#"{"__type":"AccessDeniedException","Message":"no"}"#,
            "allow the role `ecr:GetAuthorizationToken` on `*`",
        ),
        (
            1,
            clouds::ECR,
            400,
            vec![("date", old)],
            r#"{"__type":"InvalidSignatureException"}"#,
            "its clock and this machine's differ by 36",
        ),
        (0, clouds::DOCKER, 404, vec![], r#"{"message":"connection not found"}"#, "`connection_id` and `username`"),
        (
            0,
            clouds::DOCKER,
            403,
            vec![],
            r#"{"message":"no ruleset"}"#,
            "the rule sets of the OIDC connection at Docker",
        ),
        (
            3,
            clouds::GOOGLE,
            400,
            vec![],
            r#"{"error":"unauthorized_client","error_description":"rejected by the attribute condition."}"#,
            "the attribute condition and the bindings of the workload identity pool",
        ),
        (3, clouds::GOOGLE, 400, vec![], r#"{"error":"invalid_target"}"#, "`workload_identity_provider`"),
        (
            4,
            clouds::GOOGLE_ACCOUNT,
            403,
            vec![],
            r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"iam.serviceAccounts.getAccessToken"}}"#,
            "Workload Identity User",
        ),
        (
            5,
            clouds::ENTRA,
            401,
            vec![],
            r#"{"error":"invalid_client","error_description":"AADSTS700213","error_codes":[700213]}"#,
            "the federated credential of the application",
        ),
        (
            5,
            clouds::ENTRA,
            400,
            vec![],
            r#"{"error":"unauthorized_client","error_description":"AADSTS700016","error_codes":[700016]}"#,
            "the ids of the tenant and of the client",
        ),
        (5, clouds::ACR, 401, vec![], "{}", "give the identity a role at the registry"),
        (6, clouds::QUAY, 401, vec![], r#"{"error":"no"}"#, "the federation of the robot account"),
        (7, clouds::JFROG, 404, vec![], r#"{"errors":[{"message":"no"}]}"#, "all of them, as the provider's settings"),
        (0, clouds::GITHUB, 403, vec![], "{}", "login by `registry-identities` (dockerhub): the job's identity from"),
        (0, clouds::DOCKER, 302, vec![("location", "https://evil.example/".to_owned())], "", "a redirect"),
        (0, clouds::DOCKER, 200, vec![], "<html>", "answered something that is not a token"),
        (0, clouds::DOCKER, 200, vec![], "{}", "answered without a token"),
        (0, clouds::DOCKER, 200, vec![], "{\"access_token\":\"a\\nb\"}", "characters that no token has"),
    ] {
        let provider = &providers()[number];
        let clouds = Clouds::start().await;
        let (_target, source) = (provider.registry(&clouds), Registry::start());
        source.seed(&images::single(), "library/app:1");
        clouds.instead_with(host, 9, status, headers, body);
        let run = clouds.copy(&source.name("library/app:1"), provider.image, &provider.yaml);
        let outcome = run.fails_with(1).await;
        assert!(outcome.says(part), "{part}\n{outcome}");
        for issued in clouds.issued() {
            assert!(!outcome.visible().contains(&issued.value), "{}\n{outcome}", issued.name);
        }
    }
}

/// Azure's registry takes its refresh token posted, and is said to take it as a password too.
#[tokio::test]
async fn azures_refresh_token_is_posted_and_goes_as_a_password_where_that_is_asked_for() {
    const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
    let provider = &providers()[5];
    let (basic, tokens): (fn(&str, &str) -> Auth, fn(&str, &str) -> Auth) =
        (|_, password| basic(NOBODY, password), |_, password| tokens(NOBODY, password));
    for (auth, refuses, posts) in
        [(tokens, None, true), (basic, None, false), (tokens, Some(405), true), (tokens, Some(404), true)]
    {
        let clouds = Clouds::start().await;
        let (registry, source) = (clouds.registry_behind(clouds::ACR), Registry::start());
        follows(&clouds, &registry, auth);
        if let Some(status) = refuses {
            registry.fault(Fault::on("POST", "/oauth2/token", What::status(status)).always());
        }
        source.seed(&images::three_platforms(), "library/app:1");
        let from = source.name("library/app:1");
        let lines = [provider.image.to_owned(), provider.image.replace("/app:", "/other:")];
        let lines = lines.map(|to| format!("{from} => {to}")).join("\n");
        let run = clouds.reach(Run::new().command("copy")).input("registry-identities", &provider.yaml);
        let outcome = run.input("images", &lines).input("concurrency", "1").succeeds().await;
        registry.is_whole("mirror/app", "1").unwrap_or_else(|problem| panic!("{problem}\n{outcome}"));
        let (posted, got) = (registry.count("POST", "/oauth2/token"), registry.count("GET", "/oauth2/token"));
        assert_eq!((posted > 0, got > 0), (posts, refuses.is_some()), "{}", registry.lines());
        // Two repositories, two tokens: that it is not posted need not be said twice.
        assert!(refuses.is_none() || posted == 1 && got > 1, "{}", registry.lines());
    }
}

/// The audience that identities of Chainguard accept is written in two ways.
#[tokio::test]
async fn an_identity_of_chainguard_is_asked_for_with_both_audiences_in_turn() {
    let provider = providers().remove(8);
    let clouds = Clouds::start().await;
    let (registry, source) = (provider.registry(&clouds), Registry::start());
    source.seed(&images::single(), "library/app:1");
    clouds.instead(clouds::CHAINGUARD, 1, 403, "{}");
    clouds.copy(&source.name("library/app:1"), provider.image, &provider.yaml).succeeds().await;
    registry.is_whole("acme/app", "1").unwrap();
    let audiences: Vec<String> =
        clouds.asked().iter().filter(|asked| asked.host == clouds::GITHUB).map(|asked| asked.query.clone()).collect();
    assert!(audiences[0].ends_with("audience=https%3A%2F%2Fissuer.enforce.dev"), "{audiences:?}");
    assert!(audiences[1].ends_with("audience=cgr.dev"), "{audiences:?}");
}

#[tokio::test]
async fn a_job_that_may_not_have_an_identity_is_told_what_to_add_and_nobody_is_asked() {
    for provider in providers() {
        let clouds = Clouds::start().await;
        let source = Registry::start();
        let run = Run::copy(&source.name("library/app:1"), provider.image);
        let run = clouds.reach_without_identity(run).input("registry-identities", &provider.yaml);
        let outcome = run.fails_with(2).await;
        let line = "`permissions: { contents: read, packages: write, id-token: write }`";
        assert!(outcome.says("input `registry-identities`: line 1: needs the job's identity"), "{outcome}");
        assert!(outcome.says(line) && !outcome.says("fork"), "{outcome}");
        assert!(source.log().is_empty() && clouds.asked().is_empty());
        let outcome = run.env("GITHUB_EVENT_NAME", "pull_request").fails_with(2).await;
        assert!(outcome.says("a pull request from a fork gets none"), "{outcome}");
    }
}

#[tokio::test]
async fn the_requests_token_goes_to_no_host_that_is_not_githubs() {
    let clouds = Clouds::start().await;
    let (_target, source) = (ecr().registry(&clouds), Registry::start());
    for url in [
        "http://pipelines.actions.githubusercontent.com/abc/idtoken/1?api-version=2.0",
        "https://evil.example/abc/idtoken/1?api-version=2.0",
        "https://169.254.169.254/latest/meta-data/?x",
        "https://actions.githubusercontent.com.evil.example/?x",
    ] {
        let run = clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml);
        let outcome = run.env("ACTIONS_ID_TOKEN_REQUEST_URL", url).fails_with(2).await;
        assert!(outcome.says("input `ACTIONS_ID_TOKEN_REQUEST_URL`: is not an address of GitHub"), "{outcome}");
        assert!(source.log().is_empty() && clouds.asked().is_empty());
    }
}

#[tokio::test]
async fn a_password_comes_before_an_identity_and_that_is_said_once() {
    let clouds = Clouds::start().await;
    let (target, source) = (clouds.registry(clouds::PRIVATE), Registry::start());
    target.set_auth(Auth::basic("AWS", "given-5d41402abc4b"));
    source.seed(&images::single(), "library/app:1");
    let run = clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml);
    let line = format!("{} AWS given-5d41402abc4b", clouds::PRIVATE);
    let outcome = run.input("registry-auth", &line).succeeds().await;
    assert!(clouds.asked().is_empty());
    let said = format!("{}: `registry-auth` has a password for it, which comes before the login", clouds::PRIVATE);
    assert_eq!(outcome.log.matches(&said).count(), 1, "{outcome}");
}

#[tokio::test]
async fn of_two_logins_at_one_registry_the_longest_path_counts() {
    let clouds = Clouds::start().await;
    let (quay, source) = (clouds.registry_behind(clouds::QUAY), Registry::start());
    follows(&clouds, &quay, tokens);
    source.seed(&images::single(), "library/app:1");
    // The fake knows the second robot alone.
    let identities = "quay.io quay username=other+robot\nquay.io/acme quay username=acme+mirror\n";
    clouds.copy(&source.name("library/app:1"), "quay.io/acme/app:1", identities).succeeds().await;
    quay.is_whole("acme/app", "1").unwrap();
}

#[tokio::test]
async fn a_bad_login_is_bad_input_and_nobody_is_asked() {
    let (role, connection) = (clouds::ROLE, clouds::CONNECTION);
    let ecr = |more: &str| format!("- type: aws-ecr\n  registry: {}\n{more}", clouds::PRIVATE);
    for (text, part) in [
        ("- type: dockerhubb\n".to_owned(), "line 1: `type` is `dockerhubb`, which is not one of dockerhub, aws-ecr"),
        ("- type: dockerhubb\n".to_owned(), "did you mean `dockerhub`?"),
        ("- registry: docker.io\n".to_owned(), "line 1: has no `type`"),
        ("- type: quay\n  username: a\n  user_name: b\n".to_owned(), "line 3: `user-name` is not a field of `quay`"),
        (
            "- type: dockerhub\n  username: a\n  connection_id: b\n  connection-id: c\n".to_owned(),
            "line 4: has `connection-id` twice",
        ),
        ("- type: quay\n  username:\n".to_owned(), "line 2: has an empty `username`"),
        ("- type: aws-ecr\n".to_owned(), "line 1: has no `registry`"),
        ("- type: dockerhub\n  username: acme\n".to_owned(), "has no `connection-id`; write one like `"),
        // What is written wrong is not told as missing.
        (
            format!("- type: dockerhub\n  registry: docker.io\n  usrname: acme\n  connection_id: {connection}\n"),
            "line 3: `usrname` is not a field of `dockerhub`; did you mean `username`?",
        ),
        (
            format!("- type: dockerhub\n  username: acme\n  connection_id: {connection}\n  conection: x\n"),
            "line 4: `conection` is not a field of `dockerhub`",
        ),
        ("docker.io dockerhub username=acme connection_id=".to_owned(), "has an empty `connection-id`"),
        ("docker.io dockerhub username=acme connection_id=1".to_owned(), "`connection-id` is `1`; write one like"),
        (
            format!("- type: dockerhub\n  registry: ghcr.io\n  username: a\n  connection_id: {connection}\n"),
            "`ghcr.io` is no registry of Docker's",
        ),
        (
            format!("# ours\n- type: aws-ecr\n  registry: registry.example.com\n  role-to-assume: {role}\n"),
            "line 3: `registry.example.com` is no registry of ECR",
        ),
        (ecr("  role-to-assume: mirror\n"), "line 3: `role-to-assume` is `mirror`; write the whole name of a role"),
        (ecr("\n  region: us-east-1\n"), "line 4: `region` is `us-east-1`, and the registry's name says `eu-west-1`"),
        (ecr("  region: evil.example/\n"), "write one like `eu-west-1`"),
        ("eu.gcr.io gcp-wif workload_identity_provider=pool".to_owned(), "`workload-identity-provider` is `pool`"),
        (
            format!("registry.example.com gcp-wif workload_identity_provider={}", clouds::POOL),
            "no registry of Google's",
        ),
        (
            format!("gcr.io gcp-wif workload_identity_provider={} service_account=a/b", clouds::POOL),
            "`service-account` is `a/b`",
        ),
        ("evil.example azure-acr tenant-id=t client-id=c".to_owned(), "no registry of Azure's"),
        ("a.azurecr.io azure-acr tenant-id=a/b client-id=c".to_owned(), "`tenant-id` is `a/b`"),
        ("quay.io quay username=acme".to_owned(), "`username` is `acme`; write one like `acme+mirror`"),
        ("127.0.0.1:5000 quay username=acme+mirror".to_owned(), "over plain HTTP, and an identity goes over TLS only"),
        ("registry.corp jfrog provider-name=github".to_owned(), "over plain HTTP, and an identity goes over TLS only"),
        ("a@b.example quay username=acme+mirror".to_owned(), "`registry` is `a@b.example`; write a host"),
        ("a/../b quay username=acme+mirror x=y".to_owned(), "`x` is not a field of `quay`"),
        ("cgr.example chainguard identity=00".to_owned(), "is not Chainguard's registry"),
        ("docker.io".to_owned(), "line 1: `docker.io` is no login"),
        ("- [a]\n".to_owned(), "line 1: is a list; write a login"),
    ] {
        let clouds = Clouds::start().await;
        let source = Registry::start();
        let run = clouds.copy(&source.name("library/app:1"), "registry.corp/a/b:1", &text);
        let outcome = run.input("insecure-registries", "registry.corp").fails_with(2).await;
        assert!(outcome.says("input `registry-identities`: ") && outcome.says(part), "{text}: {part}\n{outcome}");
        assert!(source.log().is_empty() && clouds.asked().is_empty());
    }
}

#[tokio::test]
async fn a_password_that_ends_in_the_middle_of_a_run_is_said_by_the_name_of_its_input() {
    for tokens in [false, true] {
        let (source, target) = (Arc::new(Registry::start()), Registry::start());
        let auth = move |password: &str| {
            if tokens { self::tokens("ann", password) } else { Auth::basic("ann", password) }
        };
        source.set_auth(auth("first-5d41402abc4b"));
        for number in 0..3 {
            source.seed(&images::big(50_000, number), &format!("library/app:{number}"));
        }
        let (ended, count) = (Arc::downgrade(&source), Arc::new(AtomicUsize::new(0)));
        let end = Hook::new(move || {
            // Once the first image is through.
            if let Some(source) = ended.upgrade().filter(|_| count.fetch_add(1, Relaxed) == 0) {
                source.set_auth(auth("second-5d41402abc4b"));
                source.fault(Fault::on("GET", "/", What::RevokeTokens).times(1));
            }
        });
        target.fault(Fault::on("PUT", "/manifests/0", What::Then(Moment::Done, end)));
        let lines: String = (0..3)
            .map(|number| {
                format!(
                    "{} => {}\n",
                    source.name(&format!("library/app:{number}")),
                    target.name(&format!("a/b:{number}"))
                )
            })
            .collect();
        let run = Run::new().input("images", &lines).input("concurrency", "1").input("attachments", "none");
        let auth = format!("{} ann first-5d41402abc4b", source.host());
        let outcome = run.input("registry-auth", &auth).fails_with(1).await;
        assert!(
            outcome.says("the password from `registry-auth` was good for `") && outcome.says("earlier in this run"),
            "{tokens}\n{outcome}"
        );
    }
}

// Repositories that are created first.

#[tokio::test]
async fn a_repository_that_ecr_does_not_have_is_created_once_where_that_is_wanted() {
    for (number, created) in [(1, "acme/app"), (2, "acme/app")] {
        let provider = &providers()[number];
        let clouds = Clouds::start().await;
        let (target, source) = (provider.registry(&clouds), Registry::start());
        target.switch(|switches| switches.repositories_must_exist = true);
        let (repository, _) = provider.place();
        let mut lines = String::new();
        for tag in 0..4 {
            source.seed(&images::big(10_000, tag), &format!("library/app:{tag}"));
            let to = provider.image.replace(":1", &format!(":{tag}"));
            lines += &format!("{} => {to}\n", source.name(&format!("library/app:{tag}")));
        }
        let run = clouds.reach(Run::new()).input("registry-identities", &provider.yaml).input("images", &lines);
        let run = run.input("attachments", "none");

        let outcome = run.clone().input("dry-run", "true").input("create-repositories", "true").succeeds().await;
        assert!(clouds.created().is_empty(), "{outcome}");
        let outcome = run.fails_with(1).await;
        assert!(clouds.created().is_empty(), "{outcome}");

        let made = Arc::downgrade(&target);
        let name = repository.to_owned();
        clouds.on_created(move |_| {
            if let Some(target) = made.upgrade() {
                target.seed(&images::raw(images::OCI_INDEX, "", vec![]), &name);
            }
        });
        let outcome = run.input("create-repositories", "true").succeeds().await;
        assert_eq!(clouds.created(), [created], "{outcome}");
        let asked = clouds.asked();
        let calls = asked.iter().filter(|asked| asked.body.contains("repositoryName")).count();
        assert_eq!(calls, 1, "{outcome}");
        assert_eq!(target.tags(repository).len(), 4);
        assert!(outcome.says("the repository was created"), "{outcome}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_create_repositories_is_said_to_and_is_asked_once() {
    let clouds = Clouds::start().await;
    let target = ecr().registry(&clouds);
    target.switch(|switches| switches.repositories_must_exist = true);
    let source = Registry::start();
    let mut lines = String::new();
    for tag in 0..3 {
        source.seed(&images::single(), &format!("library/app:{tag}"));
        lines += &format!("{} => {}/acme/app:{tag}\n", source.name(&format!("library/app:{tag}")), clouds::PRIVATE);
    }
    let denied = json!({ "__type": "AccessDeniedException", "Message": "no" }).to_string();
    // After the password.
    let run = clouds.reach(Run::new()).input("registry-identities", &ecr().yaml).input("images", &lines);
    clouds.instead_where(|asked| asked.body.contains("repositoryName"), 400, &denied);
    let outcome = run.input("create-repositories", "true").fails_with(1).await;
    let calls = clouds.asked().iter().filter(|asked| asked.body.contains("repositoryName")).count();
    assert_eq!(calls, 1, "{outcome}");
    assert!(outcome.says("allow the role `ecr:CreateRepository` for `acme/app`"), "{outcome}");
}

#[tokio::test]
async fn repositories_are_created_by_a_login_that_can_and_by_no_other() {
    let run = Run::copy("alpine", "127.0.0.1:9/a/b:1").input("create-repositories", "true");
    let outcome = run.fails_with(2).await;
    assert!(outcome.says("input `create-repositories`: needs a login that may create some"), "{outcome}");
}

// On a machine.

/// A copy to `provider`'s registry by a person.
async fn by_a_person(clouds: &Clouds, provider: &Provider, environment: &[(&str, &str)]) -> Outcome {
    let source = Registry::start();
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), provider.image).without("GITHUB_ACTIONS");
    let run = clouds.reach_without_identity(run).input("registry-identities", &provider.yaml);
    environment.iter().fold(run, |run, (name, value)| run.env(name, value)).unhurried().run().await
}

#[tokio::test]
async fn on_a_machine_ecr_is_logged_in_to_with_the_aws_credentials_that_are_there() {
    let (id, secret, token) = ("AKIAEXAMPLE0000000001", "machineSecret7Hq2LmZ9aa", "machineToken4Rt8KwB1bb");
    let variables = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)];
    for number in [1, 2] {
        let provider = &providers()[number];
        let clouds = Clouds::start().await;
        let target = provider.registry(&clouds);
        clouds.knows_key(id, secret, token);
        let outcome = by_a_person(&clouds, provider, &variables).await;
        assert_eq!(outcome.code, 0, "{outcome}");
        let (repository, tag) = provider.place();
        target.is_whole(repository, tag).unwrap();
        assert!(outcome.says("logged in with `AWS_ACCESS_KEY_ID` (aws-ecr)"), "{outcome}");
        assert_eq!(clouds.asked().len(), 1, "{:?}", clouds.lines());
        assert!(!outcome.visible().contains(secret) && !outcome.visible().contains(token), "{outcome}");
    }
}

#[tokio::test]
async fn on_a_machine_the_role_of_its_container_or_instance_does_as_well() {
    let (id, secret, token) = ("ASIAEXAMPLE0000000002", "roleSecret7Hq2LmZ9aaBB", "roleToken4Rt8KwB1bbCC");
    let answer = json!({
        "Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": token, "Expiration": "2099-01-01T00:00:00Z",
    });
    let machine = Machine::start(answer.to_string());
    let address = machine.address.clone();
    for (variables, asked, said) in [
        (
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/v1/credentials")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "podToken5Xs9".to_owned()),
            ],
            vec!["GET /v1/credentials podToken5Xs9".to_owned()],
            "the container's role",
        ),
        (
            vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"))],
            vec![
                "PUT /latest/api/token 300".to_owned(),
                format!("GET /latest/meta-data/iam/security-credentials/ {PASS}"),
                format!("GET /latest/meta-data/iam/security-credentials/the-role {PASS}"),
            ],
            "the instance's role",
        ),
    ] {
        let clouds = Clouds::start().await;
        let target = ecr().registry(&clouds);
        clouds.knows_key(id, secret, token);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let outcome = by_a_person(&clouds, &ecr(), &variables).await;
        assert_eq!(outcome.code, 0, "{outcome}");
        target.is_whole("acme/app", "1").unwrap();
        assert_eq!(machine.take_asked(), asked, "{outcome}");
        assert!(outcome.says(&format!("logged in with {said} (aws-ecr)")), "{outcome}");
        for secret in [secret, token, "podToken5Xs9", PASS] {
            assert!(!outcome.visible().contains(secret), "{secret}\n{outcome}");
        }
    }
    for (name, address) in [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/x"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://evil.example/x"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1"),
    ] {
        let clouds = Clouds::start().await;
        let outcome = by_a_person(&clouds, &ecr(), &[(name, address)]).await;
        let is_refused = outcome.code == 2 && outcome.says("AWS credentials are taken from no other");
        assert!(is_refused && clouds.asked().is_empty(), "{address}: {:?}\n{outcome}", clouds.lines());
    }
}

#[tokio::test]
async fn in_a_job_with_a_role_the_machines_credentials_are_not_used() {
    let clouds = Clouds::start().await;
    let (target, source) = (ecr().registry(&clouds), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let run = clouds.copy(&source.name("library/app:1"), ecr().image, &ecr().yaml);
    run.env("AWS_ACCESS_KEY_ID", "AKIAX").env("AWS_SECRET_ACCESS_KEY", "unused-secret-1").succeeds().await;
    target.is_whole("acme/app", "1").unwrap();
    assert_eq!(exchanges(&clouds), [1, 1, 1]);
}

#[tokio::test]
async fn on_a_machine_google_is_logged_in_to_with_what_gcloud_has_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("application_default_credentials.json");
    let person = json!({
        "type": "authorized_user", "client_id": "client", "client_secret": "clientSecret9Xw",
        "refresh_token": "1//refreshToken8Qm", "token_uri": "https://evil.example/token",
    });
    std::fs::write(&file, person.to_string()).unwrap();
    let path = directory.path().display().to_string();
    let provider = &providers()[3];
    let clouds = Clouds::start().await;
    let target = provider.registry(&clouds);
    let outcome = by_a_person(&clouds, provider, &[("CLOUDSDK_CONFIG", &path)]).await;
    assert_eq!(outcome.code, 0, "{outcome}");
    target.is_whole("acme/mirror/app", "1").unwrap();
    assert!(outcome.says("gcloud auth application-default login"), "{outcome}");
    assert!(!outcome.visible().contains("clientSecret9Xw") && !outcome.visible().contains("refreshToken8Qm"));

    // A key is a stored secret.
    std::fs::write(&file, json!({ "type": "service_account", "private_key": "keySecret1Zq" }).to_string()).unwrap();
    let clouds = Clouds::start().await;
    clouds.registry(clouds::GAR);
    let outcome = by_a_person(&clouds, provider, &[("CLOUDSDK_CONFIG", &path)]).await;
    assert!(outcome.says("a key of a service account is not read"), "{outcome}");
    assert!(clouds.asked().is_empty());
}

#[tokio::test]
async fn on_a_machine_a_login_that_only_a_job_has_is_left_and_that_is_said() {
    for number in [0, 5, 6, 7, 8] {
        let provider = &providers()[number];
        let clouds = Clouds::start().await;
        let registry = provider.registry(&clouds);
        registry.set_auth(Auth::Open);
        let outcome = by_a_person(&clouds, provider, &[]).await;
        // Docker Hub's token service is asked whatever the registry says.
        assert!(outcome.code == 0 || number == 0, "{outcome}");
        assert!(
            outcome.says("is for a job of GitHub Actions, and this is none: log in with `docker login"),
            "{outcome}"
        );
        assert!(clouds.asked().is_empty());
    }
}

/// The metadata service of a container or an instance.
pub struct Machine {
    pub address: String,
    asked: Arc<std::sync::Mutex<Vec<String>>>,
    heads: Arc<std::sync::Mutex<Vec<String>>>,
    repeats: Arc<AtomicBool>,
}

/// What an instance's service lets in with.
pub const PASS: &str = "the-pass-3Vd7LwQ9sXz0TbKf";

impl Machine {
    pub fn start(credentials: String) -> Self {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let machine = Self { address, asked: Arc::default(), heads: Arc::default(), repeats: Arc::default() };
        let (asked, heads, repeats) =
            (Arc::clone(&machine.asked), Arc::clone(&machine.heads), Arc::clone(&machine.repeats));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(mut connection) = connection else { return };
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let value = |name: &str| {
                    head.iter().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                };
                let shown = ["x-aws-ec2-metadata-token-ttl-seconds:", "x-aws-ec2-metadata-token:", "authorization:"]
                    .iter()
                    .find_map(|name| value(name))
                    .unwrap_or_default();
                let line = first.strip_suffix(" HTTP/1.1").unwrap_or(&first).to_owned();
                let head = format!("{line}\n{}\n", head.join("\n"));
                let (status, body) = match line.as_str() {
                    "PUT /latest/api/token" => ("200 OK", PASS.to_owned()),
                    _ if repeats.load(Relaxed) => ("403 Forbidden", json!({ "message": head }).to_string()),
                    "GET /latest/meta-data/iam/security-credentials/" => ("200 OK", "the-role".to_owned()),
                    _ => ("200 OK", credentials.clone()),
                };
                asked.lock().unwrap().push(format!("{line} {shown}"));
                heads.lock().unwrap().push(head);
                let length = body.len();
                let _ = write!(
                    connection,
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
            }
        });
        machine
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Answers with the request itself from now on, but for the pass.
    pub fn repeat(&self) {
        self.repeats.store(true, Relaxed);
    }

    /// Every request, its headers included.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// The fakes themselves: what nobody arranged for fails by its name.
#[tokio::test]
async fn an_unexpected_call_names_itself() {
    let clouds = Clouds::start().await;
    let source = Registry::start();
    source.seed(&images::single(), "library/app:1");
    let provider = &providers()[0];
    let hub = provider.registry(&clouds);
    let wrong = provider.yaml.replace(clouds::CONNECTION, "00000000-0000-0000-0000-000000000000");
    clouds.copy(&source.name("library/app:1"), provider.image, &wrong).fails_with(1).await;
    assert!(hub.tags("acme/app").is_empty());
    let run = clouds.reach(Run::copy(&source.name("library/app:1"), "unknown.example/a/b:1"));
    run.fails_with(1).await;
    let unexpected = clouds.take_unexpected();
    assert!(
        unexpected.iter().any(|line| line.starts_with("POST https://identity.docker.com/oauth/token: `connection_id`"))
    );
    assert!(unexpected.iter().any(|line| line.contains("CONNECT unknown.example:443")), "{unexpected:?}");
}
