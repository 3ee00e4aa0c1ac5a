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

/// Measures and prints.
pub fn measure(host: &Host) {
    host.sh("mkdir /run/test/floor").ok();
    let contenders = contender::all(host);
    for contender in &contenders {
        contender.tidy(host, &["network", "create", "bench"]);
        time(contender.command(host, &NONE));
    }
    let mut table = Table::new();
    let mut floors: BTreeMap<&str, Times> = BTreeMap::new();
    for number in 0..ROUNDS {
        for how in ["moved", "enters", "none"] {
            floors.entry(how).or_default().add(time_at_rest(floor(host, how)));
        }
        // The others are tens of times slower: five rounds of theirs are enough, and cost more than all of ours.
        let taking_part = if number < 5 { &contenders[..] } else { &contenders[..1] };
        taking_part.iter().for_each(|contender| round(host, contender, &mut table));
    }
    print_floor(&floors, &table);
    print_table(&contenders, &table);
    looped(host, &contenders[0]);
    contenders.iter().for_each(|contender| contender.tidy(host, &["network", "rm", "bench"]));
    contenders.into_iter().for_each(|contender| contender.leave(host));
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

fn print_floor(floors: &BTreeMap<&str, Times>, table: &Table) {
    let ours = table[&(0, "pontoon")].median();
    println!("\n| {} against the floor, at rest before each | floor | pontoon | ratio |\n|---|---|---|---|", ROWS[0]);
    for (how, text) in [
        ("moved", "the parent moves the child into its cgroups"),
        ("enters", "the child enters them by itself"),
        ("none", "no cgroup"),
    ] {
        let floor = floors[how].median();
        println!("| {text} | {floor:.1} ms | {ours:.1} ms | {:.2} |", ours / floor);
    }
    println!("\nWith a network, names and a port: {:.1} ms more.", table[&(1, "pontoon")].median() - ours);
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
