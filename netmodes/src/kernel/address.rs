//! Addresses of devices.
//!
//! ```text
//! Cidr 172.18.0.1/16 on br-a   ->   RTM_NEWADDR { index, local, broadcast }   and the kernel's own route 172.18.0.0/16
//! Cidr fd00::1/64    on br-a   ->   RTM_NEWADDR { index, local, nodad }       usable at once
//! ```
//!
//! Leases make an address its owner's, so nobody asks the link whether it is free (duplicate address detection, RFC
//! 4862, section 5.4): that would take a second, for ever on a bridge without ports, and a port with `hairpin` hears its
//! own question.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};

use super::link;
use super::socket::{Batch, Socket, attributes};
use super::tried;
use crate::address::Cidr;
use crate::error::Error;

/// `ip addr add ADDRESS dev DEVICE [noprefixroute] [nodad]`
pub(super) fn add(socket: &mut Socket, device: &str, address: Cidr, on_link: bool) -> Result<(), Error> {
    let mut message = message(socket, device, address)?;
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Noprefixroute, !on_link);
    flags.set(AddressFlags::Nodad, address.address.is_ipv6());
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL);
    send(socket, batch, &format!("give the address {address} to \"{device}\""))
}

/// `ip addr del ADDRESS dev DEVICE`
pub(super) fn delete(socket: &mut Socket, device: &str, address: Cidr) -> Result<(), Error> {
    let message = match message(socket, device, address) {
        Err(Error::NotFound(_)) => return Ok(()),
        other => other?,
    };
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::DelAddress(message), 0);
    send(socket, batch, &format!("take the address {address} from \"{device}\""))
}

fn message(socket: &mut Socket, device: &str, address: Cidr) -> Result<AddressMessage, Error> {
    let index = link::index(socket, device)?;
    Ok(match address.address {
        IpAddr::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(v4, address.prefix).build(),
        IpAddr::V6(v6) => {
            AddressMessageBuilder::<std::net::Ipv6Addr>::new().index(index).address(v6, address.prefix).build()
        }
    })
}

fn send(socket: &mut Socket, mut batch: Batch, what: &str) -> Result<(), Error> {
    batch.acknowledge();
    socket.send(batch).map(|_| ()).map_err(tried(what))
}

/// All addresses of this network namespace, of both families, with their devices' numbers: a dump of RTM_GETADDR.
pub(super) fn all(socket: &mut Socket) -> Result<Vec<(u32, Cidr)>, Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetAddress(AddressMessage::default()), Batch::DUMP);
    let answers = socket.send(batch).map_err(tried("list this host's addresses"))?;
    Ok(answers.iter().filter_map(|answer| parse(&answer.body)).collect())
}

/// struct ifaddrmsg of 8 bytes (prefix length at 1, index at 4), then IFA_LOCAL (2) or IFA_ADDRESS (1).
fn parse(body: &[u8]) -> Option<(u32, Cidr)> {
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let value = |wanted| attributes(body.get(8..).unwrap_or_default()).find(|(kind, _)| *kind == wanted);
    let address = octets(value(2).or_else(|| value(1))?.1)?;
    Some((index, Cidr::new(address, body[1])?))
}

/// An address of either family, by its length.
pub(super) fn octets(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
