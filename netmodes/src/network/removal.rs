//! Removing a network, in two parts: deleting a bridge takes the kernel some 30 ms, which nobody should wait for.
//!
//! ```text
//! remove           no endpoints? -> all in the journal -> record gone (the network is gone) -> bridge down (nothing passes any more)
//! finish_removal   state without a record: lock -> undo its journal (bridge, elements) -> directory gone
//! ```
//!
//! Anybody may finish, at any time later: the next command, or a `create` that wants the same device or subnet.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{DEFAULT, NameOf, Network, Networks, record};
use crate::apply::{self, Net};
use crate::error::Error;
use crate::facts::Facts;
use crate::journal::Journal;
use crate::lock::Lock;
use crate::modes;
use crate::plan::{Place, Step};

impl Networks {
    /// Removes a network. `name_of` gives a container's name for its id, for the refusal: every lease is an endpoint.
    ///
    /// # Errors
    /// It is the default network, has endpoints, or is not there any more.
    pub fn remove(&self, network: &Network, name_of: NameOf<'_>, net: &mut impl Net) -> Result<(), Error> {
        check_default(network)?;
        let _store = self.lock_store()?;
        let _lock = self.lock(network)?;
        self.check_unused(network, name_of)?;
        let made = self.write_down(network)?;
        record::remove(&self.records, network)?;
        let _ = fs::remove_dir_all(self.reserved_directory(network));
        if made { net.del(&Step::Up { place: Place::Host, device: network.bridge.clone() }) } else { Ok(()) }
    }

    /// What a removal would undo. Nothing is removed, and no lock is taken.
    ///
    /// # Errors
    /// As [`Networks::remove`].
    pub fn foresee_removal(&self, network: &Network, name_of: NameOf<'_>) -> Result<Vec<Step>, Error> {
        check_default(network)?;
        self.check_unused(network, name_of)?;
        Ok(to_undo(network))
    }

    fn check_unused(&self, network: &Network, name_of: NameOf<'_>) -> Result<(), Error> {
        let mut owners: Vec<String> = self.leases(network)?.into_iter().map(|(_, owner)| owner).collect();
        // One with addresses of both families is one endpoint.
        owners.sort_unstable();
        owners.dedup();
        let endpoints: Vec<String> = owners.iter().map(|owner| in_words(owner, name_of)).collect();
        if endpoints.is_empty() {
            return Ok(());
        }
        let (name, endpoints) = (&network.name, endpoints.join(", "));
        let text = format!("error while removing network: network {name} has active endpoints ({endpoints})");
        Err(Error::Refused(text))
    }

    /// Writes the journal for `finish_removal`: the bridge and the elements, all that the network can have in the
    /// kernel, should the state directory have been lost; the rest goes with the bridge, and on a device that somebody
    /// else has put in its place it is none of our business. Was the bridge in the journal, and so made by us?
    pub(super) fn write_down(&self, network: &Network) -> Result<bool, Error> {
        let mut journal = Journal::open(&self.directory(network).join("journal"))?;
        let steps = to_undo(network);
        let made = steps.iter().any(|step| matches!(step, Step::Bridge { .. }) && journal.holds(step));
        journal.keep(steps)?;
        Ok(made)
    }

    /// Is there a removal that somebody should finish, or the draft of a record whose writer was killed? One look at two
    /// directories.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn has_unfinished_removals(&self) -> Result<bool, Error> {
        let draft = record::draft(&self.records);
        let is_drafted = draft.try_exists().map_err(|error| Error::file("look for", &draft, error))?;
        Ok(is_drafted || !self.unfinished()?.is_empty())
    }

    /// Deletes what is left of removed networks. What could not be deleted is tried again next time.
    pub fn finish_removal(&self, net: &mut impl Net) -> Vec<Error> {
        match self.unfinished() {
            Err(error) => vec![error],
            Ok(ids) => ids.iter().flat_map(|id| self.finish(id, net)).collect(),
        }
    }

    /// Removes the draft of a record whose writer was killed: under the store's lock there is no other.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove_draft(&self) -> Result<(), Error> {
        let _store = self.lock_store()?;
        let draft = record::draft(&self.records);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", &draft, error)),
            _ => Ok(()),
        }
    }

    fn finish(&self, id: &str, net: &mut impl Net) -> Vec<Error> {
        let directory = self.state.join(id);
        let mut undone = || -> Result<Vec<Error>, Error> {
            let _lock = Lock::wait(&directory.join("lock"))?;
            if self.unfinished()?.iter().all(|unfinished| unfinished != id) {
                return Ok(Vec::new());
            }
            let errors = apply::undo(&mut Journal::open(&directory.join("journal"))?, net);
            if errors.is_empty() {
                fs::remove_dir_all(&directory).map_err(|error| Error::file("remove", &directory, error))?;
            }
            Ok(errors)
        };
        match undone() {
            // Somebody else was quicker.
            Err(Error::System { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.unwrap_or_else(|error| vec![error]),
        }
    }

    /// The ids of state directories without a record. The state is read first: a record is written before its state is
    /// made, so none of them is a network that is being made.
    fn unfinished(&self) -> Result<Vec<String>, Error> {
        let directories = match fs::read_dir(&self.state) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| Error::file("read", &self.state, error))?,
        };
        let ids: Vec<String> = directories.flatten().filter_map(|entry| id_of(&entry.path())).collect();
        let entries = record::entries(&self.records)?;
        Ok(ids.into_iter().filter(|id| entries.iter().all(|entry| entry.id != *id)).collect())
    }
}

fn check_default(network: &Network) -> Result<(), Error> {
    if !network.is_default() {
        return Ok(());
    }
    Err(Error::Refused(format!("{DEFAULT} is a pre-defined network and cannot be removed")))
}

/// The bridge and the elements. What undoing needs of the steps does not depend on facts.
fn to_undo(network: &Network) -> Vec<Step> {
    let mut steps = modes::shared(network, &Facts::default());
    steps.retain(|step| matches!(step, Step::Bridge { .. } | Step::Element(_)));
    steps
}

/// The id that a state directory is named by; nothing else is touched.
fn id_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_string())
}

/// `name:"web" id:"0123456789ab"`
fn in_words(owner: &str, name_of: NameOf<'_>) -> String {
    format!("name:\"{}\" id:\"{owner:.12}\"", name_of(owner).unwrap_or_default())
}
