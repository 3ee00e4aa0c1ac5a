//! Four threads in a row, so that reading, inflating, hashing and writing go on at the same time.
//!
//! ```text
//!   archive ─> [read] ═raw═> [inflate] ═plain═> [write: the caller's thread]
//!                                │
//!                                ╘═════hash═══> [sha256]          ═: bounded channel, 4 chunks of 256 KiB
//! ```
//!
//! A stage that fails or ends drops its ends of the channels, and that stops its neighbours: nobody is told, nobody is
//! killed. An error of the input travels to the writer as the last message, so that exactly one error comes out.
//! The hash is that of the uncompressed stream, to its last byte: the diff-id of the OCI image spec (config.md).

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::compression::Compression;
use crate::digest::Digest;
use crate::error::{Doing, Error};

const CHUNK: usize = 256 << 10;
const DEPTH: usize = 4;

type Chunk = Arc<Vec<u8>>;
type Message = io::Result<Chunk>;

/// Feeds the inflated archive to `write`, and answers the digest of what was fed.
///
/// `write` must read to the end unless it fails. If the archive is a pipe whose writer is silent, an error is reported
/// when the next bytes come.
pub(super) fn run(archive: impl Read + Send, write: impl FnOnce(Stream) -> Result<(), Error>) -> Result<Digest, Error> {
    let (raw_in, raw) = sync_channel(DEPTH);
    let (plain_in, plain) = sync_channel(DEPTH);
    let (hash_in, hash) = sync_channel(DEPTH);
    thread::scope(|scope| {
        let spawn = || thread::Builder::new().stack_size(256 << 10);
        let start = || "start a thread".to_string();
        spawn().spawn_scoped(scope, || read(archive, raw_in)).doing(start)?;
        spawn()
            .spawn_scoped(scope, || inflate(Stream::new(raw), Tee { plain: plain_in, hash: hash_in }))
            .doing(start)?;
        let hasher = spawn().spawn_scoped(scope, || sum(hash)).doing(start)?;
        write(Stream::new(plain))?;
        Ok(hasher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The bytes of the channel, as a buffered reader.
pub(super) struct Stream {
    messages: Receiver<Message>,
    chunk: Chunk,
    at: usize,
}

impl Stream {
    fn new(messages: Receiver<Message>) -> Stream {
        Stream { messages, chunk: Chunk::default(), at: 0 }
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            // A closed channel is the end; after it, fill_buf answers "nothing" again.
            self.chunk = self.messages.recv().unwrap_or_else(|_| Ok(Chunk::default()))?;
            self.at = 0;
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

/// Both consumers of the inflated bytes.
struct Tee {
    plain: SyncSender<Message>,
    hash: SyncSender<Chunk>,
}

impl Tee {
    /// False when the writer has gone.
    fn send(&self, chunk: Chunk) -> bool {
        self.hash.send(Arc::clone(&chunk)).is_ok() && self.plain.send(Ok(chunk)).is_ok()
    }
}

fn read(mut archive: impl Read, raw: SyncSender<Message>) {
    loop {
        let message = chunk(&mut archive);
        let last = message.as_ref().map_or(true, |chunk| chunk.len() < CHUNK);
        // The other side has gone only if it failed, and then it has said why.
        if raw.send(message).is_err() || last {
            return;
        }
    }
}

/// A whole chunk, or less at the end.
fn chunk(input: &mut impl Read) -> Message {
    let mut bytes = Vec::with_capacity(CHUNK);
    input.take(CHUNK as u64).read_to_end(&mut bytes)?;
    Ok(Arc::new(bytes))
}

fn inflate(mut raw: Stream, tee: Tee) {
    let compression = match raw.fill_buf() {
        Ok(head) => Compression::detect(head),
        Err(error) => return drop(tee.plain.send(Err(error))),
    };
    if compression == Compression::Plain {
        return forward(raw, &tee);
    }
    match compression.decoder(raw) {
        Ok(decoder) => decode(decoder, &tee),
        Err(error) => drop(tee.plain.send(Err(error))),
    }
}

/// Hands the chunks on as they are.
fn forward(mut raw: Stream, tee: &Tee) {
    loop {
        let chunk = std::mem::take(&mut raw.chunk);
        if chunk.is_empty() || !tee.send(chunk) {
            return;
        }
        raw.at = 0;
        if let Err(error) = raw.fill_buf() {
            return drop(tee.plain.send(Err(error)));
        }
    }
}

fn decode(mut decoder: impl Read, tee: &Tee) {
    loop {
        match chunk(&mut decoder) {
            Ok(chunk) if chunk.is_empty() => return,
            Ok(chunk) => {
                if !tee.send(chunk) {
                    return;
                }
            }
            Err(error) => return drop(tee.plain.send(Err(error))),
        }
    }
}

fn sum(chunks: Receiver<Chunk>) -> Digest {
    let mut hash = Sha256::new();
    for chunk in chunks {
        hash.update(&**chunk);
    }
    Digest::finish(hash)
}

#[cfg(test)]
mod tests {
    use super::super::archive::input_error;
    use super::*;
    use std::io::Write;

    fn collect(archive: &[u8]) -> Result<(Digest, Vec<u8>), Error> {
        let mut all = Vec::new();
        let digest = run(archive, |mut stream| stream.read_to_end(&mut all).map(drop).map_err(input_error))?;
        Ok((digest, all))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn pure_plain_gzip_zstd_and_members_give_the_same_bytes_and_digest() {
        let bytes: Vec<u8> = (0..CHUNK * 9 + 77).map(|i| (i * i / 7) as u8).collect();
        let (first, second) = bytes.split_at(bytes.len() / 3);
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec();
        for archive in [
            bytes.clone(),
            gzip(&bytes),
            [gzip(first), gzip(second)].concat(),
            zstd(&bytes),
            [skippable, zstd(first), zstd(second)].concat(),
        ] {
            let (digest, all) = collect(&archive).unwrap();
            assert_eq!(digest, Digest::of(&bytes));
            assert!(all == bytes);
        }
    }

    #[test]
    fn pure_truncated_damaged_and_foreign_streams_say_so() {
        let packed = gzip(&[7; 100_000]);
        let error = |bytes: &[u8]| collect(bytes).unwrap_err().sentence();
        assert!(error(&packed[..packed.len() / 2]).contains("truncated"));
        let mut damaged = packed.clone();
        let middle = damaged.len() - 6;
        damaged[middle] ^= 0xff;
        assert!(error(&damaged).contains("damaged"));
        let packed = zstd::encode_all(&*vec![7; 100_000], 1).unwrap();
        assert!(error(&packed[..packed.len() - 1]).contains("truncated"));
        // Magic, a frame of one segment of 4 bytes, and a block of the reserved type 3.
        assert!(error(b"\x28\xb5\x2f\xfd\x20\x04\x27\0\0abcd").contains("damaged"));
        assert!(error(b"\xfd7zXZ\0").contains("xz -d"));
        assert!(error(b"BZh9").contains("bzip2 -d"));
    }

    #[test]
    fn pure_a_writer_that_fails_early_stops_an_endless_input() {
        let stopped = run(io::repeat(1), |mut stream| {
            stream.fill_buf().map_err(input_error)?;
            Err(Error::Archive("enough".into()))
        });
        assert!(stopped.unwrap_err().to_string().contains("enough"));
    }

    #[test]
    fn pure_an_error_of_the_input_comes_out_once() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let error = run(Broken, |mut stream| stream.fill_buf().map(drop).map_err(input_error)).unwrap_err();
        assert_eq!(error.sentence(), "cannot read the archive: Input/output error (os error 5)");
    }
}
