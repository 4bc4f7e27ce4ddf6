//! TLS for names that are not this machine's: a CA of one's own, and a proxy that leads a name to a registry on loopback.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::real::tool;

/// The name that certificates are for.
pub const NAME: &str = "registry.test";

/// A certificate for [`NAME`], by a CA that nobody else knows.
pub struct Certificate {
    directory: TempDir,
    protocols: Vec<Vec<u8>>,
}

impl Certificate {
    pub fn new() -> Self {
        Self::naming(&format!("DNS:{NAME}"))
    }

    /// For other names, as OpenSSL writes them: `IP:127.0.0.1`. OpenSSL makes one for each set of names, whoever asks.
    pub fn naming(names: &str) -> Self {
        static MADE: Mutex<BTreeMap<String, Files>> = Mutex::new(BTreeMap::new());
        let files = MADE.lock().unwrap().entry(names.to_owned()).or_insert_with(|| made_by_openssl(names)).clone();
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in &*files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        Self { directory, protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()] }
    }

    /// The same, of a server that has no HTTP/2.
    pub fn without_http2(self) -> Self {
        Self { protocols: vec![b"http/1.1".to_vec()], ..self }
    }

    /// The same certificate, good for a month that is over.
    pub fn expired(self) -> Self {
        let text = |name: &str| self.path(name).display().to_string();
        let directory = self.directory.path().display();
        let config = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={directory}/issued\nnew_certs_dir={directory}\nrand_serial=yes\n\
             default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
        );
        std::fs::write(self.path("config"), config).unwrap();
        std::fs::write(self.path("issued"), "").unwrap();
        let period = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"];
        let files = ["-in", &text("leaf.csr"), "-out", &text("leaf.pem"), "-cert", &text("ca.pem")];
        let rest = ["-keyfile", &text("ca.key"), "-extfile", &text("names")];
        tool(
            "openssl",
            &[&["ca", "-batch", "-notext", "-config", &text("config")][..], &period, &files, &rest].concat(),
        );
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The CA, for the input `ca-certificates`.
    pub fn authority(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// Certificate and key as files.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        (self.path("leaf.pem"), self.path("leaf.key"))
    }

    /// The server's side: HTTP/2 is offered first, where it is.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (certificate, key) = self.files();
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols.clone_from(&self.protocols);
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Names and contents.
type Files = Arc<[(&'static str, Vec<u8>)]>;

fn made_by_openssl(names: &str) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = |name: &str| path(name).display().to_string();
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=an authority", "-out", &text("ca.pem"), "-keyout"];
    tool("openssl", &[&authority[..], &[&text("ca.key")], &new_key].concat());
    let request = ["req", "-subj", "/CN=registry.test", "-out", &text("leaf.csr"), "-keyout", &text("leaf.key")];
    tool("openssl", &[&request[..], &new_key].concat());
    std::fs::write(path("names"), format!("subjectAltName={names}\n")).unwrap();
    tool(
        "openssl",
        &[
            &["x509", "-req", "-days", "2", "-in", &text("leaf.csr"), "-out", &text("leaf.pem")][..],
            &["-CA", &text("ca.pem"), "-CAkey", &text("ca.key"), "-CAcreateserial", "-extfile", &text("names")],
        ]
        .concat(),
    );
    ["ca.pem", "ca.key", "leaf.pem", "leaf.key", "leaf.csr", "names"]
        .map(|name| (name, std::fs::read(path(name)).unwrap()))
        .into()
}

/// A proxy that leads every name to one address, and remembers what it was asked for.
pub struct Proxy {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `host`: where every name leads.
    pub async fn to(host: &str) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (host, seen) = (host.to_owned(), Arc::clone(&asked));
        let lead = move |line: &str| {
            seen.lock().unwrap().push(line.to_owned());
            Some(host.clone())
        };
        Self { url: lead_by(lead).await, asked }
    }

    /// The first line of every request.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A proxy that leads each request where `lead` says by its first line, and refuses those that lead nowhere. Gives its address.
pub async fn lead_by(lead: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lead = Arc::new(lead);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let lead = Arc::clone(&lead);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = client.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let Some(address) = lead(head.lines().next().unwrap_or_default()) else {
                    let _ = client.write_all(b"HTTP/1.1 502 nobody\r\ncontent-length: 0\r\n\r\n").await;
                    return;
                };
                let Ok(mut server) = TcpStream::connect(&address).await else { return };
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    url
}
