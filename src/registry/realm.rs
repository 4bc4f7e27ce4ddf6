//! The realm rule: which token service may see a credential.
//!
//! A registry names its token service itself, in the `WWW-Authenticate` header. Followed blindly, a compromised or
//! mistyped registry names any host and is handed the password. Pure: decides from names alone, contacts nothing.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::transport::is_loopback;

/// What a token service may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Belongs to the registry: may see its credential.
    Own,
    /// Belongs to somebody else: may be asked for an anonymous token; the reason.
    Foreign(String),
    /// Must not be contacted; the reason.
    Never(String),
}

/// Judges the token service at `realm` for the registry at `registry`.
pub(super) fn judge(realm: &Url, registry: &Url) -> Trust {
    let service = realm.host_str().unwrap_or_default();
    let home = registry.host_str().unwrap_or_default();
    if realm.scheme() != "https" && !(realm.scheme() == "http" && registry.scheme() == "http") {
        return Trust::Never(format!("its token service {service} is not reached over TLS"));
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return Trust::Never(format!("it names a token service {service} with a user name in the address"));
    }
    if service == home {
        return Trust::Own;
    }
    if is_loopback(realm.host()) && !is_loopback(registry.host()) {
        return Trust::Never(format!("it names a token service on this machine ({service})"));
    }
    if let Some(address) = address(realm.host())
        && is_internal(address)
    {
        return Trust::Never(format!("it names a token service at the internal address {service}"));
    }
    // Plain HTTP was allowed for the registry's host, not for others.
    if realm.scheme() == "https" && registry.scheme() == "https" && same_owner(service, home) {
        return Trust::Own;
    }
    Trust::Foreign(format!("its token service {service} does not belong to {home}"))
}

fn address(host: Option<Host<&str>>) -> Option<IpAddr> {
    match host? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => {
            // NAT64 (RFC 6052) carries an IPv4 address in its last 32 bits.
            let segments = address.segments();
            if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
                let [.., high, low] = segments;
                return Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)).into());
            }
            Some(IpAddr::V6(address).to_canonical())
        }
    }
}

/// Addresses that mean "something inside", cloud metadata services among them.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_link_local()
                || address.is_loopback()
                || address.is_unspecified()
                || address.octets()[0] == 0
                // 100.64.0.0/10, carrier-grade NAT; 100.100.100.200 is a metadata service.
                || (address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

/// Whether a URL names this machine or its link, cloud metadata services among it. Private networks are not meant: a
/// registry inside one keeps its storage there too.
pub(super) fn names_local_address(url: &Url) -> bool {
    let local = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.is_unspecified() || v4.is_loopback() || v4.octets() == [100, 100, 100, 200]
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_loopback(),
    };
    is_loopback(url.host()) || address(url.host()).is_some_and(local)
}

/// Parents under which anybody can have a name: sharing one says nothing about the owner.
const SHARED_PARENTS: [&str; 24] = [
    "amazonaws.com",
    "appspot.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudapp.net",
    "cloudfront.net",
    "docker.internal",
    "fly.dev",
    "ghe.com",
    "github.io",
    "gitlab.io",
    "googleusercontent.com",
    "herokuapp.com",
    "jfrog.io",
    "netlify.app",
    "ngrok.app",
    "ngrok.io",
    "ondigitalocean.app",
    "onrender.com",
    "pkg.dev",
    "run.app",
    "vercel.app",
    "windows.net",
    "workers.dev",
];

/// Whether two names share a parent domain that one owner holds: `auth.docker.io` and `registry-1.docker.io`; the
/// parent itself counts, `gitlab.com` for `registry.gitlab.com`.
fn same_owner(service: &str, home: &str) -> bool {
    // The parts of an address are no domains.
    let is_address = |name: &str| name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    if is_address(service) || is_address(home) {
        return false;
    }
    let labels = |name: &str| name.trim_end_matches('.').split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    let (service, home) = (labels(service), labels(home));
    let shared: Vec<_> = service.iter().zip(&home).take_while(|(a, b)| a == b).map(|(a, _)| a.as_str()).collect();
    if shared.len() < 2 {
        return false;
    }
    let parent = shared.iter().rev().copied().collect::<Vec<_>>().join(".");
    if SHARED_PARENTS.iter().any(|suffix| parent == *suffix || parent.ends_with(&format!(".{suffix}"))) {
        return false;
    }
    // `co.uk`, `com.au`, `ac.jp`: a two-letter country under which a short generic label is a public suffix.
    let generic = ["ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "nom", "or", "org"];
    !(shared.len() == 2 && shared[0].len() == 2 && (generic.contains(&shared[1]) || shared[1].len() == 2))
}

#[cfg(test)]
mod tests {
    use super::{Trust, Url, judge};

    #[test]
    fn a_credential_goes_to_the_registrys_own_token_service_only() {
        for (registry, realm, expected) in [
            ("https://ghcr.io/", "https://ghcr.io/token", "own"),
            ("https://registry-1.docker.io/", "https://auth.docker.io/token", "own"),
            ("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth", "own"),
            ("https://nvcr.io/", "https://nvcr.io/proxy_auth?scope=repository:x:pull", "own"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", "own"),
            ("https://ghcr.io/", "http://ghcr.io/token", "never"),
            ("https://ghcr.io/", "https://evil.example/token", "foreign"),
            ("https://ghcr.io/", "https://user@ghcr.io/token", "never"),
            ("https://a.azurecr.io/", "https://b.azurecr.io/token", "foreign"),
            ("https://a.example.co.uk/", "https://b.example.co.uk/token", "own"),
            ("https://a.co.uk/", "https://b.co.uk/token", "foreign"),
            ("https://a.us-east-1.amazonaws.com/", "https://b.us-east-1.amazonaws.com/", "foreign"),
            ("https://r.example.com/", "https://169.254.169.254/token", "never"),
            ("https://r.example.com/", "https://[::ffff:169.254.169.254]/token", "never"),
            ("https://r.example.com/", "https://[64:ff9b::a9fe:a9fe]/token", "never"),
            ("https://r.example.com/", "https://localhost/token", "never"),
            ("https://r.example.com/", "https://10.0.0.1/token", "never"),
            ("https://10.0.0.1/", "https://10.0.0.1/token", "own"),
            ("https://203.0.113.7/", "https://8.8.113.7/token", "foreign"),
            ("http://127.0.0.1:5000/", "http://localhost:5001/token", "foreign"),
            ("http://localhost:5000/", "http://127.0.0.2:5001/token", "never"),
            ("http://registry.corp/", "http://other.corp/token", "foreign"),
        ] {
            let trust = match judge(&Url::parse(realm).expect(realm), &Url::parse(registry).expect(registry)) {
                Trust::Own => "own",
                Trust::Foreign(_) => "foreign",
                Trust::Never(_) => "never",
            };
            assert_eq!(trust, expected, "{registry} → {realm}");
        }
    }
}
