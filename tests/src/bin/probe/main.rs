//! What busybox cannot do, for use in containers, on the host and on the neighbour: UDP, and sockets of odd families.
//!
//! ```text
//!   probe tcp-serve PORT        answers each connection with "you are ADDRESS"
//!   probe udp-serve PORT        answers each datagram with "you are ADDRESS"
//!   probe udp-ask ADDRESS:PORT  prints the answer; exit code 1 if none comes within 2 s
//!   probe udp-flow PORT ADDRESS:PORT   asks for ever from one port of its own: "answered" and "silence" as they change
//!   probe serve PORT…           the same for both protocols and both families                     serve.rs
//!   probe ask tcp/ADDRESS:PORT udp/…   all at once: the address asked from, the address seen     ask.rs
//!   probe hold FIRST LAST       listens on these ports of both families for ever, and says "all held"
//!   probe dns-serve PORT IP     answers every question with this address
//!   probe socket FAMILY         opens a datagram socket of "alg", "vsock" or "inet"; exit code 1 and the reason if refused
//! ```

mod ask;
mod serve;

use std::io::{Error, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tcp-serve", port] => tcp_serve(port),
        ["udp-serve", port] => udp_serve(port),
        ["udp-ask", address] => udp_ask(address),
        ["udp-flow", port, address] => udp_flow(port, address),
        ["serve", ref ports @ ..] => serve::serve(ports),
        ["ask", ref questions @ ..] => ask::ask(questions),
        ["hold", first, last] => hold(first, last),
        ["dns-serve", port, address] => dns_serve(port, address),
        ["socket", family] => open(family),
        _ => Err(Error::other(
            "probe tcp-serve PORT | udp-serve PORT | udp-ask ADDRESS:PORT | udp-flow PORT ADDRESS:PORT | serve PORT… | ask PROTOCOL/ADDRESS:PORT… | hold FIRST LAST | dns-serve PORT IP | socket FAMILY",
        )),
    };
    if let Err(error) = result {
        eprintln!("probe: {error}");
        std::process::exit(1);
    }
}

fn tcp_serve(port: &str) -> Result<(), Error> {
    for connection in TcpListener::bind(format!("0.0.0.0:{port}"))?.incoming() {
        let mut connection = connection?;
        let peer = connection.peer_addr()?.ip();
        writeln!(connection, "you are {peer}")?;
    }
    Ok(())
}

fn udp_serve(port: &str) -> Result<(), Error> {
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}"))?;
    loop {
        let (_, peer) = socket.recv_from(&mut [0; 2048])?;
        socket.send_to(format!("you are {}\n", peer.ip()).as_bytes(), peer)?;
    }
}

fn udp_ask(address: &str) -> Result<(), Error> {
    let socket = UdpSocket::bind(if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect(address)?;
    socket.send(b"who am I?")?;
    let mut answer = [0; 2048];
    let count = socket.recv(&mut answer)?;
    std::io::stdout().write_all(&answer[..count])
}

/// A listener on [::] has the port of IPv4, too (ipv6(7), IPV6_V6ONLY).
/// One flow, as conntrack sees it: the same two ends all the time.
fn udp_flow(port: &str, address: &str) -> Result<(), Error> {
    let any = if address.starts_with('[') { "[::]" } else { "0.0.0.0" };
    let socket = UdpSocket::bind(format!("{any}:{port}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let (mut was, mut silent) = ("", 0);
    loop {
        socket.send_to(b"who am I", address)?;
        silent = if socket.recv(&mut [0; 64]).is_ok() { 0 } else { silent + 1 };
        let is = match silent {
            0 => "answered",
            // Half a second: an answer may be late on a busy machine.
            10.. => "silence",
            _ => was,
        };
        if is != was {
            println!("{is}");
            was = is;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn hold(first: &str, last: &str) -> Result<(), Error> {
    let ports = first.parse().map_err(Error::other)?..=last.parse::<u16>().map_err(Error::other)?;
    let _held = ports.map(|port| TcpListener::bind(("::", port))).collect::<Result<Vec<_>, _>>()?;
    println!("all held");
    loop {
        std::thread::park();
    }
}

/// Answers A questions (RFC 1035 section 4): the question is sent back, with one resource record that points to its name.
fn dns_serve(port: &str, address: &str) -> Result<(), Error> {
    let address: Ipv4Addr = address.parse().map_err(Error::other)?;
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}"))?;
    loop {
        let mut packet = [0; 2048];
        let (count, peer) = socket.recv_from(&mut packet)?;
        let Some(end) = question_end(&packet[..count]) else { continue };
        let is_a = packet[end - 4..end] == [0, 1, 0, 1];
        let mut answer = packet[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        answer.extend(&packet[12..end]);
        if is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address.octets());
        }
        socket.send_to(&answer, peer)?;
    }
}

/// Where the first question ends: labels, a zero, type and class.
fn question_end(packet: &[u8]) -> Option<usize> {
    let mut at = 12;
    while *packet.get(at)? != 0 {
        at += usize::from(packet[at]) + 1;
    }
    (at + 5 <= packet.len()).then_some(at + 5)
}

fn open(family: &str) -> Result<(), Error> {
    let (family, kind) = match family {
        "alg" => (AddressFamily::Alg, SockType::SeqPacket),
        "vsock" => (AddressFamily::Vsock, SockType::Stream),
        _ => (AddressFamily::Inet, SockType::Datagram),
    };
    socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    Ok(())
}
