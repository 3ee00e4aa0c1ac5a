//! Ports that come and go while a container runs: `port add` and `port rm`.
//!
//! ```text
//!   running   element or crossing, state, record         not running   the record alone
//! ```

use pontoon_tests::host::OWN;
use pontoon_tests::{Host, eventually};

use crate::given::{self, PROBE, SOON, fetch, fetch_from_lan, sleeper};

const BOTH: &str = "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080";

fn unpublished_web(host: &Host, flags: &str) {
    host.sh(&format!("pontoon run -d --name web {flags} busybox httpd -f -p 80 -h /etc")).ok();
}

#[test]
fn root_port_add_and_rm_take_effect_at_once_and_last() {
    let host = Host::ready();
    unpublished_web(&host, "");
    assert_eq!(host.sh("pontoon port web").ok(), "");
    assert_eq!(host.sh("pontoon port add web 8080:80").ok(), BOTH);
    given::answers(&host, "http://127.0.0.1:8080/hostname");
    for page in ["http://[::1]:8080/hostname".into(), format!("http://{OWN}:8080/hostname")] {
        assert!(fetch(&host, &page).is_ok(), "{page}");
    }
    assert!(fetch_from_lan(&host, &format!("http://{OWN}:8080/hostname")).is_ok());
    assert_eq!(host.sh("pontoon port web").ok(), BOTH);
    assert_eq!(
        host.inspect("{{json .HostConfig.PortBindings}}", "web"),
        r#"{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}"#
    );
    let taken = "Bind for 0.0.0.0:8080 failed: port is already allocated (by container web)";
    host.sh("pontoon run --rm -p 8080:80 busybox true").refused(125, taken);
    for again in ["pontoon restart -t 0 web", "pontoon stop -t 0 web; pontoon start web"] {
        host.sh(again).ok();
        assert_eq!(host.sh("pontoon port web").ok(), BOTH, "{again}");
        given::answers(&host, "http://127.0.0.1:8080/hostname");
    }
    assert_eq!(host.sh("pontoon port rm web 8080:80").ok(), "");
    for page in ["127.0.0.1", "[::1]", OWN] {
        assert!(fetch(&host, &format!("http://{page}:8080/hostname")).is_err(), "{page}");
    }
    assert_eq!(host.sh("pontoon port web").ok(), "");
    assert_eq!(host.inspect("{{json .HostConfig.PortBindings}}", "web"), "{}");
    let mut other = host.spawn(&format!("exec {PROBE} hold 8080 8080"));
    other.until("all held", SOON);
    host.sh("pontoon restart -t 0 web; pontoon stop -t 0 web; pontoon start web; pontoon rm -f web").ok();
    other.kill();
    other.wait();
}

#[test]
fn root_port_add_is_all_or_nothing_and_names_who_is_in_the_way() {
    let host = Host::ready();
    sleeper(&host, "other", "-p 127.0.0.1:8081:80 -p 8090:80/udp");
    sleeper(&host, "x", "");
    let rules = host.sh("nft list ruleset").ok();
    for (word, place) in
        [("8080-8082:80-82", "0.0.0.0:8081"), ("[::]:8090:80/udp", "[::]:8090"), ("8090:80/udp", "0.0.0.0:8090")]
    {
        let sentence = format!("Bind for {place} failed: port is already allocated (by container other)");
        host.sh(&format!("pontoon port add x 7000:70 {word}")).refused(1, &sentence);
    }
    for (word, sentence) in
        [("x:80", "invalid hostPort: x"), ("198.51.100.77:80:80", "this host has no address 198.51.100.77")]
    {
        host.sh(&format!("pontoon port add x 7000:70 {word}")).refused(1, sentence);
    }
    host.sh("pontoon port add nosuch 80:80").refused(1, "No such container: nosuch");
    assert_eq!(host.sh("pontoon port x").ok(), "");
    assert_eq!(host.inspect("{{json .HostConfig.PortBindings}}", "x"), "{}");
    assert_eq!(host.sh("nft list ruleset").ok(), rules);
    host.sh("pontoon run --rm -p 7000:70 -p 8082:80 busybox true").ok();
    host.sh("pontoon rm -f x other").ok();
}

#[test]
fn root_port_rm_takes_what_is_meant_and_no_more() {
    let host = Host::ready();
    sleeper(&host, "x", "-p 8000-8002:8000-8002 -p 127.0.0.1:9000:9000 -p 9001:9000 -P --expose 70-71");
    let lines = |host: &Host| host.sh("pontoon port x").ok();
    for word in ["81", "8003:8003", "8000/udp", "127.0.0.1:8000:8000"] {
        host.sh(&format!("pontoon port rm x {word}")).refused(1, &format!("no public port '{word}' published for x"));
    }
    host.sh("pontoon port rm x 8000-8001:8000-8001 127.0.0.1:9000:9000").ok();
    assert!(!lines(&host).contains("800[01]/tcp") && lines(&host).contains("8002/tcp -> 0.0.0.0:8002"));
    assert_eq!(host.sh("pontoon port x 9000").ok(), "0.0.0.0:9001\n[::]:9001");
    host.sh("pontoon port rm x [::]:9001:9000").ok();
    assert_eq!(host.sh("pontoon port x 9000").ok(), "0.0.0.0:9001", "one family is left");
    host.sh("pontoon port rm x 70").ok();
    let kept = lines(&host);
    assert!(!kept.contains("70/tcp") && kept.contains("71/tcp -> 0.0.0.0:49001"), "{kept}");
    host.sh("pontoon stop -t 0 x; pontoon start x").ok();
    assert_eq!(lines(&host), kept, "what -P had chosen stays, too");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_ports_of_a_container_that_does_not_run_change_on_record() {
    let host = Host::ready();
    host.sh("pontoon create --name web busybox httpd -f -p 80 -h /etc").ok();
    assert_eq!(host.sh("pontoon port add web 8080:80 8081:81").ok(), "");
    let twice = "Bind for 0.0.0.0:8080 failed: port is already allocated (by container web)";
    host.sh("pontoon port add web 127.0.0.1:8080:90").refused(1, twice);
    host.sh("pontoon port rm web 81").ok();
    host.sh("pontoon port rm web 81").refused(1, "no public port '81' published for web");
    assert_eq!(host.sh("pontoon port web").ok(), "", "nothing runs");
    host.sh("pontoon start web").ok();
    assert_eq!(host.sh("pontoon port web").ok(), BOTH);
    given::answers(&host, "http://127.0.0.1:8080/hostname");
    host.sh("pontoon rm -f web").ok();
    for (network, sentence) in [
        ("none", "the container has no network whose ports could be published (network mode none)"),
        ("host", "Published ports are discarded when using host network mode"),
    ] {
        host.sh(&format!("pontoon create --name x --network {network} busybox true")).ok();
        host.sh("pontoon port add x 80:80").refused(1, sentence);
        host.sh("pontoon rm x").ok();
    }
}

#[test]
fn root_port_explains_what_it_does_and_is_taken_at_its_word() {
    let host = Host::ready();
    unpublished_web(&host, "");
    let rules = || host.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'").ok();
    let before = rules();
    let told = host.sh("pontoon port add --dry-run web 8080:80 127.0.0.1:8081:80/udp").ok();
    assert_eq!(rules(), before, "it was only said");
    assert_eq!(host.sh("pontoon port web").ok(), "");
    std::fs::write("/run/test/add.sh", &told).expect("a script");
    host.sh("bash /run/test/add.sh").ok();
    let by_hand = rules();
    assert_ne!(by_hand, before);
    host.sh("nft delete element inet pontoon publish4 '{ tcp . 8080 }'").ok();
    host.sh("nft delete element inet pontoon publish_at4 '{ 127.0.0.1 . udp . 8081 }'").ok();
    let added = host.sh("pontoon port add --explain web 8080:80 127.0.0.1:8081:80/udp");
    assert_eq!(added.err(), told.trim_end());
    assert_eq!(rules(), by_hand);
    let told = host.sh("pontoon port rm --dry-run web 80 8081:80/udp").ok();
    assert_eq!(rules(), by_hand);
    std::fs::write("/run/test/rm.sh", &told).expect("a script");
    host.sh("bash /run/test/rm.sh").ok();
    assert_eq!(rules(), before);
    assert_eq!(host.sh("pontoon port rm --explain web 80 8081:80/udp").err(), told.trim_end());
    assert_eq!(rules(), before);
    host.sh("pontoon rm -f web; rm /run/test/add.sh /run/test/rm.sh").ok();
}

#[test]
fn root_a_flow_follows_the_port_that_comes_and_goes() {
    let host = Host::ready();
    host.sh(&format!("pontoon run -d --name x -v {PROBE}:/probe:ro busybox /probe udp-serve 53")).ok();
    let flows = [
        host.lan_spawn(&format!("exec {PROBE} udp-flow 40001 {OWN}:5300")),
        host.spawn(&format!("exec {PROBE} udp-flow 40001 127.0.0.1:5300")),
        host.spawn(&format!("exec {PROBE} udp-flow 40002 [::1]:5300")),
    ];
    for mut flow in flows {
        flow.until("silence", SOON);
        host.sh("pontoon port add x 5300:53/udp").ok();
        flow.until("answered", SOON);
        host.sh("pontoon port rm x 5300:53/udp").ok();
        eventually("silence again", SOON, || flow.so_far().trim_end().ends_with("silence"));
        flow.kill();
        flow.wait();
    }
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_ports_that_were_added_do_not_outlive_a_killed_monitor() {
    let host = Host::ready();
    unpublished_web(&host, "");
    host.sh("pontoon port add web 8080:80").ok();
    let monitor = host.monitor("web").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    eventually("the port is free", SOON, || host.sh("pontoon run --rm -p 8080:80 busybox true").code == 0);
    host.sh("pontoon start web").ok();
    assert_eq!(host.sh("pontoon port web").ok(), BOTH);
    host.sh("pontoon rm -f web").ok();
}

#[test]
fn root_containers_may_be_called_add_and_rm() {
    let host = Host::ready();
    for name in ["add", "rm", "ls"] {
        sleeper(&host, name, "-p 127.0.0.1:8000:80");
        assert_eq!(host.sh(&format!("pontoon port ls {name}")).ok(), "80/tcp -> 127.0.0.1:8000");
        assert_eq!(host.sh(&format!("pontoon port ls {name} 80")).ok(), "127.0.0.1:8000");
        host.sh(&format!("pontoon port rm {name} 80; pontoon rm -f {name}")).ok();
    }
    let lonely = host.sh("pontoon port");
    assert!(lonely.code == 125 && lonely.err().contains("requires at least 1"), "{lonely}");
}

#[test]
fn root_published_ports_move_with_the_way_out() {
    let host = Host::with_my_net();
    unpublished_web(&host, "--network my-net");
    host.sh("pontoon network create other; pontoon port add web 8080:80; pontoon network connect other web").ok();
    let reached =
        || ["127.0.0.1", "[::1]", OWN].map(|place| fetch(&host, &format!("http://{place}:8080/hostname")).is_ok());
    given::answers(&host, "http://127.0.0.1:8080/hostname");
    assert_eq!(reached(), [true; 3]);
    host.sh("pontoon network disconnect my-net web").ok();
    assert_eq!(reached(), [true; 3], "by the network that is left");
    host.sh("pontoon network connect my-net web; pontoon port rm web 80").ok();
    assert_eq!(reached(), [false; 3]);
    host.sh("pontoon rm -f web; pontoon network rm my-net other").ok();
}
