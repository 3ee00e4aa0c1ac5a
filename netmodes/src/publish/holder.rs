//! Who holds a port: the other half of "port is already allocated".
//!
//! ```text
//! port --sock_diag(7)--> inode --/proc/<pid>/fd/*--> pid --/proc/<pid>/cmdline--> words
//!                                                            the caller knows which words are a container's
//! ```
//!
//! /proc/net/tcp would not do: a socket that is bound but neither listens nor is connected, such as Pontoon's own,
//! is not shown there. Older kernels (before 6.8) do not tell of those at all; then nobody is named.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::Protocol;
use crate::kernel::{Batch, Socket};

/// SOCK_DIAG_BY_FAMILY of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// Every state of a socket, TCP_BOUND_INACTIVE among them.
const ALL_STATES: u32 = u32::MAX;

/// Tells the name of a container by the command line of the process that holds its ports.
pub type Who<'a> = &'a dyn Fn(&[String]) -> Option<String>;

/// Who has a port.
pub(super) enum Holder {
    /// A container, by name.
    Container(String),
    /// Another program: `nginx, process 412`.
    Program(String),
}

/// What a range's sentence says: `7001 by container web`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Container(name) => write!(f, "container {name}"),
            Holder::Program(words) => f.write_str(words),
        }
    }
}

/// Address, port, protocol.
type Place = (IpAddr, u16, Protocol);

/// The holder; `None` if it cannot be found.
pub(super) fn of(place: Place, who: Who<'_>) -> Option<Holder> {
    let inodes = inodes(place)?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| has_one_of(*pid, &inodes)).map(|pid| in_words(pid, who))
}

/// The sockets that are in the way of binding this place: a dump filtered by port.
fn inodes(place: Place) -> Option<Vec<u32>> {
    let mut socket = Socket::open(Socket::DIAG).ok()?;
    let mut batch = Batch::default();
    batch.push(BY_FAMILY, Batch::DUMP, &request(place, nix::libc::AF_INET));
    let mut answers = socket.send(batch).ok()?;
    let mut batch = Batch::default();
    batch.push(BY_FAMILY, Batch::DUMP, &request(place, nix::libc::AF_INET6));
    answers.extend(socket.send(batch).unwrap_or_default());
    let found: Vec<(IpAddr, u32)> = answers.iter().filter_map(|answer| bound(&answer.body, place.1)).collect();
    let of = |is_in_the_way: &dyn Fn(IpAddr) -> bool| -> Vec<u32> {
        found.iter().filter(|(address, _)| is_in_the_way(*address)).map(|(_, inode)| *inode).collect()
    };
    let inodes = of(&|found| overlap(found, place.0));
    // A socket on [::] has the port in both families, unless IPV6_V6ONLY is set (ipv6(7)), which is not told.
    let inodes = if inodes.is_empty() { of(&|found| found == IpAddr::V6(Ipv6Addr::UNSPECIFIED)) } else { inodes };
    (!inodes.is_empty()).then_some(inodes)
}

/// struct inet_diag_req_v2 of linux/inet_diag.h: 8 bytes, then the socket's identity, of which only the port is set.
fn request((_, port, protocol): Place, family: i32) -> Vec<u8> {
    let mut bytes = vec![family as u8, protocol.number(), 0, 0];
    bytes.extend(ALL_STATES.to_ne_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.resize(56, 0);
    bytes
}

/// struct inet_diag_msg: the family is at 0, the port at 4, the address at 8, the inode at 68.
fn bound(message: &[u8], wanted: u16) -> Option<(IpAddr, u32)> {
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
    let bytes: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    let address = match i32::from(message[0]) {
        nix::libc::AF_INET => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(),
        _ => Ipv6Addr::from(bytes).into(),
    };
    (port == wanted && inode != 0).then_some((address, inode))
}

/// Does a socket at one address keep another from being bound at the other?
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4() && (one == other || one.is_unspecified() || other.is_unspecified())
}

/// Does the process have one of these sockets open? No, if we may not look.
fn has_one_of(pid: u32, inodes: &[u32]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let socket =
        |path: &Path| fs::read_link(path).ok()?.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    descriptors.flatten().filter_map(|entry| socket(&entry.path())).any(|inode| inodes.contains(&inode))
}

fn in_words(pid: u32, who: Who<'_>) -> Holder {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .strip_suffix(b"\0")
        .unwrap_or(&line)
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let program = words[0].rsplit('/').next().unwrap_or_default();
    match who(&words) {
        Some(name) => Holder::Container(name),
        None if program.is_empty() => Holder::Program(format!("process {pid}")),
        None => Holder::Program(format!("{program}, process {pid}")),
    }
}
