//! Commands: one verb, one file.
//!
//! ```text
//! run create start restart stop kill wait pause unpause rename top rm exec attach logs ps inspect port network image
//!   └─ words (request, words) ─> store ─> monitor, over control ─> what is printed (relay, table, template)
//! ```
//!
//! Every command first puts right what a crash left (`sweep`), then does its work and exits.

mod attach;
mod cidfile;
mod conversation;
mod create;
mod dry_run;
mod exec;
mod image;
mod inspect;
mod kill;
mod logs;
mod network;
mod network_connect;
mod network_reload;
mod pause;
mod port;
mod port_change;
mod ports;
mod ps;
mod reconnect;
mod relay;
mod rename;
mod request;
mod rm;
mod run;
mod start;
mod stop;
mod sweep;
mod table;
mod template;
mod top;
mod wait;
mod words;

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

use crate::cli::{Cli, Command, ImageCommand, NetworkCommand};
use crate::files;
use crate::host::Host;
use crate::phases;

/// Does what was asked for; the exit code on success.
///
/// # Errors
/// A sentence for the person.
pub fn dispatch(cli: Cli) -> Result<i32> {
    if matches!(cli.command, Command::Exec(_)) {
        exec::seal()?;
    }
    check_words(&cli.command)?;
    if dry_run::is_wanted(&cli.command) {
        return dry_run::dispatch(&Host::at(&cli.root, &cli.state, &cli.cgroup_parent, &cli.config)?, cli.command);
    }
    let host = Host::open(&cli.root, &cli.state, &cli.cgroup_parent, &cli.config)?;
    sweep::sweep(&host)?;
    phases::mark("command", "nothing is left to put right");
    match cli.command {
        Command::Run(args) => run::run(&host, args),
        Command::Create(args) => create::create(&host, args),
        Command::Start(args) => start::start(&host, &args),
        Command::Restart(args) => stop::restart(&host, &args),
        Command::Stop(args) => stop::stop(&host, &args),
        Command::Kill(args) => kill::kill(&host, &args),
        Command::Wait(args) => wait::wait(&host, &args),
        Command::Pause(args) => pause::pause(&host, &args),
        Command::Unpause(args) => pause::unpause(&host, &args),
        Command::Rename(args) => rename::rename(&host, &args),
        Command::Top(args) => top::top(&host, &args),
        Command::Rm(args) => rm::rm(&host, &args),
        Command::Exec(args) => exec::exec(&host, &args),
        Command::Attach(args) => attach::attach(&host, &args),
        Command::Logs(args) => logs::logs(&host, &args),
        Command::Ps(args) => ps::ps(&host, &args),
        Command::Inspect(args) => inspect::inspect(&host, &args),
        Command::Port(args) => port::port(&host, args),
        Command::Network(command) => match command {
            NetworkCommand::Create(args) => network::create(&host, &args),
            NetworkCommand::Ls(args) => network::list(&host, &args),
            NetworkCommand::Inspect(args) => network::inspect(&host, &args),
            NetworkCommand::Rm(args) => network::remove(&host, &args),
            NetworkCommand::Show(args) => network::show(&host, &args),
            NetworkCommand::Prune(args) => network::prune(&host, &args),
            NetworkCommand::Connect(args) => network_connect::connect(&host, &args),
            NetworkCommand::Reload(args) => network_reload::reload(&host, &args),
            NetworkCommand::Disconnect(args) => network_connect::disconnect(&host, &args),
        },
        Command::Image(command) => match command {
            ImageCommand::Load(args) => image::load(&host, &args),
            ImageCommand::Save(args) => image::save(&host, &args),
            ImageCommand::Import(args) => image::import(&host, &args),
            ImageCommand::Build(args) => image::build(&host, &args),
            ImageCommand::Ls(args) => image::list(&host, &args),
            ImageCommand::Inspect(args) => image::inspect(&host, &args),
            ImageCommand::History(args) => image::history(&host, &args),
            ImageCommand::Tag(args) => image::tag(&host, &args),
            ImageCommand::Rm(args) => image::remove(&host, &args),
            ImageCommand::Prune(args) => image::prune(&host, &args),
        },
        Command::Images(args) => image::list(&host, &args),
        Command::Rmi(args) => image::remove(&host, &args),
        Command::Load(args) => image::load(&host, &args),
        Command::Save(args) => image::save(&host, &args),
        Command::Tag(args) => image::tag(&host, &args),
        Command::History(args) => image::history(&host, &args),
    }
}

/// What clap cannot tell: an unknown flag before the image looks like the image. Said before anything is touched.
fn check_words(command: &Command) -> Result<()> {
    match command {
        Command::Run(args) => request::image_word(&args.container.image_and_command).map(drop),
        Command::Create(args) => request::image_word(&args.container.image_and_command).map(drop),
        Command::Exec(args) => exec::check_words(args),
        _ => Ok(()),
    }
}

/// Prints one line. A full disk behind standard output is an error like any other; println! would panic.
///
/// # Errors
/// What the kernel says.
fn say(line: std::fmt::Arguments<'_>) -> Result<()> {
    print(format_args!("{line}\n"))
}

/// Prints a text as it is.
///
/// # Errors
/// As [`say`].
fn print(text: std::fmt::Arguments<'_>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_fmt(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => written.context("cannot write to standard output"),
    }
}

/// Whoever read our output has gone, as `head` does: an end, and no failure to speak of.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub struct NobodyReads;

/// Whether the trouble is not with the operand but with Pontoon's own files: that is 125 whatever the command.
fn is_own_trouble(error: &anyhow::Error) -> bool {
    error.is::<files::Unusable>()
}

/// Does `act` for each name and goes on after an error, as Docker's commands with several operands do: what works is
/// printed, what does not is said, and the exit code is 1 then.
fn each(names: &[String], mut act: impl FnMut(&str) -> Result<()>) -> Result<i32> {
    let mut code = 0;
    for name in names {
        if let Err(error) = act(name) {
            eprintln!("pontoon: {error:#}");
            code = code.max(if is_own_trouble(&error) { 125 } else { 1 });
        }
    }
    Ok(code)
}
