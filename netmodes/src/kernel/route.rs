//! Routes: the container's default route, and what the host has already.
//!
//! ```text
//! add      RTM_NEWROUTE                    one route
//! all      RTM_GETROUTE, dump              every table of both families, so that VPNs with policy routing are seen
//! towards  RTM_GETROUTE, one address       by which device the host would send, and how much at once
//! ```

use std::net::IpAddr;

use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::socket::{Batch, Socket, attributes};
use super::tried;
use super::{address, link};
use crate::address::Cidr;
use crate::error::Error;

/// RT_TABLE_LOCAL: the host's own addresses, which are read by themselves.
const LOCAL_TABLE: u8 = 255;
/// RTN_UNICAST: a route that leads somewhere.
const UNICAST: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A route that the host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; 0.0.0.0/0 is a default route.
    pub to: Cidr,
    /// The number of the device by which it leaves; `None` for blackholes and the like.
    pub device: Option<u32>,
    /// What it carries at most, in bytes, if that is less than its device does.
    pub mtu: Option<u32>,
}

/// `ip route add TO via VIA dev DEVICE`
pub(super) fn add(socket: &mut Socket, device: &str, to: Option<Cidr>, via: Option<IpAddr>) -> Result<(), Error> {
    let message = message(socket, device, to, via)?;
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL);
    batch.acknowledge();
    socket.send(batch).map(|_| ()).map_err(tried(format!("make {}", words(device, to))))
}

/// `ip route del TO via VIA dev DEVICE`
pub(super) fn delete(socket: &mut Socket, device: &str, to: Option<Cidr>, via: Option<IpAddr>) -> Result<(), Error> {
    let message = match message(socket, device, to, via) {
        Err(Error::NotFound(_)) => return Ok(()),
        other => other?,
    };
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::DelRoute(message), 0);
    batch.acknowledge();
    socket.send(batch).map(|_| ()).map_err(tried(format!("delete {}", words(device, to))))
}

fn words(device: &str, to: Option<Cidr>) -> String {
    to.map_or(format!("the default route by \"{device}\""), |to| format!("the route to {to} by \"{device}\""))
}

fn message(socket: &mut Socket, device: &str, to: Option<Cidr>, via: Option<IpAddr>) -> Result<RouteMessage, Error> {
    let unspecified = match via {
        Some(IpAddr::V6(_)) => IpAddr::from([0u8; 16]),
        _ => IpAddr::from([0u8; 4]),
    };
    let to = to.unwrap_or(Cidr { address: unspecified, prefix: 0 });
    let builder = RouteMessageBuilder::<IpAddr>::new().output_interface(link::index(socket, device)?);
    // The prefix fits its family, as a Cidr's always does.
    let mut message = match builder.destination_prefix(to.network().address, to.prefix) {
        Ok(builder) => builder.build(),
        Err(error) => return Err(Error::Refused(format!("the route to {to} cannot be written: {error}"))),
    };
    message.header.protocol = RouteProtocol::Boot;
    match via {
        Some(via) => message.attributes.push(RouteAttribute::Gateway(match via {
            IpAddr::V4(v4) => RouteAddress::Inet(v4),
            IpAddr::V6(v6) => RouteAddress::Inet6(v6),
        })),
        None => message.header.scope = RouteScope::Link,
    }
    Ok(message)
}

/// Every route of every table, of both families, but those of the table of local addresses.
pub(super) fn all(socket: &mut Socket) -> Result<Vec<Route>, Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetRoute(RouteMessage::default()), Batch::DUMP);
    let answers = socket.send(batch).map_err(tried("list this host's routes"))?;
    Ok(answers
        .iter()
        .filter(|answer| answer.body.get(4) != Some(&LOCAL_TABLE))
        .filter_map(|a| parse(&a.body))
        .collect())
}

/// The route by which the host would send to this address; `None` if there is no way.
pub(super) fn towards(socket: &mut Socket, address: IpAddr) -> Result<Option<Route>, Error> {
    let mut message = RouteMessage::default();
    let (family, octets, prefix) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, RouteAddress::Inet(v4), 32),
        IpAddr::V6(v6) => (AddressFamily::Inet6, RouteAddress::Inet6(v6), 128),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = prefix;
    message.attributes.push(RouteAttribute::Destination(octets));
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetRoute(message), 0);
    match socket.send(batch) {
        // A route of the kind "unreachable" is an answer too: it leads to no device, or to lo.
        Ok(answers) => {
            Ok(answers.iter().filter(|answer| answer.body.get(7) == Some(&UNICAST)).find_map(|a| parse(&a.body)))
        }
        Err(refusal) if matches!(refusal.errno, Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EOPNOTSUPP) => {
            Ok(None)
        }
        Err(refusal) => Err(tried("look for the way out of this host")(refusal)),
    }
}

/// struct rtmsg of 12 bytes (family at 0, prefix length at 1, table at 4, type at 7), then RTA_DST (1), RTA_OIF (4) and
/// RTA_METRICS (8) with RTAX_MTU (2).
fn parse(body: &[u8]) -> Option<Route> {
    let value = |wanted| attributes(body.get(12..).unwrap_or_default()).find(|(kind, _)| *kind == wanted);
    let number = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
    let unspecified = match *body.first()? {
        AF_INET => IpAddr::from([0u8; 4]),
        AF_INET6 => IpAddr::from([0u8; 16]),
        _ => return None,
    };
    let to = value(1).and_then(|(_, bytes)| address::octets(bytes)).unwrap_or(unspecified);
    let metrics = value(8).map(|(_, metrics)| metrics).unwrap_or_default();
    Some(Route {
        to: Cidr::new(to, *body.get(1)?)?,
        device: value(4).and_then(|(_, index)| number(index)),
        mtu: attributes(metrics).find(|(kind, _)| *kind == 2).and_then(|(_, mtu)| number(mtu)),
    })
}
