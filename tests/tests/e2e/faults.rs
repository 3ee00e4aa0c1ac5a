//! SIGKILL and errors injected at system calls: the next command leaves everything as it should be.
//!
//! ```text
//!   for each point:   given (a container, or nothing)
//!                     strace -e inject=CALL:…  pontoon LINE      20 s, or it hangs
//!                     pontoon rm -f x, twice;  ps -a is empty
//!                     pontoon run --rm --name x -p 8080:80 … true   works
//!                     nothing is left
//! ```
//!
//! `PONTOON_FAULTS=all` tries every point; otherwise a sample that is spread evenly, shifted by `PONTOON_FAULTS=<number>`.
//! All points are tried before the test fails, and each failure names its point so that it can be repeated by hand.

use std::time::Instant;

use pontoon_tests::{Host, Injection, Output, Sweep};

use crate::given::SOON;

/// A command line that is tried, what it needs before, and how it is tried once more by hand.
struct Case {
    given: &'static str,
    line: &'static str,
    sample: usize,
}

const RUN: Case =
    Case { given: "", line: "pontoon run --rm --name x -p 8080:80 --network my-net busybox true", sample: 22 };
const DETACHED: Case =
    Case { given: "", line: "pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 0.1", sample: 12 };
const REMOVE: Case = Case {
    given: "pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 1000",
    line: "pontoon rm -f x",
    sample: 8,
};
const STOP: Case = Case {
    given: "pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 1000",
    line: "pontoon stop -t 0 x",
    sample: 6,
};
const START: Case = Case {
    given: "pontoon create --name x -p 8080:80 --network my-net busybox sleep 0.1",
    line: "pontoon start x",
    sample: 6,
};
const FEW: Case = Case { sample: 5, ..RUN };
const NETWORK: Case = Case { given: "", line: "pontoon network create --subnet 10.99.0.0/24 other", sample: 6 };

/// The points to try of a case: all of them, or its sample.
fn points(sweep: &Sweep, case: &Case, what: &str) -> Vec<Injection> {
    match std::env::var("PONTOON_FAULTS").as_deref() {
        Ok("all") => sweep.all(what),
        Ok(start) => sweep.sample(what, case.sample, start.parse().expect("PONTOON_FAULTS is `all` or a number")),
        Err(_) => sweep.sample(what, case.sample, 0),
    }
}

/// Removes what a case may have made; exit codes do not matter, only what is left.
fn clear(host: &Host) {
    host.sh("pontoon rm -f x >/dev/null 2>&1 || true; pontoon rm -f x >/dev/null 2>&1 || true").ok();
    host.sh("pontoon network rm other >/dev/null 2>&1 || true").ok();
}

/// Tries one point; says whether it struck the command, and what is wrong afterwards.
fn attempt(host: &Host, case: &Case, point: &Injection) -> (bool, Vec<String>) {
    if !case.given.is_empty() {
        host.sh(case.given).ok();
    }
    let start = Instant::now();
    let output = point.run(host, case.line);
    let mut wrong = Vec::new();
    if start.elapsed() > SOON * 2 {
        wrong.push(format!("took {:?}", start.elapsed()));
    }
    wrong.extend(unfit(&output));
    clear(host);
    let names = host.sh("pontoon ps -aq");
    if names.code != 0 || !names.stdout.is_empty() {
        wrong.push(format!("ps -aq says {names}"));
    }
    let again = host.sh(RUN.line);
    if again.code != 0 {
        wrong.push(format!("the next run fails: {again}"));
    }
    wrong.extend(host.leaks().into_iter().map(|line| format!("left: {line}")));
    (output.code != 0, wrong)
}

/// A panic, or a failure without a word.
fn unfit(output: &Output) -> Option<String> {
    let silent = output.code == 125 && output.err().trim().is_empty();
    (output.err().contains("panicked") || output.code == 134 || silent).then(|| output.to_string())
}

/// Tries all points of a case with one kind of fault.
fn try_all(case: &Case, what: &str) {
    let mut host = Host::with_my_net();
    // A network's directories come with its first container and go with the network.
    host.sh(RUN.line).ok();
    host.settle();
    if !case.given.is_empty() {
        host.sh(case.given).ok();
    }
    let sweep = Sweep::of(&host, case.line);
    clear(&host);
    let tried = points(&sweep, case, what);
    assert!(!tried.is_empty(), "`{}` makes no system call", case.line);
    let (mut failures, mut struck) = (Vec::new(), 0);
    for point in &tried {
        let (hit, wrong) = attempt(&host, case, point);
        struck += usize::from(hit);
        if !wrong.is_empty() {
            failures.push(format!("strace -f -e {point} {}\n    {}", case.line, wrong.join("\n    ")));
            // One point's remains must not spoil the next: the tables come back with the next run.
            host.sh("for family in inet bridge; do nft delete table $family pontoon 2>/dev/null || true; done").ok();
            host.sh(RUN.line);
            host.settle();
        }
    }
    let count = format!("{} of {} points", failures.len(), tried.len());
    assert!(failures.is_empty(), "{count} leave something behind:\n{}", failures.join("\n"));
    assert!(struck > 0, "none of {} injections has struck `{}`", tried.len(), case.line);
    host.sh("pontoon network rm my-net").ok();
    host.settle();
}

#[test]
fn root_fault_kill_during_run() {
    try_all(&RUN, "signal=KILL");
}

#[test]
fn root_fault_kill_during_detached_run() {
    try_all(&DETACHED, "signal=KILL");
}

#[test]
fn root_fault_kill_during_rm() {
    try_all(&REMOVE, "signal=KILL");
}

#[test]
fn root_fault_kill_during_stop() {
    try_all(&STOP, "signal=KILL");
}

#[test]
fn root_fault_kill_during_start() {
    try_all(&START, "signal=KILL");
}

#[test]
fn root_fault_kill_during_network_create() {
    try_all(&NETWORK, "signal=KILL");
}

#[test]
fn root_fault_full_disk_during_run() {
    try_all(&FEW, "error=ENOSPC");
}

#[test]
fn root_fault_no_descriptors_during_run() {
    try_all(&FEW, "error=EMFILE");
}

#[test]
fn root_fault_no_memory_during_run() {
    try_all(&FEW, "error=ENOMEM");
}

#[test]
fn root_fault_bad_disk_during_run() {
    try_all(&FEW, "error=EIO");
}
