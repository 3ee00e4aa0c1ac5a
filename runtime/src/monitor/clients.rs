//! Who speaks with the monitor: the listening socket, and one connection a client.
//!
//! ```text
//! listener ── accept ──> client 1, 2, 3 …  ── Request ──> inbox, in order of arrival
//!                        client 0: the command that made this monitor, inherited over exec
//! ```
//!
//! A client that sends nonsense gets an `Error`; one that has gone leaves `None` in the inbox, so that its streams are
//! let go.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockFlag, accept4};

use super::service::{Readiness, Service, Watch};
use crate::control::{Connection, Reply, Request};
use crate::sys::fds;

/// What a client said, or that it has gone.
#[derive(Debug)]
pub struct Message {
    /// Which client.
    pub client: u64,
    /// `None`: it has gone.
    pub request: Option<Request>,
    /// What came with it.
    pub descriptors: Vec<OwnedFd>,
}

/// All connections.
#[derive(Debug)]
pub struct Clients {
    listener: OwnedFd,
    connections: Vec<(u64, Connection)>,
    next: u64,
    inbox: VecDeque<Message>,
}

/// The client that made this monitor.
pub const STARTER: u64 = 0;

impl Clients {
    /// Listens, with `starter` connected already.
    pub fn new(listener: OwnedFd, starter: OwnedFd) -> Clients {
        let mut clients = Clients { listener, connections: Vec::new(), next: STARTER, inbox: VecDeque::new() };
        clients.add(starter);
        clients
    }

    /// The oldest message that nobody has seen yet.
    pub fn next_message(&mut self) -> Option<Message> {
        self.inbox.pop_front()
    }

    /// Puts messages back that could not be heard yet, before all others.
    pub fn hear_again(&mut self, messages: Vec<Message>) {
        for message in messages.into_iter().rev() {
            self.inbox.push_front(message);
        }
    }

    /// Answers a client. One that cannot be told, as it does not read or the kernel has no memory, hears an end of file:
    /// it must not wait for a word that never comes, and nothing waits for it.
    pub fn reply(&self, client: u64, reply: &Reply) {
        if let Some((_, connection)) = self.connections.iter().find(|(id, _)| *id == client)
            && connection.send(reply, &[]).is_err()
        {
            connection.hang_up();
        }
    }

    fn add(&mut self, socket: OwnedFd) {
        let _ = fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        self.connections.push((self.next, Connection::new(socket)));
        self.next += 1;
    }

    fn accept(&mut self) {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        if let Ok(fd) = accept4(self.listener.as_raw_fd(), flags)
            && let Ok(socket) = fds::inherited(fd)
        {
            self.add(socket);
        }
    }

    fn hear(&mut self, client: u64) {
        let Some(index) = self.connections.iter().position(|(id, _)| *id == client) else { return };
        match self.connections[index].1.receive::<Request>() {
            Ok(Some((request, descriptors))) => {
                self.inbox.push_back(Message { client, request: Some(request), descriptors });
            }
            Ok(None) => {
                self.connections.remove(index);
                self.inbox.push_back(Message { client, request: None, descriptors: Vec::new() });
            }
            Err(error) if would_block(&error) => {}
            Err(error) => self.reply(client, &Reply::Error { sentence: format!("{error:#}") }),
        }
    }
}

fn would_block(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::WouldBlock)
}

impl Service for Clients {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch::read(self.listener.as_raw_fd()));
        watch.extend(self.connections.iter().map(|(_, connection)| Watch::read(connection.as_fd().as_raw_fd())));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn ready(&mut self, fd: RawFd, _readiness: Readiness) {
        if fd == self.listener.as_raw_fd() {
            self.accept();
            return;
        }
        let client = self.connections.iter().find(|(_, connection)| connection.as_fd().as_raw_fd() == fd);
        if let Some(&(client, _)) = client {
            self.hear(client);
        }
    }

    fn expired(&mut self, _now: Instant) {}
}
