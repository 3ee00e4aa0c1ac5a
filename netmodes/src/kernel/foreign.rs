//! Other people's firewalls that may drop what we let through: they are looked at, and never edited.
//!
//! ```text
//! NFT_MSG_GETCHAIN (all tables) ─> base chains of the forward hook with policy drop, not ours
//!   for each: NFT_MSG_GETRULE of its table ─> does any rule name our bridge? then somebody has thought of it
//! ```
//!
//! `drop` anywhere is final, and ours says only `accept`, which ends nothing but our own chain. A policy proves nothing: rules
//! may accept before it; nor does a policy of accept prove passage. So what is found is said with "may".

use super::{Kernel, Refusal, sysctl, tried};
use crate::error::Error;
use crate::nft;

/// A chain through which what is forwarded must come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignDrop {
    /// `ip`, `ip6`, `inet` or `bridge`.
    pub family: &'static str,
    /// The table's name.
    pub table: String,
    /// The chain's name.
    pub chain: String,
}

impl Kernel {
    /// Chains of others that drop by policy what they do not accept, in tables that do not speak of `bridge`.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn foreign_drops(&mut self, bridge: &str) -> Result<Vec<ForeignDrop>, Error> {
        let refused = |refusal: Refusal| tried("ask for other people's firewalls")(refusal);
        let chains = self.host.netfilter.send(nft::chains_query()).map_err(refused)?;
        let mut drops: Vec<ForeignDrop> =
            chains.iter().filter_map(|answer| nft::forward_drop(&answer.body)).map(ForeignDrop::from).collect();
        let mut silent = Vec::new();
        for drop in &drops {
            let rules = self.host.netfilter.send(nft::rules_of(drop.family, &drop.table)).map_err(refused)?;
            silent.push(rules.iter().any(|rule| names(&rule.body, bridge)));
        }
        let mut silent = silent.into_iter();
        drops.retain(|_| !silent.next().unwrap_or_default());
        Ok(drops)
    }
}

/// Does the host of the calling thread forward packets of the family?
pub fn forwards(ipv6: bool) -> bool {
    sysctl::forwards(ipv6)
}

impl From<(&'static str, String, String)> for ForeignDrop {
    fn from((family, table, chain): (&'static str, String, String)) -> ForeignDrop {
        ForeignDrop { family, table, chain }
    }
}

/// Does a rule hold this name of a device, with the zero byte that ends it?
fn names(rule: &[u8], device: &str) -> bool {
    let name = [device.as_bytes(), &[0]].concat();
    rule.windows(name.len()).any(|window| window == name)
}
