//! seccomp(2): the door through which a finished filter goes into the kernel.
//!
//! ```text
//! isolate::seccomp::compile ──> [Instruction] ──> install_with ──> every later system call of this thread and its children
//! ```
//!
//! A filter is installed without `no_new_privs`, as Docker does, so that setuid programs keep working in a container:
//! the kernel then asks for CAP_SYS_ADMIN. Hence the order in the child: everything that the filter would refuse
//! (mounts, namespaces), then the bounding set, then `install_with`, then the change of user, then capset, then exec. The
//! filter itself allows all that comes after it.

use std::io;

use super::check;

/// One instruction of classic BPF, laid out as the kernel's `struct sock_filter` (linux/filter.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation: class, size and mode, or class and jump condition.
    pub code: u16,
    /// Instructions to skip when the condition holds.
    pub yes: u8,
    /// Instructions to skip when it does not.
    pub no: u8,
    /// Operand.
    pub k: u32,
}

const _: () = assert!(size_of::<Instruction>() == size_of::<libc::sock_filter>());
const _: () = assert!(align_of::<Instruction>() == align_of::<libc::sock_filter>());

/// SECCOMP_FILTER_FLAG_TSYNC: all threads of the process.
pub const FLAG_TSYNC: u64 = libc::SECCOMP_FILTER_FLAG_TSYNC;
/// SECCOMP_FILTER_FLAG_LOG: log every action but ALLOW.
pub const FLAG_LOG: u64 = libc::SECCOMP_FILTER_FLAG_LOG;
/// SECCOMP_FILTER_FLAG_SPEC_ALLOW: no speculative store bypass mitigation.
pub const FLAG_SPEC_ALLOW: u64 = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;

/// seccomp(SECCOMP_SET_MODE_FILTER): adds the filter to this thread, for ever; `flags` are SECCOMP_FILTER_FLAG_* or 0.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN and no_new_privs, EINVAL for a program that the kernel's checker refuses or a flag
/// that it does not know, E2BIG for more than 4096 instructions.
pub fn install_with(program: &[Instruction], flags: u64) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: Instruction has the layout of sock_filter (asserted above); the kernel reads `len` of them and keeps a
    // copy; it writes through neither pointer.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) })
        .map(drop)
}
