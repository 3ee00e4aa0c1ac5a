//! `--network`, once or several times, short or long: the mode, and what is asked of each network.
//!
//! ```text
//! --network web                       Mode::Network, Attachment { web }
//! --network name=web,ip=172.18.0.9    the same with an address          --ip, --network-alias, …: of the first one
//! --network host                      Mode::Host, nothing to attach to
//! ```

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use netmodes::address::Mac;
use netmodes::network::Network;

use super::links;
use crate::cli::{ContainerArgs, NetworkConnectArgs};
use crate::container::Containers;
use crate::container::record::{Attachment, Mode};
use crate::host::Host;

/// Mode and attachments.
///
/// # Errors
/// Docker's sentence for the word that is wrong, or for two that do not go together.
pub fn attachments(host: &Host, args: &ContainerArgs) -> Result<(Mode, Vec<Attachment>)> {
    let mut wishes = args.network.iter().map(|word| parse(word)).collect::<Result<Vec<_>>>()?;
    if wishes.is_empty() {
        wishes.push(Attachment { network: "default".into(), ..Attachment::default() });
    }
    check_together(&wishes)?;
    let Some((first, _)) = wishes.split_first_mut() else { return Ok((Mode::Default, Vec::new())) };
    add_global(first, args)?;
    let mode = match first.network.as_str() {
        "host" => Mode::Host,
        "none" => Mode::None,
        "default" | "bridge" => Mode::Default,
        word if word.split(':').next() == Some("container") => container(host, word, args)?,
        name => Mode::Network(name.to_owned()),
    };
    match mode {
        Mode::Default | Mode::Network(_) => {}
        _ if first.mac.is_some() => bail!("conflicting options: mac-address and the network mode"),
        _ => wishes.iter().try_for_each(check_predefined)?,
    }
    match mode {
        Mode::Default => {
            wishes.iter().try_for_each(check_predefined)?;
            wishes[0].network = netmodes::network::DEFAULT.into();
        }
        Mode::Network(_) => resolve(host, &mut wishes)?,
        _ => wishes.clear(),
    }
    let links = links::links(host, &mode, &args.link)?;
    if let Some(first) = wishes.first_mut() {
        first.links = links;
    }
    Ok((mode, wishes))
}

/// What `network connect` asks of its network.
///
/// # Errors
/// As [`attachments`].
pub fn attachment(args: &NetworkConnectArgs, network: &Network) -> Result<Attachment> {
    let mut wish = Attachment { network: network.name.clone(), ..Attachment::default() };
    wish.aliases = args.alias.iter().map(|word| alias(word)).collect::<Result<_>>()?;
    (wish.ip, wish.ip6, wish.priority) = (args.ip, args.ip6, args.gw_priority);
    wish.mac = args.mac_address.as_deref().map(mac).transpose()?;
    for word in &args.driver_opt {
        set(&mut wish, "driver-opt", word)?;
    }
    if network.is_default() {
        check_predefined(&wish)?;
    }
    wish.links = links::of_network(network, &args.link)?;
    Ok(wish)
}

/// Is it one that somebody created? The others every host has.
fn is_user_defined(word: &str) -> bool {
    !matches!(word, "default" | "bridge" | "host" | "none") && !word.starts_with("container:") && word != "container"
}

fn check_together(wishes: &[Attachment]) -> Result<()> {
    let (own, predefined): (Vec<_>, Vec<_>) = wishes.iter().partition(|wish| is_user_defined(&wish.network));
    let mut seen = BTreeSet::new();
    if let Some(twice) = wishes.iter().find(|wish| !seen.insert(&wish.network)) {
        bail!("network \"{}\" is specified multiple times", twice.network);
    }
    if !own.is_empty() && !predefined.is_empty() {
        bail!("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
    }
    if predefined.len() > 1 {
        let names: Vec<&str> = predefined.iter().map(|wish| wish.network.as_str()).collect();
        bail!("Container cannot be connected to network endpoints: {}", names.join(", "));
    }
    Ok(())
}

/// The flags that speak of no network are of the first one.
fn add_global(first: &mut Attachment, args: &ContainerArgs) -> Result<()> {
    let conflicts = [
        (!args.network_alias.is_empty() && !first.aliases.is_empty(), "--network-alias and per-network alias"),
        (args.ip.is_some() && first.ip.is_some(), "--ip and per-network IPv4 address"),
        (args.ip6.is_some() && first.ip6.is_some(), "--ip6 and per-network IPv6 address"),
        (args.mac_address.is_some() && first.mac.is_some(), "--mac-address and per-network MAC address"),
    ];
    if let Some((_, what)) = conflicts.iter().find(|(is, _)| *is) {
        bail!("conflicting options: cannot specify both {what}");
    }
    first.aliases.extend(args.network_alias.iter().map(|word| alias(word)).collect::<Result<Vec<_>>>()?);
    first.ip = first.ip.or(args.ip);
    first.ip6 = first.ip6.or(args.ip6);
    if let Some(word) = &args.mac_address {
        first.mac = Some(mac(word)?);
    }
    Ok(())
}

/// What the networks that every host has cannot do.
fn check_predefined(wish: &Attachment) -> Result<()> {
    if !wish.aliases.is_empty() {
        bail!("network-scoped aliases are only supported for user-defined networks");
    }
    if wish.ip.is_some() || wish.ip6.is_some() {
        bail!("user-specified IP address is supported on user-defined networks only");
    }
    Ok(())
}

/// Found now, so that a wrong name makes nothing; looked up again, by its name, at each start.
fn resolve(host: &Host, wishes: &mut [Attachment]) -> Result<()> {
    let networks = crate::monitor::network::networks(host)?;
    for wish in wishes.iter_mut() {
        wish.network = networks.find(&wish.network)?.name;
    }
    let mut seen = BTreeSet::new();
    match wishes.iter().find(|wish| !seen.insert(&wish.network)) {
        Some(twice) => bail!("network \"{}\" is specified multiple times", twice.network),
        None => Ok(()),
    }
}

fn container(host: &Host, word: &str, args: &ContainerArgs) -> Result<Mode> {
    let other = word.strip_prefix("container:").unwrap_or_default();
    if other.is_empty() {
        bail!("invalid network mode: invalid container format container:<name|id>");
    }
    let conflicts = [
        (args.hostname.is_some(), "hostname and the network mode"),
        (!args.dns.is_empty(), "dns and the network mode"),
        (!args.add_host.is_empty(), "custom host-to-IP mapping and the network mode"),
        (args.mac_address.is_some(), "mac-address and the network mode"),
        (args.publish_all || !args.publish.is_empty(), "port publishing and the container type network mode"),
        (!args.expose.is_empty(), "port exposing and the container type network mode"),
    ];
    if let Some((_, what)) = conflicts.iter().find(|(is, _)| *is) {
        bail!("conflicting options: {what}");
    }
    Ok(Mode::Container(Containers::of(host).find(other)?.record.id))
}

/// One `--network`.
fn parse(word: &str) -> Result<Attachment> {
    let mut wish = Attachment::default();
    if !word.contains('=') {
        wish.network = word.to_owned();
        return if word.is_empty() { Err(anyhow!("network name/id is not specified")) } else { Ok(wish) };
    }
    for field in word.split(',') {
        let Some((key, value)) = field.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            bail!("invalid field {field}");
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        set(&mut wish, &key, value)?;
    }
    if wish.network.is_empty() {
        bail!("network name/id is not specified");
    }
    Ok(wish)
}

fn set(wish: &mut Attachment, key: &str, value: &str) -> Result<()> {
    match key {
        "name" => wish.network = value.to_owned(),
        "alias" => wish.aliases.push(alias(value)?),
        "ip" => wish.ip = Some(value.parse().map_err(|_| anyhow!("invalid IPv4 address: {value}"))?),
        "ip6" => wish.ip6 = Some(value.parse().map_err(|_| anyhow!("invalid IPv6 address: {value}"))?),
        "mac-address" => wish.mac = Some(mac(value)?),
        "gw-priority" => {
            wish.priority = value.parse().map_err(|_| anyhow!("invalid gw-priority ({value}): invalid syntax"))?;
        }
        "driver-opt" => {
            let pair = value.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) = pair.ok_or_else(|| anyhow!("invalid key/value pair format in driver options"))?;
            wish.options.insert(key.to_owned(), value.to_owned());
        }
        other => bail!("invalid field key {other}"),
    }
    Ok(())
}

/// A name on a network: what may stand in a question and in a path.
fn alias(word: &str) -> Result<String> {
    match netmodes::names::grammar::is_name(word) {
        true => Ok(word.to_owned()),
        false => Err(anyhow!("invalid alias {word}: it should be letters, digits, \"-\", \"_\" and \".\"")),
    }
}

/// A hardware address that one device can have.
fn mac(word: &str) -> Result<Mac> {
    let mac: Mac = word
        .to_ascii_lowercase()
        .replace('-', ":")
        .parse()
        .map_err(|_| anyhow!("{word} is not a valid mac address"))?;
    // IEEE 802: bit 0 of the first byte is that of a group.
    if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
        bail!("{word} is not a valid mac address: it is not that of a single device");
    }
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse("web").unwrap().network, "web");
        let long = parse("name=web,alias=a,alias=b,ip=172.18.0.9,ip6=fd00::9,mac-address=92:d0:c6:0a:29:33,gw-priority=-3,driver-opt=k=v")
            .unwrap();
        assert_eq!((long.network.as_str(), long.priority), ("web", -3));
        assert_eq!(long.aliases, ["a", "b"]);
        assert_eq!(long.options["k"], "v");
        assert_eq!(
            (long.ip.unwrap().to_string(), long.mac.unwrap().to_string()),
            ("172.18.0.9".into(), "92:d0:c6:0a:29:33".into())
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (word, want) in [
            ("", "network name/id is not specified"),
            ("alias=x", "network name/id is not specified"),
            ("name=web,nonsense", "invalid field nonsense"),
            ("name=web,colour=red", "invalid field key colour"),
            ("name=web,ip=1.2.3", "invalid IPv4 address: 1.2.3"),
            ("name=web,gw-priority=high", "invalid gw-priority (high): invalid syntax"),
            ("name=web,driver-opt=x", "invalid key/value pair format in driver options"),
            ("name=web,mac-address=92:d0", "92:d0 is not a valid mac address"),
            (
                "name=web,mac-address=01:00:5e:00:00:01",
                "01:00:5e:00:00:01 is not a valid mac address: it is not that of a single device",
            ),
            ("name=web,alias=a b", "invalid alias a b: it should be letters, digits, \"-\", \"_\" and \".\""),
        ] {
            assert_eq!(parse(word).unwrap_err().to_string(), want, "{word}");
        }
    }

    #[test]
    fn networks_that_cannot_be_together_are_refused() {
        let wishes = |words: &[&str]| words.iter().map(|word| parse(word).unwrap()).collect::<Vec<_>>();
        let together = |words: &[&str]| check_together(&wishes(words)).map_err(|error| error.to_string());
        assert!(together(&["a", "b"]).is_ok());
        assert_eq!(together(&["a", "a"]).unwrap_err(), "network \"a\" is specified multiple times");
        let both = "conflicting options: cannot attach both user-defined and non-user-defined network-modes";
        assert_eq!(together(&["a", "host"]).unwrap_err(), both);
        assert_eq!(
            together(&["bridge", "host"]).unwrap_err(),
            "Container cannot be connected to network endpoints: bridge, host"
        );
    }
}
