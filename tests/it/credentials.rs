//! Credentials and tokens, in every manner in which registries ask for them. Where each may be seen: `leaks`.

use base64::Engine as _;

use crate::support::images;
use crate::support::{Account, Auth, Outcome, Registry, Run, TokenAuth, TokenFormat};

const SOURCE_PASSWORD: &str = "source-secret-8d41";
const TARGET_PASSWORD: &str = "target-secret-77c0";

fn token(user: &str, password: &str) -> TokenAuth {
    TokenAuth::new(vec![Account::new(user, password)])
}

/// Two guarded registries with different accounts, and a copy that has both credentials.
fn guarded(source: TokenAuth, target: TokenAuth) -> (Registry, Registry, Run) {
    let (source, target) = (Registry::with_auth(Auth::Token(source)), Registry::with_auth(Auth::Token(target)));
    source.seed(&images::three_platforms(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .input("source-username", "ann")
        .input("source-password", SOURCE_PASSWORD)
        .input("target-username", "bob")
        .input("target-password", TARGET_PASSWORD);
    (source, target, run)
}

fn both() -> (Registry, Registry, Run) {
    guarded(token("ann", SOURCE_PASSWORD), token("bob", TARGET_PASSWORD))
}

/// No password, pair or token is readable in what the run left behind.
fn assert_silent(outcome: &Outcome, registries: &[&Registry]) {
    let pair =
        |user: &str, password: &str| base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut secrets = vec![SOURCE_PASSWORD.to_owned(), TARGET_PASSWORD.to_owned()];
    secrets.extend([pair("ann", SOURCE_PASSWORD), pair("bob", TARGET_PASSWORD)]);
    secrets.extend(registries.iter().flat_map(|registry| registry.issued_tokens()));
    let visible = outcome.visible();
    for secret in secrets {
        assert!(!visible.contains(&secret), "{secret} is readable:\n{outcome}");
    }
}

#[tokio::test]
async fn one_token_is_enough_for_each_side() {
    for format in [TokenFormat::Opaque, TokenFormat::JwtLike] {
        let source = TokenAuth { format: format.clone(), ..token("ann", SOURCE_PASSWORD) };
        let target = TokenAuth { format, ..token("bob", TARGET_PASSWORD) };
        let (source, target, run) = guarded(source, target);
        run.succeeds().await;
        assert_eq!((source.token_requests(), target.token_requests()), (1, 1), "{}{}", source.lines(), target.lines());
        let scopes = target.log().iter().find(|r| r.path == "/token").map(|r| r.query.clone()).unwrap();
        assert!(scopes.contains("mirror") && scopes.contains("push"), "{scopes}");
        source.reset();
        target.reset();
        run.succeeds().await;
        for registry in [&source, &target] {
            assert!(
                registry.count("HEAD", "/manifests/1") <= 2 && registry.count("GET", "/v2/") == 0,
                "{}",
                registry.lines()
            );
        }
    }
}

#[tokio::test]
async fn token_services_of_all_manners() {
    let ghcr = |user, password| TokenAuth::ghcr(vec![Account::new(user, password)]);
    let other_member = TokenAuth { member: "access_token", ..token("bob", TARGET_PASSWORD) };
    let short = TokenAuth { expires_in: None, requests: Some(16), ..token("bob", TARGET_PASSWORD) };
    for (name, target) in
        [("ghcr", ghcr("bob", TARGET_PASSWORD)), ("access_token", other_member), ("short-lived", short)]
    {
        let (source, target, run) = guarded(ghcr("ann", SOURCE_PASSWORD), target);
        // Fewer at once than a token is good for: none finds each new one used up by the others.
        let outcome = run.input("concurrency", "2").unhurried().run().await;
        assert_eq!(outcome.code, 0, "{name}\n{outcome}\n{}", target.lines());
        target.is_whole("mirror/app", "1").unwrap();
        assert!(name != "short-lived" || target.token_requests() > 1, "{}", target.lines());
        assert_silent(&outcome, &[&source, &target]);
    }
}

#[tokio::test]
async fn a_realm_with_a_query_inside_is_understood() {
    // What the realm brings and what is asked for would be two scopes.
    let source = TokenAuth { service: None, refuse_two_scopes: true, ..token("ann", SOURCE_PASSWORD) };
    let (source, target, run) = guarded(source, token("bob", TARGET_PASSWORD));
    source.set_realm(&format!("{}/proxy_auth?account=%24oauthtoken&scope=repository:library/app:pull", source.url()));
    run.succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_not_repeated() {
    let (source, target, run) = both();
    let outcome = run.input("source-password", "wrong-secret-1").fails_with(1).await;
    assert!(outcome.says("source") && outcome.says("401"), "{outcome}");
    assert!(!outcome.visible().contains("wrong-secret-1"), "{outcome}");
    assert!(source.token_requests() <= 2, "{}", source.lines());
    assert_eq!(target.writes(), 0);
}

#[tokio::test]
async fn public_images_need_no_credential() {
    let source = TokenAuth { anonymous_pull: true, ..TokenAuth::new(vec![]) };
    let source = Registry::with_auth(Auth::Token(source));
    source.seed(&images::single(), "library/app:1");
    let target = Registry::start();
    Run::copy(&source.name("library/app:1"), &target.name("app:1")).succeeds().await;
    assert!(source.token_requests() > 0);
    target.is_whole("app", "1").unwrap();
}

#[tokio::test]
async fn a_missing_credential_is_said_with_the_way_out() {
    let source = Registry::with_auth(Auth::Token(token("ann", SOURCE_PASSWORD)));
    let target = Registry::start();
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("app:1")).fails_with(1).await;
    assert!(outcome.says("401") && outcome.says("source-username"), "{outcome}");
}

#[tokio::test]
async fn basic_registries_get_basic() {
    let (source, target, run) = both();
    source.set_auth(Auth::basic("ann", SOURCE_PASSWORD));
    target.set_auth(Auth::basic("bob", TARGET_PASSWORD));
    let outcome = run.succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
    assert_eq!(source.token_requests() + target.token_requests(), 0);
    assert_silent(&outcome, &[&source, &target]);
}

#[tokio::test]
async fn mounting_works_with_scopes_or_without() {
    for refuse_two_scopes in [false, true] {
        let auth = TokenAuth { refuse_two_scopes, ..token("ann", SOURCE_PASSWORD) };
        let registry = Registry::with_auth(Auth::Token(auth));
        registry.seed(&images::three_platforms(), "library/app:1");
        let run = Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1"));
        let run = run.input("registry-auth", &format!("{} ann {SOURCE_PASSWORD}", registry.host()));
        let outcome = run.unhurried().run().await;
        assert_eq!(outcome.code, 0, "refuses two scopes: {refuse_two_scopes}\n{outcome}\n{}", registry.lines());
        registry.is_whole("mirror/app", "1").unwrap();
        if !refuse_two_scopes {
            assert_eq!(registry.count("GET", "/blobs/"), 0, "everything is mounted\n{}", registry.lines());
        }
    }
}

#[tokio::test]
async fn credentials_come_from_docker_config_too() {
    let (source, target, _) = both();
    let directory = tempfile::tempdir().unwrap();
    let auth = |user: &str, password: &str| serde_json::json!({ "auth": base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")) });
    let config = serde_json::json!({ "auths": {
        source.host(): auth("ann", SOURCE_PASSWORD), target.host(): auth("bob", TARGET_PASSWORD),
    } });
    std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.env("DOCKER_CONFIG", &directory.path().display().to_string()).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
    assert_silent(&outcome, &[&source, &target]);
}

#[tokio::test]
async fn real_registries_with_htpasswd_and_with_tokens() {
    use crate::support::real::{self, Options};
    use crate::support::token::Signer;

    let source =
        real::docker_registry_with(&Options { htpasswd: Some(("ann", SOURCE_PASSWORD)), ..real::Options::default() });
    let directory = tempfile::tempdir().unwrap();
    let signer = Signer::new(directory.path());
    let service = Registry::with_auth(Auth::Token(TokenAuth {
        service: Some("real".into()),
        format: TokenFormat::Signed(signer.clone()),
        ..token("bob", TARGET_PASSWORD)
    }));
    let realm = format!("{}/token", service.url());
    let target =
        real::docker_registry_with(&Options { token: Some((realm, "real", &signer)), ..real::Options::default() });
    let image = images::three_platforms();
    real::push(&image, &source.name("library/app:1"), &[&format!("--dest-creds=ann:{SOURCE_PASSWORD}")]);
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .input("source-username", "ann")
        .input("source-password", SOURCE_PASSWORD)
        .input("target-username", "bob")
        .input("target-password", TARGET_PASSWORD);
    let outcome = run.succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    assert_silent(&outcome, &[&service]);
    real::skopeo_reads(&target.name("mirror/app:1"), &[&format!("--src-creds=bob:{TARGET_PASSWORD}")]);
}
