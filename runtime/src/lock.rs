//! Locks: open file description locks by fcntl(2), which the kernel drops with the last descriptor.
//!
//! ```text
//! file "lock":  byte 0  Operation   held for moments by whoever changes the container's record or revives it
//!               byte 1  Life        held by the monitor for as long as it lives: "supervised" means that it is held
//! ```
//!
//! An OFD lock belongs to the open file, so a command can take the life lock and hand it to the monitor over exec
//! without letting go. Whether a container lives is *asked* (F_OFD_GETLK), never tried: a try would make the next
//! honest taker fail. The file may have been removed and made anew while we waited, so after locking we compare what we hold
//! with what the path names now.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Which byte of a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Byte {
    /// Short: somebody is changing it.
    Operation = 0,
    /// Long: a monitor lives.
    Life = 1,
}

/// A lock that is held until it is dropped, in every process that holds the descriptor.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Makes the lock's file where it is missing. Taking a lock never makes it: who only looks at a container that is
    /// just being removed must not bring its directory back.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn ensure_file(path: &Path) -> Result<()> {
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        made.map(drop).with_context(|| format!("cannot make the lock {}", path.display()))
    }

    /// Takes the lock, waiting for whoever holds it (F_OFD_SETLKW).
    ///
    /// # Errors
    /// When the file is not there (any more).
    pub fn wait(path: &Path, byte: Byte) -> Result<Lock> {
        loop {
            let file = open(path)?;
            match fcntl(&file, FcntlArg::F_OFD_SETLKW(&range(byte, libc::F_WRLCK))) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
            }
            if is_at(&file, path) {
                return Ok(Lock { file });
            }
        }
    }

    /// Takes the lock if nobody holds it (F_OFD_SETLK); `None` when somebody does.
    ///
    /// # Errors
    /// When the file is not there (any more).
    pub fn try_take(path: &Path, byte: Byte) -> Result<Option<Lock>> {
        loop {
            let file = open(path)?;
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&range(byte, libc::F_WRLCK))) {
                Ok(_) if is_at(&file, path) => return Ok(Some(Lock { file })),
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
            }
        }
    }

    /// Takes over a lock that was handed to this process as a descriptor.
    pub fn handed_over(descriptor: OwnedFd) -> Lock {
        Lock { file: File::from(descriptor) }
    }

    /// Asks whether somebody holds the lock (F_OFD_GETLK); no file means nobody.
    ///
    /// # Errors
    /// When the file is there but cannot be opened.
    pub fn is_held(path: &Path, byte: Byte) -> Result<bool> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("cannot open the lock {}", path.display())),
        };
        let mut answer = range(byte, libc::F_WRLCK);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut answer))
            .with_context(|| format!("cannot ask for the lock {}", path.display()))?;
        Ok(i32::from(answer.l_type) != libc::F_UNLCK)
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock {}", path.display()))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn range(byte: Byte, kind: i32) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: byte as i64, l_len: 1, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_bytes_are_two_locks_and_asking_takes_neither() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("lock");
        assert!(!Lock::is_held(&path, Byte::Life)?);
        assert!(Lock::wait(&path, Byte::Operation).is_err());
        Lock::ensure_file(&path)?;
        let life = Lock::try_take(&path, Byte::Life)?.context("free")?;
        assert!(Lock::is_held(&path, Byte::Life)?);
        assert!(!Lock::is_held(&path, Byte::Operation)?);
        assert!(Lock::try_take(&path, Byte::Life)?.is_none());
        drop(life);
        assert!(!Lock::is_held(&path, Byte::Life)?);
        assert!(Lock::try_take(&path, Byte::Life)?.is_some());
        Ok(())
    }

    #[test]
    fn a_lock_on_a_removed_file_is_not_the_lock() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("lock");
        Lock::ensure_file(&path)?;
        let old = Lock::wait(&path, Byte::Operation)?;
        std::fs::remove_file(&path)?;
        Lock::ensure_file(&path)?;
        assert!(Lock::try_take(&path, Byte::Operation)?.is_some());
        drop(old);
        Ok(())
    }
}
