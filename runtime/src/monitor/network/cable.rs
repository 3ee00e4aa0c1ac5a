//! A container's end of a network of the driver p2p: whom it finds at the other end.
//!
//! ```text
//! plug      under the network's lock: say where our namespace is ─ the other one, if he lives, and his
//! foresee   the same, without a word
//! ```

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use netmodes::kernel::Kernel;
use netmodes::modes::Request;
use netmodes::modes::p2p::End;
use netmodes::network::{Network, Plugged};
use nix::unistd::Pid;

use super::{alive, networks};
use crate::container::Container;
use crate::processes;

/// Takes one end of the cable; gives the other one, and his network namespace, if somebody is there.
///
/// # Errors
/// When the network's state cannot be used.
pub fn plug(
    container: &Container,
    network: &Network,
    request: &Request,
    kernel: &Kernel,
) -> Result<Option<(End, OwnedFd)>> {
    let inside = kernel.inside().context("a cable needs a network namespace to end in")?;
    let monitor = processes::own_number_on_host()?;
    let own = Plugged {
        monitor: monitor.as_raw(),
        started: processes::start_time(monitor)?,
        descriptor: inside.netns().as_raw_fd(),
        end: End::of(request),
    };
    let others = networks(&container.host)?.plug(network, &container.record.id, &own)?;
    let Some(other) = living(container, others) else { return Ok(None) };
    let what = format!("fd/{}", other.descriptor);
    // He may have ended meanwhile: then we are alone, and he finds us when he comes back.
    let netns = processes::open_of(Pid::from_raw(other.monitor), other.started, &what);
    Ok(netns.ok().map(|netns| (other.end, netns)))
}

/// Whom [`plug`] would find.
///
/// # Errors
/// When the network's state cannot be read.
pub fn foresee(container: &Container, network: &Network) -> Result<Option<End>> {
    let others = networks(&container.host)?.plugged(network, &container.record.id)?;
    Ok(living(container, others).map(|other| other.end))
}

fn living(container: &Container, others: Vec<(String, Plugged)>) -> Option<Plugged> {
    let alive = alive(&container.host);
    others.into_iter().find(|(id, _)| alive(id)).map(|(_, plugged)| plugged)
}
