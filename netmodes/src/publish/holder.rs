//! Who holds a port: the other half of "port is already allocated".
//!
//! ```text
//! port --sock_diag(7)--> inode --/proc/<pid>/fd/*--> pid --/proc/<pid>/cmdline--> words
//!                                                            the caller knows which words are a container's
//! ```
//!
//! /proc/net/tcp would not do: a socket that is bound but neither listens nor is connected, such as Pontoon's own,
//! is not shown there. Older kernels (before 6.8) do not tell of those at all; then nobody is named.

use std::fs;
use std::path::Path;

use super::Mapping;
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

/// The holder; `None` if it cannot be found.
pub(super) fn of(mapping: &Mapping, who: Who<'_>) -> Option<Holder> {
    let inodes = inodes(mapping)?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| has_one_of(*pid, &inodes)).map(|pid| in_words(pid, who))
}

/// The sockets that are bound to this port, by any address: a dump filtered by port.
fn inodes(mapping: &Mapping) -> Option<Vec<u32>> {
    let mut socket = Socket::open(Socket::DIAG).ok()?;
    let mut batch = Batch::default();
    batch.push(BY_FAMILY, Batch::DUMP, &request(mapping, nix::libc::AF_INET));
    let mut answers = socket.send(batch).ok()?;
    // A socket that listens on [::] has the port in both families (ipv6(7), IPV6_V6ONLY).
    let mut batch = Batch::default();
    batch.push(BY_FAMILY, Batch::DUMP, &request(mapping, nix::libc::AF_INET6));
    answers.extend(socket.send(batch).unwrap_or_default());
    let inodes: Vec<u32> = answers.iter().filter_map(|answer| inode(&answer.body, mapping.host.first)).collect();
    (!inodes.is_empty()).then_some(inodes)
}

/// struct inet_diag_req_v2 of linux/inet_diag.h: 8 bytes, then the socket's identity, of which only the port is set.
fn request(mapping: &Mapping, family: i32) -> Vec<u8> {
    let protocol = mapping.protocol.number();
    let mut bytes = vec![family as u8, protocol, 0, 0];
    bytes.extend(ALL_STATES.to_ne_bytes());
    bytes.extend(mapping.host.first.to_be_bytes());
    bytes.resize(56, 0);
    bytes
}

/// struct inet_diag_msg: the port is at 4, the inode at 68.
fn inode(message: &[u8], port: u16) -> Option<u32> {
    let found = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
    (found == port && inode != 0).then_some(inode)
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
