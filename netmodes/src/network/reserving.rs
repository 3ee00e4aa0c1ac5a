//! Addresses that a person gave to a container (`--ip`): kept for it while it does not run.
//!
//! ```text
//! <records>/reserved/<network id>/172.18.0.9@<container id>       an empty file; lasts, as the container's record does
//! ```
//!
//! Nobody else gets such an address without asking for it. Two containers that ask for the same one may both be there,
//! as in Docker: whoever runs has it. A file whose container is gone counts for nothing and is removed by who meets it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{NameOf, Network, Networks};
use crate::error::Error;

impl Networks {
    /// Keeps addresses for a container, by its id. Its record must be there already.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn reserve(&self, network: &Network, addresses: &[IpAddr], owner: &str) -> Result<(), Error> {
        let directory = self.reserved_directory(network);
        addresses.iter().try_for_each(|address| place(&directory, &format!("{address}@{owner}")))
    }

    /// Keeps none for it any more.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn unreserve(&self, network: &Network, owner: &str) -> Result<(), Error> {
        let directory = self.reserved_directory(network);
        for (_, holder, path) in self.reservations(network)?.into_iter().filter(|(_, holder, _)| holder == owner) {
            remove(&path).map_err(|error| Error::file(&format!("take back what {holder:.12} has:"), &path, error))?;
        }
        // The last one takes the directories along; where it is not the last, the kernel refuses.
        let _ = fs::remove_dir(&directory).and_then(|()| fs::remove_dir(directory.parent().unwrap_or(&directory)));
        Ok(())
    }

    /// The addresses that are kept for others. `name_of` knows which containers there are.
    pub(super) fn reserved_for_others(
        &self,
        network: &Network,
        owner: &str,
        name_of: NameOf<'_>,
    ) -> Result<BTreeSet<IpAddr>, Error> {
        let mut reserved = BTreeSet::new();
        for (address, holder, path) in self.reservations(network)? {
            if holder == owner {
                continue;
            }
            if name_of(&holder).is_some() {
                reserved.insert(address);
            } else {
                remove(&path).map_err(|error| Error::file("remove", &path, error))?;
            }
        }
        Ok(reserved)
    }

    /// All of them: address, container, file.
    fn reservations(&self, network: &Network) -> Result<Vec<(IpAddr, String, PathBuf)>, Error> {
        let directory = self.reserved_directory(network);
        let files = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| Error::file("read", &directory, error))?,
        };
        let parsed = files.flatten().filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let (address, holder) = name.split_once('@')?;
            Some((address.parse().ok()?, holder.to_owned(), file.path()))
        });
        Ok(parsed.collect())
    }

    /// Where they are.
    pub(super) fn reserved_directory(&self, network: &Network) -> PathBuf {
        self.records.join("reserved").join(&network.id)
    }
}

/// An empty file. Somebody who takes back the last one may remove the directory under our hands: then it is made again.
fn place(directory: &Path, name: &str) -> Result<(), Error> {
    const TRIES: usize = 8;
    let path = directory.join(name);
    let made = || fs::create_dir_all(directory).and_then(|()| File::create(&path).map(drop));
    let lost = |made: &std::io::Result<()>| made.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let outcome = (0..TRIES).map(|_| made()).find(|made| !lost(made)).unwrap_or_else(made);
    outcome.map_err(|error| Error::file("write", &path, error))
}

/// unlink(2); absence is forgiven.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::networks;

    #[test]
    fn what_is_kept_for_one_is_given_to_no_other_unless_he_asks() {
        let (networks, network, _directory) = networks("10.0.0.0/29");
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let everybody = |id: &str| (id != "gone").then(|| id.to_string());
        networks.reserve(&network, &[address(2)], "web").unwrap();
        networks.reserve(&network, &[address(3)], "gone").unwrap();
        let lease = |owner: &str, wanted: &[IpAddr]| networks.lease(&network, owner, wanted, &everybody);
        assert_eq!(lease("a", &[]).unwrap(), [address(3)], "nobody is there for whom it would be kept");
        assert_eq!(lease("b", &[]).unwrap(), [address(4)]);
        assert_eq!(lease("asks", &[address(2)]).unwrap(), [address(2)], "two may ask for the same");
        let refused = lease("web", &[address(2)]).unwrap_err().to_string();
        assert_eq!(refused, "Address already in use: 10.0.0.2 belongs to the container asks");
        networks.release(&network, address(2), "asks").unwrap();
        assert_eq!(networks.foresee_lease(&network, "web", &[address(2)], &everybody).unwrap(), [address(2)]);
        networks.unreserve(&network, "web").unwrap();
        assert!(!networks.reserved_directory(&network).exists(), "nothing is left");
        let rest: Vec<_> = (0..3).map(|n| lease(&format!("c{n}"), &[]).map(|taken| taken[0]).ok()).collect();
        assert_eq!(rest, [Some(address(5)), Some(address(6)), Some(address(2))]);
    }
}
