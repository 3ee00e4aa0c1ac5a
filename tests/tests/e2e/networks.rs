//! `network create|ls|inspect|rm`.

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_network_create_takes_what_it_is_given() {
    let host = Host::ready();
    let flags = "--subnet 10.99.0.0/24 --gateway 10.99.0.254 -o com.docker.network.bridge.name=br-test";
    host.sh(&format!("pontoon network create {flags} mine")).ok();
    let bridge = host.sh("ip -o -4 address show br-test").ok();
    assert!(bridge.contains("10.99.0.254/24"), "a person sees the bridge at once: {bridge}");
    sleeper(&host, "x", "--network mine");
    assert!(host.address("x").starts_with("10.99.0."));
    let route = host.sh("pontoon exec x ip route").ok();
    assert!(route.contains("default via 10.99.0.254 dev eth0"), "{route}");
    host.sh("pontoon exec x ping -c 1 -W 2 10.99.0.254").ok();
    host.sh("pontoon rm -f x").ok();
    assert_eq!(host.sh("pontoon network rm mine").ok(), "mine");
}

#[test]
fn root_network_inspect_is_docker_s_json() {
    let host = Host::ready();
    let id = host.sh("pontoon network create --subnet 10.99.0.0/24 --label a=b mine").ok();
    let container = sleeper(&host, "x", "--network mine");
    let json: serde_json::Value = serde_json::from_str(&host.sh("pontoon network inspect mine").ok()).expect("JSON");
    let network = &json[0];
    assert_eq!(network["Name"], "mine");
    assert_eq!(network["Id"], id);
    assert_eq!(network["Driver"], "bridge");
    assert_eq!(network["Scope"], "local");
    assert_eq!(network["IPAM"]["Config"][0]["Subnet"], "10.99.0.0/24");
    assert_eq!(network["IPAM"]["Config"][0]["Gateway"], "10.99.0.1");
    assert_eq!(network["Internal"], false);
    assert_eq!(network["Containers"][&container]["Name"], "x");
    assert_eq!(network["Containers"][&container]["IPv4Address"], format!("{}/24", host.address("x")));
    assert_eq!(host.sh("pontoon network inspect -f '{{.Name}} {{.Driver}}' mine").ok(), "mine bridge");
    let short = &id[..12];
    assert_eq!(
        host.sh(&format!("pontoon network inspect -f '{{{{.Name}}}}' {short}")).ok(),
        "mine",
        "by a prefix of its id"
    );
    host.sh("pontoon rm -f x; pontoon network rm mine").ok();
}

#[test]
fn root_network_ls_has_docker_s_columns() {
    let host = Host::with_my_net();
    let table = host.sh("pontoon network ls").ok();
    let head: Vec<&str> =
        table.lines().next().expect("a header").split("   ").map(str::trim).filter(|s| !s.is_empty()).collect();
    assert_eq!(head, ["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
    let names: Vec<&str> = table.lines().skip(1).filter_map(|row| row.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["bridge", "host", "my-net", "none"]);
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_network_rm_refuses_what_is_used_or_predefined() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net");
    let busy = host.sh("pontoon network rm my-net");
    assert!(
        matches!(busy.code, 1 | 125) && busy.err().contains("has active endpoints") && busy.err().contains("\"x\""),
        "{busy}"
    );
    host.sh("pontoon exec x ping -c 1 -W 2 $(pontoon network inspect -f '{{(index .IPAM.Config 0).Gateway}}' my-net)")
        .ok();
    let fixed = host.sh("pontoon network rm bridge");
    assert!(
        fixed.code != 0 && fixed.err().contains("bridge is a pre-defined network and cannot be removed"),
        "{fixed}"
    );
    let unknown = host.sh("pontoon network rm nosuch");
    assert!(unknown.code != 0 && unknown.err().contains("network nosuch not found"), "{unknown}");
    host.sh("pontoon rm -f x").ok();
    let mixed = host.sh("pontoon network rm nosuch my-net");
    assert!(mixed.code != 0 && mixed.out() == "my-net", "it goes on after an error: {mixed}");
}

#[test]
fn root_network_subnets_avoid_each_other_and_the_host() {
    let host = Host::ready();
    host.sh("ip route add 172.18.0.0/16 via 203.0.113.1").ok();
    host.sh("for n in a b c; do pontoon network create $n; done").ok();
    let subnets = host
        .sh("for n in bridge a b c; do pontoon network inspect -f '{{(index .IPAM.Config 0).Subnet}}' $n; done")
        .ok();
    let mut list: Vec<&str> = subnets.lines().collect();
    assert!(!list.contains(&"172.18.0.0/16"), "{subnets}");
    list.sort_unstable();
    list.dedup();
    assert_eq!(list.len(), 4, "{subnets}");
    host.sh("pontoon network rm a b c; ip route del 172.18.0.0/16").ok();
}

#[test]
fn root_network_of_a_small_subnet_holds_exactly_five() {
    let host = Host::ready();
    host.sh("pontoon network create --subnet 10.99.0.0/29 small").ok();
    for round in 0..3 {
        for n in 1..=5 {
            sleeper(&host, &format!("c{n}"), "--network small");
        }
        host.sh("pontoon run --rm --network small busybox true").refused(125, "10.99.0.0/29");
        host.sh("pontoon rm -f c3").ok();
        sleeper(&host, "c6", "--network small");
        host.sh("pontoon exec c6 ping -c 1 -W 2 c1").ok();
        host.sh("pontoon rm -f c1 c2 c4 c5 c6").ok();
        assert_eq!(host.sh("pontoon ps -aq").ok(), "", "round {round}");
    }
    host.sh("pontoon network rm small").ok();
}

#[test]
fn root_network_survives_a_foreign_hand() {
    let host = Host::with_my_net();
    sleeper(&host, "one", "--network my-net -p 8080:80");
    let bridge = host.sh("ip -br link show type bridge | awk '/^br-/ {print $1}'").ok();
    host.sh(&format!("nft flush ruleset; ip link del {bridge}")).ok();
    host.sh("pontoon run --rm --network my-net busybox true").ok();
    host.sh("pontoon rm -f one").ok();
    sleeper(&host, "two", "--network my-net -p 8080:80");
    host.sh("pontoon run --rm --network my-net busybox ping -c 1 -W 2 two").ok();
    host.sh("pontoon rm -f two; pontoon network rm my-net").ok();
    host.sh("pontoon run --rm busybox true").ok();
}

#[test]
fn root_network_goes_with_what_a_foreign_hand_left_of_it() {
    let host = Host::ready();
    let damages = [
        "ip link del $(ip -br link show type veth | cut -d@ -f1 | grep ^one)",
        "ip link del $bridge",
        "nft delete table inet pontoon",
        "nft delete table bridge pontoon",
        "nft flush ruleset",
        "nft flush map inet pontoon publish4",
        "ip addr flush dev $bridge",
        "ip link set $bridge down",
        "ip link set $bridge name elsewhere; ip link del elsewhere",
        "rm -f /run/netns/*",
    ];
    for damage in damages {
        host.sh("pontoon network create my-net").ok();
        sleeper(&host, "one", "--network my-net -p 8080:80");
        host.sh(&format!("bridge=$(ip -br link show type bridge | awk '/^br-/ {{print $1}}'); {damage}"));
        for line in [
            "pontoon run --rm --network my-net busybox true",
            "pontoon rm -f one",
            "pontoon run -d --name one --network my-net -p 8080:80 busybox sleep 1000",
            "pontoon run --rm --network my-net busybox ping -c 1 -W 2 one",
            "pontoon rm -f one",
            "pontoon network rm my-net",
            "pontoon run --rm -p 8080:80 busybox true",
        ] {
            let output = host.sh(line);
            assert!(output.code == 0 && output.stderr.is_empty(), "after `{damage}`: {output}");
        }
        assert_eq!(host.leaks(), Vec::<String>::new(), "after `{damage}`");
    }
}

#[test]
fn root_network_whose_files_were_deleted_by_hand() {
    let mut host = Host::with_my_net();
    host.sh("pontoon run --rm --network my-net busybox true; rm -rf $PONTOON_ROOT/networks").ok();
    host.sh("pontoon run --rm -p 8080:80 busybox true").ok();
    host.sh("pontoon network create my-net && pontoon network rm my-net").ok();
    // `network rm` deletes the bridge behind the person's back, and needs its state for that.
    eventually("the bridge has gone", SOON, || !host.sh("ip -br link show type bridge").ok().contains("br-"));
    // With the state gone, too, nobody knows any more whose the bridge is: the person does.
    host.sh("rm -rf $PONTOON_ROOT/networks $PONTOON_STATE").ok();
    host.sh("pontoon run --rm busybox true").refused(125, "ip link delete pontoon0");
    host.sh("ip link delete pontoon0; pontoon run --rm busybox true").ok();
    assert_eq!(host.sh("ip -br link show type bridge | awk '{print $1}'").ok(), "pontoon0");
    // It is another network now, by its id.
    host.settle();
}

#[test]
fn root_network_survives_a_deleted_veth() {
    let host = Host::with_my_net();
    sleeper(&host, "one", "--network my-net");
    host.sh("for link in $(ip -br link show type veth | cut -d@ -f1 | grep -v uplink); do ip link del $link; done")
        .ok();
    host.sh("pontoon stop -t 0 one; pontoon start one").ok();
    host.sh("pontoon run --rm --network my-net busybox ping -c 1 -W 2 one").ok();
    host.sh("pontoon rm -f one; pontoon network rm my-net").ok();
}

#[test]
fn root_network_links_can_be_read_by_a_person() {
    let host = Host::with_my_net();
    sleeper(&host, "one", "--network my-net");
    let links = host.sh("ip -d link show type veth").ok();
    assert!(links.contains(": one.") && links.contains("alias") && links.contains("my-net"), "{links}");
    host.sh("pontoon rm -f one").ok();
    eventually("the kernel has removed the link", SOON, || !host.sh("ip -br link").ok().contains("one."));
    host.sh("pontoon network rm my-net").ok();
}
