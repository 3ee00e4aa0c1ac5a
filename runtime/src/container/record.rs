//! The record: everything that was asked for at `create`, with the image's defaults already merged in.
//!
//! ```text
//! words of the command line ─┐
//!                            ├─> Record ──> Spec (how to isolate) and Plan (how to connect)
//! image configuration ───────┘
//! ```
//!
//! `start`, `restart` and a start after a reboot all read the same record, so they make the same container. Strings
//! that may hold any bytes are in the form of [`crate::text`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netmodes::address::Mac;
use netmodes::publish::Mapping;
use serde::{Deserialize, Serialize};

/// What lasts of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Format of this record, see [`crate::files::VERSION`].
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// As `--name` said, or made up.
    pub name: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Digest of the image, and the name by which it was asked for.
    pub image: ImageName,
    /// `--rm`: the container vanishes when it has ended.
    pub auto_remove: bool,
    /// `--init`: process 1 is Pontoon's own init, and the program its child.
    #[serde(default)]
    pub init: bool,
    /// The program and how it is run.
    pub process: Process,
    /// UTS host name.
    pub hostname: String,
    /// What is mounted beyond the standard file systems.
    pub storage: Storage,
    /// What it may do.
    pub privileges: Privileges,
    /// What it may use.
    pub limits: Limits,
    /// How it is connected.
    pub network: Network,
    /// Number of the signal that asks it to stop.
    pub stop_signal: i32,
    /// Seconds between that signal and SIGKILL; below 0 for ever.
    pub stop_timeout: i64,
    /// Labels: the image's, and those that were given.
    pub labels: BTreeMap<String, String>,
}

/// The image that a container was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageName {
    /// `sha256:…`, the digest of the image's configuration.
    pub id: String,
    /// As typed: `busybox`.
    pub reference: String,
}

/// The program of a container, or of an `exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Entry point and arguments.
    pub args: Vec<String>,
    /// How many of `args` are the entry point.
    pub entrypoint: usize,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Working directory, made where it is missing.
    pub cwd: String,
    /// `user[:group]`, names or numbers; empty is root.
    pub user: String,
    /// `-t`
    pub tty: bool,
    /// `-i`
    pub open_stdin: bool,
    /// `--group-add`: names or numbers.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Mounts and the writable layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// `--read-only`
    pub read_only: bool,
    /// `-v`
    pub binds: Vec<Bind>,
    /// `--tmpfs`: destination and mount options.
    pub tmpfs: Vec<(String, String)>,
    /// `--shm-size`, bytes; Docker's 64 MiB where nothing was said.
    #[serde(default)]
    pub shm_size: Option<i64>,
}

/// One `-v source:target[:ro]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// `ro`
    pub read_only: bool,
    /// Mount propagation: `rprivate`, `rshared`, …
    pub propagation: String,
}

/// Capabilities and the rest of the posture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    /// `--privileged`
    pub privileged: bool,
    /// Names of the bounding set, as `CAP_CHOWN`.
    pub capabilities: Vec<String>,
    /// `--security-opt no-new-privileges`
    #[serde(default)]
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=…`
    #[serde(default)]
    pub seccomp: Seccomp,
    /// `--security-opt systempaths=unconfined`: nothing of /proc and /sys is masked or read-only.
    #[serde(default)]
    pub unmasked: bool,
    /// `--device`
    #[serde(default)]
    pub devices: Vec<Device>,
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// Docker's default profile; all of them with `--privileged`.
    #[default]
    Default,
    /// All of them.
    Unconfined,
    /// What this profile says: JSON in Docker's form.
    Profile(String),
}

/// One `--device host[:container[:rwm]]`; a directory stands for all devices in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Letters of `rwm`: read, write, mknod.
    pub access: String,
}

/// One `--ulimit name=soft[:hard]`; -1 is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As setrlimit(2) without its prefix, in small letters: `nofile`.
    pub name: String,
    /// What the kernel enforces.
    pub soft: i64,
    /// How far a process may raise it.
    pub hard: i64,
}

/// Limits of the control group and of each process. Nothing is limited that nobody asked to limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// `--memory`, bytes.
    pub memory: Option<i64>,
    /// `--cpus`, billionths of a CPU.
    pub nano_cpus: Option<i64>,
    /// `--pids-limit`; -1 is none.
    pub pids: Option<i64>,
    /// `--ulimit`
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
}

/// How a container is connected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// `--network`; the first one of several.
    pub mode: Mode,
    /// The networks that it is attached to, in the order of the words; none with `host`, `none` and `container:`.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// `-p`
    pub publish: Vec<Mapping>,
    /// `-P`: every exposed port, too; which port of the host, is decided at each start.
    #[serde(default)]
    pub publish_all: bool,
    /// `--expose`, the image's EXPOSE, and what is published, as `80/tcp`.
    pub expose: Vec<String>,
    /// `--add-host`, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// `--dns`
    pub dns: Vec<IpAddr>,
    /// `--dns-search`
    pub dns_search: Vec<String>,
    /// `--dns-option`
    pub dns_options: Vec<String>,
}

/// What is asked of one network: `--network name=…,alias=…,ip=…`, or `network connect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// `--network-alias`: further names on this network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// `--ip`
    #[serde(default)]
    pub ip: Option<Ipv4Addr>,
    /// `--ip6`
    #[serde(default)]
    pub ip6: Option<Ipv6Addr>,
    /// `--mac-address`
    #[serde(default)]
    pub mac: Option<Mac>,
    /// `gw-priority`: of several networks, the one with the highest has the default route.
    #[serde(default)]
    pub priority: i32,
    /// `--link`
    #[serde(default)]
    pub links: Vec<Link>,
    /// `driver-opt=KEY=VALUE`
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// One `--link container[:alias]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// On the default network the id of the container that is linked to, elsewhere its name there.
    pub container: String,
    /// What it is called here.
    pub alias: String,
}

/// What `--network` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The host's own network namespace.
    Host,
    /// A network namespace with nothing but `lo`.
    None,
    /// The network namespace of another container, by id.
    Container(String),
    /// A network, by name; `bridge` is the default one.
    Network(String),
    /// Nothing was said: the default bridge.
    #[default]
    Default,
}

impl Mode {
    /// As `inspect` shows it.
    pub fn text(&self) -> String {
        match self {
            Mode::Host => "host".into(),
            Mode::None => "none".into(),
            Mode::Container(id) => format!("container:{id}"),
            Mode::Network(name) => name.clone(),
            Mode::Default => "default".into(),
        }
    }

    /// Whether the container gets a network namespace of its own.
    pub fn is_private(&self) -> bool {
        !matches!(self, Mode::Host | Mode::Container(_))
    }
}

impl Record {
    /// The twelve digits that people type.
    pub fn short_id(&self) -> &str {
        &self.id[..12.min(self.id.len())]
    }
}
