use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netmodes::publish::{Mapping, Ports};

use super::*;
use crate::monitor::event_loop;

/// A crossing from a port of ::1, or of `place`, to `target` of 127.0.0.1, turned by a thread until the test drops the second value.
fn crossing(protocol: Protocol, target: u16) -> (SocketAddr, mpsc::Sender<()>) {
    crossing_at("[::1]:0", protocol, target)
}

fn crossing_at(place: &str, protocol: Protocol, target: u16) -> (SocketAddr, mpsc::Sender<()>) {
    let (socket, at) = match protocol {
        Protocol::Tcp => {
            let socket = TcpListener::bind(place).unwrap();
            socket.set_nonblocking(true).unwrap();
            let at = socket.local_addr().unwrap();
            (socket.into(), at)
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind(place).unwrap();
            socket.set_nonblocking(true).unwrap();
            let at = socket.local_addr().unwrap();
            (socket.into(), at)
        }
    };
    let mapping = Mapping { at: Some(at.ip()), host: Ports::one(at.port()), container: target, protocol };
    let mut crossing = Crossing::default();
    crossing.add(Held { socket, mapping }, SocketAddr::from(([127, 0, 0, 1], target))).unwrap();
    let (alive, over) = mpsc::channel::<()>();
    thread::spawn(move || {
        while !matches!(over.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
            event_loop::turn(&mut [&mut crossing, &mut Tick::new()]).unwrap();
        }
    });
    (at, alive)
}

/// Wakes the loop, so that it sees that the test is over.
struct Tick(Instant);

impl Tick {
    fn new() -> Tick {
        Tick(Instant::now() + Duration::from_millis(20))
    }
}

impl Service for Tick {
    fn watch(&self, _watch: &mut Vec<Watch>) {}
    fn deadline(&self) -> Option<Instant> {
        Some(self.0)
    }
    fn ready(&mut self, _fd: RawFd, _readiness: Readiness) {}
    fn expired(&mut self, _now: Instant) {}
}

/// A server that sends back what it gets, and ends when its client has.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    port
}

#[test]
fn many_megabytes_cross_both_ways_and_ends_are_passed_on() {
    let (at, _alive) = crossing(Protocol::Tcp, echo());
    let stream = TcpStream::connect(at).unwrap();
    let sent: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
    let (writer, bytes) = (stream.try_clone().unwrap(), sent.clone());
    let writing = thread::spawn(move || {
        (&writer).write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    (&stream).read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[test]
fn nobody_behind_it_is_an_end_and_many_take_turns() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (at, _alive) = crossing(Protocol::Tcp, closed);
    let mut stream = TcpStream::connect(at).unwrap();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
    let (at, _alive) = crossing(Protocol::Tcp, echo());
    // More than there are places: those that wait get theirs when others go.
    let mut streams: Vec<TcpStream> = (0..230).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in streams.drain(..) {
        (&stream).write_all(b"x").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (&stream).read_exact(&mut [0; 1]).unwrap();
    }
}

#[test]
fn datagrams_find_their_way_back_to_each_client() {
    let (at, _alive) = crossing(Protocol::Udp, mirror());
    let clients: Vec<UdpSocket> = (0..5).map(|_| UdpSocket::bind("[::1]:0").unwrap()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.send_to(format!("client {number}").as_bytes(), at).unwrap();
    }
    for (number, client) in clients.iter().enumerate() {
        let mut bytes = [0; 100];
        let length = client.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], format!("client {number}").as_bytes());
    }
}

/// A server that sends datagrams back.
fn mirror() -> u16 {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut bytes = [0; 100];
        while let Ok((length, from)) = server.recv_from(&mut bytes) {
            server.send_to(&bytes[..length], from).unwrap();
        }
    });
    port
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    // Every address of 127/8 is the host's, and the kernel alone would answer from 127.0.0.1.
    let (at, _alive) = crossing_at("0.0.0.0:0", Protocol::Udp, mirror());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for asked in ["127.0.0.7", "127.0.0.8"] {
        client.send_to(asked.as_bytes(), (asked, at.port())).unwrap();
        let mut bytes = [0; 100];
        let (length, from) = client.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..length], from.ip().to_string().as_str()), (asked.as_bytes(), asked));
    }
}
