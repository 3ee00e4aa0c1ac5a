//! What comes back for which bytes.

use std::cell::Cell;
use std::io;

use proptest::prelude::*;
use simple_dns::QTYPE;

use super::*;

/// `web` has both families, `v4` one, `many` forty addresses, `a.b` is a name with a dot; `broken` cannot be looked up.
#[derive(Default)]
struct Known {
    asked: Cell<usize>,
}

impl Directory for Known {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.set(self.asked.get() + 1);
        let list = match name {
            "web" => vec!["172.18.0.2".into(), "fd00::2".into()],
            "v4" | "a.b" => vec!["172.18.0.3".into()],
            "many" => (0..40).map(|n| format!("10.0.0.{n}")).collect(),
            "broken" => return Err(io::Error::other("too many open files")),
            _ => Vec::<String>::new(),
        };
        Ok(list.iter().map(|address| address.parse().unwrap()).collect())
    }

    fn pointer(&self, address: IpAddr) -> io::Result<Option<String>> {
        Ok(["172.18.0.2", "fd00::2"].contains(&address.to_string().as_str()).then(|| "web.my-net".to_owned()))
    }
}

fn query(name: &str, kind: QTYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Asked::new(Name::new(name).unwrap(), kind, CLASS::IN.into(), false));
    packet.build_bytes_vec().unwrap()
}

fn with_edns(name: &str, size: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    packet.questions.push(Asked::new(Name::new(name).unwrap(), TYPE::A.into(), CLASS::IN.into(), false));
    *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: size, version: 0 });
    packet.build_bytes_vec().unwrap()
}

fn ask(query: &[u8], transport: Transport, ndots_set: bool) -> Answer {
    answer(query, transport, &Known::default(), ndots_set, &mut || 0)
}

fn local(query: &[u8]) -> Vec<u8> {
    match ask(query, Transport::Udp, false) {
        Answer::Local(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn shown(bytes: &[u8]) -> Vec<String> {
    let packet = Packet::parse(bytes).unwrap();
    let each = packet.answers.iter().map(|record| match &record.rdata {
        RData::A(a) => format!("{} {} A {}", record.name, record.ttl, Ipv4Addr::from(a.address)),
        RData::AAAA(a) => format!("{} {} AAAA {}", record.name, record.ttl, Ipv6Addr::from(a.address)),
        RData::PTR(target) => format!("{} {} PTR {}", record.name, record.ttl, target.0),
        other => format!("{other:?}"),
    });
    each.collect()
}

#[test]
fn both_families_with_the_spelling_of_the_question() {
    let bytes = local(&query("WeB", TYPE::A.into()));
    assert_eq!(shown(&bytes), ["WeB 600 A 172.18.0.2"]);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.id(), packet.questions[0].qname.to_string()), (0x1234, "WeB".to_owned()));
    assert!(packet.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE));
    assert!(packet.opt().is_none());
    assert_eq!(shown(&local(&query("web", TYPE::AAAA.into()))), ["web 600 AAAA fd00::2"]);
    assert_eq!(shown(&local(&query("web", QTYPE::ANY))).len(), 2);
}

#[test]
fn a_known_name_without_that_family_is_empty_and_never_forwarded() {
    for (name, kind) in [
        ("v4", TYPE::AAAA),
        ("v4", TYPE::MX),
        ("a.b", TYPE::MX),
        ("v4", TYPE::TXT),
        ("V4", TYPE::HTTPS),
        ("a.b", TYPE::TXT),
        ("A.b", TYPE::SRV),
        ("web", TYPE::PTR),
        ("a.b", TYPE::SOA),
    ] {
        let bytes = local(&query(name, kind.into()));
        assert_eq!((shown(&bytes).len(), wire::rcode(&bytes)), (0, Some(0)), "{name} {kind:?}");
    }
}

#[test]
fn what_is_not_ours_is_forwarded() {
    for (name, kind) in [
        ("example.org", TYPE::A),
        ("nobody", TYPE::A),
        ("nobody", TYPE::MX),
        ("no.body", TYPE::TXT),
        ("9.9.9.9.in-addr.arpa", TYPE::PTR),
        ("nobody", TYPE::PTR),
    ] {
        assert_eq!(ask(&query(name, kind.into()), Transport::Udp, false), Answer::Forward, "{name} {kind:?}");
    }
    let mut chaos = query("web", TYPE::A.into());
    *chaos.last_mut().unwrap() = 3;
    assert_eq!(ask(&chaos, Transport::Udp, false), Answer::Forward);
}

#[test]
fn with_ndots_an_unknown_single_label_comes_back_empty() {
    let Answer::Local(bytes) = ask(&query("nobody", TYPE::A.into()), Transport::Udp, true) else { panic!() };
    assert_eq!((shown(&bytes).len(), wire::rcode(&bytes)), (0, Some(0)));
    assert_eq!(ask(&query("no.body", TYPE::A.into()), Transport::Udp, true), Answer::Forward);
    assert_eq!(ask(&query("nobody", TYPE::TXT.into()), Transport::Udp, true), Answer::Forward);
}

#[test]
fn pointers_of_both_families() {
    assert_eq!(
        shown(&local(&query("2.0.18.172.in-addr.arpa", TYPE::PTR.into()))),
        ["2.0.18.172.in-addr.arpa 600 PTR web.my-net"]
    );
    let six = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    assert_eq!(shown(&local(&query(&six, TYPE::PTR.into())))[0].split(' ').next_back(), Some("web.my-net"));
    for odd in
        ["0.18.172.in-addr.arpa", "2.0.18.172.1.in-addr.arpa", "x.0.18.172.in-addr.arpa", "f.ip6.arpa", "in-addr.arpa"]
    {
        assert_eq!(ask(&query(odd, TYPE::PTR.into()), Transport::Udp, false), Answer::Forward, "{odd}");
    }
}

#[test]
fn a_long_answer_is_cut_for_udp_and_whole_over_tcp() {
    let cut = local(&query("many", TYPE::A.into()));
    assert!(cut.len() <= UDP_LIMIT && cut.len() > UDP_LIMIT - 32, "{}", cut.len());
    assert!(Packet::parse(&cut).unwrap().has_flags(PacketFlag::TRUNCATION));
    let Answer::Local(whole) = ask(&query("many", TYPE::A.into()), Transport::Tcp, false) else { panic!() };
    assert_eq!(shown(&whole).len(), 40);
    let edns = local(&with_edns("many", 1232));
    let packet = Packet::parse(&edns).unwrap();
    assert_eq!((packet.answers.len(), packet.opt().is_some()), (40, true));
    assert!(!packet.has_flags(PacketFlag::TRUNCATION));
    assert!(local(&with_edns("many", 100)).len() <= UDP_LIMIT, "a size below 512 means 512");
}

#[test]
fn shared_names_come_in_another_order_each_time() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let mut ask = || match answer(&query("many", TYPE::A.into()), Transport::Tcp, &Known::default(), false, &mut random)
    {
        Answer::Local(bytes) => shown(&bytes),
        other => panic!("{other:?}"),
    };
    let (mut one, mut two) = (ask(), ask());
    assert_ne!(one, two);
    one.sort();
    two.sort();
    assert_eq!(one, two);
}

#[test]
fn a_look_up_that_fails_is_not_unknown() {
    assert_eq!(wire::rcode(&local(&query("broken", TYPE::A.into()))), Some(2));
}

#[test]
fn malformed_queries_are_told_so_or_ignored() {
    let good = query("web", TYPE::A.into());
    let spoilt = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        match ask(&bytes, Transport::Udp, false) {
            Answer::Malformed(reply) => reply.map(|r| wire::rcode(&r).unwrap()),
            other => panic!("{at} {byte}: {other:?}"),
        }
    };
    assert_eq!(spoilt(2, 0x81), None, "an answer");
    assert_eq!(spoilt(2, 0x29), Some(4), "opcode UPDATE");
    assert_eq!(spoilt(5, 0), Some(1), "no question");
    assert_eq!(spoilt(5, 2), Some(1), "two questions");
    assert_eq!(spoilt(6, 0xff), Some(1), "65,280 answers that are not there");
    assert_eq!(spoilt(11, 1), Some(1), "an additional record that is not there");
    assert_eq!(spoilt(12, 0xc0), Some(1), "a pointer");
    let long = [good.as_slice(), &[0; LARGEST_QUERY]].concat();
    let Answer::Malformed(Some(reply)) = ask(&long, Transport::Udp, false) else { panic!() };
    assert_eq!(wire::rcode(&reply), Some(1), "longer than any question");
    assert_eq!(ask(&good[..11], Transport::Udp, false), Answer::Malformed(None));
    assert_eq!(ask(b"", Transport::Udp, false), Answer::Malformed(None));
}

proptest! {
    #[test]
    fn any_bytes_cost_at_most_one_look_up(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let known = Known::default();
        let _ = answer(&bytes, Transport::Udp, &known, true, &mut || 7);
        prop_assert!(known.asked.get() <= 1);
    }

    #[test]
    fn damaged_queries_never_panic_and_their_answers_can_be_read(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in proptest::collection::vec(any::<u8>(), 0..30),
        size in any::<u16>(),
    ) {
        let mut bytes = with_edns("many", size);
        bytes.extend(tail);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Answer::Local(reply) = ask(&bytes, Transport::Udp, false) {
            prop_assert!(Packet::parse(&reply).is_ok());
            prop_assert_eq!(wire::id(&reply), wire::id(&bytes));
            prop_assert_eq!(Question::read(&reply).unwrap().bytes(), Question::read(&bytes).unwrap().bytes());
        }
    }
}
