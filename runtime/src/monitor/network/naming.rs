//! What a container knows of others: its files, its name server, its links. Made at the start, and again when something
//! has changed.
//!
//! ```text
//! networks it is on ──┐                     ┌─> hosts, resolv.conf      (etc_files)
//! links, as they are ─┴─> prepare, renew ───┼─> name server: networks, servers outside
//!        ^                                  └─> elements of links       journal.links
//!        └── Watcher: one that is linked to has started or ended
//! ```

use std::net::IpAddr;

use anyhow::Result;
use netmodes::apply::{Net, apply};
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::plan::Step;

use super::{Attached, is_named};
use crate::container::Container;
use crate::host::Host;
use crate::monitor::etc_files::Files;
use crate::monitor::linked::{self, Linked, Watcher};
use crate::monitor::resolver::Config;

/// What one container is told.
#[derive(Default)]
pub struct Naming {
    /// Says when links are to be looked at again.
    pub watcher: Watcher,
    /// It has a name server. Who had one keeps it when he leaves his last network with names, as in Docker: programs
    /// have read of it.
    is_named: bool,
    files: Files,
    links: Vec<Step>,
}

impl Naming {
    /// Decides it for a start, and writes the files.
    ///
    /// # Errors
    /// Docker's sentence for a link to one that does not run; a word that cannot stand in a file.
    pub fn prepare(container: &Container, attached: &[Attached]) -> Result<Naming> {
        let watcher = Watcher::of(&container.host, &container.record);
        let (files, links) = foresee(container, attached)?;
        files.write(container)?;
        Ok(Naming { watcher, is_named: is_named(attached), files, links })
    }

    /// The elements of its links.
    pub fn links(&self) -> &[Step] {
        &self.links
    }

    /// What its name server has to know.
    pub fn config(&self, host: &Host, attached: &[Attached]) -> Config {
        // On the default network there are no names, as in Docker.
        let named = attached.iter().filter(|attached| !attached.network.is_default());
        let members = named.map(|attached| attached.member(host)).collect();
        Config { members, upstreams: self.files.upstreams.clone(), ndots_set: self.files.ndots_set }
    }

    /// Makes the elements.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn apply(&self, container: &Container, kernel: &mut Kernel) -> Result<()> {
        if self.links.is_empty() {
            return Ok(());
        }
        Ok(apply(&self.links, kernel, &mut Journal::open(&container.journal_of("links"))?)?)
    }

    /// Brings files and elements up to date with `attached`, and with those that are linked to.
    ///
    /// # Errors
    /// What could not be done; it is tried again in a second.
    pub fn renew(&mut self, container: &Container, attached: &[Attached], kernel: &mut Kernel) -> Result<()> {
        let renewed = self.follow(container, attached, kernel);
        if renewed.is_err() {
            self.watcher.retry();
        }
        renewed
    }

    fn follow(&mut self, container: &Container, attached: &[Attached], kernel: &mut Kernel) -> Result<()> {
        let present = linked::present(&container.host, &container.record)?;
        self.is_named |= is_named(attached);
        let files = Files::of_networks(&container.record, attached, &present, self.is_named)?;
        // Who reads of an address finds its ports open already.
        self.exchange(elements(attached, &present), container, kernel)?;
        files.follow(&self.files, container)?;
        self.files = files;
        Ok(())
    }

    /// The old ones first: such an address may be somebody else's by now.
    fn exchange(&mut self, links: Vec<Step>, container: &Container, kernel: &mut Kernel) -> Result<()> {
        if self.links.is_empty() && links.is_empty() {
            return Ok(());
        }
        let mut journal = Journal::open(&container.journal_of("links"))?;
        for gone in self.links.iter().filter(|step| !links.contains(step)) {
            kernel.del(gone)?;
            journal.strike(gone)?;
        }
        self.links.retain(|step| links.contains(step));
        // One by one, so that after a failure it is known which are there.
        for new in links {
            if !self.links.contains(&new) {
                apply(std::slice::from_ref(&new), kernel, &mut journal)?;
                self.links.push(new);
            }
        }
        Ok(())
    }
}

/// Files and elements, as a start would have them.
///
/// # Errors
/// As [`Naming::prepare`].
pub fn foresee(container: &Container, attached: &[Attached]) -> Result<(Files, Vec<Step>)> {
    let linked = linked::all(&container.host, &container.record)?;
    let files = Files::of_networks(&container.record, attached, &linked, is_named(attached))?;
    Ok((files, elements(attached, &linked)))
}

/// On the default network alone; elsewhere a link is a name and nothing more.
fn elements(attached: &[Attached], linked: &[Linked]) -> Vec<Step> {
    let Some(default) = attached.iter().find(|attached| attached.network.is_default()) else { return Vec::new() };
    let own: Vec<IpAddr> = default.endpoint.addresses();
    linked::elements(&default.network, &own, linked)
}
