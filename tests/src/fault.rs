//! SIGKILL and errors at system calls, by the program `strike`: where a crash happens is measured, not guessed.
//!
//! ```text
//!   1. count    strike REPORT -- LINE             which process makes which call how often
//!   2. points   each process, call and time       all of them, or a sample that is spread evenly
//!   3. strike   strike REPORT POINT -- LINE       one point of one process; the report says whether it was reached
//! ```
//!
//! A SIGKILL belongs before each call that others can see. An error belongs to each of those, too, and to each call of
//! the process's own that could return it: a descriptor that cannot be had, a file that cannot be read.

use std::fmt;
use std::fs;

use crate::host::Host;
use crate::process::{Output, Running};

/// Where strike writes what it saw.
const REPORT: &str = "/run/test/report";

/// What can happen at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the process.
    Kill,
    /// No space left on device.
    Enospc,
    /// Too many open files.
    Emfile,
    /// Cannot allocate memory.
    Enomem,
    /// Input/output error.
    Eio,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Fault; 5] = [Fault::Kill, Fault::Enospc, Fault::Emfile, Fault::Enomem, Fault::Eio];

    /// Its word on strike's command line.
    pub fn word(self) -> &'static str {
        match self {
            Fault::Kill => "KILL",
            Fault::Enospc => "ENOSPC",
            Fault::Emfile => "EMFILE",
            Fault::Enomem => "ENOMEM",
            Fault::Eio => "EIO",
        }
    }

    /// Whether it is worth trying at a call. `-own` marks those that nobody but the process itself can see.
    fn belongs_to(self, call: &str) -> bool {
        let Some(own) = call.strip_suffix("-own") else { return true };
        let can = match self {
            Fault::Kill | Fault::Enospc => return false,
            Fault::Enomem => return true,
            Fault::Emfile => {
                "open openat openat2 socket socketpair recvmsg fcntl pidfd_open pipe2 dup dup2 dup3 eventfd2 signalfd4 \
                 timerfd_create memfd_create fsopen open_tree"
            }
            Fault::Eio => {
                "open openat openat2 read pread64 getdents64 readlink readlinkat statx newfstatat recvfrom recvmsg ioctl \
                 fsconfig open_tree chdir fchdir"
            }
        };
        can.split_whitespace().any(|call| call == own)
    }
}

/// One place and what happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The process, by its path in the tree: the command is 0, its first child 0.1, a monitor that ran before m.
    pub process: String,
    /// The call, as strike names it.
    pub call: String,
    /// At which of its times in that process, from 1.
    pub time: usize,
    /// What happens.
    pub fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.process, self.call, self.time, self.fault.word())
    }
}

/// What came of a strike.
#[derive(Debug)]
pub struct Struck {
    /// What the line said, and how it ended.
    pub output: Output,
    /// `struck`, `missed`, or `hangs` with who waits for what.
    pub verdict: String,
}

/// A line whose system calls are struck.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The program `strike`.
    pub strike: &'a str,
    /// Plain words.
    pub words: &'a str,
    /// Whether monitors that run already are part of it.
    pub monitors: bool,
}

impl Line<'_> {
    /// Runs the line once and names every point of it.
    pub fn points(&self, host: &Host, faults: &[Fault]) -> Vec<Point> {
        let counted = self.start(host, None);
        assert!(counted.verdict.starts_with("counted"), "{}: {}", counted.verdict, counted.output);
        let places: Vec<_> = counted.verdict.lines().filter_map(place).collect();
        let of = |fault: Fault| {
            places.iter().filter(move |(_, call, _)| fault.belongs_to(call)).flat_map(move |(process, call, times)| {
                (1..=*times).map(move |time| Point { process: process.clone(), call: call.clone(), time, fault })
            })
        };
        faults.iter().flat_map(|fault| of(*fault)).collect()
    }

    /// Runs the line with one point struck, to the end of its last process.
    pub fn strike(&self, host: &Host, point: &Point) -> Struck {
        self.start(host, Some(point))
    }

    fn start(&self, host: &Host, point: Option<&Point>) -> Struck {
        let _ = fs::remove_file(REPORT);
        let mut command = host.command(self.strike);
        command.args(self.monitors.then_some("--monitors")).arg(REPORT).args(point.map(ToString::to_string));
        command.arg("--").args(self.words.split_whitespace());
        let output = Running::start(command).wait();
        Struck { output, verdict: fs::read_to_string(REPORT).unwrap_or_else(|_| "no report".to_owned()) }
    }
}

/// A line of the report: process, call, times.
fn place(line: &str) -> Option<(String, String, usize)> {
    let [process, call, times] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    Some((process.to_owned(), call.to_owned(), times.parse().ok()?))
}

/// At most `limit` of all, spread evenly; `start` shifts the choice.
pub fn sample<T>(all: Vec<T>, limit: usize, start: usize) -> Vec<T> {
    let stride = all.len().div_ceil(limit.max(1)).max(1);
    all.into_iter().skip(start % stride).step_by(stride).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_a_report_names_process_call_and_times() {
        assert_eq!(place("0.1 mkdir 22"), Some(("0.1".to_owned(), "mkdir".to_owned(), 22)));
        assert_eq!(place("counted"), None);
        assert_eq!(place("  17 pontoon rm -f x : poll call 7"), None);
    }

    #[test]
    fn pure_a_kill_belongs_where_others_see_it_and_errors_where_they_can_happen() {
        let of = |fault: Fault| ["mkdir", "socket-own", "read-own", "prctl-own"].map(|call| fault.belongs_to(call));
        assert_eq!(of(Fault::Kill), [true, false, false, false]);
        assert_eq!(of(Fault::Enospc), [true, false, false, false]);
        assert_eq!(of(Fault::Emfile), [true, true, false, false]);
        assert_eq!(of(Fault::Eio), [true, false, true, false]);
        assert_eq!(of(Fault::Enomem), [true; 4]);
    }

    #[test]
    fn pure_a_sample_is_bounded_and_shifts_with_its_start() {
        assert_eq!(sample((0..100).collect(), 10, 0), (0..100).step_by(10).collect::<Vec<_>>());
        assert_eq!(sample((0..100).collect(), 10, 3)[0], 3);
        assert_eq!(sample(vec![1, 2], 60, 1), [1, 2], "a short list is not thinned");
        assert!(sample((0..101).collect::<Vec<_>>(), 10, 0).len() <= 10);
    }

    #[test]
    fn pure_a_point_is_written_as_strike_reads_it() {
        let point = Point { process: "0.1".into(), call: "mkdir".into(), time: 2, fault: Fault::Kill };
        assert_eq!(point.to_string(), "0.1:mkdir:2:KILL");
    }
}
