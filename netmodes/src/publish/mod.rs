//! Published ports: a port of the host that leads to a port of a container.
//!
//! ```text
//! words      -p 8080:80 ─> Mapping                                     pure
//! landing    what the container's networks make of it ─> which families are bound, and how a packet gets there
//!                                                                      pure
//! change     which of them a word of `port rm` means                    pure
//! hold       Mapping ─> Held: one socket for each family, both at the same port; the kernel is the allocator
//! holder     who has a port that cannot be had
//! ```

mod change;
mod hold;
mod holder;
mod landing;
mod words;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use change::{means, without};
pub use hold::{Held, hold};
pub use holder::Who;
pub use landing::{Gate, Landing, element, served, source};
pub use words::{all_of, parse, parse_exposed};

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// IPPROTO_TCP, 6
    Tcp,
    /// IPPROTO_UDP, 17
    Udp,
}

impl Protocol {
    /// Its number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Protocol::Tcp { "tcp" } else { "udp" })
    }
}

/// Ports, both ends included. 0-0 leaves the choice to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ports {
    /// The first one.
    pub first: u16,
    /// The last one, not below the first.
    pub last: u16,
}

impl Ports {
    /// Whatever the kernel gives.
    pub const ANY: Ports = Ports { first: 0, last: 0 };

    /// From which `-P` picks, where nothing else is configured.
    pub const PICKED: Ports = Ports { first: 49000, last: 49900 };

    /// Exactly one.
    pub fn one(port: u16) -> Ports {
        Ports { first: port, last: port }
    }

    fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// One port of a container and where the host offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mapping {
    /// The host's address; 0.0.0.0 and :: are all of a family, `None` is all of both.
    pub at: Option<IpAddr>,
    /// The host's port, or those of which one is to be taken. One port, and not 0, once it is held; 0 where no port of
    /// the host is needed, as the container's network is routed.
    pub host: Ports,
    /// The container's port.
    pub container: u16,
    /// tcp or udp
    pub protocol: Protocol,
}

/// As `ps` shows it: `0.0.0.0:8080->80/tcp`.
impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}->{}/{}", shown(self.address()), self.host, self.container, self.protocol)
    }
}

impl Mapping {
    /// The address to bind: 0.0.0.0 for all.
    pub fn address(&self) -> IpAddr {
        self.at.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Where the host offers it: `0.0.0.0:8080`, `[::]:8080`; without a port of the host `[::]:`.
    pub fn place(&self) -> String {
        match self.host {
            Ports::ANY => format!("{}:", shown(self.address())),
            host => format!("{}:{host}", shown(self.address())),
        }
    }

    /// What it is of the container: `80/tcp`.
    pub fn target(&self) -> String {
        format!("{}/{}", self.container, self.protocol)
    }
}

/// An address in front of a port: IPv6 stands in brackets (RFC 3986 section 3.2.2).
fn shown(address: IpAddr) -> String {
    if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
}
