//! Paths that are hidden or made read-only: parts of /proc and /sys that tell or change too much.
//!
//! ```text
//! masked file        mount --bind /dev/null PATH          (the host's null device, looked at before)
//! masked directory   mount -t tmpfs -o ro,size=0 tmpfs PATH
//! read-only          mount --rbind PATH PATH; mount -o remount,bind,ro PATH
//! ```

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags, fstat, makedev};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::inside::Root;
use super::mounts;
use super::options::Options;
use crate::sys;

/// Hides each path that is there.
///
/// # Errors
/// A sentence with the path.
pub fn mask(root: &Root, paths: &[String]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let null = checked_null()?;
    for path in paths {
        let Some(target) = find(root, path)? else { continue };
        let is_directory = FileType::from_raw_mode(fstat(&target)?.st_mode) == FileType::Directory;
        let cover = if is_directory { empty_directory() } else { mounts::cloned_descriptor(&null) };
        cover.and_then(|cover| mounts::attach(&cover, &target)).with_context(|| format!("cannot mask {path}"))?;
    }
    Ok(())
}

/// Makes each path that is there read-only.
///
/// # Errors
/// A sentence with the path.
pub fn make_read_only(root: &Root, paths: &[String]) -> Result<()> {
    for path in paths {
        let Some(target) = find(root, path)? else { continue };
        let cover = || -> Result<()> {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(&target, "", flags)?;
            sys::mount::set_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), true)?;
            mounts::attach(&tree, &target)
        };
        cover().with_context(|| format!("cannot make {path} read-only"))?;
    }
    Ok(())
}

fn find(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match root.open(Path::new(path), OFlags::PATH) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot open {path}")),
    }
}

/// The host's /dev/null, if it is one. Never the container's: a link in its place would turn masking into binding
/// (CVE-2025-31133), and a person's own /dev need not have one.
fn checked_null() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, Mode::empty()).context("cannot open /dev/null")?;
    let stat = fstat(&null)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || stat.st_rdev != makedev(1, 3) {
        bail!("/dev/null is not the null device");
    }
    Ok(null)
}

fn empty_directory() -> Result<OwnedFd> {
    mounts::detached("tmpfs", Some("tmpfs"), &Options::parse(["ro", "nr_blocks=1", "nr_inodes=1"]))
}
