//! The record of a running container says something else about its networks: the monitor follows.
//!
//! ```text
//! Change ─ state: what arrives ─ arriving: apply ─ off: withdraw ─ leaving: detach ─ on: apply ─ state ─ names
//!              └──── fails: what arrived is detached, and all is as before ────┘
//! ```
//!
//! The record is written by the command before, so a crash anywhere is an ordinary one: teardown finds in the state what
//! was leased and in the journals what was made, and the next start does what the record says.

use anyhow::{Context, Result};
use netmodes::apply::{apply, withdraw};
use netmodes::journal::Journal;
use netmodes::plan::Step;

use super::change::Change;
use super::{Attached, Connection};
use crate::container::record::Attachment;
use crate::container::state::Endpoint;
use crate::container::{Container, State};

impl Connection {
    /// Makes the networks what `container`'s record says. `tell` hears what is about to be done.
    ///
    /// # Errors
    /// A sentence. If a network could not be joined, everything is as it was before.
    pub fn follow(&mut self, container: &Container, state: &mut State, tell: &mut dyn FnMut(&Change)) -> Result<()> {
        let before = self.landing();
        let change = self.decide(container, state)?;
        if change.is_empty() {
            self.attached = change.staying;
            return Ok(());
        }
        tell(&change);
        let Change { mut arriving, leaving, mut staying, off, on } = change;
        if let Err(error) = arriving.iter_mut().try_for_each(|one| one.apply(container, &mut self.kernel)) {
            staying.extend(leaving);
            self.attached = staying;
            self.turn_away(container, state, &arriving)?;
            return Err(error);
        }
        self.attached = in_order(container, staying.into_iter().chain(arriving).collect());
        let moved = self.let_go(container, &off, &leaving).and_then(|()| self.take(container, on));
        let moved = moved.and_then(|()| match self.landing() == before {
            true => self.lead_ports(),
            false => self.publish_anew(container),
        });
        if moved.is_err() {
            // What could not be left is still there, for the next attempt and for teardown.
            self.attached.extend(leaving);
        }
        state.endpoints = self.endpoints();
        state.ports = self.mappings.clone();
        container.write_state(state)?;
        moved.and_then(|()| self.renew_names(container))
    }

    fn decide(&mut self, container: &Container, state: &mut State) -> Result<Change> {
        let attached = std::mem::take(&mut self.attached);
        let kernel = &mut self.kernel;
        let arrive = |wish: &Attachment, number| {
            note(container, state, wish)?;
            let one = Attached::prepare(container, wish, number, kernel)?;
            // From here on the state says what was leased and which names there will be.
            state.endpoints.retain(|endpoint| endpoint.network_id != one.network.id);
            state.endpoints.push(one.endpoint.clone());
            container.write_state(state)?;
            Ok(one)
        };
        match Change::of(&container.record, attached, (&self.outlet, &self.mappings), arrive) {
            Ok(change) => Ok(change),
            Err((error, arrived, before)) => {
                self.attached = before;
                self.turn_away(container, state, &arrived)?;
                Err(error)
            }
        }
    }

    /// A network could not be joined: those that were joined with it are left again.
    fn turn_away(&mut self, container: &Container, state: &mut State, arrived: &[Attached]) -> Result<()> {
        for one in arrived {
            one.detach(container, &mut self.kernel).context("and the network could not be left again")?;
        }
        let networks = super::networks(&container.host)?;
        let stays = |endpoint: &&Endpoint| self.attached.iter().any(|one| one.network.id == endpoint.network_id);
        for endpoint in state.endpoints.iter().filter(|endpoint| !stays(endpoint)) {
            super::forget(container, endpoint, &networks)?;
        }
        state.endpoints = self.endpoints();
        container.write_state(state)
    }

    fn let_go(&mut self, container: &Container, off: &[Step], leaving: &[Attached]) -> Result<()> {
        let mut journal = self.open_outlet(container)?;
        let withdrawn = withdraw(off, &mut self.kernel, &mut journal);
        self.journal = Some(journal);
        withdrawn?;
        self.outlet.retain(|step| !off.contains(step));
        leaving.iter().try_for_each(|one| one.detach(container, &mut self.kernel))
    }

    pub(super) fn take(&mut self, container: &Container, on: Vec<Step>) -> Result<()> {
        let mut journal = self.open_outlet(container)?;
        let applied = on.into_iter().try_for_each(|step| {
            apply(std::slice::from_ref(&step), &mut self.kernel, &mut journal)?;
            self.outlet.push(step);
            Ok(())
        });
        self.journal = Some(journal);
        applied
    }

    /// The journal of the way out. It stays open: to read a thousand ports takes longer than to publish one more.
    pub(super) fn open_outlet(&mut self, container: &Container) -> Result<Journal> {
        match self.journal.take() {
            Some(journal) => Ok(journal),
            None => Ok(Journal::open(&container.journal_of("outlet"))?),
        }
    }
}

/// Before anything is leased: teardown is to look for it on this network.
fn note(container: &Container, state: &mut State, wish: &Attachment) -> Result<()> {
    let network = super::networks(&container.host)?.find(&wish.network)?;
    let endpoint = Endpoint { network: network.name, network_id: network.id, ..Endpoint::default() };
    state.endpoints.push(endpoint);
    container.write_state(state)
}

/// As the record has them.
fn in_order(container: &Container, mut attached: Vec<Attached>) -> Vec<Attached> {
    let wishes = &container.record.network.attachments;
    attached.sort_by_key(|one| wishes.iter().position(|wish| wish.network == one.network.name));
    attached
}
