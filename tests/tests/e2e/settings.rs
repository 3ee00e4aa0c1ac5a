//! `/etc/pontoon/config.toml`.

use std::fs;

use pontoon_tests::Host;
use pontoon_tests::host::CONFIG;

use crate::given::sleeper;

fn settle(text: &str) {
    fs::write(CONFIG, text).expect(CONFIG);
}

#[test]
fn root_settings_of_the_default_network_count_as_soon_as_nobody_uses_it() {
    let mut host = Host::ready();
    sleeper(&host, "before", "");
    settle(
        "[bridge]\naddress = \"10.50.0.9/24\"\naddress6 = \"fd50::9/64\"\nip-range = \"10.50.0.128/25\"\nicc = false\n[networks]\nmtu = 1400",
    );
    sleeper(&host, "beside", "");
    assert!(host.address("beside").starts_with("172."), "a container uses it");
    host.sh("pontoon rm -f before beside").ok();
    sleeper(&host, "after", "");
    assert_eq!(host.address("after"), "10.50.0.128");
    let shown = host.sh("ip -o address show pontoon0; cat /sys/class/net/pontoon0/mtu").ok();
    assert!(shown.contains("10.50.0.9/24") && shown.contains("fd50::9/64") && shown.ends_with("1400"), "{shown}");
    assert_ne!(host.sh("pontoon run --rm busybox ping -c 1 -W 1 10.50.0.128").code, 0, "icc is off");
    host.sh("pontoon exec after ping -c 1 -W 2 10.50.0.9; pontoon exec after ping -c 1 -W 2 fd50::9").ok();
    host.sh("pontoon rm -f after").ok();
    settle("[bridge]\naddress = \"203.0.113.2/24\"");
    host.sh("pontoon run --rm busybox true")
        .refused(125, "Pool overlaps with other one on this address space: 203.0.113.0/24");
    fs::remove_file(CONFIG).expect(CONFIG);
    host.sh("pontoon run --rm busybox true").ok();
    // It is another network now, by its id.
    host.settle();
}

#[test]
fn root_settings_of_pools_and_published_ports() {
    let host = Host::ready();
    settle(
        "[networks]\npools = [{ base = \"10.60.0.0/16\", size = 24 }]\n[publish]\nports = \"40000-40001\"\naddress = \"127.0.0.1\"",
    );
    host.sh("pontoon network create a; pontoon network create b").ok();
    let subnets =
        host.sh("for n in a b; do pontoon network inspect -f '{{(index .IPAM.Config 0).Subnet}}' $n; done").ok();
    assert_eq!(subnets, "10.60.0.0/24\n10.60.1.0/24");
    sleeper(&host, "one", "--network a -P --expose 80 -p 8080:81");
    assert_eq!(host.sh("pontoon port one").ok(), "80/tcp -> 127.0.0.1:40000\n81/tcp -> 127.0.0.1:8080");
    host.sh("pontoon rm -f one; pontoon network rm a b").ok();
    fs::remove_file(CONFIG).expect(CONFIG);
}

#[test]
fn root_settings_that_are_wrong_are_a_sentence_with_their_line() {
    let host = Host::ready();
    for (text, sentence) in [
        ("\n[bridge]\nadress = 1", "/run/test/config.toml, line 3: unknown field `adress`"),
        ("[publish]\nports = \"10-5\"", "/run/test/config.toml, line 2: invalid ports 10-5"),
        ("[bridge", "/run/test/config.toml, line 1: "),
    ] {
        settle(text);
        host.sh("pontoon ps").refused(125, sentence);
    }
    fs::remove_file(CONFIG).expect(CONFIG);
    host.sh("pontoon --config /run ps").refused(125, "cannot read /run");
    host.sh("pontoon --config /run/nosuch.toml ps").ok();
}
