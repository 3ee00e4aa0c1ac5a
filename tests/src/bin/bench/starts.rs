//! One of everything, side by side.
//!
//! ```text
//!   round: run none │ run on a network with names and a port │ run -d │ exec │ stop │ rm -f │ network create │ rm
//!   each by every contender in turn, after a rest; then `run` again in loops, without
//! ```

use std::collections::BTreeMap;
use std::process::Command;

use pontoon_tests::Host;

use crate::contender::{self, Contender};
use crate::stopwatch::{Times, time, time_at_rest};

const ROUNDS: usize = 20;
/// A program that ends at once when it is asked to.
const SLEEPER: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"];
const NONE: [&str; 6] = ["run", "--rm", "--network", "none", "busybox", "true"];
const BRIDGE: [&str; 8] = ["run", "--rm", "-p", "8080:80", "--network", "bench", "busybox", "true"];

/// Row, contender -> times.
type Table = BTreeMap<(usize, &'static str), Times>;

const ROWS: [&str; 9] = [
    "`run --rm --network none busybox true`",
    "`run --rm -p 8080:80 --network N busybox true`",
    "`run -d --network N busybox sh …`",
    "`exec C true`",
    "`ps`",
    "`stop C`",
    "`rm -f C`, running",
    "`network create`",
    "`network rm`",
];

/// Measures and prints. First alone: somebody else's daemon has work to do at each of our starts, too.
pub fn measure(host: &Host) {
    host.sh("mkdir /run/test/floor; pontoon network create bench").ok();
    let pontoon = contender::pontoon();
    against_floor(host, &pontoon);
    looped(host, &pontoon);
    let contenders: Vec<Contender> = std::iter::once(pontoon).chain(contender::others(host)).collect();
    side_by_side(host, &contenders);
    contenders.iter().for_each(|contender| contender.tidy(host, &["network", "rm", "bench"]));
    contenders.into_iter().for_each(|contender| contender.leave(host));
}

/// Each at rest: the floor in its three ways, and Pontoon without and with a network.
fn against_floor(host: &Host, pontoon: &Contender) {
    let ways = ["moved", "enters", "none"];
    let mut floors: [Times; 3] = Default::default();
    let (mut none, mut bridge) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        for (how, times) in ways.iter().zip(&mut floors) {
            times.add(time_at_rest(floor(host, how)));
        }
        none.add(time_at_rest(pontoon.command(host, &NONE)));
        bridge.add(time_at_rest(pontoon.command(host, &BRIDGE)));
    }
    let ours = none.median();
    println!("\n| {} against the floor, at rest before each | floor | pontoon | ratio |\n|---|---|---|---|", ROWS[0]);
    let texts =
        ["the parent moves the child into its cgroups", "the child enters its cgroups by itself", "no cgroup at all"];
    for (text, times) in texts.iter().zip(&floors) {
        let floor = times.median();
        println!("| {text} | {floor:.1} ms | {ours:.1} ms | {:.2} |", ours / floor);
    }
    println!("\nOn a network, with names and a port: {:.1} ms more.", bridge.median() - ours);
}

/// The others are tens of times slower: five rounds are enough for a median.
fn side_by_side(host: &Host, contenders: &[Contender]) {
    for contender in contenders {
        contender.tidy(host, &["network", "create", "bench"]);
        time(contender.command(host, &NONE));
    }
    let mut table = Table::new();
    for _ in 0..5 {
        contenders.iter().for_each(|contender| round(host, contender, &mut table));
    }
    print_table(contenders, &table);
}

fn floor(host: &Host, how: &str) -> Command {
    let mut command = host.command(crate::tools().join("floor").to_str().expect("a path of UTF-8"));
    command.args([&contender::layer(host), "/run/test/floor", how, "true"]);
    command
}

/// Every row once.
fn round(host: &Host, contender: &Contender, table: &mut Table) {
    let mut row = |number: usize, words: &[&str]| {
        let passed = time_at_rest(contender.command(host, words));
        table.entry((number, contender.name)).or_default().add(passed);
    };
    let detached = [&["run", "-d", "--name", "one", "--network", "bench", "busybox"][..], &SLEEPER].concat();
    row(0, &NONE);
    row(1, &BRIDGE);
    row(2, &detached);
    row(3, &["exec", "one", "true"]);
    row(4, &["ps"]);
    row(5, &["stop", "one"]);
    contender.tidy(host, &["rm", "one"]);
    time(contender.command(host, &detached));
    row(6, &["rm", "-f", "one"]);
    row(7, &["network", "create", "other"]);
    row(8, &["network", "rm", "other"]);
}

fn print_table(contenders: &[Contender], table: &Table) {
    let others = &contenders[1..];
    let heads: String = others.iter().map(|other| format!(" {} | times pontoon |", other.name)).collect();
    println!("\n| command | pontoon |{heads}\n|---|---|{}", "---|---|".repeat(others.len()));
    for (number, text) in ROWS.iter().enumerate() {
        let ours = table[&(number, "pontoon")].median();
        let cells = others.iter().map(|other| {
            let theirs = table[&(number, other.name)].median();
            format!(" {theirs:.0} ms | {:.0} |", theirs / ours)
        });
        println!("| {text} | {ours:.1} ms |{}", cells.collect::<String>());
    }
}

/// The same `run` over and over: each meets what the kernel is still clearing away of the last.
fn looped(host: &Host, pontoon: &Contender) {
    let (mut floor_times, mut none, mut bridge) = (Times::default(), Times::default(), Times::default());
    for _ in 0..3 {
        (0..ROUNDS).for_each(|_| floor_times.add(time(floor(host, "moved"))));
        (0..ROUNDS).for_each(|_| none.add(time(pontoon.command(host, &NONE))));
        (0..ROUNDS).for_each(|_| bridge.add(time(pontoon.command(host, &BRIDGE))));
    }
    let (floor, none, bridge) = (floor_times.median(), none.median(), bridge.median());
    println!(
        "\n| in a loop, without a rest | floor | `--network none` | ratio | on a network | more |\n|---|---|---|---|---|---|"
    );
    println!("| | {floor:.1} ms | {none:.1} ms | {:.2} | {bridge:.1} ms | {:.1} ms |", none / floor, bridge - none);
}
