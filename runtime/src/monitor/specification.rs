//! The Spec of one start: the record, and the facts of this host that it needs.
//!
//! ```text
//! record ─┐
//! image ──┼─> Facts ─> spec() (pure) ─> Spec
//! host ───┘
//! ```

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::stat::{Mode, umask};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType, Spec};
use rootfs_tools::Store;

use crate::container::{Container, Containers, record};
use crate::host;
use crate::isolate::cgroup;
use crate::spec::{Facts, spec};
use crate::text;

/// Reads the facts, makes the directory that the root is mounted on, and describes the container.
///
/// # Errors
/// A sentence: the image has gone, or a directory cannot be made.
pub fn of(container: &Container) -> Result<Spec> {
    let store = Store::open(&container.host.root.join("images"))?;
    let image = store.find(&container.record.image.id).context("the container's image has gone")?;
    let root = container.state_dir().join("rootfs");
    host::ensure_directory(&root)?;
    for bind in &container.record.storage.binds {
        ensure_source(Path::new(&text::decode(&bind.source)))?;
    }
    let privileged = container.record.privileges.privileged;
    let facts = Facts {
        layers: image.layers,
        disk: container.disk_dir(),
        root,
        files: files(container)?,
        cgroup_v2: cgroup::detect()?.is_unified(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        devices: if privileged { devices(Path::new("/dev"))? } else { Vec::new() },
    };
    spec(&container.record, &facts)
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

/// A container that shares another's network shares its three files, too.
fn files(container: &Container) -> Result<std::path::PathBuf> {
    match &container.record.network.mode {
        record::Mode::Container(other) => Ok(Containers::of(&container.host).find(other)?.state_dir()),
        _ => Ok(container.state_dir()),
    }
}

/// Every device of the host, for `--privileged`; what the container has of its own is left out.
fn devices(directory: &Path) -> Result<Vec<LinuxDevice>> {
    let mut devices = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let own = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/fd", "/dev/ptmx"];
        if own.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        if kind.is_dir() {
            devices.extend(self::devices(&path)?);
        } else if kind.is_char_device() || kind.is_block_device() {
            devices.push(device(&path, kind.is_block_device())?);
        }
    }
    Ok(devices)
}

fn device(path: &Path, is_block: bool) -> Result<LinuxDevice> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    let number = metadata.rdev();
    let kind = if is_block { LinuxDeviceType::B } else { LinuxDeviceType::C };
    Ok(LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(nix::sys::stat::major(number) as i64)
        .minor(nix::sys::stat::minor(number) as i64)
        .file_mode(metadata.mode() & 0o7777)
        .uid(metadata.uid())
        .gid(metadata.gid())
        .build()?)
}
