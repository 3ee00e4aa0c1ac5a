//! Record and image -> `oci_spec::runtime::Spec`: a pure function.
//!
//! ```text
//! Record ─┐                  process       args, env, user, capabilities
//! Facts ──┴─> spec() ─────>  root, mounts  overlay on /, then proc, /dev, pts, shm, mqueue, sys, cgroup, files, binds
//!                            linux         namespaces, devices, masks, sysctls, resources, seccomp
//! ```
//!
//! The default posture is written here, in one place, as data: what a container may see, touch and use.

pub mod devices;
pub mod mounts;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use oci_spec::runtime::{
    Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDevice, LinuxDeviceCgroup,
    LinuxMemoryBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder, LinuxSeccomp, PosixRlimit, PosixRlimitBuilder, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};

use crate::container::Record;
use crate::container::record::{self, Limits, Mode, Seccomp, Ulimit};
use crate::isolate::limits::resource_of_name;
use crate::isolate::seccomp::{self, Kernel};

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
    /// The devices of `--device`.
    pub added: Vec<Added>,
    /// Version of this kernel, on which rules of a seccomp profile may depend.
    pub kernel: Kernel,
}

/// A device of the host for the container, and the letters of `rwm` that it may be used with.
#[derive(Debug, Clone)]
pub struct Added {
    /// The device, at its path in the container.
    pub device: LinuxDevice,
    /// Read, write, mknod.
    pub access: String,
}

/// The annotation by which the program gets Pontoon's own init as its parent, as `true` or `false`.
pub const INIT: &str = "pontoon.init";

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
        .mounts(mounts::mounts(record, facts)?)
        .process(process(record, &record.process, &capabilities)?)
        .linux(linux(record, facts, &capabilities)?)
        .annotations(HashMap::from([(INIT.to_owned(), record.init.to_string())]))
        .build()?)
}

/// The program, as `run` and as `exec` need it.
///
/// # Errors
/// When a name is none that the specification knows.
pub fn process(record: &Record, process: &record::Process, bounding: &[Capability]) -> Result<Process> {
    let mut env = process.env.clone();
    for (name, value) in [("HOSTNAME", Some(record.hostname.as_str())), ("TERM", process.tty.then_some("xterm"))] {
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
        .user(UserBuilder::default().username(username(process)).build()?)
        .args(process.args.clone())
        .env(env)
        .cwd(process.cwd.as_str())
        .capabilities(capabilities)
        .no_new_privileges(record.privileges.no_new_privileges)
        .oom_score_adj(0)
        .rlimits(record.limits.ulimits.iter().map(rlimit).collect::<Result<Vec<_>>>()?)
        .build()?)
}

/// `user:group:more,groups`: what is looked up in the container's own files travels in the Spec's only room for a name.
fn username(process: &record::Process) -> String {
    let mut words = process.user.split(':');
    let (user, group) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if process.groups.is_empty() {
        process.user.clone()
    } else {
        format!("{user}:{group}:{}", process.groups.join(","))
    }
}

/// -1 is no limit (getrlimit(2), RLIM_INFINITY).
fn rlimit(limit: &Ulimit) -> Result<PosixRlimit> {
    let Some(kind) = resource_of_name(&limit.name) else { bail!("invalid ulimit type: {}", limit.name) };
    let number = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
    Ok(PosixRlimitBuilder::default().typ(kind).soft(number(limit.soft)).hard(number(limit.hard)).build()?)
}

/// The seccomp profile, if there is to be one. `--privileged` alone means none; one that is named is used all the same.
fn filter(
    privileges: &record::Privileges,
    capabilities: &[Capability],
    kernel: Kernel,
) -> Result<Option<LinuxSeccomp>> {
    let bounding = capabilities.iter().copied().collect();
    Ok(match &privileges.seccomp {
        Seccomp::Unconfined => None,
        Seccomp::Default if privileges.privileged => None,
        Seccomp::Default => Some(seccomp::profile(&bounding)),
        Seccomp::Profile(text) => Some(seccomp::of_docker(text, &bounding, kernel)?),
    })
}

/// One more program in a running container: only what `launch::join` needs.
///
/// # Errors
/// When a name is none that the specification knows.
pub fn joining(
    record: &Record,
    program: &record::Process,
    privileges: &record::Privileges,
    kernel: Kernel,
) -> Result<Spec> {
    let capabilities = capabilities(privileges)?;
    let mut linux = LinuxBuilder::default();
    if let Some(profile) = filter(privileges, &capabilities, kernel)? {
        linux = linux.seccomp(profile);
    }
    let process = process(record, program, &capabilities)?;
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
    let is_open = record.privileges.privileged || record.privileges.unmasked;
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(record, facts)?)
        .devices(devices::nodes(record, facts)?)
        .resources(resources(&record.limits, devices::rules(record, facts)?)?)
        .sysctl(sysctls(&record.network.mode))
        .masked_paths(if is_open { Vec::new() } else { masked(facts.cpus) })
        .readonly_paths(if is_open { Vec::new() } else { READ_ONLY.map(String::from).to_vec() });
    if let Some(profile) = filter(&record.privileges, capabilities, facts.kernel)? {
        linux = linux.seccomp(profile);
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

fn resources(limits: &Limits, devices: Vec<LinuxDeviceCgroup>) -> Result<LinuxResources> {
    let mut resources = LinuxResourcesBuilder::default().devices(devices);
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

#[cfg(test)]
mod tests;
