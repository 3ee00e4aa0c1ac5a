//! The script interpreter: a step as the line that a person would type.
//!
//! ```text
//! Step::Address { Host, br-a, 172.18.0.1/16 }   ip addr add 172.18.0.1/16 brd + dev br-a
//! Step::Up { Container, eth0 }                  ip -n "$netns" link set eth0 up
//! ```
//!
//! The lines are shell and can be run: `$netns` is a name under /run/netns, `$ruleset` a file that holds
//! [`crate::nft::RULESET`]. A test runs them and compares what the kernel then holds with what netlink made.

use std::fmt;

use crate::plan::{Place, Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.iter().chain(&self.own).try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Table { bridge: true } => write!(f, r#"nft -f "$ruleset""#),
            Step::Table { bridge: false } => write!(f, r#"sed '/^table bridge/,$d' "$ruleset" | nft -f -"#),
            Step::Element(element) => write!(f, "nft 'add element {element}'"),
            Step::Bridge { name, mac, mtu, alias } => {
                let alias = quoted(alias);
                write!(f, "ip link add {name} address {mac} mtu {mtu} type bridge; ip link set {name} alias {alias}")
            }
            Step::Veth { .. } => veth(self, f),
            Step::Address { place, device, address, on_link } => {
                let option = if *on_link { "" } else { " noprefixroute" };
                // "+" is the broadcast address that belongs to the prefix.
                let broadcast = if address.address.is_ipv4() { " brd +" } else { "" };
                write!(f, "{} addr add {address}{broadcast} dev {device}{option}", ip(*place))
            }
            Step::Up { place, device } => write!(f, "{} link set {device} up", ip(*place)),
            Step::Route { place, device, to, via } => {
                let to = to.map_or("default".to_string(), |to| to.to_string());
                let via = via.map_or(String::new(), |via| format!(" via {via}"));
                write!(f, "{} route add {to}{via} dev {device}", ip(*place))
            }
            Step::Sysctl { place, key, value } => write!(f, "{}sysctl -qw {key}={value}", exec(*place)),
            Step::Resolver { udp, tcp } => resolver(*udp, *tcp, f),
            Step::NamedNetns { name, target } => write!(f, "ln -s {target} /run/netns/{name}"),
        }
    }
}

/// `ip link add` makes the pair; that the host end is a port of the bridge takes two lines more.
fn veth(step: &Step, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Step::Veth { name, peer, bridge, mac, mtu, isolated, alias } = step else { return Ok(()) };
    let isolated = if *isolated { " isolated on" } else { "" };
    write!(f, r#"ip link add {name} mtu {mtu} type veth peer {peer} address {mac} mtu {mtu} netns "$netns"; "#)?;
    write!(f, "ip link set {name} master {bridge} alias {} up; ", quoted(alias))?;
    write!(f, "bridge link set dev {name} hairpin on{isolated}")
}

fn resolver(udp: u16, tcp: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}nft 'table ip pontoon {{ chain resolver {{ ", exec(Place::Container))?;
    write!(f, "type nat hook output priority -100; policy accept; ")?;
    write!(f, "ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{udp}; ")?;
    write!(f, "ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{tcp}; }}; }}'")
}

fn ip(place: Place) -> &'static str {
    match place {
        Place::Host => "ip",
        Place::Container => r#"ip -n "$netns""#,
    }
}

fn exec(place: Place) -> &'static str {
    match place {
        Place::Host => "",
        Place::Container => r#"ip netns exec "$netns" "#,
    }
}

/// A word for the shell, in single quotes.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
