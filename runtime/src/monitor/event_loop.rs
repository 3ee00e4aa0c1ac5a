//! The loop: poll(2) over the descriptors of all services, and their deadlines. It knows no feature.
//!
//! ```text
//! ┌─> watch() of each ─> poll(descriptors, nearest deadline) ─> ready() / expired() ─┐
//! └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! One thread, no runtime: a monitor waits most of its life, in 76 kB of memory where an asynchronous runtime takes 116.

use std::io::ErrorKind;
use std::time::Instant;

use anyhow::{Context, Result};
use nix::poll::PollFlags;

use super::service::{Readiness, Service, Watch};
use crate::sys::fds;

/// Waits once, and hands what happened to the services.
///
/// # Errors
/// When poll(2) fails, which leaves nothing to do.
pub fn turn(services: &mut [&mut dyn Service]) -> Result<()> {
    let mut watches: Vec<Watch> = Vec::new();
    let mut ends = Vec::new();
    for service in services.iter() {
        service.watch(&mut watches);
        ends.push(watches.len());
    }
    let deadline = services.iter().filter_map(|service| service.deadline()).min();
    let events = wait(&watches, deadline)?;
    let mut start = 0;
    for (service, end) in services.iter_mut().zip(ends) {
        for index in start..end {
            if let Some(readiness) = events[index] {
                service.ready(watches[index].fd, readiness);
            }
        }
        start = end;
    }
    let now = Instant::now();
    for service in services.iter_mut() {
        if service.deadline().is_some_and(|deadline| deadline <= now) {
            service.expired(now);
        }
    }
    Ok(())
}

fn wait(watches: &[Watch], deadline: Option<Instant>) -> Result<Vec<Option<Readiness>>> {
    let interests: Vec<_> = watches.iter().map(|watch| (watch.fd, interest(watch))).collect();
    match fds::poll(&interests, timeout(deadline)) {
        Ok(events) => Ok(events.into_iter().map(readiness).collect()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(vec![None; watches.len()]),
        Err(error) => Err(error).context("poll"),
    }
}

fn interest(watch: &Watch) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, watch.read);
    flags.set(PollFlags::POLLOUT, watch.write);
    flags
}

fn readiness(events: PollFlags) -> Option<Readiness> {
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    (!events.is_empty()).then(|| Readiness {
        read: events.contains(PollFlags::POLLIN),
        write: events.contains(PollFlags::POLLOUT),
        hangup: events.intersects(gone),
    })
}

/// Milliseconds until the deadline, rounded up, so that a wake-up is never early; -1 is for ever.
fn timeout(deadline: Option<Instant>) -> i32 {
    let Some(deadline) = deadline else { return -1 };
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_millis() + u128::from(left.subsec_nanos() % 1_000_000 != 0);
    i32::try_from(milliseconds).unwrap_or(i32::MAX)
}
