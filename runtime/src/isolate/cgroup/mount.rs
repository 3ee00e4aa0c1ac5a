//! The container's own /sys/fs/cgroup.
//!
//! ```text
//! version 1   /sys/fs/cgroup          tmpfs, ro
//!             ├── memory              bind of …/memory/pontoon/ID, ro: it sees its own leaf as the root
//!             ├── cpu,cpuacct         bind of …/cpu,cpuacct/pontoon/ID
//!             └── cpu -> cpu,cpuacct
//! version 2   /sys/fs/cgroup          cgroup2; the cgroup namespace makes the leaf its root
//! ```

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::{Cgroup, View};
use crate::isolate::inside::Root;
use crate::isolate::mounts::{attach, detached};
use crate::isolate::options::Options;
use crate::sys;

const READ_ONLY: u32 = MountAttrFlags::MOUNT_ATTR_RDONLY.bits();

/// Mounts what the container may see of its control groups on `destination` below `root`.
///
/// # Errors
/// What the kernel says, with the step.
pub fn mount(root: &Root, destination: &Path, cgroup: &Cgroup, options: &Options) -> Result<()> {
    let target = root.ensure_directory(destination)?;
    let views = cgroup.views();
    if views.is_empty() {
        return attach(&detached("cgroup2", Some("cgroup"), options)?, &target);
    }
    let tmpfs = detached("tmpfs", Some("cgroup"), &writable(options))?;
    attach(&tmpfs, &target)?;
    for view in &views {
        show(&tmpfs, view, options).with_context(|| format!("the control group {}", view.source.display()))?;
    }
    // Only now: it took directories until here.
    sys::mount::set_attributes(tmpfs.as_fd(), u64::from(options.attributes & READ_ONLY), false)
        .context("cannot make /sys/fs/cgroup read-only")
}

fn writable(options: &Options) -> Options {
    let mode = ("mode".to_owned(), Some("755".to_owned()));
    Options { attributes: options.attributes & !READ_ONLY, data: vec![mode], ..Options::default() }
}

/// `mount --bind SOURCE NAME`, with a link for each controller that shares the tree with others.
fn show(tmpfs: &OwnedFd, view: &View, options: &Options) -> Result<()> {
    let tree = open_tree(CWD, &view.source, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    sys::mount::set_attributes(tree.as_fd(), options.attributes.into(), false)?;
    mkdirat(tmpfs, &view.name, Mode::from_raw_mode(0o755))?;
    let directory = openat(tmpfs, &view.name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    attach(&tree, &directory)?;
    for controller in view.name.split(',').filter(|controller| *controller != view.name) {
        symlinkat(&view.name, tmpfs, controller)?;
    }
    Ok(())
}
