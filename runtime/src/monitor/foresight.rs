//! What a start would make of the network, without making it: the other half of `network`.
//!
//! ```text
//! find      ─> foresee          a default network that is not there is drawn up and forgotten
//! lease     ─> foresee_lease    the next free address; nobody has it for that
//! hold      ─> hold, let go     a port that somebody holds ends here, too
//! Files     ─> Files            the texts; they are not written
//! ```

use anyhow::Result;
use netmodes::facts::Facts;
use netmodes::kernel::Kernel;
use netmodes::modes::{self, Request, ResolverPorts};
use netmodes::plan::Plan;

use super::etc_files::Files;
use super::network::{hold, networks, request};
use crate::container::Container;
use crate::container::record::Mode;

/// Where a name server would listen, were it there: the kernel chooses other ports.
const RESOLVER: ResolverPorts = ResolverPorts { udp: 40_053, tcp: 40_053 };

/// The plan, and the container's own files in /etc.
///
/// # Errors
/// A sentence, as a start would say it.
pub fn foresee(container: &Container) -> Result<(Plan, Option<Files>)> {
    let record = &container.record;
    match &record.network.mode {
        Mode::Host => Ok((Plan::default(), Some(Files::of_host(record)?))),
        Mode::Container(other) => {
            super::netns::running(container, other)?;
            Ok((Plan::default(), None))
        }
        Mode::None => Ok((modes::none::plan(&record.name, None), Some(Files::of_none(record)?))),
        Mode::Network(_) | Mode::Default => bridged(container).map(|(plan, files)| (plan, Some(files))),
    }
}

fn bridged(container: &Container) -> Result<(Plan, Files)> {
    let record = &container.record;
    let networks = networks(&container.host)?;
    let network = networks.foresee(record.network.mode.network().unwrap_or_default())?;
    let mappings = hold(&container.host, &record.network)?.iter().map(|held| held.mapping).collect();
    let address = networks.foresee_lease(&network)?;
    let files = Files::of_network(record, &network, address)?;
    let facts = Facts::read(&mut Kernel::open(None)?, &network)?;
    let resolver = (!network.is_default()).then_some(RESOLVER);
    let request = Request { resolver, ..request(record, address, mappings) };
    Ok((modes::bridge::plan(&request, &network, &facts), files))
}
