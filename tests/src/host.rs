//! A private host: what one Pontoon looks after, made for one test and gone with it.
//!
//! ```text
//!   network namespace "lan"            network namespace of the host          made by Pontoon
//!   ┌───────────────────────┐          ┌─────────────────────────────┐       ┌────────────┐
//!   │ beyond 198.51.100.1 lo│          │ lo                          │       │ containers │
//!   │ wire    203.0.113.1 ──┼── veth ──┼── uplink 203.0.113.2        │── ? ──│            │
//!   └───────────────────────┘          │ default via 203.0.113.1     │       └────────────┘
//!      "another machine"               └─────────────────────────────┘
//!   mount namespace   private; tmpfs on /run; own /proc, /sys, /etc/resolv.conf
//!   surroundings      more of them if asked for: a LAN and a router       neighbours.rs
//!   pid namespace     PID 1 is a sleep that reaps; whatever escapes is still in here, and dies with it
//!   cgroups           parent pontoon-test-<pid>-<n> in every hierarchy
//!   PONTOON_ROOT      /run/test/lib           PONTOON_STATE  /run/pontoon          PONTOON_CONFIG  /run/test/config.toml
//! ```
//!
//! The calling thread itself moves into the namespaces (unshare(2) works for one thread), so commands that it starts are
//! inside, and the machine is never touched. The test process itself stays in the outer pid namespace: pids that Pontoon
//! prints are to be used by commands inside (`host.sh("kill -9 …")`), not by the test.
//! A thread can do so once, so a test has one host. The last act of every host is the leak check.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::process::{Output, Running, end};
use crate::snapshot::Snapshot;
use crate::{binary, neighbours};

/// The host's own address on the wire to its neighbour.
pub const OWN: &str = "203.0.113.2";
/// The neighbour's address: another machine.
pub const NEIGHBOUR: &str = "203.0.113.1";
/// An address behind the neighbour, reached through the default route.
pub const BEYOND: &str = "198.51.100.1";
/// What lasts: the value of PONTOON_ROOT.
pub const ROOT: &str = "/run/test/lib";
/// What dies with the kernel: the value of PONTOON_STATE.
pub const STATE: &str = "/run/pontoon";
/// Its settings, which are not there unless a test writes them: the value of PONTOON_CONFIG.
pub const CONFIG: &str = "/run/test/config.toml";
/// How long the kernel may take for what it cleans up behind a dead namespace.
const DEFERRED: Duration = Duration::from_secs(6);

/// A private host. Its end is the leak check: dropping it panics if anything is left.
pub struct Host {
    /// The name of the cgroup under which all of this host's cgroups live.
    pub cgroup_parent: String,
    init: Child,
    before: Snapshot,
}

impl Host {
    /// An empty host: no image, no network, nothing that Pontoon has made.
    pub fn new() -> Self {
        Self::amid(neighbours::SMALL)
    }

    /// A host as [`Host::ready`], with IPv6 and the larger surroundings: a machine on its segment, and one beyond a router.
    pub fn with_neighbours() -> Self {
        Self::amid(neighbours::LARGE).after_a_first_container()
    }

    fn amid(surroundings: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "the end-to-end tests need root: namespaces, links and mounts");
        let binary = binary::path();
        let resolver = fs::canonicalize("/etc/resolv.conf").ok();
        enter_namespaces();
        fresh_run();
        let init = start_init();
        fresh_sys();
        own_resolver(resolver);
        symlink(binary, "/run/test/bin/pontoon").expect("link to the binary under test");
        let mut host = Self { cgroup_parent: unique_name(), init, before: Snapshot::default() };
        host.sh(surroundings).ok();
        host.before = Snapshot::take(&host);
        host
    }

    /// A host that has run a container before: the busybox image, the default network and the firewall's table are there.
    /// The leak check compares with that state.
    pub fn ready() -> Self {
        Self::new().after_a_first_container()
    }

    fn after_a_first_container(mut self) -> Self {
        self.sh("pontoon run --rm busybox true").ok();
        self.settle();
        self
    }

    /// A host as [`Host::ready`], with the network `my-net`; to be removed by the test.
    pub fn with_my_net() -> Self {
        let host = Self::ready();
        host.sh("pontoon network create -d bridge my-net").ok();
        host
    }

    /// A command of this host, not started; standard input is /dev/null.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).stdin(Stdio::null()).current_dir("/");
        command
    }

    fn environment(&self) -> [(&str, &str); 9] {
        [
            ("PATH", "/run/test/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("TERM", "xterm"),
            ("LC_ALL", "C.UTF-8"),
            ("TAKEN", "from the caller"),
            ("PONTOON_ROOT", ROOT),
            ("PONTOON_STATE", STATE),
            ("PONTOON_CONFIG", CONFIG),
            ("PONTOON_CGROUP_PARENT", &self.cgroup_parent),
        ]
    }

    /// `pontoon WORDS…`, to its end.
    #[track_caller]
    pub fn pontoon(&self, words: &[&str]) -> Output {
        let mut command = self.command("pontoon");
        command.args(words);
        Running::start(command).wait()
    }

    /// A line as a person types it, run by bash, to its end.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Output {
        self.spawn(script).wait()
    }

    /// A line as a person types it, started. bash replaces itself with a single command.
    pub fn spawn(&self, script: &str) -> Running {
        let mut command = self.command("bash");
        command.args(["-ec", script]);
        Running::start(command)
    }

    /// The same on another machine: `lan`, and with neighbours also `router` and `beyond`.
    #[track_caller]
    pub fn at(&self, machine: &str, script: &str) -> Output {
        self.at_spawn(machine, script).wait()
    }

    /// Started on another machine: in its network namespace.
    pub fn at_spawn(&self, machine: &str, script: &str) -> Running {
        let mut command = self.command("nsenter");
        command.args([&format!("--net=/run/netns/{machine}"), "bash", "-ec", script]);
        Running::start(command)
    }

    /// The same on the machine next to the host.
    #[track_caller]
    pub fn lan(&self, script: &str) -> Output {
        self.at("lan", script)
    }

    /// Started on the machine next to the host.
    pub fn lan_spawn(&self, script: &str) -> Running {
        self.at_spawn("lan", script)
    }

    /// One value out of `pontoon inspect -f TEMPLATE NAME`.
    #[track_caller]
    pub fn inspect(&self, template: &str, name: &str) -> String {
        self.pontoon(&["inspect", "-f", template, name]).ok()
    }

    /// The container's address on its only network.
    #[track_caller]
    pub fn address(&self, name: &str) -> String {
        self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
    }

    /// The pid of a container's monitor, inside this host; by its command line `pontoon-monitor NAME`.
    pub fn monitor(&self, name: &str) -> Option<u32> {
        self.processes()
            .into_iter()
            .find(|(_, words)| words.starts_with(&format!("pontoon-monitor {name} ")))
            .map(|p| p.0)
    }

    /// All living processes of this host but its PID 1: pid and command line.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let names =
            fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| name.parse().ok()).filter(|pid| *pid != 1);
        pids.filter_map(|pid| Some((pid, living(pid)?))).collect()
    }

    /// Directories below this host's cgroup parent in every hierarchy, the parent itself included.
    pub fn cgroups(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for top in cgroup_mounts() {
            find_parent(&top, &self.cgroup_parent, 4, &mut found);
        }
        found
    }

    /// The directory of a container's cgroup that holds `file`, e.g. `memory.limit_in_bytes`.
    pub fn cgroup_file(&self, id: &str, file: &str) -> Option<PathBuf> {
        let of_container = |dir: &&PathBuf| dir.to_string_lossy().contains(id) && dir.join(file).exists();
        self.cgroups().iter().find(of_container).map(|dir| dir.join(file))
    }

    /// What is not as it was before; waits at most 6 s for what the kernel cleans up by itself.
    pub fn leaks(&self) -> Vec<String> {
        let end = Instant::now() + DEFERRED;
        loop {
            let difference = self.before.difference(&Snapshot::take(self));
            if difference.is_empty() || Instant::now() > end {
                return difference;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Fails unless the host is as it was before.
    #[track_caller]
    pub fn leak_check(&self) {
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "the host is not as it was before:\n{}", leaks.join("\n"));
    }

    /// From now on the leak check compares with the present state; gives what has changed since the last time.
    pub fn settle(&mut self) -> Vec<String> {
        let now = self.settled();
        let changes = self.before.difference(&now);
        self.before = now;
        changes
    }

    /// A snapshot once nothing changes any more: no process is left and two looks are equal.
    fn settled(&self) -> Snapshot {
        let end = Instant::now() + DEFERRED;
        let mut last = Snapshot::take(self);
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let next = Snapshot::take(self);
            if self.processes().is_empty() && last.difference(&next).is_empty() {
                return next;
            }
            assert!(Instant::now() < end, "the first container of a host leaves it restless: {:?}", self.processes());
            last = next;
        }
    }

    /// Kills what still lives and removes the cgroups: they alone outlive the namespaces.
    fn tear_down(&mut self) {
        let dirs = self.cgroups();
        for freezer in dirs.iter().map(|dir| dir.join("freezer.state")).filter(|file| file.exists()) {
            let _ = fs::write(freezer, "THAWED");
        }
        // With its PID 1 the whole pid namespace dies.
        end(&mut self.init);
        let late = Instant::now() + DEFERRED;
        while !removed(&dirs) && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let verdict = match std::thread::panicking() {
            true => Ok(()),
            false => std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.leak_check())),
        };
        self.tear_down();
        if let Err(leaks) = verdict {
            std::panic::resume_unwind(leaks);
        }
    }
}

/// `unshare --net --mount --pid` for this thread, and a mount tree of its own.
fn enter_namespaces() {
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    unshare(flags).expect("unshare --net --mount --pid");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .expect("mount --make-rprivate /");
}

/// `mount -t tmpfs tmpfs /run`, with the test's own directory in it.
fn fresh_run() {
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).expect("mount -t tmpfs tmpfs /run");
    for dir in ["/run/netns", "/run/test/bin", ROOT] {
        fs::create_dir_all(dir).expect(dir);
    }
}

/// PID 1 of the host: it ignores SIGCHLD, so the kernel reaps every orphan; it dies with the test, however that ends.
/// It mounts its own /proc first.
fn start_init() -> Child {
    let script = "mount -t proc proc /proc; exec env --ignore-signal=CHLD setpriv --pdeathsig KILL sleep 2147483647";
    let mut command = Command::new("sh");
    command.args(["-ec", script]).stdin(Stdio::null()).stdout(Stdio::null());
    let init = command.spawn().expect("PID 1 of the private host");
    crate::eventually("PID 1 of the private host runs", DEFERRED, || {
        fs::read("/proc/1/cmdline").is_ok_and(|words| words.starts_with(b"sleep"))
    });
    init
}

/// A /sys that shows this network namespace, with the machine's cgroups where they were.
fn fresh_sys() {
    let aside = "/run/test/cgroup";
    let none = None::<&str>;
    fs::create_dir(aside).expect(aside);
    mount(Some("/sys/fs/cgroup"), aside, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .expect("mount --rbind /sys/fs/cgroup");
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).expect("mount -t sysfs sysfs /sys");
    mount(Some(aside), "/sys/fs/cgroup", none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .expect("mount --rbind /sys/fs/cgroup");
    umount2(aside, MntFlags::MNT_DETACH).expect("umount --lazy");
    fs::remove_dir(aside).expect(aside);
}

/// An /etc/resolv.conf that names the neighbour. `real`: where the machine's file is, links followed before /run was covered.
fn own_resolver(real: Option<PathBuf>) {
    let (own, none) = (Path::new("/run/test/resolv.conf"), None::<&str>);
    fs::write(own, format!("nameserver {NEIGHBOUR}\nsearch example.test\n")).expect("resolv.conf");
    let real = real.unwrap_or_else(|| PathBuf::from("/etc/resolv.conf"));
    if real.exists() {
        mount(Some(own), &real, none, MsFlags::MS_BIND, none).expect("mount --bind resolv.conf");
    } else {
        fs::create_dir_all(real.parent().expect("a file has a directory")).expect("directory of resolv.conf");
        fs::copy(own, real).expect("resolv.conf");
    }
}

/// A cgroup name that no other test has.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("pontoon-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `rmdir` from the leaves up; whether all are gone.
fn removed(dirs: &BTreeSet<PathBuf>) -> bool {
    for dir in dirs.iter().rev() {
        // Busy until the kernel has let go of the last process: the caller asks again.
        let _ = fs::remove_dir(dir);
    }
    !dirs.iter().any(|dir| dir.exists())
}

/// The command line of a process that is neither dead nor a zombie.
fn living(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned();
    (!matches!(state, 'Z' | 'X')).then_some(line)
}

/// Mount points of all cgroup hierarchies, v1 and v2.
fn cgroup_mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    let is_cgroup = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    table.lines().filter(is_cgroup).filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

/// Looks for directories called `parent` at most `depth` levels below `top`, and collects them with all that is in them.
fn find_parent(top: &Path, parent: &str, depth: u32, found: &mut BTreeSet<PathBuf>) {
    for dir in directories(top) {
        match dir.file_name().is_some_and(|name| name == parent) {
            true => collect(&dir, found),
            false if depth > 0 => find_parent(&dir, parent, depth - 1, found),
            false => {}
        }
    }
}

fn collect(dir: &Path, found: &mut BTreeSet<PathBuf>) {
    found.insert(dir.to_owned());
    directories(dir).iter().for_each(|below| collect(below, found));
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}
