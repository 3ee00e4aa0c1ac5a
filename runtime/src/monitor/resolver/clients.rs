//! Clients over TCP: few, and none for ever.
//!
//! ```text
//!   accepted --> idle --query--> waiting --reply--> idle
//!                 | 10 s without a whole query, or the seat is needed
//!                 v
//!               dropped
//! ```
//!
//! The time of an idle client starts when it is accepted or answered, not with each byte: one that sends a byte now and
//! then has no longer than one that sends nothing (CVE-2024-8418 was a resolver held up by a half-open client).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A client's number; never used twice.
pub type ClientId = u64;

/// Most clients at once; the one that has been idle longest makes room.
pub const MOST: usize = 16;
/// How long a client may think.
pub const IDLE: Duration = Duration::from_secs(10);

/// All clients, and since when each is idle; `None` while its question is on its way.
#[derive(Default)]
pub struct Clients {
    idle_since: BTreeMap<ClientId, Option<Instant>>,
}

impl Clients {
    /// A newcomer; returns who has to go for it.
    pub fn enter(&mut self, id: ClientId, now: Instant) -> Option<ClientId> {
        let leaver = (self.idle_since.len() >= MOST).then(|| self.longest_idle()).flatten();
        leaver.inspect(|leaver| self.leave(*leaver));
        self.idle_since.insert(id, Some(now));
        leaver
    }

    /// Its question is on its way.
    pub fn wait(&mut self, id: ClientId) {
        self.idle_since.entry(id).and_modify(|since| *since = None);
    }

    /// Whether its question is on its way.
    pub fn waiting(&self, id: ClientId) -> bool {
        self.idle_since.get(&id).is_some_and(Option::is_none)
    }

    /// It has its answer.
    pub fn rest(&mut self, id: ClientId, now: Instant) {
        self.idle_since.entry(id).and_modify(|since| *since = Some(now));
    }

    /// It is gone.
    pub fn leave(&mut self, id: ClientId) {
        self.idle_since.remove(&id);
    }

    /// Takes out all that have been idle too long.
    pub fn remove_expired(&mut self, now: Instant) -> Vec<ClientId> {
        let late = self.idle_since.iter().filter(|(_, since)| since.is_some_and(|s| s + IDLE <= now));
        let ids: Vec<ClientId> = late.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.leave(*id));
        ids
    }

    /// When the first of them will have been idle too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.idle_since.values().flatten().min().map(|since| *since + IDLE)
    }

    /// The one idle longest; when all wait, the oldest.
    fn longest_idle(&self) -> Option<ClientId> {
        let idle = self.idle_since.iter().filter_map(|(id, since)| Some((*since.as_ref()?, *id)));
        idle.min().map(|(_, id)| id).or_else(|| self.idle_since.keys().next().copied())
    }
}
