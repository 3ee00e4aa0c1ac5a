//! Recording: a reader that writes down what passes through it.
//!
//! ```text
//!   consume(n)          n bytes of the stream that no file holds       literal, gathered into frames of 64 KiB
//!   consume_stored(n)   n bytes of the stream that a file now holds    announced by `stored`
//! ```

use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{LITERAL, MAGIC, MOVED, STORED};
use crate::error::{Doing, Error};
use crate::layer::archive::Input;

const GATHER: usize = 64 << 10;
/// Headers shrink well at the fastest level already.
const LEVEL: i32 = 1;

/// Passes a stream on and records it.
pub(in crate::layer) struct Recorder<R> {
    input: R,
    frames: zstd::stream::write::Encoder<'static, File>,
    literal: Vec<u8>,
    /// Why the skeleton could not be written. `consume` cannot say it, so the next reading does.
    failure: Option<io::Error>,
}

impl<R: BufRead> Recorder<R> {
    /// Begins a skeleton in this directory, which is made here.
    pub(in crate::layer) fn new(input: R, dir: &Path) -> Result<Recorder<R>, Error> {
        let make = || {
            DirBuilder::new().mode(0o700).create(dir)?;
            let mut frames = zstd::stream::write::Encoder::new(File::create_new(super::frames(dir))?, LEVEL)?;
            frames.write_all(MAGIC).map(|()| frames)
        };
        let frames = make().doing(|| format!("make the skeleton {}", dir.display()))?;
        Ok(Recorder { input, frames, literal: Vec::with_capacity(GATHER), failure: None })
    }

    /// Says that the next `length` bytes go to the file at `path`, from `offset` on.
    pub(in crate::layer) fn stored(&mut self, path: &[u8], offset: u64, length: u64) {
        if length > 0 {
            self.frame(STORED, &[length, offset, path.len() as u64], path);
        }
    }

    /// Takes bytes that a file has got.
    pub(in crate::layer) fn consume_stored(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Says that what was at `path` is now number `number` of the old files.
    pub(in crate::layer) fn moved(&mut self, number: u64, path: &[u8]) {
        self.frame(MOVED, &[number, path.len() as u64], path);
    }

    /// Ends the skeleton and waits for the disk; `walked` is how the reading ended.
    pub(in crate::layer) fn finish(mut self, walked: Result<(), Error>) -> Result<(), Error> {
        let doing = || "write the skeleton of the layer".to_string();
        if let Some(failure) = self.failure.take() {
            return Err(failure).doing(doing);
        }
        walked?;
        self.flush_literal();
        self.failure.map_or(Ok(()), Err).doing(doing)?;
        self.frames.finish().and_then(|file| file.sync_all()).doing(doing)
    }

    fn frame(&mut self, kind: u8, numbers: &[u64], bytes: &[u8]) {
        self.flush_literal();
        self.write(kind, numbers, bytes);
    }

    fn flush_literal(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.write(LITERAL, &[literal.len() as u64], &literal);
            self.literal = literal;
            self.literal.clear();
        }
    }

    fn write(&mut self, kind: u8, numbers: &[u64], bytes: &[u8]) {
        let mut head = [0; 25];
        head[0] = kind;
        for (at, number) in head[1..].chunks_exact_mut(8).zip(numbers) {
            at.copy_from_slice(&number.to_le_bytes());
        }
        let head = &head[..1 + 8 * numbers.len()];
        if let Err(error) = self.frames.write_all(head).and_then(|()| self.frames.write_all(bytes)) {
            self.failure.get_or_insert(error);
        }
    }
}

impl<R: BufRead> BufRead for Recorder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.failure {
            // Only ends the reading: `finish` has the words.
            Some(_) => Err(ErrorKind::Other.into()),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        // What has been shown is still there, so nothing is read here.
        let shown = self.input.fill_buf().unwrap_or_default();
        self.literal.extend_from_slice(&shown[..count.min(shown.len())]);
        self.input.consume(count);
        if self.literal.len() >= GATHER {
            self.flush_literal();
        }
    }
}

impl<R: BufRead> Read for Recorder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> Input for Recorder<R> {}
