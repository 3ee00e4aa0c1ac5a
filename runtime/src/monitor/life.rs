//! Init's life: its end is noticed here, and nowhere else.
//!
//! ```text
//! pidfd readable ── waitpid ──> exit code          deadline of a stop ──> SIGKILL; the rest dies with init
//! ```

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::service::{Readiness, Service, Watch};
use super::stopping::{Effect, Stopping};
use crate::isolate::cgroup::Cgroup;
use crate::sys::process::pidfd_signal;

/// One run of init.
#[derive(Debug)]
pub struct Life {
    pid: Pid,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    stopping: Stopping,
    ended: Option<i32>,
}

impl Life {
    /// Init was launched.
    pub fn new(pid: Pid, pidfd: OwnedFd, cgroup: Cgroup) -> Life {
        Life { pid, pidfd, cgroup, stopping: Stopping::default(), ended: None }
    }

    /// The exit code, once it has ended: its own, or 128+n for signal n.
    pub fn exit_code(&self) -> Option<i32> {
        self.ended
    }

    /// The control group that everything of it lives in.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Sends a signal to init.
    ///
    /// # Errors
    /// ESRCH when it has ended, EINVAL for a number that is no signal.
    pub fn signal(&self, signal: i32) -> std::io::Result<()> {
        pidfd_signal(self.pidfd.as_fd(), signal)
    }

    /// Asks it to stop.
    pub fn stop(&mut self, signal: i32, timeout: i64) {
        let effect = self.stopping.stop(signal, timeout, Instant::now());
        self.carry_out(effect);
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            // A frozen container would not hear: it is thawed first. A signal to the dead is no error here.
            Effect::Signal(signal) => {
                let _ = self.cgroup.thaw();
                let _ = self.signal(signal);
            }
            Effect::Kill => {
                let _ = self.cgroup.thaw();
                let refused = self.signal(libc::SIGKILL).err().and_then(|error| error.raw_os_error());
                if refused.is_some_and(|errno| errno != libc::ESRCH) {
                    let _ = self.cgroup.kill();
                }
            }
            Effect::Nothing => {}
        }
    }

    /// Waits for the end of a child that was told to end, or failed to start.
    pub fn reap(&mut self) {
        let code = match waitpid(self.pid, None) {
            Ok(WaitStatus::Exited(_, code)) => code,
            Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
            _ => 255,
        };
        self.ended = Some(code);
    }
}

impl Service for Life {
    fn watch(&self, watch: &mut Vec<Watch>) {
        if self.ended.is_none() {
            watch.push(Watch::read(self.pidfd.as_raw_fd()));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.stopping.deadline()
    }

    fn ready(&mut self, _fd: RawFd, _readiness: Readiness) {
        self.reap();
    }

    fn expired(&mut self, now: Instant) {
        let effect = self.stopping.expire(now);
        self.carry_out(effect);
    }
}
