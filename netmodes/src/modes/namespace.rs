//! What a container has of the network whatever it is attached to: its namespace, before any cable leads there.
//!
//! ```text
//! container netns   lo 127.0.0.1
//!                   no IPv6 until a network brings it, no belief in router advertisements
//!                   127.0.0.11:53 --> the monitor's resolver
//! host              /run/netns/<name> --> /proc/<monitor>/fd/<n>
//! ```

use super::{ResolverPorts, loopback, named_netns};
use crate::plan::{Place, Step};

/// What is asked of the namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The container's name, for `ip netns`.
    pub name: String,
    /// Where its resolver listens; none on the default network, as in Docker.
    pub resolver: Option<ResolverPorts>,
    /// What /run/netns/NAME is to point to; none to leave it out.
    pub netns: Option<String>,
}

/// The steps, for a container that is attached to networks; all of them are its own.
pub fn plan(namespace: &Namespace) -> Vec<Step> {
    let sysctl =
        |key: &str, value: &str| Step::Sysctl { place: Place::Container, key: key.into(), value: value.into() };
    // A device that is born later takes over what `default` says, and `all` sets `default` too.
    let mut steps =
        vec![sysctl("net/ipv6/conf/all/disable_ipv6", "1"), sysctl("net/ipv6/conf/default/accept_ra", "0"), loopback()];
    steps.extend(namespace.resolver.map(|ports| Step::Resolver { udp: ports.udp, tcp: ports.tcp }));
    steps.extend(named_netns(&namespace.name, namespace.netns.as_ref()));
    steps
}
