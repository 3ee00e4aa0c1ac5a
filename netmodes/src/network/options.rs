//! What `network create -o` may be told, and what it means.
//!
//! ```text
//! com.docker.network.bridge.name                  the host's device              br-<12 of the id>
//! com.docker.network.bridge.enable_icc            do neighbours reach each other true
//! com.docker.network.bridge.enable_ip_masquerade  out under the host's address   true
//! com.docker.network.bridge.host_binding_ipv4     where -p publishes             every address of the host
//! com.docker.network.bridge.gateway_mode_ipv4     nat, routed,                   nat
//! com.docker.network.bridge.gateway_mode_ipv6       nat-unprotected, isolated    nat
//! com.docker.network.bridge.inhibit_ipv4          no IPv4 address on the bridge  false
//! com.docker.network.bridge.trusted_host_interfaces   wg0:eth1 may open connections  none
//! com.docker.network.driver.mtu                   68 to 65535 bytes              that of the way out of the host
//!
//! short: what stands behind bridge. or driver. will do (mtu=1400), and icc for enable_icc; isolate=true is accepted,
//! as networks always are
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{DEFAULT, NewNetwork};
use crate::error::Error;

/// Docker's names stand behind one of these.
const PREFIXES: [&str; 2] = ["com.docker.network.bridge.", "com.docker.network.driver."];

/// The options, without what stands in front.
const KNOWN: [&str; 9] = [
    "name",
    "enable_icc",
    "enable_ip_masquerade",
    "host_binding_ipv4",
    "gateway_mode_ipv4",
    "gateway_mode_ipv6",
    "inhibit_ipv4",
    "trusted_host_interfaces",
    "mtu",
];

/// How the world outside and the containers of a network reach each other, in one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayMode {
    /// Out under the host's address; in by published ports alone.
    #[default]
    Nat,
    /// Out under their own address; in directly, to published ports alone.
    Routed,
    /// As nat, but directly in to every port.
    NatUnprotected,
    /// Neither in nor out, and the bridge has no address.
    Isolated,
}

/// The options' meanings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) bridge: Option<String>,
    pub(super) mtu: Option<u32>,
    pub(super) icc: bool,
    pub(super) masquerade: bool,
    pub(super) binding: Option<IpAddr>,
    pub(super) gateway_modes: [GatewayMode; 2],
    pub(super) inhibit_ipv4: bool,
    pub(super) trusted: Vec<String>,
}

/// Reads them all, so that a mistake is named before anything is made.
pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Options, Error> {
    let options = &by_short_name(options)?;
    let text = |key: &str| options.get(key).map(|(_, value)| *value);
    if text("isolate").is_some() && !boolean(options, "isolate", true)? {
        return Err(Error::Refused(
            "networks are always isolated from each other: -o isolate=false cannot be had".into(),
        ));
    }
    Ok(Options {
        bridge: text("name").map(device).transpose()?,
        mtu: text("mtu").map(mtu).transpose()?,
        icc: boolean(options, "enable_icc", true)?,
        masquerade: boolean(options, "enable_ip_masquerade", true)?,
        binding: text("host_binding_ipv4").map(binding).transpose()?.flatten(),
        gateway_modes: [gateway_mode(text("gateway_mode_ipv4"))?, gateway_mode(text("gateway_mode_ipv6"))?],
        inhibit_ipv4: boolean(options, "inhibit_ipv4", false)?,
        trusted: trusted(text("trusted_host_interfaces").unwrap_or_default())?,
    })
}

/// Each option by its short name, with the name it was given by.
fn by_short_name(options: &BTreeMap<String, String>) -> Result<BTreeMap<&str, (&str, &str)>, Error> {
    let mut found: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (key, value) in options {
        let short = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
        let short = if key == "icc" { "enable_icc" } else { short };
        if !KNOWN.contains(&short) && key != "isolate" {
            let known = KNOWN.join(", ");
            return Err(Error::Refused(format!("unknown network option {key}; known are {known}")));
        }
        if let Some((other, _)) = found.insert(short, (key, value)) {
            return Err(Error::Refused(format!("the network options {other} and {key} are the same: give one")));
        }
    }
    Ok(found)
}

/// A device's name, as the kernel takes it (dev_valid_name), and without what a shell or nft would read otherwise.
fn device(name: &str) -> Result<String, Error> {
    let inert = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if inert && (1..=15).contains(&name.len()) && !name.starts_with(['.', '-']) {
        return Ok(name.into());
    }
    Err(Error::Refused(format!(
        "\"{name}\" cannot be a device's name: 1 to 15 letters, digits, \"-\", \"_\" and \".\""
    )))
}

/// A number of bytes that a link can have (net/ipv4 asks for 68 at least: RFC 791).
pub(super) fn mtu(text: &str) -> Result<u32, Error> {
    let wrong = || Error::Refused(format!("invalid MTU {text}: it should be from 68 to 65535"));
    text.parse().ok().filter(|mtu| (68..=65535).contains(mtu)).ok_or_else(wrong)
}

/// As Go's strconv.ParseBool reads it; `strict` is Podman's word for a network that is isolated.
fn boolean(options: &BTreeMap<&str, (&str, &str)>, key: &str, default: bool) -> Result<bool, Error> {
    let Some((given, value)) = options.get(key) else { return Ok(default) };
    match *value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "strict" if key == "isolate" => Ok(true),
        other => Err(Error::Refused(format!("invalid value {other} of {given}: it should be true or false"))),
    }
}

/// An address of the host; 0.0.0.0 is all of them, which is nothing new.
fn binding(text: &str) -> Result<Option<IpAddr>, Error> {
    let wrong = || Error::Refused(format!("invalid host_binding_ipv4 {text}: it should be an IPv4 address"));
    let address: Ipv4Addr = text.parse().map_err(|_| wrong())?;
    Ok(Some(address.into()))
}

fn gateway_mode(text: Option<&str>) -> Result<GatewayMode, Error> {
    match text {
        None | Some("" | "nat") => Ok(GatewayMode::Nat),
        Some("routed") => Ok(GatewayMode::Routed),
        Some("nat-unprotected") => Ok(GatewayMode::NatUnprotected),
        Some("isolated") => Ok(GatewayMode::Isolated),
        Some(other) => {
            let modes = "nat, routed, nat-unprotected or isolated";
            Err(Error::Refused(format!("unknown gateway mode {other}: it should be {modes}")))
        }
    }
}

/// Devices, separated by colons.
fn trusted(text: &str) -> Result<Vec<String>, Error> {
    text.split(':').filter(|name| !name.is_empty()).map(device).collect()
}

/// Name, driver, and what does not go together.
pub(super) fn check(new: &NewNetwork) -> Result<(), Error> {
    let name = &new.name;
    let inert = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !inert || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.len() > 128 {
        let grammar = "[a-zA-Z0-9][a-zA-Z0-9_.-]*, 128 characters at most";
        return Err(Error::Refused(format!("invalid network name \"{name}\": only {grammar}, are allowed")));
    }
    if [DEFAULT, "host", "none", "container", "default"].contains(&name.as_str()) {
        return Err(Error::Refused(format!("operation is not permitted on predefined {name} network")));
    }
    if !["", "bridge", "p2p"].contains(&new.driver.as_str()) {
        return Err(Error::Refused(format!("the network driver {} is not there: bridge and p2p are", new.driver)));
    }
    if new.driver == "p2p"
        && let Some(option) = by_short_name(&new.options)?.keys().find(|option| **option != "mtu")
    {
        return Err(Error::Refused(format!(
            "a network of the driver p2p has no bridge and no way out: no option {option}"
        )));
    }
    if new.no_ipv4 && !new.ipv6 && new.asked.subnets.is_empty() {
        return Err(Error::Refused("IPv4 or IPv6 must be enabled".into()));
    }
    let options = parse(&new.options)?;
    if options.gateway_modes.contains(&GatewayMode::Isolated) && !new.internal {
        let text = "gateway mode 'isolated' can only be used for an internal network: add --internal";
        return Err(Error::Refused(text.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: &str = "com.docker.network.bridge.";

    fn parsed(pairs: &[(&str, &str)]) -> Result<Options, Error> {
        parse(&pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    fn sentence(pairs: &[(&str, &str)]) -> String {
        parsed(pairs).unwrap_err().to_string()
    }

    #[test]
    fn options_mean_what_docker_means() {
        let plain = Options {
            bridge: None,
            mtu: None,
            icc: true,
            masquerade: true,
            binding: None,
            gateway_modes: [GatewayMode::Nat; 2],
            inhibit_ipv4: false,
            trusted: Vec::new(),
        };
        assert_eq!(parsed(&[]).unwrap(), plain);
        for prefix in [BRIDGE, ""] {
            let one = |key: &str, value: &str| parsed(&[(&format!("{prefix}{key}"), value)]).unwrap();
            assert_eq!(one("name", "demo0"), Options { bridge: Some("demo0".into()), ..plain.clone() });
            assert_eq!(one("enable_icc", "false"), Options { icc: false, ..plain.clone() });
            assert_eq!(one("enable_ip_masquerade", "0"), Options { masquerade: false, ..plain.clone() });
            assert_eq!(one("inhibit_ipv4", "True"), Options { inhibit_ipv4: true, ..plain.clone() });
            let binding = Some([127, 0, 0, 1].into());
            assert_eq!(one("host_binding_ipv4", "127.0.0.1"), Options { binding, ..plain.clone() });
            let modes = [GatewayMode::Routed, GatewayMode::Nat];
            assert_eq!(one("gateway_mode_ipv4", "routed"), Options { gateway_modes: modes, ..plain.clone() });
            let modes = [GatewayMode::Nat, GatewayMode::NatUnprotected];
            assert_eq!(one("gateway_mode_ipv6", "nat-unprotected"), Options { gateway_modes: modes, ..plain.clone() });
            let trusted = vec!["wg0".to_string(), "eth1".into()];
            assert_eq!(one("trusted_host_interfaces", "wg0:eth1"), Options { trusted, ..plain.clone() });
        }
        assert_eq!(parsed(&[("com.docker.network.driver.mtu", "1400")]).unwrap().mtu, Some(1400));
        assert_eq!(parsed(&[("mtu", "1400")]).unwrap().mtu, Some(1400));
        assert!(!parsed(&[("icc", "false")]).unwrap().icc);
        assert_eq!(parsed(&[("isolate", "strict")]).unwrap(), plain);
    }

    #[test]
    fn mistakes_are_sentences() {
        assert!(sentence(&[("nonsense", "1")]).starts_with("unknown network option nonsense; known are name, "));
        for name in ["", ".", "../x", "a b", "sixteen-letters-", "x;y", "x\n", "-x"] {
            assert!(sentence(&[("name", name)]).contains("cannot be a device's name"), "{name}");
        }
        assert_eq!(sentence(&[("mtu", "67")]), "invalid MTU 67: it should be from 68 to 65535");
        assert_eq!(sentence(&[("icc", "perhaps")]), "invalid value perhaps of icc: it should be true or false");
        assert!(sentence(&[("host_binding_ipv4", "::1")]).contains("it should be an IPv4 address"));
        assert!(
            sentence(&[("gateway_mode_ipv4", "open")]).starts_with("unknown gateway mode open: it should be nat, ")
        );
        assert!(sentence(&[("isolate", "false")]).starts_with("networks are always isolated"));
        assert!(sentence(&[("trusted_host_interfaces", "a b")]).contains("cannot be a device's name"));
        let twice = sentence(&[("icc", "true"), ("com.docker.network.bridge.enable_icc", "true")]);
        assert_eq!(twice, "the network options com.docker.network.bridge.enable_icc and icc are the same: give one");
    }

    #[test]
    fn names_and_drivers_are_checked() {
        let new =
            |name: &str, driver: &str| NewNetwork { name: name.into(), driver: driver.into(), ..NewNetwork::default() };
        assert!(check(&new("my-net", "bridge")).is_ok());
        for name in ["", "-x", "a/b", "a\nb", "bridge", "host", &"x".repeat(129)] {
            assert!(check(&new(name, "")).is_err(), "{name}");
        }
        assert!(check(&new("x", "overlay")).is_err());
    }

    #[test]
    fn a_network_needs_a_family_and_isolation_an_internal_one() {
        let none = NewNetwork { name: "x".into(), no_ipv4: true, ..NewNetwork::default() };
        assert_eq!(check(&none).unwrap_err().to_string(), "IPv4 or IPv6 must be enabled");
        assert!(check(&NewNetwork { ipv6: true, ..none }).is_ok());
        let options = BTreeMap::from([("gateway_mode_ipv4".to_string(), "isolated".to_string())]);
        let isolated = NewNetwork { name: "x".into(), options, ..NewNetwork::default() };
        assert!(check(&isolated).unwrap_err().to_string().contains("can only be used for an internal network"));
        assert!(check(&NewNetwork { internal: true, ..isolated }).is_ok());
    }
}
