//! What `network create` may be told, and what it means.
//!
//! ```text
//! com.docker.network.bridge.name                  the host's device       br-<12 of the id>
//! com.docker.network.bridge.enable_icc            true, false             true
//! com.docker.network.bridge.enable_ip_masquerade  true, false             true
//! com.docker.network.driver.mtu                   68 to 65535 bytes       that of the way out of the host
//! ```

use std::collections::BTreeMap;

use super::{DEFAULT, NewNetwork};
use crate::error::Error;

const NAME: &str = "com.docker.network.bridge.name";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const MTU: &str = "com.docker.network.driver.mtu";

/// The options' meanings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) bridge: Option<String>,
    pub(super) mtu: Option<u32>,
    pub(super) icc: bool,
    pub(super) masquerade: bool,
}

/// Reads them all, so that a mistake is named before anything is made.
pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Options, Error> {
    let known = [NAME, ICC, MASQUERADE, MTU];
    if let Some(unknown) = options.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Error::Refused(format!("unknown network option {unknown}; known are {}", known.join(", "))));
    }
    Ok(Options {
        bridge: options.get(NAME).map(|name| device(name)).transpose()?,
        mtu: options.get(MTU).map(|text| mtu(text)).transpose()?,
        icc: boolean(options, ICC)?,
        masquerade: boolean(options, MASQUERADE)?,
    })
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

fn mtu(text: &str) -> Result<u32, Error> {
    let wrong = || Error::Refused(format!("invalid MTU {text}: it should be from 68 to 65535"));
    text.parse().ok().filter(|mtu| (68..=65535).contains(mtu)).ok_or_else(wrong)
}

/// As Go's strconv.ParseBool reads it; true without it.
fn boolean(options: &BTreeMap<String, String>, key: &str) -> Result<bool, Error> {
    match options.get(key).map(String::as_str) {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(Error::Refused(format!("invalid value {other} of {key}: it should be true or false"))),
    }
}

/// Name and driver.
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
    if !["", "bridge"].contains(&new.driver.as_str()) {
        return Err(Error::Refused(format!("the network driver {} is not there: only bridge is", new.driver)));
    }
    if new.gateway.is_some() && new.subnet.is_none() {
        return Err(Error::Refused("invalid network config: a --gateway needs a --subnet that holds it".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> String {
        let options = BTreeMap::from([(key.to_string(), value.to_string())]);
        parse(&options).map_or_else(|error| error.to_string(), |options| format!("{options:?}"))
    }

    #[test]
    fn options_mean_what_docker_means() {
        let plain = Options { bridge: None, mtu: None, icc: true, masquerade: true };
        assert_eq!(parse(&BTreeMap::new()).unwrap(), plain);
        assert!(one(NAME, "demo0").contains("\"demo0\""));
        assert!(one(ICC, "false").contains("icc: false"));
        assert!(one(MASQUERADE, "0").contains("masquerade: false"));
        assert!(one(MTU, "1400").contains("1400"));
    }

    #[test]
    fn mistakes_are_sentences() {
        assert!(one("nonsense", "1").starts_with("unknown network option nonsense; known are"));
        for name in ["", ".", "../x", "a b", "sixteen-letters-", "x;y", "x\n", "-x"] {
            assert!(one(NAME, name).contains("cannot be a device's name"), "{name}");
        }
        assert_eq!(one(MTU, "67"), "invalid MTU 67: it should be from 68 to 65535");
        assert!(one(ICC, "perhaps").contains("should be true or false"));
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
}
