//! Timing whole commands, turn by turn, so that what disturbs one disturbs the other.
//!
//! ```text
//!   round 1   pause  a   pause  b   pause  c        "typed": as people type, the kernel at rest before each
//!   round 1   a a a a a  b b b b b  c c c c c       "looped": one after the other, the kernel still clearing away
//! ```

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two commands of which the second shall not meet what the first leaves to the kernel.
const PAUSE: Duration = Duration::from_millis(120);

/// What was measured, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// One more.
    pub fn add(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
    }

    /// The one in the middle; not a number when there is none.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Milliseconds from spawn to the end of a command that must succeed.
pub fn time(mut command: Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status().expect("start the command");
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    assert!(status.success(), "{command:?}: {status}");
    milliseconds
}

/// As [`time`], after a rest.
pub fn time_at_rest(command: Command) -> f64 {
    std::thread::sleep(PAUSE);
    time(command)
}
