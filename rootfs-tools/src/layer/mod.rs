//! A layer: from a stream of bytes to a directory that overlayfs can use.
//!
//! ```text
//!   reader ──> inflate ──┬──> sha256                      pipeline     four threads, bounded channels
//!   (any)  (gzip, zstd)  └──> Recorder ──> Archive ──> Unpacker ──> fs/
//!                             └ skeleton   │  │  │       │          skeleton/   what is in no file: makes the stream again
//!                                          │  │  │       └ whiteout   .wh.x -> char 0:0, .wh..wh..opq -> trusted.overlay.opaque
//!                                          │  │  └ sparse            the holes of GNU tar
//!                                          │  └ pax                  records of pax headers
//!                                          └ path                    names that stay below the root
//! ```
//!
//! Nothing here is believed: sizes are bounded before memory is taken, names are made relative before they are used, and
//! every object is made by a system call relative to a descriptor of the layer's root, with the kernel (openat2(2),
//! RESOLVE_IN_ROOT) and not our own string arithmetic as the wall.

pub(crate) mod archive;
mod aside;
pub(crate) mod compression;
mod limits;
pub(crate) mod path;
mod pax;
mod pipeline;
pub(crate) mod room;
pub(crate) mod skeleton;
mod sparse;
mod unpack;
mod whiteout;

#[cfg(test)]
pub(crate) mod tests;

use std::fs::File;
use std::io::{BufRead, Read};
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

/// Unpacks an archive into `fs`, a directory that exists, makes its skeleton beside it, and waits until all of it is on
/// the disk.
pub(crate) fn unpack(archive: impl Read + Send, fs: &Path, skeleton: &Path) -> Result<Layer, Error> {
    let root = File::open(fs).doing(|| format!("open {}", fs.display()))?;
    let mut unpacker = unpack::Unpacker::new(root.into(), skeleton);
    let diff_id = pipeline::run(archive, |stream| {
        let mut archive = archive::Archive::new(skeleton::Recorder::new(stream, skeleton)?);
        let walked = walk(&mut archive, &mut unpacker);
        archive.into_recorder().finish(walked)
    })?;
    Ok(Layer { diff_id, size: unpacker.finish()? })
}

fn walk<R: BufRead>(
    archive: &mut archive::Archive<skeleton::Recorder<R>>,
    unpacker: &mut unpack::Unpacker,
) -> Result<(), Error> {
    while let Some(entry) = archive.next()? {
        unpacker.entry(&entry, archive)?;
    }
    archive.finish()
}
