//! Links: bridges, veth pairs, up and down.
//!
//! ```text
//! host                                        container's network namespace
//! br-a (bridge) <- master - web.x (veth) ===== eth0 (veth), born there in the same message
//!                           hairpin on
//! ```
//!
//! A device is named in the request, so that nothing has to be looked up first, but for the index of a bridge that gets
//! a port. A veth's peer cannot be up in the message that makes it.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkMessage,
};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::socket::{Batch, Socket, attributes};
use super::tried;
use crate::address::Mac;
use crate::error::Error;
use crate::plan::Step;

/// What is known of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its kind: `bridge`, `veth`; empty for hardware.
    pub kind: String,
    /// `ifalias`
    pub alias: String,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<Mac>,
    /// In bytes.
    pub mtu: u32,
    /// IFF_UP
    pub up: bool,
    /// IFF_LOOPBACK
    pub loopback: bool,
    /// The number of the bridge that it is a port of.
    pub master: Option<u32>,
    /// What a bridge says of itself.
    pub bridge: Option<Spanning>,
}

/// A bridge, as the spanning tree protocol sees it (IEEE 802.1D).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanning {
    /// Its priority and its hardware address: `8000.024218b1c001`.
    pub id: String,
    /// Does it speak the protocol?
    pub stp: bool,
}

/// RTM_GETLINK by name; `None` if there is no such device.
pub(super) fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
    get(socket, LinkUnspec::new_with_name(name).build(), &format!("look for the device \"{name}\""))
}

/// RTM_GETLINK by index.
pub(super) fn by_index(socket: &mut Socket, index: u32) -> Result<Option<Link>, Error> {
    get(socket, LinkUnspec::new_with_index(index).build(), &format!("look for the device number {index}"))
}

fn get(socket: &mut Socket, message: LinkMessage, what: &str) -> Result<Option<Link>, Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetLink(message), 0);
    match socket.send(batch) {
        Ok(answers) => Ok(answers.first().and_then(|answer| parse(&answer.body))),
        Err(refusal) if refusal.errno == Errno::ENODEV => Ok(None),
        Err(refusal) => Err(tried(what)(refusal)),
    }
}

/// Every device of this network namespace: a dump of RTM_GETLINK.
pub(super) fn all(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetLink(LinkMessage::default()), Batch::DUMP);
    let answers = socket.send(batch).map_err(tried("list the devices"))?;
    Ok(answers.iter().filter_map(|answer| parse(&answer.body)).collect())
}

/// struct ifinfomsg of 16 bytes (index at 4, flags at 8), then IFLA_* attributes.
fn parse(body: &[u8]) -> Option<Link> {
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_ne_bytes).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string();
    let flags = number(body.get(8..12)?);
    let mut link =
        Link { index: number(body.get(4..8)?), up: flags & 1 != 0, loopback: flags & 8 != 0, ..Link::default() };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            1 => link.mac = value.try_into().ok().map(Mac),
            3 => link.name = text(value),
            4 => link.mtu = number(value),
            10 => link.master = Some(number(value)),
            20 => link.alias = text(value),
            18 => {
                link.kind = attributes(value).find(|(kind, _)| *kind == 1).map(|(_, kind)| text(kind))?;
                let data = attributes(value).find(|(kind, _)| *kind == 2).filter(|_| link.kind == "bridge");
                link.bridge = data.map(|(_, data)| spanning(data));
            }
            _ => {}
        }
    }
    Some(link)
}

/// IFLA_INFO_DATA of a bridge: IFLA_BR_STP_STATE (5) and IFLA_BR_BRIDGE_ID (11), of two and six bytes.
fn spanning(data: &[u8]) -> Spanning {
    let value = |wanted| attributes(data).find(|(kind, _)| *kind == wanted).map(|(_, value)| value).unwrap_or_default();
    let digits: Vec<String> = value(11).iter().map(|byte| format!("{byte:02x}")).collect();
    let (priority, mac) = digits.split_at(digits.len().min(2));
    Spanning { id: format!("{}.{}", priority.concat(), mac.concat()), stp: value(5).iter().any(|byte| *byte != 0) }
}

/// The index of a device that must be there.
pub(super) fn index(socket: &mut Socket, name: &str) -> Result<u32, Error> {
    if name == "lo" {
        return Ok(1);
    }
    let missing = || Error::NotFound(format!("there is no device \"{name}\""));
    find(socket, name)?.map(|link| link.index).ok_or_else(missing)
}

/// `ip link add NAME address MAC mtu MTU type bridge`, then its alias.
pub(super) fn make_bridge(socket: &mut Socket, name: &str, mac: Mac, mtu: u32, alias: &str) -> Result<(), Error> {
    let bridge = LinkMessageBuilder::<LinkBridge>::new(name).address(mac.0.to_vec()).mtu(mtu).build();
    create(socket, bridge, &format!("make the bridge \"{name}\""))?;
    set_alias(socket, name, alias)
}

/// `ip link set NAME alias ALIAS`: the kernel ignores an alias in the message that makes a device.
pub(super) fn set_alias(socket: &mut Socket, name: &str, alias: &str) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(name).alias(alias).build();
    change(socket, RouteNetlinkMessage::SetLink(message), &format!("say what \"{name}\" is"))
}

/// `ip link add NAME type veth peer PEER netns …`, the host end up and in its bridge, then its alias and port flags.
/// Two requests, one after the other: in one send the second would change even a foreign device of that name.
pub(super) fn make_veth(socket: &mut Socket, step: &Step, netns: BorrowedFd<'_>) -> Result<(), Error> {
    let Step::Veth { name, peer, bridge, mac, mtu, isolated, alias } = step else { return Ok(()) };
    let master = index(socket, bridge)?;
    let peer = LinkUnspec::new_with_name(peer).address(mac.0.to_vec()).mtu(*mtu).setns_by_fd(netns.as_raw_fd());
    let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(name.clone())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
    let what = format!("make the veth pair \"{name}\"");
    create(socket, pair.mtu(*mtu).controller(master).up().build(), &what)?;
    let flags = vec![InfoBridgePort::HairpinMode(true), InfoBridgePort::Isolated(*isolated)];
    let port = LinkUnspec::new_with_name(name).alias(alias).set_port_kind(InfoPortKind::Bridge);
    let port = port.set_port_data(InfoPortData::BridgePort(flags)).build();
    // RTM_NEWLINK of a device that is there changes it; RTM_SETLINK does not look at a port's flags.
    change(socket, RouteNetlinkMessage::NewLink(port), &what)
}

/// `ip link add NAME type veth peer PEER netns …`, in the container: from there straight into another one.
pub(super) fn make_cable(socket: &mut Socket, step: &Step, far: BorrowedFd<'_>) -> Result<(), Error> {
    let Step::Cable { name, mac, peer, peer_mac, mtu, alias, .. } = step else { return Ok(()) };
    let peer = LinkUnspec::new_with_name(peer).address(peer_mac.0.to_vec()).mtu(*mtu).setns_by_fd(far.as_raw_fd());
    let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(name.clone())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
    create(socket, pair.mtu(*mtu).address(mac.0.to_vec()).build(), &format!("make the cable \"{name}\""))?;
    set_alias(socket, name, alias)
}

/// `ip link set NAME up|down`
pub(super) fn set_up(socket: &mut Socket, name: &str, up: bool) -> Result<(), Error> {
    let builder = LinkUnspec::new_with_name(name);
    let message = if up { builder.up().build() } else { builder.down().build() };
    let what = format!("set \"{name}\" {}", if up { "up" } else { "down" });
    change(socket, RouteNetlinkMessage::SetLink(message), &what)
}

/// `ip link del NAME`; one that is not there is no error.
pub(super) fn delete(socket: &mut Socket, name: &str) -> Result<(), Error> {
    let message = RouteNetlinkMessage::DelLink(LinkUnspec::new_with_name(name).build());
    super::absent_is_fine(change(socket, message, &format!("delete \"{name}\"")))
}

/// RTM_NEWLINK of a device that must not be there.
fn create(socket: &mut Socket, message: LinkMessage, what: &str) -> Result<(), Error> {
    send(socket, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL, what)
}

/// A request to a device that must be there.
fn change(socket: &mut Socket, message: RouteNetlinkMessage, what: &str) -> Result<(), Error> {
    send(socket, message, 0, what)
}

fn send(socket: &mut Socket, message: RouteNetlinkMessage, flags: u16, what: &str) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.route(message, flags);
    batch.acknowledge();
    socket.send(batch).map(|_| ()).map_err(tried(what))
}

/// The family's number: AF_INET, AF_INET6.
pub(super) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}
