//! `pontoon network create|ls|inspect|rm|prune|show`.
//!
//! ```text
//! create    record ─ bridge                              ip link add br-… type bridge
//! list      records ─ filters ─ table                    inspect   record ─ live endpoints ─ JSON
//! removal   record goes, bridge down ─ answer ─ a child nobody waits for deletes it: ip link del br-…
//! show      bridges and their ports, as the kernel has them
//! ```

mod filters;
pub mod inspect;
mod list;
mod prune;
mod removal;
mod show;

use anyhow::Result;
use netmodes::kernel::Kernel;
use netmodes::network::NewNetwork;
use netmodes::plan::Step;
use netmodes::subnet::Asked;

use super::{say, words};
use crate::cli::NetworkCreateArgs;
use crate::explain;
use crate::host::Host;
use crate::monitor::network::networks;

pub use inspect::inspect;
pub use list::list;
pub use prune::prune;
pub use removal::{finish, name_of_user, remove, to_remove};
pub use show::show;

/// Creates a network, with its bridge, and prints its id.
///
/// # Errors
/// A sentence; nothing is made then.
pub fn create(host: &Host, args: &NetworkCreateArgs) -> Result<i32> {
    let new = wish(args)?;
    let created = jiff::Timestamp::now().to_string();
    let networks = networks(host)?;
    // The default network is drawn up first, so that nobody takes the addresses that it is known by.
    networks.find(netmodes::network::DEFAULT)?;
    let mut tell = |steps: &[Step]| {
        if args.explain {
            eprint!("{}", explain::creation(&new.name, steps));
        }
    };
    let network = networks.create_told(&new, created, &mut Kernel::open(None)?, &mut tell)?;
    say(format_args!("{}", network.id))?;
    Ok(0)
}

/// What is asked for.
///
/// # Errors
/// A word that means nothing to a bridge.
pub fn wish(args: &NetworkCreateArgs) -> Result<NewNetwork> {
    Ok(NewNetwork {
        name: args.name.clone(),
        driver: args.driver.clone(),
        asked: Asked {
            subnets: args.subnet.clone(),
            gateways: args.gateway.clone(),
            ip_ranges: args.ip_range.clone(),
            aux: words::pairs(&args.aux_address)?,
            cable: args.driver == "p2p",
        },
        ipv6: args.ipv6,
        no_ipv4: !args.ipv4,
        internal: args.internal,
        options: words::pairs(&args.opt)?,
        labels: words::pairs(&args.label)?,
    })
}
