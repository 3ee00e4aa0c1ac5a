//! The words of `port`.
//!
//! ```text
//! port CONTAINER [PORT]            as in Docker
//! port ls CONTAINER [PORT]         the same, also of a container that is called add, rm or ls
//! port add|rm CONTAINER SPEC…      live
//! ```

use clap::{Args, Subcommand};

/// List the published ports of a container, publish more of them or fewer
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "pontoon port CONTAINER [PORT[/PROTOCOL]]\n       pontoon port add|rm CONTAINER PORTS..."
)]
pub struct PortArgs {
    /// What else there is
    #[command(subcommand)]
    pub command: Option<PortCommand>,
    /// Name or id (one that is called add, rm or ls: pontoon port ls CONTAINER)
    #[arg(required = true)]
    pub container: Option<String>,
    /// Only this port of the container: PORT[/PROTOCOL]
    pub port: Option<String>,
}

/// `port …`
#[derive(Debug, Subcommand)]
pub enum PortCommand {
    /// Publish more ports of a container, also while it runs
    Add(PortChangeArgs),
    /// Publish ports of a container no more, also while it runs
    #[command(alias = "remove")]
    Rm(PortChangeArgs),
    /// List the published ports of a container
    #[command(alias = "list")]
    Ls(PortListArgs),
}

/// List the published ports of a container
#[derive(Debug, Args)]
pub struct PortListArgs {
    /// Name or id
    pub container: String,
    /// Only this port of the container: PORT[/PROTOCOL]
    pub port: Option<String>,
}

// Of two verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`port add` and `port rm`")]
#[derive(Debug, Args)]
pub struct PortChangeArgs {
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing changes
    #[arg(long)]
    pub dry_run: bool,
    /// Name or id
    pub container: String,
    /// As -p takes them: [IP:][HOST-PORT:]PORT[/PROTOCOL], and ranges
    #[arg(required = true, value_name = "PORTS")]
    pub ports: Vec<String>,
}
