//! The only way down: a stop, a failed start and the recovery after a crash are this function.
//!
//! ```text
//! thaw, kill the cgroup, wait until it is empty ─ undo the journal (links first: the fence) ─ names and leases go
//! ─ cgroup and files go ─ the record says how it ended, or goes too
//! ```
//!
//! Whoever calls holds the container's life: its monitor, or a command that found it without one.

use std::path::Path;

use anyhow::{Context, Result};
use netmodes::apply::undo;
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::names::registry;

use super::network::{self, networks};
use crate::container::Container;
use crate::container::state::{State, Status};
use crate::container::store::{journals_in, remove_file};
use crate::files;
use crate::host;
use crate::isolate::cgroup::{self, Cgroup};

/// Clears away everything that was made to run `container`, and stops at what it cannot.
///
/// # Errors
/// What could not be cleared away; calling again tries again.
pub fn tear_down(container: &Container, state: &State, kernel: &mut Kernel) -> Result<()> {
    // What still runs could use what we take away, so nothing else happens before it is dead.
    if let Some(cgroup) = Cgroup::open(&cgroup::detect()?, &container.host.cgroup_parent, &container.record.id)? {
        cgroup.kill().context("cannot kill the container's processes")?;
        cgroup.remove().context("cannot remove the container's control group")?;
    }
    undo_all(&container.state_dir(), kernel)?;
    forget_all(container, state)?;
    remove_run_files(container)
}

/// Undoes every journal of a container. What could not be undone stays in its journal, and nothing that leans on it may
/// go: no lease, no name, no file.
///
/// # Errors
/// The first thing that could not be undone.
pub fn undo_all(state_dir: &Path, kernel: &mut Kernel) -> Result<()> {
    for path in journals_in(state_dir)? {
        if let Some(error) = undo(&mut Journal::open(&path)?, kernel).into_iter().next() {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Names and leases, which may go only after the veths are down.
fn forget_all(container: &Container, state: &State) -> Result<()> {
    let networks = networks(&container.host)?;
    for endpoint in &state.endpoints {
        network::forget(container, endpoint, &networks)?;
    }
    // A start that died before its state could say what it had leased: every network is searched.
    if state.endpoints.is_empty() && !container.record.network.attachments.is_empty() {
        forget_everywhere(&container.host, &container.record.id)?;
    }
    Ok(())
}

fn forget_everywhere(host: &host::Host, id: &str) -> Result<()> {
    let networks = networks(host)?;
    for network in networks.list()? {
        registry::withdraw_all(&networks.directory(&network), id)?;
        networks.unplug(&network, id)?;
        networks.release_all(&network, id)?;
    }
    Ok(())
}

fn remove_run_files(container: &Container) -> Result<()> {
    let directory = container.state_dir();
    for name in ["control", "hosts", "hostname", "resolv.conf", "journal.new"] {
        remove_file(&directory.join(name))?;
    }
    Ok(())
}

/// Says how the container ended. One that vanishes after its end loses its name and record here; its files on disk
/// are left to [`Container::remove`], which may take a while.
///
/// # Errors
/// When the disk does not take it.
pub fn conclude(container: &Container, mut state: State) -> Result<()> {
    state.version = files::VERSION;
    state.pid = 0;
    state.endpoints.clear();
    state.ports.clear();
    if container.record.auto_remove {
        container.remove_record(&container.host.lock()?)
    } else if state.status == Status::Created && container.has_ended_before()? {
        // A start that failed does not make forgotten how the last run ended.
        container.forget_run()
    } else {
        container.write_exit(&state)
    }
}

/// Puts right what a monitor left that was killed: the kernel killed its container along.
///
/// # Errors
/// As [`tear_down`].
pub fn recover(container: &Container) -> Result<()> {
    let mut state = container.state()?;
    if !matches!(state.status, Status::Starting | Status::Running) {
        return Ok(());
    }
    tear_down(container, &state, &mut Kernel::open(None)?)?;
    let ran = state.status == Status::Running;
    state.status = if ran { Status::Exited } else { Status::Created };
    if ran {
        state.exit_code = 137;
        state.finished = jiff::Timestamp::now().to_string();
    }
    conclude(container, state)?;
    if container.record.auto_remove { container.remove_files() } else { Ok(()) }
}

/// A container of which only directories are left: the record was never written, or is gone.
///
/// # Errors
/// What the kernel says.
pub fn recover_remains(host: &host::Host, id: &str) -> Result<()> {
    if let Some(cgroup) = Cgroup::open(&cgroup::detect()?, &host.cgroup_parent, id)? {
        cgroup.kill()?;
        cgroup.remove()?;
    }
    let directory = host.state.join("containers").join(id);
    if !journals_in(&directory)?.is_empty() {
        undo_all(&directory, &mut Kernel::open(None)?)?;
    }
    forget_everywhere(host, id)?;
    for tree in ["containers", "scratch"] {
        host::remove_tree(&host.root.join(tree).join(id))?;
    }
    host::remove_tree(&directory)
}
