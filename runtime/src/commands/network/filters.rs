//! `--filter` of networks.
//!
//! ```text
//! driver=bridge   id=0f3c   name=my   scope=local   type=custom|builtin   dangling=true|false   label=KEY[=VALUE]
//! label!=KEY[=VALUE]   until=24h|2026-11-22T17:00:00Z|1795370400
//!
//! several of one key: any of them will do (of labels: all of them must)        of several keys: all of them
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use netmodes::network::Network;

use super::inspect::builtin_id;
use crate::container::Containers;
use crate::host::Host;

/// What is asked of a network.
#[derive(Debug, Default)]
pub struct Filters {
    asked: BTreeMap<String, Vec<String>>,
    until: Option<Timestamp>,
}

/// What a filter looks at.
#[derive(Debug, Clone)]
pub struct Subject {
    pub name: String,
    pub id: String,
    pub driver: String,
    pub created: String,
    pub labels: BTreeMap<String, String>,
    pub ipv4: bool,
    pub ipv6: bool,
    pub internal: bool,
    /// Has every host one?
    pub is_builtin: bool,
}

impl From<Network> for Subject {
    fn from(network: Network) -> Subject {
        Subject {
            is_builtin: network.is_default(),
            ipv4: network.subnets.iter().any(|subnet| !subnet.is_ipv6()),
            ipv6: network.has_ipv6(),
            internal: network.internal,
            name: network.name,
            id: network.id,
            driver: network.driver,
            created: network.created,
            labels: network.labels,
        }
    }
}

impl Subject {
    /// `host` or `none`.
    pub fn builtin(name: &str) -> Subject {
        Subject {
            name: name.into(),
            id: builtin_id(name),
            driver: if name == "none" { "null" } else { name }.into(),
            created: String::new(),
            labels: BTreeMap::new(),
            ipv4: true,
            ipv6: false,
            internal: false,
            is_builtin: true,
        }
    }
}

impl Filters {
    /// Reads `KEY=VALUE`s.
    ///
    /// # Errors
    /// Docker's sentences.
    pub fn parse(words: &[String], known: &[&str]) -> Result<Filters> {
        let mut filters = Filters::default();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                bail!("invalid argument \"{word}\": bad format of filter (expected name=value)")
            };
            let key = key.trim().to_ascii_lowercase();
            if !known.contains(&key.as_str()) {
                bail!("invalid filter '{key}': known are {}", known.join(", "));
            }
            match (key.as_str(), value) {
                ("dangling", "true" | "1" | "false" | "0") | ("type", "custom" | "builtin") => {}
                ("dangling" | "type", _) => bail!("invalid filter '{key}={value}'"),
                ("until", _) => filters.until = Some(moment(value, Timestamp::now())?),
                _ => {}
            }
            filters.asked.entry(key).or_default().push(value.into());
        }
        Ok(filters)
    }

    /// Is there a question of this kind?
    pub fn asks(&self, key: &str) -> bool {
        self.asked.contains_key(key)
    }

    /// Is it one of those that are asked for? `users`: networks that containers have.
    pub fn take(&self, subject: &Subject, users: &BTreeSet<String>) -> bool {
        self.asked.iter().all(|(key, values)| {
            let any = |is: &dyn Fn(&str) -> bool| values.iter().any(|value| is(value));
            match key.as_str() {
                "driver" => any(&|value| subject.driver == value),
                "id" => any(&|value| subject.id.starts_with(value)),
                "name" => any(&|value| subject.name.contains(value)),
                "scope" => any(&|value| value == "local"),
                "type" => any(&|value| (value == "builtin") == subject.is_builtin),
                "dangling" => any(&|value| matches!(value, "true" | "1") == is_dangling(subject, users)),
                "label" => values.iter().all(|value| has_label(subject, value)),
                "label!" => !any(&|value| has_label(subject, value)),
                _ => self.until.is_none_or(|until| subject.created.parse::<Timestamp>().is_ok_and(|made| made < until)),
            }
        })
    }
}

/// No container has it, and it is not one that every host has.
fn is_dangling(subject: &Subject, users: &BTreeSet<String>) -> bool {
    !subject.is_builtin && !users.contains(&subject.name)
}

fn has_label(subject: &Subject, asked: &str) -> bool {
    match asked.split_once('=') {
        Some((key, value)) => subject.labels.get(key).is_some_and(|found| found == value),
        None => subject.labels.contains_key(asked),
    }
}

/// The names of networks that some container has, whether it runs or not.
///
/// # Errors
/// The containers cannot be listed.
pub fn users(host: &Host) -> Result<BTreeSet<String>> {
    let containers = Containers::of(host).list()?;
    let attached = containers.into_iter().flatten().flat_map(|container| container.record.network.attachments);
    Ok(attached.map(|attachment| attachment.network).collect())
}

/// A time, or how long before now: as Docker's `until`.
fn moment(word: &str, now: Timestamp) -> Result<Timestamp> {
    let before = |ago: SignedDuration| now.checked_sub(ago).ok();
    let civil = |word: &str| word.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let second = word.parse::<i64>().ok().and_then(|second| Timestamp::from_second(second).ok());
    let found = second
        .or_else(|| word.parse::<SignedDuration>().ok().and_then(before))
        .or_else(|| word.parse::<Timestamp>().ok())
        .or_else(|| civil(word).map(|zoned| zoned.timestamp()));
    match found {
        Some(moment) => Ok(moment),
        None => bail!("invalid filter 'until={word}': it should be a time, or how long ago, as 24h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, labels: &[(&str, &str)]) -> Subject {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Subject {
            id: "ab12".repeat(16),
            created: "2026-11-22T12:00:00Z".into(),
            driver: "bridge".into(),
            labels,
            is_builtin: false,
            ..Subject::builtin(name)
        }
    }

    fn taken(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let known = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type", "until"];
        let filters = Filters::parse(&words, &known).unwrap();
        let users = BTreeSet::from(["front".to_string()]);
        let all = [
            network("front", &[("tier", "web"), ("a", "")]),
            network("back", &[("tier", "db")]),
            Subject::builtin("host"),
        ];
        let names: Vec<&str> =
            all.iter().filter(|subject| filters.take(subject, &users)).map(|subject| subject.name.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn filters_mean_what_docker_means() {
        for (words, want) in [
            (&[][..], "front back host"),
            (&["driver=bridge"], "front back"),
            (&["driver=bridge", "driver=host"], "front back host"),
            (&["name=a"], "back"),
            (&["name=o"], "front host"),
            (&["id=ab12ab"], "front back"),
            (&["type=builtin"], "host"),
            (&["type=custom"], "front back"),
            (&["scope=local"], "front back host"),
            (&["scope=swarm"], ""),
            (&["dangling=true"], "back"),
            (&["dangling=false"], "front host"),
            (&["label=tier"], "front back"),
            (&["label=tier=web"], "front"),
            (&["label=tier", "label=a"], "front"),
            (&["label!=tier=web"], "back host"),
            (&["driver=bridge", "name=front"], "front"),
            (&["until=2026-11-22T13:00:00Z"], "front back"),
            (&["until=2026-11-22T11:00:00"], ""),
            (&["until=1"], ""),
        ] {
            assert_eq!(taken(words), want, "{words:?}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let refused =
            |word: &str| Filters::parse(&[word.into()], &["type", "dangling", "until"]).unwrap_err().to_string();
        assert_eq!(refused("x"), "invalid argument \"x\": bad format of filter (expected name=value)");
        assert_eq!(refused("x=1"), "invalid filter 'x': known are type, dangling, until");
        assert_eq!(refused("type=odd"), "invalid filter 'type=odd'");
        assert_eq!(refused("until=soon"), "invalid filter 'until=soon': it should be a time, or how long ago, as 24h");
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (word, want) in [
            ("90m", "2026-11-22T10:30:00Z"),
            ("1h30m", "2026-11-22T10:30:00Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22T10:30:00", "2026-11-22T10:30:00Z"),
            ("2026-11-22T11:30:00+01:00", "2026-11-22T10:30:00Z"),
            ("1795343400", "2026-11-22T10:30:00Z"),
        ] {
            assert_eq!(moment(word, now).unwrap().to_string(), want, "{word}");
        }
    }
}
