//! A netlink socket: requests out, answers and refusals in.
//!
//! ```text
//! Batch     header request | header request | header request    one sendmsg; the ACK flag is on the last
//! answers   header answer ...                  what was asked for
//!           NLMSG_ERROR  0                     the ACK: all was done
//!           NLMSG_ERROR -errno + a sentence    a refusal, with the number of the request that it belongs to
//! ```
//!
//! Blocking and without a runtime: the kernel has queued every answer when send returns, so they are read until there
//! are no more. A socket stays in the network namespace in which it was opened, whoever uses it later.

use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::libc;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys;

/// Bytes of a netlink header: length u32, type u16, flags u16, sequence u32, port u32.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Set in a refusal whose original request was cut off, which is what we ask for.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// The kernel's sentence about a refusal, among its attributes.
const NLMSGERR_ATTR_MSG: u16 = 1;
/// No single datagram of the kernel is larger: dumps adapt to the reader's buffer.
const BUFFER: usize = 32 * 1024;

/// Why the kernel refused a request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// What the kernel says beside it, if anything (extended ACK).
    pub text: Option<String>,
    /// Which request of the batch it was, from 0.
    pub request: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno.desc())?;
        if let Some(text) = &self.text {
            write!(f, " ({text})")?;
        }
        if self.errno == Errno::EPERM { write!(f, "; this needs root") } else { Ok(()) }
    }
}

impl std::error::Error for Refusal {}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal { errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)), text: None, request: 0 }
    }
}

/// Requests that go out together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Batch {
    /// The flags of a request for a whole list.
    pub const DUMP: u16 = NLM_F_DUMP;

    /// Appends a request: a netlink type, flags beside NLM_F_REQUEST, and what follows the header.
    pub fn push(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend(((HEADER + body.len()) as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend([0; 8]);
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends a request of rtnetlink(7).
    pub fn route(&mut self, message: RouteNetlinkMessage, flags: u16) {
        let mut message = NetlinkMessage::from(message);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.push(message.header.message_type, flags, &bytes[HEADER..]);
    }

    /// Asks for the answer of the request that was appended last.
    pub fn acknowledge(&mut self) {
        if let Some(start) = self.starts.last() {
            let flags = u16::from_ne_bytes([self.bytes[start + 6], self.bytes[start + 7]]) | NLM_F_ACK;
            self.bytes[start + 6..start + 8].copy_from_slice(&flags.to_ne_bytes());
        }
    }

    /// The requests as they will be sent, but for their sequence numbers.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn number_from(&mut self, first: u32) {
        for (n, start) in self.starts.iter().enumerate() {
            self.bytes[start + 8..start + 12].copy_from_slice(&(first.wrapping_add(n as u32)).to_ne_bytes());
        }
    }
}

/// One message of the kernel: its type and what follows the header.
#[derive(Debug)]
pub struct Answer {
    /// Netlink type.
    pub kind: u16,
    /// Flags of the header.
    flags: u16,
    /// Sequence number: the request's.
    sequence: u32,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// A netlink socket of one protocol.
pub struct Socket {
    socket: sys::Socket,
    sequence: u32,
}

impl Socket {
    /// rtnetlink(7): links, addresses, routes.
    pub const ROUTE: isize = sys::protocols::NETLINK_ROUTE;
    /// nfnetlink: nf_tables and conntrack.
    pub const NETFILTER: isize = sys::protocols::NETLINK_NETFILTER;
    /// sock_diag(7): who has which socket.
    pub const DIAG: isize = 4;

    /// Opens a socket in the calling thread's network namespace: `socket(AF_NETLINK, SOCK_DGRAM|SOCK_CLOEXEC, …)`.
    pub fn open(protocol: isize) -> io::Result<Socket> {
        let mut socket = sys::Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Socket { socket, sequence: 1 })
    }

    /// Sends a batch and returns what was answered, in order.
    ///
    /// # Errors
    /// The first refusal. Requests of rtnetlink after it were carried out all the same; nf_tables took all back.
    pub fn send(&mut self, mut batch: Batch) -> Result<Vec<Answer>, Refusal> {
        let first = self.sequence;
        self.sequence = first.wrapping_add(batch.starts.len() as u32);
        batch.number_from(first);
        self.socket.send_to(&batch.bytes, &sys::SocketAddr::new(0, 0), 0)?;
        self.receive(first, self.sequence)
    }

    /// Reads until nothing is left, and sorts answers from refusals. Answers to earlier requests are passed over.
    fn receive(&mut self, first: u32, next: u32) -> Result<Vec<Answer>, Refusal> {
        let (mut answers, mut refusal, mut done) = (Vec::new(), None, false);
        while let Some(datagram) = self.datagram()? {
            for answer in
                split(&datagram).filter(|answer| answer.sequence.wrapping_sub(first) < next.wrapping_sub(first))
            {
                match answer.kind {
                    NLMSG_ERROR => match refused(&answer, first) {
                        Some(found) => refusal = refusal.or(Some(found)),
                        None => done = true,
                    },
                    NLMSG_DONE => done = true,
                    _ => answers.push(answer),
                }
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None if done || !answers.is_empty() => Ok(answers),
            None => Err(Refusal { errno: Errno::EIO, text: Some("no answer".into()), request: 0 }),
        }
    }

    /// `recv(…, MSG_DONTWAIT)`; `None` when nothing is left.
    fn datagram(&self) -> Result<Option<Vec<u8>>, Refusal> {
        let mut buffer = vec![0u8; BUFFER];
        match self.socket.recv(&mut &mut buffer[..], libc::MSG_DONTWAIT) {
            Ok(length) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.datagram(),
            Err(error) => Err(error.into()),
        }
    }
}

/// The messages of a datagram.
fn split(mut bytes: &[u8]) -> impl Iterator<Item = Answer> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            flags: u16::from_ne_bytes([message[6], message[7]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            body: message[HEADER..].to_vec(),
        })
    })
}

/// struct nlmsgerr: a negative error number, the header of the request, then attributes. 0 is an ACK.
fn refused(answer: &Answer, first: u32) -> Option<Refusal> {
    let code = i32::from_ne_bytes(answer.body.get(..4)?.try_into().ok()?);
    let tail = if answer.flags & NLM_F_ACK_TLVS != 0 { answer.body.get(4 + HEADER..) } else { None };
    let request = answer.sequence.wrapping_sub(first) as usize;
    (code != 0).then(|| Refusal { errno: Errno::from_raw(-code), text: tail.and_then(sentence), request })
}

fn sentence(tail: &[u8]) -> Option<String> {
    let text = attributes(tail).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?.1;
    Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_string())
}

/// The attributes (type without its flags, value) of a netlink message's body.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_split_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for answer in split(&bytes) {
                let _ = refused(&answer, 1);
                let _ = attributes(&answer.body).count();
            }
        }
    }

    #[test]
    fn requests_are_numbered_and_padded() {
        let mut batch = Batch::default();
        batch.push(7, 0, &[1]);
        batch.push(8, 0, &[]);
        batch.acknowledge();
        batch.number_from(5);
        assert_eq!(batch.bytes.len(), 20 + 16);
        assert_eq!((batch.bytes[8], batch.bytes[28]), (5, 6));
        assert_eq!(batch.bytes[26], (NLM_F_ACK | NLM_F_REQUEST) as u8);
    }
}
