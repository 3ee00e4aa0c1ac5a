//! A container that joins and leaves networks in any order, with faults and crashes in between, on the model.
//!
//! ```text
//!   attach n ── apply, its own journal ──┬── done                 what is there == shared + what the attached have made
//!                                        ├── refused, half-done ── undo
//!                                        └── crash ── another process, which has the files alone ── undo
//!   detach n ── undo of that journal alone, perhaps after a crash of its first attempt
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::{apply, undo};
use crate::journal::Journal;
use crate::model::{Fault, Model};
use crate::modes::tests::{facts, request};
use crate::modes::{Request, bridge};
use crate::network::Network;
use crate::plan::Step;

/// Networks that the container may join.
const NETWORKS: u8 = 4;

/// What happens to one attachment, and at which call something goes wrong (often behind the last one: then nothing does).
#[derive(Clone, Debug)]
struct Event {
    network: u8,
    at: usize,
    fault: Fault,
}

fn event() -> impl Strategy<Value = Event> {
    let fault = prop_oneof![Just(Fault::Refused), Just(Fault::Half), Just(Fault::Crash)];
    (0..NETWORKS, 0..24usize, fault).prop_map(|(network, at, fault)| Event { network, at, fault })
}

fn network(n: u8) -> Network {
    let mut network = Network::sample("my-net", &format!("172.{}.0.0/16", 18 + n));
    network.bridge = format!("br-{n}");
    network
}

fn steps(n: u8) -> Vec<Step> {
    let request = Request {
        interface: format!("eth{n}"),
        addresses: vec![[172, 18 + n, 0, 2].into()],
        start: n.into(),
        ..request()
    };
    bridge::plan(&request, &network(n), &facts()).own
}

/// A host with a container that is attached to nothing, and its journals.
struct Scene {
    model: Model,
    directory: tempfile::TempDir,
    attached: BTreeMap<u8, Vec<Step>>,
    shared: BTreeSet<String>,
}

impl Scene {
    fn new() -> Self {
        let shared: Vec<Step> = (0..NETWORKS).flat_map(|n| bridge::shared(&network(n), &facts())).collect();
        let model = Model::with(&shared);
        let shared = model.objects().clone();
        Scene { model, directory: tempfile::tempdir().unwrap(), attached: BTreeMap::new(), shared }
    }

    fn journal(&self, n: u8) -> PathBuf {
        self.directory.path().join(format!("journal.{n}"))
    }

    /// Whoever comes next has the file alone.
    fn recover(&mut self, n: u8) {
        self.model.recover();
        let errors = undo(&mut Journal::open(&self.journal(n)).unwrap(), &mut self.model);
        assert!(errors.is_empty(), "{errors:?}");
    }

    fn attach(&mut self, event: &Event) {
        let steps = steps(event.network);
        let mut journal = Journal::open(&self.journal(event.network)).unwrap();
        self.model.fail_at(event.at, event.fault);
        match apply(&steps, &mut self.model, &mut journal) {
            Ok(()) => drop(self.attached.insert(event.network, steps)),
            Err(_) => self.recover(event.network),
        }
        self.model.recover();
    }

    fn detach(&mut self, event: &Event) {
        self.attached.remove(&event.network);
        self.model.fail_at(event.at, event.fault);
        let _ = undo(&mut Journal::open(&self.journal(event.network)).unwrap(), &mut self.model);
        self.recover(event.network);
    }

    /// What should be there, and which journals.
    fn check(&self) {
        let own = self.attached.values().flatten().map(Step::key);
        let expected: BTreeSet<String> = self.shared.iter().cloned().chain(own).collect();
        assert_eq!(self.model.objects(), &expected);
        for n in 0..NETWORKS {
            let written = Journal::look(&self.journal(n)).unwrap();
            assert_eq!(&written, self.attached.get(&n).unwrap_or(&Vec::new()), "the journal of network {n}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn networks_are_joined_and_left_in_any_order_with_faults_between(events in proptest::collection::vec(event(), 1..24)) {
        let mut scene = Scene::new();
        for event in events {
            match scene.attached.contains_key(&event.network) {
                false => scene.attach(&event),
                true => scene.detach(&event),
            }
            scene.check();
        }
    }
}
