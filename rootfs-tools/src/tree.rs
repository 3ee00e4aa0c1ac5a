//! Removal of a directory tree that an enemy may have shaped.
//!
//! ```text
//!   top/            top/            top/
//!   └─ a/           └─ .0 (was b)   └─ .1 (was c)      until the top is empty
//!      ├─ b/   ->      └─ c/   ->
//!      └─ file
//! ```
//!
//! A full directory two levels down is renamed to the top, and emptied there in the next round. So the depth of the tree
//! costs neither stack nor descriptors nor long paths, and no name is ever followed: every call is relative to a
//! directory held open, and takes the entry itself, not what it points to.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// How many names are read at a time: bounds the memory that one huge directory costs.
const BATCH: usize = 1024;

/// Removes what is at this name in the directory, whatever it is; forgives absence.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    if gone(dir, name)? {
        return Ok(());
    }
    let top = open(dir, name)?;
    let mut number = 0;
    while let Some(names) = batch(top.as_fd())? {
        for name in names {
            strip(&top, &name, &mut number)?;
        }
    }
    unlinkat(dir, name, AtFlags::REMOVEDIR)
}

/// `rm -rf path`, for a path whose parents can be trusted.
pub(crate) fn remove_path(path: &Path) -> std::io::Result<()> {
    Ok(path.into_with_c_str(|path| remove(CWD, path))?)
}

/// Removes one entry of the top; the full directories in it move up beside it.
fn strip(top: &OwnedFd, name: &CStr, number: &mut u64) -> Result<()> {
    if gone(top.as_fd(), name)? {
        return Ok(());
    }
    let dir = open(top.as_fd(), name)?;
    while let Some(names) = batch(dir.as_fd())? {
        for name in names {
            if !gone(dir.as_fd(), &name)? {
                up(dir.as_fd(), &name, top, number)?;
            }
        }
    }
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Removes the entry unless it is a directory with something in it: then answers false.
fn gone(dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(true),
        other => return other.map(|()| true),
    }
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Renames a directory to a free name at the top.
fn up(dir: BorrowedFd<'_>, name: &CStr, top: &OwnedFd, number: &mut u64) -> Result<()> {
    loop {
        *number += 1;
        match renameat_with(dir, name, top, format!(".{number}"), RenameFlags::NOREPLACE) {
            // An entry of the tree has that name already.
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

fn open(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Some names of the directory, or nothing when it is empty. They are collected first, because a directory that is
/// changed while it is read may show an entry twice or never (readdir(3)).
fn batch(dir: BorrowedFd<'_>) -> Result<Option<Vec<CString>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
        if names.len() == BATCH {
            break;
        }
    }
    Ok((!names.is_empty()).then_some(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn pure_a_tree_deeper_than_any_path_goes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("top")).unwrap();
        // 60 levels of 200 bytes: each is made through a descriptor, as no path reaches so far.
        let deep = CString::new("d".repeat(200)).unwrap();
        let mut level = open(CWD, &CString::new(dir.path().join("top").to_str().unwrap()).unwrap()).unwrap();
        for _ in 0..60 {
            rustix::fs::mkdirat(&level, &deep, Mode::from_raw_mode(0o700)).unwrap();
            level = open(level.as_fd(), &deep).unwrap();
        }
        remove_path(&dir.path().join("top")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn pure_links_are_removed_and_what_they_point_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("top/a/b/c")).unwrap();
        fs::create_dir_all(dir.path().join("outside/full")).unwrap();
        symlink("../../outside", dir.path().join("top/a/link")).unwrap();
        symlink("/", dir.path().join("top/a/b/root")).unwrap();
        // Names that the removal itself would like to use.
        fs::create_dir_all(dir.path().join("top/.1/.1/.2")).unwrap();
        fs::write(dir.path().join("top/.2"), "x").unwrap();
        remove_path(&dir.path().join("top")).unwrap();
        assert!(dir.path().join("outside/full").is_dir());
        assert!(!dir.path().join("top").exists());
    }

    #[test]
    fn pure_absence_is_forgiven_and_more_than_one_batch_goes() {
        let dir = tempfile::tempdir().unwrap();
        remove_path(&dir.path().join("nothing")).unwrap();
        let many = dir.path().join("many");
        fs::create_dir(&many).unwrap();
        fs::write(many.join("file"), "").unwrap();
        for number in 0..BATCH * 2 {
            fs::hard_link(many.join("file"), many.join(number.to_string())).unwrap();
        }
        remove_path(&many).unwrap();
        assert!(!many.exists());
    }
}
