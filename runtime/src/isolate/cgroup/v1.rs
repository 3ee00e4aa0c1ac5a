//! Version 1: a leaf is a directory in each of many trees.
//!
//! ```text
//! mkdir /sys/fs/cgroup/{cpu,memory,pids,…}/pontoon/ID         create
//! cpuset.cpus, cpuset.mems: copied down from the parent       (an empty cpuset takes no process: ENOSPC)
//! echo N > memory.limit_in_bytes …                            apply
//! echo 0 > …/tasks                                            enter, once a tree
//! ```

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use super::file::{self, Writer};
use super::hierarchy::Tree;
use super::kill::{Deadline, Emptied};
use super::leaf::View;
use super::resources::{Setting, Version, settings};
use super::tree;

const FREEZER_STATE: &str = "freezer.state";

/// The leaf in one tree.
#[derive(Debug)]
pub struct Part {
    tree: Tree,
    /// The directory of the leaf.
    pub dir: PathBuf,
}

impl Part {
    fn new(tree: &Tree, path: &Path) -> Part {
        Part { dir: tree.root.join(path), tree: tree.clone() }
    }

    /// Name and source for the container's own /sys/fs/cgroup.
    pub fn view(&self) -> View {
        let name = self.tree.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        View { name, source: self.dir.clone() }
    }
}

/// mkdir in each of `trees`; what was made is removed again if one fails.
///
/// # Errors
/// As `Cgroup::create`.
pub fn create(trees: &[&Tree], path: &Path) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::with_capacity(trees.len());
    let mut refusal = None;
    for tree in trees {
        match create_in(tree, path) {
            Ok(part) => parts.push(part),
            Err(e) if is_forbidden(&e) => refusal = Some((tree, e)),
            Err(e) => {
                // The error that matters is the first; what stays behind is found by the record.
                let patience = tree::patience();
                let _ = parts.iter().map(|part| tree::remove(&part.dir, patience)).fold(Ok(()), Result::and);
                return Err(e).with_context(|| sentence(tree, path));
            }
        }
    }
    match refusal {
        Some((tree, e)) if parts.is_empty() => Err(e).with_context(|| sentence(tree, path)),
        _ => Ok(parts),
    }
}

fn sentence(tree: &Tree, path: &Path) -> String {
    format!("cannot make the control group {}", tree.root.join(path).display())
}

fn is_forbidden(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn create_in(tree: &Tree, path: &Path) -> io::Result<Part> {
    let part = Part::new(tree, path);
    let mut made = fs::create_dir(&part.dir);
    // Another command may remove an empty parent between our two calls; not again and again.
    for _ in 0..3 {
        if !made.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            break;
        }
        tree::ensure(&tree.root, path.parent().unwrap_or(Path::new("")), |dir| prepare_parent(tree, dir))?;
        made = fs::create_dir(&part.dir);
    }
    made?;
    if tree.controls("cpuset") {
        inherit_cpuset(&tree.root, &part.dir).map_err(io::Error::other)?;
    }
    Ok(part)
}

/// With cgroup.clone_children the kernel copies a cpuset down by itself: leaves then need no writes.
fn prepare_parent(tree: &Tree, dir: &Path) -> Result<()> {
    if tree.controls("cpuset") {
        inherit_cpuset(&tree.root, dir)?;
        file::write(&dir.join("cgroup.clone_children"), "1")?;
    }
    Ok(())
}

/// Fills an empty cpuset from the next one above that is not empty, on the way down.
fn inherit_cpuset(root: &Path, dir: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if dir == root || !file::read(&dir.join(name))?.is_empty() {
            continue;
        }
        let above = dir.parent().unwrap_or(root);
        inherit_cpuset(root, above)?;
        file::write(&dir.join(name), &file::read(&above.join(name))?)?;
    }
    Ok(())
}

/// The parts that exist; `None` when none does.
pub fn open(trees: &[Tree], path: &Path) -> Option<Vec<Part>> {
    let parts: Vec<Part> = trees.iter().map(|tree| Part::new(tree, path)).filter(|part| part.dir.is_dir()).collect();
    (!parts.is_empty()).then_some(parts)
}

/// Moves the calling thread, the only one of its process, in each tree. The tree that is asked about processes comes
/// first: whoever is in any is then in that one, however early it is killed.
///
/// # Errors
/// As `Cgroup::enter`.
pub fn enter(parts: &[Part]) -> Result<()> {
    let first = census(parts);
    let others = parts.iter().filter(|part| first.is_none_or(|first| first.dir != part.dir));
    first.into_iter().chain(others).try_for_each(|part| file::write(&part.dir.join("tasks"), "0"))
}

/// Writes all settings that the resources ask for.
///
/// # Errors
/// As `Cgroup::apply`.
pub fn apply(parts: &[Part], resources: &LinuxResources) -> Result<()> {
    let settings = settings(Version::V1, resources)?;
    let mut writer = Writer::default();
    for (index, setting) in settings.iter().enumerate() {
        match write(parts, &mut writer, setting) {
            // Memory together with swap may not be below memory alone: a limit that rises has to wait for its brother.
            Err(e) if is_invalid(&e) && setting.file == "memory.limit_in_bytes" => {
                let swap = settings.get(index + 1).filter(|next| next.file == "memory.memsw.limit_in_bytes");
                let Some(swap) = swap else { return Err(e) };
                write(parts, &mut writer, swap).map_err(|_| e)?;
                write(parts, &mut writer, setting)?;
            }
            other => other?,
        }
    }
    Ok(())
}

fn is_invalid(e: &anyhow::Error) -> bool {
    let os = e.root_cause().downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    os == Some(Errno::EINVAL as i32)
}

fn write(parts: &[Part], writer: &mut Writer, setting: &Setting) -> Result<()> {
    let Some(part) = parts.iter().find(|part| part.tree.controls(setting.controller)) else {
        bail!(
            "this host has no {} control group that could hold {:?} = {:?}",
            setting.controller,
            setting.file,
            setting.value
        );
    };
    writer.write(&part.dir.join(&setting.file), setting)
}

/// The tree to ask about processes: the one that can also freeze them.
fn census(parts: &[Part]) -> Option<&Part> {
    parts.iter().find(|part| part.tree.controls("freezer")).or(parts.first())
}

/// All processes of the leaf and below.
///
/// # Errors
/// When a file cannot be read.
pub fn processes(parts: &[Part]) -> Result<Vec<Pid>> {
    census(parts).map_or(Ok(Vec::new()), |part| tree::processes(&part.dir))
}

/// Version 1 as [`super::kill::by_hand`] needs it.
pub struct Freezer<'a>(pub &'a [Part]);

impl Emptied for Freezer<'_> {
    fn processes(&self) -> Result<Vec<Pid>> {
        processes(self.0)
    }

    fn halt(&self) {
        // Without a freezer the killing goes on in rounds; a group that is gone needs none.
        if let Some(part) = freezer(self.0) {
            let _ = file::try_write(&part.dir.join(FREEZER_STATE), "FROZEN");
        }
    }

    fn release(&self) -> Result<()> {
        thaw(self.0)
    }
}

fn freezer(parts: &[Part]) -> Option<&Part> {
    parts.iter().find(|part| part.tree.controls("freezer"))
}

/// FROZEN, and wait until the kernel says so. It has no event for that: asked once a millisecond.
///
/// # Errors
/// As `Cgroup::freeze`.
pub fn freeze(parts: &[Part]) -> Result<()> {
    let part = freezer(parts).context("cannot pause: this host has no freezer control group")?;
    let state = part.dir.join(FREEZER_STATE);
    let deadline = Deadline::new();
    loop {
        file::write(&state, "FROZEN")?;
        if file::read(&state)? == "FROZEN" {
            return Ok(());
        }
        if deadline.has_passed() {
            thaw(parts)?;
            bail!("cannot pause: after ten seconds a process in {} is still running", part.dir.display());
        }
        let _ = poll(&mut [], PollTimeout::from(1u8));
    }
}

/// FROZEN, or FREEZING on the way there.
pub fn is_frozen(trees: &[Tree], path: &Path) -> bool {
    let tree = trees.iter().find(|tree| tree.controls("freezer"));
    let state = tree.and_then(|tree| file::read(&tree.root.join(path).join(FREEZER_STATE)).ok());
    state.is_some_and(|state| state != "THAWED")
}

/// THAWED, also in groups below that the container may have frozen by itself.
///
/// # Errors
/// When a state cannot be written.
pub fn thaw(parts: &[Part]) -> Result<()> {
    let Some(part) = freezer(parts) else { return Ok(()) };
    for group in tree::walk(&part.dir)? {
        let state = group.join(FREEZER_STATE);
        file::forgive_absence(file::try_write(&state, "THAWED"))
            .with_context(|| format!("cannot thaw {}", group.display()))?;
    }
    Ok(())
}
