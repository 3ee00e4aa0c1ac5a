//! The skeleton of a layer: what its tar stream has beyond the files' own bytes, so that the stream can be made again.
//!
//! ```text
//!   stream     [header a][data of a][pad][header b][data of b][pad] … [end marker]
//!   skeleton    literal    stored     literal        stored   literal                 zstd: a five-hundredth of a usual stream
//!   files                  fs/a                      fs/b
//!
//!   frame      'L' length bytes                     these bytes
//!              'S' length offset  path length path  `length` bytes of the file at `path`, from `offset`
//!              'M' number         path length path  what was at `path` until now lies in old/<number>
//! ```
//!
//! An image is named by the digests of its layers' tar streams, so `save` has to write exactly the stream that came in:
//! order, padding, spelling of headers. The bytes of files are most of a stream, and the unpacked layer has them; the rest
//! is kept here. All numbers are 64 bits, little-endian. A path is the place below the layer's root where the file was
//! made, links resolved.
//!
//! An archive may replace its own files. Then the old bytes still belong to the stream: they are moved aside, and the
//! frame `M` says since when.

mod rebuild;
mod record;

use std::path::{Path, PathBuf};

pub(crate) use rebuild::Rebuild;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use rebuild::walk;
pub(super) use record::Recorder;

/// The first bytes of every skeleton.
const MAGIC: &[u8] = b"pontoon skeleton 1\n";
const LITERAL: u8 = b'L';
const STORED: u8 = b'S';
const MOVED: u8 = b'M';

/// The frames, in the directory of a skeleton.
fn frames(dir: &Path) -> PathBuf {
    dir.join("frames.zst")
}

/// What the archive replaced, in the directory of a skeleton.
pub(super) fn old(dir: &Path) -> PathBuf {
    dir.join("old")
}
