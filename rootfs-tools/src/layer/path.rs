//! Names of entries, made relative to the layer's root.
//!
//! ```text
//!   in the archive     here            because
//!   ./etc//passwd      etc/passwd      spelling
//!   /etc/passwd        etc/passwd      absolute names mean the root of the image
//!   ./                 (empty)         the root directory itself
//!   ../etc/passwd      refused         no honest writer makes these, and readers disagree on them
//!   etc/pass<NUL>wd    refused         the kernel would see another name than we
//! ```
//!
//! Names are bytes: nothing in a tar archive promises UTF-8.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::limits;
use crate::error::Error;

/// A name below the root: components joined by single slashes, none of them "." or "..".
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Checks and normalises the name of an entry or of a hard link's target.
    pub(crate) fn new(raw: &[u8]) -> Result<EntryPath, Error> {
        let refuse = |why: &str| Err(Error::Archive(format!("the name {:?} {why}", lossy(raw))));
        if raw.contains(&0) {
            return refuse("holds a NUL byte");
        }
        let parts: Vec<&[u8]> = raw.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if parts.contains(&b"..".as_slice()) {
            return refuse("leads upwards with \"..\"");
        }
        if parts.len() > limits::DEPTH || raw.len() > limits::PATH {
            return refuse("is longer than 4095 bytes or deeper than 256 directories");
        }
        Ok(EntryPath(parts.join(&b'/')))
    }

    /// The root itself.
    pub(crate) fn root() -> EntryPath {
        EntryPath(Vec::new())
    }

    /// The directory that holds it and its name in there; None for the root itself.
    pub(crate) fn split(&self) -> Option<(EntryPath, &OsStr)> {
        let at = self.0.iter().rposition(|b| *b == b'/');
        let name = &self.0[at.map_or(0, |at| at + 1)..];
        (!name.is_empty()).then(|| (EntryPath(self.0[..at.unwrap_or(0)].to_vec()), OsStr::from_bytes(name)))
    }

    /// Whether it is the root.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, joined by single slashes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a path for a system call relative to the root: "." for the root itself.
    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(if self.0.is_empty() { b"." } else { &self.0 }))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_path().display())
    }
}

/// A name for a message.
pub(crate) fn lossy(raw: &[u8]) -> String {
    let end = raw.len().min(200);
    OsString::from_vec(raw[..end].to_vec()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &[u8]) -> String {
        EntryPath::new(raw).map_or_else(|error| error.to_string(), |path| path.to_string())
    }

    #[test]
    fn pure_spellings_become_one_relative_path() {
        for raw in [b"etc/passwd".as_slice(), b"./etc//passwd", b"/etc/./passwd", b"///etc/passwd/"] {
            assert_eq!(shown(raw), "etc/passwd");
        }
        for raw in [b"".as_slice(), b".", b"./", b"/"] {
            assert!(EntryPath::new(raw).unwrap().is_root());
        }
    }

    #[test]
    fn pure_names_that_lead_out_or_lie_are_refused() {
        assert!(shown(b"../x").contains("leads upwards"));
        assert!(shown(b"a/../../x").contains("leads upwards"));
        assert!(shown(b"a/..").contains("leads upwards"));
        assert!(shown(b"a\0b").contains("NUL"));
        assert!(shown(&b"a/".repeat(257)).contains("deeper than 256"));
        assert!(shown(&b"a".repeat(4096)).contains("longer than 4095"));
        assert_eq!(shown(b"..a/b..").as_str(), "..a/b..");
    }

    #[test]
    fn pure_split_gives_directory_and_name() {
        let path = EntryPath::new(b"a/b/c").unwrap();
        let (parent, name) = path.split().unwrap();
        assert_eq!((parent.to_string().as_str(), name), ("a/b", OsStr::new("c")));
        let top = EntryPath::new(b"a").unwrap();
        assert!(top.split().unwrap().0.is_root());
        assert!(EntryPath::new(b"/").unwrap().split().is_none());
    }
}
