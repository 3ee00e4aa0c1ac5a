//! Networks and containers come and go, and leave nothing.

use std::collections::BTreeSet;

use netmodes::Error;
use netmodes::apply::{Net, apply, reinstate, undo};
use netmodes::journal::Journal;
use netmodes::kernel::Kernel;
use netmodes::nft::RULESET;
use netmodes::plan::Step;

use super::world::{Guest, Place, World, ask, output, sh, snapshot};

const NAME: &str = "com.docker.network.bridge.name";

#[test]
fn netns_a_network_with_containers_leaves_nothing() {
    let mut world = World::new();
    world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
    let before = snapshot();
    let network = world.create("my-net", &[]);
    let created = snapshot();
    assert!(created.contains(&network.bridge));
    let guests: Vec<Guest> = (0..3)
        .map(|n| world.start(&network, &format!("c{n}"), &["1000-1001:9000-9001"][..usize::from(n == 0)]))
        .collect();
    assert_eq!(
        std::fs::read_link("/run/netns/c0").unwrap().to_str().unwrap(),
        format!("/proc/{}/fd/1", std::process::id())
    );
    guests.into_iter().for_each(|guest| guest.stop(&world, &network));
    assert_eq!(snapshot(), created);
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
    let nobody = |_: &str| None;
    world.networks.remove(&network, &nobody, &mut world.kernel).unwrap();
    assert!(output(&format!("ip -o link show {}", network.bridge)).contains("state DOWN"));
    assert!(world.networks.has_unfinished_removals().unwrap());
    assert!(world.networks.finish_removal(&mut world.kernel).is_empty());
    assert_eq!(snapshot(), before);
    assert_eq!(std::fs::read_dir(world.directory.path().join("run")).unwrap().count(), 0);
    assert!(world.networks.list().unwrap().is_empty());
}

#[test]
fn netns_a_network_in_use_stays() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let guest = world.start(&network, "one", &[]);
    let name_of = |_: &str| Some("one".to_string());
    let error = world.networks.remove(&network, &name_of, &mut world.kernel).unwrap_err().to_string();
    let id = &guest.id[..12];
    assert_eq!(
        error,
        format!("error while removing network: network my-net has active endpoints (name:\"one\" id:\"{id}\")")
    );
    assert!(guest.pings(network.subnets[0].gateway));
    guest.stop(&world, &network);
    world.networks.remove(&network, &name_of, &mut world.kernel).unwrap();
    assert!(matches!(world.networks.lease(&network, "x", &[], &|_| None), Err(Error::NotFound(_))));
}

#[test]
fn netns_a_crash_at_any_step_is_cleared_by_another_process() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let before = snapshot();
    let steps = world.start(&network, "probe", &["8080:80"]).plan.own.len();
    // The probe was never stopped: it is the first crash.
    recover(&world, &network);
    assert_eq!(snapshot(), before);
    for at in 0..steps {
        let mut guest = world.start(&network, "web", &["8080:80"]);
        let _ = undo(&mut guest.journal, &mut guest.kernel);
        apply(&guest.plan.own[..at], &mut guest.kernel, &mut guest.journal).unwrap_or_else(|error| {
            // The host end of the veth is down but there: one start has one name.
            assert!(matches!(error, Error::NotOurs(_)), "{error}");
        });
        drop(guest);
        recover(&world, &network);
        assert_eq!(snapshot(), before, "{at}");
    }
}

/// What the next command does: host side only, journals by their files.
fn recover(world: &World, network: &netmodes::network::Network) {
    let mut kernel = Kernel::open(None).unwrap();
    for file in std::fs::read_dir(world.directory.path()).unwrap().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "journal") {
            let errors = undo(&mut Journal::open(&path).unwrap(), &mut kernel);
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
    for (_, owner) in world.networks.leases(network).unwrap() {
        world.networks.release_all(network, &owner).unwrap();
    }
    assert!(world.networks.leases(network).unwrap().is_empty());
}

#[test]
fn netns_what_a_foreign_hand_removed_is_there_again() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let whole = snapshot();
    for damage in [
        format!("ip link del {}", network.bridge),
        "nft flush ruleset".to_string(),
        format!("nft delete element inet pontoon bridges '{{ {} }}'", network.bridge),
        format!("ip addr flush dev {}", network.bridge),
        format!("ip link set {} down", network.bridge),
    ] {
        sh(&damage);
        let guest = world.start(&network, "one", &[]);
        assert!(guest.pings(network.subnets[0].gateway), "{damage}");
        guest.stop(&world, &network);
        assert_eq!(snapshot(), whole, "{damage}");
    }
    // A veth that went by itself is no reason not to stop.
    let guest = world.start(&network, "one", &[]);
    let veth =
        guest.plan.own.iter().find_map(|step| if let Step::Veth { name, .. } = step { Some(name) } else { None });
    sh(&format!("ip link del {}", veth.unwrap()));
    guest.stop(&world, &network);
    assert_eq!(snapshot(), whole);
}

#[test]
fn netns_a_flushed_ruleset_is_put_back_for_those_who_run() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let one = world.start(&network, "one", &["8080:80"]);
    one.serve(80);
    let whole = snapshot();
    sh("nft flush ruleset");
    let mut two = world.start(&network, "two", &[]);
    assert!(two.kernel.take_rebuilt());
    assert!(!one.pings(two.address), "nobody vouches for its address");
    reinstate(&[world.journal(&one.id)], &mut world.kernel).unwrap();
    // Its own kernel has given up asking for a while.
    one.within(|| sh("ip neigh flush dev eth0"));
    assert!(one.pings(two.address));
    assert_eq!(ask([127, 0, 0, 1].into(), 8080), Some(network.subnets[0].gateway.to_string()));
    two.stop(&world, &network);
    assert_eq!(snapshot(), whole);
}

#[test]
fn netns_the_firewall_is_put_back_whole_but_for_what_is_somebody_elses() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let one = world.start(&network, "one", &["8000-8002:80-82", "8000:80/udp"]);
    let whole = snapshot();
    let journals = [world.networks.directory(&network).join("journal"), world.journal(&one.id)];
    // Nothing is missing, all is missing, some is missing.
    for damage in
        ["true", "nft flush ruleset", "nft flush map inet pontoon publish4", "nft flush chain inet pontoon guard"]
    {
        sh(damage);
        reinstate(&journals, &mut world.kernel).unwrap();
        assert_eq!(snapshot(), whole, "{damage}");
    }
    sh("nft flush ruleset");
    world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
    sh("nft add element inet pontoon publish4 '{ tcp . 8001 : 192.0.2.7 . 99 }'");
    let error = reinstate(&journals, &mut world.kernel).unwrap_err().to_string();
    assert!(error.contains("tcp . 8001 in the firewall's publish4"), "{error}");
    let address = one.address;
    let with_foreign = whole.replace(&format!("tcp . 8001 : {address} . 81"), "tcp . 8001 : 192.0.2.7 . 99");
    let elements = |text: &str| {
        let mut words: Vec<String> = text.split([',', '{', '}']).map(|word| word.trim().to_owned()).collect();
        words.sort();
        words
    };
    assert_eq!(elements(&snapshot()), elements(&with_foreign));
}

#[test]
fn netns_a_thousand_ports_are_put_back() {
    let mut world = World::new();
    world.kernel.ensure(&Step::Table { bridge: true }).unwrap();
    let path = world.journal("many");
    let mut journal = Journal::open(&path).unwrap();
    journal.begin(&Step::Table { bridge: true }).unwrap();
    for port in 1..=2500 {
        let (at, protocol) = (None, netmodes::publish::Protocol::Tcp);
        let element = netmodes::nft::Element::Publish { at, protocol, port, to: [172, 18, 0, 2].into(), to_port: port };
        journal.begin(&Step::Element(element)).unwrap();
    }
    sh("nft flush ruleset");
    reinstate(&[path], &mut world.kernel).unwrap();
    assert_eq!(output("nft list map inet pontoon publish4 | grep -o 'tcp . [0-9]* :' | wc -l").trim(), "2500");
}

#[test]
fn netns_a_bridge_whose_maker_was_killed_is_known_by_its_address() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let whole = snapshot();
    sh(&format!("ip link set {} alias ''", network.bridge));
    std::fs::remove_dir_all(world.networks.directory(&network)).unwrap();
    world.start(&network, "one", &[]).stop(&world, &network);
    assert_eq!(snapshot(), whole);
    assert!(output(&format!("ip link show {}", network.bridge)).contains("alias pontoon network my-net"));
}

#[test]
fn netns_state_that_was_lost_stands_in_nobodys_way() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let lost = world.start(&network, "one", &[]);
    std::fs::remove_dir_all(world.networks.directory(&network)).unwrap();
    let again = world.start(&network, "one", &[]);
    assert_eq!(again.address, lost.address);
    drop(lost);
    assert!(again.pings(network.subnets[0].gateway));
}

#[test]
fn netns_foreign_devices_and_names_are_left_alone() {
    let mut world = World::new();
    sh("ip link add foreign0 type bridge");
    let before = snapshot();
    let error = world.try_create("my-net", None, &[(NAME, "foreign0")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the device \"foreign0\" exists already and belongs to somebody else; if nobody needs it: ip link delete foreign0"
    );
    assert_eq!(snapshot(), before);
    assert!(world.networks.list().unwrap().is_empty());
    // One that came while the network was down.
    let network = world.create("other", &[(NAME, "demo0")]);
    sh("ip link del demo0; ip link add demo0 type bridge");
    let error = world.try_start(&network, "one", &[]).map(|guest| guest.id).unwrap_err().to_string();
    assert_eq!(
        error,
        "the device \"demo0\" exists already and belongs to somebody else; if nobody needs it: ip link delete demo0"
    );
    // Nor does it go with the network whose name it has.
    for (_, owner) in world.networks.leases(&network).unwrap() {
        world.networks.release_all(&network, &owner).unwrap();
    }
    sh("ip link set demo0 up");
    world.networks.remove(&network, &|_| None, &mut world.kernel).unwrap();
    assert!(world.networks.finish_removal(&mut world.kernel).is_empty());
    assert!(output("ip -o link show demo0").contains(",UP"));
    // A name that `ip netns` knows already.
    let fine = world.create("fine", &[]);
    sh("mkdir -p /run/netns; touch /run/netns/web");
    world.start(&fine, "web", &[]).stop(&world, &fine);
    assert!(std::path::Path::new("/run/netns/web").exists());
}

#[test]
fn netns_subnets_avoid_what_the_host_has() {
    let mut world = World::new();
    sh("ip link add wg0 type bridge; ip link set wg0 up; ip addr add 172.17.9.9/32 dev wg0");
    sh("ip route add 172.18.0.0/15 dev wg0 table 52; ip route add blackhole 172.20.0.0/16");
    assert_eq!(world.create("a", &[]).subnets[0].subnet.to_string(), "172.21.0.0/16");
    let default = world.networks.find("bridge").unwrap();
    assert_eq!(
        (default.bridge.as_str(), default.subnets[0].subnet.to_string().as_str()),
        ("pontoon0", "172.22.0.0/16")
    );
    let mut refused = |subnet| world.try_create("b", Some(subnet), &[]).unwrap_err().to_string();
    let overlap = "Pool overlaps with other one on this address space: ";
    assert_eq!(
        refused("172.19.0.0/24"),
        format!("{overlap}172.19.0.0/24 and the route 172.18.0.0/15 of the device wg0")
    );
    assert_eq!(refused("172.16.0.0/12"), format!("{overlap}172.16.0.0/12 and the network a (172.21.0.0/16)"));
    assert_eq!(
        refused("172.17.9.0/24"),
        format!("{overlap}172.17.9.0/24 and the address 172.17.9.9/32 of the device wg0")
    );
    world.try_create("b", Some("10.99.0.0/24"), &[]).unwrap();
    let error = world.try_create("b", None, &[]).unwrap_err().to_string();
    assert_eq!(error, "network with name b already exists");
}

#[test]
fn netns_the_default_network_has_its_address_where_it_is_free() {
    let mut world = World::new();
    let network = world.networks.find("bridge").unwrap();
    assert_eq!(network, world.networks.find(&network.id[..9]).unwrap());
    let guest = world.start(&network, "one", &[]);
    assert!(guest.pings("172.17.42.1".parse().unwrap()));
    let nobody = |_: &str| None;
    let error = world.networks.remove(&network, &nobody, &mut world.kernel).unwrap_err().to_string();
    assert_eq!(error, "bridge is a pre-defined network and cannot be removed");
    assert_eq!(world.networks.find("nonsense").unwrap_err().to_string(), "network nonsense not found");
}

#[test]
fn netns_a_removal_that_nobody_finished_stands_in_nobodys_way() {
    let mut world = World::new();
    let options = [(NAME, "demo0")];
    let nobody = |_: &str| None;
    for _ in 0..3 {
        let network = world.try_create("demo", Some("10.99.0.0/24"), &options).unwrap();
        world.start(&network, "one", &[]).stop(&world, &network);
        world.networks.remove(&network, &nobody, &mut world.kernel).unwrap();
    }
    assert!(world.networks.finish_removal(&mut world.kernel).is_empty());
    // Nor does one whose journal was lost.
    let before = snapshot();
    let network = world.try_create("demo", Some("10.99.0.0/24"), &options).unwrap();
    std::fs::remove_dir_all(world.networks.directory(&network)).unwrap();
    world.networks.remove(&network, &nobody, &mut world.kernel).unwrap();
    assert!(world.networks.finish_removal(&mut world.kernel).is_empty());
    assert_eq!(snapshot(), before);
}

#[test]
fn netns_thirty_at_once_have_thirty_addresses() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let (networks, net) = (&world.networks, &network);
    let leased: Vec<_> = std::thread::scope(|scope| {
        let lease = |n: usize| scope.spawn(move || networks.lease(net, &format!("{n:064}"), &[], &|_| None).unwrap());
        let threads: Vec<_> = (0..30).map(lease).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(leased.iter().collect::<BTreeSet<_>>().len(), 30);
}

#[test]
fn netns_the_script_makes_what_netlink_makes() {
    let mut world = World::new();
    let network = world.create("my-net", &[]);
    let guest = world.start(&network, "web", &["8080:80"]);
    let plan = guest.plan.to_string();
    let ours = (state(), guest.within(inside));
    let directory = world.directory.path().to_path_buf();
    let theirs = std::thread::spawn(move || {
        let _world = World::new();
        let script = directory.join("script");
        std::fs::write(directory.join("ruleset.nft"), RULESET).unwrap();
        std::fs::write(&script, plan).unwrap();
        let setting = format!("netns=guest; ruleset={}; ip netns add guest", directory.join("ruleset.nft").display());
        sh(&format!("{setting}; set -e; . {}", script.display()));
        (state(), output(&format!("ip netns exec guest bash -c \"{INSIDE}\"")))
    });
    let theirs = theirs.join().unwrap();
    for (ours, theirs) in [(ours.0, theirs.0), (ours.1, theirs.1)] {
        assert_eq!(ours.lines().collect::<Vec<_>>(), theirs.lines().collect::<Vec<_>>());
    }
}

const INSIDE: &str = "ip -o -d addr show | sed 's/^[0-9]*: //; s/link-netns.* //; s/@if[0-9]*//'; ip route; nft list ruleset; \
    sysctl net.ipv6.conf.all.disable_ipv6; ip -d -o link | sed 's/^[0-9]*: //; s/link-netnsid [0-9]*//; s/@if[0-9]*//; s/brd .*promiscuity/promiscuity/'";

fn inside() -> String {
    output(INSIDE)
}

/// Everything on the host, but for numbers that the kernel gives.
fn state() -> String {
    // The host end's hardware address is the kernel's choice, in both; so is the link-local address made of it.
    output(
        "ip -o -d link | sed 's/^[0-9]*: //; s/link-netns[a-z]* [^ ]* //; s/@if[0-9]*//; /veth/s/link.ether [^ ]*//; s/state [A-Z]*//; s/[a-z_]*timer *[0-9.]*//g'; \
         ip -o addr | sed 's/^[0-9]*: //' | grep -v fe80; ip route; nft list ruleset; sysctl net.ipv4.ip_forward; \
         sysctl -a 2>/dev/null | grep -E 'conf.br-.*(accept_ra |disable_ipv6|route_localnet)'",
    )
}
