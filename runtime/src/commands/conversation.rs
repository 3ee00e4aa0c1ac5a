//! A command attached to a container: its side of the conversation with the monitor.
//!
//! ```text
//! Attach(+pipes) ─ Resize ─ [Start] ──> monitor
//! relay: stdin, stdout, stderr, signals;  replies: Started, Exited, Failed
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use super::relay::{RawTerminal, Relay, Target};
use super::request::Attached;
use crate::container::{Container, Status};
use crate::control::{Connection, Reply, Request};
use crate::launch::Failure;
use crate::monitor::event_loop;
use crate::monitor::service::{Readiness, Service, Watch};
use crate::sys::term;

/// How long a monitor may take from its clone to its first listen(2).
const PATIENCE: Duration = Duration::from_secs(5);

/// How a command takes part in a container's streams.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The streams to take part in.
    pub attached: Attached,
    /// The container has a terminal.
    pub tty: bool,
    /// Bytes that detach.
    pub keys: Vec<u8>,
    /// The first word is `Start`.
    pub start: bool,
    /// Pass signals on, unless there is a terminal.
    pub sig_proxy: bool,
}

impl Manner {
    /// Whether neither output is attached.
    pub fn is_silent(&self) -> bool {
        !self.attached.stdout && !self.attached.stderr
    }
}

/// How the conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The container ended with this code.
    Exited(i32),
    /// The person went away; the container goes on.
    Detached,
}

/// Signals that are passed on to a container: all that can be caught, as Docker does, but those about our own children,
/// pipes and faults. The size of the window is passed on in another way.
pub fn proxied() -> Vec<Signal> {
    use Signal::{
        SIGABRT, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGKILL, SIGPIPE, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP, SIGURG, SIGWINCH,
    };
    let kept = [
        SIGABRT, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGKILL, SIGPIPE, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP, SIGURG, SIGWINCH,
    ];
    Signal::iterator().filter(|signal| !kept.contains(signal)).collect()
}

/// Starts a container and waits until it runs, for `-d` and `start`.
///
/// # Errors
/// The [`Failure`] that the monitor reports.
pub fn start(connection: &Connection) -> Result<()> {
    let mut reply = connection.ask(&Request::Start)?;
    while let Some(text) = aside(&reply) {
        eprint!("{text}");
        reply = connection.next_reply()?;
    }
    match reply {
        Reply::Started => Ok(()),
        Reply::Failed { code, sentence } => Err(Failure { code, sentence }.into()),
        // It ended before it could be said that it ran: it ran.
        Reply::Exited { .. } => Ok(()),
        other => bail!("the monitor said {other:?} where it should have said Started"),
    }
}

/// What is only to be printed on stderr, if the reply is nothing else.
fn aside(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Explained { text } => Some(text.clone()),
        Reply::Warned { sentence } => Some(format!("WARNING: {sentence}\n")),
        _ => None,
    }
}

/// Checks that `-t` has a terminal to pass on.
///
/// # Errors
/// Docker's sentence.
pub fn check_terminal(stdin: bool, tty: bool) -> Result<()> {
    if stdin && tty && !std::io::stdin().is_terminal() {
        bail!("cannot attach stdin to a TTY-enabled container because stdin is not a terminal");
    }
    Ok(())
}

/// Takes part until the container ends or the person detaches.
///
/// # Errors
/// The container's [`Failure`] to start, or the death of its monitor.
pub fn converse(connection: Connection, manner: &Manner) -> Result<Outcome> {
    let relay = attach(&connection, manner)?;
    let _raw = (manner.tty && manner.attached.stdin).then(RawTerminal::enter).flatten();
    let mut talk = Talk { connection, replies: VecDeque::new(), has_ended: false };
    talk.resize(manner);
    if manner.start {
        talk.connection.send(&Request::Start, &[])?;
    }
    talk.go_on(relay, manner)
}

/// Makes the pipes and hands their other ends to the monitor.
fn attach(connection: &Connection, manner: &Manner) -> Result<Relay> {
    let attached = manner.attached;
    let (output, error) = (channel(attached.stdout)?, channel(attached.stderr)?);
    let input = if attached.stdin { Some(pipe()?) } else { None };
    let mut theirs = vec![output.1.as_fd(), error.1.as_fd()];
    theirs.extend(input.iter().map(|(read, _)| read.as_fd()));
    connection.send(&Request::Attach { stdin: attached.stdin }, &theirs)?;
    let keys = if manner.tty { manner.keys.as_slice() } else { &[] };
    // On a terminal signals are taken in any case, so that it can be put back before we end.
    let mut signals = if manner.sig_proxy || manner.tty { proxied() } else { Vec::new() };
    signals.push(Signal::SIGWINCH);
    let ours = [(output.0, Target::Output), (error.0, Target::Error)];
    let outputs = ours.into_iter().filter_map(|(fd, target)| Some((fd?, target))).collect();
    Relay::new(input.map(|(_, write)| write), keys, outputs, &signals)
}

/// Our end and the monitor's of one output; what is not attached goes to /dev/null.
fn channel(attached: bool) -> Result<(Option<OwnedFd>, OwnedFd)> {
    if attached {
        let (ours, theirs) = pipe()?;
        return Ok((Some(ours), theirs));
    }
    let null = File::options().write(true).open("/dev/null").context("cannot open /dev/null")?;
    Ok((None, null.into()))
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")
}

struct Talk {
    connection: Connection,
    replies: VecDeque<Reply>,
    has_ended: bool,
}

impl Talk {
    fn go_on(&mut self, mut relay: Relay, manner: &Manner) -> Result<Outcome> {
        let (mut closed, mut runs) = (false, !manner.start);
        loop {
            event_loop::turn(&mut [&mut relay, self])?;
            for signal in std::mem::take(&mut relay.received) {
                if let Some(outcome) = self.signal(signal, manner)? {
                    return Ok(outcome);
                }
            }
            if relay.is_detached {
                eprintln!("read escape sequence\r");
                return Ok(Outcome::Detached);
            }
            // The container goes on without us, as under Docker.
            if let Some(code) = relay.lost(manner.tty) {
                return Ok(Outcome::Exited(code));
            }
            if relay.input_ended && !closed {
                closed = true;
                let _ = self.connection.send(&Request::CloseStdin, &[]);
            }
            while let Some(reply) = self.replies.pop_front() {
                if let Some(text) = aside(&reply) {
                    // A raw terminal does not go back to the first column by itself.
                    eprint!("{}", if manner.tty { text.replace('\n', "\r\n") } else { text });
                    continue;
                }
                runs |= reply == Reply::Started;
                if let Some(code) = ended(reply)? {
                    relay.close_input();
                    drain(&mut relay)?;
                    return Ok(Outcome::Exited(code));
                }
            }
            // With nothing to show there is nothing to stay for once the input is passed on.
            if runs && manner.is_silent() && (closed || !manner.attached.stdin) {
                return Ok(Outcome::Detached);
            }
            if self.has_ended {
                drain(&mut relay)?;
                bail!("the container's monitor has died, and the container with it");
            }
        }
    }

    /// A signal that was sent to us: the window's size, or one for the container.
    fn signal(&self, signal: Signal, manner: &Manner) -> Result<Option<Outcome>> {
        if signal == Signal::SIGWINCH {
            self.resize(manner);
            return Ok(None);
        }
        if manner.tty {
            // The terminal passes its keys on as bytes; a real signal is meant for us, and the container goes on.
            return Ok(Some(Outcome::Exited(128 + signal as i32)));
        }
        // A container that has just ended hears no signal; that it has ended is the next thing we hear.
        let _ = self.connection.send(&Request::Kill { signal: signal as i32 }, &[]);
        Ok(None)
    }

    fn resize(&self, manner: &Manner) {
        if manner.tty
            && let Ok(size) = term::size(std::io::stdin().as_fd()).or_else(|_| term::size(std::io::stdout().as_fd()))
        {
            let _ = self.connection.send(&Request::Resize(size), &[]);
        }
    }
}

/// The exit code, if the reply says that the container has ended.
fn ended(reply: Reply) -> Result<Option<i32>> {
    match reply {
        Reply::Exited { code } => Ok(Some(code)),
        Reply::Failed { code, sentence } => Err(Failure { code, sentence }.into()),
        Reply::Error { sentence } => bail!(sentence),
        _ => Ok(None),
    }
}

/// What is still in the pipes; the monitor has closed its ends.
fn drain(relay: &mut Relay) -> Result<()> {
    while !relay.is_drained() {
        event_loop::turn(&mut [relay])?;
    }
    Ok(())
}

impl Service for Talk {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch::read(self.connection.as_fd().as_raw_fd()));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn ready(&mut self, _fd: RawFd, _readiness: Readiness) {
        match self.connection.receive::<Reply>() {
            Ok(Some((reply, _))) => self.replies.push_back(reply),
            _ => self.has_ended = true,
        }
    }

    fn expired(&mut self, _now: Instant) {}
}

/// Calls the monitor of a running container. One that is just beginning does not listen yet: it will in a moment, or be
/// gone, and there is no event that says so.
///
/// # Errors
/// Docker's sentence when it does not run.
pub fn call(container: &Container) -> Result<Connection> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let running = container.is_supervised()?;
        match Connection::open(&container.state_dir()) {
            Ok(connection) if running => return Ok(connection),
            Err(_) if running && Instant::now() < deadline && container.state()?.status == Status::Starting => {
                std::thread::sleep(Duration::from_millis(2));
            }
            _ => bail!("container {} is not running", container.record.name),
        }
    }
}
