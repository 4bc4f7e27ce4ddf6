//! The way to a registry that is not on this machine: through a proxy, over TLS, by a CA of one's own. The proxy and the
//! registry are on loopback; only the name is not.

use crate::rendering::assert_voices;
use crate::support::real::{self, Options};
use crate::support::tls::{Certificate, NAME, Proxy};
use crate::support::{Registry, Run, images};

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
    assert!(outcome.says("TLS failed") && outcome.says("ca-certificates: FILE.pem"), "{outcome}");
    assert_voices!(
        "unknown-authority",
        Run::copy(&there, &back.name("no:1")).env("HTTPS_PROXY", &proxy.url).fails_with(1).await
    );
    let outcome = Run::copy(&there, &back.name("no:1")).input("ca-certificates", "nowhere.pem").fails_with(2).await;
    assert!(outcome.says("input `ca-certificates`"), "{outcome}");
}
