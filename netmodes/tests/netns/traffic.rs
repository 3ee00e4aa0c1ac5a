//! Packets: who reaches whom, and under which address.

use std::net::{IpAddr, UdpSocket};

use super::world::{Place, SILENCE, World, ask, sh};

const LAN: [u8; 4] = [203, 0, 113, 9];
const HOST: [u8; 4] = [203, 0, 113, 2];
const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

fn gateway(network: &netmodes::network::Network) -> IpAddr {
    network.subnets[0].gateway
}

#[test]
fn netns_two_containers_ping_each_other_and_the_way_out() {
    for bridge_nf in ["0", "1"] {
        std::thread::spawn(move || {
            let mut world = World::new();
            sh(&format!("[ ! -e /proc/sys/net/bridge ] || sysctl -qw net.bridge.bridge-nf-call-iptables={bridge_nf}"));
            let lan = world.lan();
            lan.serve(7000);
            let network = world.create("my-net", &[]);
            let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
            assert_ne!(one.address, two.address);
            assert!(one.pings(two.address) && two.pings(one.address));
            assert!(one.pings(gateway(&network)) && one.pings(LAN.into()));
            // Outside, it is the host that asks.
            assert_eq!(one.ask(LAN.into(), 7000).as_deref(), Some("203.0.113.2"));
            // Nobody outside reaches it, even by a route of his own.
            lan.within(|| sh(&format!("ip route add {} via 203.0.113.2", network.subnets[0].subnet)));
            two.serve(80);
            assert_eq!(one.ask(two.address, 80), Some(one.address.to_string()));
            assert_eq!(lan.ask(two.address, 80), None);
            assert_eq!(ask(two.address, 80), Some(gateway(&network).to_string()));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn netns_the_first_packet_arrives() {
    let mut world = World::new();
    for n in 0..10 {
        let network = world.create(&format!("n{n}"), &[]);
        let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
        // A lost one would be asked again after a second.
        let at_once = |to| one.within(|| sh(&format!("ping -c 1 -W 0.9 {to} >/dev/null")));
        at_once(gateway(&network));
        at_once(two.address);
    }
}

#[test]
fn netns_networks_are_apart() {
    let mut world = World::new();
    let (a, b) = (world.create("a", &[]), world.create("b", &[]));
    let (one, two) = (world.start(&a, "one", &[]), world.start(&b, "two", &["8080:80"]));
    two.serve(80);
    assert!(!one.pings(two.address));
    assert_eq!(one.ask(two.address, 80), None);
    // But by the host's address, as everybody.
    assert_eq!(one.ask(gateway(&a), 8080), Some(one.address.to_string()));
}

#[test]
fn netns_published_ports_are_reached_from_everywhere() {
    for bridge_nf in ["0", "1"] {
        std::thread::spawn(move || {
            let mut world = World::new();
            sh(&format!("[ ! -e /proc/sys/net/bridge ] || sysctl -qw net.bridge.bridge-nf-call-iptables={bridge_nf}"));
            let lan = world.lan();
            let network = world.create("my-net", &[]);
            let ports = ["8080:80", "127.0.0.1:8081:80", "8080:80/udp"];
            let (web, other) = (world.start(&network, "web", &ports), world.start(&network, "other", &[]));
            web.serve(80);
            let gateway = gateway(&network);
            assert_eq!(lan.ask(HOST.into(), 8080).as_deref(), Some("203.0.113.9"));
            assert_eq!(ask(LOOPBACK.into(), 8080), Some(gateway.to_string()));
            assert_eq!(ask(HOST.into(), 8080).as_deref(), Some("203.0.113.2"));
            assert_eq!(other.ask(gateway, 8080), Some(gateway.to_string()), "a neighbour, by the host");
            assert_eq!(web.ask(gateway, 8080), Some(gateway.to_string()), "the container itself, by the host");
            assert_eq!(ask(LOOPBACK.into(), 8081), Some(gateway.to_string()));
            assert_eq!(lan.ask(HOST.into(), 8081), None, "published on loopback only");
            assert_eq!(udp(&lan.within(client), HOST.into(), 8080).as_deref(), Some("203.0.113.9"));
            web.stop(&world, &network);
            assert_eq!(lan.ask(HOST.into(), 8080), None);
            assert_eq!(ask(LOOPBACK.into(), 8080), None);
        })
        .join()
        .unwrap();
    }
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

/// What a datagram from this socket is answered with.
fn udp(socket: &UdpSocket, to: IpAddr, port: u16) -> Option<String> {
    socket.send_to(b"hello", (to, port)).ok()?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

#[test]
fn netns_flows_follow_a_mapping_that_comes_moves_and_goes() {
    let mut world = World::new();
    let lan = world.lan();
    let network = world.create("my-net", &[]);
    // One socket all the time, so that conntrack sees one flow.
    let socket = lan.within(client);
    assert_eq!(udp(&socket, HOST.into(), 5300), None);
    let first = world.start(&network, "first", &["5300:53/udp"]);
    first.serve(53);
    assert_eq!(udp(&socket, HOST.into(), 5300).as_deref(), Some("203.0.113.9"), "the flow is older than the mapping");
    first.stop(&world, &network);
    let second = world.start(&network, "second", &["5300:53/udp"]);
    second.serve(53);
    assert_eq!(udp(&socket, HOST.into(), 5300).as_deref(), Some("203.0.113.9"), "the flow was another container's");
}

#[test]
fn netns_without_icc_neighbours_are_apart_but_not_cut_off() {
    let mut world = World::new();
    let lan = world.lan();
    lan.serve(7000);
    let network = world.create("apart", &[("com.docker.network.bridge.enable_icc", "false")]);
    let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &["8080:80"]));
    two.serve(80);
    assert_eq!(one.ask(two.address, 80), None);
    assert!(!one.pings(two.address));
    assert_eq!(one.ask(LAN.into(), 7000).as_deref(), Some("203.0.113.2"));
    assert_eq!(lan.ask(HOST.into(), 8080).as_deref(), Some("203.0.113.9"));
}

#[test]
fn netns_a_container_cannot_speak_with_another_ones_address() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let (one, two) = (world.start(&network, "one", &[]), world.start(&network, "two", &[]));
    one.within(|| sh(&format!("ip addr flush dev eth0; ip addr add {}/16 dev eth0", two.address)));
    assert!(!one.pings(gateway(&network)), "a peer's address by the wrong port");
    one.within(|| sh("ip addr flush dev eth0; ip addr add 172.31.250.1/16 dev eth0; ip route add default dev eth0"));
    assert!(!one.pings(gateway(&network)), "an address that is nobody's");
}

#[test]
fn netns_the_resolver_is_reached_at_port_53() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let one = world.start(&network, "one", &[]);
    let resolver = one.within(|| UdpSocket::bind("127.0.0.11:40001").unwrap());
    let client = one.within(client);
    client.send_to(b"who?", "127.0.0.11:53").unwrap();
    let mut buffer = [0; 16];
    let (length, asker) = resolver.recv_from(&mut buffer).unwrap();
    resolver.send_to(b"me", asker).unwrap();
    assert_eq!(&buffer[..length], b"who?");
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from.to_string().as_str()), (&b"me"[..], "127.0.0.11:53"));
    let tcp = one.within(|| std::net::TcpListener::bind("127.0.0.11:40002").unwrap());
    std::thread::spawn(move || tcp.accept());
    assert!(one.within(|| std::net::TcpStream::connect("127.0.0.11:53")).is_ok());
    // And a server in the container may have port 53 of everything.
    one.within(|| UdpSocket::bind("0.0.0.0:53").unwrap());
}
