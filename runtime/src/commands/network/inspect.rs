//! `pontoon network inspect`: everything that is known of a network, in the shape of Docker's JSON.
//!
//! ```text
//! record of the network ────┐
//! live endpoints ───────────┼─> one JSON object      asked of the running containers, never of a list
//! journals: what was made ──┘
//! ```
//!
//! Pontoon's own words stand behind Docker's: `Bridge`, and `Elements` of the firewall; of each endpoint `Interface`,
//! `HostDevice`, `DNSNames` and its `Elements`.

use std::path::Path;

use anyhow::Result;
use netmodes::journal::Journal;
use netmodes::network::{Network, Networks};
use netmodes::plan::Step;
use netmodes::subnet::Subnet;
use serde_json::{Map, Value, json};

use crate::cli::NetworkInspectArgs;
use crate::commands::inspect::{address, endpoint_id, print};
use crate::container::state::Endpoint;
use crate::container::{Container, Containers, Status};
use crate::host::Host;
use crate::monitor::network::networks;

/// Prints one JSON array for all, or one line a network by a template.
///
/// # Errors
/// After what was found: `network X not found`.
pub fn inspect(host: &Host, args: &NetworkInspectArgs) -> Result<i32> {
    let networks = networks(host)?;
    print(&args.inspect, |name| match name {
        "host" => Ok(builtin(name, "host")),
        "none" => Ok(builtin(name, "null")),
        _ => describe(host, &networks, &networks.find(name)?),
    })
}

/// The id of a network that every host has: 64 digits that are the same everywhere.
pub fn builtin_id(name: &str) -> String {
    name.bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect()
}

fn builtin(name: &str, driver: &str) -> Value {
    json!({
        "Name": name,
        "Id": builtin_id(name),
        // Every host has it: Go's zero time, as its clients want one.
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}

fn describe(host: &Host, networks: &Networks, network: &Network) -> Result<Value> {
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.subnets.iter().any(|subnet| !subnet.is_ipv6()),
        "EnableIPv6": network.has_ipv6(),
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": network.subnets.iter().map(ipam).collect::<Vec<_>>(),
        },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers(host, network)?,
        "Options": network.options,
        "Labels": network.labels,
        "Bridge": network.bridge,
        "Elements": elements(&networks.directory(network).join("journal"))?,
    }))
}

/// As Docker: what was not given is not there.
fn ipam(subnet: &Subnet) -> Value {
    let mut config = Map::new();
    config.insert("Subnet".into(), subnet.subnet.to_string().into());
    config.extend(subnet.ip_range.map(|range| ("IPRange".into(), range.to_string().into())));
    if !subnet.is_cable() {
        config.insert("Gateway".into(), subnet.gateway.to_string().into());
    }
    if !subnet.aux.is_empty() {
        config.insert("AuxiliaryAddresses".into(), json!(subnet.aux));
    }
    config.into()
}

/// The endpoints of running containers: the live state, not a list that could be out of date.
fn containers(host: &Host, network: &Network) -> Result<Map<String, Value>> {
    let mut endpoints = Map::new();
    for container in Containers::of(host).list()?.into_iter().flatten() {
        let state = container.state()?;
        if state.status != Status::Running || !container.is_supervised()? {
            continue;
        }
        for endpoint in state.endpoints.iter().filter(|endpoint| endpoint.network_id == network.id) {
            endpoints.insert(container.record.id.clone(), described(&container, endpoint)?);
        }
    }
    Ok(endpoints)
}

fn described(container: &Container, endpoint: &Endpoint) -> Result<Value> {
    Ok(json!({
        "Name": container.record.name,
        "EndpointID": endpoint_id(&container.record.id, &endpoint.network_id),
        "MacAddress": endpoint.mac,
        "IPv4Address": address(endpoint, false),
        "IPv6Address": address(endpoint, true),
        "Interface": endpoint.interface,
        "HostDevice": endpoint.host_device,
        "DNSNames": endpoint.names,
        "Elements": elements(&container.journal_of(&endpoint.network_id))?,
    }))
}

/// The firewall's elements in a journal, as nft writes them.
///
/// # Errors
/// The journal cannot be read.
pub fn elements(journal: &Path) -> Result<Vec<String>> {
    let steps = Journal::look(journal)?;
    Ok(steps
        .iter()
        .filter_map(|step| if let Step::Element(element) = step { Some(element.to_string()) } else { None })
        .collect())
}
