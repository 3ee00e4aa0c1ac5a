//! `pontoon rename`: another name for a container, also on its networks while it runs.
//!
//! ```text
//! host's lock: names and record ── then, if it runs: Rename ──> monitor: names of the networks, /run/netns
//! ```
//!
//! The lock is let go first: the monitor may be waiting for it, to remove a container that has just ended.

use anyhow::{Result, bail};

use crate::cli::RenameArgs;
use crate::container::{Container, Containers};
use crate::control::{Connection, Reply, Request};
use crate::host::Host;

/// Renames a container. Prints nothing, as Docker.
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn rename(host: &Host, args: &RenameArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let new = args.new_name.strip_prefix('/').unwrap_or(&args.new_name);
        if word.is_empty() || new.is_empty() {
            bail!("Neither old nor new names may be empty");
        }
        let container = Containers::of(host).find(word)?;
        let store = host.lock()?;
        let outcome = container.rename(&store, new);
        drop(store);
        let now = container.reload()?;
        if now.record.name == new && container.record.name != new {
            tell(&now)?;
        }
        outcome
    })
}

/// A container that does not run takes its new name to its networks when it starts.
fn tell(container: &Container) -> Result<()> {
    if !container.is_supervised()? || container.is_ending()? {
        return Ok(());
    }
    match Connection::open(&container.state_dir()).and_then(|monitor| monitor.ask(&Request::Rename)) {
        Ok(Reply::Error { sentence }) => {
            bail!("the container is renamed, but on its networks it has the new name only after a restart: {sentence}")
        }
        // It is just starting, and reads its record only now; or it has just ended.
        Ok(_) | Err(_) => Ok(()),
    }
}
