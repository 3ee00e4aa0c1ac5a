//! Addresses as they are written: `172.17.42.1/16` and `02:42:ac:11:00:02`.
//!
//! ```text
//! Cidr   172.17.42.1 / 16      an address and the length of its network's prefix
//!        |------|---- host     network() clears the host part, last() fills it
//! Mac    02 : …                bit 1 of the first byte: locally administered (IEEE 802, section 8.2)
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address with the length of its prefix. Either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The address; its host part may be set (`172.17.42.1/16`).
    pub address: IpAddr,
    /// Length of the prefix in bits: 0..=32 or 0..=128.
    pub prefix: u8,
}

impl Cidr {
    /// An address and a prefix length that must fit its family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Cidr> {
        (prefix <= width(address)).then_some(Cidr { address, prefix })
    }

    /// One address alone: /32 or /128.
    pub fn host(address: IpAddr) -> Cidr {
        Cidr { address, prefix: width(address) }
    }

    /// The same network with the host part cleared: 172.17.42.1/16 -> 172.17.0.0/16.
    pub fn network(self) -> Cidr {
        Cidr { address: number_to_address(self.address, bits(self.address) & !self.host_mask()), prefix: self.prefix }
    }

    /// The last address of the network: its broadcast address in IPv4.
    pub fn last(self) -> IpAddr {
        number_to_address(self.address, bits(self.address) | self.host_mask())
    }

    /// The n-th address of the network, counted from its first; `None` past its end.
    pub fn nth(self, n: u128) -> Option<IpAddr> {
        (n <= self.host_mask()).then(|| number_to_address(self.address, (bits(self.address) & !self.host_mask()) + n))
    }

    /// Which address of this network `address` is: the inverse of `nth`.
    pub fn index_of(self, address: IpAddr) -> Option<u128> {
        self.contains(address).then(|| bits(address) & self.host_mask())
    }

    /// Does the network hold this address?
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && (bits(address) & !self.host_mask()) == (bits(self.address) & !self.host_mask())
    }

    /// Do the two networks share an address?
    pub fn overlaps(self, other: Cidr) -> bool {
        if self.prefix <= other.prefix { self.contains(other.address) } else { other.contains(self.address) }
    }

    /// A mask of the host part's bits; also the greatest n of `nth`.
    pub fn host_mask(self) -> u128 {
        let host = u32::from(width(self.address) - self.prefix);
        if host == 128 { u128::MAX } else { (1u128 << host) - 1 }
    }
}

/// Bits of an address of this family.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// A number as an address of the same family as `like`. In IPv4 the number never exceeds 32 bits.
fn number_to_address(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let parts = text.split_once('/').and_then(|(address, prefix)| Some((address.parse().ok()?, digits(prefix)?)));
        parts
            .and_then(|(address, prefix)| Cidr::new(address, prefix))
            .ok_or_else(|| format!("invalid CIDR address: {text}"))
    }
}

/// A prefix length: digits only, as `parse` alone would take "+8".
fn digits(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Cidr, String> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

/// A hardware address of Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of a container's interface: 02:42 and the four bytes of its IPv4 address, as Docker always did.
    /// A neighbour's ARP cache therefore stays right when the address goes to another container.
    pub fn of_address(address: Ipv4Addr) -> Mac {
        let [a, b, c, d] = address.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }

    /// The address of a bridge, from its network's id. Given once, so that it does not follow its ports' addresses, as
    /// a bridge's does by default.
    pub fn of_network(id: &str) -> Mac {
        let byte = |n: usize| u8::from_str_radix(id.get(2 * n..2 * n + 2).unwrap_or_default(), 16).unwrap_or_default();
        Mac([0x06, byte(0), byte(1), byte(2), byte(3), byte(4)])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Mac, String> {
        let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parse = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| two(part));
        let bytes: Option<Vec<u8>> = text.split(':').map(parse).collect();
        let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
        bytes.map(Mac).ok_or_else(|| format!("{text} is not a valid mac address"))
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Mac, String> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_a_first_and_a_last_address() {
        assert_eq!(cidr("172.17.42.1/16").network().to_string(), "172.17.0.0/16");
        assert_eq!(cidr("10.1.2.3/30").last().to_string(), "10.1.2.3");
        assert_eq!(cidr("10.1.2.0/29").nth(7).unwrap().to_string(), "10.1.2.7");
        assert_eq!(cidr("10.1.2.0/29").nth(8), None);
        assert_eq!(cidr("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(cidr("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }

    #[test]
    fn overlap_is_mutual_and_keeps_families_apart() {
        for (a, b, want) in [
            ("10.0.0.0/8", "10.9.0.0/16", true),
            ("10.0.0.0/16", "10.1.0.0/16", false),
            ("0.0.0.0/0", "::/0", false),
            ("0.0.0.0/0", "192.168.0.0/24", true),
        ] {
            assert_eq!(cidr(a).overlaps(cidr(b)), want, "{a} {b}");
            assert_eq!(cidr(b).overlaps(cidr(a)), want, "{b} {a}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "/", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in ["", "02:42", "02:42:00:00:00:0g", "2:42:0:0:0:1", "02:42:00:00:00:01:02", "+2:42:00:00:00:01"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
