//! What must be known of the host before a plan can be made.
//!
//! ```text
//! mtu            of the device that leads out, at most 1500      a VPN or a cloud's network may carry less
//! bridge_table   does nf_tables know bridges here                NF_TABLES_BRIDGE is missing in some kernels
//! ```

use crate::error::Error;
use crate::kernel::Kernel;
use crate::network::Network;

/// Ethernet's MTU in bytes: what a container's programs expect at most.
const ETHERNET: u32 = 1500;

/// Read before planning, so that planning is pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In bytes, for the bridge and its ports.
    pub mtu: u32,
    /// Can `table bridge pontoon` be made?
    pub bridge_table: bool,
}

impl Facts {
    /// Asks the kernel: some three messages.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn read(kernel: &mut Kernel, network: &Network) -> Result<Facts, Error> {
        let mtu = match network.mtu {
            Some(mtu) => mtu,
            None => kernel.mtu_outwards()?.map_or(ETHERNET, |mtu| mtu.min(ETHERNET)),
        };
        Ok(Facts { mtu, bridge_table: kernel.has_bridge_tables()? })
    }
}
