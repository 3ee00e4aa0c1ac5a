//! `make bench`: what things cost, side by side in one run, as ratios.
//!
//! ```text
//!   starts   one of everything, Pontoon beside the floor, Docker and Podman    stopwatch, contender
//!   crowd    1, 50, 200, 500 containers on one network                         time and memory of the next one
//!   wire     throughput and latency of each way to a container, and of a plain veth     iperf3, ping and pong
//!   ports    the first published port, and the 900th                           time
//!   names    answers of the name server a second                               dns
//!      │
//!      └──> lines of Markdown on standard output, for docs/performance.md
//! ```
//!
//! All of it happens on a private host, as the end-to-end tests do. Medians, not means: a machine that does other things
//! at the same time spoils the mean first. An absolute time says how fast this machine is; only ratios travel.

mod contender;
mod crowd;
mod dns;
mod ports;
mod starts;
mod stopwatch;
mod wire;

use std::path::PathBuf;

use pontoon_tests::Host;

/// Directory of `floor` (see tests/bench/floor.c), given by the Makefile.
fn tools() -> PathBuf {
    PathBuf::from(std::env::var_os("BENCH_TOOLS").expect("BENCH_TOOLS names the directory of the program floor"))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        // What this program is inside a container: a client of the container's name server.
        ["ask", server, name, seconds] => dns::ask(server, name, seconds.parse().expect("seconds")),
        ["pong", port] => wire::pong(port.parse().expect("a port")),
        ["ping", address, port, count] => {
            wire::ping(address, port.parse().expect("a port"), count.parse().expect("a number"));
        }
        [] => all(&["starts", "crowd", "wire", "ports", "names"]),
        some => all(some),
    }
}

/// The parts that were asked for, each on a host of its own: a host is a thread's, for life.
fn all(parts: &[&str]) {
    for part in parts {
        let measure: fn(&Host) = match *part {
            "starts" => starts::measure,
            "crowd" => crowd::measure,
            "wire" => wire::measure,
            "ports" => ports::measure,
            "names" => dns::measure,
            other => panic!("there is no part {other}: starts, crowd, wire, ports, names"),
        };
        let measured = std::thread::spawn(move || on_a_host(measure)).join();
        assert!(measured.is_ok(), "the part {part} failed");
    }
}

/// What other programs leave behind is theirs to answer for, so the host's end is no leak check.
fn on_a_host(measure: fn(&Host)) {
    let mut host = Host::with_my_net();
    measure(&host);
    host.sh("pontoon network rm my-net").ok();
    host.settle();
}
