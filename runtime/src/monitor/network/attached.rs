//! One attachment of the container to one network.
//!
//! ```text
//! prepare   network's record ─ addresses ─ Plan ─ Endpoint              (no kernel object)
//! apply     shared (under the network's lock) ─ own (journal.<network>) ─ names
//! detach    journal undone, veth first ─ names ─ addresses                (on the way down, teardown does that)
//! ```
//!
//! Each has a journal of its own, so that one network can be left without the others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Result, bail};
use netmodes::apply::{apply, withdraw};
use netmodes::facts::Facts;
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::modes::outlet::Leg;
use netmodes::modes::{self, Request};
use netmodes::names::directory::Member;
use netmodes::names::registry;
use netmodes::network::{Network, Networks};
use netmodes::plan::{Plan, Step};

use super::{cable, names_of, network_state, networks};
use crate::container::record::Attachment;
use crate::container::state::Endpoint;
use crate::container::{Container, Containers, Record};
use crate::host::Host;

/// A network that the container is on, or is about to be.
#[derive(Debug)]
pub struct Attached {
    /// Its record.
    pub network: Network,
    /// As `inspect` shows it, and as teardown finds it.
    pub endpoint: Endpoint,
    /// What is made for it.
    pub plan: Plan,
    addresses: Vec<IpAddr>,
    priority: i32,
    /// The network namespace at the other end of a cable, until that is laid: kept any longer it would live on with all
    /// its devices when its container has gone.
    peer: Option<OwnedFd>,
    /// Private names of this container for names of the network.
    links: BTreeMap<String, String>,
}

impl Attached {
    /// Leases the addresses and decides everything else. `number` is that of the interface: eth`number`.
    ///
    /// # Errors
    /// A sentence: unknown network, no address left, an address that somebody has.
    pub fn prepare(container: &Container, wish: &Attachment, number: usize, kernel: &mut Kernel) -> Result<Attached> {
        let networks = networks(&container.host)?;
        let network = by_name(networks.find(&wish.network)?, &wish.network)?;
        let addresses = networks.lease(&network, &container.record.id, &wanted(wish), &name_of(&container.host))?;
        let request = request(&container.record, wish, number, addresses);
        if !network.is_cable() {
            let plan = bridged(&request, &network, kernel)?;
            return Ok(Attached::planned(&container.record, wish, &request, network, plan));
        }
        let (far, peer) = cable::plug(container, &network, &request, kernel)?.unzip();
        let plan = modes::p2p::plan(&request, &network, far.as_ref());
        Ok(Attached { peer, ..Attached::planned(&container.record, wish, &request, network, plan) })
    }

    /// What [`Attached::prepare`] would decide now; nothing is leased, and a default network that is not there is only
    /// drawn up.
    ///
    /// # Errors
    /// As [`Attached::prepare`].
    pub fn foresee(container: &Container, wish: &Attachment, number: usize, kernel: &mut Kernel) -> Result<Attached> {
        let networks = networks(&container.host)?;
        let network = by_name(networks.foresee(&wish.network)?, &wish.network)?;
        let addresses =
            networks.foresee_lease(&network, &container.record.id, &wanted(wish), &name_of(&container.host))?;
        let request = request(&container.record, wish, number, addresses);
        let plan = match network.is_cable() {
            true => modes::p2p::plan(&request, &network, cable::foresee(container, &network)?.as_ref()),
            false => bridged(&request, &network, kernel)?,
        };
        Ok(Attached::planned(&container.record, wish, &request, network, plan))
    }

    fn planned(record: &Record, wish: &Attachment, request: &Request, network: Network, plan: Plan) -> Attached {
        Attached {
            endpoint: endpoint(request, &network, &plan, names_of(record, wish)),
            plan,
            addresses: request.addresses.clone(),
            priority: wish.priority,
            links: private_names(wish),
            peer: None,
            network,
        }
    }

    /// An attachment that is there, by what is on record of it.
    ///
    /// # Errors
    /// A record or journal that cannot be read.
    pub fn found(container: &Container, endpoint: &Endpoint) -> Result<Attached> {
        let network = networks(&container.host)?.find(&endpoint.network_id)?;
        let own = Journal::look(&container.journal_of(&network.id))?;
        let wish = container.record.network.attachments.iter().find(|wish| wish.network == endpoint.network);
        Ok(Attached {
            endpoint: endpoint.clone(),
            plan: Plan { shared: Vec::new(), own },
            addresses: endpoint.addresses(),
            priority: wish.map_or(0, |wish| wish.priority),
            links: wish.map(private_names).unwrap_or_default(),
            peer: None,
            network,
        })
    }

    /// Takes it from a container that lives on. Names and addresses may go only after the veth.
    ///
    /// # Errors
    /// What could not be undone stays in the journal, and nothing that leans on it has gone.
    pub fn detach(&self, container: &Container, kernel: &mut Kernel) -> Result<()> {
        let mut journal = Journal::open(&container.journal_of(&self.network.id))?;
        let steps = journal.steps().to_vec();
        withdraw(&steps, kernel, &mut journal)?;
        forget(container, &self.endpoint, &networks(&container.host)?)
    }

    /// As the way out sees it.
    pub fn leg(&self) -> Leg<'_> {
        Leg {
            interface: &self.endpoint.interface,
            addresses: &self.addresses,
            network: &self.network,
            priority: self.priority,
        }
    }

    /// As the name server sees it.
    pub fn member(&self, host: &Host) -> Member {
        let (network, state) = (self.network.name.clone(), network_state(host, &self.network.id));
        Member { network, state, links: self.links.clone() }
    }

    /// Makes the network's objects where they are missing, then the container's.
    ///
    /// # Errors
    /// A sentence; what was made is in the journals.
    pub fn apply(&mut self, container: &Container, kernel: &mut Kernel) -> Result<()> {
        self.ensure_network(container, kernel)?;
        let mut journal = Journal::open(&container.journal_of(&self.network.id))?;
        if let Some(peer) = self.peer.take() {
            kernel.reach(peer.as_fd())?;
        }
        let made = apply(&self.plan.own, kernel, &mut journal);
        kernel.let_go();
        made?;
        self.publish_names(container)
    }

    /// Makes the network's objects where they are missing; all of the firewall, if somebody flushed it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn ensure_network(&self, container: &Container, kernel: &mut Kernel) -> Result<()> {
        networks(&container.host)?.ensure(&self.network, &self.plan.shared, kernel)?;
        if kernel.take_rebuilt() { super::reinstate(&container.host, kernel) } else { Ok(()) }
    }

    fn publish_names(&self, container: &Container) -> Result<()> {
        let state = network_state(&container.host, &self.network.id);
        for name in &self.endpoint.names {
            registry::publish(&state, name, &container.record.id, &self.addresses)?;
        }
        Ok(())
    }
}

/// Names and addresses of an attachment go.
///
/// # Errors
/// What the kernel says.
pub fn forget(container: &Container, endpoint: &Endpoint, networks: &Networks) -> Result<()> {
    let id = &container.record.id;
    registry::withdraw(&network_state(&container.host, &endpoint.network_id), &endpoint.names, id)?;
    let network = networks.find(&endpoint.network_id)?;
    if network.is_cable() {
        networks.unplug(&network, id)?;
    }
    if endpoint.addresses.is_empty() {
        // It died before it could say what it had leased.
        return Ok(networks.release_all(&network, id)?);
    }
    Ok(endpoint.addresses.iter().try_for_each(|leased| networks.release(&network, leased.address, id))?)
}

/// What is asked for this start.
fn request(record: &Record, wish: &Attachment, number: usize, addresses: Vec<IpAddr>) -> Request {
    Request {
        container: record.id.clone(),
        name: record.name.clone(),
        start: jiff::Timestamp::now().as_nanosecond() as u64,
        interface: format!("eth{number}"),
        addresses,
        mac: wish.mac,
    }
}

fn bridged(request: &Request, network: &Network, kernel: &mut Kernel) -> Result<Plan> {
    let facts = Facts::read(kernel, network)?;
    Ok(modes::bridge::plan(request, network, &facts))
}

/// A record names its networks in full: when one is gone, the beginning of another one's id is not meant.
fn by_name(found: Network, name: &str) -> Result<Network> {
    if found.name == name { Ok(found) } else { bail!("network {name} not found") }
}

/// The aliases of links, as questions have them.
fn private_names(wish: &Attachment) -> BTreeMap<String, String> {
    wish.links.iter().map(|link| (link.alias.to_ascii_lowercase(), link.container.clone())).collect()
}

/// The name of a container, as long as there is one with that id.
pub fn name_of(host: &Host) -> impl Fn(&str) -> Option<String> {
    move |id| Containers::of(host).load(id).ok().flatten().map(|container| container.record.name)
}

/// The addresses that were asked for.
pub(super) fn wanted(wish: &Attachment) -> Vec<IpAddr> {
    wish.ip.map(IpAddr::V4).into_iter().chain(wish.ip6.map(IpAddr::V6)).collect()
}

/// What `inspect` shows of the plan.
fn endpoint(request: &Request, network: &Network, plan: &Plan, names: Vec<String>) -> Endpoint {
    let host_device = plan.own.iter().find_map(|step| match step {
        Step::Veth { name, .. } => Some(name.clone()),
        _ => None,
    });
    Endpoint {
        network: network.name.clone(),
        network_id: network.id.clone(),
        interface: request.interface.clone(),
        addresses: request.addresses.iter().filter_map(|address| network.leased(*address)).collect(),
        mac: request.mac().to_string(),
        host_device: host_device.unwrap_or_default(),
        names,
    }
}
