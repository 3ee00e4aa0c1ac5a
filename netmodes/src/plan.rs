//! A plan: the kernel objects that a container's network is made of, in the order in which they are made.
//!
//! ```text
//! Plan
//! |- shared   the network's: firewall table, bridge, gateway address     ensured by whoever comes, removed with the network
//! `- own      this container's: elements, veth, addresses, routes, ports exclusive, undone with the container
//! ```
//!
//! A step is a noun with a key. To apply is to create the object, to undo is to delete it by its own key. No step feeds
//! another: names and hardware addresses derive from ids, the address is leased before, and what must be known of the
//! host is read before ([`crate::facts::Facts`]). So a plan can be printed, compared, journalled and tried on a model.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::{Cidr, Mac};
use crate::nft::Element;

/// What will be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The network's objects, for [`crate::network::Networks::ensure`].
    pub shared: Vec<Step>,
    /// This container's objects, for [`crate::apply::apply`].
    pub own: Vec<Step>,
}

/// In which network namespace a step acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The host's: the one that Pontoon's commands run in.
    Host,
    /// The container's. What is made there dies with it, so its undo is nothing.
    Container,
    /// That of the container at the other end of a cable. What is made there goes with the cable.
    Peer,
}

/// One kernel object. A new variant needs a new kind of object; an option is a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The firewall's tables with their fixed chains. Undo: nothing, other networks use them too.
    Table {
        /// Is `table bridge pontoon` made as well? Not where the kernel has no bridge tables.
        bridge: bool,
    },
    /// One element of a set or map of the firewall.
    Element(Element),
    /// A bridge. Undo deletes it, which takes the kernel some 30 ms.
    Bridge {
        /// Its name, the key.
        name: String,
        /// Its own hardware address, so that it does not follow its ports'.
        mac: Mac,
        /// In bytes.
        mtu: u32,
        /// `ifalias`: what it is, for the person who finds it.
        alias: String,
    },
    /// A veth pair, its peer born in the container's network namespace. Undo sets the host end down.
    Veth {
        /// The host end, the key; unique per start.
        name: String,
        /// The container's end: `eth0`.
        peer: String,
        /// The bridge that the host end is a port of.
        bridge: String,
        /// The container end's hardware address.
        mac: Mac,
        /// Of both ends, in bytes.
        mtu: u32,
        /// A port that no other isolated port of the bridge reaches (icc=false).
        isolated: bool,
        /// `ifalias` of the host end.
        alias: String,
    },
    /// A veth pair from this container straight into another one. Neither end is the host's, so it dies with either of
    /// the two namespaces, and its undo is nothing.
    Cable {
        /// This container's end, the key: `eth0`.
        name: String,
        /// Its hardware address.
        mac: Mac,
        /// The other container's end.
        peer: String,
        /// Its hardware address.
        peer_mac: Mac,
        /// Of both ends, in bytes.
        mtu: u32,
        /// `ifalias` of both ends.
        alias: String,
        /// The other container's name, by which `ip netns` knows it.
        to: String,
    },
    /// An address of a device.
    Address {
        /// Where the device is.
        place: Place,
        /// The device.
        device: String,
        /// The address and its prefix length.
        address: Cidr,
        /// Without this, the kernel makes the route to the address's own network (`noprefixroute` if false).
        on_link: bool,
    },
    /// A device that is up.
    Up {
        /// Where the device is.
        place: Place,
        /// The device.
        device: String,
    },
    /// A route.
    Route {
        /// Where it is.
        place: Place,
        /// The device it leaves by.
        device: String,
        /// The network it leads to; `None` is the default route.
        to: Option<Cidr>,
        /// The next hop; `None` is a route to the link itself.
        via: Option<IpAddr>,
    },
    /// A kernel setting. Undo: nothing, it dies with its device or namespace (and ip_forward is never put back).
    Sysctl {
        /// Where it is set.
        place: Place,
        /// Its path below /proc/sys, as device names may hold dots: `net/ipv4/conf/br-a/route_localnet`.
        key: String,
        /// The value.
        value: String,
    },
    /// Two rules in the container's namespace that lead 127.0.0.11:53 to the resolver's random ports.
    Resolver {
        /// Where the resolver listens for UDP, on 127.0.0.11.
        udp: u16,
        /// Where it listens for TCP.
        tcp: u16,
    },
    /// A name for `ip netns`: a symbolic link /run/netns/NAME. One that is there already is left alone.
    NamedNetns {
        /// The container's name.
        name: String,
        /// What the link says: `/proc/<pid>/fd/<n>`.
        target: String,
    },
}

impl Step {
    /// What identifies the object: two steps with one key are the same object, whatever else they say.
    pub fn key(&self) -> String {
        match self {
            Step::Table { .. } => "table pontoon".into(),
            Step::Element(element) => {
                format!("element {} {} {}", element.table(), element.set(), element.key_text())
            }
            Step::Bridge { name, .. } | Step::Veth { name, .. } => format!("link {name}"),
            Step::Cable { name, .. } => format!("cable {name}"),
            Step::Address { place, device, address, .. } => format!("address {place:?} {device} {address}"),
            Step::Up { place, device } => format!("up {place:?} {device}"),
            Step::Route { place, device, to, via } => {
                // Each family has a default route of its own.
                let family = via.filter(IpAddr::is_ipv6).map_or("", |_| " -6");
                format!("route {place:?} {device} {to:?}{family}")
            }
            Step::Sysctl { place, key, .. } => format!("sysctl {place:?} {key}"),
            Step::Resolver { .. } => "resolver".into(),
            Step::NamedNetns { name, .. } => format!("netns {name}"),
        }
    }

    /// What it is, in words: the subject of "… exists already".
    pub fn noun(&self) -> String {
        match self {
            Step::Table { .. } => "the firewall's table".into(),
            Step::Element(element) => format!("{} in the firewall's {}", element.key_text(), element.set()),
            Step::Bridge { name, .. } | Step::Veth { name, .. } => format!("the device \"{name}\""),
            Step::Cable { name, .. } => format!("the device \"{name}\" in the container"),
            Step::Address { device, address, .. } => format!("the address {address} of \"{device}\""),
            Step::Up { device, .. } => format!("the device \"{device}\""),
            Step::Route { device, .. } => format!("the route by \"{device}\""),
            Step::Sysctl { key, .. } => format!("the setting {key}"),
            Step::Resolver { .. } => "the resolver's table".into(),
            Step::NamedNetns { name, .. } => format!("the network namespace \"{name}\""),
        }
    }

    /// In which network namespace it acts.
    pub fn place(&self) -> Place {
        match self {
            Step::Address { place, .. }
            | Step::Up { place, .. }
            | Step::Route { place, .. }
            | Step::Sysctl { place, .. } => *place,
            Step::Resolver { .. } | Step::Cable { .. } => Place::Container,
            _ => Place::Host,
        }
    }
}
