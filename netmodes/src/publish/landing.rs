//! Where a published port leads: which families the host binds, and how a packet gets to the container.
//!
//! ```text
//! the container has          host's IPv4             host's IPv6                          ::1
//! IPv4 and IPv6              translated              translated                           served, to IPv6
//! IPv4 alone                 translated              served, to IPv4                      served, to IPv4
//! IPv6 alone                 served, to IPv6         translated                           served, to IPv6
//! a routed network           open: no port of the host is bound, its own address is reached as it is
//! no way out (internal)      nothing is published
//! ```
//!
//! *Translated* is DNAT, an element of the firewall. *Served*: no translation leads from one family to the other, and none
//! comes back from ::1, as IPv6 has no route_localnet; so the monitor accepts, connects and passes bytes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Mapping, Ports};
use crate::nft::{Element, Family};

/// How strangers come to a container's addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// By ports of the host.
    Translated,
    /// By the address itself: only ports that are open (gateway mode `routed`).
    Routed,
}

/// What a container's network makes of its published ports. The default is one that publishes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// For its addresses of IPv4, if it has any and they have a way out.
    pub ipv4: Option<Gate>,
    /// The same for IPv6.
    pub ipv6: Option<Gate>,
    /// The host's address where `-p` names none (`host_binding_ipv4`); 0.0.0.0 and none at all are every address.
    pub at: Option<IpAddr>,
}

impl Landing {
    /// The addresses of the host at which ports are bound, one of each family that is asked for. `ipv6`: the host has
    /// that family.
    pub fn addresses(&self, mapping: &Mapping, ipv6: bool) -> Vec<IpAddr> {
        let mut addresses = self.wanted(mapping);
        // One that was named is bound or refused, whatever the host has.
        addresses.retain(|address| self.is_bound(*address) && (ipv6 || mapping.at.is_some() || address.is_ipv4()));
        addresses
    }

    /// The mappings that need no port of the host, one for each routed family that is asked for.
    pub fn open(&self, mapping: &Mapping) -> Vec<Mapping> {
        let is_open = |address: &IpAddr| self.gate(Family::of(*address)) == Some(Gate::Routed);
        let opened = |address: IpAddr| Mapping { at: Some(every(Family::of(address))), host: Ports::ANY, ..*mapping };
        self.wanted(mapping).into_iter().filter(is_open).map(opened).collect()
    }

    fn wanted(&self, mapping: &Mapping) -> Vec<IpAddr> {
        match mapping.at.or(self.at.filter(|at| !at.is_unspecified())) {
            Some(at) => vec![at],
            None => vec![every(Family::Ipv4), every(Family::Ipv6)],
        }
    }

    fn gate(&self, family: Family) -> Option<Gate> {
        if family == Family::Ipv4 { self.ipv4 } else { self.ipv6 }
    }

    /// Does a port at this address lead anywhere: by translation, or across to the other family?
    fn is_bound(&self, address: IpAddr) -> bool {
        match self.gate(Family::of(address)) {
            Some(gate) => gate == Gate::Translated,
            None => [self.ipv4, self.ipv6].contains(&Some(Gate::Translated)),
        }
    }
}

/// All addresses of a family.
fn every(family: Family) -> IpAddr {
    if family == Family::Ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The container's address of the family in which a mapping is bound.
fn same_family(mapping: &Mapping, addresses: &[IpAddr]) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == mapping.address().is_ipv4())
}

/// What the firewall holds of a mapping that is held or open; `addresses` are the container's. `None` for one that is
/// only served.
pub fn element(mapping: &Mapping, addresses: &[IpAddr]) -> Option<Element> {
    let to = same_family(mapping, addresses)?;
    let (protocol, to_port) = (mapping.protocol, mapping.container);
    if mapping.host == Ports::ANY {
        return Some(Element::Open { address: to, protocol, port: to_port });
    }
    let at = mapping.at.filter(|at| !at.is_unspecified());
    let element = Element::Publish { at, protocol, port: mapping.host.first, to, to_port };
    (at != Some(Ipv6Addr::LOCALHOST.into())).then_some(element)
}

/// Where the monitor passes on what comes to the mapping's socket; `None` if nothing comes there that is not translated.
pub fn served(mapping: &Mapping, addresses: &[IpAddr]) -> Option<SocketAddr> {
    let own = same_family(mapping, addresses);
    let at = mapping.address();
    // All addresses of IPv6 are ::1, too.
    let is_needed = own.is_none() || at.is_ipv6() && (at.is_unspecified() || at.is_loopback());
    let to = own.or(addresses.first().copied()).filter(|_| is_needed && mapping.host != Ports::ANY)?;
    Some(SocketAddr::new(to, mapping.container))
}

/// Whose address the container sees as the source of a connection to this port: the client's (`kept`), or the gateway's
/// (`masked`) and why.
pub fn source(mapping: &Mapping, addresses: &[IpAddr]) -> &'static str {
    let at = mapping.address();
    if mapping.host == Ports::ANY {
        return "kept";
    }
    if same_family(mapping, addresses).is_none() {
        return "masked: passed on by the monitor, from one family of addresses to the other";
    }
    match at {
        IpAddr::V4(at) if at.is_loopback() => "masked: an answer to 127.0.0.1 would not leave the container",
        IpAddr::V6(at) if at.is_loopback() => "masked: passed on by the monitor, as no translation leads from ::1",
        IpAddr::V4(at) if !at.is_unspecified() => "kept, except from its own network",
        IpAddr::V6(at) if !at.is_unspecified() => "kept, except from its own network",
        IpAddr::V4(_) => "kept, except from 127.0.0.1 and from its own network",
        IpAddr::V6(_) => "kept, except from ::1 and from its own network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::parse;

    const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 18, 0, 2));
    const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
    const NAT: Option<Gate> = Some(Gate::Translated);
    const ROUTED: Option<Gate> = Some(Gate::Routed);

    fn mapping(text: &str) -> Mapping {
        parse(text).unwrap()[0]
    }

    fn bound(landing: Landing, text: &str, ipv6: bool) -> String {
        let addresses = landing.addresses(&mapping(text), ipv6);
        addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_families_are_bound_where_something_leads_there() {
        let landing = |ipv4, ipv6| Landing { ipv4, ipv6, at: None };
        for (landing, want) in [
            (landing(NAT, None), "0.0.0.0 ::"),
            (landing(NAT, NAT), "0.0.0.0 ::"),
            (landing(None, NAT), "0.0.0.0 ::"),
            (landing(NAT, ROUTED), "0.0.0.0"),
            (landing(ROUTED, NAT), "::"),
            (landing(ROUTED, ROUTED), ""),
            (landing(ROUTED, None), ""),
            (landing(None, None), ""),
        ] {
            assert_eq!(bound(landing, "8080:80", true), want, "{landing:?}");
        }
        assert_eq!(bound(landing(NAT, NAT), "8080:80", false), "0.0.0.0", "a host without IPv6");
        assert_eq!(bound(landing(NAT, NAT), "[::1]:8080:80", false), "::1", "is refused when it is bound");
        assert_eq!(bound(landing(NAT, NAT), "127.0.0.1:8080:80", true), "127.0.0.1");
    }

    #[test]
    fn the_network_says_where_to_bind_if_nobody_else_does() {
        let at = |text: &str| Landing { ipv4: NAT, ipv6: NAT, at: Some(text.parse().unwrap()) };
        assert_eq!(bound(at("127.0.0.1"), "8080:80", true), "127.0.0.1");
        assert_eq!(bound(at("127.0.0.1"), "0.0.0.0:8080:80", true), "0.0.0.0");
        assert_eq!(bound(at("0.0.0.0"), "8080:80", true), "0.0.0.0 ::");
    }

    #[test]
    fn a_routed_network_opens_the_container_s_own_port() {
        let landing = Landing { ipv4: NAT, ipv6: ROUTED, at: None };
        let open = landing.open(&mapping("8080:80"));
        assert_eq!(open.iter().map(Mapping::place).collect::<Vec<_>>(), ["[::]:"]);
        assert!(landing.open(&mapping("127.0.0.1:8080:80")).is_empty(), "IPv4 alone was asked for");
        assert_eq!(element(&open[0], &[FOUR, SIX]).unwrap().to_string(), "inet pontoon open6 { fd00::2 . tcp . 80 }");
        assert_eq!((served(&open[0], &[FOUR, SIX]), source(&open[0], &[FOUR, SIX])), (None, "kept"));
    }

    #[test]
    fn how_each_address_of_the_host_leads_to_each_kind_of_container() {
        let told = |text: &str, addresses: &[IpAddr]| {
            let mapping = mapping(text);
            let set = element(&mapping, addresses).map_or("-", |element| element.set());
            format!(
                "{set} {} {}",
                served(&mapping, addresses).map_or("-".into(), |to| to.to_string()),
                source(&mapping, addresses)
            )
        };
        let mut lines = Vec::new();
        for at in ["0.0.0.0", "127.0.0.1", "192.0.2.1", "[::]", "[::1]", "[2001:db8::1]"] {
            for (name, addresses) in [("both", &[FOUR, SIX][..]), ("IPv4", &[FOUR]), ("IPv6", &[SIX])] {
                lines.push(format!("{at} {name}: {}", told(&format!("{at}:8080:80"), addresses)));
            }
        }
        insta::assert_snapshot!(lines.join("\n"));
    }
}
