//! What is around a private host: as little as a test needs, or a street with a router.
//!
//! ```text
//!   small    host uplink 203.0.113.2 ── wire 203.0.113.1 "lan" (198.51.100.1 on its lo)        every Host::new()
//!
//!   large    host uplink 203.0.113.2, .3      ──┐
//!                 2001:db8:cb::2, ::3           │
//!                                               street ── far 198.51.100.254 ── out 198.51.100.1      "beyond"
//!            "lan" out 203.0.113.9            ──┘ 203.0.113.1      2001:db8:c6::fe    2001:db8:c6::1
//!                      2001:db8:cb::9             2001:db8:cb::1
//!                                              "router": a switch and a router, as in many homes
//! ```
//!
//! The small one is two links and IPv4 alone: hundreds of tests begin with it. In the large one everybody but the host
//! also knows a way to private addresses, by way of the host: whoever wants in from outside can type such a route, so
//! what is not reached there is kept away by the host, and not by the lack of a route.

/// Another address that the host has on its wire.
pub const OWN_TOO: &str = "203.0.113.3";
/// The host's address of IPv6, where it has neighbours.
pub const OWN6: &str = "2001:db8:cb::2";
/// Another one.
pub const OWN6_TOO: &str = "2001:db8:cb::3";
/// The machine on the host's own segment.
pub const LAN: &str = "203.0.113.9";
/// Its address of IPv6.
pub const LAN6: &str = "2001:db8:cb::9";
/// The machine beyond the router has [`crate::host::BEYOND`], and this.
pub const BEYOND6: &str = "2001:db8:c6::1";

/// The small surroundings, as a person would type them.
pub(crate) const SMALL: &str = "
    ip link set lo up
    ip netns add lan
    ip link add uplink type veth peer name wire netns lan
    sysctl -qw net.ipv6.conf.uplink.disable_ipv6=1
    # What forwards IPv6 goes on to do so, whoever comes and goes, and has more routes then.
    sysctl -qw net.ipv6.conf.all.forwarding=1
    ip address add 203.0.113.2/24 dev uplink
    ip link set uplink up
    nsenter --net=/run/netns/lan sh -ec '
        ip link set lo up
        ip address add 198.51.100.1/32 dev lo
        ip address add 203.0.113.1/24 dev wire
        ip link set wire up'
    ip route add default via 203.0.113.1";

/// The large ones. No address is looked for before it is used (`nodad`), and link-local ones are given by hand: nothing
/// here changes by itself, so two snapshots can be equal.
pub(crate) const LARGE: &str = "
    for place in lan router beyond; do ip netns add $place; ip -n $place link set lo up; done
    ip link set lo up
    sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n router link add street type bridge
    ip link add uplink type veth peer name wire netns router
    ip -n lan link add out type veth peer name house netns router
    ip -n beyond link add out type veth peer name far netns router
    ip -n router link set wire master street
    ip -n router link set house master street
    # NAME DEVICE NUMBER ADDRESS…
    up() {
        within=\"nsenter --net=/run/netns/$1\"; [ $1 != host ] || within=
        device=$2; number=$3; shift 3
        $within ip link set $device addrgenmode none
        for address; do
            case $address in *:*) nodad=nodad ;; *) nodad= ;; esac
            $within ip address add $address dev $device $nodad
        done
        $within ip address add fe80::$number/64 dev $device nodad
        $within ip link set $device up
    }
    up host uplink 2 203.0.113.2/24 203.0.113.3/24 2001:db8:cb::2/64 2001:db8:cb::3/64
    up lan out 9 203.0.113.9/24 2001:db8:cb::9/64
    up router street 1 203.0.113.1/24 2001:db8:cb::1/64
    up router far fe 198.51.100.254/24 2001:db8:c6::fe/64
    up beyond out 1 198.51.100.1/24 2001:db8:c6::1/64
    for port in wire house; do ip -n router link set $port addrgenmode none up; done
    nsenter --net=/run/netns/router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    for place in lan router; do
        for private in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; do ip -n $place route add $private via 203.0.113.2; done
        ip -n $place route add fc00::/7 via 2001:db8:cb::2
    done
    ip route add default via 203.0.113.1
    ip route add default via 2001:db8:cb::1
    ip -n lan route add default via 203.0.113.1
    ip -n lan route add default via 2001:db8:cb::1
    ip -n beyond route add default via 198.51.100.254
    ip -n beyond route add default via 2001:db8:c6::fe
    # An empty bridge needs a moment until its ports pass frames on.
    until ping -c 1 -W 1 203.0.113.9 && ping -c 1 -W 1 2001:db8:c6::1; do :; done >/dev/null 2>&1";
