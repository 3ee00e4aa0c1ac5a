//! What the store hands out, and what it is told about an import.
//!
//! ```text
//!   id ──────── sha256 of the config's bytes (OCI image spec, config.md "ImageID")
//!   config ──── rootfs.diff_ids[0] is the bottom layer
//!   layers ──── directories for overlayfs, topmost first: as lowerdir= wants them
//! ```

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use oci_spec::image::{Config, ImageConfiguration};

use crate::digest::Digest;

/// One image of the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// `sha256:` and 64 hex digits.
    pub id: Digest,
    /// Names as people type them ("busybox:latest"), sorted. From [`Store::find`](crate::Store::find) this is only the
    /// name that was asked for (none if asked by id); [`Store::list`](crate::Store::list) knows all.
    pub names: Vec<String>,
    /// The image's configuration (OCI image spec, config.md).
    pub config: ImageConfiguration,
    /// The same, byte for byte: JSON whose SHA-256 is the id. It may have members that `config` does not know.
    pub text: String,
    /// Unpacked layers, topmost first, each once; absolute if the store's directory is. Short on purpose: see `store/`.
    pub layers: Vec<PathBuf>,
    /// Bytes in the regular files of each layer, the bottom one first: as the config counts them.
    pub layer_sizes: Vec<u64>,
    /// When it was made, from the config; 1970 if the config does not say.
    pub created: Timestamp,
    /// Bytes in the regular files of all its layers.
    pub size: u64,
}

/// What an import says about the image, beyond the files in it.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Command, environment, user, ports …: the `config` member of the image's configuration.
    pub config: Config,
    /// When the image was made; now, if absent.
    pub created: Option<Timestamp>,
    /// One line for the image's history.
    pub comment: Option<String>,
}

/// One line of the answer to a removal, printed as `rmi` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// This name is gone.
    Untagged(String),
    /// This image or layer is gone.
    Deleted(Digest),
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Removed::Untagged(name) => write!(f, "Untagged: {name}"),
            Removed::Deleted(digest) => write!(f, "Deleted: {digest}"),
        }
    }
}
