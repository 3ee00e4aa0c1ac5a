//! A server that tells each client the address it sees.
//!
//! ```text
//!   [::]:PORT   TCP   "you are ADDRESS", then the end
//!               UDP   "you are ADDRESS", sent from the address that was asked (IPV6_RECVPKTINFO)
//! ```
//!
//! A socket of [::] hears IPv4, too (ipv6(7)); without the second line's care, a machine with several addresses would
//! answer from the first of them, which is not whom the client had asked.

use std::io::{Error, IoSlice, IoSliceMut, Write};
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt, sockopt,
};

/// Serves these ports for ever.
pub fn serve(ports: &[&str]) -> Result<(), Error> {
    for port in ports {
        let address = (Ipv6Addr::UNSPECIFIED, port.parse::<u16>().map_err(Error::other)?);
        let (tcp, udp) = (TcpListener::bind(address)?, UdpSocket::bind(address)?);
        setsockopt(&udp, sockopt::Ipv6RecvPacketInfo, &true)?;
        std::thread::spawn(move || tcp.incoming().flatten().for_each(greet));
        std::thread::spawn(move || while answer(&udp).is_ok() {});
    }
    println!("serving");
    loop {
        std::thread::park();
    }
}

/// A client that goes away or says nothing is no reason to stop.
fn greet(mut client: TcpStream) {
    if let Ok(peer) = client.peer_addr() {
        let _ = client.set_write_timeout(Some(Duration::from_secs(1)));
        let _ = writeln!(client, "you are {}", peer.ip().to_canonical());
    }
}

fn answer(socket: &UdpSocket) -> Result<(), Error> {
    let mut buffer = [0; 2048];
    let mut space = nix::cmsg_space!(nix::libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let asked = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
        _ => None,
    });
    let (Some(client), Some(mut asked)) = (message.address, asked) else { return Ok(()) };
    // The way back is the routes' choice, not the interface's by which the question came.
    asked.ipi6_ifindex = 0;
    let text = format!("you are {}\n", SocketAddrV6::from(client).ip().to_canonical());
    let from = [ControlMessage::Ipv6PacketInfo(&asked)];
    let _ = sendmsg(socket.as_raw_fd(), &[IoSlice::new(text.as_bytes())], &from, MsgFlags::empty(), Some(&client));
    Ok(())
}
