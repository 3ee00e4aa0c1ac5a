//! What a start would make of the network, without making it: the other half of `network`.
//!
//! ```text
//! prepare   ─> foresee          a default network that is not there is drawn up and forgotten; nobody has the address
//! hold      ─> hold, let go     a port that somebody holds ends here, too
//! Files     ─> Files            the texts; they are not written
//! ```

use anyhow::Result;
use netmodes::kernel::Kernel;
use netmodes::modes::namespace::{self, Namespace};
use netmodes::modes::outlet::{self, Leg};
use netmodes::modes::{self, ResolverPorts};
use netmodes::plan::Plan;

use super::etc_files::Files;
use super::network::naming;
use super::network::{Attached, hold, is_named, whole};
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
        Mode::Network(_) | Mode::Default => joined(container).map(|(plan, files)| (plan, Some(files))),
    }
}

fn joined(container: &Container) -> Result<(Plan, Files)> {
    let record = &container.record;
    let mut kernel = Kernel::open(None)?;
    let mut attached = Vec::new();
    for (number, wish) in record.network.attachments.iter().enumerate() {
        attached.push(Attached::foresee(container, wish, number, &mut kernel)?);
    }
    let (files, links) = naming::foresee(container, &attached)?;
    let resolver = is_named(&attached).then_some(RESOLVER);
    let namespace = namespace::plan(&Namespace { name: record.name.clone(), resolver, netns: None });
    let legs: Vec<Leg<'_>> = attached.iter().map(Attached::leg).collect();
    let mappings = hold(&container.host, &record.network, &outlet::landing(&legs))?.mappings;
    let plan = whole(&namespace, &attached, &[links, outlet::plan(&legs, &mappings)].concat());
    Ok((plan, files))
}
