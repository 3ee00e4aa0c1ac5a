//! `-d p2p`: a cable from one container straight into another one.

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

fn with_link() -> Host {
    let host = Host::ready();
    host.sh("pontoon network create -d p2p --subnet 10.1.1.0/31 link1").ok();
    host
}

fn gone(host: &Host) {
    host.sh("pontoon network rm link1").ok();
}

fn pings(host: &Host, from: &str, to: &str) -> bool {
    host.sh(&format!("pontoon exec {from} ping -c 1 -W 4 {to}")).code == 0
}

#[test]
fn root_a_cable_joins_two_containers_and_takes_no_third() {
    let host = with_link();
    let before = host.sh("ip -o link | wc -l; nft list ruleset | wc -l").ok();
    sleeper(&host, "a", "--network link1");
    assert_eq!(host.sh("pontoon exec a ls /sys/class/net").ok(), "lo", "nobody is at the other end");
    sleeper(&host, "b", "--network link1");
    assert!(pings(&host, "a", "b") && pings(&host, "b", "a"), "by name, both ways");
    let inside = host.sh("pontoon exec a sh -c 'ip -o -4 address show eth0; ip route'").ok();
    assert!(inside.contains("inet 10.1.1.0/32") && inside.contains("10.1.1.1 dev eth0"), "{inside}");
    assert!(!inside.contains("default"), "no way out: {inside}");
    assert_eq!(host.sh("ip -o link | wc -l; nft list ruleset | wc -l").ok(), before, "the host has nothing of it");
    let third = host.sh("pontoon run -d --name c --network link1 busybox sleep 60");
    third.refused(125, "the network link1 is a cable with two ends, and a and b are there already");
    host.sh("pontoon network rm link1").refused(1, "network link1 has active endpoints");
    let shown = host
        .sh("pontoon network inspect -f '{{.Driver}} {{range .Containers}}{{.Name}} {{.IPv4Address}};{{end}}' link1")
        .ok();
    assert!(shown.starts_with("p2p") && shown.contains("a 10.1.1.0/32") && shown.contains("b 10.1.1.1/32"), "{shown}");
    host.sh("pontoon rm -f a b").ok();
    assert!(host.sh("pontoon run --rm --name c --network link1 busybox ls /sys/class/net").ok().ends_with("lo"));
    host.sh("pontoon rm -f c");
    gone(&host);
}

#[test]
fn root_a_cable_is_there_again_after_every_restart() {
    let host = with_link();
    sleeper(&host, "a", "--network link1");
    sleeper(&host, "b", "--network link1");
    for line in
        ["pontoon restart -t 0 a", "pontoon stop -t 0 a; pontoon start a", "pontoon stop -t 0 b; pontoon start b"]
    {
        host.sh(line).ok();
        assert!(pings(&host, "a", "b") && pings(&host, "b", "a"), "after {line}");
    }
    let monitor = host.monitor("b").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    eventually("its end is noticed", SOON, || host.inspect("{{.State.Status}}", "b") == "exited");
    host.sh("pontoon start b").ok();
    assert!(pings(&host, "a", "b"), "after the monitor was killed");
    host.sh("pontoon stop -t 0 a b; pontoon start b; pontoon start a").ok();
    assert!(pings(&host, "a", "b"), "whoever comes second lays it");
    host.sh("pontoon rm -f a b").ok();
    gone(&host);
}

#[test]
fn root_a_cable_can_be_laid_and_taken_while_both_run() {
    let host = with_link();
    host.sh("pontoon network create back").ok();
    sleeper(&host, "a", "--network back -p 8080:80");
    sleeper(&host, "b", "");
    host.sh("pontoon network connect link1 a; pontoon network connect --alias other link1 b").ok();
    let interfaces = |name: &str| host.sh(&format!("pontoon exec {name} ls /sys/class/net")).ok();
    assert_eq!((interfaces("a").as_str(), interfaces("b").as_str()), ("eth0\neth1\nlo", "eth0\neth1\nlo"));
    assert!(pings(&host, "a", "other") && pings(&host, "b", "10.1.1.0"));
    let route = host.sh("pontoon exec a ip route").ok();
    assert!(route.contains("dev eth0") && route.contains("default via"), "the way out stays: {route}");
    host.sh("pontoon network disconnect link1 b").ok();
    assert_eq!((interfaces("a").as_str(), interfaces("b").as_str()), ("eth0\nlo", "eth0\nlo"));
    host.sh("pontoon network connect link1 b").ok();
    assert!(pings(&host, "b", "10.1.1.0"));
    host.sh("pontoon rm -f a b; pontoon network rm back").ok();
    gone(&host);
}

#[test]
fn root_both_ends_may_come_at_once_and_in_both_families() {
    let host = Host::ready();
    host.sh("pontoon network create -d p2p --subnet 10.1.1.0/31 --subnet fd01::/127 link1").ok();
    for _ in 0..3 {
        host.sh("for c in a b; do pontoon run -d --name $c --network link1 busybox sleep 600 & done; wait").ok();
        assert!(pings(&host, "a", "b") && pings(&host, "b", "a"));
        let six = host.inspect("{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}", "b");
        assert!(pings(&host, "a", &six) && pings(&host, "b", &six) && pings(&host, "b", "::1"), "{six}");
        host.sh("pontoon rm -f a b").ok();
    }
    gone(&host);
}

#[test]
fn root_a_cable_has_two_addresses_and_no_options_of_a_bridge() {
    let host = Host::ready();
    for (words, sentence) in [
        ("--subnet 10.1.1.0/24", "a cable has two ends, so it should be 10.1.1.0/31"),
        ("--subnet 10.1.1.1/31", "it should be 10.1.1.0/31"),
        ("--subnet 10.1.1.0/31 --gateway 10.1.1.1", "no gateway, no ip-range, no aux-address"),
        ("-o icc=false", "no option enable_icc"),
    ] {
        let refused = host.sh(&format!("pontoon network create -d p2p {words} link1")).expect(125).err();
        assert!(refused.contains(sentence), "{words}: {refused}");
    }
    let refused = host.sh("pontoon network create -d bridge --subnet 10.1.1.0/31 link1").expect(125).err();
    assert!(refused.contains("has no room for a gateway"), "{refused}");
    host.sh("pontoon network create -d p2p -o mtu=9000 link1; pontoon network create -d p2p link2").ok();
    let subnets = host.sh("pontoon network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' link1 link2").ok();
    assert!(subnets.lines().all(|subnet| subnet.ends_with("/31")), "{subnets}");
    host.sh("pontoon network rm link2").ok();
    gone(&host);
}

#[test]
fn root_a_cable_is_explained() {
    let host = with_link();
    sleeper(&host, "a", "--network link1");
    let said = host.sh("pontoon run --dry-run --name b --network link1 busybox true").ok();
    for line in [
        "peer=a",
        "ip -n \"$netns\" link add eth0",
        "ip -n \"$peer\" addr add 10.1.1.0/32",
        "ip -n \"$netns\" route add 10.1.1.0/32 dev eth0",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    host.sh("pontoon rm -f a").ok();
    gone(&host);
}

#[test]
fn root_a_cable_keeps_nobody_s_namespace_alive() {
    let host = with_link();
    host.sh("pontoon network create back; pontoon network create -d p2p --subnet 10.1.2.0/31 link2").ok();
    sleeper(&host, "a", "--network back --network link1");
    sleeper(&host, "c", "--network back --network link2");
    // b lays two cables, one after the other.
    sleeper(&host, "b", "--network link1 --network link2");
    assert!(pings(&host, "b", "a") && pings(&host, "b", "c") && pings(&host, "c", "b"));
    for name in ["a", "c"] {
        let device = host.inspect("{{range .NetworkSettings.Networks}}{{.HostDevice}}{{end}}", name);
        host.sh(&format!("pontoon stop -t 0 {name}")).ok();
        eventually("its devices have gone with it", SOON, || host.sh(&format!("ip link show {device}")).code != 0);
    }
    host.sh("pontoon rm -f a b c; pontoon network rm back link2").ok();
    gone(&host);
}
