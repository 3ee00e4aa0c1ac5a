//! ruleset.nft once more, as messages. Read that file for what each rule is there for.
//!
//! ```text
//! one transaction:  table -> chains -> sets and maps -> (old rules out) -> rules in
//! ```
//!
//! Every message of it is idempotent and the old rules go in the same transaction, so that the same bytes make the
//! tables, repair them after a foreign hand, and bring those of an older Pontoon up to date; elements stay.

use Field::{
    ArpAddress, ArpMac, EtherSource, EtherType, InName, L4Proto, NdTarget, OutName, Source4, Source6, Target4, Target6,
    TargetPort,
};

use super::element::Family;
use super::message::{APPEND, CREATE, Kind, Message, Transaction, attribute, family, nested, text};
use super::rule::{Field, Literal, Rule};
use super::userdata;
use crate::kernel::Batch;

/// The comment of `table inet pontoon`: change the number with the ruleset, in both files.
const COMMENT: &str = "Pontoon, ruleset 1";

/// A type of nft: its number, and its bytes in a concatenation.
type Type = (u32, u32);
const NF_PROTO: Type = (2, 4);
/// Bytes of which nft knows only where they come from.
const INTEGER: Type = (4, 16);
const IPV4: Type = (7, 4);
const IPV6: Type = (8, 16);
const ETHER: Type = (9, 8);
const ETHER_TYPE: Type = (10, 2);
const INET_PROTO: Type = (12, 4);
const SERVICE: Type = (13, 4);
const ICMP6_TYPE: Type = (29, 1);
const IFNAME: Type = (41, 16);

/// What a map's values are.
enum Values {
    /// It is a set.
    None,
    Verdicts,
    Of(&'static [Type]),
}

/// Name, key, values.
type Set = (&'static str, &'static [Type], Values);

const INET_SETS: [Set; 15] = [
    ("bridges", &[IFNAME], Values::None),
    ("internal", &[IFNAME], Values::None),
    ("hidden", &[NF_PROTO, IFNAME], Values::None),
    ("between", &[IFNAME, IFNAME], Values::Verdicts),
    ("enter", &[NF_PROTO, IFNAME], Values::Verdicts),
    ("own4", &[IFNAME, IPV4], Values::None),
    ("own6", &[IFNAME, IPV6], Values::None),
    ("publish4", &[INET_PROTO, SERVICE], Values::Of(&[IPV4, SERVICE])),
    ("publish6", &[INET_PROTO, SERVICE], Values::Of(&[IPV6, SERVICE])),
    ("publish_at4", &[IPV4, INET_PROTO, SERVICE], Values::Of(&[IPV4, SERVICE])),
    ("publish_at6", &[IPV6, INET_PROTO, SERVICE], Values::Of(&[IPV6, SERVICE])),
    ("open4", &[IPV4, INET_PROTO, SERVICE], Values::None),
    ("open6", &[IPV6, INET_PROTO, SERVICE], Values::None),
    ("links4", &[IPV4, IPV4, INET_PROTO, SERVICE], Values::None),
    ("links6", &[IPV6, IPV6, INET_PROTO, SERVICE], Values::None),
];

/// The set whose key nft has no type for.
const ADVERTISED: &str = "own_nd";

const BRIDGE_SETS: [Set; 4] = [
    ("ports", &[IFNAME], Values::None),
    ("own4", &[IFNAME, ETHER, IPV4], Values::None),
    ("own6", &[IFNAME, ETHER, IPV6], Values::None),
    (ADVERTISED, &[IFNAME, ETHER, INTEGER], Values::None),
];

/// Where a base chain hangs: type, hook, priority.
type Hook = (&'static str, u32, i32);

const INET_CHAINS: [(&str, Option<Hook>); 13] = [
    ("guard", Some(("filter", 0, -300))),
    ("own", None),
    ("arriving", Some(("nat", 0, -100))),
    ("local_out", Some(("nat", 3, -100))),
    ("publish", None),
    ("forward", Some(("filter", 2, 0))),
    ("published", None),
    ("routed", None),
    ("links", None),
    ("refused", None),
    ("to_host", Some(("filter", 1, 0))),
    ("from_host", Some(("filter", 3, 0))),
    ("leave", Some(("nat", 4, 100))),
];

const BRIDGE_CHAINS: [(&str, Option<Hook>); 5] =
    [("guard", Some(("filter", 0, -200))), ("port", None), ("port4", None), ("port_arp", None), ("port6", None)];

/// `fib` address types: RTN_UNICAST, RTN_LOCAL.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;

/// All of it in one transaction; the bridge's table where the kernel has such tables.
pub(crate) fn tables(bridge: bool) -> Transaction {
    let mut transaction = Transaction::default();
    table(&mut transaction, "inet", &INET_CHAINS, &INET_SETS, &inet_rules());
    if bridge {
        table(&mut transaction, "bridge", &BRIDGE_CHAINS, &BRIDGE_SETS, &bridge_rules());
    }
    transaction
}

/// Makes an empty bridge table and deletes it in the same transaction: nobody sees it, and it fails where the kernel
/// has no bridge tables.
pub(crate) fn probe_bridge() -> Transaction {
    let mut transaction = Transaction::default();
    for kind in [Kind::NewTable, Kind::DelTable] {
        let flags = if kind == Kind::NewTable { CREATE } else { 0 };
        transaction.push(Message::new(kind, flags, family("bridge")).text(1, "pontoon_probe"));
    }
    transaction
}

/// Asks for a table: `inet` or `bridge`.
pub(crate) fn table_query(table: &str) -> Batch {
    Message::new(Kind::GetTable, 0, family(table)).text(1, "pontoon").into_batch()
}

/// Asks for all rules of a table.
pub(crate) fn rules_query(table: &str) -> Batch {
    Message::new(Kind::GetRule, Batch::DUMP, family(table)).text(1, "pontoon").into_batch()
}

/// Is the table that a query was answered with of this version, with every chain and set?
pub(crate) fn table_is_whole(table: &str, body: &[u8]) -> bool {
    let Some(body) = body.get(4..) else { return false };
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).unwrap_or_default();
    let used = nested(body, &[3]).map(number).unwrap_or_default() as usize;
    match table {
        "inet" => used >= INET_CHAINS.len() + INET_SETS.len() && nested(body, &[6]) == Some(&comment()[..]),
        _ => used >= BRIDGE_CHAINS.len() + BRIDGE_SETS.len(),
    }
}

/// How many rules the table has when nobody has flushed a chain. Written down, as it is asked at every start.
pub(crate) fn rule_count(table: &str) -> usize {
    if table == "inet" { INET_RULES } else { BRIDGE_RULES }
}

const INET_RULES: usize = 39;
const BRIDGE_RULES: usize = 11;

/// Chains, sets and rules of one table.
fn table(transaction: &mut Transaction, name: &str, chains: &[(&str, Option<Hook>)], sets: &[Set], rules: &[Rule]) {
    let family = family(name);
    transaction.push(if name == "inet" { inet_table() } else { new_table(family) });
    chains.iter().for_each(|(name, hook)| transaction.push(chain(family, name, *hook)));
    sets.iter().for_each(|each| transaction.push(set(family, each)));
    transaction.push(Message::new(Kind::DelRule, 0, family).text(1, "pontoon"));
    rules.iter().for_each(|each| rule(transaction, family, each));
}

fn new_table(family: u8) -> Message {
    Message::new(Kind::NewTable, CREATE, family).text(1, "pontoon")
}

/// `table inet pontoon { comment … }`
pub(crate) fn inet_table() -> Message {
    new_table(family("inet")).with(6, &comment())
}

/// libnftnl's form of a comment: type 0, length, text.
fn comment() -> Vec<u8> {
    let text = text(COMMENT);
    [&[0, text.len() as u8], &text[..]].concat()
}

/// NFTA_CHAIN_*; policy accept.
pub(crate) fn chain(family: u8, name: &str, hook: Option<Hook>) -> Message {
    let message = Message::new(Kind::NewChain, CREATE, family).text(1, "pontoon").text(3, name);
    let Some((kind, number, priority)) = hook else { return message };
    let mut place = Vec::new();
    attribute(&mut place, 1, &number.to_be_bytes());
    attribute(&mut place, 2, &priority.to_be_bytes());
    message.nested(4, &place).number(5, 1).text(7, kind)
}

/// NFTA_SET_*. The kernel wants an id of every set of a transaction.
fn set(family: u8, (name, key, values): &Set) -> Message {
    let flags = if matches!(values, Values::None) { 0 } else { 8 };
    let (kind, bytes) = concatenation(key);
    let message = Message::new(Kind::NewSet, CREATE, family).text(1, "pontoon").text(2, name);
    let message = message.number(3, flags).number(4, kind).number(5, bytes);
    let message = match values {
        Values::None => message,
        Values::Verdicts => message.number(6, 0xffff_ff00),
        Values::Of(types) => {
            let (kind, bytes) = concatenation(types);
            message.number(6, kind).number(7, bytes)
        }
    };
    let message = message.number(10, 0x1000 + name.len() as u32);
    if *name == ADVERTISED {
        message.with(13, &userdata::advertised())
    } else if *key == [IFNAME] {
        message.with(13, &userdata::host_order())
    } else {
        message
    }
}

/// nft numbers a concatenation by its parts' types, six bits each.
fn concatenation(types: &[Type]) -> Type {
    types.iter().fold((0, 0), |(kind, bytes), part| (kind << 6 | part.0, bytes + part.1))
}

/// A rule, after the sets that are written inside of it.
pub(crate) fn rule(transaction: &mut Transaction, family: u8, rule: &Rule) {
    for literal in &rule.sets {
        transaction.push(literal_set(family, literal));
        transaction.push(literal_elements(family, literal));
    }
    let message = Message::new(Kind::NewRule, CREATE | APPEND, family).text(1, "pontoon").text(2, rule.chain);
    transaction.push(message.nested(4, &rule.expressions));
}

fn literal_set(family: u8, literal: &Literal) -> Message {
    let message = Message::new(Kind::NewSet, CREATE, family).text(1, "pontoon").text(2, literal.name());
    let message = message.number(3, literal.flags).number(4, literal.key.0).number(5, literal.key.1);
    if literal.flags & 8 == 0 {
        return message.number(10, literal.id);
    }
    message.number(6, 0xffff_ff00).number(10, literal.id)
}

fn literal_elements(family: u8, literal: &Literal) -> Message {
    let message = Message::new(Kind::NewElement, CREATE, family).text(1, "pontoon").text(2, literal.name());
    message.number(4, literal.id).nested(3, &literal.elements)
}

/// The rules of `table inet pontoon`, in the file's order.
fn inet_rules() -> Vec<Rule> {
    [guard(), publish(), forward(), exceptions(), host(), leave()].concat()
}

fn guard() -> Vec<Rule> {
    let link_local = Literal::new(1, IPV6)
        .interval(&[0; 16], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        .interval(&prefix(0xfe80), &prefix(0xfec0));
    vec![
        Rule::new("guard").is(InName, &[b'l', b'o', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).accept(),
        Rule::new("guard").v4().is(Target4, &[127]).counted().drop(),
        Rule::new("guard").v4().is(Source4, &[127]).counted().drop(),
        Rule::new("guard").in_set(&[InName], "bridges").goto("own"),
        Rule::new("own").v4().in_set(&[InName, Source4], "own4").accept(),
        Rule::new("own").v6().in_set(&[InName, Source6], "own6").accept(),
        Rule::new("own").v6().among(Source6, link_local).accept(),
        Rule::new("own").counted().drop(),
    ]
}

/// The first address of a /16 of IPv6.
fn prefix(first: u16) -> [u8; 16] {
    (u128::from(first) << 112).to_be_bytes()
}

fn publish() -> Vec<Rule> {
    let with_ports = Literal::new(2, (INET_PROTO.0, 1)).item(&[6]).item(&[17]).item(&[132]);
    let loopback = 1u128.to_be_bytes();
    vec![
        Rule::new("arriving").target_type(false, LOCAL).goto("publish"),
        Rule::new("local_out").v6().is(Target6, &loopback).accept(),
        Rule::new("local_out").target_type(false, LOCAL).goto("publish"),
        Rule::new("publish").not_among(L4Proto, with_ports).accept(),
        Rule::new("publish").v4().dnat(Family::Ipv4, &[Target4, L4Proto, TargetPort], "publish_at4"),
        Rule::new("publish").v6().dnat(Family::Ipv6, &[Target6, L4Proto, TargetPort], "publish_at6"),
        Rule::new("publish").v4().dnat(Family::Ipv4, &[L4Proto, TargetPort], "publish4"),
        Rule::new("publish").v6().dnat(Family::Ipv6, &[L4Proto, TargetPort], "publish6"),
    ]
}

fn forward() -> Vec<Rule> {
    vec![
        Rule::new("forward").known().accept(),
        Rule::new("forward").verdict_map(&[InName, OutName], "between"),
        Rule::new("forward").in_set(&[InName], "internal").counted().drop(),
        Rule::new("forward").verdict_map(&[Field::Family, OutName], "enter"),
        Rule::new("forward").invalid().in_set(&[Field::Family, InName], "hidden").counted().drop(),
        Rule::new("published").translated().accept(),
        Rule::new("published").goto("refused"),
    ]
}

fn exceptions() -> Vec<Rule> {
    vec![
        Rule::new("routed").v4().in_set(&[Target4, L4Proto, TargetPort], "open4").accept(),
        Rule::new("routed").v6().in_set(&[Target6, L4Proto, TargetPort], "open6").accept(),
        Rule::new("routed").icmp(8).accept(),
        Rule::new("routed").icmp6(128).accept(),
        Rule::new("routed").goto("refused"),
        Rule::new("links").v4().in_set(&[Source4, Target4, L4Proto, TargetPort], "links4").accept(),
        Rule::new("links").v6().in_set(&[Source6, Target6, L4Proto, TargetPort], "links6").accept(),
        Rule::new("links").goto("published"),
        Rule::new("refused").counted().drop(),
    ]
}

fn host() -> Vec<Rule> {
    vec![
        Rule::new("to_host").in_set(&[InName], "internal").target_type(true, UNICAST).counted().drop(),
        Rule::new("from_host").icmp(5).in_set(&[OutName], "bridges").drop(),
        Rule::new("from_host").icmp6(137).in_set(&[OutName], "bridges").drop(),
    ]
}

fn leave() -> Vec<Rule> {
    vec![
        Rule::new("leave").in_set(&[Field::Family, InName], "hidden").not_in_set(&[OutName], "bridges").masquerade(),
        Rule::new("leave").in_set(&[OutName], "bridges").v4().is(Source4, &[127]).masquerade(),
        Rule::new("leave").translated().v4().in_set(&[OutName, Source4], "own4").masquerade(),
        Rule::new("leave").translated().v6().in_set(&[OutName, Source6], "own6").masquerade(),
    ]
}

/// The rules of `table bridge pontoon`, in the file's order.
fn bridge_rules() -> Vec<Rule> {
    let types = Literal::new(3, ETHER_TYPE).goto(&IP, "port4").goto(&ARP, "port_arp").goto(&IP6, "port6");
    let routers = Literal::new(4, ICMP6_TYPE).item(&[134]).item(&[137]);
    let icmp6 = |chain| Rule::new(chain).is(EtherType, &IP6).is(L4Proto, &[58]);
    vec![
        Rule::new("guard").in_set(&[InName], "ports").goto("port"),
        Rule::new("port").verdict_among(EtherType, types),
        Rule::new("port").counted().drop(),
        Rule::new("port4").is(Field::Protocol, &IP).in_set(&[InName, EtherSource, Source4], "own4").accept(),
        Rule::new("port4").counted().drop(),
        Rule::new("port_arp")
            .is(EtherType, &ARP)
            .in_set(&[InName, EtherSource, ArpAddress], "own4")
            .in_set(&[InName, ArpMac, ArpAddress], "own4")
            .accept(),
        Rule::new("port_arp").counted().drop(),
        icmp6("port6").among(Field::IcmpType, routers).counted().drop(),
        icmp6("port6")
            .is(Field::IcmpType, &[136])
            .not_in_set(&[InName, EtherSource, NdTarget], "own_nd")
            .counted()
            .drop(),
        Rule::new("port6").is(Field::Protocol, &IP6).in_set(&[InName, EtherSource, Source6], "own6").accept(),
        Rule::new("port6").counted().drop(),
    ]
}

/// Ethernet types.
const IP: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IP6: [u8; 2] = [0x86, 0xdd];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_as_many_as_is_written_down() {
        assert_eq!((inet_rules().len(), bridge_rules().len()), (INET_RULES, BRIDGE_RULES));
    }
}
