//! The monitor: the one small process that Pontoon keeps per running container.
//!
//! ```text
//!            ┌───────────────── event_loop: poll, deadlines ─────────────────┐
//!            │ clients     streams        life         resolver              │  services: descriptors and a state
//!            │ (control)   (log, attach)  (init, stop) (DNS)                 │
//!            └───────────────────────────────────────────────────────────────┘
//! start: netns ─ network::prepare ─ launch (clone) ─ network::apply ─ go ─ "Started"
//! end:   drain ─ teardown ─ conclude ─ "Exited" ─ exit
//! ```
//!
//! It is the parent of init and the owner of its terminal, log and name server. It holds nothing that cannot be
//! rebuilt: if it dies, the kernel kills its container, and the next command runs the same teardown.

pub mod clients;
pub mod crossing;
pub mod etc_files;
pub mod event_loop;
pub mod foresight;
pub mod host_devices;
pub mod life;
pub mod linked;
pub mod log;
pub mod netns;
pub mod network;
mod publishing;
mod renaming;
pub mod resolver;
pub mod run;
pub mod service;
pub mod spawn;
pub mod specification;
pub mod stopping;
pub mod streams;
pub mod teardown;
pub mod telling;
mod warnings;

use std::ffi::OsString;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::stat::{Mode, umask};

use crate::container::{Container, Containers};
use crate::control::{self, Request};
use crate::host::Host;
use crate::lock::Lock;
use crate::phases;
use crate::sys::fds;
use clients::{Clients, Message, STARTER};

/// The program `pontoon-monitor NAME ROOT STATE CGROUP-PARENT CONFIG ID`. Its exit code is seen by nobody.
pub fn main(arguments: &[OsString]) -> i32 {
    match supervise(arguments) {
        Ok(()) => 0,
        Err(_) => 125,
    }
}

fn supervise(arguments: &[OsString]) -> Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    phases::mark("monitor", "begins");
    let starter = fds::inherited(spawn::CONVERSATION).context("no conversation was handed over")?;
    let _life = Lock::handed_over(fds::inherited(spawn::LIFE).context("no lock was handed over")?);
    let container = container(arguments)?;
    let mut clients = Clients::new(control::listener(&container.state_dir())?, starter);
    let attached = await_start(&mut clients)?;
    run::supervise(container, clients, attached)
}

fn container(arguments: &[OsString]) -> Result<Container> {
    let [_, _, root, state, parent, config, id] = arguments else { bail!("{} takes six arguments", spawn::NAME) };
    let (parent, id) = (parent.to_string_lossy(), id.to_string_lossy());
    let host = Host::at(root.as_ref(), state.as_ref(), &parent, config.as_ref())?;
    Containers::of(&host).load(&id)?.ok_or_else(|| anyhow!("No such container: {id}"))
}

/// Serves only the command that made us, until it says `Start`; what it attached before is kept for the streams. Others
/// may speak already: they are heard once the container runs. When the command dies first, nothing has been made and
/// nothing is left.
fn await_start(clients: &mut Clients) -> Result<Vec<Message>> {
    let mut attached = Vec::new();
    let mut later = Vec::new();
    loop {
        while let Some(message) = clients.next_message() {
            match (&message.request, message.client) {
                (Some(Request::Start), STARTER) => {
                    clients.hear_again(later);
                    return Ok(attached);
                }
                (None, STARTER) => bail!("the command has died before it said start"),
                (_, STARTER) => attached.push(message),
                _ => later.push(message),
            }
        }
        event_loop::turn(&mut [clients])?;
    }
}
