//! Which system calls are places, and under which name.
//!
//! ```text
//!   mkdir, rename, sendmsg, clone3 …   change something that outlives the process            struck by all
//!   open-to-read, prctl, dup3 …        change or read for the process alone: named `-own`    struck by errors
//!   close, fstat, mmap …               no place: what cannot fail, or is the allocator's
//! ```

use std::ffi::c_long;

use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;
use nix::unistd::Pid;

/// The suffix of calls that nobody else can see: a SIGKILL before them is one before the next.
pub const OWN: &str = "-own";

macro_rules! names {
    ($($name:ident)*) => {
        fn name(number: c_long) -> Option<&'static str> {
            $(if number == libc::$name { return stringify!($name).strip_prefix("SYS_"); })*
            None
        }
    };
}

names! {
    SYS_mkdir SYS_mkdirat SYS_rmdir SYS_unlink SYS_unlinkat SYS_rename SYS_renameat SYS_renameat2 SYS_link SYS_linkat
    SYS_symlink SYS_symlinkat SYS_open SYS_creat SYS_openat SYS_openat2 SYS_write SYS_pwrite64 SYS_writev SYS_ftruncate
    SYS_fallocate SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_syncfs SYS_chmod SYS_fchmod SYS_fchmodat SYS_fchmodat2
    SYS_chown SYS_fchown SYS_lchown SYS_fchownat SYS_utimensat SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_copy_file_range
    SYS_sendfile SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_chdir SYS_fchdir SYS_move_mount SYS_fsopen
    SYS_fsconfig SYS_fsmount SYS_open_tree SYS_mount_setattr SYS_mknod SYS_mknodat SYS_setns SYS_unshare SYS_clone
    SYS_clone3 SYS_fork SYS_vfork SYS_execve SYS_execveat SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_connect
    SYS_accept4 SYS_shutdown SYS_sendto SYS_sendmsg SYS_recvfrom SYS_recvmsg SYS_setsockopt SYS_sethostname SYS_setsid
    SYS_prctl SYS_seccomp SYS_capset SYS_setuid SYS_setgid SYS_setresuid SYS_setresgid SYS_setgroups SYS_bpf SYS_fcntl
    SYS_flock SYS_ioctl SYS_kill SYS_tgkill SYS_pidfd_send_signal SYS_pidfd_open SYS_splice SYS_wait4 SYS_waitid
    SYS_ppoll SYS_poll SYS_read SYS_pread64 SYS_getdents64 SYS_readlink SYS_readlinkat SYS_statx SYS_newfstatat
    SYS_pipe2 SYS_dup SYS_dup2 SYS_dup3 SYS_eventfd2 SYS_signalfd4 SYS_timerfd_create SYS_memfd_create SYS_prlimit64
    SYS_setrlimit SYS_keyctl SYS_exit_group
}

/// The name of the place that this call is.
pub fn place(pid: Pid, registers: &user_regs_struct) -> Option<String> {
    let call = name(c_long::try_from(registers.orig_rax).ok()?)?;
    let own = match call {
        "open" => reads(registers.rsi),
        "openat" => reads(registers.rdx),
        "openat2" => ptrace::read(pid, registers.rdx as ptrace::AddressType).is_ok_and(|how| reads(how as u64)),
        "fcntl" => match i32::try_from(registers.rsi).unwrap_or(0) {
            libc::F_GETFD | libc::F_GETFL | libc::F_SETFD => return None,
            libc::F_OFD_SETLK | libc::F_OFD_SETLKW | libc::F_ADD_SEALS => false,
            _ => true,
        },
        _ => is_own(call),
    };
    Some(format!("{call}{}", if own { OWN } else { "" }))
}

/// Whether open(2) with these flags leaves the file as it is.
fn reads(flags: u64) -> bool {
    flags & (libc::O_CREAT | libc::O_TRUNC) as u64 == 0
}

/// Whether the call concerns the calling process alone.
fn is_own(call: &str) -> bool {
    let own = "chroot chdir fchdir socket socketpair recvfrom recvmsg setsid prctl seccomp capset setuid setgid setresuid \
        setresgid setgroups ioctl pidfd_open wait4 waitid ppoll poll read pread64 getdents64 readlink readlinkat statx \
        newfstatat pipe2 dup dup2 dup3 eventfd2 signalfd4 timerfd_create memfd_create prlimit64 setrlimit keyctl fsopen \
        fsconfig open_tree";
    own.split_whitespace().any(|own| own == call)
}
