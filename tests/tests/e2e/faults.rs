//! SIGKILL and errors at the system calls of a line, in the command and in every process under it.
//!
//! ```text
//!   for each point:   given (a container, or nothing)
//!                     strike POINT  pontoon LINE           an end within 20 s; no panic; a failure has a sentence
//!                     it says 0? then it has done what it was told
//!                     rm -f works, twice; ps -a is empty; the host is as it was before
//!                     given and line once more: they work, and what they make is as the first time
//! ```
//!
//! `PONTOON_FAULTS=all` tries every point, `PONTOON_FAULTS=EIO` every point of one fault; otherwise a sample that is spread
//! evenly, shifted by `PONTOON_FAULTS=<number>`. All points are tried before the test fails, and each failure names its
//! point, so that it can be repeated by hand.

use std::time::Instant;

use pontoon_tests::fault::{Fault, Line, Point, Struck, sample};
use pontoon_tests::{Host, Output};

/// A line that is struck.
struct Case {
    /// What it needs before.
    given: &'static str,
    /// Plain words.
    line: &'static str,
    /// What holds when it has ended with 0.
    done: &'static str,
    /// A line that must say the same each time that all is well again.
    same: &'static str,
    /// Whether the monitor that runs before is struck, too.
    monitors: bool,
    /// How many points are a fair sample.
    sample: usize,
}

const SLEEPER: &str = "pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 1000";

const RUN: Case = Case {
    given: "",
    line: "pontoon run --rm --name x -p 8080:80 --network my-net busybox true",
    done: "test -z $(pontoon ps -aq)",
    same: "true",
    monitors: false,
    sample: 40,
};
const DETACHED: Case = Case {
    given: "",
    line: "pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 0.1",
    done: "pontoon inspect x",
    sample: 24,
    ..RUN
};
const START: Case = Case {
    given: "pontoon create --name x -p 8080:80 --network my-net busybox sleep 0.1",
    line: "pontoon start x",
    done: "pontoon inspect x",
    sample: 12,
    ..RUN
};
const EXEC: Case = Case { given: SLEEPER, line: "pontoon exec x true", done: "pontoon exec x true", sample: 12, ..RUN };
const STOP: Case = Case {
    given: SLEEPER,
    line: "pontoon stop -t 0 x",
    done: "test $(pontoon inspect -f {{.State.Running}} x) = false",
    monitors: true,
    sample: 12,
    ..RUN
};
const REMOVE: Case = Case {
    given: SLEEPER,
    line: "pontoon rm -f x",
    done: "test -z $(pontoon ps -aq)",
    monitors: true,
    sample: 12,
    ..RUN
};
const RENAME: Case = Case {
    given: "pontoon run -d --name was -p 8080:80 --network my-net busybox sleep 1000",
    line: "pontoon rename was x",
    done: "pontoon inspect x",
    monitors: true,
    sample: 10,
    ..RUN
};
const PAUSE: Case = Case {
    given: SLEEPER,
    line: "pontoon pause x",
    done: "test $(pontoon inspect -f {{.State.Paused}} x) = true",
    monitors: false,
    sample: 6,
    ..RUN
};
const CREATE: Case = Case {
    given: "",
    line: "pontoon network create --subnet 10.99.0.0/24 other",
    done: "pontoon network inspect other",
    sample: 8,
    ..RUN
};
const REMOVE_NETWORK: Case = Case {
    given: "pontoon network create --subnet 10.99.0.0/24 other && pontoon run --rm --network other busybox true",
    line: "pontoon network rm other",
    done: "! pontoon network inspect other",
    sample: 8,
    ..RUN
};
const CONNECT: Case = Case {
    given: "pontoon network create --subnet 10.99.0.0/24 other && pontoon run -d --name x -p 8080:80 --network my-net busybox sleep 1000",
    line: "pontoon network connect --gw-priority 1 --alias also other x",
    done: "pontoon inspect -f '{{json .NetworkSettings.Networks}}' x | grep -q other",
    monitors: true,
    sample: 8,
    ..RUN
};
const DISCONNECT: Case = Case {
    given: "pontoon network create --subnet 10.99.0.0/24 other && pontoon run -d --name x -p 8080:80 --network other --network my-net busybox sleep 1000",
    line: "pontoon network disconnect other x",
    done: "! pontoon inspect -f '{{json .NetworkSettings.Networks}}' x | grep -q other",
    monitors: true,
    sample: 6,
    ..RUN
};
const PORT_ADD: Case = Case {
    given: SLEEPER,
    line: "pontoon port add x 8081:81 8053:53/udp",
    done: "pontoon inspect -f '{{json .HostConfig.PortBindings}}' x | grep -q 8081",
    monitors: true,
    sample: 6,
    ..RUN
};
const LOAD: Case = Case {
    given: "test -e /run/test/b.tar || pontoon save -o /run/test/b.tar busybox; pontoon rmi -f busybox >&- 2>&- || true",
    line: "pontoon load -i /run/test/b.tar",
    done: "pontoon run --rm busybox true",
    same: "cd $PONTOON_ROOT/images && find . | sort",
    sample: 12,
    ..RUN
};

impl Case {
    fn line(&self) -> Line<'static> {
        Line { strike: env!("CARGO_BIN_EXE_strike"), words: self.line, monitors: self.monitors }
    }

    fn points(&self, host: &Host) -> Vec<Point> {
        let all = |faults: &[Fault]| self.line().points(host, faults);
        let wanted = std::env::var("PONTOON_FAULTS").unwrap_or_else(|_| "0".to_owned());
        match Fault::ALL.iter().find(|fault| fault.word() == wanted) {
            Some(fault) => all(&[*fault]),
            None if wanted == "all" => all(&Fault::ALL),
            None => {
                sample(all(&Fault::ALL), self.sample, wanted.parse().expect("PONTOON_FAULTS: all, a fault or a number"))
            }
        }
    }
}

/// A line of the person's, killed when it hangs.
fn bounded(host: &Host, line: &str) -> Output {
    let mut command = host.command("timeout");
    command.args(["-s", "KILL", "20", "bash", "-ec", line]);
    pontoon_tests::Running::start(command).wait()
}

/// Removes what a case may have made, twice, and looks whether anything is listed; what went wrong. A network that is
/// not there is no trouble.
fn clear(host: &Host) -> Vec<String> {
    let script = "
        said() { \"$@\" 2>&1 || echo \"code $?\"; }
        said pontoon rm -f x was; said pontoon rm -f x was
        said pontoon network rm other; said pontoon network rm other
        said pontoon ps -aq";
    let said = bounded(host, script);
    if said.code != 0 {
        return vec![format!("afterwards {said}")];
    }
    let fine =
        |line: &&str| matches!(*line, "x" | "was" | "other" | "code 1") || line.ends_with("network other not found");
    // A failed `rm` says why on another line, so its bare exit code tells nothing new.
    said.out().lines().filter(|line| !fine(line)).map(|line| format!("afterwards: {line}")).collect()
}

/// What is wrong with how a struck line ended.
fn unfit(point: &Point, struck: &Struck) -> Option<String> {
    let output = &struck.output;
    let said = !output.err().trim().is_empty() || point.call == "write";
    let fit = match output.code {
        0 => true,
        137 => point.fault == Fault::Kill,
        1 | 125..=127 => said,
        // The kernel has not said how the container ended.
        255 => point.call == "wait4-own",
        _ => false,
    };
    // One line, unless it says who waits for what.
    let lines = if struck.verdict.starts_with("hangs") { usize::MAX } else { 1 };
    let verdict: String = struck.verdict.lines().take(lines).map(|line| format!("{line}\n    ")).collect();
    let whole = verdict.starts_with("struck") || verdict.starts_with("missed");
    (!fit || !whole || output.err().contains("panicked")).then(|| format!("{}{output}", verdict))
}

/// Tries one point; says whether it was reached, and what is wrong then and afterwards.
fn attempt(host: &Host, case: &Case, before: &Output, point: &Point) -> (bool, Vec<String>) {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, line: &str| {
        let output = bounded(host, line);
        if output.code != 0 {
            wrong.push(format!("{what}: {output}"));
        }
    };
    expect("given", case.given);
    let struck = case.line().strike(host, point);
    if struck.output.code == 0 {
        expect("not done", case.done);
    }
    wrong.extend(unfit(point, &struck));
    wrong.extend(clear(host));
    wrong.extend(host.leaks().into_iter().map(|line| format!("left: {line}")));
    let again = bounded(host, &format!("{}\n{}", case.given, case.line));
    if again.code != 0 || !again.stderr.is_empty() {
        wrong.push(format!("once more: {again}"));
    }
    let same = bounded(host, case.same);
    if same.out() != before.out() {
        wrong.push(format!("not as before: {same}"));
    }
    wrong.extend(clear(host));
    (struck.verdict.starts_with("struck"), wrong)
}

/// Tries the points of a case.
fn try_all(case: &Case) {
    let mut host = Host::with_my_net();
    // A network's directories come with its first container and go with the network.
    host.sh(RUN.line).ok();
    host.settle();
    bounded(&host, case.given).ok();
    let points = case.points(&host);
    let before = bounded(&host, case.same);
    clear(&host);
    assert!(!points.is_empty(), "`{}` makes no system call", case.line);
    let (start, mut failures, mut struck) = (Instant::now(), Vec::new(), 0);
    for point in &points {
        let (reached, wrong) = attempt(&host, case, &before, point);
        struck += usize::from(reached);
        if !wrong.is_empty() {
            failures.push(format!("strike - {point} -- {}\n    {}", case.line, wrong.join("\n    ")));
            eprintln!("{}", failures[failures.len() - 1]);
            // One point's remains must not spoil the next: the tables come back with the next run.
            host.sh("for family in inet bridge; do nft delete table $family pontoon 2>/dev/null || true; done").ok();
            host.sh(RUN.line);
            host.settle();
        }
    }
    let count = format!("{} of {} points in {:?}, {struck} reached", failures.len(), points.len(), start.elapsed());
    eprintln!("`{}`: {count}", case.line);
    assert!(failures.is_empty(), "{count}:\n{}", failures.join("\n"));
    assert!(struck * 10 > points.len() * 8, "too few points are met again: {count}");
    host.sh("pontoon network rm my-net").ok();
    host.settle();
}

#[test]
fn root_fault_during_run() {
    try_all(&RUN);
}

#[test]
fn root_fault_during_detached_run() {
    try_all(&DETACHED);
}

#[test]
fn root_fault_during_start() {
    try_all(&START);
}

#[test]
fn root_fault_during_exec() {
    try_all(&EXEC);
}

#[test]
fn root_fault_during_stop() {
    try_all(&STOP);
}

#[test]
fn root_fault_during_rm() {
    try_all(&REMOVE);
}

#[test]
fn root_fault_during_load() {
    try_all(&LOAD);
}

#[test]
fn root_fault_during_rename() {
    try_all(&RENAME);
}

#[test]
fn root_fault_during_pause() {
    try_all(&PAUSE);
}

#[test]
fn root_fault_during_network_create() {
    try_all(&CREATE);
}

#[test]
fn root_fault_during_network_rm() {
    try_all(&REMOVE_NETWORK);
}

#[test]
fn root_fault_during_connect() {
    try_all(&CONNECT);
}

#[test]
fn root_fault_during_disconnect() {
    try_all(&DISCONNECT);
}

#[test]
fn root_fault_during_port_add() {
    try_all(&PORT_ADD);
}
