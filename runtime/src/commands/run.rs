//! `pontoon run`: create, start, attach, and end with the container's exit code.
//!
//! ```text
//! words ─ record, life in hand ─ monitor ─┬─ -d: Started, id
//!                                         └─ attached: relay, exit code
//! ```

use anyhow::{Result, bail};

use super::cidfile::IdFile;
use super::conversation::{self, Manner, Outcome};
use super::{create, request, rm, words};
use crate::cli::RunArgs;
use crate::container::Container;
use crate::control::Request;
use crate::host::Host;
use crate::launch::Failure;
use crate::lock::Lock;
use crate::monitor::spawn;
use crate::phases;

/// Creates a container and runs it.
///
/// # Errors
/// A sentence, or the container's failure with its exit code.
pub fn run(host: &Host, args: RunArgs) -> Result<i32> {
    let container = &args.container;
    let keys = words::detach_keys(&args.stay.detach_keys)?;
    let attached = request::attached(container, args.detach)?;
    if !args.detach {
        conversation::check_terminal(attached.stdin, container.tty)?;
    }
    let mut id_file = container.cidfile.as_deref().map(IdFile::claim).transpose()?;
    let (made, life) = create::make(host, container, true)?;
    phases::mark("command", "the container is on record");
    create::note(host, &made, id_file.as_mut())?;
    let Some(life) = life else { bail!("the new container's lock is held by somebody else") };
    let manner = Manner { attached, tty: container.tty, keys, start: true, sig_proxy: args.stay.sig_proxy };
    start(&made, life, (!args.detach).then_some(&manner), args.explain).inspect_err(|error| {
        // Pontoon's own failure, such as a port in use: what was made for it goes again. A program that is not found
        // or cannot be executed leaves its container to be looked at, as Docker's does.
        if error.downcast_ref::<Failure>().is_none_or(|failure| failure.code == 125) {
            let _ = rm::remove(host, &made, true);
            id_file.iter_mut().for_each(IdFile::forget);
        }
    })
}

/// Starts it, and stays with it in that manner; without one, prints its id.
fn start(made: &Container, life: Lock, manner: Option<&Manner>, explain: bool) -> Result<i32> {
    let connection = spawn::spawn(made, life)?;
    phases::mark("command", "the monitor is cloned");
    if explain {
        connection.send(&Request::Explain { detached: manner.is_none() }, &[])?;
    }
    let Some(manner) = manner else {
        conversation::start(&connection)?;
        super::say(format_args!("{}", made.record.id))?;
        return Ok(0);
    };
    if manner.is_silent() {
        super::say(format_args!("{}", made.record.id))?;
    }
    let outcome = conversation::converse(connection, manner)?;
    phases::mark("command", "has heard of the end");
    match outcome {
        Outcome::Exited(code) => Ok(code),
        Outcome::Detached => Ok(0),
    }
}
