//! `pontoon port`: where a container's ports are on the host.
//!
//! ```text
//! state.json: endpoints ──> 80/tcp -> 0.0.0.0:8080
//! ```

use anyhow::{Result, bail};
use netmodes::publish::Mapping;

use crate::cli::PortArgs;
use crate::container::Containers;
use crate::host::Host;

/// Prints `80/tcp -> 0.0.0.0:8080` for each published port, or only the addresses of the one that was asked for.
///
/// # Errors
/// No such container.
pub fn port(host: &Host, args: &PortArgs) -> Result<i32> {
    let container = Containers::of(host).find(&args.container)?;
    let state = container.state()?;
    let mut mappings: Vec<Mapping> = state.endpoints.iter().flat_map(|endpoint| endpoint.ports.clone()).collect();
    mappings.sort_by_key(|mapping| (mapping.container, mapping.protocol, mapping.host));
    let Some(wanted) = &args.port else {
        for mapping in mappings {
            super::say(format_args!(
                "{}/{} -> {}:{}",
                mapping.container,
                mapping.protocol,
                mapping.address(),
                mapping.host
            ))?;
        }
        return Ok(0);
    };
    let full = if wanted.contains('/') { wanted.clone() } else { format!("{wanted}/tcp") };
    mappings.retain(|mapping| format!("{}/{}", mapping.container, mapping.protocol) == full);
    if mappings.is_empty() {
        let number = full.split('/').next().unwrap_or_default();
        if number.parse::<u16>().is_err() {
            bail!("invalid port: {wanted}");
        }
        eprintln!("pontoon: no public port '{wanted}' published for {}", args.container);
        return Ok(1);
    }
    for mapping in mappings {
        super::say(format_args!("{}:{}", mapping.address(), mapping.host))?;
    }
    Ok(0)
}
