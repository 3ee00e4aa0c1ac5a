//! Where things are made, and where they go when an archive replaces its own.
//!
//! ```text
//!   lib -> usr/lib      entry lib/x     place usr/lib/x         readlink /proc/self/fd/N, below that of the root
//!   a  (entry 7)        a (entry 9)     renamed to old/1        frame M in the skeleton: see there
//! ```
//!
//! Only what holds bytes is kept: an empty file, a link, a device, an empty directory is in the skeleton whole.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::BufRead;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, renameat, statat};
use rustix::path::Arg;

use super::archive::{Archive, refuse};
use super::limits;
use super::path::EntryPath;
use super::skeleton::{self, Recorder};
use crate::error::{Doing, Error};
use crate::tree;

/// A directory of the layer, held open.
pub(super) struct Dir {
    descriptor: OwnedFd,
    /// Its path as the kernel sees it.
    path: OnceCell<Vec<u8>>,
}

impl Dir {
    pub(super) fn new(descriptor: OwnedFd) -> Dir {
        Dir { descriptor, path: OnceCell::new() }
    }

    /// Empty where the kernel cannot say it: deeper than any path goes.
    fn path(&self) -> &[u8] {
        self.path.get_or_init(|| {
            let link = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
            rustix::fs::readlink(link, Vec::new()).map(|path| path.into_bytes()).unwrap_or_default()
        })
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What has been replaced so far.
pub(super) struct Aside {
    root: Vec<u8>,
    old: PathBuf,
    count: u64,
    names: usize,
}

impl Aside {
    pub(super) fn new(root: &Dir, skeleton: &Path) -> Aside {
        Aside { root: root.path().to_vec(), old: skeleton::old(skeleton), count: 0, names: 0 }
    }

    /// Where `name` in `dir` lies below the root; the spelling of the archive where the kernel has no path for it.
    pub(super) fn place(&self, dir: &Dir, name: &OsStr, spelled: &EntryPath) -> Vec<u8> {
        match dir.path().strip_prefix(self.root.as_slice()) {
            Some([]) => name.as_bytes().to_vec(),
            Some([b'/', below @ ..]) => [below, b"/", name.as_bytes()].concat(),
            _ => spelled.as_bytes().to_vec(),
        }
    }

    /// Takes away what is in an entry's way, and keeps it for the skeleton if it holds bytes of the stream.
    pub(super) fn clear<R: BufRead>(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        spelled: &EntryPath,
        archive: &mut Archive<Recorder<R>>,
    ) -> Result<(), Error> {
        let doing = || format!("replace {spelled}");
        if !holds_bytes(dir, name).doing(doing)? {
            return name.into_with_c_str(|name| tree::remove(dir.as_fd(), name)).doing(doing);
        }
        if self.count == 0 {
            DirBuilder::new().mode(0o700).create(&self.old).doing(doing)?;
        }
        let place = self.place(dir, name, spelled);
        self.count += 1;
        self.names += place.len() + 64;
        if self.names > limits::REPLACED {
            return refuse("the names of what it replaces are longer than 16 MiB together");
        }
        renameat(dir, name, CWD, self.old.join(self.count.to_string())).doing(doing)?;
        archive.moved(self.count, &place);
        Ok(())
    }
}

/// Whether a file with bytes is there, or a directory, which may have some.
fn holds_bytes(dir: &Dir, name: &OsStr) -> rustix::io::Result<bool> {
    let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(match FileType::from_raw_mode(there.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => there.st_size > 0,
        _ => false,
    })
}
