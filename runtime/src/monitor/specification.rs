//! The Spec of one start: the record, and the facts of this host that it needs.
//!
//! ```text
//! record ─┐
//! image ──┼─> Facts ─> spec() (pure) ─> Spec
//! host ───┘
//! ```

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::stat::{Mode, umask};
use oci_spec::runtime::Spec;
use rootfs_tools::Store;

use super::{host_devices, linked};
use crate::container::{Container, Containers, record};
use crate::isolate::{cgroup, seccomp};
use crate::spec::{Added, Facts, spec};
use crate::text;

/// Reads the facts, makes the directory that the root is mounted on, and describes the container.
///
/// # Errors
/// A sentence: the image has gone, or a directory cannot be made.
pub fn of(container: &Container) -> Result<Spec> {
    let facts = facts(container)?;
    for bind in &container.record.storage.binds {
        ensure_source(Path::new(&text::decode(&bind.source)))?;
    }
    spec(linked_record(container)?.as_ref(), &facts)
}

/// The record with the environment of this start: what its links tell is a snapshot, taken each time.
///
/// # Errors
/// Docker's sentence for a link to one that does not run.
pub fn linked_record(container: &Container) -> Result<Cow<'_, record::Record>> {
    let linked = linked::all(&container.host, &container.record)?;
    if linked.is_empty() {
        return Ok(Cow::Borrowed(&container.record));
    }
    let mut record = container.record.clone();
    record.process.env = linked::environment(&container.record, &linked);
    Ok(Cow::Owned(record))
}

/// Reads the facts; nothing is made.
///
/// # Errors
/// A sentence: the image has gone.
pub fn facts(container: &Container) -> Result<Facts> {
    let store = Store::open(&container.host.root.join("images"))?;
    let image = store.find(&container.record.image.id).context("the container's image has gone")?;
    let privileged = container.record.privileges.privileged;
    Ok(Facts {
        layers: image.layers,
        disk: container.disk_dir(),
        root: container.host.mount_point(),
        files: files(container)?,
        cgroup_v2: cgroup::detect()?.is_unified(),
        cpus: configured_cpus(),
        devices: if privileged { host_devices::all()? } else { Vec::new() },
        added: added(&container.record)?,
        kernel: seccomp::kernel(),
    })
}

/// sysconf(3): all processors that this machine may have, also those that we may not use or that are switched off.
fn configured_cpus() -> usize {
    let count = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_CONF);
    count.ok().flatten().and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

/// A bind's source that is not there becomes a directory, as Docker's `-v` does.
fn ensure_source(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o755);
    // The monitor's own umask is for its state files; this directory is the container's.
    let before = umask(Mode::from_bits_truncate(0o022));
    let made = builder.create(path);
    umask(before);
    made.with_context(|| format!("cannot make the directory {} for a volume", path.display()))
}

/// The devices of `--device`, as they are on the host now.
fn added(record: &record::Record) -> Result<Vec<Added>> {
    let mut added = Vec::new();
    for device in &record.privileges.devices {
        added.extend(host_devices::gather(device)?);
    }
    Ok(added)
}

/// A container that shares another's network shares its three files, too.
fn files(container: &Container) -> Result<std::path::PathBuf> {
    match &container.record.network.mode {
        record::Mode::Container(other) => Ok(Containers::of(&container.host).find(other)?.state_dir()),
        _ => Ok(container.state_dir()),
    }
}
