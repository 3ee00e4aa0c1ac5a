//! `--dry-run`: the script of a command that is not done.
//!
//! ```text
//! words ─ the checks of the command itself, with its sentences ─ what it would decide ─ script on stdout ─ 0
//! ```
//!
//! Nothing is made: no directory, record, lease or image, and what a crash left stays where it is. A container that is
//! only foreseen has no directories of its own, so the script makes some for it, which Pontoon never looks at.

use std::path::Path;

use anyhow::{Result, bail};
use netmodes::kernel::Kernel;
use rootfs_tools::{Image, Reference, Store};

use super::{conversation, create, network, network_connect, port, request, words};
use crate::cli::{Command, NetworkCommand, NetworkCreateArgs, NetworkRmArgs, PortArgs, PortCommand, RunArgs};
use crate::container::{Container, Containers, naming};
use crate::explain::{self, Network, Scene};
use crate::host::Host;
use crate::isolate::cgroup;
use crate::monitor::{foresight, network::networks, specification};
use crate::spec;

/// Where the script keeps the files of its container.
const BY_HAND: &str = "/run/by-hand";

/// Whether the command is only to be said.
pub fn is_wanted(command: &Command) -> bool {
    match command {
        Command::Run(args) => args.dry_run,
        Command::Network(NetworkCommand::Create(args)) => args.dry_run,
        Command::Network(NetworkCommand::Rm(args)) => args.dry_run,
        Command::Network(NetworkCommand::Connect(args)) => args.dry_run,
        Command::Network(NetworkCommand::Disconnect(args)) => args.dry_run,
        Command::Port(PortArgs { command: Some(PortCommand::Add(args) | PortCommand::Rm(args)), .. }) => args.dry_run,
        _ => false,
    }
}

/// Says it.
///
/// # Errors
/// Those of the command itself.
pub fn dispatch(host: &Host, command: Command) -> Result<i32> {
    match command {
        Command::Run(args) => run(host, &args),
        Command::Network(NetworkCommand::Create(args)) => creation(host, &args),
        Command::Network(NetworkCommand::Rm(args)) => removal(host, &args),
        Command::Network(NetworkCommand::Connect(args)) => network_connect::connect(host, &args),
        Command::Network(NetworkCommand::Disconnect(args)) => network_connect::disconnect(host, &args),
        Command::Port(args) => port::port(host, args),
        _ => bail!("this command has no --dry-run"),
    }
}

fn run(host: &Host, args: &RunArgs) -> Result<i32> {
    words::detach_keys(&args.stay.detach_keys)?;
    let attached = request::attached(&args.container, args.detach)?;
    if !args.detach {
        conversation::check_terminal(attached.stdin, args.container.tty)?;
    }
    if let Some(name) = &args.container.name {
        naming::check(name)?;
    }
    let image = image(host, request::image_word(&args.container.image_and_command)?)?;
    let name = args.container.name.clone().map_or_else(|| naming::made_up(0), Ok)?;
    let record = request::record(host, &args.container, &image, name)?;
    Containers::of(host).check_free(&record.name)?;
    let container = Container { host: host.clone(), record };
    let (plan, files) = foresight::foresee(&container)?;
    let mut facts = specification::facts(&container)?;
    facts.disk = Path::new(BY_HAND).join(&container.record.name);
    facts.root = facts.disk.join("root");
    if files.is_some() {
        facts.files.clone_from(&facts.disk);
    }
    let (spec, hierarchy) =
        (spec::spec(specification::linked_record(&container)?.as_ref(), &facts)?, cgroup::detect()?);
    let scene = Scene::of(&container, &spec, &facts, &hierarchy, Network::of(&container, &plan)?)?;
    let etc = files.map_or_else(Vec::new, |files| files.texts(&container.record).into());
    super::print(format_args!("{}", explain::script(&Scene { etc, detached: args.detach, ..scene })?))?;
    Ok(0)
}

/// The image, if it is there.
fn image(host: &Host, word: &str) -> Result<Image> {
    let directory = host.root.join("images");
    word.parse::<Reference>()?;
    // Opening a store that is not there would make it.
    let found = match directory.join("lock").exists() {
        true => Store::open(&directory)?.find(word),
        false => Err(rootfs_tools::Error::NoSuchImage(word.to_owned())),
    };
    match found {
        Err(rootfs_tools::Error::NoSuchImage(_)) if Store::has_builtin(word) => bail!(
            "Unable to find image '{}' locally: 'pontoon run {word}' would build it first, and --dry-run makes nothing",
            create::shown(word)
        ),
        Err(rootfs_tools::Error::NoSuchImage(_)) => Err(create::unknown_image(word)),
        other => Ok(other?),
    }
}

fn creation(host: &Host, args: &NetworkCreateArgs) -> Result<i32> {
    let new = network::wish(args)?;
    let steps = networks(host)?.foresee_new(&new, &mut Kernel::open(None)?)?;
    super::print(format_args!("{}", explain::creation(&new.name, &steps)))?;
    Ok(0)
}

fn removal(host: &Host, args: &NetworkRmArgs) -> Result<i32> {
    let networks = networks(host)?;
    super::each(&args.networks, |word| {
        let Some(network) = network::to_remove(&networks, word, args.force)? else { return Ok(()) };
        let steps = networks.foresee_removal(&network, &|id| network::name_of_user(host, id))?;
        super::print(format_args!("{}", explain::removal(&network.name, &steps)))
    })
}
