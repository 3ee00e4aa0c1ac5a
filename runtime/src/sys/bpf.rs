//! bpf(2), as far as cgroup v2 needs it: load a device program, attach it to a cgroup.
//!
//! ```text
//! isolate::cgroup::device_program ──> [Instruction] ──load──> program descriptor ──attach──> cgroup directory
//! ```
//!
//! cgroup v2 has no files for devices: the rules are a program of type BPF_PROG_TYPE_CGROUP_DEVICE, which the kernel
//! runs on each open and mknod. Once attached it lives as long as the cgroup, and the descriptor may be closed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// One instruction of eBPF, laid out as the kernel's `struct bpf_insn` (linux/bpf.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Source register in the upper four bits, destination in the lower four.
    pub registers: u8,
    /// Jump distance, or offset of a memory access.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

const _: () = assert!(size_of::<Instruction>() == 8);

/// The part of `union bpf_attr` that BPF_PROG_LOAD reads (linux/bpf.h); the kernel takes what is missing as zero.
#[repr(C)]
struct LoadAttributes {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The part of `union bpf_attr` that BPF_PROG_ATTACH reads.
#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;

/// bpf(BPF_PROG_LOAD) of a cgroup device program.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN (or CAP_BPF and CAP_NET_ADMIN), EINVAL or EACCES for a program that the verifier
/// refuses.
pub fn load_device_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    let size = size_of::<LoadAttributes>();
    // SAFETY: the attributes and what they point to outlive the call, and the kernel only reads them.
    let fd = check(unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size) })?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// bpf(BPF_PROG_ATTACH): from now on `program` decides about devices in `cgroup` (a directory opened for reading),
/// together with those already there: a device is open to a process only if all of them say yes.
///
/// # Errors
/// EBADF when `cgroup` is no cgroup v2 directory, EPERM when an ancestor forbids programs below it.
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = AttachAttributes {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    let size = size_of::<AttachAttributes>();
    // SAFETY: the attributes outlive the call, hold no pointers, and the kernel only reads them.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attributes, size) }).map(drop)
}
