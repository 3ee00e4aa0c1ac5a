//! `--link`: what one container is told of another on the default network, by variables and a line of /etc/hosts.
//!
//! ```text
//!   --link db:store, in the container `web`; `db` exposes 5432/tcp and has PGDATA=/x
//!     /etc/hosts     172.17.0.2 <tab> store 4c01db0b339c db
//!     environment    STORE_PORT=tcp://172.17.0.2:5432                the lowest port, TCP before UDP
//!                    STORE_PORT_5432_TCP=tcp://172.17.0.2:5432       and _ADDR _PORT _PROTO, for every port
//!                    STORE_PORT_<first>_TCP_START, _END …            for three ports in a row and more
//!                    STORE_NAME=/web/store
//!                    STORE_ENV_PGDATA=/x                             all of its variables but HOME and PATH
//! ```
//!
//! The forms are those of Docker's documents on legacy links. On other networks a link is only a private name, which the
//! container's resolver knows (see [`directory`](super::directory)).

use std::net::IpAddr;

use super::Error;
use super::grammar::is_name;
use crate::publish::Protocol;

/// Variables that say nothing about what the other container offers.
const OMITTED: [&str; 2] = ["HOME", "PATH"];
/// Ports in a row from which on they are told as a range, as in Docker.
const RANGE: usize = 3;

/// What is known of a container that is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// Its address on the default network.
    pub address: IpAddr,
    /// What it exposes, sorted, TCP before UDP.
    pub exposed: Vec<(u16, Protocol)>,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

/// Reads `--link name[:alias]`: the container's name or id, and the name for it. `/name:/other/alias`, as `inspect` shows
/// a link, is read too.
///
/// # Errors
/// Docker's sentences, and one for an alias that could break a line or a path.
pub fn parse(word: &str) -> Result<(String, String), Error> {
    let invalid = |sentence: String| Err(Error::Invalid(sentence));
    if word.is_empty() {
        return invalid("empty string specified for links".into());
    }
    let (name, alias) = match word.split(':').collect::<Vec<_>>()[..] {
        [name] => (name, name),
        [name, alias] => (name, alias.rsplit('/').next().filter(|_| name.starts_with('/')).unwrap_or(alias)),
        _ => return invalid(format!("bad format for links: {}", word.escape_debug())),
    };
    let (name, alias) = (name.trim_start_matches('/'), alias.trim_start_matches('/'));
    match [name, alias].iter().find(|text| !is_name(text)) {
        Some(bad) => {
            invalid(format!("{bad:?} in --link {word:?} is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"))
        }
        None => Ok((name.to_owned(), alias.to_owned())),
    }
}

/// The names behind the address in /etc/hosts: alias, host name, and its own name where that is another word.
pub fn host_names(alias: &str, source: &Source) -> Vec<String> {
    let own = (alias != source.name).then(|| source.name.clone());
    [alias.to_owned(), source.hostname.clone()].into_iter().chain(own).collect()
}

/// The variables of one link, for the container of the name `target`.
pub fn environment(target: &str, alias: &str, source: &Source) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut variables: Vec<String> =
        source.exposed.first().map(|port| format!("{prefix}_PORT={}", url(source, *port))).into_iter().collect();
    for range in ranges(&source.exposed) {
        variables.extend(of_range(&prefix, source, range));
    }
    for port in &source.exposed {
        variables.extend(of_port(&prefix, source, *port));
    }
    variables.push(format!("{prefix}_NAME=/{target}/{alias}"));
    let theirs = source.environment.iter().filter_map(|word| word.split_once('='));
    variables.extend(theirs.filter(|(name, _)| !OMITTED.contains(name)).map(|(n, v)| format!("{prefix}_ENV_{n}={v}")));
    variables
}

/// Ports of one protocol in a row, where there are enough of them.
fn ranges(exposed: &[(u16, Protocol)]) -> Vec<Vec<(u16, Protocol)>> {
    let mut ranges: Vec<Vec<(u16, Protocol)>> = Vec::new();
    for port in exposed {
        let follows = |range: &&mut Vec<(u16, Protocol)>| {
            range.last().is_some_and(|(last, protocol)| *protocol == port.1 && last.checked_add(1) == Some(port.0))
        };
        match ranges.iter_mut().find(follows) {
            Some(range) => range.push(*port),
            None => ranges.push(vec![*port]),
        }
    }
    ranges.retain(|range| range.len() >= RANGE);
    ranges
}

fn of_range(prefix: &str, source: &Source, range: Vec<(u16, Protocol)>) -> Vec<String> {
    let (Some(first), Some(last)) = (range.first().copied(), range.last().copied()) else { return Vec::new() };
    let name = name(prefix, first);
    vec![
        format!("{name}_START={}", url(source, first)),
        format!("{name}_PORT_START={}", first.0),
        format!("{name}_END={}", url(source, last)),
        format!("{name}_PORT_END={}", last.0),
    ]
}

fn of_port(prefix: &str, source: &Source, port: (u16, Protocol)) -> [String; 4] {
    let name = name(prefix, port);
    [
        format!("{name}={}", url(source, port)),
        format!("{name}_ADDR={}", source.address),
        format!("{name}_PORT={}", port.0),
        format!("{name}_PROTO={}", port.1),
    ]
}

fn name(prefix: &str, (port, protocol): (u16, Protocol)) -> String {
    format!("{prefix}_PORT_{port}_{}", protocol.to_string().to_uppercase())
}

fn url(source: &Source, (port, protocol): (u16, Protocol)) -> String {
    format!("{protocol}://{}", std::net::SocketAddr::new(source.address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::{Tcp, Udp};

    fn source(exposed: &[(u16, Protocol)]) -> Source {
        Source {
            name: "db".into(),
            hostname: "4c01db0b339c".into(),
            address: [172, 17, 0, 5].into(),
            exposed: exposed.to_vec(),
            environment: ["PATH=/bin", "PG_VERSION=9.3=x", "HOME=/root", "EMPTY=", "odd"].map(String::from).into(),
        }
    }

    fn variables(alias: &str, exposed: &[(u16, Protocol)]) -> Vec<String> {
        let mut all = environment("web", alias, &source(exposed));
        all.retain(|variable| !variable.contains("_ENV_"));
        all
    }

    /// The example of Docker's page on legacy links.
    #[test]
    fn one_port() {
        assert_eq!(
            environment("web", "web-Db", &source(&[(5432, Tcp)])),
            [
                "WEB_DB_PORT=tcp://172.17.0.5:5432",
                "WEB_DB_PORT_5432_TCP=tcp://172.17.0.5:5432",
                "WEB_DB_PORT_5432_TCP_ADDR=172.17.0.5",
                "WEB_DB_PORT_5432_TCP_PORT=5432",
                "WEB_DB_PORT_5432_TCP_PROTO=tcp",
                "WEB_DB_NAME=/web/web-Db",
                "WEB_DB_ENV_PG_VERSION=9.3=x",
                "WEB_DB_ENV_EMPTY=",
            ]
        );
    }

    #[test]
    fn the_lowest_port_speaks_for_all_and_tcp_before_udp() {
        assert_eq!(variables("db", &[(53, Tcp), (53, Udp), (80, Tcp)])[0], "DB_PORT=tcp://172.17.0.5:53");
        assert_eq!(variables("db", &[(53, Udp), (80, Tcp)])[0], "DB_PORT=udp://172.17.0.5:53");
        assert_eq!(variables("db", &[]), ["DB_NAME=/web/db"]);
    }

    #[test]
    fn three_in_a_row_are_a_range_too() {
        let all = variables("db", &[(53, Udp), (6379, Tcp), (6380, Tcp), (6381, Tcp), (9000, Tcp), (9001, Tcp)]);
        let ranges: Vec<_> = all.iter().filter(|v| v.contains("START") || v.contains("END")).collect();
        assert_eq!(
            ranges,
            [
                "DB_PORT_6379_TCP_START=tcp://172.17.0.5:6379",
                "DB_PORT_6379_TCP_PORT_START=6379",
                "DB_PORT_6379_TCP_END=tcp://172.17.0.5:6381",
                "DB_PORT_6379_TCP_PORT_END=6381",
            ]
        );
        for port in [6379, 6380, 6381, 9000, 9001] {
            assert!(all.contains(&format!("DB_PORT_{port}_TCP_PORT={port}")), "{port}");
        }
        let mixed = variables("db", &[(1, Tcp), (1, Udp), (2, Tcp), (2, Udp), (3, Tcp), (u16::MAX, Tcp)]);
        assert_eq!(mixed.iter().filter(|v| v.contains("_END")).count(), 2, "each protocol by itself: {mixed:?}");
    }

    #[test]
    fn an_address_of_ipv6_stands_in_brackets() {
        let six = Source { address: "fd00::5".parse().unwrap(), ..source(&[(80, Tcp)]) };
        assert_eq!(environment("web", "db", &six)[0], "DB_PORT=tcp://[fd00::5]:80");
    }

    #[test]
    fn the_own_name_is_told_unless_it_is_the_alias() {
        assert_eq!(host_names("store", &source(&[])), ["store", "4c01db0b339c", "db"]);
        assert_eq!(host_names("db", &source(&[])), ["db", "4c01db0b339c"]);
    }

    #[test]
    fn words_of_the_command_line() {
        let read = |word| parse(word).map(|(name, alias)| format!("{name} {alias}")).map_err(|e| e.to_string());
        assert_eq!(read("db"), Ok("db db".into()));
        assert_eq!(read("db:store"), Ok("db store".into()));
        assert_eq!(read("/db:/web/store"), Ok("db store".into()));
        assert_eq!(read(""), Err("empty string specified for links".into()));
        assert_eq!(read("a:b:c"), Err("bad format for links: a:b:c".into()));
        for bad in ["db:", ":store", "db:a b", "db:a\n6.6.6.6 bank", "../x:y", "db:a/b"] {
            assert!(read(bad).unwrap_err().contains("is not a name"), "{bad:?}");
        }
    }
}
