//! The person's terminal or pipes on one side, a program's streams on the other.
//!
//! ```text
//! stdin ──(detach keys?)──> input       a pipe to the monitor, or a terminal's master
//! stdout <──────────────── output
//! stderr <──────────────── error
//! SIGWINCH, SIGTERM … ───> taken by the caller
//! ```
//!
//! The person's own descriptors stay blocking: their flags belong to the shell, too.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, SetArg, Termios};

use crate::monitor::service::{Readiness, Service, Watch};
use crate::sys::fds;

const CHUNK: usize = 16 * 1024;
const BACKLOG: usize = 64 * 1024;

/// What goes back and forth.
#[derive(Debug)]
pub struct Relay {
    input: Option<Input>,
    outputs: Vec<(File, Target)>,
    signals: SignalFd,
    /// Signals that arrived.
    pub received: Vec<Signal>,
    /// The person typed the detach keys.
    pub is_detached: bool,
    /// Standard input has ended, and all of it was passed on.
    pub input_ended: bool,
    /// Standard input gives no more: on a terminal, that is its end.
    stdin_ended: bool,
    /// Nobody reads our output any more.
    is_broken: bool,
}

/// Which of our own streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

#[derive(Debug)]
struct Input {
    sink: File,
    backlog: VecDeque<u8>,
    keys: Vec<u8>,
    matched: usize,
    stdin_ended: bool,
}

impl Relay {
    /// `input` is where standard input goes; `keys` detach (none: nothing does). The `signals` are blocked, and taken
    /// from [`Relay::received`].
    ///
    /// # Errors
    /// When the kernel refuses a descriptor.
    pub fn new(
        input: Option<OwnedFd>,
        keys: &[u8],
        outputs: Vec<(OwnedFd, Target)>,
        signals: &[Signal],
    ) -> Result<Relay> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let input = input.map(|sink| Input::new(sink, keys)).transpose()?;
        Ok(Relay {
            input,
            outputs: outputs.into_iter().map(|(fd, target)| (File::from(fd), target)).collect(),
            signals: SignalFd::with_flags(&set, flags).context("cannot make a signal descriptor")?,
            received: Vec::new(),
            is_detached: false,
            input_ended: false,
            stdin_ended: false,
            is_broken: false,
        })
    }

    /// Whether the program's streams have ended.
    pub fn is_drained(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Passes on what the program has left in its streams. Somebody else may still hold them open, as a background job
    /// of its does: that is not waited for.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn drain_ready(&mut self) -> Result<()> {
        self.close_input();
        loop {
            let waiting: Vec<_> =
                self.outputs.iter().map(|(source, _)| (source.as_raw_fd(), PollFlags::POLLIN)).collect();
            let events = fds::poll(&waiting, 0).context("poll")?;
            let Some(index) = events.iter().position(|event| !event.is_empty()) else { return Ok(()) };
            self.read_output(index);
        }
    }

    /// The exit code of a command that has lost its person: as if SIGPIPE or SIGHUP had ended it.
    pub fn lost(&self, tty: bool) -> Option<i32> {
        if self.is_broken {
            return Some(128 + Signal::SIGPIPE as i32);
        }
        (tty && self.stdin_ended).then_some(128 + Signal::SIGHUP as i32)
    }

    /// Passes no more input on.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    fn read_stdin(&mut self) {
        let Some(input) = &mut self.input else { return };
        let mut chunk = [0; CHUNK];
        match std::io::stdin().lock().read(&mut chunk) {
            Ok(0) => input.stdin_ended = true,
            Ok(length) => self.is_detached |= input.take(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // EIO: the terminal has gone.
            Err(_) => input.stdin_ended = true,
        }
        self.stdin_ended = input.stdin_ended;
        self.settle();
    }

    fn settle(&mut self) {
        if self.input.as_mut().is_some_and(|input| !input.flush() || (input.stdin_ended && input.backlog.is_empty())) {
            self.input = None;
            self.input_ended = true;
        }
    }

    fn read_output(&mut self, index: usize) {
        let mut chunk = [0; CHUNK];
        let (source, target) = &mut self.outputs[index];
        match source.read(&mut chunk) {
            Ok(length) if length > 0 => {
                if !target.write(&chunk[..length]) {
                    self.is_broken = true;
                    self.outputs.remove(index);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            // The program has closed it; a terminal says so with EIO.
            Ok(_) | Err(_) => drop(self.outputs.remove(index)),
        }
    }

    fn read_signals(&mut self) {
        while let Ok(Some(information)) = self.signals.read_signal() {
            self.received.extend(Signal::try_from(information.ssi_signo as i32));
        }
    }
}

impl Input {
    fn new(sink: OwnedFd, keys: &[u8]) -> Result<Input> {
        fcntl(&sink, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR)).context("cannot set up the input")?;
        Ok(Input {
            sink: File::from(sink),
            backlog: VecDeque::new(),
            keys: keys.to_vec(),
            matched: 0,
            stdin_ended: false,
        })
    }

    /// Takes what was typed; `true` when it ended in the detach keys. Keys that begin a match wait for its end.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if !self.keys.is_empty() && *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return true;
                }
                continue;
            }
            self.backlog.extend(&self.keys[..self.matched]);
            self.matched = usize::from(self.keys.first() == Some(byte));
            if self.matched == 0 {
                self.backlog.push_back(*byte);
            }
        }
        false
    }

    /// `false` when the other side takes no more.
    fn flush(&mut self) -> bool {
        while !self.backlog.is_empty() {
            match self.sink.write(self.backlog.as_slices().0) {
                Ok(written) => drop(self.backlog.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

impl Target {
    fn write(self, bytes: &[u8]) -> bool {
        let written = match self {
            Target::Output => std::io::stdout().lock().write_all(bytes).and_then(|()| std::io::stdout().lock().flush()),
            Target::Error => std::io::stderr().lock().write_all(bytes),
        };
        written.is_ok()
    }
}

impl Service for Relay {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch::read(self.signals.as_fd().as_raw_fd()));
        watch.extend(self.outputs.iter().map(|(source, _)| Watch::read(source.as_raw_fd())));
        let Some(input) = &self.input else { return };
        if !input.stdin_ended && input.backlog.len() < BACKLOG {
            watch.push(Watch::read(std::io::stdin().as_raw_fd()));
        }
        let write = !input.backlog.is_empty();
        watch.push(Watch { fd: input.sink.as_raw_fd(), read: false, write });
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn ready(&mut self, fd: RawFd, readiness: Readiness) {
        if fd == self.signals.as_fd().as_raw_fd() {
            self.read_signals();
        } else if let Some(index) = self.outputs.iter().position(|(source, _)| source.as_raw_fd() == fd) {
            self.read_output(index);
        } else if fd == std::io::stdin().as_raw_fd() {
            self.read_stdin();
        } else if readiness.hangup {
            self.input = None;
            self.input_ended = true;
        } else {
            self.settle();
        }
    }

    fn expired(&mut self, _now: Instant) {}
}

/// The person's terminal in raw mode (cfmakeraw(3)), until this is dropped.
#[derive(Debug)]
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Puts standard input into raw mode; `None` when it is no terminal.
    pub fn enter() -> Option<RawTerminal> {
        let before = termios::tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw).ok()?;
        Some(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(keys: &[u8]) -> Result<Input> {
        let (_, sink) = nix::unistd::pipe()?;
        Input::new(sink, keys)
    }

    #[test]
    fn detach_keys_are_swallowed_and_near_misses_passed_on() -> Result<()> {
        let mut typed = input(&[16, 17])?;
        assert!(!typed.take(b"ab"));
        assert!(!typed.take(&[16]));
        assert_eq!(typed.backlog, b"ab");
        assert!(!typed.take(b"c"));
        assert_eq!(typed.backlog, b"ab\x10c");
        assert!(!typed.take(&[16, 16]));
        assert!(typed.take(&[17]));
        assert_eq!(typed.backlog, b"ab\x10c\x10");
        Ok(())
    }

    #[test]
    fn without_keys_everything_passes() -> Result<()> {
        let mut typed = input(&[])?;
        assert!(!typed.take(&[16, 17]));
        assert_eq!(typed.backlog, [16, 17]);
        Ok(())
    }
}
