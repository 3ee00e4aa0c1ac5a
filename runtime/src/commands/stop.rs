//! `pontoon stop` and `pontoon restart`: both are a word to the monitor.
//!
//! ```text
//! stop      Stop ──> monitor: signal, deadline, SIGKILL ──> Done
//! restart   Restart ──> monitor: the same, then init again in the same network namespace ──> Done
//! ```

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{conversation, start, words};
use crate::cli::StopArgs;
use crate::container::{Container, Containers};
use crate::control::{Reply, Request, StopRequest};
use crate::host::Host;

/// How long a monitor may take from closing its socket to its last breath.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stops containers and prints their names; one that does not run is no error.
///
/// # Errors
/// A bad signal.
pub fn stop(host: &Host, args: &StopArgs) -> Result<i32> {
    let request = request(args)?;
    super::each(&args.containers, |word| {
        let container = Containers::of(host).find(word)?;
        stop_one(&container, request)?;
        super::say(format_args!("{word}"))?;
        Ok(())
    })
}

/// Stops one container, if it runs, and waits for its end.
///
/// # Errors
/// When the monitor cannot be reached.
pub fn stop_one(container: &Container, request: StopRequest) -> Result<()> {
    if has_ended(container)? {
        return Ok(());
    }
    match conversation::call(container).and_then(|connection| connection.ask(&Request::Stop(request))) {
        Ok(Reply::Done | Reply::Exited { .. } | Reply::Failed { .. }) => Ok(()),
        Ok(Reply::Error { sentence }) => bail!(sentence),
        Ok(other) => bail!("the monitor said {other:?} where it should have said Done"),
        // It ended by itself while we asked; its socket goes a moment before its lock.
        Err(error) => {
            if ends_soon(container)? {
                Ok(())
            } else {
                Err(error)
            }
        }
    }
}

/// Waits a moment for the end of a monitor that answers no more.
fn ends_soon(container: &Container) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while !has_ended(container)? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

fn has_ended(container: &Container) -> Result<bool> {
    Ok(!container.is_supervised()? || container.is_ending()?)
}

/// Restarts containers and prints their names; one that does not run is started.
///
/// # Errors
/// A bad signal.
pub fn restart(host: &Host, args: &StopArgs) -> Result<i32> {
    let request = request(args)?;
    super::each(&args.containers, |word| {
        let container = Containers::of(host).find(word)?;
        restart_one(&container, request)?;
        super::say(format_args!("{word}"))?;
        Ok(())
    })
}

fn restart_one(container: &Container, request: StopRequest) -> Result<()> {
    if let Some(connection) = start::spawn_monitor(container)? {
        return conversation::start(&connection);
    }
    match conversation::call(container).and_then(|connection| connection.ask(&Request::Restart(request))) {
        Ok(Reply::Done) => Ok(()),
        Ok(Reply::Failed { sentence, .. } | Reply::Error { sentence }) => bail!(sentence),
        Ok(Reply::Exited { .. }) => bail!("container {} was stopped meanwhile", container.record.name),
        Ok(other) => bail!("the monitor said {other:?} where it should have said Done"),
        // It ended by itself while we asked, so it only has to be started.
        Err(_) if has_ended(container)? => match start::spawn_monitor(container)? {
            Some(connection) => conversation::start(&connection),
            None => Ok(()),
        },
        Err(error) => Err(error),
    }
}

fn request(args: &StopArgs) -> Result<StopRequest> {
    let signal = args.signal.as_deref().map(words::signal).transpose()?;
    Ok(StopRequest { signal, timeout: args.time })
}
