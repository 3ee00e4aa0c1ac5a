//! The whole firewall at once: after `nft flush ruleset`.
//!
//! ```text
//! one transaction:  tables, where they are not whole ─ elements, up to a thousand ─ (further transactions: the others)
//!                   an element that is somebody else's spoils all of it: it is left out, and the rest is sent again
//! ```
//!
//! Nobody sees half of it: a table without the elements of `enter` would let everybody in.

use nix::errno::Errno;

use super::{Kernel, Refusal, tried};
use crate::error::Error;
use crate::nft::{self, Element, Transaction};
use crate::plan::Step;

/// Elements of one transaction. Each is some hundred bytes, and a socket sends 200 kB at once.
const MOST: usize = 1000;

impl Kernel {
    /// Tables and elements that are not there.
    pub(super) fn ensure_firewall(&mut self, steps: &[&Step]) -> Result<(), Error> {
        let mut tables = self.missing_tables(steps)?;
        let elements: Vec<&Element> = steps
            .iter()
            .filter_map(|step| if let Step::Element(element) = step { Some(element) } else { None })
            .collect();
        // Flows of a mapping that has been there all the time go on.
        let missing: Vec<&Element> = elements.iter().copied().filter(|element| self.is_missing(element)).collect();
        let mut done = Ok(());
        for some in elements.chunks(MOST) {
            done = done.and(self.ensure_elements(std::mem::take(&mut tables), some));
        }
        if tables.len() > 0 {
            done = done.and(self.ensure_elements(tables, &[]));
        }
        missing.into_iter().try_for_each(|element| self.forget_older_flows(element))?;
        done
    }

    /// Is it a mapping that is not there? Others have no flows that pass them by.
    fn is_missing(&mut self, element: &Element) -> bool {
        matches!(element, Element::Publish { .. }) && self.host.netfilter.send(element.query()).is_err()
    }

    fn missing_tables(&mut self, steps: &[&Step]) -> Result<Transaction, Error> {
        let mut wanted =
            steps.iter().filter_map(|step| if let Step::Table { bridge } = step { Some(*bridge) } else { None });
        let Some(first) = wanted.next() else { return Ok(Transaction::default()) };
        let bridge = wanted.fold(first, |any, one| any || one);
        if self.has_tables(bridge)? {
            return Ok(Transaction::default());
        }
        self.rebuilt = true;
        Ok(nft::tables(bridge))
    }

    /// One transaction; again without each element that is not ours.
    fn ensure_elements(&mut self, tables: Transaction, elements: &[&Element]) -> Result<(), Error> {
        let first = tables.len();
        let all = elements.iter().fold(tables.clone(), |all, element| all.and(element.add(false)));
        match self.host.netfilter.send(all.into_batch()) {
            Ok(_) => Ok(()),
            Err(Refusal { errno: Errno::EEXIST, request, .. })
                if request > first && request <= first + elements.len() =>
            {
                // The frame's beginning is message 0.
                let (before, after) = elements.split_at(request - first - 1);
                let Some((foreign, after)) = after.split_first() else { return Ok(()) };
                self.ensure_elements(tables, &[before, after].concat())?;
                Err(Error::NotOurs(Step::Element((*foreign).clone()).noun()))
            }
            Err(refusal) => Err(tried("put the firewall back")(refusal)),
        }
    }
}
