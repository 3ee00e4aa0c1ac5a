//! Frames written by hand, and the wire that they are put on.
//!
//! ```text
//! Ethernet:  target 6 | source 6 | type 2 |  IPv4, IPv6 or ARP …| … the mark by which the frame is known again
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket};

pub type Mac = [u8; 6];

/// One end of a wire: an AF_PACKET socket (packet(7)) on the device of the namespace in which it was opened.
pub struct Wire(OwnedFd);

impl Wire {
    pub fn open(device: &str) -> Wire {
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
        // The system knows how such an address is written; all that is needed of it is the device's number.
        let mut all = nix::ifaddrs::getifaddrs().unwrap();
        let found = all.find_map(|one| one.address.filter(|_| one.interface_name == device)?.as_link_addr().copied());
        bind(socket.as_raw_fd(), &found.unwrap()).unwrap();
        Wire(socket)
    }

    pub fn send(&self, frame: &[u8]) {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty()).unwrap();
    }

    /// All that has come until `end`.
    pub fn heard(&self, end: Instant) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let mut frame = vec![0; 2048];
            match recv(self.0.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => frames.push(frame[..length].to_vec()),
                Err(_) if Instant::now() >= end => return frames,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// The hardware address of a device, as the kernel shows it.
pub fn mac(text: &str) -> Mac {
    let mut mac = [0; 6];
    for (byte, word) in mac.iter_mut().zip(text.trim().split(':')) {
        *byte = u8::from_str_radix(word, 16).unwrap();
    }
    mac
}

pub fn ethernet(target: Mac, source: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&target[..], &source[..], &kind.to_be_bytes(), payload].concat()
}

/// A datagram to port 7000, with the mark as its content.
pub fn udp4(source: Ipv4Addr, target: Ipv4Addr, mark: &[u8]) -> Vec<u8> {
    let length = 20 + 8 + mark.len() as u16;
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    header.extend(source.octets());
    header.extend(target.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    // Without a checksum, which IPv4 allows.
    [header, udp(mark, 0)].concat()
}

pub fn udp6(source: Ipv6Addr, target: Ipv6Addr, mark: &[u8]) -> Vec<u8> {
    let pseudo = pseudo_header(source, target, 17, 8 + mark.len());
    let sum = checksum(&[&pseudo, &udp(mark, 0)]);
    ip6(source, target, 17, 64, &udp(mark, sum))
}

fn udp(mark: &[u8], sum: u16) -> Vec<u8> {
    let length = 8 + mark.len() as u16;
    [&7001u16.to_be_bytes(), &7000u16.to_be_bytes(), &length.to_be_bytes(), &sum.to_be_bytes(), mark].concat()
}

/// An answer: this address is at this hardware address.
pub fn arp(mac: Mac, address: Ipv4Addr, to: (Mac, Ipv4Addr), mark: &[u8]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    [&head[..], &mac, &address.octets(), &to.0, &to.1.octets(), mark].concat()
}

/// A message of neighbour discovery: its type, then what follows the checksum.
pub fn icmp6(source: Ipv6Addr, target: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0], body].concat();
    let sum = checksum(&[&pseudo_header(source, target, 58, message.len()), &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ip6(source, target, 58, 255, &message)
}

/// Flags, target, and the mark in an option that nobody knows (RFC 4861, section 4.6).
pub fn advertisement(target: Ipv6Addr, mark: &[u8]) -> Vec<u8> {
    [&[0x20, 0, 0, 0][..], &target.octets(), &option(mark)].concat()
}

/// A router: hop limit 64, lifetime 1800 s.
pub fn router(mark: &[u8]) -> Vec<u8> {
    [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &option(mark)].concat()
}

fn option(mark: &[u8]) -> Vec<u8> {
    let mut option = [&[253, 0][..], mark].concat();
    option.resize(option.len().next_multiple_of(8), 0);
    option[1] = (option.len() / 8) as u8;
    option
}

fn ip6(source: Ipv6Addr, target: Ipv6Addr, next: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, length[0], length[1], next, hops][..], &source.octets(), &target.octets(), payload].concat()
}

fn pseudo_header(source: Ipv6Addr, target: Ipv6Addr, next: u8, length: usize) -> Vec<u8> {
    [&source.octets()[..], &target.octets(), &(length as u32).to_be_bytes(), &[0, 0, 0, next]].concat()
}

/// RFC 1071. Parts but the last are of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    match !((folded & 0xffff) + (folded >> 16)) as u16 {
        0 => 0xffff,
        sum => sum,
    }
}
