//! Network modes: pure functions from a request to a plan.
//!
//! ```text
//! --network    plan
//! bridge, X    namespace   own: lo, resolver, name for `ip netns`         once a container
//!              bridge      shared: table, bridge, gateway                 once a network that it is attached to
//!                          own: elements, veth, addresses
//!              outlet      own: default routes, published ports           once: one of the networks is the way out
//! p2p network  own: a cable into the other container, addresses, routes   by whoever comes second
//! none         own: lo
//! host         nothing: the container has the host's namespace
//! container:X  nothing: the container has X's namespace
//! ```

pub mod bridge;
pub mod container;
pub mod host;
pub mod links;
pub mod namespace;
pub mod none;
pub mod outlet;
pub mod p2p;

use std::net::{IpAddr, Ipv4Addr};

use crate::address::Mac;
use crate::facts::Facts;
use crate::network::Network;
use crate::plan::{Place, Step};

/// What is asked for a container's attachment to one network.
#[derive(Clone, Debug)]
pub struct Request {
    /// The container's id, 64 hexadecimal digits.
    pub container: String,
    /// Its name, for the names of the host's devices and of its namespace.
    pub name: String,
    /// Unique per start, so that the host end of a veth never meets its predecessor, which lives on for a while.
    pub start: u64,
    /// The name of its interface: `eth0`.
    pub interface: String,
    /// The addresses that were leased for it: at most one of each family, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// `--mac-address`; without it, one that derives from the address.
    pub mac: Option<Mac>,
}

impl Request {
    /// The hardware address of the container's end. A network of IPv6 alone has no IPv4 address to derive it from: the
    /// last four bytes of the other one serve as well.
    pub fn mac(&self) -> Mac {
        let derived = match self.addresses.first() {
            Some(IpAddr::V4(v4)) => *v4,
            Some(IpAddr::V6(v6)) => Ipv4Addr::from_bits(v6.to_bits() as u32),
            None => Ipv4Addr::UNSPECIFIED,
        };
        self.mac.unwrap_or(Mac::of_address(derived))
    }
}

/// The random ports of the resolver at 127.0.0.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverPorts {
    /// UDP
    pub udp: u16,
    /// TCP
    pub tcp: u16,
}

/// What a network has whoever is on it. A cable has nothing before there are two.
pub fn shared(network: &Network, facts: &Facts) -> Vec<Step> {
    if network.is_cable() { Vec::new() } else { bridge::shared(network, facts) }
}

/// The name for `ip netns`.
fn named_netns(name: &str, target: Option<&String>) -> Option<Step> {
    target.map(|target| Step::NamedNetns { name: name.into(), target: target.clone() })
}

/// A container has IPv6 on the devices that lead to networks with IPv6, and on lo as soon as there is one. Addresses
/// are usable at once, and the link-local one is that which the firewall knows.
fn with_ipv6(place: Place, interface: &str) -> Vec<Step> {
    let sysctl = |device: &str, key: &str| Step::Sysctl {
        place,
        key: format!("net/ipv6/conf/{device}/{key}"),
        value: "0".into(),
    };
    vec![
        sysctl("lo", "disable_ipv6"),
        sysctl(interface, "accept_dad"),
        sysctl(interface, "addr_gen_mode"),
        sysctl(interface, "disable_ipv6"),
    ]
}

/// `lo` up, in the container.
fn loopback() -> Step {
    Step::Up { place: Place::Container, device: "lo".into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::publish::parse;

    pub(crate) fn request() -> Request {
        Request {
            container: "c0ffee".repeat(11)[..64].into(),
            name: "web".into(),
            start: 7,
            interface: "eth0".into(),
            addresses: vec![[172, 18, 0, 2].into()],
            mac: None,
        }
    }

    pub(crate) fn network() -> Network {
        Network::sample("my-net", "172.18.0.0/16")
    }

    pub(crate) fn facts() -> Facts {
        Facts { mtu: 1500, bridge_table: true, ..Facts::default() }
    }

    /// A container's plan on one network, as a start puts it together.
    pub(crate) fn whole(request: &Request, network: &Network, facts: &Facts, ports: &[&str]) -> Plan {
        let namespace = namespace::Namespace {
            name: request.name.clone(),
            resolver: Some(ResolverPorts { udp: 40001, tcp: 40002 }),
            netns: Some("/proc/412/fd/7".into()),
        };
        let leg = outlet::Leg { interface: &request.interface, addresses: &request.addresses, network, priority: 0 };
        let mappings: Vec<_> = ports.iter().flat_map(|text| parse(text).unwrap()).collect();
        let attached = bridge::plan(request, network, facts);
        let outlet = outlet::plan(&[leg], &mappings);
        Plan { shared: attached.shared, own: [namespace::plan(&namespace), attached.own, outlet].concat() }
    }

    /// The plan of a container that publishes nothing.
    pub(crate) fn bridge_plan() -> Plan {
        whole(&request(), &network(), &facts(), &[])
    }

    /// The plan of one that publishes a port on all addresses and one on loopback.
    pub(crate) fn published() -> Plan {
        whole(&request(), &network(), &facts(), &["8080:80", "127.0.0.1:53:53/udp"])
    }
}
