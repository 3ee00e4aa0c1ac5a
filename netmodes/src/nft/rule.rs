//! One rule: what it loads, what it compares, what it says.
//!
//! ```text
//! iifname . ip saddr @own4 accept      Rule::new("own").v4().in_set(&[InName, Source4], "own4").accept()
//!
//! [ meta load nfproto => reg 1 ]  [ cmp eq reg 1 ipv4 ]              .v4()
//! [ meta load iifname => reg 1 ]  [ payload 4b @ 12 => reg 2 ]       the fields, one behind the other
//! [ lookup reg 1 set own4 ]  [ immediate reg 0 accept ]
//! ```
//!
//! Registers: 1 to 4 are of sixteen bytes, 8 to 23 are the same memory in words of four.

use super::element::{Data, Family};
use super::message::{GOTO, attribute, decision, element, nest, text, value};

/// What can be read of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// `iifname`
    InName,
    /// `oifname`
    OutName,
    /// `meta nfproto`
    Family,
    /// `meta l4proto`
    L4Proto,
    /// `meta protocol`, the Ethernet type of a packet in the bridge
    Protocol,
    /// `ip saddr`
    Source4,
    /// `ip daddr`
    Target4,
    /// `ip6 saddr`
    Source6,
    /// `ip6 daddr`
    Target6,
    /// `th dport`
    TargetPort,
    /// `icmp type`, `icmpv6 type`
    IcmpType,
    /// `@th,64,128`: the address that a neighbour advertisement is about
    NdTarget,
    /// `ether saddr`
    EtherSource,
    /// `ether type`
    EtherType,
    /// `arp saddr ether`
    ArpMac,
    /// `arp saddr ip`
    ArpAddress,
}

/// Where a field is.
enum Source {
    /// NFT_META_*
    Meta(u32),
    /// header (0 link, 1 network, 2 transport) and offset
    Payload(u32, u32),
}

impl Field {
    fn source(self) -> Source {
        match self {
            Field::Protocol => Source::Meta(1),
            Field::InName => Source::Meta(6),
            Field::OutName => Source::Meta(7),
            Field::Family => Source::Meta(15),
            Field::L4Proto => Source::Meta(16),
            Field::EtherSource => Source::Payload(0, 6),
            Field::EtherType => Source::Payload(0, 12),
            Field::Source4 => Source::Payload(1, 12),
            Field::Target4 => Source::Payload(1, 16),
            Field::Source6 | Field::ArpMac => Source::Payload(1, 8),
            Field::Target6 => Source::Payload(1, 24),
            Field::ArpAddress => Source::Payload(1, 14),
            Field::IcmpType => Source::Payload(2, 0),
            Field::TargetPort => Source::Payload(2, 2),
            Field::NdTarget => Source::Payload(2, 8),
        }
    }

    /// Bytes on the wire.
    fn width(self) -> u32 {
        match self {
            Field::Family | Field::L4Proto | Field::IcmpType => 1,
            Field::Protocol | Field::TargetPort | Field::EtherType => 2,
            Field::Source4 | Field::Target4 | Field::ArpAddress => 4,
            Field::EtherSource | Field::ArpMac => 6,
            _ => 16,
        }
    }
}

/// A rule that is being written. Conditions first, then one verdict.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) chain: &'static str,
    pub(crate) expressions: Vec<u8>,
    pub(crate) sets: Vec<Literal>,
}

/// A set that is written inside a rule: `{ tcp, udp }`.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    /// Number within its transaction.
    pub(crate) id: u32,
    /// NFT_SET_* flags.
    pub(crate) flags: u32,
    /// nft's number of the key's type, and the key's bytes.
    pub(crate) key: (u32, u32),
    /// How many elements, for the kernel's choice of a structure.
    pub(crate) size: u32,
    /// The element list.
    pub(crate) elements: Vec<u8>,
}

impl Literal {
    /// NFT_SET_ANONYMOUS | NFT_SET_CONSTANT, and the key's type.
    pub(crate) fn new(id: u32, key: (u32, u32)) -> Literal {
        Literal { id, flags: 3, key, size: 0, elements: Vec::new() }
    }

    /// An element of a set.
    pub(crate) fn item(mut self, key: &[u8]) -> Literal {
        self.size += 1;
        self.elements.extend(element(key, &Data::None, 0));
        self
    }

    /// From `first` up to but without `end`; NFT_SET_INTERVAL.
    pub(crate) fn interval(mut self, first: &[u8], end: &[u8]) -> Literal {
        self.flags |= 4;
        self.size += 2;
        self.elements.extend(element(first, &Data::None, 0));
        self.elements.extend(element(end, &Data::None, 1));
        self
    }

    /// An element of a verdict map, `key : goto chain`; NFT_SET_MAP.
    pub(crate) fn goto(mut self, key: &[u8], chain: &str) -> Literal {
        self.flags |= 8;
        self.size += 1;
        let mut entry = Vec::new();
        nest(&mut entry, 1, &value(key));
        nest(&mut entry, 2, &decision(GOTO, Some(chain)));
        nest(&mut self.elements, 1, &entry);
        self
    }

    /// What nft calls it until the kernel has numbered it.
    pub(crate) fn name(&self) -> &'static str {
        if self.flags & 8 == 0 { "__set%d" } else { "__map%d" }
    }
}

impl Rule {
    pub(crate) fn new(chain: &'static str) -> Rule {
        Rule { chain, expressions: Vec::new(), sets: Vec::new() }
    }

    // ---- conditions

    /// Only packets of this family, in a table that sees both.
    pub(crate) fn family(self, family: Family) -> Rule {
        self.is(Field::Family, &[family.number()])
    }

    pub(crate) fn v4(self) -> Rule {
        self.family(Family::Ipv4)
    }

    pub(crate) fn v6(self) -> Rule {
        self.family(Family::Ipv6)
    }

    /// `icmp type N`
    pub(crate) fn icmp(self, kind: u8) -> Rule {
        self.v4().is(Field::L4Proto, &[1]).is(Field::IcmpType, &[kind])
    }

    /// `icmpv6 type N`
    pub(crate) fn icmp6(self, kind: u8) -> Rule {
        self.v6().is(Field::L4Proto, &[58]).is(Field::IcmpType, &[kind])
    }

    /// The field's first bytes are these. A shorter value compares a prefix: 127/8 is one byte.
    pub(crate) fn is(mut self, field: Field, bytes: &[u8]) -> Rule {
        let mut width = field.width();
        if matches!(field.source(), Source::Payload(..)) {
            width = bytes.len() as u32;
        }
        self.load(field, width, 0);
        self.compare(0, bytes);
        self
    }

    /// The fields together are an element of the set.
    pub(crate) fn in_set(mut self, fields: &[Field], set: &str) -> Rule {
        self.load_all(fields);
        self.lookup(set, None, None, false);
        self
    }

    /// The fields together are no element of the set.
    pub(crate) fn not_in_set(mut self, fields: &[Field], set: &str) -> Rule {
        self.load_all(fields);
        self.lookup(set, None, None, true);
        self
    }

    /// The field is one of a set that is written here.
    pub(crate) fn among(self, field: Field, literal: Literal) -> Rule {
        self.literal(field, literal, None, false)
    }

    /// The field is none of them.
    pub(crate) fn not_among(self, field: Field, literal: Literal) -> Rule {
        self.literal(field, literal, None, true)
    }

    /// `fib daddr type T`, or `fib daddr . iif type T`: what kind of address the target is.
    pub(crate) fn target_type(mut self, of_this_device: bool, kind: u32) -> Rule {
        let flags: u32 = if of_this_device { 2 | 8 } else { 2 };
        self.expression("fib", &[(3, flags), (2, 3), (1, 1)]);
        self.compare(0, &kind.to_ne_bytes());
        self
    }

    /// `ct state …` (key 0) or `ct status …` (key 2): one of these bits is set.
    fn conntrack(mut self, key: u32, mask: u32) -> Rule {
        self.expression("ct", &[(2, key), (1, 1)]);
        let mut data = Vec::new();
        [(1, 1u32), (2, 1), (3, 4)].iter().for_each(|(kind, n)| attribute(&mut data, *kind, &n.to_be_bytes()));
        nest(&mut data, 4, &value(&mask.to_ne_bytes()));
        nest(&mut data, 5, &value(&[0; 4]));
        self.raw("bitwise", &data);
        self.compare(1, &[0; 4]);
        self
    }

    /// `ct state established,related`
    pub(crate) fn known(self) -> Rule {
        self.conntrack(0, 2 | 4)
    }

    /// `ct state invalid`
    pub(crate) fn invalid(self) -> Rule {
        self.conntrack(0, 1)
    }

    /// `ct status dnat`
    pub(crate) fn translated(self) -> Rule {
        self.conntrack(2, 1 << 5)
    }

    // ---- verdicts

    /// `counter`
    pub(crate) fn counted(mut self) -> Rule {
        self.raw("counter", &[]);
        self
    }

    pub(crate) fn accept(self) -> Rule {
        self.say(1, None)
    }

    pub(crate) fn drop(self) -> Rule {
        self.say(0, None)
    }

    pub(crate) fn goto(self, chain: &str) -> Rule {
        self.say(GOTO, Some(chain))
    }

    /// `masquerade`
    pub(crate) fn masquerade(mut self) -> Rule {
        self.raw("masq", &[]);
        self
    }

    /// `FIELDS vmap @map`
    pub(crate) fn verdict_map(mut self, fields: &[Field], map: &str) -> Rule {
        self.load_all(fields);
        self.lookup(map, None, Some(0), false);
        self
    }

    /// `FIELD vmap { … }`
    pub(crate) fn verdict_among(self, field: Field, literal: Literal) -> Rule {
        self.literal(field, literal, Some(0), false)
    }

    /// `dnat to FIELDS map @map`: the value is an address and a port, behind it.
    pub(crate) fn dnat(mut self, family: Family, fields: &[Field], map: &str) -> Rule {
        self.load_all(fields);
        self.lookup(map, None, Some(1), false);
        let port = if family == Family::Ipv4 { register(4) } else { register(16) };
        self.expression("nat", &[(1, 1), (2, u32::from(family.number())), (3, 1), (5, port)]);
        self
    }

    /// `dnat to ADDRESS:PORT`
    pub(crate) fn dnat_to(mut self, address: [u8; 4], port: u16) -> Rule {
        self.immediate(1, &address);
        self.immediate(2, &port.to_be_bytes());
        self.expression("nat", &[(1, 1), (2, 2), (3, 1), (5, 2)]);
        self
    }

    // ---- expressions

    fn literal(mut self, field: Field, literal: Literal, to: Option<u32>, inverted: bool) -> Rule {
        self.load(field, field.width(), 0);
        self.lookup(literal.name(), Some(literal.id), to, inverted);
        self.sets.push(literal);
        self
    }

    /// The fields, one behind the other, each padded to four bytes.
    fn load_all(&mut self, fields: &[Field]) {
        let mut offset = 0;
        for field in fields {
            self.load(*field, field.width(), offset);
            offset += field.width().next_multiple_of(4);
        }
    }

    fn load(&mut self, field: Field, width: u32, offset: u32) {
        let to = register(offset);
        match field.source() {
            Source::Meta(key) => self.expression("meta", &[(2, key), (1, to)]),
            Source::Payload(base, at) => self.expression("payload", &[(1, to), (2, base), (3, at), (4, width)]),
        }
    }

    fn compare(&mut self, operator: u32, bytes: &[u8]) {
        let mut data = Vec::new();
        attribute(&mut data, 1, &1u32.to_be_bytes());
        attribute(&mut data, 2, &operator.to_be_bytes());
        nest(&mut data, 3, &value(bytes));
        self.raw("cmp", &data);
    }

    fn lookup(&mut self, set: &str, id: Option<u32>, to: Option<u32>, inverted: bool) {
        let mut data = Vec::new();
        attribute(&mut data, 2, &1u32.to_be_bytes());
        if let Some(to) = to {
            attribute(&mut data, 3, &to.to_be_bytes());
        }
        attribute(&mut data, 1, &text(set));
        if let Some(id) = id {
            attribute(&mut data, 4, &id.to_be_bytes());
        }
        if inverted {
            attribute(&mut data, 5, &1u32.to_be_bytes());
        }
        self.raw("lookup", &data);
    }

    fn immediate(&mut self, to: u32, bytes: &[u8]) {
        let mut data = Vec::new();
        attribute(&mut data, 1, &to.to_be_bytes());
        nest(&mut data, 2, &value(bytes));
        self.raw("immediate", &data);
    }

    fn say(mut self, code: u32, chain: Option<&str>) -> Rule {
        let mut data = Vec::new();
        attribute(&mut data, 1, &0u32.to_be_bytes());
        nest(&mut data, 2, &decision(code, chain));
        self.raw("immediate", &data);
        self
    }

    /// An expression of numbers only.
    fn expression(&mut self, name: &str, numbers: &[(u16, u32)]) {
        let mut data = Vec::new();
        numbers.iter().for_each(|(kind, number)| attribute(&mut data, *kind, &number.to_be_bytes()));
        self.raw(name, &data);
    }

    /// NFTA_LIST_ELEM { NFTA_EXPR_NAME, NFTA_EXPR_DATA }
    fn raw(&mut self, name: &str, data: &[u8]) {
        let mut entry = Vec::new();
        attribute(&mut entry, 1, &text(name));
        nest(&mut entry, 2, data);
        nest(&mut self.expressions, 1, &entry);
    }
}

/// The register at this offset in bytes from the first.
fn register(offset: u32) -> u32 {
    if offset.is_multiple_of(16) { 1 + offset / 16 } else { 8 + offset / 4 }
}
