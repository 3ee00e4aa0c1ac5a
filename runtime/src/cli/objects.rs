//! The words of `network`, and of lists.
//!
//! ```text
//! network create|ls|inspect|show|rm|prune|connect|disconnect|reload
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use clap::{Args, Subcommand};

use super::InspectArgs;

/// `network …`
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Create a network
    Create(NetworkCreateArgs),
    /// List networks
    #[command(alias = "list")]
    Ls(NetworkListArgs),
    /// Show everything that is known of networks, as JSON
    Inspect(NetworkInspectArgs),
    /// Show bridges with their ports, and the containers behind them
    Show(NetworkShowArgs),
    /// Remove networks
    #[command(alias = "remove")]
    Rm(NetworkRmArgs),
    /// Remove networks that no container has
    Prune(NetworkPruneArgs),
    /// Attach a container to a network
    Connect(NetworkConnectArgs),
    /// Take a container from a network
    Disconnect(NetworkDisconnectArgs),
    /// Put the firewall of networks and their containers back, as after nft flush ruleset
    Reload(NetworkReloadArgs),
}

/// Create a network
#[derive(Debug, Args)]
pub struct NetworkCreateArgs {
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing is made
    #[arg(long)]
    pub dry_run: bool,
    /// Driver: bridge, or p2p, a cable between two containers
    #[arg(short, long, default_value = "bridge")]
    pub driver: String,
    /// Subnet, as 172.30.0.0/16; one of each family
    #[arg(long)]
    pub subnet: Vec<String>,
    /// Address of the bridge in that subnet
    #[arg(long)]
    pub gateway: Vec<String>,
    /// Part of the subnet from which containers get their addresses
    #[arg(long, value_name = "SUBNET")]
    pub ip_range: Vec<String>,
    /// Address that something else has, and no container gets: NAME=ADDRESS
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub aux_address: Vec<String>,
    /// Give it a subnet of IPv6 too
    #[arg(long)]
    pub ipv6: bool,
    /// Give it a subnet of IPv4
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
    pub ipv4: bool,
    /// No way out of it, and none in but from this host
    #[arg(long)]
    pub internal: bool,
    /// Option of the driver: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Label: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Name of the network
    pub name: String,
}

/// Attach a container to a network, whether it runs or not
#[derive(Debug, Args)]
pub struct NetworkConnectArgs {
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing is made
    #[arg(long)]
    pub dry_run: bool,
    /// Another name for the container on this network
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// A private name for a container of this network
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub link: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// Hardware address
    #[arg(long, value_name = "MAC")]
    pub mac_address: Option<String>,
    /// Of several networks, the one with the highest has the default route
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_hyphen_values = true)]
    pub gw_priority: i32,
    /// Option of the driver: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub driver_opt: Vec<String>,
    /// Name or id
    pub network: String,
    /// Name or id
    pub container: String,
}

/// Take a container from a network, whether it runs or not
#[derive(Debug, Args)]
pub struct NetworkDisconnectArgs {
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing is made
    #[arg(long)]
    pub dry_run: bool,
    /// As Docker's; a container is never in the way here
    #[arg(short, long)]
    pub force: bool,
    /// Name or id
    pub network: String,
    /// Name or id
    pub container: String,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`network ls`, `image ls` and `images`")]
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

/// List networks
#[derive(Debug, Args)]
pub struct NetworkListArgs {
    /// Only those with this driver, id, label, name, scope, type (custom, builtin), or dangling=true: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// How it is printed
    #[command(flatten)]
    pub list: ListArgs,
}

/// Show everything that is known of networks, as JSON
#[derive(Debug, Args)]
pub struct NetworkInspectArgs {
    /// As Docker's; everything is shown here in any case
    #[arg(short, long)]
    pub verbose: bool,
    /// What is shown, and how
    #[command(flatten)]
    pub inspect: InspectArgs,
}

/// Show bridges with their ports, and the containers behind them
#[derive(Debug, Args)]
pub struct NetworkShowArgs {
    /// Names or ids; without any, all networks
    #[arg(value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// Remove networks that no container has
#[derive(Debug, Args)]
pub struct NetworkPruneArgs {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Only those made before a time (until=24h), or with or without a label (label=KEY, label!=KEY): KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
}

/// Remove networks
#[derive(Debug, Args)]
pub struct NetworkRmArgs {
    /// Say on stderr what is done, as lines of shell, before it is done
    #[arg(long)]
    pub explain: bool,
    /// Only say it, on stdout: nothing is removed
    #[arg(long)]
    pub dry_run: bool,
    /// A network that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// Put the firewall of networks and their containers back, as after nft flush ruleset
#[derive(Debug, Args)]
pub struct NetworkReloadArgs {
    /// Names or ids; without any, all networks
    #[arg(value_name = "NETWORK")]
    pub networks: Vec<String>,
}
