//! Many questions at once: who is reached, and as whom.
//!
//! ```text
//!   tcp/10.1.0.2:80   connect, read to the end     ── one thread a question ──>  tcp/10.1.0.2:80 10.1.0.3 10.1.0.3
//!   udp/[fd00::2]:80  send every 300 ms, read                                    udp/[fd00::2]:80 - -
//! ```
//!
//! What comes within [`PATIENCE`] was reached. All questions wait at the same time, so a page of them takes no longer.

use std::io::{Error, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer may take. A lost SYN is sent again after one second.
const PATIENCE: Duration = Duration::from_millis(1300);
/// How often a datagram is sent again.
const PACE: Duration = Duration::from_millis(300);

/// Prints a line for each question, in their order.
pub fn ask(questions: &[&str]) -> Result<(), Error> {
    let lines: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = questions.iter().map(|question| scope.spawn(move || answer_to(question))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| "? ? ?".into())).collect()
    });
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn answer_to(question: &str) -> String {
    let answer = match question.split_once('/') {
        Some(("tcp", address)) => address.parse().map_err(Error::other).and_then(tcp),
        Some(("udp", address)) => address.parse().map_err(Error::other).and_then(udp),
        _ => Err(Error::other("neither tcp/ nor udp/")),
    };
    match answer {
        Ok((own, text)) => format!("{question} {own} {}", text.trim().trim_start_matches("you are ")),
        Err(_) => format!("{question} - -"),
    }
}

/// The address that was asked from, and what was said.
fn tcp(target: SocketAddr) -> Result<(IpAddr, String), Error> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.is_empty() {
        return Err(Error::other("an end without a word"));
    }
    Ok((stream.local_addr()?.ip(), text))
}

fn udp(target: SocketAddr) -> Result<(IpAddr, String), Error> {
    let socket = UdpSocket::bind(if target.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(PACE))?;
    let (begin, mut buffer) = (Instant::now(), [0; 2048]);
    while begin.elapsed() < PATIENCE {
        socket.send(b"who am I?")?;
        match socket.recv(&mut buffer) {
            Ok(count) => {
                return Ok((socket.local_addr()?.ip(), String::from_utf8_lossy(&buffer[..count]).into_owned()));
            }
            Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => return Err(refused),
            Err(_) => {}
        }
    }
    Err(Error::other("silence"))
}
