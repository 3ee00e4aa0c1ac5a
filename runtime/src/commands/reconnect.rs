//! What `network connect`, `network disconnect`, `port add` and `port rm` have in common: the record changes, and if the
//! container runs its monitor follows. Networks are read from the record; ports are named in the request.
//!
//! ```text
//! host's lock: record ── then, if it runs: Reconnect, Ports ──> monitor ── Explained … Done
//!                                                                      └─ Error ──> the record as it was
//! ```
//!
//! The record is first, so a restart makes the same whatever happened in between. The lock is let go before the monitor
//! is told: it may be waiting for it, to remove a container that has just ended.

use anyhow::{Result, anyhow, bail};
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;

use crate::container::record::Network;
use crate::container::{Container, Status};
use crate::control::{Connection, Reply, Request};
use crate::explain;
use crate::host::Host;
use crate::monitor::network::{Attached, Change};

/// How much is said, and whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Done in silence.
    Quiet,
    /// Said on stderr, then done.
    Explained,
    /// Only said, on stdout.
    Said,
}

impl Manner {
    /// Of `--explain` and `--dry-run`.
    pub fn of(explain: bool, dry_run: bool) -> Manner {
        match (explain, dry_run) {
            (_, true) => Manner::Said,
            (true, _) => Manner::Explained,
            _ => Manner::Quiet,
        }
    }
}

/// Changes how a container is connected.
///
/// # Errors
/// Those of `change`; what the monitor could not do, and the record is as it was then.
pub fn reconnect(
    host: &Host,
    container: &Container,
    manner: Manner,
    change: impl FnOnce(&mut Network) -> Result<()>,
) -> Result<()> {
    if manner == Manner::Said {
        let mut container = container.reload()?;
        change(&mut container.record.network)?;
        return say(&container);
    }
    let store = host.lock()?;
    let before = container.reload()?;
    let now = before.reconnect(&store, change)?;
    drop(store);
    let told = tell(&now, &Request::Reconnect { explain: manner == Manner::Explained });
    if told.is_err() {
        let store = host.lock()?;
        let back = now.reconnect(&store, |network| {
            *network = before.record.network.clone();
            Ok(())
        })?;
        drop(store);
        // What it could not do, it has not begun or cannot finish: either way the record is what it should be.
        let _ = tell(&back, &Request::Reconnect { explain: false });
    }
    told
}

/// Tells the monitor, if there is one, and prints on stderr what it explains. One that is just starting hears it once its
/// container runs.
///
/// # Errors
/// What it could not do.
pub fn tell(container: &Container, request: &Request) -> Result<()> {
    ask(container, request, |text| {
        eprint!("{text}");
        Ok(())
    })
}

/// As [`tell`], with what is explained for `hear`.
///
/// # Errors
/// What it could not do, and those of `hear`.
pub fn ask(container: &Container, request: &Request, mut hear: impl FnMut(&str) -> Result<()>) -> Result<()> {
    if !container.is_supervised()? || container.is_ending()? {
        return Ok(());
    }
    let monitor = match Connection::open(&container.state_dir()) {
        Ok(monitor) => monitor,
        Err(error) if runs(container)? => return Err(error),
        // It is only starting, or has ended meanwhile: the record alone is enough.
        Err(_) => return Ok(()),
    };
    monitor.send(request, &[])?;
    loop {
        match monitor.next_reply() {
            Ok(Reply::Explained { text }) => hear(&text)?,
            Ok(Reply::Error { sentence }) => bail!("{sentence}"),
            Ok(_) | Err(_) => return Ok(()),
        }
    }
}

/// Whether somebody is to be told.
///
/// # Errors
/// What the kernel says.
pub fn runs(container: &Container) -> Result<bool> {
    Ok(container.state()?.status == Status::Running && container.is_supervised()?)
}

/// What `--dry-run` says of a container that does not run.
///
/// # Errors
/// When nobody reads it.
pub fn say_record_only(container: &Container) -> Result<()> {
    super::print(format_args!("# The container {} does not run: only its record changes.\n", container.record.name))
}

/// What would be done, from what is on record of a container that runs.
fn say(container: &Container) -> Result<()> {
    let state = container.state()?;
    if !runs(container)? {
        return say_record_only(container);
    }
    let attached = state.endpoints.iter().map(|one| Attached::found(container, one)).collect::<Result<Vec<_>>>()?;
    let outlet = Journal::look(&container.journal_of("outlet"))?;
    let mut kernel = Kernel::open(None)?;
    let foresee = |wish: &_, number| Attached::foresee(container, wish, number, &mut kernel);
    let change = Change::of(&container.record, attached, (&outlet, &state.ports), foresee);
    let change = change.map_err(|(error, ..)| anyhow!(error))?;
    super::print(format_args!("{}", explain::change(&container.record.name, &change)))
}
