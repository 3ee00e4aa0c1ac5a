//! Room on the disk: an archive may be a thousand times larger than it looks, and others live there too.
//!
//! ```text
//!   free ──────────────────────────────── reserve ─ 0        reserve: a 64th of the disk, at most 1 GiB
//!        asked before each large file, and   └ from here on refused, with nothing kept
//!        after every 16 MiB of small ones
//! ```

use std::os::fd::AsFd;

use rustix::fs::fstatvfs;
use rustix::io::Errno;

use crate::error::{Doing, Error};

/// How much may be written between two looks at the disk.
const STEP: u64 = 16 << 20;
/// Files from this size on are checked before their first byte.
const LARGE: u64 = 1 << 20;
/// The most that is kept for others.
const RESERVE: u64 = 1 << 30;

/// How much has been written since the last look.
#[derive(Default)]
pub(crate) struct Room {
    unchecked: u64,
}

impl Room {
    /// Says that `size` bytes of `what` are about to be written beside `place`.
    pub(crate) fn take(&mut self, place: impl AsFd, size: u64, what: impl Fn() -> String) -> Result<(), Error> {
        self.unchecked = self.unchecked.saturating_add(size);
        if size < LARGE && self.unchecked < STEP {
            return Ok(());
        }
        self.unchecked = 0;
        let disk = fstatvfs(place).doing(|| "ask for free space".into())?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        let (free, reserve) = (bytes(disk.f_bfree), (bytes(disk.f_blocks) / 64).min(RESERVE));
        // A file system without a size (tmpfs with size=0, some network ones) says 0 of 0.
        if size.saturating_add(reserve) <= free || disk.f_blocks == 0 {
            return Ok(());
        }
        let kept = |free| format!("write {} of {size} bytes where {free} are free, and {reserve} stay so", what());
        Err(Errno::NOSPC).doing(|| kept(free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_what_cannot_fit_is_refused_and_small_things_are_not_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let place = std::fs::File::open(dir.path()).unwrap();
        let mut room = Room::default();
        assert!(room.take(&place, 1000, || "a".into()).is_ok());
        let said = room.take(&place, 1 << 60, || "a/b".into()).unwrap_err().sentence();
        assert!(said.starts_with("cannot write a/b of 1152921504606846976 bytes where "), "{said}");
        assert!(said.ends_with("No space left on device (os error 28)"), "{said}");
    }
}
