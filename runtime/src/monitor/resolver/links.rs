//! Links: the sockets towards upstreams, as numbers.
//!
//! ```text
//!   exchange --+
//!   exchange --+--> link 7 --> upstream 0      a UDP link has a random port of its own
//!   exchange -----> link 8 --> upstream 0      at most 16 of them for each upstream, then they are shared
//!   exchange -----> link 9 --> upstream 1      a TCP link serves one exchange
//! ```
//!
//! A fresh port for every question makes a forged answer hard to place; a bound on ports keeps one flooding container
//! from eating the descriptors that its monitor needs to be stopped. A link closes with its last exchange.

use std::collections::BTreeMap;

use netmodes::names::answer::Transport;

use super::random::Random;

/// A link's number; never used twice.
pub type LinkId = u64;

/// Most UDP links for one upstream.
pub const PORTS_PER_UPSTREAM: usize = 16;

struct Link {
    upstream: usize,
    transport: Transport,
    users: usize,
}

/// All open links.
#[derive(Default)]
pub struct Links {
    open: BTreeMap<LinkId, Link>,
    last: LinkId,
}

impl Links {
    /// A link for one more exchange with `upstream`, and whether it is new and has to be opened.
    pub fn join(&mut self, upstream: usize, transport: Transport, random: &mut Random) -> (LinkId, bool) {
        let shared = self.shared(upstream, transport);
        if shared.len() >= PORTS_PER_UPSTREAM {
            let id = shared[random.below(shared.len())];
            self.open.entry(id).and_modify(|link| link.users += 1);
            return (id, false);
        }
        self.last += 1;
        self.open.insert(self.last, Link { upstream, transport, users: 1 });
        (self.last, true)
    }

    /// One exchange less; true when it was the last and the link has to be closed.
    pub fn leave(&mut self, id: LinkId) -> bool {
        let Some(link) = self.open.get_mut(&id) else { return false };
        link.users -= 1;
        let last = link.users == 0;
        if last {
            self.open.remove(&id);
        }
        last
    }

    fn shared(&self, upstream: usize, transport: Transport) -> Vec<LinkId> {
        if transport == Transport::Tcp {
            return Vec::new();
        }
        let same = self.open.iter().filter(|(_, l)| l.upstream == upstream && l.transport == transport);
        same.map(|(id, _)| *id).collect()
    }
}
