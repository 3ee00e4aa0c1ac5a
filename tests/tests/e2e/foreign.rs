//! Firewalls of others on the same host: never edited, and said at the start.

use pontoon_tests::Host;

use crate::given::{self, fetch_from_lan};
use pontoon_tests::host::OWN;

#[test]
fn root_another_firewall_that_drops_is_said_and_left_alone() {
    let host = Host::with_my_net();
    let quiet = host.sh("pontoon run --rm busybox true; pontoon run -d --name x busybox true; pontoon rm -f x");
    assert_eq!(quiet.err(), "", "nobody else is there");
    host.sh("iptables -P FORWARD DROP; iptables -A FORWARD -i docker0 -j ACCEPT").ok();
    let theirs = "nft list table ip filter";
    let before = host.sh(theirs).ok();
    let attached = host.sh("pontoon run --rm busybox echo hello");
    assert_eq!((attached.code, attached.out().as_str()), (0, "hello"));
    let sentence =
        "WARNING: another firewall may stop the packets of pontoon0: by policy, chain FORWARD of table ip filter drops";
    assert!(attached.err().starts_with(sentence) && attached.err().lines().count() == 1, "{attached}");
    let detached = host.sh("pontoon run -d --name web -p 8080:80 busybox httpd -f -p 80 -h /etc");
    assert!(detached.err().starts_with(sentence), "{detached}");
    let started = host.sh("pontoon stop -t 0 web; pontoon start web");
    assert!(started.err().starts_with(sentence) && started.out() == "web\nweb", "{started}");
    for network in ["none", "host"] {
        assert_eq!(host.sh(&format!("pontoon run --rm --network {network} busybox true")).err(), "", "{network}");
    }
    let page = format!("http://{OWN}:8080/hostname");
    assert!(fetch_from_lan(&host, &page).is_err(), "it is as was said");
    assert_eq!(host.sh(theirs).ok(), before);
    // The hint helps, and then there is nothing more to say.
    let hint = detached.err().split("there: ").nth(1).expect("a hint").to_owned();
    host.sh(&hint).ok();
    assert!(fetch_from_lan(&host, &page).is_ok());
    assert_eq!(host.sh("pontoon run --rm busybox true").err(), "");
    assert!(host.sh("pontoon run --rm --network my-net busybox true").err().contains("may stop the packets of br-"));
    host.sh("nft delete table ip filter; pontoon rm -f web; pontoon network rm my-net").ok();
}

#[test]
fn root_a_host_that_cannot_forward_is_dockers_warning() {
    let host = Host::ready();
    given::web(&host);
    host.sh("sysctl -qw net.ipv4.ip_forward=0; cd /proc/sys/net/ipv4; mount --bind -o ro ip_forward ip_forward").ok();
    let run = host.sh("pontoon run --rm busybox echo hello");
    assert_eq!(run.err(), "WARNING: IPv4 forwarding is disabled. Networking will not work.");
    assert_eq!((run.code, run.out().as_str()), (0, "hello"));
    host.sh("umount /proc/sys/net/ipv4/ip_forward").ok();
    assert_eq!(host.sh("pontoon run --rm busybox true").err(), "", "it is switched on again");
    host.sh("pontoon rm -f web").ok();
}
