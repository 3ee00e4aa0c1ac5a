//! How it is connected: mode, ports, names.
//!
//! ```text
//! --network ─> Mode     -p, --expose, EXPOSE ─> ports     --dns*, --add-host ─> files     -h ─> host name
//! ```

use std::net::IpAddr;

use anyhow::{Result, bail};
use netmodes::names::{hosts, resolv};
use netmodes::publish::{self, Mapping};
use oci_spec::image::Config;

use super::attachments;
use crate::cli::ContainerArgs;
use crate::container::Containers;
use crate::container::record::{Mode, Network};
use crate::host::Host;

/// The host name: as asked for, else the host's, the other container's, or the beginning of the id.
///
/// # Errors
/// Docker's sentence for one that the kernel or DNS would not take.
pub fn hostname(host: &Host, args: &ContainerArgs, mode: &Mode, id: &str) -> Result<String> {
    // An empty word is as good as none, as in Docker.
    if let Some(hostname) = args.hostname.as_ref().filter(|hostname| !hostname.is_empty()) {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if hostname.len() > 63 || !hostname.chars().all(valid) || hostname.starts_with('-') {
            bail!("invalid hostname format: {}", hostname.escape_debug());
        }
        return Ok(hostname.clone());
    }
    match mode {
        Mode::Host => Ok(nix::unistd::gethostname()?.to_string_lossy().into_owned()),
        Mode::Container(other) => Ok(Containers::of(host).find(other)?.record.hostname),
        _ => Ok(id[..12].to_owned()),
    }
}

/// Everything about the network that is checked before anything is made.
///
/// # Errors
/// Docker's sentence for the word that is wrong, or for two that do not go together.
pub fn network(host: &Host, args: &ContainerArgs, config: &Config) -> Result<Network> {
    let (mode, attachments) = attachments::attachments(host, args)?;
    let mut mappings = Vec::new();
    for word in &args.publish {
        mappings.extend(publish::parse(word)?);
    }
    refuse_twice(&mappings)?;
    let mut expose = Vec::new();
    for word in args.expose.iter().chain(config.exposed_ports().iter().flatten()) {
        expose.extend(publish::parse_exposed(word)?);
    }
    expose.extend(mappings.iter().map(|mapping| (mapping.container, mapping.protocol)));
    expose.sort_unstable();
    expose.dedup();
    if mode == Mode::Host && (args.publish_all || !mappings.is_empty()) {
        eprintln!("WARNING: Published ports are discarded when using host network mode");
    }
    if !matches!(mode, Mode::Network(_) | Mode::Default) {
        mappings.clear();
    }
    for word in &args.add_host {
        hosts::parse_extra_host(word)?;
    }
    Ok(Network {
        mode,
        attachments,
        publish: mappings,
        publish_all: args.publish_all,
        expose: expose.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect(),
        extra_hosts: args.add_host.clone(),
        dns: args.dns.clone(),
        dns_search: args.dns_search.iter().map(|word| resolv::parse_search(word)).collect::<Result<_, _>>()?,
        dns_options: args.dns_option.iter().map(|word| resolv::parse_option(word)).collect::<Result<_, _>>()?,
    })
}

/// One host port leads to one port of the container: of two the second could not be bound, and would name us as its holder.
///
/// # Errors
/// Docker's sentence, for the second one.
pub fn refuse_twice(mappings: &[Mapping]) -> Result<()> {
    for (index, one) in mappings.iter().enumerate().filter(|(_, one)| one.host.first != 0) {
        let same = |other: &&Mapping| {
            other.host == one.host
                && one.host.first == one.host.last
                && other.protocol == one.protocol
                && meet(one.at, other.at)
        };
        if mappings[..index].iter().any(|other| same(&other)) {
            bail!(
                "Bind for {}:{} failed: port is already allocated: this command asks for it twice",
                one.address(),
                one.host
            );
        }
    }
    Ok(())
}

/// Whether one socket could not be bound beside the other.
fn meet(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other || one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified())
        }
        _ => true,
    }
}
