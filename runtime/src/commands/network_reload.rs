//! `pontoon network reload`: the firewall again, after somebody flushed it.
//!
//! ```text
//! journals of the networks ──┐
//! journals of containers ────┴─> tables and elements that are missing, in one transaction ─> the networks' names
//! ```
//!
//! Whoever starts a container notices tables that are gone, too; this is for those who start none. What is there stays, so
//! it can be said at any time. Bridges and cables are not the firewall's, and are not touched.

use std::path::Path;

use anyhow::{Result, bail};
use netmodes::apply;
use netmodes::kernel::Kernel;
use netmodes::network::{Network, Networks};

use crate::cli::NetworkReloadArgs;
use crate::host::Host;
use crate::monitor::network::{journals, networks};

/// Puts the firewall back, and prints the name of each network.
///
/// # Errors
/// What the kernel refuses; a network that is not there is said, and the exit code is 1.
pub fn reload(host: &Host, args: &NetworkReloadArgs) -> Result<i32> {
    let networks = networks(host)?;
    let mut chosen = if args.networks.is_empty() { networks.list()? } else { Vec::new() };
    let code = super::each(&args.networks, |word| {
        let network = find(&networks, word)?;
        if chosen.iter().all(|known| known.id != network.id) {
            chosen.push(network);
        }
        Ok(())
    })?;
    let mut journals = journals(host)?;
    if !args.networks.is_empty() {
        let users = users(&networks, &chosen)?;
        journals.retain(|journal| is_of(journal, &chosen, &users));
    }
    apply::reinstate(&journals, &mut Kernel::open(None)?)?;
    for network in &chosen {
        super::say(format_args!("{}", network.name))?;
    }
    Ok(code)
}

fn find(networks: &Networks, word: &str) -> Result<Network> {
    if matches!(word, "host" | "none") {
        bail!("{word} is a pre-defined network and has no firewall");
    }
    Ok(networks.find(word)?)
}

/// The containers on these networks.
fn users(networks: &Networks, chosen: &[Network]) -> Result<Vec<String>> {
    let mut users = Vec::new();
    for network in chosen {
        users.extend(networks.leases(network)?.into_iter().map(|(_, owner)| owner));
    }
    Ok(users)
}

/// A network's journal lies in its directory; one of a container in the container's.
fn is_of(journal: &Path, chosen: &[Network], users: &[String]) -> bool {
    let directory = journal.parent().and_then(|directory| directory.file_name()).unwrap_or_default();
    chosen.iter().any(|network| directory == network.id.as_str()) || users.iter().any(|user| directory == user.as_str())
}
