//! Record and image -> `oci_spec::runtime::Spec`: a pure function.
//!
//! ```text
//! Record ─┐                  process       args, env, user, capabilities
//! Facts ──┴─> spec() ─────>  root, mounts  overlay on /, then proc, /dev, pts, shm, mqueue, sys, cgroup, files, binds
//!                            linux         namespaces, devices, masks, sysctls, resources, seccomp
//! ```
//!
//! The default posture is written here, in one place, as data: what a container may see, touch and use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use oci_spec::runtime::{
    Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDevice, LinuxDeviceBuilder,
    LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder, Mount, MountBuilder, Process,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use crate::container::Record;
use crate::container::record::{self, Limits, Mode};
use crate::isolate::seccomp;

/// What the record does not say: where things are on this host, and what the host has.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Directories of the image's layers, topmost first.
    pub layers: Vec<PathBuf>,
    /// Directory with `upper` and `work`.
    pub disk: PathBuf,
    /// Where the root is mounted.
    pub root: PathBuf,
    /// Directory with `hosts`, `hostname` and `resolv.conf`.
    pub files: PathBuf,
    /// Whether the host has only cgroup v2, so that the container gets a cgroup namespace.
    pub cgroup_v2: bool,
    /// CPUs of the host, for their thermal_throttle directories.
    pub cpus: usize,
    /// Devices of the host, for `--privileged`.
    pub devices: Vec<LinuxDevice>,
}

/// Path, major, minor: what every program expects in /dev.
const DEVICES: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Major and minor that may be read and written: the devices above, console, ptmx and the terminals.
const ALLOWED: [(i64, Option<i64>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The whole description of one start of a container.
///
/// # Errors
/// When a name in the record is none that the specification knows.
pub fn spec(record: &Record, facts: &Facts) -> Result<Spec> {
    let capabilities = capabilities(&record.privileges)?;
    Ok(SpecBuilder::default()
        .version("1.2.0")
        .hostname(record.hostname.as_str())
        .root(RootBuilder::default().path(&*facts.root).readonly(record.storage.read_only).build()?)
        .mounts(mounts(record, facts)?)
        .process(process(&record.process, &capabilities, &record.hostname)?)
        .linux(linux(record, facts, &capabilities)?)
        .build()?)
}

/// The program, as `run` and as `exec` need it.
///
/// # Errors
/// When a name is none that the specification knows.
pub fn process(process: &record::Process, bounding: &[Capability], hostname: &str) -> Result<Process> {
    let mut env = process.env.clone();
    for (name, value) in [("HOSTNAME", Some(hostname)), ("TERM", process.tty.then_some("xterm"))] {
        let assignment = format!("{name}=");
        if let Some(value) = value
            && !env.iter().any(|word| word.starts_with(&assignment))
        {
            env.push(assignment + value);
        }
    }
    let set: std::collections::HashSet<Capability> = bounding.iter().copied().collect();
    let capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(set.clone())
        .permitted(set.clone())
        .effective(set)
        .inheritable([])
        .ambient([])
        .build()?;
    Ok(ProcessBuilder::default()
        .terminal(process.tty)
        .user(UserBuilder::default().username(process.user.as_str()).build()?)
        .args(process.args.clone())
        .env(env)
        .cwd(process.cwd.as_str())
        .capabilities(capabilities)
        .no_new_privileges(false)
        .oom_score_adj(0)
        .rlimits([])
        .build()?)
}

/// One more program in a running container: only what `launch::join` needs.
///
/// # Errors
/// When a name is none that the specification knows.
pub fn joining(record: &Record, program: &record::Process, privileges: &record::Privileges) -> Result<Spec> {
    let capabilities = capabilities(privileges)?;
    let mut linux = LinuxBuilder::default();
    if !record.privileges.privileged {
        linux = linux.seccomp(seccomp::profile(&capabilities.iter().copied().collect()));
    }
    let process = process(program, &capabilities, &record.hostname)?;
    Ok(SpecBuilder::default().version("1.2.0").process(process).linux(linux.build()?).build()?)
}

/// The bounding set of a record, parsed.
///
/// # Errors
/// A name that is no capability.
pub fn capabilities(privileges: &record::Privileges) -> Result<Vec<Capability>> {
    Ok(crate::isolate::capabilities::of_names(&privileges.capabilities)?.into_iter().collect())
}

fn linux(record: &Record, facts: &Facts, capabilities: &[Capability]) -> Result<Linux> {
    let privileged = record.privileges.privileged;
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(record, facts)?)
        .devices(match is_mounted(record, Path::new("/dev")) {
            // The directory is the person's: nothing of ours is put into it.
            true => Vec::new(),
            false if privileged => facts.devices.clone(),
            false => devices()?,
        })
        .resources(resources(&record.limits, privileged)?)
        .sysctl(sysctls(&record.network.mode))
        .masked_paths(if privileged { Vec::new() } else { masked(facts.cpus) })
        .readonly_paths(if privileged { Vec::new() } else { READ_ONLY.map(String::from).to_vec() });
    if !privileged {
        linux = linux.seccomp(seccomp::profile(&capabilities.iter().copied().collect()));
    }
    Ok(linux.build()?)
}

fn namespaces(record: &Record, facts: &Facts) -> Result<Vec<oci_spec::runtime::LinuxNamespace>> {
    use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let mut kinds = vec![Pid, Mount, Uts, Ipc];
    if record.network.mode.is_private() {
        kinds.push(Network);
    }
    if facts.cgroup_v2 && !record.privileges.privileged {
        kinds.push(Cgroup);
    }
    kinds.into_iter().map(|kind| Ok(LinuxNamespaceBuilder::default().typ(kind).build()?)).collect()
}

/// What an own network namespace allows without privileges: low ports and ping.
fn sysctls(mode: &Mode) -> HashMap<String, String> {
    if !mode.is_private() {
        return HashMap::new();
    }
    [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn masked(cpus: usize) -> Vec<String> {
    let throttles = (0..cpus).map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
    MASKED.map(String::from).into_iter().chain(throttles).collect()
}

fn devices() -> Result<Vec<LinuxDevice>> {
    DEVICES
        .iter()
        .map(|(path, major, minor)| {
            let device = LinuxDeviceBuilder::default().path(*path).typ(LinuxDeviceType::C);
            Ok(device.major(*major).minor(*minor).file_mode(0o666u32).uid(0u32).gid(0u32).build()?)
        })
        .collect()
}

fn resources(limits: &Limits, privileged: bool) -> Result<LinuxResources> {
    let mut resources = LinuxResourcesBuilder::default().devices(device_rules(privileged)?);
    if let Some(memory) = limits.memory {
        // As Docker: as much swap again as memory.
        resources =
            resources.memory(LinuxMemoryBuilder::default().limit(memory).swap(memory.saturating_mul(2)).build()?);
    }
    if let Some(nano_cpus) = limits.nano_cpus {
        const PERIOD: u64 = 100_000;
        let quota = nano_cpus.saturating_mul(PERIOD as i64) / 1_000_000_000;
        resources = resources.cpu(LinuxCpuBuilder::default().period(PERIOD).quota(quota).build()?);
    }
    if let Some(pids) = limits.pids {
        resources = resources.pids(LinuxPidsBuilder::default().limit(pids).build()?);
    }
    Ok(resources.build()?)
}

/// Deny all; anybody may make any node; only the harmless ones can be opened.
fn device_rules(privileged: bool) -> Result<Vec<LinuxDeviceCgroup>> {
    if privileged {
        return Ok(vec![
            LinuxDeviceCgroupBuilder::default().allow(true).typ(LinuxDeviceType::A).access("rwm").build()?,
        ]);
    }
    let mut rules =
        vec![LinuxDeviceCgroupBuilder::default().allow(false).typ(LinuxDeviceType::A).access("rwm").build()?];
    for kind in [LinuxDeviceType::C, LinuxDeviceType::B] {
        rules.push(LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access("m").build()?);
    }
    for (major, minor) in ALLOWED {
        let rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(LinuxDeviceType::C).major(major).access("rwm");
        rules.push(match minor {
            Some(minor) => rule.minor(minor).build()?,
            None => rule.build()?,
        });
    }
    Ok(rules)
}

fn mounts(record: &Record, facts: &Facts) -> Result<Vec<Mount>> {
    let mut mounts = vec![overlay(facts)?];
    mounts.extend(standard(record.privileges.privileged, facts.cgroup_v2)?);
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
fn is_mounted(record: &Record, destination: &Path) -> bool {
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
fn standard(privileged: bool, cgroup_v2: bool) -> Result<Vec<Mount>> {
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
        entry("/dev/shm", "tmpfs", "shm", &with(&["mode=1777", "size=67108864"]))?,
    ])
}

fn entry(destination: &str, kind: &str, source: impl Into<PathBuf>, options: &[&str]) -> Result<Mount> {
    let options: Vec<String> = options.iter().filter(|word| !word.is_empty()).map(|word| (*word).to_owned()).collect();
    Ok(MountBuilder::default().destination(destination).typ(kind).source(source).options(options).build()?)
}

#[cfg(test)]
mod tests;
