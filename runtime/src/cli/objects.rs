//! The words of `network` and `image`.
//!
//! ```text
//! network create|ls|inspect|rm        image import|build|ls|rm, images, rmi
//! ```

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::InspectArgs;

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
