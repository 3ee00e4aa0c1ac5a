//! A step as the lines that a person would type.
//!
//! ```text
//! Step::Address { Host, br-a, 172.18.0.1/16 }   ip addr add 172.18.0.1/16 brd + dev br-a
//! Step::Up { Container, eth0 }                  ip -n "$netns" link set eth0 up
//! ```

use std::net::IpAddr;

use super::{Line, in_quotes};
use crate::nft::{Element, Verdict};
use crate::plan::{Place, Step};

/// The lines of a step, each with its reason.
pub(super) fn of(step: &Step) -> Vec<Line> {
    match step {
        Step::Bridge { name, mac, mtu, alias } => vec![
            Line::new(
                format!("ip link add {name} address {mac} mtu {mtu} type bridge"),
                "a switch made of software; without a hardware address of its own it would take that of a port",
            ),
            alias_line(name, alias, "", "what it is, for whoever finds it with `ip link`"),
        ],
        Step::Veth { .. } => veth(step),
        Step::Cable { .. } => cable(step),
        _ => vec![Line::new(text(step), reason(step))],
    }
}

/// Steps that are one line.
fn text(step: &Step) -> String {
    match step {
        Step::Table { bridge: true } => r#"nft -f "$ruleset""#.into(),
        Step::Table { bridge: false } => r#"sed '/^table bridge/,$d' "$ruleset" | nft -f -"#.into(),
        Step::Element(element) => format!("nft 'add element {element}'"),
        Step::Address { place, device, address, on_link } => {
            let option = if *on_link { "" } else { " noprefixroute" };
            // "+" is the broadcast address that belongs to the prefix; nobody asks whether an address of IPv6 is free.
            let (broadcast, at_once) = if address.address.is_ipv4() { (" brd +", "") } else { ("", " nodad") };
            format!("{} addr add {address}{broadcast} dev {device}{option}{at_once}", ip(*place))
        }
        Step::Up { place, device } => format!("{} link set {device} up", ip(*place)),
        Step::Route { place, device, to, via } => {
            let to = to.map_or("default".to_string(), |to| to.to_string());
            let via = via.map_or(String::new(), |via| format!(" via {via}"));
            format!("{} route add {to}{via} dev {device}", ip(*place))
        }
        Step::Sysctl { place, key, value } => format!("{}sysctl -qw {key}={value}", exec(*place)),
        Step::Resolver { udp, tcp } => resolver(*udp, *tcp),
        Step::NamedNetns { name, target } => format!("ln -s {target} /run/netns/{name}"),
        Step::Bridge { .. } | Step::Veth { .. } | Step::Cable { .. } => String::new(),
    }
}

/// `ip link add` makes the pair; that the host end is a port of the bridge takes two lines more.
fn veth(step: &Step) -> Vec<Line> {
    let Step::Veth { name, peer, bridge, mac, mtu, isolated, alias } = step else { return Vec::new() };
    let mut lines = vec![
        Line::new(
            format!(r#"ip link add {name} mtu {mtu} type veth peer {peer} address {mac} mtu {mtu} netns "$netns""#),
            format!("one end here, the other one is born in the container, as {peer}"),
        ),
        alias_line(name, alias, &format!(" master {bridge} up"), "the host's end is plugged into the bridge"),
        Line::new(
            format!("bridge link set dev {name} hairpin on"),
            "what came in by this port may leave by it: so a container reaches its own published port",
        ),
    ];
    if *isolated {
        lines.push(Line::new(
            format!("bridge link set dev {name} isolated on"),
            "no way to other ports of this kind: its neighbours do not hear it (icc=false)",
        ));
    }
    lines
}

/// Both ends are born where they belong.
fn cable(step: &Step) -> Vec<Line> {
    let Step::Cable { name, mac, peer, peer_mac, mtu, alias, to } = step else { return Vec::new() };
    let ends =
        format!("{name} address {mac} mtu {mtu} type veth peer {peer} address {peer_mac} mtu {mtu} netns \"$peer\"");
    let labelled = |place, device: &str| format!("{} link set {device} alias {}", ip(place), in_quotes(alias));
    vec![
        Line::new(format!("peer={to}"), "the container at the other end, by its name for `ip netns`"),
        Line::new(
            format!("{} link add {ends}", ip(Place::Container)),
            format!(
                "{name} here, the other end is born in the other container, as {peer}: no bridge, and no part of the host"
            ),
        ),
        Line::new(labelled(Place::Container, name), "what it is"),
        Line::new(labelled(Place::Peer, peer), "at both ends"),
    ]
}

fn alias_line(name: &str, alias: &str, more: &str, reason: &str) -> Line {
    Line::new(format!("ip link set {name} alias {}{more}", in_quotes(alias)), reason)
}

fn resolver(udp: u16, tcp: u16) -> String {
    let rule = |protocol, port| format!("ip daddr 127.0.0.11 {protocol} dport 53 dnat to 127.0.0.11:{port}");
    let chain = "add chain ip pontoon resolver { type nat hook output priority -100; policy accept; }";
    let lines = [
        "add table ip pontoon".to_string(),
        chain.to_string(),
        format!("add rule ip pontoon resolver {}", rule("udp", udp)),
        format!("add rule ip pontoon resolver {}", rule("tcp", tcp)),
    ];
    format!("{}nft -f - <<'RULES'\n{}\nRULES", exec(Place::Container), lines.join("\n"))
}

fn ip(place: Place) -> &'static str {
    match place {
        Place::Host => "ip",
        Place::Container => r#"ip -n "$netns""#,
        Place::Peer => r#"ip -n "$peer""#,
    }
}

fn exec(place: Place) -> &'static str {
    match place {
        Place::Host => "",
        Place::Container => r#"ip netns exec "$netns" "#,
        Place::Peer => r#"ip netns exec "$peer" "#,
    }
}

/// Why there is such a step.
fn reason(step: &Step) -> &'static str {
    match step {
        Step::Table { bridge: true } => "both tables; the second one looks at frames on the bridges",
        Step::Table { bridge: false } => "without the table for bridges, which this kernel does not have",
        Step::Element(element) => of_element(element),
        Step::Address { place: Place::Host, .. } => "the host's address on the network: the containers' gateway",
        Step::Address { .. } => "leased to this container alone",
        Step::Up { place: Place::Host, .. } => "from now on it carries frames",
        Step::Up { device, .. } if device == "lo" => "127.0.0.1",
        Step::Up { .. } => "both ends are up: the cable has a carrier",
        Step::Route { to: None, .. } => "everything else goes to the bridge, and from there on as the host knows",
        Step::Route { via: None, .. } => "the gateway, and nobody else, is next door",
        Step::Route { .. } => "neighbours are behind the gateway, which asks the firewall",
        Step::Sysctl { key, value, .. } => of_setting(key, value),
        Step::Resolver { .. } => "port 53 itself stays free for a DNS server in the container",
        Step::NamedNetns { .. } => "by way of the monitor's descriptor, so nothing stays when it dies",
        Step::Bridge { .. } | Step::Veth { .. } | Step::Cable { .. } => "",
    }
}

fn of_setting(key: &str, value: &str) -> &'static str {
    match (key.rsplit('/').next().unwrap_or_default(), value) {
        ("accept_ra", "2") => "this device goes on to learn its routers, although the host is a router itself now",
        ("accept_ra", _) => "no container tells the host, or another one, where its routers are",
        ("accept_dad", _) => "addresses are leased, so nobody has to ask the link first whether they are free",
        ("addr_gen_mode", _) => "the link-local address comes from the hardware address: the firewall knows it",
        ("disable_ipv6", "0") => "this device has IPv6",
        ("disable_ipv6", _) => "an IPv4 network has no IPv6 addresses, not even those that make themselves",
        ("route_localnet", _) => "a port published on 127.0.0.1 may lead here; the firewall stops 127.0.0.1 on a wire",
        _ => "the host passes packets on from one device to another",
    }
}

fn of_element(element: &Element) -> &'static str {
    match element {
        Element::Enter { verdict: Verdict::Published, .. } => "strangers reach only what is published",
        Element::Enter { verdict: Verdict::Routed, .. } => "strangers reach it directly, but only what is published",
        Element::Enter { verdict: Verdict::Accept, .. } => "strangers reach everything",
        Element::Enter { .. } => "strangers reach nothing",
        Element::Between { from, to, .. } if from != to => "this device of the host is trusted",
        Element::Between { verdict, .. } if verdict.chain().is_none() => "neighbours reach each other",
        Element::Between { .. } => "neighbours reach each other only where they are linked",
        Element::Bridge { .. } => "a bridge of ours: what comes from it is looked at closely",
        Element::Internal { .. } => "nobody gets out",
        Element::Hidden { .. } => "who goes out wears the host's address",
        Element::Own { .. } => "this address lives on that bridge",
        Element::Speaks { address: IpAddr::V4(address), .. } if address.is_unspecified() => {
            "0.0.0.0 is who asks whether an address is free (ARP probe)"
        }
        Element::Speaks { address, .. } if address.is_unspecified() => {
            ":: is who asks whether an address is free (duplicate address detection)"
        }
        Element::Speaks { address: IpAddr::V6(address), .. } if address.is_unicast_link_local() => {
            "the address that the device gives itself, for its neighbours"
        }
        Element::Speaks { .. } => "and comes from this port, with this hardware address",
        Element::Advertises { .. } => "only it says who has this address (neighbour advertisement)",
        Element::Port { .. } => "from now on the port's frames are checked",
        Element::Publish { at: None, .. } => "at every address of the host",
        Element::Publish { .. } => "at this address of the host and no other",
        Element::Open { .. } => "at its own address, without translation: the network is routed",
        Element::Link { .. } => "the way back is known by then",
    }
}
