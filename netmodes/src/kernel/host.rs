//! What the host has already: asked before a network is made.
//!
//! ```text
//! taken          routes of every table, addresses of every device, with the device's name for the sentence
//! link, links    one device by name, all of them
//! mtu_outwards   what the host's way out carries at once, of a family
//! believers      devices that take routes from router advertisements
//! ```

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Kernel, Link, Route, Socket, address, link, route};
use crate::error::Error;
use crate::subnet::Taken;

/// Any address outside will do: the question is which default route is taken. (RFC 5737 would be "nowhere".)
const OUTSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)), IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111))];

impl Kernel {
    /// A device of the host by its name.
    ///
    /// # Errors
    /// What the kernel refuses; absence is `None`.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        link::find(&mut self.host.route, name)
    }

    /// Every device of the host.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        link::all(&mut self.host.route)
    }

    /// What the way out carries at once, in bytes: the route's own limit, or its device's. `None` if there is no way out.
    pub(crate) fn mtu_outwards(&mut self, ipv6: bool) -> Result<Option<u32>, Error> {
        let route = route::towards(&mut self.host.route, OUTSIDE[usize::from(ipv6)])?;
        let Some(Route { device: Some(index), mtu, .. }) = route else { return Ok(None) };
        let device = link::by_index(&mut self.host.route, index)?.map(|link| link.mtu);
        Ok(device.into_iter().chain(mtu).min())
    }

    /// The devices that believe router advertisements only while the host does not forward (accept_ra = 1): empty if it
    /// does already. Ports of bridges hear nothing themselves.
    pub(crate) fn believers(&mut self) -> Result<Vec<String>, Error> {
        let setting = |key: String| fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{key}")).unwrap_or_default();
        if setting("all/forwarding".into()).trim() != "0" {
            return Ok(Vec::new());
        }
        let hears = |link: &Link| link.up && !link.loopback && link.master.is_none();
        let believes = |link: &Link| setting(format!("{}/accept_ra", link.name)).trim() == "1";
        let links = self.links()?.into_iter().filter(|link| hears(link) && believes(link));
        Ok(links.map(|link| link.name).collect())
    }
}

/// Every route and address of the calling thread's network namespace, default routes apart.
pub(crate) fn taken() -> Result<Vec<Taken>, Error> {
    let mut socket = Socket::open(Socket::ROUTE).map_err(|error| Error::system("open a netlink socket", error))?;
    let mut taken = Vec::new();
    for (index, range) in address::all(&mut socket)? {
        let by = format!("the address {range}{}", of_device(&mut socket, Some(index))?);
        taken.push(Taken { range, by });
    }
    for route in route::all(&mut socket)?.into_iter().filter(|route| route.to.prefix > 0) {
        let by = format!("the route {}{}", route.to, of_device(&mut socket, route.device)?);
        taken.push(Taken { range: route.to, by });
    }
    Ok(taken)
}

/// ` of the device eth0`
fn of_device(socket: &mut Socket, index: Option<u32>) -> Result<String, Error> {
    let link = index.map(|index| link::by_index(socket, index)).transpose()?.flatten();
    Ok(link.map_or(String::new(), |link| format!(" of the device {}", link.name)))
}
