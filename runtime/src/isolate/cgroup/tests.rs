//! The real kernel: leaves below a throw-away parent, with real processes in them.
//!
//! ```text
//! Yard (parent pontoon-yard-PID-N) ── leaf ── sh, sleep …        dropped: thaw, kill, remove, and the parent too
//! ```
//!
//! Whatever this host has is tested: version 1 by `detect`, version 2 in any mounted cgroup2 tree, even one without
//! controllers (processes, freezing, killing and devices need none).

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;

use super::hierarchy::Hierarchy;
use super::leaf::Leaf;
use super::*;

struct Yard {
    hierarchy: Hierarchy,
    parent: String,
    leaves: Vec<&'static str>,
}

impl Yard {
    fn new(hierarchy: Hierarchy) -> Yard {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = format!("pontoon-yard-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Yard { hierarchy, parent, leaves: Vec::new() }
    }

    fn leaf(&mut self, name: &'static str) -> Cgroup {
        self.leaves.push(name);
        Cgroup::create(&self.hierarchy, &self.parent, name).unwrap()
    }

    /// The leaf's directory in the tree with `controller`, or in the only tree.
    fn dir(&self, controller: &str, leaf: &str) -> PathBuf {
        let root = match &self.hierarchy {
            Hierarchy::V1(trees) => &trees.iter().find(|tree| tree.controls(controller)).unwrap().root,
            Hierarchy::V2(root) => root,
        };
        root.join(&self.parent).join(leaf)
    }

    fn read(&self, controller: &str, leaf: &str, file: &str) -> String {
        std::fs::read_to_string(self.dir(controller, leaf).join(file)).unwrap().trim().to_owned()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for leaf in &self.leaves {
            if let Ok(Some(cgroup)) = Cgroup::open(&self.hierarchy, &self.parent, leaf) {
                let _ = cgroup.kill().and_then(|()| cgroup.remove());
            }
        }
        let roots: Vec<_> = match &self.hierarchy {
            Hierarchy::V1(trees) => trees.iter().map(|tree| &tree.root).collect(),
            Hierarchy::V2(root) => vec![root],
        };
        for root in roots {
            let _ = std::fs::remove_dir(root.join(&self.parent));
        }
    }
}

/// All that this host can be tested with: never nothing.
fn hierarchies() -> Vec<Hierarchy> {
    let detected = detect().unwrap();
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let unified = mountinfo.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let mut all = vec![detected.clone()];
    all.extend(unified.map(|root| Hierarchy::V2(root.into())).filter(|v2| *v2 != detected));
    all
}

/// A shell that goes into the group and then runs `script`; it is inside when this returns.
fn start_in(cgroup: &Cgroup, script: &str) -> Child {
    let doors: Vec<String> = match &cgroup.leaf {
        Leaf::V1(parts) => parts.iter().map(|part| format!("echo 0 > '{}/tasks'; ", part.dir.display())).collect(),
        Leaf::V2(part) => vec![format!("echo 0 > '{}/cgroup.procs'; ", part.dir.display())],
    };
    let script = format!("set -e; {}set +e; echo in; {script}", doors.concat());
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut word = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"in\n");
    child
}

fn resources(json: serde_json::Value) -> LinuxResources {
    serde_json::from_value(json).unwrap()
}

fn output(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text
}

#[test]
fn root_a_leaf_is_exclusive_found_again_and_removed_twice() {
    for hierarchy in hierarchies() {
        let mut yard = Yard::new(hierarchy);
        let cgroup = yard.leaf("one");
        let again = Cgroup::create(&yard.hierarchy, &yard.parent, "one").unwrap_err();
        assert!(format!("{again:#}").contains("one: File exists"), "{again:#}");
        assert!(cgroup.is_empty().unwrap());
        let found = Cgroup::open(&yard.hierarchy, &yard.parent, "one").unwrap().expect("it is there");
        found.remove().unwrap();
        cgroup.remove().unwrap();
        assert!(cgroup.is_empty().unwrap());
        cgroup.kill().unwrap();
        cgroup.thaw().unwrap();
        assert!(Cgroup::open(&yard.hierarchy, &yard.parent, "one").unwrap().is_none());
        let parent = yard.dir("pids", "");
        drop(yard);
        assert!(!parent.exists(), "{} is left", parent.display());
    }
}

#[test]
fn root_processes_are_counted_frozen_and_killed() {
    for hierarchy in hierarchies() {
        let mut yard = Yard::new(hierarchy);
        let cgroup = yard.leaf("busy");
        let mut child = start_in(&cgroup, "sleep 1000 & sleep 1000 & echo ready; wait");
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        assert!(!cgroup.is_empty().unwrap());
        assert!(cgroup.remove().is_err(), "busy groups are not removed");
        cgroup.freeze().unwrap();
        assert!(std::fs::read_to_string(format!("/proc/{}/stat", child.id())).is_ok());
        let start = Instant::now();
        cgroup.kill().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(cgroup.is_empty().unwrap());
        assert!(!child.wait().unwrap().success());
        cgroup.remove().unwrap();
    }
}

/// Forks as fast as it can, in a group below that it made itself, as a privileged container could.
#[test]
fn root_nobody_escapes_by_forking() {
    for hierarchy in hierarchies() {
        let mut yard = Yard::new(hierarchy);
        let cgroup = yard.leaf("bomb");
        let below = yard.dir("freezer", "bomb").join("below");
        std::fs::create_dir(&below).unwrap();
        let script = format!(
            "echo $$ > {}/cgroup.procs; \
            echo ready; while :; do (sleep 9 &) ; done",
            below.display()
        );
        let mut child = start_in(&cgroup, &script);
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        cgroup.kill().unwrap();
        assert!(cgroup.is_empty().unwrap());
        child.wait().unwrap();
        cgroup.remove().unwrap();
        assert!(!below.exists());
    }
}

#[test]
fn root_devices_are_denied_and_allowed() {
    let rules = serde_json::json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" },
        { "allow": true, "type": "c", "access": "m" },
    ]});
    for hierarchy in hierarchies() {
        let mut yard = Yard::new(hierarchy);
        let cgroup = yard.leaf("devices");
        cgroup.apply(&resources(rules.clone())).unwrap();
        let script = "(echo x > /dev/null) && echo null; (head -c 1 /dev/zero > /dev/null) && echo zero; exit 0";
        assert_eq!(output(start_in(&cgroup, script)), "null\n");
        cgroup.kill().unwrap();
        cgroup.remove().unwrap();
    }
}

#[test]
fn root_limits_of_this_host() {
    let mut yard = Yard::new(detect().unwrap());
    let cgroup = yard.leaf("limits");
    let limits = |memory: u64| {
        resources(serde_json::json!({
            "memory": { "limit": memory, "swap": memory * 2 }, "cpu": { "quota": 50000, "period": 100000 },
            "pids": { "limit": 3 },
        }))
    };
    cgroup.apply(&limits(32 << 20)).unwrap();
    cgroup.apply(&limits(128 << 20)).unwrap();
    cgroup.apply(&limits(64 << 20)).unwrap();
    let (memory, cpu) = match yard.hierarchy {
        Hierarchy::V1(_) => ("memory.limit_in_bytes", ("cpu.cfs_quota_us", "50000")),
        Hierarchy::V2(_) => ("memory.max", ("cpu.max", "50000 100000")),
    };
    assert_eq!(yard.read("memory", "limits", memory), (64 << 20).to_string());
    assert_eq!(yard.read("cpu", "limits", cpu.0), cpu.1);
    let text = output(start_in(&cgroup, "sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait; echo end"));
    assert_ne!(text, "end\n", "three processes are the limit, and dash gives up when it cannot fork");
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
}

#[test]
fn root_bad_limits_end_in_a_sentence() {
    let mut yard = Yard::new(detect().unwrap());
    let cgroup = yard.leaf("bad");
    let refused = |json| format!("{:#}", cgroup.apply(&resources(json)).unwrap_err());
    let cpus = refused(serde_json::json!({ "cpu": { "cpus": "4000-4001" } }));
    assert!(cpus.contains("\"4000-4001\"") && cpus.contains("cpuset.cpus"), "{cpus}");
    let pages = refused(serde_json::json!({ "hugepageLimits": [{ "pageSize": "7PB", "limit": 1 }] }));
    assert!(pages.contains("hugetlb"), "{pages}");
}

#[test]
fn root_a_monitor_takes_one_tree() {
    let mut yard = Yard::new(detect().unwrap());
    yard.leaves.push("monitor");
    let cgroup = Cgroup::ensure_minimal(&yard.hierarchy, &yard.parent, "monitor").unwrap();
    Cgroup::ensure_minimal(&yard.hierarchy, &yard.parent, "monitor").expect("a second monitor finds it there");
    let mut child = start_in(&cgroup, "exec sleep 1000");
    if let Hierarchy::V1(trees) = &yard.hierarchy {
        let made = trees.iter().filter(|tree| tree.root.join(&yard.parent).exists()).count();
        assert_eq!(made, 1);
        assert_eq!(cgroup.views().len(), 1);
    }
    let found = Cgroup::open(&yard.hierarchy, &yard.parent, "monitor").unwrap().unwrap();
    found.kill().unwrap();
    child.wait().unwrap();
    found.remove().unwrap();
}

/// Version 2 before Linux 5.14 has no cgroup.kill.
#[test]
fn root_by_hand_is_as_good() {
    for hierarchy in hierarchies() {
        let mut yard = Yard::new(hierarchy);
        let cgroup = yard.leaf("hand");
        let mut child = start_in(&cgroup, "sleep 1000 & sleep 1000 & echo ready; wait");
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        let is_frozen = || Cgroup::is_frozen(&yard.hierarchy, &yard.parent, "hand").unwrap();
        assert!(!is_frozen());
        cgroup.freeze().unwrap();
        assert!(is_frozen());
        assert_eq!(cgroup.processes().unwrap().len(), 3);
        match &cgroup.leaf {
            Leaf::V1(parts) => kill::by_hand(&v1::Freezer(parts)).unwrap(),
            Leaf::V2(part) => kill::by_hand(part).unwrap(),
        }
        assert!(cgroup.is_empty().unwrap());
        child.wait().unwrap();
        cgroup.remove().unwrap();
    }
}

/// In a mount namespace of a thread's own.
#[test]
fn root_a_container_sees_its_own_leaf_read_only() {
    let mut yard = Yard::new(detect().unwrap());
    let cgroup = yard.leaf("view");
    let root = std::env::temp_dir().join(&yard.parent);
    std::fs::create_dir(&root).unwrap();
    let place = root.clone();
    let seen = std::thread::spawn(move || {
        use nix::mount::{MsFlags, mount};
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS | nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        mount(None::<&str>, &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        let inside = crate::isolate::inside::Root::reopen(&place).unwrap();
        let options = crate::isolate::options::Options::parse(["ro", "nosuid", "noexec", "nodev"]);
        mount::mount(&inside, std::path::Path::new("/sys/fs/cgroup"), &cgroup, &options).unwrap();
        let top = place.join("sys/fs/cgroup");
        let names: Vec<_> = cgroup.views().into_iter().map(|view| view.name).collect();
        let all_there = names.iter().all(|name| top.join(name).join("cgroup.procs").exists());
        let first = names.first().map_or(top.clone(), |name| top.join(name));
        (all_there, std::fs::create_dir(first.join("x")), std::fs::create_dir(top.join("y")))
    });
    let (all_there, below, top) = seen.join().unwrap();
    std::fs::remove_dir(&root).unwrap();
    assert!(all_there);
    for made in [below, top] {
        assert_eq!(made.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
}
