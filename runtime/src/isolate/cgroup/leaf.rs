//! One leaf: made, filled, used, emptied and removed, whatever the version.
//!
//! ```text
//! create ─> apply ─> enter, or born in fd ─────> (freeze, thaw) ─> kill ─> remove
//!    ^                                                                       ^
//!    └── the caller has written parent and name down before          open ───┘  finds it again after a crash
//! ```

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use anyhow::Result;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use super::hierarchy::{Hierarchy, Tree, checked};
use super::{kill, tree, v1, v2};

/// A leaf in all the trees where it exists. Dropping it leaves the kernel's object alone.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) leaf: Leaf,
}

#[derive(Debug)]
pub(super) enum Leaf {
    V1(Vec<v1::Part>),
    V2(v2::Part),
}

/// A directory to bind below the container's own /sys/fs/cgroup (version 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The name of the tree's mount point, such as `memory` or `cpu,cpuacct`.
    pub name: String,
    /// The leaf in that tree, on the host.
    pub source: PathBuf,
}

impl Cgroup {
    /// mkdir(2) of `parent/name` in every tree, with what the parents need first. A tree that this process may not
    /// write to is left out: it is missed only when a limit needs it.
    ///
    /// # Errors
    /// When the leaf exists already (it is not touched), a word leads out of the tree, or no tree can be written.
    /// What was made is then removed again.
    pub fn create(hierarchy: &Hierarchy, parent: &str, name: &str) -> Result<Cgroup> {
        let path = checked("parent", parent)?.join(checked("name", name)?);
        Ok(Cgroup {
            leaf: match hierarchy {
                Hierarchy::V1(trees) => Leaf::V1(v1::create(&trees.iter().collect::<Vec<_>>(), &path)?),
                Hierarchy::V2(root) => Leaf::V2(v2::create(root, &path)?),
            },
        })
    }

    /// A leaf for processes that are only to be kept together and need no limits, such as the monitors: on version 1
    /// in one tree alone, `name=systemd` if it is there. One that exists already is as good as a new one.
    ///
    /// # Errors
    /// As [`Cgroup::create`].
    pub fn ensure_minimal(hierarchy: &Hierarchy, parent: &str, name: &str) -> Result<Cgroup> {
        if let Some(found) = Cgroup::open(hierarchy, parent, name)? {
            return Ok(found);
        }
        let path = checked("parent", parent)?.join(checked("name", name)?);
        let made = match hierarchy {
            Hierarchy::V1(trees) => v1::create(&minimal(trees), &path).map(Leaf::V1),
            Hierarchy::V2(root) => v2::create(root, &path).map(Leaf::V2),
        };
        // Another command may have been faster between the look and the making.
        match (made, Cgroup::open(hierarchy, parent, name)?) {
            (Err(_), Some(found)) => Ok(found),
            (made, _) => Ok(Cgroup { leaf: made? }),
        }
    }

    /// Finds what [`Cgroup::create`] made, also a part of it; `None` when nothing is left.
    ///
    /// # Errors
    /// When a word leads out of the tree, or a version 2 leaf cannot be opened.
    pub fn open(hierarchy: &Hierarchy, parent: &str, name: &str) -> Result<Option<Cgroup>> {
        let path = checked("parent", parent)?.join(checked("name", name)?);
        let leaf = match hierarchy {
            Hierarchy::V1(trees) => v1::open(trees, &path).map(Leaf::V1),
            Hierarchy::V2(root) => v2::open(root, &path)?.map(Leaf::V2),
        };
        Ok(leaf.map(|leaf| Cgroup { leaf }))
    }

    /// Writes the limits, and the device rules where there are any.
    ///
    /// # Errors
    /// For a limit whose controller this host lacks, one that its version does not have, and a value that the kernel
    /// refuses (with the kernel's word).
    pub fn apply(&self, resources: &LinuxResources) -> Result<()> {
        match &self.leaf {
            Leaf::V1(parts) => v1::apply(parts, resources),
            Leaf::V2(part) => v2::apply(part, resources),
        }
    }

    /// The calling process, which must have but one thread, goes in: `echo 0 > tasks`, in each tree. On version 2 that is
    /// cgroup.procs; a child is better born inside, by way of [`Cgroup::fd`].
    ///
    /// To move another process, or one with threads, the kernel stops every fork on the machine and first waits for an
    /// RCU grace period, some 5 to 20 ms. A thread that moves itself through `tasks` needs none of that.
    ///
    /// # Errors
    /// ENOSPC when a cpuset is empty, EACCES.
    pub fn enter(&self) -> Result<()> {
        match &self.leaf {
            Leaf::V1(parts) => v1::enter(parts),
            Leaf::V2(part) => v2::enter(part),
        }
    }

    /// The directory for CLONE_INTO_CGROUP of clone3(2): on version 2 only.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.leaf {
            Leaf::V1(_) => None,
            Leaf::V2(part) => Some(part.fd()),
        }
    }

    /// What the container may see of version 1 below its /sys/fs/cgroup; empty on version 2, where mounting cgroup2
    /// inside a cgroup namespace shows the right thing.
    pub fn views(&self) -> Vec<View> {
        match &self.leaf {
            Leaf::V1(parts) => parts.iter().map(v1::Part::view).collect(),
            Leaf::V2(_) => Vec::new(),
        }
    }

    /// Is no process left, also in groups that the container made below?
    ///
    /// # Errors
    /// When the kernel's files cannot be read.
    #[cfg_attr(not(test), expect(dead_code, reason = "for commands that ask whether a container has ended"))]
    pub fn is_empty(&self) -> Result<bool> {
        match &self.leaf {
            Leaf::V1(parts) => Ok(v1::processes(parts)?.is_empty()),
            Leaf::V2(part) => part.is_empty(),
        }
    }

    /// Kills every process and returns when the last one has ended; does nothing to an empty group. Paused ones are
    /// thawed so that they can die.
    ///
    /// # Errors
    /// When processes are still there after ten seconds (uninterruptible sleep), or Pontoon itself is one of them.
    pub fn kill(&self) -> Result<()> {
        match &self.leaf {
            Leaf::V1(parts) => kill::by_hand(&v1::Freezer(parts)),
            Leaf::V2(part) => v2::kill(part),
        }
    }

    /// Stops every process where it stands, and returns when they do.
    ///
    /// # Errors
    /// When this host has no freezer, or a process does not stop within ten seconds (all are thawed then).
    pub fn freeze(&self) -> Result<()> {
        match &self.leaf {
            Leaf::V1(parts) => v1::freeze(parts),
            Leaf::V2(part) => v2::freeze(part),
        }
    }

    /// Has somebody stopped the processes of that leaf, or is about to? One that has gone is not stopped. This is one
    /// read, so that lists of many containers can ask.
    ///
    /// # Errors
    /// When a word leads out of the tree.
    pub fn is_frozen(hierarchy: &Hierarchy, parent: &str, name: &str) -> Result<bool> {
        let path = checked("parent", parent)?.join(checked("name", name)?);
        Ok(match hierarchy {
            Hierarchy::V1(trees) => v1::is_frozen(trees, &path),
            Hierarchy::V2(root) => v2::is_frozen(&root.join(path)),
        })
    }

    /// All processes, also those in groups that the container made below.
    ///
    /// # Errors
    /// When the kernel's files cannot be read.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        match &self.leaf {
            Leaf::V1(parts) => v1::processes(parts),
            Leaf::V2(part) => tree::processes(&part.dir),
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When the kernel's file cannot be written.
    pub fn thaw(&self) -> Result<()> {
        match &self.leaf {
            Leaf::V1(parts) => v1::thaw(parts),
            Leaf::V2(part) => v2::thaw(part),
        }
    }

    /// rmdir(2) in every tree, groups that the container made below included; forgives absence.
    ///
    /// # Errors
    /// EBUSY when a process is still inside.
    pub fn remove(&self) -> Result<()> {
        let patience = tree::patience();
        match &self.leaf {
            Leaf::V1(parts) => parts.iter().map(|part| tree::remove(&part.dir, patience)).fold(Ok(()), Result::and),
            Leaf::V2(part) => tree::remove(&part.dir, patience),
        }
    }
}

fn minimal(trees: &[Tree]) -> Vec<&Tree> {
    let preferred = ["name=systemd", "pids", "freezer"];
    let tree = preferred.iter().find_map(|wanted| trees.iter().find(|tree| tree.controls(wanted)));
    tree.or(trees.first()).into_iter().collect()
}
