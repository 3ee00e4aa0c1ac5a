//! The container's name server: how long one answer takes, how many there are in a second, and what who answers weighs.
//!
//! ```text
//!   bench ask SERVER NAME SECONDS, inside a container:
//!      one question at a time ── median latency │ 32 on their way at once ── answers a second
//!   who answers:  Pontoon's monitor at 127.0.0.11 │ dockerd at 127.0.0.11 │ aardvark-dns at the bridge's address
//! ```
//!
//! In turns, three times each, so that what disturbs one disturbs the others; the middle one counts.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use pontoon_tests::Host;

use crate::contender;
use crate::stopwatch::Times;

const AT_ONCE: u16 = 32;
const ROUNDS: usize = 3;
/// Seconds of the flood in each round.
const SECONDS: u64 = 2;
/// Of the container that asks: aardvark-dns answers only to those that it knows.
const ASKER: &str = "172.30.7.200";
/// Where aardvark-dns looks for it, and its other files.
const AARDVARK: &str = "/run/test/aardvark";

/// One that answers.
struct Server {
    name: &'static str,
    /// The command that asks and prints what it saw.
    ask: String,
    /// The command that prints the process number of who answers.
    pid: String,
    latency: Times,
    rate: Times,
}

/// Measures and prints.
pub fn measure(host: &Host) {
    let network = "--subnet 172.30.7.0/24 --gateway 172.30.7.1";
    host.sh(&format!("pontoon network create {network} names")).ok();
    host.sh("pontoon run -d --name server --network names busybox sleep 1000").ok();
    // Not by way of /proc, which on the private host does not know of us.
    let own = std::fs::canonicalize(std::env::args_os().next().unwrap_or_default()).expect("this program's path");
    let mount = format!("-v {}:/bench:ro", own.display());
    host.sh(&format!("pontoon run -d --name asker --network names --ip {ASKER} {mount} busybox sleep 1000")).ok();
    let others = contender::others(host);
    let mut servers = vec![pontoon("Pontoon", "server"), pontoon("Pontoon, by name.network", "server.names")];
    servers.extend(docker(host, &others, &mount));
    servers.extend(aardvark(host));
    let turns = servers.len();
    for turn in 0..ROUNDS * turns {
        let server = &mut servers[turn % turns];
        let seen = host.sh(&server.ask).ok();
        let mut numbers = seen.split_whitespace().map(|number| number.parse().expect("two numbers"));
        server.latency.add(numbers.next().expect("a latency"));
        server.rate.add(numbers.next().expect("a rate"));
    }
    show(host, &servers);
    host.sh(&format!("[ ! -e {AARDVARK}/pid ] || kill $(cat {AARDVARK}/pid)")).ok();
    others.into_iter().for_each(|contender| contender.leave(host));
    host.sh("pontoon rm -f server asker; pontoon network rm names").ok();
}

fn show(host: &Host, servers: &[Server]) {
    println!(
        "\n| who answers | median latency | answers a second | its memory (PSS) | of that its own |\n|---|---|---|---|---|"
    );
    for server in servers {
        let of = |line| host.sh(&format!("awk '/^{line}:/ {{ print $2 }}' /proc/$({})/smaps_rollup", server.pid)).ok();
        let (memory, own) = (of("Pss"), of("Pss_Anon"));
        let (latency, rate) = (server.latency.median(), server.rate.median());
        println!("| {} | {latency:.0} us | {rate:.0} | {} kB | {} kB |", server.name, memory.trim(), own.trim());
    }
}

fn pontoon(name: &'static str, asked: &str) -> Server {
    let ask = format!("pontoon exec asker /bench ask 127.0.0.11 {asked} {SECONDS}");
    let pid = "pgrep -f '^pontoon-monitor asker ' | head -n 1".into();
    Server { name, ask, pid, latency: Times::default(), rate: Times::default() }
}

fn docker(host: &Host, others: &[contender::Contender], mount: &str) -> Option<Server> {
    let docker = others.iter().find(|contender| contender.name == "docker")?;
    let words = docker.words();
    host.sh(&format!(
        "{words} network create names >/dev/null
         {words} run -d --name server --network names busybox sleep 1000 >/dev/null
         {words} run -d --name asker --network names {mount} busybox sleep 1000 >/dev/null"
    ))
    .ok();
    let ask = format!("{words} exec asker /bench ask 127.0.0.11 server {SECONDS}");
    let pid = "cat /run/test/docker/pid".into();
    Some(Server { name: "Docker", ask, pid, latency: Times::default(), rate: Times::default() })
}

/// On the address of the same bridge, as netavark would start it.
fn aardvark(host: &Host) -> Option<Server> {
    let program = "/usr/lib/podman/aardvark-dns";
    if host.sh(&format!("[ -x {program} ]")).code != 0 {
        eprintln!("aardvark-dns: not installed, left out");
        return None;
    }
    let server = host.address("server");
    host.sh(&format!(
        "mkdir -p {AARDVARK}/config; cd {AARDVARK}
         printf '172.30.7.1\\n%s {server}  server\\n%s {ASKER}  asker\\n' $(printf '1%.0s' {{1..64}}) $(printf '2%.0s' {{1..64}}) >config/names
         setsid {program} --config {AARDVARK}/config --port 53 run </dev/null >log 2>&1 & sleep 1
         pgrep -f '^{program}' | tail -n 1 >pid; [ -s pid ]"
    ))
    .ok();
    let ask = format!("pontoon exec asker /bench ask 172.30.7.1 server {SECONDS}");
    let pid = format!("cat {AARDVARK}/pid");
    Some(Server { name: "aardvark-dns", ask, pid, latency: Times::default(), rate: Times::default() })
}

/// The client: prints the median latency in microseconds, and the answers a second.
pub fn ask(server: &str, name: &str, seconds: u64) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a UDP socket");
    socket.connect((server, 53)).expect("the name server's address");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a time limit");
    let mut latency = Times::default();
    for id in 0..2000 {
        let begin = Instant::now();
        exchange(&socket, name, id);
        latency.add(begin.elapsed().as_secs_f64() * 1e3);
    }
    let begin = Instant::now();
    let (mut sent, mut answers) = (0_u16, 0_u64);
    (0..AT_ONCE).for_each(|_| send(&socket, name, &mut sent));
    while begin.elapsed() < Duration::from_secs(seconds) {
        receive(&socket);
        answers += 1;
        send(&socket, name, &mut sent);
    }
    let a_second = answers as f64 / begin.elapsed().as_secs_f64();
    println!("{:.1} {a_second:.0}", latency.median() * 1e3);
}

fn exchange(socket: &UdpSocket, name: &str, mut id: u16) {
    send(socket, name, &mut id);
    receive(socket);
}

fn send(socket: &UdpSocket, name: &str, id: &mut u16) {
    *id = id.wrapping_add(1);
    socket.send(&question(name, *id)).expect("send the question");
}

/// An answer that has one: a refusal would be quick, too.
fn receive(socket: &UdpSocket) {
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer within two seconds");
    assert!(length > 12 && answer[3] & 15 == 0 && answer[7] > 0, "an answer with an address");
}

/// RFC 1035, section 4: a question for an A record.
fn question(name: &str, id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}
