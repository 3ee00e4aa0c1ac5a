//! Several networks a container: `--network` said twice, `network connect` and `disconnect`, and who is the way out.

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, fetch_from_lan, sleeper};

/// A host with two networks of known addresses.
fn two_networks() -> Host {
    let host = Host::ready();
    host.sh("pontoon network create --subnet 10.81.0.0/24 front; pontoon network create --subnet 10.82.0.0/24 back")
        .ok();
    host
}

fn gone(host: &Host) {
    host.sh("pontoon network rm front back").ok();
}

/// The device and next hop of the default route inside.
fn way_out(host: &Host, name: &str) -> String {
    host.sh(&format!("pontoon exec {name} ip route"))
        .ok()
        .lines()
        .find(|line| line.starts_with("default"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn root_networks_come_in_the_order_of_the_words() {
    let host = two_networks();
    sleeper(&host, "both", "--network back --network name=front,alias=web,ip=10.81.0.77 -p 8080:80");
    sleeper(&host, "one", "--network front");
    let inside = host.sh("pontoon exec both ip -o -4 address").ok();
    assert!(inside.contains("eth0    inet 10.82.0.2/24") && inside.contains("eth1    inet 10.81.0.77/24"), "{inside}");
    assert_eq!(way_out(&host, "both"), "default via 10.82.0.1 dev eth0");
    host.sh("pontoon exec one ping -c 1 -W 2 web; pontoon exec both ping -c 1 -W 2 one").ok();
    let template =
        "{{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{$one.IPAddress}} {{$one.Interface}};{{end}}";
    assert_eq!(host.inspect(template, "both"), "back 10.82.0.2 eth0;front 10.81.0.77 eth1;");
    let hosts = host.sh("pontoon exec both cat /etc/hosts").ok();
    assert!(hosts.contains("10.82.0.2\t") && hosts.contains("10.81.0.77\t"), "{hosts}");
    host.sh("pontoon rm -f both one").ok();
    gone(&host);
}

#[test]
fn root_the_highest_priority_is_the_way_out() {
    let host = two_networks();
    sleeper(&host, "x", "--network back --network name=front,gw-priority=1");
    assert_eq!(way_out(&host, "x"), "default via 10.81.0.1 dev eth1");
    host.sh("pontoon rm -f x").ok();
    gone(&host);
}

#[test]
fn root_a_running_container_joins_and_leaves_a_network() {
    let host = two_networks();
    sleeper(&host, "x", "--network front");
    sleeper(&host, "y", "--network back");
    host.sh("pontoon exec x ping -c 1 -W 1 y").refused(1, "bad address");
    assert_eq!(host.sh("pontoon network connect --alias other --ip 10.82.0.9 back x").ok(), "");
    host.sh("pontoon exec x ping -c 1 -W 2 y").ok();
    host.sh("pontoon exec y ping -c 1 -W 2 other").ok();
    let inside = host.sh("pontoon exec x ip -o -4 address").ok();
    assert!(inside.contains("eth1    inet 10.82.0.9/24"), "{inside}");
    let endpoints =
        host.sh("pontoon network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}};{{end}}' back").ok();
    assert!(endpoints.contains("x 10.82.0.9/24"), "{endpoints}");
    let busy = "container x is already attached to network back";
    host.sh("pontoon network connect back x").refused(1, busy);
    host.sh("pontoon restart -t 0 x").ok();
    host.sh("pontoon exec x ping -c 1 -W 2 y").ok();
    host.sh("pontoon network disconnect back x").ok();
    assert_eq!(host.sh("pontoon exec x sh -c 'ls /sys/class/net'").ok(), "eth0\nlo");
    host.sh("pontoon exec y ping -c 1 -W 1 other").refused(1, "bad address");
    host.sh("pontoon network disconnect back x").refused(1, "container x is not connected to the network back");
    host.sh("pontoon stop -t 0 x; pontoon start x").ok();
    assert_eq!(host.sh("pontoon exec x sh -c 'ls /sys/class/net'").ok(), "eth0\nlo");
    host.sh("pontoon rm -f x y").ok();
    gone(&host);
}

#[test]
fn root_the_way_out_and_its_ports_move_to_the_next_network() {
    let host = two_networks();
    host.sh("pontoon run -d --name x --network front -p 8080:80 busybox httpd -f -p 80 -h /etc").ok();
    let answers = |host: &Host| fetch_from_lan(host, "http://203.0.113.2:8080/hostname").is_ok();
    eventually("the server answers", SOON, || answers(&host));
    host.sh("pontoon network connect back x").ok();
    assert_eq!(way_out(&host, "x"), "default via 10.81.0.1 dev eth0");
    host.sh("pontoon network disconnect front x").ok();
    assert_eq!(way_out(&host, "x"), "default via 10.82.0.1 dev eth1");
    assert!(answers(&host), "the port leads to the address on the other network");
    host.sh("pontoon network connect --gw-priority 5 front x").ok();
    assert_eq!(way_out(&host, "x"), "default via 10.81.0.1 dev eth0");
    assert!(answers(&host), "and back");
    host.sh("pontoon network disconnect front x; pontoon network disconnect back x").ok();
    assert_eq!(host.sh("pontoon exec x ls /sys/class/net").ok(), "lo");
    host.sh("pontoon rm -f x").ok();
    gone(&host);
}

#[test]
fn root_a_container_that_does_not_run_gets_networks_too() {
    let host = two_networks();
    host.sh("pontoon create --name x --network front busybox sleep 60").ok();
    host.sh("pontoon network connect --ip 10.82.0.9 back x; pontoon network disconnect front x; pontoon start x").ok();
    let inside = host.sh("pontoon exec x ip -o -4 address show eth0").ok();
    assert!(inside.contains("10.82.0.9/24"), "{inside}");
    host.sh("pontoon rm -f x").ok();
    gone(&host);
}

#[test]
fn root_what_cannot_be_joined_changes_nothing() {
    let host = two_networks();
    sleeper(&host, "x", "--network front");
    sleeper(&host, "y", "--network name=back,ip=10.82.0.9");
    for (words, sentence) in [
        ("connect --ip 10.82.0.9 back x", "Address already in use"),
        ("connect --ip 10.99.0.9 back x", "no configured subnet contains IP address 10.99.0.9"),
        ("connect nowhere x", "network nowhere not found"),
        ("connect host x", "container cannot be connected to host network"),
        ("connect back nobody", "No such container: nobody"),
        ("connect --alias 'a b' back x", "invalid alias a b"),
        ("disconnect back x", "container x is not connected to the network back"),
    ] {
        host.sh(&format!("pontoon network {words}")).refused(1, sentence);
    }
    assert_eq!(host.sh("pontoon exec x ls /sys/class/net").ok(), "eth0\nlo");
    assert_eq!(host.inspect("{{range $n, $e := .NetworkSettings.Networks}}{{$n}};{{end}}", "x"), "front;");
    for mode in ["host", "none", "container:x"] {
        host.sh(&format!("pontoon run -d --name z --network {mode} busybox sleep 60")).ok();
        let refused = host.sh("pontoon network connect back z").expect(1).err();
        assert!(refused.contains("cannot be connected to"), "{mode}: {refused}");
        host.sh("pontoon rm -f z").ok();
    }
    host.sh("pontoon rm -f x y").ok();
    gone(&host);
}

#[test]
fn root_words_that_do_not_go_together_are_refused() {
    let host = two_networks();
    for (words, sentence) in [
        ("--network front --network front", "network \"front\" is specified multiple times"),
        (
            "--network front --network host",
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ),
        (
            "--network name=front,ip=10.81.0.5 --ip 10.81.0.6",
            "conflicting options: cannot specify both --ip and per-network IPv4 address",
        ),
        (
            "--network name=front,alias=a --network-alias b",
            "conflicting options: cannot specify both --network-alias and per-network alias",
        ),
        ("--network-alias b", "network-scoped aliases are only supported for user-defined networks"),
        ("--ip 172.17.0.9", "user-specified IP address is supported on user-defined networks only"),
        ("--network host --mac-address 02:42:0a:51:00:05", "conflicting options: mac-address and the network mode"),
        ("--network front --mac-address 02:42", "02:42 is not a valid mac address"),
    ] {
        host.sh(&format!("pontoon run --rm {words} busybox true")).refused(125, sentence);
    }
    let mac =
        "pontoon run --rm --network front --mac-address 02:42:0A:51:00:05 busybox cat /sys/class/net/eth0/address";
    assert_eq!(host.sh(mac).ok(), "02:42:0a:51:00:05");
    gone(&host);
}

#[test]
fn root_a_monitor_that_dies_after_a_connect_leaves_nothing() {
    let host = two_networks();
    sleeper(&host, "x", "--network front -p 8080:80");
    host.sh("pontoon network connect back x").ok();
    let monitor = host.monitor("x").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    let ended = |host: &Host| host.inspect("{{.State.Status}} {{.State.ExitCode}}", "x") == "exited 137";
    eventually("it is recovered", SOON, || ended(&host));
    host.sh("pontoon rm x").ok();
    gone(&host);
}

#[test]
fn root_a_network_s_change_is_explained() {
    let host = two_networks();
    sleeper(&host, "x", "--network front -p 8080:80");
    let said = host.sh("pontoon network connect --dry-run --gw-priority 1 back x").ok();
    for line in [
        "peer eth1",
        "ip -n \"$netns\" route del default via 10.81.0.1 dev eth0",
        "route add default via 10.82.0.1 dev eth1",
        "delete element inet pontoon publish4",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert_eq!(host.sh("pontoon exec x ls /sys/class/net").ok(), "eth0\nlo");
    let done = host.sh("pontoon network connect --explain back x");
    assert!(done.err().contains("peer eth1"), "{}", done.err());
    let said = host.sh("pontoon network disconnect --dry-run front x").ok();
    assert!(said.contains("ip link del x."), "{said}");
    host.sh("pontoon create --name y --network front busybox true").ok();
    let said = host.sh("pontoon network connect --dry-run back y").ok();
    assert_eq!(said, "# The container y does not run: only its record changes.");
    host.sh("pontoon rm -f x y").ok();
    gone(&host);
}

#[test]
fn root_a_chosen_address_is_kept_while_its_container_does_not_run() {
    let host = two_networks();
    host.sh("pontoon create --name kept --network front --ip 10.81.0.2 busybox sleep 600").ok();
    sleeper(&host, "x", "--network front");
    assert_eq!(host.address("x"), "10.81.0.3", "the next one, as the first is somebody's");
    host.sh("pontoon network connect --ip 10.82.0.2 back kept").ok();
    sleeper(&host, "y", "--network back");
    assert_eq!(host.address("y"), "10.82.0.3");
    host.sh("pontoon start kept; pontoon rm -f kept").ok();
    sleeper(&host, "z", "--network name=front,ip=10.81.0.2");
    host.sh("pontoon rm -f x y z").ok();
    gone(&host);
}

#[test]
fn root_ports_are_published_as_soon_as_there_is_a_way_out() {
    let host = two_networks();
    host.sh("pontoon network create --internal inner").ok();
    host.sh("pontoon run -d --name x --network inner -p 8080:80 busybox httpd -f -p 80 -h /etc").ok();
    assert_eq!(host.sh("pontoon port x").ok(), "", "nothing leads out");
    host.sh("pontoon network connect front x").ok();
    assert_eq!(host.sh("pontoon port x").ok().lines().next(), Some("80/tcp -> 0.0.0.0:8080"));
    let answers = |host: &Host| fetch_from_lan(host, "http://203.0.113.2:8080/hostname").is_ok();
    eventually("the server answers", SOON, || answers(&host));
    host.sh("pontoon network disconnect front x").ok();
    assert_eq!(host.sh("pontoon port x").ok(), "");
    let free = host.sh("pontoon run -d --name y -p 8080:80 busybox sleep 600");
    free.ok();
    host.sh("pontoon network connect front x").refused(1, "port is already allocated");
    assert_eq!(host.sh("pontoon exec x ls /sys/class/net").ok(), "eth0\nlo", "it is as it was before");
    host.sh("pontoon rm -f x y; pontoon network rm inner").ok();
    gone(&host);
}
