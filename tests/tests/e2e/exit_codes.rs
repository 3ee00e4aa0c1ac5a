//! Docker's exit codes.
//!
//! ```text
//!   125    Pontoon itself failed             126   found, but cannot be executed
//!   127    not found                         128+n killed by signal n
//!   other  the command's own
//! ```

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_exit_codes_of_run() {
    let host = Host::ready();
    for code in [0, 1, 3, 125, 255] {
        host.sh(&format!("pontoon run --rm busybox sh -c 'exit {code}'")).expect(code);
    }
    host.sh("pontoon run --rm busybox nosuch").refused(127, "nosuch");
    host.sh("pontoon run --rm busybox /nosuch/file").refused(127, "/nosuch/file");
    host.sh("pontoon run --rm busybox /etc").refused(126, "/etc");
    host.sh("pontoon run --rm busybox /etc/passwd").refused(126, "/etc/passwd");
}

#[test]
fn root_exit_codes_of_a_detached_run() {
    let host = Host::ready();
    host.sh("pontoon run -d --rm busybox nosuch").refused(127, "nosuch");
    host.sh("pontoon run -d --rm busybox /etc").refused(126, "/etc");
}

#[test]
fn root_a_signal_counts_as_128_and_its_number() {
    let host = Host::ready();
    let running = host.spawn("pontoon run --rm --name x busybox sleep 1000");
    eventually("x is up", SOON, || host.sh("pontoon ps -q").out().len() == 12);
    host.sh("pontoon kill x").ok();
    running.wait().expect(137);
    sleeper(&host, "y", "");
    host.sh("pontoon exec y sh -c 'kill -9 $$'").expect(137);
    host.sh("pontoon exec y sh -c 'kill -TERM $$'").expect(143);
    host.sh("pontoon rm -f y").ok();
}

#[test]
fn root_exit_codes_of_exec() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    host.sh("pontoon exec x sh -c 'exit 42'").expect(42);
    host.sh("pontoon exec x nosuch").refused(127, "nosuch");
    host.sh("pontoon exec x /etc").refused(126, "/etc");
    host.sh("pontoon rm -f x").ok();
    let output = host.sh("pontoon exec x true");
    assert!(matches!(output.code, 1 | 125) && output.err().contains("No such container: x"), "{output}");
}

#[test]
fn root_the_code_is_kept_for_those_who_ask_later() {
    let host = Host::ready();
    host.sh("pontoon run --name x busybox sh -c 'exit 9'").expect(9);
    assert_eq!(host.inspect("{{.State.ExitCode}} {{.State.Status}}", "x"), "9 exited");
    assert!(host.sh("pontoon ps -a").ok().contains("Exited (9)"));
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_usage_errors_are_125_and_point_to_the_help() {
    let host = Host::new();
    let output = host.sh("pontoon run --nosuchflag busybox").expect(125);
    assert!(
        output.err().contains("--nosuchflag") && output.err().contains("Run 'pontoon run --help' for more information"),
        "{output}"
    );
    for (line, sentence, help) in [
        ("run", "'pontoon run' requires at least 1 argument", "run"),
        ("run -x busybox", "unknown shorthand flag: 'x' in -x", "run"),
        ("run --name", "flag needs an argument: --name", "run"),
        ("nosuchcommand", "unknown command: pontoon nosuchcommand", ""),
        ("network nosuch", "unknown command: pontoon network nosuch", "network"),
        ("wait", "'pontoon wait' requires at least 1 argument", "wait"),
        ("exec x", "'pontoon exec' requires at least 2 arguments", "exec"),
        ("ps extra", "'pontoon ps' accepts no arguments", "ps"),
    ] {
        let said = host.sh(&format!("pontoon {line}")).expect(125).err();
        let path = format!("pontoon {help}");
        assert_eq!(said, format!("pontoon: {sentence}\n\nRun '{} --help' for more information", path.trim()), "{line}");
    }
    assert!(host.sh("pontoon").ok().contains("Usage"), "alone it prints its help");
    for help in ["pontoon --help", "pontoon run --help", "pontoon network create --help", "pontoon --version"] {
        assert!(!host.sh(help).ok().is_empty(), "{help}");
    }
}

#[test]
fn root_signals_are_passed_on() {
    let host = Host::ready();
    let trap = "trap 'exit 11' TERM; trap 'exit 12' HUP; trap 'exit 13' USR1; echo up; while :; do sleep 0.05; done";
    for (signal, code) in [("TERM", 11), ("HUP", 12), ("USR1", 13)] {
        let mut running = host.spawn(&format!("echo $$; exec pontoon run --rm --name x busybox sh -c \"{trap}\""));
        running.until("up", SOON);
        let pid = running.so_far().lines().next().expect("the command's pid").to_owned();
        host.sh(&format!("kill -{signal} {pid}")).ok();
        running.wait().expect(code);
    }
}
