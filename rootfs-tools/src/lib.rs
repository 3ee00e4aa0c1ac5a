//! Images: names, a content-addressed store, and an unpacker that trusts no archive.
//!
//! ```text
//!   reference   busybox:latest -> docker.io/library/busybox, tag latest
//!   digest      sha256:<64 hex>; the short names that overlay mounts use
//!   image       what the store hands out: id, names, config, layer directories
//!   store/      the directory on disk: find, list, publish, remove, sweep
//!   layer/      a tar stream -> a directory: pipeline, archive, unpack, whiteout
//!   image_archive/  one file that carries images: load and save
//!   recipe/     a small JSON file -> a tar stream -> the same import as any archive
//!   lock, tree  one OFD lock; the removal of a directory tree of any depth
//! ```
//!
//! The crate knows neither containers nor networks: who uses an image is asked through a closure.
//! Errors keep the kernel's words in `source()`; print them with their chain (`{:#}` of anyhow, or [`Error::sentence`]).
#![forbid(unsafe_code)]

mod digest;
mod error;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod image;
mod image_archive;
mod layer;
mod lock;
mod recipe;
mod reference;
mod store;
mod tree;

pub use digest::Digest;
pub use error::Error;
pub use image::{Image, ImportOptions, Removed};
pub use image_archive::Loaded;
pub use reference::Reference;
pub use store::{Hold, Store};
