//! The resolver over real sockets, in network namespaces that each test makes for its own thread (needs root).
//!
//! The loop here tells the resolver again and again that everything is ready. That is more than poll(2) would say, and
//! must do no harm: no descriptor may block, and readiness is only a hint.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netmodes::names::directory::Member;
use netmodes::names::resolv::{RESOLVER, Upstream};
use netmodes::names::{registry, wire};
use nix::sched::{CloneFlags, unshare};

use super::super::service::{Readiness, Service};
use super::{Config, Resolver, ResolverSockets};

const LIMIT: Duration = Duration::from_secs(20);

fn new_netns() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (is the test run as root?)");
}

fn lo_up() {
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
}

/// As in a monitor: `lo` is down while the sockets are opened.
fn sockets_in_a_new_netns() -> ResolverSockets {
    new_netns();
    let sockets = ResolverSockets::open().unwrap();
    lo_up();
    sockets
}

fn query(name: &str) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn resolver(sockets: ResolverSockets, dir: &Path, upstreams: &[(SocketAddr, bool)]) -> Resolver {
    let members = vec![Member { network: "my-net".into(), state: dir.to_owned(), ..Member::default() }];
    let upstreams = upstreams.iter().map(|(address, inside)| Upstream { address: *address, inside: *inside }).collect();
    Resolver::new(sockets, Config { members, upstreams, ndots_set: false }, Box::new(|id| id == "c1"))
}

/// Serves until the client has what it wants.
fn serve<T>(resolver: &mut Resolver, client: JoinHandle<T>) -> T {
    let start = Instant::now();
    while !client.is_finished() {
        assert!(start.elapsed() < LIMIT, "no answer");
        let mut watch = Vec::new();
        resolver.watch(&mut watch);
        for watch in watch {
            resolver.ready(watch.fd, Readiness { read: watch.read, write: watch.write, hangup: false });
        }
        if resolver.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            resolver.expired(Instant::now());
        }
        thread::sleep(Duration::from_micros(200));
    }
    client.join().unwrap()
}

fn ask_udp(port: u16, name: &'static str) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // A connected socket takes an answer from 127.0.0.11 alone, as the resolver of libc does.
        socket.connect((RESOLVER, port)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.send(&query(name)).unwrap();
        let mut answer = [0; 512];
        let size = socket.recv(&mut answer).unwrap();
        answer[..size].to_vec()
    })
}

/// A server that gives every question `rcode` and says so over UDP and TCP; it ends with the test.
fn upstream(rcode: u8) -> SocketAddr {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).unwrap();
    let answer = move |query: &[u8]| [&query[..2], &[0x81, 0x80 | rcode], &query[4..]].concat();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((size, from)) = udp.recv_from(&mut query) {
            udp.send_to(&answer(&query[..size]), from).unwrap();
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut query = [0; 512];
            let size = stream.read(&mut query).unwrap();
            stream.write_all(&framed(&answer(&query[2..size]))).unwrap();
        }
    });
    address
}

#[test]
fn root_a_name_is_answered_from_127_0_0_11_although_lo_was_down_when_it_was_bound() {
    let (sockets, dir) = (sockets_in_a_new_netns(), tempfile::tempdir().unwrap());
    registry::publish(dir.path(), "web", "c1", &["172.18.0.2".parse().unwrap()]).unwrap();
    let (port, _) = sockets.ports().unwrap();
    let answer = serve(&mut resolver(sockets, dir.path(), &[]), ask_udp(port, "WEB.My-Net"));
    assert_eq!((wire::id(&answer), wire::rcode(&answer)), (Some(0xabcd), Some(0)));
    assert!(answer.ends_with(&[172, 18, 0, 2]));
}

#[test]
fn root_a_dead_and_a_failing_upstream_are_passed_by() {
    let (sockets, dir) = (sockets_in_a_new_netns(), tempfile::tempdir().unwrap());
    let (port, _) = sockets.ports().unwrap();
    let closed: SocketAddr = ([127, 0, 0, 1], 1).into();
    let upstreams = [(closed, false), (upstream(2), false), (upstream(3), false)];
    let mut resolver = resolver(sockets, dir.path(), &upstreams);
    let start = Instant::now();
    let answer = serve(&mut resolver, ask_udp(port, "example.org"));
    assert_eq!((wire::id(&answer), wire::rcode(&answer)), (Some(0xabcd), Some(3)));
    assert!(start.elapsed() < Duration::from_secs(4), "a refused port is noticed at once");
    assert!(resolver.links.is_empty());
}

#[test]
fn root_streams_are_answered_one_after_the_other_beside_half_open_ones() {
    let (sockets, dir) = (sockets_in_a_new_netns(), tempfile::tempdir().unwrap());
    registry::publish(dir.path(), "web", "c1", &["172.18.0.2".parse().unwrap()]).unwrap();
    let (_, port) = sockets.ports().unwrap();
    let mut resolver = resolver(sockets, dir.path(), &[(upstream(0), false)]);
    let client = thread::spawn(move || {
        let half_open: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect((RESOLVER, port)).unwrap()).collect();
        half_open.iter().for_each(|mut stream| stream.write_all(&[0]).unwrap());
        let mut stream = TcpStream::connect((RESOLVER, port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let questions = ["web", "example.org", "web", "example.com"].map(|name| framed(&query(name)));
        stream.write_all(&questions.concat()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).unwrap();
        (answers, questions)
    });
    let (answers, questions) = serve(&mut resolver, client);
    // A local answer is its question and one record of 16 bytes; the upstream's is as long as its question.
    assert_eq!(answers.len(), questions.concat().len() + 2 * 16);
    assert!(resolver.links.is_empty());
    assert!(resolver.clients.len() <= super::clients::MOST);
}

#[test]
fn root_servers_of_the_person_are_asked_from_inside_the_container() {
    let (sockets, dir) = (sockets_in_a_new_netns(), tempfile::tempdir().unwrap());
    let (port, _) = sockets.ports().unwrap();
    let inside = upstream(0);
    // Clients live in the container's netns; their threads are born there.
    let (ready, wait) = std::sync::mpsc::channel::<()>();
    let client = thread::spawn(move || {
        wait.recv().unwrap();
        ask_udp(port, "example.org").join().unwrap()
    });
    new_netns();
    lo_up();
    let mut resolver = resolver(sockets, dir.path(), &[(inside, true)]);
    ready.send(()).unwrap();
    assert_eq!(wire::rcode(&serve(&mut resolver, client)), Some(0));
    assert!(
        UdpSocket::bind(inside).is_ok(),
        "the monitor's thread is still in the other netns, where that port is free"
    );
}
