//! `--network host`: the container has the host's network namespace, so nothing is made.
//!
//! ```text
//! host netns = container netns        lo  eth0  …
//! ```

use crate::plan::Plan;

/// The empty plan.
pub fn plan() -> Plan {
    Plan::default()
}
