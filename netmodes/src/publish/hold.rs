//! Holding a port of the host: the kernel is the allocator.
//!
//! ```text
//! TCP   SO_REUSEADDR on -> bind -> listen -> shutdown -> SO_REUSEADDR off
//!       bind succeeds although connections of the last container are in TIME_WAIT; after shutdown the socket is closed
//!       but stays bound, so nobody takes the port and, should the firewall be gone, a client gets "refused" and does
//!       not hang in an unserved backlog
//! UDP   bind, receive buffer as small as the kernel allows
//!       nobody reads it: one datagram or two wait in it for ever, the rest is dropped in silence. Connecting it to an
//!       impossible peer would free the wildcard address; a socket filter needs unsafe code and would gain 2 kB.
//! IPv6  SO_REUSEADDR on -> bind -> listen: this socket is served, as no translation leads from ::1 anywhere, nor from IPv6
//!       to a container of IPv4
//! ```
//!
//! What is translated never reaches these sockets: that happens in prerouting. The port is free again when the
//! descriptor is closed, by a crash too.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{self, AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrStorage, sockopt};

use super::holder::{self, Holder, Who};
use super::{Landing, Mapping, Ports, Protocol, shown};
use crate::error::Error;

/// How often the kernel is asked for another port when somebody was quicker.
const TRIES: usize = 16;

/// The kernel's own size of a receive buffer, in bytes (net.core.rmem_default).
const RECEIVE_BUFFER: usize = 212_992;

/// A port that is held as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// The socket that is bound to it. [`Held::serve`] makes it one that listens.
    pub socket: OwnedFd,
    /// The mapping with the address and the port that were taken: `at` is one, `host` is one port, and not 0.
    pub mapping: Mapping,
}

impl Held {
    /// The socket as one whose connections or datagrams are taken: it listens, and does not block.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn serve(self) -> io::Result<OwnedFd> {
        let socket = self.socket;
        if self.mapping.address().is_ipv4() {
            match self.mapping.protocol {
                // After shutdown it is closed but bound, and may listen again.
                Protocol::Tcp => {
                    socket::setsockopt(&socket, sockopt::ReuseAddr, &true)?;
                    socket::listen(&socket, Backlog::MAXALLOWABLE)?;
                }
                Protocol::Udp => socket::setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?,
            }
        }
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR))?;
        Ok(socket)
    }
}

/// Takes the host's port of a mapping, or a free one of its range, or the one that the kernel chooses: the same one in
/// both families, where both are asked for and lead somewhere. Nothing is taken for a container that nothing leads to.
///
/// # Errors
/// A port in use, with the name of its holder where it can be found (`who` knows containers); an address that the host
/// does not have.
pub fn hold(mapping: &Mapping, landing: &Landing, who: Who<'_>) -> Result<Vec<Held>, Error> {
    let mut claim = Claim::new(mapping, landing.addresses(mapping, has_ipv6()));
    let Some(first) = claim.addresses.first().copied() else { return Ok(Vec::new()) };
    let mut refused = (first, Errno::EADDRINUSE);
    for port in candidates(mapping, first) {
        let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or_default());
        let port = port.map_err(|error| refusal(mapping, first, errno(error), who))?;
        match claim.take(port) {
            Ok(held) => return Ok(held),
            Err((address, Errno::EADDRINUSE)) => refused = (address, Errno::EADDRINUSE),
            Err((address, errno)) => return Err(refusal(mapping, address, errno, who)),
        }
    }
    Err(refusal(mapping, refused.0, refused.1, who))
}

/// The ports to try, in order. The kernel's choice is asked for with a socket of its own: a port that it chose is not
/// kept after shutdown.
fn candidates(mapping: &Mapping, at: IpAddr) -> Box<dyn Iterator<Item = io::Result<u16>>> {
    let protocol = mapping.protocol;
    match mapping.host {
        Ports::ANY => Box::new((0..TRIES).map(move |_| free_port(at, protocol))),
        Ports { first, last } => Box::new((first..=last).map(Ok)),
    }
}

fn free_port(at: IpAddr, protocol: Protocol) -> io::Result<u16> {
    let address = SocketAddr::new(at, 0);
    Ok(match protocol {
        Protocol::Tcp => TcpListener::bind(address)?.local_addr()?.port(),
        Protocol::Udp => UdpSocket::bind(address)?.local_addr()?.port(),
    })
}

/// Does this host have IPv6? A kernel without it, or with all of it switched off, has no ::1.
fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// Sockets for the addresses of a mapping. One that was refused a port is good for the next: trying a thousand ports
/// takes a thousand calls of bind(2) and no more.
struct Claim<'a> {
    mapping: &'a Mapping,
    addresses: Vec<IpAddr>,
    spare: Vec<Option<OwnedFd>>,
}

impl<'a> Claim<'a> {
    fn new(mapping: &'a Mapping, addresses: Vec<IpAddr>) -> Claim<'a> {
        let spare = addresses.iter().map(|_| None).collect();
        Claim { mapping, addresses, spare }
    }

    /// This port on every address, or on none.
    fn take(&mut self, port: u16) -> Result<Vec<Held>, (IpAddr, Errno)> {
        let mut held = Vec::new();
        for (address, spare) in self.addresses.iter().zip(&mut self.spare) {
            let fault = |errno| (*address, errno);
            let socket = match spare.take() {
                Some(socket) => socket,
                None => open(*address, self.mapping.protocol).map_err(fault)?,
            };
            if let Err(errno) =
                socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(*address, port)))
            {
                *spare = Some(socket);
                return Err(fault(errno));
            }
            settle(&socket, *address, self.mapping.protocol).map_err(fault)?;
            let mapping = Mapping { at: Some(*address), host: Ports::one(port), ..*self.mapping };
            held.push(Held { socket, mapping });
        }
        Ok(held)
    }
}

/// socket(2), before bind.
fn open(address: IpAddr, protocol: Protocol) -> Result<OwnedFd, Errno> {
    let kind = if protocol == Protocol::Tcp { SockType::Stream } else { SockType::Datagram };
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        socket::setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    match protocol {
        Protocol::Tcp => socket::setsockopt(&socket, sockopt::ReuseAddr, &true)?,
        Protocol::Udp if address.is_ipv4() => socket::setsockopt(&socket, sockopt::RcvBuf, &0)?,
        Protocol::Udp => {}
    }
    Ok(socket)
}

/// What keeps the port, after bind.
fn settle(socket: &OwnedFd, address: IpAddr, protocol: Protocol) -> Result<(), Errno> {
    if protocol == Protocol::Udp {
        return Ok(());
    }
    if address.is_ipv6() {
        // SO_REUSEADDR stays on: connections inherit it, and in TIME_WAIT would keep the port from the next container
        // without it. Nobody shares a port that is listened on.
        return socket::listen(socket, Backlog::MAXALLOWABLE);
    }
    socket::listen(socket, Backlog::new(0).unwrap_or(Backlog::MAXCONN))?;
    socket::shutdown(socket.as_raw_fd(), Shutdown::Both)?;
    socket::setsockopt(socket, sockopt::ReuseAddr, &false)
}

/// Docker's sentence, and who has the port.
fn refusal(mapping: &Mapping, address: IpAddr, errno: Errno, who: Who<'_>) -> Error {
    let Mapping { host, protocol, .. } = *mapping;
    let place = format!("{}:{host}", shown(address));
    let holder = |port| holder::of((address, port, protocol), who);
    Error::Refused(match errno {
        Errno::EADDRINUSE if host == Ports::ANY => format!("Bind for {place} failed: all ports are already allocated"),
        Errno::EADDRINUSE if host.first != host.last => {
            format!("Bind for {place} failed: all ports are already allocated{}", some_holders(host, holder))
        }
        Errno::EADDRINUSE => match holder(host.first) {
            Some(Holder::Container(name)) => {
                format!("Bind for {place} failed: port is already allocated (by container {name})")
            }
            Some(Holder::Program(words)) => {
                format!("failed to bind host port {place}/{protocol}: address already in use (by {words})")
            }
            None => format!("Bind for {place} failed: port is already allocated"),
        },
        Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT => {
            format!("Bind for {place} failed: this host has no address {address}")
        }
        other => format!("Bind for {place} failed: {}", other.desc()),
    })
}

/// Who has the first ports of a range: enough to see what goes on.
fn some_holders(range: Ports, holder: impl Fn(u16) -> Option<Holder>) -> String {
    const SOME: usize = 3;
    let ports = (range.first..=range.last).take(SOME);
    let told: Vec<String> = ports.filter_map(|port| Some(format!("{port} by {}", holder(port)?))).collect();
    let more = if range.count() as usize > SOME { ", …" } else { "" };
    if told.is_empty() { String::new() } else { format!(" ({}{more})", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Net;
    use crate::kernel::Kernel;
    use crate::plan::{Place, Step};
    use crate::publish::parse;
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    /// A network namespace for this test's thread, with nothing but a loopback device.
    fn alone() {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
        let up = Step::Up { place: Place::Host, device: "lo".into() };
        Kernel::open(None).unwrap().add(&up).unwrap();
    }

    /// A container of IPv4.
    const LANDING: Landing = Landing { ipv4: Some(crate::publish::Gate::Translated), ipv6: None, at: None };

    fn hold(mapping: &Mapping, who: Who<'_>) -> Result<Vec<Held>, Error> {
        super::hold(mapping, &LANDING, who)
    }

    /// On one address there is one.
    fn held(mapping: &Mapping) -> Result<Held, Error> {
        hold(mapping, &|_| None).map(|mut all| all.remove(0))
    }

    fn mapping(text: &str) -> Mapping {
        parse(text).unwrap()[0]
    }

    #[test]
    fn netns_a_held_tcp_port_is_refused_to_everybody() {
        alone();
        let kept = held(&mapping("127.0.0.1::80")).unwrap();
        let port = kept.mapping.host.first;
        assert_ne!(port, 0);
        for address in ["127.0.0.1", "0.0.0.0"] {
            let error = TcpListener::bind((address, port)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address}");
            assert!(held(&mapping(&format!("{address}:{port}:80"))).is_err(), "{address}");
        }
        assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(kept);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn netns_a_held_udp_port_swallows_what_comes() {
        alone();
        let kept = held(&mapping("127.0.0.1::53/udp")).unwrap();
        let port = kept.mapping.host.first;
        assert!(held(&mapping(&format!("{port}:53/udp"))).is_err());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(("127.0.0.1", port)).unwrap();
        // A closed port would answer with an ICMP error, which the next send reports.
        for _ in 0..100 {
            client.send(b"hello").unwrap();
        }
    }

    #[test]
    fn netns_the_holder_is_named() {
        alone();
        let kept = held(&mapping("127.0.0.1::80")).unwrap();
        let error = held(&mapping(&format!("127.0.0.1:{}:80", kept.mapping.host))).unwrap_err().to_string();
        assert!(error.starts_with("failed to bind host port 127.0.0.1:"), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[test]
    fn netns_a_monitor_is_named_by_its_container() {
        alone();
        let kept = held(&mapping("127.0.0.1::80")).unwrap();
        let text = format!("127.0.0.1:{}:80", kept.mapping.host);
        // A process that has the socket alone, and the words of a monitor.
        let who = |words: &[String]| (words == ["a-monitor", "60"]).then(|| "web".to_owned());
        let mut monitor = Command::new("sleep").arg0("a-monitor").arg("60").stdin(kept.socket).spawn().unwrap();
        let error = hold(&mapping(&text), &who).unwrap_err().to_string();
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        assert!(error.ends_with("failed: port is already allocated (by container web)"), "{error}");
        held(&mapping(&text)).unwrap();
    }

    #[test]
    fn netns_a_range_yields_its_first_free_port() {
        alone();
        let first = held(&mapping("127.0.0.1::80")).unwrap().mapping.host.first.min(65000);
        let text = format!("127.0.0.1:{first}-{}:80", first + 200);
        let (one, two) = (held(&mapping(&text)).unwrap(), held(&mapping(&text)).unwrap());
        assert!(one.mapping.host.first < two.mapping.host.first);
    }

    #[test]
    fn netns_an_address_that_is_not_ours_is_a_sentence() {
        alone();
        let error = held(&mapping("198.51.100.77:80:80")).unwrap_err().to_string();
        assert_eq!(error, "Bind for 198.51.100.77:80 failed: this host has no address 198.51.100.77");
    }

    #[test]
    fn netns_both_families_have_the_same_port_and_a_taken_one_is_passed_over() {
        alone();
        let other = TcpListener::bind("[::1]:7001").unwrap();
        let held = hold(&mapping("7001-7003:80"), &|_| None).unwrap();
        let places: Vec<String> = held.iter().map(|held| held.mapping.place()).collect();
        assert_eq!(places, ["0.0.0.0:7002", "[::]:7002"]);
        assert!(TcpListener::bind("127.0.0.1:7001").is_ok(), "what was given up is free");
        drop(other);
        let error = hold(&mapping("[::]:7002:80"), &|_| None).unwrap_err().to_string();
        assert!(error.starts_with("failed to bind host port [::]:7002/tcp: address already in use (by "), "{error}");
        assert_eq!(hold(&mapping("0.0.0.0:7001:80"), &|_| None).unwrap().len(), 1);
    }

    #[test]
    fn netns_a_port_of_ipv6_is_free_again_although_its_connections_linger() {
        alone();
        for _ in 0..3 {
            let kept = held(&mapping("[::1]:7001:80")).unwrap();
            assert!(TcpListener::bind("[::1]:7001").is_err());
            let listener = TcpListener::from(kept.socket);
            let client = TcpStream::connect("[::1]:7001").unwrap();
            // The side that closes first lingers.
            listener.set_nonblocking(false).unwrap();
            drop(listener.accept().unwrap());
            drop(client);
        }
    }

    #[test]
    fn netns_without_ipv6_there_is_one_family() {
        alone();
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        assert_eq!(hold(&mapping("7001:80"), &|_| None).unwrap().len(), 1);
        let error = hold(&mapping("[::1]:7002:80"), &|_| None).unwrap_err().to_string();
        assert_eq!(error, "Bind for [::1]:7002 failed: this host has no address ::1");
    }

    #[test]
    fn netns_a_range_that_is_used_up_is_a_sentence() {
        alone();
        let text = "7001-7002:80";
        let _both = (hold(&mapping(text), &|_| None).unwrap(), hold(&mapping(text), &|_| None).unwrap());
        let error = hold(&mapping(text), &|_| None).unwrap_err().to_string();
        let own = format!("process {}", std::process::id());
        assert!(
            error.starts_with("Bind for 0.0.0.0:7001-7002 failed: all ports are already allocated (7001 by "),
            "{error}"
        );
        assert_eq!(error.matches(&own).count(), 2, "{error}");
    }

    #[test]
    fn netns_the_holder_is_the_one_who_is_in_the_way() {
        alone();
        let who = |words: &[String]| (words.len() == 2).then(|| words[0].clone());
        let mut monitors = Vec::new();
        for (name, place) in [("one", "127.0.0.1"), ("two", "127.0.0.2"), ("six", "[::1]")] {
            for protocol in ["tcp", "udp"] {
                let kept = held(&mapping(&format!("{place}:7001:80/{protocol}"))).unwrap();
                monitors.push(Command::new("sleep").arg0(name).arg("60").stdin(kept.socket).spawn().unwrap());
            }
        }
        for (name, place) in [("one", "127.0.0.1"), ("two", "127.0.0.2"), ("six", "[::1]"), ("six", "[::]")] {
            for protocol in ["tcp", "udp"] {
                let error = hold(&mapping(&format!("{place}:7001:80/{protocol}")), &who).unwrap_err().to_string();
                assert!(error.ends_with(&format!("(by container {name})")), "{place} {protocol}: {error}");
            }
        }
        for mut monitor in monitors {
            monitor.kill().unwrap();
            monitor.wait().unwrap();
        }
    }

    #[test]
    fn netns_a_held_port_of_ipv4_can_be_served() {
        alone();
        for _ in 0..2 {
            let socket = held(&mapping("127.0.0.1:7001:80")).unwrap().serve().unwrap();
            let listener = TcpListener::from(socket);
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
            let mut client = TcpStream::connect("127.0.0.1:7001").unwrap();
            listener.set_nonblocking(false).unwrap();
            // The side that closes first lingers, and is in nobody's way.
            drop(listener.accept().unwrap());
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let socket = UdpSocket::from(held(&mapping("127.0.0.1:7001:80/udp")).unwrap().serve().unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..20 {
            client.send_to(&[7; 1000], "127.0.0.1:7001").unwrap();
        }
        let mut datagram = [0; 2000];
        assert_eq!((0..20).filter(|_| socket.recv(&mut datagram).is_ok_and(|length| length == 1000)).count(), 20);
    }

    #[test]
    fn netns_what_leads_nowhere_is_not_bound() {
        alone();
        let nothing = super::hold(&mapping("8080:80"), &Landing::default(), &|_| None).unwrap();
        assert!(nothing.is_empty());
        let six = Landing { ipv4: Some(crate::publish::Gate::Routed), ..LANDING };
        assert!(super::hold(&mapping("8080:80"), &six, &|_| None).unwrap().is_empty());
    }

    #[test]
    fn netns_both_families_have_the_port_that_the_kernel_chose() {
        alone();
        for text in ["80", "80/udp", "7001-7999:80", "7001-7999:80/udp"] {
            let held = hold(&mapping(text), &|_| None).unwrap();
            let ports: Vec<Ports> = held.iter().map(|held| held.mapping.host).collect();
            assert_eq!((ports.len(), ports[0]), (2, ports[1]), "{text}");
            assert_ne!(ports[0], Ports::ANY);
        }
    }
}
