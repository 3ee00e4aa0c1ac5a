//! wait, pause, unpause, rename, top: what a person does with a container that is there.

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_wait_prints_the_codes_of_those_that_end_and_have_ended() {
    let host = Host::ready();
    host.sh("pontoon run --name ended busybox sh -c 'exit 7'").expect(7);
    host.sh("pontoon create --name never busybox true").ok();
    host.sh("pontoon run -d --name soon busybox sh -c 'sleep 0.3; exit 3'").ok();
    assert_eq!(host.sh("pontoon wait soon ended never").ok(), "3\n7\n0");
    sleeper(&host, "killed", "--rm");
    let waiting = host.spawn("pontoon wait killed");
    std::thread::sleep(std::time::Duration::from_millis(100));
    host.sh("pontoon kill killed").ok();
    assert_eq!(waiting.wait().ok(), "137");
    let output = host.sh("pontoon wait nosuch ended");
    assert_eq!((output.code, output.out().as_str()), (1, "7"), "{output}");
    assert!(output.err().contains("No such container: nosuch"), "{output}");
    host.sh("pontoon rm ended never soon").ok();
}

#[test]
fn root_wait_outlives_a_killed_monitor_and_sees_a_restart_as_an_end() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let waiting = host.spawn("pontoon wait x");
    std::thread::sleep(std::time::Duration::from_millis(100));
    host.sh("pontoon restart -t 0 x").ok();
    assert_eq!(waiting.wait().ok(), "137");
    let waiting = host.spawn("pontoon wait x");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let monitor = host.monitor("x").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    assert_eq!(waiting.wait().ok(), "137");
    host.sh("pontoon rm x").ok();
}

/// Whether the container counts on: its file grows.
fn counts_on(host: &Host, name: &str) -> bool {
    let look =
        || host.sh(&format!("stat -c %s /proc/$(pontoon inspect -f '{{{{.State.Pid}}}}' {name})/root/count")).ok();
    let before = look();
    std::thread::sleep(std::time::Duration::from_millis(300));
    look() != before
}

#[test]
fn root_pause_stops_everything_and_unpause_lets_it_go_on() {
    let host = Host::ready();
    let id = host.sh("pontoon run -d --name x busybox sh -c 'while :; do echo >> /count; sleep 0.02; done'").ok();
    eventually("it counts", SOON, || host.sh("pontoon exec x test -s /count").code == 0);
    assert_eq!(host.sh("pontoon pause x").ok(), "x");
    assert!(!counts_on(&host, "x"));
    let row = host.sh("pontoon ps --format '{{.Status}}|{{.State}}'").ok();
    assert!(row.starts_with("Up ") && row.ends_with(" (Paused)|paused"), "{row}");
    assert_eq!(host.inspect("{{.State.Status}} {{.State.Running}} {{.State.Paused}}", "x"), "paused true true");
    host.sh("pontoon pause x").refused(1, &format!("Container {id} is already paused"));
    host.sh("pontoon exec x true").refused(125, "Container x is paused, unpause the container before exec");
    host.sh("pontoon attach x").refused(125, "You cannot attach to a paused container, unpause it first");
    host.sh("pontoon start x").refused(1, "cannot start a paused container, try unpause instead");
    host.sh("pontoon rm x").refused(1, &format!("You cannot remove a paused container {id}. Unpause"));
    assert_eq!(host.sh("pontoon unpause x").ok(), "x");
    eventually("it counts on", SOON, || counts_on(&host, "x"));
    assert_eq!(host.inspect("{{.State.Status}} {{.State.Paused}}", "x"), "running false");
    host.sh("pontoon unpause x").refused(1, &format!("Container {id} is not paused"));
    host.sh("pontoon stop -t 0 x").ok();
    host.sh("pontoon pause x").refused(1, &format!("Container {id} is not running"));
    host.sh("pontoon unpause x").refused(1, &format!("Container {id} is not running"));
    host.sh("pontoon pause nosuch").refused(1, "No such container: nosuch");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_a_paused_container_stops_restarts_dies_and_is_removed() {
    let host = Host::ready();
    let trap = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done";
    host.sh(&format!("pontoon run -d --name x busybox sh -c \"{trap}\"")).ok();
    eventually("it is up", SOON, || host.sh("pontoon logs x").out() == "up");
    host.sh("pontoon pause x; pontoon stop x").ok();
    assert_eq!(host.inspect("{{.State.ExitCode}}", "x"), "9", "it heard the signal");
    host.sh("pontoon start x; pontoon pause x; pontoon kill x").ok();
    assert_eq!(host.inspect("{{.State.ExitCode}}", "x"), "137");
    host.sh("pontoon start x; pontoon pause x; pontoon restart -t 0 x").ok();
    assert_eq!(host.inspect("{{.State.Status}}", "x"), "running");
    host.sh("pontoon pause x; pontoon rm -f x").ok();
}

#[test]
fn root_rename_of_a_running_container_is_known_on_its_networks() {
    let host = Host::with_my_net();
    let id = sleeper(&host, "web", "--network my-net");
    sleeper(&host, "other", "--network my-net");
    assert_eq!(host.sh("pontoon rename web shop").ok(), "");
    assert_eq!(host.inspect("{{.Name}} {{.Id}}", "shop"), format!("/shop {id}"));
    host.sh("pontoon exec other ping -c 1 -W 2 shop").ok();
    assert_ne!(host.sh("pontoon exec other ping -c 1 -W 2 web").code, 0, "the old name is gone");
    let address = host.address("shop");
    let answer = host.sh(&format!("pontoon exec other nslookup {address}")).ok();
    assert!(answer.contains("shop.my-net"), "{answer}");
    host.sh("ip netns exec shop ip link show eth0").ok();
    let shown = host.sh("pontoon network show my-net").ok();
    assert!(shown.contains(" shop ") && !shown.contains(" web "), "{shown}");
    assert_ne!(host.sh("ip netns exec web true").code, 0);
    host.sh("pontoon exec web true").refused(125, "No such container: web");
    sleeper(&host, "web", "--network my-net");
    host.sh("pontoon restart -t 0 shop; pontoon exec other ping -c 1 -W 2 shop").ok();
    host.sh("pontoon rm -f web shop other; pontoon network rm my-net").ok();
}

#[test]
fn root_rename_survives_crashes_and_ends() {
    let host = Host::with_my_net();
    sleeper(&host, "one", "--rm --network my-net");
    host.sh("pontoon rename one two; pontoon stop -t 0 two").ok();
    sleeper(&host, "one", "--network my-net");
    host.sh("pontoon rename one two").ok();
    let monitor = host.monitor("one").expect("a monitor keeps the name that it was started with");
    host.sh(&format!("kill -9 {monitor}")).ok();
    host.sh("pontoon run --rm --name one --network my-net busybox true").ok();
    host.sh("pontoon rename two three; pontoon start three; pontoon exec three true").ok();
    host.sh("pontoon run --network none -d --name lone busybox sleep 1000; pontoon rename lone alone").ok();
    host.sh("ip netns exec alone true").ok();
    host.sh("pontoon rm -f three alone; pontoon network rm my-net").ok();
}

#[test]
fn root_rename_refuses_what_is_taken_and_what_is_no_name() {
    let host = Host::ready();
    let id = host.sh("pontoon create --name a busybox true").ok();
    host.sh("pontoon create --name b busybox true").ok();
    let taken = format!("The container name \"/a\" is already in use by container \"{id}\"");
    host.sh("pontoon rename b a").refused(1, &taken);
    host.sh("pontoon rename b b").refused(1, "Renaming a container with the same name as its current name");
    host.sh("pontoon rename b 'bad name'").refused(1, "Invalid container name (bad name)");
    host.sh("pontoon rename b ''").refused(1, "Neither old nor new names may be empty");
    host.sh("pontoon rename nosuch c").refused(1, "No such container: nosuch");
    assert_eq!(host.sh("pontoon ps -a --format '{{.Names}}'").ok(), "b\na");
    host.sh("pontoon rename b c; pontoon rename a b; pontoon rm b c").ok();
}

#[test]
fn root_top_lists_the_container_s_processes_alone() {
    let host = Host::ready();
    let id = host.sh("pontoon run -d --name x busybox sh -c 'sleep 1234 & sleep 4321 & wait'").ok();
    sleeper(&host, "y", "");
    eventually("both sleep", SOON, || host.sh("pontoon top x").out().lines().count() == 4);
    let table = host.sh("pontoon top x").ok();
    let heading: Vec<&str> = table.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    assert!(table.contains("sleep 1234") && table.contains("sleep 4321") && !table.contains("sleep 1000"), "{table}");
    assert!(table.contains(&host.inspect("{{.State.Pid}}", "x")), "{table}");
    let few = host.sh("pontoon top x -o pid,comm").ok();
    assert_eq!(few.lines().count(), 4, "{few}");
    let heading: Vec<&str> = few.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ["PID", "COMMAND"]);
    host.sh("pontoon top x -o comm").refused(1, "Couldn't find PID field in ps output");
    host.sh("pontoon top x --nosuchoption").refused(1, "ps: ");
    let bare = "mkdir /run/test/bare; ln -s /run/test/bin/pontoon /run/test/bare/; PATH=/run/test/bare pontoon top x";
    let own = host.sh(bare).ok();
    assert!(own.lines().count() == 4 && own.contains("sleep 4321"), "without ps: {own}");
    host.sh("PATH=/run/test/bare pontoon top x -o pid").refused(1, "options need ps(1)");
    host.sh("pontoon stop -t 0 x").ok();
    host.sh("pontoon top x").refused(1, &format!("Container {id} is not running"));
    host.sh("pontoon rm -f x y").ok();
}
