//! Two rules in the container's own network namespace: what goes to 127.0.0.11:53 reaches the resolver's random ports.
//!
//! ```text
//! container program -> 127.0.0.11:53 --output, dnat--> 127.0.0.11:41234 (the monitor's socket, of this namespace)
//! ```
//!
//! Binding port 53 there would take it from a DNS server in the container that wants 0.0.0.0:53.

use super::message::{CREATE, Kind, Message, Transaction, family};
use super::rule::{Field, Rule};
use super::ruleset::{chain, rule};

const ADDRESS: [u8; 4] = [127, 0, 0, 11];
const DOMAIN: [u8; 2] = 53u16.to_be_bytes();

/// `table ip pontoon { chain resolver { … } }` for these ports.
pub(crate) fn resolver(udp: u16, tcp: u16) -> Transaction {
    let ip = family("ip");
    let mut transaction = Transaction::default();
    transaction.push(Message::new(Kind::NewTable, CREATE, ip).text(1, "pontoon"));
    transaction.push(chain(ip, "resolver", Some(("nat", 3, -100))));
    for (protocol, port) in [(17, udp), (6, tcp)] {
        let to_resolver = Rule::new("resolver").is(Field::Target4, &ADDRESS).is(Field::L4Proto, &[protocol]);
        rule(&mut transaction, ip, &to_resolver.is(Field::TargetPort, &DOMAIN).dnat_to(ADDRESS, port));
    }
    transaction
}
