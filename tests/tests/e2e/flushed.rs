//! Somebody's `nft flush ruleset`: whatever a running container gets next puts the firewall back.

use pontoon_tests::Host;

use crate::given::sleeper;

/// The published ports that the firewall knows.
fn ports(host: &Host) -> String {
    host.sh("nft list map inet pontoon publish4 2>/dev/null | grep -o 'tcp . [0-9]*' | sort").out()
}

#[test]
fn root_restart_and_port_add_put_back_what_was_flushed() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net -p 8080:80");
    sleeper(&host, "y", "-p 8090:80");
    for line in [
        "pontoon restart -t 0 x",
        "pontoon port add x 8081:81",
        "pontoon network disconnect my-net x; pontoon network connect my-net x",
    ] {
        let before = ports(&host);
        host.sh("nft flush ruleset").ok();
        host.sh(line).ok();
        let after = ports(&host);
        assert!(before.lines().all(|port| after.contains(port)), "{line}: {before} became {after}");
    }
    host.sh("pontoon rm -f x y; pontoon network rm my-net").ok();
}
