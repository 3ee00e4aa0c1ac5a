//! How a command makes a monitor.
//!
//! ```text
//! command ── clone3(NEWPID) ──> child ── keep 3 (conversation), 4 (life lock)
//!         ── setsid, chdir / ── execveat(read-only copy of this binary) ──> pontoon-monitor NAME ROOT STATE PARENT CONFIG ID
//! ```
//!
//! The monitor is PID 1 of a pid namespace of its own, and the container's is nested in it: whatever kills the monitor
//! makes the kernel kill the container. It starts from a clean heap, whatever the command did before.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::container::Container;
use crate::control::Connection;
use crate::host::Host;
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
    let cgroup = if cgroup::is_unified() { Some(cgroup(&container.host)?) } else { None };
    let null = null.into();
    process::clone_process(libc::CLONE_NEWPID, cgroup.as_ref().and_then(Cgroup::fd), || {
        become_monitor(&binary, &null, &theirs, &life, &arguments)
    })
    .context("cannot clone the monitor")?;
    Ok(Connection::new(ours))
}

/// All monitors are kept together, apart from their containers and from the session that started them.
fn cgroup(host: &Host) -> Result<Cgroup> {
    Cgroup::ensure_minimal(&cgroup::detect()?, &host.cgroup_parent, "monitors")
        .context("cannot make the monitors' control group")
}

/// The monitor's own way into its group, unless it was born there.
///
/// # Errors
/// When the group cannot be made or entered.
pub fn enter_cgroup(host: &Host) -> Result<()> {
    if cgroup::is_unified() {
        return Ok(());
    }
    cgroup(host)?.enter().context("cannot place the monitor in its control group")
}

fn arguments(container: &Container) -> Result<Vec<CString>> {
    let words: [&OsStr; 7] = [
        NAME.as_ref(),
        container.record.name.as_ref(),
        container.host.root.as_os_str(),
        container.host.state.as_os_str(),
        container.host.cgroup_parent.as_ref(),
        container.host.config.path.as_os_str(),
        container.record.id.as_ref(),
    ];
    words.iter().map(|word| CString::new(word.as_bytes()).context("a path holds a NUL byte")).collect()
}

/// Runs in the clone: everything that is not the monitor's goes, then the clean binary takes over.
fn become_monitor(
    binary: &OwnedFd,
    null: &OwnedFd,
    conversation: &OwnedFd,
    life: &Lock,
    arguments: &[CString],
) -> Infallible {
    // With --debug the monitor writes where the person reads, until the command has gone.
    let silent = if phases::are_shown() { 0..=1 } else { 0..=2 };
    let placed = silent.into_iter().try_for_each(|number| fds::place(null.as_fd(), number));
    // Numbers below 10 are taken over one by one, so what is needed later is first moved out of the way.
    let moved = placed.and_then(|()| {
        Ok((
            fds::moved_above(conversation.as_fd(), 10)?,
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
