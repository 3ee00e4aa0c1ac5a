//! What must work, typed exactly so: the lines of the README, by a person at a terminal.

use pontoon_tests::host::{OWN, STATE};
use pontoon_tests::{Host, Terminal};

use crate::given::{self, SOON, answers, fetch, fetch_from_lan};

#[test]
fn root_two_containers_ping_by_name() {
    let host = Host::ready();
    let id = host.sh("pontoon network create -d bridge my-net").ok();
    assert!(id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()), "network create prints the id: {id}");
    let mut first = Terminal::open(&host, "pontoon run -it --rm --name busybox1 --network my-net busybox sh");
    first.expect("/ # ");
    let second = Terminal::open(&host, "pontoon run -it --name busybox2 --network my-net busybox ping -c 3 busybox1");
    let (code, shown) = second.wait();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("3 packets transmitted, 3 packets received, 0% packet loss"), "{shown}");
    first.type_("exit\r");
    assert_eq!(first.wait().0, 0);
    assert_eq!(host.sh("pontoon ps -a --format '{{.Names}}'").ok(), "busybox2", "--rm has removed the first");
    host.sh("pontoon rm busybox2").ok();
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_web_is_reachable_from_everywhere() {
    let host = Host::ready();
    let id = given::web(&host);
    let page = &id[..12];
    for address in ["127.0.0.1", OWN, "127.0.0.5"] {
        assert_eq!(fetch(&host, &format!("http://{address}:8080/hostname")).as_deref(), Ok(page), "{address}");
    }
    assert_eq!(fetch_from_lan(&host, &format!("http://{OWN}:8080/hostname")).as_deref(), Ok(page), "another machine");
    let inner = host.sh("pontoon run --rm --net=container:web busybox wget -qO- 127.0.0.1:80/hostname").ok();
    assert_eq!(inner, page);
    host.sh("pontoon rm -f web").ok();
    assert!(fetch(&host, "http://127.0.0.1:8080/").is_err(), "the port is closed again");
}

#[test]
fn root_net_host_shows_the_host_s_interfaces() {
    let host = Host::ready();
    let addresses = host.sh("ip -o -4 address").ok();
    let shown = host.sh("pontoon run --rm --net=host busybox ip addr").ok();
    assert!(shown.contains("uplink") && shown.contains("203.0.113.2/24"), "{addresses}\n{shown}");
    assert_eq!(host.sh("pontoon run --rm --net=host busybox hostname").ok(), host.sh("hostname").ok());
}

#[test]
fn root_net_none_has_lo_only() {
    let host = Host::ready();
    let shown = host.sh("pontoon run --rm --net=none busybox ip addr").ok();
    let links: Vec<&str> = shown.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(links.len(), 1, "{shown}");
    assert!(links[0].contains("lo:") && links[0].contains("UP") && shown.contains("127.0.0.1/8"), "{shown}");
    let files = host.sh("pontoon run --rm --net=none busybox cat /etc/hosts /etc/hostname /etc/resolv.conf").ok();
    assert!(files.contains("127.0.0.1\tlocalhost"), "{files}");
}

#[test]
fn root_life_of_web() {
    let host = Host::ready();
    let id = given::web(&host);
    let pid: u32 = host.sh("pontoon inspect -f '{{.State.Pid}}' web").ok().parse().expect("a pid");
    assert_eq!(host.sh(&format!("tr '\\0' ' ' < /proc/{pid}/cmdline")).ok(), "httpd -f -p 80 -h /etc");
    let mut shell = Terminal::open(&host, "pontoon exec -it web sh");
    shell.expect("/ # ");
    shell.type_("hostname; exit 4\r");
    shell.expect(&id[..12]);
    assert_eq!(shell.wait().0, 4);
    let row = host.sh("pontoon ps -a").ok();
    assert!(row.contains(&id[..12]) && row.contains("0.0.0.0:8080->80/tcp") && row.contains("Up "), "{row}");
    assert_eq!(host.sh("pontoon restart web").ok(), "web");
    answers(&host, "http://127.0.0.1:8080/hostname");
    assert_ne!(host.inspect("{{.State.Pid}}", "web"), pid.to_string());
    assert_eq!(host.sh("pontoon stop -t 1 web").ok(), "web");
    assert!(host.sh("pontoon ps -a").ok().contains("Exited ("));
    assert_eq!(host.sh("pontoon ps -q").ok(), "");
    assert_eq!(host.sh("pontoon rm web").ok(), "web");
}

#[test]
fn root_logs_follow_until_the_container_ends() {
    let host = Host::ready();
    let script = "echo first; while [ ! -e /go ]; do sleep 0.1; done; echo last; echo bad >&2";
    host.pontoon(&["run", "-d", "--name", "web", "busybox", "sh", "-c", script]).ok();
    let mut follow = host.spawn("pontoon logs -f web");
    follow.until("first", SOON);
    host.sh("pontoon exec web touch /go").ok();
    let seen = follow.wait().expect(0);
    assert_eq!((seen.out().as_str(), seen.err().as_str()), ("first\nlast", "bad"), "each stream by its own way");
    let again = host.sh("pontoon logs web").expect(0);
    assert_eq!((again.out(), again.err()), (seen.out(), seen.err()));
    host.sh("pontoon rm web").ok();
}

#[test]
fn root_run_busybox_on_an_empty_store_builds_it() {
    let mut host = Host::new();
    let output = host.sh("pontoon run --rm busybox echo hello").expect(0);
    assert_eq!(output.out(), "hello");
    assert!(output.err().contains("busybox"), "says what it does on stderr: {output}");
    let shared = ["pontoon0", "172.17.", "nft ", "sysctl ", "cgroup ", "state "];
    let changes = host.settle();
    let strange: Vec<_> = changes.iter().filter(|line| !shared.iter().any(|known| line.contains(known))).collect();
    assert!(strange.is_empty(), "left by the first container: {strange:?}");
    let foreign: Vec<_> =
        changes.iter().filter(|line| line.starts_with("- ")).filter(|line| !line.contains("sysctl")).collect();
    assert!(foreign.is_empty(), "taken away by the first container: {foreign:?}");
    assert!(host.sh(&format!("ls {STATE}/containers")).out().is_empty());
    assert_eq!(host.sh("pontoon run --rm busybox echo again").expect(0).err(), "", "the second time is silent");
}
