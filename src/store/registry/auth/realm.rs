//! The realm rule: which token service may see a credential.
//!
//! A registry names its token service itself, in the `WWW-Authenticate` header. Followed blindly, a compromised or
//! mistyped registry names any host and is handed the password. Its own are the registry's host, names of the same owner by
//! the public suffix list, those of a few known registries (`quirks`), and those that the user names (`token-services`).
//! Pure: decides from names alone, contacts nothing.

use std::net::Ipv4Addr;

use url::Url;

use crate::error::violation::TokenServiceFault;
use crate::http::address::{address, authority, is_internal, is_this_machine};
use crate::store::registry::quirks::is_known_token_service;

/// What a token service may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Belongs to the registry, or was named by the user: may see its credential.
    Own,
    /// Does not belong to the registry: may be asked for an anonymous token.
    Foreign,
    /// Must not be contacted; why.
    Never(TokenServiceFault),
}

/// A token service that the user lets see one registry's credential: a line of `token-services`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Its host, and its port where that is not the usual one.
    pub host: String,
    /// Whether it may be spoken to without TLS, as a registry of that name may.
    pub over_plain_http: bool,
}

/// Judges the token service at `realm` for the registry at `registry`.
pub(crate) fn judge(realm: &Url, registry: &Url, allowed: &[Allowed]) -> Trust {
    let service = realm.host_str().unwrap_or_default();
    let home = registry.host_str().unwrap_or_default();
    if realm.scheme() != "https" && !(realm.scheme() == "http" && registry.scheme() == "http") {
        return Trust::Never(TokenServiceFault::WithoutTls);
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return Trust::Never(TokenServiceFault::UserName);
    }
    if is_named(realm, registry, allowed) {
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
    let over_tls = realm.scheme() == "https" && registry.scheme() == "https";
    if over_tls && (same_owner(service, home) || is_known_token_service(home, service)) {
        return Trust::Own;
    }
    Trust::Foreign
}

/// Whether the user named the host of the token service: as the registry, or for it. Such a one may be anywhere.
pub(crate) fn is_named(realm: &Url, registry: &Url, allowed: &[Allowed]) -> bool {
    let name = authority(realm);
    let is_it = |allowed: &Allowed| allowed.host == name && (realm.scheme() == "https" || allowed.over_plain_http);
    realm.host() == registry.host() || allowed.iter().any(is_it)
}

/// Clouds, tunnels and the like whose customers have hosts below one domain that the public suffix list does not part (some
/// were taken from it when nobody vouched for them any more): below these a host belongs to nobody but itself.
const SHARED_DOMAINS: &[&str] = &[
    "afraid.org",
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "appdomain.cloud",
    "azure.com",
    "azure.us",
    "azurecontainer.io",
    "azurecontainerapps.io",
    "azurecr.cn",
    "azurecr.de",
    "azurecr.io",
    "azurecr.us",
    "b-cdn.net",
    "backblazeb2.com",
    "baidubce.com",
    "bcebos.com",
    "cfapps.io",
    "chinacloudapi.cn",
    "city.kawasaki.jp",
    "city.kitakyushu.jp",
    "city.kobe.jp",
    "city.nagoya.jp",
    "city.sapporo.jp",
    "city.sendai.jp",
    "city.yokohama.jp",
    "cloudflarestorage.com",
    "cloudshell.dev",
    "cloudworkstations.dev",
    "container-registry.ovh.net",
    "devtunnels.ms",
    "docker.internal",
    "ghe.com",
    "github.dev",
    "gitpod.io",
    "glitch.me",
    "googleusercontent.com",
    "gradio.live",
    "ivolces.com",
    "jcloudcs.com",
    "jfrog.io",
    "kinsta.app",
    "koyeb.app",
    "lhr.life",
    "lvh.me",
    "modal.run",
    "mooo.com",
    "myhuaweicloud.cn",
    "myhuaweicloud.com",
    "myqcloud.com",
    "nip.io",
    "ntruss.com",
    "ocir.io",
    "on.aws",
    "ondemand.com",
    "openshiftapps.com",
    "oraclecloud.com",
    "packetriot.net",
    "pagekite.me",
    "pinggy.io",
    "pinggy.link",
    "pkg.dev",
    "playit.gg",
    "railway.app",
    "scalingo.io",
    "scw.cloud",
    "serveo.net",
    "serveousercontent.com",
    "sevalla.app",
    "sharedwithexpose.com",
    "sslip.io",
    "tencentcloudcr.com",
    "traefik.me",
    "volces.com",
    "windows.net",
    "xip.io",
    "your-objectstorage.com",
    "zrok.io",
];

/// Whether two names belong to one owner: both are the same registrable domain, or below it, by the public suffix list
/// with its private part. `auth.docker.io` and `registry-1.docker.io`; the domain itself counts, `gitlab.com` for
/// `registry.gitlab.com`.
fn same_owner(service: &str, home: &str) -> bool {
    // The parts of an address are no domains.
    let is_address = |name: &str| name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    if is_address(service) || is_address(home) {
        return false;
    }
    let (service, home) = (service.trim_end_matches('.'), home.trim_end_matches('.'));
    let is_shared =
        |suffix: &&str| home.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if SHARED_DOMAINS.iter().any(is_shared) {
        return false;
    }
    psl::domain_str(home).is_some_and(|domain| psl::domain_str(service) == Some(domain))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Allowed, SHARED_DOMAINS, Trust, judge};

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
            let trust = match judge(&Url::parse(realm).expect(realm), &Url::parse(registry).expect(registry), &[]) {
                Trust::Own => "own",
                Trust::Foreign => "foreign",
                Trust::Never(_) => "never",
            };
            assert_eq!(trust, expected, "{registry} → {realm}");
        }
    }
    /// Registry and token service are two customers of one provider: the first is told the second's name by whoever broke in.
    #[test]
    fn two_customers_of_one_provider_have_two_owners() {
        for (registry, service) in [
            ("a.azurecr.us", "b.azurecr.us"),
            ("acme.us.com", "evil.us.com"),
            ("acme.gen.in", "evil.gen.in"),
            ("acme.tencentcloudcr.com", "evil.tencentcloudcr.com"),
            ("rg.fr-par.scw.cloud", "evil.functions.fnc.fr-par.scw.cloud"),
            ("reg.up.railway.app", "evil.up.railway.app"),
            ("reg.oraclecloud.com", "evil.compat.objectstorage.eu-frankfurt-1.oraclecloud.com"),
            ("reg.app.github.dev", "evil.app.github.dev"),
            ("reg.synology.me", "evil.synology.me"),
            ("reg.qld.gov.au", "evil.qld.gov.au"),
            ("reg.city.yokohama.jp", "evil.city.yokohama.jp"),
            ("acme.jfrog.io", "evil.jfrog.io"),
            ("europe-docker.pkg.dev", "us-docker.pkg.dev"),
            ("1.dkr.ecr.eu-west-1.amazonaws.com", "lb-1.eu-west-1.elb.amazonaws.com"),
            ("containers.acme.ghe.com", "containers.evil.ghe.com"),
            ("registry.cn-hangzhou.aliyuncs.com", "dockerauth.oss-cn-hangzhou.aliyuncs.com"),
            ("registry.cn-hangzhou.aliyuncs.com", "evil.cn-hangzhou.fc.aliyuncs.com"),
            ("rg.fr-par.scw.cloud", "api.evil.scaleway.com"),
            ("evil.fr-par.scw.cloud", "api.scaleway.com"),
            // A suffix itself belongs to nobody.
            ("github.io", "evil.github.io"),
            ("azurecr.io", "evil.azurecr.io"),
            // What the suffix list does not know is parted below its last label.
            ("registry.corp", "evil.corp"),
        ] {
            assert_eq!(trust(registry, service, &[]), Trust::Foreign, "{registry} → {service}");
        }
    }

    #[test]
    fn one_owners_hosts_and_the_known_pairs_belong_together() {
        for (registry, service) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("docker.elastic.co", "docker-auth.elastic.co"),
            ("registry.digitalocean.com", "api.digitalocean.com"),
            ("registry.example.co.uk", "auth.example.co.uk"),
            ("registry.acme.corp", "auth.acme.corp"),
            ("rg.fr-par.scw.cloud", "api.scaleway.com"),
            ("registry.cn-beijing.aliyuncs.com", "dockerauth.cn-beijing.aliyuncs.com"),
            ("registry.cn-beijing.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com", "dockerauth-ee.cn-hangzhou.aliyuncs.com"),
            ("crpi-x.cn-beijing.personal.cr.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
        ] {
            assert_eq!(trust(registry, service, &[]), Trust::Own, "{registry} → {service}");
        }
    }

    #[test]
    fn a_token_service_that_the_user_names_may_see_the_credential_at_its_port_and_over_tls() {
        let allowed = |host: &str, over_plain_http| vec![Allowed { host: host.to_owned(), over_plain_http }];
        let own = |registry: &str, realm: &str, allowed: &[Allowed]| {
            judge(&Url::parse(realm).expect(realm), &Url::parse(registry).expect(registry), allowed)
        };
        for (registry, realm, line, plain, expected) in [
            ("https://r.example.com/", "https://tokens.example/t", "tokens.example", false, true),
            ("https://r.example.com/", "https://tokens.example:8443/t", "tokens.example", false, false),
            ("https://r.example.com/", "https://tokens.example:8443/t", "tokens.example:8443", false, true),
            ("https://r.example.com/", "https://a.tokens.example/t", "tokens.example", false, false),
            ("https://r.example.com/", "https://10.0.0.1/t", "10.0.0.1", false, true),
            ("https://r.example.com/", "http://tokens.example/t", "tokens.example", true, false),
            ("https://r.example.com/", "https://u@tokens.example/t", "tokens.example", false, false),
            ("http://127.0.0.1:5000/", "http://localhost:5001/t", "localhost:5001", true, true),
            ("http://registry.corp/", "http://tokens.example/t", "tokens.example", false, false),
            ("http://registry.corp/", "https://tokens.example/t", "tokens.example", false, true),
        ] {
            assert_eq!(own(registry, realm, &allowed(line, plain)) == Trust::Own, expected, "{registry} → {realm}");
        }
    }

    #[test]
    fn what_is_parted_by_hand_the_suffix_list_does_not_part() {
        assert!(SHARED_DOMAINS.is_sorted());
        for domain in SHARED_DOMAINS {
            assert!(psl::suffix_str(domain) != Some(*domain), "the suffix list has {domain}: the row can go");
        }
    }

    fn trust(registry: &str, service: &str, allowed: &[Allowed]) -> Trust {
        let url = |host: &str| Url::parse(&format!("https://{host}/token")).expect(host);
        judge(&url(service), &url(registry), allowed)
    }
}
