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
//! ```
//!
//! Published packets never reach these sockets: they are translated in prerouting. The port is free again when the
//! descriptor is closed, by a crash too.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrStorage, sockopt};

use super::holder;
use super::{Mapping, Ports, Protocol};
use crate::error::Error;

/// How often the kernel is asked for another port when somebody was quicker.
const TRIES: usize = 16;

/// A port that is held as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// The socket that is bound to it.
    pub socket: OwnedFd,
    /// The mapping with the port that was taken: `host` is one port, and not 0.
    pub mapping: Mapping,
}

/// Takes the host's port of a mapping, or a free one of its range, or the one that the kernel chooses.
///
/// # Errors
/// A port in use, with the name of its holder where it can be found; an address that the host does not have.
pub fn hold(mapping: &Mapping) -> Result<Held, Error> {
    if mapping.host == Ports::ANY {
        return hold_any(mapping);
    }
    let mut last = Errno::EADDRINUSE;
    for port in mapping.host.first..=mapping.host.last {
        match bind(mapping, port) {
            Ok(socket) => return Ok(held(mapping, port, socket)),
            Err(Errno::EADDRINUSE) => last = Errno::EADDRINUSE,
            Err(errno) => return Err(refusal(mapping, errno)),
        }
    }
    Err(refusal(mapping, last))
}

/// The kernel's choice is asked for with a socket of its own: a port that it chose is not kept after shutdown.
fn hold_any(mapping: &Mapping) -> Result<Held, Error> {
    for _ in 0..TRIES {
        let port = free_port(mapping).map_err(|error| Error::system("find a free port", error))?;
        match bind(mapping, port) {
            Ok(socket) => return Ok(held(mapping, port, socket)),
            Err(Errno::EADDRINUSE) => {}
            Err(errno) => return Err(refusal(mapping, errno)),
        }
    }
    Err(refusal(mapping, Errno::EADDRINUSE))
}

fn free_port(mapping: &Mapping) -> std::io::Result<u16> {
    let address = SocketAddr::new(mapping.address(), 0);
    Ok(match mapping.protocol {
        Protocol::Tcp => TcpListener::bind(address)?.local_addr()?.port(),
        Protocol::Udp => UdpSocket::bind(address)?.local_addr()?.port(),
    })
}

fn held(mapping: &Mapping, port: u16, socket: OwnedFd) -> Held {
    Held { socket, mapping: Mapping { host: Ports::one(port), ..*mapping } }
}

/// socket(2), bind(2) and what keeps the port without serving it.
fn bind(mapping: &Mapping, port: u16) -> Result<OwnedFd, Errno> {
    let kind = if mapping.protocol == Protocol::Tcp { SockType::Stream } else { SockType::Datagram };
    let family = if mapping.address().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    let address = SockaddrStorage::from(SocketAddr::new(mapping.address(), port));
    match mapping.protocol {
        Protocol::Tcp => {
            socket::setsockopt(&socket, sockopt::ReuseAddr, &true)?;
            socket::bind(socket.as_raw_fd(), &address)?;
            socket::listen(&socket, Backlog::new(0).unwrap_or(Backlog::MAXCONN))?;
            socket::shutdown(socket.as_raw_fd(), Shutdown::Both)?;
            socket::setsockopt(&socket, sockopt::ReuseAddr, &false)?;
        }
        Protocol::Udp => {
            socket::setsockopt(&socket, sockopt::RcvBuf, &0)?;
            socket::bind(socket.as_raw_fd(), &address)?;
        }
    }
    Ok(socket)
}

/// Docker's sentence, and who has the port.
fn refusal(mapping: &Mapping, errno: Errno) -> Error {
    let bind = format!("Bind for {}:{} failed", mapping.address(), mapping.host);
    Error::Refused(match errno {
        Errno::EADDRINUSE if mapping.host.first != mapping.host.last => {
            format!("{bind}: all ports are already allocated")
        }
        Errno::EADDRINUSE => {
            let who = holder::of(mapping).map_or(String::new(), |who| format!(" (by {who})"));
            format!("{bind}: port is already allocated{who}")
        }
        Errno::EADDRNOTAVAIL => {
            format!("{bind}: this host has no address {}", mapping.at.unwrap_or(IpAddr::from([0; 4])))
        }
        other => format!("{bind}: {}", other.desc()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Net;
    use crate::kernel::Kernel;
    use crate::plan::{Place, Step};
    use crate::publish::parse;
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    /// A network namespace for this test's thread, with nothing but a loopback device.
    fn alone() {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
        let up = Step::Up { place: Place::Host, device: "lo".into() };
        Kernel::open(None).unwrap().add(&up).unwrap();
    }

    fn mapping(text: &str) -> Mapping {
        parse(text).unwrap()[0]
    }

    #[test]
    fn netns_a_held_tcp_port_is_refused_to_everybody() {
        alone();
        let held = hold(&mapping("127.0.0.1::80")).unwrap();
        let port = held.mapping.host.first;
        assert_ne!(port, 0);
        for address in ["127.0.0.1", "0.0.0.0"] {
            let error = TcpListener::bind((address, port)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address}");
            assert!(hold(&mapping(&format!("{address}:{port}:80"))).is_err(), "{address}");
        }
        assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(held);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn netns_a_held_udp_port_swallows_what_comes() {
        alone();
        let held = hold(&mapping("127.0.0.1::53/udp")).unwrap();
        let port = held.mapping.host.first;
        assert!(hold(&mapping(&format!("{port}:53/udp"))).is_err());
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
        let held = hold(&mapping("127.0.0.1::80")).unwrap();
        let error = hold(&mapping(&format!("127.0.0.1:{}:80", held.mapping.host))).unwrap_err().to_string();
        assert!(error.contains("port is already allocated"), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[test]
    fn netns_a_monitor_is_named_by_its_container() {
        alone();
        let held = hold(&mapping("127.0.0.1::80")).unwrap();
        let text = format!("127.0.0.1:{}:80", held.mapping.host);
        // A process that has the socket alone, and the words of a monitor: the container is called "60".
        let mut monitor = Command::new("sleep").arg0("pontoon-monitor").arg("60").stdin(held.socket).spawn().unwrap();
        let error = hold(&mapping(&text)).unwrap_err().to_string();
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        assert!(error.ends_with("port is already allocated (by container 60)"), "{error}");
        hold(&mapping(&text)).unwrap();
    }

    #[test]
    fn netns_a_range_yields_its_first_free_port() {
        alone();
        let first = hold(&mapping("127.0.0.1::80")).unwrap().mapping.host.first.min(65000);
        let text = format!("127.0.0.1:{first}-{}:80", first + 200);
        let (one, two) = (hold(&mapping(&text)).unwrap(), hold(&mapping(&text)).unwrap());
        assert!(one.mapping.host.first < two.mapping.host.first);
    }

    #[test]
    fn netns_an_address_that_is_not_ours_is_a_sentence() {
        alone();
        let error = hold(&mapping("198.51.100.77:80:80")).unwrap_err().to_string();
        assert_eq!(error, "Bind for 198.51.100.77:80 failed: this host has no address 198.51.100.77");
    }
}
