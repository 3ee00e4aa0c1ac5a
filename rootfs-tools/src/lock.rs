//! Locks between processes: OFD locks by fcntl(2), and the question whether somebody holds one.
//!
//! ```text
//!   exclusive(path)   F_OFD_SETLKW F_WRLCK    one writer of the store at a time
//!   shared(path)      F_OFD_SETLKW F_RDLCK    readers who need an image to stay
//!   is_held(path)     F_OFD_GETLK             asked, never tried: trying would make the owner's own attempt fail
//! ```
//!
//! The kernel releases such a lock when the last descriptor of the open file goes, so SIGKILL leaves none behind; and
//! it belongs to the open file, not to the process, so two threads exclude each other too. After a lock is taken, the
//! file at the path is compared with the locked one: it may have been removed and made anew while we waited.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int, flock};

use crate::error::{Doing, Error};

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds the lock, and takes it for writing.
    pub(crate) fn exclusive(path: &Path) -> Result<Lock, Error> {
        acquire(path, libc::F_WRLCK)
    }

    /// Waits until nobody writes, and takes the lock together with other readers.
    pub(crate) fn shared(path: &Path) -> Result<Lock, Error> {
        acquire(path, libc::F_RDLCK)
    }
}

/// Whether some open file holds the lock for writing; false if there is no such file.
pub(crate) fn is_held(path: &Path) -> Result<bool, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).doing(|| format!("open lock {}", path.display())),
    };
    let mut found = whole_file(libc::F_RDLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).doing(|| format!("ask for lock {}", path.display()))?;
    Ok(c_int::from(found.l_type) != libc::F_UNLCK)
}

fn acquire(path: &Path, kind: c_int) -> Result<Lock, Error> {
    loop {
        let file = open(path).doing(|| format!("open lock {}", path.display()))?;
        wait(&file, kind).doing(|| format!("lock {}", path.display()))?;
        if is_still(&file, path).doing(|| format!("look at lock {}", path.display()))? {
            return Ok(Lock { _file: file });
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn wait(file: &File, kind: c_int) -> nix::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&whole_file(kind))) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok(ours.dev() == there.dev() && ours.ino() == there.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// From offset 0 to the end; `l_pid` must be 0 for OFD locks (fcntl_locking(2)).
fn whole_file(kind: c_int) -> flock {
    // The constants are small and positive; their type differs between C libraries.
    flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_a_lock_is_seen_while_it_is_held_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!is_held(&path).unwrap());
        let lock = Lock::exclusive(&path).unwrap();
        assert!(is_held(&path).unwrap());
        drop(lock);
        assert!(!is_held(&path).unwrap());
    }

    #[test]
    fn pure_readers_share_and_a_writer_waits_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::shared(&path).unwrap();
        let second = Lock::shared(&path).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _writer = Lock::exclusive(&path).unwrap();
                sender.send(()).unwrap();
            });
            drop(first);
            // The second reader still holds it, so the writer cannot have come through.
            assert!(receiver.recv_timeout(std::time::Duration::from_millis(50)).is_err());
            drop(second);
            receiver.recv().unwrap();
        });
    }

    #[test]
    fn pure_a_lock_file_that_was_replaced_is_locked_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let old = Lock::exclusive(&path).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| Lock::exclusive(&path).unwrap());
            std::fs::remove_file(&path).unwrap();
            drop(old);
            let lock = waiter.join().unwrap();
            assert!(is_held(&path).unwrap(), "the lock is on the file that is there now");
            drop(lock);
        });
    }
}
