//! Names: DNS at 127.0.0.11 on user networks, and the files hosts, hostname and resolv.conf.
//!
//! ```text
//!   asks for          on a user network            on the default network
//!   busybox1          its address                  not found
//!   a stopped one     not found                    not found
//!   anything else     the host's resolvers         the host's resolvers, by resolv.conf itself
//! ```

use pontoon_tests::host::NEIGHBOUR;
use pontoon_tests::{Host, eventually};

use crate::given::{PROBE, SOON, sleeper};

/// The address that `name` has for `asker`, or nothing.
fn resolve(host: &Host, asker: &str, name: &str) -> Option<String> {
    let output = host.sh(&format!("pontoon exec {asker} timeout 5 ping -c 1 -W 1 {name}"));
    let (_, rest) = output.out().split_once('(').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    rest.split_once(')').map(|(address, _)| address.to_owned())
}

#[test]
fn root_names_follow_the_containers() {
    let host = Host::with_my_net();
    sleeper(&host, "asker", "--network my-net");
    assert_eq!(resolve(&host, "asker", "one"), None);
    let id = sleeper(&host, "one", "--network my-net --hostname other");
    let address = host.address("one");
    for name in ["one", "ONE", "one.my-net", &id[..12], "other"] {
        assert_eq!(resolve(&host, "asker", name).as_deref(), Some(address.as_str()), "{name}");
    }
    let back = host.sh(&format!("pontoon exec asker nslookup {address}")).ok();
    assert!(back.contains("one.my-net"), "{back}");
    assert!(resolve(&host, "one", "asker").is_some(), "and the other way round");
    host.sh("pontoon stop -t 0 one").ok();
    assert_eq!(resolve(&host, "asker", "one"), None, "a name ends with its container");
    host.sh("pontoon start one").ok();
    assert_eq!(resolve(&host, "asker", "one"), Some(host.address("one")));
    host.sh("pontoon rm -f one asker; pontoon network rm my-net").ok();
}

#[test]
fn root_names_of_a_killed_monitor_are_gone_at_once() {
    let host = Host::with_my_net();
    sleeper(&host, "asker", "--network my-net");
    sleeper(&host, "one", "--network my-net");
    let monitor = host.monitor("one").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    eventually("the name of the dead is unknown", SOON, || resolve(&host, "asker", "one").is_none());
    host.sh("pontoon rm -f one asker; pontoon network rm my-net").ok();
}

#[test]
fn root_names_do_not_cross_networks() {
    let host = Host::with_my_net();
    host.sh("pontoon network create other").ok();
    sleeper(&host, "one", "--network my-net");
    sleeper(&host, "two", "--network other");
    sleeper(&host, "zero", "");
    sleeper(&host, "zero2", "");
    assert_eq!(resolve(&host, "two", "one"), None);
    assert_eq!(resolve(&host, "zero", "one"), None);
    assert_eq!(resolve(&host, "zero", "zero2"), None, "no DNS on the default network");
    assert!(
        host.sh(&format!("pontoon exec two ping -c 1 -W 1 {}", host.address("one"))).code != 0,
        "networks are apart"
    );
    host.sh("pontoon rm -f one two zero zero2; pontoon network rm my-net other").ok();
}

#[test]
fn root_names_resolve_beside_a_server_on_port_53() {
    let host = Host::with_my_net();
    sleeper(&host, "one", "--network my-net");
    let server = format!(
        "--name dns --network my-net -v {PROBE}:/probe:ro busybox sh -c '/probe tcp-serve 53 & exec /probe udp-serve 53'"
    );
    host.sh(&format!("pontoon run -d {server}")).ok();
    let address = host.address("dns");
    let ask = format!("pontoon run --rm --network my-net -v {PROBE}:/probe:ro busybox /probe udp-ask {address}:53");
    eventually("the container's own server answers", SOON, || host.sh(&ask).out().starts_with("you are "));
    assert_eq!(resolve(&host, "dns", "one"), Some(host.address("one")), "names still resolve inside");
    assert_eq!(resolve(&host, "one", "dns"), Some(address));
    host.sh("pontoon rm -f one dns; pontoon network rm my-net").ok();
}

#[test]
fn root_other_questions_go_to_the_host_s_resolver() {
    let host = Host::with_my_net();
    let mut upstream = host.lan_spawn(&format!("exec {PROBE} dns-serve 53 198.51.100.77"));
    sleeper(&host, "x", "--network my-net");
    eventually("the host's resolver is asked", SOON, || {
        resolve(&host, "x", "outside.example.org").as_deref() == Some("198.51.100.77")
    });
    sleeper(&host, "y", "");
    assert_eq!(
        resolve(&host, "y", "outside.example.org").as_deref(),
        Some("198.51.100.77"),
        "on the default network too"
    );
    upstream.kill();
    upstream.wait();
    let output = host.sh("pontoon exec x timeout 30 nslookup outside.example.org");
    assert!(output.code != 124 && output.code != 0, "a dead upstream is an answer, not a hang: {output}");
    assert_eq!(resolve(&host, "x", "x"), Some(host.address("x")), "local names do not depend on it");
    host.sh("pontoon rm -f x y; pontoon network rm my-net").ok();
}

#[test]
fn root_files_on_the_default_network() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "--add-host db:10.1.2.3 --add-host v6=[::7]");
    let address = host.address("x");
    let hosts = host.sh("pontoon exec x cat /etc/hosts").ok();
    for line in ["127.0.0.1\tlocalhost", "10.1.2.3\tdb", "::7\tv6", &format!("{address}\t{}", &id[..12])] {
        assert!(hosts.lines().any(|found| found == line), "{line:?} in\n{hosts}");
    }
    assert_eq!(host.sh("pontoon exec x cat /etc/hostname").ok(), id[..12]);
    assert_eq!(host.sh("pontoon exec x hostname").ok(), id[..12]);
    let resolver = host.sh("pontoon exec x cat /etc/resolv.conf").ok();
    assert!(
        resolver.contains(&format!("nameserver {NEIGHBOUR}")) && resolver.contains("search example.test"),
        "{resolver}"
    );
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_files_on_a_user_network() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net --hostname full.example.org");
    let resolver = host.sh("pontoon exec x cat /etc/resolv.conf").ok();
    for line in ["nameserver 127.0.0.11", "search example.test", "options ndots:0"] {
        assert!(resolver.lines().any(|found| found == line), "{line:?} in\n{resolver}");
    }
    let hosts = host.sh("pontoon exec x cat /etc/hosts").ok();
    let own = format!("{}\tfull.example.org full", host.address("x"));
    assert!(hosts.lines().any(|found| found == own), "{own:?} in\n{hosts}");
    assert_eq!(host.sh("pontoon exec x hostname").ok(), "full.example.org");
    host.sh("pontoon rm -f x; pontoon network rm my-net").ok();
}

#[test]
fn root_files_may_be_changed_by_the_container_and_not_by_a_newline() {
    let host = Host::ready();
    host.sh("pontoon run --rm busybox sh -c 'echo 1.2.3.4 mine >> /etc/hosts; grep -q mine /etc/hosts'").ok();
    let forged =
        host.pontoon(&["run", "--rm", "--add-host", "x:1.2.3.4\n6.6.6.6 bank", "busybox", "cat", "/etc/hosts"]);
    assert_eq!(forged.code, 125, "{forged}");
    let forged = host.pontoon(&["run", "--rm", "--hostname", "x\n6.6.6.6 bank", "busybox", "cat", "/etc/hosts"]);
    assert_eq!(forged.code, 125, "{forged}");
}

#[test]
fn root_dns_flag_replaces_the_host_s_servers() {
    let host = Host::with_my_net();
    let plain = host.sh("pontoon run --rm --dns 192.0.2.53 busybox cat /etc/resolv.conf").ok();
    assert!(plain.contains("nameserver 192.0.2.53") && !plain.contains(NEIGHBOUR), "{plain}");
    let own = host.sh("pontoon run --rm --network my-net --dns 192.0.2.53 busybox cat /etc/resolv.conf").ok();
    assert!(own.contains("nameserver 127.0.0.11") && !own.contains("nameserver 192.0.2.53"), "{own}");
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_a_sharer_has_the_owner_s_files() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "--add-host db:10.1.2.3");
    let output = host.sh("pontoon run --rm --net=container:x busybox sh -c 'hostname; cat /etc/hosts'").ok();
    assert!(output.starts_with(&id[..12]) && output.contains("10.1.2.3\tdb"), "{output}");
    host.sh("pontoon rm -f x").ok();
}
