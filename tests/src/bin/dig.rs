//! A client for the name server at 127.0.0.11, for use in containers: busybox asks for A and AAAA alone, and waits.
//!
//! ```text
//!   dig ask NAME TYPE [tcp] [edns=BYTES] [at=ADDRESS]   one question; prints
//!                                                           NOERROR [tc] [edns]
//!                                                           NAME TTL TYPE DATA      for each answer
//!   dig slowest NAME SECONDS      one question after the other; prints the longest time that one took, milliseconds
//!   dig flood NAME SECONDS        as many as go out, answers are thrown away, 64 connections hang half open beside it
//! ```

use std::io::{Error, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, TYPE};

const SERVER: &str = "127.0.0.11";
/// As long as three upstreams of 4 s may take, and a bit.
const PATIENCE: Duration = Duration::from_secs(14);
const HALF_OPEN: usize = 64;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ask", name, kind, ref options @ ..] => ask(name, kind, options),
        ["slowest", name, seconds] => slowest(name, seconds),
        ["flood", name, seconds] => flood(name, seconds),
        _ => Err(Error::other(
            "dig ask NAME TYPE [tcp] [edns=BYTES] [at=ADDRESS] | slowest NAME SECONDS | flood NAME SECONDS",
        )),
    };
    if let Err(error) = result {
        eprintln!("dig: {error}");
        std::process::exit(1);
    }
}

fn ask(name: &str, kind: &str, options: &[&str]) -> Result<(), Error> {
    let option = |key: &str| options.iter().find_map(|option| option.strip_prefix(key)).map(str::to_owned);
    let edns = option("edns=").map(|size| size.parse::<u16>()).transpose().map_err(Error::other)?;
    let server = option("at=").unwrap_or_else(|| SERVER.to_owned());
    let server = SocketAddr::new(server.parse().map_err(Error::other)?, 53);
    let query = query(name, kind_of(kind)?, edns)?;
    let answer = if options.contains(&"tcp") { over_tcp(server, &query)? } else { over_udp(server, &query)? };
    show(&Packet::parse(&answer).map_err(Error::other)?)
}

fn kind_of(word: &str) -> Result<QTYPE, Error> {
    Ok(match word {
        "A" => TYPE::A.into(),
        "AAAA" => TYPE::AAAA.into(),
        "MX" => TYPE::MX.into(),
        "TXT" => TYPE::TXT.into(),
        "PTR" => TYPE::PTR.into(),
        "HTTPS" => TYPE::HTTPS.into(),
        _ => return Err(Error::other(format!("unknown type {word}"))),
    })
}

fn query(name: &str, kind: QTYPE, edns: Option<u16>) -> Result<Vec<u8>, Error> {
    let mut packet = Packet::new_query(0x1234);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(Error::other)?;
    packet.questions.push(Question::new(name, kind, CLASS::IN.into(), false));
    if let Some(udp_packet_size) = edns {
        *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size, version: 0 });
    }
    packet.build_bytes_vec().map_err(Error::other)
}

fn over_udp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, Error> {
    let socket = client(server)?;
    socket.send(query)?;
    let mut answer = vec![0; 65_536];
    let size = socket.recv(&mut answer)?;
    answer.truncate(size);
    Ok(answer)
}

/// A connected socket takes answers from the server's address alone, as libc's does.
fn client(server: SocketAddr) -> Result<UdpSocket, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn over_tcp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[&(query.len() as u16).to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn show(packet: &Packet) -> Result<(), Error> {
    let code = match packet.rcode() {
        simple_dns::RCODE::NoError => "NOERROR".to_owned(),
        simple_dns::RCODE::NameError => "NXDOMAIN".to_owned(),
        simple_dns::RCODE::ServerFailure => "SERVFAIL".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    let cut = if packet.has_flags(PacketFlag::TRUNCATION) { " tc" } else { "" };
    let edns = if packet.opt().is_some() { " edns" } else { "" };
    println!("{code}{cut}{edns}");
    for record in &packet.answers {
        let data = match &record.rdata {
            RData::A(a) => format!("A {}", Ipv4Addr::from(a.address)),
            RData::AAAA(a) => format!("AAAA {}", Ipv6Addr::from(a.address)),
            RData::PTR(target) => format!("PTR {}", target.0),
            other => format!("{other:?}"),
        };
        println!("{} {} {data}", record.name, record.ttl);
    }
    Ok(())
}

fn slowest(name: &str, seconds: &str) -> Result<(), Error> {
    let (socket, query) =
        (client(SocketAddr::new(SERVER.parse().map_err(Error::other)?, 53))?, query(name, TYPE::A.into(), None)?);
    let (end, mut longest) = (Instant::now() + duration(seconds)?, Duration::ZERO);
    while Instant::now() < end {
        let begin = Instant::now();
        socket.send(&query)?;
        socket.recv(&mut [0; 2048])?;
        longest = longest.max(begin.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("{}", longest.as_millis());
    Ok(())
}

fn flood(name: &str, seconds: &str) -> Result<(), Error> {
    let server = SocketAddr::new(SERVER.parse().map_err(Error::other)?, 53);
    let (socket, query) = (client(server)?, query(name, TYPE::A.into(), None)?);
    socket.set_nonblocking(true)?;
    let hanging: Vec<TcpStream> = (0..HALF_OPEN).filter_map(|_| TcpStream::connect(server).ok()).collect();
    hanging.iter().for_each(|mut stream| drop(stream.write_all(&[1])));
    let end = Instant::now() + duration(seconds)?;
    let mut sent = 0_u64;
    while Instant::now() < end {
        let gone = (0..256).filter(|_| socket.send(&query).is_ok()).count();
        sent += gone as u64;
        while socket.recv(&mut [0; 2048]).is_ok() {}
    }
    println!("{sent}");
    Ok(())
}

fn duration(seconds: &str) -> Result<Duration, Error> {
    Ok(Duration::from_secs(seconds.parse().map_err(Error::other)?))
}
