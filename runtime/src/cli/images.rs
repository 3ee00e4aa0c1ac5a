//! The words of `image`, and those that Docker has without it.
//!
//! ```text
//! image load|save|import|build|ls|inspect|history|tag|rm|prune        load save images history tag rmi
//! ```

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};

use super::{InspectArgs, ListArgs};

/// `image …`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Load images from an archive: of docker save, or an OCI layout in a tar file
    Load(LoadArgs),
    /// Save images to an archive that pontoon, docker and podman can load
    Save(SaveArgs),
    /// Make an image of a root file system in a tar archive (plain, gzip or zstd; - is standard input)
    Import(ImportArgs),
    /// Make an image from a recipe
    Build(BuildArgs),
    /// List images
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Show everything that is known of images, as JSON
    Inspect(InspectArgs),
    /// Show how an image was made, layer by layer
    History(HistoryArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove images
    #[command(alias = "remove")]
    Rm(RmiArgs),
    /// Remove images that nobody needs
    Prune(PruneArgs),
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`load`")]
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The archive (else standard input; - is that too); gzip and zstd are unpacked
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Accepted as docker's: there is no progress to be silent about
    #[arg(short, long)]
    pub quiet: bool,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`save`")]
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// The archive (else standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Names or ids; a name without a tag is all its tags
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}

/// Make an image of a root file system in a tar archive (plain, gzip or zstd; - is standard input)
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The archive; - is standard input
    pub file: PathBuf,
    /// Name of the image
    pub name: Option<String>,
}

/// Make an image from a recipe
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Name of the image (else as the recipe says)
    #[arg(short, long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Directory of the recipe
    pub directory: PathBuf,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`history`")]
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Sizes and times for people (--human=false: bytes and dates)
    #[arg(short = 'H', long, default_value_t = true, num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    pub human: bool,
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Do not cut ids and commands
    #[arg(long)]
    pub no_trunc: bool,
    /// A Go template, or json
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Name or id
    pub image: String,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`tag`")]
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Name or id
    pub source: String,
    /// The further name: NAME[:TAG]
    pub target: String,
}

// Of several verbs, each of which has its own help: a doc comment here would stand in its place.
#[cfg_attr(doc, doc = "`rmi`")]
#[derive(Debug, Args)]
pub struct RmiArgs {
    /// Also when stopped containers use it; an image that is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}

/// Remove images that nobody needs
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// All that no container uses, not only those without a name
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}
