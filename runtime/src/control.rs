//! The protocol between a command and a monitor: one seqpacket socket, one JSON message a packet.
//!
//! ```text
//! command ── Request (+ descriptors by SCM_RIGHTS) ──> monitor      <state>/containers/<id>/control, 0600 in 0700
//! command <── Reply ───────────────────────────────── monitor      end of file = the other has died
//! ```
//!
//! A message holds at most 64 KiB and carries the protocol's version. A monitor outlives upgrades of the binary: a
//! request that it does not know gets an `Error`, and `Hello`, `Kill` and `Stop` never change their form.
//! The socket is reached through a descriptor of its directory, as a socket's path holds no more than 108 bytes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, UnixAddr, bind, connect, listen, shutdown, socket,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::host;
use crate::sys::fds;
use crate::sys::term::Size;

/// Version of this protocol.
pub const VERSION: u32 = 1;
const LARGEST: usize = 64 * 1024;

/// What a command asks of a monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Who are you?
    Hello,
    /// Start the container: the word of the command that made this monitor.
    Start,
    /// Say what is done to start it, before it is done: `Explained`, once or several times, before `Started`.
    Explain {
        /// Nobody waits for its end.
        detached: bool,
    },
    /// Take part in its streams. Descriptors: where its output and its errors go, then (with `stdin`) where its input
    /// comes from.
    Attach {
        /// The third descriptor is there.
        stdin: bool,
    },
    /// The attached input has ended for good (it was not merely lost with its command).
    CloseStdin,
    /// The window of the terminal has changed.
    Resize(Size),
    /// Send a signal to init.
    Kill {
        /// Its number.
        signal: i32,
    },
    /// Ask it to stop, wait, kill it. `Done` when it has ended.
    Stop(StopRequest),
    /// Stop it, then start it again with its addresses and ports. `Done` when it runs.
    Restart(StopRequest),
    /// Say `Exited` when it ends.
    Wait,
    /// The record has a new name: carry it to the networks.
    Rename,
    /// The record says something else about networks and ports: make it so. `Done`, after `Explained` if that is wanted.
    Reconnect {
        /// Say what is done, before it is done.
        explain: bool,
    },
    /// Publish more ports, or fewer. `Done` when it is so; before it, `Explained` if that was asked for.
    Ports(PortsRequest),
}

/// Which ports, and what about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortsRequest {
    /// Publish them, or no more.
    pub verb: PortsVerb,
    /// As `-p` takes them.
    pub words: Vec<String>,
    /// Say what is done, before it is done.
    pub explain: bool,
    /// Only say it.
    pub dry_run: bool,
}

/// What is to happen to ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortsVerb {
    /// `port add`
    Add,
    /// `port rm`
    Remove,
}

/// How a container is to be stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// Number of the signal; the record's where it is missing.
    pub signal: Option<i32>,
    /// Seconds to wait before SIGKILL; the record's where it is missing, for ever below 0.
    pub timeout: Option<i64>,
}

/// What a monitor answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The version that it speaks.
    Hello {
        /// See [`VERSION`].
        version: u32,
    },
    /// A part of the explanation that was asked for.
    Explained {
        /// Shell.
        text: String,
    },
    /// Something that the person should know, and that ends nothing: before `Started`.
    Warned {
        /// Without a word in front.
        sentence: String,
    },
    /// The program runs.
    Started,
    /// The program could not be started; everything is undone.
    Failed {
        /// 125, 126 or 127.
        code: i32,
        /// What went wrong.
        sentence: String,
    },
    /// The program has ended; everything is undone.
    Exited {
        /// Its code, 128+n for signal n.
        code: i32,
    },
    /// What was asked for is done.
    Done,
    /// What was asked for cannot be done.
    Error {
        /// Why.
        sentence: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u32,
    message: T,
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl Connection {
    /// The conversation over `socket`.
    pub fn new(socket: OwnedFd) -> Connection {
        Connection { socket }
    }

    /// Ends it in both directions, whoever holds the descriptor (shutdown(2)).
    pub fn hang_up(&self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    /// Calls the monitor whose state directory this is.
    ///
    /// # Errors
    /// A sentence when nobody answers there.
    pub fn open(directory: &Path) -> Result<Connection> {
        let address = address(&host::open_directory(directory)?)?;
        let socket = new_socket(SockFlag::empty())?;
        connect(socket.as_raw_fd(), &address.1)
            .with_context(|| format!("cannot reach the monitor at {}", directory.join("control").display()))?;
        Ok(Connection { socket })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// EPIPE when the other has gone; EAGAIN when it does not read.
    pub fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = serde_json::to_vec(&Envelope { version: VERSION, message })?;
        fds::send(self.socket.as_fd(), &bytes, descriptors).context("cannot send to the other end")
    }

    /// Receives one message; `None` when the other has gone.
    ///
    /// # Errors
    /// A message that cannot be understood.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; LARGEST];
        let (length, descriptors) = match fds::receive(self.socket.as_fd(), &mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.receive(),
            // Said once by the kernel, when the other end closed before it had read all of ours: its last words are
            // still in the queue, and then the end of file.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => return self.receive(),
            Err(error) => return Err(error).context("cannot receive from the other end"),
        };
        if length == 0 {
            return Ok(None);
        }
        let envelope: Envelope<T> = serde_json::from_slice(&buffer[..length])
            .map_err(|_| anyhow!("the other end speaks another version of the control protocol"))?;
        Ok(Some((envelope.message, descriptors)))
    }

    /// Sends a request and waits for the reply.
    ///
    /// # Errors
    /// When the monitor has died meanwhile.
    pub fn ask(&self, request: &Request) -> Result<Reply> {
        self.send(request, &[])?;
        self.next_reply()
    }

    /// Waits for one more reply to the last request.
    ///
    /// # Errors
    /// When the monitor has died meanwhile.
    pub fn next_reply(&self) -> Result<Reply> {
        match self.receive()? {
            Some((reply, _)) => Ok(reply),
            None => bail!("the container's monitor has died"),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Listens in the state directory. The caller holds the container's life, so a socket that is there is a leftover.
///
/// # Errors
/// A sentence with the path.
pub fn listener(directory: &Path) -> Result<OwnedFd> {
    crate::container::store::remove_file(&directory.join("control"))?;
    let address = address(&host::open_directory(directory)?)?;
    let socket = new_socket(SockFlag::SOCK_NONBLOCK)?;
    let listening = bind(socket.as_raw_fd(), &address.1).and_then(|()| listen(&socket, Backlog::new(64)?));
    listening.with_context(|| format!("cannot listen at {}", directory.join("control").display()))?;
    Ok(socket)
}

/// The address by way of the directory's descriptor, and that descriptor, which must stay open meanwhile.
fn address(directory: &File) -> Result<(File, UnixAddr)> {
    let directory = directory.try_clone()?;
    let path = format!("/proc/self/fd/{}/control", directory.as_raw_fd());
    Ok((directory, UnixAddr::new(path.as_str())?))
}

fn new_socket(flags: SockFlag) -> Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | flags, None)
        .context("cannot make a control socket")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::socketpair;

    fn pair() -> Result<(Connection, Connection)> {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Connection::new(a), Connection::new(b)))
    }

    #[test]
    fn messages_and_descriptors_arrive() -> Result<()> {
        let (command, monitor) = pair()?;
        let request = Request::Stop(StopRequest { signal: Some(15), timeout: Some(-1) });
        command.send(&request, &[command.as_fd()])?;
        let (heard, descriptors) = monitor.receive::<Request>()?.context("a message")?;
        assert_eq!(heard, request);
        assert_eq!(descriptors.len(), 1);
        Ok(())
    }

    #[test]
    fn the_last_words_of_one_who_did_not_listen_any_more_are_heard() -> Result<()> {
        let (command, monitor) = pair()?;
        command.send(&Request::CloseStdin, &[])?;
        monitor.send(&Reply::Exited { code: 7 }, &[])?;
        drop(monitor);
        assert_eq!(command.receive::<Reply>()?.map(|(reply, _)| reply), Some(Reply::Exited { code: 7 }));
        assert!(command.receive::<Reply>()?.is_none());
        Ok(())
    }

    #[test]
    fn the_end_and_nonsense_are_told_apart() -> Result<()> {
        let (command, monitor) = pair()?;
        fds::send(command.as_fd(), b"{\"version\":9,\"message\":\"dance\"}", &[])?;
        assert!(monitor.receive::<Request>().is_err());
        drop(command);
        assert!(monitor.receive::<Request>()?.is_none());
        Ok(())
    }

    #[test]
    fn a_long_directory_is_no_obstacle() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let deep = directory.path().join("x".repeat(120));
        host::ensure_directory(&deep)?;
        let _listener = listener(&deep)?;
        Connection::open(&deep)?.send(&Request::Hello, &[])
    }
}
