//! The firewall's side of the kernel: tables once, elements all the time.
//!
//! ```text
//! ensure_tables   two questions a table; only if something is missing, one transaction with all of it
//! add_element     one message;  EEXIST: the port, address or name is somebody else's
//! delete_element  one message, but for a published port, whose value is looked at first: the kernel deletes a key
//!                 whatever it maps to, and it may be another container's by now
//! ```

use std::net::IpAddr;

use nix::errno::Errno;

use super::conntrack::{self, Answered};
use super::{Answer, Batch, Kernel, Refusal, address, is_absence, tried};
use crate::error::Error;
use crate::nft::{self, Data, Element};
use crate::plan::Place;
use crate::publish::Protocol;

impl Kernel {
    /// `nft -f ruleset.nft`
    pub(super) fn make_tables(&mut self, bridge: bool) -> Result<(), Error> {
        let batch = nft::tables(bridge).into_batch();
        self.host.netfilter.send(batch).map_err(tried("make the firewall's tables"))?;
        self.rebuilt = true;
        Ok(())
    }

    /// The tables, unless they are there as they should be.
    pub(super) fn ensure_tables(&mut self, bridge: bool) -> Result<(), Error> {
        if self.has_tables(bridge)? { Ok(()) } else { self.make_tables(bridge) }
    }

    /// Are the tables there, each with all that belongs to it?
    pub(super) fn has_tables(&mut self, bridge: bool) -> Result<bool, Error> {
        Ok(self.table_is_whole("inet")? && (!bridge || self.table_is_whole("bridge")?))
    }

    /// Chains and sets are counted by the table, rules one by one. Somebody's change at the same time may hide some
    /// from the count; then the tables are made once more, which changes nothing.
    fn table_is_whole(&mut self, table: &str) -> Result<bool, Error> {
        let found = self.ask_for_table(nft::table_query(table))?;
        if !found.iter().any(|answer| nft::table_is_whole(table, &answer.body)) {
            return Ok(false);
        }
        Ok(self.ask_for_table(nft::rules_query(table))?.len() >= nft::rule_count(table))
    }

    fn ask_for_table(&mut self, question: Batch) -> Result<Vec<Answer>, Error> {
        match self.host.netfilter.send(question) {
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(Vec::new()),
            other => other.map_err(tried("ask for the firewall's tables")),
        }
    }

    /// Does this kernel have tables for bridges (NF_TABLES_BRIDGE)? Asked for by making one, as it may be a module.
    pub(crate) fn has_bridge_tables(&mut self) -> Result<bool, Error> {
        match self.host.netfilter.send(nft::table_query("bridge")) {
            Ok(_) => Ok(true),
            Err(_) => match self.host.netfilter.send(nft::probe_bridge().into_batch()) {
                Ok(_) => Ok(true),
                Err(Refusal { errno: Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT, .. }) => Ok(false),
                Err(refusal) => Err(tried("ask whether this kernel has firewall tables for bridges")(refusal)),
            },
        }
    }

    /// `nft add element …`. Flows that would pass a new mapping by are forgotten.
    pub(super) fn add_element(&mut self, element: &Element, exclusive: bool) -> Result<(), Error> {
        let batch = element.add(exclusive).into_batch();
        self.host.netfilter.send(batch).map_err(tried(format!("add to the firewall: {element}")))?;
        self.forget_older_flows(element)
    }

    /// Of datagrams, NAT is decided by the first of a flow: what is older than the mapping would pass it by.
    pub(super) fn forget_older_flows(&mut self, element: &Element) -> Result<(), Error> {
        // TCP: a connection older than the mapping is some local program's, and is to go on.
        if let Element::Publish { at, protocol: Protocol::Udp, port, to, .. } = element {
            for address in self.host_addresses(*at)?.into_iter().filter(|address| address.is_ipv4() == to.is_ipv4()) {
                conntrack::forget_towards(&mut self.host.netfilter, address, (Protocol::Udp, *port));
            }
        }
        Ok(())
    }

    /// The address that is published at, or all of the host's.
    fn host_addresses(&mut self, at: Option<IpAddr>) -> Result<Vec<IpAddr>, Error> {
        match at {
            Some(at) => Ok(vec![at]),
            None => Ok(address::all(&mut self.host.route)?.into_iter().map(|(_, cidr)| cidr.address).collect()),
        }
    }

    /// `nft delete element …`; absence is forgiven. Flows that would go on to the container are forgotten.
    pub(super) fn delete_element(&mut self, element: &Element) -> Result<(), Error> {
        if !self.is_ours(element)? {
            return Ok(());
        }
        match self.host.netfilter.send(element.delete().into_batch()) {
            Err(refusal) if !is_absence(refusal.errno) => {
                return Err(tried(format!("delete from the firewall: {element}"))(refusal));
            }
            _ => {}
        }
        self.forgotten.extend(Answered::of(element));
        Ok(())
    }

    /// Forgets the flows of deleted elements. The kernel looks through its whole table each time, a quarter of a
    /// millisecond: a container that goes is looked for once, not once a port.
    pub(super) fn forget_flows(&mut self) {
        let mut forgotten: Vec<Answered> = Vec::new();
        for answered in std::mem::take(&mut self.forgotten) {
            if !forgotten.iter().any(|known| known.holds(&answered)) {
                forgotten.retain(|known| !answered.holds(known));
                forgotten.push(answered);
            }
        }
        forgotten.into_iter().for_each(|answered| conntrack::forget_answered(&mut self.host.netfilter, answered));
    }

    /// Does the key map to what we said? Leases make a container's address its own, so the value names the owner.
    fn is_ours(&mut self, element: &Element) -> Result<bool, Error> {
        let Data::Bytes(ours) = element.data() else { return Ok(true) };
        match self.host.netfilter.send(element.query()) {
            Ok(answers) => Ok(answers.iter().any(|answer| nft::value_of(&answer.body) == Some(&ours[..]))),
            Err(refusal) if is_absence(refusal.errno) => Ok(false),
            Err(refusal) => Err(tried(format!("ask the firewall for: {element}"))(refusal)),
        }
    }

    /// The resolver's rules, in the container's namespace.
    pub(super) fn make_resolver(&mut self, udp: u16, tcp: u16) -> Result<(), Error> {
        let batch = nft::resolver(udp, tcp).into_batch();
        let netfilter = &mut self.space(Place::Container)?.netfilter;
        netfilter.send(batch).map(|_| ()).map_err(tried("lead 127.0.0.11:53 to the resolver in the container"))
    }
}
