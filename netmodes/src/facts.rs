//! What must be known of the host before a plan can be made.
//!
//! ```text
//! mtu            of the way out of each family that the network has, at most 1500      a VPN or a cloud may carry less
//! bridge_table   does nf_tables know bridges here                NF_TABLES_BRIDGE is missing in some kernels
//! believers      devices that learn their routers from advertisements, and would cease to when the host forwards IPv6
//! ```

use crate::error::Error;
use crate::kernel::Kernel;
use crate::network::Network;
use crate::subnet::Subnet;

/// Ethernet's MTU in bytes: what a container's programs expect at most.
const ETHERNET: u32 = 1500;
/// What every link of IPv6 carries in bytes (RFC 8200, section 5). The kernel switches IPv6 off on a device with less.
pub(crate) const LEAST_OF_IPV6: u32 = 1280;

/// Read before planning, so that planning is pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In bytes, for the bridge and its ports.
    pub mtu: u32,
    /// Can `table bridge pontoon` be made?
    pub bridge_table: bool,
    /// Devices with accept_ra = 1 on a host that does not forward IPv6; read only for networks that make it forward.
    pub believers: Vec<String>,
}

impl Facts {
    /// Asks the kernel: some three messages.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn read(kernel: &mut Kernel, network: &Network) -> Result<Facts, Error> {
        let mtu = match network.mtu {
            Some(mtu) => mtu,
            None => mtu_outwards(kernel, network)?,
        };
        let believers = if network.has_ipv6() { kernel.believers()? } else { Vec::new() };
        Ok(Facts { mtu, bridge_table: kernel.has_bridge_tables()?, believers })
    }
}

/// The smallest of its families' ways out.
fn mtu_outwards(kernel: &mut Kernel, network: &Network) -> Result<u32, Error> {
    let mut mtu = ETHERNET;
    for ipv6 in network.subnets.iter().map(Subnet::is_ipv6) {
        mtu = mtu.min(kernel.mtu_outwards(ipv6)?.unwrap_or(ETHERNET));
    }
    Ok(if network.has_ipv6() { mtu.max(LEAST_OF_IPV6) } else { mtu })
}
