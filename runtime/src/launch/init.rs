//! `--init`: a tiny PID 1 for programs that are none. It is this same binary under another name, not a second file.
//!
//! ```text
//! monitor ── clone ─> child: root, limits, user, seccomp ── execveat(this binary) ──> pontoon-init -- PROGRAM…   PID 1
//!                                                                                        │ fork
//!   signals ──> PID 1 ── passed on ──────────────────────────────────────────────────> PROGRAM…
//!   orphans ──> PID 1 ── reaped          PROGRAM's end ──> the end of PID 1, with its exit code
//! ```
//!
//! A PID 1 gets no signal that it has no handler for, and every orphan becomes its child: programs not written for that
//! can neither be stopped nor do they reap. The init runs with the program's own user, capabilities and filter, from a
//! read-only detached mount. The pipe of the launch is handed on, so "not found" is 127 here, too.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid, setpgid, tcsetpgrp};
use oci_spec::runtime::Spec;

use super::pipe::{Failure, Pipe};
use super::search;
use crate::spec::INIT;
use crate::sys::{fds, mount, process};

/// The name under which an init finds itself in argv\[0\].
pub const NAME: &str = "pontoon-init";
/// Descriptor of the launch's pipe.
const PIPE: i32 = 3;
/// Above every number that is given away between clone and exec.
const ASIDE: i32 = 10;

/// Signals that are about this process itself: faults, and what a terminal says to those in the background.
const OWN: [i32; 9] = [
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Whether the Spec wants an init around its program.
pub fn asked_for(spec: &Spec) -> bool {
    spec.annotations().as_ref().is_some_and(|all| all.get(INIT).is_some_and(|value| value == "true"))
}

/// This binary, to be executed inside the container. To be called before the clone.
///
/// # Errors
/// When its mount cannot be copied.
pub fn binary() -> Result<OwnedFd> {
    let binary = mount::own_binary().context("cannot copy the mount of this program for --init")?;
    fds::moved_above(binary.as_fd(), ASIDE).context("cannot move a descriptor")
}

/// Becomes the init of the program `arguments`. Returns only when that failed.
pub fn become_it(
    binary: BorrowedFd<'_>,
    pipe: BorrowedFd<'_>,
    arguments: &[CString],
    environment: &[CString],
) -> Failure {
    let words: Vec<CString> =
        [c"pontoon-init", c"--"].into_iter().map(CString::from).chain(arguments.iter().cloned()).collect();
    let error = match fds::place(pipe, PIPE) {
        Ok(()) => process::exec_descriptor(binary, &words, environment),
        Err(error) => error,
    };
    Failure { code: 125, sentence: format!("cannot execute the init of --init: {error}") }
}

/// The program `pontoon-init -- PROGRAM [ARG]...`; its exit code is the program's.
pub fn main(arguments: &[OsString]) -> i32 {
    // Started by hand there is no pipe, and standard error hears all.
    let pipe = fds::inherited(PIPE).ok().map(Pipe::of_child);
    match supervise(arguments, &mut pipe.into_iter().collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            125
        }
    }
}

fn supervise(arguments: &[OsString], pipe: &mut Vec<Pipe>) -> Result<i32> {
    let words = arguments.iter().skip_while(|word| *word != "--").skip(1);
    let words: Vec<CString> = words.map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
    if words.is_empty() {
        bail!("give it a program: {NAME} -- PROGRAM [ARG]...");
    }
    let all = SigSet::all();
    all.thread_block().context("cannot block signals")?;
    let program = process::fork_plainly(|| become_program(&words, pipe)).context("cannot fork the program")?;
    // Now the program alone holds the pipe: its exec ends it.
    pipe.clear();
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).context("cannot make a signal descriptor")?;
    loop {
        let Ok(Some(signal)) = signals.read_signal().map(|read| read.map(|signal| signal.ssi_signo as i32)) else {
            continue;
        };
        match signal {
            libc::SIGCHLD => {
                if let Some(code) = reap(program) {
                    return Ok(code);
                }
            }
            signal if OWN.contains(&signal) => {}
            // It may just have ended.
            signal => drop(process::kill(program, signal)),
        }
    }
}

/// In a process group of its own, which a terminal has in front of it: Ctrl-C is for the program, not for its init.
fn become_program(words: &[CString], pipe: &[Pipe]) -> Infallible {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    // ENOTTY without a terminal. SIGTTOU is blocked, so nobody is stopped by this.
    let _ = tcsetpgrp(std::io::stdin(), getpid());
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    process::reset_signals();
    let failure = search::exec(words, &environment);
    match pipe.first() {
        Some(pipe) => pipe.send_failure(&failure),
        None => eprintln!("{NAME}: {failure}"),
    }
    process::exit(failure.code)
}

/// The program's exit code, once it is among those who have ended.
fn reap(program: Pid) -> Option<i32> {
    let mut code = None;
    while let Some((pid, ended)) = process::reap_any() {
        if pid == program {
            code = Some(ended);
        }
    }
    code
}
