//! The store as its callers and its accidents see it.
//!
//! ```text
//!   names      find, list, retag, prefixes, bad references
//!   removal    every row of the table in remove.rs
//!   accidents  remains of the dead, damaged and newer records, SIGKILL at any time, a full disk
//! ```

mod accidents;
mod names;
mod removal;

use super::Store;
use crate::{Image, ImportOptions, Reference};

/// A store in a directory of its own.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("images")).unwrap();
        Place { dir, store }
    }

    pub(crate) fn import(&self, content: &str, name: &str) -> Image {
        self.store.import(archive(content).as_slice(), Some(&reference(name)), options()).unwrap()
    }

    /// Layers that are there, each with its skeleton.
    pub(crate) fn layers(&self) -> Vec<String> {
        let all = self.entries("layers");
        let (skeletons, layers): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| name.ends_with(".skeleton"));
        let bare = |name: &String| name.trim_end_matches(".skeleton").to_owned();
        assert!(skeletons.iter().map(bare).all(|name| layers.contains(&name)) && skeletons.len() == layers.len());
        layers
    }

    /// Names of the entries in a part of the store.
    pub(crate) fn entries(&self, part: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("images").join(part)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) fn reference(name: &str) -> Reference {
    name.parse().unwrap()
}

/// The same content is the same image: no clock in it.
fn options() -> ImportOptions {
    ImportOptions { created: Some(jiff::Timestamp::UNIX_EPOCH), ..ImportOptions::default() }
}

/// An archive with one file, ours.
fn archive(content: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let meta = std::fs::metadata("/proc/self").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(std::os::unix::fs::MetadataExt::uid(&meta).into());
    header.set_gid(std::os::unix::fs::MetadataExt::gid(&meta).into());
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, "file", content.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}
