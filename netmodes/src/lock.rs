//! File locks that die with their owner.
//!
//! ```text
//! open(O_CREAT) -> fcntl(F_OFD_SETLKW) -> fstat == stat of the path?   no: the file was removed meanwhile, once more
//! ```
//!
//! Open file description locks: they belong to the descriptor, not to the process, and a crash releases them. Order:
//! the store's lock, then a network's, then a container's; none is held while waiting for a person or a container.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::Error;

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "closing it releases the lock")] File);

impl Lock {
    /// Waits for the lock of this file, and makes the file if it is not there. Its directory must be there.
    pub(crate) fn wait(path: &Path) -> Result<Lock, Error> {
        let failed = |error: io::Error| Error::file("lock", path, error);
        loop {
            let file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(failed)?;
            wait(&file).map_err(|errno| failed(errno.into()))?;
            if is_still_there(&file, path).map_err(failed)? {
                return Ok(Lock(file));
            }
        }
    }
}

/// F_OFD_SETLKW on the whole file.
fn wait(file: &File) -> nix::Result<()> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&whole)) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// Is the locked file the one that others would open now?
fn is_still_there(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_at_a_time_even_while_the_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = Lock::wait(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        fs::remove_file(&path).unwrap();
                        drop(lock);
                    }
                });
            }
        });
    }
}
