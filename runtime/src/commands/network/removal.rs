//! `pontoon network rm`: the record goes, the bridge is set down, and who asked has the answer.
//!
//! ```text
//! rm       record goes, bridge down ─ answer ─ a child nobody waits for deletes it: ip link del br-…
//! finish   what a killed one of those left: by the next command
//! ```

use std::fs::OpenOptions;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use netmodes::kernel::Kernel;
use netmodes::network::{Network, Networks};

use crate::cli::NetworkRmArgs;
use crate::commands::{each, say};
use crate::container::Containers;
use crate::explain;
use crate::host::Host;
use crate::monitor::network::networks;
use crate::sys::{fds, process};

/// Removes networks and prints their names. The kernel takes 30 ms to delete a bridge; nobody waits for that.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn remove(host: &Host, args: &NetworkRmArgs) -> Result<i32> {
    let networks = networks(host)?;
    let code = each(&args.networks, |word| {
        let Some(network) = to_remove(&networks, word, args.force)? else { return Ok(()) };
        let name_of = |id: &str| name_of_user(host, id);
        if args.explain {
            eprint!("{}", explain::removal(&network.name, &networks.foresee_removal(&network, &name_of)?));
        }
        remove_one(&networks, &network, &name_of)?;
        say(format_args!("{word}"))
    })?;
    finish_behind(&networks)?;
    Ok(code)
}

/// The record goes, and the bridge is down.
///
/// # Errors
/// It has endpoints, or is one that every host has.
pub fn remove_one(networks: &Networks, network: &Network, name_of: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let mut kernel = Kernel::open(None)?;
    let removed = networks.remove(network, name_of, &mut kernel);
    // Closing the socket would take 10 ms; the exit of the process behind us does it.
    std::mem::forget(kernel);
    Ok(removed?)
}

/// The network by that word; `None` if it is not there and that is no error.
///
/// # Errors
/// Docker's sentences for one that is not there, or that every host has.
pub fn to_remove(networks: &Networks, word: &str, force: bool) -> Result<Option<Network>> {
    if matches!(word, "host" | "none") {
        bail!("{word} is a pre-defined network and cannot be removed");
    }
    match networks.foresee(word) {
        Err(netmodes::Error::NotFound(_)) if force => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The name of the container that holds a lease, as long as there is such a container.
pub fn name_of_user(host: &Host, id: &str) -> Option<String> {
    Containers::of(host).load(id).ok().flatten().map(|container| container.record.name)
}

/// Deletes the bridges in a child that nobody waits for. If it is killed, the next command goes on.
///
/// # Errors
/// The state cannot be read, or no process can be made.
pub fn finish_behind(networks: &Networks) -> Result<()> {
    if !networks.has_unfinished_removals()? {
        return Ok(());
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").context("cannot open /dev/null")?;
    process::fork(|| {
        // Whoever reads our output must not wait for this child.
        for stream in 0..3 {
            let _ = fds::place(null.as_fd(), stream);
        }
        fds::keep_only(&[]);
        let _ = nix::unistd::setsid();
        finish(networks);
        process::exit(0)
    })
    .context("cannot fork")?;
    Ok(())
}

/// Deletes what removed networks have left in the kernel.
pub fn finish(networks: &Networks) {
    let _ = networks.remove_draft();
    if let Ok(mut kernel) = Kernel::open(None) {
        networks.finish_removal(&mut kernel);
        std::mem::forget(kernel);
    }
}
