//! Which compression a stream has, by its first bytes: names of files lie.
//!
//! ```text
//!   1f 8b              gzip    inflated here (several members one after the other, as pigz and eStargz write them)
//!   28 b5 2f fd        zstd  ┐
//!   fd 37 7a 58 5a 00  xz    ├ refused with the command that helps
//!   42 5a 68           bzip2 ┘
//!   anything else      plain
//! ```

/// How a stream is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compression {
    Plain,
    Gzip,
    /// A format that is not read here, with the command that unpacks it.
    Foreign(&'static str),
}

impl Compression {
    /// Looks at the first bytes of a stream.
    pub(super) fn detect(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Foreign("zstd -d"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Foreign("xz -d"),
            [b'B', b'Z', b'h', ..] => Compression::Foreign("bzip2 -d"),
            _ => Compression::Plain,
        }
    }
}
