//! DNS messages over a non-blocking stream: two bytes of length before each (RFC 1035, section 4.2.2).
//!
//! ```text
//!   read(2) --> inbox  [len][message][len][mess...      next() takes one whole message
//!   write(2) <- outbox [len][message]                   flush() when poll says so
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

/// Bytes read at a time; also how far ahead of the current message a peer may run.
const CHUNK: usize = 4096;

/// One peer.
pub struct Stream<S = TcpStream> {
    socket: S,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    ended: bool,
}

impl<S: Read + Write + AsRawFd> Stream<S> {
    /// Takes a socket that is non-blocking already, connected or still connecting.
    pub fn new(socket: S) -> Self {
        Self { socket, inbox: Vec::new(), outbox: Vec::new(), ended: false }
    }

    /// The descriptor to wait for.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether something is still to be written.
    pub fn sending(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The peer has sent all that it will.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Puts a message in the outbox. One longer than the length field can say is left out: nobody builds one.
    pub fn send(&mut self, message: &[u8]) {
        if let Ok(length) = u16::try_from(message.len()) {
            self.outbox.extend_from_slice(&length.to_be_bytes());
            self.outbox.extend_from_slice(message);
        }
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// The connection failed or broke.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(again) if is_patience(&again) => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }

    /// Reads one chunk, if there is one.
    ///
    /// # Errors
    /// The connection failed or broke.
    pub fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        match self.socket.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(read) => self.inbox.extend_from_slice(&chunk[..read]),
            Err(again) if is_patience(&again) => {}
            Err(broken) => return Err(broken),
        }
        Ok(())
    }

    /// Takes one whole message out of the inbox.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let length = u16::from_be_bytes(self.inbox.get(..2)?.try_into().ok()?);
        let end = 2 + usize::from(length);
        let message = self.inbox.get(2..end)?.to_vec();
        self.inbox.drain(..end);
        Some(message)
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Stream<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Stream::new(ours), theirs)
    }

    fn fill_until(stream: &mut Stream<UnixStream>, done: impl Fn(&Stream<UnixStream>) -> bool) {
        while !done(stream) {
            stream.fill().unwrap();
        }
    }

    #[test]
    fn messages_come_whole_however_they_were_cut() {
        let (mut ours, mut theirs) = pair();
        for byte in *b"\x00\x03abc\x00\x00\x00\x02de\x00\x09x" {
            theirs.write_all(&[byte]).unwrap();
        }
        fill_until(&mut ours, |s| s.inbox.len() == 14);
        assert_eq!(ours.next().unwrap(), b"abc");
        assert_eq!(ours.next().unwrap(), b"");
        assert_eq!(ours.next().unwrap(), b"de");
        assert_eq!(ours.next(), None);
        drop(theirs);
        fill_until(&mut ours, Stream::ended);
    }

    #[test]
    fn a_message_is_sent_behind_its_length() {
        let (mut ours, mut theirs) = pair();
        ours.send(b"hello");
        ours.send(&[0; 65_536]);
        ours.flush().unwrap();
        assert!(!ours.sending());
        drop(ours);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).unwrap();
        assert_eq!(sent, b"\x00\x05hello");
    }
}
