//! Waiting in tests: ask again until it is so, or fail with a sentence.
//!
//! Only tests may poll; Pontoon itself never does.

use std::time::{Duration, Instant};

/// How often `eventually` asks.
const PACE: Duration = Duration::from_millis(10);

/// Waits until `holds` says yes; panics with `what` after `limit`.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not so after {limit:?}");
        std::thread::sleep(PACE);
    }
}
