//! The firewall is flushed by somebody else, and comes back.

use pontoon_tests::Host;
use pontoon_tests::host::OWN;

use crate::given::{self, fetch, fetch_from_lan, sleeper};

/// The rules, without what is counted.
fn rules(host: &Host) -> String {
    host.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'").ok()
}

#[test]
fn root_network_reload_puts_the_firewall_back() {
    let host = Host::with_my_net();
    given::web(&host);
    sleeper(&host, "x", "--network my-net -p 127.0.0.1:9000:90 -p 9000:90/udp");
    host.sh("pontoon port add web 8081:80").ok();
    let whole = rules(&host);
    assert_eq!(host.sh("pontoon network reload").ok(), "bridge\nmy-net");
    assert_eq!(rules(&host), whole, "nothing was missing");
    host.sh("nft flush ruleset").ok();
    assert!(fetch(&host, "http://127.0.0.1:8080/hostname").is_err());
    assert_eq!(host.sh("pontoon network reload").ok(), "bridge\nmy-net");
    assert_eq!(rules(&host), whole);
    given::answers(&host, "http://127.0.0.1:8080/hostname");
    assert!(fetch_from_lan(&host, &format!("http://{OWN}:8081/hostname")).is_ok(), "also what was added later");
    host.sh("pontoon rm -f web x; pontoon network rm my-net").ok();
}

#[test]
fn root_network_reload_of_some_networks() {
    let host = Host::with_my_net();
    given::web(&host);
    sleeper(&host, "x", "--network my-net -p 9000:90");
    let before = rules(&host);
    host.sh("nft flush ruleset").ok();
    assert_eq!(host.sh("pontoon network reload my-net").ok(), "my-net");
    assert!(rules(&host).contains("tcp . 9000") && !rules(&host).contains("tcp . 8080"));
    let partly = host.sh("pontoon network reload nosuch bridge host");
    assert_eq!((partly.code, partly.out().as_str()), (1, "bridge"), "{partly}");
    for sentence in ["network nosuch not found", "host is a pre-defined network and has no firewall"] {
        assert!(partly.err().contains(sentence), "{partly}");
    }
    assert_eq!(rules(&host), before);
    host.sh("pontoon rm -f web x; pontoon network rm my-net").ok();
}
