//! Every way to a container, against the least that a kernel needs: a veth pair between two empty namespaces.
//!
//! ```text
//!   plain ═══ veth ═══ lan                                            the floor: no bridge, no firewall of ours
//!   container ──────────────────────> 172.x.y.z:5201                  unpublished
//!   another machine ──> host:5201 ──> the same                        published
//!   the host's own 127.0.0.1:5201 ──> the same
//!   a container of the same network ──> host:5201 ──>                 hairpin
//!
//!   throughput   iperf3, the machine's own, lent to the container with its libraries
//!   latency      `bench pong PORT` there, `bench ping ADDRESS PORT` here: one byte to and fro, its median; connections a second
//! ```

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pontoon_tests::host::OWN;
use pontoon_tests::{Host, Output, Running, eventually};

use crate::stopwatch::Times;

/// iperf3 and what it is linked to, from the machine.
const LENT: &str = "-v /usr/bin/iperf3:/usr/bin/iperf3:ro -v /lib:/lib:ro -v /usr/lib:/usr/lib:ro -v /lib64:/lib64:ro";
const ROUNDS: usize = 5;
/// Where one byte is sent back at once.
const PONG: u16 = 5202;
/// The floor: a namespace beside `lan`, with a cable between the two and nothing else.
const PLAIN: &str = "ip netns add plain; ip -n plain link set lo up
    ip link add cable netns plain type veth peer name cable netns lan
    ip -n plain address add 192.0.2.1/24 dev cable; ip -n plain link set cable up
    ip -n lan address add 192.0.2.2/24 dev cable; ip -n lan link set cable up";

/// A way: its name, and how a command is run at its beginning, towards an address.
type Way<'a> = (&'a str, &'a dyn Fn(&str) -> Output, &'a str);

/// Measures and prints.
pub fn measure(host: &Host) {
    let own = std::fs::canonicalize(std::env::args_os().next().unwrap_or_default()).expect("this program's path");
    let own = own.display().to_string();
    let lent = format!("{LENT} -v {own}:{own}:ro");
    host.sh(PLAIN).ok();
    let servers = servers(host, &own);
    let line = format!(
        "pontoon run -d --name server --network my-net -p 5201:5201 -p {PONG}:{PONG} {lent} busybox sh -c '{own} pong {PONG} & exec iperf3 -s'
         pontoon run -d --name client --network my-net {lent} busybox sleep 100000"
    );
    host.sh(&line).ok();
    let address = host.address("server");
    let within = |command: &str| host.sh(&format!("pontoon exec client {command}"));
    let ways: [Way; 5] = [
        ("veth alone, between two empty namespaces", &|command| host.at("plain", command), "192.0.2.2"),
        ("container to container, directly", &within, &address),
        ("from another machine to the published port", &|command| host.lan(command), OWN),
        ("from the host's 127.0.0.1 to the published port", &|command| host.sh(command), "127.0.0.1"),
        ("hairpin: a container to the host's address", &within, OWN),
    ];
    for (_, run, target) in &ways {
        eventually("somebody answers", Duration::from_secs(10), || {
            run(&format!("{own} ping {target} {PONG} 1")).code == 0
        });
    }
    report(&ways, &own);
    host.sh("pontoon rm -f server client").ok();
    drop(servers);
}

/// Those of the floor, in `lan`.
fn servers(host: &Host, own: &str) -> [Running; 2] {
    [host.lan_spawn("exec iperf3 -s"), host.lan_spawn(&format!("exec {own} pong {PONG}"))]
}

fn report(ways: &[Way], own: &str) {
    let mut measured: Vec<[Times; 3]> = ways.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, run, target), [speed, there_and_back, connections]) in ways.iter().zip(&mut measured) {
            speed.add(gigabits(&run(&format!("iperf3 -c {target} -t 2 -O 0.2 -J"))));
            let said = run(&format!("{own} ping {target} {PONG} 5000")).ok();
            let numbers: Vec<f64> = said.split_whitespace().map(|word| word.parse().expect("a number")).collect();
            there_and_back.add(numbers[0]);
            connections.add(numbers[1]);
        }
    }
    println!(
        "\n| TCP, median of {ROUNDS} | Gbit/s, one stream, 2 s | times container to container | one byte there and back | connection, byte, end |\n|---|---|---|---|---|"
    );
    let direct = measured[1][0].median();
    for ((text, ..), [speed, there_and_back, connections]) in ways.iter().zip(&measured) {
        let (speed, turn, connection) = (speed.median(), there_and_back.median(), connections.median());
        println!("| {text} | {speed:.1} | {:.2} | {turn:.1} us | {connection:.0} us |", speed / direct);
    }
}

fn gigabits(output: &Output) -> f64 {
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    bits.unwrap_or_else(|| panic!("iperf3 said no speed: {output}")) / 1e9
}

/// The server: sends each byte back until the client has no more.
pub fn pong(port: u16) {
    for client in TcpListener::bind(("0.0.0.0", port)).expect("a free port").incoming().flatten() {
        std::thread::spawn(move || send_back(client));
    }
}

fn send_back(mut client: TcpStream) {
    let _ = client.set_nodelay(true);
    let mut byte = [0];
    while client.read_exact(&mut byte).is_ok() && client.write_all(&byte).is_ok() {}
}

/// The client: prints two medians in microseconds, of a byte's way there and back, and of a whole connection with one byte.
pub fn ping(address: &str, port: u16, count: usize) {
    let connect = || {
        let stream = TcpStream::connect((address, port)).expect("somebody listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
    };
    let (mut turns, mut connections) = (Times::default(), Times::default());
    let mut stream = connect();
    (0..count).for_each(|_| turns.add(timed(|| turn(&mut stream))));
    (0..count.div_ceil(10)).for_each(|_| connections.add(timed(|| turn(&mut connect()))));
    println!("{:.2} {:.2}", turns.median(), connections.median());
}

fn turn(stream: &mut TcpStream) {
    stream.write_all(b"x").expect("a byte there");
    stream.read_exact(&mut [0]).expect("and back");
}

/// Microseconds.
fn timed(act: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    act();
    begin.elapsed().as_secs_f64() * 1e6
}
