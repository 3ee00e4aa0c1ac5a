//! Which of the container's streams a command takes part in: `-a`, `-i`, `-d`.
//!
//! ```text
//! nothing said   output and errors, and input with -i          -a stdin -a stdout   those alone
//! -d             none
//! ```

use anyhow::{Result, bail};

use crate::cli::ContainerArgs;

/// The streams that are attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// What the words of `run` and `create` ask for.
///
/// # Errors
/// Docker's sentences: a word that is no stream, `-a` with `-d`.
pub fn attached(args: &ContainerArgs, detach: bool) -> Result<Attached> {
    let mut attached = Attached::default();
    for word in &args.attach {
        match word.to_ascii_lowercase().as_str() {
            "stdin" => attached.stdin = true,
            "stdout" => attached.stdout = true,
            "stderr" => attached.stderr = true,
            _ => bail!(
                "invalid argument \"{word}\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
            ),
        }
    }
    if detach && !args.attach.is_empty() {
        bail!("conflicting options: cannot specify both --attach and --detach");
    }
    if args.attach.is_empty() {
        attached = Attached { stdin: false, stdout: true, stderr: true };
    }
    // Without -i the container has no input that could be attached.
    attached.stdin = args.interactive;
    Ok(attached)
}
