//! The text of a container's /etc/hosts, as Docker writes it.
//!
//! ```text
//!   127.0.0.1 <tab> localhost
//!   ::1       <tab> localhost ip6-localhost ip6-loopback     these lines only with IPv6 in the container
//!   ...
//!   10.0.0.9  <tab> db            --add-host, in the order given
//!   172.18.0.2<tab> web           one line per address: "fqdn host" when there is a domain
//! ```
//!
//! Lines of networks and links come and go while the container runs. They are found again by their whole text alone, so a
//! line that somebody has changed is his, and stays.
//!
//! The file is read by programs that split at white space and lines, so a name that contains either is refused: one
//! newline in `--add-host` would let a name be pointed anywhere.

use std::fmt::Write;
use std::net::IpAddr;

use super::Error;

/// What stands in place of an address for "the host, as seen from the container".
pub const HOST_GATEWAY: &str = "host-gateway";

const IPV4_LINES: &str = "127.0.0.1\tlocalhost\n";
const IPV6_LINES: &str = "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
                          ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// One `--add-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name, as it was spelled.
    pub name: String,
    /// Where it points; `None` stands for `host-gateway`.
    pub address: Option<IpAddr>,
}

/// A line about the container itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnHost {
    /// An address of the container.
    pub address: IpAddr,
    /// Host name, and before it `host.domain` where a domain is set.
    pub names: Vec<String>,
}

/// Reads `name:address`, `name=address`, `name:[v6]`, `name:host-gateway`.
///
/// # Errors
/// Docker's sentences: `bad format for add-host: "x"`, `invalid IP address in add-host: "x"`.
pub fn parse_extra_host(text: &str) -> Result<ExtraHost, Error> {
    let bad = || Error::Invalid(format!("bad format for add-host: {text:?}"));
    let (name, value) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    if !is_word(name) {
        return Err(bad());
    }
    if value == HOST_GATEWAY {
        return Ok(ExtraHost { name: name.to_owned(), address: None });
    }
    let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
    let address = bare.parse().map_err(|_| Error::Invalid(format!("invalid IP address in add-host: {value:?}")))?;
    Ok(ExtraHost { name: name.to_owned(), address: Some(address) })
}

/// The whole file.
///
/// `gateway` is what `host-gateway` stands for: the host's addresses on the container's network, none on an internal one.
///
/// # Errors
/// A name that could break a line, or `host-gateway` without a gateway.
pub fn hosts(ipv6: bool, extra: &[ExtraHost], gateway: &[IpAddr], own: &[OwnHost]) -> Result<String, Error> {
    let mut text = String::from(IPV4_LINES);
    if ipv6 {
        text.push_str(IPV6_LINES);
    }
    append(&mut text, extra, gateway)?;
    for host in own {
        line(&mut text, host.address, &host.names)?;
    }
    Ok(text)
}

/// The file with `--network host`: the host's own text, or a fresh one as soon as something is added.
///
/// # Errors
/// As for [`hosts`].
pub fn hosts_of_host_network(host_text: &str, extra: &[ExtraHost], gateway: &[IpAddr]) -> Result<String, Error> {
    if extra.is_empty() {
        return Ok(host_text.to_owned());
    }
    hosts(true, extra, gateway, &[])
}

/// The lines for `own`, one each, as they stand in the file.
///
/// # Errors
/// A name that could break a line.
pub fn lines(own: &[OwnHost]) -> Result<Vec<String>, Error> {
    let each = own.iter().map(|host| {
        let mut text = String::new();
        line(&mut text, host.address, &host.names)?;
        Ok(text)
    });
    each.collect()
}

/// The lines that belong to IPv6, for a container that gets it while it runs.
pub fn ipv6_lines() -> Vec<String> {
    IPV6_LINES.split_inclusive('\n').map(str::to_owned).collect()
}

/// The file without the lines `gone` (each taken out once, if it is there to the letter) and with the lines `come` at its
/// end; `None` when that changes nothing. `come` holds lines that are not there already.
pub fn edited(text: &str, gone: &[String], come: &[String]) -> Option<String> {
    let mut kept: Vec<&str> = text.split_inclusive('\n').collect();
    for line in gone {
        if let Some(at) = kept.iter().rposition(|found| found == line) {
            kept.remove(at);
        }
    }
    let mut edited = kept.concat();
    let missing = come.iter().filter(|line| !kept.contains(&line.as_str()));
    for line in missing {
        if !edited.is_empty() && !edited.ends_with('\n') {
            edited.push('\n');
        }
        edited.push_str(line);
    }
    (edited != text).then_some(edited)
}

fn append(text: &mut String, extra: &[ExtraHost], gateway: &[IpAddr]) -> Result<(), Error> {
    for host in extra {
        let addresses = host.address.as_ref().map_or(gateway, std::slice::from_ref);
        if addresses.is_empty() {
            return Err(Error::Invalid(format!(
                "unable to derive the IP value for host-gateway (in --add-host {}:host-gateway): the container has no \
                 network with a gateway",
                host.name
            )));
        }
        for address in addresses {
            line(text, *address, std::slice::from_ref(&host.name))?;
        }
    }
    Ok(())
}

fn line(text: &mut String, address: IpAddr, names: &[String]) -> Result<(), Error> {
    if let Some(bad) = names.iter().find(|name| !is_word(name)) {
        return Err(Error::Invalid(format!(
            "{bad:?} cannot stand in /etc/hosts: a name has no blanks and no newlines"
        )));
    }
    writeln!(text, "{address}\t{}", names.join(" ")).map_err(|_| Error::Invalid("out of memory".into()))
}

/// One field of a hosts file: something, without white space, control characters or the sign of a comment.
fn is_word(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extra(text: &str) -> ExtraHost {
        parse_extra_host(text).unwrap()
    }

    fn own(address: &str, names: &[&str]) -> OwnHost {
        OwnHost { address: address.parse().unwrap(), names: names.iter().map(|n| n.to_string()).collect() }
    }

    #[test]
    fn both_families() {
        let text = hosts(true, &[extra("db:10.0.0.9")], &[], &[own("172.18.0.2", &["web.example", "web"])]).unwrap();
        assert_eq!(
            text,
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.0.0.9\tdb\n\
             172.18.0.2\tweb.example web\n"
        );
    }

    #[test]
    fn without_ipv6_its_lines_are_left_out() {
        let text = hosts(false, &[], &[], &[own("172.17.0.2", &["4c01db0b339c"])]).unwrap();
        assert_eq!(text, "127.0.0.1\tlocalhost\n172.17.0.2\t4c01db0b339c\n");
    }

    #[test]
    fn extra_hosts_as_docker_reads_them() {
        assert_eq!(extra("a=10.1.2.3"), extra("a:10.1.2.3"));
        assert_eq!(extra("a:::1").address, Some("::1".parse().unwrap()));
        assert_eq!(extra("a:[::1]"), extra("a=::1"));
        assert_eq!(extra("h:host-gateway").address, None);
        for (text, sentence) in [
            ("a", "bad format for add-host: \"a\""),
            (":1.2.3.4", "bad format for add-host: \":1.2.3.4\""),
            ("a:", "invalid IP address in add-host: \"\""),
            ("a:1.2.3", "invalid IP address in add-host: \"1.2.3\""),
            ("a:[::1", "invalid IP address in add-host: \"[::1\""),
        ] {
            assert_eq!(parse_extra_host(text).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn the_gateway_has_every_address_of_the_host_or_is_refused() {
        let gateway = ["172.18.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let text = hosts(false, &[extra("h:host-gateway")], &gateway, &[]).unwrap();
        assert!(text.ends_with("172.18.0.1\th\nfd00::1\th\n"), "{text}");
        let refused = hosts(false, &[extra("h:host-gateway")], &[], &[]).unwrap_err().to_string();
        assert!(refused.starts_with("unable to derive the IP value for host-gateway"), "{refused}");
    }

    #[test]
    fn a_newline_cannot_be_smuggled_in() {
        for text in ["a\n1.2.3.4 bank:10.0.0.1", "a b:10.0.0.1", "a\u{85}b:10.0.0.1", "#a:10.0.0.1", "a\r:10.0.0.1"] {
            assert!(parse_extra_host(text).is_err(), "{text:?}");
        }
        assert!(hosts(false, &[], &[], &[own("10.0.0.1", &["a\nb"])]).is_err());
    }

    #[test]
    fn lines_come_and_go_to_the_letter() {
        let line = |text: &str| vec![text.to_owned()];
        let text = "127.0.0.1\tlocalhost\n172.18.0.2\tweb\n";
        let with = edited(text, &[], &line("10.1.0.2\tweb\n")).unwrap();
        assert_eq!(with, format!("{text}10.1.0.2\tweb\n"));
        assert_eq!(edited(&with, &line("10.1.0.2\tweb\n"), &[]).unwrap(), text);
        assert_eq!(edited(&with, &[], &line("10.1.0.2\tweb\n")), None, "it is there already");
        assert_eq!(
            edited(text, &line("172.18.0.2\tweb\n"), &line("172.18.0.2\tweb\n")),
            None,
            "the last one stays last"
        );
        for changed in ["172.18.0.2\tweb # mine\n", "172.18.0.2 web\n", "172.18.0.22\tweb\n", "#172.18.0.2\tweb\n"] {
            assert_eq!(edited(changed, &line("172.18.0.2\tweb\n"), &[]), None, "{changed:?}");
        }
        assert_eq!(edited("a\nb", &[], &line("c\n")).unwrap(), "a\nb\nc\n", "a last line without an end");
        assert_eq!(edited("", &line("x\n"), &line("c\n")).unwrap(), "c\n", "a file that was emptied");
        assert_eq!(edited("x\ny\nx\n", &line("x\n"), &[]).unwrap(), "x\ny\n", "one of two, the later one");
    }

    #[test]
    fn each_address_has_its_line() {
        let own = [own("172.18.0.2", &["web.example", "web"]), own("fd00::2", &["web.example", "web"])];
        assert_eq!(lines(&own).unwrap(), ["172.18.0.2\tweb.example web\n", "fd00::2\tweb.example web\n"]);
        assert!(ipv6_lines().len() == 5 && ipv6_lines().concat() == IPV6_LINES);
    }

    #[test]
    fn the_host_network_keeps_the_hosts_file() {
        let host = "127.0.0.1 localhost # ours\n";
        assert_eq!(hosts_of_host_network(host, &[], &[]).unwrap(), host);
        let text = hosts_of_host_network(host, &[extra("db:10.0.0.9")], &[]).unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost\n::1\t") && text.ends_with("\n10.0.0.9\tdb\n"));
    }

    proptest! {
        #[test]
        fn what_came_goes_and_nothing_else(before in "([a-c]\n){0,6}", line in "[d-e]\n") {
            let come = [line];
            let with = edited(&before, &[], &come).unwrap();
            prop_assert_eq!(edited(&with, &come, &[]).unwrap(), before);
        }

        #[test]
        fn every_accepted_word_stays_one_line(text in "\\PC*|[a-z \n\r\t:=.0-9]{0,40}") {
            if let Ok(host) = parse_extra_host(&text) {
                let gateway = ["10.0.0.1".parse().unwrap()];
                let lines = hosts(false, &[host], &gateway, &[]).unwrap();
                prop_assert_eq!(lines.lines().count(), 2);
                prop_assert_eq!(lines.lines().nth(1).unwrap().split_whitespace().count(), 2);
            }
        }
    }
}
