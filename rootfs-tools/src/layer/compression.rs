//! Which compression a stream has, by its first bytes: names of files lie.
//!
//! ```text
//!   1f 8b              gzip    several members one after the other, as pigz and eStargz write them
//!   28 b5 2f fd        zstd    several frames, skippable ones too (5x 2a 4d 18), as pzstd writes them
//!   fd 37 7a 58 5a 00  xz    ┐ refused with the command that helps
//!   42 5a 68           bzip2 ┘
//!   anything else      plain
//! ```
//!
//! A zstd frame says how much memory it wants. The decoder's own limit stands: 128 MiB, which is what `zstd -22` asks for.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

/// How a stream is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    /// A format that is not read here, with the command that unpacks it.
    Foreign(&'static str),
}

impl Compression {
    /// Looks at the first bytes of a stream.
    pub(crate) fn detect(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Foreign("xz -d"),
            [b'B', b'Z', b'h', ..] => Compression::Foreign("bzip2 -d"),
            _ => Compression::Plain,
        }
    }

    /// The unpacked bytes of a stream that is packed like this.
    pub(crate) fn decoder<'a>(self, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        match self {
            Compression::Plain => Ok(Box::new(input)),
            Compression::Gzip => Ok(Box::new(MultiGzDecoder::new(input))),
            Compression::Zstd => Ok(Box::new(Zstd(zstd::stream::read::Decoder::with_buffer(input)?))),
            Compression::Foreign(command) => {
                let text = format!("its compression is not supported: unpack it with `{command}` first");
                Err(io::Error::new(ErrorKind::Unsupported, text))
            }
        }
    }
}

/// Says of damaged data that it is damaged.
struct Zstd<'a, R>(zstd::stream::read::Decoder<'a, R>);

impl<R: BufRead> Read for Zstd<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            ErrorKind::Other if error.raw_os_error().is_none() => io::Error::new(ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}
