//! Into a running container: `exec`.
//!
//! ```text
//! command: setns(pidfd, pid) ─ clone ─ place the child in the container's cgroup ─ go
//! child:   setns(pidfd, mnt net uts ipc cgroup) ─ terminal ─ await go ─ program.execute
//! ```
//!
//! The command itself enters nothing but the pid namespace of its children, so a container never sees it. The child is
//! not dumpable until its exec, and runs from a read-only copy of the binary: the container can neither read its
//! memory nor write the program behind it.

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use anyhow::{Context, Result, bail};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{Mode, umask};
use oci_spec::runtime::Spec;

use super::Stdio;
use super::child::place;
use super::parent::Launched;
use super::pipe::{Failure, Pipe};
use super::program::Program;
use crate::isolate::cgroup::Cgroup;
use crate::sys::{fds, process, term};

/// Clones the program of `spec` into the container whose init is behind `init`.
///
/// # Errors
/// A sentence, when the kernel refuses.
pub fn join(spec: &Spec, init: &OwnedFd, cgroup: &Cgroup, stdio: &Stdio, unified: bool) -> Result<Launched> {
    let program = Program::prepare(spec)?;
    let (ours, theirs) = Pipe::pair()?;
    process::set_dumpable(false);
    setns(init, CloneFlags::CLONE_NEWPID).context("cannot enter the container's pid namespace")?;
    let mut keep: Vec<RawFd> = stdio.descriptors().iter().map(AsRawFd::as_raw_fd).collect();
    keep.extend([theirs.as_fd().as_raw_fd(), init.as_raw_fd()]);
    let made = process::clone_process(0, cgroup.fd(), || {
        run(&program, &theirs, &keep, || enter(init.as_fd(), cgroup, stdio, &theirs, unified))
    })
    .context("cannot clone into the container")?;
    process::set_dumpable(true);
    drop(theirs);
    Ok(Launched::new(made, ours))
}

fn run(program: &Program, pipe: &Pipe, keep: &[RawFd], enter: impl FnOnce() -> Result<()>) -> Infallible {
    fds::keep_only(keep);
    let failure = match enter() {
        Ok(()) => program.execute(pipe),
        Err(error) => Failure::own(&error),
    };
    pipe.send_failure(&failure);
    process::exit(failure.code)
}

fn enter(init: BorrowedFd<'_>, cgroup: &Cgroup, stdio: &Stdio, pipe: &Pipe, unified: bool) -> Result<()> {
    nix::unistd::setsid().context("setsid")?;
    // The host's mounts and the container's group, in this order: the namespaces hide the way.
    if cgroup.fd().is_none() {
        cgroup.enter().context("cannot place the program in the container's control group")?;
    }
    pipe.await_go()?;
    let mut namespaces =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    namespaces.set(CloneFlags::CLONE_NEWCGROUP, unified);
    setns(init, namespaces).context("cannot enter the container's namespaces")?;
    match stdio {
        Stdio::Streams(streams) => place(&[streams[0].as_fd(), streams[1].as_fd(), streams[2].as_fd()])?,
        Stdio::Terminal => terminal(pipe)?,
    }
    umask(Mode::from_bits_truncate(0o022));
    Ok(())
}

/// A pseudo-terminal of the container's own devpts. What we open has to be one: the path is the container's.
fn terminal(pipe: &Pipe) -> Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let master = open("/dev/pts/ptmx", flags, Mode::empty()).context("cannot open the container's /dev/pts/ptmx")?;
    let device = nix::sys::stat::fstat(&master)?.st_rdev;
    if device != libc::makedev(5, 2) {
        bail!("/dev/pts/ptmx of the container is no terminal multiplexer");
    }
    let slave = term::peer(master.as_fd()).context("cannot open the other end of the terminal")?;
    term::make_controlling(slave.as_fd()).context("cannot make the terminal the controlling one")?;
    place(&[slave.as_fd(); 3])?;
    pipe.send_console(master.as_fd())
}
