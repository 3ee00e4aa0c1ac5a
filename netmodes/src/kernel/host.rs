//! What the host has already: asked before a network is made.
//!
//! ```text
//! taken          routes of every table, addresses of every device, with the device's name for the sentence
//! link           one device by name
//! mtu_outwards   MTU of the device by which the host sends to the outside
//! ```

use std::net::Ipv4Addr;

use super::{Kernel, Link, Socket, address, link, route};
use crate::error::Error;
use crate::subnet::Taken;

/// Any address outside will do: the question is which default route is taken. (RFC 5737 would be "nowhere".)
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

impl Kernel {
    /// A device of the host by its name.
    ///
    /// # Errors
    /// What the kernel refuses; absence is `None`.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        link::find(&mut self.host.route, name)
    }

    /// In bytes; `None` if there is no way out.
    pub(crate) fn mtu_outwards(&mut self) -> Result<Option<u32>, Error> {
        let Some(index) = route::towards(&mut self.host.route, OUTSIDE)? else { return Ok(None) };
        Ok(link::by_index(&mut self.host.route, index)?.map(|link| link.mtu))
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
