//! The log of a container: what it wrote, byte for byte, with time and stream.
//!
//! ```text
//! 2026-11-22T16:50:02.123456789Z stdout F a whole line
//! 2026-11-22T16:50:02.123456789Z stderr P the beginning of a line that went on later
//! ```
//!
//! This is the format that Kubernetes reads (CRI logging). It carries any bytes but newline as they are, where JSON
//! would mangle what is not UTF-8. A full disk drops lines and counts them; the container goes on.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Output,
    /// Standard error.
    Error,
}

impl Stream {
    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Stream::Output => "stdout",
            Stream::Error => "stderr",
        }
    }
}

/// An open log.
#[derive(Debug)]
pub struct Log<W = File> {
    sink: W,
    dropped: u64,
}

impl Log<File> {
    /// Opens the log for appending; what is there stays.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn open(path: &Path) -> Result<Log> {
        let open = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        Ok(Log { sink: open().with_context(|| format!("cannot open the log {}", path.display()))?, dropped: 0 })
    }
}

impl<W: Write + Truncate> Log<W> {
    /// Writes what came from `stream`, line by line; an unfinished last line is marked as such.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let mut text = Vec::with_capacity(bytes.len() + 64);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let count = lines.clone().count() as u64;
        for line in lines {
            let (tag, line) = line.strip_suffix(b"\n").map_or(('P', line), |line| ('F', line));
            // Writing into a Vec cannot fail.
            let _ = write!(text, "{now:.9} {} {tag} ", stream.word());
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        if self.dropped > 0 {
            let note =
                format!("{now:.9} stderr F pontoon: {} lines were dropped, as the disk was full\n", self.dropped);
            text.splice(0..0, note.into_bytes());
        }
        match self.append(&text) {
            Ok(()) => self.dropped = 0,
            Err(_) => self.dropped += count,
        }
    }

    /// All or nothing: half a line would be read as the beginning of the next one.
    fn append(&mut self, text: &[u8]) -> std::io::Result<()> {
        let end = self.sink.position()?;
        self.sink.write_all(text).inspect_err(|_| {
            let _ = self.sink.cut(end);
        })
    }
}

/// A sink that can be cut back to where it was.
pub trait Truncate {
    /// Where the next byte goes.
    ///
    /// # Errors
    /// What the kernel says.
    fn position(&mut self) -> std::io::Result<u64>;
    /// Cuts off what stands behind `end`.
    ///
    /// # Errors
    /// What the kernel says.
    fn cut(&mut self, end: u64) -> std::io::Result<()>;
}

impl Truncate for File {
    fn position(&mut self) -> std::io::Result<u64> {
        self.stream_position()
    }

    fn cut(&mut self, end: u64) -> std::io::Result<()> {
        self.set_len(end)?;
        self.seek(SeekFrom::Start(end)).map(drop)
    }
}

/// One line of the log, as `logs` reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// RFC 3339 with nanoseconds.
    pub time: &'a str,
    /// Where it came from.
    pub stream: Stream,
    /// Whether a newline followed.
    pub is_whole: bool,
    /// What was written.
    pub bytes: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads one line of the log, without its newline; `None` when it is no line of a log.
    pub fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let time = std::str::from_utf8(words.next()?).ok()?;
        let stream = match words.next()? {
            b"stdout" => Stream::Output,
            b"stderr" => Stream::Error,
            _ => return None,
        };
        let is_whole = words.next()? == b"F";
        Some(Line { time, stream, is_whole, bytes: words.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend(&bytes[..fits]);
            if fits == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Truncate for Disk {
        fn position(&mut self) -> std::io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn cut(&mut self, end: u64) -> std::io::Result<()> {
            self.bytes.truncate(end as usize);
            Ok(())
        }
    }

    fn text(log: &Log<Disk>) -> String {
        String::from_utf8_lossy(&log.sink.bytes).into_owned()
    }

    #[test]
    fn lines_and_their_beginnings() {
        let mut log = Log { sink: Disk { bytes: Vec::new(), room: 1000 }, dropped: 0 };
        log.write(Stream::Output, b"one\ntw", Timestamp::UNIX_EPOCH);
        log.write(Stream::Error, b"\xff\n", Timestamp::UNIX_EPOCH);
        let time = "1970-01-01T00:00:00.000000000Z";
        let lines: Vec<_> = log.sink.bytes.split(|b| *b == b'\n').filter_map(Line::parse).collect();
        assert_eq!(lines[0], Line { time, stream: Stream::Output, is_whole: true, bytes: b"one" });
        assert_eq!(lines[1], Line { time, stream: Stream::Output, is_whole: false, bytes: b"tw" });
        assert_eq!(lines[2], Line { time, stream: Stream::Error, is_whole: true, bytes: b"\xff" });
    }

    #[test]
    fn a_full_disk_drops_whole_lines_and_says_so_later() {
        let mut log = Log { sink: Disk { bytes: Vec::new(), room: 100 }, dropped: 0 };
        log.write(Stream::Output, b"fits\n", Timestamp::UNIX_EPOCH);
        let before = text(&log);
        log.write(Stream::Output, &b"x\n".repeat(40), Timestamp::UNIX_EPOCH);
        assert_eq!(text(&log), before);
        log.sink.room = 1000;
        log.write(Stream::Output, b"again\n", Timestamp::UNIX_EPOCH);
        assert!(text(&log).contains("40 lines were dropped"), "{}", text(&log));
        assert!(text(&log).ends_with("again\n"));
    }
}
