//! A tar stream, entry by entry.
//!
//! ```text
//!   [x pax] [L long name] [K long link]  header  data, padded to 512  │ …  │ 512 zeros │ padding
//!    └─ describe the next header ─┘      tar::Header parses it        │    │ the end   │ counted, ignored
//! ```
//!
//! The `tar` crate parses the 512 bytes of a header (three dialects of octal, base-256 and prefixes). The walk from header
//! to header is ours, because that is where readers have disagreed and enemies have lived: a pax size against the
//! header's, headers without bound, records split at newlines. Sizes are as Go's archive/tar counts them, since its
//! users wrote most images: links, directories and devices have no data, whatever their size field says.

use std::io::{self, BufRead, ErrorKind, Read};
use std::ops::Range;

use tar::Header;

use super::limits;
use super::path::{EntryPath, lossy};
use super::pax::Pax;
use super::skeleton::Recorder;
use super::sparse::{self, Segment};
use crate::error::Error;

pub(super) const BLOCK: usize = 512;

/// A numeric field of the header, and where it lies (POSIX ustar).
type Field = (&'static str, Range<usize>);
const MODE: Field = ("mode", 100..108);
const UID: Field = ("user id", 108..116);
const GID: Field = ("group id", 116..124);
const SIZE: Field = ("size", 124..136);
const MTIME: Field = ("time", 136..148);
const MAJOR: Field = ("device number", 329..337);
const MINOR: Field = ("device number", 337..345);

/// A point in time as utimensat(2) takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file of `size` bytes; `segments` say where data is if it has holes.
    File {
        size: u64,
        segments: Option<Vec<Segment>>,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    Hardlink {
        target: EntryPath,
    },
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    Fifo,
}

/// One entry, with everything but its data.
pub(crate) struct Entry {
    pub(crate) path: EntryPath,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky: at most 0o7777.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Headers that describe the next one.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

/// What an archive is read from.
pub(crate) trait Input: BufRead {
    /// Passes over this many bytes.
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let shown = self.fill_buf()?.len();
            if shown == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let step = shown.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }
}

/// Reads entries; the data of the last one lies in [`Archive::data`].
pub(crate) struct Archive<R> {
    input: R,
    /// Bytes of the current entry's data that nobody has read yet, and the padding behind them.
    unread: u64,
    padding: u64,
    entries: u64,
}

impl<R: Input> Archive<R> {
    pub(crate) fn new(input: R) -> Archive<R> {
        Archive { input, unread: 0, padding: 0, entries: 0 }
    }

    /// The next entry, or None at the end marker.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Error> {
        let mut extensions = Extensions::default();
        loop {
            self.skip_data()?;
            let Some(header) = self.header()? else { return self.end(&extensions) };
            if !self.extension(&header, &mut extensions)? {
                return self.entry(&header, extensions).map(Some);
            }
        }
    }

    /// What it is read from: at the beginning of the current entry's data.
    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads what follows the end marker: it belongs to the digest.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let mut trailer = 0;
        loop {
            let count = self.input.fill_buf().map_err(input_error)?.len();
            if count == 0 {
                return Ok(());
            }
            self.input.consume(count);
            trailer += count as u64;
            if trailer > limits::TRAILER {
                return refuse("more than 16 MiB follow its end");
            }
        }
    }

    fn end(&self, extensions: &Extensions) -> Result<Option<Entry>, Error> {
        if extensions.name.is_some() || extensions.link.is_some() || extensions.pax.is_some() {
            return refuse("its last header describes an entry that does not follow");
        }
        if self.entries == 0 {
            return refuse("it is empty");
        }
        Ok(None)
    }

    /// The next header with a good checksum; None for a block of zeros.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        let mut header = Header::new_old();
        let got = fill(&mut self.input, header.as_mut_bytes())?;
        match got {
            0 if self.entries == 0 => return refuse("it is empty"),
            0 => return refuse("it has no end marker: the file is truncated"),
            BLOCK => {}
            _ if self.entries == 0 => return refuse("it is not a tar archive"),
            _ => return Err(input_error(ErrorKind::UnexpectedEof.into())),
        }
        if header.as_bytes().iter().all(|b| *b == 0) {
            return Ok(None);
        }
        if !has_good_checksum(&header) {
            return refuse(if self.entries == 0 { "it is not a tar archive" } else { "a header is damaged" });
        }
        self.count()?;
        Ok(Some(header))
    }

    fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > limits::ENTRIES {
            return refuse("it has more than 4,000,000 entries");
        }
        Ok(())
    }

    /// Takes up a header that only describes the next one, and says whether it was such a header.
    fn extension(&mut self, header: &Header, extensions: &mut Extensions) -> Result<bool, Error> {
        let twice = match header.as_bytes()[156] {
            b'L' => extensions.name.replace(until_nul(self.extension_data(header)?)).is_some(),
            b'K' => extensions.link.replace(until_nul(self.extension_data(header)?)).is_some(),
            b'x' | b'X' => extensions.pax.replace(Pax::parse(&self.extension_data(header)?)?).is_some(),
            // Global records are comments in practice (git archive); a volume label is no file.
            b'g' | b'V' => {
                self.extension_data(header)?;
                false
            }
            _ => return Ok(false),
        };
        if twice { refuse("two headers of one kind describe the same entry") } else { Ok(true) }
    }

    fn extension_data(&mut self, header: &Header) -> Result<Vec<u8>, Error> {
        let size = field(header, SIZE, header.entry_size())?;
        self.begin_data(size)?;
        self.take(size)
    }

    /// The next `size` bytes of data, which must be few.
    pub(super) fn take(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        if size > limits::HEADER || size > self.unread {
            return refuse("a header is larger than 1 MiB, or than the entry that holds it");
        }
        // Bounded by the limit above, so the cast loses nothing.
        let mut bytes = vec![0; size as usize];
        self.input.read_exact(&mut bytes).map_err(input_error)?;
        self.unread -= size;
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, extensions: Extensions) -> Result<Entry, Error> {
        let pax = extensions.pax.unwrap_or_default();
        let raw = pax.path.clone().or(extensions.name).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pax.linkpath.clone().or(extensions.link);
        let link = link.or_else(|| header.link_name_bytes().map(|name| name.into_owned())).unwrap_or_default();
        let kind = self.kind(header, &pax, &raw, link)?;
        let path = pax.sparse.iter().find(|(key, _)| key == b"name").map_or(&raw, |(_, name)| name);
        Ok(Entry {
            path: EntryPath::new(path)?,
            kind,
            mode: field(header, MODE, header.mode())? & 0o7777,
            uid: owner(pax.uid, || field(header, UID, header.uid()), &raw)?,
            gid: owner(pax.gid, || field(header, GID, header.gid()), &raw)?,
            mtime: pax.mtime.map_or_else(|| header_time(header), Ok)?,
            xattrs: pax.xattrs,
        })
    }

    fn kind(&mut self, header: &Header, pax: &Pax, raw: &[u8], link: Vec<u8>) -> Result<Kind, Error> {
        Ok(match header.as_bytes()[156] {
            // Before POSIX a directory was a file whose name ends in a slash.
            0 | b'0' if raw.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => self.file(header, pax)?,
            b'1' => Kind::Hardlink { target: EntryPath::new(&link)? },
            b'2' => Kind::Symlink { target: symlink_target(link, raw)? },
            letter @ (b'3' | b'4') => device(header, letter == b'4')?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                let letter = char::from(other).escape_default();
                return refuse(&format!("{:?} is of an unknown kind '{letter}'", lossy(raw)));
            }
        })
    }

    fn file(&mut self, header: &Header, pax: &Pax) -> Result<Kind, Error> {
        let stored = pax.size.map_or_else(|| field(header, SIZE, header.entry_size()), Ok)?;
        if header.as_bytes()[156] == b'S' {
            let (size, segments) = sparse::from_header(header, &mut self.input)?;
            self.begin_data(stored)?;
            return sparse::file(size, segments, self.unread);
        }
        self.begin_data(stored)?;
        match sparse::from_pax(&pax.sparse, self)? {
            Some((size, segments)) => sparse::file(size, segments, self.unread),
            None => Ok(Kind::File { size: stored, segments: None }),
        }
    }

    fn begin_data(&mut self, size: u64) -> Result<(), Error> {
        if size > i64::MAX as u64 {
            return refuse("an entry is larger than any file can be");
        }
        self.unread = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.unread) + std::mem::take(&mut self.padding);
        self.input.skip(rest).map_err(input_error)
    }
}

/// The data of a layer's files, which does not go into its skeleton.
impl<R: BufRead> Archive<Recorder<R>> {
    /// Says that the next `length` bytes go to the file at `path`, from `offset` on.
    pub(super) fn stored(&mut self, path: &[u8], offset: u64, length: u64) {
        self.input.stored(path, offset, length);
    }

    /// Says that what was at `path` is now number `number` of the old files.
    pub(super) fn moved(&mut self, number: u64, path: &[u8]) {
        self.input.moved(number, path);
    }

    /// Some of the current entry's data; empty when there is no more.
    pub(super) fn data(&mut self) -> Result<&[u8], Error> {
        if self.unread == 0 {
            return Ok(&[]);
        }
        let unread = usize::try_from(self.unread).unwrap_or(usize::MAX);
        let bytes = self.input.fill_buf().map_err(input_error)?;
        if bytes.is_empty() {
            return Err(input_error(ErrorKind::UnexpectedEof.into()));
        }
        Ok(&bytes[..bytes.len().min(unread)])
    }

    /// Takes this many bytes, which [`Archive::data`] has shown.
    pub(super) fn consume(&mut self, count: usize) {
        self.input.consume_stored(count);
        self.unread -= count as u64;
    }

    /// The skeleton ends with the stream.
    pub(super) fn into_recorder(self) -> Recorder<R> {
        self.input
    }
}

/// The sum of all bytes, with the checksum's own eight counted as spaces (POSIX ustar). Some old writers summed signed.
fn has_good_checksum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let counted = || bytes[..148].iter().chain(&bytes[156..]);
    let unsigned = counted().map(|b| i64::from(*b)).sum::<i64>() + 8 * 32;
    let signed = counted().map(|b| i64::from(*b as i8)).sum::<i64>() + 8 * 32;
    header.cksum().is_ok_and(|sum| [unsigned, signed].contains(&i64::from(sum)))
}

/// Reads until the block is full or the input ends; answers how much there was.
pub(super) fn fill(input: &mut impl Read, block: &mut [u8]) -> Result<usize, Error> {
    let mut got = 0;
    while got < block.len() {
        match input.read(&mut block[got..]) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(input_error(error)),
        }
    }
    Ok(got)
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

fn symlink_target(target: Vec<u8>, name: &[u8]) -> Result<Vec<u8>, Error> {
    if target.is_empty() || target.len() > limits::PATH || target.contains(&0) {
        return refuse(&format!("the target of the link {:?} is empty, too long or holds a NUL byte", lossy(name)));
    }
    Ok(target)
}

fn device(header: &Header, block: bool) -> Result<Kind, Error> {
    let major = field(header, MAJOR, header.device_major())?.unwrap_or(0);
    let minor = field(header, MINOR, header.device_minor())?.unwrap_or(0);
    Ok(Kind::Device { block, major, minor })
}

/// An owner: 4294967295 would mean "leave it" to chown(2), and more does not fit.
fn owner(pax: Option<u64>, header: impl FnOnce() -> Result<u64, Error>, name: &[u8]) -> Result<u32, Error> {
    let id = pax.map_or_else(header, Ok)?;
    match u32::try_from(id) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => refuse(&format!("{:?} belongs to the impossible user or group {id}", lossy(name))),
    }
}

fn header_time(header: &Header) -> Result<Time, Error> {
    // A time before 1970 is base-256 in two's complement: the cast gives the sign back.
    Ok(Time { seconds: field(header, MTIME, header.mtime())? as i64, nanoseconds: 0 })
}

/// A number of the header: what the `tar` crate made of it, or 0 where the field is blank, as Go reads it.
fn field<T: Default>(header: &Header, (name, at): Field, parsed: io::Result<T>) -> Result<T, Error> {
    let blank = header.as_bytes()[at].iter().all(|b| matches!(b, 0 | b' '));
    match parsed {
        Err(_) if blank => Ok(T::default()),
        other => other.map_err(|_| Error::Archive(format!("the {name} in a header is no number"))),
    }
}

pub(crate) fn refuse<T>(why: &str) -> Result<T, Error> {
    Err(Error::Archive(why.into()))
}

/// A failure of the input: damage is said of the archive, anything else is the kernel's.
pub(crate) fn input_error(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => Error::Archive("it ends in the middle: the file is truncated".into()),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Error::Archive(format!("it is damaged: {error}")),
        ErrorKind::Unsupported => Error::Archive(error.to_string()),
        _ => Error::Io { doing: "read the archive".into(), source: error },
    }
}
