//! Host ports: held by the monitor before anything is made.
//!
//! ```text
//! -p 8080:80   ─> bind, listen, shutdown ─> Held       one that somebody holds ends the start here, by his name
//! -P           ─> every exposed port, after those that are named
//!
//! Held ─ no translation leads from it ─> crossing      else: kept, and an element in journal.outlet leads packets there
//! ```
//!
//! What is held at the start and what `port add` brings later go the same way, and `port rm` lets go of either.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result};
use netmodes::apply::withdraw;
use netmodes::modes::outlet::{self, Leg};
use netmodes::plan::Step;
use netmodes::publish::{self, Held, Landing, Mapping};

use super::{Attached, Connection};
use crate::container::{Container, Containers, record};
use crate::host::Host;
use crate::monitor::spawn;

/// Ports as they are published.
#[derive(Debug, Default)]
pub struct Published {
    /// What was asked for, host ports and families chosen.
    pub mappings: Vec<Mapping>,
    /// The sockets behind those that need a port of the host.
    pub held: Vec<Held>,
}

impl Connection {
    /// Binds more ports, as the networks have them now; nothing leads there yet.
    ///
    /// # Errors
    /// A port that somebody holds.
    pub fn hold(&self, host: &Host, mappings: &[Mapping]) -> Result<Published> {
        hold_these(host, mappings, &self.landing())
    }

    /// The firewall's part of published ports.
    pub fn elements(&self, mappings: &[Mapping]) -> Vec<Step> {
        outlet::published(mappings, &outlet::addresses(&self.legs()))
    }

    /// Leads ports that are held to the container.
    ///
    /// # Errors
    /// What the kernel refuses; then none of them is published.
    pub fn publish(&mut self, container: &Container, published: Published) -> Result<()> {
        let Published { mappings, held } = published;
        self.ensure_networks(container)?;
        let steps = self.elements(&mappings);
        let addresses = outlet::addresses(&self.legs());
        self.mappings.extend(&mappings);
        let made = self.serve(held, &addresses).and_then(|()| self.take(container, steps));
        if made.is_err() {
            self.unpublish(container, &mappings)?;
        }
        made
    }

    /// Lets published ports go: what leads there, what the kernel remembers of it, and last the ports of the host.
    ///
    /// # Errors
    /// What could not be deleted; it stays in the journal, and those ports stay ours.
    pub fn unpublish(&mut self, container: &Container, mappings: &[Mapping]) -> Result<()> {
        let mut journal = self.open_outlet(container)?;
        let mut steps = self.elements(mappings);
        // Of a few that could not all be made some are not there.
        let made: BTreeSet<&Step> = journal.steps().iter().collect();
        steps.retain(|step| made.contains(step));
        let withdrawn = withdraw(&steps, &mut self.kernel, &mut journal);
        self.journal = Some(journal);
        withdrawn?;
        self.outlet.retain(|step| !steps.contains(step));
        mappings.iter().for_each(|mapping| self.crossing.remove(mapping));
        self.kept.retain(|held| !mappings.contains(&held.mapping));
        self.mappings.retain(|mapping| !mappings.contains(mapping));
        Ok(())
    }

    /// The way out has moved: ports that are served lead to the addresses that the container has there.
    ///
    /// # Errors
    /// As [`Connection::serve`].
    pub(super) fn lead_ports(&mut self) -> Result<()> {
        let addresses = outlet::addresses(&self.legs());
        self.crossing.lead(|mapping| publish::served(mapping, &addresses));
        let kept = std::mem::take(&mut self.kept);
        self.serve(kept, &addresses)
    }

    /// The way out is of another kind now (the first one, the last one gone, another family, routed): what was asked for
    /// is published as it makes it.
    ///
    /// # Errors
    /// A port that somebody holds by now.
    pub(super) fn publish_anew(&mut self, container: &Container) -> Result<()> {
        let published = self.mappings.clone();
        self.unpublish(container, &published)?;
        let wanted = hold(&container.host, &container.record.network, &self.landing())?;
        self.publish(container, wanted)
    }

    /// What the networks that are the way out make of published ports.
    pub(super) fn landing(&self) -> Landing {
        outlet::landing(&self.legs())
    }

    /// Serves the ports that no translation leads from; the others are only kept.
    ///
    /// # Errors
    /// A socket that cannot be made to listen.
    pub(super) fn serve(&mut self, held: Vec<Held>, addresses: &[IpAddr]) -> Result<()> {
        for held in held {
            match publish::served(&held.mapping, addresses) {
                Some(target) => self.crossing.add(held, target).context("cannot listen on a published port")?,
                None => self.kept.push(held),
            }
        }
        Ok(())
    }

    fn legs(&self) -> Vec<Leg<'_>> {
        self.attached.iter().map(Attached::leg).collect()
    }
}

/// Binds every host port. Those that are named come first, so that `-P` does not take one of them.
///
/// # Errors
/// A port that somebody holds.
pub fn hold(host: &Host, wanted: &record::Network, landing: &Landing) -> Result<Published> {
    let mut mappings = wanted.publish.clone();
    if wanted.publish_all {
        let exposed: Vec<_> =
            wanted.expose.iter().map(|word| publish::parse_exposed(word)).collect::<Result<_, _>>()?;
        mappings.extend(publish::all_of(&exposed.concat(), &wanted.publish, host.config.publish.ports));
    }
    hold_these(host, &mappings, landing)
}

/// Binds these.
///
/// # Errors
/// As [`hold`].
pub fn hold_these(host: &Host, mappings: &[Mapping], landing: &Landing) -> Result<Published> {
    let who = |words: &[String]| holder(host, words);
    // The network's own address wins over that of the settings.
    let landing = &Landing { at: landing.at.or(host.config.publish.address), ..*landing };
    let mut published = Published::default();
    for mapping in mappings {
        let held = publish::hold(mapping, landing, &who)?;
        published.mappings.extend(held.iter().map(|held| held.mapping));
        published.mappings.extend(landing.open(mapping));
        published.held.extend(held);
    }
    Ok(published)
}

/// The name of the container whose monitor has these arguments; as its record says, for it may have been renamed.
fn holder(host: &Host, words: &[String]) -> Option<String> {
    let [program, name, .., id] = words else { return None };
    let recorded = || Containers::of(host).load(id).ok()?.map(|container| container.record.name);
    (program == spawn::NAME).then(|| recorded().unwrap_or_else(|| name.clone()))
}
