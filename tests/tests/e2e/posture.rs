//! The container as it is seen from inside, when nothing is asked for: Docker's default posture.
//!
//! ```text
//!   /proc/self/status     capabilities, seccomp          /proc/self/mountinfo   what is mounted how
//!   /dev                  ten devices and no others      /proc/self/fd          0, 1, 2
//!   /proc, /sys           masked and read-only parts     /proc/self/limits      the caller's own
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use pontoon_tests::Host;

use crate::given::{PROBE, sleeper};

/// Runs a script in a fresh default container.
#[track_caller]
fn inside(host: &Host, flags: &str, script: &str) -> String {
    let mut words: Vec<&str> = vec!["run", "--rm"];
    words.extend(flags.split_whitespace());
    words.extend(["busybox", "sh", "-c", script]);
    host.pontoon(&words).ok()
}

/// `name: value` lines of /proc/self/status.
fn status(host: &Host, flags: &str) -> BTreeMap<String, String> {
    let text = inside(host, flags, "cat /proc/self/status");
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn root_posture_capabilities_and_seccomp() {
    let host = Host::ready();
    let root = status(&host, "");
    for set in ["CapBnd", "CapPrm", "CapEff"] {
        assert_eq!(root[set], "00000000a80425fb", "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(root[set], "0000000000000000", "{set}");
    }
    assert_eq!((root["Seccomp"].as_str(), root["NoNewPrivs"].as_str()), ("2", "0"));
    let person = status(&host, "-u 1000:1000");
    assert_eq!(person["CapBnd"], "00000000a80425fb");
    for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(person[set], "0000000000000000", "{set} of a person");
    }
    assert_eq!(person["Groups"], "1000", "supplementary groups are set exactly: the primary one, as Docker does");
    assert_eq!(person["Seccomp"], "2");
}

#[test]
fn root_posture_of_exec_is_that_of_run() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let text = host.sh("pontoon exec x cat /proc/self/status").ok();
    for line in ["CapBnd:\t00000000a80425fb", "CapEff:\t00000000a80425fb", "CapInh:\t0000000000000000", "Seccomp:\t2"] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let namespaces = "for n in mnt net uts pid ipc cgroup; do readlink /proc/self/ns/$n; done";
    let init = namespaces.replace("self", "1");
    assert_eq!(
        host.pontoon(&["exec", "x", "sh", "-c", namespaces]).ok(),
        host.pontoon(&["exec", "x", "sh", "-c", &init]).ok()
    );
    assert_eq!(host.sh("pontoon exec x sh -c 'ls /proc/self/fd | xargs'").ok(), "0 1 2 3", "3 is ls's own");
    let person = host.sh("pontoon exec -u 1000 x cat /proc/self/status").ok();
    for line in ["CapBnd:\t00000000a80425fb", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "Seccomp:\t2"] {
        assert!(person.contains(line), "{line:?} of a person in {person}");
    }
    assert_eq!(host.sh("pontoon exec x cat /proc/self/oom_score_adj").ok(), "0");
    let cgroups = host.sh("pontoon exec x cat /proc/self/cgroup").ok();
    assert_eq!(cgroups, host.sh("pontoon exec x cat /proc/1/cgroup").ok());
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_posture_namespaces_are_its_own() {
    let host = Host::ready();
    for namespace in ["mnt", "net", "uts", "pid", "ipc"] {
        let look = format!("readlink /proc/self/ns/{namespace}");
        assert_ne!(inside(&host, "", &look), host.sh(&look).ok(), "{namespace}");
    }
    assert_eq!(inside(&host, "", "echo $$; ls -d /proc/[0-9]* | wc -l").lines().next(), Some("1"));
}

#[test]
fn root_posture_masked_paths_are_empty() {
    let host = Host::ready();
    let masked = "for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
        /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware \
        /sys/devices/system/cpu/cpu*/thermal_throttle; do
            if [ -d $p ]; then [ -z \"$(ls -A $p)\" ] || echo $p; elif [ -e $p ]; then [ -z \"$(head -c 1 $p)\" ] || echo $p; fi
        done";
    assert_eq!(inside(&host, "", masked), "", "these can be read");
    assert_ne!(inside(&host, "--privileged", masked), "", "the question can fail");
}

#[test]
fn root_posture_read_only_paths_refuse() {
    let host = Host::ready();
    let mounts = inside(&host, "", "cat /proc/mounts");
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/sys"] {
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(path));
        let read_only =
            mount.is_some_and(|line| line.split(' ').nth(3).is_some_and(|o| o.split(',').any(|o| o == "ro")));
        assert!(read_only || !Path::new(path).exists(), "{path}: {mount:?}");
    }
    let attempts = "echo 1 > /proc/sys/net/ipv4/ip_forward || echo b > /proc/sysrq-trigger || mkdir /sys/fs/cgroup/x || echo all refused";
    assert_eq!(inside(&host, "", &format!("({attempts}) 2>/dev/null")), "all refused");
}

#[test]
fn root_posture_mounts_have_docker_s_flags() {
    let host = Host::ready();
    let text = inside(&host, "", "cat /proc/mounts");
    let options = |path: &str| -> Vec<String> {
        let line = text
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(path))
            .unwrap_or_else(|| panic!("{path} in\n{text}"));
        line.split(' ').nth(3).unwrap_or_default().split(',').map(str::to_owned).collect()
    };
    let expected: &[(&str, &[&str])] = &[
        ("/proc", &["rw", "nosuid", "nodev", "noexec"]),
        // strictatime is what is there when neither relatime nor noatime is.
        ("/dev", &["rw", "nosuid", "size=65536k", "mode=755"]),
        ("/dev/pts", &["nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"]),
        ("/dev/shm", &["nosuid", "nodev", "noexec", "size=65536k"]),
        ("/dev/mqueue", &["nosuid", "nodev", "noexec"]),
        ("/sys", &["ro", "nosuid", "nodev", "noexec"]),
        ("/sys/fs/cgroup", &["ro", "nosuid", "nodev", "noexec"]),
    ];
    for (path, flags) in expected {
        let found = options(path);
        assert!(flags.iter().all(|flag| found.iter().any(|f| f == flag)), "{path}: {flags:?} of {found:?}");
    }
    assert!(text.lines().next().is_some_and(|root| root.starts_with("overlay / overlay rw")), "{text}");
    for path in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        options(path);
    }
    assert!(!options("/dev").iter().any(|option| option.ends_with("atime")), "strictatime on /dev");
}

#[test]
fn root_posture_mounts_are_these_and_no_others() {
    let host = Host::ready();
    let text = inside(&host, "", "cut -d' ' -f2 /proc/mounts | sort");
    let masked = "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
        /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware";
    let read_only = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";
    let always =
        "/ /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup /etc/hosts /etc/hostname /etc/resolv.conf";
    let known: Vec<&str> = [masked, read_only, always].iter().flat_map(|list| list.split_whitespace()).collect();
    let strange = text.lines().filter(|path| {
        let throttle = path.starts_with("/sys/devices/system/cpu/") && path.ends_with("/thermal_throttle");
        !known.contains(path) && !throttle && !path.starts_with("/sys/fs/cgroup/")
    });
    assert_eq!(strange.collect::<Vec<_>>(), Vec::<&str>::new(), "mounted beyond what is known");
    let missing = always.split_whitespace().filter(|path| !text.lines().any(|line| line == *path));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new(), "not mounted");
    // What the kernel has of these is covered.
    let there = |path: &&str| Path::new(path).exists();
    let open = masked.split_whitespace().chain(read_only.split_whitespace()).filter(there);
    let open = open.filter(|path| !text.lines().any(|line| line == *path));
    assert_eq!(open.collect::<Vec<_>>(), Vec::<&str>::new(), "neither masked nor read-only");
}

#[test]
fn root_posture_devices() {
    let host = Host::ready();
    let names = inside(&host, "", "ls /dev | grep -v -e '^core$' -e '^console$' | xargs");
    assert_eq!(names, "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero");
    let links =
        inside(&host, "", "for l in fd stdin stdout stderr; do readlink /dev/$l; done | xargs; stat -c %a /dev/shm");
    assert_eq!(links, "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2\n1777");
    inside(&host, "", "head -c 8 /dev/urandom > /dev/null; ! (echo x > /dev/full) 2>/dev/null");
    for (kind, numbers) in [("b", "254 0"), ("c", "10 200"), ("c", "10 229"), ("c", "1 1")] {
        let script = format!(
            "mknod /tmp/d {kind} {numbers} && ! (exec 3</tmp/d) 2>/tmp/why && grep -q 'not permitted' /tmp/why"
        );
        inside(&host, "", &script);
    }
}

#[test]
fn root_posture_devices_have_their_numbers_and_modes_and_open() {
    let host = Host::ready();
    let look = "for d in null zero full random urandom tty; do stat -c '%n %F %a %t:%T' /dev/$d; done";
    let expected = ["null 1:3", "zero 1:5", "full 1:7", "random 1:8", "urandom 1:9", "tty 5:0"];
    let expected =
        expected.map(|row| row.replace(' ', " character special file 666 ")).map(|row| format!("/dev/{row}"));
    assert_eq!(inside(&host, "", look), expected.join("\n"));
    // Made anew by the container itself, these open; 5:0 and 5:1 only where there is a terminal, and never "not permitted".
    for numbers in ["1 3", "1 5", "1 7", "1 8", "1 9"] {
        inside(&host, "", &format!("mknod /tmp/d c {numbers} && (exec 3<>/tmp/d)"));
    }
    for numbers in ["5 0", "5 1", "5 2", "136 0"] {
        let script = format!("mknod /tmp/d c {numbers} && (exec 3</tmp/d) 2>/tmp/why; ! grep 'not permitted' /tmp/why");
        inside(&host, "", &script);
    }
    inside(&host, "", "mknod /tmp/b b 7 200 && mknod /tmp/c c 10 200");
}

#[test]
fn root_posture_network_settings() {
    let host = Host::with_my_net();
    let look = "cd /proc/sys/net; cat ipv4/ip_unprivileged_port_start; tr -s '\\t' ' ' < ipv4/ping_group_range
        cat ipv4/conf/eth0/route_localnet ipv6/conf/eth0/accept_ra ipv6/conf/eth0/disable_ipv6
        ip -6 address show dev eth0";
    assert_eq!(inside(&host, "--network my-net", look), "0\n0 2147483647\n0\n0\n1");
    let bridge = host.sh("ip -br link show type bridge | awk '/^br-/ {print $1}'").ok();
    let of = |device: &str, key: &str| host.sh(&format!("cat /proc/sys/net/{}", key.replace('*', device))).ok();
    assert_eq!(of(&bridge, "ipv6/conf/*/accept_ra"), "0");
    assert_eq!(of(&bridge, "ipv6/conf/*/disable_ipv6"), "1");
    assert_eq!(of(&bridge, "ipv4/conf/*/route_localnet"), "1");
    for device in ["uplink", "lo", "all", "default"] {
        assert_eq!(of(device, "ipv4/conf/*/route_localnet"), "0", "{device}");
    }
    assert_eq!(host.sh(&format!("ip -6 address show dev {bridge}")).ok(), "", "no link-local address");
    host.sh("pontoon network rm my-net").ok();
    // With the host's network its settings are the host's.
    let port = host.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    assert_eq!(inside(&host, "--network host", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), port);
}

#[test]
fn root_posture_stop_is_term_ten_seconds_kill() {
    let host = Host::ready();
    let script = "trap 'echo heard; exit 7' TERM; while :; do sleep 0.05; done";
    host.pontoon(&["run", "-d", "--name", "polite", "busybox", "sh", "-c", script]).ok();
    host.pontoon(&["run", "-d", "--name", "deaf", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
        .ok();
    let stop = |name: &str| {
        let start = Instant::now();
        host.pontoon(&["stop", name]).ok();
        (start.elapsed().as_secs(), host.inspect("{{.State.ExitCode}}", name))
    };
    let (seconds, code) = stop("polite");
    assert!(seconds < 5 && code == "7", "{code} after {seconds} s");
    assert_eq!(host.sh("pontoon logs polite").ok(), "heard");
    let (seconds, code) = stop("deaf");
    assert!((10..15).contains(&seconds) && code == "137", "{code} after {seconds} s");
    host.sh("pontoon rm polite deaf").ok();
}

#[test]
fn root_posture_forbidden_things_are_refused() {
    let host = Host::ready();
    for script in [
        "mount -t tmpfs t /mnt",
        "unshare -n true",
        "hostname changed",
        "ip link set lo down",
        "mount -o remount,rw /sys",
    ] {
        let output = host.pontoon(&["run", "--rm", "busybox", "sh", "-c", script]);
        assert_ne!(output.code, 0, "{output}");
    }
    let probe = format!("-v {PROBE}:/probe:ro");
    assert_eq!(inside(&host, &probe, "/probe socket inet && echo yes"), "yes");
    for family in ["alg", "vsock"] {
        assert_eq!(
            inside(&host, &probe, &format!("/probe socket {family} 2>/dev/null || echo refused")),
            "refused",
            "{family}"
        );
    }
    assert_eq!(inside(&host, "-u 1000", "unshare -U true 2>/dev/null || echo refused"), "refused");
}

#[test]
fn root_posture_what_docker_allows_is_allowed() {
    let host = Host::ready();
    inside(&host, "", "chown 1:1 /tmp && chroot / true && mknod /tmp/p p && ping -c 1 127.0.0.1");
    inside(
        &host,
        "-u 1000",
        "ping -c 1 -W 1 127.0.0.1 || true; httpd -p 81 -h /etc && wget -qO- 127.0.0.1:81/hostname",
    );
    let sysctls =
        inside(&host, "", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range");
    assert_eq!(sysctls.split_whitespace().collect::<Vec<_>>(), ["0", "0", "2147483647"]);
}

#[test]
fn root_posture_limits_descriptors_and_environment() {
    let host = Host::ready();
    assert_eq!(inside(&host, "", "cat /proc/self/limits"), host.sh("cat /proc/self/limits").ok());
    assert_eq!(inside(&host, "", "ls /proc/self/fd | xargs"), "0 1 2 3", "3 is ls's own");
    assert_eq!(inside(&host, "", "cat /proc/self/oom_score_adj"), "0");
    let environment = inside(&host, "", "env | grep -v -e ^SHLVL -e ^PWD | sort");
    let id = "HOSTNAME=";
    let lines: Vec<&str> = environment.lines().collect();
    assert_eq!(lines.len(), 3, "{environment}");
    assert!(lines[0] == "HOME=/root" && lines[1].starts_with(id), "{environment}");
    assert_eq!(lines[2], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!(inside(&host, "", "pwd; id -u; umask"), "/\n0\n0022");
    assert_eq!(inside(&host, "", "cat /proc/self/cmdline | tr '\\0' ' '").trim(), "cat /proc/self/cmdline");
}

#[test]
fn root_posture_nothing_of_the_host_is_open() {
    let host = Host::ready();
    host.sh("exec 7</etc/passwd 9</run; exec pontoon run -d --name x busybox sleep 1000").ok();
    let pid = host.inspect("{{.State.Pid}}", "x");
    assert_eq!(host.sh(&format!("ls /proc/{pid}/fd | xargs; readlink /proc/{pid}/cwd")).ok(), "0 1 2\n/");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_posture_the_binary_cannot_be_reached_from_inside() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let before = host.sh("sha256sum < /run/test/bin/pontoon").ok();
    let script = "for p in /proc/[0-9]*; do (exec 3>>$p/exe) 2>/dev/null && echo written $p; done; echo done";
    assert_eq!(host.pontoon(&["exec", "x", "sh", "-c", script]).ok(), "done");
    assert_eq!(host.sh("sha256sum < /run/test/bin/pontoon").ok(), before);
    host.sh("pontoon rm -f x").ok();
}
