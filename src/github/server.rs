//! One GitHub server: github.com, an Enterprise Server, a ghe.com tenant. Its hosts, and the pages to open.
//!
//! Owns which registry and which API belong to it, so which hosts its tokens may go to. Pure: contacts nothing.

use url::Url;

use crate::environment::Environment;
use crate::http::address::{authority, is_loopback};
use crate::oci::vendor::GHCR;

/// What is an owner of packages and repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An organisation: it has teams.
    Organisation,
    /// A personal account: it has none.
    User,
}

/// One GitHub server.
#[derive(Clone, Debug)]
pub struct Server {
    web: Url,
    api: Result<Url, String>,
    registry: Option<String>,
}

impl Server {
    /// The server that the run belongs to, from `GITHUB_SERVER_URL` and `GITHUB_API_URL`; github.com without them.
    pub fn of(environment: &Environment) -> Self {
        let named = environment.get("GITHUB_SERVER_URL");
        let web = named.map_or_else(github, |text| Url::parse(text).ok().filter(|url| url.host().is_some()));
        let registry = web.as_ref().and_then(registry_of);
        let web = web.or_else(github).unwrap_or_else(|| unreachable!("a constant address is one"));
        let api = match environment.get("GITHUB_API_URL") {
            Some(text) => Url::parse(text).map_err(|_| "GITHUB_API_URL is not an address".to_owned()),
            None => api_of(&web),
        };
        Self { api: api.and_then(guarded), web, registry }
    }

    /// The registry that this server's tokens are for, and no other.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The API that this server's tokens are for, and no other; or why there is none to send a token to.
    pub fn api(&self) -> Result<&Url, String> {
        self.api.as_ref().map_err(Clone::clone)
    }

    /// A page of the server; every part is one segment of the path, whatever characters it has.
    fn page(&self, parts: &[&str]) -> String {
        let mut url = self.web.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url.to_string()
    }

    /// Where a package's source, access and visibility are set.
    pub fn package_settings(&self, kind: Owner, owner: &str, package: &str) -> String {
        let accounts = if kind == Owner::Organisation { "orgs" } else { "users" };
        self.page(&[accounts, owner, "packages", "container", package, "settings"])
    }

    /// Where an organisation says what visibilities its new packages may have, and whether they inherit.
    pub fn organisation_packages(&self, organisation: &str) -> String {
        self.page(&["organizations", organisation, "settings", "packages"])
    }

    /// Where a repository's teams and people are set.
    pub fn repository_access(&self, repository: &str) -> String {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        self.page(&[owner, name, "settings", "access"])
    }

    /// Where an attempt of a run is shown.
    pub fn run(&self, repository: &str, run: &str, attempt: &str) -> String {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        self.page(&[owner, name, "actions", "runs", run, "attempts", attempt])
    }

    /// Where an organisation's teams are listed.
    pub fn teams(&self, organisation: &str) -> String {
        self.page(&["orgs", organisation, "teams"])
    }
}

fn github() -> Option<Url> {
    Url::parse("https://github.com").ok()
}

/// Only over TLS, or to this machine: tokens go there.
fn guarded(url: Url) -> Result<Url, String> {
    if url.scheme() == "https" || url.scheme() == "http" && is_loopback(url.host()) {
        return Ok(url);
    }
    Err("GITHUB_API_URL does not begin with https://, so no token is sent there".to_owned())
}

fn registry_of(web: &Url) -> Option<String> {
    match web.host_str()? {
        "github.com" => (web.scheme() == "https").then(|| GHCR.to_owned()),
        // This machine's address has no subdomains: a server there, as in tests and proxies, has its registry on the
        // same host and port.
        _ if is_loopback(web.host()) => Some(authority(web)),
        host => Some(format!("containers.{host}")),
    }
}

/// Where GitHub documents the API of a server that does not name it: `api.SUBDOMAIN.ghe.com`, `HOST/api/v3`.
fn api_of(web: &Url) -> Result<Url, String> {
    let host = web.host_str().unwrap_or_default();
    let text = match host {
        "github.com" => "https://api.github.com".to_owned(),
        _ if host.ends_with(".ghe.com") => format!("https://api.{host}"),
        _ => format!("{}/api/v3", web.as_str().trim_end_matches('/')),
    };
    Url::parse(&text).map_err(|_| "GITHUB_SERVER_URL is not an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Owner, Server};
    use crate::environment::Environment;

    fn server(variables: &[(&str, &str)]) -> Server {
        Server::of(&Environment::from(variables))
    }

    #[test]
    fn each_server_has_its_own_registry_and_api() {
        for (web, api, registry, expected) in [
            ("", "", Some("ghcr.io"), Some("https://api.github.com/")),
            ("https://github.com", "https://api.github.com", Some("ghcr.io"), Some("https://api.github.com/")),
            ("http://github.com", "", None, Some("https://api.github.com/")),
            ("https://git.example.com", "", Some("containers.git.example.com"), Some("https://git.example.com/api/v3")),
            ("https://acme.ghe.com", "", Some("containers.acme.ghe.com"), Some("https://api.acme.ghe.com/")),
            ("https://github.com.evil.com", "", Some("containers.github.com.evil.com"), None),
            ("nonsense", "", None, None),
            ("https://github.com", "http://api.github.com", Some("ghcr.io"), Some("refused")),
            ("https://github.com", "nonsense", Some("ghcr.io"), Some("refused")),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001", Some("127.0.0.1:5000"), Some("http://127.0.0.1:5001/")),
            ("http://localhost", "", Some("localhost"), Some("http://localhost/api/v3")),
        ] {
            let server = server(&[("GITHUB_SERVER_URL", web), ("GITHUB_API_URL", api)]);
            assert_eq!(server.registry(), registry, "{web}");
            match (server.api(), expected) {
                (Ok(url), Some(expected)) => assert_eq!(url.as_str(), expected, "{web}"),
                (Err(_), expected) => assert_eq!(expected, Some("refused"), "{web} {api}"),
                (Ok(_), None) => {}
            }
        }
    }

    #[test]
    fn pages_are_spelled_as_github_spells_them() {
        let github = server(&[]);
        for (page, expected) in [
            (
                github.package_settings(Owner::Organisation, "acme", "mirror/a b"),
                "https://github.com/orgs/acme/packages/container/mirror%2Fa%20b/settings",
            ),
            (
                github.package_settings(Owner::User, "mona", "x"),
                "https://github.com/users/mona/packages/container/x/settings",
            ),
            (github.organisation_packages("acme"), "https://github.com/organizations/acme/settings/packages"),
            (github.repository_access("acme/mirror"), "https://github.com/acme/mirror/settings/access"),
            (github.teams("acme"), "https://github.com/orgs/acme/teams"),
        ] {
            assert_eq!(page, expected);
        }
    }
}
