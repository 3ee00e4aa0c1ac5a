//! Forgetting flows: NAT is decided by a flow's first packet and remembered.
//!
//! ```text
//! event                 what would go wrong                       forgotten
//! publish (udp)         a flow older than the mapping passes by   original target = host address, protocol, port
//! unpublish, stop       a flow goes on to the old container       reply source = container address [, protocol, port]
//! unlink                a flow goes on between the two            and reply target = the one that asked
//! ```
//!
//! IPv4: one IPCTNL_MSG_CT_DELETE with CTA_FILTER (Linux 5.8). IPv6: the filter takes an address the wrong way round, and
//! would forget everybody else's flows (seen on Linux 6.18); so flows are listed by protocol and port, looked at here, and
//! each is deleted by its own tuple. Kernels without conntrack are forgiven: such a flow then ends when it is idle. Always
//! after the map has changed, never before.

use std::net::IpAddr;

use super::link::family;
use super::socket::{Batch, Socket};
use crate::nft::{Element, Part, nested};
use crate::publish::Protocol;

/// NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
/// CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const FILTER: u16 = 25;

/// A port of a protocol.
type Port = (Protocol, u16);

/// Flows by who answers them: a container, or one of its ports, perhaps towards one peer alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// The container's address.
    pub by: IpAddr,
    /// Of this port only.
    pub port: Option<Port>,
    /// To this address only, of the same family.
    pub to: Option<IpAddr>,
}

impl Answered {
    /// The flows that end with this element; `None` if it has no part in who answers.
    pub(super) fn of(element: &Element) -> Option<Answered> {
        match *element {
            Element::Publish { protocol, to, to_port, .. } => {
                Some(Answered { by: to, port: Some((protocol, to_port)), to: None })
            }
            Element::Open { address, protocol, port } => {
                Some(Answered { by: address, port: Some((protocol, port)), to: None })
            }
            Element::Link { from, to, protocol, port } => {
                Some(Answered { by: to, port: Some((protocol, port)), to: Some(from) })
            }
            Element::Own { address, .. } => Some(Answered { by: address, port: None, to: None }),
            _ => None,
        }
    }

    /// Is everything of the other forgotten with this?
    pub(super) fn holds(&self, other: &Answered) -> bool {
        self.by == other.by
            && (self.port.is_none() || self.port == other.port)
            && (self.to.is_none() || self.to == other.to)
    }
}

/// Flows whose first packet went to this address and port of the host.
pub(super) fn forget_towards(socket: &mut Socket, address: IpAddr, port: Port) {
    let ends = Ends { source: None, target: Some(address), port: (End::Target, Some(port)) };
    forget(socket, address, ORIGINAL, ends);
}

/// Flows that this container answers.
pub(super) fn forget_answered(socket: &mut Socket, answered: Answered) {
    let ends = Ends { source: Some(answered.by), target: answered.to, port: (End::Source, answered.port) };
    forget(socket, answered.by, REPLY, ends);
}

/// What the kernel says to it is forgiven (see above).
fn forget(socket: &mut Socket, address: IpAddr, which: u16, ends: Ends) {
    if address.is_ipv4() {
        let _ = socket.send(request(DELETE, address, which, ends));
        return;
    }
    let by_port = Ends { source: None, target: None, ..ends };
    let listed = socket.send(request(GET, address, which, by_port)).unwrap_or_default();
    for flow in listed.iter().filter(|flow| is_meant(&flow.body, which, ends)) {
        let Some(tuple) = flow.body.get(4..).and_then(|body| nested(body, &[ORIGINAL])) else { continue };
        let body = [&[family(address), 0, 0, 0][..], Part::raw(ORIGINAL, tuple).bytes()].concat();
        let mut batch = Batch::default();
        batch.push(DELETE, 0, &body);
        batch.acknowledge();
        let _ = socket.send(batch);
    }
}

/// Lists flows, or deletes them, with a filter if there is something to compare.
fn request(kind: u16, address: IpAddr, which: u16, ends: Ends) -> Batch {
    let flags = ends.flags();
    let (original, reply) = if which == ORIGINAL { (flags, 0) } else { (0, flags) };
    let filter = Part::new().with(1, &original.to_ne_bytes()).with(2, &reply.to_ne_bytes());
    let attributes = if flags == 0 { Part::new() } else { ends.tuple(which).nested(FILTER, filter) };
    // nfgenmsg version 1: the kernel honours filters only of those who say that they know of them.
    let body = [&[family(address), 1, 0, 0][..], attributes.bytes()].concat();
    let mut batch = Batch::default();
    batch.push(kind, if kind == GET { Batch::DUMP } else { 0 }, &body);
    if kind == DELETE {
        batch.acknowledge();
    }
    batch
}

/// Has a flow that was listed these ends? Of IPv6.
fn is_meant(body: &[u8], which: u16, ends: Ends) -> bool {
    let Some(tuple) = body.get(4..).and_then(|body| nested(body, &[which])) else { return false };
    let address = |kind| {
        let octets: [u8; 16] = nested(tuple, &[1, kind])?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let is_port = |(end, port): (End, Option<Port>)| {
        let Some((protocol, port)) = port else { return true };
        nested(tuple, &[2, 1]) == Some(&[protocol.number()])
            && nested(tuple, &[2, end as u16]) == Some(&port.to_be_bytes())
    };
    // CTA_IP_V6_SRC, CTA_IP_V6_DST
    (ends.source.is_none() || address(3) == ends.source)
        && (ends.target.is_none() || address(4) == ends.target)
        && is_port(ends.port)
}

/// CTA_PROTO_SRC_PORT or CTA_PROTO_DST_PORT.
#[derive(Clone, Copy, Debug)]
enum End {
    Source = 2,
    Target = 3,
}

/// What is known of the two ends of a flow, in one of its directions.
#[derive(Clone, Copy, Debug)]
struct Ends {
    source: Option<IpAddr>,
    target: Option<IpAddr>,
    port: (End, Option<Port>),
}

impl Ends {
    /// What is compared: CTA_FILTER_F_CTA_IP_SRC, _IP_DST, _PROTO_NUM with _PROTO_SRC_PORT or _PROTO_DST_PORT.
    fn flags(&self) -> u32 {
        let port = match self.port {
            (_, None) => 0,
            (End::Source, _) => 8 | 16,
            (End::Target, _) => 8 | 32,
        };
        u32::from(self.source.is_some()) | u32::from(self.target.is_some()) << 1 | port
    }

    /// CTA_TUPLE { CTA_TUPLE_IP { addresses }, CTA_TUPLE_PROTO { number, port } }
    fn tuple(&self, which: u16) -> Part {
        // CTA_IP_V4_SRC, CTA_IP_V4_DST, and 2 more for IPv6.
        let ip = [(1, self.source), (2, self.target)].into_iter().fold(Part::new(), |part, (kind, end)| match end {
            None => part,
            Some(IpAddr::V4(v4)) => part.with(kind, &v4.octets()),
            Some(IpAddr::V6(v6)) => part.with(kind + 2, &v6.octets()),
        });
        let tuple = if ip.bytes().is_empty() { Part::new() } else { Part::new().nested(1, ip) };
        let (end, port) = self.port;
        let tuple = match port {
            None => tuple,
            Some((protocol, port)) => {
                tuple.nested(2, Part::new().with(1, &[protocol.number()]).with(end as u16, &port.to_be_bytes()))
            }
        };
        Part::new().nested(which, tuple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 18, 0, 2));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 18, 0, 3));
    const DNS: Port = (Protocol::Udp, 53);

    #[test]
    fn a_container_that_goes_takes_all_its_flows_along() {
        let all = Answered { by: ONE, port: None, to: None };
        let port = Answered { port: Some(DNS), ..all };
        let linked = Answered { to: Some(TWO), ..port };
        assert!(all.holds(&port) && all.holds(&linked) && port.holds(&linked));
        assert!(!port.holds(&all) && !linked.holds(&port));
        assert!(!Answered { by: TWO, ..all }.holds(&port));
    }

    #[test]
    fn what_is_compared_is_what_is_given() {
        let towards = Ends { source: None, target: Some(ONE), port: (End::Target, Some(DNS)) };
        assert_eq!(towards.flags(), 2 | 8 | 32);
        let linked = Ends { source: Some(ONE), target: Some(TWO), port: (End::Source, Some(DNS)) };
        assert_eq!(linked.flags(), 1 | 2 | 8 | 16);
        assert_eq!(linked.tuple(REPLY).bytes().len(), 4 + (4 + 8 + 8) + (4 + 8 + 8));
    }
}
