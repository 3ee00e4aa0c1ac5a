//! Network namespaces: visiting one, and giving one a name.
//!
//! ```text
//! /run/netns/web -> /proc/412/fd/7      a name for `ip netns exec web …`; the descriptor is the monitor's
//! ```
//!
//! A name that is there already is somebody else's (`ip netns add` makes such) and is left alone. Undo takes away only
//! the link that says what ours said.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use super::this_netns;
use crate::error::Error;

/// Where `ip netns` looks; /var/run is the same directory.
const NAMES: &str = "/run/netns";

/// Does something in another network namespace, and comes back whatever comes of it.
pub(super) fn within<T>(netns: BorrowedFd<'_>, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let enter = |error| Error::system("enter a network namespace", error);
    let home = this_netns()?;
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(enter)?;
    let result = act();
    setns(&home, CloneFlags::CLONE_NEWNET).map_err(enter)?;
    result
}

/// `ln -s TARGET /run/netns/NAME`, unless the name is taken.
pub(super) fn name(name: &str, target: &str) -> Result<(), Error> {
    let link = path(name)?;
    fs::create_dir_all(NAMES).map_err(|error| Error::file("make", Path::new(NAMES), error))?;
    match symlink(target, &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::file("make the link", &link, error)),
        _ => Ok(()),
    }
}

/// `rm /run/netns/NAME`, if it says what ours said.
pub(super) fn forget_name(name: &str, target: &str) -> Result<(), Error> {
    let link = path(name)?;
    match fs::read_link(&link) {
        Ok(found) if found == Path::new(target) => {}
        // Somebody else's, and perhaps no link.
        Ok(_) => return Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => return Ok(()),
        Err(error) => return Err(Error::file("read the link", &link, error)),
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove the link", &link, error)),
        _ => Ok(()),
    }
}

/// A name that stays in the directory.
fn path(name: &str) -> Result<PathBuf, Error> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(Error::Refused(format!("\"{name}\" cannot be the name of a network namespace")));
    }
    Ok(Path::new(NAMES).join(name))
}
