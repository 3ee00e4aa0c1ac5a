//! Published ports of containers that have IPv6 themselves: the same as in IPv4, at the same port.
//!
//! ```text
//!   both   IPv4 and IPv6: publish4 and publish6; ::1 by the monitor        six   IPv6 alone: 0.0.0.0 by the monitor
//! ```

use pontoon_tests::host::OWN;
use pontoon_tests::neighbours::{BEYOND6, LAN, LAN6, OWN6, OWN6_TOO};
use pontoon_tests::{Host, eventually};

use crate::given::{PROBE, SOON};

/// A host that passes on packets of IPv6 already: the first network that has them switches it on, for good.
fn forwarding() -> Host {
    let mut host = Host::with_neighbours();
    host.sh("sysctl -qw net.ipv6.conf.all.forwarding=1").ok();
    host.settle();
    host
}

/// A server that tells its clients who they are, on port 80 of both protocols, on the network of that name.
fn server(host: &Host, network: &str, ports: &str) {
    let line =
        format!("pontoon run -d --name x --network {network} {ports} -v {PROBE}:/probe:ro busybox /probe serve 80");
    host.sh(&line).ok();
    eventually("it serves", SOON, || host.sh("pontoon logs x").out().contains("serving"));
}

fn gateway(host: &Host, family: &str) -> String {
    host.inspect(&format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{family}}}}}{{{{end}}}}"), "x")
}

/// What both protocols say at this place, if they agree.
fn asked(output: pontoon_tests::Output) -> String {
    let lines: Vec<String> =
        output.out().lines().map(|line| line.rsplit(' ').next().unwrap_or_default().into()).collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert_eq!(lines[0], lines[1], "{output}");
    lines[0].clone()
}

fn questions(place: &str) -> String {
    format!("{PROBE} ask tcp/{place} udp/{place}")
}

#[test]
fn root_ports_of_both_families_lead_to_a_container_of_both() {
    let host = forwarding();
    host.sh("pontoon network create --ipv6 both; pontoon network create --ipv6 other").ok();
    server(&host, "both", "-p 8080:80 -p 8080:80/udp");
    for name in ["near", "far"] {
        let network = if name == "near" { "both" } else { "other" };
        host.sh(&format!("pontoon run -d --name {name} --network {network} -v {PROBE}:{PROBE}:ro busybox sleep 1000"))
            .ok();
    }
    assert_eq!(host.sh("pontoon port x 80").ok(), "0.0.0.0:8080\n[::]:8080");
    let (gateway4, gateway6) = (gateway(&host, "Gateway"), gateway(&host, "IPv6Gateway"));
    let from = |machine: &str, place: &str| asked(host.at(machine, &questions(place)));
    let inside = |name: &str, place: &str| asked(host.sh(&format!("pontoon exec {name} {}", questions(place))));
    assert_eq!(from("lan", &format!("{OWN}:8080")), LAN);
    for own in [OWN6, OWN6_TOO] {
        assert_eq!(from("lan", &format!("[{own}]:8080")), LAN6, "the source is kept");
        assert_eq!(from("beyond", &format!("[{own}]:8080")), BEYOND6);
    }
    assert_eq!(asked(host.sh(&questions(&format!("[{OWN6}]:8080")))), OWN6);
    assert_eq!(asked(host.sh(&questions("[::1]:8080"))), gateway6, "by the monitor");
    assert_eq!(asked(host.sh(&questions("127.0.0.1:8080"))), gateway4, "by route_localnet");
    for name in ["near", "x"] {
        let place = format!("[{OWN6}]:8080");
        let questions = if name == "x" { questions(&place).replace(PROBE, "/probe") } else { questions(&place) };
        assert_eq!(asked(host.sh(&format!("pontoon exec {name} {questions}"))), gateway6, "{name}: hairpin");
    }
    let far = host.inspect("{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}", "far");
    assert_eq!(inside("far", &format!("[{OWN6}]:8080")), far, "another network keeps its source");
    let told = host.inspect("{{range index .NetworkSettings.Ports \"80/tcp\"}}{{.SourceIP}};{{end}}", "x");
    assert_eq!(
        told,
        "kept, except from 127.0.0.1 and from its own network;kept, except from ::1 and from its own network;"
    );
    host.sh("pontoon rm -f x near far; pontoon network rm both other").ok();
}

#[test]
fn root_ports_of_ipv4_lead_to_a_container_of_ipv6() {
    let host = forwarding();
    host.sh("pontoon network create --ipv6 --ipv4=false six").ok();
    server(&host, "six", "-p 8080:80 -p 8080:80/udp -p 127.0.0.1:8081:80 -p 127.0.0.1:8081:80/udp");
    let gateway6 = gateway(&host, "IPv6Gateway");
    assert_eq!(asked(host.at("lan", &questions(&format!("[{OWN6}]:8080")))), LAN6);
    for place in [format!("{OWN}:8080"), "203.0.113.3:8080".into()] {
        assert_eq!(asked(host.at("lan", &questions(&place))), gateway6, "{place}");
    }
    for place in ["127.0.0.1:8080", "[::1]:8080", "127.0.0.1:8081"] {
        assert_eq!(asked(host.sh(&questions(place))), gateway6, "{place}");
    }
    host.sh("pontoon restart -t 0 x").ok();
    eventually("it serves again", SOON, || host.sh("pontoon logs x").out().matches("serving").count() == 2);
    assert_eq!(asked(host.sh(&questions("127.0.0.1:8080"))), gateway6);
    host.sh(
        "pontoon rm -f x; pontoon run --rm --network six -p 8080:80 -p 8081:80 busybox true; pontoon network rm six",
    )
    .ok();
}

#[test]
fn root_a_flow_of_ipv6_follows_the_port_that_comes_and_goes() {
    let host = forwarding();
    host.sh("pontoon network create --ipv6 both").ok();
    server(&host, "both", "");
    for place in [format!("[{OWN6}]:5300"), format!("{OWN}:5300")] {
        let mut flow = host.at_spawn("lan", &format!("exec {PROBE} udp-flow 40001 {place}"));
        flow.until("silence", SOON);
        host.sh("pontoon port add x 5300:80/udp").ok();
        flow.until("answered", SOON);
        host.sh("pontoon port rm x 5300:80/udp").ok();
        eventually("silence again", SOON, || flow.so_far().trim_end().ends_with("silence"));
        flow.kill();
        flow.wait();
    }
    host.sh("pontoon rm -f x; pontoon network rm both").ok();
}

#[test]
fn root_one_container_s_end_forgets_its_own_flows_alone() {
    let host = forwarding();
    host.sh("pontoon network create --ipv6 both").ok();
    server(&host, "both", &format!("-p [{OWN6}]:5301:80/udp -p {OWN}:5301:80/udp"));
    host.sh("pontoon rename x other").ok();
    server(&host, "both", &format!("-p [{OWN6}]:5302:80/udp -p {OWN}:5302:80/udp"));
    let places = [format!("40001 [{OWN6}]:5302"), format!("40002 {OWN}:5302")];
    let mut flows = places.map(|place| {
        let mut flow = host.at_spawn("lan", &format!("exec {PROBE} udp-flow {place}"));
        flow.until("answered", SOON);
        flow
    });
    // From now on nothing but the kernel's memory of the flow leads it to the container.
    host.sh(&format!("nft delete element inet pontoon publish_at6 '{{ {OWN6} . udp . 5302 }}'")).ok();
    host.sh(&format!("nft delete element inet pontoon publish_at4 '{{ {OWN} . udp . 5302 }}'")).ok();
    host.sh("pontoon port rm other 80/udp; pontoon rm -f other; sleep 1").ok();
    let is = |flow: &mut pontoon_tests::Running, word| flow.so_far().trim_end().ends_with(word);
    assert!(flows.iter_mut().all(|flow| is(flow, "answered")), "they are another one's");
    host.sh("pontoon rm -f x").ok();
    for mut flow in flows {
        eventually("silence", SOON, || is(&mut flow, "silence"));
        flow.kill();
        flow.wait();
    }
    host.sh("pontoon network rm both").ok();
}
