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
fn root_aliases_are_refused_where_there_are_no_names() {
    let host = Host::ready();
    for mode in ["", "--network bridge", "--network host", "--network none"] {
        let output = host.sh(&format!("pontoon run --rm {mode} --network-alias x busybox true"));
        let sentence = "pontoon: network-scoped aliases are only supported for user-defined networks";
        assert_eq!((output.code, output.err().trim()), (125, sentence), "{mode}");
    }
}
