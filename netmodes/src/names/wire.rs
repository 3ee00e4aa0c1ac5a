//! A DNS message as far as a forwarder must understand it (RFC 1035, section 4.1).
//!
//! ```text
//!    0   2   4   6   8  10  12              end
//!    | id|flg|QD |AN |NS |AR | name type class | records, never looked at here
//!            QR opcode AA TC RD | RA Z AD CD rcode
//! ```
//!
//! Queries come from programs that nobody vouches for. Only the header and the one question are read: a cursor that moves
//! forward alone, no compression pointers (nothing stands before the question that one could point at), no allocation.

/// Bytes of the header.
pub const HEADER: usize = 12;
/// Longest name on the wire, with its length bytes and the root (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: u8 = 63;

/// Response codes (RFC 1035, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Rcode {
    /// An answer, perhaps an empty one.
    NoError = 0,
    /// The query cannot be understood.
    FormatError = 1,
    /// No server could be asked.
    ServerFailure = 2,
    /// Only plain queries are served.
    NotImplemented = 4,
    /// Too many questions at once.
    Refused = 5,
}

/// The first question of a message, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Name, type and class as they were sent.
    bytes: &'a [u8],
}

impl<'a> Question<'a> {
    /// Reads the one question of `message`; `None` when there is not exactly one or it is malformed.
    pub fn read(message: &'a [u8]) -> Option<Self> {
        if word(message, 4)? != 1 {
            return None;
        }
        let body = message.get(HEADER..)?;
        let name = name_length(body)?;
        Some(Self { bytes: body.get(..name + 4)? })
    }

    /// The labels of the name, without the root.
    pub fn labels(&self) -> Labels<'a> {
        Labels { rest: self.bytes }
    }

    /// The name as text, lower-cased, without the last dot; `None` when a label has bytes that no text form keeps apart.
    pub fn name(&self) -> Option<String> {
        let mut text = String::with_capacity(self.bytes.len());
        for label in self.labels() {
            if !text.is_empty() {
                text.push('.');
            }
            let plain = label.iter().all(|b| b.is_ascii_graphic() && *b != b'.');
            text.push_str(std::str::from_utf8(label).ok().filter(|_| plain)?);
        }
        text.make_ascii_lowercase();
        Some(text)
    }

    /// QTYPE.
    pub fn kind(&self) -> u16 {
        self.tail(4)
    }

    /// QCLASS.
    pub fn class(&self) -> u16 {
        self.tail(2)
    }

    /// Name, type and class as they stand in the message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether `other` asks the same; servers may change the case of letters.
    pub fn same_as(&self, other: &[u8]) -> bool {
        self.bytes.eq_ignore_ascii_case(other)
    }

    fn tail(&self, from_end: usize) -> u16 {
        // `read` has made sure of the four bytes behind the name.
        word(self.bytes, self.bytes.len() - from_end).unwrap_or_default()
    }
}

/// Walks over labels that [`Question::read`] has checked.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first().filter(|(length, _)| **length != 0)?;
        let label = rest.get(..usize::from(*length))?;
        self.rest = &rest[label.len()..];
        Some(label)
    }
}

/// Bytes of the name at the start of `body`, with the root label.
fn name_length(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = *body.get(at)?;
        at += 1 + usize::from(length);
        if length > LONGEST_LABEL || at > LONGEST_NAME {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}

/// The id that ties an answer to its query.
pub fn id(message: &[u8]) -> Option<u16> {
    word(message, 0)
}

/// Puts another id into a message; one that is too short stays as it is.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(place) = message.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

/// The QR bit: an answer and not a query.
pub fn is_response(message: &[u8]) -> bool {
    message.get(2).is_some_and(|b| b & 0x80 != 0)
}

/// 0 is a plain query.
pub fn opcode(message: &[u8]) -> Option<u8> {
    message.get(2).map(|b| b >> 3 & 0x0f)
}

/// The lower four bits of the response code.
pub fn rcode(message: &[u8]) -> Option<u8> {
    message.get(3).map(|b| b & 0x0f)
}

/// Numbers of answer, authority and additional records that the header claims.
pub fn record_counts(message: &[u8]) -> Option<[u16; 3]> {
    Some([word(message, 6)?, word(message, 8)?, word(message, 10)?])
}

/// The answer without records that says `rcode` to `query`, the question as it was spelled.
/// `None` when there is no whole header to answer to.
pub fn failure(query: &[u8], rcode: Rcode) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    let question = Question::read(query);
    let mut reply = Vec::with_capacity(HEADER + question.map_or(0, |q| q.bytes.len()));
    reply.extend_from_slice(&header[..2]);
    reply.push(0x80 | header[2] & 0x79); // QR; opcode and RD are copied
    reply.push(0x80 | header[3] & 0x10 | rcode as u8); // RA; CD is copied
    reply.extend_from_slice(&[0, u8::from(question.is_some()), 0, 0, 0, 0, 0, 0]);
    reply.extend_from_slice(question.map_or(&[], |q| q.bytes));
    Some(reply)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(name: &[u8], counts: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0];
        bytes.extend_from_slice(&counts.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0, 28, 0, 1]);
        bytes
    }

    #[test]
    fn a_question_is_read_as_it_was_spelled() {
        let message = query(b"\x03WeB\x06my-net\0", 1);
        let question = Question::read(&message).unwrap();
        assert_eq!(question.name().unwrap(), "web.my-net");
        assert_eq!((question.kind(), question.class()), (28, 1));
        assert_eq!(question.bytes(), &message[HEADER..]);
        assert!(question.same_as(&query(b"\x03wEb\x06MY-net\0", 1)[HEADER..]));
        assert!(!question.same_as(&query(b"\x03wex\x06MY-net\0", 1)[HEADER..]));
    }

    #[test]
    fn malformed_questions_are_none() {
        for name in [&b"\x03we"[..], b"\xc0\x0c", b"\x40aaa\0", b"\x80\0", b""] {
            assert!(Question::read(&query(name, 1)).is_none(), "{name:?}");
        }
        assert!(Question::read(&query(b"\x01a\0", 0)).is_none());
        assert!(Question::read(&query(b"\x01a\0", 2)).is_none());
        let long = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
        assert!(Question::read(&query(&[&long, &b"\0"[..]].concat(), 1)).is_none(), "257 bytes of name");
    }

    #[test]
    fn a_dot_inside_a_label_is_no_separator() {
        assert_eq!(Question::read(&query(b"\x05a.b.c\0", 1)).unwrap().name(), None);
        assert_eq!(Question::read(&query(b"\x02a\x2f\0", 1)).unwrap().name().unwrap(), "a/");
        assert_eq!(Question::read(&query(b"\x02a\0\0", 1)).unwrap().name(), None);
    }

    #[test]
    fn a_failure_keeps_id_and_question() {
        let message = query(b"\x03WeB\0", 1);
        let reply = failure(&message, Rcode::ServerFailure).unwrap();
        assert_eq!((id(&reply), rcode(&reply), is_response(&reply)), (Some(0xabcd), Some(2), true));
        assert_eq!(Question::read(&reply).unwrap().bytes(), Question::read(&message).unwrap().bytes());
        assert_eq!(failure(&message[..11], Rcode::FormatError), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(question) = Question::read(&bytes) {
                prop_assert!(question.bytes().len() <= LONGEST_NAME + 4);
                prop_assert!(question.labels().count() < 128);
                let _ = (question.name(), question.kind(), question.class());
            }
            let reply = failure(&bytes, Rcode::FormatError);
            prop_assert_eq!(reply.is_some(), bytes.len() >= HEADER);
        }
    }
}
