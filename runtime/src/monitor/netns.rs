//! The container's network namespace, which belongs to the monitor.
//!
//! ```text
//! unshare(CLONE_NEWNET) ── netlink and DNS sockets are opened there ── setns(back) ── the descriptor is kept
//! ```
//!
//! A socket stays in the namespace in which it was made, so the monitor works in both without moving. Init is cloned
//! inside; a restart clones it into the same namespace, so addresses and ports stay.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use netmodes::kernel::Inside;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::Pid;

use super::resolver::ResolverSockets;
use crate::container::record::Mode;
use crate::container::{Container, Containers, State, Status};
use crate::processes;

/// Where a container's processes are on the network.
#[derive(Debug)]
pub struct Netns {
    home: OwnedFd,
    /// `None`: the host's own.
    own: Option<OwnedFd>,
}

/// What was opened inside a new namespace.
pub struct Opened {
    /// Netlink sockets and the namespace itself.
    pub inside: Inside,
    /// Where the container's DNS queries arrive.
    pub resolver: ResolverSockets,
}

impl Netns {
    /// The namespace that `container` asks for; a new one comes with its sockets.
    ///
    /// # Errors
    /// A sentence, when the kernel refuses, or when the container to be joined does not run.
    pub fn make(container: &Container) -> Result<(Netns, Option<Opened>)> {
        let home = current()?;
        match &container.record.network.mode {
            Mode::Host => Ok((Netns { home, own: None }, None)),
            Mode::Container(other) => Ok((Netns { home, own: Some(of_container(container, other)?) }, None)),
            _ => {
                unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
                let opened = open();
                setns(&home, CloneFlags::CLONE_NEWNET).context("cannot return to the host's network namespace")?;
                let (own, opened) = opened?;
                Ok((Netns { home, own: Some(own) }, Some(opened)))
            }
        }
    }

    /// Does something inside. The way back is part of this function, so no `?` can leave the monitor there.
    ///
    /// # Errors
    /// What `act` says, or the kernel.
    pub fn within<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(own) = &self.own else { return act() };
        setns(own, CloneFlags::CLONE_NEWNET).context("cannot enter the container's network namespace")?;
        let done = act();
        setns(&self.home, CloneFlags::CLONE_NEWNET).context("cannot return to the host's network namespace")?;
        done
    }

    /// Where `/run/netns/<name>` shall point: our descriptor, by way of /proc, as long as we live.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn link_target(&self) -> Result<Option<String>> {
        let Some(own) = &self.own else { return Ok(None) };
        Ok(Some(format!("/proc/{}/fd/{}", processes::own_number_on_host()?, own.as_raw_fd())))
    }
}

fn open() -> Result<(OwnedFd, Opened)> {
    let inside = Inside::open().context("cannot open netlink in the new network namespace")?;
    let resolver = ResolverSockets::open().context("cannot open the name server's sockets")?;
    Ok((current()?, Opened { inside, resolver }))
}

fn current() -> Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net").context("cannot open the network namespace")?.into())
}

/// The namespace of another container: of its init, which is checked to be the one that its state speaks of.
fn of_container(container: &Container, other: &str) -> Result<OwnedFd> {
    let (other, state) = running(container, other)?;
    processes::open_of(Pid::from_raw(state.pid), state.start_time, "ns/net")
        .with_context(|| format!("cannot open the network namespace of the container {}", other.record.name))
}

/// The container whose network `container` is to join, which has to run.
///
/// # Errors
/// Docker's sentences for one that is not there or does not run.
pub fn running(container: &Container, other: &str) -> Result<(Container, State)> {
    let Some(other) = Containers::of(&container.host).lookup(other)? else {
        bail!("joining network namespace of container: No such container: {other}");
    };
    let state = other.state()?;
    if state.status != Status::Running || !other.is_supervised()? {
        bail!(
            "cannot join network namespace of a non running container: container {} is {}",
            other.record.name,
            state.status.text()
        );
    }
    Ok((other, state))
}
