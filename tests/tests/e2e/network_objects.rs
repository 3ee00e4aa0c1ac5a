//! Networks as things that are made, listed, shown and removed.

use pontoon_tests::{Host, eventually};
use serde_json::Value;

use crate::given::{SOON, sleeper};

fn inspected(host: &Host, name: &str) -> Value {
    let mut json: Value =
        serde_json::from_str(&host.sh(&format!("pontoon network inspect {name}")).ok()).expect("JSON");
    json[0].take()
}

#[test]
fn root_network_create_says_all_that_is_wrong_at_once() {
    let host = Host::ready();
    let wrong = host.sh(
        "pontoon network create --subnet 10.99.0.3/24 --gateway 10.98.0.1 --ip-range 10.0.0.0/8 --aux-address a=x mine",
    );
    assert_eq!(wrong.code, 125, "{wrong}");
    assert_eq!(
        wrong.err(),
        "pontoon: invalid network config:\n\
         * invalid subnet 10.99.0.3/24: it should be 10.99.0.0/24\n\
         * invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.99.0.0/24\n\
         * invalid gateway 10.98.0.1: parent subnet 10.99.0.0/24 doesn't contain this address\n\
         * invalid auxiliary address a: invalid address"
    );
    for (flags, sentence) in [
        ("--gateway 10.0.0.1", "every ip-range or gateway must have a corresponding subnet"),
        (
            "--subnet 203.0.113.0/28",
            "Pool overlaps with other one on this address space: 203.0.113.0/28 and the address",
        ),
        ("--ipv4=false", "IPv4 or IPv6 must be enabled"),
        ("-o com.docker.network.bridge.gateway_mode_ipv4=isolated", "can only be used for an internal network"),
        ("-o nonsense=1", "unknown network option nonsense"),
        ("--subnet fd00::/64 --subnet fd01::/64", "a network has one subnet of IPv6"),
    ] {
        host.sh(&format!("pontoon network create {flags} mine")).refused(125, sentence);
    }
    assert_eq!(host.sh("pontoon network ls -q -f type=custom").ok(), "", "nothing is left");
}

#[test]
fn root_network_leases_from_the_range_and_keeps_off_aux_addresses() {
    let host = Host::ready();
    let flags =
        "--subnet 10.99.0.0/24 --ip-range 10.99.0.4/30 --aux-address printer=10.99.0.5 --aux-address fax=10.99.0.9";
    host.sh(&format!("pontoon network create {flags} -o name=br-mine mine")).ok();
    host.sh("pontoon network create -o name=br-mine other")
        .refused(125, "the device \"br-mine\" is that of the network mine");
    let config = &inspected(&host, "mine")["IPAM"]["Config"][0];
    assert_eq!(config["IPRange"], "10.99.0.4/30");
    assert_eq!(config["AuxiliaryAddresses"]["printer"], "10.99.0.5");
    let leased: Vec<String> = (0..3)
        .map(|n| {
            sleeper(&host, &format!("c{n}"), "--network mine");
            host.address(&format!("c{n}"))
        })
        .collect();
    assert_eq!(leased, ["10.99.0.4", "10.99.0.6", "10.99.0.7"]);
    host.sh("pontoon run --rm --network mine busybox true")
        .refused(125, "no available IPv4 addresses on the network mine");
    let taken = "Address already in use: 10.99.0.9 belongs to the auxiliary address fax";
    host.sh("pontoon run --rm --network mine --ip 10.99.0.9 busybox true").refused(125, taken);
    let held = "Address already in use: 10.99.0.4 belongs to the container c0";
    host.sh("pontoon run --rm --network mine --ip 10.99.0.4 busybox true").refused(125, held);
    host.sh("pontoon run --rm --network mine --ip 10.99.0.77 busybox true").ok();
    host.sh("pontoon rm -f c0 c1 c2; pontoon network rm mine").ok();
}

#[test]
fn root_network_ls_filters() {
    let host = Host::ready();
    host.sh("pontoon network create --label tier=web front; pontoon network create --internal --label tier=db back")
        .ok();
    let names =
        |flags: &str| host.sh(&format!("pontoon network ls --format '{{{{.Name}}}}' {flags}")).ok().replace('\n', " ");
    assert_eq!(names(""), "back bridge front host none");
    assert_eq!(names("-f type=custom"), "back front");
    assert_eq!(names("--filter driver=bridge --filter name=b"), "back bridge");
    assert_eq!(names("-f label=tier=web"), "front");
    assert_eq!(names("-f label=tier -f label=nosuch"), "");
    sleeper(&host, "x", "--network front");
    assert_eq!(names("-f dangling=true"), "back");
    let id = host.sh("pontoon network inspect -f '{{.Id}}' back").ok();
    assert_eq!(names(&format!("-f id={}", &id[..12])), "back");
    assert_eq!(host.sh("pontoon network ls -q --no-trunc -f name=back").ok(), id);
    host.sh("pontoon network ls -f colour=red").refused(125, "invalid filter 'colour'");
    let line: Value =
        serde_json::from_str(&host.sh("pontoon network ls -f name=back --format json").ok()).expect("JSON");
    assert_eq!(
        (&line["Internal"], &line["IPv6"], &line["Labels"]),
        (&"true".into(), &"false".into(), &"tier=db".into())
    );
    host.sh("pontoon rm -f x; pontoon network rm front back").ok();
}

#[test]
fn root_network_prune_removes_what_no_container_has() {
    let host = Host::ready();
    host.sh("for n in a b c used; do pontoon network create --label keep=$n $n; done").ok();
    host.sh("pontoon create --name x --network used busybox true").ok();
    let asked = host.sh("echo n | pontoon network prune").ok();
    assert!(
        asked.starts_with("WARNING! This will remove all custom networks not used by at least one container."),
        "{asked}"
    );
    assert_eq!(host.sh("pontoon network prune -f --filter label=keep=a").ok(), "Deleted Networks:\na");
    assert_eq!(host.sh("pontoon network prune -f --filter until=1h").ok(), "");
    assert_eq!(host.sh("pontoon network prune -f").ok(), "Deleted Networks:\nb\nc");
    assert_eq!(host.sh("pontoon network ls --format '{{.Name}}' -f type=custom").ok(), "used");
    host.sh("pontoon rm x; pontoon network prune -f").ok();
}

#[test]
fn root_network_show_has_brctl_s_columns_and_the_containers() {
    let host = Host::ready();
    host.sh("pontoon network create --subnet 10.99.0.0/24 --subnet fd99::/64 -o name=br-mine mine; pontoon network create none-yet").ok();
    sleeper(&host, "one", "--network mine");
    sleeper(&host, "two", "--network mine");
    let shown = host.sh("pontoon network show mine").ok();
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(shown.starts_with("bridge name   bridge id           STP enabled   interfaces"), "{shown}");
    let mac = host.sh("cat /sys/class/net/br-mine/address").ok().replace(':', "");
    assert_eq!(lines[1][..3], ["br-mine", &format!("8000.{mac}"), "no"]);
    assert!(lines[1][3].starts_with("one.") && lines[1][4..] == ["one", "10.99.0.2,", "fd99::2"], "{shown}");
    assert!(lines[2][0].starts_with("two.") && lines[2][1..] == ["two", "10.99.0.3,", "fd99::3"], "{shown}");
    assert_eq!(lines.len(), 3, "{shown}");
    let all = host.sh("pontoon network show").ok();
    assert!(all.contains("pontoon0") && all.contains("br-mine"), "{all}");
    let unknown = host.sh("pontoon network show nosuch");
    assert!(unknown.code == 1 && unknown.err().contains("network nosuch not found"), "{unknown}");
    host.sh("pontoon rm -f one two; pontoon network rm mine none-yet").ok();
}

#[test]
fn root_network_inspect_shows_each_endpoint_and_what_the_firewall_says_of_it() {
    let host = Host::ready();
    host.sh("pontoon network create --subnet 10.99.0.0/24 --subnet fd99::/64 -o icc=false mine").ok();
    let id = sleeper(&host, "one", "--network mine --network-alias web");
    let network = inspected(&host, "mine");
    assert_eq!((&network["EnableIPv4"], &network["EnableIPv6"]), (&true.into(), &true.into()));
    assert_eq!(network["Options"]["icc"], "false");
    let bridge = network["Bridge"].as_str().expect("a bridge").to_owned();
    let said = |value: &Value| {
        value["Elements"]
            .as_array()
            .expect("elements")
            .iter()
            .map(|e| e.as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(
        said(&network).contains(&format!("inet pontoon between {{ \"{bridge}\" . \"{bridge}\" : goto links }}")),
        "{network}"
    );
    let endpoint = &network["Containers"][&id];
    assert_eq!((&endpoint["IPv4Address"], &endpoint["IPv6Address"]), (&"10.99.0.2/24".into(), &"fd99::2/64".into()));
    assert_eq!(endpoint["EndpointID"].as_str().map(str::len), Some(64));
    assert_eq!(
        endpoint["EndpointID"],
        host.inspect("{{(index .NetworkSettings.Networks \"mine\").EndpointID}}", "one")
    );
    let device = endpoint["HostDevice"].as_str().expect("a device");
    host.sh(&format!("ip link show {device}")).ok();
    assert!(said(endpoint).contains(&format!("inet pontoon own6 {{ \"{bridge}\" . fd99::2 }}")), "{endpoint}");
    assert!(endpoint["DNSNames"].as_array().expect("names").contains(&"web".into()), "{endpoint}");
    let json: Value = serde_json::from_str(&host.sh("pontoon inspect one").ok()).expect("JSON");
    assert_eq!(json[0]["NetworkSettings"]["Networks"]["mine"]["Elements"], endpoint["Elements"]);
    host.sh("pontoon rm -f one; pontoon network rm mine").ok();
}

#[test]
fn root_networks_are_found_by_the_beginning_of_an_id_that_means_one() {
    let host = Host::ready();
    let mut first = std::collections::BTreeMap::new();
    // Of seventeen ids two begin with the same digit.
    let (digit, count) = (0..17)
        .find_map(|n| {
            let id = host.sh(&format!("pontoon network create n{n}")).ok();
            let default = host.sh("pontoon network inspect -f '{{.Id}}' bridge").ok();
            *first.entry(default[..1].to_owned()).or_insert(1) += 0;
            let count = first.entry(id[..1].to_owned()).or_insert(0);
            *count += 1;
            (*count > 1).then(|| (id[..1].to_owned(), *count))
        })
        .expect("two that begin alike");
    let ambiguous = host.sh(&format!("pontoon network inspect {digit}"));
    let sentence = format!("network {digit} is ambiguous ({count} matches found on ID prefix)");
    assert!(ambiguous.code == 1 && ambiguous.err().contains(&sentence), "{ambiguous}");
    host.sh("pontoon network prune -f").ok();
    eventually("the bridges have gone", SOON, || !host.sh("ip -br link show type bridge").ok().contains("br-"));
}
