//! The child's side: build the root, wait for `go`, become the program.
//!
//! ```text
//! keep_only(pipe, stdio) ─ cgroup ─ setsid ─ [unshare cgroup] ─ hostname ─ rootfs::enter ─ console ─ await go ─ program.execute
//! ```
//!
//! It never returns: it execs, or it says why not and ends.

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::Stdio;
use super::pipe::{Failure, Pipe};
use super::program::Program;
use crate::isolate::cgroup::Cgroup;
use crate::isolate::rootfs;
use crate::phases;
use crate::sys::{fds, process, term};

/// Runs in the cloned child.
pub fn run(spec: &Spec, cgroup: &Cgroup, program: &Program, stdio: &Stdio, pipe: &Pipe, keep: &[RawFd]) -> Infallible {
    let mut keep = keep.to_vec();
    keep.push(pipe.as_fd().as_raw_fd());
    fds::keep_only(&keep);
    let failure = match prepare(spec, cgroup, stdio, pipe) {
        Ok(()) => program.execute(pipe),
        Err(error) => Failure::own(&error),
    };
    pipe.send_failure(&failure);
    process::exit(failure.code)
}

fn prepare(spec: &Spec, cgroup: &Cgroup, stdio: &Stdio, pipe: &Pipe) -> Result<()> {
    if cgroup.fd().is_none() {
        cgroup.enter().context("cannot place the container in its control group")?;
    }
    nix::unistd::setsid().context("setsid")?;
    umask(Mode::empty());
    if has_namespace(spec, LinuxNamespaceType::Cgroup) {
        // Only now is this process in its cgroup, which becomes the root of what it sees.
        unshare(CloneFlags::CLONE_NEWCGROUP).context("cannot unshare the cgroup namespace")?;
    }
    if let Some(hostname) = spec.hostname() {
        nix::unistd::sethostname(hostname).with_context(|| format!("cannot set the host name {hostname}"))?;
    }
    phases::mark("init", "is in its control group");
    let console = rootfs::enter(spec, cgroup)?;
    phases::mark("init", "the root is built");
    match (&console, stdio) {
        (Some(console), _) => {
            term::make_controlling(console.slave.as_fd()).context("cannot make the terminal the controlling one")?;
            place(&[console.slave.as_fd(); 3])?;
            pipe.send_console(console.master.as_fd())?;
        }
        (None, Stdio::Streams(streams)) => place(&[streams[0].as_fd(), streams[1].as_fd(), streams[2].as_fd()])?,
        (None, Stdio::Terminal) => anyhow::bail!("a terminal was asked for that the specification does not name"),
    }
    umask(Mode::from_bits_truncate(0o022));
    pipe.await_go()
}

/// dup2(2) onto 0, 1 and 2.
pub fn place(streams: &[BorrowedFd<'_>; 3]) -> Result<()> {
    for (number, stream) in streams.iter().enumerate() {
        fds::place(*stream, number as RawFd).context("cannot set up standard input and output")?;
    }
    Ok(())
}

fn has_namespace(spec: &Spec, wanted: LinuxNamespaceType) -> bool {
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    namespaces.is_some_and(|all| all.iter().any(|namespace| namespace.typ() == wanted && namespace.path().is_none()))
}
