//! The cellar of the house: all `unsafe` of the workspace.
//!
//! ```text
//! process  clone3, execveat, pidfds, credentials     fds   descriptors: inherit, keep, pass by SCM_RIGHTS
//! mount    mount_setattr(2)                          term  terminal ioctls
//! seccomp  seccomp(2) and the syscall numbers        bpf   bpf(2) for the cgroup v2 device filter
//! capability  prctl(PR_CAPBSET_DROP) by number       memory  malloc_trim(3)
//! iptables   getsockopt(IPT_SO_GET_ENTRIES)
//! ```
//!
//! Each function is a safe door to one system call that nix does not offer, or offers only as `unsafe`; each `unsafe`
//! block names the rule that makes it sound. Nothing here decides anything.

pub mod bpf;
pub mod capability;
pub mod fds;
pub mod iptables;
pub mod memory;
pub mod mount;
pub mod process;
pub mod seccomp;
pub mod term;

use std::io;

/// Turns the return value of a system call into a result: -1 means errno.
fn check(value: libc::c_long) -> io::Result<libc::c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
