//! The store of networks: finding, making, attaching to them.
//!
//! ```text
//! find     full id, else full name, else unique prefix of an id; "bridge" is made on first use
//! ensure   network lock: what the journal and the kernel lack
//! lock     store first, then a network's; whoever removes a network holds both
//! ```

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{DEFAULT, Network, record};
use crate::apply::{self, Net};
use crate::error::Error;
use crate::journal::Journal;
use crate::lock::Lock;
use crate::plan::Step;

/// All networks of a host.
#[derive(Clone, Debug)]
pub struct Networks {
    pub(super) records: PathBuf,
    pub(super) state: PathBuf,
    pub(super) settings: Settings,
}

impl Networks {
    /// The networks whose records are in `records` (which lasts) and whose state is in `state` (which dies with the
    /// kernel, and is the caller's to sweep after a reboot). Nothing is read yet.
    ///
    /// # Errors
    /// None today.
    pub fn open(records: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Result<Networks, Error> {
        Ok(Networks { records: records.into(), state: state.into(), settings: Settings::default() })
    }

    /// The same with settings other than the usual ones.
    pub fn with(self, settings: Settings) -> Networks {
        Networks { settings, ..self }
    }

    /// A network by its full id, its name or a unique prefix of its id, in this order. The default network is made on
    /// first use, and made anew when its settings have changed and no container uses it.
    ///
    /// # Errors
    /// `network X not found`, or ambiguous; a damaged record.
    pub fn find(&self, wanted: &str) -> Result<Network, Error> {
        match self.look_up(wanted) {
            Err(Error::NotFound(_)) if wanted == DEFAULT => self.create_default(),
            Ok(network) if network.is_default() && !self.is_as_settled(&network) => self.renew_default(network),
            other => other,
        }
    }

    /// As [`Networks::find`], but nothing is made: a default network that is not there is drawn up, and forgotten.
    ///
    /// # Errors
    /// As [`Networks::find`].
    pub fn foresee(&self, wanted: &str) -> Result<Network, Error> {
        match self.look_up(wanted) {
            Err(Error::NotFound(_)) if wanted == DEFAULT => self.draw_up_default(),
            other => other,
        }
    }

    pub(super) fn look_up(&self, wanted: &str) -> Result<Network, Error> {
        let entries = record::entries(&self.records)?;
        let prefixed = || entries.iter().filter(|entry| !wanted.is_empty() && entry.id.starts_with(wanted));
        let exact = entries.iter().find(|entry| entry.id == wanted);
        let exact = exact.or_else(|| entries.iter().find(|entry| entry.name == wanted));
        let found = match exact.or_else(|| prefixed().next()) {
            Some(entry) => entry,
            None => return Err(not_found(wanted)),
        };
        if exact.is_none() && prefixed().count() > 1 {
            let count = prefixed().count();
            return Err(Error::Refused(format!("network {wanted} is ambiguous ({count} matches found on ID prefix)")));
        }
        record::read(&record::path(&self.records, &found.id, &found.name))?.ok_or_else(|| not_found(wanted))
    }

    /// Every network that can be read, by name; a damaged record stands in nobody's way but its own.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Vec<Network>, Error> {
        Ok(self.read_all()?.into_iter().filter_map(Result::ok).collect())
    }

    /// Why the other records cannot be read.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn damaged(&self) -> Result<Vec<Error>, Error> {
        Ok(self.read_all()?.into_iter().filter_map(Result::err).collect())
    }

    fn read_all(&self) -> Result<Vec<Result<Network, Error>>, Error> {
        let read = |entry: record::Entry| record::read(&record::path(&self.records, &entry.id, &entry.name));
        Ok(record::entries(&self.records)?.into_iter().filter_map(|entry| read(entry).transpose()).collect())
    }

    /// Makes whatever of the network's objects is not there. Cheap when all are.
    ///
    /// # Errors
    /// The network is gone; what the kernel refuses; a device of that name that is somebody else's.
    pub fn ensure(&self, network: &Network, shared: &[Step], net: &mut impl Net) -> Result<(), Error> {
        let _lock = self.lock(network)?;
        let mut journal = Journal::open(&self.directory(network).join("journal"))?;
        apply::ensure(shared, net, &mut journal)
    }

    /// The network's state directory, where names live too.
    pub fn directory(&self, network: &Network) -> PathBuf {
        self.state.join(&network.id)
    }

    /// The network's lock, while its record is there. Whoever removes a network holds it, so what is done under it is
    /// done to a network that exists.
    pub(super) fn lock(&self, network: &Network) -> Result<Lock, Error> {
        self.still_there(network)?;
        let directory = self.directory(network);
        let lock = loop {
            make(&directory)?;
            match Lock::wait(&directory.join("lock")) {
                // The directory went between the two lines: somebody finished a removal.
                Err(Error::System { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    self.still_there(network)?
                }
                other => break other?,
            }
        };
        self.still_there(network)?;
        Ok(lock)
    }

    fn still_there(&self, network: &Network) -> Result<(), Error> {
        let path = record::path(&self.records, &network.id, &network.name);
        if fs::exists(&path).map_err(|error| Error::file("look for", &path, error))? {
            return Ok(());
        }
        Err(not_found(&network.name))
    }

    pub(super) fn lock_store(&self) -> Result<Lock, Error> {
        make(&self.records)?;
        Lock::wait(&self.records.join("lock"))
    }
}

pub(super) fn not_found(wanted: &str) -> Error {
    Error::NotFound(format!("network {wanted} not found"))
}

/// `mkdir -p -m 700`: state is nobody else's business.
fn make(directory: &Path) -> Result<(), Error> {
    loop {
        match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
            // It was there, and went before the library had looked again: somebody finished a removal.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && fs::symlink_metadata(directory).is_err() => {}
            other => return other.map_err(|error| Error::file("make", directory, error)),
        }
    }
}
