//! TLS: through a proxy and without one, by a CA of one's own, and every way in which it fails. The proxy and the registries
//! are on loopback; the name behind the proxy is not.

use crate::rendering::assert_voices;
use crate::support::real::{self, Options};
use crate::support::tls::{Certificate, NAME, Proxy};
use crate::support::{Account, Auth, Fault, LocationForm, Outcome, Registry, Run, TokenAuth, What, images};

#[tokio::test]
async fn a_registry_behind_a_proxy_with_a_ca_of_its_own() {
    let certificate = Certificate::new();
    let (chain, key) = certificate.files();
    let registry = real::docker_registry_with(&Options { tls: Some((&chain, &key)), ..Options::default() });
    let proxy = Proxy::to(registry.host()).await;
    let image = images::three_platforms();
    let source = Registry::start();
    source.seed(&image, "library/app:1");

    let to = |from: &str, to: &str| {
        Run::copy(from, to)
            .env("HTTPS_PROXY", &proxy.url)
            .env("HTTP_PROXY", &proxy.url)
            .input("ca-certificates", &certificate.authority())
    };
    let there = format!("{NAME}/mirror/app:1");
    let outcome = to(&source.name("library/app:1"), &there).succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    let back = Registry::start();
    to(&there, &back.name("back:1")).succeeds().await;
    back.is_whole("back", "1").unwrap();
    assert!(!proxy.asked().is_empty());
    for line in proxy.asked() {
        assert_eq!(line, format!("CONNECT {NAME}:443 HTTP/1.1"), "loopback never goes through the proxy");
    }

    let outcome = Run::copy(&there, &back.name("no:1")).env("HTTPS_PROXY", &proxy.url).fails_with(1).await;
    assert!(outcome.says("TLS failed") && outcome.says("ca-certificates: "), "{outcome}");
    assert_voices!(
        "unknown-authority",
        Run::copy(&there, &back.name("no:1")).env("HTTPS_PROXY", &proxy.url).fails_with(1).await
    );
    let outcome = Run::copy(&there, &back.name("no:1")).input("ca-certificates", "nowhere.pem").fails_with(2).await;
    assert!(outcome.says("input `ca-certificates`"), "{outcome}");
}

/// An authority that is given for one host is believed for that host and for no other; one that is given without a host, for all.
#[tokio::test]
async fn an_authority_is_believed_for_the_hosts_that_it_is_given_for() {
    let certificate = Certificate::naming(&format!("DNS:{NAME},IP:127.0.0.1"));
    let (by_name, by_address) = (Registry::with_tls(&certificate), Registry::with_tls_at("127.0.0.1", &certificate));
    let proxy = Proxy::to(&by_name.host()).await;
    for registry in [&by_name, &by_address] {
        registry.seed(&images::single(), "library/app:1");
    }
    let sources = [format!("{NAME}/library/app:1"), by_address.name("library/app:1")];
    let file = certificate.authority();
    for (lines, believed) in [
        (file.clone(), [true, true]),
        (format!("{NAME} = {file}"), [true, false]),
        (format!("127.0.0.1={file}"), [false, true]),
        (format!("other.example, {} = {file}\n127.0.0.1 = {file}", NAME.to_uppercase()), [true, true]),
        (format!("other.example = {file}"), [false, false]),
    ] {
        for (source, believed) in sources.iter().zip(believed) {
            let target = Registry::start();
            let run = Run::copy(source, &target.name("mirror/app:1")).env("HTTPS_PROXY", &proxy.url);
            let outcome = run.input("ca-certificates", &lines).run().await;
            assert_eq!(outcome.code, i32::from(!believed), "{source} by {lines}\n{outcome}");
            assert!(believed || outcome.says("the certificate is not trusted"), "{outcome}");
        }
    }
}

const HERE: &str = "IP:127.0.0.1";

/// What is wrong with TLS, and what is said and advised.
fn faults() -> Vec<(Certificate, bool, [&'static str; 2])> {
    vec![
        (
            Certificate::naming(HERE),
            false,
            ["the certificate is not trusted", "of your own authority, give its root, or a self-signed"],
        ),
        (Certificate::new(), true, ["the certificate is for another name", "check that the certificate names"]),
        (Certificate::naming(HERE).expired(), true, ["the certificate is out of date", "its operator must renew it"]),
    ]
}

/// It is said what failed, at once and once: as an annotation where a runner reads, and as a line where a person does.
async fn is_told(run: &Run, certificate: &Certificate, known: bool, told: [&str; 2]) -> Outcome {
    let run = run.clone().input("attachments", "none").input("patience", "60s");
    let run = if known { run.input("ca-certificates", &certificate.authority()) } else { run };
    let mut last = None;
    for run in [run.clone(), run.without("GITHUB_ACTIONS")] {
        let begun = std::time::Instant::now();
        let outcome = run.fails_with(1).await;
        assert!(begun.elapsed().as_secs() < 20, "it is not tried again: {outcome}");
        let text = format!("{}{}", outcome.stdout, outcome.stderr);
        let lines = text.lines().filter(|line| line.contains("TLS failed")).count();
        assert!(text.contains(told[0]) && text.contains(told[1]) && lines >= 1, "{told:?} {lines}: {outcome}");
        assert!(!text.contains("the connection broke"), "{outcome}");
        last = Some(outcome);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_registry_on_this_machine_that_speaks_tls_is_read_and_written() {
    let certificate = Certificate::naming(HERE);
    let (source, target) =
        (Registry::with_tls_at("127.0.0.1", &certificate), Registry::with_tls_at("127.0.0.1", &certificate));
    source.seed(&images::three_platforms(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let run = run.input("ca-certificates", &certificate.authority());
    run.succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
    run.command("verify").succeeds().await;
}

#[tokio::test]
async fn a_relative_realm_of_a_registry_on_this_machine_is_asked_over_tls_too() {
    let certificate = Certificate::naming(HERE);
    let (source, target) = (Registry::with_tls_at("127.0.0.1", &certificate), Registry::start());
    source.set_auth(Auth::Token(TokenAuth::new(vec![Account::new("ann", "secret")])));
    source.set_realm("/token");
    source.seed(&images::single(), "library/app:1");
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1"));
    let run = run.input("source-username", "ann").input("source-password", "secret");
    run.input("ca-certificates", &certificate.authority()).succeeds().await;
    target.is_whole("mirror/app", "1").unwrap();
}

#[tokio::test]
async fn a_registry_on_this_machine_that_answers_plain_requests_with_400_is_read_over_tls() {
    // As Go's and nginx's servers do.
    let certificate = Certificate::naming(HERE);
    let (registry, target) = (Registry::with_tls_at("127.0.0.1", &certificate), Registry::start());
    registry.seed(&images::single(), "library/app:1");
    let front = polite(&registry).await;
    let run = Run::copy(&format!("{front}/library/app:1"), &target.name("mirror/app:1"));
    run.input("ca-certificates", &certificate.authority()).succeeds().await;
}

/// An address that leads TLS to `registry`, and answers everything else with 400.
async fn polite(registry: &Registry) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (front, back) = (listener.local_addr().unwrap().to_string(), registry.host());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let back = back.clone();
            tokio::spawn(async move {
                let mut first = [0];
                let Ok(1) = client.peek(&mut first).await else { return };
                if first[0] == 0x16 {
                    let mut server = tokio::net::TcpStream::connect(&back).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
                let mut head = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut client, &mut head).await;
                let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut client, answer).await;
            });
        }
    });
    front
}

#[tokio::test]
async fn a_plain_registry_that_answers_400_is_not_asked_over_tls_for_each_request() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    source.fault(Fault::on("*", "/manifests/", What::error(400, "NAME_INVALID", "no such name")).always());
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
    assert!(outcome.says("no such name") && !outcome.says("TLS"), "{outcome}");
}

#[tokio::test]
async fn every_fault_of_tls_is_named_at_the_source_and_at_the_target() {
    for (certificate, known, told) in faults() {
        let (bad, good) = (Registry::with_tls_at("127.0.0.1", &certificate), Registry::start());
        good.seed(&images::single(), "library/app:1");
        let from = Run::copy(&bad.name("library/app:1"), &good.name("mirror/app:1"));
        let outcome = is_told(&from, &certificate, known, told).await;
        assert!(outcome.says("source: "), "{outcome}");
        let to = Run::copy(&good.name("library/app:1"), &bad.name("mirror/app:1"));
        let outcome = is_told(&to, &certificate, known, told).await;
        assert!(outcome.says("target: "), "{outcome}");
    }
}

#[tokio::test]
async fn every_fault_of_tls_is_named_at_the_token_service_and_at_the_storage_host() {
    for (certificate, known, told) in faults() {
        let (bad, good) = (Registry::with_tls_at("127.0.0.1", &certificate), Registry::start());
        let own = Registry::with_auth(Auth::Token(crate::support::TokenAuth::ghcr(vec![])));
        own.seed(&images::single(), "library/app:1");
        own.set_realm(&format!("https://{}/token", bad.host()));
        let outcome =
            is_told(&Run::copy(&own.name("library/app:1"), &good.name("a/b:1")), &certificate, known, told).await;
        assert!(outcome.says(&format!("token from {}", bad.host())), "{outcome}");

        good.seed(&images::single(), "library/app:1");
        good.fault(Fault::on("GET", "/blobs/", What::redirect(format!("https://{}{{path}}", bad.host()))).always());
        let target = Registry::start();
        let run = Run::copy(&good.name("library/app:1"), &target.name("a/b:1"));
        let outcome = is_told(&run, &certificate, known, told).await;
        assert!(outcome.says(&format!("redirects to {}: TLS failed", bad.host())), "{outcome}");

        good.clear_faults();
        let elsewhere = LocationForm::OtherHost(format!("https://{}", bad.host()));
        target.fault(Fault::on("POST", "/uploads/", What::Location(elsewhere)).always());
        let outcome = is_told(&run, &certificate, known, told).await;
        assert!(outcome.says(&format!("sends the upload to {}: TLS failed", bad.host())), "{outcome}");
    }
}

/// `openssl req -x509` makes an authority's certificate, and many a registry has just that as its own.
#[tokio::test]
async fn a_certificate_of_an_authority_is_none_for_a_server_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, kind: &str| {
        let path = |end: &str| folder.path().join(format!("{name}.{end}")).display().to_string();
        let (key, chain) = (path("key"), path("pem"));
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
        let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key, "-out", &chain];
        let constraints = format!("basicConstraints=critical,CA:{kind}");
        real::tool("openssl", &[&made[..], &subject, &["-addext", &constraints]].concat());
        (chain, key)
    };
    let source = Registry::start();
    source.seed(&images::single(), "library/app:1");
    for (name, kind) in [("authority", "TRUE"), ("server", "FALSE")] {
        let (chain, key) = make(name, kind);
        let registry =
            real::docker_registry_with(&Options { tls: Some((chain.as_ref(), key.as_ref())), ..Options::default() });
        let to = format!("{}/mirror/app:1", registry.host());
        let run = Run::copy(&source.name("library/app:1"), &to).input("ca-certificates", &chain);
        if kind == "FALSE" {
            // As it is advised.
            run.succeeds().await;
            continue;
        }
        let outcome = run.fails_with(1).await;
        assert!(outcome.says("the certificate is an authority's own (CA:TRUE)"), "{outcome}");
        assert!(outcome.says("-addext basicConstraints=critical,CA:FALSE"), "{outcome}");
    }
}

#[tokio::test]
async fn a_registry_that_speaks_tls_and_is_named_as_one_that_does_not_is_said_to() {
    let certificate = Certificate::naming(HERE);
    let (registry, target) = (Registry::with_tls_at("127.0.0.1", &certificate), Registry::start());
    registry.seed(&images::single(), "library/app:1");
    for front in [polite(&registry).await, registry.host()] {
        let run = Run::copy(&format!("{front}/library/app:1"), &target.name("mirror/app:1"));
        let outcome = run.input("insecure-registries", &front).input("patience", "60s").fails_with(1).await;
        assert!(
            outcome.says("what answers speaks TLS, and `insecure-registries` has it spoken to without"),
            "{outcome}"
        );
        assert!(outcome.says(&format!("take `{front}` out of `insecure-registries`")), "{outcome}");
    }
}

#[tokio::test]
async fn a_registry_that_speaks_no_tls_is_said_to() {
    // Reached without a proxy, and no loopback address by its name: spoken to over TLS.
    let (plain, target, certificate) = (Registry::start(), Registry::start(), Certificate::new());
    let port = plain.host().rsplit_once(':').unwrap().1.to_owned();
    let run = Run::copy(&format!("0.0.0.0:{port}/library/app:1"), &target.name("a/b:1"));
    is_told(&run, &certificate, false, ["what answers does not speak TLS", "speaks plain HTTP, set "]).await;
}
