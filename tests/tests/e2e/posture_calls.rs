//! The system calls of a default container, called as they are: what the filter refuses, and what it lets through.
//!
//! ```text
//!   cc -static call.c ─> /run/test/call ──-v──> container: call personality=0x40000 ─> "personality=0x40000 EPERM"
//! ```
//!
//! EPERM is also the kernel's own word to those without a capability. So the calls are made once more where there is
//! no filter, with the same capabilities: what answers otherwise there was the filter's doing here.

use std::collections::BTreeMap;
use std::path::Path;

use pontoon_tests::Host;

/// Compiled once a host.
const CALL: &str = "/run/test/call";

/// The answers of a container started with `flags`, by call.
#[track_caller]
fn answers(host: &Host, flags: &str, calls: &[&str]) -> BTreeMap<String, String> {
    if !Path::new(CALL).exists() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/call.c");
        host.sh(&format!("cc -static -Wall -o {CALL} {source}")).ok();
    }
    let line = format!("pontoon run --rm -v {CALL}:/call:ro {flags} busybox /call {}", calls.join(" "));
    let said = host.sh(&line).ok();
    said.lines().filter_map(|line| line.split_once(' ')).map(|(call, answer)| (call.into(), answer.into())).collect()
}

/// Fails unless each call has this answer.
#[track_caller]
fn all_say(host: &Host, flags: &str, calls: &[&str], answer: &str) {
    let said = answers(host, flags, calls);
    let others: Vec<_> = said.iter().filter(|(_, said)| *said != answer).collect();
    assert!(others.is_empty() && said.len() == calls.len(), "not {answer}: {others:?} of {said:?}");
}

#[test]
fn root_posture_calls_that_reach_the_host_are_refused() {
    let host = Host::ready();
    let calls = [
        "acct",
        "add_key",
        "bpf",
        "clock_settime",
        "delete_module",
        "fanotify_init",
        "finit_module",
        "fsopen",
        "init_module",
        "io_uring_setup=1",
        "kcmp",
        "kexec_load",
        "keyctl",
        "mbind",
        "migrate_pages",
        "mount",
        "mount_setattr",
        "move_mount",
        "move_pages",
        "open_by_handle_at",
        "open_tree",
        "perf_event_open",
        "pidfd_getfd",
        "pivot_root",
        "process_madvise",
        "quotactl",
        "reboot",
        "request_key",
        "set_mempolicy",
        "setdomainname",
        "sethostname",
        "setns",
        "settimeofday",
        "swapoff",
        "swapon",
        "syslog",
        "umount2",
        "unshare=0x10000000",
        "userfaultfd",
        "vhangup",
    ];
    for flags in ["", "-u 1000"] {
        all_say(&host, flags, &calls, "EPERM");
    }
    all_say(&host, "", &["clone3", "9999"], "ENOSYS");
    let free = answers(&host, "--security-opt seccomp=unconfined", &calls);
    let by_filter = free.values().filter(|answer| *answer != "EPERM").count();
    assert!(by_filter > 8 && free["keyctl"] != "EPERM" && free["io_uring_setup=1"] != "EPERM", "{free:?}");
}

#[test]
fn root_posture_calls_of_debuggers_are_allowed() {
    let host = Host::ready();
    // PTRACE_TRACEME; reading and writing no bytes of one's own memory.
    all_say(&host, "", &["process_vm_readv=1", "process_vm_writev=1", "ptrace=0", "memfd_create=0x400000"], "ok");
}

#[test]
fn root_posture_personalities() {
    let host = Host::ready();
    let allowed = ["personality=0", "personality=8", "personality=0x20000", "personality=0x20008"];
    all_say(&host, "", &allowed, "ok");
    all_say(&host, "", &["personality=0xffffffff"], "ok");
    let refused = ["personality=0x40000", "personality=0x400000", "personality=1", "personality=0x20001"];
    all_say(&host, "", &refused, "EPERM");
}

#[test]
fn root_posture_socket_families() {
    let host = Host::ready();
    // AF_UNIX, AF_INET, AF_INET6; AF_NETLINK and AF_PACKET raw.
    all_say(&host, "", &["socket=1,1", "socket=2,1", "socket=10,2", "socket=16,3", "socket=17,3"], "ok");
    // AF_ALG and AF_VSOCK, the former also in 32 of 64 bits; families that nobody knows yet.
    let refused = ["socket=38,5", "socket=40,1", "socket=0x100000026,5", "socket=46,1", "socket=99,1"];
    all_say(&host, "", &refused, "EPERM");
    let free = answers(&host, "--security-opt seccomp=unconfined", &["socket=46,1", "socket=99,1"]);
    assert!(free.values().all(|answer| answer == "EAFNOSUPPORT"), "{free:?}");
}

#[test]
fn root_posture_clone_makes_no_namespaces() {
    let host = Host::ready();
    let flags = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000_u32];
    let calls: Vec<String> = flags.iter().map(|flag| format!("clone={:#x}", flag | 17)).collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    for person in ["", "-u 1000"] {
        all_say(&host, person, &calls, "EPERM");
        all_say(&host, person, &["clone=17"], "ok");
    }
    // Without the filter a person may make a user namespace.
    let user = "clone=0x10000011";
    assert_eq!(answers(&host, "-u 1000 --security-opt seccomp=unconfined", &[user])[user], "ok");
}
