//! Leases: which address is whose.
//!
//! ```text
//! <network>/leases/172.18.0.2 -> 4f1c…      one symbolic link per lease; what it says is the owner
//! <network>/leases/fd00::2    -> 4f1c…      of both families
//! <network>/cursor, cursor6                 the address that was leased last, of each family
//! ```
//!
//! symlink(2) makes name and content in one step and refuses a name that is there: no lease is ever without its owner,
//! and no two have one address, whatever crashes when. The cursor goes round the subnet, so that an address rests as
//! long as possible before somebody else has it. A lease is released only after its owner's journal has been undone.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::Cidr;
use crate::error::Error;
use crate::subnet::Subnet;

/// Addresses that somebody keeps who has no lease at the moment.
pub(crate) type Reserved = BTreeSet<IpAddr>;

/// One address that a container has on a network, and how it gets out from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network's prefix.
    pub prefix: u8,
    /// The next hop to elsewhere; none where there is no way out.
    pub gateway: Option<IpAddr>,
}

/// The leases of one network, in its state directory.
#[derive(Debug)]
pub(crate) struct Leases {
    network: PathBuf,
    directory: PathBuf,
}

impl Leases {
    /// Nothing is read or made yet.
    pub(crate) fn of(network: &Path) -> Leases {
        Leases { network: network.into(), directory: network.join("leases") }
    }

    /// Leases the next free address behind the cursor. The caller holds the network's lock.
    pub(crate) fn take(&self, subnet: &Subnet, owner: &str, reserved: &Reserved) -> Result<Option<IpAddr>, Error> {
        fs::create_dir_all(&self.directory).map_err(|error| Error::file("make", &self.directory, error))?;
        for address in candidates(subnet, self.last(subnet), reserved) {
            if self.take_this(address, owner)? {
                let cursor = self.cursor(subnet);
                fs::write(&cursor, address.to_string()).map_err(|error| Error::file("write", &cursor, error))?;
                return Ok(Some(address));
            }
        }
        Ok(None)
    }

    /// The address that would be leased next, as far as can be seen without the lock.
    pub(crate) fn next(&self, subnet: &Subnet, reserved: &Reserved) -> Option<IpAddr> {
        let is_free = |address: &IpAddr| fs::symlink_metadata(self.path(*address)).is_err();
        candidates(subnet, self.last(subnet), reserved).find(is_free)
    }

    /// Leases this address; `false` if it is somebody's.
    pub(crate) fn take_this(&self, address: IpAddr, owner: &str) -> Result<bool, Error> {
        fs::create_dir_all(&self.directory).map_err(|error| Error::file("make", &self.directory, error))?;
        match symlink(owner, self.path(address)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::file("write the lease", &self.path(address), error)),
        }
    }

    /// Gives an address back, if it is this owner's.
    pub(crate) fn release(&self, address: IpAddr, owner: &str) -> Result<(), Error> {
        let path = self.path(address);
        if self.owner(address)?.as_deref() != Some(Path::new(owner)) {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove the lease", &path, error)),
            _ => Ok(()),
        }
    }

    /// Every lease with its owner, by address.
    pub(crate) fn all(&self) -> Result<Vec<(IpAddr, String)>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| Error::file("read", &self.directory, error))?,
        };
        let mut leases = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::file("read", &self.directory, error))?;
            let Some(address) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let owner = self.owner(address)?;
            leases.extend(owner.and_then(|owner| Some((address, owner.to_str()?.to_owned()))));
        }
        leases.sort();
        Ok(leases)
    }

    /// Whose an address is, in words; `None` if it is nobody's.
    pub(crate) fn holder(&self, address: IpAddr) -> Result<Option<String>, Error> {
        Ok(self.owner(address)?.map(|owner| owner.to_string_lossy().into_owned()))
    }

    /// What a lease says; `None` when there is none (any more).
    fn owner(&self, address: IpAddr) -> Result<Option<PathBuf>, Error> {
        let path = self.path(address);
        match fs::read_link(&path) {
            Ok(owner) => Ok(Some(owner)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read the lease", &path, error)),
        }
    }

    fn path(&self, address: IpAddr) -> PathBuf {
        self.directory.join(address.to_string())
    }

    /// Where the cursor is: an index in the range of automatic leases. A cursor that cannot be read is before it.
    fn last(&self, subnet: &Subnet) -> Option<u128> {
        let text = fs::read_to_string(self.cursor(subnet)).unwrap_or_default();
        text.parse().ok().and_then(|address| range(subnet).index_of(address))
    }

    fn cursor(&self, subnet: &Subnet) -> PathBuf {
        self.network.join(if subnet.is_ipv6() { "cursor6" } else { "cursor" })
    }
}

/// Where addresses are chosen from.
fn range(subnet: &Subnet) -> Cidr {
    subnet.ip_range.unwrap_or(subnet.subnet)
}

/// Every address a container can have, once round from behind the cursor: not the network's own, not the gateway, none
/// that something else has, none that a container which does not run was promised.
fn candidates<'a>(
    subnet: &'a Subnet,
    cursor: Option<u128>,
    reserved: &'a Reserved,
) -> impl Iterator<Item = IpAddr> + 'a {
    let range = range(subnet);
    let next = cursor.map_or(0, |cursor| cursor.saturating_add(1));
    let round = (next..=range.host_mask()).chain(0..next);
    let addresses = round.filter_map(move |n| range.nth(n));
    addresses.filter(|address| subnet.reserved_for(*address).is_none() && !reserved.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn subnet(text: &str) -> Subnet {
        Subnet::plain(text.parse().unwrap())
    }

    fn take(leases: &Leases, subnet: &Subnet, owner: &str) -> Option<IpAddr> {
        leases.take(subnet, owner, &Reserved::new()).unwrap()
    }

    #[test]
    fn a_29_holds_five_and_all_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::of(directory.path());
        let small = subnet("10.0.0.0/29");
        for _ in 0..3 {
            let taken: BTreeSet<_> = (0..5).map(|n| take(&leases, &small, &format!("c{n}")).unwrap()).collect();
            assert_eq!(taken.len(), 5);
            assert_eq!(take(&leases, &small, "c5"), None);
            leases.all().unwrap().into_iter().for_each(|(address, owner)| leases.release(address, &owner).unwrap());
        }
    }

    #[test]
    fn an_address_rests_before_it_is_leased_again() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::of(directory.path());
        let network = subnet("10.0.0.0/24");
        let mut seen = BTreeSet::new();
        for _ in 0..253 {
            let address = take(&leases, &network, "c").unwrap();
            assert!(seen.insert(address), "{address} came again");
            leases.release(address, "c").unwrap();
        }
        assert_eq!(take(&leases, &network, "c").unwrap().to_string(), "10.0.0.2");
    }

    #[test]
    fn a_range_is_what_automatic_leases_come_from() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::of(directory.path());
        let mut network = subnet("10.0.0.0/24");
        network.ip_range = Some("10.0.0.252/30".parse().unwrap());
        network.aux.insert("printer".into(), [10, 0, 0, 253].into());
        let reserved = Reserved::from([[10, 0, 0, 252].into()]);
        assert_eq!(leases.next(&network, &reserved).unwrap().to_string(), "10.0.0.254");
        assert_eq!(leases.take(&network, "a", &reserved).unwrap().unwrap().to_string(), "10.0.0.254");
        assert_eq!(leases.take(&network, "b", &reserved).unwrap(), None, "one is the broadcast address");
        assert_eq!(take(&leases, &network, "web").unwrap().to_string(), "10.0.0.252");
    }

    #[test]
    fn families_have_cursors_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::of(directory.path());
        let networks = ["10.0.0.0/24", "fd00::/64"].map(subnet);
        for want in [["10.0.0.2", "fd00::2"], ["10.0.0.3", "fd00::3"]] {
            assert_eq!(networks.each_ref().map(|network| take(&leases, network, "c").unwrap().to_string()), want);
        }
        let small = subnet("fd01::/126");
        let room: Vec<_> = (0..3).map(|n| take(&leases, &small, &n.to_string()).map(|a| a.to_string())).collect();
        assert_eq!(room, [Some("fd01::2".into()), Some("fd01::3".into()), None]);
    }

    #[test]
    fn nobody_releases_what_is_another_ones() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::of(directory.path());
        let address = take(&leases, &subnet("10.0.0.0/24"), "mine").unwrap();
        leases.release(address, "yours").unwrap();
        assert_eq!(leases.all().unwrap(), [(address, "mine".to_string())]);
        assert!(!leases.take_this(address, "yours").unwrap());
    }

    proptest! {
        #[test]
        fn no_address_is_ever_leased_twice(prefix in 26u8..=30, moves in proptest::collection::vec((any::<bool>(), 0usize..40), 1..120)) {
            let directory = tempfile::tempdir().unwrap();
            let leases = Leases::of(directory.path());
            let network = subnet(&format!("10.0.0.0/{prefix}"));
            let mut held: BTreeMap<IpAddr, String> = BTreeMap::new();
            let room = (1usize << (32 - prefix)) - 3;
            for (n, (takes, which)) in moves.into_iter().enumerate() {
                let owner = format!("c{n}");
                if takes {
                    match take(&leases, &network, &owner) {
                        Some(address) => {
                            prop_assert!(network.subnet.contains(address) && address != network.gateway);
                            prop_assert!(address != network.subnet.address && address != network.subnet.last());
                            prop_assert!(held.insert(address, owner).is_none());
                        }
                        None => prop_assert_eq!(held.len(), room),
                    }
                } else if let Some((address, owner)) = held.clone().into_iter().nth(which) {
                    leases.release(address, &owner).unwrap();
                    held.remove(&address);
                }
            }
            prop_assert_eq!(leases.all().unwrap(), held.into_iter().collect::<Vec<_>>());
        }
    }
}
