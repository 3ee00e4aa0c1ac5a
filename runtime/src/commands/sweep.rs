//! Puts right what a crash left, before a command does its own work.
//!
//! ```text
//! <state>/containers/<id>   life held        a monitor looks after it
//!                           Starting/Running the monitor was killed: tear down, 137
//!                           no record        create or rm was killed: remove what is there
//! <root>/scratch/<id>       no state         the files of a --rm container
//! networks                  half removed     finish it
//! <state>                   another boot     undo the journals, sweep all of it
//! ```
//!
//! Trouble here does not keep the command from its work; what it needs itself it will complain about.

use std::collections::BTreeSet;

use anyhow::Result;
use netmodes::kernel::Kernel;

use crate::container::store::names_in;
use crate::container::{Container, Containers, Status};
use crate::host::{self, Host};
use crate::lock::{Byte, Lock};
use crate::monitor::{network, teardown};

/// Looks at every container.
///
/// # Errors
/// Only when the state of an earlier boot cannot be swept: nothing may be believed then.
pub fn sweep(host: &Host) -> Result<()> {
    if host.is_stale()? {
        after_reboot(host)?;
    }
    let known: BTreeSet<String> = names_in(&host.state.join("containers")).unwrap_or_default().into_iter().collect();
    for id in &known {
        if let Err(error) = look_at(host, id) {
            eprintln!(
                "pontoon: cannot clear away what a crash left of the container {}: {error:#}",
                &id[..12.min(id.len())]
            );
        }
    }
    for id in names_in(&host.root.join("scratch")).unwrap_or_default() {
        // Asked again for those that were not there a moment ago: they may have been made meanwhile.
        if !known.contains(&id) && matches!(host::is_there(&host.state.join("containers").join(&id)), Ok(false)) {
            let _ = host::remove_tree(&host.root.join("scratch").join(&id));
        }
    }
    if let Ok(networks) = network::networks(host)
        && networks.has_unfinished_removals().unwrap_or(false)
    {
        super::network::finish(&networks);
    }
    Ok(())
}

/// The state is about kernel objects that have gone with their kernel. What lives outside of it, such as names for
/// `ip netns` on a /run that was kept, is undone by the journals; what they cannot find is forgiven. Then all of it goes,
/// and so do the files of containers whose record was never finished or has gone.
fn after_reboot(host: &Host) -> Result<()> {
    let _store = host.lock()?;
    if !host.is_stale()? {
        return Ok(());
    }
    for id in names_in(&host.state.join("containers"))? {
        if let Ok(mut kernel) = Kernel::open(None) {
            let _ = teardown::undo_all(&host.state.join("containers").join(id), &mut kernel);
        }
    }
    for id in names_in(&host.root.join("containers"))? {
        let directory = host.root.join("containers").join(id);
        if !host::is_there(&directory.join("record.json"))? {
            host::remove_tree(&directory)?;
        }
    }
    host.begin_boot()
}

fn look_at(host: &Host, id: &str) -> Result<()> {
    if Lock::is_held(&host.state.join("containers").join(id).join("lock"), Byte::Life)? {
        return Ok(());
    }
    let Ok(found) = Containers::of(host).load(id) else {
        // A record that cannot be read is left alone; the command that needs it says so.
        return Ok(());
    };
    match found {
        Some(container) => revive(&container),
        None => remains(host, id),
    }
}

/// Recovers a container whose monitor was killed, unless somebody else is at it.
///
/// # Errors
/// What could not be cleared away.
pub fn revive(container: &Container) -> Result<()> {
    if !matches!(container.state()?.status, Status::Starting | Status::Running) {
        return Ok(());
    }
    let Ok(_operation) = container.lock_operation() else {
        // Its directory has gone: somebody else has put it right.
        return Ok(());
    };
    match container.take_life() {
        Ok(Some(_life)) => teardown::recover(container),
        _ => Ok(()),
    }
}

fn remains(host: &Host, id: &str) -> Result<()> {
    // `create` makes directories and record under this lock: with it in hand, no record means no creator.
    let _store = host.lock()?;
    if Containers::of(host).load(id)?.is_some() {
        return Ok(());
    }
    let lock = host.state.join("containers").join(id).join("lock");
    match Lock::is_held(&lock, Byte::Life)? {
        true => Ok(()),
        false => teardown::recover_remains(host, id),
    }
}
