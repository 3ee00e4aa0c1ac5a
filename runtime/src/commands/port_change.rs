//! `pontoon port add|rm`: published ports of a container change, whether it runs or not.
//!
//! ```text
//! add   words ─> record ─> monitor ──done──> what is new, as `port` prints it
//!                            └──refused──> record as before, the sentence
//! rm    words ─> is there such a port? ─> record ─> monitor
//! ```
//!
//! The record comes first, so that a crash in between is put right by the next start. Its lock is let go before the monitor
//! is asked, which may be waiting for it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use netmodes::publish::{self, Mapping};

use super::{port, reconnect, request};
use crate::cli::PortChangeArgs;
use crate::container::record::{Mode, Network};
use crate::container::{Container, Containers};
use crate::control::{PortsRequest, PortsVerb, Request};
use crate::host::Host;

/// Publishes more ports. Prints those that are published now, as `port` does; nothing for a container that does not run.
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn add(host: &Host, args: &PortChangeArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let container = Containers::of(host).find(word)?;
        let asked = asked(args)?;
        check_mode(&container)?;
        if args.dry_run {
            return tell(&container, args, PortsVerb::Add);
        }
        if !container.is_supervised()? {
            check_free(&container, &asked)?;
        }
        let before: BTreeSet<Mapping> = container.state()?.ports.into_iter().collect();
        change(&container, |network| network.publish.extend(&asked))?;
        if let Err(error) = tell(&container, args, PortsVerb::Add) {
            change(&container, |network| take_out(&mut network.publish, &asked))?;
            return Err(error);
        }
        let mut now = port::published(&container.state()?);
        now.retain(|mapping| !before.contains(mapping));
        now.iter().try_for_each(port::line)
    })
}

/// Publishes ports no more. Prints nothing.
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn remove(host: &Host, args: &PortChangeArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let container = Containers::of(host).find(word)?;
        let asked = asked(args)?;
        let mut network = container.record.network.clone();
        let running = container.state()?.ports;
        settle_choices(&mut network, &running, host.config.publish.ports);
        for (mapping, typed) in &asked_by_word(args)? {
            let is_running = running.iter().any(|port| publish::means(mapping, port));
            if !is_running && publish::without(&network.publish, mapping).is_none() {
                bail!("no public port '{typed}' published for {word}");
            }
        }
        if args.dry_run {
            return tell(&container, args, PortsVerb::Remove);
        }
        // As it is under the lock: somebody else may have changed it since it was looked up.
        let mut before = Network::default();
        change(&container, |network| {
            before.clone_from(network);
            settle_choices(network, &running, host.config.publish.ports);
            for mapping in &asked {
                network.publish =
                    publish::without(&network.publish, mapping).unwrap_or(std::mem::take(&mut network.publish));
            }
        })?;
        let told = tell(&container, args, PortsVerb::Remove);
        if told.is_err() {
            change(&container, |network| {
                (network.publish, network.publish_all) = (before.publish, before.publish_all);
            })?;
        }
        told
    })
}

/// What the words ask for.
fn asked(args: &PortChangeArgs) -> Result<Vec<Mapping>> {
    let asked: Vec<Mapping> = asked_by_word(args)?.into_iter().map(|(mapping, _)| mapping).collect();
    request::refuse_twice(&asked)?;
    Ok(asked)
}

/// The same, each with the word that asks for it.
fn asked_by_word(args: &PortChangeArgs) -> Result<Vec<(Mapping, &str)>> {
    let mut asked = Vec::new();
    for word in &args.ports {
        asked.extend(publish::parse(word)?.into_iter().map(|mapping| (mapping, word.as_str())));
    }
    Ok(asked)
}

fn check_mode(container: &Container) -> Result<()> {
    match container.record.network.mode {
        Mode::Network(_) | Mode::Default => Ok(()),
        Mode::Host => bail!("Published ports are discarded when using host network mode"),
        Mode::Container(_) => bail!("conflicting options: port publishing and the container type network mode"),
        Mode::None => bail!("the container has no network whose ports could be published (network mode none)"),
    }
}

/// Of a container that does not run nobody holds the ports: at least it does not ask for one of them twice.
fn check_free(container: &Container, asked: &[Mapping]) -> Result<()> {
    let record = &container.record;
    for mapping in asked {
        let is_same = |known: &&Mapping| {
            (known.host, known.protocol) == (mapping.host, mapping.protocol)
                && mapping.host.first == mapping.host.last
                && mapping.host != publish::Ports::ANY
                && (known.at == mapping.at || known.at.is_none() || mapping.at.is_none())
        };
        if let Some(known) = record.network.publish.iter().find(is_same) {
            bail!("Bind for {} failed: port is already allocated (by container {})", known.place(), record.name);
        }
    }
    Ok(())
}

/// `-P` chooses ports at each start. One that is taken away must not come back, so the others are asked for by name.
fn settle_choices(network: &mut Network, running: &[Mapping], picked: publish::Ports) {
    if !network.publish_all {
        return;
    }
    let exposed: Vec<_> = network.expose.iter().filter_map(|word| publish::parse_exposed(word).ok()).collect();
    let mut chosen = publish::all_of(&exposed.concat(), &network.publish, picked);
    for mapping in &mut chosen {
        // What runs keeps its port of the host at the next start.
        let same = |port: &&Mapping| (port.container, port.protocol) == (mapping.container, mapping.protocol);
        mapping.host = running.iter().find(same).map_or(mapping.host, |port| port.host);
    }
    network.publish.extend(chosen);
    network.publish_all = false;
}

fn take_out(from: &mut Vec<Mapping>, mappings: &[Mapping]) {
    for mapping in mappings {
        if let Some(index) = from.iter().rposition(|known| known == mapping) {
            from.remove(index);
        }
    }
}

/// Changes the record, as it is now.
fn change(container: &Container, act: impl FnOnce(&mut Network)) -> Result<()> {
    let store = container.host.lock()?;
    container.reconnect(&store, |network| {
        act(network);
        Ok(())
    })?;
    Ok(())
}

/// Tells the monitor, and prints what it explains. A container that does not run has its ports at the next start.
fn tell(container: &Container, args: &PortChangeArgs, verb: PortsVerb) -> Result<()> {
    let explain = args.explain || args.dry_run;
    let wish = Request::Ports(PortsRequest { verb, words: args.ports.clone(), explain, dry_run: args.dry_run });
    match args.dry_run {
        true if !reconnect::runs(container)? => reconnect::say_record_only(container),
        true => reconnect::ask(container, &wish, |text| super::print(format_args!("{text}"))),
        false => reconnect::tell(container, &wish),
    }
}
