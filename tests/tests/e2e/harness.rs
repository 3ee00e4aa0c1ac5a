//! The private host itself: it must isolate, and its leak check must see each kind of leak.
//!
//! ```text
//!   leak          made by                  seen in section
//!   link, route   ip link add              link, address, route
//!   rule          nft add table            nft
//!   mount         mount -t tmpfs           mount
//!   process       a daemon                 process
//!   state         a file in PONTOON_STATE  state
//! ```

use pontoon_tests::host::{BEYOND, NEIGHBOUR, OWN};
use pontoon_tests::neighbours::{BEYOND6, LAN, LAN6, OWN_TOO, OWN6, OWN6_TOO};
use pontoon_tests::{Host, Snapshot, Terminal};

#[test]
fn root_host_reaches_its_neighbour_and_beyond() {
    let host = Host::new();
    for address in [NEIGHBOUR, BEYOND, OWN, "127.0.0.1"] {
        host.sh(&format!("ping -c 1 -W 2 {address}")).ok();
    }
    host.lan(&format!("ping -c 1 -W 2 {OWN}")).ok();
    assert_eq!(host.sh("cat /etc/resolv.conf").ok(), format!("nameserver {NEIGHBOUR}\nsearch example.test"));
    let links = host.sh("ls /sys/class/net | sort | xargs").ok();
    assert_eq!(links, "lo uplink", "/sys shows the private host");
    assert_eq!(host.processes(), [], "a pid namespace of its own");
}

#[test]
fn root_host_has_real_neighbours_of_both_families() {
    let host = Host::with_neighbours();
    for (place, targets) in [("lan", [OWN, OWN6]), ("beyond", [OWN_TOO, OWN6_TOO]), ("router", [LAN, LAN6])] {
        for target in targets {
            host.at(place, &format!("ping -c 1 -W 2 {target}")).ok();
        }
    }
    for target in [LAN, LAN6, BEYOND, BEYOND6] {
        host.sh(&format!("ping -c 1 -W 2 {target}")).ok();
    }
    let hops = host.at("beyond", &format!("ip route get {OWN}; ip route get {OWN6}")).ok();
    assert!(
        hops.contains("via 198.51.100.254") && hops.contains("via 2001:db8:c6::fe"),
        "by way of the router: {hops}"
    );
    let gone = host.sh(&format!("pontoon run --rm busybox ping -c 1 -W 2 {BEYOND}")).ok();
    assert!(gone.contains("1 packets received"), "{gone}");
}

/// Section of the snapshot, how the leak is made, how it is mended.
const LEAKS: &[(&str, &str, &str)] = &[
    ("link", "ip link add leak type veth peer name kael", "ip link del leak"),
    ("address", "ip address add 192.0.2.7/32 dev lo", "ip address del 192.0.2.7/32 dev lo"),
    ("route", "ip route add 192.0.2.0/24 via 203.0.113.1", "ip route del 192.0.2.0/24"),
    ("nft", "nft add table inet leak", "nft delete table inet leak"),
    ("mount", "mkdir /run/test/m; mount -t tmpfs leak /run/test/m", "umount /run/test/m"),
    ("process", "setsid sleep 1000 >/dev/null 2>&1 &", "pkill -x sleep -n"),
    ("state", "mkdir -p /run/pontoon/containers/x", "rm -r /run/pontoon"),
    ("netns", "touch /run/netns/leak", "rm /run/netns/leak"),
    ("listener", "busybox nc -l -p 4711 >/dev/null 2>&1 & until ss -Htln | grep -q 4711; do :; done", "pkill busybox"),
    ("sysctl", "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv4.ip_forward=0"),
];

#[test]
fn root_leak_check_sees_each_kind_of_leak() {
    let host = Host::new();
    let before = Snapshot::take(&host);
    for (section, make, unmake) in LEAKS {
        host.sh(make).ok();
        let difference = before.difference(&Snapshot::take(&host));
        let seen = difference.iter().any(|line| line.starts_with(&format!("+ {section} ")));
        host.sh(unmake).ok();
        assert!(seen, "`{make}` is not seen in section {section}:\n{}", difference.join("\n"));
    }
    // The host's drop asserts that after mending there is no difference.
}

#[test]
fn root_orphans_are_reaped() {
    let host = Host::new();
    host.sh("(sleep 0.1 & exec sleep 0.05) & (true & exec sleep 0.2); wait").ok();
    host.sh("sleep 0.2; ! grep -l 'State:.Z' /proc/[0-9]*/status").ok();
}

#[test]
fn root_leak_check_sees_cgroups() {
    let host = Host::new();
    let freezer = std::path::Path::new("/sys/fs/cgroup/freezer");
    let top = if freezer.exists() { freezer } else { std::path::Path::new("/sys/fs/cgroup") };
    let leaf = top.join(&host.cgroup_parent).join("leak");
    std::fs::create_dir_all(&leaf).expect("cgroup");
    assert!(host.cgroups().contains(&leaf));
    std::fs::remove_dir(&leaf).expect("rmdir");
    std::fs::remove_dir(leaf.parent().expect("parent")).expect("rmdir");
}

#[test]
fn root_terminal_is_a_real_one() {
    let host = Host::new();
    let mut terminal = Terminal::open(
        &host,
        "tty; stty size; trap 'echo size now $(stty size)' WINCH; while read line; do echo got:$line; done",
    );
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.type_("hello\r");
    terminal.expect("got:hello");
    terminal.resize(100, 30);
    terminal.type_("again\r");
    terminal.expect("size now 30 100");
    terminal.type_("\x03");
    let (code, _) = terminal.wait();
    assert_eq!(code, 130);
}
