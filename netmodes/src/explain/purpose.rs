//! What a step is for: the words above a group of lines.
//!
//! ```text
//! shared   Firewall ─ Policy ─ Bridge
//! own      Speaking ─ Loopback ─ Cable ─ Inside ─ Ports ─ Links ─ Names ─ Netns
//! ```

use crate::nft::Element;
use crate::plan::{Place, Step};

/// What a step is for. The order is that in which a plan has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tables.
    Firewall,
    /// What they say of a network.
    Policy,
    /// The network's device.
    Bridge,
    /// What a container may say.
    Speaking,
    /// Its namespace, before there is a cable.
    Loopback,
    /// The veth pair.
    Cable,
    /// The container's end of it.
    Inside,
    /// Published ports.
    Ports,
    /// Exceptions to icc=false.
    Links,
    /// The way to the resolver.
    Names,
    /// The name of the namespace.
    Netns,
}

impl Purpose {
    /// The purpose of a step.
    pub fn of(step: &Step) -> Purpose {
        match step {
            Step::Table { .. } => Purpose::Firewall,
            Step::Element(Element::Publish { .. } | Element::Open { .. }) => Purpose::Ports,
            Step::Element(Element::Link { .. }) => Purpose::Links,
            Step::Element(
                Element::Own { .. } | Element::Speaks { .. } | Element::Advertises { .. } | Element::Port { .. },
            ) => Purpose::Speaking,
            Step::Element(_) => Purpose::Policy,
            Step::Veth { .. } | Step::Cable { .. } => Purpose::Cable,
            Step::Resolver { .. } => Purpose::Names,
            Step::NamedNetns { .. } => Purpose::Netns,
            Step::Up { place: Place::Container, device } if device == "lo" => Purpose::Loopback,
            Step::Sysctl { place: Place::Container, key, .. } if is_of_every_device(key) => Purpose::Loopback,
            _ if step.place() != Place::Host => Purpose::Inside,
            _ => Purpose::Bridge,
        }
    }

    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            Purpose::Firewall => {
                "The firewall: tables with fixed chains, made once; networks, containers and ports are only elements of their sets."
            }
            Purpose::Policy => {
                "What the firewall says of this network. It comes before the bridge, as an element that is missing means open."
            }
            Purpose::Bridge => "The bridge: a switch for the network's containers, and with its address their way out.",
            Purpose::Speaking => {
                "What the container may say: packets with its own address and no other; known before it can send one."
            }
            Purpose::Loopback => "The container's side, while nothing leads there yet.",
            Purpose::Cable => "The cable: a pair of devices, one in the bridge and one in the container.",
            Purpose::Inside => "The container's end of the cable: its address, and the bridge as its way out.",
            Purpose::Ports => "Published ports: what comes to these ports of the host goes on to the container.",
            Purpose::Links => {
                "Links: neighbours that are strangers otherwise (icc=false) may open these ports of each other."
            }
            Purpose::Names => {
                "Names: questions to 127.0.0.11 go to the name server that Pontoon runs for this container, on ports of the kernel's choice."
            }
            Purpose::Netns => "A name for `ip netns`, by which a person finds the container's network.",
        }
    }
}

/// `net/ipv6/conf/default/accept_ra`: a setting for devices that are not there yet.
fn is_of_every_device(key: &str) -> bool {
    ["/conf/all/", "/conf/default/"].iter().any(|part| key.contains(part))
}
