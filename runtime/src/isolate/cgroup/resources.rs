//! Limits of the Spec as lines in control files: pure, one table a version.
//!
//! ```text
//! Spec                    version 1                       version 2
//! memory.limit            memory.limit_in_bytes           memory.max
//! memory.swap  (both)     memory.memsw.limit_in_bytes     memory.swap.max = swap - limit
//! memory.reservation      memory.soft_limit_in_bytes      memory.low
//! cpu.shares 2…262144     cpu.shares                      cpu.weight 1…10000, 1024 -> 100
//! cpu.quota, cpu.period   cpu.cfs_quota_us, …period_us    cpu.max "quota period"
//! cpu.cpus, cpu.mems      cpuset.cpus, cpuset.mems        the same
//! pids.limit              pids.max                        pids.max
//! devices                 devices.deny, devices.allow     (a BPF program)
//! blockIO throttle        blkio.throttle.*                io.max "8:0 rbps=…"
//! hugepageLimits          hugetlb.2MB.limit_in_bytes      hugetlb.2MB.max
//! network                 net_cls.classid, net_prio.…     -
//! unified                 -                               as written
//! ```
//!
//! Source: OCI runtime-spec, config-linux.md; kernel, admin-guide/cgroup-v1 and cgroup-v2.rst. -1 means no limit.

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources, LinuxThrottleDevice};

use super::devices;

const DEFAULT_PERIOD_US: u64 = 100_000;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Version 1 and hybrid.
    V1,
    /// Version 2.
    V2,
}

/// One line for one file of the leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Who has the file.
    pub controller: &'static str,
    /// Its name.
    pub file: String,
    /// What to write.
    pub value: String,
    /// May the kernel lack the file, as with swap accounting switched off? Docker drops the limit then, too.
    pub optional: bool,
}

fn setting(controller: &'static str, file: impl Into<String>, value: impl ToString) -> Setting {
    Setting { controller, file: file.into(), value: value.to_string(), optional: false }
}

/// All lines, in the order in which the kernel takes them.
///
/// # Errors
/// For a limit that this version of control groups does not have, and contradictions.
pub fn settings(version: Version, resources: &LinuxResources) -> Result<Vec<Setting>> {
    let mut settings = Vec::with_capacity(20);
    refuse_unknown(version, resources)?;
    if let Some(memory) = resources.memory() {
        settings.extend(match version {
            Version::V1 => memory_v1(memory),
            Version::V2 => memory_v2(memory)?,
        });
    }
    if let Some(cpu) = resources.cpu() {
        settings.extend(match version {
            Version::V1 => cpu_v1(cpu),
            Version::V2 => cpu_v2(cpu)?,
        });
        settings.extend(
            cpu.cpus().as_ref().filter(|cpus| !cpus.is_empty()).map(|cpus| setting("cpuset", "cpuset.cpus", cpus)),
        );
        settings.extend(
            cpu.mems().as_ref().filter(|mems| !mems.is_empty()).map(|mems| setting("cpuset", "cpuset.mems", mems)),
        );
    }
    settings.extend(resources.pids().map(|pids| setting("pids", "pids.max", or_max(pids.limit()))));
    if version == Version::V1 {
        settings.extend(device_lines(resources)?);
    }
    settings.extend(resources.block_io().iter().flat_map(|io| block_io(version, io)));
    settings.extend(hugepages(version, resources)?);
    settings.extend(resources.network().iter().flat_map(network));
    settings.extend(unified(resources)?);
    Ok(settings)
}

fn refuse_unknown(version: Version, resources: &LinuxResources) -> Result<()> {
    if resources.rdma().as_ref().is_some_and(|rdma| !rdma.is_empty()) {
        bail!("resources.rdma is not supported");
    }
    let io = resources.block_io().as_ref();
    if io.is_some_and(|io| io.leaf_weight().is_some() || io.weight_device().as_ref().is_some_and(|w| !w.is_empty())) {
        bail!("resources.blockIO: leafWeight and weightDevice are not supported");
    }
    match version {
        Version::V1 if resources.unified().as_ref().is_some_and(|unified| !unified.is_empty()) => {
            bail!("resources.unified needs control groups version 2; this host has version 1")
        }
        Version::V2 if resources.network().as_ref().is_some_and(|network| network != &LinuxNetwork::default()) => {
            bail!("resources.network (net_cls, net_prio) needs control groups version 1; this host has version 2")
        }
        _ => Ok(()),
    }
}

/// Version 2 and pids.max write "no limit" as `max`.
fn or_max(limit: i64) -> String {
    if limit <= 0 { "max".to_owned() } else { limit.to_string() }
}

/// Kernel memory limits are left out: no kernel since 5.11 has them, and runc ignores them too.
fn memory_v1(memory: &LinuxMemory) -> Vec<Setting> {
    let line =
        |file: &str, value: Option<i64>| value.filter(|value| *value != 0).map(|value| setting("memory", file, value));
    let mut swap = line("memory.memsw.limit_in_bytes", memory.swap());
    if let Some(swap) = &mut swap {
        swap.optional = true;
    }
    let oom = memory.disable_oom_killer().filter(|disable| *disable);
    [
        line("memory.limit_in_bytes", memory.limit()),
        swap,
        line("memory.soft_limit_in_bytes", memory.reservation()),
        line("memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp()),
        memory.swappiness().map(|swappiness| setting("memory", "memory.swappiness", swappiness)),
        oom.map(|_| setting("memory", "memory.oom_control", 1)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn memory_v2(memory: &LinuxMemory) -> Result<Vec<Setting>> {
    if memory.swappiness().is_some() || memory.disable_oom_killer() == Some(true) {
        bail!(
            "resources.memory: swappiness and disableOOMKiller need control groups version 1; this host has version 2"
        );
    }
    let given = |value: Option<i64>| value.filter(|value| *value != 0);
    let mut settings = Vec::new();
    settings.extend(given(memory.limit()).map(|limit| setting("memory", "memory.max", or_max(limit))));
    if let Some(swap) = given(memory.swap()) {
        let value = swap_alone(swap, given(memory.limit()))?;
        settings.push(Setting { optional: true, ..setting("memory", "memory.swap.max", value) });
    }
    settings.extend(given(memory.reservation()).map(|low| setting("memory", "memory.low", or_max(low))));
    Ok(settings)
}

/// The Spec counts memory and swap together, version 2 counts swap alone.
fn swap_alone(swap: i64, limit: Option<i64>) -> Result<String> {
    match limit {
        _ if swap < 0 => Ok("max".to_owned()),
        Some(limit) if limit > 0 && swap >= limit => Ok((swap - limit).to_string()),
        Some(limit) => bail!("resources.memory: swap {swap} counts memory too, and is below the limit {limit}"),
        None => bail!("resources.memory: swap {swap} counts memory too, and there is no limit on memory"),
    }
}

fn cpu_v1(cpu: &LinuxCpu) -> Vec<Setting> {
    let line =
        |file: &str, value: Option<u64>| value.filter(|value| *value != 0).map(|value| setting("cpu", file, value));
    let signed =
        |file: &str, value: Option<i64>| value.filter(|value| *value != 0).map(|value| setting("cpu", file, value));
    [
        line("cpu.shares", cpu.shares()),
        line("cpu.cfs_period_us", cpu.period()),
        signed("cpu.cfs_quota_us", cpu.quota()),
        line("cpu.cfs_burst_us", cpu.burst()),
        line("cpu.rt_period_us", cpu.realtime_period()),
        signed("cpu.rt_runtime_us", cpu.realtime_runtime()),
        signed("cpu.idle", cpu.idle()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn cpu_v2(cpu: &LinuxCpu) -> Result<Vec<Setting>> {
    if cpu.realtime_period().unwrap_or(0) != 0 || cpu.realtime_runtime().unwrap_or(0) != 0 {
        bail!("resources.cpu: realtime limits need control groups version 1; this host has version 2");
    }
    let mut settings = Vec::new();
    settings.extend(cpu.idle().filter(|idle| *idle != 0).map(|idle| setting("cpu", "cpu.idle", idle)));
    settings
        .extend(cpu.shares().filter(|shares| *shares != 0).map(|shares| setting("cpu", "cpu.weight", weight(shares))));
    let (quota, period) = (cpu.quota().filter(|q| *q != 0), cpu.period().filter(|p| *p != 0));
    if quota.is_some() || period.is_some() {
        let value = format!("{} {}", or_max(quota.unwrap_or(-1)), period.unwrap_or(DEFAULT_PERIOD_US));
        settings.push(setting("cpu", "cpu.max", value));
    }
    settings.extend(cpu.burst().filter(|burst| *burst != 0).map(|burst| setting("cpu", "cpu.max.burst", burst)));
    Ok(settings)
}

/// Shares 2…262144 to weight 1…10000 so that both ends and the defaults (1024 and 100) meet: a quadratic in the
/// logarithm, as crun and runc compute it.
fn weight(shares: u64) -> u64 {
    let l = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    (10f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
}

fn device_lines(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let rules = devices::rules(resources.devices().as_deref().unwrap_or_default())?;
    let file = |rule: &devices::Rule| if rule.allow { "devices.allow" } else { "devices.deny" };
    Ok(rules.iter().map(|rule| setting("devices", file(rule), rule)).collect())
}

fn block_io(version: Version, io: &LinuxBlockIo) -> Vec<Setting> {
    let weight = io.weight().filter(|weight| *weight != 0).map(|weight| match version {
        Version::V1 => setting("blkio", "blkio.bfq.weight", weight),
        // 10…1000 to 1…10000.
        Version::V2 => setting("io", "io.weight", 1 + (u64::from(weight).max(10) - 10) * 9999 / 990),
    });
    let throttles = [
        ("blkio.throttle.read_bps_device", "rbps", io.throttle_read_bps_device()),
        ("blkio.throttle.write_bps_device", "wbps", io.throttle_write_bps_device()),
        ("blkio.throttle.read_iops_device", "riops", io.throttle_read_iops_device()),
        ("blkio.throttle.write_iops_device", "wiops", io.throttle_write_iops_device()),
    ];
    let line = |(file, key, devices): (&'static str, &'static str, &Option<Vec<LinuxThrottleDevice>>)| {
        let devices = devices.iter().flatten();
        devices.map(|device| throttle(version, file, key, device)).collect::<Vec<_>>()
    };
    weight.into_iter().chain(throttles.into_iter().flat_map(line)).collect()
}

fn throttle(version: Version, file: &str, key: &str, device: &LinuxThrottleDevice) -> Setting {
    let (major, minor, rate) = (device.major(), device.minor(), device.rate());
    match version {
        Version::V1 => setting("blkio", file, format!("{major}:{minor} {rate}")),
        Version::V2 => setting("io", "io.max", format!("{major}:{minor} {key}={rate}")),
    }
}

fn hugepages(version: Version, resources: &LinuxResources) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for limit in resources.hugepage_limits().iter().flatten() {
        let size = limit.page_size();
        if size.is_empty() || !size.chars().all(|c| c.is_ascii_alphanumeric()) {
            bail!("resources.hugepageLimits: {size:?} is no page size (such as 2MB)");
        }
        settings.push(match version {
            Version::V1 => setting("hugetlb", format!("hugetlb.{size}.limit_in_bytes"), limit.limit()),
            Version::V2 => setting("hugetlb", format!("hugetlb.{size}.max"), or_max(limit.limit())),
        });
    }
    Ok(settings)
}

fn network(network: &LinuxNetwork) -> Vec<Setting> {
    let class = network.class_id().map(|class| setting("net_cls", "net_cls.classid", class));
    let priorities = network.priorities().iter().flatten();
    let priorities =
        priorities.map(|p| setting("net_prio", "net_prio.ifpriomap", format!("{} {}", p.name(), p.priority())));
    class.into_iter().chain(priorities).collect()
}

/// Written as they stand, in the order of their names; the file must be one of the leaf.
fn unified(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (file, value) in resources.unified().iter().flatten() {
        if !file.contains('.') || file.contains('/') || file.starts_with("cgroup.") {
            bail!("resources.unified: {file:?} is not a limit's file name");
        }
        settings.push(setting("requested", file, value));
    }
    settings.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `json` as `linux.resources` of a config.json, as the lines of `version`.
    fn lines(version: Version, json: serde_json::Value) -> Result<Vec<String>> {
        let settings = settings(version, &serde_json::from_value(json).unwrap())?;
        Ok(settings.iter().map(|s| format!("{} {}", s.file, s.value)).collect())
    }

    fn example() -> serde_json::Value {
        serde_json::json!({
            "memory": { "limit": 67108864, "swap": 134217728, "reservation": 33554432, "disableOOMKiller": false },
            "cpu": { "shares": 1024, "quota": 150000, "period": 100000, "cpus": "0-1", "mems": "" },
            "pids": { "limit": 64 },
            "devices": [{ "allow": false, "access": "rwm" }, { "allow": true, "type": "c", "major": 1, "minor": 3 }],
            "blockIO": { "weight": 500, "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 1048576 }] },
            "hugepageLimits": [{ "pageSize": "2MB", "limit": 4194304 }],
        })
    }

    #[test]
    fn version_1() {
        let expected = [
            "memory.limit_in_bytes 67108864",
            "memory.memsw.limit_in_bytes 134217728",
            "memory.soft_limit_in_bytes 33554432",
            "cpu.shares 1024",
            "cpu.cfs_period_us 100000",
            "cpu.cfs_quota_us 150000",
            "cpuset.cpus 0-1",
            "pids.max 64",
            "devices.deny a",
            "devices.allow c 1:3 rwm",
            "blkio.bfq.weight 500",
            "blkio.throttle.read_bps_device 8:0 1048576",
            "hugetlb.2MB.limit_in_bytes 4194304",
        ];
        assert_eq!(lines(Version::V1, example()).unwrap(), expected);
    }

    #[test]
    fn version_2() {
        let expected = [
            "memory.max 67108864",
            "memory.swap.max 67108864",
            "memory.low 33554432",
            "cpu.weight 100",
            "cpu.max 150000 100000",
            "cpuset.cpus 0-1",
            "pids.max 64",
            "io.weight 4950",
            "io.max 8:0 rbps=1048576",
            "hugetlb.2MB.max 4194304",
        ];
        assert_eq!(lines(Version::V2, example()).unwrap(), expected);
    }

    #[test]
    fn no_limit_is_minus_one_or_max() {
        let json = serde_json::json!({ "memory": { "limit": -1, "swap": -1 }, "cpu": { "quota": -1 }, "pids": { "limit": -1 } });
        let v1 = ["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1", "cpu.cfs_quota_us -1", "pids.max max"];
        assert_eq!(lines(Version::V1, json.clone()).unwrap(), v1);
        let v2 = ["memory.max max", "memory.swap.max max", "cpu.max max 100000", "pids.max max"];
        assert_eq!(lines(Version::V2, json).unwrap(), v2);
    }

    #[test]
    fn weight_meets_both_ends_and_the_default() {
        assert_eq!([0, 2, 512, 1024, 2048, 262_144, u64::MAX].map(weight), [1, 1, 59, 100, 174, 10_000, 10_000]);
    }

    #[test]
    fn what_a_version_lacks_is_refused_in_a_sentence() {
        let refused = |version, json| lines(version, json).unwrap_err().to_string();
        let unified = serde_json::json!({ "unified": { "memory.high": "1M" } });
        assert_eq!(lines(Version::V2, unified.clone()).unwrap(), ["memory.high 1M"]);
        assert!(refused(Version::V1, unified).contains("version 2"));
        assert!(refused(Version::V2, serde_json::json!({ "memory": { "swappiness": 1 } })).contains("version 1"));
        assert!(refused(Version::V2, serde_json::json!({ "memory": { "swap": 9 } })).contains("no limit on memory"));
        assert!(refused(Version::V2, serde_json::json!({ "unified": { "../memory.max": "1" } })).contains("file name"));
        assert!(refused(Version::V2, serde_json::json!({ "unified": { "cgroup.procs": "1" } })).contains("file name"));
    }
}
