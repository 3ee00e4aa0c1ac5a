//! A network of the driver p2p: a cable from one container straight into another one.
//!
//! ```text
//! container a                                            container b
//!  eth0 10.1.1.0/32 ==================================== eth0 10.1.1.1/32
//!  10.1.1.1 dev eth0                                     10.1.1.0 dev eth0
//! ```
//!
//! No bridge, no host device, no firewall: nobody else is on it. The one who comes second lays the cable, as only then
//! both namespaces are there; the first has nothing but its address until then. When one of them ends its namespace takes
//! the cable along, and whichever comes back finds the other one and lays it anew.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Request, with_ipv6};
use crate::address::{Cidr, Mac};
use crate::network::Network;
use crate::plan::{Place, Plan, Step};

/// In bytes, where nothing else was asked for: nothing but these two is on the way.
const MTU: u32 = 1500;

/// One end of a cable, as the other one has to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The container's name.
    pub container: String,
    /// Its device.
    pub interface: String,
    /// Its addresses: at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: Mac,
}

impl End {
    /// This container's own.
    pub fn of(request: &Request) -> End {
        End {
            container: request.name.clone(),
            interface: request.interface.clone(),
            addresses: request.addresses.clone(),
            mac: request.mac(),
        }
    }
}

/// Everything is this container's; nothing at all while it is alone.
pub fn plan(request: &Request, network: &Network, far: Option<&End>) -> Plan {
    let Some(far) = far else { return Plan::default() };
    let near = End::of(request);
    let mut own = vec![Step::Cable {
        name: near.interface.clone(),
        mac: near.mac,
        peer: far.interface.clone(),
        peer_mac: far.mac,
        mtu: network.mtu.unwrap_or(MTU),
        alias: format!("pontoon network {}", network.name),
        to: far.container.clone(),
    }];
    own.extend(side(Place::Container, &near, far));
    own.extend(side(Place::Peer, far, &near));
    Plan { shared: Vec::new(), own }
}

/// What one container has of it: its addresses, and a route to each of the other one's.
fn side(place: Place, here: &End, there: &End) -> Vec<Step> {
    let device = || here.interface.clone();
    let host = |address: IpAddr| Cidr { address, prefix: if address.is_ipv4() { 32 } else { 128 } };
    let mut steps = Vec::new();
    if here.addresses.iter().any(IpAddr::is_ipv6) {
        steps.extend(with_ipv6(place, &here.interface));
    }
    let address = |address: &IpAddr| Step::Address { place, device: device(), address: host(*address), on_link: true };
    steps.extend(here.addresses.iter().map(address));
    steps.push(Step::Up { place, device: device() });
    let route = |address: &IpAddr| Step::Route { place, device: device(), to: Some(host(*address)), via: None };
    steps.extend(there.addresses.iter().map(route));
    steps
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    #[test]
    fn the_second_one_lays_the_cable() {
        let network = Network::sample("link1", "10.1.1.0/30");
        let near = Request { addresses: vec![[10, 1, 1, 1].into()], ..request() };
        let far = End {
            container: "db".into(),
            interface: "eth1".into(),
            addresses: vec![[10, 1, 1, 2].into()],
            mac: Mac([2, 0, 0, 0, 0, 1]),
        };
        assert!(plan(&near, &network, None).own.is_empty());
        insta::assert_snapshot!(plan(&near, &network, Some(&far)).to_string().trim_end(), @r#"
        peer=db
        ip -n "$netns" link add eth0 address 02:42:0a:01:01:01 mtu 1500 type veth peer eth1 address 02:00:00:00:00:01 mtu 1500 netns "$peer"
        ip -n "$netns" link set eth0 alias 'pontoon network link1'
        ip -n "$peer" link set eth1 alias 'pontoon network link1'
        ip -n "$netns" addr add 10.1.1.1/32 brd + dev eth0
        ip -n "$netns" link set eth0 up
        ip -n "$netns" route add 10.1.1.2/32 dev eth0
        ip -n "$peer" addr add 10.1.1.2/32 brd + dev eth1
        ip -n "$peer" link set eth1 up
        ip -n "$peer" route add 10.1.1.1/32 dev eth1
        "#);
    }
}
