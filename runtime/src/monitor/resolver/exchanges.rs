//! Exchanges: questions that wait for an upstream, by the id that they were sent with, and by deadline.
//!
//! ```text
//! question ── own random id ──> upstream ── same id, same question ──> answer, or the next upstream after 4 s
//! ```

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use netmodes::names::wire;

use super::links::LinkId;
use super::machine::Client;
use super::random::Random;

/// Most exchanges at once, as in Docker; the next question is refused.
pub const MOST: usize = 1024;

/// One question on its way.
pub struct Exchange {
    /// Who asked.
    pub client: Client,
    /// The id that the client will look for.
    pub client_id: u16,
    /// The query as it is sent; its id is rewritten each time.
    pub query: Vec<u8>,
    /// Which upstream has it, an index.
    pub upstream: usize,
    /// By which socket it was sent, the only one whose answer counts.
    pub link: LinkId,
    /// When to give this upstream up.
    pub deadline: Instant,
}

/// All exchanges.
#[derive(Default)]
pub struct Exchanges {
    by_id: HashMap<u16, Exchange>,
    by_deadline: BTreeSet<(Instant, u16)>,
}

impl Exchanges {
    /// Whether one more question would be too many.
    pub fn full(&self) -> bool {
        self.by_id.len() >= MOST
    }

    /// Takes an exchange in under a random free id, writes that id into its query and returns the bytes to send.
    pub fn insert(&mut self, mut exchange: Exchange, random: &mut Random) -> Vec<u8> {
        let start = random.number() as u16;
        // At most 1,024 of 65,536 ids are taken, so a free one is near.
        let id = (0..=u16::MAX).map(|step| start.wrapping_add(step)).find(|id| !self.by_id.contains_key(id));
        let id = id.unwrap_or(start);
        wire::set_id(&mut exchange.query, id);
        let bytes = exchange.query.clone();
        self.by_deadline.insert((exchange.deadline, id));
        self.by_id.insert(id, exchange);
        bytes
    }

    /// The exchange that was sent with `id`.
    pub fn find(&self, id: u16) -> Option<&Exchange> {
        self.by_id.get(&id)
    }

    /// Takes one out.
    pub fn remove(&mut self, id: u16) -> Option<Exchange> {
        let exchange = self.by_id.remove(&id)?;
        self.by_deadline.remove(&(exchange.deadline, id));
        Some(exchange)
    }

    /// Takes out all that match, the earliest deadline first.
    pub fn remove_all(&mut self, matching: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let by_id = &self.by_id;
        let chosen = self.by_deadline.iter().map(|(_, id)| *id);
        let ids: Vec<u16> = chosen.filter(|id| by_id.get(id).is_some_and(&matching)).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out all whose deadline has passed.
    pub fn remove_expired(&mut self, now: Instant) -> Vec<Exchange> {
        let late = self.by_deadline.iter().take_while(|(deadline, _)| *deadline <= now);
        let ids: Vec<u16> = late.map(|(_, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}
