//! What is run, and how: command, environment, directory, user.
//!
//! ```text
//! entry point (--entrypoint, else the image's) + command (typed, else the image's)     environment: image, then -e
//! ```

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Result, bail};
use oci_spec::image::Config;

use super::key_values;
use crate::cli::ContainerArgs;
use crate::container::record::Process;
use crate::text;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program, with the image's defaults.
///
/// # Errors
/// Nothing to run, or a word that cannot be granted.
pub fn process(args: &ContainerArgs, config: &Config) -> Result<Process> {
    let command: Vec<String> = args.image_and_command[1..].iter().map(|word| text::encode(word)).collect();
    let image_entrypoint = config.entrypoint().clone().unwrap_or_default();
    let entrypoint = match &args.entrypoint {
        Some(word) if word.is_empty() => Vec::new(),
        Some(word) => vec![text::encode(word)],
        None => image_entrypoint,
    };
    // A new entry point takes the image's command away, as that was meant for the old one.
    let fallback = if args.entrypoint.is_none() { config.cmd().clone().unwrap_or_default() } else { Vec::new() };
    let command = if command.is_empty() { fallback } else { command };
    let count = entrypoint.len();
    let arguments: Vec<String> = entrypoint.into_iter().chain(command).collect();
    if arguments.is_empty() {
        bail!("No command specified");
    }
    let cwd = match &args.workdir {
        Some(directory) => working_directory(directory)?,
        None => config.working_dir().clone().filter(|directory| !directory.is_empty()).unwrap_or_else(|| "/".into()),
    };
    Ok(Process {
        args: arguments,
        entrypoint: count,
        env: environment(config.env().as_deref().unwrap_or_default(), &added(&args.env_file, &args.env)?)?,
        cwd,
        user: args.user.clone().or_else(|| config.user().clone()).unwrap_or_default(),
        tty: args.tty,
        open_stdin: args.interactive,
        groups: groups(&args.group_add)?,
    })
}

/// Names or numbers, which the container's own /etc/group knows.
fn groups(words: &[String]) -> Result<Vec<String>> {
    match words.iter().find(|word| word.is_empty() || word.contains([':', ','])) {
        Some(word) => bail!("unable to find group {word}: no matching entries in group file"),
        None => Ok(words.to_vec()),
    }
}

/// The words of `--env-file`, then those of `-e`, which win.
///
/// # Errors
/// Docker's sentence for a file that is none of variables.
pub fn added(files: &[PathBuf], words: &[OsString]) -> Result<Vec<OsString>> {
    let mut added = Vec::new();
    for path in files {
        added.extend(key_values::read("env", path)?.into_iter().map(OsString::from));
    }
    added.extend(words.iter().cloned());
    Ok(added)
}

/// A working directory has to be absolute.
///
/// # Errors
/// Docker's sentence.
pub fn working_directory(directory: &OsStr) -> Result<String> {
    if !directory.as_bytes().starts_with(b"/") {
        bail!("the working directory '{}' is invalid, it needs to be an absolute path", directory.to_string_lossy());
    }
    Ok(text::encode(directory))
}

/// The image's environment with `-e` over it; `-e NAME` copies the caller's variable, and unsets one that it lacks.
///
/// # Errors
/// A word without a name.
pub fn environment(base: &[String], added: &[OsString]) -> Result<Vec<String>> {
    let mut environment: Vec<String> = base.to_vec();
    if !environment.iter().any(|word| word.starts_with("PATH=")) {
        environment.insert(0, DEFAULT_PATH.to_owned());
    }
    for word in added {
        let name_end = word.as_bytes().iter().position(|byte| *byte == b'=');
        let name = text::encode(OsStr::from_bytes(&word.as_bytes()[..name_end.unwrap_or(word.len())]));
        if name.is_empty() {
            bail!("invalid environment variable: {}", word.to_string_lossy());
        }
        environment.retain(|old| old.split('=').next() != Some(name.as_str()));
        if name_end.is_some() {
            environment.push(text::encode(word));
        } else if let Some(value) = std::env::var_os(text::decode(&name)) {
            environment.push(format!("{name}={}", text::encode(&value)));
        }
    }
    Ok(environment)
}
