//! The words of the command line: clap structs only, whose doc comments are the help.
//!
//! ```text
//! pontoon [GLOBAL] run|create|start|… [OPTIONS] …      one verb, one struct here, one file in commands/
//! ```
//!
//! What may hold bytes that are not UTF-8 is an `OsString`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs containers and builds the bridges between them: no daemon, networking built in.
#[derive(Debug, Parser)]
#[command(name = "pontoon", version, disable_help_subcommand = true, subcommand_required = true)]
pub struct Cli {
    /// Directory of what lasts: images, containers, networks
    #[arg(long, env = "PONTOON_ROOT", default_value = "/var/lib/pontoon", value_name = "DIR")]
    pub root: PathBuf,
    /// Directory of what dies with the kernel: locks, journals, leases
    #[arg(long, env = "PONTOON_STATE", default_value = "/run/pontoon", value_name = "DIR")]
    pub state: PathBuf,
    /// Control group under which containers get theirs
    #[arg(long, env = "PONTOON_CGROUP_PARENT", default_value = "pontoon", value_name = "NAME")]
    pub cgroup_parent: String,
    /// The verb
    #[command(subcommand)]
    pub command: Command,
}

/// One verb, one file in `commands/`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Create a container and run it
    Run(RunArgs),
    /// Create a container without starting it
    Create(CreateArgs),
    /// Start stopped containers
    Start(StartArgs),
    /// Stop and start containers; addresses and ports stay
    Restart(StopArgs),
    /// Stop running containers
    Stop(StopArgs),
    /// Send a signal to running containers
    Kill(KillArgs),
    /// Wait until containers end, and print their exit codes
    Wait(ContainersArgs),
    /// Stop all processes of containers where they stand
    Pause(ContainersArgs),
    /// Let the processes of paused containers go on
    Unpause(ContainersArgs),
    /// Give a container another name
    Rename(RenameArgs),
    /// List the processes of a container
    Top(TopArgs),
    /// Remove containers
    Rm(RmArgs),
    /// Run a program in a running container
    Exec(ExecArgs),
    /// Attach the terminal to a running container
    Attach(AttachArgs),
    /// Print the output of a container
    Logs(LogsArgs),
    /// List containers
    Ps(PsArgs),
    /// Show everything that is known of containers, as JSON
    Inspect(InspectArgs),
    /// List the published ports of a container
    Port(PortArgs),
    /// Manage networks
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Manage images
    #[command(subcommand)]
    Image(ImageCommand),
    /// List images
    Images(ListArgs),
    /// Remove images
    Rmi(RmiArgs),
}

/// `network …`
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Create a network
    Create(NetworkCreateArgs),
    /// List networks
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Show everything that is known of networks, as JSON
    Inspect(InspectArgs),
    /// Remove networks
    #[command(alias = "remove")]
    Rm(NetworkRmArgs),
}

/// `image …`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Make an image of a root file system in a tar archive (plain or gzip; - is standard input)
    Import(ImportArgs),
    /// Make an image from a recipe
    Build(BuildArgs),
    /// List images
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Remove images
    Rm(RmiArgs),
}

/// What `run` and `create` have in common.
#[derive(Debug, Args)]
pub struct ContainerArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Remove the container when it has ended
    #[arg(long)]
    pub rm: bool,
    /// Name of the container
    #[arg(long)]
    pub name: Option<String>,
    /// Network: a network's name, bridge, host, none or container:NAME
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Option<String>,
    /// Publish a port: [ip:][host][-range]:container[-range][/tcp|udp]
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
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
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<OsString>,
    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
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
    /// Add a line to /etc/hosts: NAME:ADDRESS
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Name server
    #[arg(long, value_name = "ADDRESS")]
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
    /// Seconds to wait before it is killed
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u32>,
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

/// `run`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct RunArgs {
    /// Run in the background and print the id
    #[arg(short, long)]
    pub detach: bool,
    /// Keys that detach the terminal
    #[arg(long, default_value = "ctrl-p,ctrl-q", value_name = "KEYS")]
    pub detach_keys: String,
    /// The container
    #[command(flatten)]
    pub container: ContainerArgs,
}

/// `create`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct CreateArgs {
    /// The container
    #[command(flatten)]
    pub container: ContainerArgs,
}

/// `start`
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Attach to its output, and end with its exit code
    #[arg(short, long)]
    pub attach: bool,
    /// Attach standard input
    #[arg(short, long)]
    pub interactive: bool,
    /// Keys that detach the terminal
    #[arg(long, default_value = "ctrl-p,ctrl-q", value_name = "KEYS")]
    pub detach_keys: String,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `stop` and `restart`
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Seconds to wait before the container is killed (-1: for ever)
    #[arg(short = 't', long = "time", visible_alias = "timeout", value_name = "SECONDS", allow_hyphen_values = true)]
    pub time: Option<i64>,
    /// Signal to send
    #[arg(short, long)]
    pub signal: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `kill`
#[derive(Debug, Args)]
pub struct KillArgs {
    /// Signal to send
    #[arg(short, long, default_value = "KILL")]
    pub signal: String,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `wait`, `pause` and `unpause`
#[derive(Debug, Args)]
pub struct ContainersArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `rename`
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Name or id
    pub container: String,
    /// Its new name
    pub new_name: String,
}

/// `top`
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Name or id, and options of ps(1), as -o pid,comm
    #[arg(
        value_name = "CONTAINER [PS OPTION]...",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub container_and_options: Vec<String>,
}

/// `rm`
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Kill it first if it runs; a container that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `exec`
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Set an environment variable (NAME alone: copy it)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<OsString>,
    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Give it every capability
    #[arg(long)]
    pub privileged: bool,
    /// The container, and what to run in it
    #[arg(
        value_name = "CONTAINER COMMAND [ARG]...",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub container_and_command: Vec<OsString>,
}

/// `attach`
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Do not attach standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// Keys that detach the terminal
    #[arg(long, default_value = "ctrl-p,ctrl-q", value_name = "KEYS")]
    pub detach_keys: String,
    /// Name or id
    pub container: String,
}

/// `logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on until the container ends
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines (a number, or all)
    #[arg(short = 'n', long, default_value = "all", value_name = "LINES")]
    pub tail: String,
    /// Print the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Name or id
    pub container: String,
}

/// `ps`
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Also those that do not run
    #[arg(short, long)]
    pub all: bool,
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Do not cut ids and commands
    #[arg(long)]
    pub no_trunc: bool,
    /// A Go template, or json
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
}

/// `inspect` and `network inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A Go template, or json
    #[arg(short, long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// `port`
#[derive(Debug, Args)]
pub struct PortArgs {
    /// Name or id
    pub container: String,
    /// Only this port of the container: PORT[/PROTOCOL]
    pub port: Option<String>,
}

/// `network create`
#[derive(Debug, Args)]
pub struct NetworkCreateArgs {
    /// Driver: bridge
    #[arg(short, long, default_value = "bridge")]
    pub driver: String,
    /// Subnet, as 172.30.0.0/16
    #[arg(long)]
    pub subnet: Vec<String>,
    /// Address of the bridge in that subnet
    #[arg(long)]
    pub gateway: Vec<String>,
    /// Option of the driver: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Label: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Name of the network
    pub name: String,
}

/// `network ls`, `image ls` and `images`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Do not cut ids
    #[arg(long)]
    pub no_trunc: bool,
    /// A Go template, or json
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
}

/// `network rm`
#[derive(Debug, Args)]
pub struct NetworkRmArgs {
    /// A network that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// `image import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The archive; - is standard input
    pub file: PathBuf,
    /// Name of the image
    pub name: Option<String>,
}

/// `image build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Name of the image (else as the recipe says)
    #[arg(short, long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Directory of the recipe
    pub directory: PathBuf,
}

/// `rmi`
#[derive(Debug, Args)]
pub struct RmiArgs {
    /// Also when stopped containers use it; an image that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}
