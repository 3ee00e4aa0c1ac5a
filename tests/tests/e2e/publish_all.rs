//! `-P`, both families, and what is shown and said about ports.
//!
//! ```text
//!   -P    EXPOSE of the image and --expose ─> the first free ports of 49000-49900
//!   -p    no address: 0.0.0.0 and [::] at one port;   [::1]:8080:80: that one alone
//! ```

use std::fs;

use pontoon_tests::host::OWN;
use pontoon_tests::{Host, eventually};

use crate::given::{self, PROBE, SOON, fetch, sleeper};

/// The image `exposing`: busybox that says in its configuration that it listens on 80/tcp and 53/udp.
fn with_exposing_image(host: &Host) {
    let recipe = r#"{ "version": 1, "name": "exposing",
        "copy": [{ "from": "/bin/busybox", "to": "/bin/busybox", "static": true }],
        "applets": [{ "of": "/bin/busybox", "arguments": ["--list-full"] }],
        "config": { "Cmd": ["/bin/busybox", "sleep", "1000"], "ExposedPorts": { "80/tcp": {}, "53/udp": {} } } }"#;
    fs::create_dir("/run/test/exposing").expect("a directory for the recipe");
    let names = fs::read_dir("/run/test/exposing").expect("the directory").count();
    assert_eq!(names, 0);
    fs::write("/run/test/exposing/recipe.json", recipe).expect("a recipe");
    host.sh("pontoon image build /run/test/exposing").ok();
}

#[test]
fn root_publish_all_takes_free_ports_of_the_range() {
    let host = Host::ready();
    with_exposing_image(&host);
    let mut other = host.spawn("exec busybox nc -l -p 49001");
    eventually("a program of the host has 49001", SOON, || !host.sh("ss -Htln sport = 49001").out().is_empty());
    host.sh("pontoon run -d --name x -P --expose 8000 -p 8001:8001 exposing").ok();
    let ports = host.sh("pontoon port x").ok();
    let expected = [
        "53/udp -> 0.0.0.0:49000",
        "53/udp -> [::]:49000",
        "80/tcp -> 0.0.0.0:49000",
        "80/tcp -> [::]:49000",
        "8000/tcp -> 0.0.0.0:49002",
        "8000/tcp -> [::]:49002",
        "8001/tcp -> 0.0.0.0:8001",
        "8001/tcp -> [::]:8001",
    ];
    assert_eq!(ports.lines().collect::<Vec<_>>(), expected);
    host.sh("pontoon run -d --name y -P exposing").ok();
    assert_eq!(host.sh("pontoon port y 80").ok(), "0.0.0.0:49003\n[::]:49003");
    assert_eq!(host.sh("pontoon port y 53/udp").ok(), "0.0.0.0:49001\n[::]:49001", "udp is another matter");
    assert_eq!(
        host.inspect("{{.HostConfig.PublishAllPorts}} {{json .Config.ExposedPorts}}", "y"),
        r#"true {"53/udp":{},"80/tcp":{}}"#
    );
    other.kill();
    other.wait();
    host.sh("pontoon restart -t 0 y").ok();
    assert_eq!(host.sh("pontoon port y 80").ok(), "0.0.0.0:49003\n[::]:49003", "a restart keeps its ports");
    host.sh("pontoon rm -f x y; pontoon run --rm -P busybox true").ok();
    host.sh("pontoon run --rm --net=host -P exposing true").ok();
    let joined = host.sh("pontoon run -d --name z exposing; ! pontoon run --rm --net=container:z -P exposing true");
    assert!(
        joined.err().contains("conflicting options: port publishing and the container type network mode"),
        "{joined}"
    );
    host.sh("pontoon rm -f z; pontoon rmi exposing").ok();
}

#[test]
fn root_publish_all_says_when_the_range_is_used_up_and_leaves_nothing() {
    let host = Host::ready();
    let mut hog = host.spawn(&format!("ulimit -n 2048; exec {PROBE} hold 49000 49900"));
    hog.until("all held", SOON);
    let sentence = "Bind for 0.0.0.0:49000-49900 failed: all ports are already allocated";
    host.sh("pontoon run --name x -P --expose 80 -p 8080:8080 busybox true").refused(125, sentence);
    assert_eq!(host.sh("pontoon ps -aq").ok(), "", "everything has come back");
    host.sh("pontoon create --name x -P --expose 80 busybox true").ok();
    host.sh("pontoon start x").refused(1, sentence);
    hog.kill();
    hog.wait();
    host.sh("pontoon start -a x; pontoon rm x; busybox timeout 1 nc -l -p 8080 || true").ok();
}

#[test]
fn root_ports_of_ipv6_lead_to_a_container_of_ipv4() {
    let host = Host::ready();
    host.sh("ip address add 2001:db8::5/128 dev lo nodad").ok();
    given::web(&host);
    for place in ["127.0.0.1", OWN, "[::1]", "[2001:db8::5]"] {
        assert!(fetch(&host, &format!("http://{place}:8080/hostname")).is_ok(), "{place}");
    }
    let ports = host.inspect(
        "{{range index .NetworkSettings.Ports \"80/tcp\"}}{{.HostIp}} {{.HostPort}} {{.SourceIP}}\n{{end}}",
        "web",
    );
    let told = [
        "0.0.0.0 8080 kept, except from 127.0.0.1 and from its own network",
        ":: 8080 masked: passed on by the monitor, from one family of addresses to the other",
    ];
    assert_eq!(ports.trim().lines().collect::<Vec<_>>(), told);
    assert_eq!(host.sh("pontoon ps --format '{{.Ports}}'").ok(), "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
    sleeper(&host, "four", "-p 0.0.0.0:8081:80");
    assert_eq!(host.sh("pontoon port four").ok(), "80/tcp -> 0.0.0.0:8081");
    let flags = "-p [::1]:8082:80 -p 5353:53/udp";
    host.sh(&format!("pontoon run -d --name six {flags} busybox httpd -f -p 80 -h /etc")).ok();
    given::answers(&host, "http://[::1]:8082/hostname");
    assert!(fetch(&host, "http://127.0.0.1:8082/hostname").is_err());
    assert!(fetch(&host, "http://[2001:db8::5]:8082/hostname").is_err());
    assert_eq!(host.sh("pontoon port six 80").ok(), "[::1]:8082");
    host.sh("pontoon restart -t 0 six").ok();
    given::answers(&host, "http://[::1]:8082/hostname");
    let taken = "failed to bind host port [::1]:8082/tcp: address already in use";
    let refused = host.sh("pontoon run --rm -p [::1]:8082:80 busybox true");
    assert!(
        refused.err().contains("Bind for [::1]:8082 failed: port is already allocated (by container six)"),
        "{refused}"
    );
    host.sh("pontoon rm -f web four six").ok();
    let mut holder = host.spawn(&format!("exec {PROBE} hold 8082 8082"));
    holder.until("all held", SOON);
    host.sh("pontoon run --rm -p [::1]:8082:80 busybox true").refused(125, taken);
    holder.kill();
    holder.wait();
    host.sh("ip address del 2001:db8::5/128 dev lo").ok();
}

#[test]
fn root_ports_of_ipv6_carry_datagrams_and_large_answers() {
    let host = Host::ready();
    let probe = format!("-v {PROBE}:/probe:ro busybox /probe");
    host.sh(&format!("pontoon run -d --name x -p 5353:53/udp {probe} udp-serve 53")).ok();
    let gateway = host.inspect("{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", "x");
    eventually("the server answers", SOON, || host.sh(&format!("{PROBE} udp-ask [::1]:5353")).code == 0);
    assert_eq!(
        host.sh(&format!("{PROBE} udp-ask [::1]:5353")).ok(),
        format!("you are {gateway}"),
        "the source is lost"
    );
    let big = "head -c 20000000 /dev/zero > /big; httpd -f -p 80 -h /";
    host.sh(&format!("pontoon run -d --name y -p 8080:80 busybox sh -c '{big}'")).ok();
    given::answers(&host, "http://[::1]:8080/etc/hostname");
    assert_eq!(host.sh("busybox wget -qO- http://[::1]:8080/big | wc -c").ok(), "20000000");
    host.sh("pontoon rm -f x y").ok();
}

#[test]
fn root_without_ipv6_there_is_one_family() {
    let host = Host::ready();
    host.sh("sysctl -qw net.ipv6.conf.lo.disable_ipv6=1").ok();
    sleeper(&host, "x", "-p 8080:80");
    assert_eq!(host.sh("pontoon port x").ok(), "80/tcp -> 0.0.0.0:8080");
    host.sh("pontoon run --rm -p [::1]:8081:80 busybox true").refused(125, "this host has no address ::1");
    host.sh("pontoon rm -f x; sysctl -qw net.ipv6.conf.lo.disable_ipv6=0").ok();
}

#[test]
fn root_port_answers_as_docker_does() {
    let host = Host::ready();
    sleeper(&host, "x", "-p 127.0.0.1:8000-8002:9000-9002 -p 127.0.0.1:53:53/udp --expose 7-8");
    let all = host.sh("pontoon port x").ok();
    let expected =
        "53/udp -> 127.0.0.1:53\n9000/tcp -> 127.0.0.1:8000\n9001/tcp -> 127.0.0.1:8001\n9002/tcp -> 127.0.0.1:8002";
    assert_eq!(all, expected);
    assert_eq!(host.sh("pontoon port x 9001").ok(), "127.0.0.1:8001");
    assert_eq!(host.sh("pontoon port x 53/udp").ok(), "127.0.0.1:53");
    for word in ["81/tcp", "53", "7"] {
        host.sh(&format!("pontoon port x {word}")).refused(1, &format!("no public port '{word}' published for x"));
    }
    host.sh("pontoon port x http").refused(1, "invalid port (http)");
    host.sh("pontoon port nosuch").refused(1, "No such container: nosuch");
    let column =
        "7-8/tcp, 127.0.0.1:53->53/udp, 127.0.0.1:8000->9000/tcp, 127.0.0.1:8001->9001/tcp, 127.0.0.1:8002->9002/tcp";
    assert_eq!(host.sh("pontoon ps --format '{{.Ports}}'").ok(), column);
    host.sh("pontoon rename x y").ok();
    let sentence = "Bind for 127.0.0.1:8001 failed: port is already allocated (by container y)";
    host.sh("pontoon run --rm -p 127.0.0.1:8001:80 busybox true").refused(125, sentence);
    host.sh("pontoon run --rm -p 127.0.0.1:8000-8002:80 busybox true").refused(125, "all ports are already allocated");
    sleeper(&host, "z", "-p 127.0.0.1:8000-8003:80");
    assert_eq!(host.sh("pontoon port z").ok(), "80/tcp -> 127.0.0.1:8003", "the free one of the range");
    host.sh("pontoon rm -f y z").ok();
}
