//! Our bytes, read by a decoder that somebody else wrote.
//!
//! ```text
//! Transaction -> bytes -> netlink-packet-netfilter -> messages     every attribute must be one that it knows
//! ```

use std::collections::BTreeMap;

use netlink_packet_netfilter::NetfilterMessage;
use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};

use super::{Element, probe_bridge, resolver, table_query, tables};
use crate::kernel::Batch;
use crate::publish::Protocol;

/// The messages of a batch.
fn decoded(batch: &Batch) -> Vec<NetlinkMessage<NetfilterMessage>> {
    let mut bytes = batch.bytes();
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let length = NetlinkBuffer::new(bytes).length() as usize;
        messages.push(NetlinkMessage::deserialize(&bytes[..length]).unwrap());
        bytes = &bytes[length..];
    }
    messages
}

/// How many of each kind there are, without the frame of the transaction.
fn kinds(batch: &Batch) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for message in decoded(batch) {
        let NetlinkPayload::InnerMessage(message) = message.payload else { panic!("not of netfilter: {message:?}") };
        let text = format!("{:?}", message.inner);
        let kind = text.split(['(', ')']).nth(1).unwrap_or_default().to_string();
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[test]
fn the_whole_ruleset_is_understood() {
    let batch = tables(true).into_batch();
    let kinds = kinds(&batch);
    let text = include_str!("ruleset.nft");
    let lines = |start: &str| text.lines().filter(|line| line.trim_start().starts_with(start)).count();
    assert_eq!(kinds["NewTable"], lines("table "));
    assert_eq!(kinds["NewChain"], lines("chain "));
    // Four sets are written inside rules.
    assert_eq!(kinds["NewSet"], lines("set ") + lines("map ") + 4);
    assert_eq!((kinds["DeleteRule"], kinds["NewSetElement"]), (2, 4));
    assert!(batch.bytes().len() < 64 * 1024, "one message of netlink holds no more");
}

#[test]
fn a_published_port_is_one_message() {
    let element =
        Element::Publish { at: None, protocol: Protocol::Tcp, port: 8080, to: [172, 18, 0, 2].into(), to_port: 80 };
    let messages = decoded(&element.add(true).into_batch());
    assert_eq!(messages.len(), 3);
    insta::assert_debug_snapshot!(messages[1]);
}

#[test]
fn keys_of_ipv6_are_addresses_in_full() {
    let mac = "02:42:ac:12:00:02".parse().unwrap();
    let (from, to) = ("fd00::3".parse().unwrap(), "fd00::2".parse().unwrap());
    for element in [
        Element::Link { from, to, protocol: Protocol::Tcp, port: 80 },
        Element::Open { address: to, protocol: Protocol::Udp, port: 53 },
        Element::Advertises { device: "web.x".into(), mac, address: "fd00::2".parse().unwrap() },
    ] {
        let NetlinkPayload::InnerMessage(message) = decoded(&element.add(false).into_batch()).remove(1).payload else {
            panic!("not of netfilter")
        };
        insta::assert_debug_snapshot!(element.set(), message.inner);
    }
}

#[test]
fn everything_else_is_understood_too() {
    for batch in [resolver(40001, 40002).into_batch(), probe_bridge().into_batch(), table_query("inet")] {
        assert!(!decoded(&batch).is_empty());
    }
}
