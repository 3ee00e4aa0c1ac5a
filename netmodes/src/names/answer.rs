//! One query in, one decision out. Pure: bytes, a [`Directory`] and a source of chance.
//!
//! ```text
//!   not a query (QR), no header ------------------------> Malformed(None)     silence: answering could loop
//!   not one readable question, odd counts, too long ----> Malformed(FORMERR)
//!   opcode other than QUERY ----------------------------> Malformed(NOTIMP)
//!   class other than IN --------------------------------> Forward
//!   A, AAAA, ANY   name known --> its addresses, shuffled, perhaps none (NODATA)   TTL 600
//!                  single label, ndots set by the user --> NOERROR, empty
//!   PTR            address known --> name.network.
//!   other types    name known --> NOERROR, empty: NXDOMAIN from outside would deny the whole name (RFC 8020)
//!   everything else ------------------------------------> Forward
//!   the look-up failed ---------------------------------> Local(SERVFAIL): an inner name must not leak out
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{OPT, PTR, RData};
use simple_dns::{CLASS, Label, Name, Packet, PacketFlag, Question as Asked, ResourceRecord, TYPE};

use super::directory::Directory;
use super::wire::{self, Question, Rcode};

/// Seconds that a client may remember a local answer; Docker's number.
pub const TTL: u32 = 600;
/// Largest answer over UDP to a client that says nothing else (RFC 1035, section 4.2.1).
pub const UDP_LIMIT: usize = 512;
/// Largest answer over TCP: its length is sent as 16 bits.
pub const TCP_LIMIT: usize = 65_535;
/// Largest payload of one UDP datagram over IPv4.
const DATAGRAM: usize = 65_507;
/// Largest query that is looked at, in bytes; an ordinary one has 50. What is forwarded is kept until it is answered, so
/// this bounds what a flood can make us hold.
pub const LARGEST_QUERY: usize = 2048;
/// Records that a plain query may carry: one for IXFR or UPDATE-like oddities, OPT and a signature.
const MOST_RECORDS: [u16; 3] = [1, 1, 2];

const A: u16 = 1;
const PTR_TYPE: u16 = 12;
const AAAA: u16 = 28;
const ANY: u16 = 255;
const IN: u16 = 1;

/// How the query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram: the answer is cut at 512 bytes or at what EDNS allows.
    Udp,
    /// A stream.
    Tcp,
}

/// What to do with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The whole answer.
    Local(Vec<u8>),
    /// Not ours: ask the servers outside with the same bytes.
    Forward,
    /// Nobody should see this query: an error answer, or silence.
    Malformed(Option<Vec<u8>>),
}

/// Decides what becomes of `query`.
///
/// `ndots_set`: the person set `ndots`, so that a single-label name is to come back empty and be tried again with the
/// search domains. `random` orders the addresses of a name that several containers share.
pub fn answer(
    query: &[u8],
    transport: Transport,
    directory: &dyn Directory,
    ndots_set: bool,
    random: &mut dyn FnMut() -> u64,
) -> Answer {
    let question = match accepted(query) {
        Ok(question) => question,
        Err(refusal) => return Answer::Malformed(refusal),
    };
    match records(&question, directory, ndots_set, random) {
        Ok(None) => Answer::Forward,
        Ok(Some(records)) => match reply(query, &question, transport, records) {
            Some(bytes) => Answer::Local(bytes),
            None => Answer::Malformed(wire::failure(query, Rcode::FormatError)),
        },
        Err(_) => wire::failure(query, Rcode::ServerFailure).map_or(Answer::Malformed(None), Answer::Local),
    }
}

/// The question of a query worth looking at, else what to say to its sender.
fn accepted(query: &[u8]) -> Result<Question<'_>, Option<Vec<u8>>> {
    if wire::is_response(query) {
        return Err(None);
    }
    if wire::opcode(query) != Some(0) {
        return Err(wire::failure(query, Rcode::NotImplemented));
    }
    let counts = wire::record_counts(query).ok_or(None)?;
    let plain = query.len() <= LARGEST_QUERY && counts.iter().zip(MOST_RECORDS).all(|(count, most)| *count <= most);
    Question::read(query).filter(|_| plain).ok_or_else(|| wire::failure(query, Rcode::FormatError))
}

/// The local records for a question; `None` when the question is not ours.
fn records(
    question: &Question,
    directory: &dyn Directory,
    ndots_set: bool,
    random: &mut dyn FnMut() -> u64,
) -> std::io::Result<Option<Vec<RData<'static>>>> {
    let Some(name) = question.name().filter(|_| question.class() == IN) else { return Ok(None) };
    if question.kind() == PTR_TYPE
        && let Some(address) = address_of(&name)
    {
        return pointer(address, directory);
    }
    let single = !name.contains('.');
    match question.kind() {
        A | AAAA | ANY => {
            let mut found = directory.addresses(&name)?;
            if found.is_empty() {
                return Ok((single && ndots_set && question.kind() != ANY).then(Vec::new));
            }
            shuffle(&mut found, random);
            Ok(Some(of_kind(question.kind(), &found)))
        }
        _ => Ok((!directory.addresses(&name)?.is_empty()).then(Vec::new)),
    }
}

fn of_kind(kind: u16, addresses: &[IpAddr]) -> Vec<RData<'static>> {
    let records = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(v4) if kind != AAAA => Some(RData::A((*v4).into())),
        IpAddr::V6(v6) if kind != A => Some(RData::AAAA((*v6).into())),
        _ => None,
    });
    records.collect()
}

fn pointer(address: IpAddr, directory: &dyn Directory) -> std::io::Result<Option<Vec<RData<'static>>>> {
    let Some(target) = directory.pointer(address)? else { return Ok(None) };
    // A network's name may be too long for a label; then nobody can be told the name.
    Ok(Name::new(&target).ok().map(|target| vec![RData::PTR(PTR(target.into_owned()))]))
}

/// The address in a reverse name: `2.0.18.172.in-addr.arpa`, or 32 nibbles before `ip6.arpa` (RFC 1035, RFC 3596).
fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
        let mut octets: Vec<&str> = reversed.split('.').collect();
        octets.reverse();
        return octets.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0;
    for nibble in nibbles.rsplit('.') {
        let digit = u8::from_str_radix(nibble, 16).ok().filter(|_| nibble.len() == 1)?;
        bits = bits << 4 | u128::from(digit);
        count += 1;
    }
    (count == 32).then_some(IpAddr::V6(Ipv6Addr::from(bits)))
}

/// Fisher and Yates.
fn shuffle(addresses: &mut [IpAddr], random: &mut dyn FnMut() -> u64) {
    for last in (1..addresses.len()).rev() {
        let pick = random() % (last as u64 + 1);
        addresses.swap(last, pick as usize);
    }
}

/// The answer on the wire, cut so that the client can take it. `None` when the query's own records are malformed.
fn reply(query: &[u8], question: &Question, transport: Transport, records: Vec<RData<'static>>) -> Option<Vec<u8>> {
    let edns = edns(query)?;
    let limit = match (transport, edns) {
        (Transport::Tcp, _) => TCP_LIMIT,
        (Transport::Udp, None) => UDP_LIMIT,
        (Transport::Udp, Some(size)) => usize::from(size).clamp(UDP_LIMIT, DATAGRAM),
    };
    let mut packet = heading(query, question, edns)?;
    let owner = packet.questions.first()?.qname.clone();
    packet.answers = records.into_iter().map(|r| ResourceRecord::new(owner.clone(), CLASS::IN, TTL, r)).collect();
    cut(packet, limit)
}

/// The UDP size that the query's OPT record announces: `Some(None)` without one, `None` when the records are malformed.
fn edns(query: &[u8]) -> Option<Option<u16>> {
    if wire::record_counts(query)? == [0, 0, 0] {
        return Some(None);
    }
    Some(Packet::parse(query).ok()?.opt().map(|opt| opt.udp_packet_size))
}

/// An answer without records: id, RD and question are the query's, the spelling of the name too.
fn heading<'a>(query: &[u8], question: &Question<'a>, edns: Option<u16>) -> Option<Packet<'a>> {
    let mut packet = Packet::new_reply(wire::id(query)?);
    packet.set_flags(PacketFlag::RECURSION_AVAILABLE);
    if query.get(2)? & 1 != 0 {
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    let labels: Vec<Label> = question.labels().map(Label::new_unchecked).collect();
    let name = Name::new_with_labels(&labels);
    let kind = if question.kind() == ANY { simple_dns::QTYPE::ANY } else { TYPE::from(question.kind()).into() };
    packet.questions.push(Asked::new(name, kind, CLASS::IN.into(), false));
    if edns.is_some() {
        *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: DATAGRAM as u16, version: 0 });
    }
    Some(packet)
}

/// Drops records from the end until the message fits, and says so in TC: the client comes again over TCP.
fn cut(mut packet: Packet, limit: usize) -> Option<Vec<u8>> {
    loop {
        let bytes = packet.build_bytes_vec_compressed().ok()?;
        if bytes.len() <= limit || packet.answers.is_empty() {
            return Some(bytes);
        }
        let each = (bytes.len() / packet.answers.len()).max(1);
        let surplus = ((bytes.len() - limit) / each).max(1);
        packet.answers.truncate(packet.answers.len().saturating_sub(surplus));
        packet.set_flags(PacketFlag::TRUNCATION);
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
