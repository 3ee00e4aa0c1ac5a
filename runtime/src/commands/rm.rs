//! `pontoon rm`: the container, its record and its files go.
//!
//! ```text
//! (kill) ─ wait for the life lock ─ recover what a crash left ─ record and name ─ files
//! ```

use anyhow::{Result, bail};
use nix::libc;

use super::{pause, stop};
use crate::cli::RmArgs;
use crate::container::{Container, Containers, Status};
use crate::control::StopRequest;
use crate::host::Host;
use crate::monitor::network;

/// Removes containers and prints their names.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn rm(host: &Host, args: &RmArgs) -> Result<i32> {
    super::each(&args.containers, |word| {
        match Containers::of(host).lookup(word)? {
            Some(container) => remove(host, &container, args.force)?,
            None => {
                // A removal that was killed may have left the name alone.
                Containers::of(host).remove_stale_name(&host.lock()?, word)?;
                if !args.force {
                    bail!("No such container: {word}");
                }
            }
        }
        super::say(format_args!("{word}"))?;
        Ok(())
    })
}

/// Removes one container; with `force` it is killed first if it runs.
///
/// # Errors
/// A sentence: it runs, or something could not be cleared away.
pub fn remove(host: &Host, container: &Container, force: bool) -> Result<()> {
    if container.is_supervised()? && !container.is_ending()? {
        if !force && pause::is_paused(container)? {
            bail!(
                "You cannot remove a paused container {}. Unpause and then stop the container before attempting \
                 removal or force remove",
                container.record.id
            );
        }
        if !force {
            bail!(
                "You cannot remove a running container {}. Stop the container before attempting removal or force remove",
                container.record.id
            );
        }
        stop::stop_one(container, StopRequest { signal: Some(libc::SIGKILL), timeout: Some(0) })?;
    }
    // A monitor that is just ending may take the directory away under our hands.
    let life = container.ensure_state_dir().and_then(|()| container.await_life());
    if !container.is_recorded()? {
        // Somebody else was quicker: gone is what was asked for.
        return Ok(());
    }
    let _life = life?;
    if matches!(container.state()?.status, Status::Starting | Status::Running) {
        crate::monitor::teardown::recover(container)?;
    }
    container.remove_record(&host.lock()?)?;
    for wish in container.record.network.attachments.iter().filter(|wish| wish.ip.is_some() || wish.ip6.is_some()) {
        network::unreserve(container, &wish.network)?;
    }
    container.remove_files()
}
