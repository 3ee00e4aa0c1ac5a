//! Networks: named segments that containers attach to.
//!
//! ```text
//! what lasts      <lib>/networks/<id>.<name>.json      the record; listing the directory answers names and ids
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

mod options;
mod record;
mod removal;
mod store;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::lease::Leased;
use crate::subnet::Subnet;

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
    /// `bridge`
    pub driver: String,
    /// The host's device.
    pub bridge: String,
    /// In bytes; without it, that of the way out of the host.
    pub mtu: Option<u32>,
    /// One of IPv4 for now.
    pub subnets: Vec<Subnet>,
    /// Do containers of this network reach each other? (`com.docker.network.bridge.enable_icc`)
    pub icc: bool,
    /// Do they leave under the host's address? (`com.docker.network.bridge.enable_ip_masquerade`)
    pub masquerade: bool,
    /// As they were given.
    pub options: BTreeMap<String, String>,
    /// As they were given.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// The version that is written, and the newest that is understood.
    pub const VERSION: u64 = 1;

    /// Is it the default network, on which containers have no names?
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// An address of this network as a container has it; `None` if it is of none of its subnets.
    pub fn leased(&self, address: IpAddr) -> Option<Leased> {
        let subnet = self.subnets.iter().find(|subnet| subnet.subnet.contains(address))?;
        Some(Leased { address, prefix: subnet.subnet.prefix, gateway: Some(subnet.gateway) })
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
            subnets: vec![crate::subnet::check(subnet, None, &[]).unwrap()],
            icc: true,
            masquerade: true,
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
    /// `--subnet`; without it one is chosen.
    pub subnet: Option<String>,
    /// `--gateway`; without it the subnet's first address.
    pub gateway: Option<String>,
    /// `-o KEY=VALUE`
    pub options: BTreeMap<String, String>,
    /// `--label KEY=VALUE`
    pub labels: BTreeMap<String, String>,
}
