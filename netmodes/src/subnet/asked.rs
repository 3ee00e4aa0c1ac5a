//! Subnets that a person asks for: `--subnet`, `--gateway`, `--ip-range`, `--aux-address`.
//!
//! ```text
//! --subnet 10.9.0.0/16 --subnet fd09::/64      one of each family at most
//! --gateway 10.9.0.254                         belongs to the subnet of its family, and lies in it
//! --ip-range 10.9.128.0/17                     the same
//! --aux-address printer=10.9.0.9               the same, as many as there are
//! ```
//!
//! All that is wrong is said at once, in Docker's words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Subnet, Taken, check_free, first};
use crate::address::Cidr;
use crate::error::Error;

/// The words, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `--subnet`
    pub subnets: Vec<String>,
    /// `--gateway`
    pub gateways: Vec<String>,
    /// `--ip-range`
    pub ip_ranges: Vec<String>,
    /// `--aux-address NAME=ADDRESS`
    pub aux: BTreeMap<String, String>,
    /// For the two ends of a cable (`-d p2p`).
    pub cable: bool,
}

/// One subnet with what belongs to it, as words.
#[derive(Default)]
struct Words<'a> {
    subnet: &'a str,
    gateway: Option<&'a str>,
    ip_range: Option<&'a str>,
    aux: Vec<(&'a str, &'a str)>,
}

/// The subnets that were asked for, IPv4 first; none, if none was.
///
/// # Errors
/// Docker's sentences for what is wrong with them, all of them; for an overlap, one that names what is in the way.
pub fn check(asked: &Asked, taken: &[Taken]) -> Result<Vec<Subnet>, Error> {
    let mut wrong = Vec::new();
    let words = sorted(asked)?;
    let mut subnets: Vec<Subnet> =
        words.iter().filter_map(|words| understood(words, asked.cable, &mut wrong)).collect();
    match &wrong[..] {
        [] => {}
        [one] => return Err(Error::Refused(format!("invalid network config:\n{one}"))),
        several => return Err(Error::Refused(format!("invalid network config:\n* {}", several.join("\n* ")))),
    }
    subnets.sort_by_key(Subnet::is_ipv6);
    subnets.iter().try_for_each(|subnet| check_free(subnet.subnet, taken))?;
    Ok(subnets)
}

/// Every word with the subnet of its family.
fn sorted(asked: &Asked) -> Result<Vec<Words<'_>>, Error> {
    let refused = |text: String| Err(Error::Refused(text));
    let mut words: Vec<Words<'_>> = Vec::new();
    for subnet in &asked.subnets {
        if let Some(other) = words.iter().find(|other| is_ipv6(other.subnet) == is_ipv6(subnet)) {
            let family = if is_ipv6(subnet) { "IPv6" } else { "IPv4" };
            let other = other.subnet;
            return refused(format!(
                "a network has one subnet of {family}, and both {other} and {subnet} are asked for"
            ));
        }
        words.push(Words { subnet, ..Words::default() });
    }
    if words.is_empty() && (!asked.gateways.is_empty() || !asked.ip_ranges.is_empty()) {
        return refused("every ip-range or gateway must have a corresponding subnet".into());
    }
    if asked.cable && !(asked.gateways.is_empty() && asked.ip_ranges.is_empty() && asked.aux.is_empty()) {
        return refused(
            "a network of the driver p2p has two addresses: no gateway, no ip-range, no aux-address".into(),
        );
    }
    for gateway in &asked.gateways {
        let Some(words) = of_family(&mut words, gateway) else {
            return refused(format!("no matching subnet for gateway {gateway}"));
        };
        if let Some(other) = words.gateway.replace(gateway) {
            let subnet = words.subnet;
            return refused(format!(
                "cannot configure multiple gateways ({gateway}, {other}) for the same subnet ({subnet})"
            ));
        }
    }
    for range in &asked.ip_ranges {
        let Some(words) = of_family(&mut words, range) else {
            return refused(format!("no matching subnet for range {range}"));
        };
        if let Some(other) = words.ip_range.replace(range) {
            let subnet = words.subnet;
            return refused(format!(
                "cannot configure multiple ranges ({range}, {other}) on the same subnet ({subnet})"
            ));
        }
    }
    for (name, address) in &asked.aux {
        match of_family(&mut words, address) {
            Some(words) => words.aux.push((name, address)),
            None => return refused(format!("no matching subnet for aux-address {address}")),
        }
    }
    Ok(words)
}

fn of_family<'a, 'b>(words: &'b mut [Words<'a>], word: &str) -> Option<&'b mut Words<'a>> {
    words.iter_mut().find(|words| is_ipv6(words.subnet) == is_ipv6(word))
}

/// By its looks, as it may be nonsense.
fn is_ipv6(word: &str) -> bool {
    word.contains(':')
}

/// The subnet, if nothing is wrong with it.
fn understood(words: &Words<'_>, cable: bool, wrong: &mut Vec<String>) -> Option<Subnet> {
    let text = words.subnet;
    let Ok(subnet) = text.parse::<Cidr>() else {
        wrong.push(format!("invalid subnet {text}: invalid CIDR block notation"));
        return None;
    };
    let before = wrong.len();
    let most = if subnet.address.is_ipv4() { 30 } else { 126 };
    if subnet.network() != subnet {
        wrong.push(format!("invalid subnet {text}: it should be {}", subnet.network()));
    } else if subnet.address.is_multicast() || subnet.address.is_loopback() {
        wrong.push(format!("invalid subnet {text}: no host outside can have an address of it"));
    } else if cable && subnet.host_mask() != 1 {
        let two = Cidr { address: subnet.address, prefix: most + 1 };
        wrong.push(format!("invalid subnet {text}: a cable has two ends, so it should be {two}"));
    } else if !cable && subnet.prefix > most {
        wrong.push(format!("invalid subnet {text}: it has no room for a gateway and a container"));
    }
    let network = subnet.network();
    let ip_range = words.ip_range.map(|text| range(text, network).map_err(|more| wrong.extend(more)).ok());
    let gateway = words.gateway.map(|text| gateway(text, network).map_err(|error| wrong.push(error)).ok());
    let mut aux = BTreeMap::new();
    for (name, text) in &words.aux {
        match contained(text, network) {
            Ok(address) => drop(aux.insert((*name).to_owned(), address)),
            Err(error) => wrong.push(format!("invalid auxiliary address {name}: {error}")),
        }
    }
    let gateway = gateway.flatten().unwrap_or(first(network));
    (wrong.len() == before).then(|| Subnet { subnet, gateway, ip_range: ip_range.flatten(), aux })
}

fn range(text: &str, subnet: Cidr) -> Result<Cidr, Vec<String>> {
    let invalid = |why: String| format!("invalid ip-range {text}: {why}");
    let range: Cidr = text.parse().map_err(|_| vec![invalid("invalid CIDR block notation".into())])?;
    let mut wrong = Vec::new();
    if range.prefix < subnet.prefix {
        wrong.push(invalid(format!("CIDR block is bigger than its parent subnet {subnet}")));
    }
    if range.network() != range {
        wrong.push(invalid(format!("it should be {}", range.network())));
    }
    if !subnet.overlaps(range) {
        wrong.push(invalid(format!("parent subnet {subnet} doesn't contain ip-range")));
    }
    if wrong.is_empty() { Ok(range) } else { Err(wrong) }
}

fn gateway(text: &str, subnet: Cidr) -> Result<IpAddr, String> {
    let gateway = contained(text, subnet).map_err(|error| format!("invalid gateway {text}: {error}"))?;
    if gateway == subnet.address || gateway.is_ipv4() && gateway == subnet.last() {
        let why = format!("it is the first or the last address of {subnet}, which no host can have");
        return Err(format!("invalid gateway {text}: {why}"));
    }
    Ok(gateway)
}

fn contained(text: &str, subnet: Cidr) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "invalid address".to_string())?;
    if subnet.contains(address) {
        return Ok(address);
    }
    Err(format!("parent subnet {subnet} doesn't contain this address"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::taken;
    use super::*;

    /// `--subnet`s, `--gateway`s, `--ip-range`s and `--aux-address`es, separated by blanks.
    fn asked(words: &str) -> Asked {
        let mut asked = Asked::default();
        for word in words.split(' ').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("gateway", gateway)) => asked.gateways.push(gateway.into()),
                Some(("range", range)) => asked.ip_ranges.push(range.into()),
                Some((name, address)) => drop(asked.aux.insert(name.into(), address.into())),
                None => asked.subnets.push(word.into()),
            }
        }
        asked
    }

    fn shown(words: &str) -> String {
        match check(&asked(words), &taken(&["10.1.0.0/16", "fd01::/64"])) {
            Err(error) => error.to_string(),
            Ok(subnets) => {
                let one = |s: &Subnet| {
                    let range = s.ip_range.map_or(String::new(), |range| format!(" from {range}"));
                    let aux: String = s.aux.iter().map(|(name, aux)| format!(" {name}={aux}")).collect();
                    format!("{} {}{range}{aux}", s.subnet, s.gateway)
                };
                subnets.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        }
    }

    #[test]
    fn what_belongs_together_is_put_together() {
        for (words, want) in [
            ("", ""),
            ("10.9.0.0/24", "10.9.0.0/24 10.9.0.1"),
            ("10.9.0.0/24 gateway=10.9.0.254", "10.9.0.0/24 10.9.0.254"),
            ("fd09::/64 10.9.0.0/24", "10.9.0.0/24 10.9.0.1, fd09::/64 fd09::1"),
            (
                "10.9.0.0/16 fd09::/64 gateway=fd09::ff gateway=10.9.0.9 range=10.9.4.0/22 a=10.9.0.2 b=fd09::2 c=10.9.0.3",
                "10.9.0.0/16 10.9.0.9 from 10.9.4.0/22 a=10.9.0.2 c=10.9.0.3, fd09::/64 fd09::ff b=fd09::2",
            ),
        ] {
            assert_eq!(shown(words), want);
        }
    }

    #[test]
    fn mistakes_are_told_in_docker_s_words() {
        for (words, want) in [
            ("10.9.0.3/24", "invalid subnet 10.9.0.3/24: it should be 10.9.0.0/24"),
            ("10.9.0.0", "invalid subnet 10.9.0.0: invalid CIDR block notation"),
            ("10.9.0.0/31", "invalid subnet 10.9.0.0/31: it has no room for a gateway and a container"),
            ("fd09::/127", "invalid subnet fd09::/127: it has no room for a gateway and a container"),
            (
                "10.9.0.0/24 gateway=10.8.0.1",
                "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
            ),
            ("10.9.0.0/24 gateway=x", "invalid gateway x: invalid address"),
            (
                "10.9.0.0/24 gateway=10.9.0.255",
                "invalid gateway 10.9.0.255: it is the first or the last address of 10.9.0.0/24, which no host can have",
            ),
            ("10.9.0.0/24 range=x", "invalid ip-range x: invalid CIDR block notation"),
            (
                "10.9.0.0/24 range=10.0.0.0/8",
                "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.9.0.0/24",
            ),
            (
                "10.9.0.3/24 gateway=10.8.0.1 range=10.8.0.1/25 a=10.8.0.2",
                "* invalid subnet 10.9.0.3/24: it should be 10.9.0.0/24\n\
                 * invalid ip-range 10.8.0.1/25: it should be 10.8.0.0/25\n\
                 * invalid ip-range 10.8.0.1/25: parent subnet 10.9.0.0/24 doesn't contain ip-range\n\
                 * invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address\n\
                 * invalid auxiliary address a: parent subnet 10.9.0.0/24 doesn't contain this address",
            ),
        ] {
            assert_eq!(shown(words), format!("invalid network config:\n{want}"));
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (words, want) in [
            ("gateway=10.9.0.1", "every ip-range or gateway must have a corresponding subnet"),
            ("10.9.0.0/24 gateway=fd09::1", "no matching subnet for gateway fd09::1"),
            ("10.9.0.0/24 range=fd09::/64", "no matching subnet for range fd09::/64"),
            ("a=10.9.0.1", "no matching subnet for aux-address 10.9.0.1"),
            (
                "10.9.0.0/24 gateway=10.9.0.1 gateway=10.9.0.2",
                "cannot configure multiple gateways (10.9.0.2, 10.9.0.1) for the same subnet (10.9.0.0/24)",
            ),
            (
                "10.9.0.0/24 10.8.0.0/24",
                "a network has one subnet of IPv4, and both 10.9.0.0/24 and 10.8.0.0/24 are asked for",
            ),
            ("10.0.0.0/8", "Pool overlaps with other one on this address space: 10.0.0.0/8 and the route 10.1.0.0/16"),
            ("fd01::/48", "Pool overlaps with other one on this address space: fd01::/48 and the route fd01::/64"),
        ] {
            assert_eq!(shown(words), want);
        }
    }
}
