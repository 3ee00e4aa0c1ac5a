//! A running container gets another name: what was made under the old one follows.
//!
//! ```text
//! names of each network   both names are written down ─ new published ─ old withdrawn ─ the new alone is written down
//! ifalias                 of the host's ends
//! /run/netns/OLD          journal: NEW ─ link NEW ─ unlink OLD ─ journal: without OLD
//! ```
//!
//! A crash anywhere leaves what teardown finds: the state says all names, the journal all links.

use anyhow::Result;
use netmodes::apply::{Net, apply};
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::modes::bridge;
use netmodes::names::registry;
use netmodes::plan::Step;

use super::network::{names_of, network_state};
use crate::container::record::Attachment;
use crate::container::state::Endpoint;
use crate::container::{Container, Record, State};

/// Carries the name of `container`'s record to its networks, and to `ip netns`. `state` is what is written down.
///
/// # Errors
/// A sentence; what was done until then is written down, and teardown undoes it.
pub fn rename(container: &Container, state: &mut State, kernel: &mut Kernel) -> Result<()> {
    let names: Vec<Vec<String>> = state.endpoints.iter().map(|endpoint| names(&container.record, endpoint)).collect();
    let old: Vec<Vec<String>> = state.endpoints.iter().map(|endpoint| endpoint.names.clone()).collect();
    for (endpoint, names) in state.endpoints.iter_mut().zip(&names) {
        let fresh = names.iter().filter(|name| !endpoint.names.contains(name)).cloned().collect::<Vec<_>>();
        endpoint.names.extend(fresh);
    }
    container.write_state(state)?;
    for ((endpoint, names), old) in state.endpoints.iter_mut().zip(&names).zip(&old) {
        publish(container, endpoint, names, old)?;
        endpoint.names.clone_from(names);
    }
    container.write_state(state)?;
    for endpoint in state.endpoints.iter().filter(|endpoint| !endpoint.host_device.is_empty()) {
        kernel.describe(&endpoint.host_device, &bridge::alias(&container.record.name, &endpoint.network))?;
    }
    rename_netns(container, kernel)
}

/// What it is called on that network from now on.
fn names(record: &Record, endpoint: &Endpoint) -> Vec<String> {
    let wish = record.network.attachments.iter().find(|wish| wish.network == endpoint.network);
    names_of(record, wish.unwrap_or(&Attachment::default()))
}

fn publish(container: &Container, endpoint: &Endpoint, names: &[String], old: &[String]) -> Result<()> {
    let directory = network_state(&container.host, &endpoint.network_id);
    let id = &container.record.id;
    let gone: Vec<&String> = old.iter().filter(|name| !names.contains(name)).collect();
    let all = || names.iter().try_for_each(|name| registry::publish(&directory, name, id, &endpoint.addresses()));
    all()?;
    registry::withdraw(&directory, &gone, id)?;
    // Once more: with the old name went the answer to reverse questions, which the first name now becomes.
    Ok(all()?)
}

/// The link is the monitor's to change, as it alone writes its journal.
fn rename_netns(container: &Container, kernel: &mut Kernel) -> Result<()> {
    let mut journal = Journal::open(&container.journal_path())?;
    let old = journal.steps().iter().find(|step| matches!(step, Step::NamedNetns { .. })).cloned();
    let Some(Step::NamedNetns { name, target }) = old else { return Ok(()) };
    if name == container.record.name {
        return Ok(());
    }
    apply(&[Step::NamedNetns { name: container.record.name.clone(), target: target.clone() }], kernel, &mut journal)?;
    let old = Step::NamedNetns { name, target };
    kernel.del(&old)?;
    Ok(journal.strike(&old)?)
}
