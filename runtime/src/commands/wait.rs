//! `pontoon wait`: how containers end.
//!
//! ```text
//! runs ── Wait ──> monitor ── Exited { code } ──> printed          does not run: the code of its last run, at once
//! ```

use std::time::Duration;

use anyhow::{Result, bail};

use super::sweep;
use crate::cli::ContainersArgs;
use crate::container::{Container, Containers};
use crate::control::{Connection, Reply, Request};
use crate::host::Host;

/// How often a monitor is called that does not answer yet, as its container is just being started.
const PATIENCE: Duration = Duration::from_millis(5);

/// Waits for each container in turn and prints its exit code; one that never ran counts as ended with 0.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn wait(host: &Host, args: &ContainersArgs) -> Result<i32> {
    super::each(&args.containers, |word| {
        let code = code(&Containers::of(host).find(word)?)?;
        super::say(format_args!("{code}"))
    })
}

fn code(container: &Container) -> Result<i32> {
    while container.is_supervised()? && !container.is_ending()? {
        match Connection::open(&container.state_dir()).and_then(|monitor| monitor.ask(&Request::Wait)) {
            Ok(Reply::Exited { code } | Reply::Failed { code, .. }) => return Ok(code),
            Ok(Reply::Error { sentence }) => bail!(sentence),
            Ok(other) => bail!("the monitor said {other:?} where it should have said Exited"),
            // It is about to listen, or has just gone.
            Err(_) => std::thread::sleep(PATIENCE),
        }
    }
    ended(container)
}

/// The code that is on record once the monitor has gone; what a killed one left is put right first.
fn ended(container: &Container) -> Result<i32> {
    if container.is_ending()? {
        // The lock goes with the directory of a --rm container: an error says that it has ended.
        let _ = container.await_life();
    }
    sweep::revive(container)?;
    if container.check_recorded().is_err() {
        bail!("container {} has ended and is removed, so its exit code is not known any more", container.record.name);
    }
    Ok(container.state()?.exit_code)
}
