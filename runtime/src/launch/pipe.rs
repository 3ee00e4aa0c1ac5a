//! The protocol between parent and child: one seqpacket socket pair, four messages.
//!
//! ```text
//! child -> parent   C + descriptor        the terminal's master
//!                   F + code + sentence   it cannot become the program; the child ends with that code
//!                   end of file           execve succeeded (both ends are close-on-exec)
//! parent -> child   G                     everything outside is ready: go
//! ```
//!
//! Neither side waits without noticing that the other has died: an end of file ends every wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::sys::fds;

/// Why a program could not be started, and the exit code that says so: 125, 126 or 127 as Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// Exit code of the command.
    pub code: i32,
    /// What was tried, on what, and what the kernel said.
    pub sentence: String,
}

impl Failure {
    /// Pontoon's own failure: 125.
    pub fn own(error: &anyhow::Error) -> Failure {
        Failure { code: 125, sentence: format!("{error:#}") }
    }
}

/// Above every other descriptor of a child, and below the usual limit of 1024.
const HIGH: i32 = 512;

/// One end of the pipe.
#[derive(Debug)]
pub struct Pipe {
    socket: OwnedFd,
}

/// What the child has to say.
#[derive(Debug)]
pub enum Said {
    /// The master of its terminal.
    Console(OwnedFd),
    /// It has failed.
    Failed(Failure),
    /// It has become the program, or died.
    Gone,
}

impl Pipe {
    /// Both ends.
    ///
    /// # Errors
    /// EMFILE at the limit of descriptors.
    pub fn pair() -> Result<(Pipe, Pipe)> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .context("cannot make the pipe to the child")?;
        // exec closes descriptors from the lowest up: the end of file on the highest says that all are closed.
        let theirs = fds::moved_above(theirs.as_fd(), HIGH).context("cannot move the pipe to the child")?;
        Ok((Pipe { socket: ours }, Pipe { socket: theirs }))
    }

    /// The child's end, after an exec that kept it open.
    pub fn of_child(socket: OwnedFd) -> Pipe {
        Pipe { socket }
    }

    /// Parent: waits for the child's next word.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn hear(&self) -> Result<Said> {
        let mut buffer = [0; 4096];
        let (length, mut descriptors) =
            retried(|| fds::receive(self.socket.as_fd(), &mut buffer)).context("cannot read from the child")?;
        match buffer[..length] {
            [] => Ok(Said::Gone),
            [b'C', ..] => match descriptors.pop() {
                Some(master) => Ok(Said::Console(master)),
                None => bail!("the child sent no terminal"),
            },
            [b'F', code, ref sentence @ ..] => Ok(Said::Failed(Failure {
                code: code.into(),
                sentence: String::from_utf8_lossy(sentence).into_owned(),
            })),
            [other, ..] => bail!("the child said {other:#x}, which means nothing"),
        }
    }

    /// Parent: lets the child go on.
    ///
    /// # Errors
    /// EPIPE when the child has died.
    pub fn go(&self) -> Result<()> {
        fds::send(self.socket.as_fd(), b"G", &[]).context("the child has died before it could go on")
    }

    /// Child: waits for the parent's go.
    ///
    /// # Errors
    /// When the parent has died.
    pub fn await_go(&self) -> Result<()> {
        let mut buffer = [0; 1];
        match retried(|| fds::receive(self.socket.as_fd(), &mut buffer)).context("cannot read from the parent")? {
            (0, _) => bail!("the parent has died"),
            _ => Ok(()),
        }
    }

    /// Child: hands the terminal's master over.
    ///
    /// # Errors
    /// EPIPE when the parent has died.
    pub fn send_console(&self, master: BorrowedFd<'_>) -> Result<()> {
        fds::send(self.socket.as_fd(), b"C", &[master]).context("cannot hand over the terminal")
    }

    /// Child: says why it ends. A parent that has died hears nothing.
    pub fn send_failure(&self, failure: &Failure) {
        let mut message = vec![b'F', failure.code as u8];
        message.extend(failure.sentence.bytes().take(4000));
        let _ = fds::send(self.socket.as_fd(), &message, &[]);
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            // A child that ends before it has read our last word resets the connection; what it said itself is still to
            // be read (unix(7)), or else the end of file.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_and_death_is_noticed() -> Result<()> {
        let (parent, child) = Pipe::pair()?;
        parent.go()?;
        child.await_go()?;
        let failure = Failure { code: 127, sentence: "no such program".into() };
        child.send_failure(&failure);
        drop(child);
        assert!(matches!(parent.hear()?, Said::Failed(heard) if heard == failure));
        assert!(matches!(parent.hear()?, Said::Gone));
        assert!(parent.go().is_err());
        Ok(())
    }

    #[test]
    fn the_last_word_of_a_child_that_did_not_read_ours_is_heard() -> Result<()> {
        let (parent, child) = Pipe::pair()?;
        let failure = Failure { code: 125, sentence: "something else is there already".into() };
        child.send_failure(&failure);
        parent.go()?;
        drop(child);
        assert!(matches!(parent.hear()?, Said::Failed(heard) if heard == failure));
        assert!(matches!(parent.hear()?, Said::Gone));
        Ok(())
    }
}
