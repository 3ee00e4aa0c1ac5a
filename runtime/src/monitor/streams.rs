//! The container's streams: from its pipes or terminal to the log and to whoever is attached, and back.
//!
//! ```text
//! container stdout ─┐          ┌─> log
//! container stderr ─┤─ Output ─┤─> reader's pipe   (what it does not take at once waits, at most 64 KiB)
//! or terminal ──────┘          └─> reader's pipe
//! container stdin  <── Input <──── writer's pipe
//! ```
//!
//! Back-pressure: while a reader has a full backlog the container's stream is not read, so memory stays bounded and
//! nothing is lost; a reader is dropped only when it closes. At the end the readers' pipes are made large enough to
//! take what is left, so the monitor need not wait for a slow reader.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use jiff::Timestamp;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::log::{Log, Stream};
use super::service::{Readiness, Service, Watch};

const BACKLOG: usize = 64 * 1024;
const CHUNK: usize = 16 * 1024;
const FINAL_PIPE: i32 = 1 << 20;

/// All streams of one container.
#[derive(Debug)]
pub struct Streams {
    outputs: Vec<Output>,
    input: Option<Input>,
    writers: Vec<Writer>,
    log: Log,
}

/// One stream that the container writes.
#[derive(Debug)]
struct Output {
    source: File,
    stream: Stream,
    readers: Vec<Reader>,
    ended: bool,
}

/// Somebody attached to a stream.
#[derive(Debug)]
struct Reader {
    client: u64,
    sink: Sink,
}

/// The container's standard input.
#[derive(Debug)]
struct Input {
    sink: Sink,
    /// It closes as soon as the backlog is written.
    closing: bool,
}

/// Somebody whose input the container reads.
#[derive(Debug)]
struct Writer {
    client: u64,
    source: File,
    /// The client said that its input has ended for good.
    closing: bool,
    /// The pipe has ended.
    ended: bool,
}

/// A descriptor that takes bytes when it likes.
#[derive(Debug)]
struct Sink {
    file: File,
    backlog: VecDeque<u8>,
    broken: bool,
}

impl Streams {
    /// No streams yet, only a log.
    pub fn new(log: Log) -> Streams {
        Streams { outputs: Vec::new(), input: None, writers: Vec::new(), log }
    }

    /// The streams of a freshly launched container: what it writes, and where its input goes.
    pub fn connect(&mut self, outputs: Vec<(OwnedFd, Stream)>, input: Option<OwnedFd>) {
        let mut waiting: BTreeMap<bool, Vec<Reader>> =
            self.outputs.drain(..).map(|output| (output.stream == Stream::Error, output.readers)).collect();
        for (source, stream) in outputs {
            let readers = waiting.remove(&(stream == Stream::Error)).unwrap_or_default();
            self.outputs.push(Output { source: non_blocking(source), stream, readers, ended: false });
        }
        self.input = input.map(|input| Input { sink: Sink::new(input), closing: false });
        self.settle_input();
    }

    /// Attaches a client: where output and errors go, and where its input comes from.
    pub fn attach(&mut self, client: u64, output: OwnedFd, error: OwnedFd, input: Option<OwnedFd>) {
        let mut sinks = [Some(output), Some(error)];
        for stream in &mut self.outputs {
            if let Some(sink) = sinks[usize::from(stream.stream == Stream::Error)].take() {
                stream.readers.push(Reader { client, sink: Sink::new(sink) });
            }
        }
        if let Some(input) = input {
            self.writers.push(Writer { client, source: non_blocking(input), closing: false, ended: false });
        }
    }

    /// A client's input has ended for good: once its pipe is empty, the container's input ends too.
    pub fn close_input(&mut self, client: u64) {
        for writer in self.writers.iter_mut().filter(|writer| writer.client == client) {
            writer.closing = true;
        }
        self.settle_input();
    }

    /// A client has gone. What it has written to the end is still read.
    pub fn detach(&mut self, client: u64) {
        self.writers.retain(|writer| writer.client != client || writer.closing);
        for output in &mut self.outputs {
            output.readers.retain(|reader| reader.client != client);
        }
    }

    /// Reads what is left to the end, and leaves it in the readers' pipes.
    pub fn drain(&mut self) {
        for output in &mut self.outputs {
            for reader in &output.readers {
                let _ = fcntl(&reader.sink.file, FcntlArg::F_SETPIPE_SZ(FINAL_PIPE));
            }
            while output.pump(&mut self.log) {}
            // The container's pipe may be empty and a backlog not.
            output.readers.iter_mut().for_each(|reader| reader.sink.flush());
        }
        self.outputs.clear();
        self.input = None;
    }

    fn settle_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        input.closing |= self.writers.iter().any(|writer| writer.closing && writer.ended);
        self.writers.retain(|writer| !(writer.closing && writer.ended));
        if input.sink.broken || (input.closing && input.sink.backlog.is_empty()) {
            self.input = None;
        }
    }

    fn read_writer(&mut self, fd: RawFd) {
        let Some(input) = &mut self.input else { return };
        for writer in self.writers.iter_mut().filter(|writer| writer.source.as_raw_fd() == fd) {
            let mut chunk = [0; CHUNK];
            match writer.source.read(&mut chunk) {
                Ok(0) => writer.ended = true,
                Ok(length) => input.sink.push(&chunk[..length]),
                Err(error) if is_transient(&error) => {}
                Err(_) => writer.ended = true,
            }
        }
        self.settle_input();
    }
}

impl Service for Streams {
    fn watch(&self, watch: &mut Vec<Watch>) {
        for output in self.outputs.iter().filter(|output| !output.ended) {
            let read = output.readers.iter().all(|reader| reader.sink.has_room());
            watch.push(Watch { fd: output.source.as_raw_fd(), read, write: false });
        }
        for reader in self.outputs.iter().flat_map(|output| &output.readers) {
            watch.push(reader.sink.watch());
        }
        let Some(input) = &self.input else { return };
        if !input.sink.backlog.is_empty() {
            watch.push(input.sink.watch());
        }
        if input.sink.has_room() {
            let open = self.writers.iter().filter(|writer| !writer.ended);
            watch.extend(open.map(|writer| Watch::read(writer.source.as_raw_fd())));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn ready(&mut self, fd: RawFd, readiness: Readiness) {
        for output in &mut self.outputs {
            if output.source.as_raw_fd() == fd && output.readers.iter().all(|reader| reader.sink.has_room()) {
                output.pump(&mut self.log);
            }
            for reader in output.readers.iter_mut().filter(|reader| reader.sink.file.as_raw_fd() == fd) {
                reader.sink.flush();
                reader.sink.broken |= readiness.hangup;
            }
            output.readers.retain(|reader| !reader.sink.broken);
        }
        if let Some(input) = &mut self.input
            && input.sink.file.as_raw_fd() == fd
            && readiness.write
        {
            input.sink.flush();
            self.settle_input();
        }
        self.read_writer(fd);
    }

    fn expired(&mut self, _now: Instant) {}
}

impl Output {
    /// Moves one chunk to the log and to every reader; `false` when there is none to move now.
    fn pump(&mut self, log: &mut Log) -> bool {
        let mut chunk = [0; CHUNK];
        match self.source.read(&mut chunk) {
            Ok(length) if length > 0 => {
                log.write(self.stream, &chunk[..length], Timestamp::now());
                for reader in &mut self.readers {
                    reader.sink.push(&chunk[..length]);
                }
                true
            }
            Err(error) if is_transient(&error) => false,
            // 0 is the end of a pipe, EIO that of a terminal (pty(7)).
            Ok(_) | Err(_) => {
                self.ended = true;
                false
            }
        }
    }
}

impl Sink {
    fn new(fd: OwnedFd) -> Sink {
        Sink { file: non_blocking(fd), backlog: VecDeque::new(), broken: false }
    }

    fn has_room(&self) -> bool {
        self.backlog.len() < BACKLOG
    }

    fn watch(&self) -> Watch {
        Watch { fd: self.file.as_raw_fd(), read: false, write: !self.backlog.is_empty() }
    }

    fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.backlog.extend(bytes);
            self.flush();
        }
    }

    fn flush(&mut self) {
        while !self.backlog.is_empty() {
            match self.file.write(self.backlog.as_slices().0) {
                Ok(written) => drop(self.backlog.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken = true;
                    self.backlog.clear();
                }
            }
        }
    }
}

fn is_transient(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn non_blocking(fd: OwnedFd) -> File {
    if let Ok(flags) = fcntl(&fd, FcntlArg::F_GETFL) {
        let _ = fcntl(&fd, FcntlArg::F_SETFL(OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK));
    }
    File::from(fd)
}

#[cfg(test)]
mod tests;
