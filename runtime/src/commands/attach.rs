//! `pontoon attach`: the person's terminal on a running container.
//!
//! ```text
//! find ─ call the monitor ─ Attach(+pipes) ─ relay until Exited, or the detach keys
//! ```

use anyhow::{Result, bail};

use super::conversation::{self, Manner, Outcome};
use super::request::Attached;
use super::{pause, words};
use crate::cli::AttachArgs;
use crate::container::Containers;
use crate::host::Host;

/// Attaches until the container ends, with its exit code, or the person detaches.
///
/// # Errors
/// A sentence, when it does not run.
pub fn attach(host: &Host, args: &AttachArgs) -> Result<i32> {
    let container = Containers::of(host).find(&args.container)?;
    let keys = words::detach_keys(&args.stay.detach_keys)?;
    let process = &container.record.process;
    let stdin = process.open_stdin && !args.no_stdin;
    conversation::check_terminal(stdin, process.tty)?;
    let Ok(connection) = conversation::call(&container) else {
        bail!("You cannot attach to a stopped container, start it first");
    };
    if pause::is_paused(&container)? {
        bail!("You cannot attach to a paused container, unpause it first");
    }
    let attached = Attached { stdin, stdout: true, stderr: true };
    let manner = Manner { attached, tty: process.tty, keys, start: false, sig_proxy: args.stay.sig_proxy };
    match conversation::converse(connection, &manner)? {
        Outcome::Exited(code) => Ok(code),
        Outcome::Detached => Ok(0),
    }
}
