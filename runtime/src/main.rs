//! Pontoon: a container runtime with networking built in. One static binary, no daemon.
//!
//! ```text
//! main ─ cli ─ commands ─ container (record, state, store)
//!                  └───── monitor ─ launch ─ isolate ─ sys
//!                            └───── netmodes, rootfs_tools
//! ```
//!
//! This file parses, runs, prints one error and ends with the exit code: 125 for Pontoon's own failure, 126 for a
//! program that cannot be executed, 127 for one that is not found, 128+n for signal n, else the program's own.

mod booleans;
mod cli;
mod commands;
mod config;
mod container;
mod control;
mod explain;
mod files;
mod host;
mod isolate;
mod launch;
mod lock;
mod monitor;
mod phases;
mod processes;
mod spec;
mod sys;
mod text;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.first().is_some_and(|name| name == monitor::spawn::NAME) {
        phases::inherit();
        return exit(monitor::main(&arguments));
    }
    if arguments.first().is_some_and(|name| name == launch::init::NAME) {
        return exit(launch::init::main(&arguments));
    }
    let arguments = booleans::plain(arguments);
    let cli = match cli::Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return exit(usage::explain(&error, &arguments)),
    };
    if cli.debug {
        phases::begin();
    }
    match commands::dispatch(cli) {
        Ok(code) => exit(code),
        // The end that a shell expects of a pipe's writer, without a word: 128 + SIGPIPE.
        Err(error) if error.is::<commands::NobodyReads>() => exit(128 + 13),
        Err(error) => {
            eprintln!("pontoon: {error:#}");
            let failure = error.downcast_ref::<launch::Failure>();
            exit(failure.map_or(125, |failure| failure.code))
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(code as u8)
}
