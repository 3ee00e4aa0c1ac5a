//! Records of networks on the disk.
//!
//! ```text
//! <directory>/<id>.<name>.json     written as `draft`, synced, renamed, directory synced
//! ```
//!
//! Name and id are in the file's name, so that looking one up reads a directory and one file. A record that is damaged
//! or a newer Pontoon's stands in nobody's way but its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Network;
use crate::error::Error;

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) id: String,
}

/// Every record by its file's name, sorted by the networks' names.
pub(super) fn entries(directory: &Path) -> Result<Vec<Entry>, Error> {
    let files = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Error::file("read", directory, error))?,
    };
    let mut entries = Vec::new();
    for file in files {
        let file = file.map_err(|error| Error::file("read", directory, error))?;
        entries.extend(file.file_name().to_str().and_then(entry));
    }
    entries.sort();
    Ok(entries)
}

fn entry(file: &str) -> Option<Entry> {
    let (id, name) = file.strip_suffix(".json")?.split_once('.')?;
    let whole = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Entry { name: name.into(), id: id.into() })
}

pub(super) fn path(directory: &Path, id: &str, name: &str) -> PathBuf {
    directory.join(format!("{id}.{name}.json"))
}

/// Reads a record; `None` if it has gone meanwhile.
pub(super) fn read(path: &Path) -> Result<Option<Network>, Error> {
    /// Read first: what a newer version holds is unknown.
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Error::file("read", path, error))?,
    };
    let damaged = |source| Error::Damaged { path: path.to_path_buf(), source };
    let found = serde_json::from_slice::<Version>(&text).map_err(damaged)?.version;
    if found > Network::VERSION {
        return Err(Error::Newer { path: path.to_path_buf(), found, known: Network::VERSION });
    }
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Where a record is written before it has its name. One for all, as only the holder of the store's lock writes.
pub(super) fn draft(directory: &Path) -> PathBuf {
    directory.join("draft")
}

/// Writes a record so that it is there wholly or not at all, even after a power cut.
pub(super) fn write(directory: &Path, network: &Network) -> Result<(), Error> {
    let target = path(directory, &network.id, &network.name);
    let temporary = draft(directory);
    // Strings, numbers and maps of strings always serialise.
    let text = serde_json::to_vec_pretty(network).unwrap_or_default();
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(Error::file("write", &target, error));
    }
    sync(directory)
}

/// Removes a record; one that is not there is no error.
pub(super) fn remove(directory: &Path, network: &Network) -> Result<(), Error> {
    let path = path(directory, &network.id, &network.name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", &path, error)),
        _ => sync(directory),
    }
}

/// fsync(2) of a directory: names are its content.
fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| Error::file("sync", directory, error))
}
