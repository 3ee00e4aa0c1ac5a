//! The resolver without sockets: events in, effects out, and a clock that the caller holds.
//!
//! ```text
//!   Query --answer()--> local ------------------------------------------> Reply
//!              |
//!              +--> forward --> no upstream ----------------------------> Reply SERVFAIL
//!                          +--> 1,024 on their way ---------------------> Reply REFUSED
//!                          +--> [Open] Ask upstream 0 (random id)
//!                                 | Answered: same link, id, question --> Reply, [Close]
//!                                 | SERVFAIL, REFUSED, Failed, 4 s ------> the next upstream, at most three
//!                                 v none left -------------------------> Reply SERVFAIL
//! ```
//!
//! Every answer is looked at three times: it came through the socket that was used to ask (a connected socket, so from
//! the upstream that was asked), it has the random id, and it repeats the question. Anything else is dropped unseen.
//! Nothing here waits for anybody, so a dead upstream, a silent client or a malformed query costs only its own sender.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netmodes::names::answer::{Answer, Transport, answer};
use netmodes::names::directory::Directory;
use netmodes::names::wire::{self, Question, Rcode};

use super::clients::{ClientId, Clients};
use super::exchanges::{Exchange, Exchanges};
use super::links::{LinkId, Links};
use super::random::Random;

/// How long one upstream has to answer.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// Who asked, and how to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A datagram's sender.
    Udp(SocketAddr),
    /// A connection.
    Tcp(ClientId),
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A whole message from a client.
    Query { client: Client, message: &'a [u8] },
    /// A client connected.
    Accepted { client: ClientId },
    /// A client's connection is gone.
    Left { client: ClientId },
    /// A whole message came through a link.
    Answered { link: LinkId, message: &'a [u8] },
    /// A link cannot be opened or used any more.
    Failed { link: LinkId },
    /// The deadline has passed.
    Tick,
}

/// What to do now, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send an answer.
    Reply { client: Client, message: Vec<u8> },
    /// Open a socket connected to an upstream (an index).
    Open { link: LinkId, upstream: usize, transport: Transport },
    /// Send a query through an open link.
    Ask { link: LinkId, message: Vec<u8> },
    /// Close a link.
    Close { link: LinkId },
    /// Close a client's connection.
    Drop { client: ClientId },
}

/// The resolver's state.
pub struct Machine<D> {
    directory: D,
    upstreams: usize,
    ndots_set: bool,
    exchanges: Exchanges,
    links: Links,
    clients: Clients,
    random: Random,
}

impl<D: Directory> Machine<D> {
    /// A resolver that knows `directory` and may ask `upstreams` servers.
    pub fn new(directory: D, upstreams: usize, ndots_set: bool) -> Self {
        let (exchanges, links, clients) = (Exchanges::default(), Links::default(), Clients::default());
        Self { directory, upstreams, ndots_set, exchanges, links, clients, random: Random::new() }
    }

    /// When `Tick` is wanted at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.exchanges.deadline().into_iter().chain(self.clients.deadline()).min()
    }

    /// From now on another directory's names and other upstreams; questions on their way go on.
    pub fn renew(&mut self, change: impl FnOnce(&mut D), upstreams: usize, ndots_set: bool) {
        change(&mut self.directory);
        (self.upstreams, self.ndots_set) = (upstreams, ndots_set);
    }

    /// Where names are looked up.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// Whether a client's question is on its way, so that its next one has to wait.
    pub fn waiting(&self, client: ClientId) -> bool {
        self.clients.waiting(client)
    }

    /// One step.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Query { client, message } => self.query(client, message, now, &mut effects),
            Event::Accepted { client } => self.accepted(client, now, &mut effects),
            Event::Left { client } => self.left(client, &mut effects),
            Event::Answered { link, message } => self.answered(link, message, now, &mut effects),
            Event::Failed { link } => {
                let stranded = self.exchanges.remove_all(|exchange| exchange.link == link);
                stranded.into_iter().for_each(|exchange| self.next(exchange, now, &mut effects));
            }
            Event::Tick => self.tick(now, &mut effects),
        }
        effects
    }

    fn query(&mut self, client: Client, message: &[u8], now: Instant, effects: &mut Vec<Effect>) {
        let random = &mut self.random;
        let decision = answer(message, transport_of(client), &self.directory, self.ndots_set, &mut || random.number());
        match decision {
            Answer::Local(reply) | Answer::Malformed(Some(reply)) => self.reply(client, reply, now, effects),
            Answer::Malformed(None) => self.hang_up(client, effects),
            Answer::Forward => self.forward(client, message, now, effects),
        }
    }

    fn forward(&mut self, client: Client, message: &[u8], now: Instant, effects: &mut Vec<Effect>) {
        let refusal = match (self.upstreams, self.exchanges.full()) {
            (0, _) => Rcode::ServerFailure,
            (_, true) => Rcode::Refused,
            _ => {
                if let Client::Tcp(id) = client {
                    self.clients.wait(id);
                }
                let client_id = wire::id(message).unwrap_or_default();
                let query = message.to_vec();
                let exchange = Exchange { client, client_id, query, upstream: 0, link: 0, deadline: now };
                return self.ask(exchange, now, effects);
            }
        };
        self.reply_failure(client, message, refusal, now, effects);
    }

    /// Sends a question to the upstream that its exchange names.
    fn ask(&mut self, mut exchange: Exchange, now: Instant, effects: &mut Vec<Effect>) {
        let (upstream, transport) = (exchange.upstream, transport_of(exchange.client));
        let (link, new) = self.links.join(upstream, transport, &mut self.random);
        (exchange.link, exchange.deadline) = (link, now + PATIENCE);
        if new {
            effects.push(Effect::Open { link, upstream, transport });
        }
        let message = self.exchanges.insert(exchange, &mut self.random);
        effects.push(Effect::Ask { link, message });
    }

    /// Goes on to the next upstream, or gives the question up.
    fn next(&mut self, mut exchange: Exchange, now: Instant, effects: &mut Vec<Effect>) {
        self.leave(exchange.link, effects);
        exchange.upstream += 1;
        if exchange.upstream < self.upstreams {
            return self.ask(exchange, now, effects);
        }
        wire::set_id(&mut exchange.query, exchange.client_id);
        self.reply_failure(exchange.client, &exchange.query, Rcode::ServerFailure, now, effects);
    }

    fn answered(&mut self, link: LinkId, message: &[u8], now: Instant, effects: &mut Vec<Effect>) {
        let Some(id) = wire::id(message).filter(|id| self.believed(*id, link, message)) else { return };
        let Some(exchange) = self.exchanges.remove(id) else { return };
        let rcode = wire::rcode(message);
        if [Rcode::ServerFailure, Rcode::Refused].iter().any(|code| rcode == Some(*code as u8)) {
            return self.next(exchange, now, effects);
        }
        let mut reply = message.to_vec();
        wire::set_id(&mut reply, exchange.client_id);
        self.reply(exchange.client, reply, now, effects);
        self.leave(link, effects);
    }

    fn believed(&self, id: u16, link: LinkId, message: &[u8]) -> bool {
        let asked = self.exchanges.find(id).filter(|exchange| exchange.link == link);
        let question = asked.and_then(|exchange| Question::read(&exchange.query));
        let repeated = Question::read(message);
        let same = question.zip(repeated).is_some_and(|(asked, repeated)| asked.same_as(repeated.bytes()));
        same && wire::is_response(message)
    }

    fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for exchange in self.exchanges.remove_expired(now) {
            self.next(exchange, now, effects);
        }
        effects.extend(self.clients.remove_expired(now).into_iter().map(|client| Effect::Drop { client }));
    }

    fn accepted(&mut self, client: ClientId, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(leaver) = self.clients.enter(client, now) {
            effects.push(Effect::Drop { client: leaver });
            self.left(leaver, effects);
        }
    }

    fn left(&mut self, client: ClientId, effects: &mut Vec<Effect>) {
        self.clients.leave(client);
        for exchange in self.exchanges.remove_all(|exchange| exchange.client == Client::Tcp(client)) {
            self.leave(exchange.link, effects);
        }
    }

    /// Silence for a datagram; a stream that sends nonsense is closed.
    fn hang_up(&mut self, client: Client, effects: &mut Vec<Effect>) {
        if let Client::Tcp(client) = client {
            effects.push(Effect::Drop { client });
            self.left(client, effects);
        }
    }

    fn leave(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        if self.links.leave(link) {
            effects.push(Effect::Close { link });
        }
    }

    fn reply_failure(&mut self, client: Client, query: &[u8], rcode: Rcode, now: Instant, effects: &mut Vec<Effect>) {
        match wire::failure(query, rcode) {
            Some(message) => self.reply(client, message, now, effects),
            None => self.hang_up(client, effects),
        }
    }

    fn reply(&mut self, client: Client, message: Vec<u8>, now: Instant, effects: &mut Vec<Effect>) {
        if let Client::Tcp(id) = client {
            self.clients.rest(id, now);
        }
        effects.push(Effect::Reply { client, message });
    }
}

fn transport_of(client: Client) -> Transport {
    match client {
        Client::Udp(_) => Transport::Udp,
        Client::Tcp(_) => Transport::Tcp,
    }
}
