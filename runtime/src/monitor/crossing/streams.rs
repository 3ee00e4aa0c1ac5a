//! TCP through the monitor: two sockets a connection, and a small buffer each way.
//!
//! ```text
//! accept ─> connect (not awaited) ─> relay: read where there is room, write where there is something
//!            └ refused: the client is closed, too     one side ends: the other hears it after the last byte
//! ```
//!
//! With all places taken nobody is accepted: newcomers wait in the kernel's queue, as in front of any busy server.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt};

use netmodes::publish::Mapping;

use crate::monitor::service::{Readiness, Service, Watch};

/// Connections at a time, of all ports of the container together.
const MOST: usize = 200;
/// Bytes that wait in one direction.
const ROOM: usize = 16 * 1024;
/// Without descriptors or memory nobody is accepted for so long.
const REST: Duration = Duration::from_millis(100);

/// All listening ports and their connections.
#[derive(Debug, Default)]
pub struct Streams {
    listeners: Vec<Port>,
    pairs: Vec<Pair>,
    rest: Option<Instant>,
}

/// A port that is listened on.
#[derive(Debug)]
struct Port {
    listener: TcpListener,
    mapping: Mapping,
    target: SocketAddr,
}

#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_connected: bool,
    up: Flow,
    down: Flow,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    waiting: VecDeque<u8>,
    /// The source has nothing more to say.
    ended: bool,
    /// The sink has been told so.
    told: bool,
}

impl Streams {
    /// Serves a listening socket.
    pub fn listen(&mut self, socket: OwnedFd, mapping: Mapping, target: SocketAddr) {
        self.listeners.push(Port { listener: socket.into(), mapping, target });
    }

    /// New connections go there from now on.
    pub fn lead(&mut self, target: impl Fn(&Mapping) -> Option<SocketAddr>) {
        self.listeners.iter_mut().for_each(|port| port.target = target(&port.mapping).unwrap_or(port.target));
    }

    /// Closes it; those that were accepted stay.
    pub fn stop_listening(&mut self, mapping: &Mapping) {
        self.listeners.retain(|port| port.mapping != *mapping);
    }

    fn accept(&mut self, index: usize) {
        let Port { listener, target, .. } = &self.listeners[index];
        match listener.accept() {
            // A target that cannot even be tried closes the client at once.
            Ok((client, _)) => self.pairs.extend(Pair::open(client, *target).ok()),
            Err(error) if is_transient(&error) || error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => self.rest = Some(Instant::now() + REST),
        }
    }
}

impl Service for Streams {
    fn watch(&self, watch: &mut Vec<Watch>) {
        if self.pairs.len() < MOST && self.rest.is_none() {
            watch.extend(self.listeners.iter().map(|port| Watch::read(port.listener.as_raw_fd())));
        }
        self.pairs.iter().for_each(|pair| pair.watch(watch));
    }

    fn deadline(&self) -> Option<Instant> {
        self.rest
    }

    fn ready(&mut self, fd: RawFd, readiness: Readiness) {
        if let Some(index) = self.listeners.iter().position(|port| port.listener.as_raw_fd() == fd) {
            self.accept(index);
        } else if let Some(index) = self.pairs.iter().position(|pair| pair.has(fd))
            && !self.pairs[index].go_on(fd, readiness)
        {
            self.pairs.swap_remove(index);
        }
    }

    fn expired(&mut self, _now: Instant) {
        self.rest = None;
    }
}

impl Pair {
    /// connect(2) that is not waited for.
    fn open(client: TcpStream, target: SocketAddr) -> Result<Pair, std::io::Error> {
        client.set_nonblocking(true)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let server = socket(family, SockType::Stream, flags, None)?;
        match connect(server.as_raw_fd(), &SockaddrStorage::from(target)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        // A peer that vanished without a word must not keep its place for ever.
        setsockopt(&client, sockopt::KeepAlive, &true)?;
        let server = TcpStream::from(server);
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        Ok(Pair { client, server, is_connected: false, up: Flow::default(), down: Flow::default() })
    }

    fn has(&self, fd: RawFd) -> bool {
        self.client.as_raw_fd() == fd || self.server.as_raw_fd() == fd
    }

    fn watch(&self, watch: &mut Vec<Watch>) {
        let (client, server) = (self.client.as_raw_fd(), self.server.as_raw_fd());
        if !self.is_connected {
            watch.push(Watch { fd: server, read: false, write: true });
            return;
        }
        let mut push = |fd, read, write| {
            // A side with which nothing is to be done would say "hung up" again and again.
            if read || write {
                watch.push(Watch { fd, read, write });
            }
        };
        push(client, self.up.has_room(), !self.down.waiting.is_empty());
        push(server, self.down.has_room(), !self.up.waiting.is_empty());
    }

    /// Moves what can be moved; `false` when the connection is over.
    fn go_on(&mut self, fd: RawFd, readiness: Readiness) -> bool {
        if !self.is_connected {
            self.is_connected = matches!(self.server.take_error(), Ok(None));
            return self.is_connected;
        }
        let from_client = fd == self.client.as_raw_fd();
        if readiness.read || readiness.hangup {
            let read = match from_client {
                true => self.up.fill(&mut self.client),
                false => self.down.fill(&mut self.server),
            };
            if !read {
                return false;
            }
        }
        self.up.empty(&mut self.server) && self.down.empty(&mut self.client) && !(self.up.told && self.down.told)
    }
}

impl Flow {
    fn has_room(&self) -> bool {
        !self.ended && self.waiting.len() < ROOM
    }

    /// One read; `false` when the source has failed.
    fn fill(&mut self, source: &mut TcpStream) -> bool {
        if !self.has_room() {
            return true;
        }
        let mut chunk = [0; ROOM];
        match source.read(&mut chunk[..ROOM - self.waiting.len()]) {
            Ok(0) => self.ended = true,
            Ok(length) => self.waiting.extend(&chunk[..length]),
            Err(error) => return is_transient(&error),
        }
        true
    }

    /// Writes what the sink takes, and after the last byte says so; `false` when the sink has failed.
    fn empty(&mut self, sink: &mut TcpStream) -> bool {
        while !self.waiting.is_empty() {
            match sink.write(self.waiting.as_slices().0) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) => return is_transient(&error),
            }
        }
        if self.ended && !self.told {
            self.told = true;
            // ENOTCONN: it has gone already.
            let _ = sink.shutdown(Shutdown::Write);
        }
        true
    }
}

fn is_transient(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
