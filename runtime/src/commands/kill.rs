//! `pontoon kill`: a signal for a running container.
//!
//! ```text
//! signal ──> monitor ── pidfd_send_signal(2) ──> init
//! ```

use anyhow::{Result, bail};
use nix::libc;

use super::{conversation, words};
use crate::cli::KillArgs;
use crate::container::Containers;
use crate::control::{Reply, Request};
use crate::host::Host;

/// Sends the signal to each container and prints its name. After SIGKILL the end is waited for.
///
/// # Errors
/// A bad signal.
pub fn kill(host: &Host, args: &KillArgs) -> Result<i32> {
    let signal = words::signal(&args.signal)?;
    super::each(&args.containers, |word| {
        let container = Containers::of(host).find(word)?;
        let connection = match conversation::call(&container) {
            Ok(connection) => connection,
            Err(_) => bail!("cannot kill container: {word}: container {} is not running", container.record.name),
        };
        match connection.ask(&Request::Kill { signal }) {
            Ok(Reply::Done) => {}
            Ok(Reply::Error { sentence }) => bail!("cannot kill container: {word}: {sentence}"),
            Ok(other) => bail!("the monitor said {other:?} where it should have said Done"),
            Err(_) => bail!("cannot kill container: {word}: container {} is not running", container.record.name),
        }
        if signal == libc::SIGKILL {
            // A monitor that has gone by now has nothing left to say.
            let _ = connection.send(&Request::Wait, &[]).and_then(|()| connection.receive::<Reply>());
        }
        super::say(format_args!("{word}"))?;
        Ok(())
    })
}
