//! Corners where a start or a stop met something unusual: each was once found by trying.
//!
//! ```text
//! two wishes at once       restart and stop                 odd roots      links that lead nowhere yet, a /dev of one's own
//! hints that are wrong     state.json, the state directory  outputs        a full disk behind standard output
//! ```

use std::fs;

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

/// The container's state directory.
fn state(host: &Host, name: &str) -> String {
    format!("/run/pontoon/containers/{}", host.inspect("{{.Id}}", name))
}

#[test]
fn root_a_stop_has_the_last_word_over_a_restart() {
    let host = Host::ready();
    host.sh("pontoon run -d --name x busybox sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'").ok();
    eventually("its trap is set", SOON, || host.sh("pontoon logs x").out() == "up");
    let restart = host.spawn("pontoon restart -t 2 x");
    host.sh("sleep 0.3; pontoon stop -t 1 x").ok();
    assert_ne!(restart.wait().code, 0, "the restart did not happen, and says so");
    assert_eq!(host.inspect("{{.State.Status}}", "x"), "exited");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_an_image_whose_resolv_conf_leads_nowhere_yet() {
    let host = Host::ready();
    host.sh("mkdir -p /run/test/image/bin /run/test/image/etc; cp /bin/busybox /run/test/image/bin/sh
         ln -s ../run/systemd/resolve/stub.conf /run/test/image/etc/resolv.conf
         ln -s /somewhere/hosts /run/test/image/etc/hosts
         tar -C /run/test/image -c . | pontoon image import - odd")
        .ok();
    let seen = host.sh("pontoon run --rm --network none odd /bin/sh -c 'cat /etc/resolv.conf /somewhere/hosts'").ok();
    assert!(seen.contains("nameserver") && seen.contains("localhost"), "{seen}");
    host.sh("pontoon rmi odd; test ! -e /somewhere").ok();
}

#[test]
fn root_a_dev_of_one_s_own_stays_as_it_was() {
    let host = Host::ready();
    host.sh("mkdir /run/test/dev; pontoon run --rm -v /run/test/dev:/dev busybox true").ok();
    let made = host.sh("ls /run/test/dev | xargs").ok();
    assert!(!made.contains("null") && !made.contains("stdin"), "{made}");
}

#[test]
fn root_a_corrupted_hint_hides_no_running_container() {
    let host = Host::ready();
    sleeper(&host, "x", "-p 8080:80");
    fs::write(format!("{}/state.json", state(&host, "x")), "xx").expect("state.json");
    assert!(host.sh("pontoon ps").ok().contains(" x"));
    host.sh("pontoon stop -t 0 x; pontoon rm x").ok();
    sleeper(&host, "x", "-p 8080:80");
    fs::write(format!("{}/state.json", state(&host, "x")), "xx").expect("state.json");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_a_full_disk_behind_the_output_is_a_sentence() {
    let host = Host::ready();
    let output = host.sh("pontoon ps -a > /dev/full").expect(125);
    assert!(output.err().contains("cannot write to standard output"), "{output}");
    assert_eq!(host.sh("set +o pipefail; pontoon image ls | true; echo done").ok(), "done");
}

#[test]
fn root_a_failed_start_forgets_nothing() {
    let host = Host::ready();
    host.sh("pontoon network create n; ! pontoon run --name x --network n busybox sh -c 'exit 9'").ok();
    host.sh("pontoon network rm n; ! pontoon start x").ok();
    assert_eq!(host.inspect("{{.State.Status}} {{.State.ExitCode}}", "x"), "exited 9");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_a_damaged_network_stands_in_nobody_s_way() {
    let host = Host::ready();
    host.sh("pontoon network create good; pontoon network create bad").ok();
    let record = host.sh("ls $PONTOON_ROOT/networks/*.bad.json").ok();
    let text = fs::read_to_string(&record).expect("the record of a network");
    fs::write(&record, "{").expect("record");
    let listed = host.sh("pontoon network ls");
    assert!(listed.out().contains("good") && listed.err().contains("bad"), "{listed}");
    host.sh("pontoon network create other; pontoon network rm other good").ok();
    fs::write(&record, text).expect("record");
    host.sh("pontoon network rm bad").ok();
}
