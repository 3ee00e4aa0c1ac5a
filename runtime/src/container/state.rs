//! What is known of a container beyond its record.
//!
//! ```text
//! Created ──start──> Starting ──exec succeeded──> Running ──init ended──> Exited ──start──> …
//!                        └──────── failed ───────────────────────────────────┘
//! ```
//!
//! `state.json` is a hint of the monitor about its own container; whether the container is supervised at all is asked
//! of the kernel (the life lock). How the last run ended is kept beside the record, in `exit.json`.

use netmodes::lease::Leased;
use netmodes::publish::Mapping;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The states of a container, as `ps` names them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has a record and has not run.
    #[default]
    Created,
    /// A command is starting it.
    Starting,
    /// Its program runs.
    Running,
    /// Its program has ended.
    Exited,
}

impl Status {
    /// As `inspect` shows it.
    pub fn text(self) -> &'static str {
        match self {
            Status::Created | Status::Starting => "created",
            Status::Running => "running",
            Status::Exited => "exited",
        }
    }
}

/// What a monitor says of its container, and what is left when the container has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Format, see [`crate::files::VERSION`].
    pub version: u32,
    /// Where it is in its life.
    pub status: Status,
    /// Process number of init on the host; 0 when it does not run.
    pub pid: i32,
    /// Start time of init in clock ticks since boot (proc_pid_stat(5) field 22): a number alone is never believed.
    pub start_time: u64,
    /// RFC 3339; empty when it never ran.
    pub started: String,
    /// RFC 3339; empty while it runs.
    pub finished: String,
    /// Exit code of the last run, 128+n for signal n.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// Its attachments to networks.
    pub endpoints: Vec<Endpoint>,
    /// Ports as they were published, host ports chosen.
    #[serde(default)]
    pub ports: Vec<Mapping>,
}

/// One attachment to one network, as `inspect` shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Network's name.
    pub network: String,
    /// Network's id.
    pub network_id: String,
    /// Interface in the container.
    pub interface: String,
    /// What was leased for it: at most one address of each family, IPv4 first.
    pub addresses: Vec<Leased>,
    /// MAC address of the interface in the container.
    pub mac: String,
    /// Name of the veth's end on the host.
    pub host_device: String,
    /// Names under which it is known there: written down before they are published.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Endpoint {
    /// The address of one family, if it has one.
    pub fn leased(&self, ipv6: bool) -> Option<&Leased> {
        self.addresses.iter().find(|leased| leased.address.is_ipv6() == ipv6)
    }

    /// Its addresses alone.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|leased| leased.address).collect()
    }
}
