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
use std::time::{Duration, Instant};

use nix::errno::Errno;
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
    /// Nobody can be let in before then.
    deaf: Option<Instant>,
}

/// How long nobody is let in after the kernel had no descriptor or no memory for it: a caller who waits at the door
/// keeps the listener readable, and asking again at once would never end.
const PAUSE: Duration = Duration::from_millis(100);

/// The client that made this monitor.
pub const STARTER: u64 = 0;

impl Clients {
    /// Listens, with `starter` connected already.
    pub fn new(listener: OwnedFd, starter: OwnedFd) -> Clients {
        let (connections, inbox) = (Vec::new(), VecDeque::new());
        let mut clients = Clients { listener, connections, next: STARTER, inbox, deaf: None };
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
        match accept4(self.listener.as_raw_fd(), flags).map(fds::inherited) {
            Ok(Ok(socket)) => self.add(socket),
            Ok(Err(_)) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(_) => self.deaf = Some(Instant::now() + PAUSE),
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
        if self.deaf.is_none() {
            watch.push(Watch::read(self.listener.as_raw_fd()));
        }
        watch.extend(self.connections.iter().map(|(_, connection)| Watch::read(connection.as_fd().as_raw_fd())));
    }

    fn deadline(&self) -> Option<Instant> {
        self.deaf
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

    fn expired(&mut self, now: Instant) {
        self.deaf = self.deaf.filter(|until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockType, socketpair};

    #[test]
    fn a_door_that_cannot_be_opened_is_not_tried_again_at_once() {
        // No listener at all: accept4(2) fails as it does without descriptors, and the door stays readable.
        let door: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let (starter, _command) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let number = door.as_raw_fd();
        let mut clients = Clients::new(door, starter);
        let is_watched = |clients: &Clients| {
            let mut watch = Vec::new();
            clients.watch(&mut watch);
            assert_eq!(watch.iter().filter(|watch| watch.fd != number).count(), 1, "who is in is heard");
            watch.iter().any(|watch| watch.fd == number)
        };
        assert!(is_watched(&clients));
        clients.ready(number, Readiness::default());
        assert!(!is_watched(&clients));
        let until = clients.deadline().unwrap();
        clients.expired(until - PAUSE);
        assert!(!is_watched(&clients));
        clients.expired(until);
        assert!(is_watched(&clients) && clients.deadline().is_none());
    }
}
