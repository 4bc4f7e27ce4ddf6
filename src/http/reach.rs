//! Where a name may lead: checked on the addresses that it resolves to, when a connection is made.
//!
//! Owns the look-up of names. A name that somebody else than the user brought up leads to public addresses only, or, where
//! the one that brought it up is within a network itself, to that network. Where a proxy looks names up, it decides.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::http::address::{address, is_internal, is_local, is_this_machine};
use crate::sync::LockExt as _;

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// This machine, its link, a cloud's metadata service.
    Local,
    /// A private network, or a block that nobody on the Internet has.
    Network,
    /// Anywhere else.
    Public,
}

impl Zone {
    /// The zone of an address.
    pub fn of(address: IpAddr) -> Self {
        if is_local(address) {
            Self::Local
        } else if is_internal(address) {
            Self::Network
        } else {
            Self::Public
        }
    }

    /// The zone of a host that tells it without a look-up.
    pub fn of_host(host: Option<Host<&str>>) -> Option<Self> {
        if is_this_machine(host.clone()) { Some(Self::Local) } else { address(host).map(Self::of) }
    }
}

/// Zones of the hosts that were looked up in this run: of each the most public one that it ever had.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Zone>>>);

impl Seen {
    /// The zone of the host of `url`; public, where nothing else is known.
    pub fn zone(&self, url: &Url) -> Zone {
        Zone::of_host(url.host()).unwrap_or_else(|| {
            let known = url.host_str().and_then(|name| self.0.locked().get(name).copied());
            known.unwrap_or(Zone::Public)
        })
    }

    fn note(&self, name: &str, zone: Zone) {
        let mut seen = self.0.locked();
        let known = seen.entry(name.to_owned()).or_insert(zone);
        *known = zone.max(*known);
    }
}

/// Looks names up, and gives of their addresses those from the zone `least` on.
pub(super) struct Resolver {
    pub(super) least: Zone,
    pub(super) seen: Seen,
    /// Hosts of proxies, which may be anywhere.
    pub(super) proxies: Arc<[String]>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        let (least, seen) = (if is_proxy { Zone::Local } else { self.least }, self.seen.clone());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(zone) = found.iter().map(|found| Zone::of(canonical(found.ip()))).max() {
                seen.note(name.as_str(), zone);
            }
            let allowed = allowed(&found, least).ok_or_else(|| LeadsInside(name.as_str().to_owned()))?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Those of `found` that are in the zone `least` or a more public one; none where all were dropped for that.
fn allowed(found: &[SocketAddr], least: Zone) -> Option<Vec<SocketAddr>> {
    let allowed: Vec<SocketAddr> =
        found.iter().copied().filter(|found| Zone::of(canonical(found.ip())) >= least).collect();
    (found.is_empty() || !allowed.is_empty()).then_some(allowed)
}

/// The IPv4 address that an IPv6 address leads to, where it does.
fn canonical(found: IpAddr) -> IpAddr {
    match found {
        IpAddr::V4(_) => found,
        IpAddr::V6(v6) => address(Some(Host::Ipv6(v6))).unwrap_or(found),
    }
}

/// The name leads to where it may not.
#[derive(Debug)]
pub struct LeadsInside(pub String);

impl fmt::Display for LeadsInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no public address", self.0)
    }
}

impl StdError for LeadsInside {}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use url::Url;

    use super::{Seen, Zone, allowed};

    #[test]
    fn a_name_leads_to_no_address_that_is_more_internal_than_allowed() {
        let zones = [
            (Zone::Local, "127.0.0.1"),
            (Zone::Local, "127.8.8.8"),
            (Zone::Local, "0.0.0.0"),
            (Zone::Local, "169.254.169.254"),
            (Zone::Local, "100.100.100.200"),
            (Zone::Local, "192.0.0.192"),
            (Zone::Local, "[::1]"),
            (Zone::Local, "[::]"),
            (Zone::Local, "[fe80::1]"),
            (Zone::Local, "[fd00:ec2::254]"),
            (Zone::Local, "[::ffff:127.0.0.1]"),
            (Zone::Local, "[64:ff9b::169.254.169.254]"),
            (Zone::Local, "[2002:7f00:1::]"),
            (Zone::Network, "10.0.0.1"),
            (Zone::Network, "172.31.255.255"),
            (Zone::Network, "192.168.1.1"),
            (Zone::Network, "100.64.0.1"),
            (Zone::Network, "100.127.255.255"),
            (Zone::Network, "192.0.0.1"),
            (Zone::Network, "198.18.0.1"),
            (Zone::Network, "198.19.255.255"),
            (Zone::Network, "224.0.0.1"),
            (Zone::Network, "240.0.0.1"),
            (Zone::Network, "255.255.255.255"),
            (Zone::Network, "[fc00::1]"),
            (Zone::Network, "[fd12::1]"),
            (Zone::Network, "[ff02::1]"),
            (Zone::Network, "[fec0::1]"),
            (Zone::Network, "[::ffff:10.0.0.1]"),
            (Zone::Network, "[64:ff9b::192.168.0.1]"),
            (Zone::Network, "[64:ff9b:1::10.0.0.1]"),
            (Zone::Public, "8.8.8.8"),
            (Zone::Public, "100.63.0.1"),
            (Zone::Public, "198.20.0.1"),
            (Zone::Public, "192.0.1.1"),
            (Zone::Public, "[2606:4700::1]"),
            (Zone::Public, "[64:ff9b::8.8.8.8]"),
        ];
        for (zone, address) in zones {
            let found: Vec<SocketAddr> = vec![format!("{address}:443").parse().unwrap()];
            for least in [Zone::Local, Zone::Network, Zone::Public] {
                assert_eq!(allowed(&found, least).is_some(), zone >= least, "{address} for {least:?}");
            }
            let url = Url::parse(&format!("https://{address}/")).unwrap();
            assert_eq!(Zone::of_host(url.host()), Some(zone), "{address}");
        }
        let mixed: Vec<SocketAddr> = ["10.0.0.1:443", "8.8.8.8:443"].map(|one| one.parse().unwrap()).into();
        assert_eq!(allowed(&mixed, Zone::Public), Some(mixed[1..].to_vec()));
        assert_eq!(allowed(&[], Zone::Public), Some(Vec::new()), "a name that has no address is not refused for it");
    }

    #[test]
    fn a_host_that_was_public_once_is_public() {
        let seen = Seen::default();
        let zone = |name: &str| seen.zone(&Url::parse(&format!("https://{name}/")).unwrap());
        assert_eq!(zone("r.example"), Zone::Public, "not looked up: a proxy's");
        seen.note("r.example", Zone::Network);
        assert_eq!(zone("r.example"), Zone::Network);
        seen.note("r.example", Zone::Public);
        seen.note("r.example", Zone::Local);
        assert_eq!(zone("r.example"), Zone::Public);
        assert_eq!((zone("a.localhost."), zone("10.0.0.1")), (Zone::Local, Zone::Network));
    }
}
