//! `pontoon network inspect`: everything that is known of a network, in the shape of Docker's JSON.
//!
//! ```text
//! record of the network ─┬─> one JSON object
//! live endpoints ────────┘   asked of the running containers, never of a list
//! ```

use anyhow::Result;
use netmodes::network::Network;
use serde_json::{Map, Value, json};

use super::inspect;
use crate::cli::InspectArgs;
use crate::container::{Containers, Status};
use crate::host::Host;
use crate::monitor::network::networks;

/// Prints one JSON array for all, or one line a network by a template.
///
/// # Errors
/// After what was found: `network X not found`.
pub fn inspect(host: &Host, args: &InspectArgs) -> Result<i32> {
    let networks = networks(host)?;
    inspect::print(args, |name| match name {
        "host" => Ok(builtin(name, "host")),
        "none" => Ok(builtin(name, "null")),
        _ => describe(host, &networks.find(name)?),
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
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}

fn describe(host: &Host, network: &Network) -> Result<Value> {
    let ipam: Vec<Value> = network
        .subnets
        .iter()
        .map(|subnet| json!({ "Subnet": subnet.subnet.to_string(), "Gateway": subnet.gateway.to_string() }))
        .collect();
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": {}, "Config": ipam },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers(host, network)?,
        "Options": network.options,
        "Labels": network.labels,
        "Bridge": network.bridge,
    }))
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
            endpoints.insert(
                container.record.id.clone(),
                json!({
                    "Name": container.record.name,
                    "MacAddress": endpoint.mac,
                    "IPv4Address": inspect::address(endpoint, false),
                    "IPv6Address": inspect::address(endpoint, true),
                }),
            );
        }
    }
    Ok(endpoints)
}
