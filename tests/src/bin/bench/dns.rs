//! The container's name server: how long one answer takes, and how many there are in a second.
//!
//! ```text
//!   bench ask 127.0.0.11 NAME SECONDS, inside a container:
//!      one question at a time ── median latency │ 32 on their way at once ── answers a second
//! ```

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use pontoon_tests::Host;

use crate::stopwatch::Times;

const AT_ONCE: u16 = 32;

/// Measures and prints.
pub fn measure(host: &Host) {
    host.sh("pontoon run -d --name server --network my-net busybox sleep 1000").ok();
    // Not by way of /proc, which on the private host does not know of us.
    let own = std::fs::canonicalize(std::env::args_os().next().unwrap_or_default()).expect("this program's path");
    let own = own.display();
    println!("\n| answers of 127.0.0.11 | one at a time | 32 at once |\n|---|---|---|");
    for (text, name) in [("a container's name", "server"), ("the same with the network's", "server.my-net")] {
        let line =
            format!("pontoon run --rm --network my-net -v {own}:/bench:ro busybox /bench ask 127.0.0.11 {name} 2");
        println!("| {text} | {} |", host.sh(&line).ok().trim());
    }
    host.sh("pontoon rm -f server").ok();
}

/// The client: prints `MEDIAN us | N a second`.
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
    println!("{:.0} us | {a_second:.0} a second", latency.median() * 1e3);
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
