//! The flags of `run` and `create`: one field, one flag, Docker's name.
//!
//! ```text
//! run [OPTIONS] IMAGE [COMMAND] [ARG]...       what stands behind the image is the command's, dashes and all
//! ```

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::Args;

use super::StayArgs;

/// What `run` and `create` have in common.
#[derive(Debug, Args)]
pub struct ContainerArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Attach to stdin, stdout or stderr alone
    #[arg(short, long, value_name = "STREAM")]
    pub attach: Vec<String>,
    /// Remove the container when it has ended
    #[arg(long)]
    pub rm: bool,
    /// Write the container's id to a file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Name of the container
    #[arg(long)]
    pub name: Option<String>,
    /// Network: a network's name, bridge, host, none or container:NAME; also several, and
    /// name=NET,alias=,ip=,ip6=,mac-address=,gw-priority=,driver-opt=
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Another name for the container on its network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// IPv4 address on its network
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// IPv6 address on its network
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// Hardware address, as 92:d0:c6:0a:29:33
    #[arg(long, value_name = "MAC")]
    pub mac_address: Option<String>,
    /// Tell it of another container, by a name of its own
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub link: Vec<String>,
    /// Publish a port: [ip:][host][-range]:container[-range][/tcp|udp]
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish every exposed port, each at a free one of 49000-49900
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Say that the container listens on a port
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// Bind a directory or file of the host: /source:/target[:ro]
    #[arg(short, long, value_name = "BIND")]
    pub volume: Vec<OsString>,
    /// Mount a temporary file system: /target[:options]
    #[arg(long, value_name = "TARGET")]
    pub tmpfs: Vec<OsString>,
    /// Set an environment variable (NAME alone: copy it)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Label: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<OsString>,
    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Add a group, by name or number
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Host name
    #[arg(short = 'h', long)]
    pub hostname: Option<String>,
    /// Replace the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<OsString>,
    /// Add a capability
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Give it every capability and every device
    #[arg(long)]
    pub privileged: bool,
    /// Run an init as process 1 that passes signals on and reaps orphans
    #[arg(long)]
    pub init: bool,
    /// Give it a device of the host: /dev/x[:/dev/y][:rwm]
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<OsString>,
    /// no-new-privileges, seccomp=unconfined, seccomp=FILE or systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Mount the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Limit of memory, as 512m
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Limit of CPU time, as 1.5
    #[arg(long, value_name = "CPUS")]
    pub cpus: Option<String>,
    /// Limit of processes (-1: none)
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Limit of each process: NAME=SOFT[:HARD], as nofile=1024:2048
    #[arg(long, value_name = "LIMIT")]
    pub ulimit: Vec<String>,
    /// Size of /dev/shm, as 128m
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// Add a line to /etc/hosts: NAME:ADDRESS
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Name server
    #[arg(long, value_name = "ADDRESS", value_parser = netmodes::names::resolv::parse_server)]
    pub dns: Vec<IpAddr>,
    /// Search domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Resolver option
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Signal that asks the container to stop
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds to wait before it is killed (-1: for ever)
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub stop_timeout: Option<i64>,
    /// Show this help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// The image, and what to run in it
    #[arg(
        value_name = "IMAGE [COMMAND] [ARG]...",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub image_and_command: Vec<OsString>,
}

/// Create a container and run it
#[derive(Debug, Args)]
#[command(disable_help_flag = true, override_usage = "pontoon run [OPTIONS] IMAGE [COMMAND] [ARG]...")]
pub struct RunArgs {
    /// Run in the background and print the id
    #[arg(short, long)]
    pub detach: bool,
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing is made
    #[arg(long)]
    pub dry_run: bool,
    /// How it stays with the container
    #[command(flatten)]
    pub stay: StayArgs,
    /// The container
    #[command(flatten)]
    pub container: ContainerArgs,
}

/// Create a container without starting it
#[derive(Debug, Args)]
#[command(disable_help_flag = true, override_usage = "pontoon create [OPTIONS] IMAGE [COMMAND] [ARG]...")]
pub struct CreateArgs {
    /// The container
    #[command(flatten)]
    pub container: ContainerArgs,
}
