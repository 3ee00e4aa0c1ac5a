//! The container's place on its network: address, ports, names, and the plan that makes them real.
//!
//! ```text
//! prepare   network's record ─ lease ─ hold the host ports ─ hosts, hostname, resolv.conf ─ Plan      (no kernel object)
//! apply     shared (under the network's lock) ─ own (journalled) ─ names
//! ```
//!
//! `prepare` comes before the clone, `apply` runs beside the child's mounts. The way down is `teardown`, always.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use netmodes::apply::{self, apply};
use netmodes::facts::Facts;
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::modes::{self, Request, ResolverPorts};
use netmodes::names::directory::Member;
use netmodes::names::registry;
use netmodes::network::{Network, Networks};
use netmodes::plan::{Plan, Step};
use netmodes::publish::{self, Held, Mapping};

use super::crossing::Crossing;
use super::etc_files::Files;
use super::netns::{Netns, Opened};
use super::resolver::{Config, Resolver};
use crate::container::record::{self, Mode};
use crate::container::state::Endpoint;
use crate::container::store::names_in;
use crate::container::{Container, Containers, Record};
use crate::host::Host;
use crate::lock::{Byte, Lock};

/// What a monitor holds of the network while its container runs.
pub struct Connection {
    /// Both sides of netlink.
    pub kernel: Kernel,
    /// As `inspect` shows them.
    pub endpoints: Vec<Endpoint>,
    /// The container's name server.
    pub resolver: Option<Resolver>,
    plan: Plan,
    network: Option<Network>,
    /// Host ports of IPv6, which lead to the container's IPv4.
    pub crossing: Crossing,
    /// Sockets that keep the other host ports ours.
    _ports: Vec<Held>,
}

/// The networks of a host.
///
/// # Errors
/// When their directories cannot be used.
pub fn networks(host: &Host) -> Result<Networks> {
    Ok(Networks::open(host.root.join("networks"), host.state.join("networks"))?)
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
        match (record.network.mode.network(), opened) {
            (Some(name), Some(opened)) => join(container, netns, opened, name),
            (None, Some(opened)) => {
                Files::of_none(record)?.write(container)?;
                let kernel = Kernel::open(Some(opened.inside))?;
                Ok(Connection::lone(kernel, modes::none::plan(&record.name, netns.link_target()?.as_ref())))
            }
            (_, None) => {
                if record.network.mode == Mode::Host {
                    Files::of_host(record)?.write(container)?;
                }
                Ok(Connection::lone(Kernel::open(None)?, Plan::default()))
            }
        }
    }

    /// What is made for it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn lone(kernel: Kernel, plan: Plan) -> Connection {
        Connection {
            kernel,
            endpoints: Vec::new(),
            resolver: None,
            plan,
            network: None,
            crossing: Crossing::default(),
            _ports: Vec::new(),
        }
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
        if let Some(network) = &self.network {
            networks(&container.host)?.ensure(network, &self.plan.shared, &mut self.kernel)?;
            if self.kernel.has_rebuilt_tables() {
                reinstate(&container.host, &mut self.kernel)?;
            }
        }
        let mut journal = Journal::open(&container.journal_path())?;
        apply(&self.plan.own, &mut self.kernel, &mut journal)?;
        for endpoint in &self.endpoints {
            let state = network_state(&container.host, &endpoint.network_id);
            for name in &endpoint.names {
                registry::publish(&state, name, &container.record.id, &[endpoint.address])?;
            }
        }
        Ok(())
    }
}

/// Name, short id and host name, as Docker's name server knows them; the first is the answer to a reverse question.
pub fn names_of(record: &Record) -> Vec<String> {
    let mut names = vec![record.name.clone(), record.short_id().to_owned()];
    if !names.contains(&record.hostname) && crate::container::naming::check(&record.hostname).is_ok() {
        names.push(record.hostname.clone());
    }
    names
}

/// Joins a network of the bridge driver.
fn join(container: &Container, netns: &Netns, opened: Opened, name: &str) -> Result<Connection> {
    let record = &container.record;
    let networks = networks(&container.host)?;
    let mut kernel = Kernel::open(Some(opened.inside))?;
    let network = networks.find(name)?;
    let ports = hold(&container.host, &record.network)?;
    let mappings: Vec<Mapping> = ports.iter().map(|held| held.mapping).collect();
    let address = networks.lease(&network, &record.id)?;
    let files = Files::of_network(record, &network, address)?;
    files.write(container)?;
    let (udp, tcp) = opened.resolver.ports().context("cannot tell the name server's ports")?;
    let has_resolver = !network.is_default();
    let resolver = has_resolver.then_some(ResolverPorts { udp, tcp });
    let request = Request { resolver, netns: netns.link_target()?, ..request(record, address, mappings) };
    let facts = Facts::read(&mut kernel, &network)?;
    let plan = modes::bridge::plan(&request, &network, &facts);
    let endpoint = Endpoint { names: names_of(record), ..endpoint(&request, &network, &plan) };
    let resolver = has_resolver.then(|| {
        let member = Member { network: network.name.clone(), state: network_state(&container.host, &network.id) };
        let config = Config { members: vec![member], upstreams: files.upstreams.clone(), ndots_set: files.ndots_set };
        Resolver::new(opened.resolver, config, alive(&container.host))
    });
    let (crossed, translated) =
        ports.into_iter().partition(|held| held.mapping.address().is_ipv6() && address.is_ipv4());
    Ok(Connection {
        kernel,
        endpoints: vec![endpoint],
        resolver,
        plan,
        network: Some(network),
        crossing: Crossing::new(crossed, address),
        _ports: translated,
    })
}

/// What is asked of the network for this start; neither a name server nor a name for `ip netns` yet.
pub fn request(record: &Record, address: IpAddr, mappings: Vec<Mapping>) -> Request {
    Request {
        container: record.id.clone(),
        name: record.name.clone(),
        start: jiff::Timestamp::now().as_nanosecond() as u64,
        interface: "eth0".into(),
        address,
        mappings,
        resolver: None,
        netns: None,
    }
}

/// The firewall's tables had to be made anew: somebody flushed them (or nothing ever ran). What running containers and
/// their networks have in them is put back from their journals.
fn reinstate(host: &Host, kernel: &mut Kernel) -> Result<()> {
    for tree in ["networks", "containers"] {
        for id in names_in(&host.state.join(tree))? {
            apply::reinstate(&host.state.join(tree).join(id).join("journal"), kernel)?;
        }
    }
    Ok(())
}

/// Binds every host port, before anything is made: one that somebody holds ends the start here. Those that are named
/// come first, so that `-P` does not take one of them.
///
/// # Errors
/// A port that somebody holds.
pub fn hold(host: &Host, wanted: &record::Network) -> Result<Vec<Held>> {
    let mut mappings = wanted.publish.clone();
    if wanted.publish_all {
        let exposed: Vec<_> =
            wanted.expose.iter().map(|word| publish::parse_exposed(word)).collect::<Result<_, _>>()?;
        mappings.extend(publish::all_of(&exposed.concat(), &wanted.publish));
    }
    let who = |words: &[String]| holder(host, words);
    let mut held = Vec::new();
    for mapping in &mappings {
        held.extend(publish::hold(mapping, &who)?);
    }
    Ok(held)
}

/// The name of the container whose monitor has these arguments; as its record says, for it may have been renamed.
fn holder(host: &Host, words: &[String]) -> Option<String> {
    let [program, name, .., id] = words else { return None };
    let recorded = || Containers::of(host).load(id).ok()?.map(|container| container.record.name);
    (program == super::spawn::NAME).then(|| recorded().unwrap_or_else(|| name.clone()))
}

/// Whether the container of an id runs: asked of the kernel at each question, so names of the dead do not count.
fn alive(host: &Host) -> Box<dyn Fn(&str) -> bool> {
    let containers = host.state.join("containers");
    Box::new(move |id| Lock::is_held(&containers.join(id).join("lock"), Byte::Life).unwrap_or(false))
}

/// What `inspect` shows of the plan.
fn endpoint(request: &Request, network: &Network, plan: &Plan) -> Endpoint {
    let veth = plan.own.iter().find_map(|step| match step {
        Step::Veth { name, mac, .. } => Some((name.clone(), mac.to_string())),
        _ => None,
    });
    let (host_device, mac) = veth.unwrap_or_default();
    let subnet = network.subnets.iter().find(|subnet| subnet.subnet.contains(request.address));
    Endpoint {
        network: network.name.clone(),
        network_id: network.id.clone(),
        interface: request.interface.clone(),
        address: request.address,
        prefix: subnet.map_or(32, |subnet| subnet.subnet.prefix),
        gateway: subnet.map_or(request.address, |subnet| subnet.gateway),
        mac,
        host_device,
        ports: request.mappings.clone(),
        names: Vec::new(),
    }
}
