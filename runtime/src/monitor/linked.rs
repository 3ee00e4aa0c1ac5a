//! Links of the default network: whom the container is linked to, as things are now.
//!
//! ```text
//! record: container, alias ─> its record and state ─> Linked ─┬─ at each start of init     environment
//!                                                             ├─ now and when it changes   lines of /etc/hosts
//!                                                             └─ with icc=false            elements links4, links6
//! <state>/containers/<source>/state.json ─ inotify ─> Watcher ─> the container's own monitor looks again
//! ```
//!
//! The one that is linked to knows nothing of it: nobody has to be told, and no crash can leave anybody untold. While it
//! does not run, there is no line and no element: its address may be another one's by then.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netmodes::modes;
use netmodes::names::hosts::OwnHost;
use netmodes::names::links::{self, Source};
use netmodes::network::{DEFAULT, Network};
use netmodes::plan::Step;
use netmodes::publish;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::service::{Readiness, Service, Watch};
use crate::container::record::{Link, Record};
use crate::container::{Container, Containers, Status};
use crate::host::Host;

/// The file that tells of a start and of an end.
const STATE: &str = "state.json";
/// How often to look where inotify is not to be had (its instances are counted, inotify(7)), or after a look that failed.
const BREATH: Duration = Duration::from_secs(1);

/// A container that is linked to, and runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// What it is called here.
    pub alias: String,
    /// What is told of it.
    pub source: Source,
    /// All its addresses on the default network.
    pub addresses: Vec<std::net::IpAddr>,
}

/// The links of `record` on the default network.
fn links_of(record: &Record) -> &[Link] {
    let attachment = record.network.attachments.iter().find(|attachment| attachment.network == DEFAULT);
    attachment.map_or(&[], |attachment| &attachment.links)
}

/// Those that run; of a container that has been removed, the link went with it.
///
/// # Errors
/// A record that cannot be read.
pub fn present(host: &Host, record: &Record) -> Result<Vec<Linked>> {
    let mut present = Vec::new();
    for link in links_of(record) {
        let Some(container) = Containers::of(host).load(&link.container)? else { continue };
        present.extend(linked(&container, link)?);
    }
    Ok(present)
}

/// As `inspect` shows them: `/container:/own name/alias`, of containers that are there.
///
/// # Errors
/// A record that cannot be read.
pub fn shown(host: &Host, record: &Record) -> Result<Vec<String>> {
    let mut shown = Vec::new();
    for link in links_of(record) {
        let Some(container) = Containers::of(host).load(&link.container)? else { continue };
        shown.push(format!("/{}:/{}/{}", container.record.name, record.name, link.alias));
    }
    Ok(shown)
}

/// All of them, for a start: each has to run, and on the default network. One that has been removed cannot: to start
/// without it would hide that from the program.
///
/// # Errors
/// Docker's sentences for one that does not.
pub fn all(host: &Host, record: &Record) -> Result<Vec<Linked>> {
    let mut all = Vec::new();
    for link in links_of(record) {
        let refused =
            |name: &str| format!("Cannot link to a non running container: /{name} AS /{}/{}", record.name, link.alias);
        let Some(container) = Containers::of(host).load(&link.container)? else {
            bail!("{}: it has been removed", refused(&link.container[..12.min(link.container.len())]));
        };
        let name = &container.record.name;
        if !container.record.network.attachments.iter().any(|attachment| attachment.network == DEFAULT) {
            bail!("Cannot link to /{name}, as it does not belong to the default network");
        }
        let Some(linked) = linked(&container, link)? else {
            bail!(refused(name));
        };
        all.push(linked);
    }
    Ok(all)
}

/// What there is to tell of it now; nothing if it does not run on the default network.
fn linked(container: &Container, link: &Link) -> Result<Option<Linked>> {
    let state = container.state()?;
    if state.status != Status::Running || !container.is_supervised()? {
        return Ok(None);
    }
    let endpoint = state.endpoints.iter().find(|endpoint| endpoint.network == DEFAULT);
    let addresses = endpoint.map(|endpoint| endpoint.addresses()).unwrap_or_default();
    let Some(address) = addresses.first().copied() else { return Ok(None) };
    let record = &container.record;
    let mut exposed = Vec::new();
    for word in &record.network.expose {
        exposed.extend(publish::parse_exposed(word)?);
    }
    exposed.sort_unstable();
    let source = Source {
        name: record.name.clone(),
        hostname: record.hostname.clone(),
        address,
        exposed,
        environment: record.process.env.clone(),
    };
    Ok(Some(Linked { alias: link.alias.clone(), source, addresses }))
}

/// The container's variables, and behind them those of its links that the person has not set.
pub fn environment(record: &Record, linked: &[Linked]) -> Vec<String> {
    let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    let own: Vec<String> = record.process.env.iter().map(|word| name(word)).collect();
    let told = linked.iter().flat_map(|linked| links::environment(&record.name, &linked.alias, &linked.source));
    record.process.env.iter().cloned().chain(told.filter(|word| !own.contains(&name(word)))).collect()
}

/// Lines of /etc/hosts: one for each address.
pub fn hosts(linked: &[Linked]) -> Vec<OwnHost> {
    let lines = |linked: &Linked| {
        let names = links::host_names(&linked.alias, &linked.source);
        linked.addresses.clone().into_iter().map(move |address| OwnHost { address, names: names.clone() })
    };
    linked.iter().flat_map(lines).collect()
}

/// What the links open for a container that has `from` on the default network `network`.
pub fn elements(network: &Network, from: &[std::net::IpAddr], linked: &[Linked]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for linked in linked {
        let each = modes::links::plan(network, from, &linked.addresses, &linked.source.exposed);
        // Two names for one container open the same ports.
        let new: Vec<Step> = each.into_iter().filter(|step| !steps.contains(step)).collect();
        steps.extend(new);
    }
    steps
}

/// Says when it is time to look at the links again.
#[derive(Default)]
pub struct Watcher {
    inotify: Option<Inotify>,
    again: Option<Instant>,
    is_stirred: bool,
}

impl Watcher {
    /// Watches the state directories of those that `record` links to; nothing at all if it links to nobody. To be made
    /// before the first look: what changes between the two is seen twice and not missed.
    pub fn of(host: &Host, record: &Record) -> Watcher {
        if links_of(record).is_empty() {
            return Watcher::default();
        }
        let inotify = watch(host, record).ok();
        let again = inotify.is_none().then(|| Instant::now() + BREATH);
        Watcher { inotify, again, is_stirred: false }
    }

    /// Whether something has changed since the last question.
    pub fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.is_stirred)
    }

    /// A look has failed, and is to be tried again.
    pub fn retry(&mut self) {
        self.again = Some(Instant::now() + BREATH);
    }
}

fn watch(host: &Host, record: &Record) -> Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).context("cannot watch links")?;
    let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
    for link in links_of(record) {
        let directory = host.state.join("containers").join(&link.container);
        // One that is not there has been removed, and no start brings it back.
        let _ = inotify.add_watch(&directory, flags);
    }
    Ok(inotify)
}

impl Service for Watcher {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.extend(self.inotify.as_ref().map(|inotify| Watch::read(inotify.as_fd().as_raw_fd())));
    }

    fn deadline(&self) -> Option<Instant> {
        self.again
    }

    fn ready(&mut self, _: RawFd, _: Readiness) {
        let Some(inotify) = &self.inotify else { return };
        while let Ok(events) = inotify.read_events() {
            // An overflow has no name, and may have been anything.
            self.is_stirred |= events.iter().any(|event| event.name.as_ref().is_none_or(|name| name == STATE));
        }
    }

    fn expired(&mut self, now: Instant) {
        self.is_stirred = true;
        self.again = self.inotify.is_none().then_some(now + BREATH);
    }
}
