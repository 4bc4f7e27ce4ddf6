//! Where an image is, so that one place is one however it is spelled.
//!
//! Owns which names are the same: of hosts (an address in any form, `localhost`, the port that everybody means, Docker Hub's
//! names) and of directories (links, `..`, absolute or not, mounted twice). Looks at directories' names, never into them,
//! and never contacts a host: two names that only DNS knows to be one are two.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use url::{Host, Url};

use crate::http::address::is_plain_http;
use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference, canonical_host};

/// How many links are followed on the way to a directory; the kernel follows as many.
const MOST_LINKS: usize = 40;

/// What a reference names. Shared by all that name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(Named);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Named {
    /// In one spelling; one text, because a plan has that of each end of each image.
    Registry(Arc<str>),
    Layout(Arc<InDirectory>),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InDirectory {
    directory: Directory,
    repository: Option<Reference>,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A directory that need not exist: the deepest one above it that does, and what is missing below that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Directory {
    /// Device and number of what exists.
    existing: Option<(u64, u64)>,
    missing: PathBuf,
}

impl Place {
    /// The place of `reference`; `insecure`: the hosts, besides this machine, that are spoken to over plain HTTP.
    pub fn of(reference: &ImageReference, insecure: &[String]) -> Self {
        Self(match reference {
            ImageReference::Registry(reference) => {
                Named::Registry((host(reference.registry(), insecure) + reference.path()).into())
            }
            ImageReference::Layout(layout) => Named::Layout(Arc::new(InDirectory {
                directory: directory(&layout.directory),
                repository: layout.repository.clone(),
                tag: layout.tag.clone(),
                digest: layout.digest.clone(),
            })),
        })
    }
}

/// The host and the port of a registry, in one spelling.
fn host(name: &str, insecure: &[String]) -> String {
    let scheme = if is_plain_http(name, insecure) { "http" } else { "https" };
    // What is no host is found out where it is asked.
    let Ok(url) = Url::parse(&format!("{scheme}://{name}/")) else {
        return name.to_owned();
    };
    let host = match url.host() {
        Some(Host::Domain(name)) => local(canonical_host(name)),
        Some(Host::Ipv4(address)) => address_of(address.into()),
        Some(Host::Ipv6(address)) => address_of(address.into()),
        None => name.to_owned(),
    };
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// `localhost` is the address that it stands for.
fn local(name: String) -> String {
    if name == "localhost" { address_of(Ipv4Addr::LOCALHOST.into()) } else { name }
}

/// What answers at the address 1 of this machine answers at both families' as a rule, and where any address is asked for.
fn address_of(address: IpAddr) -> String {
    let address = address.to_canonical();
    let is_first = address.is_unspecified() || address == std::net::Ipv6Addr::LOCALHOST;
    if is_first { Ipv4Addr::LOCALHOST.to_string() } else { address.to_string() }
}

fn directory(path: &Path) -> Directory {
    let real = real(path);
    let (mut existing, mut missing) = (real.as_path(), PathBuf::new());
    loop {
        if let Ok(found) = fs::metadata(existing) {
            return Directory { existing: Some((found.dev(), found.ino())), missing };
        }
        let Some(above) = existing.parent() else { return Directory { existing: None, missing: real } };
        // From the missing part's end to its beginning.
        let name = existing.strip_prefix(above).unwrap_or(existing);
        missing = if missing.as_os_str().is_empty() { name.to_owned() } else { name.join(missing) };
        existing = above;
    }
}

/// `path` without links, `.` and `..`, whether it exists or not: what a link that leads to nothing yet leads to once another
/// image of the run has made it.
fn real(path: &Path) -> PathBuf {
    let parts =
        |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<OsString>>();
    let (mut left, mut links) = (parts(path), 0);
    let mut real = std::env::current_dir().unwrap_or_default();
    while let Some(part) = left.pop() {
        match Path::new(&part).components().next() {
            Some(Component::Normal(name)) => {
                let next = real.join(name);
                match fs::read_link(&next) {
                    Ok(target) if links < MOST_LINKS => {
                        links += 1;
                        left.extend(parts(&target));
                    }
                    _ => real = next,
                }
            }
            Some(Component::ParentDir) => _ = real.pop(),
            Some(Component::RootDir | Component::Prefix(_)) => real = part.into(),
            Some(Component::CurDir) | None => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::Place;
    use crate::oci::reference::ImageReference;

    fn place(text: &str) -> Place {
        Place::of(&ImageReference::parse(text).unwrap(), &["plain.test".to_owned(), "plain.test:5000".to_owned()])
    }

    #[test]
    fn one_registry_is_one_however_it_is_spelled() {
        for same in [
            &["registry.test/x:1", "registry.test:443/x:1", "REGISTRY.test:0443/x:1"][..],
            &["plain.test/x:1", "plain.test:80/x:1"],
            &["plain.test:5000/x:1", "PLAIN.test:05000/x:1"],
            &["alpine", "docker.io/library/alpine:latest", "index.docker.io/alpine", "registry-1.docker.io/alpine"],
            &["docker.io/a/b:1", "docker.io:443/a/b:1", "registry-1.docker.io:443/a/b:1"],
            &[
                "127.0.0.1:5000/x:1",
                "localhost:5000/x:1",
                "LOCALHOST:5000/x:1",
                "127.1:5000/x:1",
                "0x7f.1:5000/x:1",
                "127.0.0.01:5000/x:1",
                "[::1]:5000/x:1",
                "[0:0:0:0:0:0:0:1]:5000/x:1",
                "[::ffff:127.0.0.1]:5000/x:1",
                "0.0.0.0:5000/x:1",
            ],
            &["localhost/x:1", "127.0.0.1:80/x:1"],
            &["10.0.0.7:5000/x:1", "10.7:5000/x:1", "[::ffff:a00:7]:5000/x:1"],
        ] {
            for other in same {
                assert_eq!(place(same[0]), place(other), "{} and {other}", same[0]);
            }
        }
        for (one, other) in [
            ("registry.test/x:1", "registry.test:80/x:1"),
            ("plain.test/x:1", "plain.test:443/x:1"),
            ("registry.test/x:1", "registry.test/x:2"),
            ("registry.test/x:1", "registry.test/y:1"),
            ("127.0.0.1:5000/x:1", "127.0.0.2:5000/x:1"),
            ("127.0.0.1:5000/x:1", "127.0.0.1:5001/x:1"),
            ("a.localhost:5000/x:1", "b.localhost:5000/x:1"),
            ("oci:x:1", "x:1"),
        ] {
            assert_ne!(place(one), place(other), "{one} and {other}");
        }
    }

    #[test]
    fn one_directory_is_one_however_it_is_spelled() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| place(&format!("oci:{}/{path}", root.path().display()));
        std::fs::create_dir_all(root.path().join("there/x")).unwrap();
        symlink("there", root.path().join("link")).unwrap();
        symlink(root.path().join("new"), root.path().join("dangling")).unwrap();
        symlink("round", root.path().join("round")).unwrap();
        for (one, other) in [
            ("there:1", "link:1"),
            ("there:1", "link/x/..:1"),
            ("there/new:1", "./link/./new:1"),
            ("new:1", "dangling:1"),
            ("new/deep:1", "dangling/deep:1"),
            ("new:1", "none/../new:1"),
            ("round:1", "there/../round:1"),
        ] {
            assert_eq!(at(one), at(other), "{one} and {other}");
        }
        assert_eq!(at("there:x.test/a:1"), at("link:x.test/a:1"));
        assert_ne!(at("there:x.test/a:1"), at("there:x.test/b:1"));
        assert_ne!(at("there:x.test/a:1"), at("there:1"));
        for (one, other) in [("there:1", "there:2"), ("there:1", "new:1"), ("new:1", "new/new:1"), ("a/b:1", "b/a:1")] {
            assert_ne!(at(one), at(other), "{one} and {other}");
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(place("oci:none:1"), place(&format!("oci:{}/none:1", here.display())));
    }
}
