//! How much of anything an archive may ask for. Each limit is far above what honest images do.
//!
//! ```text
//!   entries            bounds inodes
//!   directories        their names and times wait in memory for the end
//!   depth, path        a path must be nameable in one system call (PATH_MAX), and walkable by others
//!   header             long names, pax records and sparse maps are held in memory
//!   replaced           what an archive replaced of its own is remembered when its stream is made again
//!   trailer            bytes behind the end marker: they count for the digest, and are else ignored
//! ```
//!
//! The disk has no number here but a share: see room.

/// Entries of one archive.
pub(super) const ENTRIES: u64 = 4_000_000;
/// Components of one name.
pub(super) const DEPTH: usize = 256;
/// Bytes of one name or link target: PATH_MAX without the final NUL.
pub(super) const PATH: usize = 4095;
/// Bytes of one long name, of the pax records of one entry, or of one sparse map.
pub(super) const HEADER: u64 = 1 << 20;
/// Bytes that may follow the end of the archive: `tar -b` pads to a record, some tools to 10 MiB.
pub(super) const TRAILER: u64 = 16 << 20;
/// Bytes of an extended attribute's value (XATTR_SIZE_MAX).
pub(super) const XATTR: usize = 65536;
/// Bytes of the names of all directories, each counted with its place in a list.
pub(super) const DIRECTORIES: usize = 128 << 20;
/// Bytes of the names of all files and full directories that later entries replace, each counted with 64 more.
pub(super) const REPLACED: usize = 16 << 20;
/// Extended attributes of one entry.
pub(super) const XATTRS: usize = 256;
