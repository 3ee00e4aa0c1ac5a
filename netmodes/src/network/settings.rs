//! What a host's owner may settle for its networks, once and for all.
//!
//! ```text
//! DefaultBridge   address, address6, ip-range, icc     of the default network
//! EveryNetwork    pools, mtu                           of every network that is not told otherwise
//! ```

use serde::{Deserialize, Deserializer};

use crate::address::Cidr;
use crate::subnet::{self, Asked, Pool, Subnet};

/// Both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The default network.
    pub bridge: DefaultBridge,
    /// Every network.
    pub networks: EveryNetwork,
}

/// The default network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct DefaultBridge {
    /// The bridge's address, and with its prefix the subnet: 172.17.42.1/16.
    pub address: Option<Cidr>,
    /// The same of IPv6, which the default network has only if this says so.
    pub address6: Option<Cidr>,
    /// From which containers get their IPv4 addresses.
    pub ip_range: Option<Cidr>,
    /// Do its containers reach each other?
    pub icc: bool,
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Written {
    address: Option<Cidr>,
    address6: Option<Cidr>,
    ip_range: Option<Cidr>,
    icc: Option<bool>,
}

impl Default for DefaultBridge {
    fn default() -> DefaultBridge {
        DefaultBridge { address: None, address6: None, ip_range: None, icc: true }
    }
}

impl TryFrom<Written> for DefaultBridge {
    type Error = String;

    fn try_from(written: Written) -> Result<DefaultBridge, String> {
        let Written { address, address6, ip_range, icc } = written;
        let bridge = DefaultBridge { address, address6, ip_range, icc: icc.unwrap_or(true) };
        bridge.check()?;
        Ok(bridge)
    }
}

impl DefaultBridge {
    /// Is it all possible?
    fn check(&self) -> Result<(), String> {
        for (key, address, is_ipv6) in [("address", self.address, false), ("address6", self.address6, true)] {
            let Some(address) = address else { continue };
            if address.address.is_ipv6() != is_ipv6 {
                let family = if is_ipv6 { "IPv6" } else { "IPv4" };
                return Err(format!("{key} = \"{address}\" is not of {family}"));
            }
        }
        if self.ip_range.is_some() && self.address.is_none() {
            return Err("an ip-range needs an address that says the subnet".into());
        }
        self.subnets().map(drop)
    }

    /// The subnets that are settled, IPv4 first.
    ///
    /// # Errors
    /// Docker's sentences for what is wrong with them.
    pub fn subnets(&self) -> Result<Vec<Subnet>, String> {
        let addresses = || [self.address, self.address6].into_iter().flatten();
        let asked = Asked {
            subnets: addresses().map(|address| address.network().to_string()).collect(),
            gateways: addresses().map(|address| address.address.to_string()).collect(),
            ip_ranges: self.ip_range.iter().map(Cidr::to_string).collect(),
            ..Asked::default()
        };
        // Whether they are free is another question: for a network that is there already, they are not.
        subnet::check(&asked, &[]).map_err(|error| {
            let text = error.to_string();
            let text = text.strip_prefix("invalid network config:\n").unwrap_or(&text);
            text.replace("invalid gateway", "invalid address").replace('\n', " ")
        })
    }
}

/// Every network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EveryNetwork {
    /// Where subnets are taken from; without it, Docker's pools.
    pub pools: Vec<Pool>,
    /// In bytes; without it, that of the way out of the host.
    #[serde(deserialize_with = "mtu")]
    pub mtu: Option<u32>,
}

impl EveryNetwork {
    /// The pools, of IPv4 at least.
    pub fn pools(&self) -> Vec<Pool> {
        if self.pools.iter().any(|pool| !pool.is_ipv6()) {
            return self.pools.clone();
        }
        [self.pools.clone(), subnet::predefined()].concat()
    }
}

fn mtu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let mtu = u32::deserialize(deserializer)?;
    super::options::mtu(&mtu.to_string()).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(address: &str, range: Option<&str>) -> Result<Vec<Subnet>, String> {
        let bridge = DefaultBridge {
            address: Some(address.parse().unwrap()),
            ip_range: range.map(|range| range.parse().unwrap()),
            ..DefaultBridge::default()
        };
        bridge.check().and_then(|()| bridge.subnets())
    }

    #[test]
    fn the_bridge_s_address_says_the_subnet() {
        let subnets = bridge("10.5.0.9/24", Some("10.5.0.128/25")).unwrap();
        assert_eq!(subnets.len(), 1);
        assert_eq!(subnets[0].gateway_cidr().to_string(), "10.5.0.9/24");
        assert_eq!(subnets[0].subnet.to_string(), "10.5.0.0/24");
        assert_eq!(subnets[0].ip_range.unwrap().to_string(), "10.5.0.128/25");
    }

    #[test]
    fn what_cannot_be_is_a_sentence() {
        assert_eq!(bridge("fd00::1/64", None).unwrap_err(), "address = \"fd00::1/64\" is not of IPv4");
        assert!(bridge("10.5.0.0/24", None).unwrap_err().contains("which no host can have"));
        assert!(bridge("10.5.0.1/24", Some("10.6.0.0/24")).unwrap_err().contains("doesn't contain ip-range"));
        let range = DefaultBridge { ip_range: "10.0.0.0/24".parse().ok(), ..DefaultBridge::default() };
        assert_eq!(range.check().unwrap_err(), "an ip-range needs an address that says the subnet");
    }

    #[test]
    fn there_is_always_a_pool_of_ipv4() {
        let ipv6 = Pool::new("fd00::/8".parse().unwrap(), 64).unwrap();
        let settled = EveryNetwork { pools: vec![ipv6], mtu: None };
        assert_eq!(settled.pools().len(), 1 + subnet::predefined().len());
    }
}
