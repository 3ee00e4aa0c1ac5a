//! UDP through the monitor: a socket for each client, so that answers find their way back.
//!
//! ```text
//! [2001:db8::7]:5000 ──> [::]:53 ──> socket of that client ──> 172.17.0.2:53
//!                    <──         <──                        <──
//! ```
//!
//! A client that is silent for 90 seconds is forgotten; of too many the one that has been silent longest. A client that
//! asks two addresses of the host is two: each answer comes from the address that was asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use netmodes::publish::Mapping;

use super::addressed::{self, Ends};
use crate::monitor::service::{Readiness, Service, Watch};

/// Clients of one port at a time.
const MOST: usize = 100;
/// As long as Docker's proxy remembers a client.
const SILENCE: Duration = Duration::from_secs(90);
/// Datagrams that are passed on before others have their turn.
const BURST: usize = 32;
/// The largest datagram (RFC 768: 16 bits of length).
const LARGEST: usize = 65536;

/// One port.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    mapping: Mapping,
    target: SocketAddr,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    ends: Ends,
    socket: UdpSocket,
    heard: Instant,
}

impl Datagrams {
    /// Serves a bound socket that does not block.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new(socket: OwnedFd, mapping: Mapping, target: SocketAddr) -> io::Result<Datagrams> {
        let socket = UdpSocket::from(socket);
        addressed::prepare(&socket)?;
        Ok(Datagrams { socket, mapping, target, clients: Vec::new() })
    }

    /// Datagrams go there from now on: clients are strangers again.
    pub fn lead(&mut self, target: impl Fn(&Mapping) -> Option<SocketAddr>) {
        let target = target(&self.mapping).unwrap_or(self.target);
        if target != self.target {
            self.target = target;
            self.clients.clear();
        }
    }

    /// The port that is served.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    fn take_in(&mut self) {
        let mut datagram = vec![0; LARGEST];
        for _ in 0..BURST {
            let Ok((length, ends)) = addressed::receive(&self.socket, &mut datagram) else { return };
            if let Some(client) = ends.and_then(|ends| self.client(ends)) {
                client.heard = Instant::now();
                // What the container does not take is lost, as datagrams are.
                let _ = client.socket.send(&datagram[..length]);
            }
        }
    }

    /// The client, made if it is new; `None` without descriptors.
    fn client(&mut self, ends: Ends) -> Option<&mut Client> {
        if let Some(index) = self.clients.iter().position(|client| client.ends == ends) {
            return self.clients.get_mut(index);
        }
        if self.clients.len() >= MOST {
            let oldest = self.clients.iter().enumerate().min_by_key(|(_, client)| client.heard)?.0;
            self.clients.swap_remove(oldest);
        }
        let socket = UdpSocket::bind(SocketAddr::new(any(self.target.ip()), 0)).ok()?;
        socket.set_nonblocking(true).and_then(|()| socket.connect(self.target)).ok()?;
        self.clients.push(Client { ends, socket, heard: Instant::now() });
        self.clients.last_mut()
    }

    fn give_back(&mut self, index: usize) {
        let mut datagram = vec![0; LARGEST];
        let client = &mut self.clients[index];
        for _ in 0..BURST {
            // An error is a datagram that met a closed port: reading it has cleared it.
            let Ok(length) = client.socket.recv(&mut datagram) else { return };
            client.heard = Instant::now();
            let _ = addressed::send(&self.socket, &datagram[..length], client.ends);
        }
    }
}

/// All addresses of the same family.
fn any(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

impl Service for Datagrams {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch::read(self.socket.as_raw_fd()));
        watch.extend(self.clients.iter().map(|client| Watch::read(client.socket.as_raw_fd())));
    }

    fn deadline(&self) -> Option<Instant> {
        self.clients.iter().map(|client| client.heard + SILENCE).min()
    }

    fn ready(&mut self, fd: RawFd, _readiness: Readiness) {
        if fd == self.socket.as_raw_fd() {
            self.take_in();
        } else if let Some(index) = self.clients.iter().position(|client| client.socket.as_raw_fd() == fd) {
            self.give_back(index);
        }
    }

    fn expired(&mut self, now: Instant) {
        self.clients.retain(|client| client.heard + SILENCE > now);
    }
}
