//! Which addresses are this machine or an internal network.
//!
//! Owns the one answer to "is this local?": redirects, token services and plain HTTP are judged by it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Host and port of `url`, the port where it is not the usual one.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a host is this machine by the names that nothing else can have: it is spoken to over plain HTTP.
#[expect(clippy::needless_pass_by_value, reason = "what `Url::host` gives")]
pub fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a host may mean this machine. More than what is spoken to over plain HTTP: resolvers give a loopback address for
/// every name below `localhost`, with or without the root's dot (RFC 6761, 6.3).
pub fn is_this_machine(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        host => is_loopback(host),
    }
}

/// Whether a host is this machine, or an address of its link: where clouds have the services that know a machine. Nothing of that
/// kind is asked through a proxy, which would look for it on its own machine.
pub fn is_link_or_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Ipv4(address)) => address.is_link_local() || address.is_loopback(),
        // Amazon's for pods and for instances.
        Some(Host::Ipv6(address)) => {
            is_loopback(Some(Host::Ipv6(address)))
                || matches!(address.segments(), [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23 | 0x254])
        }
        host => is_loopback(host),
    }
}

/// The address that a host is; the IPv4 address, where an IPv6 address leads to one.
pub fn address(host: Option<Host<&str>>) -> Option<IpAddr> {
    match host? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(embedded(address).map_or(IpAddr::V6(address), IpAddr::V4)),
    }
}

pub fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // `::` and `::1` are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        // Compatible and mapped (RFC 4291, 2.5.5), translated (RFC 2765), NAT64 (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => (high, low),
        // Teredo (RFC 4380) turns its bits over.
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

/// Addresses that mean "something inside", cloud metadata services among them, and those that no host on the Internet has
/// (IANA's special-purpose address registries).
pub fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            address.is_private()
                || address.is_link_local()
                || address.is_loopback()
                || address.is_multicast()
                // "This network", reserved, broadcast.
                || matches!(first, 0 | 240..)
                // Carrier-grade NAT, 100.64.0.0/10; 100.100.100.200 is a metadata service.
                || (first == 100 && second & 0xc0 == 64)
                // Protocol assignments, 192.0.0.0/24: Oracle's metadata service; benchmarks, 198.18.0.0/15.
                || (first, second, third) == (192, 0, 0)
                || (first == 198 && second & 0xfe == 18)
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                // Site-local, deprecated (RFC 3879).
                || address.segments()[0] & 0xffc0 == 0xfec0
        }
    }
}

/// Addresses of this machine and its link, and cloud metadata services: no registry inside a network keeps its storage there.
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_loopback()
                || v4.octets()[0] == 0
                // Alibaba's and Oracle's metadata services.
                || matches!(v4.octets(), [100, 100, 100, 200] | [192, 0, 0, 192])
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_loopback()
                // Amazon's and Google's metadata services.
                || matches!(v6.segments(), [0xfd00, 0xec2, .., 0x254] | [0xfd20, 0xce, .., 0x254])
        }
    }
}

/// Whether `host`, with its port if any, is spoken to over plain HTTP: this machine, and what is named in `insecure`.
pub fn is_plain_http(host: &str, insecure: &[String]) -> bool {
    Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_loopback(url.host())) || is_named(host, insecure)
}

/// Whether `host`, with its port if any, is among `named`.
pub fn is_named(host: &str, named: &[String]) -> bool {
    named.iter().any(|named| named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::is_plain_http;

    #[test]
    fn plain_http_is_for_this_machine_and_for_hosts_that_are_named() {
        let insecure = ["Registry.corp:5000".to_owned()];
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("registry.corp:5000", true),
            ("REGISTRY.corp:5000", true),
            ("registry.corp", false),
            ("registry.corp:5001", false),
            // A resolver may send these elsewhere.
            ("a.localhost", false),
            ("ghcr.io", false),
        ] {
            assert_eq!(is_plain_http(host, &insecure), expected, "{host}");
        }
    }
}
