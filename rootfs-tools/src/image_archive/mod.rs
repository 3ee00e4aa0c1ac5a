//! Image archives: one tar file that carries images, as `docker save`, `skopeo` and `buildx` write them.
//!
//! ```text
//!   manifest.json          [{ Config, RepoTags, Layers }, …]         docker      which images, and where their parts lie
//!   index.json             descriptors of manifests                  layout      the same as an OCI image layout
//!   blobs/sha256/<hex>     configs, manifests, layers (plain, gzip or zstd)
//!   <hex>.json, <hex>/layer.tar                                                  where older Dockers put them
//!
//!   load    members ──> docker or layout ──> Described ──> config checked ──> layers unpacked ──> publish
//!   save    store ──> layers rebuilt from skeletons, configs ──> both descriptions
//! ```
//!
//! The parts of such a file come in any order, and what they are is said at the end of it. So it is looked through once,
//! by seeking from header to header, and then read where it is needed. Nothing of it is unpacked to a path of the
//! archive's choosing: names are keys of a map, and links are looked up there.

mod describe;
mod docker;
mod layout;
mod limits;
mod load;
mod members;
mod save;
#[cfg(test)]
mod tests;

use crate::digest::Digest;
use crate::error::Error;
use crate::reference::Reference;

#[cfg(any(test, feature = "fuzz"))]
pub(crate) use describe::fuzz;
pub use load::Loaded;

/// One image, as an archive describes it.
struct Described {
    /// Member that holds the configuration.
    config: String,
    /// Members that hold the layers, the bottom one first.
    layers: Vec<String>,
    /// The image's names.
    names: Vec<Reference>,
}

/// Where a blob lies (OCI image layout).
fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn refuse<T>(why: String) -> Result<T, Error> {
    Err(Error::Archive(why))
}
