//! Addresses of a network: who gets which.
//!
//! ```text
//! asked for (--ip, --ip6)   of the subnet, and nobody's      else an error that names the holder
//! not asked for             the next one behind the cursor   not the gateway's, no aux address, not reserved
//!
//! reserved   what a person gave to a container that does not run: see `reserving`
//! ```
//!
//! One address a family, IPv4 first: all of them, or none.

use std::net::IpAddr;

use super::{Network, Networks};
use crate::error::Error;
use crate::lease::Leases;
use crate::subnet::Subnet;

/// The name of the container with this id; `None` if there is no such container. The caller knows containers; this crate
/// does not.
pub type NameOf<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Networks {
    /// Leases one address of each of the network's families to a container, by its id: those that were asked for, and
    /// the next free ones.
    ///
    /// # Errors
    /// The network is gone or has no free address; an address that was asked for is not of its subnets, or somebody has
    /// it. Nothing is leased then.
    pub fn lease(
        &self,
        network: &Network,
        owner: &str,
        wanted: &[IpAddr],
        name_of: NameOf<'_>,
    ) -> Result<Vec<IpAddr>, Error> {
        check_wanted(network, wanted)?;
        let _lock = self.lock(network)?;
        let leases = Leases::of(&self.directory(network));
        let reserved = self.reserved_for_others(network, owner, name_of)?;
        let next = |subnet: &Subnet| match leases.take(subnet, owner, &reserved)? {
            Some(address) => Ok(address),
            None => Err(full(network, subnet, &leases, name_of)?),
        };
        let this = |subnet: &Subnet, address: IpAddr| {
            check_free(&leases, subnet, address, name_of)?;
            // The lock is held: nobody takes it between the two lines.
            leases.take_this(address, owner).map(|_| address)
        };
        let mut taken = Vec::new();
        for subnet in &network.subnets {
            match of(subnet, wanted).map_or_else(|| next(subnet), |address| this(subnet, address)) {
                Ok(address) => taken.push(address),
                Err(error) => {
                    taken.into_iter().try_for_each(|address| leases.release(address, owner))?;
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    /// The addresses that [`Networks::lease`] would give now. Nobody has them for that.
    ///
    /// # Errors
    /// As [`Networks::lease`].
    pub fn foresee_lease(
        &self,
        network: &Network,
        owner: &str,
        wanted: &[IpAddr],
        name_of: NameOf<'_>,
    ) -> Result<Vec<IpAddr>, Error> {
        check_wanted(network, wanted)?;
        let leases = Leases::of(&self.directory(network));
        let reserved = self.reserved_for_others(network, owner, name_of)?;
        let foresee = |subnet: &Subnet| match of(subnet, wanted) {
            Some(address) => check_free(&leases, subnet, address, name_of).map(|()| address),
            None => match leases.next(subnet, &reserved) {
                Some(address) => Ok(address),
                None => Err(full(network, subnet, &leases, name_of)?),
            },
        };
        network.subnets.iter().map(foresee).collect()
    }

    /// Gives a container's address back. Only after its journal has been undone.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn release(&self, network: &Network, address: IpAddr, owner: &str) -> Result<(), Error> {
        Leases::of(&self.directory(network)).release(address, owner)
    }

    /// Gives back every address that a container has: recovery after a crash.
    ///
    /// # Errors
    /// The state directory cannot be read or written.
    pub fn release_all(&self, network: &Network, owner: &str) -> Result<(), Error> {
        let leases = Leases::of(&self.directory(network));
        let all = leases.all()?;
        all.into_iter().filter(|(_, who)| who == owner).try_for_each(|(address, who)| leases.release(address, &who))
    }

    /// Who has which address.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn leases(&self, network: &Network) -> Result<Vec<(IpAddr, String)>, Error> {
        Leases::of(&self.directory(network)).all()
    }
}

/// The address that was asked for of this subnet.
fn of(subnet: &Subnet, wanted: &[IpAddr]) -> Option<IpAddr> {
    wanted.iter().copied().find(|address| subnet.subnet.contains(*address))
}

/// Is every address of one of the subnets?
fn check_wanted(network: &Network, wanted: &[IpAddr]) -> Result<(), Error> {
    match wanted.iter().find(|address| network.subnet_of(**address).is_none()) {
        Some(address) => Err(Error::Refused(format!("no configured subnet contains IP address {address}"))),
        None => Ok(()),
    }
}

/// Can somebody have this address?
fn check_free(leases: &Leases, subnet: &Subnet, address: IpAddr, name_of: NameOf<'_>) -> Result<(), Error> {
    if let Some(what) = subnet.reserved_for(address) {
        return Err(in_use(address, &what));
    }
    let Some(holder) = leases.holder(address)? else { return Ok(()) };
    let name = name_of(&holder).unwrap_or_else(|| format!("{holder:.12}"));
    Err(in_use(address, &format!("the container {name}")))
}

/// Docker's words, and who it is.
fn in_use(address: IpAddr, holder: &str) -> Error {
    Error::Refused(format!("Address already in use: {address} belongs to {holder}"))
}

fn full(network: &Network, subnet: &Subnet, leases: &Leases, name_of: NameOf<'_>) -> Result<Error, Error> {
    if network.is_cable() {
        let here = leases.all()?.into_iter().filter(|(address, _)| subnet.subnet.contains(*address));
        let names: Vec<String> = here.map(|(_, id)| name_of(&id).unwrap_or_else(|| format!("{id:.12}"))).collect();
        let (name, names) = (&network.name, names.join(" and "));
        return Ok(Error::Refused(format!(
            "the network {name} is a cable with two ends, and {names} are there already"
        )));
    }
    let (name, family) = (&network.name, if subnet.is_ipv6() { "IPv6" } else { "IPv4" });
    let range = subnet.ip_range.unwrap_or(subnet.subnet);
    Ok(Error::Refused(format!("no available {family} addresses on the network {name} ({range})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::networks;

    fn nobody(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn what_cannot_be_had_names_who_has_it() {
        let (networks, mut network, _directory) = networks("10.0.0.0/24");
        network.subnets[0].aux.insert("printer".into(), [10, 0, 0, 9].into());
        let refused = |wanted: [u8; 4]| {
            let name_of = |id: &str| (id == "c1").then(|| "db".to_string());
            networks.lease(&network, "c9", &[wanted.into()], &name_of).unwrap_err().to_string()
        };
        networks.lease(&network, "c1", &[[10, 0, 0, 7].into()], &nobody).unwrap();
        networks.lease(&network, &"f".repeat(64), &[[10, 0, 0, 8].into()], &nobody).unwrap();
        let in_use = "Address already in use: 10.0.0";
        assert_eq!(refused([10, 0, 0, 7]), format!("{in_use}.7 belongs to the container db"));
        assert_eq!(refused([10, 0, 0, 8]), format!("{in_use}.8 belongs to the container ffffffffffff"));
        assert_eq!(refused([10, 0, 0, 1]), format!("{in_use}.1 belongs to the gateway"));
        assert_eq!(refused([10, 0, 0, 9]), format!("{in_use}.9 belongs to the auxiliary address printer"));
        assert_eq!(refused([10, 0, 0, 255]), format!("{in_use}.255 belongs to the subnet itself"));
        assert_eq!(refused([10, 0, 1, 1]), "no configured subnet contains IP address 10.0.1.1");
    }

    #[test]
    fn of_two_families_both_or_none() {
        let (networks, mut network, _directory) = networks("10.0.0.0/30");
        network.subnets.push(Subnet::plain("fd00::/64".parse().unwrap()));
        let text = |addresses: Vec<IpAddr>| addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>();
        assert_eq!(text(networks.foresee_lease(&network, "a", &[], &nobody).unwrap()), ["10.0.0.2", "fd00::2"]);
        assert_eq!(text(networks.lease(&network, "a", &[], &nobody).unwrap()), ["10.0.0.2", "fd00::2"]);
        let full = networks.lease(&network, "b", &["fd00::9".parse().unwrap()], &nobody).unwrap_err().to_string();
        assert_eq!(full, "no available IPv4 addresses on the network net (10.0.0.0/30)");
        networks.release_all(&network, "a").unwrap();
        let wanted = ["fd00::1".parse().unwrap()];
        assert!(networks.lease(&network, "b", &wanted, &nobody).is_err());
        assert_eq!(networks.leases(&network).unwrap(), [], "nothing is left of the one that was free");
    }
}
