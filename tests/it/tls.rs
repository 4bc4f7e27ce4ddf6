//! The way to a registry that is not on this machine: through a proxy, over TLS, by a CA of one's own. The proxy and the
//! registry are on loopback; only the name is not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::real::{self, Options, RealRegistry};
use crate::support::{Registry, Run, images};

const NAME: &str = "registry.test";

/// A CA, and a certificate of it for [`NAME`] with its key.
fn certificates(directory: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let path = |name: &str| directory.join(name);
    let text = |name: &str| path(name).display().to_string();
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=an authority", "-out", &text("ca.pem"), "-keyout"];
    real::tool("openssl", &[&authority[..], &[&text("ca.key")], &new_key].concat());
    let request = ["req", "-subj", "/CN=registry.test", "-out", &text("leaf.csr"), "-keyout", &text("leaf.key")];
    real::tool("openssl", &[&request[..], &new_key].concat());
    std::fs::write(path("names"), format!("subjectAltName=DNS:{NAME}\n")).unwrap();
    real::tool(
        "openssl",
        &[
            &["x509", "-req", "-days", "2", "-in", &text("leaf.csr"), "-out", &text("leaf.pem")][..],
            &["-CA", &text("ca.pem"), "-CAkey", &text("ca.key"), "-CAcreateserial", "-extfile", &text("names")],
        ]
        .concat(),
    );
    (path("ca.pem"), path("leaf.pem"), path("leaf.key"))
}

/// A proxy that leads every name to `registry`, and remembers what it was asked for.
async fn proxy(registry: &RealRegistry) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (host, seen) = (registry.host().to_owned(), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (host, seen) = (host.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = client.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                seen.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
                let Ok(mut server) = TcpStream::connect(&host).await else { return };
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_registry_behind_a_proxy_with_a_ca_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, certificate, key) = certificates(directory.path());
    let registry = real::docker_registry_with(&Options { tls: Some((&certificate, &key)), ..Options::default() });
    let (proxy, asked) = proxy(&registry).await;
    let image = images::three_platforms();
    let source = Registry::start();
    source.seed(&image, "library/app:1");

    let to = |from: &str, to: &str| {
        Run::copy(from, to)
            .env("HTTPS_PROXY", &proxy)
            .env("HTTP_PROXY", &proxy)
            .input("ca-certificates", &ca.display().to_string())
    };
    let there = format!("{NAME}/mirror/app:1");
    let outcome = to(&source.name("library/app:1"), &there).succeeds().await;
    assert_eq!(outcome.output("digest"), image.digest());
    let back = Registry::start();
    to(&there, &back.name("back:1")).succeeds().await;
    back.is_whole("back", "1").unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty());
    for line in asked {
        assert_eq!(line, format!("CONNECT {NAME}:443 HTTP/1.1"), "loopback never goes through the proxy");
    }

    let outcome = Run::copy(&there, &back.name("no:1")).env("HTTPS_PROXY", &proxy).fails_with(1).await;
    assert!(outcome.says("TLS failed") && outcome.says("ca-certificates: FILE.pem"), "{outcome}");
    let outcome = Run::copy(&there, &back.name("no:1")).input("ca-certificates", "nowhere.pem").fails_with(2).await;
    assert!(outcome.says("input `ca-certificates`"), "{outcome}");
}
