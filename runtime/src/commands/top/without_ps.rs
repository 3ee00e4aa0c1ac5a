//! The columns of `ps -ef`, read from /proc: for a host without ps.
//!
//! ```text
//! /proc/PID/stat      PPID, TTY, TIME, C, STIME        (proc_pid_stat(5); times in clock ticks)
//! /proc/PID           UID, its owner                   /proc/PID/cmdline   CMD
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{SysconfVar, Uid, User, sysconf};

const HEADING: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];

/// The heading, and a row for each process that is still there. Times of day are UTC.
pub fn listing(members: &BTreeSet<i32>) -> Vec<Vec<String>> {
    let heading = HEADING.map(str::to_owned).to_vec();
    std::iter::once(heading).chain(members.iter().filter_map(|pid| row(*pid))).collect()
}

fn row(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<i64> = tail.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 4).copied();
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let used = (field(14)? + field(15)?) / ticks;
    let alive = uptime()? - field(22)? / ticks;
    let started = jiff::Timestamp::now().as_second() - alive;
    Some(vec![
        owner(pid)?,
        pid.to_string(),
        field(4)?.to_string(),
        (used * 100 / alive.max(1)).min(99).to_string(),
        format!("{:02}:{:02}", started / 3600 % 24, started / 60 % 60),
        terminal(field(7)?),
        format!("{:02}:{:02}:{:02}", used / 3600, used / 60 % 60, used % 60),
        words(pid).unwrap_or_else(|| format!("[{}]", head.split_once('(').map_or("", |(_, name)| name))),
    ])
}

fn uptime() -> Option<i64> {
    fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}

fn owner(pid: i32) -> Option<String> {
    let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    Some(user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// The device number of a controlling terminal, in words: pts/3, tty1, or ? for none (proc_pid_stat(5), field 7).
fn terminal(number: i64) -> String {
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    match major {
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        4 => format!("tty{minor}"),
        _ => "?".into(),
    }
}

/// The arguments; none of a process that has ended and is not reaped yet.
fn words(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_row_and_a_number_that_is_none_has_not() {
        let own = std::process::id() as i32;
        let rows = listing(&BTreeSet::from([own, i32::MAX]));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1][1], own.to_string());
        assert!(rows[1].iter().all(|cell| !cell.is_empty()), "{:?}", rows[1]);
    }

    #[test]
    fn terminals_by_their_numbers() {
        for (number, name) in [(0, "?"), (34816, "pts/0"), (34819, "pts/3"), (1025, "tty1")] {
            assert_eq!(terminal(number), name);
        }
    }
}
