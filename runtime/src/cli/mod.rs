//! The words of the command line: clap structs only, whose doc comments are the help.
//!
//! ```text
//! pontoon [GLOBAL] run|create   container: the flags that make a container
//!                  start|stop|…  here: one verb, one struct, one file in commands/
//!                  image         images: what containers are made of
//!                  network       objects: what they are connected by
//! ```
//!
//! What may hold bytes that are not UTF-8 is an `OsString`.

mod container;
mod images;
mod objects;
mod ports;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use container::{ContainerArgs, CreateArgs, RunArgs};
pub use images::{BuildArgs, HistoryArgs, ImageCommand, ImportArgs, LoadArgs, PruneArgs, RmiArgs, SaveArgs, TagArgs};
pub use objects::{
    ListArgs, NetworkCommand, NetworkConnectArgs, NetworkCreateArgs, NetworkDisconnectArgs, NetworkInspectArgs,
    NetworkListArgs, NetworkPruneArgs, NetworkReloadArgs, NetworkRmArgs, NetworkShowArgs,
};
pub use ports::{PortArgs, PortChangeArgs, PortCommand, PortListArgs};

/// Runs containers and builds the bridges between them: no daemon, networking built in.
#[derive(Debug, Parser)]
#[command(
    name = "pontoon",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    args_override_self = true
)]
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
    /// Settings of this host
    #[arg(long, env = "PONTOON_CONFIG", default_value = "/etc/pontoon/config.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Print on standard error when each phase of a start and an end was reached
    #[arg(long)]
    pub debug: bool,
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
    /// List the published ports of a container, publish more of them or fewer
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
    /// Load images from an archive
    Load(LoadArgs),
    /// Save images to an archive
    Save(SaveArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Show how an image was made
    History(HistoryArgs),
}

/// Start stopped containers
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

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`stop` and `restart`")]
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

/// Send a signal to running containers
#[derive(Debug, Args)]
pub struct KillArgs {
    /// Signal to send
    #[arg(short, long, default_value = "KILL")]
    pub signal: String,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`wait`, `pause` and `unpause`")]
#[derive(Debug, Args)]
pub struct ContainersArgs {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// Give a container another name
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Name or id
    pub container: String,
    /// Its new name
    pub new_name: String,
}

/// List the processes of a container
#[derive(Debug, Args)]
#[command(override_usage = "pontoon top CONTAINER [PS OPTION]...")]
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

/// Remove containers
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Kill it first if it runs; a container that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// Run a program in a running container
#[derive(Debug, Args)]
#[command(override_usage = "pontoon exec [OPTIONS] CONTAINER COMMAND [ARG]...")]
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
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
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

// How `run` and `attach` stay with a container: no doc comment, which would stand in the place of their own help.
#[cfg_attr(doc, doc = "How a command stays with a container")]
#[derive(Debug, Args)]
pub struct StayArgs {
    /// Keys that detach the terminal
    #[arg(long, default_value = "ctrl-p,ctrl-q", value_name = "KEYS")]
    pub detach_keys: String,
    /// Pass signals on to the container (without a terminal)
    #[arg(
        long,
        value_name = "BOOL",
        hide_possible_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub sig_proxy: bool,
}

/// Attach the terminal to a running container
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Do not attach standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// How it stays with the container
    #[command(flatten)]
    pub stay: StayArgs,
    /// Name or id
    pub container: String,
}

/// Print the output of a container
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

/// List containers
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

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`inspect` and `network inspect`")]
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A Go template, or json
    #[arg(short, long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}
