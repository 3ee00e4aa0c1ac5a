//! `--network bridge` and networks of one's own: a veth to a bridge that is the way out.
//!
//! ```text
//! host                                              container
//!  eth0 <-- masquerade -- br-a 172.18.0.1/16
//!                          |- web.1k3f9 ============ eth0 172.18.0.2/16, default via 172.18.0.1
//!                          `- db.77x0c  ============ (another one's)
//!  :8080 -- publish4 { tcp . 8080 : 172.18.0.2 . 80 } --^
//! ```
//!
//! Order matters in two places. `enter` comes first: an element that is missing means open. What a container may say
//! (`own4`) is there before its link is up.

use std::net::{IpAddr, Ipv4Addr};

use super::Request;
use crate::address::{Cidr, Mac};
use crate::facts::Facts;
use crate::network::Network;
use crate::nft::{Element, Family, Verdict};
use crate::plan::{Place, Plan, Step};

/// The network's objects, and what attaches this container to it.
pub fn plan(request: &Request, network: &Network, facts: &Facts) -> Plan {
    Plan { shared: shared(network, facts), own: own(request, network, facts) }
}

/// The network's objects alone, for `network create`.
pub fn shared(network: &Network, facts: &Facts) -> Vec<Step> {
    let mut steps = vec![Step::Table { bridge: facts.bridge_table }];
    steps.extend(network_elements(network).into_iter().map(Step::Element));
    steps.push(Step::Bridge {
        name: network.bridge.clone(),
        mac: Mac::of_network(&network.id),
        mtu: facts.mtu,
        alias: format!("pontoon network {} {}", network.name, &network.id[..12]),
    });
    steps.extend(settings(&network.bridge));
    let gateways = network.subnets.iter().map(|subnet| Step::Address {
        place: Place::Host,
        device: network.bridge.clone(),
        address: subnet.gateway_cidr(),
        on_link: true,
    });
    steps.extend(gateways);
    steps.push(Step::Up { place: Place::Host, device: network.bridge.clone() });
    steps
}

/// Who may come in from where, and under which address packets leave.
fn network_elements(network: &Network) -> Vec<Element> {
    let device = || network.bridge.clone();
    let families = [Family::Ipv4, Family::Ipv6];
    let enter = families.map(|family| Element::Enter { family, device: device(), verdict: Verdict::Published });
    let verdict = if network.icc { Verdict::Accept } else { Verdict::Links };
    let mut elements = enter.to_vec();
    elements.push(Element::Between { from: device(), to: device(), verdict });
    elements.push(Element::Bridge { device: device() });
    if network.masquerade {
        elements.extend(families.map(|family| Element::Hidden { family, device: device() }));
    }
    elements
}

/// No router advertisement is believed, a network without IPv6 has no link-local address either; 127.0.0.1 may be a
/// published address (`guard` drops what comes with it from a wire); the host forwards, and goes on to do so.
fn settings(bridge: &str) -> Vec<Step> {
    let sysctl = |key: String, value: &str| Step::Sysctl { place: Place::Host, key, value: value.into() };
    vec![
        sysctl(format!("net/ipv6/conf/{bridge}/accept_ra"), "0"),
        sysctl(format!("net/ipv6/conf/{bridge}/disable_ipv6"), "1"),
        sysctl(format!("net/ipv4/conf/{bridge}/route_localnet"), "1"),
        sysctl("net/ipv4/ip_forward".into(), "1"),
    ]
}

/// What is this attachment's alone.
fn own(request: &Request, network: &Network, facts: &Facts) -> Vec<Step> {
    let veth = host_end(request);
    let mut steps: Vec<Step> = speaking(request, network, facts, &veth).into_iter().map(Step::Element).collect();
    steps.push(Step::Veth {
        name: veth,
        peer: request.interface.clone(),
        bridge: network.bridge.clone(),
        mac: request.mac(),
        mtu: facts.mtu,
        isolated: !network.icc,
        alias: format!("pontoon container {} network {}", request.name, network.name),
    });
    steps.extend(inside(request, network));
    steps
}

/// Which source addresses may come from this bridge, and from this port of it. 0.0.0.0 is that of an ARP probe.
fn speaking(request: &Request, network: &Network, facts: &Facts, veth: &str) -> Vec<Element> {
    let own = |address: &IpAddr| Element::Own { device: network.bridge.clone(), address: *address };
    let mut elements: Vec<Element> = request.addresses.iter().map(own).collect();
    if facts.bridge_table {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let speaks = |address: &IpAddr| Element::Speaks { device: veth.into(), mac: request.mac(), address: *address };
        elements.extend(request.addresses.iter().chain([&unspecified]).map(speaks));
        elements.push(Element::Port { device: veth.into() });
    }
    elements
}

/// Addresses in the container, and the routes to the link. Where neighbours are isolated (icc=false) they are reached by
/// the gateway, so there is no route to the link but to the gateway itself. Which network has the default route, is not
/// known here: see [`super::outlet`].
fn inside(request: &Request, network: &Network) -> Vec<Step> {
    let device = || request.interface.clone();
    let route = |to, via| Step::Route { place: Place::Container, device: device(), to, via };
    let leases = request.addresses.iter().filter_map(|address| network.leased(*address));
    let mut steps: Vec<Step> = Vec::new();
    let mut routes = Vec::new();
    for lease in leases {
        let address = Cidr { address: lease.address, prefix: lease.prefix };
        steps.push(Step::Address { place: Place::Container, device: device(), address, on_link: network.icc });
        if let (false, Some(gateway)) = (network.icc, lease.gateway) {
            routes.push(route(Some(Cidr { address: gateway, prefix: if gateway.is_ipv4() { 32 } else { 128 } }), None));
            routes.push(route(Some(address.network()), Some(gateway)));
        }
    }
    steps.push(Step::Up { place: Place::Container, device: device() });
    steps.extend(routes);
    steps
}

/// `web.1k3f9`: the name, cut so that it fits fifteen bytes with a tail that is unique per container and start.
fn host_end(request: &Request) -> String {
    let seed = request.container.bytes().chain(request.interface.bytes()).chain(request.start.to_be_bytes());
    // FNV-1a, 64 bits: spreads well and needs no key; nobody attacks the names of his own devices.
    let mut hash =
        seed.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut tail = String::new();
    for _ in 0..5 {
        // The remainder is below 36, so it is a digit of that base.
        tail.push(char::from_digit((hash % 36) as u32, 36).unwrap_or('0'));
        hash /= 36;
    }
    let name: String = request.name.chars().filter(char::is_ascii).take(9).collect();
    format!("{name}.{tail}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bridge_plan, facts, network, published, request, whole};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_whole_plan_of_a_container_with_ports() {
        insta::assert_snapshot!(published().to_string());
    }

    #[test]
    fn without_bridge_tables_nothing_goes_into_them() {
        let facts = Facts { bridge_table: false, mtu: 1400 };
        insta::assert_snapshot!(whole(&request(), &network(), &facts, &[]).to_string());
    }

    #[test]
    fn without_icc_ports_are_isolated_and_neighbours_are_behind_the_gateway() {
        let network = Network { icc: false, masquerade: false, ..network() };
        insta::assert_snapshot!(whole(&request(), &network, &facts(), &[]).to_string());
    }

    #[test]
    fn no_two_steps_are_the_same_object() {
        let plan = published();
        let steps: Vec<_> = plan.shared.iter().chain(&plan.own).collect();
        assert_eq!(steps.iter().map(|step| step.key()).collect::<BTreeSet<_>>().len(), steps.len());
    }

    #[test]
    fn a_plan_survives_its_journal() {
        let plan = published();
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn the_host_end_fits_and_differs_at_every_start() {
        let mut names = BTreeSet::new();
        for start in 0..1000 {
            let name = host_end(&Request { start, name: "a-very-long-name".into(), ..request() });
            assert!(name.len() == 15 && name.starts_with("a-very-lo."), "{name}");
            names.insert(name);
        }
        assert_eq!(names.len(), 1000);
    }

    #[test]
    fn what_a_container_may_say_is_known_before_it_can_speak() {
        let steps = bridge_plan().own;
        let at = |wanted: &dyn Fn(&Step) -> bool| steps.iter().position(wanted).unwrap();
        let own = at(&|step| matches!(step, Step::Element(Element::Own { .. })));
        let port = at(&|step| matches!(step, Step::Element(Element::Port { .. })));
        let veth = at(&|step| matches!(step, Step::Veth { .. }));
        assert!(own < veth && port < veth);
    }
}
