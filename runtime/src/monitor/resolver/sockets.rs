//! The resolver's sockets and in which netns each is born.
//!
//! ```text
//!   container's netns   127.0.0.11:<random> UDP and TCP      opened first, before any program runs there
//!                       links to the servers of --dns        opened by a thread that goes there and ends
//!   host's netns        links to the host's servers          opened where the monitor is
//! ```
//!
//! A socket stays in the netns where it was made, whoever uses it. Port 53 itself is left to the container's programs;
//! two DNAT rules bring its queries to the random ports.
//!
//! `lo` is still down when we bind. bind(2) succeeds, but the kernel, which does not know yet that 127.0.0.0/8 is local,
//! leaves the source address open: datagrams would later go out from 127.0.0.1, and nobody would take them for the
//! answer of 127.0.0.11. So each answer names its source (IP_PKTINFO, ip(7)). TCP takes it from the client's SYN.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use netmodes::names::resolv::RESOLVER;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, sendmsg, socket,
};

/// Stack of the thread that opens one socket in the container's netns, in bytes.
const STACK: usize = 64 * 1024;

/// The sockets that the container's queries reach, and the way into its netns.
pub struct ResolverSockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
    pub(super) inside: Netns,
}

impl ResolverSockets {
    /// Opens them in the netns of the calling thread, which has to be the container's; non-blocking, close-on-exec.
    ///
    /// # Errors
    /// What socket(2), bind(2) or open(2) said.
    pub fn open() -> io::Result<Self> {
        let udp = UdpSocket::bind((RESOLVER, 0))?;
        let tcp = TcpListener::bind((RESOLVER, 0))?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp, inside: Netns::of_this_thread()? })
    }

    /// Sends one answer, from 127.0.0.11.
    ///
    /// # Errors
    /// What sendmsg(2) said.
    pub(super) fn answer(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let address = in_addr { s_addr: u32::from_ne_bytes(RESOLVER.octets()) };
        let source = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: address };
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        let (bytes, to) = ([IoSlice::new(message)], SockaddrStorage::from(to));
        sendmsg(self.udp.as_raw_fd(), &bytes, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
        Ok(())
    }

    /// The ports, UDP and TCP, to which the DNAT rules of the container's netns have to lead.
    ///
    /// # Errors
    /// What getsockname(2) said.
    pub fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.udp.local_addr()?.port(), self.tcp.local_addr()?.port()))
    }
}

/// A network namespace that can be entered for a moment.
pub struct Netns(OwnedFd);

impl Netns {
    /// The one that the calling thread is in.
    ///
    /// # Errors
    /// What open(2) said.
    pub fn of_this_thread() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// Runs `make` in there. By a thread that ends: the monitor itself never leaves the host's netns, so there is no way
    /// back that could fail.
    ///
    /// # Errors
    /// The thread cannot start, setns(2) failed, or what `make` said.
    pub fn enter<T: Send>(&self, make: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let visit = move || {
                setns(&self.0, CloneFlags::CLONE_NEWNET)?;
                make()
            };
            let visitor = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, visit)?;
            visitor.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the container's netns ended badly")))
        })
    }
}

/// A UDP socket on a fresh random port that takes datagrams from `upstream` alone (connect(2) filters the others).
///
/// # Errors
/// What socket(2), bind(2) or connect(2) said.
pub fn udp_link(upstream: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match upstream {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(upstream)?;
    Ok(socket)
}

/// A TCP socket that is connecting to `upstream`; poll says "writable" when it is done.
///
/// # Errors
/// What socket(2) or connect(2) said at once.
pub fn tcp_link(upstream: SocketAddr) -> io::Result<TcpStream> {
    let family = if upstream.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(upstream)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket.into()),
        Err(refused) => Err(refused.into()),
    }
}
