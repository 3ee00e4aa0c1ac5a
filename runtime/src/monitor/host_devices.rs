//! Devices of the host that a container shall have: all of them (`--privileged`), or those of `--device`.
//!
//! ```text
//! /dev/snd  directory ─> every device below it         /dev/x  link ─> what it leads to
//! ```

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};

use crate::container::record::Device;
use crate::spec::Added;
use crate::text;

/// What every container has of its own.
const OWN: [&str; 6] = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/fd", "/dev/ptmx"];

/// Every device of the host, but those that a container has of its own.
///
/// # Errors
/// When /dev cannot be read.
pub fn all() -> Result<Vec<LinuxDevice>> {
    below(Path::new("/dev"), Path::new("/dev"))
}

/// What one `--device` stands for on this host, at its place in the container.
///
/// # Errors
/// Docker's sentence: nothing is there, or no device.
pub fn gather(device: &Device) -> Result<Vec<Added>> {
    let host = PathBuf::from(text::decode(&device.host));
    let container = PathBuf::from(text::decode(&device.container));
    let failed = |reason: &str| {
        anyhow!("error gathering device information while adding custom device \"{}\": {reason}", host.display())
    };
    let metadata = fs::metadata(&host).map_err(|error| {
        let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
        failed(&errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase()))
    })?;
    let kind = metadata.file_type();
    let devices = match () {
        () if kind.is_dir() => below(&host, &container)?,
        () if kind.is_char_device() || kind.is_block_device() => vec![describe(&host, &container)?],
        () => bail!(failed("not a device node")),
    };
    Ok(devices.into_iter().map(|described| Added { device: described, access: device.access.clone() }).collect())
}

/// The devices below a directory, as they are called below `target`.
fn below(directory: &Path, target: &Path) -> Result<Vec<LinuxDevice>> {
    let mut devices = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if OWN.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        let target = target.join(entry.file_name());
        if kind.is_dir() {
            devices.extend(below(&path, &target)?);
        } else if kind.is_char_device() || kind.is_block_device() {
            devices.push(describe(&path, &target)?);
        }
    }
    Ok(devices)
}

fn describe(path: &Path, target: &Path) -> Result<LinuxDevice> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    let number = metadata.rdev();
    let kind = if metadata.file_type().is_block_device() { LinuxDeviceType::B } else { LinuxDeviceType::C };
    Ok(LinuxDeviceBuilder::default()
        .path(target)
        .typ(kind)
        .major(nix::sys::stat::major(number) as i64)
        .minor(nix::sys::stat::minor(number) as i64)
        .file_mode(metadata.mode() & 0o7777)
        .uid(metadata.uid())
        .gid(metadata.gid())
        .build()?)
}
