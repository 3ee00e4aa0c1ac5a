//! Where the control groups of this host are: asked once, of the kernel's mount table.
//!
//! ```text
//! statfs /sys/fs/cgroup == cgroup2 ──> V2
//! else /proc/self/mountinfo: every mount of type cgroup ──> V1, one entry a hierarchy
//!      36 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
//!            ^id    ^mount point                    ^type         ^controllers
//! ```

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

const USUAL: &str = "/sys/fs/cgroup";

/// The control groups of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchy {
    /// Version 1: a tree for each controller, or for several together.
    V1(Vec<Tree>),
    /// Version 2: one tree.
    V2(PathBuf),
}

/// One tree of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it is mounted.
    pub root: PathBuf,
    /// Its controllers, or `name=systemd` for one that only groups.
    pub controllers: Vec<String>,
}

impl Hierarchy {
    /// Whether it is one tree of version 2.
    pub fn is_unified(&self) -> bool {
        matches!(self, Hierarchy::V2(_))
    }
}

impl Tree {
    /// Does it have this controller?
    pub fn controls(&self, controller: &str) -> bool {
        self.controllers.iter().any(|mine| mine == controller)
    }
}

/// Asks the kernel which version this host has, and where; once in the life of a process.
///
/// # Errors
/// When no control groups are mounted, or mountinfo cannot be read.
pub fn detect() -> Result<Hierarchy> {
    static ANSWER: OnceLock<Hierarchy> = OnceLock::new();
    if let Some(hierarchy) = ANSWER.get() {
        return Ok(hierarchy.clone());
    }
    let hierarchy = ask()?;
    Ok(ANSWER.get_or_init(|| hierarchy).clone())
}

/// Is version 2 alone mounted where everybody has it? Asked with one statfs(2), without a look at the mount table.
pub fn is_unified() -> bool {
    statfs(USUAL).is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

fn ask() -> Result<Hierarchy> {
    if is_unified() {
        return Ok(Hierarchy::V2(USUAL.into()));
    }
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let hierarchy = from_mountinfo(&mountinfo);
    hierarchy.context("no control groups are mounted (mount -t cgroup2 none /sys/fs/cgroup, or start systemd)")
}

/// Version 1 where any of its trees is mounted, else version 2. A tree that is mounted twice counts once.
fn from_mountinfo(mountinfo: &str) -> Option<Hierarchy> {
    let mut seen = HashSet::new();
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    let trees: Vec<Tree> = mounts
        .iter()
        .filter(|mount| mount.kind == "cgroup" && seen.insert(mount.device))
        .map(|mount| Tree { root: mount.point.clone(), controllers: controllers(mount.options) })
        .collect();
    match mounts.iter().find(|mount| mount.kind == "cgroup2") {
        _ if !trees.is_empty() => Some(Hierarchy::V1(trees)),
        Some(unified) => Some(Hierarchy::V2(unified.point.clone())),
        None => None,
    }
}

/// One line of proc_pid_mountinfo(5).
struct Mount<'a> {
    device: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let device = mount.next()?;
        let point = unescape(mount.nth(1)?);
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next()?;
        Some(Mount { device, point, kind, options: filesystem.nth(1)? })
    }
}

/// The options of the superblock are `rw`, the controllers, and switches such as `xattr` or `release_agent=…`.
fn controllers(options: &str) -> Vec<String> {
    const SWITCHES: [&str; 7] = ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"];
    let is_controller =
        |option: &&str| option.starts_with("name=") || !(option.contains('=') || SWITCHES.contains(option));
    options.split(',').filter(is_controller).map(str::to_owned).collect()
}

/// Space, tab, newline and backslash stand as three octal digits in mountinfo.
fn unescape(path: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, byte)| path.replace(escape, byte)).into()
}

/// Joins a parent or a name below a root after checking that it cannot leave it: no `..`, no empty part.
///
/// # Errors
/// A sentence that names the word.
pub fn checked<'a>(what: &str, path: &'a str) -> Result<&'a Path> {
    let inner = path.trim_matches('/');
    let is_good = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !inner.split('/').all(is_good) {
        bail!("{what} {path:?} is not a path below the root of the control groups");
    }
    Ok(Path::new(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
50 27 0:29 /docker/x /srv/copy rw,relatime - cgroup cgroup rw,cpu,cpuacct";

    #[test]
    fn hybrid_is_version_1_and_each_tree_counts_once() {
        let Some(Hierarchy::V1(trees)) = from_mountinfo(HYBRID) else { panic!("not version 1") };
        assert_eq!(trees.len(), 2);
        assert_eq!(trees[0].root, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(trees[0].controls("cpu") && trees[0].controls("cpuacct") && !trees[0].controls("rw"));
        assert_eq!(trees[1].controllers, ["name=systemd"]);
    }

    #[test]
    fn version_2_anywhere_and_nothing_at_all() {
        let line = "41 31 0:38 / /srv/control\\040groups rw - cgroup2 none rw";
        assert_eq!(from_mountinfo(line), Some(Hierarchy::V2("/srv/control groups".into())));
        assert_eq!(from_mountinfo("22 27 0:21 / /proc rw,relatime - proc proc rw\nnonsense"), None);
    }

    #[test]
    fn no_word_leads_out_of_the_tree() {
        for bad in ["", "/", "..", "a/../b", "a//b", "./a"] {
            assert!(checked("parent", bad).is_err(), "{bad}");
        }
        assert_eq!(checked("parent", "/pontoon/test").unwrap(), Path::new("pontoon/test"));
    }
}
