//! The container's name server at 127.0.0.11: sockets around a state machine.
//!
//! ```text
//!   program --53--> DNAT --> udp, tcp ----+                      +--> names: one directory read
//!                                         v                      |
//!      poll(2) --> ready() --> Event --> Machine::on --> Effect --+--> links --> the host's servers
//!                  expired()                                     +--> replies
//!
//!   machine.rs   the rules (pure)            clients.rs   who may stay connected
//!   exchanges.rs questions on their way      links.rs     how many ports they may use
//!   sockets.rs   which netns                 stream.rs    messages over TCP       random.rs  ids
//!   recent.rs    one look a turn
//! ```
//!
//! Each monitor serves its own container alone, so whatever a container sends can only spoil its own service. This file
//! moves bytes between descriptors and the machine and decides nothing.

mod clients;
mod exchanges;
mod links;
mod machine;
mod random;
mod recent;
#[cfg(test)]
mod socket_tests;
mod sockets;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use netmodes::names::answer::{LARGEST_QUERY, Transport};
use netmodes::names::directory::{Member, Registries};
use netmodes::names::resolv::Upstream;

use super::service::{Readiness, Service, Watch};
use clients::ClientId;
use links::LinkId;
use machine::{Client, Effect, Event, Machine};
use recent::Recent;
use sockets::{tcp_link, udp_link};
use stream::Stream;

pub use sockets::ResolverSockets;

/// Messages taken from one socket before the others have their turn.
const TURN: usize = 64;
/// Room for the largest answer from outside, in bytes. It is asked for when one has come, as most monitors see none.
const LARGEST: usize = 65_536;

/// How long no connection is accepted after the kernel has refused one (descriptors have run out); without the pause
/// poll(2) would report the same connection again at once, and we would spin.
const BREATH: Duration = Duration::from_secs(1);

/// What a resolver has to know.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The container's networks, in order of attachment.
    pub members: Vec<Member>,
    /// Whom to ask about everything else; at most three are used.
    pub upstreams: Vec<Upstream>,
    /// The person set `ndots`: single labels are not asked outside.
    pub ndots_set: bool,
}

/// The name server of one container.
pub struct Resolver {
    sockets: ResolverSockets,
    upstreams: Vec<Upstream>,
    machine: Machine<Recent<Registries>>,
    links: BTreeMap<LinkId, Link>,
    clients: BTreeMap<ClientId, Stream>,
    last_client: ClientId,
    accept_again: Option<Instant>,
}

enum Link {
    Datagrams(UdpSocket),
    Stream(Stream),
}

impl Resolver {
    /// A resolver over sockets that were opened in the container's netns; it makes its others as it needs them.
    /// `alive` says whether the container of an id is running now: names of the dead do not count.
    pub fn new(sockets: ResolverSockets, config: Config, alive: Box<dyn Fn(&str) -> bool>) -> Self {
        let mut upstreams = config.upstreams;
        upstreams.truncate(netmodes::names::resolv::MOST_UPSTREAMS);
        let directory = Recent::new(Registries { members: config.members, alive });
        let machine = Machine::new(directory, upstreams.len(), config.ndots_set);
        let (links, clients) = (BTreeMap::new(), BTreeMap::new());
        Self { sockets, upstreams, machine, links, clients, last_client: 0, accept_again: None }
    }

    /// The container has come to other networks, or to other servers.
    pub fn renew(&mut self, config: Config) {
        self.upstreams = config.upstreams;
        self.upstreams.truncate(netmodes::names::resolv::MOST_UPSTREAMS);
        let members = config.members;
        self.machine.renew(|recent| recent.directory.members = members, self.upstreams.len(), config.ndots_set);
    }

    /// Gives the machine one event and carries out what it says, until it says nothing more.
    fn step(&mut self, event: Event, now: Instant) {
        let mut effects = VecDeque::from(self.machine.on(event, now));
        while let Some(effect) = effects.pop_front() {
            if let Err(link) = self.carry_out(effect) {
                self.links.remove(&link);
                effects.extend(self.machine.on(Event::Failed { link }, now));
            }
        }
    }

    /// `Err` names a link that does not work.
    fn carry_out(&mut self, effect: Effect) -> Result<(), LinkId> {
        match effect {
            Effect::Reply { client: Client::Udp(to), message } => {
                // A client that cannot take its answer will ask again: nothing is queued for it.
                let _ = self.sockets.answer(&message, to);
            }
            Effect::Reply { client: Client::Tcp(id), message } => self.send_to_client(id, &message),
            Effect::Open { link, upstream, transport } => {
                let opened = self.open(upstream, transport).map_err(|_| link)?;
                self.links.insert(link, opened);
            }
            Effect::Ask { link, message } => {
                if let Some(open) = self.links.get_mut(&link) {
                    open.send(&message).map_err(|_| link)?;
                }
            }
            Effect::Close { link } => drop(self.links.remove(&link)),
            Effect::Drop { client } => drop(self.clients.remove(&client)),
        }
        Ok(())
    }

    fn open(&self, upstream: usize, transport: Transport) -> io::Result<Link> {
        let Upstream { address, inside } = self.upstreams[upstream];
        let make = move || match transport {
            Transport::Udp => udp_link(address).map(Link::Datagrams),
            Transport::Tcp => tcp_link(address).map(|socket| Link::Stream(Stream::new(socket))),
        };
        if inside { self.sockets.inside.enter(make) } else { make() }
    }

    fn send_to_client(&mut self, id: ClientId, message: &[u8]) {
        if let Some(stream) = self.clients.get_mut(&id) {
            stream.send(message);
            // What breaks here is reported by poll as a hang-up, and dealt with there.
            let _ = stream.flush();
        }
    }

    /// First everything that waits is received, then it is answered: see [`Recent`].
    fn take_datagrams(&mut self) {
        let mut queries = Vec::new();
        // One byte more than is looked at, so that what is too long is seen to be.
        let mut buffer = [0; LARGEST_QUERY + 1];
        for _ in 0..TURN {
            let Ok((size, from)) = self.sockets.udp.recv_from(&mut buffer) else { break };
            queries.push((Client::Udp(from), buffer[..size].to_vec()));
        }
        let now = Instant::now();
        self.machine.directory().forget();
        for (client, message) in queries {
            self.step(Event::Query { client, message: &message }, now);
        }
    }

    fn take_connections(&mut self) {
        for _ in 0..TURN {
            let socket = match self.sockets.tcp.accept() {
                Ok((socket, _)) => socket,
                Err(none) if none.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.accept_again = Some(Instant::now() + BREATH),
            };
            if socket.set_nonblocking(true).is_ok() {
                self.last_client += 1;
                self.clients.insert(self.last_client, Stream::new(socket));
                self.step(Event::Accepted { client: self.last_client }, Instant::now());
            }
        }
    }

    fn serve_client(&mut self, id: ClientId, readiness: Readiness) {
        let Some(stream) = self.clients.get_mut(&id) else { return };
        let flushed = stream.flush();
        let filled = if readiness.read { stream.fill() } else { Ok(()) };
        if flushed.is_err() || filled.is_err() || (readiness.hangup && !readiness.read) {
            return self.part_with(id);
        }
        self.settle(id);
    }

    /// Serves the queries that a client has sent, one after the other, the next one only when the last is answered; and
    /// closes when it has sent all and has all its answers.
    fn settle(&mut self, id: ClientId) {
        self.machine.directory().forget();
        while let Some(stream) = self.clients.get_mut(&id).filter(|s| !s.sending() && !self.machine.waiting(id)) {
            match stream.next() {
                Some(message) => self.step(Event::Query { client: Client::Tcp(id), message: &message }, Instant::now()),
                None if stream.ended() => return self.part_with(id),
                None => return,
            }
        }
    }

    fn settle_all(&mut self) {
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    fn part_with(&mut self, id: ClientId) {
        self.clients.remove(&id);
        self.step(Event::Left { client: id }, Instant::now());
    }

    fn serve_link(&mut self, id: LinkId) {
        let now = Instant::now();
        let mut buffer = vec![0; LARGEST];
        for _ in 0..TURN {
            let message = match self.links.get_mut(&id).map(|link| link.receive(&mut buffer)) {
                Some(Ok(Some(size))) => &buffer[..size],
                Some(Err(_)) => {
                    self.links.remove(&id);
                    self.step(Event::Failed { link: id }, now);
                    break;
                }
                Some(Ok(None)) | None => break,
            };
            self.step(Event::Answered { link: id, message }, now);
        }
        self.settle_all();
    }

    fn client_of(&self, fd: RawFd) -> Option<ClientId> {
        self.clients.iter().find(|(_, stream)| stream.descriptor() == fd).map(|(id, _)| *id)
    }

    fn link_of(&self, fd: RawFd) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.descriptor() == fd).map(|(id, _)| *id)
    }
}

impl Link {
    fn descriptor(&self) -> RawFd {
        match self {
            Self::Datagrams(socket) => socket.as_raw_fd(),
            Self::Stream(stream) => stream.descriptor(),
        }
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Datagrams(socket) => match socket.send(message) {
                // A full queue loses the datagram, as the network may; the deadline sees to it.
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => Ok(()),
                sent => sent.map(drop),
            },
            Self::Stream(stream) => {
                stream.send(message);
                stream.flush()
            }
        }
    }

    /// One whole message into `buffer`; its length, or `None` when there is none yet.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Datagrams(socket) => match socket.recv(buffer) {
                Ok(size) => Ok(Some(size)),
                Err(empty) if empty.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(broken) => Err(broken),
            },
            Self::Stream(stream) => receive_from(stream, buffer),
        }
    }
}

fn receive_from(stream: &mut Stream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    stream.flush()?;
    stream.fill()?;
    match stream.next() {
        Some(message) => {
            buffer[..message.len()].copy_from_slice(&message);
            Ok(Some(message.len()))
        }
        None if stream.ended() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Ok(None),
    }
}

impl Service for Resolver {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch { fd: self.sockets.udp.as_raw_fd(), read: true, write: false });
        if self.accept_again.is_none() {
            watch.push(Watch { fd: self.sockets.tcp.as_raw_fd(), read: true, write: false });
        }
        for link in self.links.values() {
            let write = matches!(link, Link::Stream(stream) if stream.sending());
            watch.push(Watch { fd: link.descriptor(), read: true, write });
        }
        for (id, stream) in &self.clients {
            let write = stream.sending();
            let read = !write && !stream.ended() && !self.machine.waiting(*id);
            watch.push(Watch { fd: stream.descriptor(), read, write });
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline().into_iter().chain(self.accept_again).min()
    }

    fn ready(&mut self, fd: RawFd, readiness: Readiness) {
        if fd == self.sockets.udp.as_raw_fd() {
            self.take_datagrams();
        } else if fd == self.sockets.tcp.as_raw_fd() {
            self.take_connections();
        } else if let Some(link) = self.link_of(fd) {
            self.serve_link(link);
        } else if let Some(client) = self.client_of(fd) {
            self.serve_client(client, readiness);
        }
    }

    fn expired(&mut self, now: Instant) {
        self.accept_again = self.accept_again.filter(|again| *again > now);
        self.step(Event::Tick, now);
        self.settle_all();
    }
}
