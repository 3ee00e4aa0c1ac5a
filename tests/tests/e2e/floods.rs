//! Who floods his name server floods his own: each container has one of its own, and what it may hold is bounded.
//!
//! ```text
//!   noisy ── 100,000s of questions, 64 half-open connections ──> its monitor ── 16 ports each ──> the host's servers
//!   quiet ── a question every 2 ms ────────────────────────────> its monitor: answers as before
//! ```

use pontoon_tests::Host;

use crate::given::{DIG, sleeper};

/// Longest time that an answer may take beside a flood, milliseconds: far above what a loaded machine of two processors
/// takes, and far below what one who queued behind the flood would wait.
const PATIENCE: u64 = 1000;
/// Descriptors that a flooded monitor may have open: three servers of 16 ports, 16 connections either way, and its own.
const DESCRIPTORS: usize = 128;
/// What it may hold in memory, kB.
const MEMORY: usize = 16 * 1024;

fn pair(host: &Host) {
    for name in ["noisy", "quiet"] {
        sleeper(host, name, &format!("-v {DIG}:/dig:ro --network my-net"));
    }
}

/// The longest wait of `quiet` while `noisy` asks for `name`.
fn slowest(host: &Host, name: &str) -> u64 {
    let flood = host.spawn(&format!("pontoon exec noisy /dig flood {name} 4"));
    let slowest = host.sh("pontoon exec quiet /dig slowest noisy 3").ok();
    let sent: u64 = flood.wait().ok().trim().parse().expect("a number of questions");
    assert!(sent > 1000, "that was no flood: {sent}");
    slowest.trim().parse().expect("milliseconds")
}

#[test]
fn root_a_flood_of_known_names_starves_nobody_else() {
    let host = Host::with_my_net();
    pair(&host);
    let longest = slowest(&host, "quiet");
    assert!(longest < PATIENCE, "{longest} ms");
    host.sh("pontoon rm -f noisy quiet; pontoon network rm my-net").ok();
}

#[test]
fn root_a_flood_towards_a_dead_server_starves_nobody_else_and_is_bounded() {
    let host = Host::with_my_net();
    // Silent servers: each question waits for 12 s.
    host.sh(
        "printf 'nameserver 203.0.113.77\\nnameserver 203.0.113.78\\nnameserver 203.0.113.79\\n' > /etc/resolv.conf",
    )
    .ok();
    host.sh("ip neigh add 203.0.113.77 lladdr 02:00:00:00:00:77 dev uplink").ok();
    pair(&host);
    let monitor = host.monitor("noisy").expect("a monitor");
    let longest = slowest(&host, "outside.example.org");
    assert!(longest < PATIENCE, "{longest} ms");
    let open = host.sh(&format!("ls /proc/{monitor}/fd | wc -l")).ok().trim().parse::<usize>().expect("a number");
    assert!(open < DESCRIPTORS, "{open} descriptors");
    let memory = host.sh(&format!("awk '/^VmRSS/ {{ print $2 }}' /proc/{monitor}/status")).ok();
    assert!(memory.trim().parse::<usize>().expect("kB") < MEMORY, "{memory} kB");
    let own = host.sh("pontoon exec noisy /dig ask quiet A").ok();
    assert!(own.starts_with("NOERROR\nquiet 600 A "), "its own known names, too: {own}");
    host.sh("pontoon stop -t 0 noisy").ok();
    host.sh("pontoon rm -f noisy quiet; pontoon network rm my-net").ok();
}
