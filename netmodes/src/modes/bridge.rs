//! `--network bridge` and networks of one's own: a veth to a bridge that is the way out.
//!
//! ```text
//! host                                              container
//!  eth0 <-- masquerade -- br-a 172.18.0.1/16
//!                          |   fd00:a::1/64
//!                          |- web.1k3f9 ============ eth0 172.18.0.2/16, fd00:a::2/64
//!                          `- db.77x0c  ============ (another one's)
//! ```
//!
//! What the firewall says of a network, in each family that it has:
//!
//! ```text
//! gateway mode       enter               hidden   bridge's address
//! nat                goto published      yes      yes                internal: goto refused, not hidden, `internal`
//! routed             goto routed         no       yes
//! nat-unprotected    accept              yes      yes
//! isolated           goto refused        no       no
//! ```
//!
//! Order matters in three places. `enter` comes first: an element that is missing means open. What a container may say
//! (`own4`) is there before its link is up. Devices that learn their routers from advertisements are told to go on with
//! it (accept_ra = 2) before the host forwards IPv6, or it would forget them (net/ipv6: rt6_purge_dflt_routers).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Request, with_ipv6};
use crate::address::{Cidr, Mac};
use crate::facts::Facts;
use crate::network::{GatewayMode, Network};
use crate::nft::{Element, Family, Verdict};
use crate::plan::{Place, Plan, Step};

/// Both, IPv4 first.
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

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
    steps.extend(settings(network, facts));
    let gateways = network.subnets.iter().filter(|subnet| network.bridge_has(subnet)).map(|subnet| Step::Address {
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
    let enter = |family| Element::Enter { family, device: device(), verdict: enter(network, family) };
    let between = |from, verdict| Element::Between { from, to: device(), verdict };
    let mut elements = FAMILIES.map(enter).to_vec();
    elements.push(between(device(), if network.icc { Verdict::Accept } else { Verdict::Links }));
    elements.extend(network.trusted.iter().map(|trusted| between(trusted.clone(), Verdict::Accept)));
    elements.push(Element::Bridge { device: device() });
    if network.internal {
        elements.push(Element::Internal { device: device() });
    }
    let hidden = FAMILIES.into_iter().filter(|family| network.subnet(*family).is_some() && network.is_hidden(*family));
    elements.extend(hidden.map(|family| Element::Hidden { family, device: device() }));
    elements
}

/// What strangers may do who want in. A family that the network does not have is shut like one that nobody has opened.
fn enter(network: &Network, family: Family) -> Verdict {
    match network.gateway_mode(family) {
        _ if network.internal => Verdict::Refused,
        GatewayMode::Nat => Verdict::Published,
        GatewayMode::Routed => Verdict::Routed,
        GatewayMode::NatUnprotected => Verdict::Accept,
        GatewayMode::Isolated => Verdict::Refused,
    }
}

/// No router advertisement is believed; a bridge without IPv6 has no link-local address either; 127.0.0.1 may be a
/// published address (`guard` drops what comes with it from a wire); the host forwards, and goes on to do so.
fn settings(network: &Network, facts: &Facts) -> Vec<Step> {
    let bridge = &network.bridge;
    let sysctl = |key: String, value: &str| Step::Sysctl { place: Place::Host, key, value: value.into() };
    let speaks_ipv6 = network.subnet(Family::Ipv6).is_some_and(|subnet| network.bridge_has(subnet));
    let mut steps = vec![sysctl(format!("net/ipv6/conf/{bridge}/accept_ra"), "0")];
    if speaks_ipv6 {
        steps.push(sysctl(format!("net/ipv6/conf/{bridge}/accept_dad"), "0"));
    }
    steps.push(sysctl(format!("net/ipv6/conf/{bridge}/disable_ipv6"), if speaks_ipv6 { "0" } else { "1" }));
    steps.push(sysctl(format!("net/ipv4/conf/{bridge}/route_localnet"), "1"));
    steps.push(sysctl("net/ipv4/ip_forward".into(), "1"));
    if speaks_ipv6 {
        let believers = facts.believers.iter();
        steps.extend(believers.map(|device| sysctl(format!("net/ipv6/conf/{device}/accept_ra"), "2")));
        steps.push(sysctl("net/ipv6/conf/all/forwarding".into(), "1"));
    }
    steps
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
        alias: alias(&request.name, &network.name),
    });
    steps.extend(inside(request, network));
    steps
}

/// Which source addresses may come from this bridge, and from this port of it.
fn speaking(request: &Request, network: &Network, facts: &Facts, veth: &str) -> Vec<Element> {
    let own = |address: &IpAddr| Element::Own { device: network.bridge.clone(), address: *address };
    let mut elements: Vec<Element> = request.addresses.iter().map(own).collect();
    if facts.bridge_table {
        let mac = request.mac();
        let device = || veth.to_string();
        let spoken = request.addresses.iter().flat_map(|address| spoken(*address, mac));
        elements.extend(spoken.map(|address| Element::Speaks { device: device(), mac, address }));
        let ipv6 = request.addresses.iter().filter_map(|address| match address {
            IpAddr::V6(v6) => Some(*v6),
            IpAddr::V4(_) => None,
        });
        let mine = ipv6.flat_map(|address| [address, link_local(mac)]);
        elements.extend(mine.map(|address| Element::Advertises { device: device(), mac, address }));
        elements.push(Element::Port { device: device() });
    }
    elements
}

/// What a device says as a source that has this address: also 0.0.0.0 (an ARP probe), or :: and the link-local address
/// that the kernel makes of the hardware address (neighbour discovery).
fn spoken(address: IpAddr, mac: Mac) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(_) => vec![address, Ipv4Addr::UNSPECIFIED.into()],
        IpAddr::V6(_) => vec![address, link_local(mac).into(), Ipv6Addr::UNSPECIFIED.into()],
    }
}

/// fe80::/64 and the modified EUI-64 of the hardware address (RFC 4291, appendix A), as addr_gen_mode 0 makes it.
fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// Addresses in the container, and the routes to the link. Where neighbours are isolated (icc=false) they are reached by
/// the gateway, so there is no route to the link but to the gateway itself. Which network has the default route, is not
/// known here: see [`super::outlet`].
fn inside(request: &Request, network: &Network) -> Vec<Step> {
    let device = || request.interface.clone();
    let route = |to, via| Step::Route { place: Place::Container, device: device(), to, via };
    let mut steps: Vec<Step> = Vec::new();
    let mut routes = Vec::new();
    if request.addresses.iter().any(IpAddr::is_ipv6) {
        steps.extend(with_ipv6(Place::Container, &request.interface));
    }
    for (address, subnet) in
        request.addresses.iter().filter_map(|address| Some((*address, network.subnet_of(*address)?)))
    {
        let address = Cidr { address, prefix: subnet.subnet.prefix };
        steps.push(Step::Address { place: Place::Container, device: device(), address, on_link: network.icc });
        if !network.icc && network.bridge_has(subnet) {
            routes.push(route(Some(Cidr::host(subnet.gateway)), None));
            routes.push(route(Some(subnet.subnet), Some(subnet.gateway)));
        }
    }
    steps.push(Step::Up { place: Place::Container, device: device() });
    steps.extend(routes);
    steps
}

/// What the host's end of a container's cable is, for whoever finds it with `ip link`.
pub fn alias(container: &str, network: &str) -> String {
    format!("pontoon container {container} network {network}")
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
    use crate::subnet::Subnet;
    use std::collections::BTreeSet;

    #[test]
    fn the_whole_plan_of_a_container_with_ports() {
        insta::assert_snapshot!(published().to_string());
    }

    #[test]
    fn without_bridge_tables_nothing_goes_into_them() {
        let facts = Facts { bridge_table: false, mtu: 1400, ..Facts::default() };
        insta::assert_snapshot!(whole(&request(), &network(), &facts, &[]).to_string());
    }

    #[test]
    fn without_icc_ports_are_isolated_and_neighbours_are_behind_the_gateway() {
        let network = Network { icc: false, masquerade: false, ..network() };
        insta::assert_snapshot!(whole(&request(), &network, &facts(), &[]).to_string());
    }

    /// A network of both families, and who asks for a place on it.
    fn dual() -> (Request, Network) {
        let mut network = network();
        network.subnets.push(Subnet::plain("fd00:a::/64".parse().unwrap()));
        let addresses = vec![[172, 18, 0, 2].into(), "fd00:a::2".parse().unwrap()];
        (Request { addresses, ..request() }, network)
    }

    #[test]
    fn both_families_are_one_plan() {
        let (request, network) = dual();
        let facts = Facts { believers: vec!["eth0".into()], ..facts() };
        insta::assert_snapshot!(whole(&request, &network, &facts, &[]).to_string());
    }

    #[test]
    fn both_families_without_icc_are_one_plan() {
        let (request, network) = dual();
        insta::assert_snapshot!(whole(&request, &Network { icc: false, ..network }, &facts(), &[]).to_string());
    }

    #[test]
    fn an_internal_network_has_no_way_out() {
        let (request, network) = dual();
        insta::assert_snapshot!(whole(&request, &Network { internal: true, ..network }, &facts(), &[]).to_string());
    }

    #[test]
    fn an_internal_network_that_is_isolated_has_no_gateway_either() {
        let (request, network) = dual();
        let isolated = GatewayMode::Isolated;
        let network = Network { internal: true, gateway_mode_ipv4: isolated, gateway_mode_ipv6: isolated, ..network };
        let plan = whole(&request, &network, &facts(), &[]);
        let is_address = |step: &&Step| matches!(step, Step::Address { place: Place::Host, .. } | Step::Route { .. });
        assert_eq!(plan.shared.iter().chain(&plan.own).filter(is_address).count(), 0);
        assert!(plan.shared.iter().any(|step| step.to_string().contains("disable_ipv6=1")));
    }

    #[test]
    fn gateway_modes_say_who_comes_in_and_who_is_hidden() {
        let (_, network) = dual();
        let said = |mode, internal| {
            let network = Network { gateway_mode_ipv4: mode, internal, ..network.clone() };
            let elements = network_elements(&network);
            let ipv4 = elements.iter().filter_map(|element| match element {
                Element::Enter { family: Family::Ipv4, verdict, .. } => Some(verdict.to_string()),
                Element::Hidden { family: Family::Ipv4, .. } => Some("hidden".to_string()),
                _ => None,
            });
            ipv4.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(said(GatewayMode::Nat, false), "goto published, hidden");
        assert_eq!(said(GatewayMode::Routed, false), "goto routed");
        assert_eq!(said(GatewayMode::NatUnprotected, false), "accept, hidden");
        for mode in [GatewayMode::Nat, GatewayMode::Routed, GatewayMode::NatUnprotected, GatewayMode::Isolated] {
            assert_eq!(said(mode, true), "goto refused");
        }
    }

    #[test]
    fn trusted_devices_may_open_connections() {
        let network = Network { trusted: vec!["wg0".into()], ..network() };
        let trusted = Element::Between { from: "wg0".into(), to: network.bridge.clone(), verdict: Verdict::Accept };
        assert!(network_elements(&network).contains(&trusted));
    }

    #[test]
    fn the_link_local_address_is_the_kernel_s() {
        let mac = "02:42:ac:12:00:02".parse().unwrap();
        assert_eq!(link_local(mac).to_string(), "fe80::42:acff:fe12:2");
    }

    #[test]
    fn advertisements_are_believed_on_before_the_host_forwards() {
        let (_, network) = dual();
        let steps = settings(&network, &Facts { believers: vec!["eth0".into()], ..facts() });
        let at = |wanted: &str| steps.iter().position(|step| step.to_string().ends_with(wanted)).unwrap();
        assert!(at("net/ipv6/conf/eth0/accept_ra=2") < at("net/ipv6/conf/all/forwarding=1"));
    }

    #[test]
    fn no_two_steps_are_the_same_object() {
        let (request, network) = dual();
        for plan in [published(), whole(&request, &network, &facts(), &[])] {
            let steps: Vec<_> = plan.shared.iter().chain(&plan.own).collect();
            assert_eq!(steps.iter().map(|step| step.key()).collect::<BTreeSet<_>>().len(), steps.len());
        }
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
