//! Where the time of a start goes: what `--debug` prints.
//!
//! ```text
//! command ──origin in its environment, its stderr──> monitor ──clone──> init
//!     0.412 ms  command  the record is written
//!     3.870 ms  monitor  the network namespace is there
//!     5.120 ms  init     the root is built
//! ```
//!
//! Each process prints its own lines on the stderr of the person who asked, so nothing has to be collected and the order
//! is that of the events. Without `--debug` a mark is one load and one branch.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::time::{ClockId, clock_gettime};

use crate::sys::fds;

/// The environment variable by which a monitor hears of it: nanoseconds of CLOCK_MONOTONIC.
const VARIABLE: &str = "PONTOON_PHASES_SINCE";

/// Who prints, since when: set once, before the first mark.
static SINCE: OnceLock<u64> = OnceLock::new();

/// Starts the clock: the person asked for it.
pub fn begin() {
    let _ = SINCE.set(now());
}

/// Goes on with the clock of the command that executed us, if it has one.
pub fn inherit() {
    if let Some(since) = std::env::var(VARIABLE).ok().and_then(|word| word.parse().ok()) {
        let _ = SINCE.set(since);
    }
}

/// What the next program must find in its environment to go on with the clock; nothing when there is none.
pub fn environment() -> Vec<CString> {
    SINCE.get().and_then(|since| CString::new(format!("{VARIABLE}={since}")).ok()).into_iter().collect()
}

/// Whether marks are printed.
pub fn are_shown() -> bool {
    SINCE.get().is_some()
}

/// The person who asked has gone, or heard all: standard error is let go, so that nobody waits for its end.
pub fn end() {
    if are_shown()
        && let Ok(null) = File::options().write(true).open("/dev/null")
    {
        let _ = fds::place(null.as_fd(), 2);
    }
}

/// Says that `who` has come this far.
pub fn mark(who: &str, what: &str) {
    if let Some(since) = SINCE.get() {
        let passed = now().saturating_sub(*since) as f64 / 1e6;
        eprintln!("{passed:9.3} ms  {who:<8} {what}");
    }
}

fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}
