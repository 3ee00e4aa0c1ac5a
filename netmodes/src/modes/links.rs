//! `--link` where neighbours are isolated (icc=false): what the other one exposes, and nothing more.
//!
//! ```text
//! links4 { 172.17.0.3 . 172.17.0.2 . tcp . 5432 }      an element for each exposed port and family
//! ```
//!
//! Where neighbours reach each other anyway, a link opens nothing.

use std::net::IpAddr;

use crate::network::Network;
use crate::nft::Element;
use crate::plan::Step;
use crate::publish::Protocol;

/// The elements that let `from` open connections to the exposed ports of `to`.
pub fn plan(network: &Network, from: &[IpAddr], to: &[IpAddr], exposed: &[(u16, Protocol)]) -> Vec<Step> {
    if network.icc {
        return Vec::new();
    }
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let alike = pairs.filter(|(from, to)| from.is_ipv4() == to.is_ipv4());
    let element = |(from, to): (IpAddr, IpAddr)| {
        let each = exposed.iter();
        each.map(move |(port, protocol)| Element::Link { from, to, protocol: *protocol, port: *port })
    };
    alike.flat_map(element).map(Step::Element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_in_every_family_and_nothing_where_all_is_open() {
        let network = Network { icc: false, ..Network::sample("bridge", "172.17.0.0/16") };
        let from: [IpAddr; 2] = [[172, 17, 0, 3].into(), "fd00::3".parse().unwrap()];
        let to: [IpAddr; 2] = [[172, 17, 0, 2].into(), "fd00::2".parse().unwrap()];
        let exposed = [(53, Protocol::Udp), (5432, Protocol::Tcp)];
        let steps: Vec<String> = plan(&network, &from, &to, &exposed).iter().map(Step::to_string).collect();
        assert_eq!(steps.len(), 4, "{steps:?}");
        assert!(steps[0].contains("links4") && steps[0].contains("172.17.0.3 . 172.17.0.2 . udp . 53"), "{steps:?}");
        assert!(steps[3].contains("links6") && steps[3].contains("fd00::3 . fd00::2 . tcp . 5432"), "{steps:?}");
        assert!(plan(&Network { icc: true, ..network }, &from, &to, &exposed).is_empty());
    }
}
