//! /dev: a tmpfs of our own with the few devices that every program expects.
//!
//! ```text
//! /dev  null zero full random urandom tty      mknod, as Spec.linux.devices lists them
//!       fd stdin stdout stderr ptmx            links
//!       console                                the terminal of `-t`, bound from a descriptor
//! ```
//!
//! The tmpfs is new and ours, so nothing here can follow a link of the image. A person who mounts a /dev of their own
//! gets no devices in the Spec, and nothing is put there.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, makedev, mknodat, statat, symlinkat};
use rustix::io::Errno;

use super::inside::Root;
use super::mounts;
use crate::sys;

/// Links in /dev: where each leads, and its name.
pub const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Makes the devices and the links.
///
/// # Errors
/// A sentence with the device.
pub fn populate(root: &Root, devices: &[LinuxDevice]) -> Result<()> {
    for device in devices {
        make(root, device).with_context(|| format!("cannot make the device {}", device.path().display()))?;
    }
    if !devices.iter().any(|device| device.path().starts_with("/dev")) {
        return Ok(());
    }
    let dev = root.ensure_directory(Path::new("/dev"))?;
    for (target, name) in LINKS {
        match symlinkat(target, &dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make the link /dev/{name}")),
        }
    }
    Ok(())
}

/// `mknod -m MODE PATH c MAJOR MINOR`
fn make(root: &Root, device: &LinuxDevice) -> Result<()> {
    let parent = root.ensure_directory(device.path().parent().context("a device needs a path")?)?;
    let name = device.path().file_name().context("a device needs a name")?;
    let kind = match device.typ() {
        LinuxDeviceType::B => FileType::BlockDevice,
        LinuxDeviceType::P => FileType::Fifo,
        _ => FileType::CharacterDevice,
    };
    let mode = Mode::from_raw_mode(device.file_mode().unwrap_or(0o666) & 0o7777);
    let number = makedev(device.major() as u32, device.minor() as u32);
    match mknodat(&parent, name, kind, mode, number) {
        Ok(()) => {}
        // From an earlier start, or of the image: only the same device is as good. It may be in a directory of the host.
        Err(Errno::EXIST) => {
            let there = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if (FileType::from_raw_mode(there.st_mode), there.st_rdev) != (kind, number) {
                bail!("something else is there already");
            }
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    // mknod honours the umask; the mode that was asked for does not.
    chmodat(&parent, name, mode, AtFlags::empty())?;
    let owner = (Uid::from_raw(device.uid().unwrap_or(0)), Gid::from_raw(device.gid().unwrap_or(0)));
    Ok(chownat(&parent, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// A new pseudo-terminal of the container's own devpts: its master, and its other end bound on /dev/console.
///
/// # Errors
/// A sentence, when the devpts has no room or the mount fails.
pub fn console(root: &Root) -> Result<(OwnedFd, OwnedFd)> {
    let master = root
        .open(Path::new("/dev/pts/ptmx"), OFlags::RDWR | OFlags::NOCTTY)
        .context("cannot open the container's /dev/pts/ptmx")?;
    let slave = sys::term::peer(master.as_fd()).context("cannot open the other end of the terminal")?;
    let target = root.ensure_file(Path::new("/dev/console"))?;
    mounts::attach(&mounts::cloned_descriptor(&slave)?, &target).context("cannot bind /dev/console")?;
    Ok((master, slave))
}
