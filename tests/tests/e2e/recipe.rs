//! The hand-made point-to-point link of the old Docker documentation, line by line, with `pontoon` in place of `docker`.
//!
//! ```text
//!   container a (--net=none)                 container b (--net=none)
//!     A 10.1.1.1/32  ───────── veth ─────────  B 10.1.1.2/32
//!     route 10.1.1.2/32 dev A                  route 10.1.1.1/32 dev B
//! ```

use pontoon_tests::Host;

use crate::given::sleeper;

/// The recipe's lines; $a and $b are the containers' pids.
const LINES: &str = "
    a=$(pontoon inspect -f '{{.State.Pid}}' a)
    b=$(pontoon inspect -f '{{.State.Pid}}' b)
    mkdir -p /var/run/netns
    ln -s /proc/$a/ns/net /var/run/netns/$a
    ln -s /proc/$b/ns/net /var/run/netns/$b

    ip link add A type veth peer name B

    ip link set A netns $a
    ip netns exec $a ip addr add 10.1.1.1/32 dev A
    ip netns exec $a ip link set A up
    ip netns exec $a ip route add 10.1.1.2/32 dev A

    ip link set B netns $b
    ip netns exec $b ip addr add 10.1.1.2/32 dev B
    ip netns exec $b ip link set B up
    ip netns exec $b ip route add 10.1.1.1/32 dev B

    ip netns exec $a ping -c 1 -W 2 10.1.1.2
    rm /var/run/netns/$a /var/run/netns/$b";

#[test]
fn root_point_to_point_by_hand() {
    let host = Host::ready();
    sleeper(&host, "a", "--net=none");
    sleeper(&host, "b", "--net=none");
    host.sh(LINES).ok();
    host.sh("pontoon exec a ping -c 1 -W 2 10.1.1.2").ok();
    host.sh("pontoon exec b ping -c 1 -W 2 10.1.1.1").ok();
    host.sh("pontoon rm -f a b").ok();
}

#[test]
fn root_every_container_is_known_to_ip_netns() {
    let host = Host::with_my_net();
    sleeper(&host, "a", "--network my-net");
    let address = host.address("a");
    assert!(host.sh("ip netns exec a ip -o -4 address show eth0").ok().contains(&address));
    host.sh("pontoon rm -f a").ok();
    assert_eq!(host.sh("ls /run/netns").ok(), "lan");
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_a_foreign_netns_of_the_same_name_is_left_alone() {
    let host = Host::ready();
    host.sh("ip netns add mine").ok();
    sleeper(&host, "mine", "");
    host.sh("pontoon rm -f mine").ok();
    assert!(host.sh("ls /run/netns").ok().contains("mine"));
    host.sh("ip netns del mine").ok();
}
