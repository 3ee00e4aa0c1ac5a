//! Networks of IPv4 and IPv6: one policy for both.

use std::net::IpAddr;

use netmodes::network::{Network, NewNetwork};
use netmodes::subnet::Asked;

use super::world::{Guest, Place, World, output, sh, snapshot};

/// A network of both families.
fn dual(name: &str) -> NewNetwork {
    let subnets = vec!["fd00:a::/64".to_string(), "10.9.0.0/24".into()];
    NewNetwork { name: name.into(), asked: Asked { subnets, ..Asked::default() }, ..NewNetwork::default() }
}

fn with(new: NewNetwork, options: &[(&str, &str)]) -> NewNetwork {
    let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    NewNetwork { options, ..new }
}

fn gateways(network: &Network) -> [IpAddr; 2] {
    [network.subnets[0].gateway, network.subnets[1].gateway]
}

fn both(guest: &Guest) -> [IpAddr; 2] {
    guest.addresses[..].try_into().unwrap()
}

#[test]
fn netns_containers_of_both_families_ping_each_other_and_the_gateway_at_once() {
    let mut world = World::new();
    let before = snapshot();
    let network = world.make(&dual("my-net")).unwrap();
    let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
    assert_eq!(both(&one).map(|address| address.to_string()), ["10.9.0.2", "fd00:a::2"]);
    let at_once = |guest: &Guest, to| guest.within(|| sh(&format!("ping -c 1 -W 0.9 {to} >/dev/null")));
    both(&two).into_iter().chain(gateways(&network)).for_each(|to| at_once(&one, to));
    // The host reaches them, too, and nobody waits until an address has been found to be free.
    both(&one).into_iter().for_each(|to| sh(&format!("ping -c 1 -W 0.9 {to} >/dev/null")));
    one.within(|| {
        assert_eq!(output("ip -6 address show tentative"), "");
        let link_local = output("ip -6 -o address show dev eth0 scope link");
        assert!(link_local.contains("fe80::42:aff:fe09:2/64"), "the one that the firewall knows: {link_local}");
        sh("ip -6 route show default | grep -q 'via fd00:a::1 dev eth0'; ping -c 1 -W 1 ::1 >/dev/null");
    });
    one.stop(&world, &network);
    two.stop(&world, &network);
    world.networks.remove(&network, &|_| None, &mut world.kernel).unwrap();
    assert!(world.networks.finish_removal(&mut world.kernel).is_empty());
    let left: Vec<String> =
        snapshot().lines().filter(|line| !before.contains(line) && line.contains("my-net")).map(String::from).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn netns_without_icc_neighbours_are_strangers_in_both_families() {
    for bridge_nf in ["0", "1"] {
        std::thread::spawn(move || {
            let mut world = World::new();
            sh(&format!(
                "[ ! -e /proc/sys/net/bridge ] || sysctl -qw net.bridge.bridge-nf-call-iptables={bridge_nf} \
                 net.bridge.bridge-nf-call-ip6tables={bridge_nf}"
            ));
            let network = world.make(&with(dual("my-net"), &[("icc", "false")])).unwrap();
            let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
            for (stranger, gateway) in both(&two).into_iter().zip(gateways(&network)) {
                assert!(!one.pings(stranger), "{stranger}");
                assert!(one.pings(gateway), "{gateway}");
            }
            // Not by the route that it was not given, either.
            one.within(|| sh("ip -6 route add fd00:a::3 dev eth0; ip route add 10.9.0.3 dev eth0"));
            assert!(both(&two).iter().all(|stranger| !one.pings(*stranger)));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn netns_an_internal_network_reaches_its_gateway_and_nothing_else() {
    let mut world = World::new();
    let lan = world.lan();
    sh("ip -6 addr add fd00:b::2/64 dev eth0 nodad");
    lan.within(|| sh("ip -6 addr add fd00:b::9/64 dev eth0 nodad"));
    let network = world.make(&NewNetwork { internal: true, ..dual("my-net") }).unwrap();
    let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
    assert!(both(&two).into_iter().chain(gateways(&network)).all(|to| one.pings(to)));
    one.within(|| assert_eq!(output("ip route show default; ip -6 route show default"), ""));
    // Nor by a route that it makes itself: neither another machine nor another address of the host.
    one.within(|| sh("ip route add default via 10.9.0.1; ip -6 route add default via fd00:a::1"));
    for to in ["203.0.113.9", "fd00:b::9", "203.0.113.2", "fd00:b::2"] {
        assert!(!one.pings(to.parse().unwrap()), "{to}");
    }
    lan.within(|| sh("ip route add 10.9.0.0/24 via 203.0.113.2; ip -6 route add fd00:a::/64 via fd00:b::2"));
    assert!(both(&one).iter().all(|to| !lan.pings(*to)));
}

#[test]
fn netns_an_isolated_network_has_no_address_of_the_host() {
    let mut world = World::new();
    let modes = [("gateway_mode_ipv4", "isolated"), ("gateway_mode_ipv6", "isolated")];
    let network = world.make(&with(NewNetwork { internal: true, ..dual("my-net") }, &modes)).unwrap();
    let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
    assert_eq!(output(&format!("ip -o address show dev {}", network.bridge)), "");
    assert!(both(&two).iter().all(|to| one.pings(*to)));
    assert!(gateways(&network).iter().all(|to| !one.pings(*to)));
}

#[test]
fn netns_a_routed_network_is_reached_directly_and_keeps_its_addresses() {
    let mut world = World::new();
    let lan = world.lan();
    sh("ip -6 addr add fd00:b::2/64 dev eth0 nodad");
    lan.within(|| sh("ip -6 addr add fd00:b::9/64 dev eth0 nodad"));
    let modes = [("gateway_mode_ipv4", "routed"), ("gateway_mode_ipv6", "routed")];
    let network = world.make(&with(dual("my-net"), &modes)).unwrap();
    let one = world.start(&network, "one", &[]);
    lan.within(|| sh("ip route add 10.9.0.0/24 via 203.0.113.2; ip -6 route add fd00:a::/64 via fd00:b::2"));
    // ping is let in; of ports only those that are open.
    assert!(both(&one).iter().all(|to| lan.pings(*to)));
    one.serve(80);
    assert_eq!(lan.ask(one.address, 80), None);
    lan.serve(7000);
    assert_eq!(one.ask([203, 0, 113, 9].into(), 7000).as_deref(), Some("10.9.0.2"), "not hidden");
}

#[test]
fn netns_a_trusted_device_may_open_connections() {
    let mut world = World::new();
    let lan = world.lan();
    lan.within(|| sh("ip route add 10.9.0.0/24 via 203.0.113.2"));
    let trusted = world.make(&with(dual("trusting"), &[("trusted_host_interfaces", "eth0:wg0")])).unwrap();
    let one = world.start(&trusted, "one", &[]);
    one.serve(80);
    assert_eq!(lan.ask(one.address, 80).as_deref(), Some("203.0.113.9"));
}

#[test]
fn netns_a_host_that_forwards_ipv6_still_learns_its_routers() {
    let mut world = World::new();
    let _lan = world.lan();
    let setting = |key: &str| output(&format!("sysctl -n net.ipv6.conf.{key}")).trim().to_string();
    let shown = || [setting("eth0.accept_ra"), setting("all.forwarding")];
    sh(
        "sysctl -qw net.ipv6.conf.eth0.accept_ra=1; ip link add off type bridge; sysctl -qw net.ipv6.conf.off.accept_ra=1",
    );
    world.create("ipv4", &[]);
    assert_eq!(shown(), ["1", "0"], "a network of IPv4 changes nothing");
    world.make(&dual("my-net")).unwrap();
    assert_eq!(shown(), ["2", "1"]);
    assert_eq!(setting("off.accept_ra"), "1", "a device that is down hears no router");
    // What its owner sets afterwards stays.
    sh("sysctl -qw net.ipv6.conf.eth0.accept_ra=1");
    world.make(&NewNetwork { name: "other".into(), ipv6: true, ..NewNetwork::default() }).unwrap();
    assert_eq!(shown(), ["1", "1"]);
}

#[test]
fn netns_subnets_avoid_every_route_and_address_of_both_families() {
    let mut world = World::new();
    let _lan = world.lan();
    sh("ip -6 addr add fd00:b::2/64 dev eth0 nodad; ip route add 10.77.0.0/16 dev eth0 table 51820");
    sh("ip -6 route add fd00:c::/48 dev eth0 table 51820; ip route add blackhole 10.78.0.0/16");
    let mut refused = |subnet: &str| world.try_create("x", Some(subnet), &[]).unwrap_err().to_string();
    let overlap = "Pool overlaps with other one on this address space";
    for (subnet, by) in [
        ("10.77.3.0/24", "the route 10.77.0.0/16 of the device eth0"),
        ("10.78.3.0/24", "the route 10.78.0.0/16"),
        ("203.0.113.0/28", "the address 203.0.113.2/24 of the device eth0"),
        ("fd00:c:0:1::/64", "the route fd00:c::/48 of the device eth0"),
        ("fd00:b::/32", "the address fd00:b::2/64 of the device eth0"),
    ] {
        assert_eq!(refused(subnet), format!("{overlap}: {subnet} and {by}"));
    }
    world.make(&dual("first")).unwrap();
    let error = world.try_create("x", Some("10.9.0.0/25"), &[]).unwrap_err().to_string();
    assert_eq!(error, format!("{overlap}: 10.9.0.0/25 and the network first (10.9.0.0/24)"), "ours by their names");
}

#[test]
fn netns_the_mtu_is_that_of_the_way_out() {
    let mut world = World::new();
    let _lan = world.lan();
    sh("ip link set eth0 mtu 1480; ip route add default via 203.0.113.9");
    sh("ip -6 addr add fd00:b::2/64 dev eth0 nodad; ip -6 route add default via fd00:b::9 mtu 1400");
    let mtu =
        |network: &Network| output(&format!("cat /proc/sys/net/ipv6/conf/{}/mtu", network.bridge)).trim().to_string();
    assert_eq!(mtu(&world.create("device", &[])), "1480");
    let both = NewNetwork { name: "both".into(), ipv6: true, ..NewNetwork::default() };
    assert_eq!(mtu(&world.make(&both).unwrap()), "1400", "the smaller one, by its route");
    assert_eq!(mtu(&world.create("asked", &[("mtu", "9000")])), "9000");
    let small = with(NewNetwork { name: "small".into(), ipv6: true, ..NewNetwork::default() }, &[("mtu", "1279")]);
    let error = world.make(&small).unwrap_err().to_string();
    assert_eq!(error, "invalid MTU 1279: IPv6 needs 1280 at least (RFC 8200)");
}

#[test]
fn netns_what_the_firewall_vouches_for_is_read_back() {
    let mut world = World::new();
    let network = world.make(&dual("my-net")).unwrap();
    let one = world.start(&network, "one", &[]);
    let vouched = world.kernel.vouched().unwrap();
    assert_eq!(vouched.values().collect::<Vec<_>>(), [&both(&one).to_vec()]);
    let links = world.kernel.links().unwrap();
    let bridge = links.iter().find(|link| link.name == network.bridge).unwrap();
    let port = links.iter().find(|link| link.master == Some(bridge.index)).unwrap();
    assert_eq!(vouched.keys().collect::<Vec<_>>(), [&port.name]);
    let shown = bridge.bridge.clone().unwrap();
    let mac = output(&format!("ip -o link show dev {} | grep -o 'ether [^ ]*'", network.bridge));
    let mac: String = mac.trim_start_matches("ether ").trim().split(':').collect();
    assert_eq!((shown.id, shown.stp), (format!("8000.{mac}"), false));
}
