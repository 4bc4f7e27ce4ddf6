//! Certificate authorities that the user adds: for which hosts each is believed, and the check of a server's certificate that
//! keeps to it.
//!
//! Owns the form of the input `ca-certificates`. Never has an authority believed for another host than the line says: a name
//! that a registry, a proxy or GitHub's API is reached by.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use url::{Host, Url};

use crate::directory::{self, Directory};
use crate::error::Error;
use crate::regular_file;
use crate::text::blank::unmarked;
use crate::text::quote::quote;

/// The input.
const INPUT: &str = "ca-certificates";

/// The largest file that is read, in bytes: the list that systems ship has a quarter of a megabyte.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// Authorities besides the system's.
#[derive(Clone, Debug, Default)]
pub struct ExtraRoots {
    everywhere: Vec<CertificateDer<'static>>,
    /// By host, as a TLS client names it.
    by_host: BTreeMap<String, Vec<CertificateDer<'static>>>,
}

impl ExtraRoots {
    /// Reads `HOST[, HOST …] = FILE` lines and the files; a line without hosts is for all. With a `workspace` the files are
    /// below it, and no link leads out.
    pub fn parse(lines: &str, workspace: Option<&Path>) -> Result<Self, Error> {
        let mut roots = Self::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (hosts, file) = line.split_once('=').map_or((None, line), |(hosts, file)| (Some(hosts), file.trim()));
            let certificates = certificates(file, workspace)?;
            let Some(hosts) = hosts else {
                roots.everywhere.extend(certificates);
                continue;
            };
            for host in hosts.split(',').map(str::trim) {
                let known = roots.by_host.entry(name(host)?).or_default();
                known.extend(certificates.iter().cloned());
            }
        }
        Ok(roots)
    }

    /// What checks a server's certificate by these and the system's authorities.
    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<HostVerifier, rustls::Error> {
        let with = |more: &[CertificateDer<'static>]| {
            let roots = self.everywhere.iter().chain(more).cloned();
            Verifier::new_with_extra_roots(roots, Arc::clone(provider))
        };
        let by_host: Result<_, rustls::Error> =
            self.by_host.iter().map(|(host, roots)| Ok((host.clone(), with(roots)?))).collect();
        Ok(HostVerifier { everywhere: with(&[])?, by_host: by_host? })
    }
}

/// A host without a port, as a TLS client names it.
fn name(host: &str) -> Result<String, Error> {
    let url = Url::parse(&format!("https://{host}/")).ok();
    let url = url.filter(|url| url.port().is_none() && url.username().is_empty() && url.path() == "/");
    let host_name =
        url.as_ref().and_then(Url::host).filter(|_| !host.contains([':', '/', '@', '?', '#']) || host.starts_with('['));
    match host_name {
        Some(Host::Domain(name)) => Ok(name.trim_end_matches('.').to_owned()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        None => Err(Error::input(
            INPUT,
            format!("`{}` is no host; write `HOST = FILE.pem`, the host without a port", quote(host)),
        )),
    }
}

fn certificates(file: &str, workspace: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let shown = quote(file);
    if file.is_empty() {
        return Err(Error::input(INPUT, "has a line without a file; write `HOST = FILE.pem`"));
    }
    let pem = match workspace {
        Some(workspace) => read_below(workspace, Path::new(file)),
        None => regular_file::read(Path::new(file), LARGEST_FILE),
    };
    let pem = pem.map_err(|error| {
        if directory::leads_out(&error) {
            return Error::input(
                INPUT,
                format!("`{shown}` is not below the workspace; name a file in it, no link out of it"),
            );
        }
        Error::input(INPUT, format!("`{shown}` cannot be read: {error}"))
    })?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(unmarked(&pem)).collect();
    let none = || Error::input(INPUT, format!("`{shown}` holds no certificate in PEM form"));
    roots.ok().filter(|roots| !roots.is_empty()).ok_or_else(none)
}

fn read_below(workspace: &Path, file: &Path) -> io::Result<Vec<u8>> {
    let root = Directory::open(workspace)?;
    let relative = match file.strip_prefix(workspace) {
        Ok(relative) => relative.to_owned(),
        Err(_) => workspace
            .canonicalize()
            .ok()
            .and_then(|real| file.strip_prefix(real).ok().map(Path::to_owned))
            .unwrap_or_else(|| PathBuf::from(file)),
    };
    root.read(relative, LARGEST_FILE)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Checks a server's certificate by the authorities that are believed for its name.
#[derive(Debug)]
pub(super) struct HostVerifier {
    everywhere: Verifier,
    by_host: BTreeMap<String, Verifier>,
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let host = server_name.to_str();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let verifier = self.by_host.get(&host).unwrap_or(&self.everywhere);
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.everywhere.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.everywhere.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.everywhere.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{ExtraRoots, name};

    #[test]
    fn a_host_is_named_without_a_port() {
        for (host, expected) in [
            ("Registry.Corp", Some("registry.corp")),
            ("registry.corp.", Some("registry.corp")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("[::1]", Some("::1")),
            ("registry.corp:5000", None),
            ("registry.corp:443", None),
            ("https://registry.corp", None),
            ("me@registry.corp", None),
            ("registry.corp/x", None),
            ("", None),
        ] {
            assert_eq!(name(host).ok().as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn a_file_is_a_regular_one_and_below_the_workspace_where_there_is_one() {
        let all = tempfile::tempdir().unwrap();
        let workspace = all.path().join("workspace");
        std::fs::create_dir(&workspace).unwrap();
        let outside = all.path().join("outside.pem");
        for file in [&outside, &workspace.join("inside.pem")] {
            std::fs::write(file, "no certificate").unwrap();
        }
        std::os::unix::fs::symlink(&outside, workspace.join("link.pem")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(workspace.join("pipe")).status().unwrap().success());
        let inside = workspace.join("inside.pem").display().to_string();
        let (outside, pipe) = (outside.display().to_string(), workspace.join("pipe").display().to_string());
        for (file, within, expected) in [
            ("inside.pem", true, "holds no certificate"),
            (&inside, true, "holds no certificate"),
            ("a.io = inside.pem", true, "holds no certificate"),
            (&outside, true, "is not below the workspace"),
            ("../outside.pem", true, "is not below the workspace"),
            ("link.pem", true, "is not below the workspace"),
            ("pipe", true, "not a regular file"),
            ("/dev/zero", true, "is not below the workspace"),
            (&outside, false, "holds no certificate"),
            (&pipe, false, "not a regular file"),
            ("/dev/zero", false, "not a regular file"),
            ("a.io =", false, "without a file"),
            ("a.io:1 = x.pem", false, "cannot be read"),
        ] {
            let workspace = within.then_some(workspace.as_path());
            let problem = ExtraRoots::parse(file, workspace).unwrap_err().to_string();
            assert!(problem.contains(expected), "{file}: {problem}");
        }
    }
}
