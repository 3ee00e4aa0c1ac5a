//! What a host is like, line by line; two snapshots must be equal.
//!
//! ```text
//!   link      ip -br link          listener  ss -tuwxl          mount    /proc/1/mountinfo
//!   address   ip -o address        netns     ls /run/netns      process  all of the pid namespace
//!   route     ip route, ip rule    sysctl    those of note      cgroup   below the host's parent, every hierarchy
//!   nft       nft -s list ruleset  hostname                     state    the trees of PONTOON_STATE and PONTOON_ROOT
//! ```
//!
//! Counters, carrier, interface numbers and images are left out: they may differ without anything having leaked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::host::{Host, ROOT, STATE};

/// One command prints all that needs a program to be read, each line led by its section.
const LOOK: &str = r#"
    section() { sed "/^$/d; s/^/$1 /"; }
    links() { ip -br link | sed -E 's/NO-CARRIER,|,LOWER_UP//g' | awk '{print $1, $3, $4}'; }
    links | section link
    ip -o address | sed 's/^[0-9]*: //' | section address
    { ip route show table all; ip -6 route show table all; ip rule; } | sed 's/ linkdown//' | section route
    nft -s list ruleset | section nft
    ss -Htuwxln | awk '{print $1, $5, ($1 ~ /^u_/ ? "" : $6)}' | section listener
    ls /run/netns | section netns
    hostname | section hostname
    sysctl net.ipv4.ip_forward net.ipv4.ping_group_range net.ipv4.ip_unprivileged_port_start \
        net.ipv4.conf.all.route_localnet net.ipv4.conf.default.route_localnet net.ipv4.conf.uplink.route_localnet \
        net.ipv4.conf.all.rp_filter net.ipv4.conf.all.forwarding net.ipv6.conf.all.forwarding \
        net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.default.disable_ipv6 net.ipv6.conf.all.accept_ra | section sysctl
    for place in lan router beyond; do
        [ ! -e /run/netns/$place ] || ip -n $place -o address | sed "s/^[0-9]*: /$place: /" | grep -v ' fe80' | section elsewhere
    done"#;

/// The state of a host as a bag of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeMap<String, usize>,
}

impl Snapshot {
    /// Looks at everything once.
    pub fn take(host: &Host) -> Self {
        let mut snapshot = Self::default();
        host.sh(LOOK).ok().lines().for_each(|line| snapshot.add(line.trim_end().to_owned()));
        mounts().into_iter().for_each(|line| snapshot.add(format!("mount {line}")));
        host.cgroups().iter().for_each(|dir| snapshot.add(format!("cgroup {}", dir.display())));
        host.processes().into_iter().for_each(|(_, words)| snapshot.add(format!("process {words}")));
        for top in [STATE, ROOT] {
            tree(Path::new(top), &mut |path| snapshot.add(format!("state {path}")));
        }
        snapshot
    }

    fn add(&mut self, line: String) {
        *self.lines.entry(line).or_default() += 1;
    }

    /// What has gone (`-`) and what has come (`+`) between this and a later snapshot; nothing if they are equal.
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let missing =
            self.lines.iter().filter(|(line, count)| later.count(line) < **count).map(|(line, _)| format!("- {line}"));
        let extra =
            later.lines.iter().filter(|(line, count)| self.count(line) < **count).map(|(line, _)| format!("+ {line}"));
        missing.chain(extra).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.lines.get(line).copied().unwrap_or(0)
    }

    /// Lines of one section, e.g. `link`.
    pub fn section(&self, name: &str) -> Vec<&str> {
        self.lines.keys().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
    }
}

/// Mount points with type and root; ids and options left out.
fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/1/mountinfo").expect("/proc/1/mountinfo");
    table
        .lines()
        .map(|line| format!("{} {}", words(line, 3..5), line.rsplit(" - ").next().unwrap_or_default()))
        .collect()
}

fn words(line: &str, range: std::ops::Range<usize>) -> String {
    line.split(' ').skip(range.start).take(range.len()).collect::<Vec<_>>().join(" ")
}

/// Every path below `top`; what the image store keeps is its own business.
fn tree(top: &Path, each: &mut impl FnMut(String)) {
    for entry in fs::read_dir(top).into_iter().flatten().flatten() {
        let path = entry.path();
        if path == Path::new(ROOT).join("images") {
            continue;
        }
        each(path.display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            tree(&path, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(lines: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        lines.iter().for_each(|line| snapshot.add((*line).to_owned()));
        snapshot
    }

    #[test]
    fn pure_equal_bags_have_no_difference() {
        assert!(bag(&["link a", "nft }", "nft }"]).difference(&bag(&["nft }", "link a", "nft }"])).is_empty());
    }

    #[test]
    fn pure_what_came_and_went_is_told_and_counted() {
        let difference = bag(&["link a", "nft }"]).difference(&bag(&["nft }", "nft }", "link b"]));
        assert_eq!(difference, ["- link a", "+ link b", "+ nft }"]);
    }
}
