//! `pontoon network connect|disconnect`: other networks for a container, whether it runs or not.
//!
//! ```text
//! connect      NETWORK CONTAINER ─ one more attachment in the record ─ eth1 appears
//! disconnect   NETWORK CONTAINER ─ one less ─ eth1 goes, the way out moves
//! ```

use anyhow::{Result, bail};

use super::reconnect::{Manner, reconnect};
use super::request;
use crate::cli::{NetworkConnectArgs, NetworkDisconnectArgs};
use crate::container::Containers;
use crate::container::record::{Mode, Record};
use crate::host::Host;
use crate::monitor::network::{networks, reserve, unreserve};

/// Attaches a container to a network.
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn connect(host: &Host, args: &NetworkConnectArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let container = Containers::of(host).find(word)?;
        check_mode(&container.record)?;
        if matches!(args.network.as_str(), "host" | "none") {
            bail!("container cannot be connected to {} network", args.network);
        }
        let network = networks(host)?.find(&args.network)?;
        let wish = request::attachment(args, &network)?;
        let manner = Manner::of(args.explain, args.dry_run);
        reconnect(host, &container, manner, |connected| {
            if connected.attachments.iter().any(|one| one.network == network.name) {
                bail!("container {} is already attached to network {}", container.record.name, network.name);
            }
            connected.attachments.push(wish);
            Ok(())
        })?;
        if manner != Manner::Said { reserve(&container.reload()?) } else { Ok(()) }
    })
}

/// Takes a container from a network.
///
/// # Errors
/// As [`connect`].
pub fn disconnect(host: &Host, args: &NetworkDisconnectArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let container = Containers::of(host).find(word)?;
        let name = &container.record.name;
        if args.network == "host" && container.record.network.mode == Mode::Host {
            bail!("cannot disconnect container from host network - container was created in host network mode");
        }
        // A network that is gone may still be in the record of a container that does not run.
        let is_on_record = container.record.network.attachments.iter().any(|one| one.network == args.network);
        let network = match networks(host)?.find(&args.network) {
            Err(_) if is_on_record => args.network.clone(),
            other => other?.name,
        };
        let manner = Manner::of(args.explain, args.dry_run);
        reconnect(host, &container, manner, |connected| {
            let before = connected.attachments.len();
            connected.attachments.retain(|one| one.network != network);
            match connected.attachments.len() == before {
                true => bail!("container {name} is not connected to the network {network}"),
                false => Ok(()),
            }
        })?;
        if manner != Manner::Said { unreserve(&container, &network) } else { Ok(()) }
    })
}

/// Only a container with a network namespace of its own, and with networks, can get another one.
fn check_mode(record: &Record) -> Result<()> {
    match record.network.mode {
        Mode::Host | Mode::Container(_) => bail!(
            "container sharing network namespace with another container or host cannot be connected to any other network"
        ),
        Mode::None => {
            bail!("container cannot be connected to multiple networks with one of the networks in private (none) mode")
        }
        Mode::Network(_) | Mode::Default => Ok(()),
    }
}
