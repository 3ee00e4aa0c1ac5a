//! `-p`: who reaches a published port by which address, and who does not.
//!
//! ```text
//!   from              to 8080 on              seen
//!   the host          127.0.0.1, own address  reached
//!   another machine   own address             reached, its own address is seen by the container
//!   another machine   the container directly  dropped
//!   another machine   -p 127.0.0.1:…          refused
//!   the container     the host's address      reached (hairpin)
//!   another network   the host's address      reached
//!   another network   the container directly  dropped
//! ```

use pontoon_tests::host::{BEYOND, NEIGHBOUR, OWN};
use pontoon_tests::{Host, eventually};

use crate::given::{self, PROBE, SOON, fetch, fetch_from_lan, sleeper};

/// A container that answers every TCP connection on port 80 with the address it came from.
fn echo(host: &Host, name: &str, flags: &str) {
    host.sh(&format!("pontoon run -d --name {name} {flags} -v {PROBE}:/probe:ro busybox /probe tcp-serve 80")).ok();
    let address = host.address(name);
    eventually("the server listens", SOON, || ask(host, &address, 80).is_some());
}

/// What the server says; nothing if it cannot be reached within 2 s.
fn ask(host: &Host, address: &str, port: u16) -> Option<String> {
    said(host.sh(&format!("timeout 2 busybox nc {address} {port}")))
}

fn ask_from_lan(host: &Host, address: &str, port: u16) -> Option<String> {
    said(host.lan(&format!("timeout 2 busybox nc {address} {port}")))
}

fn ask_from(host: &Host, container: &str, address: &str, port: u16) -> Option<String> {
    said(host.sh(&format!("pontoon exec {container} timeout 2 nc {address} {port}")))
}

fn said(output: pontoon_tests::Output) -> Option<String> {
    output.out().strip_prefix("you are ").map(str::to_owned)
}

#[test]
fn root_ports_show_the_source_where_they_can() {
    let host = Host::with_my_net();
    echo(&host, "x", "--network my-net -p 8080:80");
    let gateway = host.inspect("{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", "x");
    assert_eq!(ask_from_lan(&host, OWN, 8080).as_deref(), Some(NEIGHBOUR), "another machine keeps its address");
    assert_eq!(ask(&host, OWN, 8080).as_deref(), Some(OWN), "the host keeps its own");
    assert_eq!(ask(&host, "127.0.0.1", 8080), Some(gateway), "loopback becomes the gateway");
    host.sh("pontoon rm -f x; pontoon network rm my-net").ok();
}

#[test]
fn root_ports_hairpin_and_other_networks() {
    let host = Host::with_my_net();
    echo(&host, "x", "--network my-net -p 8080:80");
    sleeper(&host, "near", "--network my-net");
    sleeper(&host, "far", "");
    for from in ["x", "near", "far"] {
        assert!(ask_from(&host, from, OWN, 8080).is_some(), "{from} reaches the published port by the host's address");
    }
    let address = host.address("x");
    assert!(ask_from(&host, "near", &address, 80).is_some(), "a neighbour reaches the container itself");
    assert_eq!(ask_from(&host, "far", &address, 80), None, "networks are apart");
    host.lan(&format!("ip route add {address} via {OWN}")).ok();
    assert_eq!(ask_from_lan(&host, &address, 80), None, "another machine does not reach the container itself");
    host.sh("pontoon rm -f x near far; pontoon network rm my-net").ok();
}

#[test]
fn root_ports_on_loopback_stay_there() {
    let host = Host::ready();
    echo(&host, "x", "-p 127.0.0.1:8081:80");
    assert!(ask(&host, "127.0.0.1", 8081).is_some());
    assert_eq!(ask(&host, OWN, 8081), None);
    assert_eq!(ask_from_lan(&host, OWN, 8081), None);
    host.lan(&format!("ip route add 127.0.0.0/8 via {OWN} table 7; ip rule add to 127.0.0.0/8 table 7 pref 0; sysctl -qw net.ipv4.conf.wire.route_localnet=1")).ok();
    assert_eq!(ask_from_lan(&host, "127.0.0.1", 8081), None, "not by a forged route either");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_ports_udp() {
    let host = Host::ready();
    let line = format!("pontoon run -d --name x -p 5353:53/udp -v {PROBE}:/probe:ro busybox /probe udp-serve 53");
    host.sh(&line).ok();
    eventually("the server answers", SOON, || host.sh(&format!("{PROBE} udp-ask {OWN}:5353")).code == 0);
    assert_eq!(host.lan(&format!("{PROBE} udp-ask {OWN}:5353")).ok(), format!("you are {NEIGHBOUR}"));
    host.sh(&format!("{PROBE} udp-ask 127.0.0.1:5353")).ok();
    assert!(host.sh("pontoon ps").ok().contains("0.0.0.0:5353->53/udp"));
    assert_ne!(host.sh("timeout 2 busybox nc 127.0.0.1 5353").code, 0, "udp only");
    host.sh("pontoon rm -f x").ok();
    assert_ne!(host.lan(&format!("{PROBE} udp-ask {OWN}:5353")).code, 0);
}

#[test]
fn root_ports_ranges_and_the_kernel_s_choice() {
    let host = Host::ready();
    host.sh("pontoon run -d --name x -p 9000-9002:9000-9002 -p 80 busybox httpd -f -p 9001 -h /etc").ok();
    given::answers(&host, "http://127.0.0.1:9001/hostname");
    let row = host.sh("pontoon ps --format '{{.Ports}}'").ok();
    assert!(row.contains("0.0.0.0:9000-9002->9000-9002/tcp"), "{row}");
    let chosen = host.inspect("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "x");
    assert!(chosen.parse::<u16>().is_ok_and(|port| port > 0), "a port of the kernel's choice: {chosen}");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_ports_are_held_against_the_host_s_own_programs() {
    let host = Host::ready();
    given::web(&host);
    assert_ne!(host.sh("timeout 2 busybox nc -l -p 8080").code, 124, "nobody else can listen on a published port");
    host.sh("pontoon rm -f web; busybox timeout 1 nc -l -p 8080 || true").ok();
}

#[test]
fn root_ports_after_restart_and_of_two_containers() {
    let host = Host::ready();
    given::web(&host);
    sleeper(&host, "other", "-p 8082:80");
    host.sh("pontoon restart -t 0 web").ok();
    given::answers(&host, &format!("http://{OWN}:8080/hostname"));
    host.sh("pontoon rm -f other").ok();
    assert!(fetch(&host, "http://127.0.0.1:8080/hostname").is_ok(), "the other's end has taken nothing along");
    host.sh("pontoon stop -t 0 web").ok();
    assert!(fetch_from_lan(&host, &format!("http://{OWN}:8080/")).is_err());
    host.sh("pontoon start web").ok();
    given::answers(&host, "http://127.0.0.1:8080/hostname");
    host.sh("pontoon rm -f web").ok();
}

#[test]
fn root_containers_reach_outside_by_the_host_s_address() {
    let host = Host::with_my_net();
    let mut server = host.lan_spawn(&format!("exec {PROBE} tcp-serve 4000"));
    eventually("the server on the other machine listens", SOON, || ask(&host, NEIGHBOUR, 4000).is_some());
    for network in ["bridge", "my-net"] {
        let line = |target: &str| format!("pontoon run --rm --network {network} busybox timeout 3 nc {target} 4000");
        assert_eq!(host.sh(&line(NEIGHBOUR)).out(), format!("you are {OWN}"), "{network}");
        assert_eq!(host.sh(&line(BEYOND)).out(), format!("you are {OWN}"), "{network}");
    }
    server.kill();
    server.wait();
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_host_services_are_reached_as_before() {
    let host = Host::ready();
    let mut server = host.spawn(&format!("exec {PROBE} tcp-serve 4001"));
    eventually("a service of the host listens", SOON, || ask(&host, OWN, 4001).is_some());
    given::web(&host);
    assert_eq!(ask_from_lan(&host, OWN, 4001).as_deref(), Some(NEIGHBOUR));
    assert!(ask_from(&host, "web", OWN, 4001).is_some());
    server.kill();
    server.wait();
    host.sh("pontoon rm -f web").ok();
}
