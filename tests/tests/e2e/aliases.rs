//! Names beyond a container's own: aliases of one network, shared by several, and names over several networks.
//!
//! ```text
//!   front   a: api          web on both: names of front first, each network's by name.network
//!   back    b: api, c: api  ─> both addresses, in any order; of those that run
//! ```

use std::collections::BTreeSet;

use pontoon_tests::Host;

use crate::given::{DIG, sleeper};

/// The addresses that `asker` is told, in the order of the answer.
fn ask(host: &Host, asker: &str, name: &str) -> Vec<String> {
    let answer = host.sh(&format!("pontoon exec {asker} /dig ask {name} A")).ok();
    answer.lines().skip(1).map(|line| line.split(' ').next_back().unwrap_or_default().to_owned()).collect()
}

#[test]
fn root_aliases_of_several_containers_are_all_their_addresses() {
    let host = Host::with_my_net();
    sleeper(&host, "asker", &format!("--network my-net -v {DIG}:/dig:ro"));
    for name in ["a", "b", "c"] {
        sleeper(&host, name, "--network my-net --network-alias api --net-alias Both.Words");
    }
    let all = |names: &[&str]| names.iter().map(|name| host.address(name)).collect::<BTreeSet<_>>();
    let asked = |name: &str| ask(&host, "asker", name).into_iter().collect::<BTreeSet<_>>();
    for name in ["api", "API.my-net", "both.words"] {
        assert_eq!(asked(name), all(&["a", "b", "c"]), "{name}");
    }
    let orders: BTreeSet<Vec<String>> = (0..40).map(|_| ask(&host, "asker", "api")).collect();
    assert!(orders.len() > 1, "shuffled: {orders:?}");
    let (monitor, kept) = (host.monitor("a").expect("a monitor"), all(&["b"]));
    host.sh(&format!("kill -9 {monitor}; pontoon stop -t 0 c")).ok();
    assert_eq!(asked("api"), kept, "who has ended, by whatever way, is not named");
    let shown = host.sh("pontoon inspect -f '{{json (index .NetworkSettings.Networks \"my-net\").Aliases}} {{json (index .NetworkSettings.Networks \"my-net\").DNSNames}}' b").ok();
    let id = host.sh("pontoon inspect -f '{{.Id}}' b").ok();
    let short = &id[..12];
    assert_eq!(shown, format!("[\"api\",\"Both.Words\"] [\"b\",\"api\",\"Both.Words\",\"{short}\"]"));
    host.sh("pontoon rm -f asker a b c; pontoon network rm my-net").ok();
}

#[test]
fn root_names_are_looked_up_over_all_networks_in_their_order() {
    let host = Host::ready();
    host.sh("pontoon network create front; pontoon network create back").ok();
    sleeper(&host, "f", "--network front --network-alias api");
    sleeper(&host, "b", "--network name=back,alias=api,alias=base");
    let both = |first: &str, second: &str| format!("--network {first} --network {second} -v {DIG}:/dig:ro");
    sleeper(&host, "one", &both("front", "back"));
    sleeper(&host, "two", &both("back", "front"));
    let (front, back) = (host.address("f"), host.address("b"));
    for asker in ["one", "two"] {
        assert_eq!(ask(&host, asker, "f"), [front.as_str()]);
        assert_eq!(ask(&host, asker, "base"), [back.as_str()]);
        assert_eq!(ask(&host, asker, "api.front"), [front.as_str()]);
        assert_eq!(ask(&host, asker, "api.back"), [back.as_str()]);
    }
    assert_eq!(ask(&host, "one", "api"), [front.as_str()], "the first network's");
    assert_eq!(ask(&host, "two", "api"), [back.as_str()]);
    let lines = host.sh("pontoon exec one cat /etc/hosts").ok();
    let hostname = host.sh("pontoon exec one hostname").ok();
    assert_eq!(lines.lines().filter(|line| line.ends_with(&format!("\t{hostname}"))).count(), 2, "{lines}");
    host.sh("pontoon rm -f one two f b; pontoon network rm front back").ok();
}

#[test]
fn root_names_follow_connect_and_disconnect() {
    let host = Host::with_my_net();
    sleeper(&host, "db", "--network my-net");
    let id = sleeper(&host, "web", &format!("-v {DIG}:/dig:ro"));
    let file = |name: &str| host.sh(&format!("pontoon exec web cat /etc/{name}")).ok();
    let before = (file("hosts"), file("resolv.conf"));
    host.sh("pontoon exec web sh -c 'echo 9.9.9.9 mine >> /etc/hosts'").ok();
    host.sh("pontoon network connect --alias web2 --link db:store my-net web").ok();
    let address = host.sh("pontoon inspect -f '{{(index .NetworkSettings.Networks \"my-net\").IPAddress}}' web").ok();
    let line = format!("{address}\t{}", &id[..12]);
    assert_eq!(file("hosts"), format!("{}\n9.9.9.9 mine\n{line}", before.0));
    assert!(file("resolv.conf").contains("nameserver 127.0.0.11\n"), "{}", file("resolv.conf"));
    for name in ["db", "store", "store.my-net"] {
        assert_eq!(ask(&host, "web", name), [host.address("db")], "{name}");
    }
    assert_eq!(ask(&host, "web", "web2"), [address.as_str()]);
    host.sh("pontoon network disconnect my-net web").ok();
    assert_eq!(file("hosts"), format!("{}\n9.9.9.9 mine", before.0));
    assert!(ask(&host, "web", "db").is_empty() && ask(&host, "web", "web2").is_empty());
    assert!(file("resolv.conf").contains("nameserver 127.0.0.11\n"), "who has read of the name server finds it");
    // What a person has written into resolv.conf is his.
    host.sh("pontoon exec web sh -c 'echo nameserver 192.0.2.1 > /etc/resolv.conf'").ok();
    host.sh("pontoon network connect my-net web").ok();
    assert_eq!(file("resolv.conf"), "nameserver 192.0.2.1");
    assert_eq!(ask(&host, "web", "db"), [host.address("db")]);
    let output = host.sh("pontoon network disconnect bridge web; pontoon network connect --link db bridge web");
    assert!(output.err().contains("links are only supported for user-defined networks"), "{output}");
    assert!(!file("hosts").contains(&before.0.lines().last().unwrap_or_default().to_owned()), "{}", file("hosts"));
    // The next start is a new one.
    host.sh("pontoon network connect bridge web; pontoon network disconnect my-net web; pontoon restart -t 0 web").ok();
    host.sh("pontoon stop -t 0 web; pontoon start web").ok();
    assert_eq!(file("resolv.conf"), before.1);
    host.sh("pontoon rm -f web db; pontoon network rm my-net").ok();
}

#[test]
fn root_aliases_are_refused_where_there_are_no_names() {
    let host = Host::ready();
    for mode in ["", "--network bridge", "--network host", "--network none"] {
        let output = host.sh(&format!("pontoon run --rm {mode} --network-alias x busybox true"));
        let sentence = "pontoon: network-scoped aliases are only supported for user-defined networks";
        assert_eq!((output.code, output.err().trim()), (125, sentence), "{mode}");
    }
}
