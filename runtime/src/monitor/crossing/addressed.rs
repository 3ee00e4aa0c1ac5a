//! Datagrams with both their addresses: who asked, and which address of the host was asked.
//!
//! ```text
//! recvmsg(2)   IP_PKTINFO, IPV6_PKTINFO ─> 2001:db8::3        a socket of [::] hears every address of the host
//! sendmsg(2)   the same ─> the answer leaves from 2001:db8::3  a client that is connected hears nobody else
//! ```
//!
//! Without it the kernel answers from the address that it prefers for the way back (ip(7), ipv6(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};

/// The two ends of a datagram, as the host sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who sent it.
    pub client: SocketAddr,
    /// The host's address that it was sent to.
    pub asked: IpAddr,
}

/// Has the kernel say with each datagram where it was sent to.
///
/// # Errors
/// What the kernel refuses.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// One datagram; `None` in place of its ends if the kernel did not tell them.
///
/// # Errors
/// `WouldBlock` when none is there.
pub fn receive(socket: &UdpSocket, datagram: &mut [u8]) -> io::Result<(usize, Option<Ends>)> {
    let mut space = nix::cmsg_space!(in6_pktinfo);
    let mut parts = [IoSliceMut::new(datagram)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let asked = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    });
    let client = message.address.as_ref().and_then(address);
    let ends = client.zip(asked).map(|(client, asked)| Ends { client, asked });
    Ok((message.bytes, ends))
}

/// An answer: from the address that was asked to the one that asked.
///
/// # Errors
/// What the kernel refuses.
pub fn send(socket: &UdpSocket, datagram: &[u8], ends: Ends) -> io::Result<()> {
    // Interface 0: the way back is the routes' choice.
    let v4 = |address: Ipv4Addr| in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        ipi_addr: in_addr { s_addr: 0 },
    };
    let v6 = |address: Ipv6Addr| in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 0 };
    let (v4_info, v6_info);
    let from = match ends.asked {
        IpAddr::V4(address) => {
            v4_info = v4(address);
            ControlMessage::Ipv4PacketInfo(&v4_info)
        }
        IpAddr::V6(address) => {
            v6_info = v6(address);
            ControlMessage::Ipv6PacketInfo(&v6_info)
        }
    };
    let to = SockaddrStorage::from(ends.client);
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(datagram)], &[from], MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(())
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)));
    v4.or_else(|| Some(SocketAddr::V6(SocketAddrV6::from(*storage.as_sockaddr_in6()?))))
}
