//! The ports of `ps` and of `inspect`, exactly as Docker writes them.
//!
//! ```text
//! ps         same number on both sides    0.0.0.0:8080-8081->8080-8081/tcp     neighbours become ranges, per address
//!            exposed only                 80-81/tcp                            here, too
//!            another number               0.0.0.0:8080->80/tcp                 one by one, at the end
//! inspect    "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080", "SourceIP": "kept, …" }]
//! ```
//!
//! `SourceIP` is ours: whose address the container sees, which under Docker one has to find out.

use std::net::{IpAddr, Ipv4Addr};

use netmodes::publish::{self, Mapping, Ports};
use serde_json::{Map, Value, json};

use super::port::published;
use crate::container::State;

/// `PortBindings`: what was asked for.
pub fn asked(mappings: &[Mapping]) -> Map<String, Value> {
    by_port(mappings, |mapping| {
        let address = mapping.at.map_or_else(String::new, |at| at.to_string());
        json!({ "HostIp": address, "HostPort": host_port(mapping) })
    })
}

/// `NetworkSettings.Ports`: what is exposed, and where it is offered.
pub fn offered(exposed: &[String], state: &State) -> Map<String, Value> {
    let ways_out =
        state.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).filter(|leased| leased.gateway.is_some());
    let addresses: Vec<IpAddr> = ways_out.map(|leased| leased.address).collect();
    let mut map = by_port(&published(state), |mapping| {
        json!({
            "HostIp": mapping.at.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_string(),
            "HostPort": host_port(mapping),
            "SourceIP": publish::source(mapping, &addresses),
        })
    });
    for port in exposed {
        map.entry(port.clone()).or_insert(Value::Null);
    }
    map
}

/// Empty where the kernel has the choice, or no port of the host is needed.
fn host_port(mapping: &Mapping) -> String {
    if mapping.host == Ports::ANY { String::new() } else { mapping.host.to_string() }
}

fn by_port(mappings: &[Mapping], binding: impl Fn(&Mapping) -> Value) -> Map<String, Value> {
    let mut map = Map::new();
    for mapping in mappings {
        match map.entry(mapping.target()).or_insert_with(|| json!([])) {
            Value::Array(bindings) => bindings.push(binding(mapping)),
            other => *other = json!([binding(mapping)]),
        }
    }
    map
}

/// One port of the container; `place` is where it is published, if it is.
struct Port<'a> {
    number: u16,
    protocol: &'a str,
    place: Option<(String, u16)>,
}

/// The column for what is exposed (as `80/tcp`) and what is published.
pub fn column(exposed: &[String], published: &[Mapping]) -> String {
    // A port that is open by the container's own address is shown as one that is exposed.
    let published: Vec<Mapping> = published.iter().filter(|mapping| mapping.host != Ports::ANY).copied().collect();
    let protocols: Vec<String> = published.iter().map(|mapping| mapping.protocol.to_string()).collect();
    let mut ports: Vec<Port<'_>> = published
        .iter()
        .zip(&protocols)
        .map(|(mapping, protocol)| Port {
            number: mapping.container,
            protocol,
            place: Some((mapping.address().to_string(), mapping.host.first)),
        })
        .collect();
    let is_published = |number, protocol: &str| {
        published.iter().zip(&protocols).any(|(mapping, own)| mapping.container == number && own == protocol)
    };
    for (number, protocol) in exposed.iter().filter_map(|word| word.split_once('/')) {
        if let Ok(number) = number.parse()
            && !is_published(number, protocol)
        {
            ports.push(Port { number, protocol, place: None });
        }
    }
    ports.sort_by(|a, b| (a.number, &a.place, a.protocol).cmp(&(b.number, &b.place, b.protocol)));
    let mut words = groups(&ports);
    words.extend(ports.iter().filter_map(alone));
    words.join(", ")
}

/// A port whose numbers differ.
fn alone(port: &Port<'_>) -> Option<String> {
    let (address, host) = port.place.as_ref().filter(|(_, host)| *host != port.number)?;
    Some(format!("{}->{}/{}", joined(address, &host.to_string()), port.number, port.protocol))
}

/// Runs of neighbours with one address and protocol: those that a gap has ended come first, then the last of each.
fn groups(ports: &[Port<'_>]) -> Vec<String> {
    let mut ended = Vec::new();
    let mut open: Vec<(Option<&str>, &str, u16, u16)> = Vec::new();
    for port in ports.iter().filter(|port| port.place.as_ref().is_none_or(|(_, host)| *host == port.number)) {
        let address = port.place.as_ref().map(|(address, _)| address.as_str());
        match open.iter_mut().find(|run| (run.0, run.1) == (address, port.protocol)) {
            None => open.push((address, port.protocol, port.number, port.number)),
            Some(run) if run.3.checked_add(1) == Some(port.number) => run.3 = port.number,
            Some(run) => {
                ended.push(range(*run));
                (run.2, run.3) = (port.number, port.number);
            }
        }
    }
    ended.into_iter().chain(open.into_iter().map(range)).collect()
}

fn range((address, protocol, first, last): (Option<&str>, &str, u16, u16)) -> String {
    let numbers = if first == last { first.to_string() } else { format!("{first}-{last}") };
    match address {
        Some(address) => format!("{}->{numbers}/{protocol}", joined(address, &numbers)),
        None => format!("{numbers}/{protocol}"),
    }
}

/// IPv6 stands in brackets.
fn joined(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use netmodes::publish::parse;

    use super::*;

    fn shown(exposed: &[&str], published: &[&str]) -> String {
        let exposed: Vec<String> = exposed.iter().map(|word| (*word).to_owned()).collect();
        let published: Vec<Mapping> = published.iter().flat_map(|word| parse(word).unwrap()).collect();
        column(&exposed, &published)
    }

    #[test]
    fn as_docker_merges_ranges() {
        let both = ["0.0.0.0:8080-8081:8080-8081", "[::]:8080-8081:8080-8081"];
        assert_eq!(shown(&[], &both), "0.0.0.0:8080-8081->8080-8081/tcp, [::]:8080-8081->8080-8081/tcp");
        assert_eq!(shown(&["80/tcp", "81/tcp", "53/udp"], &[]), "53/udp, 80-81/tcp");
        let mixed = ["127.0.0.1:90:90", "127.0.0.1:92:92", "0.0.0.0:8080:80", "0.0.0.0:8081:81"];
        let expected = "127.0.0.1:90->90/tcp, 127.0.0.1:92->92/tcp, 0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/tcp";
        assert_eq!(shown(&["80/tcp", "81/tcp", "90/tcp", "92/tcp"], &mixed), expected);
    }
}
