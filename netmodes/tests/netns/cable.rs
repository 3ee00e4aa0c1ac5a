//! A cable from one container straight into another one.

use std::os::fd::AsFd;

use netmodes::apply::{Net, apply, withdraw};
use netmodes::journal::Journal;
use netmodes::kernel::{Inside, Kernel};
use netmodes::modes::Request;
use netmodes::modes::p2p::{self, End};
use netmodes::network::Network;

use crate::world::{Lan, Place, World, sh, try_sh, unshared};

/// A container of which nothing is there but its namespace.
fn end(name: &str, address: [u8; 4]) -> (Request, Inside) {
    let request = Request {
        container: format!("{:064x}", address[3]),
        name: name.into(),
        start: 1,
        interface: "eth0".into(),
        addresses: vec![address.into()],
        mac: None,
    };
    (request, unshared())
}

/// Where shell lines can be run.
fn of(inside: &Inside) -> Lan {
    Lan { netns: inside.netns().try_clone_to_owned().unwrap() }
}

#[test]
fn netns_a_cable_joins_two_containers_and_nobody_else() {
    let mut world = World::new();
    let network = Network { driver: "p2p".into(), ..world.create("link1", &[]) };
    let before = crate::world::snapshot();
    let (a, inside_a) = end("a", [10, 1, 1, 0]);
    let (b, inside_b) = end("b", [10, 1, 1, 1]);
    let netns_a = of(&inside_a);
    let netns_b = of(&inside_b);
    let mut kernel = Kernel::open(Some(inside_b)).unwrap();
    kernel.reach(netns_a.netns.as_fd()).unwrap();
    let plan = p2p::plan(&b, &network, Some(&End::of(&a)));
    let mut journal = Journal::open(&world.journal("b")).unwrap();
    apply(&plan.own, &mut kernel, &mut journal).unwrap();
    let pings = || netns_b.within(|| try_sh("ping -c 1 -W 1 10.1.1.0 >/dev/null"));
    assert!(pings());
    assert!(netns_a.within(|| try_sh("ping -c 1 -W 1 10.1.1.1 >/dev/null")));
    assert_eq!(crate::world::snapshot(), before, "the host has nothing of it");
    // Once more, as after a restart of b whose old namespace is still there: the old cable goes first.
    let (_, inside_c) = end("b", [10, 1, 1, 1]);
    let netns_c = of(&inside_c);
    let mut again = Kernel::open(Some(inside_c)).unwrap();
    again.reach(netns_a.netns.as_fd()).unwrap();
    let mut second = Journal::open(&world.journal("b2")).unwrap();
    apply(&plan.own, &mut again, &mut second).unwrap();
    assert!(!pings(), "the old end is dead");
    assert!(netns_c.within(|| try_sh("ping -c 1 -W 1 10.1.1.0 >/dev/null")));
    withdraw(&plan.own, &mut again, &mut second).unwrap();
    netns_a.within(|| sh("! ip link show eth0 2>/dev/null"));
    // A foreign device of that name is left alone.
    netns_a.within(|| sh("ip link add eth0 type bridge"));
    assert!(again.add(&plan.own[0]).is_err_and(|error| error.is_not_ours()));
}
