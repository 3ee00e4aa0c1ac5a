//! A container that runs gets other networks: what changes, decided before anything is done.
//!
//! ```text
//! record (what shall be) ──┐                     arriving   networks that are new
//! attached (what is) ──────┼─> Change (pure) ──> leaving    networks that are gone
//! outlet, ports ───────────┘                     off, on    default routes and published ports that move with them
//! ```
//!
//! The monitor does it (`following`), `--dry-run` only says it; both decide it here.

use anyhow::Result;
use netmodes::modes::outlet::{self, Leg};
use netmodes::plan::Step;
use netmodes::publish::Mapping;

use super::Attached;
use crate::container::Record;
use crate::container::record::Attachment;

/// What is to be done.
#[derive(Debug)]
pub struct Change {
    /// Networks that the record names and the container is not on.
    pub arriving: Vec<Attached>,
    /// Networks that the container is on and the record does not name.
    pub leaving: Vec<Attached>,
    /// The others.
    pub staying: Vec<Attached>,
    /// Of the way out: what goes.
    pub off: Vec<Step>,
    /// What comes.
    pub on: Vec<Step>,
}

impl Change {
    /// Compares. `arrive` prepares a new attachment, with the number of its interface; what it has prepared is in
    /// `arriving` even if a later one fails.
    ///
    /// # Errors
    /// Those of `arrive`, with what arrived before.
    pub fn of(
        record: &Record,
        attached: Vec<Attached>,
        (outlet, mappings): (&[Step], &[Mapping]),
        mut arrive: impl FnMut(&Attachment, usize) -> Result<Attached>,
    ) -> Result<Change, (anyhow::Error, Vec<Attached>, Vec<Attached>)> {
        let wishes = &record.network.attachments;
        let is_wished = |one: &Attached| wishes.iter().any(|wish| wish.network == one.network.name);
        let (staying, leaving): (Vec<Attached>, Vec<Attached>) = attached.into_iter().partition(is_wished);
        let mut arriving: Vec<Attached> = Vec::new();
        for wish in wishes.iter().filter(|wish| staying.iter().all(|one| one.network.name != wish.network)) {
            let number = free_number(staying.iter().chain(&leaving).chain(&arriving));
            match arrive(wish, number) {
                Ok(one) => arriving.push(one),
                Err(error) => return Err((error, arriving, staying.into_iter().chain(leaving).collect())),
            }
        }
        let mut change = Change { arriving, leaving, staying, off: Vec::new(), on: Vec::new() };
        let wanted = outlet::plan(&change.legs(record), mappings);
        change.off = outlet.iter().filter(|step| !wanted.contains(step)).cloned().collect();
        change.on = wanted.into_iter().filter(|step| !outlet.contains(step)).collect();
        Ok(change)
    }

    /// Every attachment that there will be, in the order of the record, which decides between equals.
    fn legs(&self, record: &Record) -> Vec<Leg<'_>> {
        let all = || self.staying.iter().chain(&self.arriving);
        let wishes = record.network.attachments.iter();
        wishes.filter_map(|wish| all().find(|one| one.network.name == wish.network)).map(Attached::leg).collect()
    }

    /// Nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.arriving.is_empty() && self.leaving.is_empty() && self.off.is_empty() && self.on.is_empty()
    }
}

/// The lowest number of an interface that none of these has.
fn free_number<'a>(attached: impl Iterator<Item = &'a Attached>) -> usize {
    let taken: Vec<&str> = attached.map(|one| one.endpoint.interface.as_str()).collect();
    (0..).find(|number| !taken.contains(&format!("eth{number}").as_str())).unwrap_or_default()
}
