//! Version 2: a leaf is one directory, and the kernel does the rest.
//!
//! ```text
//! mkdir /sys/fs/cgroup/pontoon/ID                     create; "+cpu +memory …" > cgroup.subtree_control above it
//! echo N > memory.max …; bpf(PROG_ATTACH)             apply
//! clone3(CLONE_INTO_CGROUP, fd)                       the quick way in; cgroup.procs the slow one
//! echo 1 > cgroup.kill; poll(cgroup.events)           kill
//! echo 1 > cgroup.freeze; poll(cgroup.events)         freeze
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use super::file::{self, Writer};
use super::kill::{self, Deadline, Emptied};
use super::resources::{Version, settings};
use super::{device_program, devices, tree};
use crate::sys::bpf;

/// What limits may need, so far as the host has it.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];
/// Present when our parents have been prepared; their absence is worth an attempt.
const USUAL: [&str; 3] = ["cpu", "memory", "pids"];

/// The leaf.
#[derive(Debug)]
pub struct Part {
    /// The directory of the leaf.
    pub dir: PathBuf,
    handle: File,
}

impl Part {
    fn new(dir: PathBuf) -> std::io::Result<Part> {
        Ok(Part { handle: File::open(&dir)?, dir })
    }

    /// The directory, open for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// By `populated 0` in cgroup.events, which counts groups below too. A group that is gone is empty.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        match self.events()? {
            None => Ok(true),
            Some(mut events) => says(&mut events, "populated 0"),
        }
    }

    fn events(&self) -> Result<Option<File>> {
        let path = self.dir.join("cgroup.events");
        let opened = file::forgive_absence(File::open(&path).map(Some));
        opened.with_context(|| format!("cannot open {}", path.display()))
    }
}

/// mkdir, after the parents and their controllers.
///
/// # Errors
/// As `Cgroup::create`.
pub fn create(root: &Path, path: &Path) -> Result<Part> {
    let dir = root.join(path);
    let parent = path.parent().unwrap_or(Path::new(""));
    let mut made = fs::create_dir(&dir);
    for _ in 0..3 {
        if !made.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            break;
        }
        made = tree::ensure(root, parent, |_| Ok(())).and_then(|()| fs::create_dir(&dir));
    }
    let sentence = || format!("cannot make the control group {}", dir.display());
    made.with_context(sentence)?;
    let enabled = file::read(&dir.join("cgroup.controllers"))?;
    if !USUAL.iter().all(|usual| has_word(&enabled, usual)) {
        enable_controllers(root, parent);
    }
    Part::new(dir.clone()).with_context(sentence)
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_ascii_whitespace().any(|other| other == word)
}

/// Switches controllers on from the root down to the parent. Best effort: one that cannot be had (a root with
/// processes of its own, inside a container; a controller that version 1 holds) is missed only when a limit needs it.
fn enable_controllers(root: &Path, parent: &Path) {
    let mut dir = root.to_owned();
    enable_below(&dir);
    for part in parent {
        dir.push(part);
        enable_below(&dir);
    }
}

fn enable_below(dir: &Path) {
    let (Ok(offered), Ok(enabled)) =
        (file::read(&dir.join("cgroup.controllers")), file::read(&dir.join("cgroup.subtree_control")))
    else {
        return;
    };
    for wanted in CONTROLLERS.iter().filter(|c| has_word(&offered, c) && !has_word(&enabled, c)) {
        let _ = file::try_write(&dir.join("cgroup.subtree_control"), &format!("+{wanted}"));
    }
}

/// The leaf if it is there.
///
/// # Errors
/// When it is there and cannot be opened.
pub fn open(root: &Path, path: &Path) -> Result<Option<Part>> {
    let dir = root.join(path);
    let opened = file::forgive_absence(Part::new(dir.clone()).map(Some));
    opened.with_context(|| format!("cannot open the control group {}", dir.display()))
}

/// Writes the limits and attaches the device program.
///
/// # Errors
/// As `Cgroup::apply`.
pub fn apply(part: &Part, resources: &LinuxResources) -> Result<()> {
    let mut writer = Writer::default();
    for setting in settings(Version::V2, resources)? {
        writer.write(&part.dir.join(&setting.file), &setting)?;
    }
    match devices::rules(resources.devices().as_deref().unwrap_or_default())? {
        rules if rules.is_empty() => Ok(()),
        rules => attach_devices(part, &rules),
    }
}

fn attach_devices(part: &Part, rules: &[devices::Rule]) -> Result<()> {
    let program = bpf::load_device_program(&device_program::compile(rules))
        .context("cannot load the device rules as a BPF program (needs CONFIG_CGROUP_BPF and CAP_SYS_ADMIN)")?;
    bpf::attach_device_program(part.fd(), program.as_fd())
        .with_context(|| format!("cannot attach the device rules to {}", part.dir.display()))
}

/// Moves the calling process.
///
/// # Errors
/// As `Cgroup::enter`.
pub fn enter(part: &Part) -> Result<()> {
    file::write(&part.dir.join("cgroup.procs"), "0")
}

/// cgroup.kill, or by hand before Linux 5.14.
///
/// # Errors
/// As `Cgroup::kill`.
pub fn kill(part: &Part) -> Result<()> {
    if part.is_empty()? {
        return Ok(());
    }
    match file::try_write(&part.dir.join("cgroup.kill"), "1") {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return kill::by_hand(part),
        Err(e) => return Err(e).with_context(|| format!("cannot kill the processes in {}", part.dir.display())),
    }
    if !wait_for(part, "populated 0")? {
        bail!("a process in {} did not end within ten seconds of SIGKILL", part.dir.display());
    }
    Ok(())
}

impl Emptied for Part {
    fn processes(&self) -> Result<Vec<Pid>> {
        tree::processes(&self.dir)
    }

    fn halt(&self) {
        let _ = file::try_write(&self.dir.join("cgroup.freeze"), "1");
    }

    fn release(&self) -> Result<()> {
        thaw(self)
    }
}

/// cgroup.freeze = 1, and wait for `frozen 1`.
///
/// # Errors
/// As `Cgroup::freeze`.
pub fn freeze(part: &Part) -> Result<()> {
    file::write(&part.dir.join("cgroup.freeze"), "1")?;
    if !wait_for(part, "frozen 1")? {
        thaw(part)?;
        bail!("cannot pause: after ten seconds a process in {} is still running", part.dir.display());
    }
    Ok(())
}

/// cgroup.freeze is 1.
pub fn is_frozen(dir: &Path) -> bool {
    file::read(&dir.join("cgroup.freeze")).is_ok_and(|text| text == "1")
}

/// cgroup.freeze = 0. (Groups below that froze themselves stay so; SIGKILL reaches the frozen of version 2.)
///
/// # Errors
/// When the file cannot be written.
pub fn thaw(part: &Part) -> Result<()> {
    file::forgive_absence(file::try_write(&part.dir.join("cgroup.freeze"), "0"))
        .with_context(|| format!("cannot thaw {}", part.dir.display()))
}

/// poll(2) for POLLPRI on cgroup.events until a line of it is `line`; `false` after ten seconds. A group that is gone
/// has nothing more to say, which is what its remover wanted.
fn wait_for(part: &Part, line: &str) -> Result<bool> {
    let Some(mut events) = part.events()? else { return Ok(true) };
    let deadline = Deadline::new();
    while !says(&mut events, line)? {
        if deadline.has_passed() {
            return Ok(false);
        }
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], deadline.remaining()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("cannot wait for cgroup.events"),
        }
    }
    Ok(true)
}

/// Reading is also what arms the next poll. A group that has been removed while we held the file says everything.
fn says(events: &mut File, line: &str) -> Result<bool> {
    let text = events.rewind().and_then(|()| file::read_open(events).map(Some));
    let text = file::forgive_absence(text).context("cannot read cgroup.events")?;
    Ok(text.is_none_or(|text| text.lines().any(|other| other == line)))
}
