//! Subnets for networks: chosen from pools, or checked when a person chose.
//!
//! ```text
//! pools   172.17.0.0/16 … 172.31.0.0/16    then 192.168.0.0/20, 192.168.16.0/20 … 192.168.240.0/20
//! taken   every route of every table, every address of the host, every other network's subnet
//! ```
//!
//! The first of the pools that overlaps nothing is taken. What is taken knows its name, so that a refusal can say it.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::address::Cidr;
use crate::error::Error;

/// A subnet of a network, and the address that its bridge has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The network's addresses, host part clear.
    pub subnet: Cidr,
    /// The containers' default gateway.
    pub gateway: IpAddr,
}

impl Subnet {
    /// The gateway as the bridge has it: 172.18.0.1/16.
    pub fn gateway_cidr(&self) -> Cidr {
        Cidr { address: self.gateway, prefix: self.subnet.prefix }
    }
}

/// Addresses that are in use, and by what: `the route 10.0.0.0/8 (tun0)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The addresses.
    pub range: Cidr,
    /// Who has them, for the sentence.
    pub by: String,
}

/// The pools, in the order in which they are tried.
pub fn pools() -> impl Iterator<Item = Cidr> {
    let large = (17..=31).map(|n| Cidr { address: Ipv4Addr::new(172, n, 0, 0).into(), prefix: 16 });
    let small = (0..16).map(|n| Cidr { address: Ipv4Addr::new(192, 168, n * 16, 0).into(), prefix: 20 });
    large.chain(small)
}

/// The first of the pools that overlaps nothing that is taken; its first address is the gateway.
///
/// # Errors
/// Every pool overlaps something.
pub fn choose(taken: &[Taken]) -> Result<Subnet, Error> {
    let free = |pool: &Cidr| !taken.iter().any(|taken| taken.range.overlaps(*pool));
    let exhausted = "all predefined address pools have been fully subnetted: give the network a --subnet of its own";
    let subnet = pools().find(free).ok_or_else(|| Error::Refused(exhausted.into()))?;
    Ok(Subnet { subnet, gateway: first(subnet) })
}

/// The subnet of the default network: 172.17.0.0/16 with gateway 172.17.42.1 where that is free, else the next pool.
///
/// # Errors
/// As [`choose`]'s.
pub fn choose_default(taken: &[Taken]) -> Result<Subnet, Error> {
    let mut chosen = choose(taken)?;
    if Some(chosen.subnet) == pools().next() {
        chosen.gateway = Ipv4Addr::new(172, 17, 42, 1).into();
    }
    Ok(chosen)
}

/// The subnet that a person asked for: `--subnet` and, perhaps, `--gateway`.
///
/// # Errors
/// Docker's sentences for what is wrong with it; for an overlap, one that names what is in the way.
pub fn check(subnet: &str, gateway: Option<&str>, taken: &[Taken]) -> Result<Subnet, Error> {
    let invalid = |why: String| Error::Refused(format!("invalid network config: {why}"));
    let asked: Cidr = subnet.parse().map_err(|_| invalid(format!("invalid subnet {subnet}: invalid CIDR address")))?;
    if !asked.address.is_ipv4() {
        return Err(Error::Refused(format!("the subnet {subnet}: IPv6 networks are not supported yet")));
    }
    if asked.network() != asked {
        return Err(invalid(format!("invalid subnet {asked}: it should be {}", asked.network())));
    }
    if asked.prefix > 30 {
        return Err(invalid(format!("invalid subnet {asked}: it has no room for a gateway and a container")));
    }
    if let Some(taken) = taken.iter().find(|taken| taken.range.overlaps(asked)) {
        let by = &taken.by;
        return Err(Error::Refused(format!("Pool overlaps with other one on this address space: {asked} and {by}")));
    }
    let gateway = gateway.map_or(Ok(first(asked)), |text| check_gateway(text, asked))?;
    Ok(Subnet { subnet: asked, gateway })
}

fn check_gateway(text: &str, subnet: Cidr) -> Result<IpAddr, Error> {
    let invalid = |why: String| Error::Refused(format!("invalid network config: invalid gateway {text}: {why}"));
    let gateway: IpAddr = text.parse().map_err(|_| invalid("it is not an IP address".into()))?;
    if !subnet.contains(gateway) {
        return Err(invalid(format!("parent subnet {subnet} doesn't contain this address")));
    }
    if gateway == subnet.address || gateway == subnet.last() {
        return Err(invalid(format!("it is the first or the last address of {subnet}, which no host can have")));
    }
    Ok(gateway)
}

/// The address behind the network's own. Subnets of less than four addresses are refused before.
fn first(subnet: Cidr) -> IpAddr {
    subnet.nth(1).unwrap_or(subnet.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ranges: &[&str]) -> Vec<Taken> {
        ranges.iter().map(|range| Taken { range: range.parse().unwrap(), by: format!("the route {range}") }).collect()
    }

    fn shown(result: Result<Subnet, Error>) -> String {
        result.map_or_else(|error| error.to_string(), |subnet| format!("{} {}", subnet.subnet, subnet.gateway))
    }

    #[test]
    fn the_first_free_pool_is_chosen() {
        assert_eq!(pools().count(), 31);
        for (ranges, want) in [
            (&[][..], "172.17.0.0/16 172.17.0.1"),
            (&["172.17.3.0/24"], "172.18.0.0/16 172.18.0.1"),
            (&["172.16.0.0/12"], "192.168.0.0/20 192.168.0.1"),
            (&["172.16.0.0/12", "192.168.1.0/24"], "192.168.16.0/20 192.168.16.1"),
            (
                &["172.16.0.0/12", "192.168.0.0/16"],
                "all predefined address pools have been fully subnetted: give the network a --subnet of its own",
            ),
        ] {
            assert_eq!(shown(choose(&taken(ranges))), want);
        }
        assert_eq!(shown(choose_default(&[])), "172.17.0.0/16 172.17.42.1");
        assert_eq!(shown(choose_default(&taken(&["172.17.0.5/32"]))), "172.18.0.0/16 172.18.0.1");
    }

    #[test]
    fn what_a_person_asks_for_is_checked() {
        let host = taken(&["10.1.0.0/16"]);
        for (subnet, gateway, want) in [
            ("10.9.0.0/24", None, "10.9.0.0/24 10.9.0.1"),
            ("10.9.0.0/24", Some("10.9.0.254"), "10.9.0.0/24 10.9.0.254"),
            ("10.9.0.3/24", None, "invalid network config: invalid subnet 10.9.0.3/24: it should be 10.9.0.0/24"),
            ("10.9.0.0", None, "invalid network config: invalid subnet 10.9.0.0: invalid CIDR address"),
            ("fd00::/64", None, "the subnet fd00::/64: IPv6 networks are not supported yet"),
            (
                "10.9.0.0/31",
                None,
                "invalid network config: invalid subnet 10.9.0.0/31: it has no room for a gateway and a container",
            ),
            (
                "10.0.0.0/8",
                None,
                "Pool overlaps with other one on this address space: 10.0.0.0/8 and the route 10.1.0.0/16",
            ),
            (
                "10.9.0.0/24",
                Some("10.8.0.1"),
                "invalid network config: invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
            ),
            ("10.9.0.0/24", Some("x"), "invalid network config: invalid gateway x: it is not an IP address"),
            (
                "10.9.0.0/24",
                Some("10.9.0.255"),
                "invalid network config: invalid gateway 10.9.0.255: it is the first or the last address of 10.9.0.0/24, which no host can have",
            ),
        ] {
            assert_eq!(shown(check(subnet, gateway, &host)), want);
        }
    }
}
