//! Published ports: the words of `-p`.
//!
//! ```text
//! -p [address:][host][-last]:container[-last][/tcp|udp]
//!
//!   8080:80                 one port, on every address          127.0.0.1:8080:80   on one address
//!   0.0.0.0:8080:80         on every address of IPv4            [::1]:8080:80       on one of IPv6
//!   8000-8010:9000-9010     as many on both sides               8000-8010:80        any free one of them
//!   80                      a free port that the kernel chooses 53:53/udp           the other protocol
//! ```
//!
//! -P      every exposed port that has no -p of its own ─> the first free one of 49000-49900
//!
//! [`parse`] and [`all_of`] are pure. The kernel is the allocator of ports: [`hold`] binds one in both families before
//! anything else is made.

mod hold;
mod holder;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use hold::{Held, hold};
pub use holder::Who;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// IPPROTO_TCP, 6
    Tcp,
    /// IPPROTO_UDP, 17
    Udp,
}

impl Protocol {
    /// Its number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Protocol::Tcp { "tcp" } else { "udp" })
    }
}

/// Ports, both ends included. 0-0 leaves the choice to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ports {
    /// The first one.
    pub first: u16,
    /// The last one, not below the first.
    pub last: u16,
}

impl Ports {
    /// Whatever the kernel gives.
    pub const ANY: Ports = Ports { first: 0, last: 0 };

    /// From which `-P` picks.
    pub const PICKED: Ports = Ports { first: 49000, last: 49900 };

    /// Exactly one.
    pub fn one(port: u16) -> Ports {
        Ports { first: port, last: port }
    }

    fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// One port of a container and where the host offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mapping {
    /// The host's address; 0.0.0.0 and :: are all of a family, `None` is all of both.
    pub at: Option<IpAddr>,
    /// The host's port, or those of which one is to be taken. One port, and not 0, once it is held.
    pub host: Ports,
    /// The container's port.
    pub container: u16,
    /// tcp or udp
    pub protocol: Protocol,
}

/// As `ps` shows it: `0.0.0.0:8080->80/tcp`.
impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}->{}/{}", shown(self.address()), self.host, self.container, self.protocol)
    }
}

impl Mapping {
    /// The address to bind: 0.0.0.0 for all.
    pub fn address(&self) -> IpAddr {
        self.at.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Where the host offers it: `0.0.0.0:8080`, `[::]:8080`.
    pub fn place(&self) -> String {
        format!("{}:{}", shown(self.address()), self.host)
    }

    /// One address of each family that is asked for; `ipv6`: the host has that family.
    fn addresses(&self, ipv6: bool) -> Vec<IpAddr> {
        match self.at {
            Some(at) => vec![at],
            None if ipv6 => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            None => vec![Ipv4Addr::UNSPECIFIED.into()],
        }
    }
}

/// An address in front of a port: IPv6 stands in brackets (RFC 3986 section 3.2.2).
fn shown(address: IpAddr) -> String {
    if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
}

/// What `-P` adds: each exposed port that `explicit` says nothing about, at a free port of [`Ports::PICKED`].
pub fn all_of(exposed: &[(u16, Protocol)], explicit: &[Mapping]) -> Vec<Mapping> {
    let is_free = |port: &&(u16, Protocol)| !explicit.iter().any(|m| (m.container, m.protocol) == **port);
    let mapping = |&(container, protocol)| Mapping { at: None, host: Ports::PICKED, container, protocol };
    exposed.iter().filter(is_free).map(mapping).collect()
}

/// The mappings that one `-p` asks for: one for every port of a range.
///
/// # Errors
/// [`Error::Refused`] with Docker's words for what is wrong.
pub fn parse(text: &str) -> Result<Vec<Mapping>, Error> {
    let (address, host, rest) = split(text);
    let (container, protocol) = rest.split_once('/').unwrap_or((rest, "tcp"));
    if container.is_empty() {
        return Err(Error::Refused(format!("no port specified: {text}<empty>")));
    }
    let protocol = parse_protocol(protocol)?;
    let at = parse_address(address)?;
    let ports = range(container).filter(|ports| ports.first != 0);
    let ports = ports.ok_or_else(|| Error::Refused(format!("invalid containerPort: {container}")))?;
    let hosts = if host.is_empty() { Some(Ports::ANY) } else { range(host) };
    let hosts = hosts.ok_or_else(|| Error::Refused(format!("invalid hostPort: {host}")))?;
    pair(hosts, ports, host, container)
        .map(|pairs| pairs.into_iter().map(|(host, container)| Mapping { at, host, container, protocol }).collect())
}

/// What `--expose` and an image's EXPOSE say: `80`, `80/udp`, `8000-8010/tcp`.
///
/// # Errors
/// [`Error::Refused`] with Docker's words for what is wrong.
pub fn parse_exposed(text: &str) -> Result<Vec<(u16, Protocol)>, Error> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = parse_protocol(protocol)?;
    let ports = range(ports).ok_or_else(|| Error::Refused(format!("invalid range format for --expose: {text}")))?;
    Ok((ports.first..=ports.last).map(|port| (port, protocol)).collect())
}

/// address, host ports, container ports with protocol. Only the last two colons separate: an IPv6 address holds more.
fn split(text: &str) -> (&str, &str, &str) {
    match text.rsplit_once(':') {
        None => ("", "", text),
        Some((front, container)) => match front.rsplit_once(':') {
            None => ("", front, container),
            Some((address, host)) => (address, host, container),
        },
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, Error> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" | "" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err(Error::Refused("publishing SCTP ports is not supported yet".into())),
        _ => Err(Error::Refused(format!("invalid proto: {text}"))),
    }
}

/// The host's address; nothing means all of both families.
fn parse_address(text: &str) -> Result<Option<IpAddr>, Error> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if text.is_empty() {
        return Ok(None);
    }
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(Some(address.to_canonical())),
        Err(_) => Err(Error::Refused(format!("invalid IP address: {bare}"))),
    }
}

/// `80` or `80-90`.
fn range(text: &str) -> Option<Ports> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = Ports { first: number(first)?, last: number(last)? };
    (ports.first <= ports.last).then_some(ports)
}

/// Digits only: `parse` alone would take "+80".
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Which host port goes with which container port. A range against one container port means any of the range.
fn pair(hosts: Ports, ports: Ports, host: &str, container: &str) -> Result<Vec<(Ports, u16)>, Error> {
    let each = ports.first..=ports.last;
    if hosts == Ports::ANY {
        return Ok(each.map(|port| (Ports::ANY, port)).collect());
    }
    if ports.count() == 1 {
        return Ok(vec![(hosts, ports.first)]);
    }
    if hosts.count() != ports.count() {
        let text = format!("invalid ranges specified for container and host Ports: {container} and {host}");
        return Err(Error::Refused(text));
    }
    Ok((hosts.first..=hosts.last).map(Ports::one).zip(each).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meant(text: &str) -> String {
        match parse(text) {
            Ok(mappings) => mappings.iter().map(Mapping::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_words_of_publish_mean_what_docker_means() {
        for (text, want) in [
            ("80", "0.0.0.0:0->80/tcp"),
            ("8080:80", "0.0.0.0:8080->80/tcp"),
            (":80", "0.0.0.0:0->80/tcp"),
            ("53:53/UDP", "0.0.0.0:53->53/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080->80/tcp"),
            ("127.0.0.1::80", "127.0.0.1:0->80/tcp"),
            ("0.0.0.0:1:2", "0.0.0.0:1->2/tcp"),
            ("[::1]:8080:80", "[::1]:8080->80/tcp"),
            ("[::]::80", "[::]:0->80/tcp"),
            ("::1:8080:80", "[::1]:8080->80/tcp"),
            ("[::ffff:127.0.0.1]:1:2", "127.0.0.1:1->2/tcp"),
            ("8000-8001:9000-9001", "0.0.0.0:8000->9000/tcp 0.0.0.0:8001->9001/tcp"),
            ("8000-8010:80", "0.0.0.0:8000-8010->80/tcp"),
            ("9000-9001", "0.0.0.0:0->9000/tcp 0.0.0.0:0->9001/tcp"),
        ] {
            assert_eq!(meant(text), want, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_as_docker_names_them() {
        for (text, want) in [
            ("", "no port specified: <empty>"),
            ("8080:", "no port specified: 8080:<empty>"),
            ("8080:x", "invalid containerPort: x"),
            ("8080:0", "invalid containerPort: 0"),
            ("x:80", "invalid hostPort: x"),
            ("65536:80", "invalid hostPort: 65536"),
            ("90-80:80", "invalid hostPort: 90-80"),
            ("+80:80", "invalid hostPort: +80"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("80:80/icmp", "invalid proto: icmp"),
            ("8000-8002:90-91", "invalid ranges specified for container and host Ports: 90-91 and 8000-8002"),
            ("[::g]:80:80", "invalid IP address: ::g"),
            ("80:80:80:80", "invalid IP address: 80:80"),
        ] {
            assert_eq!(meant(text), want, "{text}");
        }
    }

    #[test]
    fn exposed_ports_are_ports_without_a_host() {
        assert_eq!(parse_exposed("80-81/udp").unwrap(), [(80, Protocol::Udp), (81, Protocol::Udp)]);
        assert!(parse_exposed("http").is_err());
    }

    #[test]
    fn all_but_what_is_published_already() {
        let exposed = parse_exposed("80-82").unwrap();
        let picked = all_of(&exposed, &parse("8081:81").unwrap());
        let shown: Vec<String> = picked.iter().map(Mapping::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:49000-49900->80/tcp", "0.0.0.0:49000-49900->82/tcp"]);
        assert!(all_of(&exposed, &parse("80-82").unwrap()).is_empty());
    }

    #[test]
    fn nothing_is_both_families_where_the_host_has_both() {
        let families = |text: &str, ipv6| parse(text).unwrap()[0].addresses(ipv6).len();
        assert_eq!((families("80:80", true), families("80:80", false), families("0.0.0.0:80:80", true)), (2, 1, 1));
        assert_ne!(parse("80:80").unwrap(), parse("0.0.0.0:80:80").unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
            let _ = parse_exposed(&text);
        }

        #[test]
        fn what_is_shown_names_the_ports_that_were_asked_for(host in 1u16.., container in 1u16..) {
            prop_assert_eq!(meant(&format!("{host}:{container}")), format!("0.0.0.0:{host}->{container}/tcp"));
        }
    }
}
