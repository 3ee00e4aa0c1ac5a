//! Names: how one container finds another, and the three files that tell it where to ask.
//!
//! ```text
//!   /etc/hosts        hosts.rs     the container's own names, --add-host
//!   /etc/resolv.conf  resolv.rs    127.0.0.11 on a user network, else the host's servers
//!        |
//!        v  a query to 127.0.0.11
//!   wire.rs           header and question of a message, nothing trusted
//!   answer.rs         local answer | forward it | malformed        (pure)
//!   directory.rs      `web`, `web.my-net` and addresses, over the container's networks
//!   registry.rs       one file per name and owner under /run/pontoon/networks/<id>/
//! ```
//!
//! There is no name server process: a name is a file that its owner's monitor writes, and each monitor answers for its
//! own container by reading a directory. Sockets are not here; the monitor owns them.

pub mod answer;
pub mod directory;
pub mod grammar;
pub mod hosts;
pub mod links;
pub mod registry;
pub mod resolv;
pub mod wire;

use std::io;
use std::path::PathBuf;

/// What can go wrong with names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The words given cannot be used; the sentence says which and why.
    #[error("{0}")]
    Invalid(String),
    /// A file of the registry could not be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}
