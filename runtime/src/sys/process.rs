//! Making processes and becoming another program: clone3(2), execveat(2), pidfds.
//!
//! ```text
//! command ── clone3(NEWPID) ──> child ── execveat(read-only copy of this binary) ──> monitor
//! monitor ── clone3(NEWPID|NEWNS|NEWUTS|NEWIPC) ──> init ── execve ──> the container's program
//! ```
//!
//! The rule of the house: only a single-threaded process clones, so the child's heap and locks are whole.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::unistd::Pid;

use super::check;

/// clone3(2): the child is born in `cgroup`. (The constant of the libc crate is too narrow for it.)
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A process that was just cloned: its number as the caller sees it, and a descriptor that never means another process.
#[derive(Debug)]
pub struct Child {
    /// Process number in the pid namespace of the caller.
    pub pid: Pid,
    /// pidfd_open(2)-like descriptor; readable once the process has ended.
    pub pidfd: OwnedFd,
}

/// clone3(2): runs `child` in a new process with the namespaces of `flags`, born in `cgroup` where that is given.
///
/// The caller must be single-threaded: the child goes on with a copy of the caller's heap.
///
/// # Errors
/// What the kernel says: EPERM without CAP_SYS_ADMIN, EAGAIN or ENOMEM at a limit.
pub fn clone_process(
    flags: libc::c_int,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> Infallible,
) -> io::Result<Child> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain integers, for which all zeroes is a value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has its own copy of memory; the caller is single-threaded, so no lock is held
    // by a thread that the copy lacks. `pidfd` outlives the call.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        // It does not come back: its type has no values.
        child();
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(Child { pid: Pid::from_raw(pid as i32), pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// fork(2) without new namespaces, with a pidfd.
///
/// # Errors
/// EAGAIN or ENOMEM at a limit.
pub fn fork(child: impl FnOnce() -> Infallible) -> io::Result<Child> {
    clone_process(0, None, child)
}

/// fork(2) as the oldest programs do it: a seccomp filter that refuses clone3(2) lets it pass. There is no pidfd, so
/// the number is good only for a parent that has not reaped it.
///
/// # Errors
/// EAGAIN or ENOMEM at a limit.
pub fn fork_plainly(child: impl FnOnce() -> Infallible) -> io::Result<Pid> {
    // SAFETY: the caller is single-threaded (the rule of this module), so the child may do whatever the parent may.
    let pid = check(unsafe { libc::fork() }.into())?;
    if pid == 0 {
        // It does not come back: its type has no values.
        child();
    }
    Ok(Pid::from_raw(pid as i32))
}

/// waitpid(2) for any child that has ended: its number, and its exit code, 128+n for signal n. `None`: all others run.
pub fn reap_any() -> Option<(Pid, i32)> {
    let mut status: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    let pid = check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }.into()).ok()?;
    let code = if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    (pid > 0).then(|| (Pid::from_raw(pid as i32), code))
}

/// kill(2) with any number, the real-time signals among them.
///
/// # Errors
/// ESRCH when there is no such process, EINVAL for a number that is no signal.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::kill(pid.as_raw(), signal) }.into()).map(drop)
}

/// _exit(2): ends this process at once, running no destructor of the copied heap.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

/// execveat(2) of the file behind `binary` itself (AT_EMPTY_PATH). Returns only on failure.
pub fn exec_descriptor(binary: BorrowedFd<'_>, argv: &[CString], envp: &[CString]) -> io::Error {
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both arrays end with a null pointer and their strings outlive the call.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            binary.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

/// execve(2). Returns only on failure.
pub fn exec_path(path: &CStr, argv: &[CString], envp: &[CString]) -> io::Error {
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both arrays end with a null pointer and their strings outlive the call.
    let _ = unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// pidfd_open(2).
///
/// # Errors
/// ESRCH when there is no such process.
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor returned is new and ours.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// pidfd_send_signal(2): the signal reaches this very process or nobody.
///
/// # Errors
/// ESRCH when it has ended.
pub fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo is allowed; no other pointers.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    })
    .map(drop)
}

/// signal(2) with SIG_DFL for every signal, and an empty mask: a new program starts as from a login shell.
/// (Rust ignores SIGPIPE, and the monitor blocks what its signalfd reads.)
pub fn reset_signals() {
    // SAFETY: SIG_DFL is no handler, and the set is initialised by sigemptyset before use.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// The raw numbers of a process's credentials: setgroups(2), setresgid(2), setresuid(2), in this order.
///
/// # Errors
/// EPERM without the capabilities, EINVAL for numbers that the user namespace does not know.
pub fn set_credentials(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: `groups` is a valid array of its length; gid_t is u32 on Linux.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: no pointers. The raw call changes this thread only, and there is no other.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// prctl(PR_SET_DUMPABLE): whether others may look into this process by /proc and ptrace.
pub fn set_dumpable(dumpable: bool) {
    // SAFETY: no pointers; the call cannot fail with 0 or 1.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) };
}

/// prctl(PR_SET_NO_NEW_PRIVS): setuid bits and file capabilities count no more.
///
/// # Errors
/// EINVAL on kernels older than 3.5.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}
