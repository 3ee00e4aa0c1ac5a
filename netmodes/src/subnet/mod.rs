//! Subnets for networks: chosen from pools, or checked when a person chose.
//!
//! ```text
//! 172.18.0.0/16       the addresses of the network                  asked    --subnet and what belongs to it
//! |- .0.1             its gateway: the bridge                       pools    the next one that is free
//! |- .128.0/17        ip-range: from here containers get theirs
//! `- .0.9  printer    aux: never leased, as something else has it
//!
//! taken   every route of every table, every address of the host, every other network's subnet
//! ```
//!
//! A network has at most one subnet of each family, IPv4 first. What is taken knows its name, so that a refusal can say
//! it.

mod asked;
mod pools;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::Cidr;
use crate::error::Error;

pub use asked::{Asked, check};
pub use pools::{Pool, choose, choose_default, choose_ula, predefined};

/// A subnet of a network, and the address that its bridge has in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The network's addresses, host part clear.
    pub subnet: Cidr,
    /// The containers' default gateway.
    pub gateway: IpAddr,
    /// Where addresses are chosen from; without it, the whole subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<Cidr>,
    /// Addresses that somebody else has, by the name that the person gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aux: BTreeMap<String, IpAddr>,
}

impl Subnet {
    /// A subnet whose first address is its gateway.
    pub fn plain(subnet: Cidr) -> Subnet {
        Subnet { subnet, gateway: first(subnet), ip_range: None, aux: BTreeMap::new() }
    }

    /// Its first two addresses alone, for a cable.
    pub(crate) fn narrowed(self) -> Subnet {
        let prefix = if self.is_ipv6() { 127 } else { 31 };
        Subnet::plain(Cidr { address: self.subnet.address, prefix })
    }

    /// The gateway as the bridge has it: 172.18.0.1/16.
    pub fn gateway_cidr(&self) -> Cidr {
        Cidr { address: self.gateway, prefix: self.subnet.prefix }
    }

    /// Is it of IPv6?
    pub fn is_ipv6(&self) -> bool {
        self.subnet.address.is_ipv6()
    }

    /// Has it two addresses, one for each end of a cable (RFC 3021)?
    pub fn is_cable(&self) -> bool {
        self.subnet.host_mask() == 1
    }

    /// Why no container can have this address of the subnet; `None` if one can.
    pub fn reserved_for(&self, address: IpAddr) -> Option<String> {
        if self.is_cable() {
            return None;
        }
        let broadcast = (!self.is_ipv6()).then(|| self.subnet.last());
        if address == self.gateway {
            return Some("the gateway".into());
        }
        if address == self.subnet.address || Some(address) == broadcast {
            return Some("the subnet itself".into());
        }
        self.aux.iter().find(|(_, aux)| **aux == address).map(|(name, _)| format!("the auxiliary address {name}"))
    }
}

/// Addresses that are in use, and by what: `the route 10.0.0.0/8 of the device tun0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The addresses.
    pub range: Cidr,
    /// Who has them, for the sentence.
    pub by: String,
}

/// Docker's sentence, with the name of what is in the way.
pub(crate) fn check_free(subnet: Cidr, taken: &[Taken]) -> Result<(), Error> {
    match taken.iter().find(|taken| taken.range.overlaps(subnet)) {
        None => Ok(()),
        Some(Taken { by, .. }) => {
            Err(Error::Refused(format!("Pool overlaps with other one on this address space: {subnet} and {by}")))
        }
    }
}

/// The address behind the network's own.
fn first(subnet: Cidr) -> IpAddr {
    subnet.nth(1).unwrap_or(subnet.address)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn taken(ranges: &[&str]) -> Vec<Taken> {
        ranges.iter().map(|range| Taken { range: range.parse().unwrap(), by: format!("the route {range}") }).collect()
    }

    #[test]
    fn what_no_container_can_have_is_named() {
        let mut v4 = Subnet::plain("10.0.0.0/24".parse().unwrap());
        v4.aux.insert("printer".into(), [10, 0, 0, 9].into());
        let why = |subnet: &Subnet, address: &str| subnet.reserved_for(address.parse().unwrap()).unwrap_or_default();
        assert_eq!(why(&v4, "10.0.0.1"), "the gateway");
        assert_eq!(why(&v4, "10.0.0.9"), "the auxiliary address printer");
        assert_eq!(
            (why(&v4, "10.0.0.0"), why(&v4, "10.0.0.255")),
            (why(&v4, "10.0.0.255"), "the subnet itself".into())
        );
        assert_eq!(why(&v4, "10.0.0.2"), "");
        let cable = Subnet::plain("10.0.0.0/31".parse().unwrap());
        assert_eq!((why(&cable, "10.0.0.0"), why(&cable, "10.0.0.1")), (String::new(), String::new()));
        let v6 = Subnet::plain("fd00::/126".parse().unwrap());
        assert_eq!((why(&v6, "fd00::").as_str(), why(&v6, "fd00::3").as_str()), ("the subnet itself", ""));
    }

    #[test]
    fn records_of_earlier_days_are_read() {
        let old = r#"{"subnet":"172.18.0.0/16","gateway":"172.18.0.1"}"#;
        assert_eq!(serde_json::from_str::<Subnet>(old).unwrap(), Subnet::plain("172.18.0.0/16".parse().unwrap()));
    }
}
