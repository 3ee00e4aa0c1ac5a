//! Rebuilding: a skeleton and the files of a layer become the tar stream that they came from.
//!
//! ```text
//!   first reading    lengths summed up, M frames gathered         -> size, moved
//!   second reading   L: its bytes     S: the file's, from fs/ or, if it was replaced later, from old/
//! ```
//!
//! Nothing here checks the bytes: whoever reads the stream compares its digest with the layer's name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use super::{LITERAL, MAGIC, MOVED, STORED};
use crate::error::{Doing, Error};
use crate::layer::limits;

/// Every path that was replaced: at which frames, and where the old one went.
type Moved = BTreeMap<Vec<u8>, Vec<(u64, u64)>>;

/// A layer's tar stream.
pub(crate) struct Rebuild {
    /// Bytes of the whole stream.
    pub(crate) size: u64,
    frames: Frames,
    moved: Moved,
    fs: OwnedFd,
    old: PathBuf,
    now: Now,
}

/// What is being read.
enum Now {
    Literal { left: u64 },
    Stored { file: File, offset: u64, left: u64 },
}

enum Frame {
    Literal { length: u64 },
    Stored { length: u64, offset: u64, path: Vec<u8> },
    Moved { number: u64, path: Vec<u8> },
}

impl Rebuild {
    /// Of the layer in `fs`, whose skeleton lies in `dir`.
    pub(crate) fn new(fs: &Path, dir: &Path) -> Result<Rebuild, Error> {
        let doing = || format!("read the skeleton {}", dir.display());
        let (size, moved) = survey(dir).doing(doing)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, fs, flags, Mode::empty()).doing(|| format!("open the layer {}", fs.display()))?;
        let frames = Frames::open(dir).doing(doing)?;
        Ok(Rebuild { size, frames, moved, fs: root, old: super::old(dir), now: Now::Literal { left: 0 } })
    }

    /// Goes to the next frame that has bytes; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            let at = self.frames.count;
            match self.frames.next()? {
                None => return Ok(false),
                Some(Frame::Moved { .. }) => {}
                Some(Frame::Literal { length }) => self.now = Now::Literal { left: length },
                Some(Frame::Stored { length, offset, path }) => {
                    self.now = Now::Stored { file: self.open(&path, at)?, offset, left: length };
                }
            }
            if self.left() > 0 {
                return Ok(true);
            }
        }
    }

    fn left(&self) -> u64 {
        match self.now {
            Now::Literal { left } | Now::Stored { left, .. } => left,
        }
    }

    /// The file that was made at `path` when frame number `at` was written.
    fn open(&self, path: &[u8], at: u64) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match replaced(&self.moved, path, at) {
            Some((number, below)) => {
                let top = openat(CWD, &self.old, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
                let place = [number.to_string().as_bytes(), below].concat();
                openat2(&top, OsStr::from_bytes(&place), flags, Mode::empty(), ResolveFlags::IN_ROOT)
            }
            None => openat2(&self.fs, OsStr::from_bytes(path), flags, Mode::empty(), ResolveFlags::IN_ROOT),
        };
        let name = || String::from_utf8_lossy(path).into_owned();
        let opened = opened.map_err(io::Error::from);
        opened.map(File::from).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", name())))
    }
}

impl Read for Rebuild {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left() == 0 && (into.is_empty() || !self.advance()?) {
            return Ok(0);
        }
        let most = into.len().min(usize::try_from(self.left()).unwrap_or(usize::MAX));
        let got = match &mut self.now {
            Now::Literal { left } => {
                let got = self.frames.input.read(&mut into[..most])?;
                *left -= got as u64;
                got
            }
            Now::Stored { file, offset, left } => {
                let got = file.read_at(&mut into[..most], *offset)?;
                *left -= got as u64;
                *offset += got as u64;
                got
            }
        };
        if got == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(got) }
    }
}

/// The first replacement, after frame `at`, of the path or of a directory that holds it: its number, and the way from
/// there, which begins with a slash or is empty.
fn replaced<'a>(moved: &Moved, path: &'a [u8], at: u64) -> Option<(u64, &'a [u8])> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let ends = slashes.chain([path.len()]);
    let first = |end: usize| moved.get(&path[..end])?.iter().find(|(when, _)| *when > at).map(|found| (*found, end));
    let ((_, number), end) = ends.filter_map(first).min()?;
    Some((number, &path[end..]))
}

/// Bytes of the whole stream, and what was replaced when.
fn survey(dir: &Path) -> io::Result<(u64, Moved)> {
    let mut frames = Frames::open(dir)?;
    let (mut size, mut moved) = (0u64, Moved::new());
    loop {
        let at = frames.count;
        match frames.next()? {
            None => return Ok((size, moved)),
            Some(Frame::Stored { length, .. }) => size = size.checked_add(length).ok_or_else(damaged)?,
            Some(Frame::Moved { number, path }) => moved.entry(path).or_default().push((at, number)),
            Some(Frame::Literal { length }) => {
                size = size.checked_add(length).ok_or_else(damaged)?;
                let passed = io::copy(&mut (&mut frames.input).take(length), &mut io::sink())?;
                if passed < length {
                    return Err(damaged());
                }
            }
        }
    }
}

/// The frames of a skeleton, one after the other.
struct Frames {
    input: Box<dyn Read + Send>,
    count: u64,
}

impl Frames {
    fn open(dir: &Path) -> io::Result<Frames> {
        Frames::read(File::open(super::frames(dir))?)
    }

    fn read(packed: impl Read + Send + 'static) -> io::Result<Frames> {
        let mut input = BufReader::new(zstd::stream::read::Decoder::new(packed)?);
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != *MAGIC { Err(damaged()) } else { Ok(Frames { input: Box::new(input), count: 0 }) }
    }

    /// The next frame's head; the bytes of a literal follow in `input`.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut kind = [0];
        if self.input.read(&mut kind)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        Ok(Some(match kind[0] {
            LITERAL => Frame::Literal { length: self.number()? },
            STORED => Frame::Stored { length: self.number()?, offset: self.number()?, path: self.path()? },
            MOVED => Frame::Moved { number: self.number()?, path: self.path()? },
            _ => return Err(damaged()),
        }))
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.input.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn path(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok().filter(|length| *length <= limits::PATH);
        let mut path = vec![0; length.ok_or_else(damaged)?];
        self.input.read_exact(&mut path)?;
        Ok(path)
    }
}

fn damaged() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is damaged")
}

/// Walks through any bytes as if they were a skeleton: for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn walk(bytes: &[u8]) {
    let packed = io::Cursor::new([MAGIC, bytes].concat());
    let Ok(packed) = zstd::stream::encode_all(packed, 1) else { return };
    let Ok(mut frames) = Frames::read(io::Cursor::new(packed)) else { return };
    while let Ok(Some(frame)) = frames.next() {
        if let Frame::Literal { length } = frame {
            let _ = io::copy(&mut (&mut frames.input).take(length), &mut io::sink());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_the_first_replacement_after_a_frame_is_the_one() {
        let moved = Moved::from([(b"a".to_vec(), vec![(5, 50), (9, 90)]), (b"a/b".to_vec(), vec![(7, 70)])]);
        assert_eq!(replaced(&moved, b"a/b", 1), Some((50, b"/b".as_slice())));
        assert_eq!(replaced(&moved, b"a/b", 6), Some((70, b"".as_slice())));
        assert_eq!(replaced(&moved, b"a/b/c", 8), Some((90, b"/b/c".as_slice())));
        assert_eq!(replaced(&moved, b"a", 9), None);
        assert_eq!(replaced(&moved, b"ab", 1), None);
    }

    #[test]
    fn pure_a_skeleton_of_nonsense_ends() {
        for bytes in [&b"L\xff\xff\xff\xff\xff\xff\xff\xffx"[..], b"S", b"Q", b"M\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0"]
        {
            walk(bytes);
        }
    }
}
