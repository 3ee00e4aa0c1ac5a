//! The parent's side: clone the child, hear what becomes of it.
//!
//! ```text
//! clone ─ (console) ─ ……  ─ go ─> end of file: it runs | failure: code and sentence
//! ```

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use oci_spec::runtime::Spec;

use super::pipe::{Pipe, Said};
use super::program::Program;
use super::{Stdio, child};
use crate::isolate::cgroup::Cgroup;
use crate::isolate::limits;
use crate::processes;
use crate::sys::process::{self, Child};

/// A child that builds its root and then waits for `go`.
#[derive(Debug)]
pub struct Launched {
    /// Process number as the parent sees it.
    pub pid: Pid,
    /// Readable once init has ended.
    pub pidfd: OwnedFd,
    pipe: Pipe,
}

/// Clones init into new namespaces and its cgroup.
///
/// # Errors
/// A sentence, when the kernel refuses; a child that was made already ends by itself, as its pipe closes.
pub fn launch(spec: &Spec, cgroup: &Cgroup, stdio: &Stdio) -> Result<Launched> {
    let program = Program::prepare(spec)?;
    let (ours, theirs) = Pipe::pair()?;
    let keep: Vec<_> = stdio.descriptors().iter().map(AsRawFd::as_raw_fd).chain(program.descriptor()).collect();
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let made =
        process::clone_process(namespaces, cgroup.fd(), || child::run(spec, cgroup, &program, stdio, &theirs, &keep))
            .context("cannot clone the container's first process")?;
    drop(theirs);
    if let Err(error) = score(&made, spec) {
        let _ = process::pidfd_signal(made.pidfd.as_fd(), libc::SIGKILL);
        let _ = waitpid(made.pid, None);
        return Err(error);
    }
    Ok(Launched::new(made, ours))
}

/// Its place in the order of the OOM killer.
fn score(made: &Child, spec: &Spec) -> Result<()> {
    match spec.process().as_ref().and_then(oci_spec::runtime::Process::oom_score_adj) {
        Some(score) => limits::set_oom_score(processes::number_on_host(made.pidfd.as_fd())?, score),
        None => Ok(()),
    }
}

impl Launched {
    /// A child, and the pipe to it.
    pub fn new(child: Child, pipe: Pipe) -> Launched {
        Launched { pid: child.pid, pidfd: child.pidfd, pipe }
    }

    /// Waits for the terminal's master.
    ///
    /// # Errors
    /// The child's failure.
    pub fn console(&self) -> Result<OwnedFd> {
        match self.pipe.hear()? {
            Said::Console(master) => Ok(master),
            Said::Failed(failure) => Err(failure.into()),
            Said::Gone => bail!("the container's first process died before it had a terminal"),
        }
    }

    /// Lets the child become the program, and waits until it is one; the terminal's master, if it makes one only now.
    ///
    /// # Errors
    /// The child's [`Failure`](super::Failure), with Docker's exit code.
    pub fn go(&self) -> Result<Option<OwnedFd>> {
        // A child that has failed already has said why: that is worth more than EPIPE. After any other error it waits for
        // a word that never comes, and so would we for its.
        let sent = self.pipe.go();
        if let Err(error) = &sent
            && error.downcast_ref().is_none_or(|error: &io::Error| error.kind() != io::ErrorKind::BrokenPipe)
        {
            return sent.map(|()| None);
        }
        let mut console = None;
        loop {
            match self.pipe.hear()? {
                Said::Gone => return sent.map(|()| console),
                Said::Failed(failure) => return Err(failure.into()),
                Said::Console(master) => console = Some(master),
            }
        }
    }
}
