//! Ports of a running container change: `port add` and `port rm`.
//!
//! ```text
//! add   hold ─ told ─ element (journal.outlet) or crossing ─ state.json      a port that somebody holds ends it at once
//! rm    told ─ element and its flows ─ socket ─ state.json                   what is not published ends it at once
//! ```
//!
//! The record is the command's to change, before it asks: a crash in between leaves what was wished for to the next start.

use anyhow::{Result, bail};
use netmodes::publish::{self, Mapping};

use super::network::Connection;
use crate::container::{Container, State};
use crate::control::{PortsRequest, PortsVerb};
use crate::explain::{self, Script};

/// Does it, all or nothing. `state` is what is written down.
///
/// # Errors
/// A sentence; everything is as before then.
pub fn change(
    container: &Container,
    state: &mut State,
    connection: &mut Connection,
    wish: &PortsRequest,
    tell: &mut dyn FnMut(&Script),
) -> Result<()> {
    match wish.verb {
        PortsVerb::Add => add(container, connection, wish, tell)?,
        PortsVerb::Remove => remove(container, connection, wish, tell)?,
    }
    if wish.dry_run {
        return Ok(());
    }
    state.ports = connection.ports().to_vec();
    container.write_state(state)
}

fn add(
    container: &Container,
    connection: &mut Connection,
    wish: &PortsRequest,
    tell: &mut dyn FnMut(&Script),
) -> Result<()> {
    let mut asked = Vec::new();
    for word in &wish.words {
        asked.extend(publish::parse(word)?);
    }
    let published = connection.hold(&container.host, &asked)?;
    if published.mappings.is_empty() {
        bail!("no network of the container leads out, so nothing can be published");
    }
    if wish.explain {
        let steps = connection.elements(&published.mappings);
        tell(&explain::publication(&container.record.name, &published.mappings, &steps));
    }
    if wish.dry_run { Ok(()) } else { connection.publish(container, published) }
}

fn remove(
    container: &Container,
    connection: &mut Connection,
    wish: &PortsRequest,
    tell: &mut dyn FnMut(&Script),
) -> Result<()> {
    let mut meant: Vec<Mapping> = Vec::new();
    for word in &wish.words {
        for asked in publish::parse(word)? {
            meant.extend(connection.ports().iter().filter(|mapping| publish::means(&asked, mapping)));
        }
    }
    meant.sort_unstable();
    meant.dedup();
    if wish.explain {
        tell(&explain::withdrawal(&container.record.name, &meant, &connection.elements(&meant)));
    }
    if wish.dry_run { Ok(()) } else { connection.unpublish(container, &meant) }
}
