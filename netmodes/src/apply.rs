//! Doing a plan, and undoing what a journal says.
//!
//! ```text
//! apply   for each step:  journal line -> kernel       an error leaves the journal, for undo
//!                         EEXIST: not ours             the line comes out again, the object is left alone
//! undo    newest first:   kernel                       forgives absence; steps that fail stay in the journal
//! withdraw                the same for some steps of a container that lives on: also what is inside goes
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Error;
use crate::journal::Journal;
use crate::plan::Step;

/// What a plan is done to: the kernel, or the model.
pub trait Net {
    /// Makes the object, which must not be there.
    ///
    /// # Errors
    /// [`Error::NotOurs`] if it is there.
    fn add(&mut self, step: &Step) -> Result<(), Error>;

    /// Makes the object, or finds it as it should be.
    ///
    /// # Errors
    /// [`Error::NotOurs`] if something else is there in its place.
    fn ensure(&mut self, step: &Step) -> Result<(), Error>;

    /// Makes many objects, or finds them as they should be: at once, where that can be done.
    ///
    /// # Errors
    /// The first that could not be made; the others are there.
    fn ensure_all(&mut self, steps: &[Step]) -> Result<(), Error> {
        let refusals: Vec<Error> = steps.iter().filter_map(|step| self.ensure(step).err()).collect();
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    /// Deletes the object; one that is not there is no error.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn del(&mut self, step: &Step) -> Result<(), Error>;

    /// Deletes the object of a container that lives on: also what would otherwise die with its namespace.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn withdraw(&mut self, step: &Step) -> Result<(), Error> {
        self.del(step)
    }

    /// Does what deletions have left to be done once, after the last of them.
    fn settle(&mut self) {}
}

/// Makes the steps in their order.
///
/// # Errors
/// The first step that failed. What was made until then is in the journal: [`undo`] clears it.
pub fn apply(steps: &[Step], net: &mut impl Net, journal: &mut Journal) -> Result<(), Error> {
    for step in steps {
        journal.begin(step)?;
        let result = net.add(step);
        if result.as_ref().is_err_and(Error::is_not_ours) {
            journal.strike(step)?;
        }
        result?;
    }
    Ok(())
}

/// Makes the steps that are not there. What is there and ours is left as it is.
///
/// # Errors
/// As [`apply`]'s.
pub fn ensure(steps: &[Step], net: &mut impl Net, journal: &mut Journal) -> Result<(), Error> {
    for step in steps {
        journal.begin_once(step)?;
        let result = net.ensure(step);
        // Perhaps it was ours once, and somebody put his own in its place.
        if result.as_ref().is_err_and(Error::is_not_ours) {
            journal.strike(step)?;
        }
        result?;
    }
    Ok(())
}

/// Puts back the firewall that these journals tell of, after somebody flushed the ruleset: all of it at once. What is
/// there stays. The journals are other people's, who may be undoing them at this moment: what is in none of them any more
/// afterwards is taken out again.
///
/// # Errors
/// What the kernel refuses; the rest is there.
pub fn reinstate(journals: &[PathBuf], net: &mut impl Net) -> Result<(), Error> {
    let steps = firewall(journals)?;
    let put_back = net.ensure_all(&steps);
    let left: BTreeSet<Step> = firewall(journals)?.into_iter().collect();
    let gone = steps.iter().filter(|step| !left.contains(step)).try_for_each(|step| net.del(step));
    net.settle();
    put_back.and(gone)
}

/// Tables and elements, each once, in the order of the journals.
fn firewall(journals: &[PathBuf]) -> Result<Vec<Step>, Error> {
    let (mut steps, mut known) = (Vec::new(), BTreeSet::new());
    for journal in journals {
        let found = Journal::look(journal)?;
        let firewall = found.into_iter().filter(|step| matches!(step, Step::Table { .. } | Step::Element(_)));
        steps.extend(firewall.filter(|step| known.insert(step.clone())));
    }
    Ok(steps)
}

/// Deletes everything that the journal says, newest first, and then the journal. What could not be deleted stays in
/// it; the errors say why.
pub fn undo(journal: &mut Journal, net: &mut impl Net) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut left = Vec::new();
    for step in journal.steps().iter().rev() {
        if let Err(error) = net.del(step) {
            errors.push(error);
            left.push(step.clone());
        }
    }
    net.settle();
    left.reverse();
    if let Err(error) = journal.keep(left) {
        errors.push(error);
    }
    errors
}

/// Takes these steps back, newest first, from a container that lives on.
///
/// # Errors
/// The first step that could not be taken back; it and those before it stay in the journal.
pub fn withdraw(steps: &[Step], net: &mut impl Net, journal: &mut Journal) -> Result<(), Error> {
    let mut gone = BTreeSet::new();
    let withdrawn = steps.iter().rev().try_for_each(|step| {
        net.withdraw(step)?;
        gone.insert(step.key());
        Ok(())
    });
    net.settle();
    // Once for all: a thousand ports would write a thousand journals.
    journal.keep(journal.steps().iter().filter(|step| !gone.contains(&step.key())).cloned().collect())?;
    withdrawn
}

#[cfg(test)]
mod sequences;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Fault, Model};
    use crate::modes::tests::{bridge_plan, published};

    /// A journal of its own, and its directory.
    fn journal() -> (Journal, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Journal::open(&directory.path().join("journal")).unwrap(), directory)
    }

    fn end_to_end(model: &mut Model, steps: &[Step]) {
        let (mut journal, directory) = journal();
        let path = directory.path().join("journal");
        let _ = apply(steps, model, &mut journal);
        // Somebody else, after a crash: all that there is is the file.
        drop(journal);
        model.recover();
        let errors = undo(&mut Journal::open(&path).unwrap(), model);
        assert!(errors.is_empty(), "{errors:?}");
        assert!(!path.exists());
    }

    #[test]
    fn a_fault_or_a_crash_at_every_step_ends_as_it_began() {
        let steps = published().own;
        assert!(steps.len() > 12);
        for fault in [Fault::Refused, Fault::Half, Fault::Crash] {
            for at in 0..steps.len() {
                let mut model = Model::with(&published().shared);
                let before = model.clone();
                model.fail_at(at, fault);
                end_to_end(&mut model, &steps);
                assert_eq!(model.objects(), before.objects(), "{fault:?} at {}", steps[at]);
            }
        }
    }

    #[test]
    fn what_is_not_ours_survives() {
        let steps = published().own;
        for foreign in &steps {
            let mut model = Model::with(&published().shared);
            model.add(foreign).unwrap();
            let before = model.clone();
            end_to_end(&mut model, &steps);
            assert_eq!(model.objects(), before.objects(), "{foreign}");
        }
    }

    /// A kernel in which the journal's owner ends as soon as somebody puts something of his back.
    struct Meanwhile<'a> {
        model: &'a mut Model,
        journal: &'a Path,
    }

    impl Net for Meanwhile<'_> {
        fn add(&mut self, step: &Step) -> Result<(), Error> {
            self.model.add(step)
        }

        fn ensure(&mut self, step: &Step) -> Result<(), Error> {
            assert!(undo(&mut Journal::open(self.journal)?, self.model).is_empty());
            self.model.ensure(step)
        }

        fn del(&mut self, step: &Step) -> Result<(), Error> {
            self.model.del(step)
        }
    }

    #[test]
    fn what_is_withdrawn_is_gone_and_the_rest_stays() {
        let (mut journal, _directory) = journal();
        let steps = published().own;
        let mut model = Model::with(&published().shared);
        apply(&steps[..10], &mut model, &mut journal).unwrap();
        let before = model.clone();
        apply(&steps[10..], &mut model, &mut journal).unwrap();
        withdraw(&steps[10..], &mut model, &mut journal).unwrap();
        assert_eq!(model.objects(), before.objects());
        assert_eq!(journal.steps(), &steps[..10]);
    }

    #[test]
    fn what_its_owner_undoes_meanwhile_is_not_put_back() {
        let (mut journal, directory) = journal();
        let path = directory.path().join("journal");
        let mut model = Model::with(&published().shared);
        let before = model.clone();
        apply(&published().own, &mut model, &mut journal).unwrap();
        reinstate(std::slice::from_ref(&path), &mut Meanwhile { model: &mut model, journal: &path }).unwrap();
        assert_eq!(model.objects(), before.objects());
    }

    #[test]
    fn a_look_at_a_journal_changes_nothing() {
        let (mut journal, directory) = journal();
        let path = directory.path().join("journal");
        let steps = published().own;
        apply(&steps, &mut Model::with(&published().shared), &mut journal).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.truncate(text.len() - 4);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(Journal::look(&path).unwrap(), steps[..steps.len() - 1]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "its writer goes on");
    }

    #[test]
    fn undo_that_fails_can_be_done_again() {
        let steps = bridge_plan().own;
        let (mut journal, _directory) = journal();
        let mut model = Model::default();
        apply(&steps, &mut model, &mut journal).unwrap();
        model.fail_at(2, Fault::Refused);
        let errors = undo(&mut journal, &mut model);
        assert_eq!((errors.len(), journal.steps().len()), (1, 1));
        assert!(undo(&mut journal, &mut model).is_empty());
        assert!(model.objects().is_empty());
    }

    #[test]
    fn ensuring_twice_changes_nothing_and_repairs_what_a_foreign_hand_removed() {
        let steps = bridge_plan().shared;
        let (mut journal, _directory) = journal();
        let mut model = Model::default();
        ensure(&steps, &mut model, &mut journal).unwrap();
        let whole = model.clone();
        for step in &steps {
            model.del(step).unwrap();
            ensure(&steps, &mut model, &mut journal).unwrap();
            assert_eq!(model.objects(), whole.objects());
        }
        assert_eq!(journal.steps().len(), steps.len());
        assert!(undo(&mut journal, &mut model).is_empty());
        assert!(model.objects().is_empty());
    }
}
