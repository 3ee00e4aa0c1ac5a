use oci_spec::runtime::Mount;

use super::*;
use crate::container::record::{Bind, ImageName, Network, Privileges, Storage};
use crate::isolate::capabilities;

fn record() -> Record {
    Record {
        version: 1,
        id: "ab".repeat(32),
        name: "web".into(),
        created: "2026-11-22T12:00:00Z".into(),
        image: ImageName { id: "sha256:00".into(), reference: "busybox".into() },
        auto_remove: false,
        init: false,
        process: record::Process {
            args: vec!["httpd".into(), "-f".into()],
            entrypoint: 1,
            env: vec!["PATH=/bin".into()],
            cwd: "/srv".into(),
            user: "www".into(),
            tty: false,
            open_stdin: false,
            groups: Vec::new(),
        },
        hostname: "abababababab".into(),
        storage: Storage::default(),
        privileges: Privileges {
            privileged: false,
            capabilities: capabilities::docker_default().iter().map(capabilities::name).collect(),
            ..Privileges::default()
        },
        limits: Limits::default(),
        network: Network::default(),
        stop_signal: 15,
        stop_timeout: 10,
        labels: std::collections::BTreeMap::new(),
    }
}

fn facts() -> Facts {
    Facts {
        layers: vec!["/img/b".into(), "/img/a,:".into()],
        disk: "/disk".into(),
        root: "/state/rootfs".into(),
        files: "/state".into(),
        cpus: 1,
        ..Facts::default()
    }
}

fn described(record: &Record, facts: &Facts) -> Vec<String> {
    let mounts = mounts::mounts(record, facts).unwrap();
    let line = |mount: &Mount| {
        format!(
            "mount -t {} -o {} {} {}",
            mount.typ().as_deref().unwrap_or_default(),
            mount.options().iter().flatten().cloned().collect::<Vec<_>>().join(","),
            mount.source().as_ref().map(|source| source.display().to_string()).unwrap_or_default(),
            mount.destination().display()
        )
    };
    mounts.iter().map(line).collect()
}

#[test]
fn the_standard_mounts_are_docker_s() {
    insta::assert_snapshot!(described(&record(), &facts()).join("\n"), @r"
    mount -t overlay -o lowerdir=/img/b:/img/a\,\:,upperdir=/disk/upper,workdir=/disk/work overlay /
    mount -t proc -o nosuid,noexec,nodev proc /proc
    mount -t tmpfs -o nosuid,strictatime,mode=755,size=65536k tmpfs /dev
    mount -t sysfs -o ro,nosuid,noexec,nodev sysfs /sys
    mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts
    mount -t mqueue -o nosuid,noexec,nodev mqueue /dev/mqueue
    mount -t tmpfs -o mode=1777,size=67108864,nosuid,noexec,nodev shm /dev/shm
    mount -t bind -o rbind,rprivate,rw /state/resolv.conf /etc/resolv.conf
    mount -t bind -o rbind,rprivate,rw /state/hostname /etc/hostname
    mount -t bind -o rbind,rprivate,rw /state/hosts /etc/hosts
    mount -t cgroup -o ro,nosuid,noexec,nodev cgroup /sys/fs/cgroup
    ");
}

#[test]
fn outer_mounts_come_before_inner_ones() {
    let bind = |target: &str| Bind {
        source: "/src".into(),
        target: target.into(),
        read_only: true,
        propagation: "rprivate".into(),
    };
    let mut record = record();
    record.storage.binds = vec![bind("/a/b/c"), bind("/a")];
    record.storage.tmpfs = vec![("/a/b".into(), String::new())];
    let all = described(&record, &facts());
    let targets = all.iter().filter_map(|line| line.rsplit(' ').next());
    let order: Vec<&str> = targets.filter(|target| target.starts_with("/a")).collect();
    assert_eq!(order, ["/a", "/a/b", "/a/b/c"]);
}

#[test]
fn a_private_network_gets_its_sysctls_and_the_host_s_does_not() {
    let mut record = record();
    let sysctls = |record: &Record| {
        let spec = spec(record, &facts()).unwrap();
        spec.linux().as_ref().and_then(|linux| linux.sysctl().clone()).unwrap_or_default().len()
    };
    assert_eq!(sysctls(&record), 2);
    record.network.mode = Mode::Host;
    assert_eq!(sysctls(&record), 0);
}

#[test]
fn only_the_privileged_are_unconfined() {
    let mut record = record();
    let confined = spec(&record, &facts()).unwrap();
    let linux = confined.linux().as_ref().unwrap();
    assert!(linux.seccomp().is_some());
    assert!(linux.masked_paths().as_ref().unwrap().iter().any(|path| path == "/proc/kcore"));
    assert!(linux.masked_paths().as_ref().unwrap().iter().any(|path| path.ends_with("cpu0/thermal_throttle")));
    let rules = linux.resources().as_ref().unwrap().devices().as_ref().unwrap();
    assert!(!rules[0].allow());
    assert!(!rules.iter().any(|rule| rule.major() == Some(10)));
    record.privileges.privileged = true;
    let free = spec(&record, &facts()).unwrap();
    let linux = free.linux().as_ref().unwrap();
    assert!(linux.seccomp().is_none());
    assert!(linux.masked_paths().as_ref().unwrap().is_empty());
}

#[test]
fn limits_are_set_only_when_asked_for() {
    let mut record = record();
    let resources =
        |record: &Record| spec(record, &facts()).unwrap().linux().as_ref().unwrap().resources().clone().unwrap();
    let none = resources(&record);
    assert!(none.memory().is_none() && none.cpu().is_none() && none.pids().is_none());
    record.limits =
        Limits { memory: Some(64 << 20), nano_cpus: Some(1_500_000_000), pids: Some(5), ..Limits::default() };
    let some = resources(&record);
    assert_eq!(some.memory().as_ref().unwrap().swap(), Some(128 << 20));
    assert_eq!(some.cpu().as_ref().unwrap().quota(), Some(150_000));
    assert_eq!(some.pids().as_ref().unwrap().limit(), 5);
}

#[test]
fn hostname_and_terminal_are_in_the_environment_unless_given() {
    let mut record = record();
    record.process.tty = true;
    record.process.env.push("TERM=dumb".into());
    let spec = spec(&record, &facts()).unwrap();
    let env = spec.process().as_ref().unwrap().env().clone().unwrap();
    assert_eq!(env, ["PATH=/bin", "TERM=dumb", "HOSTNAME=abababababab"]);
}

#[test]
fn a_dev_of_the_person_s_own_gets_nothing_of_ours() {
    let mut record = record();
    record.storage.tmpfs = vec![("/dev".into(), String::new())];
    let spec = spec(&record, &facts()).unwrap();
    assert!(spec.linux().as_ref().unwrap().devices().as_ref().unwrap().is_empty());
    let all = described(&record, &facts());
    assert_eq!(all.iter().filter(|line| line.ends_with(" /dev")).count(), 1);
    let place = |target: &str| all.iter().position(|line| line.ends_with(target)).unwrap();
    assert!(place(" /dev") < place(" /dev/pts"));
}
