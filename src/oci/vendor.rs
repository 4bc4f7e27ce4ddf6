//! Whose registry a host is.
//!
//! Owns the names by which vendors' registries are known. Pure: tells by the name alone, and knows nothing of how a registry
//! is to be treated (`store/registry/quirks.rs`).

use std::borrow::Cow;

/// Docker Hub's name in references; its registry has another.
pub const DOCKER_HUB: &str = "docker.io";

/// The host that answers for Docker Hub.
pub const DOCKER_HUB_SERVER: &str = "registry-1.docker.io";

/// The name that go-containerregistry, and what is made of it, has for Docker Hub.
pub const DOCKER_HUB_INDEX: &str = "index.docker.io";

/// An older name of the host that answers for Docker Hub, which many configurations still have.
const DOCKER_HUB_OLD: &str = "registry.hub.docker.com";

/// GitHub's own registry.
pub const GHCR: &str = "ghcr.io";

/// The operator of a registry, as far as its host name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Docker Hub, by any of its names.
    DockerHub,
    /// GitHub's registry. An enterprise server's is the same one under a name of its own, which only its settings tell.
    Github,
    /// quay.io.
    Quay,
    /// Amazon's private registries.
    Ecr,
    /// Any other registry.
    Other,
}

impl Vendor {
    /// Whose registry `host` is, in lower case and with its port where one was written.
    pub fn of(host: &str) -> Self {
        match host {
            DOCKER_HUB | DOCKER_HUB_INDEX | DOCKER_HUB_SERVER | DOCKER_HUB_OLD => Self::DockerHub,
            GHCR => Self::Github,
            "quay.io" => Self::Quay,
            // `123456789012.dkr.ecr.eu-west-1.amazonaws.com`, `….amazonaws.com.cn`; `….dkr-ecr.….on.aws` over IPv6.
            _ if host.contains(".dkr.ecr") || host.contains(".dkr-ecr") => Self::Ecr,
            _ => Self::Other,
        }
    }
}

/// Whether `host` is GitHub's registry, or has a name like an enterprise server's (`containers.HOST`). Good enough for
/// advice; no credential may be given for it.
pub fn is_like_github(host: &str) -> bool {
    Vendor::of(host) == Vendor::Github || host.starts_with("containers.")
}

/// Whether the names of a registry are `NAMESPACE/NAME` and no more: Docker Hub's, and Alibaba Cloud's and Tencent Cloud's
/// personal ones (their documentation of repositories, "Create an image repository").
pub fn has_two_levels(host: &str) -> bool {
    Vendor::of(host) == Vendor::DockerHub || host.ends_with(".aliyuncs.com") || host.ends_with("ccr.ccs.tencentyun.com")
}

/// The whole name of a repository: one of a single part at Docker Hub is an official image, below `library/`.
pub fn full_name<'a>(host: &str, repository: &'a str) -> Cow<'a, str> {
    if host == DOCKER_HUB && !repository.is_empty() && !repository.contains('/') {
        return format!("library/{repository}").into();
    }
    repository.into()
}

#[cfg(test)]
mod tests {
    use super::{Vendor, full_name, is_like_github};

    #[test]
    fn a_vendor_is_told_by_its_hosts() {
        for (host, vendor) in [
            ("docker.io", Vendor::DockerHub),
            ("index.docker.io", Vendor::DockerHub),
            ("registry-1.docker.io", Vendor::DockerHub),
            ("mirror.docker.io", Vendor::Other),
            ("ghcr.io", Vendor::Github),
            ("ghcr.io:8443", Vendor::Other),
            ("containers.acme.ghe.com", Vendor::Other),
            ("quay.io", Vendor::Quay),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Vendor::Ecr),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", Vendor::Ecr),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Vendor::Ecr),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", Vendor::Ecr),
            ("lb-1.eu-west-1.elb.amazonaws.com", Vendor::Other),
            ("registry.example.com", Vendor::Other),
        ] {
            assert_eq!(Vendor::of(host), vendor, "{host}");
        }
        assert_eq!(full_name("docker.io", "alpine"), "library/alpine");
        assert_eq!(full_name("docker.io", "acme/alpine"), "acme/alpine");
        assert_eq!(full_name("quay.io", "alpine"), "alpine");
        assert!(is_like_github("ghcr.io") && is_like_github("containers.acme.ghe.com") && !is_like_github("quay.io"));
    }
}
