//! Bad input: one clear sentence on stderr, exit code 125, nothing made, nothing lost.
//!
//! Each test ends with the host's leak check: that nothing was made is asserted there.

use std::fs;
use std::path::PathBuf;

use pontoon_tests::Host;
use pontoon_tests::host::{ROOT, STATE};

use crate::given::{self, sleeper};

#[test]
fn root_bad_unknown_image() {
    let host = Host::ready();
    host.sh("pontoon run --rm nosuchimage").refused(125, "nosuchimage");
    host.sh("pontoon run --rm BAD:::NAME").refused(125, "invalid reference format");
    host.sh("pontoon create --name x nosuchimage").refused(125, "nosuchimage");
}

#[test]
fn root_bad_unknown_network() {
    let host = Host::ready();
    host.sh("pontoon run --rm --name x --network nosuch busybox").refused(125, "network nosuch not found");
    let joined = host.sh("pontoon run --rm --net=container:nosuch busybox true");
    joined.refused(125, "No such container: nosuch");
    host.sh("pontoon run --rm --net=container: busybox true")
        .refused(125, "invalid container format container:<name|id>");
}

#[test]
fn root_bad_name_taken() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    host.sh("pontoon run --rm --name x busybox true").refused(125, "is already in use");
    host.sh("pontoon create --name x busybox true").refused(125, "is already in use");
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    host.sh("pontoon rm -f x").ok();
    host.sh("pontoon run --rm --name 'bad name' busybox true").refused(125, "bad name");
    host.sh("pontoon run --rm --name ../../x busybox true").refused(125, "../../x");
}

#[test]
fn root_bad_publish() {
    let host = Host::ready();
    let cases = [
        ("8080:", "no port specified: 8080:<empty>"),
        ("8080:99999", "invalid containerPort: 99999"),
        ("nonsense:80", "invalid hostPort: nonsense"),
        ("999.1.1.1:80:80", "invalid IP address: 999.1.1.1"),
        ("80:80/nonsense", "invalid proto: nonsense"),
        ("8000-8001:80-85", "invalid ranges specified for container and host Ports: 80-85 and 8000-8001"),
    ];
    for (value, sentence) in cases {
        let output = host.pontoon(&["run", "--rm", "--name", "x", "-p", value, "busybox", "true"]).expect(125);
        assert!(output.err().contains(sentence), "{sentence:?} for -p {value} in {output}");
    }
}

#[test]
fn root_bad_port_that_is_asked_for_twice() {
    let host = Host::ready();
    host.sh("pontoon run --rm -p 8002:1 -p 8002:2 busybox true").refused(125, "this command asks for it twice");
    host.sh("pontoon run --rm -p 8002:1 -p 8002:2/udp busybox true").ok();
}

#[test]
fn root_bad_operand_files_do_not_fill_the_memory() {
    let host = Host::ready();
    for flag in ["--security-opt seccomp=/dev/zero", "--env-file /dev/zero", "--label-file /dev/zero"] {
        host.sh(&format!("pontoon run --rm {flag} busybox true")).refused(125, "file too large");
    }
}

#[test]
fn root_bad_port_in_use_names_who_holds_it() {
    let host = Host::ready();
    given::web(&host);
    let output = host.sh("pontoon run --rm --name x -p 8080:80 busybox true");
    let output = output.refused(125, "Bind for 0.0.0.0:8080 failed: port is already allocated");
    assert!(output.err().contains("web"), "the holder's name: {output}");
    host.sh("pontoon run --rm --name x -p 127.0.0.1:8080:80 busybox true").refused(125, "8080");
    host.sh("pontoon rm -f web").ok();
    let mut holder = host.spawn("exec busybox nc -l -p 8080");
    host.sh("until ss -Htln | grep -q :8080; do :; done").ok();
    let output = host.sh("pontoon run --rm --name x -p 8080:80 busybox true").refused(125, "8080");
    assert!(output.err().contains("busybox"), "the holding process: {output}");
    holder.kill();
    holder.wait();
    host.sh("pontoon run --rm --name x -p 8080:80 busybox true").ok();
}

#[test]
fn root_bad_subnets() {
    let host = Host::ready();
    let cases = [
        ("--subnet nonsense", "nonsense"),
        ("--subnet 10.9.0.1/16", "invalid subnet 10.9.0.1/16: it should be 10.9.0.0/16"),
        ("--subnet 203.0.113.0/25", "uplink"),
        ("--subnet 10.9.0.0/16 --gateway 10.8.0.1", "10.8.0.1"),
        ("--gateway 10.8.0.1", "every ip-range or gateway must have a corresponding subnet"),
        ("-d nosuchdriver", "nosuchdriver"),
        ("-o no.such.option=1", "no.such.option"),
        ("-o com.docker.network.bridge.name=much-too-long-for-a-link", "much-too-long-for-a-link"),
        ("-o com.docker.network.bridge.name=uplink", "uplink"),
    ];
    for (flags, sentence) in cases {
        let mut refused = host.sh(&format!("pontoon network create {flags} bad"));
        // Docker's list of what is wrong begins on a line of its own.
        refused.stderr = refused.err().replacen("config:\n", "config: ", 1).into_bytes();
        refused.refused(125, sentence);
    }
    host.sh("pontoon network create --subnet 10.9.0.0/16 good").ok();
    host.sh("pontoon network create --subnet 10.9.8.0/24 bad").refused(125, "good");
    host.sh("pontoon network create good").refused(125, "network with name good already exists");
    assert_eq!(host.sh("pontoon network ls -q").ok().lines().count(), 4, "bridge, host, none, good");
    host.sh("pontoon network rm good").ok();
}

#[test]
fn root_bad_caller_without_root() {
    let host = Host::ready();
    host.sh("cp -L /run/test/bin/pontoon /run/test/plain; chmod 755 /run/test/plain /run/test").ok();
    let person = "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all";
    let output = host.sh(&format!("{person} /run/test/plain run --rm busybox true"));
    assert!(output.err().contains("root"), "{output}");
    output.refused(125, "");
    host.sh(&format!("{person} /run/test/plain network create x")).refused(125, "");
    host.sh(&format!("{person} /run/test/plain ps")).refused(125, "");
}

#[test]
fn root_bad_state_directory() {
    let host = Host::ready();
    host.sh("mkdir /run/test/ro; mount -t tmpfs -o ro tmpfs /run/test/ro").ok();
    host.sh("PONTOON_ROOT=/run/test/ro/lib pontoon run --rm busybox true").refused(125, "/run/test/ro/lib");
    host.sh("PONTOON_STATE=/run/test/ro/run pontoon run --rm busybox true").refused(125, "/run/test/ro/run");
    host.sh("PONTOON_STATE=/etc/passwd/run pontoon run --rm busybox true").refused(125, "/etc/passwd/run");
    host.sh("umount /run/test/ro").ok();
}

/// The container's lasting record.
fn record(id: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}/containers/{id}/record.json"))
}

/// Puts `damaged` in place of the record of container x, while container y is in order.
fn with_damaged_record(damage: impl Fn(&str) -> String, sentence: &str) {
    let host = Host::ready();
    let id = host.sh("pontoon create --name x busybox true").ok();
    sleeper(&host, "y", "");
    let good = fs::read_to_string(record(&id)).expect("the record of a container");
    let bad = damage(&good);
    fs::write(record(&id), &bad).expect("record");
    host.sh("pontoon start x").refused(125, sentence);
    let rows = host.sh("pontoon ps -a").ok();
    assert!(rows.contains(" y"), "the others are listed: {rows}");
    host.sh("pontoon run --rm busybox true").ok();
    assert_eq!(fs::read_to_string(record(&id)).expect("the record"), bad, "it is never rewritten");
    fs::write(record(&id), good).expect("record");
    host.sh("pontoon start x; pontoon rm -f x y").ok();
}

#[test]
fn root_bad_record_from_a_newer_version() {
    let newer = |good: &str| {
        let mut record: serde_json::Value = serde_json::from_str(good).expect("records are JSON");
        assert!(record["version"].is_u64(), "a version field: {good}");
        record["version"] = 999.into();
        record.to_string()
    };
    with_damaged_record(newer, "999");
}

#[test]
fn root_bad_record_torn_in_two() {
    with_damaged_record(|good| good[..good.len() / 2].to_owned(), "record.json");
}

#[test]
fn root_bad_record_of_nothing() {
    with_damaged_record(|_| String::new(), "record.json");
}

/// A host whose `directory` is a file system of 16 MB, which then is filled to the last byte.
fn full(directory: &str) -> Host {
    let mut host = Host::new();
    host.sh(&format!("mkdir -p {directory}; mount -t tmpfs -o size=16m tmpfs {directory}")).ok();
    host.sh("pontoon run --name kept busybox true").ok();
    host.settle();
    host.sh(&format!("! head -c 16m /dev/zero 2>/dev/null > {directory}/fill")).ok();
    host
}

/// What must hold when `directory` is full, and once there is room again.
fn with_full(directory: &str) {
    let host = full(directory);
    host.sh("pontoon run --name x busybox true").refused(125, "No space left on device");
    let fleeting = host.sh("pontoon run --rm --name x busybox true");
    assert!(fleeting.code == 0 || fleeting.err().contains("No space left on device"), "{fleeting}");
    host.sh("pontoon network create full").refused(125, "No space left on device");
    assert_eq!(host.sh("pontoon ps -a --format '{{.Names}}'").ok(), "kept", "nothing made, nothing lost");
    host.sh(&format!("rm {directory}/fill; pontoon start kept")).ok();
    host.sh("pontoon run --rm --name x busybox true").ok();
}

#[test]
fn root_bad_full_disk() {
    with_full(ROOT);
}

#[test]
fn root_bad_full_state_directory() {
    with_full(STATE);
}

#[test]
fn root_bad_values_of_flags() {
    let host = Host::ready();
    let cases = [
        ("-v relative/path:/x", "relative/path"),
        ("-v /run:relative", "relative"),
        ("-w relative", "relative"),
        ("-u 4294967296", "4294967296"),
        ("-u nosuchuser", "nosuchuser"),
        ("--memory nonsense", "nonsense"),
        ("--cpus nonsense", "nonsense"),
        ("--cap-add NOSUCH", "NOSUCH"),
        ("--add-host nonsense", "nonsense"),
        ("--add-host x:1.2.3.4.5", "1.2.3.4.5"),
        ("--dns nonsense", "nonsense"),
        ("--tmpfs relative", "relative"),
        ("--hostname 'a b'", "a b"),
    ];
    for (flags, sentence) in cases {
        let output = host.sh(&format!("pontoon run --rm --name x {flags} busybox true")).expect(125);
        assert!(output.err().contains(sentence), "{sentence:?} in {output}");
    }
}

#[test]
fn root_bad_conflicting_modes() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let cases = [
        ("--net=container:x -h y", "conflicting options: hostname and the network mode"),
        ("--net=container:x -p 80:80", "conflicting options: port publishing and the container type network mode"),
        ("--net=container:x --expose 80", "conflicting options: port exposing and the container type network mode"),
        ("--net=container:x --dns 1.1.1.1", "conflicting options: dns and the network mode"),
        (
            "--net=container:x --add-host a:1.1.1.1",
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
    ];
    for (flags, sentence) in cases {
        host.sh(&format!("pontoon run --rm {flags} busybox true")).refused(125, sentence);
    }
    host.sh("pontoon stop -t 0 x").ok();
    let sentence = "cannot join network namespace of a non running container: container x is exited";
    host.sh("pontoon run --rm --net=container:x busybox true").refused(125, sentence);
    host.sh("pontoon rm x").ok();
    let output = host.sh("pontoon run --rm --net=host -p 80:80 busybox true").expect(0);
    assert!(output.err().contains("WARNING: Published ports are discarded when using host network mode"), "{output}");
}
