//! Emptying a group by hand, where the kernel has no cgroup.kill: version 1, and version 2 before Linux 5.14.
//!
//! ```text
//!        ┌─────────────────────────────────────────────────────────────┐
//! list ──┴─ none: done                                                 │
//!   └─ freeze ─> list, pidfds, list again ─> SIGKILL ─> thaw ─> wait ──┘  at most ten seconds in all
//! ```
//!
//! *Freeze first*: then nobody forks while we count, and a child born meanwhile is frozen too and met in the next round.
//! *List twice*: a pid read from a file may belong to another by the time it is opened. A process whose descriptor was
//! open before the second listing names its pid, and has not ended after it, held that pid throughout; so it is the one
//! that is listed, and only it gets the signal.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::sys::process::{pidfd_open, pidfd_signal};

const SIGKILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;

/// How cgroup.procs writes a process that the reader's pid namespace does not see: one that is just being moved in from
/// the host, for example. It cannot be signalled from here; with the rest gone it leaves by itself, or time runs out.
const FOREIGN: Pid = Pid::from_raw(0);

/// Ten seconds from its making, on the monotonic clock.
pub struct Deadline(Instant);

impl Deadline {
    /// Starts the clock.
    pub fn new() -> Deadline {
        Deadline(Instant::now() + Duration::from_secs(10))
    }

    /// Is the time over?
    pub fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }

    /// What is left, as poll(2) takes it.
    pub fn remaining(&self) -> PollTimeout {
        let left = self.0.saturating_duration_since(Instant::now()).as_millis();
        PollTimeout::from(u16::try_from(left).unwrap_or(u16::MAX))
    }
}

/// A group whose processes can be listed and held still.
pub trait Emptied {
    /// All processes, also of groups below.
    fn processes(&self) -> Result<Vec<Pid>>;
    /// Begins to freeze; best effort.
    fn halt(&self);
    /// Thaws, so that a signal can be acted on.
    fn release(&self) -> Result<()>;
}

/// Kills in rounds until no process is listed.
///
/// # Errors
/// After ten seconds, with the processes that are left; at once when one of them is Pontoon itself.
pub fn by_hand(group: &impl Emptied) -> Result<()> {
    let deadline = Deadline::new();
    loop {
        let listed = group.processes()?;
        if listed.is_empty() {
            return Ok(());
        }
        refuse_suicide(&listed)?;
        if deadline.has_passed() {
            bail!(
                "{} did not end within ten seconds of SIGKILL (0: not visible in this pid namespace)",
                names(&listed)
            );
        }
        group.halt();
        let signalled = victims(group).and_then(signal);
        group.release()?;
        wait(signalled?, &deadline)?;
    }
}

fn refuse_suicide(listed: &[Pid]) -> Result<()> {
    if listed.contains(&Pid::this()) {
        bail!("cannot kill the control group that Pontoon itself (process {}) is in", Pid::this());
    }
    Ok(())
}

fn names(pids: &[Pid]) -> String {
    let names: Vec<_> = pids.iter().take(8).map(Pid::to_string).collect();
    let more = if pids.len() > names.len() { " and more" } else { "" };
    format!("process {}{more}", names.join(", "))
}

/// Descriptors of processes that are certainly in the group: see the module's picture.
fn victims(group: &impl Emptied) -> Result<Vec<OwnedFd>> {
    let mut opened = Vec::new();
    for pid in group.processes()?.into_iter().filter(|pid| *pid != FOREIGN) {
        match pidfd_open(pid) {
            Ok(pidfd) => opened.push((pid, pidfd)),
            Err(e) if e.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            Err(e) => return Err(e).with_context(|| format!("cannot open process {pid}")),
        }
    }
    let again = group.processes()?;
    let certain = opened.into_iter().filter(|(pid, pidfd)| again.contains(pid) && !has_ended(pidfd));
    Ok(certain.map(|(_, pidfd)| pidfd).collect())
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn signal(victims: Vec<OwnedFd>) -> Result<Vec<OwnedFd>> {
    for victim in &victims {
        match pidfd_signal(victim.as_fd(), SIGKILL) {
            Err(e) if e.raw_os_error() != Some(Errno::ESRCH as i32) => {
                return Err(e).context("cannot kill a process of the control group");
            }
            _ => {}
        }
    }
    Ok(victims)
}

/// Until all have ended, or the time is over. With nobody to wait for (the list was of processes just leaving the
/// group) a millisecond passes, so that a round is never a busy loop.
fn wait(mut victims: Vec<OwnedFd>, deadline: &Deadline) -> Result<()> {
    if victims.is_empty() {
        let _ = poll(&mut [], PollTimeout::from(1u8));
    }
    while !victims.is_empty() && !deadline.has_passed() {
        let mut polled: Vec<_> = victims.iter().map(|v| PollFd::new(v.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut polled, deadline.remaining()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("cannot wait for the processes of a control group"),
        }
        let ended: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(false)).collect();
        let mut ended = ended.into_iter();
        victims.retain(|_| ended.next() == Some(false));
    }
    Ok(())
}
