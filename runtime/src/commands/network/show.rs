//! `pontoon network show`: bridges with their ports, as `brctl show` prints them, and who is behind each port.
//!
//! ```text
//! bridge name    bridge id           STP enabled   interfaces   container   addresses
//! br-0f3c9d2ab   8000.06f3c9d2ab41   no            web.1k3f9    web         172.18.0.2, fd00:a::2
//!                                                  db.77x0c     db          172.18.0.3, fd00:a::3
//! ```
//!
//! All of it is read from the kernel: bridges and ports from the list of links, containers from the ports' `ifalias`,
//! addresses from the firewall's table for bridges, which is what packets meet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Result, bail};
use netmodes::kernel::{Kernel, Link};

use crate::cli::NetworkShowArgs;
use crate::commands::{each, print, table::Table};
use crate::host::Host;
use crate::monitor::network::networks;

/// The heading, of which the first four are brctl's.
const HEADING: [&str; 6] = ["bridge name", "bridge id", "STP enabled", "interfaces", "container", "addresses"];

/// Shows all networks' bridges, or those that are named.
///
/// # Errors
/// None for a network that is not there: it is said, and the exit code is 1.
pub fn show(host: &Host, args: &NetworkShowArgs) -> Result<i32> {
    let mut kernel = Kernel::open(None)?;
    let (links, vouched) = (kernel.links()?, kernel.vouched()?);
    let mut bridges: Vec<&Link> = links.iter().filter(|link| link.alias.starts_with("pontoon network ")).collect();
    bridges.sort_by(|a, b| a.name.cmp(&b.name));
    let mut code = 0;
    if !args.networks.is_empty() {
        let mut named = Vec::new();
        code = each(&args.networks, |word| {
            named.push(bridge_of(host, word, &links)?);
            Ok(())
        })?;
        bridges = named;
    }
    print(format_args!("{}", drawn(&bridges, &links, &vouched)))?;
    Ok(code)
}

/// The bridge of one network.
fn bridge_of<'a>(host: &Host, word: &str, links: &'a [Link]) -> Result<&'a Link> {
    if matches!(word, "host" | "none") {
        bail!("{word} is a pre-defined network and has no bridge");
    }
    let network = networks(host)?.foresee(word)?;
    match links.iter().find(|link| link.name == network.bridge) {
        Some(link) => Ok(link),
        None if network.driver != "bridge" => {
            bail!("network {} has no bridge: it is of the driver {}", network.name, network.driver)
        }
        None => bail!(
            "the bridge {} of the network {} is not there: the next container makes it",
            network.bridge,
            network.name
        ),
    }
}

fn drawn(bridges: &[&Link], links: &[Link], vouched: &BTreeMap<String, Vec<IpAddr>>) -> Table {
    let mut table = Table::default();
    table.row(HEADING.map(String::from).to_vec());
    for bridge in bridges {
        let mut ports: Vec<&Link> = links.iter().filter(|link| link.master == Some(bridge.index)).collect();
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        let spanning = bridge.bridge.clone().unwrap_or_default();
        let mut own = [bridge.name.clone(), spanning.id, if spanning.stp { "yes" } else { "no" }.into()];
        if ports.is_empty() {
            table.row(own.to_vec());
        }
        for port in ports {
            let mut row = [own.to_vec(), behind(port, vouched)].concat();
            row.truncate(row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1));
            table.row(row);
            own = Default::default();
        }
    }
    table
}

/// Interface, container, addresses.
fn behind(port: &Link, vouched: &BTreeMap<String, Vec<IpAddr>>) -> Vec<String> {
    // `pontoon container web network my-net`
    let container = port.alias.strip_prefix("pontoon container ").and_then(|rest| rest.split(' ').next());
    let addresses: Vec<String> = vouched.get(&port.name).into_iter().flatten().map(IpAddr::to_string).collect();
    vec![port.name.clone(), container.unwrap_or_default().to_owned(), addresses.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use netmodes::kernel::Spanning;

    #[test]
    fn a_bridge_stands_before_its_ports() {
        let spanning = Spanning { id: "8000.0242ac110001".into(), stp: false };
        let bridge = Link { index: 4, name: "br-a".into(), bridge: Some(spanning), ..Link::default() };
        let empty = Link {
            index: 9,
            bridge: Some(Spanning { id: "8000.02".into(), stp: true }),
            name: "br-b".into(),
            ..Link::default()
        };
        let port = |name: &str, alias: &str| Link {
            name: name.into(),
            alias: alias.into(),
            master: Some(4),
            ..Link::default()
        };
        let links = [
            bridge.clone(),
            empty.clone(),
            port("web.1k3f9", "pontoon container web network my-net"),
            port("tap0", ""),
            Link { name: "uplink".into(), ..Link::default() },
        ];
        let vouched =
            BTreeMap::from([("web.1k3f9".to_string(), vec![[172, 18, 0, 2].into(), "fd00::2".parse().unwrap()])]);
        let shown = drawn(&[&bridge, &empty], &links, &vouched).to_string();
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["br-a", "8000.0242ac110001", "no", "tap0"]);
        assert_eq!(lines[2], ["web.1k3f9", "web", "172.18.0.2,", "fd00::2"]);
        assert_eq!(lines[3], ["br-b", "8000.02", "yes"]);
        assert_eq!(lines.len(), 4);
        assert!(shown.lines().all(|line| !line.ends_with(' ')), "{shown}");
    }
}
