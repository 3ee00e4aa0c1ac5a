//! Anything, in any order: moves by chance, and after each of them everything that must hold.
//!
//! ```text
//!   seed ── Random ── Move ── typed on the host ── as the book expects? ── facts agree, with the book and with each other?
//!                      ▲                                                        │
//!                      └────────────────────── Book::write ◄────────────────────┘
//!   at the end everything is removed, and the host is as it was
//! ```
//!
//! `PONTOON_SEED=n` repeats the sequence n (a failure names it); `PONTOON_SEQUENCES=n` tries n others, by the clock.

mod book;
mod facts;
mod random;

use std::time::{Duration, Instant, SystemTime};

use book::{Book, Move};
use pontoon_tests::Host;
use random::Random;

use crate::given::PROBE;

/// Moves in a sequence.
const MOVES: usize = 25;
/// The sequences that are tried when nothing is said.
const SEEDS: [u64; 3] = [1, 2, 3];
/// How long the kernel, and what goes on after a command, may take until all agrees.
const SETTLING: Duration = Duration::from_secs(5);

#[test]
fn root_sequences_of_moves_leave_nothing_that_should_not_be() {
    let host = Host::ready();
    for seed in seeds() {
        let mut told = vec![format!("PONTOON_SEED={seed}")];
        let begin = Instant::now();
        let elsewhere = host.lan_spawn(&format!("exec {PROBE} dns-serve 53 {}", facts::ELSEWHERE));
        sequence(&host, seed, &mut told);
        drop(elsewhere);
        host.sh("pontoon ps -aq | xargs -r pontoon rm -f; pontoon network ls --format '{{.Name}}' | grep -vxE 'bridge|host|none' | xargs -r pontoon network rm").ok();
        let leaks = host.leaks();
        assert!(leaks.is_empty(), "{}\nthen all was removed, and this is left:\n{}", told.join("\n"), leaks.join("\n"));
        println!("seed {seed}: {MOVES} moves in {:.1} s", begin.elapsed().as_secs_f64());
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    match (number("PONTOON_SEED"), number("PONTOON_SEQUENCES")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (0..count).map(|n| clock() * 1000 + n).collect(),
        _ => SEEDS.into(),
    }
}

fn sequence(host: &Host, seed: u64, told: &mut Vec<String>) {
    let (mut random, mut book) = (Random::of(seed), Book::default());
    for _ in 0..MOVES {
        let step = book.choose(&mut random);
        told.push(step.to_string());
        make(host, &book, &step, told);
        if book.expected(&step).is_empty() {
            book.write(&step);
        }
        let wrong = lasting_disagreements(host, &mut book, &step);
        assert!(wrong.is_empty(), "{}\nand now:\n{}", told.join("\n"), wrong.join("\n"));
    }
}

/// Types a move, and holds what it says against what was to be expected.
fn make(host: &Host, book: &Book, step: &Move, told: &[String]) {
    let output = host.sh(&step.to_string());
    if matches!(step, Move::Struck { .. }) {
        return;
    }
    let expected = book.expected(step);
    let as_expected = match output.code {
        0 => expected.is_empty(),
        _ => expected.iter().any(|sentence| output.err().contains(sentence)),
    };
    assert!(as_expected, "{}\n{expected:?} expected of {output}", told.join("\n"));
}

/// What still disagrees when everything has come to rest.
fn lasting_disagreements(host: &Host, book: &mut Book, step: &Move) -> Vec<String> {
    let end = Instant::now() + SETTLING;
    loop {
        // What a blow has left half done may be finished by somebody else.
        if let Move::Struck { step, command, .. } = step {
            let name = step.container().unwrap_or_default();
            // A change on record that nobody was told of holds from the next start on: too much for this book.
            if *command && step.is_live_change() {
                host.sh(&format!("pontoon rm -f {name}")).ok();
            }
            facts::take_over(host, book, name);
        }
        let wrong = facts::disagreements(host, book);
        if wrong.is_empty() || Instant::now() > end {
            return wrong;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
