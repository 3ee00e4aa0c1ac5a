//! Crash-only: whoever is killed, the next command puts right what is left.
//!
//! ```text
//!   killed            what must hold                          then
//!   monitor           everything below it dies in an instant  start, rm, a new one of the same name: as if nothing had been
//!   init              the monitor tells the code 137          the same
//!   the command       the container goes on                   attach, stop, rm
//!   all, and reboot   another boot id: the rest is stale      listed as exited, starts again, networks are rebuilt
//! ```

use std::fs;
use std::time::{Duration, Instant};

use pontoon_tests::host::STATE;
use pontoon_tests::{Host, eventually};

use crate::given::{SOON, answers, fetch, sleeper, web};

/// Kills the monitor, and fails unless all that it looked after is dead within a second.
#[track_caller]
fn kill_monitor(host: &Host, name: &str) {
    let monitor = host.monitor(name).expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    eventually("the kernel has killed the container", Duration::from_secs(1), || host.processes().is_empty());
}

#[test]
fn root_crash_of_the_monitor() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net -p 8080:80");
    kill_monitor(&host, "x");
    assert_eq!(host.inspect("{{.State.Running}} {{.State.Pid}}", "x"), "false 0");
    assert!(host.sh("pontoon ps -a").ok().contains("Exited ("));
    host.sh("pontoon start x").ok();
    host.sh("pontoon run --rm --network my-net busybox ping -c 1 -W 2 x").ok();
    kill_monitor(&host, "x");
    host.sh("pontoon rm x").ok();
    sleeper(&host, "x", "--network my-net -p 8080:80");
    host.sh("pontoon rm -f x; pontoon network rm my-net").ok();
}

#[test]
fn root_crash_of_the_monitor_of_an_image_that_changes_its_uid() {
    let host = Host::ready();
    let entry = "start-stop-daemon --start --chuid nobody --exec /bin/sleep -- 1000";
    host.sh(&format!("pontoon run -d --name x -p 8080:80 busybox {entry}")).ok();
    let pid = host.inspect("{{.State.Pid}}", "x");
    eventually("it has changed its uid", SOON, || host.sh(&format!("stat -c %u /proc/{pid}")).out() == "65534");
    kill_monitor(&host, "x");
    host.sh("pontoon run --rm --name y -p 8080:80 busybox true").ok();
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_crash_of_the_monitor_of_a_paused_container() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "-p 8080:80");
    let (file, word) = match host.cgroup_file(&id, "freezer.state") {
        Some(v1) => (v1, "FROZEN"),
        None => (host.cgroup_file(&id, "cgroup.freeze").expect("a freezer"), "1"),
    };
    fs::write(&file, word).expect("freeze");
    let monitor = host.monitor("x").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    let start = Instant::now();
    host.sh("pontoon rm -f x").ok();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    host.sh("pontoon run --rm --name x -p 8080:80 busybox true").ok();
}

#[test]
fn root_crash_of_nobody_a_paused_container_is_removed() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let pid = host.inspect("{{.State.Pid}}", "x");
    host.sh(&format!("kill -STOP {pid}; pontoon rm -f x")).ok();
}

#[test]
fn root_crash_of_init() {
    let host = Host::ready();
    let mut running = host.spawn("pontoon run --name x busybox sh -c 'echo up; exec sleep 1000'");
    running.until("up", SOON);
    let pid = host.inspect("{{.State.Pid}}", "x");
    host.sh(&format!("kill -9 {pid}")).ok();
    running.wait().expect(137);
    assert_eq!(host.inspect("{{.State.Status}} {{.State.ExitCode}}", "x"), "exited 137");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_crash_of_the_command_leaves_the_container_alone() {
    let host = Host::ready();
    let mut running =
        host.spawn("exec pontoon run --name x busybox sh -c 'echo up; while :; do echo tick; sleep 0.05; done'");
    running.until("up", SOON);
    running.kill();
    running.wait().expect(137);
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    let length = || host.sh("pontoon logs x | wc -l").ok().parse::<usize>().expect("a number");
    let before = length();
    eventually("its output is still read", SOON, || length() > before);
    host.sh("pontoon stop -t 0 x; pontoon rm x").ok();
}

#[test]
fn root_crash_of_a_removed_container_s_monitor_is_swept_by_its_successor() {
    let host = Host::ready();
    for _ in 0..5 {
        host.sh("pontoon run -d --rm --name x -p 8080:80 busybox sleep 1000").ok();
        kill_monitor(&host, "x");
        host.sh("pontoon run --rm --name x -p 8080:80 busybox true").ok();
    }
}

#[test]
fn root_crash_at_random_moments() {
    let host = Host::with_my_net();
    for milliseconds in (0..120).step_by(6) {
        let line = "exec pontoon run --rm --name x -p 8080:80 --network my-net busybox sleep 0.05";
        let mut running = host.spawn(line);
        std::thread::sleep(Duration::from_millis(milliseconds));
        if milliseconds % 12 == 0 {
            running.kill();
        } else if let Some(monitor) = host.monitor("x") {
            host.sh(&format!("kill -9 {monitor} || true")).ok();
        }
        running.wait();
        host.sh("pontoon rm -f x || true").ok();
        let again = host.sh("pontoon run --rm --name x -p 8080:80 --network my-net busybox true");
        assert_eq!(again.code, 0, "killed after {milliseconds} ms: {again}");
    }
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_a_foreign_process_may_hold_the_netns() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net -p 8080:80");
    let (pid, address) = (host.inspect("{{.State.Pid}}", "x"), host.address("x"));
    let mut holder = host.spawn(&format!("exec nsenter --net=/proc/{pid}/ns/net sleep 1000"));
    eventually("it is in", SOON, || host.processes().iter().any(|(_, words)| words.starts_with("sleep 1000")));
    host.sh("pontoon rm -f x").ok();
    assert_ne!(host.sh(&format!("ping -c 1 -W 1 {address}")).code, 0, "the dead one's address does not answer");
    sleeper(&host, "x", "--network my-net -p 8080:80");
    sleeper(&host, "y", "--network my-net");
    for _ in 0..3 {
        host.sh("pontoon exec y ping -c 1 -W 2 x").ok();
    }
    host.sh("pontoon rm -f x y; pontoon network rm my-net").ok();
    holder.kill();
    holder.wait();
}

/// What a reboot does: processes, cgroups, links, rules and named netns are gone, and the kernel says another boot id.
fn reboot(host: &Host) {
    for (pid, _) in host.processes() {
        host.sh(&format!("kill -9 {pid} 2>/dev/null || true")).ok();
    }
    eventually("all is dead", SOON, || host.processes().is_empty());
    for cgroup in host.cgroups().iter().rev() {
        let _ = fs::remove_dir(cgroup);
    }
    host.sh("nft flush ruleset
         for link in $(ip -br link | awk '{sub(\"@.*\", \"\", $1); print $1}'); do
            case $link in lo | uplink) ;; *) ip link del $link 2>/dev/null || true ;; esac
         done
         find /run/netns -type l -delete
         cat /proc/sys/kernel/random/uuid > /run/test/boot_id
         mount --bind /run/test/boot_id /proc/sys/kernel/random/boot_id")
        .ok();
}

/// Containers and networks as they must be after a reboot.
fn after_reboot(host: &Host) {
    let rows = host.sh("pontoon ps -a --format '{{.Names}} {{.Status}}'").ok();
    assert!(rows.lines().all(|row| row.contains("Exited (")) && rows.lines().count() == 2, "{rows}");
    assert_eq!(host.sh("pontoon network ls --format '{{.Name}}' | xargs").ok(), "bridge host my-net none");
    host.sh("pontoon start web peer").ok();
    answers(host, "http://127.0.0.1:8080/hostname");
    host.sh("pontoon exec web ping -c 1 -W 2 peer").ok();
    host.sh("pontoon rm -f web peer; pontoon network rm my-net").ok();
    host.sh("pontoon run --rm busybox true; umount /proc/sys/kernel/random/boot_id").ok();
}

fn before_reboot(host: &Host) {
    host.sh("pontoon run -d --name web --network my-net -p 8080:80 busybox httpd -f -p 80 -h /etc").ok();
    sleeper(host, "peer", "--network my-net");
    host.sh("pontoon run -d --rm --name gone --network my-net busybox sleep 1000").ok();
    answers(host, "http://127.0.0.1:8080/hostname");
}

#[test]
fn root_reboot_empties_run() {
    let host = Host::with_my_net();
    before_reboot(&host);
    reboot(&host);
    host.sh(&format!("rm -rf {STATE}")).ok();
    after_reboot(&host);
}

#[test]
fn root_reboot_that_keeps_run_is_seen_by_the_boot_id() {
    let host = Host::with_my_net();
    before_reboot(&host);
    reboot(&host);
    after_reboot(&host);
}

#[test]
fn root_cgroups_that_a_container_made_are_removed_with_it() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "");
    let dirs = host.cgroups().into_iter().filter(|dir| dir.ends_with(&id) || dir.to_string_lossy().contains(&id));
    for dir in dirs {
        fs::create_dir_all(dir.join("below/deeper")).expect("a cgroup in a container's cgroup");
    }
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_a_port_is_free_again_at_once() {
    let host = Host::ready();
    for _ in 0..10 {
        web(&host);
        host.sh("pontoon rm -f web").ok();
        assert!(fetch(&host, "http://127.0.0.1:8080/").is_err());
    }
}
