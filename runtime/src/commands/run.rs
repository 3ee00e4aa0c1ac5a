//! `pontoon run`: create, start, attach, and end with the container's exit code.

use anyhow::{Result, bail};

use super::conversation::{self, Manner, Outcome};
use super::{create, words};
use crate::cli::RunArgs;
use crate::host::Host;
use crate::monitor::spawn;

/// Creates a container and runs it.
///
/// # Errors
/// A sentence, or the container's failure with its exit code.
pub fn run(host: &Host, args: RunArgs) -> Result<i32> {
    let container = &args.container;
    let keys = words::detach_keys(&args.detach_keys)?;
    if !args.detach {
        conversation::check_terminal(container.interactive, container.tty)?;
    }
    let (made, life) = create::make(host, container, true)?;
    let Some(life) = life else { bail!("the new container's lock is held by somebody else") };
    let connection = spawn::spawn(&made, life)?;
    if args.detach {
        conversation::start(&connection)?;
        println!("{}", made.record.id);
        return Ok(0);
    }
    let manner = Manner { stdin: container.interactive, tty: container.tty, keys, start: true };
    match conversation::converse(connection, &manner)? {
        Outcome::Exited(code) => Ok(code),
        Outcome::Detached => Ok(0),
    }
}
