//! Forgetting flows: NAT is decided by a flow's first packet and remembered.
//!
//! ```text
//! event                 what would go wrong                       forgotten
//! publish (udp)         a flow older than the mapping passes by   original target = host address, protocol, port
//! unpublish, stop       a flow goes on to the old container       reply source = container address [, protocol, port]
//! ```
//!
//! One IPCTNL_MSG_CT_DELETE with CTA_FILTER (Linux 5.8). Kernels without it, or without conntrack, are forgiven: such a
//! flow then ends when it is idle. Always after the map has changed, never before.

use std::net::IpAddr;

use super::link::family;
use super::socket::{Batch, Socket};
use crate::nft::Part;
use crate::publish::Protocol;

/// NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
const DELETE: u16 = 1 << 8 | 2;
/// CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const FILTER: u16 = 25;

/// A port of a protocol.
pub(super) type Port = (Protocol, u16);

/// Flows whose first packet went to this address and port of the host.
pub(super) fn forget_towards(socket: &mut Socket, address: IpAddr, port: Port) {
    // CTA_FILTER_F_CTA_IP_DST, _PROTO_NUM, _PROTO_DST_PORT
    forget(socket, address, tuple(ORIGINAL, [2, 4], 3, address, Some(port)), (2 | 8 | 32, 0));
}

/// Flows that this container answers: all of them, or those of one of its ports.
pub(super) fn forget_answered_by(socket: &mut Socket, address: IpAddr, port: Option<Port>) {
    // CTA_FILTER_F_CTA_IP_SRC, and _PROTO_NUM, _PROTO_SRC_PORT
    let flags = if port.is_some() { 1 | 8 | 16 } else { 1 };
    forget(socket, address, tuple(REPLY, [1, 3], 2, address, port), (0, flags));
}

/// One request; what the kernel says to it is forgiven (see above).
fn forget(socket: &mut Socket, address: IpAddr, tuple: Part, (original, reply): (u32, u32)) {
    let filter = Part::new().with(1, &original.to_ne_bytes()).with(2, &reply.to_ne_bytes());
    // nfgenmsg version 1: the kernel honours filters only of those who say that they know of them.
    let body = [&[family(address), 1, 0, 0][..], tuple.nested(FILTER, filter).bytes()].concat();
    let mut batch = Batch::default();
    batch.push(DELETE, 0, &body);
    batch.acknowledge();
    let _ = socket.send(batch);
}

/// CTA_TUPLE { CTA_TUPLE_IP { address }, CTA_TUPLE_PROTO { number, port } }
fn tuple(which: u16, kinds: [u16; 2], port_kind: u16, address: IpAddr, port: Option<Port>) -> Part {
    let ip = match address {
        IpAddr::V4(v4) => Part::new().with(kinds[0], &v4.octets()),
        IpAddr::V6(v6) => Part::new().with(kinds[1], &v6.octets()),
    };
    let tuple = Part::new().nested(1, ip);
    let tuple = match port {
        None => tuple,
        Some((protocol, port)) => {
            tuple.nested(2, Part::new().with(1, &[protocol.number()]).with(port_kind, &port.to_be_bytes()))
        }
    };
    Part::new().nested(which, tuple)
}
