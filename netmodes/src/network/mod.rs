//! Networks: named segments that containers attach to.
//!
//! ```text
//! what lasts      <lib>/networks/<id>.<name>.json      the record; listing the directory answers names and ids
//!                                /reserved/<id>        addresses that containers keep while they do not run
//! what does not   <run>/networks/<id>/lock
//!                                    /journal          the kernel objects that were made for it
//!                                    /leases/<ip>      who has which address
//!                                    /cursor
//!
//!   create --> record --> kernel objects --> (used) --> remove --> record gone, bridge down --> finish_removal
//!                   ^--- ensure: whatever is missing, after a reboot or a foreign hand ---'
//! ```
//!
//! After a reboot the record alone is left, and the first container that needs the network has its objects made again.

mod creation;
mod ends;
mod leasing;
mod options;
mod record;
mod removal;
mod reserving;
pub mod settings;
mod store;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::lease::Leased;
use crate::nft::Family;
use crate::subnet::{Asked, Subnet};

pub use ends::Plugged;
pub use leasing::NameOf;
pub use options::GatewayMode;
pub use store::Networks;

/// The default network's name, and its device's.
pub const DEFAULT: &str = "bridge";
/// The default network's device.
const DEFAULT_DEVICE: &str = "pontoon0";

/// A network's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Of the file's form; see [`Network::VERSION`].
    pub version: u64,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique among networks.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// `bridge`, or `p2p`: a cable between two containers.
    pub driver: String,
    /// The host's device; none of a cable.
    pub bridge: String,
    /// In bytes; without it, that of the way out of the host.
    pub mtu: Option<u32>,
    /// One of each family at most, IPv4 first.
    pub subnets: Vec<Subnet>,
    /// Do containers of this network reach each other? (`com.docker.network.bridge.enable_icc`)
    pub icc: bool,
    /// Do they leave under the host's address? (`com.docker.network.bridge.enable_ip_masquerade`)
    pub masquerade: bool,
    /// No way out, and none in but the host's own (`--internal`).
    #[serde(default)]
    pub internal: bool,
    /// How the world outside and its containers reach each other, in IPv4 (`…gateway_mode_ipv4`).
    #[serde(default)]
    pub gateway_mode_ipv4: GatewayMode,
    /// The same in IPv6.
    #[serde(default)]
    pub gateway_mode_ipv6: GatewayMode,
    /// The bridge has no IPv4 address: something else on the link is the gateway (`…inhibit_ipv4`).
    #[serde(default)]
    pub inhibit_ipv4: bool,
    /// Devices of the host from which connections to its containers may be opened (`…trusted_host_interfaces`).
    #[serde(default)]
    pub trusted: Vec<String>,
    /// The host's address for `-p` without one (`…host_binding_ipv4`); `None`: that of the settings, or all.
    #[serde(default)]
    pub binding: Option<IpAddr>,
    /// As they were given.
    pub options: BTreeMap<String, String>,
    /// As they were given.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// The version that is written, and the newest that is understood.
    pub const VERSION: u64 = 1;

    /// Is it a cable between two containers, without a bridge?
    pub fn is_cable(&self) -> bool {
        self.driver == "p2p"
    }

    /// Is it the default network, on which containers have no names?
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// An address of this network as a container has it; `None` if it is of none of its subnets. An internal network
    /// has no way out, and one whose bridge has no address has none by it.
    pub fn leased(&self, address: IpAddr) -> Option<Leased> {
        let subnet = self.subnet_of(address)?;
        if self.is_cable() {
            // Its own address alone is behind the device: the other one has a route of its own.
            return Some(Leased { address, prefix: if address.is_ipv4() { 32 } else { 128 }, gateway: None });
        }
        let is_way_out = !self.internal && self.gateway_mode(Family::of(address)) != GatewayMode::Isolated;
        Some(Leased { address, prefix: subnet.subnet.prefix, gateway: is_way_out.then_some(subnet.gateway) })
    }

    /// Has it a subnet of IPv6?
    pub fn has_ipv6(&self) -> bool {
        self.subnets.iter().any(Subnet::is_ipv6)
    }

    /// Its subnet of one family.
    pub fn subnet(&self, family: Family) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| Family::of(subnet.subnet.address) == family)
    }

    /// Its subnet that holds this address.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.subnet.contains(address))
    }

    /// How the world outside and its containers reach each other.
    pub fn gateway_mode(&self, family: Family) -> GatewayMode {
        if family == Family::Ipv4 { self.gateway_mode_ipv4 } else { self.gateway_mode_ipv6 }
    }

    /// Do its packets leave under the host's address?
    pub fn is_hidden(&self, family: Family) -> bool {
        let mode = self.gateway_mode(family);
        self.masquerade && !self.internal && matches!(mode, GatewayMode::Nat | GatewayMode::NatUnprotected)
    }

    /// Has the bridge the gateway's address?
    pub fn bridge_has(&self, subnet: &Subnet) -> bool {
        let family = Family::of(subnet.gateway);
        let inhibited = family == Family::Ipv4 && self.inhibit_ipv4;
        !inhibited && self.gateway_mode(family) != GatewayMode::Isolated
    }

    /// A network for tests.
    #[cfg(test)]
    pub(crate) fn sample(name: &str, subnet: &str) -> Network {
        let id = "ab12".repeat(16);
        Network {
            version: Network::VERSION,
            bridge: format!("br-{}", &id[..12]),
            id,
            name: name.into(),
            created: "2026-11-22T17:00:00Z".into(),
            driver: "bridge".into(),
            mtu: None,
            subnets: vec![Subnet::plain(subnet.parse().unwrap())],
            icc: true,
            masquerade: true,
            internal: false,
            gateway_mode_ipv4: GatewayMode::Nat,
            gateway_mode_ipv6: GatewayMode::Nat,
            inhibit_ipv4: false,
            trusted: Vec::new(),
            binding: None,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// What `network create` asks for.
#[derive(Clone, Debug, Default)]
pub struct NewNetwork {
    /// Its name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, 128 bytes at most.
    pub name: String,
    /// `bridge`; empty means that too.
    pub driver: String,
    /// `--subnet`, `--gateway`, `--ip-range`, `--aux-address`; for a family without a subnet one is chosen.
    pub asked: Asked,
    /// `--ipv6`: a subnet of IPv6 too. One that is asked for says the same.
    pub ipv6: bool,
    /// `--ipv4=false`
    pub no_ipv4: bool,
    /// `--internal`
    pub internal: bool,
    /// `-o KEY=VALUE`
    pub options: BTreeMap<String, String>,
    /// `--label KEY=VALUE`
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one network `net`, which has no kernel objects.
    pub(super) fn networks(subnet: &str) -> (Networks, Network, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let records = directory.path().join("records");
        std::fs::create_dir(&records).unwrap();
        let network = Network::sample("net", subnet);
        record::write(&records, &network).unwrap();
        (Networks::open(records, directory.path().join("state")).unwrap(), network, directory)
    }
}
