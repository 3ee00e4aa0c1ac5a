//! `-t`: a real terminal inside, and the person's own terminal put back afterwards.
//!
//! ```text
//!   keys typed           what must happen
//!   Ctrl-C               SIGINT to the foreground job in the container; the shell lives
//!   Ctrl-Z, fg           job control
//!   a dragged corner     stty size inside says the new one
//!   Ctrl-P Ctrl-Q        detached: the command ends with 0, the container lives
//!   the window's cross   the command ends; the container is there for the next command
//! ```

use pontoon_tests::{Host, Terminal, eventually};

use crate::given::{SOON, sleeper};

/// A shell in a container, at its prompt.
fn shell(host: &Host, line: &str) -> Terminal {
    let mut terminal = Terminal::open(host, line);
    terminal.expect("/ # ");
    terminal
}

#[test]
fn root_terminal_ctrl_c_reaches_the_job_and_not_the_shell() {
    let host = Host::ready();
    let mut terminal = shell(&host, "pontoon run -it --rm --name x busybox sh");
    terminal.type_("sleep 1000\r");
    eventually("sleep runs", SOON, || host.processes().iter().any(|(_, words)| words == "sleep 1000"));
    terminal.type_("\x03");
    terminal.type_("echo alive $((40 + 2)) code $?\r");
    terminal.expect("alive 42 code 130");
    terminal.type_("exit 7\r");
    assert_eq!(terminal.wait().0, 7);
}

#[test]
fn root_terminal_has_job_control() {
    let host = Host::ready();
    let mut terminal = shell(&host, "pontoon run -it --rm busybox sh");
    terminal.type_("sleep 1000\r");
    eventually("sleep runs", SOON, || host.processes().iter().any(|(_, words)| words == "sleep 1000"));
    terminal.type_("\x1a");
    // The prompt, too: what is typed while the shell takes its terminal back is flushed by it.
    terminal.expect("Stopped");
    terminal.expect("/ # ");
    terminal.type_("jobs\r");
    terminal.expect("sleep 1000");
    terminal.type_("fg\r");
    terminal.expect("sleep 1000");
    terminal.type_("\x03tty\r");
    terminal.expect("/dev/pts/0");
    let shown = terminal.shown();
    assert!(!shown.contains("can't access tty") && !shown.contains("job control turned off"), "{shown}");
    terminal.type_("exit\r");
    assert_eq!(terminal.wait().0, 0);
}

#[test]
fn root_terminal_size_is_the_person_s_from_the_first_moment() {
    let host = Host::ready();
    let mut terminal = Terminal::open(&host, "pontoon run -it --rm busybox sh -c 'stty size; exec sh'");
    terminal.expect("24 80");
    terminal.expect("/ # ");
    terminal.resize(133, 43);
    eventually("the new size arrives", SOON, || {
        terminal.type_("stty size\r");
        terminal.expect("/ # ").contains("43 133")
    });
    terminal.type_("exit\r");
    assert_eq!(terminal.wait().0, 0);
}

#[test]
fn root_terminal_is_put_back_afterwards() {
    let host = Host::ready();
    let mut terminal =
        Terminal::open(&host, "stty -a | md5sum; pontoon run -it --rm busybox true; stty -a | md5sum; cat");
    let before = terminal.expect("-\r\n");
    let after = terminal.expect("-\r\n");
    assert_eq!(before.trim(), after.trim());
    terminal.type_("\x04");
    terminal.wait();
}

#[test]
fn root_terminal_is_put_back_when_the_command_is_told_to_end() {
    let host = Host::ready();
    let mut terminal = Terminal::open(&host, "pontoon run -it --rm --name x busybox sh; stty -a");
    terminal.expect("/ # ");
    host.sh("pontoon kill x").ok();
    let settings = terminal.wait().1;
    assert!(settings.contains(" icanon") && settings.contains(" echo "), "{settings}");
}

#[test]
fn root_terminal_that_closes_leaves_nothing_in_the_way() {
    let host = Host::ready();
    let terminal = shell(&host, "pontoon run -it --rm --name x busybox sh");
    terminal.hang_up();
    eventually("only the container is left", SOON, || {
        !host.processes().iter().any(|(_, words)| words.starts_with("pontoon run"))
    });
    host.sh("pontoon rm -f x || true").ok();
    host.sh("pontoon run --rm --name x busybox true").ok();
}

#[test]
fn root_terminal_that_closes_leaves_a_detached_container_alone() {
    let host = Host::ready();
    let mut terminal = Terminal::open(&host, "pontoon run -d --name x busybox sleep 1000; cat");
    eventually("x is up", SOON, || host.sh("pontoon ps -q").out().len() == 12);
    terminal.type_("\r");
    terminal.hang_up();
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_detach_keys_leave_the_container_running() {
    let host = Host::ready();
    let mut terminal = shell(&host, "pontoon run -it --name x busybox sh");
    terminal.type_("kept=yes\r\x10\x11");
    let (code, shown) = terminal.wait();
    assert_eq!(code, 0);
    assert!(shown.contains("read escape sequence"), "{shown}");
    let mut again = Terminal::open(&host, "pontoon attach x");
    again.type_("\recho still $kept\r");
    again.expect("still yes");
    again.type_("exit 3\r");
    assert_eq!(again.wait().0, 3, "attach ends with the container's code");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_two_people_attached_see_the_same() {
    let host = Host::ready();
    let mut first = shell(&host, "pontoon run -it --rm --name x busybox sh");
    let mut second = Terminal::open(&host, "pontoon attach x");
    second.type_("\r");
    second.expect("/ # ");
    first.type_("echo from the $((1))st\r");
    first.expect("from the 1st");
    second.expect("from the 1st");
    second.type_("echo from the $((2))nd; exit\r");
    first.expect("from the 2nd");
    assert_eq!((first.wait().0, second.wait().0), (0, 0));
}

#[test]
fn root_exec_has_a_terminal_of_its_own() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let mut terminal = shell(&host, "pontoon exec -it x sh");
    terminal.type_("tty; stty size; echo pid $$\r");
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.resize(99, 22);
    eventually("the new size arrives", SOON, || {
        terminal.type_("stty size\r");
        terminal.expect("/ # ").contains("22 99")
    });
    terminal.type_("sleep 3000\r");
    eventually("sleep runs", SOON, || host.processes().iter().any(|(_, words)| words == "sleep 3000"));
    terminal.type_("\x03");
    terminal.expect("/ # ");
    terminal.type_("exit 9\r");
    assert_eq!(terminal.wait().0, 9);
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_exec_whose_terminal_closes_takes_only_itself_along() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let mut terminal = shell(&host, "pontoon exec -it x sh");
    terminal.type_("sleep 2000\r");
    eventually("sleep runs", SOON, || host.processes().iter().any(|(_, words)| words == "sleep 2000"));
    terminal.hang_up();
    eventually("the joined shell ends", SOON, || !host.processes().iter().any(|(_, words)| words == "sleep 2000"));
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_ctrl_c_without_t_is_a_signal_for_the_container() {
    let host = Host::ready();
    let line = "pontoon run --rm --name x busybox sh -c 'trap \"echo caught; exit 5\" INT; echo up; while :; do sleep 0.1; done'";
    let mut terminal = Terminal::open(&host, line);
    terminal.expect("up");
    terminal.type_("\x03");
    let (code, shown) = terminal.wait();
    assert_eq!(code, 5, "{shown}");
    assert!(shown.contains("caught"), "{shown}");
}

#[test]
fn root_t_without_a_terminal_is_refused() {
    let host = Host::ready();
    let output = host.sh("pontoon run -it --rm busybox sh");
    assert!(matches!(output.code, 1 | 125), "{output}");
    assert!(output.err().contains("stdin is not a terminal"), "{output}");
}
