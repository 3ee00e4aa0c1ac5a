//! Frames that lie: about who sends them, about who somebody is, about what they are.
//!
//! ```text
//!           who sends                         where it must not arrive        without the guards
//! one       another's address, MAC, ARP, NA   the host, two, the LAN          it arrives: the question can fail
//! one       RA, redirect, VLAN, odd types     two                             arrives
//! lan       127.0.0.1, ::1 of the host        the host                        arrives; ::1 never
//! shy       its isolated neighbour's MAC      peer                            arrives once ports are not isolated
//! ```
//!
//! Each frame is sent with a mark of its own; truths are sent, too, and must arrive. All of it without br_netfilter and with.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Instant;

use netmodes::network::{Network, NewNetwork};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt};

use super::frames::{Mac, Wire, advertisement, arp, ethernet, icmp6, mac, router, udp4, udp6};
use super::world::{Guest, Place, SILENCE, World, output, sh};

const IP: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IP6: u16 = 0x86dd;
const LOOPBACK6: Ipv6Addr = Ipv6Addr::LOCALHOST;
const FOREIGN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 5);
const LAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// Empties what keeps liars away, as an administrator could; and makes the host's uplink as gullible as a bridge of ours.
const GULLIBLE: &str = "
    for chain in guard forward; do nft flush chain inet pontoon $chain; done
    nft flush chain bridge pontoon guard
    for port in $(bridge link | awk '{print $2}' | cut -d@ -f1 | tr -d :); do bridge link set dev $port isolated off; done";

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It tells the truth, and arrives.
    True,
    /// It arrives only without the guards.
    Guarded,
    /// It never arrives, for other reasons.
    Never,
}

/// A frame, and who puts it on which wire.
struct Frame<'a> {
    name: &'static str,
    fate: Fate,
    from: &'a Wire,
    bytes: Vec<u8>,
}

/// Somebody with a device: where he is on the network.
struct Stand {
    wire: Wire,
    mac: Mac,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    local: Ipv6Addr,
}

fn stand(guest: &Guest) -> Stand {
    let v6 = guest.addresses.iter().find_map(|address| if let IpAddr::V6(v6) = address { Some(*v6) } else { None });
    let IpAddr::V4(v4) = guest.address else { panic!("IPv4 comes first") };
    guest.within(|| {
        let mac = device_mac("eth0");
        let [a, b, c, d, e, f] = mac.map(u16::from);
        let local = Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f);
        Stand { wire: Wire::open("eth0"), mac, v4, v6: v6.unwrap_or(LOOPBACK6), local }
    })
}

fn device_mac(device: &str) -> Mac {
    // /sys would show the devices of the namespace in which it was mounted.
    mac(&output(&format!("ip -o link show dev {device} | grep -o 'ether [0-9a-f:]*' | cut -d' ' -f2")))
}

/// The gateway of a network: hardware address, IPv4, IPv6.
fn gateway(network: &Network) -> (Mac, Ipv4Addr, Ipv6Addr) {
    let gateways: Vec<IpAddr> = network.subnets.iter().map(|subnet| subnet.gateway).collect();
    let v4 = gateways.iter().find_map(|address| if let IpAddr::V4(v4) = address { Some(*v4) } else { None });
    let v6 = gateways.iter().find_map(|address| if let IpAddr::V6(v6) = address { Some(*v6) } else { None });
    (device_mac(&network.bridge), v4.unwrap(), v6.unwrap_or(LOOPBACK6))
}

/// What a container says to its gateway, to the host and to the world beyond.
fn to_the_host<'a>(one: &'a Stand, two: &Stand, network: &Network) -> Vec<Frame<'a>> {
    let (hop, v4, v6) = gateway(network);
    let frame = |name: &'static str, fate, source: Mac, kind, packet: &dyn Fn(&[u8]) -> Vec<u8>| Frame {
        name,
        fate,
        from: &one.wire,
        bytes: ethernet(hop, source, kind, &packet(&mark(name))),
    };
    vec![
        frame("udp to the gateway", Fate::True, one.mac, IP, &|m| udp4(one.v4, v4, m)),
        frame("udp to the gateway, IPv6", Fate::True, one.mac, IP6, &|m| udp6(one.v6, v6, m)),
        frame("udp to the world", Fate::True, one.mac, IP, &|m| udp4(one.v4, LAN, m)),
        frame("to the host's 127.0.0.1", Fate::Guarded, one.mac, IP, &|m| udp4(one.v4, Ipv4Addr::LOCALHOST, m)),
        frame("to the host's ::1", Fate::Never, one.mac, IP6, &|m| udp6(one.v6, LOOPBACK6, m)),
        frame("nobody's address, to the world", Fate::Guarded, one.mac, IP, &|m| udp4(FOREIGN, LAN, m)),
        frame("nobody's address, IPv6", Fate::Guarded, one.mac, IP6, &|m| {
            udp6("2001:db8:f::5".parse().unwrap(), v6, m)
        }),
        frame("the neighbour's address", Fate::Guarded, one.mac, IP, &|m| udp4(two.v4, v4, m)),
        frame("the neighbour's address, IPv6", Fate::Guarded, one.mac, IP6, &|m| udp6(two.v6, v6, m)),
        frame("the neighbour's MAC", Fate::Guarded, two.mac, IP, &|m| udp4(one.v4, v4, m)),
        frame("the neighbour's MAC, IPv6", Fate::Guarded, two.mac, IP6, &|m| udp6(one.v6, v6, m)),
    ]
}

/// What a container says to its neighbour.
fn to_the_neighbour<'a>(one: &'a Stand, two: &Stand, network: &Network) -> Vec<Frame<'a>> {
    let (hop, v4, v6) = gateway(network);
    let frame = |name: &'static str, fate, kind, packet: &dyn Fn(&[u8]) -> Vec<u8>| Frame {
        name,
        fate,
        from: &one.wire,
        bytes: ethernet(two.mac, one.mac, kind, &packet(&mark(name))),
    };
    let lie = |name, kind, packet: &dyn Fn(&[u8]) -> Vec<u8>| frame(name, Fate::Guarded, kind, packet);
    let two_at = (two.mac, two.v4);
    let (local, to, ra_to): (_, _, Ipv6Addr) = (one.local, two.local, "ff02::1".parse().unwrap());
    vec![
        frame("arp, the truth", Fate::True, ARP, &|m| arp(one.mac, one.v4, two_at, m)),
        frame("na, the truth", Fate::True, IP6, &|m| icmp6(local, to, 136, &advertisement(one.v6, m))),
        frame("na, the link-local truth", Fate::True, IP6, &|m| icmp6(local, to, 136, &advertisement(local, m))),
        lie("the gateway's address", IP, &|m| udp4(v4, two.v4, m)),
        lie("the gateway's address, IPv6", IP6, &|m| udp6(v6, two.v6, m)),
        lie("arp: I am the gateway", ARP, &|m| arp(one.mac, v4, two_at, m)),
        lie("arp: the gateway is elsewhere", ARP, &|m| arp(two.mac, v4, two_at, m)),
        lie("arp: another MAC inside", ARP, &|m| arp(hop, one.v4, two_at, m)),
        lie("na: I am the gateway", IP6, &|m| icmp6(local, to, 136, &advertisement(v6, m))),
        lie("na: I am my neighbour", IP6, &|m| icmp6(one.v6, to, 136, &advertisement(two.v6, m))),
        lie("ra: I am a router", IP6, &|m| icmp6(local, ra_to, 134, &router(m))),
        lie("redirect", IP6, &|m| icmp6(local, to, 137, &[&v6.octets()[..], &two.v6.octets(), m].concat())),
        lie("a vlan tag", 0x8100, &|m| [&[0, 5, 8, 0][..], &udp4(one.v4, two.v4, m)].concat()),
        lie("an odd protocol", 0x88b5, &|m| m.to_vec()),
    ]
}

/// What a machine on the LAN says to the host, and to a container that has a link.
fn from_the_lan<'a>(lan: &'a Wire, lan_mac: Mac, (peer, shy): (&Stand, &Stand)) -> Vec<Frame<'a>> {
    let hop = device_mac("eth0");
    let frame = |name: &'static str, fate, kind, packet: &dyn Fn(&[u8]) -> Vec<u8>| Frame {
        name,
        fate,
        from: lan,
        bytes: ethernet(hop, lan_mac, kind, &packet(&mark(name))),
    };
    vec![
        frame("lan: the truth", Fate::True, IP, &|m| udp4(LAN, HOST, m)),
        frame("lan: to the host's 127.0.0.1", Fate::Guarded, IP, &|m| udp4(LAN, Ipv4Addr::LOCALHOST, m)),
        frame("lan: to the host's ::1", Fate::Never, IP6, &|m| udp6("2001:db8::9".parse().unwrap(), LOOPBACK6, m)),
        frame("lan: from 127.0.0.1", Fate::Never, IP, &|m| udp4(Ipv4Addr::LOCALHOST, HOST, m)),
        frame("lan: with a linked source", Fate::Guarded, IP, &|m| udp4(shy.v4, peer.v4, m)),
        frame("lan: to a container", Fate::Guarded, IP, &|m| udp4(LAN, peer.v4, m)),
    ]
}

/// What an isolated container says to its neighbour, whom it reaches by the gateway only.
fn across_isolation<'a>(shy: &'a Stand, peer: &Stand) -> Vec<Frame<'a>> {
    let name = "shy: the peer's MAC";
    let bytes = ethernet(peer.mac, shy.mac, IP, &udp4(shy.v4, peer.v4, &mark(name)));
    vec![Frame { name, fate: Fate::Guarded, from: &shy.wire, bytes }]
}

#[test]
fn netns_frames_that_lie_do_not_arrive() {
    for bridge_nf in ["0", "1"] {
        std::thread::scope(|scope| {
            scope.spawn(|| all_of_them(bridge_nf)).join().unwrap();
        });
    }
}

fn all_of_them(bridge_nf: &str) {
    let mut world = World::new();
    let keys = "net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables";
    let settings = keys.split(' ').map(|key| format!("{key}={bridge_nf}")).collect::<Vec<_>>().join(" ");
    sh(&format!("[ ! -e /proc/sys/net/bridge ] || sysctl -qw {settings}; sysctl -qw net.ipv4.conf.all.rp_filter=0"));
    let lan = world.lan();
    sh("sysctl -qw net.ipv4.conf.eth0.route_localnet=1");
    let new = NewNetwork { name: "both".into(), ipv6: true, ..NewNetwork::default() };
    let both = world.networks.create(&new, String::new(), &mut world.kernel).unwrap();
    let apart = world.create("apart", &[("com.docker.network.bridge.enable_icc", "false")]);
    let guests = [(&both, "one"), (&both, "two"), (&apart, "shy"), (&apart, "peer")]
        .map(|(net, name)| world.start(net, name, &[]));
    let [one, two, shy, peer] = guests.each_ref().map(stand);
    sh(&format!("nft add element inet pontoon links4 '{{ {} . {} . udp . 7000 }}'", shy.v4, peer.v4));
    let (lan_wire, lan_mac) = lan.within(|| (Wire::open("eth0"), device_mac("eth0")));
    let host = [AddressFamily::Inet, AddressFamily::Inet6].map(listener);
    let frames = [
        to_the_neighbour(&one, &two, &both),
        // After these the bridge would believe that the neighbour is where the liar is.
        to_the_host(&one, &two, &both),
        from_the_lan(&lan_wire, lan_mac, (&peer, &shy)),
        across_isolation(&shy, &peer),
    ];
    let frames: Vec<Frame<'_>> = frames.into_iter().flatten().collect();
    let ears = [&two.wire, &peer.wire, &lan_wire];
    assert_eq!(arrived(&frames, &ears, &host), named(&frames, &[Fate::True]), "bridge-nf {bridge_nf}");
    sh(GULLIBLE);
    let control = named(&frames, &[Fate::True, Fate::Guarded]);
    assert_eq!(arrived(&frames, &ears, &host), control, "without guards, bridge-nf {bridge_nf}");
}

/// A socket for datagrams to port 7000 of the host.
fn listener(family: AddressFamily) -> UdpSocket {
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let any: SocketAddr = if family == AddressFamily::Inet { "0.0.0.0:7000" } else { "[::]:7000" }.parse().unwrap();
    if family == AddressFamily::Inet6 {
        // It would take IPv4 along, for which there is another one.
        setsockopt(&socket, sockopt::Ipv6V6Only, &true).unwrap();
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
    let socket = UdpSocket::from(socket);
    socket.set_nonblocking(true).unwrap();
    socket
}

fn named(frames: &[Frame<'_>], fates: &[Fate]) -> BTreeSet<&'static str> {
    frames.iter().filter(|frame| fates.contains(&frame.fate)).map(|frame| frame.name).collect()
}

/// By which a frame is known again.
fn mark(name: &str) -> Vec<u8> {
    format!("<{name}>").into_bytes()
}

/// Sends all frames, and tells which of them were heard by anybody.
fn arrived(frames: &[Frame<'_>], ears: &[&Wire], host: &[UdpSocket]) -> BTreeSet<&'static str> {
    let end = Instant::now() + SILENCE;
    frames.iter().for_each(|frame| frame.from.send(&frame.bytes));
    let mut heard: Vec<Vec<u8>> = ears.iter().flat_map(|wire| wire.heard(end)).collect();
    let mut datagram = [0; 2048];
    for socket in host {
        while let Ok(length) = socket.recv(&mut datagram) {
            heard.push(datagram[..length].to_vec());
        }
    }
    let is_heard = |frame: &&Frame<'_>| {
        let mark = mark(frame.name);
        heard.iter().any(|bytes| bytes.windows(mark.len()).any(|window| window == mark))
    };
    frames.iter().filter(is_heard).map(|frame| frame.name).collect()
}
