//! The netlink interpreter: a step becomes a kernel object.
//!
//! ```text
//! Kernel
//! |- host    Space { route, netfilter }     sockets of the namespace in which Kernel::open was called
//! |- peer    Space, netns                   those of the container at the other end of a cable
//! `- inside  Space { route, netfilter }     sockets of the container's, opened there before setns back
//!            netns                          its descriptor: a veth's peer is born in it, sysctls are written in it
//! ```
//!
//! A step's place decides which of them it acts in. Undo needs the host side alone: what lives in the container's
//! namespace dies with it.

mod address;
mod conntrack;
mod firewall;
mod foreign;
mod host;
mod link;
mod netns;
mod refill;
mod route;
mod socket;
mod sysctl;
mod vouched;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::address::Mac;
use crate::apply::Net;
use crate::error::Error;
use crate::nft::Data;
use crate::plan::{Place, Step};

pub use foreign::{ForeignDrop, forwards};
pub use link::{Link, Spanning};
pub use route::Route;
pub use socket::{Answer, Batch, Refusal, Socket};

pub(crate) use host::taken;
pub(crate) use socket::attributes;

/// The sockets of one network namespace.
struct Space {
    route: Socket,
    netfilter: Socket,
}

impl Space {
    fn open() -> Result<Space, Error> {
        let open = |protocol| Socket::open(protocol).map_err(|error| Error::system("open a netlink socket", error));
        Ok(Space { route: open(Socket::ROUTE)?, netfilter: open(Socket::NETFILTER)? })
    }
}

/// What reaches into a container's network namespace.
pub struct Inside {
    space: Space,
    netns: OwnedFd,
}

impl Inside {
    /// Opens the calling thread's network namespace: call it in the container's, straight after `unshare(CLONE_NEWNET)`.
    ///
    /// # Errors
    /// No descriptor left, or /proc is not there.
    pub fn open() -> Result<Inside, Error> {
        Ok(Inside { space: Space::open()?, netns: this_netns()? })
    }

    /// The namespace's descriptor, for `setns` and for those who join it.
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }
}

/// The kernel, by netlink.
pub struct Kernel {
    host: Space,
    inside: Option<Inside>,
    peer: Option<Inside>,
    /// The host devices of a veth whose container's end is not up yet: its own end, and the bridge.
    unsettled: Vec<String>,
    /// Were the firewall's tables made anew?
    rebuilt: bool,
    /// Which flows are to be forgotten when all elements are deleted.
    forgotten: Vec<conntrack::Answered>,
}

impl Kernel {
    /// Opens the sockets of the calling thread's network namespace, which is the host side from now on. Without
    /// `inside`, steps in a container's namespace are refused; that is enough for undo, for networks and for recovery.
    ///
    /// # Errors
    /// No descriptor left, or the kernel has no nf_tables.
    pub fn open(inside: Option<Inside>) -> Result<Kernel, Error> {
        Ok(Kernel {
            host: Space::open()?,
            inside,
            peer: None,
            unsettled: Vec::new(),
            rebuilt: false,
            forgotten: Vec::new(),
        })
    }

    /// The container's side, if there is one.
    pub fn inside(&self) -> Option<&Inside> {
        self.inside.as_ref()
    }

    /// Has this made the firewall's tables, as they were not there or not whole? If containers run, somebody else took
    /// their elements away (`nft flush ruleset`): [`crate::apply::reinstate`] their journals.
    /// Said once.
    pub fn take_rebuilt(&mut self) -> bool {
        std::mem::take(&mut self.rebuilt)
    }

    /// Reaches into the container at the other end of the cable that is made next.
    ///
    /// # Errors
    /// The namespace cannot be entered, or no descriptor is left.
    pub fn reach(&mut self, netns: BorrowedFd<'_>) -> Result<(), Error> {
        self.peer = Some(netns::within(netns, Inside::open)?);
        Ok(())
    }

    /// The cable is laid: the other container's namespace is not held any longer, or it would outlive its container.
    pub fn let_go(&mut self) {
        self.peer = None;
    }

    /// `ip link set DEVICE alias ALIAS`, of a device of the host; one that has gone is no error.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn describe(&mut self, device: &str, alias: &str) -> Result<(), Error> {
        absent_is_fine(link::set_alias(&mut self.host.route, device, alias))
    }

    fn space(&mut self, place: Place) -> Result<&mut Space, Error> {
        match place {
            Place::Host => Ok(&mut self.host),
            Place::Container | Place::Peer => Ok(&mut self.container(place)?.space),
        }
    }

    /// The inside of this container, or of the one at the other end.
    fn container(&mut self, place: Place) -> Result<&mut Inside, Error> {
        let inside = if place == Place::Peer { &mut self.peer } else { &mut self.inside };
        inside.as_mut().ok_or_else(not_open)
    }

    /// Makes the object. `EEXIST` is the caller's to judge.
    fn make(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Table { bridge } => self.make_tables(*bridge),
            // A set's element is a fact, not a claim: its key holds a leased address or a name that no other start has.
            Step::Element(element) => self.add_element(element, element.data() != Data::None),
            Step::Bridge { name, mac, mtu, alias } => link::make_bridge(&mut self.host.route, name, *mac, *mtu, alias),
            Step::Veth { .. } => self.make_veth(step),
            Step::Address { place, device, address, on_link } => {
                address::add(&mut self.space(*place)?.route, device, *address, *on_link)
            }
            Step::Cable { .. } => self.make_cable(step),
            Step::Up { place: Place::Container, device } => self.set_up_inside(device),
            Step::Up { place, device } => link::set_up(&mut self.space(*place)?.route, device, true),
            Step::Route { place, device, to, via } => route::add(&mut self.space(*place)?.route, device, *to, *via),
            Step::Sysctl { place: Place::Host, key, value } => sysctl::write(key, value),
            Step::Sysctl { place, key, value } => {
                netns::within(self.container(*place)?.netns.as_fd(), || sysctl::write(key, value))
            }
            Step::Resolver { udp, tcp } => self.make_resolver(*udp, *tcp),
            Step::NamedNetns { name, target } => netns::name(name, target),
        }
    }

    /// A cable of before may still be there, its other end in a namespace that is dying, or that somebody else keeps
    /// alive: it goes first, and with it the last way by which the dead could be heard.
    fn make_cable(&mut self, step: &Step) -> Result<(), Error> {
        let Step::Cable { peer, alias, .. } = step else { return Ok(()) };
        let far = self.peer.as_mut().ok_or_else(not_open)?;
        if link::find(&mut far.space.route, peer)?.is_some_and(|link| link.kind == "veth" && link.alias == *alias) {
            link::delete(&mut far.space.route, peer)?;
        }
        let inside = self.inside.as_mut().ok_or_else(not_open)?;
        link::make_cable(&mut inside.space.route, step, far.netns.as_fd())?;
        link::set_alias(&mut far.space.route, peer, alias)
    }

    fn make_veth(&mut self, step: &Step) -> Result<(), Error> {
        let inside = self.inside.as_ref().map(|inside| inside.netns.as_fd());
        let netns = inside.ok_or_else(not_open)?;
        link::make_veth(&mut self.host.route, step, netns)?;
        if let Step::Veth { name, bridge, .. } = step {
            self.unsettled = vec![name.clone(), bridge.clone()];
        }
        Ok(())
    }

    /// A veth has a carrier when both ends are up; its bridge forwards, and its queues take packets, once a worker of
    /// the kernel has seen that, some time later. What is sent before is lost, and a second passes until ARP asks
    /// again. RTM_GETLINK makes the kernel see it now (Linux 6.8; older ones are as quick as they are).
    fn set_up_inside(&mut self, device: &str) -> Result<(), Error> {
        link::set_up(&mut self.container(Place::Container)?.space.route, device, true)?;
        if device != "lo" {
            link::find(&mut self.container(Place::Container)?.space.route, device)?;
            for name in std::mem::take(&mut self.unsettled) {
                link::find(&mut self.host.route, &name)?;
            }
        }
        Ok(())
    }
}

impl Net for Kernel {
    fn add(&mut self, step: &Step) -> Result<(), Error> {
        self.make(step).map_err(|error| match error {
            Error::Kernel { source: Refusal { errno: Errno::EEXIST, .. }, .. } => Error::NotOurs(step.noun()),
            other => other,
        })
    }

    fn ensure(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Table { bridge } => self.ensure_tables(*bridge),
            Step::Element(element) => self.add_element(element, false),
            Step::Bridge { name, mac, alias, .. } => match link::find(&mut self.host.route, name)? {
                None => self.make(step),
                Some(link) if !is_our_bridge(&link, *mac, alias) => Err(Error::ForeignBridge(name.clone())),
                Some(link) if link.alias.is_empty() => link::set_alias(&mut self.host.route, name, alias),
                Some(_) => Ok(()),
            },
            _ => match self.make(step) {
                Err(Error::Kernel { source: Refusal { errno: Errno::EEXIST, .. }, .. }) => Ok(()),
                other => other,
            },
        }
    }

    fn ensure_all(&mut self, steps: &[Step]) -> Result<(), Error> {
        let is_firewall = |step: &&Step| matches!(step, Step::Table { .. } | Step::Element(_));
        let (firewall, others): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(is_firewall);
        let made = self.ensure_firewall(&firewall);
        others.into_iter().try_for_each(|step| self.ensure(step)).and(made)
    }

    fn del(&mut self, step: &Step) -> Result<(), Error> {
        if step.place() != Place::Host {
            return Ok(());
        }
        match step {
            Step::Element(element) => self.delete_element(element),
            Step::Bridge { name, mac, alias, .. } => match link::find(&mut self.host.route, name)? {
                Some(link) if is_our_bridge(&link, *mac, alias) => link::delete(&mut self.host.route, name),
                _ => Ok(()),
            },
            Step::Veth { name, .. } => absent_is_fine(link::set_up(&mut self.host.route, name, false)),
            Step::Up { device, .. } => absent_is_fine(link::set_up(&mut self.host.route, device, false)),
            Step::Address { device, address, .. } => {
                absent_is_fine(address::delete(&mut self.host.route, device, *address))
            }
            Step::Route { device, to, via, .. } => {
                absent_is_fine(route::delete(&mut self.host.route, device, *to, *via))
            }
            Step::NamedNetns { name, target } => netns::forget_name(name, target),
            Step::Table { .. } | Step::Sysctl { .. } | Step::Resolver { .. } | Step::Cable { .. } => Ok(()),
        }
    }

    /// The container's end of a veth goes with the host's. That takes the kernel some 30 ms, for which a container that
    /// lives on waits, as its next network wants the device's name.
    fn withdraw(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Veth { name, .. } => absent_is_fine(link::delete(&mut self.host.route, name)),
            Step::Cable { name, .. } => {
                absent_is_fine(link::delete(&mut self.container(Place::Container)?.space.route, name))
            }
            Step::Route { place: Place::Container, device, to, via } => {
                let route = &mut self.container(Place::Container)?.space.route;
                absent_is_fine(route::delete(route, device, *to, *via))
            }
            _ => self.del(step),
        }
    }

    fn settle(&mut self) {
        self.forget_flows();
    }
}

/// Is it the bridge that a step speaks of? Its alias says so; if its maker was killed before he could give it one, its
/// hardware address, which derives from the network's id.
fn is_our_bridge(link: &Link, mac: Mac, alias: &str) -> bool {
    link.kind == "bridge" && (link.alias == alias || link.alias.is_empty() && link.mac == Some(mac))
}

fn not_open() -> Error {
    Error::Refused("the container's network namespace is not open here".into())
}

/// `remove` forgives absence: no such device, address, route or process.
fn absent_is_fine(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Kernel { source, .. }) if is_absence(source.errno) => Ok(()),
        other => other,
    }
}

fn is_absence(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENODEV | Errno::EADDRNOTAVAIL | Errno::ESRCH)
}

/// A refusal with what was tried.
fn tried(what: impl Into<String>) -> impl FnOnce(Refusal) -> Error {
    let tried = what.into();
    move |source| Error::Kernel { tried, source }
}

/// `open("/proc/thread-self/ns/net")`
fn this_netns() -> Result<OwnedFd, Error> {
    let path = "/proc/thread-self/ns/net";
    File::open(path).map(OwnedFd::from).map_err(|error| Error::system(format!("open {path}"), error))
}
