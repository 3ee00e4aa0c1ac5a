//! Addresses that a person gave to a container: kept for it while it does not run.
//!
//! ```text
//! create, network connect    reserve      nobody else is given it
//! rm, network disconnect     unreserve
//! ```
//!
//! A reservation counts only while its container is on record, so a crash between the record and this leaves nothing that
//! matters.

use anyhow::Result;

use super::attached::wanted;
use super::networks;
use crate::container::Container;

/// Keeps what the record asks for. A container that vanishes with its end has its addresses while it runs, and that is
/// all.
///
/// # Errors
/// What the kernel says.
pub fn reserve(container: &Container) -> Result<()> {
    let networks = networks(&container.host)?;
    let wishes = container.record.network.attachments.iter();
    for wish in wishes.filter(|wish| !container.record.auto_remove && !wanted(wish).is_empty()) {
        networks.reserve(&networks.find(&wish.network)?, &wanted(wish), &container.record.id)?;
    }
    Ok(())
}

/// Keeps nothing for it any more on a network, by its name; a network that has gone keeps nothing anyway.
///
/// # Errors
/// What the kernel says.
pub fn unreserve(container: &Container, network: &str) -> Result<()> {
    let networks = networks(&container.host)?;
    match networks.find(network) {
        Ok(network) => Ok(networks.unreserve(&network, &container.record.id)?),
        Err(_) => Ok(()),
    }
}
