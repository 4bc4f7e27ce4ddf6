//! How registries differ, one row a vendor.
//!
//! Owns how a registry is treated before it has answered, and which token services are known to be whose; the domains that
//! nobody's credential may follow are `auth::realm`'s. What it shows itself is in `learned`. Code in `store` asks for a
//! quirk, never for a vendor.

use std::time::Duration;

use crate::oci::vendor::{DOCKER_HUB_SERVER, Vendor};

/// What is known of a registry beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// The host that answers, where the registry's name is a name only.
    pub server: Option<&'static str>,
    /// Realm and service of its token service: nobody waits for the answer that would name them.
    pub token_service: Option<(&'static str, &'static str)>,
    /// Whether it sheds load early, so that fewer requests are to be sent at once in the beginning.
    pub is_gentle: bool,
    /// Tags that are asked for at once.
    pub tags_per_page: usize,
    /// Whether a GET of a manifest is billed as a pull.
    pub bills_pulls: bool,
    /// The largest blob that it takes, in bytes, where that is documented.
    pub largest_blob: Option<u64>,
    /// Uploads with a body in one PUT work below this size, in bytes.
    pub single_put_below: u64,
    /// What tells whether a blob is there.
    pub blobs_are_told: ToldBy,
    /// How much it takes in a while, where that is known.
    pub rate: Option<Rate>,
    /// The host to which it redirects what it does not know, instead of answering 404.
    pub not_found_redirects_to: Option<&'static str>,
}

/// How much a registry takes in a while, of an account.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// What of.
    pub counted: Counted,
    /// So many.
    pub most: u64,
    /// In so long.
    pub window: Duration,
}

/// What a registry counts of what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests that write: a blob is opened and sent, a manifest is sent.
    Writes,
    /// Manifests that are sent.
    Manifests,
}

/// What tells whether a blob is in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// A mount from the repository itself, as far as is known.
    Mount,
    /// A HEAD of it: such a mount says nothing.
    Head,
    /// The same, and the list of tags says of all that they are not where it says that there is no such repository.
    HeadOrTags,
}

const ANY: Quirks = Quirks {
    server: None,
    token_service: None,
    is_gentle: false,
    tags_per_page: 1_000,
    bills_pulls: false,
    largest_blob: None,
    single_put_below: u64::MAX,
    blobs_are_told: ToldBy::Mount,
    rate: None,
    not_found_redirects_to: None,
};

/// Where larger bodies in one PUT were reported to be answered 400 without a cause.
const CAUTIOUS_PUT: u64 = 100 * 1024 * 1024;

const DOCKER_HUB: Quirks = Quirks {
    server: Some(DOCKER_HUB_SERVER),
    token_service: Some(("https://auth.docker.io/token", "registry.docker.io")),
    bills_pulls: true,
    single_put_below: CAUTIOUS_PUT,
    ..ANY
};

/// GitHub's registry, whatever host it has: an enterprise server's token service is not known beforehand.
const GITHUB: Quirks = Quirks {
    is_gentle: true,
    // GitHub's documentation, "Working with the Container registry".
    largest_blob: Some(10_000_000_000),
    single_put_below: CAUTIOUS_PUT,
    blobs_are_told: ToldBy::HeadOrTags,
    // In the words of its refusals (chainguard-images/images#173).
    rate: Some(Rate { counted: Counted::Writes, most: 2_000, window: Duration::from_secs(60) }),
    not_found_redirects_to: Some("github.com"),
    ..ANY
};

const GHCR: Quirks = Quirks { token_service: Some(("https://ghcr.io/token", "ghcr.io")), ..GITHUB };

/// It refuses pages of more than 100 tags (google/go-containerregistry#1963).
const QUAY: Quirks = Quirks { tags_per_page: 100, ..ANY };

/// Its right to list is `ecr:ListImages`; pulling and pushing go without (AWS documentation, "Amazon ECR identity-based policies").
const ECR: Quirks = Quirks {
    blobs_are_told: ToldBy::Head,
    // `PutImage`, of an account in a region (AWS documentation, "Amazon ECR service quotas").
    rate: Some(Rate { counted: Counted::Manifests, most: 10, window: Duration::from_secs(1) }),
    ..ANY
};

impl Quirks {
    /// What is known of `host`; `github` is the registry of the GitHub server that the run belongs to.
    pub fn of(host: &str, github: Option<&str>) -> Self {
        match Vendor::of(host) {
            Vendor::DockerHub => DOCKER_HUB,
            Vendor::Github => GHCR,
            Vendor::Quay => QUAY,
            Vendor::Ecr => ECR,
            Vendor::Other if github == Some(host) => GITHUB,
            Vendor::Other => ANY,
        }
    }
}

/// Registries whose token service is known to have a name of another owner, by the suffix list and the clouds that are shared
/// (`auth/realm.rs`), or to be told by name all the same. `*` is any label, `{region}` the same one in both.
const TOKEN_SERVICES: [(&str, &str); 9] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
    ("rg.{region}.scw.cloud", "api.scaleway.com"),
    // Personal registries of every region have been seen to name the first region's.
    ("registry.{region}.aliyuncs.com", "dockerauth.{region}.aliyuncs.com"),
    ("registry.{region}.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
    ("*.{region}.personal.cr.aliyuncs.com", "dockerauth.{region}.aliyuncs.com"),
    ("*.{region}.personal.cr.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
    ("*.{region}.cr.aliyuncs.com", "dockerauth.{region}.aliyuncs.com"),
    ("*.{region}.cr.aliyuncs.com", "dockerauth-ee.{region}.aliyuncs.com"),
];

/// Whether `service` is known to be the token service of `registry`; hosts in lower case, without ports.
pub fn is_known_token_service(registry: &str, service: &str) -> bool {
    TOKEN_SERVICES.iter().any(|(pattern, known)| {
        region(pattern, registry).is_some_and(|region| known.replace("{region}", region) == service)
    })
}

/// The label at `{region}`, or nothing, where `host` fits the pattern.
fn region<'a>(pattern: &str, host: &'a str) -> Option<&'a str> {
    let mut region = "";
    if pattern.split('.').count() != host.split('.').count() {
        return None;
    }
    for (wanted, label) in pattern.split('.').zip(host.split('.')) {
        match wanted {
            "*" => {}
            // A region has a hyphen, `cn-hangzhou`, and no service of a customer's begins as one does: `oss-cn-hangzhou`.
            "{region}" if label.split_once('-').is_some_and(|(country, _)| country.len() == 2) => region = label,
            wanted if wanted == label => {}
            _ => return None,
        }
    }
    Some(region)
}

#[cfg(test)]
mod tests {
    use super::Quirks;

    #[test]
    fn an_enterprise_server_has_githubs_quirks_but_not_its_token_service() {
        let host = "containers.git.example.com";
        let (own, ghcr) = (Quirks::of(host, Some(host)), Quirks::of("ghcr.io", Some(host)));
        assert_eq!((own.largest_blob, own.is_gentle), (ghcr.largest_blob, ghcr.is_gentle));
        assert_eq!(own.token_service, None);
        assert!(ghcr.token_service.is_some());
        assert_eq!(Quirks::of(host, None).largest_blob, None);
    }
}
