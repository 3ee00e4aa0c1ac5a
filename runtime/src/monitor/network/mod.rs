//! The container's place on its networks: addresses, ports, names, and the plans that make them real.
//!
//! ```text
//! prepare   attachments (attached) ─ hold the host ports (ports) ─ hosts, hostname, resolv.conf      (no kernel object)
//! apply     namespace ─ each attachment ─ links ─ the way out: default routes, published ports
//!           journal     journal.<network>   journal.links  journal.outlet
//! ```
//!
//! `prepare` comes before the clone, `apply` runs beside the child's mounts. The way down is `teardown`, always.

mod attached;
mod cable;
mod change;
mod following;
pub mod naming;
mod ports;
mod reserved;

use std::path::PathBuf;

use anyhow::{Context, Result};
use netmodes::apply::{self, apply};
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::modes::namespace::{self, Namespace};
use netmodes::modes::outlet::{self, Leg};
use netmodes::modes::{self, ResolverPorts};
use netmodes::network::{DEFAULT, Networks};
use netmodes::plan::{Plan, Step};
use netmodes::publish::{Held, Mapping};

use super::crossing::Crossing;
use super::etc_files::Files;
use super::netns::{Netns, Opened};
use super::resolver::{Resolver, ResolverSockets};
use super::warnings;
use crate::container::record::{Attachment, Mode};
use crate::container::state::Endpoint;
use crate::container::store::{journals_in, names_in};
use crate::container::{Container, Record};
use crate::host::Host;
use crate::lock::{Byte, Lock};

pub use attached::{Attached, forget};
pub use change::Change;
pub use naming::Naming;
pub use ports::{Published, hold};
pub use reserved::{reserve, unreserve};

/// What a monitor holds of the network while its container runs.
pub struct Connection {
    /// Both sides of netlink.
    pub kernel: Kernel,
    /// The container's name server.
    pub resolver: Option<Resolver>,
    /// Its files and its links.
    pub naming: Naming,
    /// Host ports that no translation leads from.
    pub crossing: Crossing,
    /// Those of a name server, until it is needed.
    sockets: Option<ResolverSockets>,
    /// In the order of the words.
    attached: Vec<Attached>,
    namespace: Vec<Step>,
    outlet: Vec<Step>,
    /// That of the way out, once it has been needed.
    journal: Option<Journal>,
    mappings: Vec<Mapping>,
    /// Sockets that keep the other host ports ours.
    kept: Vec<Held>,
}

/// The networks of a host.
///
/// # Errors
/// When their directories cannot be used.
pub fn networks(host: &Host) -> Result<Networks> {
    let networks = Networks::open(host.root.join("networks"), host.state.join("networks"))?;
    Ok(networks.with(host.config.settings()))
}

/// Directory of a network's names and leases.
pub fn network_state(host: &Host, id: &str) -> PathBuf {
    host.state.join("networks").join(id)
}

impl Connection {
    /// Everything that can be decided before a kernel object is made, and the container's files.
    ///
    /// # Errors
    /// A sentence: unknown network, no address left, a port that somebody holds.
    pub fn prepare(container: &Container, netns: &Netns, opened: Option<Opened>) -> Result<Connection> {
        let record = &container.record;
        match (&record.network.mode, opened) {
            (Mode::Network(_) | Mode::Default, Some(opened)) => join(container, netns, opened),
            (_, Some(opened)) => {
                Files::of_none(record)?.write(container)?;
                let lone = modes::none::plan(&record.name, netns.link_target()?.as_ref());
                Ok(Connection::lone(Kernel::open(Some(opened.inside))?, lone.own))
            }
            (mode, None) => {
                if *mode == Mode::Host {
                    Files::of_host(record)?.write(container)?;
                }
                Ok(Connection::lone(Kernel::open(None)?, Vec::new()))
            }
        }
    }

    fn lone(kernel: Kernel, namespace: Vec<Step>) -> Connection {
        Connection {
            kernel,
            resolver: None,
            naming: Naming::default(),
            sockets: None,
            crossing: Crossing::default(),
            attached: Vec::new(),
            namespace,
            outlet: Vec::new(),
            journal: None,
            mappings: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// What is made for it.
    pub fn plan(&self) -> Plan {
        whole(&self.namespace, &self.attached, &[self.naming.links(), &self.outlet].concat())
    }

    /// As `inspect` shows them.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.attached.iter().map(|attached| attached.endpoint.clone()).collect()
    }

    /// Its published ports, host ports chosen.
    pub fn ports(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Lets the ports and the name server go, and keeps what the way down needs.
    pub fn into_kernel(self) -> Kernel {
        self.kernel
    }

    /// Makes the kernel objects and the names.
    ///
    /// # Errors
    /// A sentence; what was made is in the journals.
    pub fn apply(&mut self, container: &Container) -> Result<()> {
        apply(&self.namespace, &mut self.kernel, &mut Journal::open(&container.journal_path())?)?;
        for attached in &mut self.attached {
            attached.apply(container, &mut self.kernel)?;
        }
        self.naming.apply(container, &mut self.kernel)?;
        apply(&self.outlet, &mut self.kernel, &mut Journal::open(&container.journal_of("outlet"))?)?;
        Ok(())
    }

    /// What may keep its packets from passing, and is not ours to change.
    pub fn warnings(&mut self) -> Vec<String> {
        let bridges: Vec<&str> = self.attached.iter().map(|one| one.network.bridge.as_str()).collect();
        let bridges: Vec<&str> = bridges.into_iter().filter(|bridge| !bridge.is_empty()).collect();
        if bridges.is_empty() {
            return Vec::new();
        }
        let ipv6 = self.attached.iter().any(|one| one.endpoint.leased(true).is_some());
        warnings::about(&mut self.kernel, &bridges, ipv6)
    }

    /// Before a container that lives on gets something new of its networks: what somebody else took away is there again.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn ensure_networks(&mut self, container: &Container) -> Result<()> {
        self.attached.iter().try_for_each(|attached| attached.ensure_network(container, &mut self.kernel))
    }

    /// The container has come to a network or left one, or one that it is linked to has started or ended.
    ///
    /// # Errors
    /// What could not be done; it is tried again in a second.
    pub fn renew_names(&mut self, container: &Container) -> Result<()> {
        let renewed = self.naming.renew(container, &self.attached, &mut self.kernel);
        self.ensure_resolver(container)?;
        if let Some(resolver) = &mut self.resolver {
            resolver.renew(self.naming.config(&container.host, &self.attached));
        }
        renewed
    }

    /// The first network with names brings the name server.
    fn ensure_resolver(&mut self, container: &Container) -> Result<()> {
        let Some(sockets) = self.sockets.take_if(|_| is_named(&self.attached)) else { return Ok(()) };
        let (udp, tcp) = sockets.ports().context("cannot tell the name server's ports")?;
        let step = Step::Resolver { udp, tcp };
        apply(std::slice::from_ref(&step), &mut self.kernel, &mut Journal::open(&container.journal_path())?)?;
        self.namespace.push(step);
        let config = self.naming.config(&container.host, &self.attached);
        self.resolver = Some(Resolver::new(sockets, config, alive(&container.host)));
        Ok(())
    }
}

/// All of one container's plans as one.
pub fn whole(namespace: &[Step], attached: &[Attached], outlet: &[Step]) -> Plan {
    let mut plan = Plan { shared: Vec::new(), own: namespace.to_vec() };
    for attached in attached {
        // The tables are every network's, and are said once.
        let new: Vec<Step> = attached.plan.shared.iter().filter(|step| !plan.shared.contains(step)).cloned().collect();
        plan.shared.extend(new);
        plan.own.extend(attached.plan.own.iter().cloned());
    }
    plan.own.extend(outlet.iter().cloned());
    plan
}

/// Name, aliases, short id and host name, as Docker's name server knows them; the first is the answer to a reverse
/// question.
pub fn names_of(record: &Record, wish: &Attachment) -> Vec<String> {
    // On the default network nobody is asked for names, as in Docker.
    if wish.network == DEFAULT {
        return Vec::new();
    }
    let mut names = vec![record.name.clone()];
    let hostname = Some(&record.hostname).filter(|name| crate::container::naming::check(name).is_ok());
    for name in wish.aliases.iter().chain([&record.short_id().to_owned()]).chain(hostname) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Joins the networks that the record names.
fn join(container: &Container, netns: &Netns, opened: Opened) -> Result<Connection> {
    let record = &container.record;
    let mut kernel = Kernel::open(Some(opened.inside))?;
    let mut attached = Vec::new();
    for (number, wish) in record.network.attachments.iter().enumerate() {
        attached.push(Attached::prepare(container, wish, number, &mut kernel)?);
    }
    let legs: Vec<Leg<'_>> = attached.iter().map(Attached::leg).collect();
    let Published { mappings, held } = hold(&container.host, &record.network, &outlet::landing(&legs))?;
    let naming = Naming::prepare(container, &attached)?;
    let (udp, tcp) = opened.resolver.ports().context("cannot tell the name server's ports")?;
    let named = is_named(&attached);
    let namespace = namespace::plan(&Namespace {
        name: record.name.clone(),
        resolver: named.then_some(ResolverPorts { udp, tcp }),
        netns: netns.link_target()?,
    });
    let outlet = outlet::plan(&legs, &mappings);
    let addresses = outlet::addresses(&legs);
    let mut sockets = Some(opened.resolver);
    let resolver = sockets
        .take_if(|_| named)
        .map(|sockets| Resolver::new(sockets, naming.config(&container.host, &attached), alive(&container.host)));
    let (crossing, kept, journal) = (Crossing::default(), Vec::new(), None);
    let mut connection = Connection {
        kernel,
        resolver,
        naming,
        sockets,
        crossing,
        attached,
        namespace,
        outlet,
        journal,
        mappings,
        kept,
    };
    connection.serve(held, &addresses)?;
    Ok(connection)
}

/// Does it have a name server? Not on the default network alone, as in Docker.
pub fn is_named(attached: &[Attached]) -> bool {
    attached.iter().any(|attached| !attached.network.is_default())
}

/// The firewall's tables had to be made anew: somebody flushed them (or nothing ever ran). What running containers and
/// their networks have in them is put back from their journals.
fn reinstate(host: &Host, kernel: &mut Kernel) -> Result<()> {
    Ok(apply::reinstate(&journals(host)?, kernel)?)
}

/// The journals of all networks, then those of all containers.
///
/// # Errors
/// When a directory cannot be read.
pub fn journals(host: &Host) -> Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for tree in ["networks", "containers"] {
        for id in names_in(&host.state.join(tree))? {
            journals.extend(journals_in(&host.state.join(tree).join(id))?);
        }
    }
    Ok(journals)
}

/// Whether the container of an id runs: asked of the kernel at each question, so names of the dead do not count.
fn alive(host: &Host) -> Box<dyn Fn(&str) -> bool> {
    let containers = host.state.join("containers");
    Box::new(move |id| Lock::is_held(&containers.join(id).join("lock"), Byte::Life).unwrap_or(false))
}
