//! Registries that ask for a credential in a way of their own: in challenges, tokens, names and hosts. Where a credential
//! may be seen at all: `leaks`, and `src/store/registry/auth/realm.rs`.

use serde_json::{Value, json};

use crate::support::images;
use crate::support::{Account, Auth, Outcome, Registry, Run, TokenAuth};

const PASSWORD: &str = "secret-of-ann-8d41";

fn tokens() -> TokenAuth {
    TokenAuth::new(vec![Account::new("ann", PASSWORD)])
}

fn guarded(auth: TokenAuth) -> Registry {
    Registry::with_auth(Auth::Token(auth))
}

/// A copy from a registry that asks so.
async fn pulled(auth: TokenAuth) -> (Registry, Outcome) {
    let (source, target) = (guarded(auth), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.input("source-username", "ann").input("source-password", PASSWORD).run().await;
    (source, outcome)
}

/// A copy to a registry that asks so.
async fn pushed(auth: TokenAuth) -> (Registry, Outcome) {
    let (source, target) = (Registry::start(), guarded(auth));
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let outcome = run.input("target-username", "ann").input("target-password", PASSWORD).run().await;
    (target, outcome)
}

/// The scope of each request to the token service.
fn scopes(registry: &Registry) -> Vec<String> {
    let queries = registry.log().into_iter().filter(|request| request.path == "/token").map(|request| request.query);
    let scope = |query: String| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(key, value)| (key == "scope").then(|| value.into_owned()))
    };
    queries.filter_map(scope).collect()
}

fn greetings(registry: &Registry) -> usize {
    registry.log().iter().filter(|request| request.path == "/v2/").count()
}

#[tokio::test]
async fn a_challenge_is_understood_in_every_spelling() {
    let forms: [fn(&str) -> String; 5] = [
        |realm| format!("Bearer  realm=\"{realm}\",service=\"double\""),
        |realm| format!("Bearer realm={realm},service=double"),
        |realm| format!("bearer realm=\"{realm}\" service=\"double\""),
        |realm| format!("Basic realm=Registry Realm, Bearer realm=\"{realm}\", service=\"double\""),
        |realm| format!("Basic realm=\"Für alle\", Bearer realm=\"{realm}\",service=\"double\",error=\"é\""),
    ];
    for form in forms {
        let (source, outcome) = pulled(TokenAuth { challenge: Some(form), ..tokens() }).await;
        assert_eq!((outcome.code, source.token_requests()), (0, 1), "{}\n{outcome}", form("REALM"));
    }
}

#[tokio::test]
async fn a_token_is_found_in_every_form_of_the_answer() {
    let forms: [fn(&str) -> Value; 10] = [
        |token| json!({"token": "", "access_token": token}),
        |token| json!({"token": token, "access_token": ""}),
        |token| json!({"token": null, "access_token": token}),
        |token| json!({"token": 0, "access_token": token}),
        |token| json!({"token": token, "expires_in": "3600"}),
        |token| json!({"token": token, "expires_in": 3599.5}),
        |token| json!({"token": token, "expires_in": -1}),
        |token| json!({"token": token, "expires_in": 0}),
        |token| json!({"token": token, "expires_in": 1e300}),
        |token| json!({"token": token, "expires_in": {"seconds": "soon"}}),
    ];
    for form in forms {
        let (source, outcome) = pulled(TokenAuth { reply: Some(form), ..tokens() }).await;
        assert_eq!((outcome.code, source.token_requests()), (0, 1), "{}\n{outcome}", form("TOKEN"));
    }
}

#[tokio::test]
async fn the_scope_that_a_challenge_names_is_asked_for_after_ours() {
    let renamed = |from| TokenAuth { renamed: Some((from, "backend/app")), ..tokens() };
    let (source, outcome) = pulled(renamed("library/app")).await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", source.lines());
    // Both once: what was learnt holds for the repository.
    assert_eq!(scopes(&source), ["repository:library/app:pull", "repository:backend/app:pull"]);
    // The challenge names too little, as GHCR's does for an upload: what the job needs is asked for all the same.
    let (target, outcome) = pushed(TokenAuth { challenge_names_pull: true, ..renamed("mirror/app") }).await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", target.lines());
    assert_eq!(scopes(&target), ["repository:mirror/app:pull,push", "repository:backend/app:pull,push"]);
}

#[tokio::test]
async fn a_scope_that_works_is_not_given_up_for_a_placeholder() {
    let placeholder: fn(&str) -> String =
        |realm| format!("Bearer realm=\"{realm}\",service=\"double\",scope=\"repository:user/image:pull\"");
    let (source, outcome) = pulled(TokenAuth { challenge: Some(placeholder), ..tokens() }).await;
    assert_eq!((outcome.code, source.token_requests()), (0, 1), "{outcome}");
    let log = source.log();
    assert!(!log.iter().any(|request| request.query.contains("user%2Fimage")), "{}", source.lines());
}

#[tokio::test]
async fn what_is_hidden_from_the_anonymous_is_asked_for_with_the_credential() {
    for status in [404, 403, 401] {
        let hidden = || TokenAuth { hidden_as: Some(status), ..tokens() };
        for (registry, outcome) in [pulled(hidden()).await, pushed(hidden()).await] {
            assert_eq!((outcome.code, greetings(&registry)), (0, 1), "{status}\n{outcome}\n{}", registry.lines());
        }
    }
}

#[tokio::test]
async fn an_open_registry_is_asked_once_whether_it_wants_the_credential() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::three_platforms(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    run.clone().succeeds().await;
    assert_eq!((greetings(&source), greetings(&target)), (0, 0));
    run.input("target-username", "ann").input("target-password", PASSWORD).input("check", "deep").succeeds().await;
    assert!(greetings(&target) <= 1, "{}", target.lines());
    assert!(target.log().iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn basic_beside_bearer_on_one_host_holds_for_each_repository() {
    // The token service knows nothing of what takes Basic, or gives tokens that are of no use there.
    for refuse_lesser in [true, false] {
        let account = Account::new("ann", PASSWORD).only(&["two/"], &["two/"]);
        let auth = TokenAuth { basic_below: Some("one/"), refuse_lesser, ..TokenAuth::new(vec![account]) };
        for (from, to) in [("two/app:1", "one/app:1"), ("one/app:1", "two/app:1")] {
            let registry = guarded(auth.clone());
            registry.seed(&images::single(), from);
            let line = format!("{} ann {PASSWORD}", registry.host());
            let run = Run::copy(&registry.name(from), &registry.name(to)).input("registry-auth", &line);
            let outcome = run.unhurried().run().await;
            assert_eq!(outcome.code, 0, "{from} → {to}, {refuse_lesser}\n{outcome}\n{}", registry.lines());
        }
    }
}

#[tokio::test]
async fn a_guess_that_the_token_service_refuses_is_given_up_for_what_the_repository_says() {
    let account = Account::new("ann", PASSWORD).only(&["two/"], &["two/"]);
    let auth = TokenAuth { basic_below: Some("one/"), refuse_lesser: true, ..TokenAuth::new(vec![account]) };
    let (registry, image) = (guarded(auth), images::three_platforms());
    registry.seed(&image, "two/app:1");
    let line = format!("{} ann {PASSWORD}", registry.host());
    // Which child goes is known once the source has answered: what it asked for is a guess at the target, which is asked then,
    // unless the target was asked for the whole index at the same time and has said itself what it wants.
    let from = registry.name(&format!("two/app@{}", image.digest()));
    let run =
        Run::copy(&from, &registry.name("one/app")).input("registry-auth", &line).input("platforms", "linux/arm64");
    let outcome = run.unhurried().run().await;
    assert_eq!(outcome.code, 0, "{outcome}\n{}", registry.lines());
    registry.is_whole("one/app", image.child("linux/arm64")).unwrap();
    let guesses = scopes(&registry).into_iter().filter(|scope| scope.contains("one/app")).count();
    assert!(guesses <= 1, "what was refused is not guessed again: {}", registry.lines());
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_for_what_was_guessed() {
    let registry = guarded(tokens());
    registry.seed(&images::single(), "library/app:1");
    let line = format!("{} ann wrong-{PASSWORD}", registry.host());
    let run = Run::copy(&registry.name("library/app:1"), &registry.name("mirror/app:1")).input("registry-auth", &line);
    let outcome = run.fails_with(1).await;
    assert!(registry.token_requests() <= 2, "{outcome}\n{}", registry.lines());
}

#[tokio::test]
async fn a_token_service_of_another_domain_sees_the_credential_where_the_user_says_so() {
    let target = guarded(tokens());
    let service = target.token_service_at("127.0.0.1");
    // A name that is no address of the registry's; it leads to this machine all the same.
    let name = service.host().replace("127.0.0.1", "localhost");
    target.set_realm(&format!("http://{name}/token"));
    let source = Registry::start();
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"))
        .input("target-username", "ann")
        .input("target-password", PASSWORD);
    let line = format!("{} = {name}", target.host());
    let refused = run.fails_with(1).await;
    // Where it is found out, and beside the failure.
    assert!(refused.log.contains(&format!("write `{line}` in `token-services`")), "{refused}");
    assert!(refused.log.contains(&format!("set `token-services: {line}`")), "{refused}");
    let saw_credential = || service.log().iter().any(|request| request.headers.contains_key("authorization"));
    assert!(!saw_credential());
    // The same name at another port is somebody else.
    let elsewhere = format!("{} = localhost:1\nother.example = {name}", target.host());
    run.clone().input("token-services", &elsewhere).fails_with(1).await;
    assert!(!saw_credential());
    run.input("token-services", &line).succeeds().await;
    assert!(saw_credential());
}

#[tokio::test]
async fn a_registry_does_not_choose_what_the_log_of_the_job_hides() {
    let digest = images::sha256(b"an image");
    for word in [
        "true",
        "sha256",
        "docker",
        "127.0.0.1",
        "github-actions[bot]",
        "ghcr.io/owner/repository/docker.io/library/alpine:3.20",
        "https://github.com/Owner/Repo/actions/runs/1234567890",
        "2026-11-28T15:21:48.123456789Z",
        digest.as_str(),
        digest.strip_prefix("sha256:").unwrap(),
    ] {
        let (_source, outcome) = pulled(TokenAuth { token: Some(word.to_owned()), ..tokens() }).await;
        assert_eq!(outcome.code, 0, "{word}\n{outcome}");
        assert!(!outcome.says(&format!("::add-mask::{word}")), "{word}\n{outcome}");
    }
    for token in ["ghs_16C7e42F292c6912E7710c838347Ae178B4a", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk"] {
        let (_source, outcome) = pulled(TokenAuth { token: Some(token.to_owned()), ..tokens() }).await;
        assert!(outcome.says(&format!("::add-mask::{token}")), "{token}\n{outcome}");
    }
}
