//! Both kernels: links, addresses, routes, bridge ports, firewall and settings, of the host and of the container.

use std::fs;

use pontoon_tests::{Host, eventually};
use serde_json::Value;

use super::in_turn;
use crate::given::SOON;

/// What is asked of a network namespace; each line is JSON.
const JSON: [&str; 7] = [
    "ip -j -d link",
    "ip -j address",
    "ip -j route show table all",
    "ip -j -6 route show table all",
    "ip -j rule",
    "bridge -j -d link",
    "nft -j list ruleset",
];

/// Numbers that a kernel gives, and what goes on by itself.
const VOLATILE: [&str; 25] = [
    "ifindex",
    "link_index",
    "link_netnsid",
    "link_netns",
    "iif_index",
    "handle",
    "counter",
    "operstate",
    "state",
    "metainfo",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "num_tx_queues",
    "num_rx_queues",
    "bridge_id",
    "root_id",
    "no",
    "id",
    "designated_bridge",
    "designated_root",
];

/// Settings that count, or that the machine shares.
const NO_SETTING: &str = "nf_conntrack_|nf_log|stable_secret|ip_local_|tcp_(fastopen_key|mem)|udp_mem|neigh|flow_|netdev_|fib_notify|route\\.(flush|min)|\\.tcp_|gc_|\\.mptcp|fs\\.";

/// What the kernel has, of the host and of the container `web`, if it has a network of its own.
fn look(host: &Host, web: bool) -> Vec<String> {
    let mut seen = questions(host, "", "host");
    if web {
        seen.extend(questions(host, "ip netns exec web ", "web"));
    }
    seen
}

fn questions(host: &Host, prefix: &str, whose: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for question in JSON {
        let text = host.sh(&format!("{prefix}{question}")).ok();
        let mut value: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{question}: {error}: {text}"));
        normalise(&mut value);
        let items = value.as_array().cloned().or_else(|| value["nftables"].as_array().cloned()).unwrap_or_default();
        let mut items: Vec<String> = items
            .iter()
            .filter(|item| !comes_by_itself(item))
            .map(|item| format!("{whose} {question}: {item}"))
            .collect();
        // Rules stand in their order; links, addresses and routes have none.
        if !question.starts_with("nft") {
            items.sort();
        }
        seen.extend(items);
    }
    let settings = format!("{prefix}sysctl -a 2>/dev/null | grep '^net\\.' | grep -vE '{NO_SETTING}' | sort");
    seen.extend(host.sh(&settings).ok().lines().map(|line| format!("{whose} {line}")));
    seen
}

/// A cable's end on the host gets IPv6 routes a second after it is up, when the kernel has found its address free.
fn comes_by_itself(item: &Value) -> bool {
    item.get("pref").is_some() && item["dev"].as_str().is_some_and(|device| device.contains('.'))
}

fn normalise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(fields) => {
            fields.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            // The host's end of a cable has an address of the kernel's choice, and with IPv6 one made of it.
            let name = fields.get("ifname").and_then(Value::as_str).unwrap_or_default().to_owned();
            if name.contains('.') || name == "uplink" {
                fields.remove("address");
            }
            if name.contains('.') {
                fields.remove("addr_info");
            }
            if let Some(Value::Array(flags)) = fields.get_mut("flags") {
                flags.retain(|flag| flag != "LOWER_UP" && flag != "NO-CARRIER" && flag != "linkdown");
            }
            if let Some(Value::Array(elements)) = fields.get_mut("elem") {
                elements.sort_by_key(Value::to_string);
            }
            fields.values_mut().for_each(normalise);
        }
        _ => {}
    }
}

/// The explanation that came with a command, which is all of its stderr.
fn explanation(host: &Host, line: &str) -> String {
    let output = host.sh(line).expect(0);
    assert!(output.err().starts_with("#!/bin/bash\n"), "{output}");
    output.err()
}

fn type_by_hand(host: &Host, texts: &[String]) {
    for (number, text) in texts.iter().enumerate() {
        let path = format!("/run/test/steps{number}.sh");
        fs::write(&path, text).expect("steps");
        host.sh(&format!("bash {path}")).ok();
    }
}

/// Runs texts in their order, until the containers of all of them sleep.
fn run_by_hand(host: &Host, texts: &[String]) {
    type_by_hand(host, texts);
    let asleep = texts.iter().filter(|text| text.contains("It runs on by itself")).count().to_string();
    eventually("all containers sleep", SOON, || host.sh("pgrep -fxc 'sleep 1000'").out() == asleep);
}

#[track_caller]
fn assert_same(ours: &[String], theirs: &[String]) {
    let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    let (ours_only, theirs_only) = (only(ours, theirs), only(theirs, ours));
    assert!(
        ours_only.is_empty() && theirs_only.is_empty() && ours.len() == theirs.len(),
        "made by netlink alone:\n{}\nmade by hand alone:\n{}",
        ours_only.join("\n"),
        theirs_only.join("\n")
    );
    assert!(ours.len() > 100, "the question can fail");
}

/// Lines for one host, whose explanations are typed on another.
#[derive(Clone, Copy, Default)]
struct Lines {
    /// Each makes something; the kernels are compared after the last.
    make: &'static [&'static str],
    /// What a container that lives on is rid of before it goes.
    leave: &'static [&'static str],
    /// Networks that go after the containers.
    undo: &'static [&'static str],
    /// The container `web` has a network of its own.
    web: bool,
}

/// Runs `lines` on one host and their explanations on another, and compares the kernels while the container lives and
/// after it has gone.
#[track_caller]
fn compare(make: &'static [&'static str], undo: &'static [&'static str], web: bool) {
    compare_all(Lines { make, undo, web, ..Lines::default() });
}

#[track_caller]
fn compare_all(lines: Lines) {
    let Lines { make, leave, undo, web } = lines;
    let explained =
        |host: &Host, lines: &[&str]| -> Vec<String> { lines.iter().map(|line| explanation(host, line)).collect() };
    let (ours, theirs) = in_turn(
        move |host| {
            let texts = explained(host, make);
            let alive = look(host, web);
            let left = explained(host, leave);
            host.sh("pontoon rm -f $(pontoon ps -aq)").ok();
            let gone = explained(host, undo);
            host.settle();
            (texts, left, gone, alive, look(host, false))
        },
        move |host, (texts, left, gone, ..)| {
            run_by_hand(host, texts);
            let alive = look(host, web);
            type_by_hand(host, left);
            end_by_hand(host, texts);
            run_by_hand(host, gone);
            host.settle();
            (alive, look(host, false))
        },
    );
    assert_same(&ours.3, &theirs.0);
    assert_same(&ours.4, &theirs.1);
    let left: Vec<&String> =
        theirs.1.iter().filter(|line| line.contains("web.") || line.contains("container web")).collect();
    assert!(left.is_empty(), "left of the container: {left:?}");
    let network: Vec<&String> =
        theirs.1.iter().filter(|line| line.contains("my-net") || line.contains("\"elem\":[[")).collect();
    assert!(undo.is_empty() || network.is_empty(), "left of the network: {network:?}");
}

/// Kills what sleeps, and types the lines that the text of `-d` ends with as comments.
fn end_by_hand(host: &Host, texts: &[String]) {
    host.sh("pkill -KILL -fx 'sleep 1000'").ok();
    eventually("nobody is left", SOON, || host.processes().is_empty());
    for text in texts.iter().rev().filter(|text| text.contains("It runs on by itself")) {
        let variables = ["root=", "files=", "disk=", "netns=", "cgroup=", "trees="];
        let assigned = text.lines().filter(|line| variables.iter().any(|name| line.starts_with(name)));
        let ending = text.lines().skip_while(|line| !line.contains("It runs on by itself")).skip(1);
        let ending = ending.map(|line| line.trim_start_matches("# "));
        let script: Vec<&str> = assigned.chain(ending).collect();
        fs::write("/run/test/ending.sh", script.join("\n")).expect("ending");
        host.sh("bash -eu /run/test/ending.sh").ok();
    }
}

#[test]
fn root_explained_default_bridge_is_the_same_by_hand() {
    compare(&["pontoon run -d --explain --name web -p 8080:80 -p 127.0.0.1:53:53/udp busybox sleep 1000"], &[], true);
}

#[test]
fn root_explained_own_network_is_the_same_by_hand() {
    compare(
        &[
            "pontoon network create --explain my-net",
            "pontoon run -d --explain --name db --network my-net busybox sleep 1000",
            "pontoon run -d --explain --name web --network my-net -p 8000-8002:80-82 --add-host a:10.0.0.9 busybox sleep 1000",
        ],
        &["pontoon network rm --explain my-net"],
        true,
    );
}

#[test]
fn root_explained_network_without_icc_and_masquerade_is_the_same_by_hand() {
    compare(
        &[
            "pontoon network create --explain --subnet 10.77.0.0/24 --gateway 10.77.0.9 -o com.docker.network.bridge.name=demo0 \
             -o com.docker.network.bridge.enable_icc=false -o com.docker.network.bridge.enable_ip_masquerade=false my-net",
            "pontoon run -d --explain --name web --network my-net busybox sleep 1000",
        ],
        &["pontoon network rm --explain my-net"],
        true,
    );
}

#[test]
fn root_explained_network_of_both_families_is_the_same_by_hand() {
    compare(
        &[
            "pontoon network create --explain --ipv6 my-net",
            "pontoon run -d --explain --name db --network my-net busybox sleep 1000",
            "pontoon run -d --explain --name web --network my-net -p 8080:80 busybox sleep 1000",
        ],
        &["pontoon network rm --explain my-net"],
        true,
    );
}

#[test]
fn root_explained_internal_network_is_the_same_by_hand() {
    compare(
        &[
            "pontoon network create --explain --internal --subnet 10.77.0.0/24 --subnet fd77::/64 \
             -o enable_icc=false -o trusted_host_interfaces=wg0 my-net",
            "pontoon run -d --explain --name web --network my-net busybox sleep 1000",
        ],
        &["pontoon network rm --explain my-net"],
        true,
    );
}

#[test]
fn root_explained_none_is_the_same_by_hand() {
    compare(&["pontoon run -d --explain --name web --network none busybox sleep 1000"], &[], true);
}

#[test]
fn root_explained_host_is_the_same_by_hand() {
    compare(&["pontoon run -d --explain --name web --network host busybox sleep 1000"], &[], false);
}

#[test]
fn root_explained_container_is_the_same_by_hand() {
    compare(
        &[
            "pontoon run -d --explain --name web -p 8080:80 busybox sleep 1000",
            "pontoon run -d --explain --name beside --network container:web busybox sleep 1000",
        ],
        &[],
        true,
    );
}

/// Neighbours are strangers there, so that a link has something to open.
#[test]
fn root_explained_link_is_the_same_by_hand() {
    compare(
        &[
            "printf '[bridge]\\nicc = false\\naddress6 = \"fd00:17::1/64\"\\n' >/run/test/strangers.toml; export PONTOON_CONFIG=/run/test/strangers.toml
             pontoon run -d --explain --name db --expose 80 --expose 53/udp busybox sleep 1000",
            "export PONTOON_CONFIG=/run/test/strangers.toml
             pontoon run -d --explain --name web --link db:store --link db busybox sleep 1000",
        ],
        &[],
        true,
    );
}

#[test]
fn root_explained_changes_of_a_running_container_are_the_same_by_hand() {
    compare_all(Lines {
        make: &[
            "pontoon network create --explain --subnet 10.81.0.0/24 my-net",
            "pontoon network create --explain --subnet 10.82.0.0/24 --subnet fd82::/64 my-net2",
            "pontoon network create --explain --subnet 10.83.0.0/24 my-net3",
            "pontoon run -d --explain --name web --network my-net -p 8080:80 busybox sleep 1000",
            "pontoon network connect --explain my-net3 web",
            "pontoon network connect --explain --gw-priority 1 my-net2 web",
            "pontoon network disconnect --explain my-net3 web",
            "pontoon port add --explain web 8081:81 8053:53/udp",
        ],
        leave: &["pontoon port rm --explain web 8053:53/udp 81", "pontoon network disconnect --explain my-net2 web"],
        undo: &[
            "pontoon network rm --explain my-net",
            "pontoon network rm --explain my-net2",
            "pontoon network rm --explain my-net3",
        ],
        web: true,
    });
}

#[test]
fn root_explained_cable_is_the_same_by_hand() {
    compare(
        &[
            "pontoon network create --explain -d p2p --subnet 10.1.1.0/31 --subnet fd01::/127 my-net",
            "pontoon run -d --explain --name db --network my-net busybox sleep 1000",
            "pontoon run -d --explain --name web --network my-net busybox sleep 1000",
        ],
        &["pontoon network rm --explain my-net"],
        true,
    );
}
