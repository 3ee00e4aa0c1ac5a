//! How much an image archive may ask for. Each limit is far above what honest archives have.
//!
//! ```text
//!   names       of all members are held in memory
//!   document    manifest, index or config: parsed in memory
//!   documents   of one archive, so that one may not be read a million times
//!   images      of one archive              layers    of one image: what overlayfs stacks
//! ```

/// Bytes of all names together, each counted with what a map adds to it.
pub(super) const NAMES: usize = 16 << 20;
/// Bytes of one JSON document.
pub(super) const DOCUMENT: u64 = 4 << 20;
/// Bytes of all documents that are read.
pub(super) const DOCUMENTS: u64 = 64 << 20;
/// Images of one archive.
pub(super) const IMAGES: usize = 1000;
/// Layers of one image (OVL_MAX_STACK of the kernel's fs/overlayfs).
pub(super) const LAYERS: usize = 500;
/// Links that lead to links, and indexes that lead to indexes.
pub(super) const DEPTH: usize = 8;
