//! The settings of a host: `/etc/pontoon/config.toml`, which may be missing, and so may everything in it.
//!
//! ```text
//! [bridge]     address, address6, ip-range, icc     the default network
//! [networks]   pools, mtu                           every network
//! [publish]    ports, address                       published ports
//! ```
//!
//! `docs/config.md` says what each means; a test reads the file that stands there.
//!
//! It is read once by every command and every monitor. What is wrong in it is said with its line, and nothing is done:
//! half of a person's settings are not his settings.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use netmodes::network::settings::{DefaultBridge, EveryNetwork, Settings};
use netmodes::publish::Ports;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The default network.
    pub bridge: DefaultBridge,
    /// Every network.
    pub networks: EveryNetwork,
    /// Published ports.
    pub publish: Publish,
    /// Where it was looked for.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Published ports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// From which `-P` picks.
    #[serde(deserialize_with = "range")]
    pub ports: Ports,
    /// The host's address for `-p` without one; `None`: all of them.
    pub address: Option<IpAddr>,
}

impl Default for Publish {
    fn default() -> Publish {
        Publish { ports: Ports::PICKED, address: None }
    }
}

impl Config {
    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: a sentence with its line.
    pub fn read(path: &Path) -> Result<Config> {
        let path = std::path::absolute(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = match fs::read_to_string(&path) {
            // The monitor stays small where nothing is settled: not even the parser's pages are touched.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config { path, ..Config::default() }),
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let config = parse(&text).map_err(|error| anyhow!("{}{}", path.display(), error))?;
        Ok(Config { path, ..config })
    }

    /// What the networks need to know of it.
    pub fn settings(&self) -> Settings {
        Settings { bridge: self.bridge.clone(), networks: self.networks.clone() }
    }
}

/// The settings, or `, line 3: unknown field …`.
fn parse(text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!(", line {line}"));
        format!("{place}: {}", error.message().replace('\n', "; "))
    })
}

/// `49000-49900`, or one port.
fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ports, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let port = |word: &str| word.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let ports = port(first).zip(port(last)).filter(|(first, last)| first <= last);
    let ports = ports.map(|(first, last)| Ports { first, last });
    ports.ok_or_else(|| D::Error::custom(format!("invalid ports {text}: they should be as 49000-49900")))
}

#[cfg(test)]
mod tests;
