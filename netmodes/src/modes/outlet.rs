//! The way out: which of a container's networks has its default route, and with it its published ports.
//!
//! ```text
//! networks, in the order of the words    gw-priority   a gateway?         family IPv4      family IPv6
//!   front   172.18.0.0/16                     0        172.18.0.1         default route
//!   back    172.19.0.0/16 fd00:1::/64         0        both                                default route
//!   inner   172.20.0.0/16 (internal)         10        none               never            never
//! ```
//!
//! For each family it is the network with the highest priority among those that have a gateway; of equals, the one that
//! was named first, so that the same words always make the same container. Ports are published where the default route
//! is: an answer that left by another network would carry an address that is not its own there.

use std::net::IpAddr;

use crate::network::{GatewayMode, Network};
use crate::nft::Family;
use crate::plan::{Place, Step};
use crate::publish::{self, Gate, Landing, Mapping};

/// An attachment, as the way out sees it.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'a> {
    /// The container's device: `eth0`.
    pub interface: &'a str,
    /// Its addresses there.
    pub addresses: &'a [IpAddr],
    /// What it is attached to.
    pub network: &'a Network,
    /// `gw-priority`
    pub priority: i32,
}

/// One family's way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlet<'a> {
    /// The container's device.
    pub interface: &'a str,
    /// The container's address on that network: where published ports lead.
    pub address: IpAddr,
    /// The next hop.
    pub gateway: IpAddr,
    /// The network.
    pub network: &'a Network,
}

/// The way out for IPv4, or for IPv6; none if no network has a gateway for it.
pub fn choose<'a>(legs: &[Leg<'a>], ipv6: bool) -> Option<Outlet<'a>> {
    let outlet = |leg: &Leg<'a>| {
        let address = leg.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6)?;
        let gateway = leg.network.leased(address)?.gateway?;
        Some((leg.priority, Outlet { interface: leg.interface, address, gateway, network: leg.network }))
    };
    let all: Vec<(i32, Outlet<'a>)> = legs.iter().filter_map(outlet).collect();
    // Of several greatest ones `max_by_key` takes the last.
    all.into_iter().rev().max_by_key(|(priority, _)| *priority).map(|(_, outlet)| outlet)
}

/// Default routes and published ports.
pub fn plan(legs: &[Leg<'_>], mappings: &[Mapping]) -> Vec<Step> {
    let routes = all(legs).map(|outlet| Step::Route {
        place: Place::Container,
        device: outlet.interface.into(),
        to: None,
        via: Some(outlet.gateway),
    });
    routes.chain(published(mappings, &addresses(legs))).collect()
}

/// The published ports alone, towards the container's [`addresses`].
pub fn published(mappings: &[Mapping], addresses: &[IpAddr]) -> Vec<Step> {
    mappings.iter().filter_map(|mapping| publish::element(mapping, addresses)).map(Step::Element).collect()
}

/// Where published ports lead: at most one address of each family, IPv4 first.
pub fn addresses(legs: &[Leg<'_>]) -> Vec<IpAddr> {
    all(legs).map(|outlet| outlet.address).collect()
}

/// What the networks that are the way out make of published ports.
pub fn landing(legs: &[Leg<'_>]) -> Landing {
    let gate = |ipv6| {
        let outlet = choose(legs, ipv6)?;
        let mode = outlet.network.gateway_mode(Family::of(outlet.address));
        Some(if mode == GatewayMode::Routed { Gate::Routed } else { Gate::Translated })
    };
    let binding = choose(legs, false).and_then(|outlet| outlet.network.binding);
    Landing { ipv4: gate(false), ipv6: gate(true), at: binding }
}

fn all<'a>(legs: &[Leg<'a>]) -> impl Iterator<Item = Outlet<'a>> {
    [false, true].into_iter().filter_map(|ipv6| choose(legs, ipv6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_says_how_ports_are_published() {
        let addresses = [IpAddr::from([172, 18, 0, 2])];
        let landed =
            |network: &Network| landing(&[Leg { interface: "eth0", addresses: &addresses, network, priority: 0 }]);
        let network = Network::sample("n", "172.18.0.0/16");
        let translated = Landing { ipv4: Some(Gate::Translated), ipv6: None, at: None };
        assert_eq!(landed(&network), translated);
        let routed = Network { gateway_mode_ipv4: GatewayMode::Routed, ..network.clone() };
        assert_eq!(landed(&routed), Landing { ipv4: Some(Gate::Routed), ..translated });
        let at = Some([127, 0, 0, 1].into());
        assert_eq!(landed(&Network { binding: at, ..network.clone() }), Landing { at, ..translated });
        assert_eq!(landed(&Network { internal: true, ..network }), Landing::default());
    }

    #[test]
    fn the_first_of_the_highest_priority_is_the_way_out() {
        let networks = ["172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"].map(|subnet| Network::sample("n", subnet));
        let addresses = [[172, 18, 0, 2], [172, 19, 0, 2], [172, 20, 0, 2]].map(|address| [IpAddr::from(address)]);
        let chosen = |priorities: [i32; 3]| {
            let interfaces = ["eth0", "eth1", "eth2"];
            let leg = |n: usize| Leg {
                interface: interfaces[n],
                addresses: &addresses[n],
                network: &networks[n],
                priority: priorities[n],
            };
            let legs = [leg(0), leg(1), leg(2)];
            assert_eq!(choose(&legs, true), None);
            choose(&legs, false).map(|outlet| outlet.interface.to_owned())
        };
        assert_eq!(chosen([0, 0, 0]).as_deref(), Some("eth0"));
        assert_eq!(chosen([0, 1, 1]).as_deref(), Some("eth1"));
        assert_eq!(chosen([-1, -2, 0]).as_deref(), Some("eth2"));
    }
}
