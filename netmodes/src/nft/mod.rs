//! The firewall, as bytes for nf_tables over netlink.
//!
//! ```text
//! ruleset.nft    the ruleset in nft's language: the documentation, and what a test compares the kernel with
//! ruleset.rs     the same tables, chains and rules          made once
//! element.rs     elements of sets and maps                  all that changes afterwards
//! rule.rs        one rule: loads, comparisons, look-ups, a verdict
//! message.rs     attributes, messages, transactions
//! foreign.rs     what others have: chains that drop by policy
//! ```
//!
//! Chains and rules are fixed, so that publishing the thousandth port costs what the first did, undo is one key, and a
//! packet meets one hash look-up. No nft process is started: one takes 2 ms, a message 20 us.

#[cfg(test)]
mod decoded;
mod element;
mod foreign;
mod message;
mod resolver;
mod rule;
mod ruleset;
mod userdata;

pub use element::{Data, Element, Family, Verdict};
pub(crate) use foreign::{chains_query, forward_drop, rules_of};
pub(crate) use message::{Part, Transaction, elements_query, keys_of, nested, value_of};
pub(crate) use resolver::resolver;
pub(crate) use ruleset::{probe_bridge, rule_count, rules_query, table_is_whole, table_query, tables};

/// The ruleset as a person reads it, for `nft -f`. What [`crate::plan::Step::Table`] makes is the same.
pub const RULESET: &str = include_str!("ruleset.nft");
