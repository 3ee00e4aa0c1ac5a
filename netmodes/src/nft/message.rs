//! nf_tables' messages: attributes in attributes, and transactions.
//!
//! ```text
//! Transaction   BATCH_BEGIN | message | message | … | BATCH_END      one send: all of it happens or nothing
//! Message       nfgenmsg (family, version, resource) | attribute …
//! attribute     length u16 | type u16 | value, padded to 4           numbers are big-endian, unlike rtnetlink's
//! ```
//!
//! Numbers are those of linux/netfilter/nf_tables.h and nfnetlink.h.

use crate::kernel::{Batch, attributes};

use super::element::{Data, Element, Verdict};

/// NFNL_SUBSYS_NFTABLES
const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NLA_F_NESTED
const NESTED: u16 = 0x8000;

/// NLM_F_CREATE
pub(crate) const CREATE: u16 = 0x400;
/// NLM_F_EXCL: an element that is there already is an error, even with the same value.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// NLM_F_APPEND: a rule goes behind the others.
pub(crate) const APPEND: u16 = 0x800;

/// The kinds of messages that are used: NFT_MSG_*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    NewTable = 0,
    GetTable = 1,
    DelTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    DelRule = 8,
    NewSet = 9,
    NewElement = 12,
    GetElement = 13,
    DelElement = 14,
}

/// A table's family: NFPROTO_*.
pub(crate) fn family(table: &str) -> u8 {
    match table {
        "inet" => 1,
        "ip" => 2,
        "ip6" => 10,
        _ => 7,
    }
}

/// One message that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    kind: Kind,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    pub(crate) fn new(kind: Kind, flags: u16, family: u8) -> Message {
        Message { kind, flags, body: vec![family, 0, 0, 0] }
    }

    /// Appends an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Message {
        attribute(&mut self.body, kind, value);
        self
    }

    /// Appends a string, which the kernel wants with its zero byte.
    pub(crate) fn text(self, kind: u16, value: &str) -> Message {
        self.with(kind, &text(value))
    }

    /// Appends a number.
    pub(crate) fn number(self, kind: u16, value: u32) -> Message {
        self.with(kind, &value.to_be_bytes())
    }

    /// Appends an attribute that holds attributes.
    pub(crate) fn nested(self, kind: u16, value: &[u8]) -> Message {
        self.with(kind | NESTED, value)
    }

    /// A question outside of transactions.
    pub(crate) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        batch.push(self.type_number(), self.flags, &self.body);
        batch
    }

    fn type_number(&self) -> u16 {
        NFTABLES << 8 | self.kind as u16
    }
}

/// Messages that take effect together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    messages: Vec<Message>,
}

impl Transaction {
    pub(crate) fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages of both.
    pub(crate) fn and(mut self, other: Transaction) -> Transaction {
        self.messages.extend(other.messages);
        self
    }

    /// With its frame, which is the first message and the last; the last one between is acknowledged.
    pub(crate) fn into_batch(self) -> Batch {
        let frame = [0, 0, 0, NFTABLES as u8];
        let mut batch = Batch::default();
        batch.push(BATCH_BEGIN, 0, &frame);
        for message in &self.messages {
            batch.push(message.type_number(), message.flags, &message.body);
        }
        batch.acknowledge();
        batch.push(BATCH_END, 0, &frame);
        batch
    }
}

impl Element {
    /// Adds the element. Exclusively: EEXIST if the key is there, whatever its value.
    pub(crate) fn add(&self, exclusive: bool) -> Transaction {
        let flags = if exclusive { CREATE | EXCLUSIVE } else { CREATE };
        Transaction { messages: vec![self.message(Kind::NewElement, flags, true)] }
    }

    /// Deletes the key. The kernel does not look at the value.
    pub(crate) fn delete(&self) -> Transaction {
        Transaction { messages: vec![self.message(Kind::DelElement, 0, false)] }
    }

    /// Asks for the value under the key.
    pub(crate) fn query(&self) -> Batch {
        self.message(Kind::GetElement, 0, false).into_batch()
    }

    fn message(&self, kind: Kind, flags: u16, with_data: bool) -> Message {
        let data = if with_data { self.data() } else { Data::None };
        Message::new(kind, flags, family(self.table()))
            .text(1, "pontoon")
            .text(2, self.set())
            .nested(3, &element(&self.key(), &data, 0))
    }
}

/// One entry of an element list: key, value, flags (1: the end of an interval).
pub(crate) fn element(key: &[u8], data: &Data, flags: u32) -> Vec<u8> {
    let mut entry = Vec::new();
    nest(&mut entry, 1, &value(key));
    match data {
        Data::None => {}
        Data::Verdict(verdict) => nest(&mut entry, 2, &verdict_of(*verdict)),
        Data::Bytes(bytes) => nest(&mut entry, 2, &value(bytes)),
    }
    if flags != 0 {
        attribute(&mut entry, 3, &flags.to_be_bytes());
    }
    let mut list = Vec::new();
    nest(&mut list, 1, &entry);
    list
}

fn verdict_of(verdict: Verdict) -> Vec<u8> {
    verdict.chain().map_or_else(|| decision(1, None), |chain| decision(GOTO, Some(chain)))
}

/// NFT_GOTO, -4
pub(crate) const GOTO: u32 = -4i32 as u32;

/// NFTA_DATA_VERDICT: a code, and the chain of a goto.
pub(crate) fn decision(code: u32, chain: Option<&str>) -> Vec<u8> {
    let mut inner = Vec::new();
    attribute(&mut inner, 1, &code.to_be_bytes());
    if let Some(chain) = chain {
        attribute(&mut inner, 2, &text(chain));
    }
    let mut outer = Vec::new();
    nest(&mut outer, 2, &inner);
    outer
}

/// NFTA_DATA_VALUE
pub(crate) fn value(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    attribute(&mut out, 1, bytes);
    out
}

/// A string with its zero byte.
pub(crate) fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}

/// Appends length, type, value and padding. Values are bounded by us: rules of a few hundred bytes at most.
pub(crate) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(((value.len() + 4) as u16).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Attributes that are being written, for messages of nfnetlink's other subsystems.
#[derive(Debug, Default)]
pub(crate) struct Part(Vec<u8>);

impl Part {
    pub(crate) fn new() -> Part {
        Part::default()
    }

    /// Appends an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Part {
        attribute(&mut self.0, kind, value);
        self
    }

    /// Appends an attribute that holds attributes.
    pub(crate) fn nested(mut self, kind: u16, part: Part) -> Part {
        nest(&mut self.0, kind, &part.0);
        self
    }

    /// One attribute that holds attributes which are written already.
    pub(crate) fn raw(kind: u16, attributes: &[u8]) -> Part {
        let mut part = Part::new();
        nest(&mut part.0, kind, attributes);
        part
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends an attribute that holds attributes.
pub(crate) fn nest(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    attribute(out, kind | NESTED, value);
}

/// The value of an attribute in an answer: a path of attribute types, outermost first.
pub(crate) fn nested<'a>(body: &'a [u8], path: &[u16]) -> Option<&'a [u8]> {
    path.iter().try_fold(body, |bytes, kind| attributes(bytes).find(|(found, _)| found == kind).map(|(_, value)| value))
}

/// Asks for all elements of a set.
pub(crate) fn elements_query(table: &str, set: &str) -> Batch {
    Message::new(Kind::GetElement, Batch::DUMP, family(table)).text(1, "pontoon").text(2, set).into_batch()
}

/// The keys of the elements in an answer: NFTA_SET_ELEM_LIST_ELEMENTS { NFTA_LIST_ELEM { NFTA_SET_ELEM_KEY { value } } }.
pub(crate) fn keys_of(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = body.get(4..).and_then(|body| nested(body, &[3])).unwrap_or_default();
    attributes(list).filter_map(|(_, element)| nested(element, &[1, 1]))
}

/// The value of the one element that a query was answered with.
pub(crate) fn value_of(body: &[u8]) -> Option<&[u8]> {
    nested(body.get(4..)?, &[3, 1, 2, 1])
}
