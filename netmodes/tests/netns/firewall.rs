//! The firewall as the kernel holds it: compared with what nft makes of ruleset.nft.

use netmodes::apply::Net;
use netmodes::kernel::Kernel;
use netmodes::nft::{Element, RULESET};
use netmodes::plan::Step;
use netmodes::publish::Protocol;

use super::world::{World, output, sh, snapshot};

/// What nft lists in a fresh namespace after this.
fn listing(act: impl FnOnce(&mut World) + Send) -> String {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            act(&mut World::new());
            output("nft list ruleset")
        });
        thread.join().unwrap()
    })
}

fn load(world: &World, text: &str) {
    let file = world.directory.path().join("ruleset.nft");
    std::fs::write(&file, text).unwrap();
    sh(&format!("nft -f {}", file.display()));
}

#[test]
fn netns_what_netlink_makes_is_what_the_file_says() {
    let ours = listing(|world| world.kernel.ensure(&Step::Table { bridge: true }).unwrap());
    let theirs = listing(|world| load(world, RULESET));
    assert!(ours.contains("table bridge pontoon"));
    similar_asserts(&ours, &theirs);
}

#[test]
fn netns_without_bridge_tables_the_other_table_is_whole() {
    let ours = listing(|world| world.kernel.ensure(&Step::Table { bridge: false }).unwrap());
    let theirs = listing(|world| load(world, &format!("{}\n", RULESET.split("\ntable bridge").next().unwrap())));
    let theirs = theirs.trim_end();
    similar_asserts(ours.trim_end(), theirs);
}

#[test]
fn netns_tables_are_repaired_and_elements_stay() {
    let mut world = World::new();
    let table = Step::Table { bridge: true };
    let element = Step::Element(Element::Bridge { device: "br-x".into() });
    world.kernel.ensure(&table).unwrap();
    world.kernel.add(&element).unwrap();
    let whole = snapshot();
    let mut another = Kernel::open(None).unwrap();
    another.ensure(&table).unwrap();
    assert!(!another.take_rebuilt(), "nothing is missing");
    for damage in [
        "nft flush table inet pontoon",
        "nft flush table bridge pontoon",
        "nft flush chain inet pontoon published",
        "nft flush chain inet pontoon refused; nft flush chain inet pontoon own; nft delete table bridge pontoon",
    ] {
        sh(damage);
        assert_ne!(snapshot(), whole);
        world.kernel.ensure(&table).unwrap();
        assert_eq!(snapshot(), whole, "{damage}");
    }
    sh("nft flush ruleset");
    world.kernel.ensure(&table).unwrap();
    world.kernel.add(&element).unwrap();
    assert_eq!(snapshot(), whole);
    world.kernel.ensure(&table).unwrap();
    assert_eq!(snapshot(), whole);
}

#[test]
fn netns_elements_are_what_their_text_says() {
    let elements = || {
        let own = |address: &str| Element::Own { device: "br-x".into(), address: address.parse().unwrap() };
        let at = |at: Option<&str>, to: &str, protocol| Element::Publish {
            at: at.map(|at| at.parse().unwrap()),
            protocol,
            port: 8080,
            to: to.parse().unwrap(),
            to_port: 80,
        };
        use netmodes::nft::{Family, Verdict};
        let mac = "02:42:ac:12:00:02".parse().unwrap();
        let speaks = |address: &str| Element::Speaks { device: "web.x".into(), mac, address: address.parse().unwrap() };
        let open = |address: &str, protocol| Element::Open { address: address.parse().unwrap(), protocol, port: 80 };
        let link = |from: &str, to: &str, protocol| Element::Link {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            protocol,
            port: 53,
        };
        let enter = |family, verdict| Element::Enter { family, device: "br-x".into(), verdict };
        vec![
            Element::Bridge { device: "br-x".into() },
            Element::Internal { device: "br-i".into() },
            Element::Hidden { family: Family::Ipv6, device: "br-x".into() },
            Element::Between { from: "br-x".into(), to: "br-x".into(), verdict: Verdict::Accept },
            Element::Between { from: "br-n".into(), to: "br-n".into(), verdict: Verdict::Links },
            enter(Family::Ipv4, Verdict::Published),
            enter(Family::Ipv6, Verdict::Routed),
            own("172.18.0.2"),
            own("fd00::2"),
            at(None, "172.18.0.2", Protocol::Tcp),
            at(Some("127.0.0.1"), "172.18.0.2", Protocol::Udp),
            at(None, "fd00::2", Protocol::Tcp),
            at(Some("fd01::1"), "fd00::2", Protocol::Udp),
            Element::Port { device: "web.x".into() },
            speaks("172.18.0.2"),
            speaks("fd00::2"),
            speaks("::"),
            Element::Advertises { device: "web.x".into(), mac, address: "fe80::42:acff:fe12:2".parse().unwrap() },
            open("172.18.0.2", Protocol::Tcp),
            open("fd00::2", Protocol::Udp),
            link("172.18.0.3", "172.18.0.2", Protocol::Udp),
            link("fd00::3", "fd00::2", Protocol::Tcp),
            Element::Between { from: "wg0".into(), to: "br-x".into(), verdict: Verdict::Accept },
        ]
    };
    let ours = listing(|world| {
        world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
        elements().into_iter().for_each(|element| world.kernel.add(&Step::Element(element)).unwrap());
    });
    let theirs = listing(|world| {
        load(world, RULESET);
        elements().into_iter().for_each(|element| sh(&Step::Element(element).to_string()));
    });
    similar_asserts(&ours, &theirs);
    let emptied = listing(|world| {
        world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
        elements().into_iter().for_each(|element| world.kernel.add(&Step::Element(element)).unwrap());
        elements().into_iter().for_each(|element| world.kernel.del(&Step::Element(element)).unwrap());
    });
    assert_eq!(emptied, listing(|world| load(world, RULESET)));
}

#[test]
fn netns_anothers_port_is_neither_taken_nor_taken_away() {
    let mut world = World::new();
    world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
    let published = |last: u8, to_port| {
        let (at, protocol) = (None, Protocol::Tcp);
        Step::Element(Element::Publish { at, protocol, port: 8080, to: [172, 18, 0, last].into(), to_port })
    };
    world.kernel.add(&published(2, 80)).unwrap();
    let before = snapshot();
    for other in [published(3, 80), published(2, 81), published(2, 80)] {
        let error = world.kernel.add(&other).unwrap_err();
        assert!(matches!(error, netmodes::Error::NotOurs(_)), "{error}");
    }
    world.kernel.del(&published(3, 80)).unwrap();
    world.kernel.del(&published(2, 81)).unwrap();
    assert_eq!(snapshot(), before);
    world.kernel.del(&published(2, 80)).unwrap();
    assert_ne!(snapshot(), before);
    world.kernel.del(&published(2, 80)).unwrap();
}

/// The first line in which the two differ, which is easier to read than both whole.
fn similar_asserts(ours: &str, theirs: &str) {
    let differing = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    assert_eq!(differing, None);
    assert_eq!(ours.lines().count(), theirs.lines().count());
}
