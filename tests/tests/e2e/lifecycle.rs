//! A container's life: `create start restart stop kill rm exec attach logs ps inspect`.
//!
//! ```text
//!            create          start            stop, kill, its own end
//!   (none) ─────────> created ─────> running ─────────────────────────> exited ── start ──> running
//!                        │              │ rm: refused, rm -f: killed      │ rm
//!                        └── rm ──────> (none) <──────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

#[test]
fn root_create_start_and_the_writable_layer() {
    let host = Host::ready();
    let id = host.sh("pontoon create --name x busybox sh -c 'cat /kept; echo more >> /kept'").ok();
    assert_eq!(id.len(), 64);
    assert_eq!(host.inspect("{{.State.Status}} {{.State.Pid}}", "x"), "created 0");
    assert!(host.sh("pontoon ps -a").ok().contains("Created"));
    assert_eq!(host.sh("pontoon start x").ok(), "x");
    eventually("it has ended", SOON, || host.inspect("{{.State.Status}}", "x") == "exited");
    assert_eq!(host.sh("pontoon start -a x").out(), "more", "what was written is kept");
    host.sh(&format!("pontoon rm {}", &id[..12])).ok();
}

#[test]
fn root_restart_keeps_address_and_changes_pid() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net");
    sleeper(&host, "y", "--network my-net");
    let (address, pid) = (host.address("x"), host.inspect("{{.State.Pid}}", "x"));
    let mac = host.inspect("{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}", "x");
    host.sh("pontoon restart -t 0 x").ok();
    assert_eq!(host.address("x"), address);
    assert_eq!(host.inspect("{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}", "x"), mac);
    assert_ne!(host.inspect("{{.State.Pid}}", "x"), pid);
    host.sh("pontoon exec y ping -c 1 -W 2 x").ok();
    host.sh("pontoon rm -f x y; pontoon network rm my-net").ok();
}

#[test]
fn root_a_sharer_survives_the_owner_s_restart() {
    let host = Host::with_my_net();
    sleeper(&host, "owner", "--network my-net");
    sleeper(&host, "peer", "--network my-net");
    sleeper(&host, "sharer", "--net=container:owner");
    host.sh("pontoon restart -t 0 owner").ok();
    host.sh("pontoon exec sharer ping -c 1 -W 2 peer").ok();
    host.sh("pontoon exec owner ping -c 1 -W 2 peer").ok();
    host.sh("pontoon rm -f sharer owner peer; pontoon network rm my-net").ok();
}

#[test]
fn root_stop_asks_first_and_kills_in_time() {
    let host = Host::ready();
    let polite = "trap 'exit 3' TERM; while :; do sleep 0.05; done";
    host.pontoon(&["run", "-d", "--name", "polite", "busybox", "sh", "-c", polite]).ok();
    sleeper(&host, "deaf", "");
    let start = Instant::now();
    host.sh("pontoon stop polite").ok();
    assert!(start.elapsed() < Duration::from_secs(5), "a container that listens ends at once: {:?}", start.elapsed());
    assert_eq!(host.inspect("{{.State.ExitCode}}", "polite"), "3");
    let start = Instant::now();
    host.sh("pontoon stop -t 1 deaf").ok();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "TERM, 1 s, KILL: {took:?}");
    assert_eq!(host.inspect("{{.State.ExitCode}}", "deaf"), "137");
    assert_eq!(host.sh("pontoon stop deaf").ok(), "deaf", "a stopped one is stopped already");
    host.sh("pontoon rm polite deaf").ok();
}

#[test]
fn root_stop_waits_ten_seconds_unless_told() {
    let host = Host::ready();
    sleeper(&host, "deaf", "");
    let start = Instant::now();
    host.sh("pontoon stop deaf").ok();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(14), "{took:?}");
    host.sh("pontoon rm deaf").ok();
}

#[test]
fn root_kill_sends_what_it_is_told() {
    let host = Host::ready();
    let script = "trap 'echo usr1' USR1; trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done";
    host.pontoon(&["run", "-d", "--name", "x", "busybox", "sh", "-c", script]).ok();
    eventually("it has set its traps", SOON, || host.sh("pontoon logs x").out() == "up");
    assert_eq!(host.sh("pontoon kill -s USR1 x").ok(), "x");
    eventually("the signal has arrived", SOON, || host.sh("pontoon logs x").out().contains("usr1"));
    host.sh("pontoon kill --signal SIGTERM x").ok();
    eventually("it has ended", SOON, || host.inspect("{{.State.ExitCode}}", "x") == "4");
    assert_ne!(host.sh("pontoon kill x").code, 0, "an ended container cannot be killed");
    host.sh("pontoon rm x").ok();
}

#[test]
fn root_rm_refuses_a_running_one_unless_forced() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let refused = host.sh("pontoon rm x");
    assert!(refused.code != 0 && refused.err().contains("running"), "{refused}");
    assert_eq!(host.inspect("{{.State.Running}}", "x"), "true");
    assert_eq!(host.sh("pontoon rm -f x").ok(), "x");
    let unknown = host.sh("pontoon rm x");
    assert!(unknown.code != 0 && unknown.err().contains("No such container: x"), "{unknown}");
}

#[test]
fn root_containers_are_found_by_name_id_and_prefix() {
    let host = Host::ready();
    let id = sleeper(&host, "name-of-it", "");
    for word in [id.as_str(), &id[..12], &id[..4], "name-of-it"] {
        assert_eq!(host.inspect("{{.Id}}", word), id);
    }
    assert!(host.sh("pontoon inspect nosuch").err().to_lowercase().contains("no such"));
    let name = host.sh("pontoon run -d busybox sleep 1000").ok();
    let given = host.inspect("{{.Name}}", &name);
    assert!(given.len() > 3 && given.starts_with('/'), "a name is made up: {given}");
    host.sh(&format!("pontoon rm -f {} name-of-it", &name[..12])).ok();
}

#[test]
fn root_ps_has_docker_s_columns() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "-p 127.0.0.1:8080:80");
    let table = host.sh("pontoon ps").ok();
    let head: Vec<&str> =
        table.lines().next().expect("a header").split("   ").map(str::trim).filter(|s| !s.is_empty()).collect();
    assert_eq!(head, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    let row = table.lines().nth(1).expect("a row");
    for cell in [&id[..12], "busybox", "\"sleep 1000\"", "second", "Up ", "127.0.0.1:8080->80/tcp", "x"] {
        assert!(row.contains(cell), "{cell:?} in {row}");
    }
    assert_eq!(host.sh("pontoon ps -q").ok(), id[..12]);
    assert_eq!(host.sh("pontoon ps -q --no-trunc").ok(), id);
    assert_eq!(host.sh("pontoon ps --format '{{.ID}} {{.Names}} {{.Image}}'").ok(), format!("{} x busybox", &id[..12]));
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_inspect_is_docker_s_json() {
    let host = Host::with_my_net();
    let id = sleeper(&host, "x", "--network my-net -e A=1 -p 8080:80");
    let json: serde_json::Value = serde_json::from_str(&host.sh("pontoon inspect x").ok()).expect("JSON");
    let x = &json[0];
    assert_eq!(x["Id"], id);
    assert_eq!(x["Name"], "/x");
    assert_eq!((&x["State"]["Status"], &x["State"]["Running"]), (&"running".into(), &true.into()));
    assert_eq!((&x["Config"]["Hostname"], &x["Config"]["Image"]), (&id[..12].into(), &"busybox".into()));
    assert_eq!(x["Config"]["Cmd"], serde_json::json!(["sleep", "1000"]));
    assert!(x["Config"]["Env"].as_array().is_some_and(|env| env.contains(&"A=1".into())), "{}", x["Config"]);
    assert_eq!(x["HostConfig"]["NetworkMode"], "my-net");
    let endpoint = &x["NetworkSettings"]["Networks"]["my-net"];
    assert_eq!(endpoint["IPAddress"], host.address("x"));
    assert!(endpoint["MacAddress"].as_str().is_some_and(|mac| mac.len() == 17), "{endpoint}");
    assert_eq!(x["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"], "8080");
    assert_eq!(host.inspect("{{json .State.Running}} {{.HostConfig.NetworkMode}}", "x"), "true my-net");
    host.sh("pontoon rm -f x; pontoon network rm my-net").ok();
}

#[test]
fn root_exec_takes_its_flags() {
    let host = Host::ready();
    sleeper(&host, "x", "-e A=1 -w /tmp");
    assert_eq!(host.sh("pontoon exec x sh -c 'echo $A; pwd'").ok(), "1\n/tmp");
    assert_eq!(host.sh("pontoon exec -e A=2 -w /etc x sh -c 'echo $A; pwd'").ok(), "2\n/etc");
    host.sh("pontoon exec -d x sleep 500").ok();
    eventually("it runs", SOON, || host.sh("pontoon exec x ps").ok().contains("sleep 500"));
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_exec_that_hangs_dies_with_its_container() {
    let host = Host::ready();
    sleeper(&host, "x", "");
    let mut joined = host.spawn("pontoon exec x sh -c 'echo up; exec sleep 1000'");
    joined.until("up", SOON);
    host.sh("pontoon rm -f x").ok();
    joined.wait().expect(137);
}

#[test]
fn root_logs_outlive_the_container_s_end_and_not_its_removal() {
    let host = Host::ready();
    host.sh("pontoon run --name x busybox sh -c 'echo one; echo two >&2; printf three'").ok();
    let logs = host.sh("pontoon logs x").expect(0);
    assert_eq!((logs.stdout, logs.stderr), (b"one\nthree".to_vec(), b"two\n".to_vec()));
    host.sh("pontoon rm x").ok();
    assert_ne!(host.sh("pontoon logs x").code, 0);
}

#[test]
fn root_attach_sees_output_and_the_exit_code() {
    let host = Host::ready();
    let script = "read go; echo came $go; exit 8";
    host.pontoon(&["run", "-d", "-i", "--name", "x", "busybox", "sh", "-c", script]).ok();
    assert_eq!(host.sh("echo now | pontoon attach x").expect(8).out(), "came now");
    host.sh("pontoon rm x").ok();
}
