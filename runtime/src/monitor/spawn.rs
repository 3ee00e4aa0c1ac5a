//! How a command makes a monitor.
//!
//! ```text
//! command ── clone3(NEWPID) ──> child ── monitors' cgroup ── keep 3 (conversation), 4 (life lock)
//!         ── setsid, chdir / ── execveat(read-only copy of this binary) ──> pontoon-monitor NAME ROOT STATE PARENT ID
//! ```
//!
//! The monitor is PID 1 of a pid namespace of its own, and the container's is nested in it: whatever kills the monitor
//! makes the kernel kill the container. It starts from a clean heap, whatever the command did before.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::container::Container;
use crate::control::{Connection, Reply};
use crate::isolate::cgroup::{self, Cgroup};
use crate::lock::Lock;
use crate::phases;
use crate::sys::{fds, mount, process};

/// The name under which a monitor finds itself in argv\[0\].
pub const NAME: &str = "pontoon-monitor";
/// Descriptor of the conversation with the command.
pub const CONVERSATION: i32 = 3;
/// Descriptor of the life lock.
pub const LIFE: i32 = 4;

/// Makes the monitor of `container` and hands its life over. The monitor waits for `Start`.
///
/// # Errors
/// A sentence, when the kernel refuses.
pub fn spawn(container: &Container, life: Lock) -> Result<Connection> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context("cannot make the conversation with the monitor")?;
    let binary = mount::own_binary().context("cannot copy the mount of this program")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").context("cannot open /dev/null")?;
    let arguments = arguments(container)?;
    clear_leftovers(container)?;
    let cgroup = Cgroup::ensure_minimal(&cgroup::detect()?, &container.host.cgroup_parent, "monitors")
        .context("cannot make the monitors' control group")?;
    let (null, theirs) = (null.into(), Connection::new(theirs));
    process::clone_process(libc::CLONE_NEWPID, cgroup.fd(), || {
        if let Err(error) = cgroup.enter().context("cannot place the monitor in its control group") {
            let _ = theirs.send(&Reply::Failed { code: 125, sentence: format!("{error:#}") }, &[]);
            process::exit(125)
        }
        become_monitor(&binary, &null, theirs.as_fd(), &life, &arguments)
    })
    .context("cannot clone the monitor")?;
    Ok(Connection::new(ours))
}

/// A control group of that name can only be a leftover, as we hold the container's life: the state that knew of it was
/// lost. It is killed here, as a monitor's own pid namespace does not show it other processes.
fn clear_leftovers(container: &Container) -> Result<()> {
    match Cgroup::open(&cgroup::detect()?, &container.host.cgroup_parent, &container.record.id)? {
        Some(old) => old.kill().and_then(|()| old.remove()).context("cannot clear away an old control group"),
        None => Ok(()),
    }
}

fn arguments(container: &Container) -> Result<Vec<CString>> {
    let words: [&OsStr; 6] = [
        NAME.as_ref(),
        container.record.name.as_ref(),
        container.host.root.as_os_str(),
        container.host.state.as_os_str(),
        container.host.cgroup_parent.as_ref(),
        container.record.id.as_ref(),
    ];
    words.iter().map(|word| CString::new(word.as_bytes()).context("a path holds a NUL byte")).collect()
}

/// Runs in the clone: everything that is not the monitor's goes, then the clean binary takes over.
fn become_monitor(
    binary: &OwnedFd,
    null: &OwnedFd,
    conversation: BorrowedFd<'_>,
    life: &Lock,
    arguments: &[CString],
) -> Infallible {
    // With --debug the monitor writes where the person reads, until the command has gone.
    let silent = if phases::are_shown() { 0..=1 } else { 0..=2 };
    let placed = silent.into_iter().try_for_each(|number| fds::place(null.as_fd(), number));
    // Numbers below 10 are taken over one by one, so what is needed later is first moved out of the way.
    let moved = placed.and_then(|()| {
        Ok((
            fds::moved_above(conversation, 10)?,
            fds::moved_above(life.as_fd(), 10)?,
            fds::moved_above(binary.as_fd(), 10)?,
        ))
    });
    if let Ok((conversation, life, binary)) = moved {
        let ready = fds::place(conversation.as_fd(), CONVERSATION).and_then(|()| fds::place(life.as_fd(), LIFE));
        fds::keep_only(&[CONVERSATION, LIFE, binary.as_raw_fd()]);
        let _ = nix::unistd::setsid();
        let _ = nix::unistd::chdir("/");
        if ready.is_ok() {
            process::reset_signals();
            process::exec_descriptor(binary.as_fd(), arguments, &phases::environment());
        }
        // Here, not further down: what is owned in this block was closed by `keep_only` and must not be dropped.
        process::exit(125)
    }
    process::exit(125)
}
