//! Standard input, output and error pass through unchanged, however large, and whoever goes away first.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use pontoon_tests::{Host, Running, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_stdin_is_piped_through() {
    let host = Host::ready();
    assert_eq!(host.sh("echo hi | pontoon run --rm -i busybox cat").ok(), "hi");
    assert_eq!(host.sh("echo hi | pontoon run --rm busybox cat").ok(), "", "without -i there is no input");
    let there = "head -c 20000000 /dev/urandom > /run/test/random; sha256sum < /run/test/random";
    let sum = host.sh(there).ok();
    assert_eq!(host.sh("pontoon run --rm -i busybox sha256sum < /run/test/random").ok(), sum);
    assert_eq!(host.sh("pontoon run --rm -i busybox cat < /run/test/random | sha256sum").ok(), sum);
}

#[test]
fn root_output_of_50_megabytes_arrives_whole_in_bounded_memory() {
    let host = Host::ready();
    host.sh("[ $(pontoon run --rm busybox head -c 50000000 /dev/zero | wc -c) = 50000000 ]").ok();
    host.sh("pontoon run -d --name x busybox sh -c 'head -c 50000000 /dev/zero; exec sleep 1000'").ok();
    eventually("all is logged", SOON * 3, || host.sh("pontoon logs x | wc -c").ok() == "50000000");
    let monitor = host.monitor("x").expect("a monitor");
    let resident: u64 =
        host.sh(&format!("awk '/^VmHWM/ {{print $2}}' /proc/{monitor}/status")).ok().parse().expect("kB");
    assert!(resident < 30_000, "the monitor has used {resident} kB");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_a_line_of_3_megabytes_is_one_line() {
    let host = Host::ready();
    let script = "head -c 3000000 /dev/zero | tr '\\\\0' a; echo; echo end";
    host.sh(&format!("pontoon run --name x busybox sh -c \"{script}\" > /run/test/direct")).ok();
    host.sh("pontoon logs x > /run/test/logged; cmp /run/test/direct /run/test/logged; pontoon rm x").ok();
    assert_eq!(host.sh("head -n 1 /run/test/direct | wc -c").ok(), "3000001");
}

#[test]
fn root_stdout_and_stderr_stay_apart() {
    let host = Host::ready();
    let output = host.sh("pontoon run --rm busybox sh -c 'echo out; echo err >&2'").expect(0);
    assert_eq!((output.out().as_str(), output.err().as_str()), ("out", "err"));
    sleeper(&host, "x", "");
    let output = host.sh("pontoon exec x sh -c 'echo out; echo err >&2; exit 6'").expect(6);
    assert_eq!((output.out().as_str(), output.err().as_str()), ("out", "err"));
    assert_eq!(host.sh("echo hi | pontoon exec -i x cat").ok(), "hi");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_a_reader_that_goes_away_stops_nobody() {
    let host = Host::ready();
    assert_eq!(host.sh("set +o pipefail; pontoon run --name x busybox yes | head -n 1").ok(), "y");
    host.sh("pontoon rm -f x").ok();
    host.sh("pontoon run -d --name x busybox sh -c 'while :; do echo tick; sleep 0.05; done'").ok();
    assert_eq!(host.sh("pontoon logs -f x | head -n 3 | wc -l").ok(), "3");
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_a_detached_container_holds_nothing_of_its_caller() {
    let host = Host::ready();
    let id = host.sh("id=$(pontoon run -d --name x busybox sleep 1000); echo $id").ok();
    assert_eq!(id.len(), 64);
    let monitor = host.monitor("x").expect("a monitor");
    let open = host.sh(&format!("readlink /proc/{monitor}/fd/* /proc/{monitor}/cwd")).ok();
    assert!(!open.contains("/dev/pts") && open.lines().last() == Some("/"), "held by the monitor: {open}");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_closed_standard_descriptors_do_no_harm() {
    let host = Host::ready();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        host.sh(&format!("pontoon run --rm --name x busybox sh -c 'exit 0' {closed}")).expect(0);
        host.sh(&format!("pontoon run -d --name x busybox sleep 1000 {closed}; pontoon rm -f x")).expect(0);
    }
    assert_eq!(host.sh("pontoon run --rm busybox sh -c 'echo out' 2>&-").ok(), "out");
}

#[test]
fn root_arguments_and_environment_that_are_not_utf8_pass_through() {
    let host = Host::ready();
    let mut command = host.command("pontoon");
    let bytes = OsStr::from_bytes;
    command.args(["run", "--rm", "-e"]).arg(bytes(b"SET=\xff\xfe")).args(["-e", "COPIED", "busybox", "sh", "-c"]);
    command.arg("printf '%s|%s|%s' \"$0\" \"$SET\" \"$COPIED\" | od -An -tx1").arg(bytes(b"\xc3\x28"));
    command.env("COPIED", bytes(b"\x80x"));
    assert_eq!(Running::start(command).wait().ok().trim(), "c3 28 7c ff fe 7c 80 78");
}

#[test]
fn root_non_utf8_survives_a_restart() {
    let host = Host::ready();
    let mut command = host.command("pontoon");
    command.args(["run", "--name", "x", "busybox", "printf"]).arg(OsStr::from_bytes(b"\xff\xfe."));
    assert_eq!(Running::start(command).wait().expect(0).stdout, b"\xff\xfe.");
    host.sh("pontoon start x").ok();
    eventually("it has run again", SOON, || host.sh("pontoon logs x").stdout == b"\xff\xfe.\xff\xfe.");
    host.sh("pontoon inspect x >/dev/null; pontoon ps -a >/dev/null; pontoon rm x").ok();
}

#[test]
fn root_attach_takes_the_named_streams_alone() {
    let host = Host::ready();
    let both = "busybox sh -c 'echo out; echo err >&2; exit 4'";
    let output = host.sh(&format!("pontoon run --rm -a stdout {both}")).expect(4);
    assert_eq!((output.out().as_str(), output.err().as_str()), ("out", ""));
    let output = host.sh(&format!("pontoon run --rm -a STDERR {both}")).expect(4);
    assert_eq!((output.out().as_str(), output.err().as_str()), ("", "err"));
    let output = host.sh(&format!("pontoon run --rm -a stdout --attach stderr {both}")).expect(4);
    assert_eq!((output.out().as_str(), output.err().as_str()), ("out", "err"));
    assert_eq!(host.sh("echo typed | pontoon run --rm -i -a stdout busybox cat").ok(), "typed");
    let conflict = "conflicting options: cannot specify both --attach and --detach";
    host.sh("pontoon run --rm -d -a stdout busybox true").refused(125, conflict);
    host.sh("pontoon run --rm -a nosuch busybox true").refused(125, "valid streams are STDIN, STDOUT and STDERR");
    host.sh("pontoon create -a nosuch busybox true").refused(125, "valid streams are STDIN, STDOUT and STDERR");
}

#[test]
fn root_attach_of_stdin_alone_prints_the_id_and_leaves_when_all_is_passed_on() {
    let host = Host::ready();
    let line = "head -c 3000000 /dev/zero | pontoon run --name x -i -a stdin busybox sh -c 'sleep 0.2; wc -c'";
    let id = host.sh(line).ok();
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(host.sh("pontoon wait x").ok(), "0");
    assert_eq!(host.sh("pontoon logs x").ok(), "3000000");
    host.sh("pontoon rm x").ok();
    host.sh("pontoon run -a stdin -i busybox nosuch").refused(127, "nosuch");
    host.sh("pontoon rm $(pontoon ps -aq)").ok();
}

#[test]
fn root_without_sig_proxy_a_signal_ends_the_command_alone() {
    let host = Host::ready();
    sleeper(&host, "attached", "");
    for line in
        ["run --sig-proxy=false --name x busybox sh -c 'echo up; sleep 1000'", "attach --sig-proxy=false attached"]
    {
        let mut running = host.spawn(&format!("echo $$; exec pontoon {line}"));
        running.until("\n", SOON);
        if line.starts_with("run") {
            running.until("up", SOON);
        }
        let pid = running.so_far().lines().next().expect("the command's pid").to_owned();
        eventually("it is pontoon by now", SOON, || host.sh(&format!("cat /proc/{pid}/comm")).out() == "pontoon");
        std::thread::sleep(std::time::Duration::from_millis(100));
        host.sh(&format!("kill -TERM {pid}")).ok();
        running.wait().expect(143);
    }
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    assert_eq!(host.inspect("{{.State.Running}}", "attached"), "true");
    host.sh("pontoon run --rm --sig-proxy=maybe busybox true").expect(125);
    host.sh("pontoon rm -f x attached").ok();
}
