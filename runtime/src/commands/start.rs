//! `pontoon start`: a container that was created, or has ended, runs (again).
//!
//! ```text
//! record ─ life lock ─ monitor ─ Started         (running already: nothing to do, or attach)
//! ```

use anyhow::{Context, Result, bail};

use super::conversation::{self, Manner, Outcome};
use super::request::Attached;
use super::{pause, words};
use crate::cli::StartArgs;
use crate::container::{Container, Containers, Status};
use crate::control::Connection;
use crate::host::Host;
use crate::isolate::cgroup::{self, Cgroup};
use crate::monitor::spawn;

/// Starts containers and prints their names; with `-a` ends as the one container does.
///
/// # Errors
/// A sentence, or the container's failure with its exit code.
pub fn start(host: &Host, args: &StartArgs) -> Result<i32> {
    if !args.attach && !args.interactive {
        return super::each(&args.containers, |word| {
            let container = Containers::of(host).find(word)?;
            match spawn_monitor(&container)? {
                Some(connection) => conversation::start(&connection)?,
                None if pause::is_paused(&container)? => bail!("cannot start a paused container, try unpause instead"),
                None => {}
            }
            super::say(format_args!("{word}"))?;
            Ok(())
        });
    }
    let [word] = args.containers.as_slice() else { bail!("you cannot start and attach multiple containers at once") };
    let container = Containers::of(host).find(word)?;
    let process = &container.record.process;
    let stdin = args.interactive && process.open_stdin;
    conversation::check_terminal(stdin, process.tty)?;
    let keys = words::detach_keys(&args.detach_keys)?;
    let attached = Attached { stdin, stdout: true, stderr: true };
    let (connection, start) = match spawn_monitor(&container)? {
        Some(connection) => (connection, true),
        None => (conversation::call(&container)?, false),
    };
    let manner = Manner { attached, tty: process.tty, keys, start, sig_proxy: true };
    match conversation::converse(connection, &manner)? {
        Outcome::Exited(code) => Ok(code),
        Outcome::Detached => Ok(0),
    }
}

/// A monitor for a container that does not run; `None` when it runs already.
///
/// # Errors
/// A sentence, when another command is just starting it.
pub fn spawn_monitor(container: &Container) -> Result<Option<Connection>> {
    container.ensure_state_dir()?;
    let operation = container.lock_operation()?;
    container.check_recorded()?;
    let life = match container.take_life()? {
        Some(life) => life,
        None if container.is_ending()? => container.await_life()?,
        None if container.state()?.status == Status::Running => return Ok(None),
        None => bail!("container {} is just being started", container.record.name),
    };
    clear_leftovers(container)?;
    container.write_starting()?;
    drop(operation);
    spawn::spawn(container, life).map(Some)
}

/// A control group of that name can only be a leftover, as we hold the container's life: the state that knew of it was
/// lost. It is killed here, as a monitor's own pid namespace does not show it other processes.
fn clear_leftovers(container: &Container) -> Result<()> {
    match Cgroup::open(&cgroup::detect()?, &container.host.cgroup_parent, &container.record.id)? {
        Some(old) => old.kill().and_then(|()| old.remove()).context("cannot clear away an old control group"),
        None => Ok(()),
    }
}
