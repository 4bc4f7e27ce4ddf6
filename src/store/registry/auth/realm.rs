//! The realm rule: which token service may see a credential.
//!
//! A registry names its token service itself, in the `WWW-Authenticate` header. Followed blindly, a compromised or
//! mistyped registry names any host and is handed the password. Pure: decides from names alone, contacts nothing.

use std::net::Ipv4Addr;

use url::Url;

use crate::error::violation::TokenServiceFault;
use crate::http::address::{address, is_internal, is_this_machine};

/// What a token service may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Belongs to the registry: may see its credential.
    Own,
    /// Does not belong to the registry: may be asked for an anonymous token; the reason.
    Foreign(String),
    /// Must not be contacted; why.
    Never(TokenServiceFault),
}

/// Judges the token service at `realm` for the registry at `registry`.
pub(crate) fn judge(realm: &Url, registry: &Url) -> Trust {
    let service = realm.host_str().unwrap_or_default();
    let home = registry.host_str().unwrap_or_default();
    if realm.scheme() != "https" && !(realm.scheme() == "http" && registry.scheme() == "http") {
        return Trust::Never(TokenServiceFault::WithoutTls);
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return Trust::Never(TokenServiceFault::UserName);
    }
    if service == home {
        return Trust::Own;
    }
    if is_this_machine(realm.host()) && !is_this_machine(registry.host()) {
        return Trust::Never(TokenServiceFault::ThisMachine);
    }
    if let Some(address) = address(realm.host())
        && is_internal(address)
    {
        return Trust::Never(TokenServiceFault::InternalAddress);
    }
    // Plain HTTP was allowed for the registry's host, not for others.
    if realm.scheme() == "https" && registry.scheme() == "https" && same_owner(service, home) {
        return Trust::Own;
    }
    Trust::Foreign(format!("its token service {service} does not belong to {home}"))
}

/// Parents under which names are given to the public: sharing one says nothing about the owner.
///
/// Not the public suffix list: it has neither `azurecr.io` nor `pkg.dev`, and would make the program a tenth larger.
const SHARED_PARENTS: [&str; 56] = [
    "amazonaws.com",
    "appspot.com",
    "azure-api.net",
    "azurecontainer.io",
    "azurecontainerapps.io",
    "azurecr.io",
    "azurefd.net",
    "azurewebsites.net",
    "backblazeb2.com",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudflarestorage.com",
    "cloudfront.net",
    "cloudfunctions.net",
    "ddns.net",
    "deno.dev",
    "digitaloceanspaces.com",
    "docker.internal",
    "duckdns.org",
    "dyndns.org",
    "firebaseapp.com",
    "fly.dev",
    "ghe.com",
    "github.dev",
    "github.io",
    "gitlab.io",
    "googleusercontent.com",
    "herokuapp.com",
    "hf.space",
    "jfrog.io",
    "koyeb.app",
    "linodeobjects.com",
    "loca.lt",
    "netlify.app",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "nip.io",
    "ondigitalocean.app",
    "onrender.com",
    "openshiftapps.com",
    "pages.dev",
    "pkg.dev",
    "r2.dev",
    "railway.app",
    "run.app",
    "sslip.io",
    "trafficmanager.net",
    "trycloudflare.com",
    "ts.net",
    "vercel.app",
    "web.app",
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
    use url::Url;

    use super::{Trust, judge};

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
            ("https://r.example.com/", "https://localhost./token", "never"),
            ("https://r.example.com/", "https://a.localhost/token", "never"),
            ("https://r.example.com/", "https://127.1/token", "never"),
            ("https://r.example.com/", "https://0x7f000001/token", "never"),
            ("https://r.example.com/", "https://2130706433/token", "never"),
            ("https://r.example.com/", "https://[::1]/token", "never"),
            ("https://r.example.com/", "https://[::127.0.0.1]/token", "never"),
            ("https://r.example.com/", "https://[::ffff:0:10.0.0.1]/token", "never"),
            ("https://r.example.com/", "https://[64:ff9b:1::10.0.0.1]/token", "never"),
            ("https://r.example.com/", "https://[2002:a9fe:a9fe::1]/token", "never"),
            ("https://r.example.com/", "https://[2001:0:1:2:3:4:5601:5601]/token", "never"),
            ("https://r.example.com/", "https://[fd00:ec2::254]/token", "never"),
            ("https://r.example.com/", "https://[fe80::1]/token", "never"),
            ("https://r.example.com/", "https://[fec0::1]/token", "never"),
            ("https://r.example.com/", "https://[ff02::1]/token", "never"),
            ("https://r.example.com/", "https://[::]/token", "never"),
            ("https://r.example.com/", "https://[2001:db8::1]/token", "foreign"),
            ("https://r.example.com/", "https://0.0.0.0/token", "never"),
            ("https://r.example.com/", "https://10.0.0.1/token", "never"),
            ("https://r.example.com/", "https://172.16.0.1/token", "never"),
            ("https://r.example.com/", "https://192.168.0.1/token", "never"),
            ("https://r.example.com/", "https://100.100.100.200/token", "never"),
            ("https://r.example.com/", "https://192.0.0.192/token", "never"),
            ("https://r.example.com/", "https://198.18.0.1/token", "never"),
            ("https://r.example.com/", "https://224.0.0.1/token", "never"),
            ("https://r.example.com/", "https://255.255.255.255/token", "never"),
            ("https://r.example.com/", "ftp://r.example.com/token", "never"),
            ("https://r.example.com/", "http://other.example.com/token", "never"),
            ("http://registry.corp/", "http://169.254.169.254/token", "never"),
            ("http://registry.corp/", "http://127.0.0.1/token", "never"),
            ("http://registry.corp/", "https://registry.corp/token", "own"),
            ("https://r.example.com/", "https://r.example.com.evil.example/token", "foreign"),
            ("https://r.example.com/", "https://evilexample.com/token", "foreign"),
            ("https://a.pages.dev/", "https://b.pages.dev/token", "foreign"),
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
