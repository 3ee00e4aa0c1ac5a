//! mount_setattr(2), and the read-only copy of our own binary's mount.
//!
//! ```text
//! open_tree(/proc/self/exe, CLONE) ── a detached mount of one file ── mount_setattr(ro) ── execveat
//! ```
//!
//! What runs from that copy cannot be written through /proc/PID/exe by a container (CVE-2019-5736).

use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// Sets attributes (MOUNT_ATTR_*) on the mount behind `mount`, and with `recursive` on all below it.
///
/// # Errors
/// EINVAL for attributes that the kernel does not know, EPERM for locked ones.
pub fn set_attributes(mount: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    change(mount, libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 }, recursive)
}

/// Sets the propagation (MS_PRIVATE, MS_SLAVE …) of the mount behind `mount`.
///
/// # Errors
/// EINVAL for an unknown propagation.
pub fn set_propagation(mount: BorrowedFd<'_>, propagation: u64, recursive: bool) -> io::Result<()> {
    change(mount, libc::mount_attr { attr_set: 0, attr_clr: 0, propagation, userns_fd: 0 }, recursive)
}

fn change(mount: BorrowedFd<'_>, attr: libc::mount_attr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, `attr` is valid for its size, and both outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// A descriptor of this program's own file that cannot be used to write it: a detached read-only mount, or a sealed
/// memory file where the kernel has no open_tree(2).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, ENOMEM.
pub fn own_binary() -> io::Result<OwnedFd> {
    detached_binary().or_else(|_| sealed_binary())
}

fn detached_binary() -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path is a C string; the descriptor returned is new and ours.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), flags) })?;
    // SAFETY: see above.
    let tree = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    set_attributes(std::os::fd::AsFd::as_fd(&tree), libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV, false)?;
    Ok(tree)
}

fn sealed_binary() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the descriptor returned is new and ours.
    let fd =
        check(unsafe { libc::memfd_create(c"pontoon".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) }.into())?;
    // SAFETY: see above.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd as i32) };
    file.write_all(&std::fs::read("/proc/self/exe")?)?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())?;
    Ok(file.into())
}
