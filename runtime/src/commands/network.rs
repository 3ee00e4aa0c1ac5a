//! `pontoon network create|ls|rm`.
//!
//! ```text
//! create   record ─ bridge                              ip link add br-… type bridge
//! rm       record goes, bridge down ─ answer ─ a child nobody waits for deletes it: ip link del br-…
//! ```

use std::fs::OpenOptions;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use netmodes::kernel::Kernel;
use netmodes::network::{Network, Networks, NewNetwork};
use netmodes::plan::Step;
use netmodes::subnet::Asked;
use serde_json::{Value, json};

use super::table::Table;
use super::{template, words};
use crate::cli::{ListArgs, NetworkCreateArgs, NetworkRmArgs};
use crate::container::Containers;
use crate::explain;
use crate::host::Host;
use crate::monitor::network::networks;
use crate::sys::{fds, process};

/// Creates a network, with its bridge, and prints its id.
///
/// # Errors
/// A sentence; nothing is made then.
pub fn create(host: &Host, args: &NetworkCreateArgs) -> Result<i32> {
    let new = wish(args)?;
    let created = jiff::Timestamp::now().to_string();
    let networks = networks(host)?;
    // The default network is drawn up first, so that nobody takes the addresses that it is known by.
    networks.find(netmodes::network::DEFAULT)?;
    let mut tell = |steps: &[Step]| {
        if args.explain {
            eprint!("{}", explain::creation(&new.name, steps));
        }
    };
    let network = networks.create_told(&new, created, &mut Kernel::open(None)?, &mut tell)?;
    super::say(format_args!("{}", network.id))?;
    Ok(0)
}

/// What is asked for.
///
/// # Errors
/// A word that means nothing to a bridge.
pub fn wish(args: &NetworkCreateArgs) -> Result<NewNetwork> {
    Ok(NewNetwork {
        name: args.name.clone(),
        driver: args.driver.clone(),
        asked: Asked {
            subnets: args.subnet.clone(),
            gateways: args.gateway.clone(),
            ip_ranges: args.ip_range.clone(),
            aux: words::pairs(&args.aux_address)?,
            cable: args.driver == "p2p",
        },
        ipv6: args.ipv6,
        no_ipv4: !args.ipv4,
        internal: args.internal,
        options: words::pairs(&args.opt)?,
        labels: words::pairs(&args.label)?,
    })
}

/// Lists networks by name, with `host` and `none`, which every host has.
///
/// # Errors
/// A record that cannot be read.
pub fn list(host: &Host, args: &ListArgs) -> Result<i32> {
    let networks = networks(host)?;
    networks.find(netmodes::network::DEFAULT)?;
    for error in networks.damaged()? {
        eprintln!("pontoon: {:#}", anyhow::Error::from(error));
    }
    let mut rows: Vec<(String, Value)> =
        networks.list()?.iter().map(|n| (n.name.clone(), row(&n.id, &n.name, &n.driver, args.no_trunc))).collect();
    for (name, driver) in [("host", "host"), ("none", "null")] {
        rows.push((name.to_owned(), row(&super::network_inspect::builtin_id(name), name, driver, args.no_trunc)));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    if args.quiet {
        for row in &rows {
            super::say(format_args!("{}", cell(row, "ID")))?;
        }
    } else if let Some(format) = &args.format {
        super::print(format_args!("{}", template::lines(format, &rows)?))?;
    } else {
        let mut table = Table::default();
        table.row(["NETWORK ID", "NAME", "DRIVER", "SCOPE"].map(String::from).to_vec());
        for row in &rows {
            table.row(["ID", "Name", "Driver", "Scope"].iter().map(|key| cell(row, key)).collect());
        }
        super::print(format_args!("{table}"))?;
    }
    Ok(0)
}

fn row(id: &str, name: &str, driver: &str, whole: bool) -> Value {
    let id = if whole { id } else { &id[..12.min(id.len())] };
    json!({ "ID": id, "Name": name, "Driver": driver, "Scope": "local" })
}

/// Removes networks and prints their names. The kernel takes 30 ms to delete a bridge; nobody waits for that.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn remove(host: &Host, args: &NetworkRmArgs) -> Result<i32> {
    let networks = networks(host)?;
    let code = super::each(&args.networks, |word| {
        let Some(network) = to_remove(&networks, word, args.force)? else { return Ok(()) };
        let name_of = |id: &str| name_of_user(host, id);
        if args.explain {
            eprint!("{}", explain::removal(&network.name, &networks.foresee_removal(&network, &name_of)?));
        }
        let mut kernel = Kernel::open(None)?;
        let removed = networks.remove(&network, &name_of, &mut kernel);
        // Closing the socket would take 10 ms; the exit of the process behind us does it.
        std::mem::forget(kernel);
        removed?;
        super::say(format_args!("{word}"))?;
        Ok(())
    })?;
    finish_behind(&networks)?;
    Ok(code)
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
fn finish_behind(networks: &Networks) -> Result<()> {
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
