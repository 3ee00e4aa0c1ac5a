//! The elements: all that ever changes in the firewall.
//!
//! ```text
//! table inet pontoon                                      table bridge pontoon
//!   bridges  { br-a }            Bridge                     ports { web.1 }                     Port
//!   internal { br-a }            Internal                   own4  { web.1 . MAC . 172.18.0.2 }  Speaks
//!   hidden   { ipv4 . br-a }     Hidden                     own_nd { web.1 . MAC . fd00::2 }    Advertises
//!   between  { br-a . br-a : accept }            Between
//!   enter    { ipv4 . br-a : goto published }    Enter
//!   own4     { br-a . 172.18.0.2 }               Own
//!   publish4 { tcp . 8080 : 172.18.0.2 . 80 }    Publish
//!   open4    { 172.18.0.2 . tcp . 80 }           Open
//!   links4   { 172.18.0.3 . 172.18.0.2 . tcp . 80 }    Link
//! ```
//!
//! A network, a container, a published port: each is an element under a key of its own, and to undo is to delete that
//! key. Keys are concatenations: every part padded to four bytes (nft's own rule), device names to sixteen.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::address::Mac;
use crate::publish::Protocol;

/// A family of addresses, as nft's `meta nfproto` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// NFPROTO_IPV4, 2
    Ipv4,
    /// NFPROTO_IPV6, 10
    Ipv6,
}

/// What a map says about a packet. `goto` names a chain of the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// `accept`
    Accept,
    /// `goto published`: only what came by a published port
    Published,
    /// `goto routed`: only open ports and ping
    Routed,
    /// `goto refused`: nobody
    Refused,
    /// `goto links`: only linked ports
    Links,
}

/// One element of one set or map, by its meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// `bridges`: this device is a bridge of ours.
    Bridge {
        /// the bridge
        device: String,
    },
    /// `internal`: this network has no way out.
    Internal {
        /// the bridge
        device: String,
    },
    /// `hidden`: leaves under the host's address (masquerade).
    Hidden {
        /// the family that is hidden
        family: Family,
        /// the bridge
        device: String,
    },
    /// `between`: who may open connections, decided by the pair of devices alone.
    Between {
        /// where a packet comes in
        from: String,
        /// where it leaves
        to: String,
        /// what is said about it
        verdict: Verdict,
    },
    /// `enter`: everyone else who wants in. Missing means open, so it comes first and goes last.
    Enter {
        /// the family of the packet
        family: Family,
        /// the bridge behind which the container is
        device: String,
        /// what is said about it
        verdict: Verdict,
    },
    /// `own4`, `own6`: this address lives on that bridge.
    Own {
        /// the bridge
        device: String,
        /// the container's address
        address: IpAddr,
    },
    /// `publish4`, `publish6`, and `publish_at4`, `publish_at6` for one address of the host.
    Publish {
        /// the address of the host, or all of the family of `to`
        at: Option<IpAddr>,
        /// tcp or udp
        protocol: Protocol,
        /// the port of the host
        port: u16,
        /// the container's address
        to: IpAddr,
        /// the container's port
        to_port: u16,
    },
    /// `open4`, `open6`: on a routed network, everybody may open connections to this port of the container.
    Open {
        /// the container's address
        address: IpAddr,
        /// tcp or udp
        protocol: Protocol,
        /// the container's port
        port: u16,
    },
    /// `links4`, `links6`: this neighbour may open connections to this port although icc is off.
    Link {
        /// the address of the container that opens them
        from: IpAddr,
        /// the address of the container that answers, of the same family
        to: IpAddr,
        /// tcp or udp
        protocol: Protocol,
        /// the answering container's port
        port: u16,
    },
    /// bridge table, `ports`: check what comes in by this port.
    Port {
        /// the host end of the container's veth
        device: String,
    },
    /// bridge table, `own4`, `own6`: this address may speak by this port with this MAC.
    Speaks {
        /// the host end of the container's veth
        device: String,
        /// the container end's hardware address
        mac: Mac,
        /// the container's address, or 0.0.0.0 or :: for one that is being probed
        address: IpAddr,
    },
    /// bridge table, `own_nd`: neighbours may be told by this port that this address has this MAC (RFC 4861, section 4.4).
    Advertises {
        /// the host end of the container's veth
        device: String,
        /// the container end's hardware address
        mac: Mac,
        /// the container's address, or its link-local one
        address: Ipv6Addr,
    },
}

/// What an element maps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A set's element maps to nothing.
    None,
    /// A verdict map's.
    Verdict(Verdict),
    /// A data map's: the padded bytes.
    Bytes(Vec<u8>),
}

impl Element {
    /// The table's family: `inet` or `bridge`.
    pub fn table(&self) -> &'static str {
        let of_frames = matches!(self, Element::Port { .. } | Element::Speaks { .. } | Element::Advertises { .. });
        if of_frames { "bridge" } else { "inet" }
    }

    /// The set or map it is in.
    pub fn set(&self) -> &'static str {
        match self {
            Element::Bridge { .. } => "bridges",
            Element::Internal { .. } => "internal",
            Element::Hidden { .. } => "hidden",
            Element::Between { .. } => "between",
            Element::Enter { .. } => "enter",
            Element::Port { .. } => "ports",
            Element::Own { address, .. } | Element::Speaks { address, .. } => of_family(*address, "own4", "own6"),
            Element::Advertises { .. } => "own_nd",
            Element::Publish { at: None, to, .. } => of_family(*to, "publish4", "publish6"),
            Element::Publish { at: Some(at), .. } => of_family(*at, "publish_at4", "publish_at6"),
            Element::Open { address, .. } => of_family(*address, "open4", "open6"),
            Element::Link { to, .. } => of_family(*to, "links4", "links6"),
        }
    }

    /// The key as the kernel compares it.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Element::Bridge { device } | Element::Internal { device } | Element::Port { device } => name(device),
            Element::Hidden { family, device } | Element::Enter { family, device, .. } => {
                [part(&[family.number()]), name(device)].concat()
            }
            Element::Between { from, to, .. } => [name(from), name(to)].concat(),
            Element::Own { device, address } => [name(device), octets(*address)].concat(),
            Element::Publish { at, protocol, port, .. } => {
                [at.map(octets).unwrap_or_default(), place(*protocol, *port)].concat()
            }
            Element::Open { address, protocol, port } => [octets(*address), place(*protocol, *port)].concat(),
            Element::Link { from, to, protocol, port } => {
                [octets(*from), octets(*to), place(*protocol, *port)].concat()
            }
            Element::Speaks { device, mac, address } => [name(device), part(&mac.0), octets(*address)].concat(),
            Element::Advertises { device, mac, address } => {
                [name(device), part(&mac.0), address.octets().to_vec()].concat()
            }
        }
    }

    /// What the key maps to.
    pub fn data(&self) -> Data {
        match self {
            Element::Between { verdict, .. } | Element::Enter { verdict, .. } => Data::Verdict(*verdict),
            Element::Publish { to, to_port, .. } => Data::Bytes([octets(*to), part(&to_port.to_be_bytes())].concat()),
            _ => Data::None,
        }
    }

    /// The key as nft's language writes it.
    pub fn key_text(&self) -> String {
        match self {
            Element::Bridge { device } | Element::Internal { device } | Element::Port { device } => quoted(device),
            Element::Hidden { family, device } | Element::Enter { family, device, .. } => {
                format!("{family} . {}", quoted(device))
            }
            Element::Between { from, to, .. } => format!("{} . {}", quoted(from), quoted(to)),
            Element::Own { device, address } => format!("{} . {address}", quoted(device)),
            Element::Publish { at: None, protocol, port, .. } => format!("{protocol} . {port}"),
            Element::Publish { at: Some(at), protocol, port, .. } => format!("{at} . {protocol} . {port}"),
            Element::Open { address, protocol, port } => format!("{address} . {protocol} . {port}"),
            Element::Link { from, to, protocol, port } => format!("{from} . {to} . {protocol} . {port}"),
            Element::Speaks { device, mac, address } => format!("{} . {mac} . {address}", quoted(device)),
            // For nft these are bytes of which it knows no type.
            Element::Advertises { device, mac, address } => {
                format!("{} . {mac} . {:#034x}", quoted(device), address.to_bits())
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pontoon {} {{ {}", self.table(), self.set(), self.key_text())?;
        match self {
            Element::Between { verdict, .. } | Element::Enter { verdict, .. } => write!(f, " : {verdict}")?,
            Element::Publish { to, to_port, .. } => write!(f, " : {to} . {to_port}")?,
            _ => {}
        }
        write!(f, " }}")
    }
}

impl Family {
    /// NFPROTO_* of linux/netfilter.h.
    pub fn number(self) -> u8 {
        match self {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Family::Ipv4 { "ipv4" } else { "ipv6" })
    }
}

impl Verdict {
    /// The chain that `goto` names; `None` for accept.
    pub fn chain(self) -> Option<&'static str> {
        match self {
            Verdict::Accept => None,
            Verdict::Published => Some("published"),
            Verdict::Routed => Some("routed"),
            Verdict::Refused => Some("refused"),
            Verdict::Links => Some("links"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chain() {
            None => f.write_str("accept"),
            Some(chain) => write!(f, "goto {chain}"),
        }
    }
}

fn of_family(address: IpAddr, v4: &'static str, v6: &'static str) -> &'static str {
    if address.is_ipv4() { v4 } else { v6 }
}

fn quoted(device: &str) -> String {
    format!("\"{device}\"")
}

/// A device's name in a key: sixteen bytes (IFNAMSIZ), zero-filled.
fn name(device: &str) -> Vec<u8> {
    let mut bytes = device.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// One part of a concatenation, padded to four bytes.
fn part(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A port of a protocol, as two parts.
fn place(protocol: Protocol, port: u16) -> Vec<u8> {
    [part(&[protocol.number()]), part(&port.to_be_bytes())].concat()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
