//! What the file may say, and how its mistakes are told.

use super::*;

#[test]
fn the_file_of_the_documentation_is_read() {
    let page = include_str!("../../../docs/config.md");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let config = parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.bridge.address.unwrap().to_string(), "172.17.42.1/16");
    assert_eq!(config.bridge.address6.unwrap().to_string(), "fd17:42::1/64");
    assert_eq!(config.bridge.ip_range.unwrap().to_string(), "172.17.128.0/17");
    assert!(!config.bridge.icc);
    assert_eq!(config.networks.pools.len(), 2);
    assert_eq!(config.networks.mtu, Some(1450));
    assert_eq!(config.publish.ports, Ports { first: 40000, last: 40999 });
    assert_eq!(config.publish.address, Some([127, 0, 0, 1].into()));
    let settings: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(" = ")?.0.trim())).collect();
    assert!(settings.iter().all(|setting| page.contains(&format!("| `{setting}` |"))), "each has a line in the table");
}

#[test]
fn nothing_is_needed() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.publish.ports, Ports::PICKED);
    assert!(config.bridge.icc && config.bridge.address.is_none() && config.networks.pools.is_empty());
    let nowhere = Config::read(Path::new("/nonexistent/pontoon.toml")).unwrap();
    assert_eq!(nowhere.path, Path::new("/nonexistent/pontoon.toml"));
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, sentence) in [
        (
            "[bridge]\nadress = 1",
            ", line 2: unknown field `adress`, expected one of `address`, `address6`, `ip-range`, `icc`",
        ),
        ("\n[brigde]", ", line 2: unknown field `brigde`, expected one of `bridge`, `networks`, `publish`"),
        ("[bridge]\naddress = \"10.0.0.1\"", ", line 2: invalid CIDR address: 10.0.0.1"),
        (
            "[bridge]\naddress = \"10.0.0.0/24\"",
            ", line 1: invalid address 10.0.0.0: it is the first or the last address of 10.0.0.0/24, which no host can have",
        ),
        ("[bridge]\naddress = \"fd00::1/64\"", ", line 1: address = \"fd00::1/64\" is not of IPv4"),
        ("[bridge]\naddress6 = \"10.0.0.1/24\"", ", line 1: address6 = \"10.0.0.1/24\" is not of IPv6"),
        ("[bridge]\nip-range = \"10.0.0.0/24\"", ", line 1: an ip-range needs an address that says the subnet"),
        (
            "[bridge]\naddress = \"10.0.0.1/24\"\nip-range = \"10.0.1.0/24\"",
            ", line 1: invalid ip-range 10.0.1.0/24: parent subnet 10.0.0.0/24 doesn't contain ip-range",
        ),
        ("\n\n[networks]\nmtu = 67", ", line 4: invalid MTU 67: it should be from 68 to 65535"),
        (
            "[networks]\npools = [{ base = \"10.0.0.0/16\", size = 8 }]",
            ", line 2: the pool 10.0.0.0/16 cannot be cut into subnets of /8",
        ),
        ("[publish]\nports = \"10-5\"", ", line 2: invalid ports 10-5: they should be as 49000-49900"),
        ("[publish]\nports = \"0\"", ", line 2: invalid ports 0: they should be as 49000-49900"),
        ("[publish]\naddress = \"localhost\"", ", line 2: invalid IP address syntax"),
        ("[publish\n", ", line 1: "),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(sentence), "{text:?}: {error}");
    }
}
