//! What can go wrong, as sentences for the person.
//!
//! ```text
//! Display   what was tried, on which operand        "cannot make the bridge \"br-a\""
//! source    what the kernel said about it           "Operation not permitted; this needs root"
//! ```
//!
//! The two are printed together, joined by a colon, by whoever prints the error (anyhow's `{:#}`). The library itself
//! never prints.

use std::io;
use std::path::{Path, PathBuf};

use crate::kernel::Refusal;

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a netlink request.
    #[error("cannot {tried}")]
    Kernel {
        /// The verb and its operand: `make the bridge "br-a"`.
        tried: String,
        /// What the kernel said.
        #[source]
        source: Refusal,
    },
    /// A system call on a file, a socket or a namespace failed.
    #[error("cannot {tried}")]
    System {
        /// The verb and its operand: `read /run/…`.
        tried: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A state file does not hold what it should.
    #[error("{} is damaged; it is left as it is", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why it cannot be understood.
        #[source]
        source: serde_json::Error,
    },
    /// A state file of a later Pontoon; it is never rewritten.
    #[error("{} was written by a newer Pontoon (version {found}; this one knows {known}): please update Pontoon", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it carries.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// An object that should have been made by us is there already, made by somebody else. It is left alone.
    #[error("{0} exists already and belongs to somebody else")]
    NotOurs(String),
    /// The same of a bridge, by its name: perhaps it was ours, and what knew of it has been deleted by hand.
    #[error("the device \"{0}\" exists already and belongs to somebody else; if nobody needs it: ip link delete {0}")]
    ForeignBridge(String),
    /// Nothing has that name.
    #[error("{0}")]
    NotFound(String),
    /// The request itself cannot be granted: bad input, nothing left, still in use. A whole sentence.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether something of somebody else's is in the way.
    pub fn is_not_ours(&self) -> bool {
        matches!(self, Error::NotOurs(_) | Error::ForeignBridge(_))
    }

    /// A failed system call: `Error::system("read /etc/x", error)`.
    pub fn system(tried: impl Into<String>, source: impl Into<io::Error>) -> Error {
        Error::System { tried: tried.into(), source: source.into() }
    }

    /// A failed system call on a path: the verb, then the path.
    pub fn file(verb: &str, path: &Path, source: impl Into<io::Error>) -> Error {
        Error::system(format!("{verb} {}", path.display()), source)
    }
}
