//! The resolver's rules, without sockets and without waiting: the tests hold the clock.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netmodes::names::answer::Transport;
use netmodes::names::directory::Directory;
use netmodes::names::wire;
use proptest::prelude::*;

use super::clients::{IDLE, MOST as MOST_CLIENTS};
use super::exchanges::MOST as MOST_EXCHANGES;
use super::links::{LinkId, PORTS_PER_UPSTREAM};
use super::machine::{Client, Effect, Event, Machine, PATIENCE};

/// Knows `web` alone; counts look-ups.
#[derive(Default)]
struct OneName {
    asked: Cell<usize>,
}

impl Directory for OneName {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.set(self.asked.get() + 1);
        Ok(if name == "web" { vec!["172.18.0.2".parse().unwrap()] } else { Vec::new() })
    }

    fn pointer(&self, _: IpAddr) -> io::Result<Option<String>> {
        Ok(None)
    }
}

struct Bench {
    machine: Machine<OneName>,
    now: Instant,
}

impl Bench {
    fn new(upstreams: usize) -> Self {
        Self { machine: Machine::new(OneName::default(), upstreams, false), now: Instant::now() }
    }

    fn on(&mut self, event: Event) -> Vec<Effect> {
        self.machine.on(event, self.now)
    }

    fn ask(&mut self, client: Client, message: &[u8]) -> Vec<Effect> {
        self.on(Event::Query { client, message })
    }

    fn wait(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        self.on(Event::Tick)
    }
}

fn udp(port: u16) -> Client {
    Client::Udp(([127, 0, 0, 1], port).into())
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

fn answer_to(asked: &[u8], rcode: u8) -> Vec<u8> {
    let mut bytes = asked.to_vec();
    bytes[2] |= 0x80;
    bytes[3] = 0x80 | rcode;
    bytes
}

/// The one question among the effects: its link and bytes.
fn asked(effects: &[Effect]) -> (LinkId, Vec<u8>) {
    let mut questions = effects.iter().filter_map(|effect| match effect {
        Effect::Ask { link, message } => Some((*link, message.clone())),
        _ => None,
    });
    let first = questions.next().expect("a question");
    assert!(questions.next().is_none(), "one question only: {effects:?}");
    first
}

fn replies(effects: &[Effect]) -> Vec<(Client, u8)> {
    let reply = |effect: &Effect| match effect {
        Effect::Reply { client, message } => Some((*client, wire::rcode(message).unwrap())),
        _ => None,
    };
    effects.iter().filter_map(reply).collect()
}

#[test]
fn a_local_name_never_leaves() {
    let mut bench = Bench::new(1);
    let effects = bench.ask(udp(1), &query(7, "WEB"));
    assert_eq!(replies(&effects), [(udp(1), 0)]);
    assert_eq!(effects.len(), 1);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn another_name_is_asked_outside_and_its_answer_comes_back_with_the_clients_id() {
    let mut bench = Bench::new(1);
    let effects = bench.ask(udp(1), &query(7, "example.org"));
    let (link, question) = asked(&effects);
    assert_eq!(effects[0], Effect::Open { link, upstream: 0, transport: Transport::Udp });
    assert_eq!(question[2..], query(7, "example.org")[2..]);
    assert_eq!(bench.machine.deadline(), Some(bench.now + PATIENCE));
    let effects = bench.on(Event::Answered { link, message: &answer_to(&question, 3) });
    let expected = answer_to(&query(7, "example.org"), 3);
    assert_eq!(effects, [Effect::Reply { client: udp(1), message: expected }, Effect::Close { link }]);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn ids_outside_are_random() {
    let mut bench = Bench::new(1);
    let ids: Vec<_> = (0..50).map(|_| wire::id(&asked(&bench.ask(udp(1), &query(7, "a.b"))).1)).collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 50);
    assert!(ids.windows(2).filter(|pair| pair[1] > pair[0]).count() < 45, "ids only rise: {ids:?}");
}

#[test]
fn forged_answers_are_dropped() {
    let mut bench = Bench::new(2);
    let (link, question) = asked(&bench.ask(udp(1), &query(7, "example.org")));
    let good = answer_to(&question, 0);
    let mut other_id = good.clone();
    wire::set_id(&mut other_id, wire::id(&good).unwrap().wrapping_add(1));
    let mut other_name = good.clone();
    other_name[13] = b'f';
    let mut other_type = good.clone();
    *other_type.iter_mut().rev().nth(2).unwrap() = 28;
    for (link, forged) in [
        (link, other_id),
        (link, other_name),
        (link, other_type),
        (link, question.clone()), // our own query, reflected
        (link, good[..11].to_vec()),
        (link + 1, good.clone()), // through another socket
    ] {
        assert_eq!(bench.on(Event::Answered { link, message: &forged }), [], "{forged:?}");
    }
    assert_eq!(replies(&bench.on(Event::Answered { link, message: &good })), [(udp(1), 0)]);
    assert_eq!(bench.on(Event::Answered { link, message: &good }), [], "an answer counts once");
}

#[test]
fn servers_may_change_the_case() {
    let mut bench = Bench::new(1);
    let (link, question) = asked(&bench.ask(udp(1), &query(7, "Example.ORG")));
    let answer = answer_to(&question, 0).to_ascii_lowercase();
    let mut answer = answer;
    answer[..12].copy_from_slice(&answer_to(&question, 0)[..12]);
    assert_eq!(replies(&bench.on(Event::Answered { link, message: &answer })), [(udp(1), 0)]);
}

#[test]
fn servfail_and_refused_go_on_to_the_next_and_the_last_failure_is_told() {
    let mut bench = Bench::new(3);
    let mut last = asked(&bench.ask(udp(1), &query(7, "example.org")));
    for (rcode, upstream) in [(2, 1), (5, 2)] {
        let effects = bench.on(Event::Answered { link: last.0, message: &answer_to(&last.1, rcode) });
        assert_eq!(effects[0], Effect::Close { link: last.0 });
        last = asked(&effects);
        assert_eq!(effects[1], Effect::Open { link: last.0, upstream, transport: Transport::Udp });
    }
    let effects = bench.on(Event::Answered { link: last.0, message: &answer_to(&last.1, 2) });
    let failure = wire::failure(&query(7, "example.org"), wire::Rcode::ServerFailure).unwrap();
    assert_eq!(effects, [Effect::Close { link: last.0 }, Effect::Reply { client: udp(1), message: failure }]);
}

#[test]
fn other_codes_are_answers() {
    for rcode in [0, 1, 3, 4] {
        let mut bench = Bench::new(3);
        let (link, question) = asked(&bench.ask(udp(1), &query(7, "example.org")));
        assert_eq!(
            replies(&bench.on(Event::Answered { link, message: &answer_to(&question, rcode) })),
            [(udp(1), rcode)]
        );
    }
}

#[test]
fn silence_costs_four_seconds_for_each_upstream() {
    let mut bench = Bench::new(3);
    let first = asked(&bench.ask(udp(1), &query(7, "example.org")));
    assert_eq!(bench.wait(PATIENCE - Duration::from_millis(1)), []);
    let second = asked(&bench.wait(Duration::from_millis(1)));
    assert_eq!(bench.on(Event::Answered { link: first.0, message: &answer_to(&first.1, 0) }), [], "too late");
    let third = asked(&bench.wait(PATIENCE));
    assert!(second.0 != third.0);
    assert_eq!(replies(&bench.wait(PATIENCE)), [(udp(1), 2)]);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_broken_link_moves_its_questions_on_at_once() {
    let mut bench = Bench::new(2);
    let (link, _) = asked(&bench.ask(udp(1), &query(7, "example.org")));
    let (second, question) = asked(&bench.on(Event::Failed { link }));
    assert_eq!(replies(&bench.on(Event::Answered { link: second, message: &answer_to(&question, 0) })), [(udp(1), 0)]);
}

#[test]
fn without_upstreams_the_answer_is_servfail() {
    let mut bench = Bench::new(0);
    assert_eq!(replies(&bench.ask(udp(1), &query(7, "example.org"))), [(udp(1), 2)]);
    assert_eq!(replies(&bench.ask(udp(1), &query(7, "nobody"))), [(udp(1), 2)]);
    assert_eq!(replies(&bench.ask(udp(1), &query(7, "web"))), [(udp(1), 0)]);
}

#[test]
fn a_flood_is_refused_at_its_bound_and_local_names_go_on() {
    let mut bench = Bench::new(1);
    let mut opened = 0;
    let mut flood = Vec::new();
    for n in 0..MOST_EXCHANGES {
        let effects = bench.ask(udp(n as u16), &query(n as u16, "example.org"));
        opened += effects.iter().filter(|effect| matches!(effect, Effect::Open { .. })).count();
        flood.push(asked(&effects));
    }
    assert_eq!(opened, PORTS_PER_UPSTREAM);
    assert_eq!(replies(&bench.ask(udp(5000), &query(1, "example.org"))), [(udp(5000), 5)]);
    assert_eq!(replies(&bench.ask(udp(5000), &query(1, "web"))), [(udp(5000), 0)]);
    let ids: std::collections::BTreeSet<_> = flood.iter().map(|(_, question)| wire::id(question)).collect();
    assert_eq!(ids.len(), MOST_EXCHANGES);
    let mut closed = 0;
    for (n, (link, question)) in flood.iter().enumerate() {
        let effects = bench.on(Event::Answered { link: *link, message: &answer_to(question, 0) });
        assert_eq!(replies(&effects), [(udp(n as u16), 0)]);
        closed += effects.iter().filter(|effect| matches!(effect, Effect::Close { .. })).count();
    }
    assert_eq!(closed, PORTS_PER_UPSTREAM);
}

#[test]
fn malformed_queries_cost_no_look_up_and_get_no_more_than_an_error() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.ask(udp(1), b"short"), []);
    assert_eq!(bench.ask(udp(1), &answer_to(&query(7, "web"), 0)), [], "an answer is no query");
    let mut two = query(7, "web");
    two[5] = 2;
    assert_eq!(replies(&bench.ask(udp(1), &two)), [(udp(1), 1)]);
    assert_eq!(bench.machine_asked(), 0);
}

impl Bench {
    fn machine_asked(&self) -> usize {
        self.machine.directory().asked.get()
    }
}

#[test]
fn a_stream_is_answered_over_a_stream() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.on(Event::Accepted { client: 1 }), []);
    let effects = bench.ask(Client::Tcp(1), &query(7, "example.org"));
    let (link, question) = asked(&effects);
    assert_eq!(effects[0], Effect::Open { link, upstream: 0, transport: Transport::Tcp });
    assert!(bench.machine.waiting(1));
    let effects = bench.on(Event::Answered { link, message: &answer_to(&question, 0) });
    assert_eq!(replies(&effects), [(Client::Tcp(1), 0)]);
    assert!(!bench.machine.waiting(1));
}

#[test]
fn a_silent_stream_is_dropped_and_one_that_waits_is_not() {
    let mut bench = Bench::new(3);
    bench.on(Event::Accepted { client: 1 });
    bench.on(Event::Accepted { client: 2 });
    bench.ask(Client::Tcp(2), &query(7, "example.org"));
    assert!(bench.wait(PATIENCE).iter().all(|effect| !matches!(effect, Effect::Drop { .. })));
    assert!(bench.wait(IDLE - PATIENCE).contains(&Effect::Drop { client: 1 }));
    assert!(bench.machine.waiting(2));
    let effects: Vec<Effect> = (0..3).flat_map(|_| bench.wait(PATIENCE)).collect();
    assert_eq!(replies(&effects), [(Client::Tcp(2), 2)]);
    assert_eq!(bench.wait(IDLE), [Effect::Drop { client: 2 }]);
}

#[test]
fn half_open_streams_make_room_and_those_that_wait_stay() {
    let mut bench = Bench::new(1);
    bench.on(Event::Accepted { client: 0 });
    bench.ask(Client::Tcp(0), &query(7, "example.org"));
    for client in 1..MOST_CLIENTS as u64 {
        bench.now += Duration::from_millis(1);
        assert_eq!(bench.on(Event::Accepted { client }), []);
    }
    assert_eq!(bench.on(Event::Accepted { client: 100 }), [Effect::Drop { client: 1 }]);
    assert!(bench.machine.waiting(0));
}

#[test]
fn when_all_wait_the_oldest_makes_room_and_its_question_is_forgotten() {
    let mut bench = Bench::new(1);
    let links: Vec<LinkId> = (0..MOST_CLIENTS as u64)
        .map(|client| {
            bench.on(Event::Accepted { client });
            asked(&bench.ask(Client::Tcp(client), &query(7, "example.org"))).0
        })
        .collect();
    let effects = bench.on(Event::Accepted { client: 100 });
    assert_eq!(effects, [Effect::Drop { client: 0 }, Effect::Close { link: links[0] }]);
}

#[test]
fn one_that_leaves_takes_its_question_along() {
    let mut bench = Bench::new(1);
    bench.on(Event::Accepted { client: 1 });
    let (link, question) = asked(&bench.ask(Client::Tcp(1), &query(7, "example.org")));
    assert_eq!(bench.on(Event::Left { client: 1 }), [Effect::Close { link }]);
    assert_eq!(bench.on(Event::Answered { link, message: &answer_to(&question, 0) }), []);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn nonsense_over_a_stream_closes_it() {
    let mut bench = Bench::new(1);
    bench.on(Event::Accepted { client: 1 });
    assert_eq!(bench.ask(Client::Tcp(1), b"x"), [Effect::Drop { client: 1 }]);
    assert_eq!(bench.machine.deadline(), None);
}

/// What a container, its upstreams and the clock may do, in any order.
#[derive(Debug, Clone)]
enum Move {
    Ask(bool, u8),
    Nonsense(Vec<u8>),
    Answer(usize, u8),
    Fail(usize),
    Leave(u8),
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        (any::<bool>(), 0..20u8).prop_map(|(tcp, who)| Move::Ask(tcp, who)),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Move::Nonsense),
        (any::<usize>(), 0..6u8).prop_map(|(which, rcode)| Move::Answer(which, rcode)),
        any::<usize>().prop_map(Move::Fail),
        (0..20u8).prop_map(Move::Leave),
        (0..5000u64).prop_map(Move::Wait),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Keeps the books that a descriptor side would keep.
#[derive(Default)]
struct Books {
    open: std::collections::BTreeSet<LinkId>,
    asked: Vec<(LinkId, Vec<u8>)>,
    owed: i64,
}

impl Books {
    fn enter(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Open { link, .. } => assert!(self.open.insert(*link), "opened twice"),
                Effect::Ask { link, message } => {
                    assert!(self.open.contains(link), "asked through a closed link");
                    self.asked.push((*link, message.clone()));
                }
                Effect::Close { link } => assert!(self.open.remove(link), "closed twice"),
                Effect::Reply { client: Client::Udp(_), .. } => self.owed -= 1,
                Effect::Reply { .. } | Effect::Drop { .. } => {}
            }
        }
    }
}

fn play(bench: &mut Bench, books: &Books, step: Move) -> Vec<Effect> {
    let pick = |which: usize| books.asked.get(which % books.asked.len().max(1)).cloned();
    match step {
        Move::Ask(true, who) => {
            let mut effects = match bench.machine.waiting(who.into()) {
                true => return Vec::new(),
                false => bench.on(Event::Accepted { client: who.into() }),
            };
            effects.extend(bench.ask(Client::Tcp(who.into()), &query(who.into(), "example.org")));
            effects
        }
        Move::Ask(false, who) => bench.ask(udp(who.into()), &query(who.into(), "example.org")),
        Move::Nonsense(bytes) => bench.ask(Client::Tcp(99), &bytes),
        Move::Answer(which, rcode) => pick(which).map_or(Vec::new(), |(link, question)| {
            bench.on(Event::Answered { link, message: &answer_to(&question, rcode) })
        }),
        Move::Fail(which) => pick(which).map_or(Vec::new(), |(link, _)| bench.on(Event::Failed { link })),
        Move::Leave(who) => bench.on(Event::Left { client: who.into() }),
        Move::Wait(ms) => bench.wait(Duration::from_millis(ms)),
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_datagram_is_answered_once_and_every_link_is_closed(steps in moves(), upstreams in 0..4usize) {
        let mut bench = Bench::new(upstreams);
        let mut books = Books::default();
        for step in steps {
            books.owed += i64::from(matches!(step, Move::Ask(false, _)));
            let effects = play(&mut bench, &books, step);
            books.enter(&effects);
        }
        for _ in 0..4 {
            let effects = bench.wait(PATIENCE.max(IDLE));
            books.enter(&effects);
        }
        prop_assert_eq!(books.owed, 0);
        prop_assert!(books.open.is_empty());
        prop_assert_eq!(bench.machine.deadline(), None);
    }
}
