//! The network's part, in the words of netmodes.
//!
//! ```text
//! own        ip netns add ─ shared, where it is not there ─ own
//! joined     the other's name is enough
//! host       nothing is made
//! ```

use netmodes::explain::{self, Group, Line, Purpose};
use netmodes::plan::{Plan, Step};
use netmodes::publish::Mapping;

use super::{Network, Scene, Script};
use crate::monitor::network::Change;

/// The groups between the directories and the control group.
pub fn groups(scene: &Scene<'_>) -> Vec<Group> {
    match &scene.network {
        Network::Host => vec![Group::new(
            "No network namespace: it has the host's devices, addresses and ports, and nothing is made for it.",
        )],
        Network::Joined(other) => vec![
            Group::new(format!(
                "Its network is that of the container {other}: the same devices, addresses and ports. Nothing is made."
            ))
            .with(format!("netns={other}"), "the name by which `ip netns` knows it"),
        ],
        Network::Own(plan) => own(&scene.record.name, publishes(scene), plan),
    }
}

/// What Pontoon does about ports and names besides, and no shell can.
const HELD: &str = "# Pontoon also binds these ports, so that nobody else takes them, and carries the bytes of IPv6 clients itself: \
    the kernel\n# translates no address of one family into one of the other. A shell has no word for either.";
const SERVED: &str = "# The name server is a part of the container's monitor: by hand, nobody answers there.";

fn own(name: &str, publishes: bool, plan: &Plan) -> Vec<Group> {
    let namespace = Group::new(
        "A network namespace: devices, addresses, routes, ports and firewall of its own. All of it is empty yet.",
    )
    .with(format!("netns={name}"), "so it can be looked at: ip netns exec NAME …")
    .with(r#"ip netns add "$netns""#, "unshare --net, and a name under /run/netns that keeps it");
    let mut groups = vec![namespace];
    groups.extend(explain::ensured(&plan.shared));
    // `ip netns add` has given the name already.
    let steps: Vec<Step> = plan.own.iter().filter(|step| Purpose::of(step) != Purpose::Netns).cloned().collect();
    groups.extend(explain::groups(&steps));
    if publishes {
        remark(&mut groups, Purpose::Ports, HELD);
    }
    if steps.iter().any(|step| Purpose::of(step) == Purpose::Names) {
        remark(&mut groups, Purpose::Names, SERVED);
    }
    groups
}

/// A comment at the end of the group with that purpose, or in one of its own.
fn remark(groups: &mut Vec<Group>, purpose: Purpose, comment: &str) {
    if !groups.iter().any(|group| group.why == purpose.why()) {
        groups.push(Group::new(purpose.why()));
    }
    if let Some(group) = groups.iter_mut().find(|group| group.why == purpose.why()) {
        group.lines.push(Line::new(comment, ""));
    }
}

fn publishes(scene: &Scene<'_>) -> bool {
    let network = &scene.record.network;
    !network.publish.is_empty() || network.publish_all && !network.expose.is_empty()
}

/// `network connect` and `network disconnect`: what changes for a container that runs.
pub fn change(name: &str, change: &Change) -> Script {
    let mut groups = vec![
        Group::new("The container's network namespace has a name; nothing else of the container is touched.")
            .with(format!("netns={name}"), "so it can be looked at: ip netns exec NAME …"),
    ];
    for arriving in &change.arriving {
        groups.extend(explain::ensured(&arriving.plan.shared));
        groups.extend(explain::groups(&arriving.plan.own));
    }
    let taken_back = |why: &str, lines: Vec<Line>| Group { why: why.into(), lines };
    groups.push(taken_back(
        "The way out moves: these routes and ports lead elsewhere from now on.",
        explain::withdrawn(&change.off),
    ));
    for leaving in &change.leaving {
        let why =
            format!("The network {} is left: the cable goes, then what the firewall says of it.", leaving.network.name);
        groups.push(taken_back(&why, explain::withdrawn(&leaving.plan.own)));
    }
    groups.extend(explain::groups(&change.on));
    groups.retain(|group| !group.lines.is_empty());
    Script { title: format!("What changes on the networks of the container {name}"), groups }
}

/// `port add NAME`
pub fn publication(name: &str, mappings: &[Mapping], steps: &[Step]) -> Script {
    let mut groups = explain::groups(steps);
    remark(&mut groups, Purpose::Ports, HELD);
    Script { title: format!("What `pontoon port add` does for the container {name}: {}", listed(mappings)), groups }
}

/// `port rm NAME`
pub fn withdrawal(name: &str, mappings: &[Mapping], steps: &[Step]) -> Script {
    let why = "The firewall's part goes first, newest first; then what the kernel remembers of flows to them, and the ports are free.";
    let group = Group { why: why.into(), lines: explain::undo(steps) };
    Script {
        title: format!("What `pontoon port rm` does for the container {name}: {}", listed(mappings)),
        groups: vec![group],
    }
}

fn listed(mappings: &[Mapping]) -> String {
    mappings.iter().map(Mapping::to_string).collect::<Vec<_>>().join(", ")
}

/// `network create NAME`
pub fn creation(name: &str, steps: &[Step]) -> Script {
    Script {
        title: format!("What `pontoon network create` does for the network {name}"),
        groups: explain::created(steps),
    }
}

/// `network rm NAME`
pub fn removal(name: &str, steps: &[Step]) -> Script {
    let (links, elements): (Vec<Line>, Vec<Line>) =
        explain::undo(steps).into_iter().partition(|line| line.text.starts_with("ip link"));
    let group = |why: &str, lines| Group { why: why.into(), lines };
    Script {
        title: format!("What `pontoon network rm` does for the network {name}"),
        groups: vec![
            group(
                "The bridge goes first: from here on nothing passes. The kernel takes some 30 ms, for which nobody is kept waiting.",
                links,
            ),
            group(
                "Then what the firewall says of it, newest first. The tables stay: other networks use them.",
                elements,
            ),
        ],
    }
}
