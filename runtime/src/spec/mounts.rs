//! Mounts of the Spec: the overlay, what every container has, files, and what the person adds.
//!
//! ```text
//! /  overlay    /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup    /etc/{hosts,hostname,resolv.conf}
//! -v, --tmpfs   replace what they cover, and lie on each other from the outermost to the innermost
//! ```

use std::path::{Path, PathBuf};

use anyhow::Result;
use oci_spec::runtime::{Mount, MountBuilder};

use super::Facts;
use crate::container::Record;

/// Docker's size of /dev/shm, bytes.
pub const SHM_SIZE: i64 = 64 << 20;

/// All mounts, in their order.
///
/// # Errors
/// None that data could cause.
pub fn mounts(record: &Record, facts: &Facts) -> Result<Vec<Mount>> {
    let mut mounts = vec![overlay(facts)?];
    let shm = record.storage.shm_size.unwrap_or(SHM_SIZE);
    mounts.extend(standard(record.privileges.privileged, facts.cgroup_v2, shm)?);
    let access = if record.storage.read_only { "ro" } else { "rw" };
    for name in ["resolv.conf", "hostname", "hosts"] {
        let source = facts.files.join(name);
        mounts.push(entry(&format!("/etc/{name}"), "bind", source, &["rbind", "rprivate", access])?);
    }
    mounts.retain(|mount| !is_mounted(record, mount.destination()));
    for (target, options) in &record.storage.tmpfs {
        let words: Vec<&str> = ["nosuid", "nodev", "noexec"].into_iter().chain(options.split(',')).collect();
        mounts.push(entry(target, "tmpfs", "tmpfs", &words)?);
    }
    for bind in &record.storage.binds {
        let access = if bind.read_only { "ro" } else { "rw" };
        mounts.push(entry(&bind.target, "bind", bind.source.as_str(), &["rbind", &bind.propagation, access])?);
    }
    // A mount on /a must not cover one on /a/b that was asked for first.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

/// Whether the person mounts something there: that replaces what every container has.
pub fn is_mounted(record: &Record, destination: &Path) -> bool {
    let binds = record.storage.binds.iter().map(|bind| &bind.target);
    binds.chain(record.storage.tmpfs.iter().map(|(target, _)| target)).any(|target| Path::new(target) == destination)
}

fn overlay(facts: &Facts) -> Result<Mount> {
    let layers = facts.layers.iter().map(|layer| escaped(layer)).collect::<Vec<_>>().join(":");
    let options = [
        format!("lowerdir={layers}"),
        format!("upperdir={}", escaped(&facts.disk.join("upper"))),
        format!("workdir={}", escaped(&facts.disk.join("work"))),
    ];
    entry("/", "overlay", "overlay", &options.each_ref().map(String::as_str))
}

/// Colons and commas separate the words of overlayfs.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}

/// The file systems that every container has, in the order in which they lie upon each other.
fn standard(privileged: bool, cgroup_v2: bool, shm: i64) -> Result<Vec<Mount>> {
    let read_only: &[&str] = if privileged { &[] } else { &["ro"] };
    let quiet = ["nosuid", "noexec", "nodev"];
    let with = |words: &[&'static str]| [words, &quiet].concat();
    let cgroup = if cgroup_v2 { "cgroup2" } else { "cgroup" };
    Ok(vec![
        entry("/proc", "proc", "proc", &quiet)?,
        entry("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        entry(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        entry("/sys", "sysfs", "sysfs", &with(read_only))?,
        entry("/sys/fs/cgroup", cgroup, "cgroup", &with(read_only))?,
        entry("/dev/mqueue", "mqueue", "mqueue", &quiet)?,
        entry("/dev/shm", "tmpfs", "shm", &[&["mode=1777", &format!("size={shm}")], &quiet[..]].concat())?,
    ])
}

fn entry(destination: &str, kind: &str, source: impl Into<PathBuf>, options: &[&str]) -> Result<Mount> {
    let options: Vec<String> = options.iter().filter(|word| !word.is_empty()).map(|word| (*word).to_owned()).collect();
    Ok(MountBuilder::default().destination(destination).typ(kind).source(source).options(options).build()?)
}
