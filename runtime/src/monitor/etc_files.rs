//! /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: written before its clone, bound into its root.
//!
//! ```text
//! network           hosts with its own line          resolv.conf with 127.0.0.11, or the host's servers on the default bridge
//! none              hosts with localhost alone       the host's servers
//! host              the host's own two files
//! container:OTHER   the other's three files are bound, none is written
//!
//! while it runs     lines of networks and links come and go; resolv.conf follows, until somebody edits it
//! ```
//!
//! They are bound by their inodes, so a change is made in place: the new text over the old one, then the end is cut. A
//! reader in between may see an old last line, and never an empty file.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use netmodes::names::hosts::{self, ExtraHost, OwnHost};
use netmodes::names::resolv::{self, HostFile, Overrides, Upstream};

use super::linked::{self, Linked};
use super::network::Attached;
use crate::container::{Container, Record};
use crate::files::{Durability, replace};

/// Largest /etc/hosts that is edited, in bytes: it may be the work of the container.
const LARGEST: u64 = 1 << 20;

/// The texts, and whom the container's name server asks.
#[derive(Debug, Default)]
pub struct Files {
    hosts: String,
    /// Those of its lines that come and go.
    lines: Vec<String>,
    has_ipv6: bool,
    resolv: String,
    /// Servers outside.
    pub upstreams: Vec<Upstream>,
    /// Somebody set `ndots`: single labels stay inside.
    pub ndots_set: bool,
}

impl Files {
    /// Of a container on networks: a line for each link, and one for each of its own addresses. `named`: it has a name
    /// server.
    ///
    /// # Errors
    /// A sentence about a word that cannot stand in such a file.
    pub fn of_networks(record: &Record, attached: &[Attached], linked: &[Linked], named: bool) -> Result<Files> {
        let leased = || attached.iter().flat_map(|attached| &attached.endpoint.addresses);
        let gateways = |ipv6: bool| leased().filter_map(|l| l.gateway).find(|gateway| gateway.is_ipv6() == ipv6);
        let gateway: Vec<IpAddr> = [false, true].into_iter().filter_map(gateways).collect();
        let has_ipv6 = leased().any(|leased| leased.address.is_ipv6());
        let own = leased().map(|leased| OwnHost { address: leased.address, names: own_names(&record.hostname) });
        let own: Vec<OwnHost> = linked::hosts(linked).into_iter().chain(own).collect();
        let hosts = hosts::hosts(has_ipv6, &extra_hosts(record)?, &gateway, &own)?;
        let files = Files { hosts, lines: hosts::lines(&own)?, has_ipv6, ..Files::default() };
        if !named {
            let resolv = resolv::for_default_network(&host_resolv(), &overrides(record), has_ipv6);
            return Ok(Files { resolv, ..files });
        }
        let answer = resolv::for_user_network(&host_resolv(), &overrides(record), gateway.is_empty());
        Ok(Files { resolv: answer.text, upstreams: answer.upstreams, ndots_set: answer.ndots_set, ..files })
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
        // Seen from there, the host is itself.
        let itself = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let hosts = hosts::hosts_of_host_network(&text("/etc/hosts"), &extra_hosts(record)?, &itself)?;
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
            fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
        }
        Ok(())
    }

    /// Brings the files of a running container from what `before` said to this. Lines that somebody has changed are left
    /// alone, and so is a resolv.conf that is no longer ours.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn follow(&self, before: &Files, container: &Container) -> Result<()> {
        let only = |of: &[String], other: &[String]| of.iter().filter(|line| !other.contains(line)).cloned().collect();
        let (gone, new): (Vec<_>, Vec<_>) = (only(&before.lines, &self.lines), only(&self.lines, &before.lines));
        let ipv6 = if self.has_ipv6 && !before.has_ipv6 { hosts::ipv6_lines() } else { Vec::new() };
        let come = [ipv6, new].concat();
        rewrite(&container.state_dir().join("hosts"), |text| hosts::edited(text, &gone, &come))?;
        let resolv = |text: &str| (text == before.resolv && text != self.resolv).then(|| self.resolv.clone());
        rewrite(&container.state_dir().join("resolv.conf"), resolv)
    }
}

/// Changes a file in its place, if `change` has another text for it.
fn rewrite(path: &Path, change: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let failed = || format!("cannot bring {} up to date", path.display());
    let file = fs::File::options().read(true).write(true).open(path).with_context(failed)?;
    if file.metadata().with_context(failed)?.len() > LARGEST {
        return Ok(());
    }
    let mut text = Vec::new();
    (&file).take(LARGEST).read_to_end(&mut text).with_context(failed)?;
    // What is not UTF-8 is somebody's own, and would be harmed.
    let Some(text) = String::from_utf8(text).ok().and_then(|text| change(&text)) else { return Ok(()) };
    file.write_all_at(text.as_bytes(), 0).with_context(failed)?;
    file.set_len(text.len() as u64).with_context(failed)
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
