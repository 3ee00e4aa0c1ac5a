//! Networks of both families, and networks that lead nowhere.

use pontoon_tests::Host;
use pontoon_tests::host::{NEIGHBOUR, OWN};

use crate::given::sleeper;

#[test]
fn root_network_with_ipv6_chooses_a_private_subnet_of_its_own() {
    let host = Host::ready();
    host.sh("pontoon network create --ipv6 one; pontoon network create --ipv6 two").ok();
    let subnet = |name: &str| {
        host.sh(&format!("pontoon network inspect -f '{{{{(index .IPAM.Config 1).Subnet}}}}' {name}")).ok()
    };
    let (one, two) = (subnet("one"), subnet("two"));
    assert!(one.starts_with("fd") && one.ends_with("::/64") && one != two, "{one} {two}");
    host.sh("pontoon network rm one two").ok();
}

#[test]
fn root_containers_of_both_families_know_and_reach_each_other() {
    let host = Host::ready();
    host.sh("pontoon network create --subnet 10.99.0.0/24 --subnet fd99::/64 mine").ok();
    sleeper(&host, "one", "--network mine --ip6 fd99::77");
    sleeper(&host, "two", "--network mine");
    assert_eq!(host.inspect("{{(index .NetworkSettings.Networks \"mine\").GlobalIPv6Address}}", "one"), "fd99::77");
    host.sh("pontoon exec two ping -c 1 -W 2 -6 one; pontoon exec two ping -c 1 -W 2 -4 one").ok();
    host.sh("ping -c 1 -W 2 fd99::77; pontoon exec one ping -c 1 -W 2 fd99::1").ok();
    let routes = host.sh("pontoon exec one ip -6 route").ok();
    assert!(routes.contains("default via fd99::1 dev eth0"), "{routes}");
    let settings = host
        .sh("pontoon exec one cat /proc/sys/net/ipv6/conf/eth0/accept_ra /proc/sys/net/ipv6/conf/lo/disable_ipv6")
        .ok();
    assert_eq!(settings, "0\n0");
    // One that comes later has what the first one had: its address is not asked for again, and MAC and name say the same.
    let busy = host.sh("pontoon network rm mine").err();
    assert_eq!(busy.matches("name:\"one\"").count(), 1, "two addresses are one endpoint: {busy}");
    host.sh("pontoon restart -t 0 one; pontoon exec two ping -c 1 -W 2 -6 one").ok();
    assert_eq!(host.inspect("{{(index .NetworkSettings.Networks \"mine\").GlobalIPv6Address}}", "one"), "fd99::77");
    host.sh("pontoon rm -f one two; pontoon network rm mine").ok();
}

#[test]
fn root_network_of_ipv6_alone() {
    let host = Host::ready();
    host.sh("pontoon network create --ipv4=false --subnet fd99::/64 mine").ok();
    sleeper(&host, "one", "--network mine");
    host.sh("pontoon run --rm --network mine busybox ping -c 1 -W 2 one").ok();
    let addresses = host.sh("pontoon exec one ip -4 address show dev eth0").ok();
    assert_eq!(addresses, "", "no IPv4 at all");
    host.sh("pontoon rm -f one; pontoon network rm mine").ok();
}

#[test]
fn root_internal_network_has_no_way_out() {
    let host = Host::ready();
    host.sh("pontoon network create --internal --subnet 10.99.0.0/24 --subnet fd99::/64 inner").ok();
    sleeper(&host, "one", "--network inner");
    sleeper(&host, "two", "--network inner -p 8080:80");
    let routes = host.sh("pontoon exec one ip route; pontoon exec one ip -6 route").ok();
    assert!(routes.contains("10.99.0.0/24 dev eth0") && !routes.contains("default"), "{routes}");
    host.sh("pontoon exec one ping -c 1 -W 2 two; pontoon exec one ping -c 1 -W 2 10.99.0.1").ok();
    for to in [NEIGHBOUR, OWN] {
        assert_ne!(host.sh(&format!("pontoon exec one ping -c 1 -W 1 {to}")).code, 0, "{to}");
    }
    assert_eq!(host.sh("pontoon port two").out(), "", "nothing leads there, so nothing is published");
    assert_eq!(host.sh("pontoon network inspect -f '{{.Internal}}' inner").ok(), "true");
    host.sh("pontoon rm -f one two; pontoon network rm inner").ok();
}

#[test]
fn root_network_with_a_binding_publishes_there() {
    let host = Host::ready();
    host.sh("pontoon network create -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 mine").ok();
    sleeper(&host, "one", "--network mine -p 8080:80 -p 203.0.113.2:8081:81");
    assert_eq!(host.sh("pontoon port one").ok(), "80/tcp -> 127.0.0.1:8080\n81/tcp -> 203.0.113.2:8081");
    host.sh("pontoon rm -f one; pontoon network rm mine").ok();
}
