//! How a container ends: ask, wait, kill. A pure state machine.
//!
//! ```text
//! Running ──stop(signal, timeout)──> Asked(deadline) ──deadline──> Killed
//!    └───────────────ended───────────────────┴──────────ended────────┘──> the monitor tears down, or restarts
//! ```

use std::time::{Duration, Instant};

/// Where a container is on its way down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stopping {
    /// Nobody asked it to stop.
    #[default]
    Running,
    /// It got its signal and has until then (`None`: for ever).
    Asked(Option<Instant>),
    /// It got SIGKILL.
    Killed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send this signal to init.
    Signal(i32),
    /// Kill everything in the cgroup.
    Kill,
    /// Nothing.
    Nothing,
}

impl Stopping {
    /// Somebody wants it to stop, within `timeout` seconds (below 0: whenever it likes).
    pub fn stop(&mut self, signal: i32, timeout: i64, now: Instant) -> Effect {
        // Also once more: what did not die of the first one must not live for ever.
        if timeout == 0 {
            *self = Stopping::Killed;
            return Effect::Kill;
        }
        if *self == Stopping::Killed {
            return Effect::Nothing;
        }
        let deadline = u64::try_from(timeout).ok().and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
        *self = Stopping::Asked(deadline);
        Effect::Signal(signal)
    }

    /// When time runs out.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Stopping::Asked(deadline) => deadline,
            _ => None,
        }
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Instant) -> Effect {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            *self = Stopping::Killed;
            return Effect::Kill;
        }
        Effect::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_waits_and_kills() {
        let now = Instant::now();
        let mut stopping = Stopping::default();
        assert_eq!(stopping.expire(now), Effect::Nothing);
        assert_eq!(stopping.stop(15, 10, now), Effect::Signal(15));
        assert_eq!(stopping.expire(now + Duration::from_secs(9)), Effect::Nothing);
        assert_eq!(stopping.expire(now + Duration::from_secs(10)), Effect::Kill);
        assert_eq!(stopping.expire(now + Duration::from_secs(20)), Effect::Nothing);
        assert_eq!(stopping.stop(15, 10, now), Effect::Nothing);
        assert_eq!(stopping.stop(15, 0, now), Effect::Kill, "who insists is heard");
    }

    #[test]
    fn zero_kills_at_once_and_negative_waits_for_ever() {
        let now = Instant::now();
        assert_eq!(Stopping::default().stop(15, 0, now), Effect::Kill);
        let mut patient = Stopping::default();
        assert_eq!(patient.stop(15, -1, now), Effect::Signal(15));
        assert_eq!(patient.deadline(), None);
    }
}
