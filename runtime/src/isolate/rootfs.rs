//! What `/` is in the container, from the first mount to pivot_root(2).
//!
//! ```text
//! mount --make-rslave /            nothing that we mount is seen outside, and umounts outside still come in
//! mount -t overlay … ROOT          or, for a directory: mount --rbind ROOT ROOT
//! each of Spec.mounts              proc, /dev, devpts, shm, mqueue, sysfs, cgroup, binds
//! devices, console, sysctls        then masked and read-only paths, as they lie over the mounts
//! pivot_root . . ; umount -l .     the old root is gone
//! ```
//!
//! All of it is in the child's own mount namespace, so a crash at any point leaves nothing behind.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use oci_spec::runtime::Spec;
use rustix::mount::MountAttrFlags;

use super::cgroup::Cgroup;
use super::inside::Root;
use super::{devices, masks, mounts, overlay};
use crate::sys;

/// The two ends of the container's terminal.
#[derive(Debug)]
pub struct Console {
    /// The end that the monitor keeps.
    pub master: OwnedFd,
    /// The end that becomes standard input, output and error.
    pub slave: OwnedFd,
}

/// Builds the root of `spec` and makes it `/` of this mount namespace.
///
/// # Errors
/// A sentence that names the step.
pub fn enter(spec: &Spec, cgroup: &Cgroup) -> Result<Option<Console>> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .context("cannot make the mounts of the host slaves")?;
    let path = spec.root().as_ref().ok_or_else(|| anyhow!("the specification names no root"))?.path();
    let root = mount_root(spec, path)?;
    let entries = spec.mounts().iter().flatten().filter(|entry| entry.destination() != Path::new("/"));
    for entry in entries {
        mounts::mount(&root, entry, cgroup)?;
    }
    let console = furnish(spec, &root)?;
    pivot(&root)?;
    Ok(console)
}

/// The first mount: an overlay where the Spec has one for `/`, else the directory itself.
fn mount_root(spec: &Spec, path: &Path) -> Result<Root> {
    let own = spec.mounts().iter().flatten().find(|entry| entry.destination() == Path::new("/"));
    match own {
        Some(entry) => overlay::mount(entry, path)?,
        None => mount(Some(path), path, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
            .with_context(|| format!("cannot bind the root directory {}", path.display()))?,
    }
    Root::reopen(path)
}

/// Devices, terminal, sysctls, masks; the read-only root comes last, as all of it may need new directories.
fn furnish(spec: &Spec, root: &Root) -> Result<Option<Console>> {
    let linux = spec.linux().as_ref().ok_or_else(|| anyhow!("the specification has no Linux part"))?;
    devices::populate(root, linux.devices().as_deref().unwrap_or_default())?;
    let terminal = spec.process().as_ref().and_then(oci_spec::runtime::Process::terminal).unwrap_or(false);
    let console =
        terminal.then(|| devices::console(root)).transpose()?.map(|(master, slave)| Console { master, slave });
    ensure_working_directory(spec, root)?;
    for (name, value) in linux.sysctl().iter().flatten() {
        mounts::write_sysctl(root, name, value)?;
    }
    masks::make_read_only(root, linux.readonly_paths().as_deref().unwrap_or_default())?;
    masks::mask(root, linux.masked_paths().as_deref().unwrap_or_default())?;
    if spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly).unwrap_or(false) {
        sys::mount::set_attributes(root.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), false)
            .context("cannot make the root read-only")?;
    }
    Ok(console)
}

/// The image's WORKDIR need not be in the image; Docker makes it.
fn ensure_working_directory(spec: &Spec, root: &Root) -> Result<()> {
    let Some(process) = spec.process() else { return Ok(()) };
    let path = std::path::PathBuf::from(crate::text::decode(&process.cwd().to_string_lossy()));
    root.ensure_directory(&path).map(drop)
}

/// pivot_root(2) with both arguments the same: the old root lies over the new one and is then taken off.
fn pivot(root: &Root) -> Result<()> {
    nix::unistd::fchdir(root).context("cannot enter the root")?;
    nix::unistd::pivot_root(".", ".").context("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).context("cannot detach the old root")?;
    nix::unistd::chdir("/").context("cannot enter the new root")
}
