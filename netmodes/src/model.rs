//! The model interpreter: a list in place of the kernel, for tests.
//!
//! ```text
//! add      key absent -> present         key present -> NotOurs
//! del      key present -> absent         absence is forgiven
//! faults   the n-th call is refused, does its work and then fails, or is where the process dies
//! ```

use std::collections::BTreeSet;

use crate::apply::Net;
use crate::error::Error;
use crate::plan::Step;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done.
    Refused,
    /// It is done, and an error is said all the same.
    Half,
    /// It is done, and the process dies: every call from then on fails until [`Model::recover`].
    Crash,
}

/// A kernel that is a list of keys.
#[derive(Clone, Debug, Default)]
pub struct Model {
    objects: BTreeSet<String>,
    calls: usize,
    fault: Option<(usize, Fault)>,
    dead: bool,
}

impl Model {
    /// A kernel that has these objects already.
    pub fn with(steps: &[Step]) -> Model {
        Model { objects: steps.iter().map(Step::key).collect(), ..Model::default() }
    }

    /// The n-th call from now, counted from 0, fails.
    pub fn fail_at(&mut self, n: usize, fault: Fault) {
        self.calls = 0;
        self.fault = Some((n, fault));
    }

    /// A new process: no fault any more.
    pub fn recover(&mut self) {
        self.fault = None;
        self.dead = false;
    }

    /// The keys of what is there.
    pub fn objects(&self) -> &BTreeSet<String> {
        &self.objects
    }

    /// Does the work of a call, with the fault that was asked for.
    fn call(&mut self, step: &Step, work: impl FnOnce(&mut BTreeSet<String>) -> bool) -> Result<(), Error> {
        let fault = self.fault.take_if(|(at, _)| *at == self.calls).map(|(_, fault)| fault);
        self.calls += 1;
        let failed = || Error::Refused(format!("the model fails at: {step}"));
        if self.dead || fault == Some(Fault::Refused) {
            return Err(failed());
        }
        self.dead = fault == Some(Fault::Crash);
        let clean = work(&mut self.objects);
        match fault {
            Some(_) if clean => Err(failed()),
            _ if clean => Ok(()),
            _ => Err(Error::NotOurs(step.noun())),
        }
    }
}

impl Net for Model {
    fn add(&mut self, step: &Step) -> Result<(), Error> {
        self.call(step, |objects| objects.insert(step.key()))
    }

    fn ensure(&mut self, step: &Step) -> Result<(), Error> {
        self.call(step, |objects| {
            objects.insert(step.key());
            true
        })
    }

    fn del(&mut self, step: &Step) -> Result<(), Error> {
        self.call(step, |objects| {
            objects.remove(&step.key());
            true
        })
    }
}
