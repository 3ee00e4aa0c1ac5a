//! `--init`: Pontoon's own PID 1 around a program that is none.
//!
//! ```text
//! PID 1  pontoon-init -- sleep 1000      signals are passed on, orphans are reaped, the exit code is the program's
//! PID 2  sleep 1000
//! ```

use std::time::{Duration, Instant};

use pontoon_tests::{Host, Terminal, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_init_is_process_1_and_the_program_its_child() {
    let host = Host::ready();
    let list = "pontoon run --rm --init busybox sh -c 'tr \"\\0\" \" \" < /proc/1/cmdline; echo; echo $$'";
    let said = host.sh(list).ok();
    assert!(said.starts_with("pontoon-init -- sh -c "), "{said}");
    assert!(said.ends_with("\n2"), "{said}");
    let user = "pontoon run --rm --init -u 1234:5 -e A='two  words' -w /tmp busybox sh -c 'id -u; echo \"$A\"; pwd; grep CapEff /proc/1/status'";
    assert_eq!(host.sh(user).ok(), "1234\ntwo  words\n/tmp\nCapEff:\t0000000000000000");
    sleeper(&host, "x", "--init");
    assert_eq!(host.inspect("{{.HostConfig.Init}}", "x"), "true");
    host.sh("pontoon exec x sh -c '! echo > /proc/1/exe'").ok();
    assert_eq!(host.sh("pontoon exec x sh -c 'ls /proc/1/fd | wc -l'").ok(), "4", "three streams, and one for signals");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_init_keeps_exit_codes_and_sentences() {
    let host = Host::ready();
    host.sh("pontoon run --rm --init busybox sh -c 'exit 42'").expect(42);
    host.sh("pontoon run --rm --init busybox sh -c 'kill -9 $$'").expect(137);
    host.sh("pontoon run --rm --init busybox nosuch")
        .refused(127, "exec: \"nosuch\": executable file not found in $PATH");
    host.sh("pontoon run --rm --init busybox /etc").refused(126, "exec: \"/etc\": permission denied");
    host.sh("pontoon run --rm --init --security-opt seccomp=unconfined --privileged busybox true").ok();
    host.sh("pontoon run --rm --init --read-only --network none busybox true").ok();
}

#[test]
fn root_init_passes_signals_on() {
    let host = Host::ready();
    sleeper(&host, "x", "--init");
    let begin = Instant::now();
    host.sh("pontoon stop x").ok();
    assert!(begin.elapsed() < Duration::from_secs(5), "sleep has no handler, and is no process 1");
    assert_eq!(host.inspect("{{.State.ExitCode}}", "x"), "143");
    host.sh("pontoon start x; pontoon kill -s 40 x").ok();
    assert_eq!(host.sh("pontoon wait x").ok(), "168", "a real-time signal");
    let trap = "trap 'exit 11' USR1; echo up; while :; do sleep 0.05; done";
    let mut running = host.spawn(&format!("pontoon run --rm --init --name y busybox sh -c \"{trap}\""));
    running.until("up", SOON);
    host.sh("pontoon kill -s USR1 y").ok();
    running.wait().expect(11);
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_init_reaps_orphans() {
    let host = Host::ready();
    let orphans = "for i in 1 2 3; do (sleep 0.1 &); done; sleep 1000";
    host.sh(&format!("pontoon run -d --init --name x busybox sh -c '{orphans}'")).ok();
    let count = |script: &str| host.sh(&format!("pontoon exec x sh -c '{script}'")).ok();
    eventually("the orphans have ended", SOON, || count("ps -o comm | grep -cx sleep") == "1");
    assert_eq!(count("grep -l \"^State:.Z\" /proc/[0-9]*/status | wc -l"), "0", "and are reaped");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_init_leaves_the_terminal_to_the_program() {
    let host = Host::ready();
    let mut terminal = Terminal::open(&host, "pontoon run -it --rm --init --name x busybox sh");
    terminal.expect("/ # ");
    terminal.type_("sleep 3000\r");
    eventually("sleep runs", SOON, || host.processes().iter().any(|(_, words)| words == "sleep 3000"));
    terminal.type_("\x03");
    terminal.expect("/ # ");
    terminal.type_("sleep 2000 & jobs\r");
    terminal.expect("Running");
    terminal.type_("exit 6\r");
    assert_eq!(terminal.wait().0, 6);
}
