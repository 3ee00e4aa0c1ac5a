//! Subnets that Pontoon chooses.
//!
//! ```text
//! pool 172.20.0.0/14 cut into /16      172.20.0.0/16 | 172.21.0.0/16 | 172.22.0.0/16 | 172.23.0.0/16
//! taken   172.20.5.0/24                ^ overlaps      ^ the first one that does not
//!
//! IPv6    fd | 40 random bits | 0000 | ::/64           RFC 4193: two hosts that meet later do not have the same
//! ```
//!
//! A pool of IPv6 may be cut into more subnets than anybody can count: what is taken is jumped over, never tried one by
//! one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use super::{Subnet, Taken};
use crate::address::Cidr;
use crate::error::Error;

/// Addresses that are cut into subnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Pool {
    base: Cidr,
    size: u8,
}

/// As a person writes it: `{ base = "172.20.0.0/14", size = 16 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    base: Cidr,
    size: u8,
}

impl TryFrom<Written> for Pool {
    type Error = String;

    fn try_from(written: Written) -> Result<Pool, String> {
        Pool::new(written.base, written.size)
    }
}

impl Pool {
    /// The addresses of `base`, cut into subnets with a prefix of `size` bits.
    ///
    /// # Errors
    /// A base with its host part set, or subnets that are larger than it or have no room.
    pub fn new(base: Cidr, size: u8) -> Result<Pool, String> {
        let most = if base.address.is_ipv4() { 30 } else { 126 };
        if base.network() != base {
            return Err(format!("invalid pool {base}: it should be {}", base.network()));
        }
        if !(base.prefix..=most).contains(&size) {
            return Err(format!("the pool {base} cannot be cut into subnets of /{size}"));
        }
        Ok(Pool { base, size })
    }

    /// The same addresses, cut for the two ends of a cable.
    pub fn for_cables(self) -> Pool {
        Pool { base: self.base, size: if self.is_ipv6() { 127 } else { 31 } }
    }

    /// Is it of IPv6?
    pub fn is_ipv6(&self) -> bool {
        self.base.address.is_ipv6()
    }

    /// The first of its subnets that overlaps nothing that is taken.
    fn free(&self, taken: &[Taken]) -> Option<Cidr> {
        let mut next = self.base.address;
        loop {
            let subnet = Cidr { address: next, prefix: self.size }.network();
            match taken.iter().find(|taken| taken.range.overlaps(subnet)) {
                None => return Some(subnet),
                Some(taken) => next = self.behind(subnet, taken.range)?,
            }
        }
    }

    /// The first address of the pool behind both.
    fn behind(&self, subnet: Cidr, taken: Cidr) -> Option<IpAddr> {
        let last = self.base.index_of(subnet.last())?;
        let last = self.base.index_of(taken.last()).map_or(last, |index| index.max(last));
        let covers_all = taken.contains(self.base.last());
        self.base.nth(last.checked_add(1)?).filter(|_| !covers_all)
    }
}

/// Docker's: 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/20 … 192.168.240.0/20.
pub fn predefined() -> Vec<Pool> {
    let of = |address: [u8; 4], prefix, size| Pool { base: Cidr { address: address.into(), prefix }, size };
    vec![
        of([172, 17, 0, 0], 16, 16),
        of([172, 18, 0, 0], 15, 16),
        of([172, 20, 0, 0], 14, 16),
        of([172, 24, 0, 0], 13, 16),
        of([192, 168, 0, 0], 16, 20),
    ]
}

/// The first subnet of the pools of one family that overlaps nothing that is taken.
///
/// # Errors
/// Every one overlaps something.
pub fn choose(pools: &[Pool], ipv6: bool, taken: &[Taken]) -> Result<Subnet, Error> {
    let exhausted = "all predefined address pools have been fully subnetted: give the network a --subnet of its own";
    let mut pools = pools.iter().filter(|pool| pool.is_ipv6() == ipv6);
    let subnet = pools.find_map(|pool| pool.free(taken)).ok_or_else(|| Error::Refused(exhausted.into()))?;
    Ok(Subnet::plain(subnet))
}

/// The subnet of the default network: 172.17.0.0/16 with gateway 172.17.42.1 where that is free, else the next one.
///
/// # Errors
/// As [`choose`]'s.
pub fn choose_default(pools: &[Pool], taken: &[Taken]) -> Result<Subnet, Error> {
    let mut chosen = choose(pools, false, taken)?;
    let usual = Cidr { address: Ipv4Addr::new(172, 17, 0, 0).into(), prefix: 16 };
    if chosen.subnet == usual {
        chosen.gateway = Ipv4Addr::new(172, 17, 42, 1).into();
    }
    Ok(chosen)
}

/// A subnet of IPv6 from the pools of that family, or else fdxx:xxxx:xxxx::/64 of random bits (RFC 4193, section 3.2).
/// `random` gives the 40 bits of a global id; they are drawn again while what they say is taken.
///
/// # Errors
/// The pools are exhausted, or no random numbers can be had.
pub fn choose_ula(
    pools: &[Pool],
    taken: &[Taken],
    mut random: impl FnMut() -> Result<[u8; 5], Error>,
) -> Result<Subnet, Error> {
    if pools.iter().any(Pool::is_ipv6) {
        return choose(pools, true, taken);
    }
    for _ in 0..16 {
        let subnet = ula(random()?);
        if !taken.iter().any(|taken| taken.range.overlaps(subnet)) {
            return Ok(Subnet::plain(subnet));
        }
    }
    // Sixteen of 2^40: something has all of fd00::/8.
    choose(&[], true, taken)
}

fn ula(global: [u8; 5]) -> Cidr {
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&global);
    Cidr { address: Ipv6Addr::from(octets).into(), prefix: 64 }
}

#[cfg(test)]
mod tests {
    use super::super::tests::taken;
    use super::*;
    use proptest::prelude::*;

    fn shown(result: Result<Subnet, Error>) -> String {
        result.map_or_else(|error| error.to_string(), |subnet| format!("{} {}", subnet.subnet, subnet.gateway))
    }

    const EXHAUSTED: &str =
        "all predefined address pools have been fully subnetted: give the network a --subnet of its own";

    #[test]
    fn the_first_free_subnet_is_chosen() {
        for (ranges, want) in [
            (&[][..], "172.17.0.0/16 172.17.0.1"),
            (&["172.17.3.0/24"], "172.18.0.0/16 172.18.0.1"),
            (&["172.16.0.0/12"], "192.168.0.0/20 192.168.0.1"),
            (&["172.16.0.0/12", "192.168.1.0/24"], "192.168.16.0/20 192.168.16.1"),
            (&["172.17.0.0/16", "172.18.0.0/16", "172.20.0.0/16"], "172.19.0.0/16 172.19.0.1"),
            (&["172.16.0.0/12", "192.168.0.0/16"], EXHAUSTED),
            (&["0.0.0.0/1", "128.0.0.0/1"], EXHAUSTED),
        ] {
            assert_eq!(shown(choose(&predefined(), false, &taken(ranges))), want);
        }
        assert_eq!(shown(choose_default(&predefined(), &[])), "172.17.0.0/16 172.17.42.1");
        assert_eq!(shown(choose_default(&predefined(), &taken(&["172.17.0.5/32"]))), "172.18.0.0/16 172.18.0.1");
    }

    #[test]
    fn there_are_thirty_one() {
        let mut held = Vec::new();
        while let Ok(subnet) = choose(&predefined(), false, &held) {
            held.push(Taken { range: subnet.subnet, by: String::new() });
        }
        assert_eq!(held.len(), 31);
    }

    #[test]
    fn a_pool_of_ipv6_is_jumped_through() {
        let pool = [Pool::new("fd00::/8".parse().unwrap(), 64).unwrap()];
        let chosen = |ranges: &[&str]| shown(choose(&pool, true, &taken(ranges)));
        assert_eq!(chosen(&[]), "fd00::/64 fd00::1");
        assert_eq!(chosen(&["fd00::/9"]), "fd80::/64 fd80::1");
        assert_eq!(chosen(&["fd00::/9", "fd80::/9"]), EXHAUSTED);
        assert_eq!(chosen(&["::/0"]), EXHAUSTED);
    }

    #[test]
    fn without_a_pool_an_ipv6_subnet_is_random() {
        let mut draws = [[0, 0, 0, 0, 1], [1, 2, 3, 4, 5]].into_iter();
        let chosen = choose_ula(&predefined(), &taken(&["fd00::/16"]), || Ok(draws.next().unwrap()));
        assert_eq!(shown(chosen), "fd01:203:405::/64 fd01:203:405::1");
        assert_eq!(shown(choose_ula(&[], &taken(&["fc00::/7"]), || Ok([7; 5]))), EXHAUSTED);
    }

    #[test]
    fn pools_that_cannot_be_are_refused() {
        let new = |base: &str, size| Pool::new(base.parse().unwrap(), size).unwrap_err();
        assert_eq!(new("10.0.0.0/16", 8), "the pool 10.0.0.0/16 cannot be cut into subnets of /8");
        assert_eq!(new("10.0.0.0/16", 31), "the pool 10.0.0.0/16 cannot be cut into subnets of /31");
        assert_eq!(new("10.0.0.1/16", 24), "invalid pool 10.0.0.1/16: it should be 10.0.0.0/16");
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_free_and_of_the_pool(ranges in proptest::collection::vec((any::<u16>(), 18u8..=32), 0..40)) {
            let pool = Pool::new("10.9.0.0/16".parse().unwrap(), 22).unwrap();
            let of = |(host, prefix): (u16, u8)| Cidr { address: Ipv4Addr::from_bits(0x0a09_0000 | u32::from(host)).into(), prefix };
            let held: Vec<Taken> = ranges.into_iter().map(|range| Taken { range: of(range).network(), by: String::new() }).collect();
            let is_free = |n: &u128| !held.iter().any(|taken| taken.range.overlaps(nth(*n)));
            fn nth(n: u128) -> Cidr {
                Cidr { address: Ipv4Addr::from_bits(0x0a09_0000 | ((n as u32) << 10)).into(), prefix: 22 }
            }
            prop_assert_eq!(pool.free(&held), (0..64).find(is_free).map(nth));
        }
    }
}
