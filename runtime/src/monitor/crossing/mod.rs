//! Across: published ports that no translation of the kernel leads from, as the container has addresses of the other
//! family only, or as the client is at ::1.
//!
//! ```text
//! client ── [::]:8080  (the monitor listens) ── connect ──> 172.17.0.2:80       TCP: bytes both ways, ends apart
//! client ── [::]:53    (the monitor reads)   ── send ────> 172.17.0.2:53        UDP: one socket a client, 90 s
//! client ── [::1]:8080 (the monitor listens) ── connect ──> [fd00::2]:80        the container has IPv6, but ::1 is the host's
//! ```
//!
//! Bytes go through the monitor, with bounded memory: at most 200 streams of two buffers, and 100 clients a UDP port. The
//! container sees the gateway's address as the source. What the kernel can translate never comes this way.

mod addressed;
mod datagrams;
mod streams;

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Instant;

use netmodes::publish::{Held, Mapping, Protocol};

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
    /// Serves the port that `held` holds, and leads it to `target`.
    ///
    /// # Errors
    /// A socket that cannot be made to listen.
    pub fn add(&mut self, held: Held, target: SocketAddr) -> io::Result<()> {
        let mapping = held.mapping;
        let socket = held.serve()?;
        match mapping.protocol {
            Protocol::Tcp => self.streams.listen(socket, mapping, target),
            Protocol::Udp => self.datagrams.push(Datagrams::new(socket, mapping, target)?),
        }
        Ok(())
    }

    /// Leads each port to another address from now on; one for which there is none stays as it is.
    pub fn lead(&mut self, target: impl Fn(&Mapping) -> Option<SocketAddr>) {
        self.streams.lead(&target);
        self.datagrams.iter_mut().for_each(|port| port.lead(&target));
    }

    /// Lets the port go. Connections that are open go on to their end, as those of a closed listener do; datagrams have
    /// no connections.
    pub fn remove(&mut self, mapping: &Mapping) {
        self.streams.stop_listening(mapping);
        self.datagrams.retain(|port| port.mapping() != mapping);
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
