//! Published ports by the hundred: what the next one costs.
//!
//! ```text
//!   run -p      a container that publishes one port,   ┐ on a host where 900 are published already
//!   port add    a port more of a container             ┘
//!   port add    the 900th of one container, whose record and state grow with it
//!      medians of ten, each after a rest
//! ```

use std::process::Command;

use pontoon_tests::Host;

use crate::stopwatch::{Times, time, time_at_rest};

/// How many there are in the end, and how many of them are measured at a time.
const MANY: u16 = 900;
const SOME: u16 = 10;
/// The first port of the host.
const FIRST: u16 = 8000;

/// Measures and prints.
pub fn measure(host: &Host) {
    println!("\n| published ports | the first | number {MANY} | ratio |\n|---|---|---|---|");
    host.sh("pontoon run -d --name x --network my-net busybox sleep 100000").ok();
    // Somebody with an open descriptor for each port: one of each family.
    host.sh("pontoon run -d --name y --network my-net busybox sleep 100000").ok();
    let first = added(host, "x", FIRST..FIRST + SOME);
    let alone = run(host);
    let beside = added(host, "y", 6000..6000 + SOME);
    host.sh("pontoon port rm y 6000-6009:6000-6009").ok();
    let most = format!("{}-{}", FIRST + SOME, FIRST + MANY - SOME - 1);
    host.sh(&format!("pontoon port add x {most}:{most} >/dev/null")).ok();
    let last = added(host, "x", FIRST + MANY - SOME..FIRST + MANY);
    line("`run --rm -p`, on a host that has so many", alone, run(host));
    line("`port add`, on a host that has so many", beside, added(host, "y", 6000..6000 + SOME));
    line("`port add`, of a container that has so many", first, last);
    host.sh("pontoon rm -f x y").ok();
}

fn line(what: &str, first: f64, last: f64) {
    println!("| {what} | {first:.1} ms | {last:.1} ms | {:.2} |", last / first);
}

fn added(host: &Host, name: &str, ports: std::ops::Range<u16>) -> f64 {
    let mut times = Times::default();
    for port in ports {
        times.add(time_at_rest(command(host, &["port", "add", name, &format!("{port}:{port}")])));
    }
    times.median()
}

fn run(host: &Host) -> f64 {
    let words = ["run", "--rm", "--network", "my-net", "-p", "7000:80", "busybox", "true"];
    time(command(host, &words));
    let mut times = Times::default();
    (0..SOME).for_each(|_| times.add(time_at_rest(command(host, &words))));
    times.median()
}

fn command(host: &Host, words: &[&str]) -> Command {
    let mut command = host.command("pontoon");
    command.args(words);
    command
}
