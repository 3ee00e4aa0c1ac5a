//! What is there: asked of Pontoon, of its files and of the kernel, and held against the book and against each other.
//!
//! ```text
//!   ps, inspect        states, addresses, ports      == the book
//!   leases/ADDRESS     -> owner                      == the addresses of those who run
//!   nft list ruleset   addresses, ports, devices     each belongs to somebody who runs, to a network, to a link
//!   ss -tln            ports                         == the ports of those who run
//!   nslookup           from a container of each network: those who run there, and nobody else
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pontoon_tests::Host;
use serde_json::Value;

use super::book::{Book, DEFAULT, Entry, NETWORKS};

/// What the host's name server says to every question: it is asked when Pontoon knows no answer.
pub const ELSEWHERE: &str = "192.0.2.99";

/// One command that prints everything, section by section.
const LOOK: &str = r#"
    section() { echo "== $1"; }
    section inspect; ids=$(pontoon ps -aq --no-trunc); [ -z "$ids" ] && echo '[]' || pontoon inspect $ids
    section networks; pontoon network ls --format '{{.Name}}'
    section leases; cd $PONTOON_STATE/networks; for lease in */leases/*; do
        [ ! -L $lease ] || echo "${lease%%/*} ${lease##*/} $(readlink $lease)"; done
    section links; ip -br link | awk '{print $1}' | cut -d@ -f1
    section listeners; ss -Htln | awk '{print $4}'
    section nft; nft -j list ruleset"#;

/// What does not agree, as sentences; nothing if all is well.
pub fn disagreements(host: &Host, book: &Book) -> Vec<String> {
    let text = host.sh(LOOK).ok();
    let sections: BTreeMap<&str, &str> = text.split("== ").filter_map(|section| section.split_once('\n')).collect();
    let seen = containers(sections["inspect"]);
    let mut wrong = Vec::new();
    against_the_book(book, &seen, &mut wrong);
    networks(book, sections["networks"], &mut wrong);
    addresses(&seen, sections["leases"], &mut wrong);
    let rules: Value = serde_json::from_str(sections["nft"]).expect("nft's JSON");
    elements(&seen, &rules, sections["links"], &mut wrong);
    published(book, &rules, &mut wrong);
    listeners(book, sections["listeners"], &mut wrong);
    names(host, book, &seen, &mut wrong);
    wrong
}

/// Writes down what has become of a container that was struck while something was done with it: either is right, as long
/// as everything agrees with it.
pub fn take_over(host: &Host, book: &mut Book, name: &'static str) {
    let seen = host.sh(&format!("pontoon inspect {name} 2>/dev/null || true")).ok();
    let Some(seen) = containers(&seen).remove(name) else {
        book.containers.remove(name);
        return;
    };
    let known = |network: &String| NETWORKS.into_iter().chain([DEFAULT]).find(|known| known == network);
    let networks = seen.endpoints.keys().filter_map(known).collect();
    book.containers.insert(name, Entry { networks, ports: seen.wanted, running: seen.running });
}

/// A container as `inspect` shows it.
struct Seen {
    id: String,
    running: bool,
    /// Network -> its id and the addresses there.
    endpoints: BTreeMap<String, (String, BTreeSet<IpAddr>)>,
    ports: BTreeSet<u16>,
    /// Those of the record, whether it runs or not.
    wanted: BTreeSet<u16>,
}

fn containers(text: &str) -> BTreeMap<String, Seen> {
    let all: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("inspect: {error}: {text}"));
    let name = |value: &Value| value["Name"].as_str().expect("Name").trim_start_matches('/').to_owned();
    all.as_array().expect("an array").iter().map(|value| (name(value), container(value))).collect()
}

fn container(value: &Value) -> Seen {
    let settings = &value["NetworkSettings"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let endpoint = |value: &Value| {
        let addresses = ["IPAddress", "GlobalIPv6Address"].iter().filter_map(|key| text(&value[key]).parse().ok());
        (text(&value["NetworkID"]), addresses.collect())
    };
    let ports = |bound: &Value| {
        let bound = bound.as_object().into_iter().flat_map(|ports| ports.values());
        bound.filter_map(Value::as_array).flatten().filter_map(|port| text(&port["HostPort"]).parse().ok()).collect()
    };
    Seen {
        id: text(&value["Id"]),
        running: value["State"]["Running"] == true,
        endpoints: settings["Networks"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), endpoint(value)))
            .collect(),
        ports: ports(&settings["Ports"]),
        wanted: ports(&value["HostConfig"]["PortBindings"]),
    }
}

fn against_the_book(book: &Book, seen: &BTreeMap<String, Seen>, wrong: &mut Vec<String>) {
    let (known, there): (BTreeSet<_>, BTreeSet<_>) =
        (book.containers.keys().map(|name| (*name).to_owned()).collect(), seen.keys().cloned().collect());
    if known != there {
        wrong.push(format!("there are the containers {there:?} and not {known:?}"));
    }
    for (name, entry) in &book.containers {
        let Some(seen) = seen.get(*name) else { continue };
        if seen.running != entry.running {
            wrong.push(format!("{name} running is {} and not {}", seen.running, entry.running));
        }
        if !entry.running {
            continue;
        }
        let networks: BTreeSet<&str> = seen.endpoints.keys().map(String::as_str).collect();
        if networks != entry.networks {
            wrong.push(format!("{name} is on {networks:?} and not on {:?}", entry.networks));
        }
        if seen.ports != entry.ports {
            wrong.push(format!("{name} publishes {:?} and not {:?}", seen.ports, entry.ports));
        }
    }
}

fn networks(book: &Book, text: &str, wrong: &mut Vec<String>) {
    let there: BTreeSet<&str> = text.lines().filter(|name| !["bridge", "host", "none"].contains(name)).collect();
    if there != book.networks {
        wrong.push(format!("there are the networks {there:?} and not {:?}", book.networks));
    }
}

/// No two have one address, and leases are those of the living.
fn addresses(seen: &BTreeMap<String, Seen>, text: &str, wrong: &mut Vec<String>) {
    let mut held = BTreeSet::new();
    for seen in seen.values().filter(|seen| seen.running) {
        for (network, addresses) in seen.endpoints.values() {
            for address in addresses {
                held.insert(format!("{network} {address} {}", seen.id));
            }
        }
    }
    let places: BTreeSet<&str> =
        held.iter().filter_map(|lease| lease.rsplit_once(' ')).map(|(place, _)| place).collect();
    if places.len() != held.len() {
        wrong.push(format!("two have one address: {held:?}"));
    }
    let leases: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    leases.difference(&held).for_each(|lease| wrong.push(format!("a lease of nobody who runs: {lease}")));
    held.difference(&leases).for_each(|lease| wrong.push(format!("an address without a lease: {lease}")));
}

/// Every word of every element that is an address or a device belongs to somebody.
fn elements(seen: &BTreeMap<String, Seen>, rules: &Value, links: &str, wrong: &mut Vec<String>) {
    let links: BTreeSet<&str> = links.lines().collect();
    let living = seen.values().filter(|seen| seen.running);
    let addresses: BTreeSet<IpAddr> =
        living.flat_map(|seen| seen.endpoints.values()).flat_map(|(_, addresses)| addresses.iter().copied()).collect();
    let mut told = BTreeSet::new();
    for item in rules["nftables"].as_array().into_iter().flatten() {
        for set in [&item["set"], &item["map"]].into_iter().filter(|set| set["table"] == "pontoon") {
            let mut words = Vec::new();
            words_in(&set["elem"], &mut words);
            told.extend(
                words
                    .into_iter()
                    .filter_map(|word| stray(&word, &addresses, &links))
                    .map(|why| format!("{}: {why}", set["name"])),
            );
        }
    }
    wrong.extend(told);
}

/// The ports that lead somewhere are those of the living.
fn published(book: &Book, rules: &Value, wrong: &mut Vec<String>) {
    let maps = rules["nftables"].as_array().into_iter().flatten().map(|item| &item["map"]);
    let elements = maps.filter(|map| map["name"] == "publish4").filter_map(|map| map["elem"].as_array()).flatten();
    let lead: BTreeSet<u64> = elements.filter_map(|element| element[0]["concat"][1].as_u64()).collect();
    let expected: BTreeSet<u64> =
        book.running().flat_map(|(_, entry)| &entry.ports).map(|port| (*port).into()).collect();
    if lead != expected {
        wrong.push(format!("{lead:?} lead somewhere, {expected:?} are published"));
    }
}

fn words_in(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(word) => words.push(word.clone()),
        Value::Array(values) => values.iter().for_each(|value| words_in(value, words)),
        Value::Object(fields) => fields.values().for_each(|value| words_in(value, words)),
        _ => {}
    }
}

/// Why a word should not be there.
fn stray(word: &str, addresses: &BTreeSet<IpAddr>, links: &BTreeSet<&str>) -> Option<String> {
    if let Ok(address) = word.parse::<IpAddr>() {
        let is_of_all = address.is_unspecified() || address.is_loopback() || word.starts_with("fe80:");
        return (!is_of_all && !addresses.contains(&address)).then(|| format!("{address} is nobody's who runs"));
    }
    let is_device = word.starts_with("br-") || word.starts_with("pontoon") || word.contains('.');
    (is_device && !links.contains(word)).then(|| format!("there is no device {word}"))
}

fn listeners(book: &Book, text: &str, wrong: &mut Vec<String>) {
    let listening: BTreeSet<u16> = text.lines().filter_map(|line| line.rsplit_once(':')?.1.parse().ok()).collect();
    let published: BTreeSet<u16> = book.running().flat_map(|(_, entry)| entry.ports.iter().copied()).collect();
    // Ports of IPv4 are held without listening; those of IPv6, which Pontoon serves itself, listen.
    if !listening.is_subset(&published) {
        wrong.push(format!("{listening:?} are held, {published:?} are published"));
    }
}

/// From one container of each network: the names of those who run there are answered, all others are asked elsewhere.
fn names(host: &Host, book: &Book, seen: &BTreeMap<String, Seen>, wrong: &mut Vec<String>) {
    for network in &book.networks {
        let Some((asker, _)) = book.running().find(|(_, entry)| entry.networks.contains(network)) else { continue };
        let all: Vec<&str> = book.containers.keys().copied().chain(["v", "w", "x", "y", "z"]).collect();
        let all: BTreeSet<&str> = all.into_iter().collect();
        let ask = all.iter().map(|name| {
            format!("echo {name}.{network} $(nslookup -type=a {name}.{network} 127.0.0.11 2>/dev/null | sed -n '4,$s/^Address: //p'); ")
        });
        let said = host.pontoon(&["exec", asker, "sh", "-c", &ask.collect::<String>()]).out();
        let expected: Vec<String> = all
            .iter()
            .map(|name| {
                let living = seen.get(*name).filter(|seen| seen.running);
                let addresses = living.and_then(|seen| seen.endpoints.get(*network)).map(|(_, addresses)| addresses);
                let ipv4 = addresses.into_iter().flatten().find(|address| address.is_ipv4());
                format!("{name}.{network} {}", ipv4.map_or(ELSEWHERE.to_owned(), ToString::to_string))
            })
            .collect();
        let said: Vec<&str> = said.lines().map(str::trim).collect();
        if said != expected {
            wrong.push(format!("{asker} hears on {network}: {said:?} and not {expected:?}"));
        }
    }
}
