//! A directory of control groups and what is below it: a privileged container makes groups of its own.
//!
//! ```text
//! ID/            walk:    ID, ID/a, ID/a/b, ID/c     parents first
//! ├─ a/          remove:  ID/c, ID/a/b, ID/a, ID     leaves first
//! │  └─ b/
//! └─ c/
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;

use super::file;

/// How long a dying process may keep its group busy after it has been reported dead.
const LINGER: Duration = Duration::from_secs(2);

/// Makes `path` below `root` one directory at a time; `prepare` is called for each that is new.
///
/// # Errors
/// What mkdir(2) says, with the directory.
pub fn ensure(root: &Path, path: &Path, prepare: impl Fn(&Path) -> Result<()>) -> io::Result<()> {
    let mut dir = root.to_owned();
    for part in path {
        dir.push(part);
        match fs::create_dir(&dir) {
            Ok(()) => prepare(&dir).map_err(io::Error::other)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// `dir` and all groups below it, parents first; empty when it is not there.
///
/// # Errors
/// When a directory cannot be read.
pub fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut groups = if dir.is_dir() { vec![dir.to_owned()] } else { Vec::new() };
    let mut next = 0;
    while let Some(group) = groups.get(next) {
        let below = file::forgive_absence(subdirectories(group));
        let below = below.with_context(|| format!("cannot read {}", group.display()))?;
        groups.extend(below);
        next += 1;
    }
    Ok(groups)
}

fn subdirectories(group: &Path) -> io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    Ok(below)
}

/// The processes in `dir` and below, by cgroup.procs. A process of a foreign pid namespace shows as 0.
///
/// # Errors
/// When a file cannot be read.
pub fn processes(dir: &Path) -> Result<Vec<Pid>> {
    let mut pids = Vec::new();
    for group in walk(dir)? {
        let path = group.join("cgroup.procs");
        let text = fs::File::open(&path).and_then(|mut procs| file::read_open(&mut procs));
        let text = file::forgive_absence(text).with_context(|| format!("cannot read {}", path.display()))?;
        pids.extend(text.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw));
    }
    Ok(pids)
}

/// Until when a leaf that is removed now may be busy, in all of its trees together.
pub fn patience() -> Instant {
    Instant::now() + LINGER
}

/// rmdir(2), leaves first; forgives absence.
///
/// # Errors
/// EBUSY when a process is still inside at `patience`: the kernel reports a process dead a little before it counts it
/// out of its group, and one that was killed on its way in may be in some trees only.
pub fn remove(dir: &Path, patience: Instant) -> Result<()> {
    loop {
        match remove_once(dir) {
            Err(Errno::EBUSY) if Instant::now() < patience => {
                let _ = poll(&mut [], PollTimeout::from(1u8));
            }
            other => return other.with_context(|| format!("cannot remove the control group {}", dir.display())),
        }
    }
}

fn remove_once(dir: &Path) -> nix::Result<()> {
    match rmdir(dir) {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => {
            let groups = walk(dir).map_err(|_| Errno::EBUSY)?;
            groups.iter().rev().try_for_each(|group| rmdir(group))
        }
        other => other,
    }
}

fn rmdir(dir: &Path) -> nix::Result<()> {
    match fs::remove_dir(dir) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
    }
}
