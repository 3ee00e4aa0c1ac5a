//! What the firewall vouches for, read back from it.
//!
//! ```text
//! table bridge pontoon
//!   own4 { web.1k3f9 . 02:42:ac:12:00:02 . 172.18.0.2 }  ─┐
//!   own6 { web.1k3f9 . 02:42:ac:12:00:02 . fd00::2 }     ─┴─>  web.1k3f9   172.18.0.2, fd00::2
//! ```
//!
//! This is what the kernel holds and packets meet, not what a file says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Kernel, address, is_absence, tried};
use crate::error::Error;
use crate::nft;

/// A device's name in a key, and behind it a hardware address, padded to four bytes.
const NAME: usize = 16;
const MAC: usize = 8;

impl Kernel {
    /// The addresses that may speak by each port of a bridge, by the port's name. Empty where the kernel has no tables
    /// for bridges.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn vouched(&mut self) -> Result<BTreeMap<String, Vec<IpAddr>>, Error> {
        let mut vouched: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for set in ["own4", "own6"] {
            let answers = match self.host.netfilter.send(nft::elements_query("bridge", set)) {
                Err(refusal) if is_absence(refusal.errno) => continue,
                other => other.map_err(tried(format!("list the elements of {set}")))?,
            };
            let keys = answers.iter().flat_map(|answer| nft::keys_of(&answer.body));
            for (name, address) in keys.filter_map(parse).filter(|(_, address)| is_own(*address)) {
                vouched.entry(name).or_default().push(address);
            }
        }
        vouched.values_mut().for_each(|addresses| addresses.sort());
        Ok(vouched)
    }
}

/// `ifname . ether_addr . address`
fn parse(key: &[u8]) -> Option<(String, IpAddr)> {
    let name = String::from_utf8_lossy(key.get(..NAME)?).trim_end_matches('\0').to_string();
    Some((name, address::octets(key.get(NAME + MAC..)?)?))
}

/// Not one that every device has: unspecified, or of the link alone.
fn is_own(address: IpAddr) -> bool {
    let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !address.is_unspecified() && !is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::Element;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for address in ["172.18.0.2", "fd00::2"] {
            let address: IpAddr = address.parse().unwrap();
            let element =
                Element::Speaks { device: "web.1k3f9".into(), mac: "02:42:ac:12:00:02".parse().unwrap(), address };
            assert_eq!(parse(&element.key()), Some(("web.1k3f9".into(), address)));
        }
        assert_eq!(parse(&[1, 2, 3]), None);
    }
}
