//! Mounting what Spec.mounts lists, by the new mount API.
//!
//! ```text
//! mount -t proc -o nosuid …     fsopen ── fsconfig … ── fsmount(attributes) ──┐
//! mount --rbind /src            open_tree(CLONE) ── mount_setattr ────────────┤── move_mount(onto a descriptor)
//! mount -t overlay              see overlay ──────────────────────────────────┘
//! ```
//!
//! A mount is made detached and whole, with all its attributes, before it can be seen; then it is moved onto a target
//! that was resolved inside the root. There is no moment in which a bind mount is writable that should not be.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use oci_spec::runtime::Mount;
use rustix::fs::{CWD, FileType, fstat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::cgroup::Cgroup;
use super::inside::{Root, is_proc};
use super::options::Options;
use crate::sys;
use crate::text;

/// Mounts one entry of the Spec below the root.
///
/// # Errors
/// A sentence with source and destination.
pub fn mount(root: &Root, mount: &Mount, cgroup: &Cgroup) -> Result<()> {
    let destination = destination(mount);
    let kind = mount.typ().as_deref().unwrap_or("bind");
    let made = match kind {
        "bind" => bind(root, mount, &destination),
        "cgroup" | "cgroup2" => super::cgroup::mount::mount(root, &destination, cgroup, &options(mount)),
        _ => file_system(root, kind, mount, &destination),
    };
    made.with_context(|| format!("cannot mount {kind} on {} in the container", destination.display()))
}

/// Where the entry goes, in bytes.
pub fn destination(mount: &Mount) -> PathBuf {
    PathBuf::from(text::decode(&mount.destination().to_string_lossy()))
}

/// The entry's options, parsed.
pub fn options(mount: &Mount) -> Options {
    Options::parse(mount.options().iter().flatten().map(String::as_str))
}

/// `mount -t KIND -o OPTIONS SOURCE DESTINATION`
fn file_system(root: &Root, kind: &str, mount: &Mount, destination: &Path) -> Result<()> {
    let options = options(mount);
    let target = root.ensure_directory(destination)?;
    let source = mount.source().as_ref().map(|source| source.to_string_lossy().into_owned());
    let made = detached(kind, source.as_deref(), &options)?;
    set_propagation(&made, &options)?;
    attach(&made, &target)
}

/// A file system of its own, attached nowhere yet.
///
/// # Errors
/// What the kernel says of the file system or of an option, with its name.
pub fn detached(kind: &str, source: Option<&str>, options: &Options) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).with_context(|| format!("fsopen {kind}"))?;
    if let Some(source) = source {
        fsconfig_set_string(&context, "source", source).with_context(|| format!("source {source}"))?;
    }
    for (key, value) in &options.data {
        let set = match value {
            Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_str()),
            None => fsconfig_set_flag(&context, key.as_str()),
        };
        set.with_context(|| format!("the option {key} of {kind}"))?;
    }
    fsconfig_create(&context).with_context(|| format!("create {kind}"))?;
    let attributes = MountAttrFlags::from_bits_retain(options.attributes);
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).with_context(|| format!("fsmount {kind}"))
}

/// `mount --bind SOURCE DESTINATION`, then `mount -o remount,bind,ro`, but in one.
fn bind(root: &Root, mount: &Mount, destination: &Path) -> Result<()> {
    let options = options(mount);
    let source = mount.source().as_ref().ok_or_else(|| anyhow!("a bind mount needs a source"))?;
    let source = PathBuf::from(text::decode(&source.to_string_lossy()));
    let tree = cloned(&source, options.bind.unwrap_or(true))?;
    set_attributes(&tree, &options)?;
    set_propagation(&tree, &options)?;
    let is_directory = FileType::from_raw_mode(fstat(&tree)?.st_mode) == FileType::Directory;
    let target = if is_directory { root.ensure_directory(destination)? } else { root.ensure_file(destination)? };
    if is_proc(&target) {
        bail!("nothing may be mounted inside /proc");
    }
    attach(&tree, &target)
}

/// open_tree(2): a detached copy of the mount at `source`.
fn cloned(source: &Path, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, source, flags).with_context(|| format!("cannot open {}", source.display()))
}

/// A detached copy of the mount of the file behind `descriptor`.
///
/// # Errors
/// What the kernel says.
pub fn cloned_descriptor(descriptor: impl AsFd) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(descriptor, "", flags).context("open_tree")
}

fn set_attributes(tree: &OwnedFd, options: &Options) -> Result<()> {
    if options.attributes == 0 {
        return Ok(());
    }
    // Read-only means read-only to the bottom: a writable mount below a read-only volume surprises everybody.
    let recursive = options.recursive || (options.is_read_only() && options.bind != Some(false));
    sys::mount::set_attributes(tree.as_fd(), options.attributes.into(), recursive).context("mount_setattr")
}

fn set_propagation(tree: &OwnedFd, options: &Options) -> Result<()> {
    match options.propagation {
        Some((propagation, recursive)) => {
            sys::mount::set_propagation(tree.as_fd(), propagation, recursive).context("mount_setattr propagation")
        }
        None => Ok(()),
    }
}

/// move_mount(2) of a detached mount onto what `target` is.
///
/// # Errors
/// What the kernel says.
pub fn attach(mount: &OwnedFd, target: &OwnedFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags).context("move_mount")
}

/// Writes `value` to the sysctl `name` through procfs, and through nothing else.
///
/// # Errors
/// A sentence with the name.
pub fn write_sysctl(root: &Root, name: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    let write = || -> Result<()> {
        let file = root.open(&path, rustix::fs::OFlags::WRONLY)?;
        if !is_proc(&file) {
            bail!("it is not in procfs");
        }
        std::io::Write::write_all(&mut File::from(file), value.as_bytes())?;
        Ok(())
    };
    write().with_context(|| format!("cannot set the sysctl {name} to {value}"))
}
