//! `pontoon port`: where a container's ports are on the host.
//!
//! ```text
//! state.json: ports ──> 80/tcp -> 0.0.0.0:8080
//! ```

use anyhow::{Result, bail};
use netmodes::publish::Mapping;

use super::port_change;
use crate::cli::{PortArgs, PortCommand, PortListArgs};
use crate::container::{Containers, State};
use crate::host::Host;

/// `port`, `port ls`, `port add` and `port rm`.
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn port(host: &Host, args: PortArgs) -> Result<i32> {
    match args.command {
        Some(PortCommand::Add(args)) => port_change::add(host, &args),
        Some(PortCommand::Rm(args)) => port_change::remove(host, &args),
        Some(PortCommand::Ls(args)) => list(host, &args),
        None => list(host, &PortListArgs { container: args.container.unwrap_or_default(), port: args.port }),
    }
}

/// Prints `80/tcp -> 0.0.0.0:8080` for each published port, or only the addresses of the one that was asked for.
fn list(host: &Host, args: &PortListArgs) -> Result<i32> {
    super::each(std::slice::from_ref(&args.container), |word| {
        let container = Containers::of(host).find(word)?;
        let mappings = published(&container.state()?);
        let wanted = args.port.as_deref().map(full).transpose()?;
        let is_wanted = |mapping: &&Mapping| wanted.as_ref().is_none_or(|wanted| mapping.target() == *wanted);
        let chosen: Vec<&Mapping> = mappings.iter().filter(is_wanted).collect();
        if let (Some(typed), []) = (&args.port, chosen.as_slice()) {
            bail!("no public port '{typed}' published for {word}");
        }
        for mapping in chosen {
            match wanted {
                Some(_) => super::say(format_args!("{}", mapping.place()))?,
                None => line(mapping)?,
            }
        }
        Ok(())
    })
}

/// `80/tcp -> 0.0.0.0:8080`
///
/// # Errors
/// When nobody reads it.
pub fn line(mapping: &Mapping) -> Result<()> {
    super::say(format_args!("{} -> {}", mapping.target(), mapping.place()))
}

/// `80` is `80/tcp`.
fn full(word: &str) -> Result<String> {
    let (number, protocol) = word.split_once('/').unwrap_or((word, ""));
    if !number.bytes().all(|byte| byte.is_ascii_digit()) || number.parse::<u16>().is_err() {
        bail!("invalid port ({number}): it is no number of a port");
    }
    Ok(format!("{number}/{}", if protocol.is_empty() { "tcp" } else { protocol }))
}

/// The published ports of a container, by port, family and address.
pub fn published(state: &State) -> Vec<Mapping> {
    let mut mappings = state.ports.clone();
    mappings.sort_by_key(|mapping| (mapping.container, mapping.protocol, mapping.address(), mapping.host));
    mappings
}
