//! From clone to exec: how a Spec becomes a process.
//!
//! ```text
//! parent (monitor)                          child (init)
//! clone3(NEWPID|NEWNS|NEWUTS|NEWIPC) ─────> close what is not its own, setsid
//! plan -> netns                             cgroup, mounts, console ── "console" + master ──> parent
//! "go" ───────────────────────────────────> limits, user, capabilities, seccomp
//! end of file on the pipe = it runs <────── execve        or "failed" + exit code + sentence
//! ```
//!
//! The network namespace is that of the caller at the moment of the call. `launch` knows neither lock, terminal
//! traffic, restart nor network: it gives back a process and the pipe to it, and that is all.

pub mod child;
pub mod init;
pub mod join;
pub mod parent;
pub mod pipe;
pub mod program;
mod search;

pub use parent::{Launched, launch};
pub use pipe::Failure;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Standard input, output and error of a new program; with a terminal it makes its own.
#[derive(Debug)]
pub enum Stdio {
    /// Three descriptors.
    Streams([OwnedFd; 3]),
    /// A new pseudo-terminal of the container, whose master comes back over the pipe.
    Terminal,
}

impl Stdio {
    /// The descriptors, as far as they are known before the clone.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Stdio::Streams(streams) => streams.iter().map(AsFd::as_fd).collect(),
            Stdio::Terminal => Vec::new(),
        }
    }
}
