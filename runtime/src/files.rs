//! State files: JSON, replaced whole, and refused when a newer Pontoon wrote them.
//!
//! ```text
//! write  NAME.new ── (fsync) ── rename ── (fsync of the directory)      one writer at a time: it holds a lock
//! read   {"version": 1, …}     a version that we do not know is refused, and never rewritten
//! ```

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that this Pontoon writes into its records.
pub const VERSION: u32 = 1;

/// How long a file must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It may go with the kernel: no fsync.
    UntilReboot,
    /// It survives a power cut: fsync of file and directory.
    Lasting,
}

/// Replaces `path` with `bytes` in one rename(2): a reader sees the old or the new file, whole.
///
/// # Errors
/// What the kernel says, with the path; nothing half-written stays.
pub fn replace(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".new");
    let scratch = PathBuf::from(scratch);
    let written = write_new(&scratch, bytes, durability).and_then(|()| fs::rename(&scratch, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&scratch);
        return Err(error).with_context(|| format!("cannot write {}", path.display()));
    }
    if durability == Durability::Lasting
        && let Some(parent) = path.parent()
    {
        sync_directory(parent)?;
    }
    Ok(())
}

/// fsync(2) of a directory: what was renamed into it lasts.
///
/// # Errors
/// What the kernel says, with the path.
pub fn sync_directory(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().with_context(|| format!("cannot sync the directory {}", path.display()))
}

fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if durability == Durability::Lasting { file.sync_all() } else { Ok(()) }
}

/// Writes `value` as JSON.
///
/// # Errors
/// As [`replace`].
pub fn write_json(path: &Path, value: &impl Serialize, durability: Durability) -> Result<()> {
    let bytes = serde_json::to_vec(value).with_context(|| format!("cannot write {}", path.display()))?;
    replace(path, &bytes, durability)
}

/// A record that is there but cannot be used. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is no JSON, or not the JSON of a record.
    #[error("the record {path} is corrupted; move it away to go on without it: {why}")]
    Corrupted {
        /// The file.
        path: String,
        /// What the parser said.
        why: String,
    },
    /// A later Pontoon wrote it.
    #[error("{path} was written by a newer pontoon (version {version}, this one knows {VERSION}); it is left as it is")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        version: u64,
    },
}

/// A file that a person named, as a whole: 16 MiB at most, so that /dev/zero is an error and not the end of the memory.
///
/// # Errors
/// What the kernel says; EFBIG for a larger one.
pub fn read_operand(path: &Path) -> std::io::Result<Vec<u8>> {
    const LARGEST: u64 = 16 << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(bytes)
}

/// Reads a JSON record; `None` when there is no such file.
///
/// # Errors
/// [`Unusable`] when it is corrupted, or was written by a newer Pontoon.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let shown = || path.display().to_string();
    let corrupted = |why: String| Unusable::Corrupted { path: shown(), why };
    // Read by itself first: what a newer version holds is unknown.
    let found: Version = serde_json::from_slice(&bytes).map_err(|error| corrupted(error.to_string()))?;
    match found.version {
        None => Err(corrupted("it has no version".into()).into()),
        Some(version) if version > u64::from(VERSION) => Err(Unusable::Newer { path: shown(), version }.into()),
        Some(_) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| corrupted(error.to_string()))?)),
    }
}

/// The part of a record that every version has.
#[derive(Deserialize)]
struct Version {
    version: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_is_refused_and_left_alone() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("record.json");
        fs::write(&path, r#"{"version": 2, "id": "x"}"#)?;
        let error = read_json::<serde_json::Value>(&path).unwrap_err().to_string();
        assert!(error.contains("newer pontoon"), "{error}");
        assert_eq!(fs::read_to_string(&path)?, r#"{"version": 2, "id": "x"}"#);
        Ok(())
    }

    #[test]
    fn garbage_is_a_sentence_and_absence_is_none() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("record.json");
        assert_eq!(read_json::<serde_json::Value>(&path)?, None);
        fs::write(&path, "{")?;
        assert!(read_json::<serde_json::Value>(&path).unwrap_err().to_string().contains("corrupted"));
        Ok(())
    }
}
