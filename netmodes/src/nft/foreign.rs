//! Base chains of others, as the kernel lists them.
//!
//! ```text
//! nfgenmsg (family) | NFTA_CHAIN_TABLE | NFTA_CHAIN_NAME | NFTA_CHAIN_HOOK { number, priority } | NFTA_CHAIN_POLICY
//! ```

use super::message::{Kind, Message, family, nested};
use crate::kernel::Batch;

/// NF_INET_FORWARD, and NF_BR_FORWARD.
const FORWARD: u32 = 2;
/// NF_DROP
const DROP: u32 = 0;

/// Asks for all chains of all tables.
pub(crate) fn chains_query() -> Batch {
    Message::new(Kind::GetChain, Batch::DUMP, 0).into_batch()
}

/// Asks for all rules of a table.
pub(crate) fn rules_of(family_name: &str, table: &str) -> Batch {
    Message::new(Kind::GetRule, Batch::DUMP, family(family_name)).text(1, table).into_batch()
}

/// Family, table and name of a chain that drops by policy what is forwarded, if it is one, and not ours.
pub(crate) fn forward_drop(body: &[u8]) -> Option<(&'static str, String, String)> {
    let family = match body.first()? {
        1 => "inet",
        2 => "ip",
        7 => "bridge",
        10 => "ip6",
        _ => return None,
    };
    let attributes = body.get(4..)?;
    let number = |path: &[u16]| Some(u32::from_be_bytes(nested(attributes, path)?.try_into().ok()?));
    let text = |kind| {
        let text = String::from_utf8_lossy(nested(attributes, &[kind])?);
        Some(text.trim_end_matches('\0').to_owned())
    };
    let is_one = number(&[4, 1])? == FORWARD && number(&[5])? == DROP;
    let table = text(1).filter(|table| is_one && table != "pontoon")?;
    Some((family, table, text(3)?))
}
