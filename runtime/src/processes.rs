//! Processes by number, believed only with their start time.
//!
//! ```text
//! number + start time (proc_pid_stat(5), field 22) ── the same process, or none
//! ```

use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::Pid;

use crate::sys::process::pidfd_open;

/// When a process started, in clock ticks since boot.
///
/// # Errors
/// When there is no such process.
pub fn start_time(pid: Pid) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has gone"))?;
    // The name in parentheses may hold blanks and parentheses itself.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let field = after_name.split_whitespace().nth(19).and_then(|field| field.parse().ok());
    field.ok_or_else(|| anyhow!("/proc/{pid}/stat cannot be understood"))
}

/// A descriptor of the process that had this number at that time.
///
/// # Errors
/// When it has ended, even if its number lives on.
pub fn open(pid: Pid, started: u64) -> Result<OwnedFd> {
    let pidfd = pidfd_open(pid).with_context(|| format!("process {pid} has gone"))?;
    if start_time(pid)? != started {
        bail!("process {pid} is another one by now");
    }
    Ok(pidfd)
}

/// Opens `/proc/<pid>/<what>` of that very process.
///
/// # Errors
/// When it has ended.
pub fn open_of(pid: Pid, started: u64, what: &str) -> Result<OwnedFd> {
    let file = File::open(format!("/proc/{pid}/{what}")).with_context(|| format!("process {pid} has gone"))?;
    // Asked after the opening: if the number had been given away in between, the start time would differ. No pidfd is
    // asked for here, as a monitor's own pid namespace does not know the host's numbers; /proc does.
    if start_time(pid)? != started {
        bail!("process {pid} is another one by now");
    }
    Ok(file.into())
}

/// The number that the process behind `pidfd` has in the pid namespace that /proc shows (fdinfo, "Pid:").
///
/// # Errors
/// When it has ended.
pub fn number_on_host(pidfd: BorrowedFd<'_>) -> Result<Pid> {
    let info = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let number = info.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|text| text.trim().parse().ok());
    match number {
        Some(number) if number > 0 => Ok(Pid::from_raw(number)),
        _ => bail!("the process has ended"),
    }
}

/// This process's number on the host: a monitor's own getpid(2) is 1.
///
/// # Errors
/// When /proc is not there.
pub fn own_number_on_host() -> Result<Pid> {
    let link = fs::read_link("/proc/self").context("cannot read /proc/self")?;
    let number = link.to_string_lossy().parse().context("cannot understand /proc/self")?;
    Ok(Pid::from_raw(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_number_with_another_start_time_is_not_believed() -> Result<()> {
        let own = Pid::this();
        let started = start_time(own)?;
        assert_eq!(number_on_host(open(own, started)?.as_fd())?, own);
        assert!(open(own, started + 1).is_err());
        assert!(open_of(own, started + 1, "ns/net").is_err());
        Ok(())
    }
}
