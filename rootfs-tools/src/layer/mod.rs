//! A layer: from a stream of bytes to a directory that overlayfs can use.
//!
//! ```text
//!   reader ──> inflate ──┬──> sha256                      pipeline     four threads, bounded channels
//!   (any)      (gzip)    └──> Archive ──> Unpacker ──> fs
//!                             │  │  │        └ whiteout   .wh.x -> char 0:0, .wh..wh..opq -> trusted.overlay.opaque
//!                             │  │  └ sparse              the holes of GNU tar
//!                             │  └ pax                    records of pax headers
//!                             └ path                      names that stay below the root
//! ```
//!
//! Nothing here is believed: sizes are bounded before memory is taken, names are made relative before they are used, and
//! every object is made by a system call relative to a descriptor of the layer's root, with the kernel (openat2(2),
//! RESOLVE_IN_ROOT) and not our own string arithmetic as the wall.

mod archive;
mod compression;
mod limits;
mod path;
mod pax;
mod pipeline;
mod sparse;
mod unpack;
mod whiteout;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::digest::Digest;
use crate::error::{Doing, Error};

/// What came out of one archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    /// SHA-256 of the uncompressed stream, to its last byte.
    pub(crate) diff_id: Digest,
    /// Bytes in regular files.
    pub(crate) size: u64,
}

/// Unpacks an archive into a directory that exists, and waits until all of it is on the disk.
pub(crate) fn unpack(archive: impl Read + Send, into: &Path) -> Result<Layer, Error> {
    let root = File::open(into).doing(|| format!("open {}", into.display()))?;
    let mut unpacker = unpack::Unpacker::new(root.into());
    let diff_id = pipeline::run(archive, |stream| {
        let mut archive = archive::Archive::new(stream);
        while let Some(entry) = archive.next()? {
            unpacker.entry(&entry, &mut archive)?;
        }
        archive.finish()
    })?;
    Ok(Layer { diff_id, size: unpacker.finish()? })
}
