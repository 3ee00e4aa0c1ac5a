//! Who reaches whom: every cell of docs/modes/policy.md, with real packets.
//!
//! ```text
//!   page ── scene, cells ── places ── questions (TCP, UDP; each address) ── one prober in each place, all at once
//!                                                    │
//!            without br_netfilter, with it ── answers == cells
//!            guards emptied                ── what was kept away directly arrives: the questions can fail
//! ```

mod page;
mod places;

use std::collections::BTreeMap;

use page::{Cell, Verdict};
use places::{Places, Question};
use pontoon_tests::Host;

const PAGE: &str = include_str!("../../../../docs/modes/policy.md");
/// How often one is asked who should answer and does not: a busy machine may keep an answer for longer than a prober waits.
const TRIES: usize = 3;

/// Empties what keeps strangers away, as an administrator could.
const UNGUARDED: &str = "
    for chain in guard forward to_host; do nft flush chain inet pontoon $chain; done
    nft flush chain bridge pontoon guard
    for port in $(bridge link | awk '{print $2}' | cut -d@ -f1 | tr -d :); do
        bridge link set dev $port isolated off 2>/dev/null || true
    done";

#[test]
fn root_policy_is_what_the_page_says() {
    let mut host = Host::with_neighbours();
    let cells = page::cells(PAGE);
    assert!(cells.len() > 100, "the page has {} cells", cells.len());
    host.sh(&format!("cat >$PONTOON_CONFIG <<'END'\n{}END\npontoon run --rm busybox true", page::settings(PAGE))).ok();
    host.settle();
    let places = Places::build(&host, page::scene(PAGE));
    for (nf, filtered) in bridge_filters(&host).into_iter().enumerate() {
        host.sh(filtered).ok();
        let wrong = disagreements(&host, &places, &cells, nf);
        assert!(wrong.is_empty(), "after `{filtered}`:\n{}", wrong.join("\n"));
    }
    host.sh(UNGUARDED).ok();
    let kept_away = unreached_without_guards(&host, &places, &cells);
    assert!(kept_away.is_empty(), "kept away by something else than the guards:\n{}", kept_away.join("\n"));
    places.leave(&host);
    // The rules are put back by the next container.
    host.sh("nft flush ruleset; pontoon run --rm busybox true").ok();
    let changes = host.settle();
    assert!(changes.is_empty(), "{changes:?}");
}

/// How the two cases are made; one only where the kernel has no such module loaded.
fn bridge_filters(host: &Host) -> Vec<&'static str> {
    let both = [
        "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
        "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1",
    ];
    if host.sh("test -e /proc/sys/net/bridge").code == 0 { both.into() } else { vec!["true"] }
}

/// Cells that the kernel does not agree with, as sentences.
fn disagreements(host: &Host, places: &Places, cells: &[Cell], nf: usize) -> Vec<String> {
    let mut open: Vec<Question> = cells.iter().flat_map(|cell| places.questions(cell)).collect();
    assert!(open.len() > 2 * cells.len(), "every cell asks something");
    let mut wrong = Vec::new();
    for left in (0..TRIES).rev() {
        let answers = places.ask(host, &open);
        open.retain(|question| {
            let (expected, answer) = (question.cell.verdicts[nf], answers.get(question));
            let seen = places.verdict(question, answer.copied());
            let may_be_late = seen == Some(Verdict::No) && expected != Verdict::No && left > 0;
            if seen != Some(expected) && !may_be_late {
                wrong.push(format!("{question}: {expected:?} expected, {seen:?} seen ({answer:?})"));
            }
            may_be_late
        });
    }
    wrong
}

/// Of what the page keeps away from containers' own addresses, that which does not arrive without guards either.
fn unreached_without_guards(host: &Host, places: &Places, cells: &[Cell]) -> Vec<String> {
    let direct = |cell: &&Cell| cell.verdicts == [Verdict::No; 2] && places.is_direct(cell);
    let mut open: Vec<Question> = cells.iter().filter(direct).flat_map(|cell| places.questions(cell)).collect();
    assert!(open.len() > 20, "{} questions are about a container's own address", open.len());
    for _ in 0..TRIES {
        let answers: BTreeMap<_, _> = places.ask(host, &open);
        open.retain(|question| !answers.contains_key(question));
    }
    open.iter().map(ToString::to_string).collect()
}
