//! Scratch: where work is done that may fail, and how the remains of the dead are told from the work of the living.
//!
//! ```text
//!   scratch/4711-0-18c2…       a directory that one process fills        (fs/ the layer, record, name)
//!   scratch/4711-0-18c2….lock  its owner holds the OFD lock of this file: the kernel lets go when it dies
//!   scratch/gone-…             a layer that no image needs: never has an owner, never is looked into
//! ```
//!
//! A scratch is made and locked under the store's write lock, and the list of the dead is made under it too: so nobody
//! sees a scratch that has not been locked yet, and who is on the list stays dead. Deleting happens after the lock has
//! been released. Two sweepers may then meet in one tree; what one finds gone the other has removed.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Store;
use crate::error::{Doing, Error};
use crate::lock::{self, Lock};
use crate::tree;

const GONE: &str = "gone-";
const LOCK: &str = ".lock";

/// A directory of its own; dropping it removes it with all that is in it.
pub(crate) struct Scratch {
    path: PathBuf,
    _owner: Lock,
}

impl Scratch {
    /// A path in the directory.
    pub(crate) fn path(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    fn create(path: PathBuf) -> Result<Scratch, Error> {
        let owner = Lock::exclusive(&lock_of(&path))?;
        let scratch = Scratch { path, _owner: owner };
        let made = DirBuilder::new().mode(0o700).create(&scratch.path);
        made.doing(|| format!("make the directory {}", scratch.path.display()))?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next writer.
        if tree::remove_path(&self.path).is_ok() {
            let _ = fs::remove_file(lock_of(&self.path));
        }
    }
}

impl Store {
    /// Sweeps what the dead have left, then makes a directory to work in.
    pub(crate) fn scratch(&self) -> Result<Scratch, Error> {
        self.sweep()?;
        let _lock = self.write_lock()?;
        Scratch::create(self.path("scratch").join(unique_name("")))
    }

    /// Removes half-done work of dead processes, and layers that no image needs.
    fn sweep(&self) -> Result<(), Error> {
        let lock = self.write_lock()?;
        self.drop_unused()?;
        let dead = self.dead()?;
        drop(lock);
        self.delete(&dead);
        Ok(())
    }

    /// What in the scratch has no living owner; only under the write lock.
    pub(super) fn dead(&self) -> Result<Vec<PathBuf>, Error> {
        let mut dead = Vec::new();
        for name in self.entries("scratch")? {
            let path = self.path("scratch").join(&name);
            let text = name.to_string_lossy();
            let owner = path.with_file_name(format!("{}{LOCK}", text.strip_suffix(LOCK).unwrap_or(&text)));
            if text.starts_with(GONE) || !lock::is_held(&owner)? {
                dead.push(path);
            }
        }
        // Lock files sort behind their directories, so a directory never outlives its lock.
        dead.sort();
        Ok(dead)
    }

    /// Deletes what `dead` has listed. Failures are left for the next sweep: nothing of it can be seen anyway.
    pub(super) fn delete(&self, dead: &[PathBuf]) {
        for path in dead {
            let _ = tree::remove_path(path);
        }
    }

    /// Takes a layer or link out of sight by one rename; only under the write lock. Needs no free space.
    pub(super) fn discard(&self, path: &Path) -> Result<(), Error> {
        match fs::rename(path, self.path("scratch").join(unique_name(GONE))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.doing(|| format!("remove {}", path.display())),
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_added_extension(LOCK.trim_start_matches('.'))
}

/// A name that nobody has had before: process, count and clock.
fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{prefix}{}-{count}-{now:x}", std::process::id())
}
