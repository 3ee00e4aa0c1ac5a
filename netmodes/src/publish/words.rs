//! The words of `-p`, `-P` and `--expose`.
//!
//! ```text
//! -p [address:][host][-last]:container[-last][/tcp|udp]
//!
//!   8080:80                 one port, on every address          127.0.0.1:8080:80   on one address
//!   0.0.0.0:8080:80         on every address of IPv4            [::1]:8080:80       on one of IPv6
//!   8000-8010:9000-9010     as many on both sides               8000-8010:80        any free one of them
//!   80                      a free port that the kernel chooses 53:53/udp           the other protocol
//!   published=8080,target=80,protocol=tcp                       the long form
//!
//! -P      every exposed port that has no -p of its own ─> the first free one of a range, 49000-49900 by default
//! ```

use std::net::IpAddr;

use super::{Mapping, Ports, Protocol};
use crate::error::Error;

/// What `-P` adds: each exposed port that `explicit` says nothing about, at a free port of `range`.
pub fn all_of(exposed: &[(u16, Protocol)], explicit: &[Mapping], range: Ports) -> Vec<Mapping> {
    let is_free = |port: &&(u16, Protocol)| !explicit.iter().any(|m| (m.container, m.protocol) == **port);
    let mapping = |&(container, protocol)| Mapping { at: None, host: range, container, protocol };
    exposed.iter().filter(is_free).map(mapping).collect()
}

/// The mappings that one `-p` asks for: one for every port of a range.
///
/// # Errors
/// [`Error::Refused`] with Docker's words for what is wrong.
pub fn parse(text: &str) -> Result<Vec<Mapping>, Error> {
    if text.contains('=') {
        return parse(&short(text)?);
    }
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
    // No choice at all is a choice, but not one among others.
    let hosts = hosts.filter(|hosts| hosts.first != 0 || *hosts == Ports::ANY);
    let hosts = hosts.ok_or_else(|| Error::Refused(format!("invalid hostPort: {host}")))?;
    pair(hosts, ports, host, container)
        .map(|pairs| pairs.into_iter().map(|(host, container)| Mapping { at, host, container, protocol }).collect())
}

/// The short form of `published=8080,target=80,protocol=tcp,mode=host`; there is only one mode without a cluster.
fn short(text: &str) -> Result<String, Error> {
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for word in text.split(',') {
        match word.split_once('=') {
            Some(("published", value)) => published = value,
            Some(("target", value)) => target = value,
            Some(("protocol", value)) => protocol = value,
            Some(("mode", "host" | "ingress")) => {}
            _ => {
                let known = "published=, target=, protocol= and mode=";
                return Err(Error::Refused(format!("invalid publish option: {word} (there are {known})")));
            }
        }
    }
    if target.is_empty() {
        return Err(Error::Refused(format!("no port specified: {published}:/{protocol}<empty>")));
    }
    Ok(format!("{published}:{target}/{protocol}"))
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
        Err(_) if text.starts_with('[') && !text.ends_with(']') => {
            let hint = "behind the brackets come the host's port, or nothing, and the container's: [::1]::80";
            Err(Error::Refused(format!("invalid IP address: {text} ({hint})")))
        }
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
            ("0:80", "0.0.0.0:0->80/tcp"),
            ("80/", "0.0.0.0:0->80/tcp"),
            ("8000-8001:80-81/udp", "0.0.0.0:8000->80/udp 0.0.0.0:8001->81/udp"),
            ("127.0.0.1::80-81", "127.0.0.1:0->80/tcp 127.0.0.1:0->81/tcp"),
            ("target=80,published=8080", "0.0.0.0:8080->80/tcp"),
            ("published=53,target=53,protocol=udp,mode=host", "0.0.0.0:53->53/udp"),
            ("target=80", "0.0.0.0:0->80/tcp"),
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
            ("localhost:80:80", "invalid IP address: localhost"),
            ("[fe80::1%eth0]:80:80", "invalid IP address: fe80::1%eth0"),
            ("127.0.0.1:80", "invalid hostPort: 127.0.0.1"),
            (
                "[::1]:80",
                "invalid IP address: [: (behind the brackets come the host's port, or nothing, and the container's: [::1]::80)",
            ),
            (" 80:80", "invalid hostPort:  80"),
            ("80-:80", "invalid hostPort: 80-"),
            ("0-5:80", "invalid hostPort: 0-5"),
            ("80:80-70", "invalid containerPort: 80-70"),
            ("70000", "invalid containerPort: 70000"),
            ("published=8080", "no port specified: 8080:/tcp<empty>"),
            (
                "target=80,host=8080",
                "invalid publish option: host=8080 (there are published=, target=, protocol= and mode=)",
            ),
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
        let picked = all_of(&exposed, &parse("8081:81").unwrap(), Ports::PICKED);
        let shown: Vec<String> = picked.iter().map(Mapping::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:49000-49900->80/tcp", "0.0.0.0:49000-49900->82/tcp"]);
        assert!(all_of(&exposed, &parse("80-82").unwrap(), Ports::PICKED).is_empty());
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
