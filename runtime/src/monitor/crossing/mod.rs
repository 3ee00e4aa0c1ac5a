//! From IPv6 to IPv4: published ports of the host's IPv6 addresses lead to a container that has IPv4 only.
//!
//! ```text
//! client ── [::]:8080 (the monitor listens) ── connect ──> 172.17.0.2:80       TCP: bytes both ways, ends apart
//! client ── [::]:53   (the monitor reads)   ── send ────> 172.17.0.2:53        UDP: one socket a client, 90 s
//! ```
//!
//! No translation of the kernel leads from one family to the other, and none comes back from ::1. So here bytes go
//! through the monitor, with bounded memory: at most 200 streams of two buffers, and 100 clients a UDP port. The container
//! sees the gateway's address as the source. IPv4 does not come this way.

mod datagrams;
mod streams;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::Instant;

use netmodes::publish::{Held, Protocol};

use super::service::{Readiness, Service, Watch};
use datagrams::Datagrams;
use streams::Streams;

/// All ports of one container that are served in this way; usually one or none of each kind.
#[derive(Debug, Default)]
pub struct Crossing {
    streams: Streams,
    datagrams: Vec<Datagrams>,
}

impl Crossing {
    /// The ports that `held` holds, led to `address`.
    pub fn new(held: Vec<Held>, address: IpAddr) -> Crossing {
        let mut crossing = Crossing::default();
        for Held { socket, mapping } in held {
            let target = SocketAddr::new(address, mapping.container);
            match mapping.protocol {
                Protocol::Tcp => crossing.streams.listen(socket, target),
                Protocol::Udp => crossing.datagrams.push(Datagrams::new(socket, target)),
            }
        }
        crossing
    }
}

impl Service for Crossing {
    fn watch(&self, watch: &mut Vec<Watch>) {
        self.streams.watch(watch);
        self.datagrams.iter().for_each(|port| port.watch(watch));
    }

    fn deadline(&self) -> Option<Instant> {
        let datagrams = self.datagrams.iter().filter_map(Service::deadline);
        datagrams.chain(self.streams.deadline()).min()
    }

    fn ready(&mut self, fd: RawFd, readiness: Readiness) {
        self.streams.ready(fd, readiness);
        self.datagrams.iter_mut().for_each(|port| port.ready(fd, readiness));
    }

    fn expired(&mut self, now: Instant) {
        self.streams.expired(now);
        self.datagrams.iter_mut().for_each(|port| port.expired(now));
    }
}

#[cfg(test)]
mod tests;
