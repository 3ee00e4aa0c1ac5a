//! /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: written before its clone, bound into its root.
//!
//! ```text
//! network           hosts with its own line          resolv.conf with 127.0.0.11, or the host's servers on the default bridge
//! none              hosts with localhost alone       the host's servers
//! host              the host's own two files
//! container:OTHER   the other's three files are bound, none is written
//! ```

use std::fs;
use std::net::IpAddr;

use anyhow::Result;
use netmodes::names::hosts::{self, ExtraHost, OwnHost};
use netmodes::names::resolv::{self, HostFile, Overrides, Upstream};

use super::network::{Attached, is_named};
use crate::container::{Container, Record};
use crate::files::{Durability, replace};

/// The texts, and whom the container's name server asks.
#[derive(Debug, Default)]
pub struct Files {
    hosts: String,
    resolv: String,
    /// Servers outside.
    pub upstreams: Vec<Upstream>,
    /// Somebody set `ndots`: single labels stay inside.
    pub ndots_set: bool,
}

impl Files {
    /// Of a container on networks: a line for each of its addresses.
    ///
    /// # Errors
    /// A sentence about a word that cannot stand in such a file.
    pub fn of_networks(record: &Record, attached: &[Attached]) -> Result<Files> {
        let leased = || attached.iter().flat_map(|attached| &attached.endpoint.addresses);
        let gateways: Vec<IpAddr> = leased().filter_map(|leased| leased.gateway).collect();
        let own: Vec<OwnHost> =
            leased().map(|leased| OwnHost { address: leased.address, names: own_names(&record.hostname) }).collect();
        let hosts = hosts::hosts(false, &extra_hosts(record)?, &gateways, &own)?;
        if !is_named(attached) {
            let resolv = resolv::for_default_network(&host_resolv(), &overrides(record), false);
            return Ok(Files { hosts, resolv, ..Files::default() });
        }
        let answer = resolv::for_user_network(&host_resolv(), &overrides(record), false);
        Ok(Files { hosts, resolv: answer.text, upstreams: answer.upstreams, ndots_set: answer.ndots_set })
    }

    /// Of a container with nothing but `lo`.
    ///
    /// # Errors
    /// As [`Files::of_network`].
    pub fn of_none(record: &Record) -> Result<Files> {
        let hosts = hosts::hosts(true, &extra_hosts(record)?, &[], &[])?;
        let resolv = resolv::for_default_network(&host_resolv(), &overrides(record), true);
        Ok(Files { hosts, resolv, ..Files::default() })
    }

    /// Of a container on the host's own network.
    ///
    /// # Errors
    /// As [`Files::of_network`].
    pub fn of_host(record: &Record) -> Result<Files> {
        let hosts = hosts::hosts_of_host_network(&text("/etc/hosts"), &extra_hosts(record)?, &[])?;
        Ok(Files {
            hosts,
            resolv: resolv::for_host_network(&text("/etc/resolv.conf"), &overrides(record)),
            ..Files::default()
        })
    }

    /// The three files, by name.
    pub fn texts(&self, record: &Record) -> [(&'static str, String); 3] {
        let hostname = format!("{}\n", record.hostname);
        [("hosts", self.hosts.clone()), ("hostname", hostname), ("resolv.conf", self.resolv.clone())]
    }

    /// Writes the three files into the container's state directory.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn write(&self, container: &Container) -> Result<()> {
        for (name, text) in self.texts(&container.record) {
            let path = container.state_dir().join(name);
            replace(&path, text.as_bytes(), Durability::UntilReboot)?;
            // Every user of the container reads them.
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        }
        Ok(())
    }
}

/// `host.domain` is known by its first label, too.
fn own_names(hostname: &str) -> Vec<String> {
    let label = hostname.split_once('.').map(|(label, _)| label.to_owned());
    std::iter::once(hostname.to_owned()).chain(label).collect()
}

fn extra_hosts(record: &Record) -> Result<Vec<ExtraHost>> {
    record.network.extra_hosts.iter().map(|word| Ok(hosts::parse_extra_host(word)?)).collect()
}

fn overrides(record: &Record) -> Overrides {
    Overrides {
        servers: record.network.dns.clone(),
        search: record.network.dns_search.clone(),
        options: record.network.dns_options.clone(),
    }
}

fn host_resolv() -> HostFile {
    let systemd = fs::read_to_string("/run/systemd/resolve/resolv.conf").ok();
    HostFile::choose(&text("/etc/resolv.conf"), systemd.as_deref())
}

/// A file of the host; one that is not there is empty.
fn text(path: &str) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
