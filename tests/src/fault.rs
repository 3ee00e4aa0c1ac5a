//! SIGKILL and errors at system calls, by strace: where a crash happens is measured, not guessed.
//!
//! ```text
//!   1. trace   strace -ff -e trace=<state changing>  LINE     which process made which call how often
//!   2. points  for each call: its 1st … nth time              thinned to a sample, or all of them
//!   3. inject  strace -f -e inject=CALL:signal=KILL:when=N  LINE
//! ```
//!
//! strace counts per process, so `when=3` hits every process of the command line at its third such call: the command,
//! the monitor, the child that builds the container. That is wanted: each of them has to be expendable.

use std::collections::BTreeMap;
use std::fs;

use crate::host::Host;
use crate::process::{Output, Running};

/// Calls that change something outside of the calling process. Names that this machine's strace does not know get a `?`.
const CHANGING: &[&str] = &[
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "openat",
    "openat2",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fsync",
    "fdatasync",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "fchownat",
    "mount",
    "umount2",
    "pivot_root",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "open_tree",
    "mount_setattr",
    "mknodat",
    "setns",
    "unshare",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "socket",
    "bind",
    "listen",
    "connect",
    "sendto",
    "sendmsg",
    "setsockopt",
    "sethostname",
    "setsid",
    "prctl",
    "seccomp",
    "capset",
    "setuid",
    "setgid",
    "setgroups",
    "bpf",
    "fcntl",
    "ioctl",
    "kill",
    "pidfd_send_signal",
    "splice",
    "wait4",
    "waitid",
    "ppoll",
    "poll",
    "exit_group",
];

/// One place and what happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The system call.
    pub call: String,
    /// At which of its times, counted from 1 in each process.
    pub when: usize,
    /// strace's words: `signal=KILL` or `error=ENOSPC`.
    pub what: String,
}

impl std::fmt::Display for Injection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "inject={}:{}:when={}", self.call, self.what, self.when)
    }
}

/// All places of one command line.
pub struct Sweep {
    counts: BTreeMap<String, usize>,
}

impl Sweep {
    /// Runs the line, plain words, once under strace and counts its state-changing calls, per process.
    pub fn of(host: &Host, line: &str) -> Self {
        let dir = "/run/test/trace";
        fs::create_dir_all(dir).expect(dir);
        let filter = format!("trace={}", CHANGING.iter().map(|call| format!("?{call}")).collect::<Vec<_>>().join(","));
        let mut command = host.command("strace");
        command.args(["-ff", "-q", "-e", &filter, "-o", &format!("{dir}/log")]).args(line.split_whitespace());
        Running::start(command).wait().ok();
        let mut counts = BTreeMap::new();
        for entry in fs::read_dir(dir).expect(dir).flatten() {
            let log = String::from_utf8_lossy(&fs::read(entry.path()).expect("trace")).into_owned();
            most(&mut counts, &calls(&log));
        }
        fs::remove_dir_all(dir).expect(dir);
        Self { counts }
    }

    /// Every place, with what to do there.
    pub fn all(&self, what: &str) -> Vec<Injection> {
        let times = self.counts.iter().flat_map(|(call, count)| (1..=*count).map(move |when| (call, when)));
        times.map(|(call, when)| Injection { call: call.clone(), when, what: what.to_owned() }).collect()
    }

    /// At most `limit` places, spread evenly over all of them; `start` shifts the choice.
    pub fn sample(&self, what: &str, limit: usize, start: usize) -> Vec<Injection> {
        thinned(self.all(what), limit, start)
    }
}

impl Injection {
    /// Runs the line with this injection; strace ends when its last process has ended, or is killed after 30 s.
    pub fn run(&self, host: &Host, line: &str) -> Output {
        let mut command = host.command("timeout");
        command.args(["-s", "KILL", "30", "strace"]);
        // Only what is traced is injected.
        let (traced, rule) = (format!("trace={}", self.call), self.to_string());
        command.args(["-f", "-q", "-e", "signal=none", "-e", &traced, "-e", &rule]);
        command.args(["-o", "/dev/null"]).args(line.split_whitespace());
        Running::start(command).wait()
    }
}

/// How often each call stands in one process's log.
fn calls(log: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in log.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name) {
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Keeps the larger count of each call.
fn most(all: &mut BTreeMap<String, usize>, one: &BTreeMap<String, usize>) {
    for (call, count) in one {
        let known = all.entry(call.clone()).or_default();
        *known = (*known).max(*count);
    }
}

fn thinned<T>(all: Vec<T>, limit: usize, start: usize) -> Vec<T> {
    let stride = all.len().div_ceil(limit.max(1)).max(1);
    all.into_iter().skip(start % stride).step_by(stride).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_calls_are_counted_by_name() {
        let log = "mkdir(\"a\", 0777) = 0\nopenat(AT_FDCWD, \"x(y\") = 3\nmkdir(\"b\") = -1\n+++ exited with 0 +++\n";
        assert_eq!(calls(log), BTreeMap::from([("mkdir".to_owned(), 2), ("openat".to_owned(), 1)]));
    }

    #[test]
    fn pure_a_sample_is_bounded_and_shifts_with_its_start() {
        assert_eq!(thinned((0..100).collect(), 10, 0), (0..100).step_by(10).collect::<Vec<_>>());
        assert_eq!(thinned((0..100).collect(), 10, 3)[0], 3);
        assert_eq!(thinned(vec![1, 2], 60, 1), [1, 2], "a short list is not thinned");
        assert!(thinned((0..101).collect::<Vec<_>>(), 10, 0).len() <= 10);
    }

    #[test]
    fn pure_an_injection_is_strace_s_own_rule() {
        let injection = Injection { call: "mkdir".into(), when: 2, what: "signal=KILL".into() };
        assert_eq!(injection.to_string(), "inject=mkdir:signal=KILL:when=2");
    }
}
