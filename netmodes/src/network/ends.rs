//! The two ends of a network of the driver p2p: who is there, so that the one who comes second finds the first.
//!
//! ```text
//! <network>/ends/<container>    {"monitor":412,"started":88123,"descriptor":7,"end":{"container":"a","interface":"eth0",…}}
//!
//! plug     network's lock: write one's own, read the other one's     of two who come at once, one is the second
//! unplug   remove one's own
//! ```
//!
//! An end counts only while its container lives, which the caller asks of the kernel: a crash leaves a file that nobody
//! believes, until the container's teardown takes it away.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Network, Networks};
use crate::error::Error;
use crate::modes::p2p::End;

/// An end, and where its network namespace is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugged {
    /// Number on the host of the monitor that holds the namespace.
    pub monitor: i32,
    /// Its start time, in ticks after boot (proc(5), field 22): numbers are used again.
    pub started: u64,
    /// The descriptor.
    pub descriptor: i32,
    /// What the other one has to know.
    pub end: End,
}

impl Networks {
    /// Says that a container is at an end, and gives the others' ends by their containers' ids.
    ///
    /// # Errors
    /// The network is gone, or its state directory cannot be used.
    pub fn plug(&self, network: &Network, owner: &str, plugged: &Plugged) -> Result<Vec<(String, Plugged)>, Error> {
        let _lock = self.lock(network)?;
        let directory = self.ends(network);
        fs::create_dir_all(&directory).map_err(|error| Error::file("make", &directory, error))?;
        // Numbers and strings always serialise. Who reads it holds the lock, so it is never seen half written.
        let text = serde_json::to_vec(plugged).unwrap_or_default();
        let path = directory.join(owner);
        fs::write(&path, text).map_err(|error| Error::file("write", &path, error))?;
        self.plugged(network, owner)
    }

    /// The ends of others than `owner`.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn plugged(&self, network: &Network, owner: &str) -> Result<Vec<(String, Plugged)>, Error> {
        let directory = self.ends(network);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| Error::file("read", &directory, error))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let read = |id: String| {
            let text = fs::read(directory.join(&id)).ok()?;
            Some((id, serde_json::from_slice(&text).ok()?))
        };
        Ok(names.filter(|id| id != owner).filter_map(read).collect())
    }

    /// Says that a container is at no end any more; absence is forgiven.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn unplug(&self, network: &Network, owner: &str) -> Result<(), Error> {
        let path = self.ends(network).join(owner);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", &path, error)),
            _ => Ok(()),
        }
    }

    fn ends(&self, network: &Network) -> PathBuf {
        self.directory(network).join("ends")
    }
}
