//! Runs a line and strikes one system call of one of its processes: by SIGKILL before the call, or by an error in its place.
//!
//! ```text
//!   strike REPORT -- LINE…               the places: one line each, `PROCESS CALL TIMES`
//!   strike REPORT POINT -- LINE…         PROCESS:CALL:TIME:WHAT, e.g. 0.1:mkdirat:2:KILL or 0:openat:1:EMFILE
//!   strike --monitors …                  the same, where monitors that run already are followed, too
//!
//!   0  pontoon run ──clone──> 0.1  monitor ──clone──> 0.1.1  child, until it executes the container's program
//!   0  pontoon stop            m   the monitor that it speaks to
//! ```
//!
//! strace counts the calls of all processes alike, so that the monitor's second `mkdir` is never reached where the
//! command's second one comes first. Here a process has a name, its path in the tree, and each point is one instruction
//! of one of them. The exit code is the line's; the report also says `struck`, `missed` or, after 20 seconds, `hangs`.

#[cfg(target_arch = "x86_64")]
mod calls;
mod point;
#[cfg(target_arch = "x86_64")]
mod tracer;

#[cfg(target_arch = "x86_64")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (before, line) = match words.iter().position(|word| word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (&words[..], &[][..]),
    };
    let (monitors, before) = match before {
        [flag, rest @ ..] if flag == "--monitors" => (true, rest),
        all => (false, all),
    };
    let result = match (before, line) {
        ([report], [_, ..]) => tracer::run(report, None, monitors, line),
        ([report, point], [_, ..]) => point.parse().and_then(|point| tracer::run(report, Some(point), monitors, line)),
        _ => Err("strike [--monitors] REPORT [PROCESS:CALL:TIME:WHAT] -- LINE…".to_owned()),
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(why) => {
            eprintln!("strike: {why}");
            std::process::exit(99)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("strike: it knows the registers of x86_64 only");
    std::process::exit(99)
}
