//! Network modes: pure functions from a request to a plan.
//!
//! ```text
//! --network    plan
//! bridge, X    shared: table, bridge, gateway     own: elements, veth, address, route, ports, resolver
//! none         own: lo
//! host         nothing: the container has the host's namespace
//! container:X  nothing: the container has X's namespace
//! ```

pub mod bridge;
pub mod container;
pub mod host;
pub mod none;

use std::net::IpAddr;

use crate::plan::{Place, Step};
use crate::publish::Mapping;

/// What is asked for a container's attachment to its network.
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
    /// The address that was leased for it.
    pub address: IpAddr,
    /// Ports to publish, each held already (see [`crate::publish::hold`]).
    pub mappings: Vec<Mapping>,
    /// Where its resolver listens; none on the default network, as in Docker.
    pub resolver: Option<ResolverPorts>,
    /// What /run/netns/NAME is to point to; none to leave it out.
    pub netns: Option<String>,
}

/// The random ports of the resolver at 127.0.0.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverPorts {
    /// UDP
    pub udp: u16,
    /// TCP
    pub tcp: u16,
}

/// The name for `ip netns`.
fn named_netns(name: &str, target: Option<&String>) -> Option<Step> {
    target.map(|target| Step::NamedNetns { name: name.into(), target: target.clone() })
}

/// `lo` up, in the container.
fn loopback() -> Step {
    Step::Up { place: Place::Container, device: "lo".into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::network::Network;
    use crate::plan::Plan;
    use crate::publish::parse;

    pub(crate) fn request(mappings: &[&str]) -> Request {
        Request {
            container: "c0ffee".repeat(11)[..64].into(),
            name: "web".into(),
            start: 7,
            interface: "eth0".into(),
            address: [172, 18, 0, 2].into(),
            mappings: mappings.iter().flat_map(|text| parse(text).unwrap()).collect(),
            resolver: Some(ResolverPorts { udp: 40001, tcp: 40002 }),
            netns: Some("/proc/412/fd/7".into()),
        }
    }

    pub(crate) fn network() -> Network {
        Network::sample("my-net", "172.18.0.0/16")
    }

    pub(crate) fn facts() -> Facts {
        Facts { mtu: 1500, bridge_table: true }
    }

    /// The plan of a container that publishes nothing.
    pub(crate) fn bridge_plan() -> Plan {
        bridge::plan(&request(&[]), &network(), &facts())
    }

    /// The plan of one that publishes a port on all addresses and one on loopback.
    pub(crate) fn published() -> Plan {
        bridge::plan(&request(&["8080:80", "127.0.0.1:53:53/udp"]), &network(), &facts())
    }
}
