//! What all containers of a network share: made by whoever comes first, found by the others.
//!
//! ```text
//! if ! nft list table inet pontoon …; then     the firewall's tables
//!     ruleset=$(mktemp) ; cat >"$ruleset" … ; nft -f "$ruleset"
//! fi
//! if ! ip link show br-a …; then               the network: policy, bridge, address
//!     …
//! fi
//! ```

use super::{Group, Line, groups};
use crate::nft::RULESET;
use crate::plan::Step;

/// The network's objects where a container needs them: nothing, if the bridge is there.
pub fn ensured(shared: &[Step]) -> Vec<Group> {
    let mut groups = created(shared);
    let bridge = shared.iter().find_map(|step| if let Step::Bridge { name, .. } = step { Some(name) } else { None });
    if let Some(bridge) = bridge {
        let first = groups.iter().position(|group| !is_firewall(group)).unwrap_or_default();
        enclose(&mut groups[first..], &format!("ip link show {bridge}"), "the network may be there already");
    }
    groups
}

/// The objects of a network that is new: of them, only the tables may be there already.
pub fn created(shared: &[Step]) -> Vec<Group> {
    let mut groups = groups(shared);
    if let Some(firewall) = groups.iter_mut().find(|group| is_firewall(group)) {
        let text = format!("cat >\"$ruleset\" <<'RULESET'\n{RULESET}RULESET");
        firewall.lines.splice(
            ..0,
            [
                Line::new("ruleset=$(mktemp)", "a file for them"),
                Line::new(text, "the whole ruleset, with the reason for each rule"),
            ],
        );
        firewall.lines.push(Line::new("rm \"$ruleset\"", "the kernel has read it"));
        enclose(std::slice::from_mut(firewall), "nft list table inet pontoon", "another network may have made them");
    }
    groups
}

fn is_firewall(group: &Group) -> bool {
    group.lines.iter().any(|line| line.text.contains("$ruleset"))
}

/// `if ! QUESTION; then` before the first line, `fi` behind the last.
fn enclose(groups: &mut [Group], question: &str, reason: &str) {
    if let Some(first) = groups.first_mut() {
        first.lines.insert(0, Line::new(format!("if ! {question} >/dev/null 2>&1; then"), reason));
    }
    if let Some(last) = groups.last_mut() {
        last.lines.push(Line::new("fi", ""));
    }
}
