//! What the loop serves: descriptors and deadlines of one feature.
//!
//! ```text
//! watch() ──> poll(2) ──> ready(fd), expired(now)
//! ```

use std::os::fd::RawFd;
use std::time::Instant;

/// Something with descriptors and deadlines that the loop serves.
pub trait Service {
    /// Descriptors to wait for now. Called before each poll(2).
    fn watch(&self, watch: &mut Vec<Watch>);
    /// When `expired` wants to be called at the latest.
    fn deadline(&self) -> Option<Instant>;
    /// One of its descriptors is ready.
    fn ready(&mut self, fd: RawFd, readiness: Readiness);
    /// The deadline has passed.
    fn expired(&mut self, now: Instant);
}

/// A descriptor, and what is awaited of it. One with neither is still watched for a hang-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The descriptor.
    pub fd: RawFd,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
}

impl Watch {
    /// Wait until `fd` can be read.
    pub fn read(fd: RawFd) -> Watch {
        Watch { fd, read: true, write: false }
    }
}

/// What poll(2) says of a descriptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// It can be read.
    pub read: bool,
    /// It can be written.
    pub write: bool,
    /// The other end has gone, or it has failed.
    pub hangup: bool,
}
