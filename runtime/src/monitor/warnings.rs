//! What may keep a container's packets from passing, and is not ours to change: said at the start.
//!
//! ```text
//! the host does not forward            Docker's sentence
//! nf_tables of others, iptables        "may": a policy of drop, and no rule that names our bridge
//! ```
//!
//! ufw, firewalld and Docker make such chains. Nobody's firewall is edited here; how one would let us through is the hint.

use std::fs;
use std::os::fd::AsFd;

use netmodes::kernel::{ForeignDrop, Kernel, forwards};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::sys::iptables;

/// As Docker says it.
const NO_FORWARDING: &str = "IPv4 forwarding is disabled. Networking will not work.";
const NO_FORWARDING6: &str = "IPv6 forwarding is disabled. Networking will not work.";

/// All warnings for a container whose cables end in these bridges; `ipv6` if it has addresses of that family. What cannot
/// be found out is no warning.
pub fn about(kernel: &mut Kernel, bridges: &[&str], ipv6: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend((!forwards(false)).then(|| NO_FORWARDING.to_owned()));
    warnings.extend((ipv6 && !forwards(true)).then(|| NO_FORWARDING6.to_owned()));
    for bridge in bridges {
        let mut drops = kernel.foreign_drops(bridge).unwrap_or_default();
        drops.retain(|drop| ipv6 || drop.family != "ip6");
        let mut places: Vec<String> = drops.iter().map(place).collect();
        let legacy = [false, true].into_iter().filter(|of_ipv6| (ipv6 || !of_ipv6) && legacy_drops(*of_ipv6, bridge));
        let legacy: Vec<&str> = legacy.map(|of_ipv6| if of_ipv6 { "ip6tables" } else { "iptables" }).collect();
        places.extend(legacy.iter().map(|tool| format!("chain FORWARD of {tool}-legacy")));
        let hint = drops.first().map(|drop| nft_hint(drop, bridge));
        let hint = hint.or_else(|| Some(legacy_hint(legacy.first()?, bridge)));
        warnings.extend(hint.map(|hint| sentence(&places, bridge, &hint)));
    }
    warnings
}

fn sentence(places: &[String], bridge: &str, hint: &str) -> String {
    let (places, verb) = (places.join(" and "), if places.len() == 1 { "drops" } else { "drop" });
    format!(
        "another firewall may stop the packets of {bridge}: by policy, {places} {verb} what no rule accepts. \
         If it does, let them through there: {hint}"
    )
}

fn place(drop: &ForeignDrop) -> String {
    format!("chain {} of table {} {}", drop.chain, drop.family, drop.table)
}

fn nft_hint(ForeignDrop { family, table, chain }: &ForeignDrop, bridge: &str) -> String {
    let rule = |device| format!("insert rule {family} {table} {chain} {device} {bridge} accept");
    format!("nft '{}; {}'", rule("iifname"), rule("oifname"))
}

fn legacy_hint(tool: &str, bridge: &str) -> String {
    format!("{tool}-legacy -I FORWARD -i {bridge} -j ACCEPT; {tool}-legacy -I FORWARD -o {bridge} -j ACCEPT")
}

/// Does the older firewall drop what is forwarded, and name the bridge nowhere? Asked only where it has a table.
fn legacy_drops(ipv6: bool, bridge: &str) -> bool {
    let (names, family) = match ipv6 {
        false => ("/proc/thread-self/net/ip_tables_names", AddressFamily::Inet),
        true => ("/proc/thread-self/net/ip6_tables_names", AddressFamily::Inet6),
    };
    if !fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "filter")) {
        return false;
    }
    let raw = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw);
    let table = raw.ok().and_then(|socket| iptables::filter(socket.as_fd(), ipv6).ok());
    table.is_some_and(|table| is_drop(&table, ipv6) && !names_device(&table.entries, bridge))
}

/// Is the policy's verdict NF_DROP, which is -1 there? An entry says where its target is; a verdict follows the target's
/// head of 32 bytes.
fn is_drop(table: &iptables::Table, ipv6: bool) -> bool {
    let target_offset = table.policy + if ipv6 { 140 } else { 88 };
    let offset = table.entries.get(target_offset..target_offset + 2).and_then(|bytes| bytes.try_into().ok());
    let verdict = table.policy + 32 + offset.map_or(0, |offset| usize::from(u16::from_ne_bytes(offset)));
    table.entries.get(verdict..verdict + 4) == Some(&(-1i32).to_ne_bytes())
}

fn names_device(entries: &[u8], device: &str) -> bool {
    let name = [device.as_bytes(), &[0]].concat();
    entries.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn sh(script: &str) {
        assert!(Command::new("bash").args(["-ec", script]).status().unwrap().success(), "{script}");
    }

    /// In a network namespace of its own, after this script.
    fn warned(script: &str, ipv6: bool) -> Vec<String> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
        sh(&format!("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; {script}"));
        about(&mut Kernel::open(None).unwrap(), &["br-x"], ipv6)
    }

    #[test]
    fn netns_nobody_else_is_no_warning() {
        let harmless = "nft 'add table ip x; add chain ip x f { type filter hook forward priority 0; }
            add chain ip x i { type filter hook input priority 0; policy drop; }
            add table inet pontoon; add chain inet pontoon forward { type filter hook forward priority 0; policy drop; }'";
        assert!(warned(harmless, true).is_empty());
        assert!(warned("iptables-legacy -P FORWARD ACCEPT; iptables-legacy -P INPUT DROP", true).is_empty());
    }

    #[test]
    fn netns_a_policy_of_drop_is_a_warning_until_a_rule_names_the_bridge() {
        let found = warned("iptables -P FORWARD DROP", false);
        assert_eq!(
            found,
            [
                "another firewall may stop the packets of br-x: by policy, chain FORWARD of table ip filter drops what no rule \
              accepts. If it does, let them through there: nft 'insert rule ip filter FORWARD iifname br-x accept; insert rule \
              ip filter FORWARD oifname br-x accept'"
            ]
        );
        // The hint does what it says, and then nothing more is said.
        sh(found[0].split("there: ").nth(1).unwrap());
        assert!(about(&mut Kernel::open(None).unwrap(), &["br-x"], false).is_empty());
        assert_eq!(about(&mut Kernel::open(None).unwrap(), &["br-y"], false).len(), 1, "it is another one's bridge");
        assert!(warned("ip6tables -P FORWARD DROP", false).is_empty(), "it has no address of IPv6");
        assert!(warned("ip6tables -P FORWARD DROP", true)[0].contains("table ip6 filter"));
        let both = "nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy drop; }'";
        assert!(warned(both, false)[0].contains("chain filter_FORWARD of table inet firewalld"));
    }

    #[test]
    fn netns_the_older_firewall_is_read_too() {
        for (tool, ipv6) in [("iptables", false), ("ip6tables", true)] {
            let found = warned(
                &format!("{tool}-legacy -A INPUT -s ::1 -j DROP 2>/dev/null || true; {tool}-legacy -P FORWARD DROP"),
                ipv6,
            );
            assert_eq!(found.len(), 1, "{tool}");
            assert!(found[0].contains(&format!("chain FORWARD of {tool}-legacy drops")), "{}", found[0]);
            sh(found[0].split("there: ").nth(1).unwrap());
            assert!(about(&mut Kernel::open(None).unwrap(), &["br-x"], ipv6).is_empty());
        }
    }

    #[test]
    fn netns_a_host_that_does_not_forward_is_dockers_warning() {
        assert_eq!(warned("sysctl -qw net.ipv4.ip_forward=0", false), [NO_FORWARDING]);
        assert!(warned("sysctl -qw net.ipv6.conf.all.forwarding=0", false).is_empty());
        assert_eq!(warned("sysctl -qw net.ipv6.conf.all.forwarding=0", true), [NO_FORWARDING6]);
    }
}
